/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ahead.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/datapath.h"
#include "engine/mr.h"
#include "engine/session.h"
#include "util/log.h"

/* Pages that one call of mincore(2) is asked about. */
#define PAGES 512

static bool is_zero(const char *p, size_t len)
{
	return !*p && !memcmp(p, p + 1, len - 1);
}

/* Takes the bytes that it reads from *budget, and gives up when that is used up. */
static bool page_has_data(const char *page, uint64_t length, uint64_t *budget)
{
	if (*budget < length)
		*budget = 0;
	else
		*budget -= length;
	return *budget && !is_zero(page, length);
}

/*
 * guest_memory.has_data. A page that is not resident is not touched: to read it
 * would allocate it, or fail where huge pages have run out. What is swapped out is
 * QEMU's to find.
 */
static bool has_data(void *context, uint64_t start, uint64_t length, uint64_t *budget)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char *addr = (char *)(uintptr_t)start;
	unsigned char resident[PAGES];
	int error = errno;

	(void)context;
	for (uint64_t at = 0; at < length; at += PAGES * page) {
		uint64_t part = length - at < PAGES * page ? length - at : PAGES * page;

		if (mincore(addr + at, part, resident)) {
			errno = error;
			return false;
		}
		for (uint64_t i = 0; i * page < part && *budget; i++) {
			uint64_t rest = part - i * page;

			if (resident[i] & 1 &&
			    page_has_data(addr + at + i * page, rest < page ? rest : page, budget))
				return true;
		}
	}
	return false;
}

const struct guest_memory ahead_memory = {.has_data = has_data};

/* Lock held, released meanwhile. False when there is nothing to do. */
static bool look(struct session *s)
{
	struct source_look where;
	struct range found;

	if (!conn_look(&s->conn, &where))
		return false;
	pthread_mutex_unlock(&s->lock);
	found = source_find(&where);
	pthread_mutex_lock(&s->lock);
	conn_looked(&s->conn, &where, found);
	datapath_settle(s);
	return true;
}

static void run(void *argument)
{
	struct session *s = argument;
	struct ahead *a = &s->ahead;

	pthread_mutex_lock(&s->lock);
	while (!a->thread.stop) {
		if (look(s) || mr_register_ahead(s))
			continue;
		a->idle = true;
		thread_wait(&a->thread, &s->lock);
		a->idle = false;
	}
	pthread_mutex_unlock(&s->lock);
}

void ahead_init(struct session *s)
{
	memset(&s->ahead, 0, sizeof(s->ahead));
	thread_init(&s->ahead.thread);
	pthread_cond_init(&s->ahead.done, NULL);
}

void ahead_poke(struct session *s)
{
	struct ahead *a = &s->ahead;
	struct source_look where;
	struct ram_block *block;
	struct range range;

	if (a->thread.stop || (a->thread.created && !a->idle))
		return;
	if (!conn_look(&s->conn, &where) && !conn_register_ahead(&s->conn, &block, &range))
		return;
	if (a->thread.created) {
		thread_wake(&a->thread);
		return;
	}
	if (!thread_start(&a->thread, "rdmachunk-ahead", run, s))
		return;
	/* QEMU asks for all that it needs. */
	a->thread.stop = true;
	log_info("no thread to register memory ahead");
}

void ahead_wait(struct session *s)
{
	pthread_cond_wait(&s->ahead.done, &s->lock);
}

void ahead_done(struct session *s)
{
	pthread_cond_broadcast(&s->ahead.done);
}

void ahead_stop(struct session *s)
{
	thread_stop(&s->ahead.thread, &s->lock);
	pthread_cond_destroy(&s->ahead.done);
}
