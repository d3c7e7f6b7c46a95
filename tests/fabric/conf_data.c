// SPDX-License-Identifier: GPL-2.0-or-later
/* Data that arrives: SEND, RECV, WRITE, immediate data, order, signalling. */
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIGNALED IBV_SEND_SIGNALED

static void fill(struct side *side, uint32_t offset, uint32_t length, char seed)
{
	uint32_t i;

	for (i = 0; i < length; i++)
		side->buffer[offset + i] = (char)(seed + i * 7 + (i >> 8));
}

static void check_filled(struct side *side, uint32_t offset, uint32_t length, char seed)
{
	uint32_t i;

	for (i = 0; i < length; i++)
		CHECK(side->buffer[offset + i] == (char)(seed + i * 7 + (i >> 8)),
		      "byte %u of %u differs", i, length);
}

static void send_client(struct side *side)
{
	struct ibv_wc wc;

	conf_hear(side);
	fill(side, 0, 100000, 3);
	conf_post_send(side, 11, 0, 100000, SIGNALED);
	wc = conf_expect(side->send_cq, 11, IBV_WC_SUCCESS);
	CHECK(wc.opcode == IBV_WC_SEND, "opcode %d", wc.opcode);
	CHECK(wc.qp_num == side->qp->qp_num, "qp_num %u, not %u", wc.qp_num, side->qp->qp_num);
	conf_disconnect(side);
}

static void send_server(struct side *side)
{
	struct ibv_wc wc;

	conf_post_recv(side, 21, 4096, 200000);
	conf_tell(side, 0);
	wc = conf_expect(side->recv_cq, 21, IBV_WC_SUCCESS);
	CHECK(wc.opcode == IBV_WC_RECV, "opcode %d", wc.opcode);
	CHECK(wc.byte_len == 100000, "byte_len %u", wc.byte_len);
	CHECK(wc.qp_num == side->qp->qp_num, "qp_num %u, not %u", wc.qp_num, side->qp->qp_num);
	CHECK(!(wc.wc_flags & IBV_WC_WITH_IMM), "immediate data out of nothing");
	check_filled(side, 4096, 100000, 3);
	conf_disconnect(side);
}

static void fifo_client(struct side *side)
{
	int i;

	conf_hear(side);
	for (i = 0; i < 3; i++) {
		fill(side, i * 1000, 1000, i);
		conf_post_send(side, i, i * 1000, 1000 - i, SIGNALED);
	}
	for (i = 0; i < 3; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void fifo_server(struct side *side)
{
	struct ibv_wc wc;
	int i;

	for (i = 0; i < 3; i++)
		conf_post_recv(side, 50 - i, i * 1000, 1000);
	conf_tell(side, 0);
	for (i = 0; i < 3; i++) {
		wc = conf_expect(side->recv_cq, 50 - i, IBV_WC_SUCCESS);
		CHECK(wc.byte_len == 1000u - i, "byte_len %u", wc.byte_len);
		check_filled(side, i * 1000, 1000 - i, i);
	}
	conf_expect_none(side->recv_cq);
	conf_disconnect(side);
}

static void write_client(struct side *side)
{
	struct ibv_wc wc;

	fill(side, 0, 300000, 9);
	conf_post_write(side, 31, 0, 300000, 5000, SIGNALED);
	wc = conf_expect(side->send_cq, 31, IBV_WC_SUCCESS);
	CHECK(wc.opcode == IBV_WC_RDMA_WRITE, "opcode %d", wc.opcode);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void write_server(struct side *side)
{
	conf_post_recv(side, 1, 0, 1000);
	conf_hear(side);
	check_filled(side, 5000, 300000, 9);
	CHECK(side->buffer[4999] == 0 && side->buffer[305000] == 0, "bytes beside the target");
	/* A WRITE takes no RECV and tells the responder nothing. */
	conf_expect_none(side->recv_cq);
	conf_disconnect(side);
}

/* The SEND is posted last and seen last: everything before it is in place by then. */
static void order_client(struct side *side)
{
	int i;

	conf_hear(side);
	fill(side, 0, 8 * 65536, 5);
	for (i = 0; i < 8; i++)
		conf_post_write(side, i, i * 65536, 65536, i * 65536, 0);
	conf_post_send(side, 99, 0, 10, SIGNALED);
	conf_expect(side->send_cq, 99, IBV_WC_SUCCESS);
	conf_expect_none(side->send_cq);
	conf_disconnect(side);
}

static void order_server(struct side *side)
{
	conf_post_recv(side, 1, 900000, 100);
	conf_tell(side, 0);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	check_filled(side, 0, 8 * 65536, 5);
	conf_disconnect(side);
}

/* Later WRITEs win where they overlap. */
static void overwrite_client(struct side *side)
{
	int i;

	for (i = 0; i < 8; i++) {
		fill(side, i * 4096, 4096, i);
		conf_post_write(side, i, i * 4096, 4096, 0, i == 7 ? SIGNALED : 0);
	}
	conf_expect(side->send_cq, 7, IBV_WC_SUCCESS);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void overwrite_server(struct side *side)
{
	conf_hear(side);
	check_filled(side, 0, 4096, 7);
	conf_disconnect(side);
}

static void imm_client(struct side *side)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer, 500, side->mr->lkey};
	struct ibv_send_wr write = {.wr_id = 1,
				    .sg_list = &sge,
				    .num_sge = 1,
				    .opcode = IBV_WR_RDMA_WRITE_WITH_IMM,
				    .send_flags = SIGNALED,
				    .imm_data = htonl(0x12345678),
				    .wr.rdma = {side->peer_addr + 100, side->peer_rkey}};
	struct ibv_send_wr send = {.wr_id = 2,
				   .sg_list = &sge,
				   .num_sge = 1,
				   .opcode = IBV_WR_SEND_WITH_IMM,
				   .send_flags = SIGNALED,
				   .imm_data = htonl(0x9abcdef0)};

	conf_hear(side);
	fill(side, 0, 500, 4);
	CHECK(conf_try_send(side, &write) == 0, "WRITE with immediate refused");
	CHECK(conf_try_send(side, &send) == 0, "SEND with immediate refused");
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void imm_server(struct side *side)
{
	struct ibv_wc wc;

	conf_post_recv(side, 1, 10000, 1000);
	conf_post_recv(side, 2, 20000, 1000);
	conf_tell(side, 0);
	wc = conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	CHECK(wc.opcode == IBV_WC_RECV_RDMA_WITH_IMM, "opcode %d", wc.opcode);
	CHECK(wc.byte_len == 500, "byte_len %u", wc.byte_len);
	CHECK((wc.wc_flags & IBV_WC_WITH_IMM) && ntohl(wc.imm_data) == 0x12345678, "immediate %#x",
	      ntohl(wc.imm_data));
	check_filled(side, 100, 500, 4);
	CHECK(side->buffer[10000] == 0, "the WRITE went to the RECV's buffer");
	wc = conf_expect(side->recv_cq, 2, IBV_WC_SUCCESS);
	CHECK(wc.opcode == IBV_WC_RECV, "opcode %d", wc.opcode);
	CHECK((wc.wc_flags & IBV_WC_WITH_IMM) && ntohl(wc.imm_data) == 0x9abcdef0, "immediate %#x",
	      ntohl(wc.imm_data));
	check_filled(side, 20000, 500, 4);
	conf_disconnect(side);
}

static void unsignalled_client(struct side *side)
{
	int round, i;

	/* Many times the queue's depth: slots come back although nothing is reported for them. */
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 7; i++)
			conf_post_write(side, i, 0, 100, 0, 0);
		conf_post_write(side, 1000 + round, 0, 100, 0, SIGNALED);
		conf_expect(side->send_cq, 1000 + round, IBV_WC_SUCCESS);
	}
	conf_expect_none(side->send_cq);
	conf_disconnect(side);
}

static void idle(struct side *side)
{
	conf_disconnect(side);
}

static void inline_client(struct side *side)
{
	conf_hear(side);
	fill(side, 0, 64, 1);
	conf_post_send(side, 1, 0, 64, SIGNALED | IBV_SEND_INLINE);
	memset(side->buffer, 0xff, 64);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void inline_server(struct side *side)
{
	conf_post_recv(side, 1, 0, 64);
	conf_tell(side, 0);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	check_filled(side, 0, 64, 1);
	conf_disconnect(side);
}

/*
 * The RECV is missing, so the SEND is tried again and again; what it carries in the end is what
 * the buffer holds then.
 */
static void late_source_client(struct side *side)
{
	fill(side, 0, 2000, 1);
	conf_post_send(side, 1, 0, 2000, SIGNALED);
	fill(side, 0, 2000, 2);
	conf_tell(side, 0);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void late_source_server(struct side *side)
{
	conf_hear(side);
	conf_post_recv(side, 1, 0, 2000);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	check_filled(side, 0, 2000, 2);
	conf_disconnect(side);
}

static void gather_client(struct side *side)
{
	struct ibv_sge sge[3] = {{(uintptr_t)side->buffer + 3000, 100, side->mr->lkey},
				 {(uintptr_t)side->buffer + 1000, 5000, side->mr->lkey},
				 {(uintptr_t)side->buffer + 9000, 1, side->mr->lkey}};
	struct ibv_send_wr wr = {.wr_id = 1,
				 .sg_list = sge,
				 .num_sge = 3,
				 .opcode = IBV_WR_SEND,
				 .send_flags = SIGNALED};

	conf_hear(side);
	fill(side, 0, 10000, 0);
	CHECK(conf_try_send(side, &wr) == 0, "SEND of three segments refused");
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	wr.num_sge = 0;
	wr.wr_id = 2;
	CHECK(conf_try_send(side, &wr) == 0, "empty SEND refused");
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void gather_server(struct side *side)
{
	struct ibv_sge sge[2] = {{(uintptr_t)side->buffer + 20000, 3, side->mr->lkey},
				 {(uintptr_t)side->buffer + 30000, 10000, side->mr->lkey}};
	struct ibv_recv_wr wr = {.wr_id = 1, .sg_list = sge, .num_sge = 2};
	char *joined = malloc(5101), *expected = malloc(5101);
	struct ibv_wc wc;

	CHECK(joined && expected, "no memory");
	CHECK(conf_try_recv(side, &wr) == 0, "RECV of two segments refused");
	conf_post_recv(side, 2, 0, 10);
	conf_tell(side, 0);
	wc = conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	CHECK(wc.byte_len == 5101, "byte_len %u", wc.byte_len);
	wc = conf_expect(side->recv_cq, 2, IBV_WC_SUCCESS);
	CHECK(wc.byte_len == 0, "byte_len %u of an empty SEND", wc.byte_len);
	memcpy(joined, side->buffer + 20000, 3);
	memcpy(joined + 3, side->buffer + 30000, 5098);
	fill(side, 0, 10000, 0);
	memcpy(expected, side->buffer + 3000, 100);
	memcpy(expected + 100, side->buffer + 1000, 5000);
	expected[5100] = side->buffer[9000];
	CHECK(memcmp(joined, expected, 5101) == 0, "the bytes differ");
	free(joined);
	free(expected);
	conf_disconnect(side);
}

static void chain_client(struct side *side)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer, 10, side->mr->lkey};
	struct ibv_send_wr wr[3] = {0};
	int i;

	conf_hear(side);
	for (i = 0; i < 3; i++)
		wr[i] = (struct ibv_send_wr){.wr_id = i,
					     .next = i < 2 ? &wr[i + 1] : NULL,
					     .sg_list = &sge,
					     .num_sge = 1,
					     .opcode = IBV_WR_SEND,
					     .send_flags = SIGNALED};
	CHECK(conf_try_send(side, &wr[0]) == 0, "a chain of three was refused");
	for (i = 0; i < 3; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void chain_server(struct side *side)
{
	int i;

	for (i = 0; i < 3; i++)
		conf_post_recv(side, i, i * 1000, 1000);
	conf_tell(side, 0);
	for (i = 0; i < 3; i++)
		conf_expect(side->recv_cq, i, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void both_ways(struct side *side)
{
	int i;

	for (i = 0; i < 8; i++)
		conf_post_recv(side, i, i * 1000, 1000);
	conf_meet(side);
	memset(side->buffer + 500000, side->server ? 's' : 'c', 1000);
	for (i = 0; i < 8; i++)
		conf_post_send(side, i, 500000, 1000, SIGNALED);
	for (i = 0; i < 8; i++) {
		conf_expect(side->recv_cq, i, IBV_WC_SUCCESS);
		CHECK(side->buffer[i * 1000] == (side->server ? 'c' : 's'), "wrong bytes");
	}
	for (i = 0; i < 8; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

const struct conf_case conf_data_cases[] = {
	{"send_recv", send_client, send_server, {0}, false, NULL, NULL, 0},
	{"recv_fifo", fifo_client, fifo_server, {0}, false, NULL, NULL, 0},
	{"write", write_client, write_server, {0}, false, NULL, NULL, 0},
	{"write_before_send", order_client, order_server, {0}, false, NULL, NULL, 0},
	{"writes_in_order", overwrite_client, overwrite_server, {0}, false, NULL, NULL, 0},
	{"immediate", imm_client, imm_server, {0}, false, NULL, NULL, 0},
	{"unsignalled", unsignalled_client, idle, {0}, false, NULL, NULL, 0},
	{"inline", inline_client, inline_server, {.inline_data = 64}, false, NULL, NULL, 0},
	{"source_read_late", late_source_client, late_source_server, {0}, false, NULL, NULL, 0},
	{"gather_scatter", gather_client, gather_server, {.sge = 3}, false, NULL, NULL, 0},
	{"chain", chain_client, chain_server, {0}, false, NULL, NULL, 0},
	{"both_ways", both_ways, both_ways, {0}, false, NULL, NULL, 0},
	{NULL, NULL, NULL, {0}, false, NULL, NULL, 0},
};
