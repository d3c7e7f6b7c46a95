// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of what only the fabric has: limits, costs, faults. Each case sets its own RDMAFABRIC_
 * variables. Times are checked from below, as the model promises; from above only where a cost paid
 * twice would be caught with plenty of room.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SIGNALED IBV_SEND_SIGNALED

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void at_least(double since, double expected, const char *what)
{
	double took = seconds() - since;

	CHECK(took >= expected, "%s took %.4f s, expected %.4f", what, took, expected);
}

static void at_most(double since, double expected, const char *what)
{
	double took = seconds() - since;

	CHECK(took <= expected, "%s took %.4f s, expected at most %.4f", what, took, expected);
}

static void idle(struct side *side)
{
	conf_disconnect(side);
}

static void leave(struct side *side)
{
	conf_meet(side);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

/*
 * The hazard the gap is for: the CPU learns of a SEND when a WRITE posted after the SEND's
 * completion is in place already.
 */
static void gap_client(struct side *side)
{
	conf_hear(side);
	conf_post_send(side, 1, 0, 10, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	memset(side->buffer, 'W', 10);
	conf_post_write(side, 2, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void gap_server(struct side *side)
{
	conf_post_recv(side, 1, 1000, 10);
	conf_tell(side, 0);
	conf_hear(side);
	CHECK(memcmp(side->buffer, "WWWWWWWWWW", 10) == 0, "the WRITE is not in place");
	conf_expect_none(side->recv_cq);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void refuse_registration(struct ibv_pd *pd, char *at, size_t length, int expected)
{
	errno = 0;
	CHECK(!ibv_reg_mr(pd, at, length, IBV_ACCESS_LOCAL_WRITE), "%zu bytes registered", length);
	CHECK(errno == expected, "%s, expected %s", strerror(errno), strerror(expected));
}

static struct ibv_mr *registered(struct ibv_pd *pd, char *at, size_t length)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, at, length, IBV_ACCESS_LOCAL_WRITE);

	CHECK(mr, "%zu bytes: %s", length, strerror(errno));
	return mr;
}

static struct ibv_pd *domain(struct side *side)
{
	struct ibv_pd *pd;

	conf_listen(side);
	pd = ibv_alloc_pd(side->listener->verbs);
	CHECK(pd, "ibv_alloc_pd: %s", strerror(errno));
	side->buffer =
		mmap(NULL, CONF_BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(side->buffer != MAP_FAILED, "mmap: %s", strerror(errno));
	return pd;
}

static void mr_size_client(struct side *side)
{
	struct ibv_pd *pd = domain(side);
	struct ibv_device_attr attr;

	CHECK(ibv_query_device(pd->context, &attr) == 0 && attr.max_mr_size == 65536,
	      "max_mr_size is not reported");
	registered(pd, side->buffer, 65536);
	refuse_registration(pd, side->buffer, 65537, EINVAL);
}

static void mr_count_client(struct side *side)
{
	struct ibv_pd *pd = domain(side);
	struct ibv_mr *first = registered(pd, side->buffer, 10);

	registered(pd, side->buffer, 10);
	refuse_registration(pd, side->buffer, 10, ENOMEM);
	CHECK(ibv_dereg_mr(first) == 0, "ibv_dereg_mr failed");
	registered(pd, side->buffer, 10);
}

static void pinned_client(struct side *side)
{
	struct ibv_pd *pd = domain(side);
	struct ibv_mr *first = registered(pd, side->buffer, 60000);

	refuse_registration(pd, side->buffer, 60000, ENOMEM);
	registered(pd, side->buffer, 40000);
	CHECK(ibv_dereg_mr(first) == 0, "ibv_dereg_mr failed");
	registered(pd, side->buffer, 60000);
}

static void message_size_client(struct side *side)
{
	conf_post_write(side, 1, 0, 4096, 0, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_post_write(side, 2, 0, 4097, 0, SIGNALED);
	conf_expect(side->send_cq, 2, IBV_WC_LOC_LEN_ERR);
	leave(side);
}

/* 20 ms and 5 ms per page up to 10 pages, 0.1 ms after. */
static void reg_cost_client(struct side *side)
{
	struct ibv_pd *pd = domain(side);
	double began = seconds();

	registered(pd, side->buffer, 5 * 4096);
	at_least(began, 0.045, "5 pages");
	began = seconds();
	registered(pd, side->buffer, 110 * 4096);
	at_least(began, 0.080, "110 pages");
	/* Without the knee it were 570 ms. */
	at_most(began, 0.400, "110 pages");
}

/* 1 MiB takes 105 ms at 80 Mbit/s; the two share the wire. */
static void bandwidth_client(struct side *side)
{
	double began = seconds();

	conf_post_write(side, 1, 0, CONF_BUFFER, 0, SIGNALED);
	conf_post_write(side, 2, 0, CONF_BUFFER, 0, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	at_least(began, 0.104, "the first MiB");
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	at_least(began, 0.209, "two MiB");
	conf_disconnect(side);
}

/* 50 ms there and back 50; what follows is under way meanwhile. */
static void latency_client(struct side *side)
{
	double began = seconds();
	int i;

	for (i = 0; i < 8; i++)
		conf_post_write(side, i, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 0, IBV_WC_SUCCESS);
	at_least(began, 0.100, "a WRITE and its answer");
	for (i = 1; i < 8; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	at_most(began, 0.400, "eight WRITEs in flight together");
	conf_disconnect(side);
}

static void wr_cost_client(struct side *side)
{
	double began = seconds();
	int i;

	for (i = 0; i < 8; i++)
		conf_post_write(side, i, 0, 10, 0, SIGNALED);
	for (i = 0; i < 8; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	at_least(began, 0.080, "eight requests at 10 ms");
	conf_disconnect(side);
}

/* The NIC has done it all before the call returns. */
static void post_cost_client(struct side *side)
{
	double began = seconds();
	struct ibv_wc wc;

	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	at_least(began, 0.200, "a call that posts");
	CHECK(ibv_poll_cq(side->send_cq, 1, &wc) == 1, "the WRITE has not completed by then");
	conf_disconnect(side);
}

static void irq_client(struct side *side)
{
	struct ibv_cq *cq;
	void *context;
	double began;

	CHECK(ibv_req_notify_cq(side->send_cq, 0) == 0, "ibv_req_notify_cq failed");
	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	began = seconds();
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	at_most(began, 0.300, "polling");
	CHECK(!conf_readable(side->send_channel->fd, 0), "the event came with the completion");
	CHECK(ibv_get_cq_event(side->send_channel, &cq, &context) == 0, "ibv_get_cq_event: %s",
	      strerror(errno));
	at_least(began, 0.400, "the event");
	ibv_ack_cq_events(cq, 1);
	conf_disconnect(side);
}

/* Without a retry this is an error, and without the setting: see conf_error.c. */
static void await_client(struct side *side)
{
	conf_post_send(side, 1, 0, 10, SIGNALED);
	conf_tell(side, 0);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	/* It is for the first RECV only. */
	conf_post_send(side, 2, 0, 10, SIGNALED);
	conf_expect(side->send_cq, 2, IBV_WC_RNR_RETRY_EXC_ERR);
	leave(side);
}

static void await_server(struct side *side)
{
	conf_hear(side);
	conf_post_recv(side, 1, 0, 10);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	leave(side);
}

/* The answer is on the wire when the peer's program learns of the SEND, and its DREQ comes after.
 */
static void last_word_client(struct side *side)
{
	struct ibv_wc wc;

	conf_hear(side);
	conf_post_send(side, 1, 0, 10, SIGNALED);
	conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	CHECK(ibv_poll_cq(side->send_cq, 1, &wc) == 1, "no completion before DISCONNECTED");
	CHECK(wc.status == IBV_WC_SUCCESS, "%s", ibv_wc_status_str(wc.status));
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void last_word_server(struct side *side)
{
	conf_post_recv(side, 1, 0, 10);
	conf_tell(side, 0);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	rdma_disconnect(side->id);
	rdma_destroy_qp(side->id);
	side->qp = NULL;
	conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	conf_destroy(side);
}

/* As on adapters: a slot is taken until its completion is polled, not until the NIC is done. */
static void retire_client(struct side *side)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer, 10, side->mr->lkey};
	struct ibv_send_wr wr = {.sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_RDMA_WRITE,
				 .wr.rdma = {side->peer_addr, side->peer_rkey}};
	int i;

	conf_hear(side);
	for (i = 0; i < 7; i++)
		conf_post_write(side, i, 0, 10, 0, 0);
	conf_post_send(side, 7, 0, 10, SIGNALED);
	conf_hear(side);
	CHECK(conf_try_send(side, &wr) == ENOMEM, "a slot was free before the poll");
	conf_expect(side->send_cq, 7, IBV_WC_SUCCESS);
	for (i = 0; i < 8; i++)
		CHECK(conf_try_send(side, &wr) == 0, "slot %d was not free after the poll", i);
	conf_disconnect(side);
}

static void retire_server(struct side *side)
{
	conf_post_recv(side, 1, 0, 10);
	conf_tell(side, 0);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void retire_nic_client(struct side *side)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer, 10, side->mr->lkey};
	struct ibv_send_wr wr = {.sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_RDMA_WRITE,
				 .wr.rdma = {side->peer_addr, side->peer_rkey}};
	double began = seconds();
	int i, err;

	for (i = 0; i < 100; i++) {
		while ((err = conf_try_send(side, &wr)) == ENOMEM)
			at_most(began, CONF_WAIT, "freeing a slot without polling");
		CHECK(err == 0, "ibv_post_send: %s", strerror(err));
	}
	conf_disconnect(side);
}

/* reg_mr:nth=2:count=2, counted from the first: conf_objects registers nothing here. */
static void errno_client(struct side *side)
{
	struct ibv_pd *pd = domain(side);

	registered(pd, side->buffer, 10);
	refuse_registration(pd, side->buffer, 10, EIO);
	refuse_registration(pd, side->buffer, 10, EIO);
	registered(pd, side->buffer, 10);
}

static void errno_all_client(struct side *side)
{
	struct ibv_pd *pd = domain(side);

	refuse_registration(pd, side->buffer, 10, EPERM);
	refuse_registration(pd, side->buffer, 10, EPERM);
}

static void post_errno_client(struct side *side)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer, 10, side->mr->lkey};
	struct ibv_send_wr wr = {.sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_RDMA_WRITE,
				 .wr.rdma = {side->peer_addr, side->peer_rkey}};

	CHECK(conf_try_send(side, &wr) == ENOMEM, "the fault did not come");
	CHECK(conf_try_send(side, &wr) == 0, "the fault stayed");
	conf_disconnect(side);
}

static void write_status_client(struct side *side)
{
	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	conf_post_write(side, 2, 0, 10, 100, SIGNALED);
	conf_post_write(side, 3, 0, 10, 100, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_REM_OP_ERR);
	conf_expect(side->send_cq, 3, IBV_WC_WR_FLUSH_ERR);
	leave(side);
}

static void leaving_server(struct side *side)
{
	leave(side);
}

static void send_status_client(struct side *side)
{
	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	conf_post_send(side, 2, 0, 10, 0);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_FATAL_ERR);
	leave(side);
}

static void recv_status_client(struct side *side)
{
	conf_hear(side);
	conf_post_send(side, 2, 0, 10, 0);
	conf_expect(side->send_cq, 2, IBV_WC_REM_OP_ERR);
	leave(side);
}

static void recv_status_server(struct side *side)
{
	conf_post_recv(side, 1, 0, 10);
	conf_post_recv(side, 2, 0, 10);
	conf_tell(side, 0);
	conf_expect(side->recv_cq, 1, IBV_WC_LOC_PROT_ERR);
	conf_expect(side->recv_cq, 2, IBV_WC_WR_FLUSH_ERR);
	leave(side);
}

/* After the loss nobody hears of the other: requests time out, and so does the disconnect. */
static void expect_silence(struct side *side)
{
	int status;

	conf_post_write(side, 1, 0, 10, 0, 0);
	conf_expect(side->send_cq, 1, IBV_WC_RETRY_EXC_ERR);
	CHECK(!conf_readable(side->events->fd, 0), "an event from a silent peer");
	conf_meet(side);
	CHECK(rdma_disconnect(side->id) == 0, "rdma_disconnect: %s", strerror(errno));
	status = conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	CHECK(status == -ETIMEDOUT, "DISCONNECTED with status %d", status);
	conf_meet(side);
	conf_destroy(side);
}

static void link_client(struct side *side)
{
	struct ibv_context *verbs = side->id->verbs;
	struct ibv_async_event event;
	struct ibv_port_attr port;

	CHECK(conf_readable(verbs->async_fd, CONF_WAIT * 1000), "the port stays up");
	CHECK(ibv_get_async_event(verbs, &event) == 0, "ibv_get_async_event failed");
	CHECK(event.event_type == IBV_EVENT_PORT_ERR, "%s", ibv_event_type_str(event.event_type));
	ibv_ack_async_event(&event);
	CHECK(ibv_query_port(verbs, 1, &port) == 0 && port.state == IBV_PORT_DOWN, "port state %d",
	      port.state);
	conf_tell(side, 0);
	expect_silence(side);
}

static void link_server(struct side *side)
{
	conf_hear(side);
	expect_silence(side);
}

/* Without a port that goes down only failing requests tell. */
static void peer_client(struct side *side)
{
	double began = seconds();
	struct ibv_wc wc;

	do {
		conf_post_write(side, 1, 0, 10, 0, SIGNALED);
		wc = conf_next(side->send_cq);
		at_most(began, CONF_WAIT, "losing the peer");
	} while (wc.status == IBV_WC_SUCCESS);
	CHECK(wc.status == IBV_WC_RETRY_EXC_ERR, "%s", ibv_wc_status_str(wc.status));
	CHECK(!conf_readable(side->events->fd, 0), "an event from a silent peer");
	leave(side);
}

static void killed_client(struct side *side)
{
	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	conf_post_write(side, 2, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_RETRY_EXC_ERR);
	conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void killed_server(struct side *side)
{
	conf_hear(side);
}

static void stall_client(struct side *side)
{
	double began = seconds();

	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	at_most(began, 0.400, "a WRITE that is not stalled");
	conf_post_write(side, 2, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	at_least(began, 0.500, "the stalled WRITE");
	conf_disconnect(side);
}

static void delay_client(struct side *side)
{
	double began = seconds();
	int i;

	for (i = 0; i < 4; i++)
		conf_post_write(side, i, 0, 10, 0, SIGNALED);
	for (i = 0; i < 4; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	at_least(began, 0.200, "delayed WRITEs");
	at_most(began, 0.700, "WRITEs delayed together");
	conf_disconnect(side);
}

/* The request is with the peer, which takes its time: the source is what the MR pinned. */
static void discard_in_flight_client(struct side *side)
{
	memset(side->buffer, 'o', 8192);
	conf_post_write(side, 1, 0, 8192, 0, SIGNALED);
	/* This one is under way behind it. */
	conf_post_write(side, 2, 4096, 4096, 8192, SIGNALED);
	CHECK(madvise(side->buffer + 4096, 4096, MADV_DONTNEED) == 0, "madvise failed");
	memset(side->buffer + 4096, 'n', 4096);
	conf_expect_none(side->send_cq);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void discard_in_flight_server(struct side *side)
{
	int i;

	conf_hear(side);
	for (i = 0; i < 12288; i++)
		CHECK(side->buffer[i] == 'o', "'%c' at byte %d", side->buffer[i], i);
	conf_disconnect(side);
}

static void pin_off_server(struct side *side)
{
	conf_hear(side);
	CHECK(side->buffer[0] == 'o' && side->buffer[4096] == 'n', "the page was kept");
	conf_disconnect(side);
}

/* Keys are looked at when a request is executed, not when it is posted. */
static void dereg_in_flight_client(struct side *side)
{
	conf_post_write(side, 1, 0, 4096, 0, SIGNALED);
	CHECK(ibv_dereg_mr(side->mr) == 0, "ibv_dereg_mr failed");
	side->mr = NULL;
	conf_expect(side->send_cq, 1, IBV_WC_LOC_PROT_ERR);
	leave(side);
}

/*
 * As QEMU's destination does it with a return path: two connections have one channel, and the first
 * to end destroys it. Real librdmacm reads freed memory then, and no more. Under libgreedy, which
 * leaves nothing mapped that was freed, whoever reads it dies.
 */
static void channel_first_server(struct side *side)
{
	struct rdma_cm_id *first, *listener;
	struct side second = *side;
	struct rdma_cm_event *event;
	struct rdma_conn_param param;

	conf_connect(side);
	first = side->id;
	listener = side->listener;
	conf_tell(side, ntohs(rdma_get_src_port(listener)));
	event = conf_event(side, RDMA_CM_EVENT_CONNECT_REQUEST);
	second.id = event->id;
	second.events = side->events;
	rdma_ack_cm_event(event);
	conf_objects(&second);
	conf_fill_param(&second, &param);
	CHECK(rdma_accept(second.id, &param) == 0, "rdma_accept: %s", strerror(errno));
	conf_event_status(&second, RDMA_CM_EVENT_ESTABLISHED);
	conf_meet(side);

	rdma_disconnect(first);
	rdma_destroy_qp(first);
	CHECK(rdma_destroy_id(first) == 0, "rdma_destroy_id: %s", strerror(errno));
	CHECK(rdma_destroy_id(listener) == 0, "rdma_destroy_id: %s", strerror(errno));
	rdma_destroy_event_channel(side->events);
	conf_tell(side, 0);

	errno = 0;
	CHECK(rdma_disconnect(second.id) == -1 && errno == EBADF, "rdma_disconnect: %s",
	      strerror(errno));
	CHECK(conf_qp_state(second.qp) == IBV_QPS_ERR, "the QP is in state %d",
	      conf_qp_state(second.qp));
	rdma_destroy_qp(second.id);
	errno = 0;
	CHECK(rdma_destroy_id(second.id) == -1 && errno == EBADF, "rdma_destroy_id: %s",
	      strerror(errno));
}

/* To the peer both connections end, the second with the channel: the kernel closes what is left. */
static void channel_first_client(struct side *side)
{
	struct side second = *side;
	struct rdma_conn_param param;

	conf_connect(side);
	conf_resolve(&second, conf_hear(side));
	conf_objects(&second);
	conf_fill_param(&second, &param);
	CHECK(rdma_connect(second.id, &param) == 0, "rdma_connect: %s", strerror(errno));
	conf_event_status(&second, RDMA_CM_EVENT_ESTABLISHED);
	conf_meet(side);
	conf_hear(side);
	conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED);
	conf_event_status(&second, RDMA_CM_EVENT_DISCONNECTED);
	conf_destroy(&second);
	conf_destroy(side);
}

static void bad_setting_client(struct side *side)
{
	(void)side;
	CHECK(!rdma_create_event_channel() && errno == EINVAL, "a bad setting was accepted");
}

#define ENV(name, value) "RDMAFABRIC_" name "=" value
#define RETRY		 " " ENV("RETRY_TIME", "200ms") " " ENV("CM_TIMEOUT", "1s")

static const struct conf_case cases[] = {
	{"recv_gap", gap_client, gap_server, {0}, false, NULL, ENV("RECV_GAP", "1s"), 0},
	{"max_mr_size", mr_size_client, NULL, {0}, true, ENV("MAX_MR_SIZE", "64K"), NULL, 0},
	{"max_mr", mr_count_client, NULL, {0}, true, ENV("MAX_MR", "2"), NULL, 0},
	{"max_pinned", pinned_client, NULL, {0}, true, ENV("MAX_PINNED", "100000"), NULL, 0},
	{"max_msg_size",
	 message_size_client,
	 leaving_server,
	 {0},
	 false,
	 ENV("MAX_MSG_SIZE", "4K"),
	 NULL,
	 0},
	{"reg_cost",
	 reg_cost_client,
	 NULL,
	 {0},
	 true,
	 ENV("REG_COST", "20ms") " " ENV("REG_PAGE_COST", "5ms") " " ENV("REG_KNEE", "40K") " " ENV(
		 "REG_PAGE_COST2", "100us"),
	 NULL,
	 0},
	{"bandwidth", bandwidth_client, idle, {0}, false, ENV("BANDWIDTH", "80M"), NULL, 0},
	{"latency",
	 latency_client,
	 idle,
	 {0},
	 false,
	 ENV("LATENCY", "50ms"),
	 ENV("LATENCY", "50ms"),
	 0},
	{"wr_cost", wr_cost_client, idle, {0}, false, ENV("WR_COST", "10ms"), NULL, 0},
	{"post_cost", post_cost_client, idle, {0}, false, ENV("POST_COST", "200ms"), NULL, 0},
	{"irq_latency", irq_client, idle, {0}, false, ENV("IRQ_LATENCY", "400ms"), NULL, 0},
	{"await_recv",
	 await_client,
	 await_server,
	 {.rnr_retry = -1},
	 false,
	 NULL,
	 ENV("AWAIT_RECV", "on"),
	 0},
	{"ack_before_dreq",
	 last_word_client,
	 last_word_server,
	 {0},
	 false,
	 NULL,
	 ENV("LATENCY", "200ms"),
	 0},
	{"sq_retire_poll", retire_client, retire_server, {.send_wr = 8}, false, NULL, NULL, 0},
	{"sq_retire_nic",
	 retire_nic_client,
	 idle,
	 {.send_wr = 8},
	 false,
	 ENV("SQ_RETIRE", "nic"),
	 NULL,
	 0},
	{"fault_errno",
	 errno_client,
	 NULL,
	 {0},
	 true,
	 ENV("FAULT", "reg_mr:nth=2:count=2:errno=EIO"),
	 NULL,
	 0},
	{"fault_errno_forever",
	 errno_all_client,
	 NULL,
	 {0},
	 true,
	 ENV("FAULT", "reg_mr:nth=1:count=0:errno=EPERM"),
	 NULL,
	 0},
	{"fault_post",
	 post_errno_client,
	 idle,
	 {0},
	 false,
	 ENV("FAULT", "post_send:nth=1:errno=ENOMEM"),
	 NULL,
	 0},
	{"fault_write",
	 write_status_client,
	 leaving_server,
	 {0},
	 false,
	 ENV("FAULT", "write:nth=2:status=REM_OP_ERR"),
	 NULL,
	 0},
	{"fault_send",
	 send_status_client,
	 leaving_server,
	 {0},
	 false,
	 ENV("FAULT", "reg_mr:nth=9:errno=EIO;send:nth=1:status=FATAL_ERR"),
	 NULL,
	 0},
	{"fault_recv",
	 recv_status_client,
	 recv_status_server,
	 {0},
	 false,
	 NULL,
	 ENV("FAULT", "recv:nth=1:status=LOC_PROT_ERR"),
	 0},
	{"fault_link",
	 link_client,
	 link_server,
	 {0},
	 false,
	 ENV("FAULT", "link:at=2s") RETRY,
	 "RDMAFABRIC_NET=" RETRY,
	 0},
	{"fault_peer",
	 peer_client,
	 leaving_server,
	 {0},
	 false,
	 ENV("FAULT", "peer:at=2s") RETRY,
	 NULL,
	 0},
	{"fault_self",
	 killed_client,
	 killed_server,
	 {0},
	 false,
	 "RDMAFABRIC_NET=" RETRY,
	 ENV("FAULT", "self:nth=2"),
	 128 + 9},
	{"fault_stall",
	 stall_client,
	 idle,
	 {0},
	 false,
	 NULL,
	 ENV("FAULT", "stall:nth=2:for=500ms"),
	 0},
	{"fault_qp_delay",
	 delay_client,
	 idle,
	 {0},
	 false,
	 ENV("FAULT", "qp:nth=1:delay=200ms"),
	 NULL,
	 0},
	{"discard_in_flight",
	 discard_in_flight_client,
	 discard_in_flight_server,
	 {0},
	 false,
	 NULL,
	 ENV("FAULT", "stall:nth=1:for=500ms"),
	 0},
	{"pin_off",
	 discard_in_flight_client,
	 pin_off_server,
	 {0},
	 false,
	 ENV("PIN", "off"),
	 ENV("FAULT", "stall:nth=1:for=500ms"),
	 0},
	{"dereg_in_flight",
	 dereg_in_flight_client,
	 leaving_server,
	 {0},
	 false,
	 NULL,
	 ENV("FAULT", "stall:nth=1:for=500ms"),
	 0},
	{"channel_first", channel_first_client, channel_first_server, {0}, true, NULL, NULL, 0},
	{"bad_value", bad_setting_client, NULL, {0}, true, ENV("LATENCY", "soon"), NULL, 0},
	{"bad_name", bad_setting_client, NULL, {0}, true, ENV("LATNCY", "1ms"), NULL, 0},
	{"bad_fault", bad_setting_client, NULL, {0}, true, ENV("FAULT", "reg_mr:nth=1"), NULL, 0},
	{NULL, NULL, NULL, {0}, false, NULL, NULL, 0},
};

int main(int argc, char **argv)
{
	static const struct conf_case *const lists[] = {cases};

	return conf_main(argc, argv, lists, 1);
}
