/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/progress.h"

#include "core/conn_private.h"

static const struct ram_blocks *blocks_of(const struct conn *c)
{
	return c->role == CONN_SOURCE ? &c->source.blocks : &c->destination.blocks;
}

static enum conn_phase phase_of(const struct conn *c)
{
	const struct ram_blocks *blocks = blocks_of(c);

	if (!blocks->count)
		return CONN_PHASE_SETUP;
	if (c->role != CONN_SOURCE)
		return CONN_PHASE_RECEIVING;
	return blocks->new_bytes ? CONN_PHASE_FIRST_PASS : CONN_PHASE_LATER_PASSES;
}

static enum conn_blocked blocked_by(const struct conn *c)
{
	if (c->state != CONN_ACTIVE || c->asleep == CONN_AWAKE)
		return CONN_BLOCKED_NOT;
	if (c->source.request.stage == SOURCE_REQUEST_SENT ||
	    c->source.request.stage == SOURCE_REQUEST_HELD ||
	    own_request_is_open(&c->order.request))
		return CONN_BLOCKED_REGISTRATION;
	if (order_waits_for_ready(&c->order))
		return CONN_BLOCKED_ZEROS;
	return conn_is_writing(c) ? CONN_BLOCKED_WRITES : CONN_BLOCKED_MESSAGE;
}

void conn_progress(const struct conn *c, struct conn_progress *progress)
{
	const struct ram_blocks *blocks = blocks_of(c);

	*progress = (struct conn_progress){
		.phase = phase_of(c),
		.blocked = blocked_by(c),
		.rate = c->order.rate.per_second,
		.window_bytes = c->order.window_bytes,
		.window_limit = c->order.window,
	};
	if (c->role == CONN_SOURCE && blocks->count)
		progress->ahead_bytes = prefetch_ahead(&c->source.prefetch, blocks);
	for (unsigned int i = 0; i < blocks->count; i++)
		progress->ram_bytes += blocks->block[i].length;
}

const char *conn_phase_name(enum conn_phase phase)
{
	static const char *const names[CONN_PHASES] = {
		[CONN_PHASE_SETUP] = "setup",
		[CONN_PHASE_FIRST_PASS] = "first pass",
		[CONN_PHASE_LATER_PASSES] = "later passes",
		[CONN_PHASE_RECEIVING] = "receiving",
	};

	return names[phase];
}

const char *conn_blocked_name(enum conn_blocked blocked)
{
	static const char *const names[CONN_BLOCKED_KINDS] = {
		[CONN_BLOCKED_NOT] = "none",	    [CONN_BLOCKED_REGISTRATION] = "registration",
		[CONN_BLOCKED_ZEROS] = "zeros",	    [CONN_BLOCKED_WRITES] = "writes",
		[CONN_BLOCKED_MESSAGE] = "message",
	};

	return names[blocked];
}
