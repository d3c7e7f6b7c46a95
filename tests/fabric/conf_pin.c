// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pinning: an MR keeps the pages it was made of. What the process gives back under it (discards,
 * unmaps, maps over, moves) is read and written as it was, and the process has another page there.
 */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#define SIGNALED IBV_SEND_SIGNALED
#define PAGE	 4096u
#define UNITS	 3 /* of the memory; the one in the middle is given back */
#define ROUNDS	 8

#define OVERCOMMIT "/proc/sys/vm/nr_overcommit_hugepages"

enum kind {
	ANONYMOUS, /* private */
	FILE_COPY, /* a private mapping of a file */
	FILE_SHARED,
	HUGE_SHARED,
	HUGE_ANONYMOUS,
};

enum way {
	DONTNEED,
	LAZILY, /* MADV_FREE */
	REMOVE,
	PUNCH,
	MAP_OVER,
};

/* Mapped at an offset of one unit, where it is a file. */
struct memory {
	char *at;
	size_t unit; /* what can be given back at once */
	int fd;
	struct ibv_mr *mr;
};

struct pin_case {
	const char *name;
	enum kind kind;
	enum way way;
	bool stays; /* the page is the same afterwards */
};

static const struct pin_case cases[] = {
	{"pin_private_dontneed", ANONYMOUS, DONTNEED, false},
	{"pin_private_map_over", ANONYMOUS, MAP_OVER, false},
	{"pin_private_free", ANONYMOUS, LAZILY, true},
	{"pin_copy_dontneed", FILE_COPY, DONTNEED, false},
	{"pin_copy_punch", FILE_COPY, PUNCH, true},
	{"pin_shared_dontneed", FILE_SHARED, DONTNEED, true},
	{"pin_shared_remove", FILE_SHARED, REMOVE, false},
	{"pin_shared_punch", FILE_SHARED, PUNCH, false},
	{"pin_shared_map_over", FILE_SHARED, MAP_OVER, false},
	{"pin_huge_remove", HUGE_SHARED, REMOVE, false},
	{"pin_huge_punch", HUGE_SHARED, PUNCH, false},
	{"pin_huge_private_dontneed", HUGE_ANONYMOUS, DONTNEED, false},
};

static const struct pin_case *this_case(const struct side *side)
{
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(cases[i].name, side->name) == 0)
			return &cases[i];
	conf_fail("no such case");
}

static int overcommit_before = -1;

static int overcommit(int pages)
{
	FILE *file = fopen(OVERCOMMIT, "r+");
	int before = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &before) == 1 && before < pages) {
		rewind(file);
		fprintf(file, "%d\n", pages);
	}
	fclose(file);
	return before;
}

static void restore_overcommit(void)
{
	FILE *file = fopen(OVERCOMMIT, "w");

	if (file) {
		fprintf(file, "%d\n", overcommit_before);
		fclose(file);
	}
}

/* Huge pages on demand, until the server's end; the client is done by then. */
static void want_huge_pages(struct side *side)
{
	if (side->server && overcommit_before < 0) {
		overcommit_before = overcommit(64);
		if (overcommit_before >= 0)
			atexit(restore_overcommit);
	}
	conf_meet(side);
}

static void fill_units(struct memory *memory, char byte)
{
	int i;

	for (i = 0; i < UNITS; i++)
		memset(memory->at + i * memory->unit, byte, PAGE);
}

static void map_memory(struct side *side, struct memory *memory, enum kind kind)
{
	bool huge = kind == HUGE_SHARED || kind == HUGE_ANONYMOUS;
	bool shared = kind == FILE_SHARED || kind == HUGE_SHARED;
	int flags = shared ? MAP_SHARED : MAP_PRIVATE;
	struct statfs fs;

	if (huge)
		want_huge_pages(side);
	*memory = (struct memory){.unit = PAGE, .fd = -1};
	memory->fd = memfd_create("conformance", huge ? MFD_HUGETLB : 0);
	CHECK(memory->fd >= 0 && fstatfs(memory->fd, &fs) == 0, "memfd_create: %s",
	      strerror(errno));
	if (huge)
		memory->unit = fs.f_bsize;
	CHECK(ftruncate(memory->fd, (1 + UNITS) * memory->unit) == 0, "ftruncate: %s",
	      strerror(errno));
	if (kind == ANONYMOUS)
		flags |= MAP_ANONYMOUS;
	if (kind == HUGE_ANONYMOUS)
		flags |= MAP_ANONYMOUS | MAP_HUGETLB;
	memory->at = mmap(NULL, UNITS * memory->unit, PROT_READ | PROT_WRITE, flags,
			  flags & MAP_ANONYMOUS ? -1 : memory->fd,
			  flags & MAP_ANONYMOUS ? 0 : memory->unit);
	if (huge && memory->at == MAP_FAILED && errno == ENOMEM)
		conf_skip("no huge pages; write 64 to " OVERCOMMIT " as root");
	CHECK(memory->at != MAP_FAILED, "mmap: %s", strerror(errno));
	fill_units(memory, 'o');
}

static struct ibv_mr *make_mr(struct side *side, const struct memory *memory, int access)
{
	struct ibv_mr *mr = ibv_reg_mr(side->pd, memory->at, UNITS * memory->unit, access);

	CHECK(mr, "ibv_reg_mr: %s", strerror(errno));
	return mr;
}

static void end_mr(struct ibv_mr *mr)
{
	CHECK(ibv_dereg_mr(mr) == 0, "ibv_dereg_mr failed");
}

static void give_back(const struct memory *memory, enum way way)
{
	char *at = memory->at + memory->unit;
	int err = 0;

	errno = 0;
	switch (way) {
	case DONTNEED:
		err = madvise(at, memory->unit, MADV_DONTNEED);
		break;
	case LAZILY:
		err = madvise(at, memory->unit, MADV_FREE);
		break;
	case REMOVE:
		err = madvise(at, memory->unit, MADV_REMOVE);
		break;
	case PUNCH:
		err = fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				2 * memory->unit, memory->unit);
		break;
	case MAP_OVER:
		err = mmap(at, memory->unit, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at;
		break;
	}
	CHECK(!err, "giving memory back: %s", strerror(errno));
}

/* WRITEs [at, at + PAGE) of the MR into page number `to` of the peer's buffer. */
static void write_page(struct side *side, const struct ibv_mr *mr, char *at, uint32_t to)
{
	struct ibv_sge sge = {(uintptr_t)at, PAGE, mr->lkey};
	struct ibv_send_wr wr = {
		.wr_id = to,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = SIGNALED,
		.wr.rdma = {.remote_addr = side->peer_addr + to * PAGE, .rkey = side->peer_rkey}};

	CHECK(conf_try_send(side, &wr) == 0, "WRITE refused");
	conf_expect(side->send_cq, to, IBV_WC_SUCCESS);
}

static void write_units(struct side *side, const struct memory *memory, const struct ibv_mr *mr,
			uint32_t to)
{
	int i;

	for (i = 0; i < UNITS; i++)
		write_page(side, mr, memory->at + i * memory->unit, to + i);
}

/* The page has that byte all over. */
static void check_page(const char *page, char byte, const char *what)
{
	unsigned int i;

	for (i = 0; i < PAGE; i++)
		CHECK(page[i] == byte, "%s: '%c' at byte %u, expected '%c'", what, page[i], i,
		      byte);
}

/* What the peer has written into our buffer from that page on: the bytes of a unit each. */
static void check_buffer(const struct side *side, uint32_t from, const char *bytes,
			 const char *what)
{
	for (; *bytes; bytes++, from++)
		check_page(side->buffer + from * PAGE, *bytes, what);
}

/* At the source. */
static void source_client(struct side *side, const struct pin_case *one)
{
	struct ibv_mr *before, *after;
	struct memory memory;

	map_memory(side, &memory, one->kind);
	before = make_mr(side, &memory, 0);
	give_back(&memory, one->way);
	memset(memory.at + memory.unit, 'n', PAGE);
	after = make_mr(side, &memory, 0);
	write_units(side, &memory, before, 0);
	write_units(side, &memory, after, UNITS);
	conf_tell(side, 0);
	end_mr(before);
	end_mr(after);
}

static void source_server(struct side *side, const struct pin_case *one)
{
	struct memory memory;

	/* It needs huge pages at the same time. */
	map_memory(side, &memory, one->kind);
	conf_hear(side);
	check_buffer(side, 0, one->stays ? "ono" : "ooo", "an MR from before");
	check_buffer(side, UNITS, "ono", "an MR from after");
}

/* At the destination; then back again, through another MR from before. */
static void target_server(struct side *side, const struct pin_case *one)
{
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	struct ibv_mr *before, *other, *after;
	struct memory memory;
	int i;

	map_memory(side, &memory, one->kind);
	before = make_mr(side, &memory, access);
	other = make_mr(side, &memory, access);
	give_back(&memory, one->way);
	memset(memory.at + memory.unit, 'n', PAGE);
	after = make_mr(side, &memory, access);
	conf_tell(side, (uintptr_t)memory.at);
	conf_tell(side, memory.unit);
	conf_tell(side, before->rkey);
	conf_tell(side, after->rkey);

	conf_hear(side);
	for (i = 0; i < UNITS; i++)
		check_page(memory.at + i * memory.unit, i == 1 && !one->stays ? 'n' : 'w',
			   "what an MR from before was written to");
	write_units(side, &memory, other, 0);
	write_units(side, &memory, after, UNITS);
	conf_meet(side);
	check_page(memory.at + memory.unit, 'x', "what an MR from after was written to");
	end_mr(before);
	write_page(side, other, memory.at + memory.unit, 2 * UNITS);
	conf_meet(side);
	end_mr(other);
	end_mr(after);
}

static void target_client(struct side *side, const struct pin_case *one)
{
	uint64_t buffer = side->peer_addr, at, unit;
	uint32_t rkey = side->peer_rkey, before, after;
	struct memory memory;
	int i;

	if (one->kind == HUGE_SHARED || one->kind == HUGE_ANONYMOUS)
		map_memory(side, &memory, one->kind);
	at = conf_hear(side);
	unit = conf_hear(side);
	before = conf_hear(side);
	after = conf_hear(side);
	memset(side->buffer + 100 * PAGE, 'w', PAGE);
	memset(side->buffer + 101 * PAGE, 'x', PAGE);
	side->peer_addr = at;
	for (i = 0; i < UNITS; i++, side->peer_addr += unit) {
		side->peer_rkey = before;
		write_page(side, side->mr, side->buffer + 100 * PAGE, 0);
	}
	conf_tell(side, 0);
	side->peer_addr = at + unit;
	side->peer_rkey = after;
	conf_hear(side);
	check_buffer(side, 0, "www", "another MR from before");
	check_buffer(side, UNITS, one->stays ? "www" : "wnw", "an MR from after");
	write_page(side, side->mr, side->buffer + 101 * PAGE, 0);
	conf_tell(side, 0);
	conf_meet(side);
	check_buffer(side, 2 * UNITS, one->stays ? "x" : "w", "an MR whose fellow is gone");
	side->peer_addr = buffer;
	side->peer_rkey = rkey;
}

static void pin_client(struct side *side)
{
	const struct pin_case *one = this_case(side);

	source_client(side, one);
	target_client(side, one);
	conf_disconnect(side);
}

static void pin_server(struct side *side)
{
	const struct pin_case *one = this_case(side);

	source_server(side, one);
	target_server(side, one);
	conf_disconnect(side);
}

/* The server only looks at what came. */
static void expect_bytes(struct side *side, const char *bytes)
{
	conf_hear(side);
	check_buffer(side, 0, bytes, "what was sent");
	conf_disconnect(side);
}

/* Three times over: each MR has the page of its time. */
static void again_client(struct side *side)
{
	struct memory memory;
	struct ibv_mr *mr[3];
	int i;

	map_memory(side, &memory, ANONYMOUS);
	for (i = 0; i < 3; i++) {
		give_back(&memory, DONTNEED);
		memset(memory.at + PAGE, '0' + i, PAGE);
		mr[i] = make_mr(side, &memory, 0);
	}
	give_back(&memory, DONTNEED);
	for (i = 0; i < 3; i++)
		write_page(side, mr[i], memory.at + PAGE, i);
	conf_tell(side, 0);
	for (i = 0; i < 3; i++)
		end_mr(mr[i]);
	conf_disconnect(side);
}

static void again_server(struct side *side)
{
	expect_bytes(side, "012");
}

/* Private memory that is no longer mapped is the MR's alone. */
static void unmap_client(struct side *side)
{
	struct memory memory;
	struct ibv_mr *mr;

	map_memory(side, &memory, ANONYMOUS);
	mr = make_mr(side, &memory, 0);
	CHECK(munmap(memory.at, UNITS * PAGE) == 0, "munmap: %s", strerror(errno));
	write_units(side, &memory, mr, 0);
	conf_tell(side, 0);
	end_mr(mr);
	conf_disconnect(side);
}

static void unmap_server(struct side *side)
{
	expect_bytes(side, "ooo");
}

static void put(const struct memory *memory, off_t at, char byte)
{
	char page[PAGE];

	memset(page, byte, sizeof(page));
	CHECK(pwrite(memory->fd, page, PAGE, at) == PAGE, "pwrite: %s", strerror(errno));
}

/* A file's page stays the file's, mapped or not, until the file loses it. */
static void unmap_shared_client(struct side *side)
{
	struct memory memory;
	struct ibv_mr *mr;

	map_memory(side, &memory, FILE_SHARED);
	mr = make_mr(side, &memory, 0);
	CHECK(munmap(memory.at, UNITS * PAGE) == 0, "munmap: %s", strerror(errno));
	put(&memory, 2 * PAGE, 'p');
	write_units(side, &memory, mr, 0);
	give_back(&memory, PUNCH);
	put(&memory, 2 * PAGE, 'q');
	write_units(side, &memory, mr, UNITS);
	conf_tell(side, 0);
	end_mr(mr);
	conf_disconnect(side);
}

static void unmap_shared_server(struct side *side)
{
	expect_bytes(side, "opoopo");
}

/* A page that is moved takes its MRs along, and what is discarded then is discarded there. */
static void move_client(struct side *side)
{
	struct memory memory;
	struct ibv_mr *mr;
	char *to;

	map_memory(side, &memory, ANONYMOUS);
	mr = make_mr(side, &memory, 0);
	to = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(to != MAP_FAILED, "mmap: %s", strerror(errno));
	CHECK(mremap(memory.at + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
	      "mremap: %s", strerror(errno));
	memset(to, 'm', PAGE);
	write_units(side, &memory, mr, 0);
	CHECK(madvise(to, PAGE, MADV_DONTNEED) == 0, "madvise: %s", strerror(errno));
	memset(to, 'n', PAGE);
	write_units(side, &memory, mr, UNITS);
	conf_tell(side, 0);
	end_mr(mr);
	conf_disconnect(side);
}

static void move_server(struct side *side)
{
	expect_bytes(side, "omoomo");
}

/* Shrinking gives the tail back. */
static void shrink_client(struct side *side)
{
	struct memory memory;
	struct ibv_mr *mr;

	map_memory(side, &memory, ANONYMOUS);
	mr = make_mr(side, &memory, 0);
	CHECK(mremap(memory.at, UNITS * PAGE, PAGE, 0) == memory.at, "mremap: %s", strerror(errno));
	memset(memory.at, 's', PAGE);
	write_units(side, &memory, mr, 0);
	conf_tell(side, 0);
	end_mr(mr);
	conf_disconnect(side);
}

static void shrink_server(struct side *side)
{
	expect_bytes(side, "soo");
}

/* One file, mapped twice, as by blocks that share it: its page is the same for both MRs. */
static void twice_client(struct side *side)
{
	struct ibv_sge sge = {.length = PAGE};
	struct ibv_recv_wr wr = {.wr_id = 7, .sg_list = &sge, .num_sge = 1};
	struct memory first, second;
	struct ibv_mr *mr, *mr2;

	map_memory(side, &first, FILE_SHARED);
	second = first;
	second.at = mmap(NULL, UNITS * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, first.fd, PAGE);
	CHECK(second.at != MAP_FAILED, "mmap: %s", strerror(errno));
	mr = make_mr(side, &first, 0);
	mr2 = make_mr(side, &second, IBV_ACCESS_LOCAL_WRITE);
	give_back(&second, REMOVE);
	memset(first.at + PAGE, 'n', PAGE);
	CHECK(second.at[PAGE] == 'n', "not the same file");
	write_units(side, &first, mr, 0);
	/* The peer's answer comes in through one MR and leaves through the other. */
	conf_meet(side);
	sge.addr = (uintptr_t)second.at + PAGE;
	sge.lkey = mr2->lkey;
	CHECK(conf_try_recv(side, &wr) == 0, "RECV refused");
	conf_meet(side);
	conf_expect(side->recv_cq, 7, IBV_WC_SUCCESS);
	write_units(side, &first, mr, UNITS);
	check_page(first.at + PAGE, 'n', "the file");
	conf_tell(side, 0);
	end_mr(mr);
	end_mr(mr2);
	conf_disconnect(side);
}

static void twice_server(struct side *side)
{
	conf_meet(side);
	memset(side->buffer + 200 * PAGE, 'a', PAGE);
	conf_meet(side);
	conf_post_send(side, 1, 200 * PAGE, PAGE, SIGNALED);
	conf_expect(side->send_cq, 1, IBV_WC_SUCCESS);
	expect_bytes(side, "ooooao");
}

/* A hole in part of a page clears it in place. */
static void part_client(struct side *side)
{
	struct memory memory;
	struct ibv_mr *mr;

	map_memory(side, &memory, FILE_SHARED);
	mr = make_mr(side, &memory, 0);
	CHECK(fallocate(memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE,
			PAGE / 2) == 0,
	      "fallocate: %s", strerror(errno));
	memset(memory.at + PAGE, 'h', PAGE / 4);
	write_units(side, &memory, mr, 0);
	conf_tell(side, 0);
	end_mr(mr);
	conf_disconnect(side);
}

static void part_server(struct side *side)
{
	const char *page = side->buffer + PAGE;

	conf_hear(side);
	CHECK(page[0] == 'h' && page[PAGE / 4 - 1] == 'h', "the page has been replaced");
	CHECK(page[PAGE / 4] == 0 && page[PAGE / 2 - 1] == 0, "the hole has not been cleared");
	CHECK(page[PAGE / 2] == 'o', "more than the hole has been cleared");
	conf_disconnect(side);
}

/* A call that fails gives nothing back. */
static void refused_client(struct side *side)
{
	struct memory memory;
	struct ibv_mr *mr;

	map_memory(side, &memory, ANONYMOUS);
	mr = make_mr(side, &memory, 0);
	errno = 0;
	CHECK(madvise(memory.at, 2 * PAGE, MADV_REMOVE) != 0 && errno == EINVAL,
	      "MADV_REMOVE of private memory: %s", strerror(errno));
	CHECK(madvise(memory.at + 1, PAGE, MADV_DONTNEED) != 0 && errno == EINVAL,
	      "MADV_DONTNEED of no page: %s", strerror(errno));
	CHECK(mmap(memory.at, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, -1, 0) == MAP_FAILED &&
		      errno == EBADF,
	      "mmap of no file: %s", strerror(errno));
	CHECK(mremap(memory.at, PAGE, PAGE, MREMAP_FIXED, memory.at) == MAP_FAILED &&
		      errno == EINVAL,
	      "mremap: %s", strerror(errno));
	memset(memory.at, 'r', UNITS * PAGE);
	write_units(side, &memory, mr, 0);
	conf_tell(side, 0);
	end_mr(mr);
	conf_disconnect(side);
}

static void refused_server(struct side *side)
{
	expect_bytes(side, "rrr");
}

/* Gives every page of the buffer back, again and again, and writes it anew. */
struct discarder {
	pthread_t thread;
	char *at;
	char byte;
};

static void *discard_all(void *arg)
{
	struct discarder *d = arg;
	uint32_t i;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < CONF_BUFFER; i += PAGE) {
			CHECK(madvise(d->at + i, PAGE, MADV_DONTNEED) == 0, "madvise: %s",
			      strerror(errno));
			__atomic_store_n(&d->at[i], d->byte, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

static void start_discarders(struct side *side, struct discarder *d)
{
	int i;

	for (i = 0; i < 2; i++) {
		d[i] = (struct discarder){.at = side->buffer, .byte = 'A' + i};
		CHECK(pthread_create(&d[i].thread, NULL, discard_all, &d[i]) == 0,
		      "pthread_create failed");
	}
}

static void join_discarders(struct discarder *d)
{
	int i;

	for (i = 0; i < 2; i++)
		pthread_join(d[i].thread, NULL);
}

/* While two threads give all of the source back: what arrives is what was there before. */
static void source_race_client(struct side *side)
{
	struct discarder d[2];
	int i;

	memset(side->buffer, 'o', CONF_BUFFER);
	conf_post_write(side, 0, 0, CONF_BUFFER, 0, SIGNALED);
	start_discarders(side, d);
	for (i = 1; i <= ROUNDS; i++) {
		conf_expect(side->send_cq, i - 1, IBV_WC_SUCCESS);
		conf_meet(side);
		conf_meet(side);
		conf_post_write(side, i, 0, CONF_BUFFER, 0, SIGNALED);
	}
	conf_expect(side->send_cq, ROUNDS, IBV_WC_SUCCESS);
	join_discarders(d);
	conf_disconnect(side);
}

static void source_race_server(struct side *side)
{
	uint32_t i;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		conf_meet(side);
		for (i = 0; i < CONF_BUFFER; i += PAGE)
			check_page(side->buffer + i, 'o', "what was sent");
		memset(side->buffer, 0, CONF_BUFFER);
		conf_meet(side);
	}
	conf_disconnect(side);
}

/* While two threads give all of the target back: what is written then does not show. */
static void target_race_client(struct side *side)
{
	bool over;
	int i = 0;

	memset(side->buffer, 'w', CONF_BUFFER);
	conf_meet(side);
	do {
		over = conf_readable(side->out_of_band, 0);
		conf_post_write(side, ++i, 0, CONF_BUFFER, 0, SIGNALED);
		conf_expect(side->send_cq, i, IBV_WC_SUCCESS);
	} while (!over);
	conf_meet(side);
	conf_disconnect(side);
}

static void target_race_server(struct side *side)
{
	struct discarder d[2];
	uint32_t i;

	conf_meet(side);
	start_discarders(side, d);
	join_discarders(d);
	/* The last WRITE comes after this. */
	conf_meet(side);
	for (i = 0; i < CONF_BUFFER; i += PAGE) {
		CHECK(side->buffer[i] == 'A' || side->buffer[i] == 'B', "page %u: '%c'", i / PAGE,
		      side->buffer[i]);
		CHECK(side->buffer[i + 1] == 0, "page %u: '%c' beside it", i / PAGE,
		      side->buffer[i + 1]);
	}
	conf_disconnect(side);
}

#define BOTH(name)                                                      \
	{                                                               \
		name, pin_client, pin_server, {0}, false, NULL, NULL, 0 \
	}

const struct conf_case conf_pin_cases[] = {
	BOTH("pin_private_dontneed"),
	BOTH("pin_private_map_over"),
	BOTH("pin_private_free"),
	BOTH("pin_copy_dontneed"),
	BOTH("pin_copy_punch"),
	BOTH("pin_shared_dontneed"),
	BOTH("pin_shared_remove"),
	BOTH("pin_shared_punch"),
	BOTH("pin_shared_map_over"),
	BOTH("pin_huge_remove"),
	BOTH("pin_huge_punch"),
	BOTH("pin_huge_private_dontneed"),
	{"pin_again", again_client, again_server, {0}, false, NULL, NULL, 0},
	{"pin_unmap", unmap_client, unmap_server, {0}, false, NULL, NULL, 0},
	{"pin_unmap_shared", unmap_shared_client, unmap_shared_server, {0}, false, NULL, NULL, 0},
	{"pin_move", move_client, move_server, {0}, false, NULL, NULL, 0},
	{"pin_shrink", shrink_client, shrink_server, {0}, false, NULL, NULL, 0},
	{"pin_mapped_twice", twice_client, twice_server, {0}, false, NULL, NULL, 0},
	{"pin_part_of_page", part_client, part_server, {0}, false, NULL, NULL, 0},
	{"pin_refused", refused_client, refused_server, {0}, false, NULL, NULL, 0},
	{"pin_source_race", source_race_client, source_race_server, {0}, false, NULL, NULL, 0},
	{"pin_target_race", target_race_client, target_race_server, {0}, false, NULL, NULL, 0},
	{NULL, NULL, NULL, {0}, false, NULL, NULL, 0},
};
