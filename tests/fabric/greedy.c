// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An allocator to preload that maps memory for every block and unmaps it again, by the functions
 * anybody else calls, with a lock of its own held. So the fabric's munmap is called from within
 * malloc, in every thread, before any constructor has run and while memory is discarded; it must
 * neither recurse nor wait for a lock whose holder allocates.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096ul

/* In front of each block. */
struct block {
	void *mapped;
	size_t mapped_length;
	size_t length;
	size_t pad;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The C library's names, for it to find. */
void *malloc(size_t length);
void *calloc(size_t count, size_t length);
void *realloc(void *old, size_t length);
void free(void *memory);
void *memalign(size_t alignment, size_t length);
void *aligned_alloc(size_t alignment, size_t length);
int posix_memalign(void **memory, size_t alignment, size_t length);

static struct block *block_of(void *memory)
{
	return (struct block *)memory - 1;
}

void *memalign(size_t alignment, size_t length)
{
	size_t extra = sizeof(struct block) + (alignment > 16 ? alignment : 16);
	struct block block = {.length = length};
	uintptr_t at;

	if (length > SIZE_MAX / 2) {
		errno = ENOMEM;
		return NULL;
	}
	block.mapped_length = (length + extra + PAGE - 1) & ~(PAGE - 1);
	pthread_mutex_lock(&lock);
	block.mapped = mmap(NULL, block.mapped_length, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_mutex_unlock(&lock);
	if (block.mapped == MAP_FAILED)
		return NULL;
	at = (uintptr_t)block.mapped + sizeof(block);
	if (alignment > 16)
		at = (at + alignment - 1) & ~(alignment - 1);
	*block_of((void *)at) = block;
	return (void *)at;
}

void *malloc(size_t length)
{
	return memalign(16, length);
}

void *aligned_alloc(size_t alignment, size_t length)
{
	return memalign(alignment, length);
}

int posix_memalign(void **memory, size_t alignment, size_t length)
{
	*memory = memalign(alignment, length);
	return *memory ? 0 : ENOMEM;
}

void *calloc(size_t count, size_t length)
{
	if (length && count > SIZE_MAX / 2 / length) {
		errno = ENOMEM;
		return NULL;
	}
	return malloc(count * length);
}

void free(void *memory)
{
	struct block block;
	int err = errno;

	if (!memory)
		return;
	block = *block_of(memory);
	pthread_mutex_lock(&lock);
	madvise(block.mapped, block.mapped_length, MADV_DONTNEED);
	munmap(block.mapped, block.mapped_length);
	pthread_mutex_unlock(&lock);
	errno = err;
}

void *realloc(void *old, size_t length)
{
	void *memory = malloc(length);
	size_t had = old ? block_of(old)->length : 0;

	if (memory && old) {
		memcpy(memory, old, had < length ? had : length);
		free(old);
	}
	return memory;
}
