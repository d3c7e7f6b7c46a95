/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_FUZZ_FUZZ_H
#define RDMACHUNK_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What the targets share. A target defines LLVMFuzzerTestOneInput(), which libFuzzer calls, or
 * run.c with the inputs of the corpus. It ends the process where something does not hold.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Something that has to hold for any input. */
#define ENSURE(what)                                                                              \
	do {                                                                                      \
		if (!(what)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* The bytes of an input that have not been used yet. Zeros follow the last. */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t input_8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

static inline uint32_t input_32(struct input *in)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 8 | input_8(in);
	return value;
}

static inline uint64_t input_64(struct input *in)
{
	uint64_t high = input_32(in);

	return high << 32 | input_32(in);
}

/* The bytes up to the next `end`, which is used up, or all: a string of the caller's. */
static inline char *input_string(struct input *in, char end)
{
	const uint8_t *found = in->left ? memchr(in->at, end, in->left) : NULL;
	size_t len = found ? (size_t)(found - in->at) : in->left;
	char *string = malloc(len + 1);

	ENSURE(string);
	if (len)
		memcpy(string, in->at, len);
	string[len] = '\0';
	in->at += len + !!found;
	in->left -= len + !!found;
	return string;
}

/* A copy, the caller's, of exactly so many bytes, so that a sanitizer sees a step past them. */
static inline void *exact_copy(const void *data, size_t size)
{
	void *copy = malloc(size ? size : 1);

	ENSURE(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

#endif
