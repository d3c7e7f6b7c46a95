/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/wire.h"

#include <errno.h>
#include <string.h>

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32(p + 4, (uint32_t)v);
}

int wire_parse_caps(const void *data, size_t len, struct wire_caps *caps)
{
	const uint8_t *p = data;

	if (!p || len < WIRE_CAPS_LEN)
		return -EBADMSG;
	caps->version = get32(p);
	caps->flags = get32(p + 4);
	return 0;
}

int wire_parse_header(const void *msg, size_t len, struct wire_header *header)
{
	const uint8_t *p = msg;

	if (len < WIRE_HEADER_LEN || get32(p) != len - WIRE_HEADER_LEN)
		return -EBADMSG;
	header->len = get32(p);
	header->type = get32(p + 4);
	header->repeat = get32(p + 8);
	return 0;
}

/* A message of one type with one command whose body is `body` bytes. */
static const uint8_t *parse_single(const void *msg, size_t len, enum wire_type type, size_t body)
{
	struct wire_header header;

	if (wire_parse_header(msg, len, &header) || header.type != (uint32_t)type ||
	    header.repeat != 1 || header.len != body)
		return NULL;
	return (const uint8_t *)msg + WIRE_HEADER_LEN;
}

int wire_ram_block_count(const void *msg, size_t len)
{
	struct wire_header header;

	if (wire_parse_header(msg, len, &header) || header.type != WIRE_RAM_BLOCKS_RESULT ||
	    header.len % WIRE_RAM_BLOCK_LEN)
		return -EBADMSG;
	return (int)(header.len / WIRE_RAM_BLOCK_LEN);
}

void wire_get_ram_block(const void *msg, unsigned int i, struct wire_ram_block *block)
{
	const uint8_t *p = (const uint8_t *)msg + WIRE_HEADER_LEN + (size_t)i * WIRE_RAM_BLOCK_LEN;

	block->host_addr = get64(p);
	block->offset = get64(p + 8);
	block->length = get64(p + 16);
}

int wire_parse_register(const void *msg, size_t len, enum wire_type type, struct wire_register *reg)
{
	const uint8_t *p = parse_single(msg, len, type, WIRE_REGISTER_LEN);

	if (!p)
		return -EBADMSG;
	reg->addr = get64(p);
	reg->block = get32(p + 8);
	reg->chunks = get64(p + 16);
	return 0;
}

int wire_parse_result(const void *msg, size_t len, struct wire_result *result)
{
	const uint8_t *p = parse_single(msg, len, WIRE_REGISTER_RESULT, WIRE_RESULT_LEN);

	if (!p)
		return -EBADMSG;
	result->rkey = get32(p);
	result->host_addr = get64(p + 8);
	return 0;
}

int wire_parse_compress(const void *msg, size_t len, struct wire_compress *compress)
{
	const uint8_t *p = parse_single(msg, len, WIRE_COMPRESS, WIRE_COMPRESS_LEN);

	if (!p)
		return -EBADMSG;
	compress->value = get32(p);
	compress->block = get32(p + 4);
	compress->addr = get64(p + 8);
	compress->length = get64(p + 16);
	return 0;
}

static uint8_t *build(void *msg, enum wire_type type, uint32_t body)
{
	uint8_t *p = msg;

	put32(p, body);
	put32(p + 4, type);
	put32(p + 8, 1);
	put32(p + 12, 0);
	return p + WIRE_HEADER_LEN;
}

size_t wire_build_register_request(void *msg, const struct wire_register *reg)
{
	uint8_t *p = build(msg, WIRE_REGISTER_REQUEST, WIRE_REGISTER_LEN);

	put64(p, reg->addr);
	put32(p + 8, reg->block);
	put32(p + 12, 0);
	put64(p + 16, reg->chunks);
	return WIRE_HEADER_LEN + WIRE_REGISTER_LEN;
}

size_t wire_build_register_result(void *msg, const struct wire_result *result)
{
	uint8_t *p = build(msg, WIRE_REGISTER_RESULT, WIRE_RESULT_LEN);

	put32(p, result->rkey);
	put32(p + 4, 0);
	put64(p + 8, result->host_addr);
	return WIRE_HEADER_LEN + WIRE_RESULT_LEN;
}

size_t wire_build_compress(void *msg, const struct wire_compress *compress)
{
	uint8_t *p = build(msg, WIRE_COMPRESS, WIRE_COMPRESS_LEN);

	put32(p, compress->value);
	put32(p + 4, compress->block);
	put64(p + 8, compress->addr);
	put64(p + 16, compress->length);
	return WIRE_HEADER_LEN + WIRE_COMPRESS_LEN;
}

size_t wire_build_empty(void *msg, enum wire_type type)
{
	build(msg, type, 0);
	return WIRE_HEADER_LEN;
}

const char *wire_type_name(uint32_t type)
{
	static const char *const names[WIRE_TYPES] = {
		[WIRE_NONE] = "none",
		[WIRE_ERROR] = "error",
		[WIRE_READY] = "ready",
		[WIRE_QEMU_FILE] = "qemu_file",
		[WIRE_RAM_BLOCKS_REQUEST] = "ram_blocks_request",
		[WIRE_RAM_BLOCKS_RESULT] = "ram_blocks_result",
		[WIRE_COMPRESS] = "compress",
		[WIRE_REGISTER_REQUEST] = "register_request",
		[WIRE_REGISTER_RESULT] = "register_result",
		[WIRE_REGISTER_FINISHED] = "register_finished",
		[WIRE_UNREGISTER_REQUEST] = "unregister_request",
		[WIRE_UNREGISTER_FINISHED] = "unregister_finished",
	};

	return type < WIRE_TYPES ? names[type] : "unknown";
}
