/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ahead.h"

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

/*
 * Is there anything but zeros? A page that is not resident is not touched: to
 * read it would allocate it, or fail where huge pages have run out. What is
 * swapped out is QEMU's to find.
 */
static bool has_data(char *addr, uint64_t length)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned char resident[PAGES];

	for (uint64_t at = 0; at < length; at += PAGES * page) {
		uint64_t part = length - at < PAGES * page ? length - at : PAGES * page;

		if (mincore(addr + at, part, resident))
			return false;
		for (uint64_t i = 0; i * page < part; i++) {
			uint64_t rest = part - i * page;

			if (resident[i] & 1 &&
			    !is_zero(addr + at + i * page, rest < page ? rest : page))
				return true;
		}
	}
	return false;
}

/* The first chunk with data in look->range; its end when there is none. */
static uint64_t find_data(const struct source_look *look)
{
	uint64_t at = look->range.start;

	for (; at < look->range.end; at += look->chunk) {
		uint64_t rest = look->range.end - at;

		if (has_data((char *)(uintptr_t)(look->addr + at - look->range.start),
			     rest < look->chunk ? rest : look->chunk))
			return at;
	}
	return look->range.end;
}

/* Lock held, released meanwhile. False when there is nothing to do. */
static bool look(struct session *s)
{
	struct source_look where;
	uint64_t data;

	if (!conn_look(&s->conn, &where))
		return false;
	pthread_mutex_unlock(&s->lock);
	data = find_data(&where);
	pthread_mutex_lock(&s->lock);
	conn_looked(&s->conn, &where, data);
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
