/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "destination.h"

#include <string.h>

#include "core/wire.h"

void destination_add_block(struct qemu_destination *d, uint64_t offset, uint64_t length,
			   uint64_t host_addr)
{
	expect(d->count < DESTINATION_BLOCKS, "room for a block", d->count);
	expect((length + d->chunk_size - 1) / d->chunk_size <= DESTINATION_CHUNKS,
	       "room for its chunks", d->count);
	d->block[d->count++] = (struct destination_block){
		.offset = offset,
		.length = length,
		.host_addr = host_addr,
	};
}

void destination_list_blocks(const struct qemu_destination *d, struct message *reply)
{
	message_begin(reply, WIRE_RAM_BLOCKS_RESULT, 1);
	for (unsigned int i = 0; i < d->count; i++)
		message_put_block(reply, d->block[i].host_addr, d->block[i].offset,
				  d->block[i].length);
}

static struct destination_slot *slot_of(struct destination_block *b, uint64_t chunk_size,
					uint64_t chunk)
{
	expect(chunk < (b->length + chunk_size - 1) / chunk_size, "a chunk of the block", chunk);
	return &b->slot[chunk];
}

static void handle_register(struct qemu_destination *d, const void *msg, struct message *reply)
{
	uint64_t addr = message_get64(msg, 16), chunks = message_get64(msg, 32), chunk;
	uint32_t index = message_get32(msg, 24);
	struct destination_slot *slot;
	struct destination_block *b;

	expect(index < d->count, "a block", index);
	b = &d->block[index];
	expect(addr >= b->offset, "an address in the block", addr);
	chunk = (addr - b->offset) / d->chunk_size;
	slot = slot_of(b, d->chunk_size, chunk);
	/* Never past the block: the last chunk named begins inside it. */
	expect((chunk + chunks) * d->chunk_size < b->length, "chunks of the block", chunks);
	d->requests++;
	if (slot->rkey) {
		d->repeated++;
	} else {
		slot->rkey = ++d->last_rkey;
		slot->range.start = chunk * d->chunk_size;
		slot->range.end = (chunk + chunks + 1) * d->chunk_size;
		if (slot->range.end > b->length)
			slot->range.end = b->length;
	}
	message_result(reply, slot->rkey, b->host_addr);
}

static void handle_unregister(struct qemu_destination *d, const void *msg, struct message *reply)
{
	uint32_t index = message_get32(msg, 24);
	struct destination_slot *slot;

	expect(index < d->count, "a block", index);
	slot = slot_of(&d->block[index], d->chunk_size, message_get64(msg, 16));
	/* QEMU hands ibv_dereg_mr() a null pointer and crashes. */
	expect(slot->rkey, "UNREGISTER of a chunk that the destination knows", index);
	memset(slot, 0, sizeof(*slot));
	message_begin(reply, WIRE_UNREGISTER_FINISHED, 1);
}

void destination_handle(struct qemu_destination *d, const void *msg, size_t len,
			struct message *reply)
{
	reply->len = 0;
	expect(len >= 16 && message_get32(msg, 0) == len - 16, "the length of a message", len);
	switch (message_get32(msg, 4)) {
	case WIRE_RAM_BLOCKS_REQUEST:
		destination_list_blocks(d, reply);
		break;
	case WIRE_REGISTER_REQUEST:
	case WIRE_UNREGISTER_REQUEST:
		expect(message_get32(msg, 8) == 1 && len == 40, "one command", len);
		if (message_get32(msg, 4) == WIRE_REGISTER_REQUEST)
			handle_register(d, msg, reply);
		else
			handle_unregister(d, msg, reply);
		break;
	case WIRE_COMPRESS:
	case WIRE_QEMU_FILE:
	case WIRE_REGISTER_FINISHED:
		break;
	default:
		ck_abort_msg("message of type %u", message_get32(msg, 4));
	}
}

bool destination_covers(const struct qemu_destination *d, unsigned int index, uint32_t rkey,
			struct range range)
{
	const struct destination_block *b = &d->block[index];

	for (unsigned int i = 0; i < DESTINATION_CHUNKS; i++)
		if (b->slot[i].rkey == rkey)
			return range_contains(b->slot[i].range, range);
	return false;
}
