/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "destination_slots.h"

void slots_add_block(struct destination_slots *s, uint64_t offset, uint64_t length,
		     uint64_t host_addr)
{
	uint64_t chunks = (length + s->chunk_size - 1) / s->chunk_size;

	assert(s->count < SLOTS_BLOCKS && chunks <= SLOTS - s->used);
	s->block[s->count++] = (struct slots_block){
		.offset = offset,
		.length = length,
		.host_addr = host_addr,
		.first = s->used,
		.chunks = chunks,
	};
	s->used += (unsigned int)chunks;
}

struct range slots_range(const struct destination_slots *s, unsigned int block, uint64_t chunk,
			 uint64_t count)
{
	uint64_t end = (chunk + count) * s->chunk_size, length = s->block[block].length;

	return (struct range){chunk * s->chunk_size, end < length ? end : length};
}

static enum slots_verdict refuse(struct destination_slots *s, const char *why)
{
	s->why = why;
	return SLOTS_REFUSED;
}

static enum slots_verdict list_blocks(const struct destination_slots *s, struct message *reply)
{
	message_begin(reply, WIRE_RAM_BLOCKS_RESULT, 1);
	for (unsigned int i = 0; i < s->count; i++)
		message_put_block(reply, s->block[i].host_addr, s->block[i].offset,
				  s->block[i].length);
	return SLOTS_DONE;
}

static enum slots_verdict handle_register(struct destination_slots *s, const void *msg,
					  struct message *reply)
{
	uint64_t addr = message_get64(msg, 16), chunks = message_get64(msg, 32), chunk;
	uint32_t index = message_get32(msg, 24);
	enum slots_verdict verdict;
	struct slots_block *b;
	struct slot *slot;

	if (index >= s->count || addr < s->block[index].offset)
		return refuse(s, "a REGISTER_REQUEST is for no block");
	b = &s->block[index];
	chunk = (addr - b->offset) / s->chunk_size;
	/* The last chunk named begins inside the block. */
	if (chunk >= b->chunks || chunks >= b->chunks - chunk)
		return refuse(s, "a REGISTER_REQUEST leaves its block");
	slot = &s->slot[b->first + chunk];
	if (slot->rkey) {
		s->repeated++;
	} else {
		verdict = s->ops->reg(s->context, index, slots_range(s, index, chunk, chunks + 1),
				      &slot->rkey);
		if (verdict != SLOTS_DONE)
			return verdict;
		slot->chunks = (uint32_t)chunks + 1;
	}
	s->requests++;
	message_result(reply, slot->rkey, b->host_addr);
	return SLOTS_DONE;
}

static enum slots_verdict handle_unregister(struct destination_slots *s, const void *msg,
					    struct message *reply)
{
	uint64_t chunk = message_get64(msg, 16);
	uint32_t index = message_get32(msg, 24);
	struct slot *slot;

	if (index >= s->count || chunk >= s->block[index].chunks)
		return refuse(s, "an UNREGISTER_REQUEST is for no chunk");
	slot = &s->slot[s->block[index].first + chunk];
	/* QEMU hands ibv_dereg_mr() a null pointer and crashes. */
	if (!slot->rkey)
		return refuse(s, "an UNREGISTER_REQUEST is for a chunk that has no MR");
	*slot = (struct slot){0};
	message_begin(reply, WIRE_UNREGISTER_FINISHED, 1);
	return SLOTS_DONE;
}

static enum slots_verdict handle_compress(struct destination_slots *s, const void *msg)
{
	uint64_t addr = message_get64(msg, 24), length = message_get64(msg, 32), start;
	uint32_t index = message_get32(msg, 20);
	const struct slots_block *b;

	if (index >= s->count)
		return refuse(s, "a COMPRESS is for no block");
	b = &s->block[index];
	start = addr - b->offset;
	if (addr < b->offset || start > b->length || length > b->length - start)
		return refuse(s, "a COMPRESS leaves its block");
	if (message_get32(msg, 16))
		return refuse(s, "a COMPRESS is not of zeros");
	s->ops->zero(s->context, index, (struct range){start, start + length});
	return SLOTS_DONE;
}

enum slots_verdict slots_handle(struct destination_slots *s, const void *msg, size_t len,
				struct message *reply)
{
	uint32_t type;

	reply->len = 0;
	if (!message_is_whole(msg, len))
		return refuse(s, "a message is not as long as its header says");
	type = message_type(msg);
	if (type == WIRE_RAM_BLOCKS_REQUEST)
		return list_blocks(s, reply);
	if (len != 40 || message_get32(msg, 8) != 1)
		return refuse(s, "a message is not one command");
	switch (type) {
	case WIRE_REGISTER_REQUEST:
		return handle_register(s, msg, reply);
	case WIRE_UNREGISTER_REQUEST:
		return handle_unregister(s, msg, reply);
	case WIRE_COMPRESS:
		return handle_compress(s, msg);
	default:
		return refuse(s, "a message is none of a source's");
	}
}

bool slots_cover(const struct destination_slots *s, unsigned int block, uint32_t rkey,
		 struct range range)
{
	const struct slots_block *b = &s->block[block];

	for (uint64_t i = 0; i < b->chunks; i++) {
		const struct slot *slot = &s->slot[b->first + i];

		if (slot->rkey == rkey)
			return range_contains(slots_range(s, block, i, slot->chunks), range);
	}
	return false;
}
