/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ahead_destination.h"

#include <errno.h>
#include <string.h>

#include "ahead.h"
#include "ahead_block.h"
#include "wait.h"

#undef ibv_reg_mr

/* One whose QEMU registers chunks as it is asked for them. */
struct destination {
	struct peer p;
	char *block;
	struct ibv_mr *mr[LENGTH / MIB];
	int base; /* MRs before the first of guest memory */
};

static void open_destination(struct destination *d)
{
	memset(d, 0, sizeof(*d));
	d->block = map(LENGTH);
	migration_open_destination(&d->p, "192.0.2.7", d->block, LENGTH);
	d->base = live_mrs();
}

static void register_chunk(struct destination *d, unsigned int chunk)
{
	char *addr = d->block + chunk * MIB;

	d->mr[chunk] =
		ibv_reg_mr(d->p.pd, addr, MIB, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	must(d->mr[chunk] && d->mr[chunk]->addr == addr);
}

static void deregister_chunk(struct destination *d, unsigned int chunk)
{
	must(!ibv_dereg_mr(d->mr[chunk]));
	d->mr[chunk] = NULL;
}

static void close_destination(struct destination *d)
{
	for (unsigned int i = 0; i < LENGTH / MIB; i++)
		if (d->mr[i])
			deregister_chunk(d, i);
	peer_close(&d->p);
	munmap(d->block, LENGTH);
}

/* The source has no shim. Behind a run of chunks a quarter of it is registered. */
int ahead_destination(void)
{
	struct destination d;

	open_destination(&d);
	for (unsigned int i = 0; i < 16; i++) {
		must(live_mrs() == d.base + (int)i);
		register_chunk(&d, i);
	}
	wait_for(live_mrs() == d.base + 17);
	for (unsigned int i = 16; i < 20; i++) {
		must(live_mrs() == d.base + 17);
		register_chunk(&d, i);
	}
	wait_for(live_mrs() == d.base + 18);
	close_destination(&d);
	puts("registered ahead");
	return 0;
}

/* As many chunks have been asked for that some are registered ahead of the next. */
static void open_and_go_ahead(struct destination *d)
{
	open_destination(d);
	for (unsigned int i = 0; i < 16; i++)
		register_chunk(d, i);
	wait_for(live_mrs() == d->base + 17);
}

/* QEMU disconnects, and deregisters its chunks then: our threads end meanwhile, and nothing more is
 * registered. */
int ahead_destination_disconnected(void)
{
	struct destination d;

	open_and_go_ahead(&d);
	must(ahead_threads() > 1 && !rdma_disconnect(d.p.id));
	wait_for(ahead_threads() == 1);
	for (unsigned int i = 16; i < 20; i++)
		register_chunk(&d, i);
	must(live_mrs() == d.base + 17 && ahead_threads() == 1);
	close_destination(&d);
	must(!live_mrs());
	puts("nothing more");
	return 0;
}

/*
 * There is no room for a chunk of QEMU's until what is registered ahead, and nobody
 * has asked for, is given back.
 */
int ahead_destination_room(void)
{
	struct destination d;

	open_and_go_ahead(&d);
	__atomic_store_n(&peer_control->mr_limit, live_mrs(), __ATOMIC_RELAXED);
	register_chunk(&d, 40);
	must(live_mrs() == d.base + 17);
	/* Nothing is left to give: this one is QEMU's to be told of. */
	errno = 0;
	must(!ibv_reg_mr(d.p.pd, d.block + 50 * MIB, MIB, IBV_ACCESS_LOCAL_WRITE));
	must(errno == ENOMEM);
	__atomic_store_n(&peer_control->mr_limit, 0, __ATOMIC_RELAXED);
	/* A chunk of what was given back. */
	register_chunk(&d, 16);
	must(live_mrs() == d.base + 18);
	close_destination(&d);
	must(!live_mrs());
	puts("made room");
	return 0;
}

/*
 * With a connection for the return path QEMU may go over to postcopy, and discards what has not
 * come by then: nothing may be registering that, and so populating it, at the time.
 */
int ahead_destination_return_path(void)
{
	struct destination d;
	struct peer back;
	int made;

	open_destination(&d);
	migration_open_return_path(&back, "192.0.2.7");
	made = live_mrs();
	for (int i = 0; i < 20; i++) {
		register_chunk(&d, (unsigned int)i);
		/* With the last of 16 come four more, in one with it. */
		must(live_mrs() == made + (i < 16 ? i + 1 : 16) && ahead_threads() == 1);
	}
	/* That connection may be gone before QEMU registers more. */
	peer_close(&back);
	made = live_mrs();
	deregister_chunk(&d, 0);
	register_chunk(&d, 0);
	must(live_mrs() == made && ahead_threads() == 1);
	close_destination(&d);
	puts("nothing ahead");
	return 0;
}

/* The device takes a chunk, and nothing larger: then there is nothing to gain ahead either. */
int ahead_destination_chunks_only(void)
{
	int before = peer_control->reg_failed;
	struct destination d;

	open_destination(&d);
	__atomic_store_n(&peer_control->reg_limit, MIB, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < LENGTH / MIB; i++) {
		register_chunk(&d, i);
		must(live_mrs() == d.base + (int)i + 1);
		/* Four are tried, once. */
		if (i == 15)
			wait_for(counted(&peer_control->reg_failed) > before);
	}
	must(peer_control->reg_failed == before + 1);
	__atomic_store_n(&peer_control->reg_limit, 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < LENGTH / MIB; i++)
		deregister_chunk(&d, i);
	must(live_mrs() == d.base);
	close_destination(&d);
	puts("chunks only");
	return 0;
}
