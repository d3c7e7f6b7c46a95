/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's control messages: any bytes, and all messages that we make ourselves. */
#include <errno.h>

#include "core/wire.h"
#include "fuzz.h"

/* What outputs are filled with, to see whether a parser that fails leaves them alone. */
#define UNTOUCHED 0xa5

static bool untouched(const void *output, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)output)[i] != UNTOUCHED)
			return false;
	return true;
}

#define CLEAR(output) memset(&(output), UNTOUCHED, sizeof(output))

/* A parser either succeeds on a message of that length, or it has touched nothing. */
static bool parsed(int ret, size_t len, size_t wanted, const void *output, size_t size)
{
	ENSURE(ret == 0 || ret == -EBADMSG);
	if (ret)
		ENSURE(untouched(output, size));
	else
		ENSURE(len == wanted);
	return !ret;
}

/* What was read, built again, is the message but for its padding: see the layouts in wire.h. */
static void same_message(const uint8_t *a, const uint8_t *b, size_t len, size_t padding)
{
	for (size_t i = 0; i < len; i++)
		if ((i < 12 || i >= WIRE_HEADER_LEN) && (i < padding || i >= padding + 4))
			ENSURE(a[i] == b[i]);
}

static void try_header(const uint8_t *msg, size_t len)
{
	struct wire_header header;

	CLEAR(header);
	if (wire_parse_header(msg, len, &header)) {
		ENSURE(untouched(&header, sizeof(header)));
		return;
	}
	ENSURE(header.len == len - WIRE_HEADER_LEN);
	ENSURE(wire_type_name(header.type)[0]);
}

static void try_ram_blocks(const uint8_t *msg, size_t len)
{
	int count = wire_ram_block_count(msg, len);
	struct wire_ram_block block;

	ENSURE(count >= 0 || count == -EBADMSG);
	for (int i = 0; i < count; i++)
		wire_get_ram_block(msg, (unsigned int)i, &block);
	if (count >= 0)
		ENSURE((size_t)count * WIRE_RAM_BLOCK_LEN == len - WIRE_HEADER_LEN);
}

static void try_commands(const uint8_t *msg, size_t len)
{
	static const enum wire_type types[] = {WIRE_REGISTER_REQUEST, WIRE_UNREGISTER_REQUEST};
	uint8_t again[WIRE_HEADER_LEN + WIRE_REGISTER_LEN];
	struct wire_compress compress;
	struct wire_register reg;
	struct wire_result result;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		CLEAR(reg);
		if (!parsed(wire_parse_register(msg, len, types[i], &reg), len,
			    WIRE_HEADER_LEN + WIRE_REGISTER_LEN, &reg, sizeof(reg)))
			continue;
		ENSURE(wire_build_register_request(again, &reg) == len);
		again[7] = (uint8_t)types[i];
		same_message(msg, again, len, 28);
	}
	CLEAR(result);
	if (parsed(wire_parse_result(msg, len, &result), len, WIRE_HEADER_LEN + WIRE_RESULT_LEN,
		   &result, sizeof(result))) {
		ENSURE(wire_build_register_result(again, &result) == len);
		same_message(msg, again, len, 20);
	}
	CLEAR(compress);
	if (parsed(wire_parse_compress(msg, len, &compress), len,
		   WIRE_HEADER_LEN + WIRE_COMPRESS_LEN, &compress, sizeof(compress))) {
		ENSURE(wire_build_compress(again, &compress) == len);
		same_message(msg, again, len, len);
	}
}

static void any_bytes(const uint8_t *data, size_t len)
{
	struct wire_caps caps;

	CLEAR(caps);
	if (wire_parse_caps(data, len, &caps))
		ENSURE(len < WIRE_CAPS_LEN && untouched(&caps, sizeof(caps)));
	else
		ENSURE(len >= WIRE_CAPS_LEN);
	try_header(data, len);
	try_ram_blocks(data, len);
	try_commands(data, len);
}

/* The same bytes with the length that QEMU wants. */
static void right_length(const uint8_t *data, size_t len)
{
	uint8_t *msg;

	if (len < WIRE_HEADER_LEN)
		return;
	msg = exact_copy(data, len);
	for (int i = 0; i < 4; i++)
		msg[i] = (uint8_t)((len - WIRE_HEADER_LEN) >> (24 - 8 * i));
	any_bytes(msg, len);
	free(msg);
}

/* In as much memory as a message has, so that a sanitizer sees a byte too many. */
static void built(struct input in)
{
	uint8_t *request = malloc(WIRE_HEADER_LEN + WIRE_REGISTER_LEN);
	uint8_t *answer = malloc(WIRE_HEADER_LEN + WIRE_RESULT_LEN);
	uint8_t *zeros = malloc(WIRE_HEADER_LEN + WIRE_COMPRESS_LEN);
	uint8_t *empty = malloc(WIRE_HEADER_LEN);
	enum wire_type type = (enum wire_type)(input_8(&in) % WIRE_TYPES);
	struct wire_register reg = {input_64(&in), input_32(&in), input_64(&in)}, reg_read;
	struct wire_result result = {input_32(&in), input_64(&in)}, result_read;
	struct wire_compress compress = {input_32(&in), input_32(&in), input_64(&in),
					 input_64(&in)};
	struct wire_compress compress_read;
	struct wire_header header;
	size_t len;

	ENSURE(request && answer && zeros && empty);
	len = wire_build_register_request(request, &reg);
	ENSURE(!wire_parse_register(request, len, WIRE_REGISTER_REQUEST, &reg_read));
	ENSURE(reg.addr == reg_read.addr && reg.block == reg_read.block &&
	       reg.chunks == reg_read.chunks);
	len = wire_build_register_result(answer, &result);
	ENSURE(!wire_parse_result(answer, len, &result_read));
	ENSURE(result.rkey == result_read.rkey && result.host_addr == result_read.host_addr);
	len = wire_build_compress(zeros, &compress);
	ENSURE(!wire_parse_compress(zeros, len, &compress_read));
	ENSURE(compress.value == compress_read.value && compress.block == compress_read.block &&
	       compress.addr == compress_read.addr && compress.length == compress_read.length);
	len = wire_build_empty(empty, type);
	ENSURE(!wire_parse_header(empty, len, &header));
	ENSURE(header.len == 0 && header.type == (uint32_t)type && header.repeat == 1);
	free(request);
	free(answer);
	free(zeros);
	free(empty);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	any_bytes(data, size);
	right_length(data, size);
	built((struct input){data, size});
	return 0;
}
