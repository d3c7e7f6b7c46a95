// SPDX-License-Identifier: GPL-2.0-or-later
/* What goes wrong, with which status, and what becomes of the rest of the queues. */
#include "conf.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIGNALED IBV_SEND_SIGNALED

/* After a disconnect of a broken connection the events' order is nobody's business. */
static void leave(struct side *side)
{
	conf_meet(side);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

/*
 * The failed request is followed by two that are flushed, signalled or not. Devices do not agree on
 * every status: any of two will do.
 */
static void expect_failure(struct side *side, uint64_t wr_id, enum ibv_wc_status status,
			   enum ibv_wc_status or_status)
{
	struct ibv_wc wc = conf_next(side->send_cq);

	CHECK(wc.wr_id == wr_id && (wc.status == status || wc.status == or_status),
	      "completion of %d with \"%s\", expected %d with \"%s\"", (int)wc.wr_id,
	      ibv_wc_status_str(wc.status), (int)wr_id, ibv_wc_status_str(status));
	conf_expect(side->send_cq, 101, IBV_WC_WR_FLUSH_ERR);
	conf_expect(side->send_cq, 102, IBV_WC_WR_FLUSH_ERR);
	CHECK(conf_qp_state(side->qp) == IBV_QPS_ERR, "the QP is not in error");
	conf_post_write(side, 103, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 103, IBV_WC_WR_FLUSH_ERR);
	conf_expect_none(side->send_cq);
}

static void post_two_more(struct side *side)
{
	conf_post_write(side, 101, 0, 10, 700000, 0);
	conf_post_write(side, 102, 0, 10, 700000, SIGNALED);
}

/* Posts a WRITE of length bytes from addr to remote, and two more, as one call would. */
static void bad_write(struct side *side, uint64_t addr, uint32_t lkey, uint32_t length,
		      uint64_t remote, uint32_t rkey)
{
	struct ibv_sge good = {(uintptr_t)side->buffer, 10, side->mr->lkey};
	struct ibv_sge sge = {addr, length, lkey};
	struct ibv_send_wr last = {.wr_id = 102,
				   .sg_list = &good,
				   .num_sge = 1,
				   .opcode = IBV_WR_RDMA_WRITE,
				   .send_flags = SIGNALED,
				   .wr.rdma = {side->peer_addr + 700000, side->peer_rkey}};
	struct ibv_send_wr middle = last;
	struct ibv_send_wr first = {.wr_id = 100,
				    .next = &middle,
				    .sg_list = &sge,
				    .num_sge = 1,
				    .opcode = IBV_WR_RDMA_WRITE,
				    .wr.rdma = {remote, rkey}};

	middle.wr_id = 101;
	middle.send_flags = 0;
	middle.next = &last;
	memset(side->buffer, 'x', 10);
	CHECK(conf_try_send(side, &first) == 0, "posting was refused");
}

static void local_key_client(struct side *side)
{
	bad_write(side, (uintptr_t)side->buffer, side->mr->lkey + 0x10100, 10, side->peer_addr,
		  side->peer_rkey);
	/* The second is rxe's. */
	expect_failure(side, 100, IBV_WC_LOC_PROT_ERR, IBV_WC_LOC_QP_OP_ERR);
	leave(side);
}

static void local_bounds_client(struct side *side)
{
	bad_write(side, (uintptr_t)side->buffer + CONF_BUFFER - 5, side->mr->lkey, 10,
		  side->peer_addr, side->peer_rkey);
	expect_failure(side, 100, IBV_WC_LOC_PROT_ERR, IBV_WC_LOC_PROT_ERR);
	leave(side);
}

static void untouched_server(struct side *side)
{
	size_t i;

	conf_meet(side);
	for (i = 0; i < CONF_BUFFER; i++)
		CHECK(side->buffer[i] == 0, "byte %zu was written", i);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void remote_key_client(struct side *side)
{
	conf_hear(side);
	bad_write(side, (uintptr_t)side->buffer, side->mr->lkey, 10, side->peer_addr,
		  side->peer_rkey + 0x10100);
	expect_failure(side, 100, IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_ACCESS_ERR);
	leave(side);
}

static void remote_bounds_client(struct side *side)
{
	conf_hear(side);
	bad_write(side, (uintptr_t)side->buffer, side->mr->lkey, 10,
		  side->peer_addr + CONF_BUFFER - 5, side->peer_rkey);
	expect_failure(side, 100, IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_ACCESS_ERR);
	leave(side);
}

/* A breach ends the responder's QP, too: its RECVs are flushed in order. */
static void breached_server(struct side *side)
{
	conf_post_recv(side, 1, 0, 10);
	conf_post_recv(side, 2, 0, 10);
	conf_tell(side, 0);
	conf_expect(side->recv_cq, 1, IBV_WC_WR_FLUSH_ERR);
	conf_expect(side->recv_cq, 2, IBV_WC_WR_FLUSH_ERR);
	untouched_server(side);
}

/* The server offers a key of its choice. */
static void offered_key_client(struct side *side)
{
	uint64_t addr = conf_hear(side);
	uint32_t rkey = conf_hear(side);

	bad_write(side, (uintptr_t)side->buffer, side->mr->lkey, 10, addr, rkey);
	expect_failure(side, 100, IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_ACCESS_ERR);
	leave(side);
}

static void offer(struct side *side, const struct ibv_mr *mr)
{
	conf_tell(side, (uintptr_t)side->buffer);
	conf_tell(side, mr->rkey);
}

static void access_server(struct side *side)
{
	struct ibv_mr *mr = ibv_reg_mr(side->pd, side->buffer, CONF_BUFFER, IBV_ACCESS_LOCAL_WRITE);

	CHECK(mr, "ibv_reg_mr: %s", strerror(errno));
	offer(side, mr);
	conf_meet(side);
	CHECK(side->buffer[0] == 0, "written without the right to");
	ibv_dereg_mr(mr);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void stale_server(struct side *side)
{
	struct ibv_mr *mr = ibv_reg_mr(side->pd, side->buffer, CONF_BUFFER,
				       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	struct ibv_mr copy;

	CHECK(mr, "ibv_reg_mr: %s", strerror(errno));
	copy = *mr;
	CHECK(ibv_dereg_mr(mr) == 0, "ibv_dereg_mr failed");
	offer(side, &copy);
	untouched_server(side);
}

static void other_domain_server(struct side *side)
{
	struct ibv_pd *pd = ibv_alloc_pd(side->id->verbs);
	struct ibv_mr *mr = pd ? ibv_reg_mr(pd, side->buffer, CONF_BUFFER,
					    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)
			       : NULL;

	CHECK(mr, "ibv_reg_mr: %s", strerror(errno));
	offer(side, mr);
	conf_meet(side);
	CHECK(side->buffer[0] == 0, "written through another domain's key");
	ibv_dereg_mr(mr);
	ibv_dealloc_pd(pd);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void too_long_client(struct side *side)
{
	conf_hear(side);
	conf_post_send(side, 100, 0, 101, SIGNALED);
	post_two_more(side);
	/* The second is rxe's. */
	expect_failure(side, 100, IBV_WC_REM_INV_REQ_ERR, IBV_WC_REM_OP_ERR);
	leave(side);
}

/* Devices differ in the error they report for the RECV, not in that they do. */
static void too_long_server(struct side *side)
{
	struct ibv_wc wc;

	conf_post_recv(side, 1, 0, 100);
	conf_post_recv(side, 2, 0, 100);
	conf_tell(side, 0);
	wc = conf_next(side->recv_cq);
	CHECK(wc.wr_id == 1 && wc.status != IBV_WC_SUCCESS && wc.status != IBV_WC_WR_FLUSH_ERR,
	      "RECV %d: %s", (int)wc.wr_id, ibv_wc_status_str(wc.status));
	conf_expect(side->recv_cq, 2, IBV_WC_WR_FLUSH_ERR);
	leave(side);
}

static void rnr_client(struct side *side)
{
	conf_post_send(side, 100, 0, 10, 0);
	post_two_more(side);
	expect_failure(side, 100, IBV_WC_RNR_RETRY_EXC_ERR, IBV_WC_RNR_RETRY_EXC_ERR);
	leave(side);
}

static void patient_client(struct side *side)
{
	conf_post_send(side, 1, 0, 10, SIGNALED);
	conf_expect_none(side->send_cq);
	conf_tell(side, 0);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void patient_server(struct side *side)
{
	conf_hear(side);
	conf_post_recv(side, 1, 0, 10);
	conf_expect(side->recv_cq, 1, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

/* Without a RECV nothing completes, so the queue fills up. */
static int fill_send_queue(struct side *side)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer, 10, side->mr->lkey};
	struct ibv_send_wr wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND, .send_flags = SIGNALED};
	int posted, err = 0;

	/* A queue may be deeper than asked for, but not without end. */
	for (posted = 0; posted < 1000; posted++) {
		wr.wr_id = posted;
		err = conf_try_send(side, &wr);
		if (err)
			break;
	}
	CHECK(err == ENOMEM, "after %d requests: %s, expected ENOMEM", posted, strerror(err));
	CHECK(posted >= 8, "full with %d of 8 requests", posted);
	return posted;
}

static void sq_full_client(struct side *side)
{
	int posted = fill_send_queue(side), i;

	conf_expect_none(side->send_cq);
	conf_tell(side, posted);
	for (i = 0; i < posted; i++)
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	/* And it takes more once they are polled. */
	conf_post_write(side, 5000, 0, 10, 0, SIGNALED);
	conf_expect(side->send_cq, 5000, IBV_WC_SUCCESS);
	conf_disconnect(side);
}

static void sq_full_server(struct side *side)
{
	int count = conf_hear(side), i;

	conf_post_recv(side, 0, 0, 10);
	for (i = 0; i < count; i++) {
		conf_expect(side->recv_cq, i, IBV_WC_SUCCESS);
		conf_post_recv(side, i + 1, 0, 10);
	}
	conf_disconnect(side);
}

static void sq_flush_client(struct side *side)
{
	int posted = fill_send_queue(side), i;

	CHECK(rdma_disconnect(side->id) == 0, "rdma_disconnect: %s", strerror(errno));
	for (i = 0; i < posted; i++)
		conf_expect(side->send_cq, i, IBV_WC_WR_FLUSH_ERR);
	conf_expect_none(side->send_cq);
	CHECK(conf_qp_state(side->qp) == IBV_QPS_ERR, "the QP is not in error");
	conf_meet(side);
	conf_destroy(side);
}

static void rq_full_client(struct side *side)
{
	struct ibv_sge sge = {(uintptr_t)side->buffer, 10, side->mr->lkey};
	struct ibv_recv_wr wr = {.sg_list = &sge, .num_sge = 1};
	int posted, err = 0, i;

	for (posted = 0; posted < 1000; posted++) {
		wr.wr_id = posted;
		err = conf_try_recv(side, &wr);
		if (err)
			break;
	}
	CHECK(err == ENOMEM, "after %d requests: %s, expected ENOMEM", posted, strerror(err));
	CHECK(posted >= 3, "full with %d of 3 requests", posted);
	CHECK(rdma_disconnect(side->id) == 0, "rdma_disconnect: %s", strerror(errno));
	for (i = 0; i < posted; i++)
		conf_expect(side->recv_cq, i, IBV_WC_WR_FLUSH_ERR);
	conf_expect_none(side->recv_cq);
	/* Adapters flush it at once; rxe, which is not told, never does. */
	CHECK(conf_try_recv(side, &wr) == 0, "a QP in error takes no RECV");
	conf_meet(side);
	conf_destroy(side);
}

static void too_many_sges_client(struct side *side)
{
	struct ibv_sge sge[64] = {{(uintptr_t)side->buffer, 10, side->mr->lkey}};
	struct ibv_send_wr wr = {.sg_list = sge, .num_sge = 64, .opcode = IBV_WR_SEND};
	struct ibv_recv_wr recv = {.sg_list = sge, .num_sge = 64};
	int err = conf_try_send(side, &wr);

	CHECK(err == EINVAL, "SEND of 64 segments: %s", strerror(err));
	err = conf_try_recv(side, &recv);
	CHECK(err == EINVAL, "RECV of 64 segments: %s", strerror(err));
	conf_disconnect(side);
}

static void idle_server(struct side *side)
{
	conf_disconnect(side);
}

static void overrun_client(struct side *side)
{
	struct ibv_async_event event;
	struct ibv_wc wc;
	int depth = side->send_cq->cqe, i, got;

	for (i = 0; i <= depth; i++)
		conf_post_write(side, i, 0, 10, 0, SIGNALED);
	CHECK(conf_readable(side->id->verbs->async_fd, CONF_WAIT * 1000),
	      "no event for an overrun CQ of %d", depth);
	CHECK(ibv_get_async_event(side->id->verbs, &event) == 0, "ibv_get_async_event failed");
	CHECK(event.event_type == IBV_EVENT_CQ_ERR && event.element.cq == side->send_cq, "event %s",
	      ibv_event_type_str(event.event_type));
	ibv_ack_async_event(&event);
	for (got = 0; ibv_poll_cq(side->send_cq, 1, &wc) == 1; got++)
		CHECK(wc.wr_id == (uint64_t)got, "completion %d is of %d", got, (int)wc.wr_id);
	CHECK(got == depth, "%d completions in a CQ of %d", got, depth);
	leave(side);
}

static void leaving_server(struct side *side)
{
	leave(side);
}

/* No answer comes any more: the request fails by itself, after the retries. */
static void silent_client(struct side *side)
{
	CHECK(conf_event_status(side, RDMA_CM_EVENT_DISCONNECTED) == 0, "status of DISCONNECTED");
	CHECK(conf_qp_state(side->qp) == IBV_QPS_RTS, "the QP left RTS by itself");
	conf_post_write(side, 100, 0, 10, 0, 0);
	post_two_more(side);
	expect_failure(side, 100, IBV_WC_RETRY_EXC_ERR, IBV_WC_RETRY_EXC_ERR);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void vanishing_server(struct side *side)
{
	(void)side;
	_exit(0);
}

const struct conf_case conf_error_cases[] = {
	{"local_key", local_key_client, untouched_server, {0}, false, NULL, NULL, 0},
	{"local_bounds", local_bounds_client, untouched_server, {0}, false, NULL, NULL, 0},
	{"remote_key", remote_key_client, breached_server, {0}, false, NULL, NULL, 0},
	{"remote_bounds", remote_bounds_client, breached_server, {0}, false, NULL, NULL, 0},
	{"remote_access", offered_key_client, access_server, {0}, false, NULL, NULL, 0},
	{"remote_stale_key", offered_key_client, stale_server, {0}, false, NULL, NULL, 0},
	{"remote_other_domain", offered_key_client, other_domain_server, {0}, false, NULL, NULL, 0},
	{"recv_too_small", too_long_client, too_long_server, {0}, false, NULL, NULL, 0},
	{"rnr_retries_over", rnr_client, leaving_server, {.rnr_retry = -1}, false, NULL, NULL, 0},
	{"rnr_retries_forever", patient_client, patient_server, {0}, false, NULL, NULL, 0},
	{"send_queue_full", sq_full_client, sq_full_server, {.send_wr = 8}, false, NULL, NULL, 0},
	{"send_queue_flush", sq_flush_client, leaving_server, {.send_wr = 8}, false, NULL, NULL, 0},
	{"recv_queue_full", rq_full_client, leaving_server, {.recv_wr = 3}, false, NULL, NULL, 0},
	{"too_many_segments", too_many_sges_client, idle_server, {0}, false, NULL, NULL, 0},
	{"cq_overrun",
	 overrun_client,
	 leaving_server,
	 {.send_wr = 64, .send_cqe = 7},
	 false,
	 NULL,
	 NULL,
	 0},
	{"peer_vanishes", silent_client, vanishing_server, {.retry = 1}, false, NULL, NULL, 0},
	{NULL, NULL, NULL, {0}, false, NULL, NULL, 0},
};
