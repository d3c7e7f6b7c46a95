/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_MESSAGE_H
#define RDMACHUNK_TESTS_MODEL_MESSAGE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/wire.h"

/*
 * QEMU's control messages, encoded and read here once more from the structures in QEMU's
 * migration/rdma.c, so that the codec under test does not vouch for itself.
 */

#ifndef MESSAGE_ROOM
#define MESSAGE_ROOM 2048
#endif

struct message {
	uint8_t data[MESSAGE_ROOM];
	size_t len; /* bytes, the header's 16 included; 0: no message */
};

/* What the one byte of a QEMU_FILE stands for. */
enum message_file {
	MESSAGE_FILE_HOOK, /* RAM_SAVE_FLAG_HOOK: listen for registrations */
	MESSAGE_FILE_EOS,
	MESSAGE_FILE_END, /* of the migration */
};

static inline void message_store32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* A header without body; each put adds to the body and to the header's length. */
static inline void message_begin(struct message *m, uint32_t type, uint32_t repeat)
{
	message_store32(m->data, 0);
	message_store32(m->data + 4, type);
	message_store32(m->data + 8, repeat);
	message_store32(m->data + 12, 0);
	m->len = 16;
}

static inline void message_put(struct message *m, const void *bytes, size_t len)
{
	assert(len <= sizeof(m->data) - m->len);
	memcpy(m->data + m->len, bytes, len);
	m->len += len;
	message_store32(m->data, (uint32_t)(m->len - 16));
}

static inline void message_put32(struct message *m, uint32_t v)
{
	uint8_t bytes[4];

	message_store32(bytes, v);
	message_put(m, bytes, sizeof(bytes));
}

static inline void message_put64(struct message *m, uint64_t v)
{
	message_put32(m, (uint32_t)(v >> 32));
	message_put32(m, (uint32_t)v);
}

/* A REGISTER_REQUEST or UNREGISTER_REQUEST. */
static inline void message_register(struct message *m, uint32_t type, uint64_t addr, uint32_t block,
				    uint64_t chunks)
{
	message_begin(m, type, 1);
	message_put64(m, addr);
	message_put32(m, block);
	message_put32(m, 0);
	message_put64(m, chunks);
}

static inline void message_result(struct message *m, uint32_t rkey, uint64_t host_addr)
{
	message_begin(m, WIRE_REGISTER_RESULT, 1);
	message_put32(m, rkey);
	message_put32(m, 0);
	message_put64(m, host_addr);
}

/* Of zeros. */
static inline void message_compress(struct message *m, uint32_t block, uint64_t addr,
				    uint64_t length)
{
	message_begin(m, WIRE_COMPRESS, 1);
	message_put32(m, 0);
	message_put32(m, block);
	message_put64(m, addr);
	message_put64(m, length);
}

/* One RAM block more in a RAM_BLOCKS_RESULT. */
static inline void message_put_block(struct message *m, uint64_t host_addr, uint64_t offset,
				     uint64_t length)
{
	message_put64(m, host_addr);
	message_put64(m, offset);
	message_put64(m, length);
	message_put64(m, 0);
}

/* The numbers at byte `at` of a message. */
static inline uint32_t message_get32(const void *msg, size_t at)
{
	const uint8_t *p = (const uint8_t *)msg + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t message_get64(const void *msg, size_t at)
{
	return (uint64_t)message_get32(msg, at) << 32 | message_get32(msg, at + 4);
}

static inline uint32_t message_type(const void *msg)
{
	return message_get32(msg, 4);
}

/* Is what has come as long as its header says? */
static inline bool message_is_whole(const void *msg, size_t len)
{
	return len >= 16 && message_get32(msg, 0) == len - 16;
}

#endif
