// SPDX-License-Identifier: GPL-2.0-or-later
#include "knobs.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

double knobs_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void knobs_at_least(double since, double expected, const char *what)
{
	double took = knobs_seconds() - since;

	CHECK(took >= expected, "%s took %.4f s, expected %.4f", what, took, expected);
}

void knobs_at_most(double since, double expected, const char *what)
{
	double took = knobs_seconds() - since;

	CHECK(took <= expected, "%s took %.4f s, expected at most %.4f", what, took, expected);
}

void knobs_idle(struct side *side)
{
	conf_disconnect(side);
}

void knobs_leave(struct side *side)
{
	conf_meet(side);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

void knobs_refuse_registration(struct ibv_pd *pd, char *at, size_t length, int expected)
{
	errno = 0;
	CHECK(!ibv_reg_mr(pd, at, length, IBV_ACCESS_LOCAL_WRITE), "%zu bytes registered", length);
	CHECK(errno == expected, "%s, expected %s", strerror(errno), strerror(expected));
}

struct ibv_mr *knobs_registered(struct ibv_pd *pd, char *at, size_t length)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, at, length, IBV_ACCESS_LOCAL_WRITE);

	CHECK(mr, "%zu bytes: %s", length, strerror(errno));
	return mr;
}

struct ibv_pd *knobs_domain(struct side *side)
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

int knobs_try_write(struct side *side)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer, 10, side->mr->lkey};
	struct ibv_send_wr wr = {.sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_RDMA_WRITE,
				 .wr.rdma = {side->peer_addr, side->peer_rkey}};

	return conf_try_send(side, &wr);
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

static void mr_size_client(struct side *side)
{
	struct ibv_pd *pd = knobs_domain(side);
	struct ibv_device_attr attr;

	CHECK(ibv_query_device(pd->context, &attr) == 0 && attr.max_mr_size == 65536,
	      "max_mr_size is not reported");
	knobs_registered(pd, side->buffer, 65536);
	knobs_refuse_registration(pd, side->buffer, 65537, EINVAL);
}

static void mr_count_client(struct side *side)
{
	struct ibv_pd *pd = knobs_domain(side);
	struct ibv_mr *first = knobs_registered(pd, side->buffer, 10);

	knobs_registered(pd, side->buffer, 10);
	knobs_refuse_registration(pd, side->buffer, 10, ENOMEM);
	CHECK(ibv_dereg_mr(first) == 0, "ibv_dereg_mr failed");
	knobs_registered(pd, side->buffer, 10);
}

static void pinned_client(struct side *side)
{
	struct ibv_pd *pd = knobs_domain(side);
	struct ibv_mr *first = knobs_registered(pd, side->buffer, 60000);

	knobs_refuse_registration(pd, side->buffer, 60000, ENOMEM);
	knobs_registered(pd, side->buffer, 40000);
	CHECK(ibv_dereg_mr(first) == 0, "ibv_dereg_mr failed");
	knobs_registered(pd, side->buffer, 60000);
}

static void message_size_client(struct side *side)
{
	conf_post_write(side, 1, 0, 4096, 0, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_post_write(side, 2, 0, 4097, 0, SIGNALED);
	conf_expect(side->send_cq, 2, IBV_WC_LOC_LEN_ERR);
	knobs_leave(side);
}

/* 20 ms and 5 ms per page. */
static void dereg_cost_client(struct side *side)
{
	struct ibv_pd *pd = knobs_domain(side);
	struct ibv_mr *mr = knobs_registered(pd, side->buffer, 5 * 4096);
	double began = knobs_seconds();

	CHECK(ibv_dereg_mr(mr) == 0, "ibv_dereg_mr: %s", strerror(errno));
	knobs_at_least(began, 0.045, "5 pages");
}

/* 20 ms and 5 ms per page up to 10 pages, 0.1 ms after. */
static void reg_cost_client(struct side *side)
{
	struct ibv_pd *pd = knobs_domain(side);
	double began = knobs_seconds();

	knobs_registered(pd, side->buffer, 5 * 4096);
	knobs_at_least(began, 0.045, "5 pages");
	began = knobs_seconds();
	knobs_registered(pd, side->buffer, 110 * 4096);
	knobs_at_least(began, 0.080, "110 pages");
	/* Without the knee it were 570 ms. */
	knobs_at_most(began, 0.400, "110 pages");
}

/* 1 MiB takes 105 ms at 80 Mbit/s; the two share the wire. */
static void bandwidth_client(struct side *side)
{
	double began = knobs_seconds();

	conf_post_write(side, 1, 0, CONF_BUFFER, 0, SIGNALED);
	conf_post_write(side, 2, 0, CONF_BUFFER, 0, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	knobs_at_least(began, 0.104, "the first MiB");
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	knobs_at_least(began, 0.209, "two MiB");
	conf_disconnect(side);
}

/* 50 ms there and back 50; what follows is under way meanwhile. */
static void latency_client(struct side *side)
{
	double began = knobs_seconds();
	int i;

	for (i = 0; i < 8; i++)
		conf_post_write(side, i, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 0, IBV_WC_SUCCESS);
	knobs_at_least(began, 0.100, "a WRITE and its answer");
	for (i = 1; i < 8; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	knobs_at_most(began, 0.400, "eight WRITEs in flight together");
	conf_disconnect(side);
}

static void wr_cost_client(struct side *side)
{
	double began = knobs_seconds();
	int i;

	for (i = 0; i < 8; i++)
		conf_post_write(side, i, 0, 10, 0, SIGNALED);
	for (i = 0; i < 8; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	knobs_at_least(began, 0.080, "eight requests at 10 ms");
	conf_disconnect(side);
}

/* The NIC has done it all before the call returns. */
static void post_cost_client(struct side *side)
{
	double began = knobs_seconds();
	struct ibv_wc wc;

	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	knobs_at_least(began, 0.200, "a call that posts");
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
	began = knobs_seconds();
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	knobs_at_most(began, 0.300, "polling");
	CHECK(!conf_readable(side->send_channel->fd, 0), "the event came with the completion");
	CHECK(ibv_get_cq_event(side->send_channel, &cq, &context) == 0, "ibv_get_cq_event: %s",
	      strerror(errno));
	knobs_at_least(began, 0.400, "the event");
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
	knobs_leave(side);
}

static void await_server(struct side *side)
{
	conf_hear(side);
	conf_post_recv(side, 1, 0, 10);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	knobs_leave(side);
}

/* The same for a RECV that is not the first: this is what the setting that waits for that does not
 * do. */
static void patient_client(struct side *side)
{
	conf_hear(side);
	conf_post_send(side, 1, 0, 10, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_post_send(side, 2, 0, 10, SIGNALED);
	conf_tell(side, 0);
	conf_expect(side->send_cq, 2, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void patient_server(struct side *side)
{
	conf_post_recv(side, 1, 0, 10);
	conf_tell(side, 0);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	conf_hear(side);
	conf_post_recv(side, 2, 0, 10);
	conf_expect(side->recv_cq, 2, IBV_WC_SUCCESS);
	conf_disconnect(side);
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
	int i;

	conf_hear(side);
	for (i = 0; i < 7; i++)
		conf_post_write(side, i, 0, 10, 0, 0);
	conf_post_send(side, 7, 0, 10, SIGNALED);
	conf_hear(side);
	CHECK(knobs_try_write(side) == ENOMEM, "a slot was free before the poll");
	conf_expect(side->send_cq, 7, IBV_WC_SUCCESS);
	for (i = 0; i < 8; i++)
		CHECK(knobs_try_write(side) == 0, "slot %d was not free after the poll", i);
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
	double began = knobs_seconds();
	int i, err;

	for (i = 0; i < 100; i++) {
		while ((err = knobs_try_write(side)) == ENOMEM)
			knobs_at_most(began, CONF_WAIT, "freeing a slot without polling");
		CHECK(err == 0, "ibv_post_send: %s", strerror(err));
	}
	conf_disconnect(side);
}

static void bad_setting_client(struct side *side)
{
	(void)side;
	CHECK(!rdma_create_event_channel() && errno == EINVAL, "a bad setting was accepted");
}

static const struct conf_case cases[] = {
	{"recv_gap", gap_client, gap_server, .server_env = ENV("RECV_GAP", "1s")},
	{"max_mr_size", mr_size_client, NULL, .unconnected = true,
	 .client_env = ENV("MAX_MR_SIZE", "64K")},
	{"max_mr", mr_count_client, NULL, .unconnected = true, .client_env = ENV("MAX_MR", "2")},
	{"max_pinned", pinned_client, NULL, .unconnected = true,
	 .client_env = ENV("MAX_PINNED", "100000")},
	{"max_msg_size", message_size_client, knobs_leave, .client_env = ENV("MAX_MSG_SIZE", "4K")},
	{"reg_cost", reg_cost_client, NULL, .unconnected = true,
	 .client_env = ENV("REG_COST", "20ms") " " ENV("REG_PAGE_COST", "5ms") " " ENV(
		 "REG_KNEE", "40K") " " ENV("REG_PAGE_COST2", "100us")},
	{"dereg_cost", dereg_cost_client, NULL, .unconnected = true,
	 .client_env = ENV("DEREG_COST", "20ms") " " ENV("DEREG_PAGE_COST", "5ms")},
	{"bandwidth", bandwidth_client, knobs_idle, .client_env = ENV("BANDWIDTH", "80M")},
	{"latency", latency_client, knobs_idle, .client_env = ENV("LATENCY", "50ms"),
	 .server_env = ENV("LATENCY", "50ms")},
	{"wr_cost", wr_cost_client, knobs_idle, .client_env = ENV("WR_COST", "10ms")},
	{"post_cost", post_cost_client, knobs_idle, .client_env = ENV("POST_COST", "200ms")},
	{"irq_latency", irq_client, knobs_idle, .client_env = ENV("IRQ_LATENCY", "400ms")},
	{"await_recv", await_client, await_server, .shape = {.rnr_retry = -1},
	 .server_env = ENV("AWAIT_RECV", "on")},
	{"rnr_retry", patient_client, patient_server, .shape = {.rnr_retry = -1},
	 .server_env = ENV("RNR_RETRY", "7")},
	{"ack_before_dreq", last_word_client, last_word_server,
	 .server_env = ENV("LATENCY", "200ms")},
	{"sq_retire_poll", retire_client, retire_server, .shape = {.send_wr = 8}},
	{"sq_retire_nic", retire_nic_client, knobs_idle, .shape = {.send_wr = 8},
	 .client_env = ENV("SQ_RETIRE", "nic")},
	{"bad_value", bad_setting_client, NULL, .unconnected = true,
	 .client_env = ENV("LATENCY", "soon")},
	{"bad_name", bad_setting_client, NULL, .unconnected = true,
	 .client_env = ENV("LATNCY", "1ms")},
	{"bad_fault", bad_setting_client, NULL, .unconnected = true,
	 .client_env = ENV("FAULT", "reg_mr:nth=1")},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	static const struct conf_case *const lists[] = {cases, knobs_fault_cases};

	return conf_main(argc, argv, lists, 2);
}
