/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_WIRE_H
#define RDMACHUNK_CORE_WIRE_H

#include <stddef.h>
#include <stdint.h>

/*
 * QEMU's RDMA control messages as they are on the wire: packed, big endian.
 * Source of every layout: QEMU migration/rdma.c, the structures named below.
 *
 * Every wire_parse_* function takes a whole message, `len` bytes from its
 * header on, touches nothing outside it, sets its outputs only on success and
 * returns 0 or -EBADMSG.
 */

#define WIRE_VERSION	   1u /* RDMA_CONTROL_VERSION_CURRENT */
#define WIRE_FLAG_PIN_ALL  1u /* RDMA_CAPABILITY_PIN_ALL */
#define WIRE_CAPS_LEN	   8u
#define WIRE_HEADER_LEN	   16u
#define WIRE_MESSAGE_MAX   (512u * 1024) /* RDMA_CONTROL_MAX_BUFFER, header included */
#define WIRE_RAM_BLOCK_LEN 32u
#define WIRE_REGISTER_LEN  24u
#define WIRE_RESULT_LEN	   16u
#define WIRE_COMPRESS_LEN  24u

/* RDMA_CONTROL_*; the statistics count messages by these. */
enum wire_type {
	WIRE_NONE,
	WIRE_ERROR,
	WIRE_READY,
	WIRE_QEMU_FILE,
	WIRE_RAM_BLOCKS_REQUEST,
	WIRE_RAM_BLOCKS_RESULT,
	WIRE_COMPRESS,
	WIRE_REGISTER_REQUEST,
	WIRE_REGISTER_RESULT,
	WIRE_REGISTER_FINISHED,
	WIRE_UNREGISTER_REQUEST,
	WIRE_UNREGISTER_FINISHED,
	WIRE_TYPES
};

/* A message of our own making; none of ours is longer. */
#define WIRE_OWN_MAX 64

struct wire_message {
	uint8_t bytes[WIRE_OWN_MAX];
	size_t len; /* 0: none */
};

/* RDMACapabilities: the private data of rdma_connect() and rdma_accept() */
struct wire_caps {
	uint32_t version;
	uint32_t flags;
};

/* RDMAControlHeader */
struct wire_header {
	uint32_t len; /* bytes after the header */
	uint32_t type;
	uint32_t repeat; /* commands in the body */
};

/* RDMADestBlock, one for each RAM block, in the source's order */
struct wire_ram_block {
	uint64_t host_addr; /* base at the destination */
	uint64_t offset;    /* in the destination's ram_addr_t space */
	uint64_t length;    /* bytes */
};

/* RDMARegister, in a REGISTER_REQUEST and an UNREGISTER_REQUEST */
struct wire_register {
	uint64_t addr; /* REGISTER: destination ram_addr_t; UNREGISTER: chunk index */
	uint32_t block;
	uint64_t chunks; /* chunks after the first that the registration covers */
};

/* RDMARegisterResult */
struct wire_result {
	uint32_t rkey;
	uint64_t host_addr; /* base of the RAM block at the destination */
};

/* RDMACompress: fill a range with one byte value, at the destination */
struct wire_compress {
	uint32_t value;
	uint32_t block;
	uint64_t addr;	 /* destination ram_addr_t */
	uint64_t length; /* bytes */
};

/* The capabilities, from private data of any length: `len` may be larger than
 * what QEMU sent, because rdma_cm pads what the other end receives. */
int wire_parse_caps(const void *data, size_t len, struct wire_caps *caps);

/* The length in the header must be what follows it: QEMU refuses all else. */
int wire_parse_header(const void *msg, size_t len, struct wire_header *header);

/* The number of RAM blocks a RAM_BLOCKS_RESULT lists, or -EBADMSG. */
int wire_ram_block_count(const void *msg, size_t len);

/* The i-th of them; `i` must be below the count. */
void wire_get_ram_block(const void *msg, unsigned int i, struct wire_ram_block *block);

/* The one command of a REGISTER_REQUEST or UNREGISTER_REQUEST (`type` says
 * which); a message with several, which QEMU never sends, is -EBADMSG. */
int wire_parse_register(const void *msg, size_t len, enum wire_type type,
			struct wire_register *reg);
int wire_parse_result(const void *msg, size_t len, struct wire_result *result);

int wire_parse_compress(const void *msg, size_t len, struct wire_compress *compress);

/* Messages of our own. `msg` has room for WIRE_HEADER_LEN plus the body; the
 * whole length in bytes is returned. */
size_t wire_build_register_request(void *msg, const struct wire_register *reg);
size_t wire_build_register_result(void *msg, const struct wire_result *result);
size_t wire_build_compress(void *msg, const struct wire_compress *compress);
size_t wire_build_empty(void *msg, enum wire_type type);

/* "register_request" and so on; "unknown" for anything else. */
const char *wire_type_name(uint32_t type);

#endif
