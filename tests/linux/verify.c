// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's program, its first process after `init': fills memory with pages that tell where and
 * when they were written, and says how many are not what it wrote. It reads commands from the
 * serial console, a line each, and answers each with a line that starts with "done" and the
 * command's name.
 *
 * Two pools. The long-lived one is checked over and over, a page of it written anew now and then.
 * The churn pool is freed and filled again, as a whole or piece by piece: its memory goes back to
 * the kernel, and from there, by a balloon or a free page report, to the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

#define PAGE	  4096u
#define WORDS	  (PAGE / 8)
#define MIB_PAGES 256u
/* Free page reporting takes 2 MiB and more; what is freed together is to contain some. */
#define PIECE_PAGES    (4 * MIB_PAGES)
#define POOL_PAGES_MAX (512 * MIB_PAGES)
/* Half of the pieces are free at a time; reports come two seconds after memory was freed. */
#define CHURN_STEP_MS 250
/* Of free memory, for the kernel. */
#define MARGIN_PAGES (16 * MIB_PAGES)
#define NUDGE_MS     500
#define WRONG_SHOWN  8
/* From one word of a page to the next. */
#define STEP UINT64_C(0xff51afd7ed558ccd)

struct pool {
	const char *name;
	uint64_t *base;
	size_t pages;
	/* What was written last into each page; 0: nothing, it is free. */
	uint32_t generation[POOL_PAGES_MAX];
};

struct result {
	size_t checked, wrong, zero;
};

static struct pool lasting = {.name = "long-lived"}, churn = {.name = "churn"};
static uint32_t generation;
static bool churning;
static size_t churn_next;
static int pagemap = -1;

static uint64_t seed(uint64_t address, uint32_t gen)
{
	uint64_t x = address * UINT64_C(0x9e3779b97f4a7c15) + gen;

	x = (x ^ (x >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ (x >> 29);
}

static void write_page(struct pool *pool, size_t page)
{
	uint64_t *words = pool->base + page * WORDS;
	uint64_t first = seed((uintptr_t)words, generation);

	pool->generation[page] = generation;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = first + i * STEP;
}

/* Is word i @first + i * @step? */
static bool page_is(const uint64_t *words, uint64_t first, uint64_t step)
{
	for (size_t i = 0; i < WORDS; i++)
		if (words[i] != first + i * step)
			return false;
	return true;
}

/* Where it lies in the guest's RAM, which is what a registration is made of; 0: unknown. */
static uint64_t physical(const void *address)
{
	uint64_t entry;

	if (pread(pagemap, &entry, 8, (off_t)((uintptr_t)address / PAGE * 8)) != 8)
		return 0;
	return (entry & ((UINT64_C(1) << 55) - 1)) * PAGE;
}

static void check_page(const struct pool *pool, size_t page, struct result *result)
{
	const uint64_t *words = pool->base + page * WORDS;
	uint32_t gen = pool->generation[page];
	const char *what = "something else";

	if (!gen)
		return;
	result->checked++;
	if (page_is(words, seed((uintptr_t)words, gen), STEP))
		return;
	result->wrong++;
	if (page_is(words, 0, 0)) {
		what = "zeros";
		result->zero++;
	} else if (page_is(words, words[0], STEP)) {
		what = "written at another time or place";
	}
	if (result->wrong <= WRONG_SHOWN)
		printf("wrong: %s page %zu at 0x%" PRIx64 ", generation %u: %s\n", pool->name, page,
		       physical(words), gen, what);
}

static void check(const struct pool *pool, size_t from, size_t to, struct result *result)
{
	for (size_t page = from; page < to && page < pool->pages; page++)
		check_page(pool, page, result);
}

static int make_pool(struct pool *pool, size_t mib)
{
	/* Room to begin where a huge page can. */
	size_t align = UINT64_C(2) << 20, size = mib << 20;
	char *base;

	if (mib * MIB_PAGES > POOL_PAGES_MAX)
		return -1;
	base = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -1;
	pool->base = (uint64_t *)(((uintptr_t)base + align - 1) & ~(align - 1));
	pool->pages = mib * MIB_PAGES;
	/* cppcheck-suppress memleak ; the pool has it, from a round address on */
	return 0;
}

/*
 * What the kernel is just reporting is not there to be used, and it would rather kill us than wait
 * for it. A minute is more than any report takes.
 */
static void wait_for_memory(size_t pages)
{
	struct sysinfo info;

	for (int i = 0; i < 6000 && !sysinfo(&info); i++) {
		if (info.freeram >= (pages + MARGIN_PAGES) * PAGE)
			return;
		poll(NULL, 0, 10);
	}
}

static void fill(struct pool *pool, size_t from, size_t to)
{
	size_t missing = 0;

	for (size_t page = from; page < to && page < pool->pages; page++)
		missing += !pool->generation[page];
	wait_for_memory(missing);
	generation++;
	for (size_t page = from; page < to && page < pool->pages; page++)
		write_page(pool, page);
}

static void give_back(struct pool *pool, size_t from, size_t to)
{
	if (to > pool->pages)
		to = pool->pages;
	madvise(pool->base + from * WORDS, (to - from) * PAGE, MADV_DONTNEED);
	memset(&pool->generation[from], 0, (to - from) * sizeof(pool->generation[0]));
}

/* One piece is freed, and the one that has been free for longest is filled. */
static void churn_step(struct result *result)
{
	size_t pieces = churn.pages / PIECE_PAGES;
	size_t gone = churn_next % pieces * PIECE_PAGES;
	size_t filled = (churn_next + pieces / 2) % pieces * PIECE_PAGES;

	check(&churn, gone, gone + PIECE_PAGES, result);
	give_back(&churn, gone, gone + PIECE_PAGES);
	fill(&churn, filled, filled + PIECE_PAGES);
	churn_next++;
}

static int load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : (int)syscall(SYS_finit_module, fd, "", 0);
}

/* Everything there is. What has been found on the way here is told as well: it may be gone by now.
 */
static void report(const struct result *before)
{
	struct result result = {0};

	check(&lasting, 0, lasting.pages, &result);
	check(&churn, 0, churn.pages, &result);
	printf("verify: %zu pages checked, %zu wrong, %zu of them zero; %zu seen before\n",
	       result.checked, result.wrong, result.zero, before->wrong);
}

static int pools(const char *sizes)
{
	size_t mib[2];

	if (sscanf(sizes, "%zu %zu", &mib[0], &mib[1]) != 2 || make_pool(&lasting, mib[0]) ||
	    make_pool(&churn, mib[1]))
		return -1;
	fill(&lasting, 0, lasting.pages);
	fill(&churn, 0, churn.pages);
	return 0;
}

static void execute(char *line, struct result *before)
{
	char *arguments = line + strcspn(line, " ");
	int ret = 0;

	errno = 0;
	if (*arguments)
		*arguments++ = '\0';
	if (!strcmp(line, "module"))
		ret = load_module(arguments);
	else if (!strcmp(line, "pools"))
		ret = pools(arguments);
	else if (!strcmp(line, "fill"))
		fill(&churn, 0, churn.pages);
	else if (!strcmp(line, "free"))
		give_back(&churn, 0, churn.pages);
	else if (!strcmp(line, "churn"))
		churning = !strcmp(arguments, "on");
	else if (!strcmp(line, "verify"))
		report(before);
	else
		ret = -1;
	if (ret)
		printf("failed %s: %s\n", line, strerror(errno));
	else
		printf("done %s\n", line);
}

/* Standard input has something. Commands are never longer than what the terminal hands out. */
static void take_commands(struct result *before)
{
	char text[512], *save = NULL;
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
		execute(line, before);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A MiB of the long-lived pool, then a page of it anew. */
static void look_after_lasting(size_t *next, struct result *result)
{
	if (!lasting.pages)
		return;
	check(&lasting, *next, *next + MIB_PAGES, result);
	generation++;
	write_page(&lasting, *next);
	*next = (*next + MIB_PAGES) % lasting.pages;
}

/*
 * A second process, so that the processor changes between address spaces all the time. QEMU's
 * emulated one keeps a TLB, in which a page that may be written without being marked dirty is made
 * to fault again when the marks are collected. QEMU 7.2 does that only where RAM has a size as in
 * migration.py; later ones do it, but not if all that are collected then were pages still to be
 * sent (num_dirty in physical_memory_sync_dirty_bitmap(), migration/ram.c): so it is when a
 * migration starts. Pages of a guest with one process, which flushes no TLB, then arrived as they
 * were before, on stock QEMU, too.
 */
static void start_neighbour(void)
{
	if (fork())
		return;
	for (;;)
		poll(NULL, 0, 10);
}

int main(void)
{
	struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};
	struct termios terminal;
	struct result before = {0};
	int64_t due = 0;
	size_t next = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!tcgetattr(STDIN_FILENO, &terminal)) {
		terminal.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	}
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	start_neighbour();
	printf("done start\n");
	for (;;) {
		if (poll(&pfd, 1, 20) > 0)
			take_commands(&before);
		look_after_lasting(&next, &before);
		if (churning && now_ms() >= due) {
			churn_step(&before);
			due = now_ms() + CHURN_STEP_MS;
		}
	}
}
