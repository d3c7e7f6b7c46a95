/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "support.h"

/* Written by hand from the packed structures of QEMU's migration/rdma.c. */

/* RDMACapabilities: version, flags */
static const uint8_t caps_bytes[] = {0, 0, 0, 1, 0, 0, 0, 1};

/* RDMAControlHeader (len, type, repeat, padding), RDMARegister (current_addr,
 * current_index, padding, chunks) */
static const uint8_t register_bytes[] = {
	0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
	0x00, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98,
	0x00, 0x00, 0x00, 0x00, 0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78,
};
static const struct wire_register register_value = {
	.addr = UINT64_C(0x0123456789abcdef),
	.block = 0xfedcba98,
	.chunks = UINT64_C(0x0f1e2d3c4b5a6978),
};

/* RDMARegisterResult (rkey, padding, host_addr) */
static const uint8_t result_bytes[] = {
	0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x00, 0x89, 0xab, 0xcd, 0xef, 0x00, 0x00,
	0x00, 0x00, 0x7f, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde,
};
static const struct wire_result result_value = {
	.rkey = 0x89abcdef,
	.host_addr = UINT64_C(0x7f123456789abcde),
};

/* RDMACompress (value, block_idx, offset, length) */
static const uint8_t compress_bytes[] = {
	0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
	0x00, 0x00, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x0a, 0x1b, 0x2c, 0x3d,
	0x4e, 0x5f, 0x60, 0x71, 0x82, 0x93, 0xa4, 0xb5, 0xc6, 0xd7, 0xe8, 0xf9,
};
static const struct wire_compress compress_value = {
	.value = 0x12345678,
	.block = 0x9abcdef0,
	.addr = UINT64_C(0x0a1b2c3d4e5f6071),
	.length = UINT64_C(0x8293a4b5c6d7e8f9),
};

/* two RDMADestBlocks (remote_host_addr, offset, length, remote_rkey, padding) */
static const uint8_t blocks_bytes[] = {
	0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x7f, 0x01, 0x02, 0x03, 0x04, 0x05, 0x00, 0x00, 0x00, 0x01,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x11, 0x22,
	0x33, 0x44, 0x00, 0x00, 0x00, 0x00, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
	0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36,
	0x37, 0x38, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* One signature for all parsers, and whether they left their output alone. */
typedef int (*parser)(const void *msg, size_t len, bool *untouched);

static int parse_caps(const void *msg, size_t len, bool *untouched)
{
	struct wire_caps out = {7, 7};
	int ret = wire_parse_caps(msg, len, &out);

	*untouched = out.version == 7 && out.flags == 7;
	return ret;
}

static int parse_header(const void *msg, size_t len, bool *untouched)
{
	struct wire_header out = {77, 77, 77};
	int ret = wire_parse_header(msg, len, &out);

	*untouched = out.len == 77 && out.type == 77 && out.repeat == 77;
	return ret;
}

static int parse_register(const void *msg, size_t len, bool *untouched)
{
	struct wire_register out = {7, 7, 7};
	int ret = wire_parse_register(msg, len, WIRE_REGISTER_REQUEST, &out);

	*untouched = out.addr == 7 && out.block == 7 && out.chunks == 7;
	return ret;
}

static int parse_result(const void *msg, size_t len, bool *untouched)
{
	struct wire_result out = {7, 7};
	int ret = wire_parse_result(msg, len, &out);

	*untouched = out.rkey == 7 && out.host_addr == 7;
	return ret;
}

static int parse_compress(const void *msg, size_t len, bool *untouched)
{
	struct wire_compress out = {7, 7, 7, 7};
	int ret = wire_parse_compress(msg, len, &out);

	*untouched = out.value == 7 && out.block == 7 && out.addr == 7 && out.length == 7;
	return ret;
}

static int parse_blocks(const void *msg, size_t len, bool *untouched)
{
	int ret = wire_ram_block_count(msg, len);

	*untouched = true;
	return ret < 0 ? ret : 0;
}

static const struct {
	parser parse;
	const uint8_t *bytes;
	size_t len;
	bool exact; /* more bytes than the header says are an error */
} kinds[] = {
	{parse_caps, caps_bytes, sizeof(caps_bytes), false},
	{parse_header, register_bytes, sizeof(register_bytes), true},
	{parse_register, register_bytes, sizeof(register_bytes), true},
	{parse_result, result_bytes, sizeof(result_bytes), true},
	{parse_compress, compress_bytes, sizeof(compress_bytes), true},
	{parse_blocks, blocks_bytes, sizeof(blocks_bytes), true},
};
#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

START_TEST(refuses_every_truncation)
{
	bool untouched;

	for (size_t len = 0; len < kinds[_i].len; len++) {
		void *msg = exact_copy(kinds[_i].bytes, len);

		ck_assert_int_eq(kinds[_i].parse(msg, len, &untouched), -EBADMSG);
		ck_assert(untouched);
		free(msg);
	}
	ck_assert_int_eq(kinds[_i].parse(kinds[_i].bytes, kinds[_i].len, &untouched), 0);
}
END_TEST

START_TEST(refuses_what_follows_the_message)
{
	uint8_t longer[128] = {0};
	bool untouched;

	memcpy(longer, kinds[_i].bytes, kinds[_i].len);
	for (size_t extra = 1; extra <= 32; extra++) {
		ck_assert_int_eq(kinds[_i].parse(longer, kinds[_i].len + extra, &untouched),
				 kinds[_i].exact ? -EBADMSG : 0);
		ck_assert(untouched == kinds[_i].exact || kinds[_i].parse == parse_blocks);
	}
}
END_TEST

/* Every bit of the length field, and lengths around the right one. */
START_TEST(refuses_every_malformed_length)
{
	uint8_t msg[128];
	bool untouched;

	if (!kinds[_i].exact)
		return;
	for (unsigned int bit = 0; bit < 32; bit++) {
		memcpy(msg, kinds[_i].bytes, kinds[_i].len);
		msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(kinds[_i].parse(msg, kinds[_i].len, &untouched), -EBADMSG);
		ck_assert(untouched);
	}
}
END_TEST

/* A length that agrees with what follows, but is not that of the type. */
START_TEST(refuses_a_body_of_the_wrong_size)
{
	struct message m;
	bool untouched;

	for (unsigned int words = 0; words <= 24; words++) {
		message_begin(&m, WIRE_REGISTER_REQUEST, 1);
		for (unsigned int i = 0; i < words; i++)
			message_put32(&m, i);
		ck_assert_int_eq(parse_register(m.data, m.len, &untouched),
				 words == 6 ? 0 : -EBADMSG);
		message_begin(&m, WIRE_REGISTER_RESULT, 1);
		for (unsigned int i = 0; i < words; i++)
			message_put32(&m, i);
		ck_assert_int_eq(parse_result(m.data, m.len, &untouched),
				 words == 4 ? 0 : -EBADMSG);
		message_begin(&m, WIRE_COMPRESS, 1);
		for (unsigned int i = 0; i < words; i++)
			message_put32(&m, i);
		ck_assert_int_eq(parse_compress(m.data, m.len, &untouched),
				 words == 6 ? 0 : -EBADMSG);
		message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
		for (unsigned int i = 0; i < words; i++)
			message_put32(&m, i);
		ck_assert_int_eq(wire_ram_block_count(m.data, m.len),
				 words % 8 ? -EBADMSG : (int)words / 8);
	}
}
END_TEST

START_TEST(refuses_other_types_and_several_commands)
{
	struct wire_register reg;
	struct message m;
	bool untouched;

	for (uint32_t type = 0; type <= 13; type++) {
		message_register(&m, type, 1, 2, 3);
		ck_assert_int_eq(wire_parse_register(m.data, m.len, WIRE_REGISTER_REQUEST, &reg),
				 type == WIRE_REGISTER_REQUEST ? 0 : -EBADMSG);
		ck_assert_int_eq(wire_parse_register(m.data, m.len, WIRE_UNREGISTER_REQUEST, &reg),
				 type == WIRE_UNREGISTER_REQUEST ? 0 : -EBADMSG);
		ck_assert_int_eq(parse_compress(m.data, m.len, &untouched),
				 type == WIRE_COMPRESS ? 0 : -EBADMSG);
		message_begin(&m, type, 1);
		message_put64(&m, 0);
		message_put64(&m, 0);
		ck_assert_int_eq(parse_result(m.data, m.len, &untouched),
				 type == WIRE_REGISTER_RESULT ? 0 : -EBADMSG);
		message_begin(&m, type, 1);
		message_put_block(&m, 0, 0, 1);
		ck_assert_int_eq(wire_ram_block_count(m.data, m.len),
				 type == WIRE_RAM_BLOCKS_RESULT ? 1 : -EBADMSG);
	}
	for (uint32_t repeat = 0; repeat < 4; repeat++) {
		message_register(&m, WIRE_REGISTER_REQUEST, 1, 2, 3);
		m.data[11] = (uint8_t)repeat;
		ck_assert_int_eq(parse_register(m.data, m.len, &untouched),
				 repeat == 1 ? 0 : -EBADMSG);
		message_register(&m, WIRE_COMPRESS, 1, 2, 3);
		m.data[11] = (uint8_t)repeat;
		ck_assert_int_eq(parse_compress(m.data, m.len, &untouched),
				 repeat == 1 ? 0 : -EBADMSG);
		message_result(&m, 1, 2);
		m.data[11] = (uint8_t)repeat;
		ck_assert_int_eq(parse_result(m.data, m.len, &untouched),
				 repeat == 1 ? 0 : -EBADMSG);
	}
}
END_TEST

/* One byte at a time: it lands in the right field, at the right place in it. */
START_TEST(reads_every_byte_where_it_is)
{
	for (size_t i = 0; i < 24; i++) {
		struct wire_register reg;
		struct message m;

		message_register(&m, WIRE_UNREGISTER_REQUEST, 0, 0, 0);
		m.data[16 + i] = 0xa5;
		ck_assert_int_eq(wire_parse_register(m.data, m.len, WIRE_UNREGISTER_REQUEST, &reg),
				 0);
		ck_assert_uint_eq(reg.addr, i < 8 ? UINT64_C(0xa5) << (7 - i) * 8 : 0);
		ck_assert_uint_eq(reg.block, i >= 8 && i < 12 ? 0xa5u << (11 - i) * 8 : 0);
		ck_assert_uint_eq(reg.chunks, i >= 16 ? UINT64_C(0xa5) << (23 - i) * 8 : 0);
	}
	for (size_t i = 0; i < 16; i++) {
		struct wire_result result;
		struct message m;

		message_result(&m, 0, 0);
		m.data[16 + i] = 0xa5;
		ck_assert_int_eq(wire_parse_result(m.data, m.len, &result), 0);
		ck_assert_uint_eq(result.rkey, i < 4 ? 0xa5u << (3 - i) * 8 : 0);
		ck_assert_uint_eq(result.host_addr, i >= 8 ? UINT64_C(0xa5) << (15 - i) * 8 : 0);
	}
	for (size_t i = 0; i < 24; i++) {
		struct wire_compress c;
		struct message m;

		message_register(&m, WIRE_COMPRESS, 0, 0, 0);
		m.data[16 + i] = 0xa5;
		ck_assert_int_eq(wire_parse_compress(m.data, m.len, &c), 0);
		ck_assert_uint_eq(c.value, i < 4 ? 0xa5u << (3 - i) * 8 : 0);
		ck_assert_uint_eq(c.block, i >= 4 && i < 8 ? 0xa5u << (7 - i) * 8 : 0);
		ck_assert_uint_eq(c.addr, i >= 8 && i < 16 ? UINT64_C(0xa5) << (15 - i) * 8 : 0);
		ck_assert_uint_eq(c.length, i >= 16 ? UINT64_C(0xa5) << (23 - i) * 8 : 0);
	}
	for (size_t i = 0; i < 32; i++) {
		struct wire_ram_block block;
		struct message m;

		message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
		message_put_block(&m, 0, 0, 0);
		m.data[16 + i] = 0xa5;
		wire_get_ram_block(m.data, 0, &block);
		ck_assert_uint_eq(block.host_addr, i < 8 ? UINT64_C(0xa5) << (7 - i) * 8 : 0);
		ck_assert_uint_eq(block.offset,
				  i >= 8 && i < 16 ? UINT64_C(0xa5) << (15 - i) * 8 : 0);
		ck_assert_uint_eq(block.length,
				  i >= 16 && i < 24 ? UINT64_C(0xa5) << (23 - i) * 8 : 0);
	}
	for (size_t i = 4; i < 16; i++) {
		uint8_t msg[16] = {0};
		struct wire_header header;

		msg[i] = 0xa5;
		ck_assert_int_eq(wire_parse_header(msg, sizeof(msg), &header), 0);
		ck_assert_uint_eq(header.len, 0);
		ck_assert_uint_eq(header.type, i < 8 ? 0xa5u << (7 - i) * 8 : 0);
		ck_assert_uint_eq(header.repeat, i >= 8 && i < 12 ? 0xa5u << (11 - i) * 8 : 0);
	}
}
END_TEST

START_TEST(reads_qemus_own_bytes)
{
	struct wire_ram_block block;
	struct wire_register reg;
	struct wire_compress compress;
	struct wire_result result;
	struct wire_caps caps;

	ck_assert_int_eq(wire_parse_caps(caps_bytes, sizeof(caps_bytes), &caps), 0);
	ck_assert_uint_eq(caps.version, WIRE_VERSION);
	ck_assert_uint_eq(caps.flags, WIRE_FLAG_PIN_ALL);
	ck_assert_int_eq(wire_parse_register(register_bytes, sizeof(register_bytes),
					     WIRE_REGISTER_REQUEST, &reg),
			 0);
	ck_assert_uint_eq(reg.addr, register_value.addr);
	ck_assert_uint_eq(reg.block, register_value.block);
	ck_assert_uint_eq(reg.chunks, register_value.chunks);
	ck_assert_int_eq(wire_parse_result(result_bytes, sizeof(result_bytes), &result), 0);
	ck_assert_uint_eq(result.rkey, result_value.rkey);
	ck_assert_uint_eq(result.host_addr, result_value.host_addr);
	ck_assert_int_eq(wire_parse_compress(compress_bytes, sizeof(compress_bytes), &compress), 0);
	ck_assert_uint_eq(compress.value, compress_value.value);
	ck_assert_uint_eq(compress.block, compress_value.block);
	ck_assert_uint_eq(compress.addr, compress_value.addr);
	ck_assert_uint_eq(compress.length, compress_value.length);
	ck_assert_int_eq(wire_ram_block_count(blocks_bytes, sizeof(blocks_bytes)), 2);
	wire_get_ram_block(blocks_bytes, 0, &block);
	ck_assert_uint_eq(block.host_addr, UINT64_C(0x7f0102030405));
	ck_assert_uint_eq(block.offset, UINT64_C(0x100000000));
	ck_assert_uint_eq(block.length, UINT64_C(0x8000000));
	wire_get_ram_block(blocks_bytes, 1, &block);
	ck_assert_uint_eq(block.host_addr, UINT64_C(0x1112131415161718));
	ck_assert_uint_eq(block.offset, UINT64_C(0x2122232425262728));
	ck_assert_uint_eq(block.length, UINT64_C(0x3132333435363738));
}
END_TEST

START_TEST(writes_qemus_own_bytes)
{
	static const uint8_t ready[] = {0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0};
	uint8_t msg[64];

	memset(msg, 0xee, sizeof(msg));
	ck_assert_uint_eq(wire_build_register_request(msg, &register_value),
			  sizeof(register_bytes));
	ck_assert_mem_eq(msg, register_bytes, sizeof(register_bytes));
	ck_assert_uint_eq(msg[sizeof(register_bytes)], 0xee);

	memset(msg, 0xee, sizeof(msg));
	ck_assert_uint_eq(wire_build_register_result(msg, &result_value), sizeof(result_bytes));
	ck_assert_mem_eq(msg, result_bytes, sizeof(result_bytes));
	ck_assert_uint_eq(msg[sizeof(result_bytes)], 0xee);

	memset(msg, 0xee, sizeof(msg));
	ck_assert_uint_eq(wire_build_compress(msg, &compress_value), sizeof(compress_bytes));
	ck_assert_mem_eq(msg, compress_bytes, sizeof(compress_bytes));
	ck_assert_uint_eq(msg[sizeof(compress_bytes)], 0xee);

	memset(msg, 0xee, sizeof(msg));
	ck_assert_uint_eq(wire_build_empty(msg, WIRE_READY), sizeof(ready));
	ck_assert_mem_eq(msg, ready, sizeof(ready));
	ck_assert_uint_eq(msg[sizeof(ready)], 0xee);
}
END_TEST

START_TEST(refuses_capabilities_that_are_not_there)
{
	struct wire_caps caps;

	ck_assert_int_eq(wire_parse_caps(NULL, 0, &caps), -EBADMSG);
	ck_assert_int_eq(wire_parse_caps(NULL, 8, &caps), -EBADMSG);
}
END_TEST

START_TEST(names_every_type)
{
	static const char *const names[] = {
		"none",
		"error",
		"ready",
		"qemu_file",
		"ram_blocks_request",
		"ram_blocks_result",
		"compress",
		"register_request",
		"register_result",
		"register_finished",
		"unregister_request",
		"unregister_finished",
	};

	ck_assert_uint_eq(WIRE_TYPES, sizeof(names) / sizeof(names[0]));
	for (uint32_t type = 0; type < WIRE_TYPES; type++)
		ck_assert_str_eq(wire_type_name(type), names[type]);
	ck_assert_str_eq(wire_type_name(WIRE_TYPES), "unknown");
	ck_assert_str_eq(wire_type_name(UINT32_MAX), "unknown");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *tc = tcase_create("wire");

	tcase_add_loop_test(tc, refuses_every_truncation, 0, KINDS);
	tcase_add_loop_test(tc, refuses_what_follows_the_message, 0, KINDS);
	tcase_add_loop_test(tc, refuses_every_malformed_length, 0, KINDS);
	tcase_add_test(tc, refuses_a_body_of_the_wrong_size);
	tcase_add_test(tc, refuses_other_types_and_several_commands);
	tcase_add_test(tc, reads_every_byte_where_it_is);
	tcase_add_test(tc, reads_qemus_own_bytes);
	tcase_add_test(tc, writes_qemus_own_bytes);
	tcase_add_test(tc, refuses_capabilities_that_are_not_there);
	tcase_add_test(tc, names_every_type);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
