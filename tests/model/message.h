/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_MESSAGE_H
#define RDMACHUNK_TESTS_MODEL_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/wire.h"

/* QEMU's control messages, where src/core/wire.h has no need to build them. */

/* What the one byte of a QEMU_FILE stands for. */
enum message_file {
	MESSAGE_FILE_HOOK, /* RAM_SAVE_FLAG_HOOK: listen for registrations */
	MESSAGE_FILE_EOS,
	MESSAGE_FILE_END, /* of the migration */
};

static inline void message_put32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static inline void message_put64(uint8_t *p, uint64_t v)
{
	message_put32(p, (uint32_t)(v >> 32));
	message_put32(p + 4, (uint32_t)v);
}

static inline uint32_t message_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Returns the length of the whole message. */
static inline size_t message_build(uint8_t *msg, enum wire_type type, const void *body,
				   uint32_t len)
{
	memset(msg, 0, WIRE_HEADER_LEN);
	message_put32(msg, len);
	message_put32(msg + 4, type);
	message_put32(msg + 8, 1);
	if (len)
		memcpy(msg + WIRE_HEADER_LEN, body, len);
	return WIRE_HEADER_LEN + len;
}

#endif
