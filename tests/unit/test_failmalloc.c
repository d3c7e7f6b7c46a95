/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/extent_map.h"
#include "core/ram_blocks.h"
#include "core/registration.h"
#include "extents.h"
#include "qemu.h"

/*
 * The linker sends this program's allocations here (--wrap). A clean run counts
 * them; then each is failed in turn. Nothing may crash or leak, and what QEMU and
 * the destination see must be as right as before.
 */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

static struct {
	bool on;	      /* count, and fail; off for Check's own allocations */
	unsigned int calls;   /* allocations asked for */
	unsigned int fail_at; /* fail this one, counted from 1; 0: none */
	bool fail_after;      /* and all that follow it */
	long live;	      /* allocations not freed */
} account;

static bool fails(void)
{
	if (!account.on)
		return false;
	account.calls++;
	return account.calls == account.fail_at ||
	       (account.fail_after && account.fail_at && account.calls > account.fail_at);
}

static void *made(void *p)
{
	if (p && account.on)
		account.live++;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : made(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : made(__real_calloc(count, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	if (fails())
		return NULL;
	return p ? __real_realloc(p, size) : made(__real_realloc(p, size));
}

void __wrap_free(void *p)
{
	if (p && account.on)
		account.live--;
	__real_free(p);
}

static void begin(unsigned int fail_at, bool fail_after)
{
	account.calls = 0;
	account.fail_at = fail_at;
	account.fail_after = fail_after;
	account.live = 0;
	account.on = true;
}

/* Run it clean, then with every failure. */
static void for_every_failure(void (*run)(void))
{
	unsigned int count;

	begin(0, false);
	run();
	account.on = false;
	ck_assert_int_eq(account.live, 0);
	count = account.calls;
	ck_assert_uint_gt(count, 0);
	for (unsigned int n = 1; n <= count; n++) {
		for (int after = 0; after < 2; after++) {
			begin(n, after);
			run();
			account.on = false;
			ck_assert_uint_ge(account.calls, n);
			ck_assert_int_eq(account.live, 0);
		}
	}
}

/* Chunks and regions enough to make the maps grow, twice. */
static void migrate_as_source(bool ahead)
{
	static const uint64_t lengths[] = {150 * MIB, 64 * KIB, 40 * MIB};
	static struct qemu q;
	struct message reply;

	memset(&q, 0, sizeof(q));
	qemu_start(&q, 22, MIB, lengths, 3);
	q.source.prefetch.on = ahead;
	q.may_lose_track = true;
	for (uint64_t i = 0; i < 150; i++) {
		qemu_write(&q, 0, i * 7 % 150, 0);
		qemu_write(&q, 2, i * 3 % 40, 0);
		/* Each second one is answered before QEMU asks for the same. */
		if (qemu_look(&q, 0) && i % 2)
			qemu_answer_ahead(&q, &reply);
	}
	qemu_write(&q, 1, 0, 0);
	qemu_unregister(&q, 0, 77);
	qemu_write(&q, 0, 77, 0);
	qemu_check_extents(&q, 0);
	for (uint64_t i = 0; i < 150; i++)
		qemu_check_write(&q, 0, i);
	source_clear(&q.source);
}

static void migrate_at_once(void)
{
	migrate_as_source(false);
}

static void migrate_ahead(void)
{
	migrate_as_source(true);
}

START_TEST(a_source_keeps_the_migration_right)
{
	for_every_failure(migrate_at_once);
}
END_TEST

START_TEST(a_source_that_asks_ahead_keeps_it_right)
{
	for_every_failure(migrate_ahead);
}
END_TEST

/* No memory for the extent: then nothing is asked for, now or later. */
START_TEST(without_memory_nothing_is_asked_for_ahead)
{
	static const uint64_t length = 150 * MIB;
	struct prefetch_scan look;
	struct extent_map *map;
	static struct qemu q;
	bool asked;

	qemu_start(&q, 20, MIB, &length, 1);
	q.source.prefetch.on = true;
	map = &q.source.blocks.block[0].remote;
	do
		qemu_write(&q, 0, map->count, 0);
	while (map->count < EXTENT_MAP_LEAF);
	ck_assert(source_scan(&q.source, &q.wire, &look));
	begin(1, false);
	asked = qemu_look(&q, 0);
	account.on = false;
	ck_assert_uint_eq(account.calls, 1);
	ck_assert(!asked);
	ck_assert(!source_scan(&q.source, &q.wire, &look));
	/* QEMU's own requests are made, and recorded, as before. */
	qemu_write(&q, 0, map->count, 0);
	ck_assert(q.source.widening);
	qemu_check_extents(&q, 0);
	source_clear(&q.source);
}
END_TEST

START_TEST(without_memory_nothing_is_registered_ahead)
{
	struct ram_block block = {.length = GIB};
	int ret;

	begin(1, false);
	ret = registration_begin(&block, (struct range){0, MIB});
	account.on = false;
	ck_assert_int_eq(ret, -ENOMEM);
	ck_assert_uint_eq(block.local.count, 0);
}
END_TEST

#define MRS 600

struct fake_mr {
	uint64_t addr, length;
	uint64_t when; /* of the clock below */
};

static struct fake_mr mrs[MRS];
static unsigned int mr_count;
static uint64_t now; /* grows with each registration and each discard */

static int fake_reg(void *context, uint64_t addr, uint64_t length, int access, void **mr)
{
	(void)context;
	(void)access;
	expect(mr_count < MRS, "room for an MR", mr_count);
	mrs[mr_count] = (struct fake_mr){addr, length, ++now};
	*mr = &mrs[mr_count++];
	return 0;
}

static int make_real(void *context, uint64_t addr, uint64_t length, int access,
		     struct mrs_real *real)
{
	real->lkey = mr_count;
	return fake_reg(context, addr, length, access, &real->mr);
}

static void give_back(void *context, void *real)
{
	(void)context;
	(void)real;
}

static int watch(void *context, struct ram_blocks *blocks, struct ram_block *block)
{
	(void)context;
	(void)blocks;
	if (discard_map_init(&block->discards, block->length))
		return -ENOMEM;
	block->watched = true;
	return 0;
}

/* A destination's, whose QEMU sends its list of blocks; NULL when there is no memory. */
static struct conn *list_blocks(void)
{
	const struct conn_options options = {
		.shift = 22,
		.mrs = {.reg = make_real, .dereg = give_back, .watch = watch},
	};
	struct conn *c = conn_new(&options);
	struct conn_action action;
	struct message m;
	struct conn_wr wr = {.message = true, .data = m.data};

	if (!c)
		return NULL;
	conn_set_role(c, CONN_DESTINATION);
	conn_keep_recvs(c);
	conn_start(c, GIB);
	message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(&m, LOCAL(0), 0, 150 * MIB);
	wr.length = m.len;
	expect(!conn_post_send(c, &wr), "the list is taken", 0);
	expect(conn_next(c, CONN_ALL_KINDS, &action) && action.kind == CONN_POST_MESSAGE,
	       "it goes out", 0);
	conn_done(c, &action, &(struct conn_result){.posted = 1});
	return c;
}

/* Every chunk is served by an MR that covers it, or QEMU is told. */
static void migrate_as_destination(void)
{
	struct conn *c = list_blocks();
	static struct mr *handle[300];
	const struct fake_mr *made;
	unsigned int handles = 0;
	struct mr *mr;
	int ret;

	mr_count = 0;
	for (uint64_t i = 0; c && i < 300; i++) {
		struct conn_registration want = {LOCAL(0) + i * 7 % 150 * MIB, MIB, 3, false};

		ret = conn_register(c, &want, &mr);
		expect(!ret || ret == -ENOMEM, "an MR, or a reason", i);
		if (ret || !mr)
			continue; /* QEMU's own call goes through as it is */
		handle[handles++] = mr;
		made = mr->real.mr;
		expect(made->addr <= want.addr && want.addr + MIB <= made->addr + made->length,
		       "it covers", i);
		expect(made->addr + made->length <= LOCAL(0) + 150 * MIB, "not past the block", i);
	}
	while (handles)
		mrs_put(handle[--handles]);
	while (c && conn_end(c))
		;
	if (c)
		conn_free(c);
}

START_TEST(a_destination_keeps_the_migration_right)
{
	for_every_failure(migrate_as_destination);
}
END_TEST

#define CHUNKS 64u

/* No WRITE is ever given an MR that was made before its chunk was discarded. */
static void write_what_is_discarded(void)
{
	static const struct registration_ops ops = {.reg = fake_reg};
	struct registration_policy policy = {.shift = 24};
	struct ram_block block = {.length = CHUNKS * MIB, .local_addr = LOCAL(0)};
	const struct fake_mr *handle[CHUNKS] = {NULL};
	uint64_t discarded[CHUNKS] = {0};
	struct random rng = {42};
	struct registration r;
	struct range want;
	uint64_t chunk;
	bool made;
	void *mr;

	mr_count = 0;
	if (discard_map_init(&block.discards, block.length))
		return; /* QEMU's own calls go through as they are */
	for (uint64_t i = 0; i < 400; i++) {
		const struct fake_mr *used;

		chunk = random_below(&rng, CHUNKS);
		want = (struct range){chunk * MIB, (chunk + 1) * MIB};
		if (!random_below(&rng, 3)) {
			discard_map_set(&block.discards, want);
			discarded[chunk] = ++now;
			continue;
		}
		if (!handle[chunk]) {
			expect(!registration_get(&ops, NULL, &policy, &block, want,
						 (struct range){0, block.length}, 0, &r),
			       "an MR", i);
			handle[chunk] = r.mr;
		}
		expect(!registration_renew(&ops, NULL, &policy, &block, want, &mr, &made),
		       "an MR for a WRITE", i);
		used = mr ? mr : handle[chunk];
		expect(used->when > discarded[chunk], "no MR of before the discard", i);
		expect(used->addr <= LOCAL(0) + want.start &&
			       LOCAL(0) + want.end <= used->addr + used->length,
		       "it covers", i);
	}
	extent_map_clear(&block.local);
	discard_map_free(&block.discards);
}

START_TEST(no_write_is_sent_stale)
{
	for_every_failure(write_what_is_discarded);
}
END_TEST

/* Is there an MR for a WRITE from `chunk`, other than that of QEMU's handle? */
static bool is_renewed(struct registration_policy *policy, struct ram_block *block, uint64_t chunk)
{
	static const struct registration_ops ops = {.reg = fake_reg};
	struct range want = {chunk * MIB, (chunk + 1) * MIB};
	bool made;
	void *mr;

	return !registration_renew(&ops, NULL, policy, block, want, &mr, &made) && mr;
}

static struct registration got(struct registration_policy *policy, struct ram_block *block,
			       uint64_t chunk)
{
	static const struct registration_ops ops = {.reg = fake_reg};
	struct range want = {chunk * MIB, (chunk + 1) * MIB};
	struct registration r = {0};

	expect(!registration_get(&ops, NULL, policy, block, want, (struct range){0, block->length},
				 0, &r),
	       "an MR", chunk);
	return r;
}

static void discard_chunk(struct ram_block *block, uint64_t chunk)
{
	discard_map_set(&block->discards, (struct range){chunk * MIB, (chunk + 1) * MIB});
}

#define MANY_CHUNKS 80u

/* So many extents that there is room for one more only, in regions that begin with chunks 0, 16,
 * and so on. Those of chunk 7, and from there to 15, are in one extent. */
static void fill_map(struct registration_policy *policy, struct ram_block *block)
{
	for (uint64_t chunk = 0; chunk < MANY_CHUNKS; chunk += 16)
		got(policy, block, chunk);
	for (uint64_t chunk = 1; chunk < MANY_CHUNKS; chunk += 2) {
		if ((chunk >= 7 && chunk < 16) || (chunk > 36 && chunk != MANY_CHUNKS - 1))
			continue;
		discard_chunk(block, chunk);
		expect(is_renewed(policy, block, chunk), "a new MR", chunk);
	}
	expect(block->local.count == EXTENT_MAP_LEAF - 1, "room for one", block->local.count);
}

/*
 * The map is full when chunk 7 is registered again, so that its next WRITE finds
 * nothing there, and full still when QEMU registers chunk 8, and 7 with it. Of chunk 7
 * QEMU's handle is that of before the discard all the same.
 */
START_TEST(what_could_not_be_recorded_stays_discarded)
{
	struct registration_policy policy = {.shift = 24};
	struct ram_block block = {.length = MANY_CHUNKS * MIB, .local_addr = LOCAL(0)};
	struct registration r;
	bool fresh;

	mr_count = 0;
	begin(0, false);
	expect(!discard_map_init(&block.discards, block.length), "a map", 0);
	fill_map(&policy, &block);
	begin(1, true);
	discard_chunk(&block, 7);
	expect(is_renewed(&policy, &block, 7), "a new MR", 7);
	expect(!extent_map_find(&block.local, (struct range){7 * MIB, 8 * MIB}), "no extent", 7);
	discard_chunk(&block, 8);
	r = got(&policy, &block, 8);
	expect(r.state == REGISTRATION_PRIVATE && r.range.start == 7 * MIB, "an MR for both",
	       r.range.start);
	fresh = is_renewed(&policy, &block, 7);
	/* Check allocates when it has something to say. */
	account.on = false;
	ck_assert(fresh);
	extent_map_clear(&block.local);
	discard_map_free(&block.discards);
}
END_TEST

START_TEST(an_extent_map_that_cannot_grow_stays_as_it_was)
{
	struct extent_map map = {0}, before;
	struct extents_shape shape;
	uint64_t at = 0;
	int ret;

	begin(1, false);
	ret = extent_map_insert(&map, (struct range){0, 1}, 1);
	account.on = false;
	ck_assert_int_eq(ret, -ENOMEM);
	ck_assert_uint_eq(map.count, 0);
	ck_assert_ptr_null(map.root);

	begin(2, false);
	do {
		before = map;
		ret = extent_map_insert(&map, (struct range){at, at + 1}, at);
		at++;
	} while (!ret && at < 1000);
	account.on = false;
	ck_assert_int_eq(ret, -ENOMEM);
	ck_assert_uint_eq(map.count, before.count);
	ck_assert_ptr_null(extents_check(&map, &shape));
	ck_assert_ptr_eq(map.root, before.root);
	for (uint64_t i = 0; i < map.count; i++)
		ck_assert_uint_eq(extent_map_find(&map, (struct range){i, i + 1})->value, i);
	/* Once there is memory again it goes on. */
	ck_assert_int_eq(extent_map_insert(&map, (struct range){at, at + 1}, at), 0);
	extent_map_clear(&map);
}
END_TEST

/* Its leaf is full: two parts instead of one need another. Whatever leaves nothing behind, or one
 * part, needs no memory. */
START_TEST(an_extent_that_cannot_be_split_stays_whole)
{
	const struct range third = {20, 30};
	struct extent_map map = {0};
	struct extents_shape shape;
	struct extent cut = {{1, 2}, 3};
	bool removed = true;
	int split, middle;

	for (uint64_t i = 0; i < EXTENT_MAP_LEAF; i++)
		ck_assert_int_eq(extent_map_insert(&map, (struct range){10 * i, 10 * i + 10}, i),
				 0);
	begin(1, true);
	split = extent_map_cut(&map, (struct range){24, 26}, &cut);
	middle = account.calls;
	account.on = false;
	ck_assert_int_eq(split, -ENOMEM);
	ck_assert_int_eq(middle, 1);
	ck_assert(cut.range.start == 1 && cut.range.end == 2 && cut.value == 3);
	ck_assert_uint_eq(extent_map_find(&map, third)->value, 2);
	ck_assert_ptr_null(extents_check(&map, &shape));

	begin(1, true);
	removed &= extent_map_cut(&map, (struct range){20, 25}, &cut) == 1;
	removed &= extent_map_cut(&map, (struct range){28, 30}, &cut) == 1;
	removed &= extent_map_cut(&map, third, &cut) == 1 && cut.range.end == 28;
	extent_map_replace(&map, (struct range){0, 10}, 0, 9);
	extent_map_remove_value(&map, (struct range){0, 10}, 9);
	for (uint64_t i = 1; i < EXTENT_MAP_LEAF; i++)
		removed &= i == 2 || !extent_map_remove(&map, 10 * i);
	middle = account.calls;
	account.on = false;
	ck_assert(removed);
	ck_assert_int_eq(middle, 0);
	ck_assert_ptr_null(map.root);
}
END_TEST

START_TEST(a_list_without_memory_leaves_the_old_one)
{
	struct ram_blocks blocks = {0};
	struct ram_block *table;
	struct message m;
	int ret;

	message_begin(&m, WIRE_RAM_BLOCKS_RESULT, 1);
	message_put_block(&m, 1, 2, 3);
	ck_assert_int_eq(ram_blocks_load(&blocks, m.data, m.len), 0);
	table = blocks.block;
	message_put_block(&m, 4, 5, 6);
	begin(1, false);
	ret = ram_blocks_load(&blocks, m.data, m.len);
	account.on = false;
	ck_assert_int_eq(ret, -ENOMEM);
	ck_assert_uint_eq(blocks.count, 1);
	ck_assert_ptr_eq(blocks.block, table);
	ck_assert_uint_eq(blocks.block[0].length, 3);
	ram_blocks_clear(&blocks);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("failmalloc");
	TCase *tc = tcase_create("failmalloc");

	tcase_add_test(tc, a_source_keeps_the_migration_right);
	tcase_add_test(tc, a_source_that_asks_ahead_keeps_it_right);
	tcase_add_test(tc, without_memory_nothing_is_asked_for_ahead);
	tcase_add_test(tc, without_memory_nothing_is_registered_ahead);
	tcase_add_test(tc, a_destination_keeps_the_migration_right);
	tcase_add_test(tc, no_write_is_sent_stale);
	tcase_add_test(tc, what_could_not_be_recorded_stays_discarded);
	tcase_add_test(tc, an_extent_map_that_cannot_grow_stays_as_it_was);
	tcase_add_test(tc, an_extent_that_cannot_be_split_stays_whole);
	tcase_add_test(tc, a_list_without_memory_leaves_the_old_one);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
