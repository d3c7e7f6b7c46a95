/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection under any order of events, as the input says: QEMU's calls, the NIC's completions,
 * messages of a hostile peer, discards, and actions that end well, in part or not at all, at once
 * or late. Whatever comes, what QEMU posts completes once, the queues hold, each real MR is given
 * back once, and no message is read beyond its end.
 */
#include <errno.h>

#include "conn_caller.h"
#include "core/verbs_values.h"
#include "driver_mr.h"
#include "message.h"

#define EVENTS_MAX 2000
#define MIB	   (UINT64_C(1) << 20)

/* Steps of others while a call of QEMU's waits, and until it need not wait any more. */
#define STEPS_MEANWHILE 16
#define CALLS_MAX	20000

static const int errors[] = {ENOMEM, EINVAL, EIO, ENOTSUP, EOPNOTSUPP, EFAULT, EAGAIN, EPERM};

static int input_error(struct input *in)
{
	return errors[input_8(in) % (sizeof(errors) / sizeof(errors[0]))];
}

/* ---- Places ---- */

/* Where a block of the guest's is in this process, if we say so. */
static uint64_t local_base(unsigned int block)
{
	return UINT64_C(0x7f0000000000) + ((uint64_t)block << 32);
}

static uint64_t host_base(unsigned int block)
{
	return UINT64_C(0x550000000000) + ((uint64_t)block << 32);
}

/* A place in a block, or anything: the low bits of `how` say. Chunks as QEMU has them, the size
 * is in the next bits. */
struct place {
	unsigned int block;
	uint64_t offset, ram_addr, length;
};

static struct place input_place(struct caller *c)
{
	const struct ram_blocks *blocks = conn_blocks(c->conn);
	uint8_t how = input_8(&c->in), chunk = input_8(&c->in);
	uint64_t size = MIB << (how >> 3 & 3);
	struct place place = {.block = how & 3, .offset = chunk * size, .length = size};
	const struct ram_block *block =
		place.block < blocks->count ? &blocks->block[place.block] : NULL;

	if (how & 4) {
		place.offset = input_64(&c->in);
		place.length = input_32(&c->in);
	}
	if (how & 32)
		place.length = (uint64_t)input_8(&c->in) << 12;
	if (block && place.offset < block->length && !(how & 64) &&
	    place.length > block->length - place.offset)
		place.length = block->length - place.offset;
	place.ram_addr = place.offset + (block ? block->offset : 0);
	return place;
}

/* ---- Messages, QEMU's and the peer's ---- */

static void put_blocks(struct caller *c, struct message *m)
{
	uint8_t how = input_8(&c->in);
	unsigned int count = how % 8;
	uint64_t offset = 0;

	/* More than anybody has. */
	if (how == 255)
		count = (WIRE_MESSAGE_MAX - WIRE_HEADER_LEN) / WIRE_RAM_BLOCK_LEN;
	for (unsigned int i = 0; i < count; i++) {
		uint64_t length = how == 255 ? 4096 : (uint64_t)input_8(&c->in) << 19;
		uint64_t base, at;

		if (how & 8)
			length += input_64(&c->in);
		base = how & 16 ? input_64(&c->in) : host_base(i);
		at = how & 32 ? input_64(&c->in) : offset;
		message_put_block(m, base, at, length);
		offset += length;
	}
}

static void build_right(struct caller *c, uint8_t type, struct message *m)
{
	struct place place;

	message_begin(m, type, 1);
	switch (type) {
	case WIRE_RAM_BLOCKS_RESULT:
		put_blocks(c, m);
		break;
	case WIRE_REGISTER_REQUEST:
	case WIRE_UNREGISTER_REQUEST:
		place = input_place(c);
		message_register(m, type,
				 type == WIRE_REGISTER_REQUEST ? place.ram_addr
							       : place.offset / MIB,
				 place.block, place.length / MIB - !!(place.length / MIB));
		break;
	case WIRE_REGISTER_RESULT:
		place.block = input_8(&c->in);
		message_result(m, place.block >> 2, host_base(place.block & 3));
		break;
	case WIRE_COMPRESS:
		place = input_place(c);
		message_compress(m, place.block, place.ram_addr, place.length);
		break;
	case WIRE_QEMU_FILE:
		message_put(m, "", 1);
		break;
	}
}

/* What is wrong with a message. */
enum { SHAPE_RIGHT, SHAPE_LENGTH = 16, SHAPE_CUT = 32, SHAPE_HEADER = 64, SHAPE_BODY = 128 };

/* Mostly short. */
static uint32_t input_length(struct input *in)
{
	uint8_t length = input_8(in);

	return length < 240 ? length : input_32(in) % (WIRE_MESSAGE_MAX + 1);
}

static struct message scratch;

/* In `scratch`. Returns its length. */
static uint32_t build_message(struct caller *c)
{
	uint8_t how = input_8(&c->in), *msg = scratch.data;
	uint32_t length;

	build_right(c, how & 15, &scratch);
	if (how & SHAPE_BODY)
		for (uint8_t n = input_8(&c->in) % 8; n > 0; n--)
			msg[WIRE_HEADER_LEN + input_8(&c->in) % 48] = input_8(&c->in);
	length = (uint32_t)scratch.len;
	if (how & SHAPE_LENGTH)
		length = input_length(&c->in);
	if (how & SHAPE_HEADER)
		msg[input_8(&c->in) % WIRE_HEADER_LEN] = input_8(&c->in);
	else if (how & SHAPE_LENGTH && length >= WIRE_HEADER_LEN)
		message_store32(msg, length - WIRE_HEADER_LEN);
	if (how & SHAPE_CUT && length)
		length -= 1 + input_8(&c->in) % length;
	return length;
}

/* ---- Events ---- */

/* A call has returned CONN_AGAIN: others act until it may be made again. False when they have
 * done all that they can, and it may not. */
static bool wait_meanwhile(struct caller *c);

static void send_message(struct caller *c)
{
	uint32_t length = build_message(c);
	struct conn_wr wr = {.message = true, .length = length};
	struct qemu_wr *qemu = caller_new_wr(c, QEMU_SEND, length, &wr.wr_id);
	int ret;

	if (!qemu)
		return;
	memcpy(qemu->data, scratch.data, length);
	wr.data = qemu->data;
	wr.local_addr = (uintptr_t)qemu->data;
	if (conn_expects_message(c->conn)) {
		driver_drain(c->driver, CONN_RECV_CQ);
		driver_run(c->driver);
	}
	ret = conn_post_send(c->conn, &wr);
	ENSURE(ret <= 0);
	if (!ret)
		caller_accept(c, qemu,
			      conn_role(c->conn) == CONN_DESTINATION ||
				      (message_is_whole(wr.data, length) &&
				       (message_type(wr.data) == WIRE_READY ||
					message_type(wr.data) == WIRE_ERROR)));
	driver_run(c->driver);
}

static void post_write(struct caller *c, struct conn_wr wr)
{
	struct qemu_wr *qemu = caller_new_wr(c, QEMU_WRITE, 0, &wr.wr_id);
	unsigned int calls = 0;
	int ret;

	if (!qemu)
		return;
	while ((ret = conn_post_send(c->conn, &wr)) == CONN_AGAIN) {
		ENSURE(++calls < CALLS_MAX);
		ENSURE(!wr.last || conn_waits(c->conn) == CONN_WAITS_FOR_PREFETCH);
		if (!wait_meanwhile(c))
			wr.last = true;
	}
	/* Then QEMU waits for one to complete. */
	if (ret == -ENOMEM)
		ENSURE(c->open[QEMU_WRITE] || conn_count_due(c->conn, CONN_SEND_CQ));
	if (!ret)
		caller_accept(c, qemu, false);
	driver_run(c->driver);
}

/* Some, one behind the other. */
static void send_writes(struct caller *c)
{
	struct place place = input_place(c);
	uint8_t how = input_8(&c->in), key = input_8(&c->in);
	struct conn_wr wr = {
		.length = place.length & 0x7fffffff,
		.local_addr = local_base(place.block) + place.offset,
		.remote_addr = host_base(place.block) + place.offset,
		.lkey = key,
		.rkey = key,
	};

	if (wr.length > MIB << 10)
		wr.length = MIB << 10;
	/* Of an MR that QEMU has. */
	if (c->driver->handles && key & 1)
		wr.lkey = c->driver->handle[key / 2 % c->driver->handles]->real.lkey;
	for (unsigned int n = how; n > 0 && !c->inside; n -= n < 4 ? n : 4) {
		post_write(c, wr);
		wr.local_addr += wr.length;
		wr.remote_addr += wr.length;
	}
}

static void post_recv(struct caller *c)
{
	uint8_t how = input_8(&c->in);
	bool posts = conn_role(c->conn) != CONN_DESTINATION || conn_state(c->conn) < CONN_ACTIVE;
	struct recv_request request = {.length = how & 1 ? how : how & 2 ? WIRE_MESSAGE_MAX : 512};
	struct qemu_wr *qemu;
	int ret;

	if (c->open[QEMU_RECV] >= CALLER_QEMU_RECV) {
		if (!posts || how < 250)
			return;
		c->too_many = true;
	}
	if (conn_state(c->conn) == CONN_PASSTHROUGH)
		return;
	qemu = caller_new_wr(c, QEMU_RECV, request.length, &request.wr_id);
	if (!qemu)
		return;
	request.addr = qemu->data;
	if (posts)
		ret = conn_post_recv(c->conn, &request);
	else
		ret = driver_post_recv(c->driver, &request);
	ENSURE(ret == 0 || ret == -ENOMEM);
	if (!ret)
		caller_accept(c, qemu, false);
	if (posts && conn_state(c->conn) >= CONN_ACTIVE)
		driver_run(c->driver);
}

static void message_comes(struct caller *c)
{
	uint32_t length = build_message(c);

	caller_receive(c, scratch.data, length);
}

static void arm(struct caller *c)
{
	uint8_t how = input_8(&c->in);
	enum conn_cq cq = how & 1 && !c->world.settings.one_cq ? CONN_RECV_CQ : CONN_SEND_CQ;

	driver_arm(c->driver, cq);
	if (how & 2)
		caller_poll(c, cq, 1);
}

static void poll_cq(struct caller *c)
{
	uint8_t how = input_8(&c->in);

	caller_poll(c, how & 1 ? CONN_RECV_CQ : CONN_SEND_CQ, 1 + (how >> 1) % 8);
}

static void complete(struct caller *c)
{
	for (uint8_t n = input_8(&c->in) % 32 + 1; n > 0; n--)
		caller_complete(c, VERBS_WC_SUCCESS);
}

static void fail_wr(struct caller *c)
{
	uint8_t status = input_8(&c->in);

	if (status & 1)
		caller_complete(c, 1 + status / 2);
	else
		nic_fail_recv(&c->world, c->qp, 1 + status / 2);
}

static void complete_nonsense(struct caller *c)
{
	static const uint64_t marks[] = {0, 0x5d4c, 0x5d4d, 0x5d4e};
	uint8_t how = input_8(&c->in);
	struct completion wc = {
		.wr_id = marks[how & 3] << 48,
		.status = how & 4 ? 0 : how,
		.opcode = how & 8 ? VERBS_WC_SEND : VERBS_WC_RECV,
		.byte_len = how & 16 ? input_32(&c->in) : 0,
	};

	wc.wr_id |= how & 32 ? input_64(&c->in) & ~(UINT64_C(0xffff) << 48) : input_8(&c->in);
	/* QEMU has none like this, and never will. */
	if (!(how & 3))
		wc.wr_id |= UINT64_C(1) << 47;
	if (caller_is_outstanding(c, wc.wr_id))
		return;
	conn_completed(c->conn, &wc);
	driver_run(c->driver);
}

static void register_memory(struct caller *c)
{
	static const int accesses[] = {0, 7, 1, VERBS_ACCESS_ON_DEMAND};
	struct place place = input_place(c);
	uint8_t how = input_8(&c->in);
	bool here = conn_role(c->conn) == CONN_SOURCE;
	struct conn_registration want = {
		.addr = place.offset + (here ? local_base(place.block) : host_base(place.block)),
		.length = place.length,
		.access = how & 128 ? (int)(how & 127) : accesses[how & 3],
	};
	struct mr *mr = NULL;
	unsigned int calls = 0;
	int ret;

	if (c->driver->handles == CALLER_HANDLES)
		return;
	while ((ret = conn_register(c->conn, &want, &mr)) == CONN_AGAIN) {
		ENSURE(++calls < CALLS_MAX);
		ENSURE(!want.last || conn_waits(c->conn) == CONN_WAITS_FOR_PREFETCH);
		if (!wait_meanwhile(c))
			want.last = true;
	}
	driver_run(c->driver);
	ENSURE(ret <= 0 && (!ret || !mr));
	if (mr)
		c->driver->handle[c->driver->handles++] = mr;
}

static void put_handle(struct caller *c)
{
	uint8_t which = input_8(&c->in);

	if (c->driver->handles)
		driver_mr_put(c->driver, which % c->driver->handles);
}

/* How it ends what is done next. */
static void plan(struct caller *c)
{
	uint8_t how = input_8(&c->in), number = input_8(&c->in);

	switch (how & 3) {
	case 0:
		c->post_takes = number % ORDER_BATCH;
		c->post_error = how & 4 ? input_error(&c->in) : ENOMEM;
		break;
	case 1:
		c->recv_takes = number % RECV_QUEUE_BUFFERS;
		c->recv_error = input_error(&c->in);
		break;
	case 2:
		c->reg_limit = how & 4 ? (uint64_t)number << 20 : 0;
		c->reg_error = how & 8 ? 0 : input_error(&c->in);
		break;
	case 3:
		c->watch_fails = how & 4;
		c->reg_discards = how & 8;
		c->data = UINT64_C(0x0101010101010101) * number;
		break;
	}
}

static void give_up(struct caller *c)
{
	uint8_t how = input_8(&c->in);

	if (how < 8)
		conn_fail(c->conn, errors[how], "the input says so");
	else if (how < 64)
		conn_disconnected(c->conn);
	else if (how < 72)
		conn_stop_prefetch(c->conn);
	driver_run(c->driver);
}

static void settle(struct caller *c)
{
	caller_complete_all(c);
	while (caller_poll(c, CONN_SEND_CQ, 8) || caller_poll(c, CONN_RECV_CQ, 8))
		;
}

static void drain(struct caller *c)
{
	uint8_t how = input_8(&c->in);

	driver_drain(c->driver, how & 1 ? CONN_RECV_CQ : CONN_SEND_CQ);
	driver_run(c->driver);
}

/* From `FIRST_OF_OTHERS` on those that are not of the thread that calls for QEMU. */
static void (*const events[])(struct caller *c) = {
	send_message,
	send_writes,
	register_memory,
	post_recv,
	poll_cq,
	arm,
	put_handle,
	settle,
	plan,
	message_comes,
	complete,
	caller_listen,
	fail_wr,
	caller_discard,
	caller_step_poster,
	give_up,
	complete_nonsense,
	caller_step_prefetcher,
	drain,
};

#define EVENTS		(sizeof(events) / sizeof(events[0]))
#define FIRST_OF_OTHERS 8

static bool wait_meanwhile(struct caller *c)
{
	c->inside = true;
	driver_run(c->driver);
	for (int i = 0; i < STEPS_MEANWHILE && c->in.left; i++) {
		if (conn_waits(c->conn) == CONN_WAITS_FOR_NOTHING)
			break;
		events[FIRST_OF_OTHERS + input_8(&c->in) % (EVENTS - FIRST_OF_OTHERS)](c);
	}
	if (conn_waits(c->conn) != CONN_WAITS_FOR_NOTHING)
		caller_finish(c);
	c->inside = false;
	/* A write may have to wait for what never comes; nothing else. */
	ENSURE(conn_waits(c->conn) != CONN_WAITS_FOR_PREFETCH);
	return conn_waits(c->conn) == CONN_WAITS_FOR_NOTHING;
}

/* ---- One input ---- */

/* The connection is made, or passes through. False when it cannot be made. */
static bool make(struct caller *c, uint8_t how)
{
	uint8_t also = input_8(&c->in);
	uint64_t max_message = UINT64_C(1) << (20 + (also & 15));

	for (uint8_t n = also >> 4; n > 0; n--)
		post_recv(c);
	if (how & 8)
		plan(c);
	conn_set_role(c->conn, how & 1 ? CONN_DESTINATION : CONN_SOURCE);
	if (how & 1 && !(how & 2))
		conn_keep_recvs(c->conn);
	else if (!(how & 2))
		conn_take_over(c->conn, caller_memory(), 7);
	if (!driver_run(c->driver)) {
		/* The rest passes through, if nothing was given to the NIC. */
		if (how & 1 || c->qp->rq_count)
			return false;
		how |= 2;
	}
	if (how & 2) {
		conn_pass_through(c->conn);
		return driver_run(c->driver);
	}
	if (conn_wants_help(c->conn) && how & 16)
		conn_forgo_help(c->conn);
	if (how & 32)
		conn_ask_singly(c->conn);
	conn_start(c->conn, max_message);
	return driver_run(c->driver);
}

static struct conn_options input_options(struct caller *c, uint8_t flags)
{
	uint8_t how = input_8(&c->in);

	return (struct conn_options){
		.one_cq = flags & 2,
		.writes = flags & 4,
		.zeros = flags & 8,
		.prefetch = flags & 16,
		.limited = flags & 32,
		.shift = 20 + how % 11,
		.threads = 1 + how / 11 % DRIVER_THREADS,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct caller caller;
	struct caller *c = &caller;
	struct conn_options options;
	uint8_t flags, end, how;

	/* The rest is looked at only as far as it is used. */
	memset(c, 0, offsetof(struct caller, world) + offsetof(struct world, physical));
	c->in = (struct input){data, size};
	flags = input_8(&c->in);
	options = input_options(c, flags);
	c->data = UINT64_C(0x0101010101010101) * (uint8_t)~input_8(&c->in);
	end = input_8(&c->in);
	how = input_8(&c->in);
	caller_init(c, how & 1 ? CONN_DESTINATION : CONN_SOURCE, &options);
	c->driver->poster = flags & 1;
	if (make(c, how) && conn_state(c->conn) != CONN_PASSTHROUGH) {
		for (int i = 0; i < EVENTS_MAX && c->in.left; i++) {
			events[input_8(&c->in) % EVENTS](c);
			caller_look(c);
		}
		caller_flush(c, end & 1);
	}
	caller_end(c, end >> 1);
	return 0;
}
