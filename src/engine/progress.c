/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/progress.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "engine/datapath.h"
#include "engine/session.h"

/*
 * It polls the receive CQ rather than its channel: an event there may be one
 * that QEMU left behind, and reading it could race with QEMU. A READY takes a
 * round trip, so the naps start short.
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
		datapath_drain_recvs(s);
		p->wanted = transmit_waits_for_ready(&s->conn.transmit);
		if (!p->wanted)
			continue;
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

void progress_want(struct session *s)
{
	struct progress *p = &s->progress;
	sigset_t all, before;
	int error;

	p->wanted = true;
	if (p->created) {
		pthread_cond_signal(&p->changed);
		return;
	}
	/* QEMU's signals are for QEMU's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&p->thread, NULL, run, s);
	p->created = !error;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!p->created)
		session_fail(s, error, "no thread to listen for the destination");
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
