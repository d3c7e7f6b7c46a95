/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/observed.h"

#include <pthread.h>

#include "engine/report.h"

/* QEMU makes two at most, one of them for the return path; more are not told of. */
#define OBSERVED_MAX 8

/* `id` is NULL in one that is free. */
struct observed {
	const struct rdma_cm_id *id;
	struct about about;
};

static struct observed table[OBSERVED_MAX];
/* Held for a few instructions. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Lock held. NULL for none; the first that is free for NULL. */
static struct observed *find(const struct rdma_cm_id *id)
{
	for (struct observed *o = table; o < table + OBSERVED_MAX; o++)
		if (o->id == id)
			return o;
	return NULL;
}

void observed_begin(struct rdma_cm_id *id, enum conn_role role)
{
	struct about about = {0};
	struct observed *o;

	about_begin(&about, id, role);
	pthread_mutex_lock(&lock);
	o = find(NULL);
	if (o && !find(id)) {
		report_begin(&about);
		*o = (struct observed){.id = id, .about = about};
	}
	pthread_mutex_unlock(&lock);
}

/* Lock held; released. `o` may be NULL. */
static void end(struct observed *o, bool disconnected)
{
	struct about about;

	if (o) {
		about = o->about;
		o->id = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (o)
		report_observed(&about, disconnected);
}

void observed_end(const struct rdma_cm_id *id, bool disconnected)
{
	pthread_mutex_lock(&lock);
	end(id ? find(id) : NULL, disconnected);
}

void observed_exit(void)
{
	for (struct observed *o = table; o < table + OBSERVED_MAX; o++) {
		pthread_mutex_lock(&lock);
		end(o->id ? o : NULL, false);
	}
}
