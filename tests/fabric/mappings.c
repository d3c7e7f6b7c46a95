// SPDX-License-Identifier: GPL-2.0-or-later
#include "mappings.h"

#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#define FIRST_ROOM 4096
#define BUFFER	   65536

static struct mapping *table;
static size_t used, room;
static char buffer[BUFFER];
static atomic_bool stale = true;

void fab_mappings_changed(void)
{
	atomic_store_explicit(&stale, true, memory_order_release);
}

static int grow(void)
{
	size_t bigger = room ? 2 * room : FIRST_ROOM;
	struct mapping *memory = raw_memory(bigger * sizeof(*table));

	if (memory == MAP_FAILED)
		return -1;
	if (table) {
		memcpy(memory, table, used * sizeof(*table));
		raw_munmap(table, room * sizeof(*table));
	}
	table = memory;
	room = bigger;
	return 0;
}

static uint64_t number(const char **at, unsigned int base)
{
	uint64_t value = 0;
	unsigned int digit;

	for (;; (*at)++) {
		if (**at >= '0' && **at <= '9')
			digit = **at - '0';
		else if (**at >= 'a' && **at <= 'f')
			digit = **at - 'a' + 10;
		else
			return value;
		if (digit >= base)
			return value;
		value = value * base + digit;
	}
}

/* "7f00-8f00 rw-s 00001000 00:01 1029   /path": see proc_pid_maps(5). */
static void parse(const char *line, struct mapping *mapping)
{
	unsigned int major, minor;

	mapping->start = number(&line, 16);
	line++;
	mapping->end = number(&line, 16);
	mapping->writable = line[2] == 'w';
	mapping->shared = line[4] == 's';
	line += 6;
	mapping->offset = number(&line, 16);
	line++;
	major = number(&line, 16);
	line++;
	minor = number(&line, 16);
	line++;
	mapping->dev = makedev(major, minor);
	mapping->ino = number(&line, 10);
}

static int read_all(int fd)
{
	size_t have = 0;
	char *line, *end;
	ssize_t got;

	used = 0;
	for (;;) {
		got = read(fd, buffer + have, BUFFER - 1 - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got;
		have += got;
		buffer[have] = '\0';
		for (line = buffer; (end = strchr(line, '\n')); line = end + 1) {
			if (used == room && grow() != 0)
				return -1;
			parse(line, &table[used++]);
		}
		have -= line - buffer;
		memmove(buffer, line, have);
	}
}

const struct mapping *fab_mappings(size_t *count)
{
	int fd, err;

	if (atomic_exchange_explicit(&stale, false, memory_order_acquire)) {
		fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
		err = fd < 0 ? -1 : read_all(fd);
		if (err)
			perror("rdmafabric: /proc/self/maps");
		if (fd >= 0)
			close(fd);
		if (err) {
			fab_mappings_changed();
			return NULL;
		}
	}
	*count = used;
	return table;
}
