/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nic.h"

#include <string.h>

#include "core/verbs_values.h"
#include "message.h"
#include "world.h"

void nic_init(struct world *w)
{
	struct nic *nic = &w->nic;
	bool one_cq = w->settings.one_cq;

	nic->source.name = "nic";
	nic->source.peer = &nic->destination;
	nic->source.send_cq = &nic->source_cq[0];
	nic->source.recv_cq = &nic->source_cq[one_cq ? 0 : 1];
	nic->destination.name = "dnic";
	nic->destination.peer = &nic->source;
	nic->destination.send_cq = &nic->destination_cq[0];
	nic->destination.recv_cq = &nic->destination_cq[1];
	nic->source.sq = w->rings.sq[0];
	nic->destination.sq = w->rings.sq[1];
	for (int i = 0; i < 2; i++) {
		nic->source_cq[i].ring = w->rings.cq[i];
		nic->destination_cq[i].ring = w->rings.cq[2 + i];
	}
	/* A key of 0 is nobody's. */
	nic->mrs = 1;
}

uint32_t nic_register_begin(struct world *w, uint64_t addr, uint64_t length)
{
	struct guest *g = &w->guest;
	int here = guest_page_here(g, addr), there = guest_page_there(g, addr);
	struct nic_mr mr = {.addr = addr, .length = length, .pins = w->nic.pins};

	world_expect(w, w->nic.mrs < NIC_MRS, "more registrations than a guest can have chunks");
	/* A page of which it is only a part it pins as well. */
	if (here >= 0) {
		mr.memory = &g->here;
		mr.first = (unsigned int)here;
		mr.pages = (unsigned int)(guest_page_here(g, addr + length - 1) - here) + 1;
	} else if (there >= 0) {
		mr.memory = &g->there;
		mr.first = (unsigned int)there;
		mr.pages = (unsigned int)(guest_page_there(g, addr + length - 1) - there) + 1;
	}
	w->nic.pins += mr.pages;
	world_expect(w, w->nic.pins <= NIC_PINS, "more pages are pinned than a guest can need");
	w->mr[w->nic.mrs] = mr;
	return w->nic.mrs++;
}

bool nic_pins(const struct world *w, uint32_t key)
{
	return w->mr[key].pinned < w->mr[key].pages;
}

bool nic_pin(struct world *w, uint32_t key)
{
	struct nic_mr *mr = &w->mr[key];

	if (!nic_pins(w, key))
		return false;
	w->pinned[mr->pins + mr->pinned] = memory_pin(w, mr->memory, mr->first + mr->pinned);
	mr->pinned++;
	return true;
}

uint32_t nic_register(struct world *w, uint64_t addr, uint64_t length)
{
	uint32_t key = nic_register_begin(w, addr, length);

	while (nic_pin(w, key))
		;
	return key;
}

void nic_deregister(struct world *w, uint32_t key)
{
	world_expect(w, !w->mr[key].gone, "an MR is given back twice");
	w->mr[key].gone = true;
}

bool nic_uses(const struct nic_qp *qp, uint32_t key)
{
	for (uint64_t i = qp->executed; i < qp->posted; i++)
		if (!qp->sq[i % NIC_SEND_QUEUE].message && qp->sq[i % NIC_SEND_QUEUE].lkey == key)
			return true;
	return false;
}

bool nic_covers(const struct world *w, uint32_t key, uint64_t addr, uint64_t length)
{
	const struct nic_mr *mr = &w->mr[key];

	return key && key < w->nic.mrs && !mr->gone && mr->pinned == mr->pages &&
	       addr >= mr->addr && addr + length <= mr->addr + mr->length;
}

/* What an MR has pinned for a guest's page that it covers. */
static struct physical_page *pinned(struct world *w, uint32_t key, unsigned int page)
{
	return &w->physical[w->pinned[w->mr[key].pins + page - w->mr[key].first]];
}

bool nic_post_send(struct world *w, struct nic_qp *qp, const struct nic_wr *wr)
{
	if (qp->posted - qp->freed == NIC_SEND_QUEUE)
		return false;
	world_trace(w, qp->name, "posted %s %llu, %llu bytes%s", wr->message ? "SEND" : "WRITE",
		    (unsigned long long)qp->posted, (unsigned long long)wr->length,
		    wr->signaled ? ", signalled" : "");
	qp->sq[qp->posted++ % NIC_SEND_QUEUE] = *wr;
	return true;
}

void nic_post_recv(struct world *w, struct nic_qp *qp, const struct nic_recv *recv)
{
	world_expect(w, qp->rq_count < NIC_RECVS, "a receive queue overruns");
	qp->rq[(qp->rq_head + qp->rq_count++) % NIC_RECVS] = *recv;
}

static void push(struct world *w, struct nic_cq *cq, const struct nic_cqe *cqe)
{
	world_expect(w, cq->count < NIC_CQ, "a completion queue overruns");
	cq->ring[(cq->head + cq->count++) % NIC_CQ] = *cqe;
	if (cq->armed)
		cq->events++;
	cq->armed = false;
}

bool nic_poll(struct nic_cq *cq, struct nic_cqe *cqe)
{
	if (!cq->count)
		return false;
	*cqe = cq->ring[cq->head];
	if (cqe->qp)
		cqe->qp->freed = cqe->frees;
	cq->head = (cq->head + 1) % NIC_CQ;
	cq->count--;
	return true;
}

void nic_arm(struct nic_cq *cq)
{
	cq->armed = true;
}

bool nic_can_execute(const struct nic_qp *qp)
{
	return !qp->error && !qp->dead && qp->executed < qp->posted;
}

void nic_fail(struct world *w, struct nic_qp *qp, uint32_t status)
{
	if (qp->error)
		return;
	world_trace(w, qp->name, "fails with status %u", status);
	qp->error = true;
	qp->error_code = qp->completed < qp->posted ? status : VERBS_WC_WR_FLUSH_ERR;
}

static bool pop_recv(struct nic_qp *qp, struct nic_recv *recv)
{
	if (!qp->rq_count)
		return false;
	*recv = qp->rq[qp->rq_head];
	qp->rq_head = (qp->rq_head + 1) % NIC_RECVS;
	qp->rq_count--;
	return true;
}

/* Whatever QEMU asked for before it made this message has been done. */
static void check_order(struct world *w, const struct nic_qp *qp, uint32_t type)
{
	if (qp != &w->nic.source || type == WIRE_NONE || type == WIRE_ERROR ||
	    type == WIRE_COMPRESS || w->fault_fired)
		return;
	world_expect(w, qp->written_pages == w->source.written_pages,
		     "%s arrives before a WRITE that QEMU posted before it", wire_type_name(type));
	world_expect(w, w->destination.zeroed_pages == w->source.zeroed_pages,
		     "%s arrives before a COMPRESS has been handled that QEMU sent before it",
		     wire_type_name(type));
}

bool nic_receive(struct world *w, struct nic_qp *qp, const void *data, size_t len)
{
	struct nic_cqe cqe = {.wc = {.opcode = VERBS_WC_RECV, .byte_len = (uint32_t)len}};
	struct nic_recv recv;

	if (!pop_recv(qp, &recv))
		return false;
	memcpy(recv.data, data, len);
	cqe.wc.wr_id = recv.wr_id;
	if (message_is_whole(data, len) && message_type(data) == WIRE_READY)
		qp->readies++;
	push(w, qp->recv_cq, &cqe);
	return true;
}

static void execute_send(struct world *w, struct nic_qp *qp, const struct nic_wr *wr)
{
	const void *data = (const void *)(uintptr_t)wr->addr;
	uint32_t type = WIRE_NONE;

	world_expect(w, nic_covers(w, wr->lkey, wr->addr, wr->length),
		     "a SEND from memory that is not registered");
	world_expect(w, wr->length <= NIC_MESSAGE, "a message too long");
	if (message_is_whole(data, wr->length))
		type = message_type(data);
	else /* QEMU writes its ERROR over a message that is on its way still. */
		world_expect(w, w->source.gave_up_a_send, "a malformed message");
	if (!qp->peer->rq_count) {
		/* Only an ERROR goes out unasked. */
		world_expect(w, type == WIRE_ERROR || w->fault_fired, "%s has no RECV to go to",
			     wire_type_name(type));
		nic_fail(w, qp, NIC_WC_RNR_RETRY_EXC_ERR);
		return;
	}
	if (!wr->unasked)
		check_order(w, qp, type);
	world_trace(w, qp->name, "SEND %llu delivered: %s", (unsigned long long)qp->executed,
		    wire_type_name(type));
	nic_receive(w, qp->peer, data, wr->length);
	qp->executed++;
}

/* A page of it at a time; of one that it holds only a part of, that. */
static void execute_write(struct world *w, struct nic_qp *qp, const struct nic_wr *wr)
{
	struct guest *g = &w->guest;
	int from = guest_page_here(g, wr->addr + qp->offset);
	int to = guest_page_there(g, wr->remote_addr + qp->offset);
	uint64_t within = (wr->addr + qp->offset) % g->page_size;
	uint64_t part = g->page_size - within, rest = wr->length - qp->offset;
	struct physical_page *here, *there;

	world_expect(w, nic_covers(w, wr->lkey, wr->addr, wr->length),
		     "a WRITE from memory that its lkey does not cover");
	world_expect(w, nic_covers(w, wr->rkey, wr->remote_addr, wr->length),
		     "a WRITE to memory that its rkey does not cover");
	world_expect(w, from >= 0 && to >= 0 && rest, "a WRITE outside guest memory");
	here = pinned(w, wr->lkey, (unsigned int)from);
	there = pinned(w, wr->rkey, (unsigned int)to);
	there->content = here->content;
	world_trace(w, qp->name, "WRITE %llu places page %d = %u", (unsigned long long)qp->executed,
		    to, there->content);
	discard_check_write(w, qp->written_pages, (unsigned int)from, here);
	if (part <= rest)
		qp->written_pages++;
	qp->offset += part < rest ? part : rest;
	if (qp->offset < wr->length)
		return;
	qp->offset = 0;
	qp->executed++;
}

void nic_execute(struct world *w, struct nic_qp *qp)
{
	const struct nic_wr *wr = &qp->sq[qp->executed % NIC_SEND_QUEUE];

	if (qp->peer->error || qp->peer->dead)
		nic_fail(w, qp, NIC_WC_RETRY_EXC_ERR);
	else if (wr->message)
		execute_send(w, qp, wr);
	else
		execute_write(w, qp, wr);
}

bool nic_can_complete(const struct nic_qp *qp)
{
	if (qp->dead)
		return false;
	if (qp->error)
		return qp->completed < qp->posted || qp->rq_count;
	return qp->completed < qp->executed;
}

static void end_recv(struct world *w, struct nic_qp *qp, uint32_t status)
{
	struct nic_cqe cqe = {.wc = {.status = status, .opcode = VERBS_WC_RECV}};
	struct nic_recv recv;

	if (!pop_recv(qp, &recv))
		return;
	cqe.wc.wr_id = recv.wr_id;
	world_trace(w, qp->name, "RECV flushed");
	push(w, qp->recv_cq, &cqe);
}

void nic_flush_recv(struct world *w, struct nic_qp *qp)
{
	end_recv(w, qp, VERBS_WC_WR_FLUSH_ERR);
}

void nic_fail_recv(struct world *w, struct nic_qp *qp, uint32_t status)
{
	if (!qp->rq_count)
		return;
	end_recv(w, qp, qp->error ? VERBS_WC_WR_FLUSH_ERR : status);
	nic_fail(w, qp, VERBS_WC_WR_FLUSH_ERR);
}

void nic_complete_send(struct world *w, struct nic_qp *qp)
{
	const struct nic_wr *wr = &qp->sq[qp->completed % NIC_SEND_QUEUE];
	struct nic_cqe cqe = {
		.wc = {.wr_id = wr->wr_id,
		       .opcode = wr->message ? VERBS_WC_SEND : VERBS_WC_RDMA_WRITE},
		.qp = qp,
		.frees = qp->completed + 1,
	};

	if (qp->error) {
		cqe.wc.status = qp->error_code;
		qp->error_code = VERBS_WC_WR_FLUSH_ERR;
		/* Of a failed completion only wr_id and status are valid. */
		cqe.wc.opcode = random_below(&w->random, 2) ? VERBS_WC_RECV : VERBS_WC_SEND;
	}
	if (qp->executed == qp->completed)
		qp->executed++;
	qp->completed++;
	if (!wr->signaled && cqe.wc.status == VERBS_WC_SUCCESS)
		return;
	world_trace(w, qp->name, "completes %s %llu, status %u", wr->message ? "SEND" : "WRITE",
		    (unsigned long long)qp->completed - 1, cqe.wc.status);
	push(w, qp->send_cq, &cqe);
}

void nic_complete(struct world *w, struct nic_qp *qp)
{
	if (qp->error && qp->rq_count &&
	    (qp->completed == qp->posted || random_percent(&w->random, 50)))
		nic_flush_recv(w, qp);
	else
		nic_complete_send(w, qp);
}
