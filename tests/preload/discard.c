/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "discard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "migration.h"

#undef ibv_reg_mr

#define MIB	((uint64_t)MIGRATION_CHUNK)
#define CHUNKS	8u
#define LENGTH	(CHUNKS * MIB)
#define PAGE	((size_t)4096)
#define IN_FILE (2 * MIB) /* where the block begins in its file */

struct run {
	struct migration m;
	int fd; /* of the block's file, or -1 */
	struct ibv_mr *mr[CHUNKS];
	uint32_t rkey[CHUNKS];
	int base; /* MRs before the first of guest memory */
};

static int live_mrs(void)
{
	struct fake_live live;

	peer_get_live(&live);
	return live.mrs;
}

/* Not through anything that is hooked: only what a case is about may be. */
static void *map_quietly(void *at, uint64_t length, int flags, int fd, uint64_t offset)
{
	void *map =
		(void *)syscall(SYS_mmap, at, length, PROT_READ | PROT_WRITE, flags, fd, offset);

	must(map != MAP_FAILED);
	return map;
}

static int new_file(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	must(fd >= 0 && !ftruncate(fd, (off_t)(IN_FILE + LENGTH + IN_FILE)));
	return fd;
}

static void send_chunk(struct run *r, unsigned int chunk)
{
	r->mr[chunk] = migration_send_chunk(&r->m, chunk, &r->rkey[chunk]);
}

/* QEMU has written three chunks, all but the first with one MR. */
static void start(struct run *r, bool file)
{
	char *block;

	memset(r, 0, sizeof(*r));
	r->fd = file ? new_file() : -1;
	block = map_quietly(NULL, LENGTH, file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, r->fd,
			    file ? IN_FILE : 0);
	for (unsigned int chunk = 0; chunk < CHUNKS; chunk++)
		block[chunk * MIB] = 1;
	migration_open_block(&r->m, "192.0.2.7", block, LENGTH);
	r->base = live_mrs();
	for (unsigned int chunk = 0; chunk < 3; chunk++)
		send_chunk(r, chunk);
	must(live_mrs() == r->base + 2);
	must(r->mr[0]->lkey != r->mr[1]->lkey && r->mr[1]->lkey == r->mr[2]->lkey);
}

static void finish(struct run *r)
{
	migration_finish(&r->m);
	for (unsigned int chunk = 0; chunk < CHUNKS; chunk++)
		if (r->mr[chunk])
			must(!ibv_dereg_mr(r->mr[chunk]));
	peer_close(&r->m.peer);
	must(!live_mrs());
	must(!munmap(r->m.block, LENGTH));
	if (r->fd >= 0)
		must(!close(r->fd));
}

/* The lkey under which a WRITE of the chunk reaches the NIC. */
static uint32_t written_with(struct run *r, unsigned int chunk)
{
	struct ibv_wc wc;
	int writes;

	/* With nothing on the wire it goes at once. */
	must(!peer_poll(r->m.peer.send_cq, &wc));
	writes = peer_control->writes;
	must(!peer_post_write(&r->m.peer, r->mr[chunk], PAGE, migration_remote(chunk),
			      r->rkey[chunk]));
	must(peer_poll(r->m.peer.send_cq, &wc) && wc.status == IBV_WC_SUCCESS);
	must(!peer_poll(r->m.peer.send_cq, &wc) && peer_control->writes == writes + 1);
	return peer_control->write_lkey;
}

/* The ways to discard a page at `at` of the block; what they leave behind is mapped. */
static void by_madvise(struct run *r, uint64_t at)
{
	must(!madvise(r->m.block + at, PAGE, MADV_DONTNEED));
}

static void by_madvise_free(struct run *r, uint64_t at)
{
	must(!madvise(r->m.block + at, PAGE, MADV_FREE));
}

static void by_madvise_remove(struct run *r, uint64_t at)
{
	must(!madvise(r->m.block + at, PAGE, MADV_REMOVE));
}

static void by_posix_madvise(struct run *r, uint64_t at)
{
	must(!posix_madvise(r->m.block + at, PAGE, POSIX_MADV_DONTNEED));
}

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static void by_fallocate(struct run *r, uint64_t at)
{
	must(!fallocate(r->fd, PUNCH, (off_t)(IN_FILE + at), (off_t)PAGE));
}

static void by_fallocate64(struct run *r, uint64_t at)
{
	must(!fallocate64(r->fd, PUNCH, (off64_t)(IN_FILE + at), (off64_t)PAGE));
}

/* Another descriptor of the same file. */
static void by_fallocate_dup(struct run *r, uint64_t at)
{
	int fd = dup(r->fd);

	must(fd >= 0 && !fallocate(fd, PUNCH, (off_t)(IN_FILE + at), (off_t)PAGE));
	must(!close(fd));
}

/* A hole that begins before the block and ends in its chunk. */
static void by_fallocate_from_before(struct run *r, uint64_t at)
{
	must(!fallocate(r->fd, PUNCH, (off_t)(IN_FILE + at / MIB * MIB - PAGE), (off_t)(2 * PAGE)));
}

static void by_munmap(struct run *r, uint64_t at)
{
	must(!munmap(r->m.block + at, PAGE));
	map_quietly(r->m.block + at, PAGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

#define OVER (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

static void by_mmap(struct run *r, uint64_t at)
{
	must(mmap(r->m.block + at, PAGE, PROT_READ | PROT_WRITE, OVER, -1, 0) != MAP_FAILED);
}

static void by_mmap64(struct run *r, uint64_t at)
{
	must(mmap64(r->m.block + at, PAGE, PROT_READ | PROT_WRITE, OVER, -1, 0) != MAP_FAILED);
}

static void by_mremap_away(struct run *r, uint64_t at)
{
	void *moved = mremap(r->m.block + at, PAGE, 2 * PAGE, MREMAP_MAYMOVE);

	must(moved != MAP_FAILED && moved != r->m.block + at);
	map_quietly(r->m.block + at, PAGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void by_mremap_over(struct run *r, uint64_t at)
{
	void *from = map_quietly(NULL, PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r->m.block + at) ==
	     r->m.block + at);
}

/* A call that fails may have done a part of it: here the first page of two. */
static void by_a_failing_madvise(struct run *r, uint64_t at)
{
	must(syscall(SYS_munmap, r->m.block + at + PAGE, PAGE) == 0);
	must(madvise(r->m.block + at, 2 * PAGE, MADV_DONTNEED) == -1 && errno == ENOMEM);
	map_quietly(r->m.block + at + PAGE, PAGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

struct way {
	const char *name;
	bool file;
	void (*discard)(struct run *r, uint64_t at);
};

static const struct way ways[] = {
	{"madvise", false, by_madvise},
	{"madvise-shared", true, by_madvise},
	{"madvise-free", false, by_madvise_free},
	{"madvise-remove", true, by_madvise_remove},
	{"madvise-fails", false, by_a_failing_madvise},
	{"posix_madvise", false, by_posix_madvise},
	{"fallocate", true, by_fallocate},
	{"fallocate64", true, by_fallocate64},
	{"fallocate-dup", true, by_fallocate_dup},
	{"fallocate-before", true, by_fallocate_from_before},
	{"munmap", false, by_munmap},
	{"mmap", false, by_mmap},
	{"mmap-file", true, by_mmap},
	{"mmap64", false, by_mmap64},
	{"mremap-away", false, by_mremap_away},
	{"mremap-over", false, by_mremap_over},
};

/* A page in the middle of the chunk. */
static uint64_t in(unsigned int chunk)
{
	return chunk * MIB + MIB / 2;
}

static int run_way(const struct way *way)
{
	struct run r;
	uint32_t old, fresh;

	start(&r, way->file);
	old = r.mr[1]->lkey;
	must(written_with(&r, 1) == old);

	/* One that QEMU has registered */
	way->discard(&r, in(1));
	fresh = written_with(&r, 1);
	must(fresh != old && live_mrs() == r.base + 3);
	must(written_with(&r, 1) == fresh && live_mrs() == r.base + 3);
	must(written_with(&r, 2) == old && live_mrs() == r.base + 3);
	/* and again */
	way->discard(&r, in(1));
	must(written_with(&r, 1) != fresh && written_with(&r, 1) != old);

	/* One that lies in the region, and that QEMU registers only now */
	way->discard(&r, in(3));
	send_chunk(&r, 3);
	must(r.mr[3]->lkey != old && written_with(&r, 3) == r.mr[3]->lkey);
	must(r.m.requests == 2);

	/* What is stale as a whole goes, once nothing uses it; QEMU's handles stay. */
	way->discard(&r, in(0));
	way->discard(&r, in(2));
	must(written_with(&r, 0) != old && written_with(&r, 2) != old);
	must(written_with(&r, 0) != old && live_mrs() == r.base + 4);
	finish(&r);
	puts("right");
	return 0;
}

/* One WRITE over memory of which the second half was discarded: two for the NIC, one
 * completion for QEMU, and nothing registered that was right. */
static int run_parts(void)
{
	struct ibv_wc wc;
	struct run r;
	int writes;

	start(&r, false);
	by_madvise(&r, in(2));
	must(!peer_poll(r.m.peer.send_cq, &wc));
	writes = peer_control->writes;
	must(!peer_post_write(&r.m.peer, r.mr[1], 2 * MIB, migration_remote(1), r.rkey[1]));
	must(peer_poll(r.m.peer.send_cq, &wc) && wc.status == IBV_WC_SUCCESS);
	must(!peer_poll(r.m.peer.send_cq, &wc) && peer_control->writes == writes + 2);
	must(peer_control->write_lkey != r.mr[1]->lkey && live_mrs() == r.base + 3);
	finish(&r);
	puts("right");
	return 0;
}

/* Calls that take nothing from the guest. */
static int run_nothing(void)
{
	char *other = map_quietly(NULL, LENGTH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int other_fd = new_file();
	struct run r;

	start(&r, true);
	must(!madvise(other, LENGTH, MADV_DONTNEED));
	must(!madvise(r.m.block, LENGTH, MADV_WILLNEED));
	must(!posix_madvise(r.m.block, LENGTH, POSIX_MADV_WILLNEED));
	must(!fallocate(r.fd, PUNCH, 0, (off_t)IN_FILE));
	must(!fallocate(r.fd, PUNCH, (off_t)(IN_FILE + LENGTH), (off_t)IN_FILE));
	must(!fallocate(r.fd, FALLOC_FL_KEEP_SIZE, (off_t)IN_FILE, (off_t)LENGTH));
	must(!fallocate64(other_fd, PUNCH, 0, (off64_t)(IN_FILE + LENGTH)));
	must(mmap(other, PAGE, PROT_READ, OVER, -1, 0) == other);
	must(mmap(r.m.block, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	must(!munmap(other, LENGTH));
	for (unsigned int chunk = 0; chunk < 3; chunk++)
		must(written_with(&r, chunk) == r.mr[chunk]->lkey);
	must(live_mrs() == r.base + 2);
	finish(&r);
	must(!close(other_fd));
	puts("right");
	return 0;
}

/* Another file takes the place of a part: a hole in that one counts, too. */
static int run_replaced(void)
{
	int other_fd = new_file();
	uint32_t old, fresh;
	struct run r;

	start(&r, true);
	old = r.mr[1]->lkey;
	must(mmap(r.m.block + in(1), PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, other_fd,
		  0) != MAP_FAILED);
	fresh = written_with(&r, 1);
	must(fresh != old);
	must(!fallocate(other_fd, PUNCH, 0, (off_t)PAGE));
	must(written_with(&r, 1) != fresh);
	finish(&r);
	must(!close(other_fd));
	puts("right");
	return 0;
}

/* The memory cannot be registered again: what is there must not be sent. */
static int run_fails(void)
{
	int error, writes;
	struct run r;

	start(&r, false);
	by_madvise(&r, in(1));
	peer_control->reg_limit = 1;
	writes = peer_control->writes;
	error = peer_post_write(&r.m.peer, r.mr[1], PAGE, migration_remote(1), r.rkey[1]);
	must(error && error != ENOMEM);
	must(peer_control->writes == writes);
	must(peer_post_write(&r.m.peer, r.mr[2], PAGE, migration_remote(2), r.rkey[2]));
	peer_control->reg_limit = 0;
	for (unsigned int chunk = 0; chunk < 3; chunk++)
		must(!ibv_dereg_mr(r.mr[chunk]));
	peer_close(&r.m.peer);
	must(!live_mrs());
	puts("failed");
	return 0;
}

/* Little more may be pinned than is; then a balloon takes a page of each chunk. */
static void start_with_little_room(struct run *r, unsigned int chunks, size_t room)
{
	start(r, false);
	for (unsigned int chunk = 3; chunk < chunks; chunk++)
		send_chunk(r, chunk);
	peer_control->pin_limit = peer_control->pinned + room;
}

static void finish_with_little_room(struct run *r)
{
	finish(r);
	peer_control->pin_limit = 0;
	puts("right");
}

/* What is stale in part has to go for the rest to be registered. */
static int run_little_room(void)
{
	struct run r;

	start_with_little_room(&r, CHUNKS, 2 * MIB);
	for (unsigned int chunk = 0; chunk < CHUNKS; chunk++)
		by_madvise(&r, in(chunk));
	for (int round = 0; round < 2; round++)
		for (unsigned int chunk = 0; chunk < CHUNKS; chunk++)
			must(written_with(&r, chunk) != r.mr[chunk]->lkey);
	finish_with_little_room(&r);
	return 0;
}

/* What is stale goes only when the WRITEs that use it are through: QEMU is not told to
 * wait, for it has all its completions. */
static int run_little_room_on_the_wire(void)
{
	struct run r;

	start_with_little_room(&r, CHUNKS, MIB);
	for (int round = 0; round < 4; round++) {
		for (unsigned int chunk = 0; chunk < CHUNKS; chunk++)
			by_madvise(&r, in(chunk));
		for (unsigned int chunk = 0; chunk < CHUNKS; chunk++)
			must(!peer_post_write(&r.m.peer, r.mr[chunk], PAGE, migration_remote(chunk),
					      r.rkey[chunk]));
	}
	for (struct ibv_wc wc; peer_poll(r.m.peer.send_cq, &wc);)
		must(wc.status == IBV_WC_SUCCESS);
	finish_with_little_room(&r);
	return 0;
}

/* No more than is: stock would not register anything either. */
static int run_no_room(void)
{
	struct run r;

	start_with_little_room(&r, CHUNKS, 0);
	by_madvise(&r, in(1));
	must(written_with(&r, 1) != r.mr[1]->lkey);
	must(written_with(&r, 2) && written_with(&r, 5));
	finish_with_little_room(&r);
	return 0;
}

/* Chunk 3 had data when the run that it is in was registered, and QEMU never asks for it:
 * it was given back since, or zeroed in place. Stock has room for chunk 4. */
static int room_of_chunk_3(bool zeroed)
{
	struct run r;

	start_with_little_room(&r, 3, 0);
	if (zeroed)
		memset(r.m.block + 3 * MIB, 0, MIB);
	else
		must(!madvise(r.m.block + 3 * MIB, MIB, MADV_DONTNEED));
	send_chunk(&r, 4);
	must(written_with(&r, 1) && written_with(&r, 4) == r.mr[4]->lkey);
	finish_with_little_room(&r);
	return 0;
}

static int run_room_of_one_given_back(void)
{
	return room_of_chunk_3(false);
}

static int run_room_of_one_zeroed(void)
{
	return room_of_chunk_3(true);
}

/* QEMU registers a chunk of which a page has been discarded: stock has room for it. */
static int run_little_room_for_a_chunk(void)
{
	struct run r;

	start_with_little_room(&r, 3, MIB / 2);
	by_madvise(&r, in(3));
	send_chunk(&r, 3);
	must(written_with(&r, 0) && written_with(&r, 3));
	finish_with_little_room(&r);
	return 0;
}

/* Two migrations of the same memory: each has to know. */
static int run_two(void)
{
	struct run first, second;
	uint32_t old[2];

	start(&first, true);
	memset(&second, 0, sizeof(second));
	second.fd = -1;
	migration_open_block(&second.m, "192.0.2.8", first.m.block, LENGTH);
	second.base = live_mrs();
	send_chunk(&second, 0);
	old[0] = first.mr[1]->lkey;
	old[1] = second.mr[0]->lkey;
	by_fallocate(&first, in(1));
	by_fallocate(&first, in(0));
	must(written_with(&first, 1) != old[0]);
	must(written_with(&second, 0) != old[1]);
	migration_finish(&second.m);
	must(!ibv_dereg_mr(second.mr[0]));
	peer_close(&second.m.peer);
	/* The end of one is not the end of the other. */
	old[0] = written_with(&first, 1);
	by_fallocate(&first, in(1));
	must(written_with(&first, 1) != old[0]);
	finish(&first);
	puts("right");
	return 0;
}

/* The sandbox is older than statx(2). */
static int run_without_statx(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, filter};

	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	return run_way(&(struct way){"fallocate", true, by_fallocate});
}

/* and lets nobody ask which file it is: then it may be the guest's. */
static int run_without_stat(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {6, filter};
	uint32_t old;
	struct run r;

	start(&r, true);
	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	old = r.mr[1]->lkey;
	by_fallocate(&r, in(1));
	must(written_with(&r, 1) != old);
	finish(&r);
	puts("right");
	return 0;
}

/* Shared memory without a file: a hole in some disk's image is no concern of it. */
static int run_shared_anonymous(void)
{
	int disk = new_file();
	struct run r;
	char *block;

	memset(&r, 0, sizeof(r));
	r.fd = -1;
	block = map_quietly(NULL, LENGTH, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(block, 1, LENGTH);
	migration_open_block(&r.m, "192.0.2.7", block, LENGTH);
	send_chunk(&r, 0);
	must(!fallocate(disk, PUNCH, 0, (off_t)(IN_FILE + LENGTH)));
	must(written_with(&r, 0) == r.mr[0]->lkey);
	must(!madvise(block, PAGE, MADV_REMOVE));
	must(written_with(&r, 0) != r.mr[0]->lkey);
	finish(&r);
	must(!close(disk));
	puts("right");
	return 0;
}

/* The guest's file is mapped a second time, and emptied there. */
static int run_alias(void)
{
	uint32_t old;
	struct run r;
	char *alias;

	start(&r, true);
	alias = map_quietly(NULL, LENGTH, MAP_SHARED, r.fd, IN_FILE);
	old = r.mr[1]->lkey;
	must(!madvise(alias + MIB, PAGE, MADV_REMOVE) && !r.m.block[MIB]);
	must(written_with(&r, 1) != old);
	finish(&r);
	puts("right");
	return 0;
}

static void *discard_for_ever(void *block)
{
	/* NOLINTNEXTLINE(concurrency-*,cert-pos47-c): killed in the midst of it */
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		madvise(block, PAGE, MADV_DONTNEED);
	return NULL;
}

/* Threads are killed in the midst of a discard: the migration ends all the same. */
static int run_cancelled(void)
{
	pthread_t thread;
	struct run r;

	start(&r, false);
	for (int i = 0; i < 2000; i++) {
		must(!pthread_create(&thread, NULL, discard_for_ever, r.m.block));
		usleep(50);
		pthread_cancel(thread);
		must(!pthread_join(thread, NULL));
	}
	finish(&r);
	puts("right");
	return 0;
}

/* The address that a mapping is to move to, which must reach the kernel. */
static int run_hint(void)
{
	char *from = map_quietly(NULL, PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *room = map_quietly(NULL, 4 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(!munmap(room, 4 * PAGE));
	must(mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, room + PAGE) ==
	     room + PAGE);
	puts("right");
	return 0;
}

static struct ibv_mr *register_there(struct peer *p, char *block, unsigned int chunk)
{
	struct ibv_mr *mr = ibv_reg_mr(p->pd, block + chunk * MIB, MIB,
				       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);

	must(mr);
	return mr;
}

/* A chunk that a destination registers after it was discarded there is there afresh. */
static int run_destination(void)
{
	char *block = map_quietly(NULL, LENGTH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_mr *mr[4];
	struct peer p;
	int made;

	migration_open_destination(&p, "192.0.2.7", block, LENGTH);
	mr[0] = register_there(&p, block, 0);
	mr[1] = register_there(&p, block, 1);
	mr[2] = register_there(&p, block, 2);
	must(!ibv_dereg_mr(mr[2]));
	made = live_mrs();
	must(!madvise(block + 2 * MIB, MIB, MADV_DONTNEED));
	mr[2] = register_there(&p, block, 2);
	must(mr[2]->rkey != mr[0]->rkey && mr[2]->rkey != mr[1]->rkey);
	must(live_mrs() == made + 1);
	/* The source may write to the rest under its key. */
	mr[3] = register_there(&p, block, 0);
	must(mr[3]->rkey == mr[0]->rkey && live_mrs() == made + 1);
	for (unsigned int i = 0; i < 4; i++)
		must(!ibv_dereg_mr(mr[i]));
	peer_close(&p);
	must(!live_mrs());
	puts("right");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{"parts", run_parts},
	{"nothing", run_nothing},
	{"replaced", run_replaced},
	{"fails", run_fails},
	{"without-statx", run_without_statx},
	{"without-stat", run_without_stat},
	{"shared-anonymous", run_shared_anonymous},
	{"alias", run_alias},
	{"cancelled", run_cancelled},
	{"hint", run_hint},
	{"little-room", run_little_room},
	{"little-room-on-the-wire", run_little_room_on_the_wire},
	{"no-room", run_no_room},
	{"room-of-one-given-back", run_room_of_one_given_back},
	{"room-of-one-zeroed", run_room_of_one_zeroed},
	{"little-room-for-a-chunk", run_little_room_for_a_chunk},
	{"two", run_two},
	{"destination", run_destination},
};

int discard_run(char **args)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(args[0], ways[i].name))
			return run_way(&ways[i]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(args[0], cases[i].name))
			return cases[i].run();
	fprintf(stderr, "no case %s\n", args[0]);
	return 2;
}
