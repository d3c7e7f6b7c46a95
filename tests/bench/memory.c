/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include <fcntl.h>
#include <sys/mman.h>

#undef ibv_reg_mr

/* verbs.h declares it only inside the macro that calls it. */
struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access);

/* Of a migration: one for each chunk, but the first. */
#define REGISTRATIONS (MIGRATION_CHUNKS - 1)

static struct ibv_mr *mr[REGISTRATIONS];

static char *chunk(const struct subject *s, unsigned int i)
{
	return s->memory + (i + 1) * MIGRATION_CHUNK;
}

static void reg_mr(struct subject *s, unsigned int calls)
{
	for (unsigned int i = 0; i < calls; i++)
		mr[i] = ibv_reg_mr(s->peer->pd, chunk(s, i), MIGRATION_CHUNK, 0);
}

static void reg_mr_iova2(struct subject *s, unsigned int calls)
{
	for (unsigned int i = 0; i < calls; i++)
		mr[i] = ibv_reg_mr_iova2(s->peer->pd, chunk(s, i), MIGRATION_CHUNK,
					 (uintptr_t)chunk(s, i), 0);
}

static void dereg_mr(struct subject *s, unsigned int calls)
{
	(void)s;
	for (unsigned int i = 0; i < calls; i++)
		must(mr[i] && !ibv_dereg_mr(mr[i]));
}

const struct bench_case memory_cases[] = {
	{"ibv_reg_mr", REGISTRATIONS, 500, false, NULL, reg_mr, dereg_mr},
	{"ibv_reg_mr_iova2", REGISTRATIONS, 500, false, NULL, reg_mr_iova2, dereg_mr},
	{"ibv_dereg_mr", REGISTRATIONS, 500, false, reg_mr, dereg_mr, NULL},
	{.verb = NULL},
};

/* The quickest call that the kernel has: of nothing. */
static void discard_memory(struct subject *s, unsigned int calls)
{
	char *page = s->memory - (uintptr_t)s->memory % 4096;

	for (unsigned int i = 0; i < calls; i++)
		must(!madvise(page, 0, MADV_DONTNEED));
}

static void discard_file(struct subject *s, unsigned int calls)
{
	(void)s;
	for (unsigned int i = 0; i < calls; i++)
		must(fallocate(-1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
}

const struct bench_case discard_cases[] = {
	{"madvise", BENCH_CALLS_MAX, 500, false, NULL, discard_memory, NULL},
	{"fallocate", BENCH_CALLS_MAX, 500, false, NULL, discard_file, NULL},
	{.verb = NULL},
};
