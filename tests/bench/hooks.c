/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What the shim adds to an idle ibv_poll_cq(), the call QEMU makes for every
 * page: run with the module preloaded, on any libibverbs that can open a
 * device (the stand-in of tests/preload will do).
 *
 * The provider's poll is replaced by one that only says "nothing" before the
 * shim patches the context, so that the difference is the shim's own.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../preload/peer.h"

#define ROUNDS 31
#define CALLS  1000000

static int poll_nothing(struct ibv_cq *cq, int entries, struct ibv_wc *wc)
{
	(void)cq;
	(void)entries;
	(void)wc;
	return 0;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double one_round(struct ibv_cq *cq)
{
	struct ibv_wc wc;
	double start = now_ns();

	for (int i = 0; i < CALLS; i++)
		if (ibv_poll_cq(cq, 1, &wc))
			abort();
	return (now_ns() - start) / CALLS;
}

/* Whatever else the machine does only adds: the quickest round is the call's. */
static double quickest(const double *values)
{
	double best = values[0];

	for (int i = 1; i < ROUNDS; i++)
		if (values[i] < best)
			best = values[i];
	return best;
}

/* Prints one line; returns whether the limit is kept. */
static int report(const char *name, double added, double limit)
{
	printf("%s idle poll_cq, %s CQ: +%.1f ns (at most %.0f)\n", added <= limit ? "ok" : "FAIL",
	       name, added, limit);
	return added <= limit;
}

int main(void)
{
	const uint32_t caps[2] = {htonl(1), 0};
	double plain[ROUNDS], tracked[ROUNDS], untracked[ROUNDS];
	struct ibv_context *context;
	int (*hooked)(struct ibv_cq *, int, struct ibv_wc *);
	struct peer early, peer;
	struct ibv_cq *other;
	double base;
	int kept;

	/* A QP that is not QEMU's, only to get at the context before the shim. */
	peer_find_fake();
	peer_open(&early, peer_shape_find("send-wr"), "127.0.0.1");
	context = early.id->verbs;
	context->ops.poll_cq = poll_nothing;
	peer_open(&peer, peer_shape_find("qemu"), "127.0.0.1");
	hooked = context->ops.poll_cq;
	if (peer.id->verbs != context || hooked == poll_nothing) {
		printf("FAIL the module is not preloaded\n");
		return 1;
	}
	if (peer_connect(&peer, true, caps, sizeof(caps)))
		return 1;
	other = early.send_cq;

	/* Interleaved, so that a change of the machine's speed meets all alike. */
	for (int i = 0; i < ROUNDS; i++) {
		context->ops.poll_cq = poll_nothing;
		plain[i] = one_round(other);
		context->ops.poll_cq = hooked;
		untracked[i] = one_round(other);
		tracked[i] = one_round(peer.send_cq);
	}
	base = quickest(plain);
	printf("provider's own idle poll_cq: %.1f ns\n", base);
	kept = report("untracked", quickest(untracked) - base, 3);
	kept &= report("tracked", quickest(tracked) - base, 15);
	return kept ? 0 : 1;
}
