/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu_source.h"

#include <errno.h>
#include <string.h>

#include "core/verbs_values.h"
#include "message.h"
#include "world.h"

enum {
	WRID_NONE = 0,
	WRID_RDMA_WRITE = 1,
	WRID_SEND_CONTROL = 2000,
	WRID_RECV_CONTROL = 4000,
};
#define WRID_TYPE_MASK	 0xffffu
#define WRID_BLOCK_SHIFT 16
#define WRID_CHUNK_SHIFT 30

/* An access flag, IBV_ACCESS_LOCAL_WRITE, in the place of the one that QEMU tries when it may not
 * register without any, IBV_ACCESS_ON_DEMAND: with that nothing is ever stale. */
#define OTHER_ACCESS 1

/* How a byte count is spelled in one of these. */
typedef unsigned long long ull;

static int post_recv_control(struct world *w, unsigned int idx)
{
	struct qemu_source *q = &w->source;
	struct recv_request request = {
		.wr_id = WRID_RECV_CONTROL + idx,
		.addr = q->recv[idx],
		.length = sizeof(q->recv[idx]),
	};
	int ret;

	world_trace(w, "qemu", "posts RECV %u", idx);
	ret = driver_post_recv(&w->source_driver, &request);
	if (!ret)
		q->owed_recvs[idx]++;
	return -ret;
}

void qemu_source_init(struct world *w)
{
	struct qemu_source *q = &w->source;

	q->control_key = nic_register(w, (uintptr_t)q->control, sizeof(q->control));
	q->control_ready_expected = true;
	post_recv_control(w, SOURCE_RECV_READY);
}

static unsigned int first_page_of(const struct guest *g, unsigned int block, uint64_t chunk)
{
	return g->block[block].first + (unsigned int)(chunk * (g->chunk_size / g->page_size));
}

static bool has_failed(const struct world *w)
{
	return conn_state(w->source_driver.conn) == CONN_FAILED;
}

/* Every wr_id that was posted completes once. */
static void account(struct world *w, const struct completion *wc)
{
	struct qemu_source *q = &w->source;
	unsigned int type = wc->wr_id & WRID_TYPE_MASK;
	unsigned int block =
		wc->wr_id >> WRID_BLOCK_SHIFT & ((1u << (WRID_CHUNK_SHIFT - WRID_BLOCK_SHIFT)) - 1);
	unsigned int page;

	q->statuses |= 1u << wc->status;
	if (type == WRID_RDMA_WRITE) {
		page = first_page_of(&w->guest, block, wc->wr_id >> WRID_CHUNK_SHIFT);
		world_expect(w, block < w->guest.blocks && page < w->guest.pages,
			     "a wr_id that QEMU never made");
		if (q->owed[page]) {
			q->owed[page]--;
			q->owed_writes--;
			return;
		}
		if (q->refused_writes) {
			q->refused_writes--;
			return;
		}
		world_expect(w, wc->status != VERBS_WC_SUCCESS && w->settings.writes && !q->extra,
			     "a WRITE of chunk %llu completes twice",
			     (ull)(wc->wr_id >> WRID_CHUNK_SHIFT));
		q->extra++;
		return;
	}
	if (type == WRID_SEND_CONTROL) {
		/* QEMU will not ask for that of a call which learnt that all is lost. */
		if (!q->owed_sends && q->refused_sends) {
			q->refused_sends--;
			return;
		}
		world_expect(w, q->owed_sends, "a SEND completes twice");
		q->owed_sends--;
		return;
	}
	/* The connection has failed, and QEMU is about to sleep. */
	if (!wc->wr_id && wc->status != VERBS_WC_SUCCESS && has_failed(w))
		return;
	/* The failure of a COMPRESS that QEMU believes sent, or of a request of ours. */
	if (!wc->wr_id && wc->status != VERBS_WC_SUCCESS &&
	    (w->settings.zeros || w->settings.ahead) && !q->extra) {
		q->extra++;
		return;
	}
	world_expect(w, type == WRID_RECV_CONTROL || type == WRID_RECV_CONTROL + 1,
		     "wr_id %llu is none of QEMU's", (ull)wc->wr_id);
	world_expect(w, q->owed_recvs[type - WRID_RECV_CONTROL], "a RECV completes twice");
	q->owed_recvs[type - WRID_RECV_CONTROL]--;
}

static int poll_cq(struct world *w, enum conn_cq cq, uint64_t *wr_id_out, uint32_t *byte_len)
{
	struct qemu_source *q = &w->source;
	struct completion wc;
	unsigned int type, page;

	world_yield(w);
	*wr_id_out = WRID_NONE;
	if (!driver_poll(&w->source_driver, cq, &wc))
		return 0;
	account(w, &wc);
	type = wc.wr_id & WRID_TYPE_MASK;
	world_trace(w, "qemu", "polls %s %u, status %u",
		    type == WRID_RDMA_WRITE	? "WRITE of chunk"
		    : type == WRID_SEND_CONTROL ? "SEND"
						: "RECV",
		    type == WRID_RDMA_WRITE ? (unsigned int)(wc.wr_id >> WRID_CHUNK_SHIFT)
					    : type % 1000,
		    wc.status);
	if (wc.status != VERBS_WC_SUCCESS) {
		world_expect(w, w->fault_fired, "QEMU is given status %u for nothing", wc.status);
		return -1;
	}
	if (q->control_ready_expected && type >= WRID_RECV_CONTROL)
		q->control_ready_expected = false;
	if (type == WRID_RDMA_WRITE) {
		page = first_page_of(&w->guest, wc.wr_id >> WRID_BLOCK_SHIFT & 0x3fff,
				     wc.wr_id >> WRID_CHUNK_SHIFT);
		q->transit[page] = false;
		if (q->nb_sent)
			q->nb_sent--;
	}
	*wr_id_out = wc.wr_id;
	if (byte_len)
		*byte_len = wc.byte_len;
	return 0;
}

/* Nothing may be due that no event will tell of. */
static void check_asleep(struct world *w, const struct nic_cq *cq)
{
	const struct nic_qp *qp = &w->nic.source;
	bool send = cq == qp->send_cq;

	if (cq->count || (send && qp->completed < qp->posted))
		return;
	/* What a thread is about to post will complete. */
	if (send && driver_is_posting(&w->source_driver))
		return;
	world_expect(w,
		     !conn_count_due(w->source_driver.conn, send ? CONN_SEND_CQ : CONN_RECV_CQ) ||
			     (!send && qp->error),
		     "a completion is due, and QEMU sleeps on the %s channel",
		     send ? "send" : "receive");
}

/* It sleeps until there is an event, the other end hangs up, or it is cancelled. */
static int wait_comp_channel(struct world *w, struct nic_cq *cq)
{
	const struct qemu_source *q = &w->source;

	world_trace(w, "qemu", "sleeps on the %s channel",
		    cq == w->nic.source.send_cq ? "send" : "receive");
	while (!q->error_state && !q->received_error) {
		if (cq->events)
			return 0;
		if (w->disconnected || w->cancelled)
			return -EPIPE;
		/* It has forgotten that the NIC failed, and waits until it is cancelled; so
		 * it would without us. */
		if (q->swallowed && w->nic.source.error && !has_failed(w)) {
			if (world_step(w))
				continue;
			w->cancelled = true;
			return -EPIPE;
		}
		check_asleep(w, cq);
		world_expect(w, world_step(w),
			     "nobody has anything to do: QEMU sleeps on the %s channel",
			     cq == w->nic.source.send_cq ? "send" : "receive");
	}
	return -EPIPE;
}

static int poll_for(struct world *w, enum conn_cq cq, unsigned int wanted, uint32_t *byte_len,
		    bool *found)
{
	uint64_t wr_id;
	int ret;

	*found = false;
	do {
		ret = poll_cq(w, cq, &wr_id, byte_len);
		if (ret < 0)
			return ret;
		/* Those of others are thrown away. */
		*found = (wr_id & WRID_TYPE_MASK) == wanted;
	} while (wr_id != WRID_NONE && !*found);
	return 0;
}

static int block_for_wrid(struct world *w, unsigned int wanted, uint32_t *byte_len)
{
	enum conn_cq cq = wanted < WRID_RECV_CONTROL ? CONN_SEND_CQ : CONN_RECV_CQ;
	struct nic_cq *channel = cq == CONN_SEND_CQ ? w->nic.source.send_cq : w->nic.source.recv_cq;
	bool found;
	int ret;

	driver_arm(&w->source_driver, cq);
	ret = poll_for(w, cq, wanted, byte_len, &found);
	if (ret < 0 || found)
		return ret;
	while (!found) {
		ret = wait_comp_channel(w, channel);
		if (ret)
			goto err;
		channel->events--;
		driver_arm(&w->source_driver, cq);
		ret = poll_for(w, cq, wanted, byte_len, &found);
		if (ret < 0)
			goto err;
	}
	return 0;
err:
	w->source.error_state = true;
	return ret;
}

static int post_send_control(struct world *w, enum wire_type type, const void *body, uint32_t len)
{
	struct qemu_source *q = &w->source;
	struct conn_wr wr = {
		.wr_id = WRID_SEND_CONTROL,
		.message = true,
		.data = q->control,
		.local_addr = (uintptr_t)q->control,
		.lkey = q->control_key,
	};
	int ret;

	world_yield(w);
	wr.length = message_build(q->control, type, body, len);
	world_trace(w, "qemu", "sends %s", wire_type_name(type));
	ret = driver_post_send(&w->source_driver, &wr);
	if (ret) {
		world_expect(w, w->fault_fired, "a SEND is refused: %s", strerror(ret));
		q->refused_sends++;
		return -ret;
	}
	q->owed_sends++;
	return block_for_wrid(w, WRID_SEND_CONTROL, NULL);
}

static int exchange_get_response(struct world *w, enum wire_type expecting, unsigned int idx)
{
	struct qemu_source *q = &w->source;
	struct wire_header header;
	uint32_t byte_len = 0;
	int ret;

	ret = block_for_wrid(w, WRID_RECV_CONTROL + idx, &byte_len);
	if (ret < 0)
		return ret;
	if (wire_parse_header(q->recv[idx], byte_len, &header)) {
		world_expect(w, false, "a malformed message reaches QEMU");
		return -EINVAL;
	}
	world_trace(w, "qemu", "has received %s", wire_type_name(header.type));
	if (header.type == (uint32_t)expecting)
		return 0;
	world_expect(w, header.type == WIRE_ERROR, "QEMU expects %s and gets %s",
		     wire_type_name(expecting), wire_type_name(header.type));
	world_expect(w, w->fault_fired, "an ERROR for nothing");
	q->received_error = true;
	return -EIO;
}

static int exchange_send(struct world *w, enum wire_type type, const void *body, uint32_t len,
			 enum wire_type answer)
{
	struct qemu_source *q = &w->source;
	int ret;

	if (q->control_ready_expected) {
		ret = exchange_get_response(w, WIRE_READY, SOURCE_RECV_READY);
		if (ret < 0)
			return ret;
	}
	world_yield(w);
	if (answer != WIRE_NONE) {
		ret = post_recv_control(w, SOURCE_RECV_DATA);
		if (ret)
			return ret;
		world_yield(w);
	}
	ret = post_recv_control(w, SOURCE_RECV_READY);
	if (ret)
		return ret;
	ret = post_send_control(w, type, body, len);
	if (ret < 0)
		return ret;
	if (answer != WIRE_NONE) {
		ret = exchange_get_response(w, answer, SOURCE_RECV_DATA);
		if (ret < 0)
			return ret;
	}
	q->control_ready_expected = true;
	return 0;
}

static int send_file(struct world *w, enum message_file what)
{
	uint8_t byte = (uint8_t)what;
	int ret = exchange_send(w, WIRE_QEMU_FILE, &byte, 1, WIRE_NONE);

	if (ret < 0)
		w->source.error_state = true;
	return ret;
}

static int send_compress(struct world *w, const struct guest_block *b, uint64_t offset,
			 uint64_t length)
{
	struct wire_compress compress = {
		.block = (uint32_t)(b - w->guest.block),
		.addr = b->offset + offset,
		.length = length,
	};
	uint8_t message[WIRE_HEADER_LEN + WIRE_COMPRESS_LEN];

	wire_build_compress(message, &compress);
	return exchange_send(w, WIRE_COMPRESS, message + WIRE_HEADER_LEN, WIRE_COMPRESS_LEN,
			     WIRE_NONE);
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
	unsigned int first = first_page_of(&w->guest, index, chunk);
	struct wire_register request = {.addr = b->offset + offset, .block = index};
	uint8_t message[WIRE_HEADER_LEN + WIRE_REGISTER_LEN];
	uint64_t start = chunk * w->guest.chunk_size;
	struct wire_result result;
	int ret;

	wire_build_register_request(message, &request);
	ret = exchange_send(w, WIRE_REGISTER_REQUEST, message + WIRE_HEADER_LEN, WIRE_REGISTER_LEN,
			    WIRE_REGISTER_RESULT);
	if (ret < 0)
		return ret;
	world_yield(w);
	ret = register_memory(w, b->local + start, guest_chunk_end(&w->guest, b, chunk) - start,
			      &q->lkey[first]);
	if (ret)
		return ret;
	world_expect(w,
		     !wire_parse_result(q->recv[SOURCE_RECV_DATA],
					WIRE_HEADER_LEN + WIRE_RESULT_LEN, &result),
		     "a malformed RESULT reaches QEMU");
	q->rkey[first] = result.rkey;
	q->remote_base[index] = result.host_addr;
	return 0;
}

static int write_one(struct world *w, unsigned int index, unsigned int page, unsigned int pages)
{
	const struct guest_block *b = &w->guest.block[index];
	struct qemu_source *q = &w->source;
	uint64_t offset = (page - b->first) * w->guest.page_size;
	uint64_t length = pages * w->guest.page_size;
	uint64_t chunk = offset / w->guest.chunk_size;
	unsigned int first = first_page_of(&w->guest, index, chunk);
	struct conn_wr wr = {
		.wr_id = WRID_RDMA_WRITE | (uint64_t)index << WRID_BLOCK_SHIFT |
			 chunk << WRID_CHUNK_SHIFT,
		.length = length,
		.local_addr = b->local + offset,
	};
	int ret;

retry:
	while (q->transit[first]) {
		ret = block_for_wrid(w, WRID_RDMA_WRITE, NULL);
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
		ret = block_for_wrid(w, WRID_RDMA_WRITE, NULL);
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

static bool mergable(const struct world *w, unsigned int block, unsigned int page)
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
	if (!mergable(w, block, page)) {
		ret = write_flush(w);
		if (ret < 0)
			return ret;
		q->current_block = block;
		q->current_page = page;
	}
	q->current_pages++;
	for (int cq = w->settings.one_cq ? CONN_SEND_CQ : CONN_RECV_CQ; cq >= 0; cq--) {
		do {
			ret = poll_cq(w, (enum conn_cq)cq, &wr_id, NULL);
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
		if (block_for_wrid(w, WRID_RDMA_WRITE, NULL) < 0)
			return -EIO;
	return 0;
}

static int registration_stop(struct world *w, bool setup)
{
	int ret = drain_cq(w);

	if (!ret && setup)
		ret = exchange_send(w, WIRE_RAM_BLOCKS_REQUEST, NULL, 0, WIRE_RAM_BLOCKS_RESULT);
	if (ret >= 0)
		ret = exchange_send(w, WIRE_REGISTER_FINISHED, NULL, 0, WIRE_NONE);
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

	if ((q->error_state || w->cancelled) && !q->received_error) {
		q->gave_up_a_send = q->owed_sends;
		post_send_control(w, WIRE_ERROR, NULL, 0);
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
				account(w, &wc);
				any = true;
			}
		}
		/* A poll may have given the NIC more to do. */
	} while (any || nic_can_complete(&w->nic.source));
}
