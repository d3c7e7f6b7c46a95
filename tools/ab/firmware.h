/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A firmware image for a PC that does nothing but run a program, from reset on. */
#ifndef TOOLS_AB_FIRMWARE_H
#define TOOLS_AB_FIRMWARE_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"

/* A number in the bytes of a program. */
#define FIRMWARE_LE32(x) (x) & 0xff, ((x) >> 8) & 0xff, ((x) >> 16) & 0xff, ((x) >> 24) & 0xff

/* Put a number in its place in a program. */
void firmware_put32(unsigned char *to, uint32_t value);

/* Bytes that a program has at most, and an image at least. */
#define FIRMWARE_CODE_MAX 0x150u
#define FIRMWARE_SIZE_MIN 0x10000u

/*
 * Write an image of @size bytes to the file @path. The processor comes to @code, of @len bytes, in
 * 32-bit protected mode with flat segments and A20 on; no other register but DS is set. Returns 0,
 * or -1.
 */
int firmware_write(const char *path, size_t size, const unsigned char *code, size_t len,
		   struct failure *failure);

#endif
