/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/poster.h"

#include <string.h>
#include <time.h>

#include "engine/datapath.h"
#include "engine/guard.h"
#include "engine/session.h"
#include "engine/thread.h"

/* So many calls in a row, each longer than this, are no coincidence. */
#define SLOW_CALLS 3
#define SLOW_NS	   100000

/* Between two tries when the send queue is full. */
#define NAP_NS 1000000

static void *run(void *argument)
{
	struct session *s = argument;
	struct poster *p = &s->poster;

	guard_enter();
	pthread_mutex_lock(&s->lock);
	while (!p->stop) {
		if (!datapath_post_writes(s))
			pthread_cond_wait(&p->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void poster_init(struct session *s)
{
	memset(&s->poster, 0, sizeof(s->poster));
	pthread_cond_init(&s->poster.changed, NULL);
}

void poster_measure(struct session *s, uint64_t ns)
{
	struct poster *p = &s->poster;
	enum config_poster wanted = session_config()->poster;

	if (p->created || p->slow >= SLOW_CALLS || wanted == CONFIG_POSTER_OFF)
		return;
	p->slow = ns > SLOW_NS ? p->slow + 1 : 0;
	if (wanted == CONFIG_POSTER_ON)
		p->slow = SLOW_CALLS;
	/* Without a thread things go on as they did. */
	if (p->slow == SLOW_CALLS && s->conn.transmit.policy.early)
		p->created = !thread_create(&p->thread, run, s);
}

bool poster_takes(struct session *s)
{
	if (!s->poster.created || s->poster.stop)
		return false;
	pthread_cond_signal(&s->poster.changed);
	return true;
}

void poster_nap(struct session *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += NAP_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&s->poster.changed, &s->lock, &until);
}

void poster_stop(struct session *s)
{
	struct poster *p = &s->poster;

	p->stop = true;
	if (p->created) {
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&s->lock);
		pthread_join(p->thread, NULL);
		pthread_mutex_lock(&s->lock);
	}
	pthread_cond_destroy(&p->changed);
}
