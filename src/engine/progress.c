/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/progress.h"

#include <string.h>

#include "engine/datapath.h"
#include "engine/session.h"
#include "util/log.h"

/*
 * It polls the CQ rather than its channel: an event there may be one that QEMU
 * left behind, and reading it could race with QEMU. A READY takes a round trip,
 * so the naps start short.
 */
#define NAP_FIRST_NS   50000L
#define NAP_LONGEST_NS 1000000L

static enum conn_cq other(enum conn_cq cq)
{
	return cq == CONN_SEND_CQ ? CONN_RECV_CQ : CONN_SEND_CQ;
}

static void run(void *argument)
{
	struct session *s = argument;
	struct progress *p = &s->progress;
	long ns = NAP_FIRST_NS;

	pthread_mutex_lock(&s->lock);
	while (!p->thread.stop) {
		if (!p->wanted) {
			thread_wait(&p->thread, &s->lock);
			ns = NAP_FIRST_NS;
			continue;
		}
		if (datapath_drain(s, other(p->armed)))
			ns = NAP_FIRST_NS;
		if (!conn_needs_help(&s->conn, p->armed)) {
			progress_rest(s);
			continue;
		}
		thread_nap(&p->thread, &s->lock, ns);
		ns = ns * 2 < NAP_LONGEST_NS ? ns * 2 : NAP_LONGEST_NS;
	}
	pthread_mutex_unlock(&s->lock);
}

void progress_init(struct session *s)
{
	thread_init(&s->progress.thread);
	progress_rest(s);
}

void progress_start(struct session *s)
{
	int error;

	if (!conn_wants_help(&s->conn))
		return;
	error = thread_start(&s->progress.thread, "rdmachunk-cq", run, s);
	if (!error)
		return;
	log_warn("no thread to listen for the destination: %s; doing without merged zeros and "
		 "registration ahead",
		 strerror(error));
	conn_forgo_help(&s->conn);
}

void progress_want(struct session *s, enum conn_cq armed)
{
	struct progress *p = &s->progress;

	p->wanted = true;
	p->armed = armed;
	atomic_store(&p->polls, PROGRESS_OF(other(armed)));
	thread_wake(&p->thread);
}

void progress_rest(struct session *s)
{
	s->progress.wanted = false;
	atomic_store(&s->progress.polls, 0);
}

void progress_stop(struct session *s)
{
	thread_stop(&s->progress.thread, &s->lock);
}
