/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_ATTACH_ABI_H
#define RDMACHUNK_UTIL_ATTACH_ABI_H

#include <stdint.h>

/*
 * What rdmachunk(1) and the library that it has loaded into a running QEMU say to each
 * other. The two may be of different versions: fields are only ever added, at the end of
 * what is sized.
 */

#define ATTACH_ENTRY "rdmachunk_attach"
#define ATTACH_INFO  "rdmachunk_info"

#define ATTACH_ABI 1

/* All settings together, with the NUL of each, in bytes. */
#define ATTACH_SETTINGS_MAX 8192
#define ATTACH_MESSAGE_LEN  384

/* Whether the hooks are in the program's global offset table, put there by attaching. A
 * library that was preloaded has its hooks in by the loader's doing, and says `none'. */
enum attach_state {
	ATTACH_NONE,
	ATTACH_HOOKED,
	ATTACH_DETACHED,
};

/* The symbol ATTACH_INFO: for whoever reads the memory of the process. */
struct attach_info {
	uint32_t abi;	  /* ATTACH_ABI */
	uint32_t size;	  /* of this, in bytes */
	uint32_t state;	  /* enum attach_state */
	uint32_t slots;	  /* of global offset tables that hold a hook */
	char version[64]; /* util/version.h */
	/* Those of the last attaching: NAME=VALUE strings, each with its NUL; the last is empty. */
	uint32_t settings_len; /* bytes, that of the last among them */
	char settings[ATTACH_SETTINGS_MAX];
};

enum attach_action {
	ATTACH_PUT_IN,
	ATTACH_TAKE_OUT,
};

/* The argument of the function ATTACH_ENTRY, in the memory of the process. */
struct attach_request {
	uint32_t abi;	 /* of the caller */
	uint32_t action; /* enum attach_action */
	/* As in struct attach_info; a copy is made. For ATTACH_PUT_IN. */
	uint64_t settings; /* address */
	uint32_t settings_len;

	/* Set by the library: 0 or a negative errno, the latter with a line that says why; the
	 * number of slots changed. `done' is 1 once all of this is set. */
	int32_t result;
	uint32_t slots;
	uint32_t done;
	char message[ATTACH_MESSAGE_LEN];
};

#endif
