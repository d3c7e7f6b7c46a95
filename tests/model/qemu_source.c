/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu_source.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"
#include "qemu_exchange.h"
#include "world.h"

/* An access flag, IBV_ACCESS_LOCAL_WRITE, in the place of the one that QEMU tries when it may not
 * register without any, IBV_ACCESS_ON_DEMAND: with that nothing is ever stale. */
#define OTHER_ACCESS 1

void qemu_source_init(struct world *w)
{
	struct qemu_source *q = &w->source;

	q->control_key = nic_register(w, (uintptr_t)q->control, sizeof(q->control));
	q->control_ready_expected = true;
	qemu_exchange_post_recv(w, SOURCE_RECV_READY);
}

static int send_empty(struct world *w, enum wire_type type, enum wire_type answer)
{
	struct message m;

	message_begin(&m, type, 1);
	return qemu_exchange_send(w, &m, answer);
}

static int send_file(struct world *w, enum message_file what)
{
	uint8_t byte = (uint8_t)what;
	struct message m;
	int ret;

	message_begin(&m, WIRE_QEMU_FILE, 1);
	message_put(&m, &byte, 1);
	ret = qemu_exchange_send(w, &m, WIRE_NONE);
	if (ret < 0)
		w->source.error_state = true;
	return ret;
}

static int send_compress(struct world *w, const struct guest_block *b, uint64_t offset,
			 uint64_t length)
{
	struct message m;

	message_compress(&m, (uint32_t)(b - w->guest.block), b->offset + offset, length);
	return qemu_exchange_send(w, &m, WIRE_NONE);
}

static int register_memory(struct world *w, uint64_t addr, uint64_t length, uint32_t *lkey)
{
	int ret = driver_register(&w->source_driver, addr, length, 0, lkey);

	return ret == -ENOTSUP
		       ? driver_register(&w->source_driver, addr, length, OTHER_ACCESS, lkey)
		       : ret;
}

static int register_chunk(struct world *w, const struct guest_block *b, uint64_t offset)
{
	struct qemu_source *q = &w->source;
	unsigned int index = (unsigned int)(b - w->guest.block);
	uint64_t chunk = offset / w->guest.chunk_size;
	unsigned int first = qemu_exchange_page(&w->guest, index, chunk);
	const uint8_t *result = q->recv[SOURCE_RECV_DATA];
	uint64_t start = chunk * w->guest.chunk_size;
	struct message m;
	int ret;

	message_register(&m, WIRE_REGISTER_REQUEST, b->offset + offset, index, 0);
	ret = qemu_exchange_send(w, &m, WIRE_REGISTER_RESULT);
	if (ret < 0)
		return ret;
	world_yield(w);
	ret = register_memory(w, b->local + start, guest_chunk_end(&w->guest, b, chunk) - start,
			      &q->lkey[first]);
	if (ret)
		return ret;
	world_expect(w, message_get32(result, 0) == 16 && message_get32(result, 8) == 1,
		     "a malformed RESULT reaches QEMU");
	q->rkey[first] = message_get32(result, 16);
	q->remote_base[index] = message_get64(result, 24);
	return 0;
}

static int write_one(struct world *w, unsigned int index, unsigned int page, unsigned int pages)
{
	const struct guest_block *b = &w->guest.block[index];
	struct qemu_source *q = &w->source;
	uint64_t offset = (page - b->first) * w->guest.page_size;
	uint64_t length = pages * w->guest.page_size;
	uint64_t chunk = offset / w->guest.chunk_size;
	unsigned int first = qemu_exchange_page(&w->guest, index, chunk);
	struct conn_wr wr = {
		.wr_id = WRID_RDMA_WRITE | (uint64_t)index << WRID_BLOCK_SHIFT |
			 chunk << WRID_CHUNK_SHIFT,
		.length = length,
		.local_addr = b->local + offset,
	};
	int ret;

retry:
	while (q->transit[first]) {
		ret = qemu_exchange_wait(w, WRID_RDMA_WRITE, NULL);
		if (ret < 0)
			return ret;
	}
	if (!q->rkey[first]) {
		if (guest_is_zero(w, page, pages)) {
			world_trace(w, "qemu", "COMPRESS pages %u to %u", page, page + pages - 1);
			q->zeroed_pages += pages;
			return send_compress(w, b, offset, length) < 0 ? -EIO : 1;
		}
		ret = register_chunk(w, b, offset);
		if (ret < 0)
			return ret;
	}
	world_yield(w);
	wr.rkey = q->rkey[first];
	wr.lkey = q->lkey[first];
	wr.remote_addr = q->remote_base[index] + offset;
	world_trace(w, "qemu", "WRITE pages %u to %u", page, page + pages - 1);
	discard_note_write(w, q->written_pages, page, pages);
	ret = driver_post_send(&w->source_driver, &wr);
	if (ret == ENOMEM) {
		world_trace(w, "qemu", "has to wait");
		world_expect(w, q->owed_writes, "QEMU has to wait for a WRITE and is owed none");
		ret = qemu_exchange_wait(w, WRID_RDMA_WRITE, NULL);
		if (ret < 0)
			return ret;
		goto retry;
	}
	if (ret) {
		world_expect(w, w->fault_fired, "a WRITE is refused: %s", strerror(ret));
		q->refused_writes++;
		return -ret;
	}
	q->written_pages += pages;
	q->transit[first] = true;
	q->owed[first]++;
	q->owed_writes++;
	return 0;
}

static int write_flush(struct world *w)
{
	struct qemu_source *q = &w->source;
	int ret;

	if (!q->current_pages)
		return 0;
	ret = write_one(w, q->current_block, q->current_page, q->current_pages);
	if (ret < 0)
		return ret;
	if (!ret)
		q->nb_sent++;
	q->current_pages = 0;
	return 0;
}

static bool mergeable(const struct world *w, unsigned int block, unsigned int page)
{
	const struct qemu_source *q = &w->source;
	const struct guest_block *b = &w->guest.block[block];

	return q->current_pages && block == q->current_block &&
	       page == q->current_page + q->current_pages &&
	       guest_chunk(&w->guest, b, page) == guest_chunk(&w->guest, b, q->current_page);
}

static int save_page(struct world *w, unsigned int block, unsigned int page)
{
	struct qemu_source *q = &w->source;
	uint64_t wr_id;
	int ret;

	world_trace(w, "qemu", "page %u is dirty", page);
	if (!mergeable(w, block, page)) {
		ret = write_flush(w);
		if (ret < 0)
			return ret;
		q->current_block = block;
		q->current_page = page;
	}
	q->current_pages++;
	for (int cq = w->settings.one_cq ? CONN_SEND_CQ : CONN_RECV_CQ; cq >= 0; cq--) {
		do {
			ret = qemu_exchange_poll(w, (enum conn_cq)cq, &wr_id, NULL);
			if (ret < 0 && w->settings.swallows) {
				/* QEMU up to 7.2: a `ret' of the loop hides the one that is
				 * returned, which is 0. */
				q->error_state = false;
				q->swallowed = true;
				return 0;
			}
			if (ret < 0)
				return ret;
		} while (wr_id != WRID_NONE);
	}
	return 0;
}

static int drain_cq(struct world *w)
{
	if (write_flush(w) < 0)
		return -EIO;
	while (w->source.nb_sent)
		if (qemu_exchange_wait(w, WRID_RDMA_WRITE, NULL) < 0)
			return -EIO;
	return 0;
}

static int registration_stop(struct world *w, bool setup)
{
	int ret = drain_cq(w);

	if (!ret && setup)
		ret = send_empty(w, WIRE_RAM_BLOCKS_REQUEST, WIRE_RAM_BLOCKS_RESULT);
	if (ret >= 0)
		ret = send_empty(w, WIRE_REGISTER_FINISHED, WIRE_NONE);
	if (ret < 0)
		w->source.error_state = true;
	return ret;
}

/*
 * Up to `most` dirty pages from where the last scan ended, around the end of
 * memory. QEMU 7.2 learns only between iterations what the guest has dirtied;
 * here it does at once, so that one iteration can hold a page twice.
 */
static int scan(struct world *w, unsigned int most)
{
	struct qemu_source *q = &w->source;
	struct guest *g = &w->guest;
	unsigned int block, page;

	for (unsigned int i = 0; most && i < 4 * g->pages; i++) {
		page = q->scanned++ % g->pages;
		if (!g->dirty[page] ||
		    (!g->stopped && !random_percent(&w->random, w->settings.dirty_percent)))
			continue;
		for (block = 0; page >= g->block[block].first + g->block[block].pages;)
			block++;
		most--;
		/* Before it is read, so that no change is missed. */
		g->dirty[page] = false;
		if (save_page(w, block, page) < 0) {
			q->error_state = true;
			return -1;
		}
		/* Pages that are wanted urgently come out of turn. */
		if (random_percent(&w->random, w->settings.rewind_percent))
			q->scanned += g->pages - random_below(&w->random, 8) % g->pages;
		if (w->cancelled && random_percent(&w->random, 30))
			return -1;
	}
	return 0;
}

static int iterate(struct world *w, unsigned int most)
{
	if (send_file(w, MESSAGE_FILE_HOOK) < 0 || scan(w, most) < 0 ||
	    registration_stop(w, false) < 0)
		return -1;
	if (random_percent(&w->random, 30))
		return send_file(w, MESSAGE_FILE_EOS);
	return w->cancelled ? -1 : 0;
}

bool qemu_source_migrate(struct world *w)
{
	if (send_file(w, MESSAGE_FILE_HOOK) < 0 || registration_stop(w, true) < 0)
		return false;
	for (unsigned int i = 0; i < w->settings.iterations; i++)
		if (iterate(w, 1 + random_below(&w->random, w->settings.iteration_pages)) < 0)
			return false;
	w->guest.stopped = true;
	world_trace(w, "guest", "is stopped");
	return !iterate(w, w->guest.pages) && !send_file(w, MESSAGE_FILE_END) && !w->cancelled;
}

void qemu_source_clean_up(struct world *w)
{
	struct qemu_source *q = &w->source;
	struct message m;

	if ((q->error_state || w->cancelled) && !q->received_error) {
		q->gave_up_a_send = q->owed_sends;
		message_begin(&m, WIRE_ERROR, 1);
		qemu_exchange_post_send(w, &m);
	}
}

void qemu_source_poll_rest(struct world *w)
{
	struct completion wc;
	bool any;

	do {
		any = world_step(w);
		for (int cq = CONN_RECV_CQ; cq >= 0; cq--) {
			while (driver_poll(&w->source_driver,
					   w->settings.one_cq ? CONN_SEND_CQ : (enum conn_cq)cq,
					   &wc)) {
				qemu_exchange_account(w, &wc);
				any = true;
			}
		}
		/* A poll may have given the NIC more to do. */
	} while (any || nic_can_complete(&w->nic.source));
}
