/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for QEMU. With --version it says VERSION; else it shows its arguments and what the
 * launcher is to set, a line each; or it opens the FIFO RDMATEST_WAIT and stays. Compiled and
 * linked in several ways by run-tests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "7.2.22 (Debian 1:7.2)"
#endif

int main(int argc, char **argv)
{
	const char *wait = getenv("RDMATEST_WAIT");
	FILE *fifo;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("QEMU emulator version %s\n", VERSION);
		return 0;
	}
	/* Says there that it runs, and goes on doing so. */
	fifo = wait ? fopen(wait, "r") : NULL;
	while (fifo)
		pause();
	for (int i = 1; i < argc; i++)
		printf("argument=%s\n", argv[i]);
	for (char **entry = environ; *entry; entry++)
		if (!strncmp(*entry, "RDMACHUNK_", 10) || !strncmp(*entry, "LD_PRELOAD=", 11))
			puts(*entry);
	return argc > 2 && !strcmp(argv[1], "exit") ? atoi(argv[2]) : 0;
}
