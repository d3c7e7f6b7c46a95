/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/processors.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of "ff,ffffffff", hexadecimal digits and commas, to the end of the line; 0 for anything else. */
static unsigned int count_bits(const char *mask)
{
	unsigned int bits = 0;

	for (; *mask && *mask != '\n'; mask++) {
		char digit[] = {*mask, '\0'};

		if (*mask == ',')
			continue;
		if (!isxdigit((unsigned char)*mask))
			return 0;
		bits += (unsigned int)__builtin_popcountl(strtoul(digit, NULL, 16));
	}
	return bits;
}

static unsigned int count_allowed(FILE *status)
{
	static const char name[] = "Cpus_allowed:\t";
	unsigned int count = 0;
	char *line = NULL;
	size_t size = 0;

	while (!count && getline(&line, &size, status) > 0)
		if (!strncmp(line, name, sizeof(name) - 1))
			count = count_bits(line + sizeof(name) - 1);
	free(line);
	return count;
}

unsigned int processors_allowed(const char *status)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int count = 0, most = online > 0 ? (unsigned int)online : 1;
	FILE *file = fopen(status, "re");

	if (file) {
		count = count_allowed(file);
		fclose(file);
	}
	return count && count < most ? count : most;
}
