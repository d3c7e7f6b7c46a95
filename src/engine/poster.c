/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/poster.h"

#include <string.h>

#include "engine/datapath.h"
#include "engine/session.h"

/* So many calls in a row, each longer than this, are no coincidence. */
#define SLOW_CALLS 3
#define SLOW_NS	   100000

/* Between two tries when the send queue is full. */
#define NAP_NS 1000000

static void run(void *argument)
{
	struct session *s = argument;
	struct poster *p = &s->poster;

	pthread_mutex_lock(&s->lock);
	while (!p->thread.stop) {
		if (!datapath_post_writes(s))
			thread_wait(&p->thread, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

void poster_init(struct session *s)
{
	memset(&s->poster, 0, sizeof(s->poster));
	thread_init(&s->poster.thread);
}

void poster_measure(struct session *s, uint64_t ns)
{
	struct poster *p = &s->poster;
	enum config_poster wanted = session_config()->poster;

	if (p->thread.created || p->slow >= SLOW_CALLS || wanted == CONFIG_POSTER_OFF)
		return;
	p->slow = ns > SLOW_NS ? p->slow + 1 : 0;
	if (wanted == CONFIG_POSTER_ON)
		p->slow = SLOW_CALLS;
	/* Without a thread things go on as they did. */
	if (p->slow == SLOW_CALLS && s->conn.transmit.policy.early)
		thread_start(&p->thread, "rdmachunk-post", run, s);
}

bool poster_takes(struct session *s)
{
	struct thread *t = &s->poster.thread;

	if (!t->created || t->stop)
		return false;
	thread_wake(t);
	return true;
}

void poster_nap(struct session *s)
{
	thread_nap(&s->poster.thread, &s->lock, NAP_NS);
}

void poster_stop(struct session *s)
{
	thread_stop(&s->poster.thread, &s->lock);
}
