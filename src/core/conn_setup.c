/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn.h"

#include <stdlib.h>

#include "core/conn_private.h"

/* How a connection comes to be and goes, and what is settled before it is active. */

struct conn *conn_new(const struct conn_options *options)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->options = *options;
	if (!c->options.threads)
		c->options.threads = 1;
	c->asleep = CONN_AWAKE;
	delivery_init(&c->delivery, options->one_cq);
	order_init(&c->order);
	source_init(&c->source, &(struct source_options){
					.shift = options->shift,
					.threads = c->options.threads,
					.prefetch = options->prefetch,
					.bridge = !options->limited,
					.memory = options->memory,
				});
	c->destination.limited = options->limited;
	mrs_init(&c->mrs, &options->mrs, options->shift, options->prefetch);
	return c;
}

void conn_free(struct conn *c)
{
	source_clear(&c->source);
	ram_blocks_clear(&c->destination.blocks);
	mrs_clear(&c->mrs);
	free(c);
}

void conn_set_role(struct conn *c, enum conn_role role)
{
	c->role = role;
}

void conn_take_over(struct conn *c, void *memory, uint32_t lkey)
{
	c->posting.memory = memory;
	c->posting.lkey = lkey;
	c->posting.buffers_due = (1u << RECV_QUEUE_BUFFERS) - 1;
}

void conn_keep_recvs(struct conn *c)
{
	c->recvs_due = true;
}

void conn_pass_through(struct conn *c)
{
	c->state = CONN_PASSTHROUGH;
	c->posting.buffers_due = 0;
	c->recvs_due = true;
}

bool conn_wants_help(const struct conn *c)
{
	return c->role == CONN_SOURCE && !c->options.one_cq &&
	       (c->options.zeros || c->options.prefetch);
}

void conn_stop_prefetch(struct conn *c)
{
	c->options.prefetch = false;
	c->mrs.policy.prefetch = false;
	c->source.prefetch.on = false;
}

void conn_forgo_help(struct conn *c)
{
	/* Without messages of our own nothing waits for a READY that QEMU does not. */
	c->options.zeros = false;
	conn_stop_prefetch(c);
}

void conn_ask_singly(struct conn *c)
{
	c->source.single = true;
}

void conn_start(struct conn *c, uint64_t max_message)
{
	uint64_t region = UINT64_C(1) << c->options.shift;
	bool source = c->role == CONN_SOURCE;

	c->state = CONN_ACTIVE;
	c->prefetched = false;
	c->order.policy.early = c->options.writes && source;
	c->order.policy.merge_max = region < max_message ? region : max_message;
	c->mrs.source = source;
}
