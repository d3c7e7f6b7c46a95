// SPDX-License-Identifier: GPL-2.0-or-later
/* Completion channels: arming, events, acknowledgements. */

#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define SIGNALED IBV_SEND_SIGNALED

static void arm(struct ibv_cq *cq, int solicited_only)
{
	int err = ibv_req_notify_cq(cq, solicited_only);

	CHECK(err == 0, "ibv_req_notify_cq: %s", strerror(err));
}

static void take_event(struct side *side, struct ibv_cq *cq)
{
	struct ibv_cq *from;
	void *context;

	CHECK(conf_readable(cq->channel->fd, CONF_WAIT * 1000), "no completion event");
	CHECK(ibv_get_cq_event(cq->channel, &from, &context) == 0, "ibv_get_cq_event: %s",
	      strerror(errno));
	CHECK(from == cq, "event of another CQ");
	CHECK(context == side, "cq_context differs");
}

/* Sends as many messages as the server asks for, until it asks for none. */
static void sender(struct side *side)
{
	uint64_t count, i;

	while ((count = conf_hear(side))) {
		for (i = 0; i < (count & 0xff); i++)
			conf_post_send(side, i, 0, 10,
				       SIGNALED | (count & 0x100 ? IBV_SEND_SOLICITED : 0));
		for (i = 0; i < (count & 0xff); i++)
			conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	}
	conf_disconnect(side);
}

static void recvs(struct side *side, int count)
{
	int i;

	for (i = 0; i < count; i++)
		conf_post_recv(side, i, 0, 10);
}

static void expect_recvs(struct side *side, int first, int count)
{
	int i;

	for (i = first; i < first + count; i++)
		conf_expect(side->recv_cq, i, IBV_WC_SUCCESS);
}

static void once_server(struct side *side)
{
	recvs(side, 6);
	/* Not armed: no event. */
	conf_tell(side, 1);
	expect_recvs(side, 0, 1);
	CHECK(!conf_readable(side->recv_channel->fd, 0), "an event without arming");
	/* Armed: one event, however many completions. */
	arm(side->recv_cq, 0);
	CHECK(!conf_readable(side->recv_channel->fd, 0), "an event at arming");
	conf_tell(side, 3);
	take_event(side, side->recv_cq);
	expect_recvs(side, 1, 3);
	CHECK(!conf_readable(side->recv_channel->fd, 0), "a second event for one arming");
	/* Armed twice is armed. */
	arm(side->recv_cq, 0);
	arm(side->recv_cq, 0);
	conf_tell(side, 2);
	take_event(side, side->recv_cq);
	expect_recvs(side, 4, 2);
	CHECK(!conf_readable(side->recv_channel->fd, 0), "a second event for two armings");
	ibv_ack_cq_events(side->recv_cq, 2);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void solicited_server(struct side *side)
{
	recvs(side, 3);
	arm(side->recv_cq, 1);
	conf_tell(side, 2);
	expect_recvs(side, 0, 2);
	CHECK(!conf_readable(side->recv_channel->fd, 0), "an event for unsolicited messages");
	conf_tell(side, 0x101);
	take_event(side, side->recv_cq);
	expect_recvs(side, 2, 1);
	ibv_ack_cq_events(side->recv_cq, 1);
	conf_tell(side, 0);
	conf_disconnect(side);
}

/* As QEMU waits: arm, poll, sleep, take the event, arm again, poll; events acknowledged later. */
static void waiting_server(struct side *side)
{
	unsigned int events = 0, got = 0, round;
	struct ibv_wc wc;

	recvs(side, 16);
	arm(side->recv_cq, 0);
	for (round = 0; round < 16; round++) {
		conf_tell(side, 1);
		while (got == round) {
			take_event(side, side->recv_cq);
			events++;
			arm(side->recv_cq, 0);
			while (ibv_poll_cq(side->recv_cq, 1, &wc) == 1) {
				CHECK(wc.wr_id == got && wc.status == IBV_WC_SUCCESS,
				      "completion %d: %s", (int)wc.wr_id,
				      ibv_wc_status_str(wc.status));
				got++;
			}
		}
	}
	CHECK(events == 16, "%u events for 16 armings", events);
	ibv_ack_cq_events(side->recv_cq, events);
	conf_tell(side, 0);
	conf_disconnect(side);
}

static void *destroy_cq(void *arg)
{
	return (void *)(intptr_t)ibv_destroy_cq(arg);
}

static void destroy_waits_server(struct side *side)
{
	struct timespec soon;
	pthread_t thread;
	void *result;
	int err;

	recvs(side, 1);
	arm(side->recv_cq, 0);
	conf_tell(side, 1);
	take_event(side, side->recv_cq);
	expect_recvs(side, 0, 1);
	conf_tell(side, 0);
	conf_meet(side);
	rdma_disconnect(side->id);
	rdma_destroy_qp(side->id);
	CHECK(pthread_create(&thread, NULL, destroy_cq, side->recv_cq) == 0, "pthread_create");
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec++;
	err = pthread_timedjoin_np(thread, &result, &soon);
	CHECK(err == ETIMEDOUT, "ibv_destroy_cq did not wait for the acknowledgement");
	ibv_ack_cq_events(side->recv_cq, 1);
	soon.tv_sec += CONF_WAIT;
	err = pthread_timedjoin_np(thread, &result, &soon);
	CHECK(err == 0, "ibv_destroy_cq waits after the acknowledgement");
	CHECK(result == NULL, "ibv_destroy_cq: %s", strerror((int)(intptr_t)result));
}

/* Events that nobody took need no acknowledgement, and go with the CQ. */
static void untaken_server(struct side *side)
{
	recvs(side, 1);
	arm(side->recv_cq, 0);
	conf_tell(side, 1);
	expect_recvs(side, 0, 1);
	CHECK(conf_readable(side->recv_channel->fd, CONF_WAIT * 1000), "no completion event");
	conf_tell(side, 0);
	conf_meet(side);
	rdma_disconnect(side->id);
	rdma_destroy_qp(side->id);
	CHECK(ibv_destroy_cq(side->recv_cq) == 0, "ibv_destroy_cq failed");
	CHECK(!conf_readable(side->recv_channel->fd, 0), "the event outlived its CQ");
}

static void parting_sender(struct side *side)
{
	uint64_t count, i;

	while ((count = conf_hear(side))) {
		for (i = 0; i < count; i++)
			conf_post_send(side, i, 0, 10, SIGNALED);
		for (i = 0; i < count; i++)
			conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	}
	conf_meet(side);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void nonblock_client(struct side *side)
{
	int fd = side->send_channel->fd;
	struct ibv_cq *cq;
	void *context;

	CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0, "fcntl: %s",
	      strerror(errno));
	errno = 0;
	CHECK(ibv_get_cq_event(side->send_channel, &cq, &context) == -1 && errno == EAGAIN,
	      "an empty non-blocking channel: %s", strerror(errno));
	arm(side->send_cq, 0);
	conf_post_write(side, 1, 0, 10, 0, SIGNALED);
	take_event(side, side->send_cq);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	ibv_ack_cq_events(side->send_cq, 1);
	conf_disconnect(side);
}

/* Errors wake, whatever was asked for. */
static void error_event_client(struct side *side)
{
	arm(side->recv_cq, 1);
	conf_post_recv(side, 1, 0, 10);
	CHECK(rdma_disconnect(side->id) == 0, "rdma_disconnect: %s", strerror(errno));
	take_event(side, side->recv_cq);
	conf_expect(side->recv_cq, 1, IBV_WC_WR_FLUSH_ERR);
	ibv_ack_cq_events(side->recv_cq, 1);
	conf_meet(side);
	conf_destroy(side);
}

static void leaving_server(struct side *side)
{
	conf_meet(side);
	rdma_disconnect(side->id);
	conf_destroy(side);
}

static void idle(struct side *side)
{
	conf_disconnect(side);
}

const struct conf_case conf_event_cases[] = {
	{"armed_once", sender, once_server, {0}, false, NULL, NULL, 0},
	{"armed_for_solicited", sender, solicited_server, {0}, false, NULL, NULL, 0},
	{"arm_poll_sleep", sender, waiting_server, {0}, false, NULL, NULL, 0},
	{"destroy_waits_for_ack", parting_sender, destroy_waits_server, {0}, false, NULL, NULL, 0},
	{"untaken_event", parting_sender, untaken_server, {0}, false, NULL, NULL, 0},
	{"channel_nonblocking", nonblock_client, idle, {0}, false, NULL, NULL, 0},
	{"error_event", error_event_client, leaving_server, {0}, false, NULL, NULL, 0},
	{NULL, NULL, NULL, {0}, false, NULL, NULL, 0},
};
