/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/progress.h"

#include <string.h>
#include <time.h>

#include "engine/datapath.h"
#include "engine/session.h"
#include "engine/thread.h"

/*
 * It polls the CQ rather than its channel: an event there may be one that QEMU
 * left behind, and reading it could race with QEMU. A READY takes a round trip,
 * so the naps start short.
 */
#define NAP_FIRST_NS   50000L
#define NAP_LONGEST_NS 1000000L

static void nap(struct session *s, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&s->progress.changed, &s->lock, &until);
}

static enum conn_cq other(enum conn_cq cq)
{
	return cq == CONN_SEND_CQ ? CONN_RECV_CQ : CONN_SEND_CQ;
}

static void *run(void *argument)
{
	struct session *s = argument;
	struct progress *p = &s->progress;
	long ns = NAP_FIRST_NS;

	pthread_mutex_lock(&s->lock);
	while (!p->stop) {
		if (!p->wanted) {
			pthread_cond_wait(&p->changed, &s->lock);
			ns = NAP_FIRST_NS;
			continue;
		}
		if (datapath_drain(s, other(p->armed)))
			ns = NAP_FIRST_NS;
		if (!conn_needs_help(&s->conn, p->armed)) {
			progress_rest(s);
			continue;
		}
		nap(s, ns);
		ns = ns * 2 < NAP_LONGEST_NS ? ns * 2 : NAP_LONGEST_NS;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void progress_init(struct session *s)
{
	pthread_condattr_t attr;

	memset(&s->progress, 0, sizeof(s->progress));
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->progress.changed, &attr);
	pthread_condattr_destroy(&attr);
}

void progress_want(struct session *s, enum conn_cq armed)
{
	struct progress *p = &s->progress;
	int error;

	p->wanted = true;
	p->armed = armed;
	atomic_store(&p->polls, PROGRESS_OF(other(armed)));
	if (p->created) {
		pthread_cond_signal(&p->changed);
		return;
	}
	error = thread_create(&p->thread, run, s);
	p->created = !error;
	if (!p->created)
		session_fail(s, error, "no thread to listen for the destination");
}

void progress_rest(struct session *s)
{
	s->progress.wanted = false;
	atomic_store(&s->progress.polls, 0);
}

void progress_stop(struct session *s)
{
	struct progress *p = &s->progress;

	if (p->created) {
		p->stop = true;
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&s->lock);
		pthread_join(p->thread, NULL);
		pthread_mutex_lock(&s->lock);
	}
	pthread_cond_destroy(&p->changed);
}
