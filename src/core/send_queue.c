/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/send_queue.h"

#include <errno.h>
#include <string.h>

void send_queue_init(struct send_queue *q)
{
	memset(q, 0, sizeof(*q));
	q->slots = (1u << SEND_SLOTS) - 1;
}

static struct send_record *record_at(struct send_queue *q, uint64_t serial)
{
	return &q->ring[serial % SEND_QUEUE_ROOM];
}

static void retire(struct send_queue *q, const struct send_record *record)
{
	if (record->message)
		q->messages--;
	if (record->slot != SEND_NO_SLOT)
		q->slots |= 1u << record->slot;
}

int send_queue_add(struct send_queue *q, const struct send_record *record, uint64_t *serial)
{
	if (q->next - q->oldest == SEND_QUEUE_ROOM)
		return -ENOMEM;
	*record_at(q, q->next) = *record;
	if (record->message)
		q->messages++;
	if (record->slot != SEND_NO_SLOT)
		q->slots &= ~(1u << record->slot);
	*serial = q->next++;
	return 0;
}

int send_queue_complete(struct send_queue *q, uint64_t serial, struct send_record *record)
{
	if (serial < q->oldest || serial >= q->next)
		return -ENOENT;
	*record = *record_at(q, serial);
	for (; q->oldest <= serial; q->oldest++)
		retire(q, record_at(q, q->oldest));
	return 0;
}

void send_queue_take_back(struct send_queue *q)
{
	retire(q, record_at(q, --q->next));
}

unsigned int send_queue_silent(const struct send_queue *q)
{
	uint64_t silent = q->next;

	while (silent > q->oldest && !q->ring[(silent - 1) % SEND_QUEUE_ROOM].signaled)
		silent--;
	return (unsigned int)(q->next - silent);
}

int send_queue_free_slot(const struct send_queue *q)
{
	for (int slot = SEND_SLOT_REQUEST + 1; slot < SEND_SLOTS; slot++)
		if (q->slots & 1u << slot)
			return slot;
	return SEND_NO_SLOT;
}
