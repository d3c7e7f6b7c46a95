/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for a QEMU of a migration with a return path: two connections of one role to one peer, the
 * second begun first in the order of its descriptors. Opens the FIFO RDMATEST_WAIT and stays.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/figures.h"

static int show(uint64_t started, uint64_t ram)
{
	const struct figures figures = {
		.version = "1",
		.peer = "192.0.2.7",
		.role = "source",
		.started = started,
		.ram_bytes = ram,
	};
	int fd = memfd_create(FIGURES_NAME, MFD_ALLOW_SEALING);
	struct figures_page *page;

	if (fd < 0 || ftruncate(fd, sizeof(*page)) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -1;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -1;
	figures_init(page);
	figures_write(page, &figures);
	return fd;
}

int main(void)
{
	const char *wait = getenv("RDMATEST_WAIT");

	int fd;

	if (!wait || show(2000, 22) < 0 || show(1000, 11) < 0)
		return 1;
	fd = open(wait, O_RDONLY);
	if (fd < 0)
		return 1;
	for (;;)
		pause();
}
