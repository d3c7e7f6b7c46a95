// SPDX-License-Identifier: GPL-2.0-or-later
#include "liverom.h"

#include <string.h>

#include "ab/firmware.h"

#define LE32(x) FIRMWARE_LE32(x)

/* One instruction a line. */
/* clang-format off */
static const unsigned char code[] = {
	0x31, 0xdb,				/*	xor %ebx, %ebx */
	0x43,					/* 2:	inc %ebx */
	0x89, 0x1d, LE32(LIVEROM_COUNTER),	/*	mov %ebx, LIVEROM_COUNTER */
	0xbe, LE32(1u),				/*	mov $1, %esi */
	0xb9,					/*	mov $pages, %ecx */
#define PAGES_AT 0xf
	LE32(0u),
	/* A linear congruential generator (Numerical Recipes'); its high bits are a page. */
	0x69, 0xf6, LE32(1664525u),		/* 3:	imul $1664525, %esi, %esi */
	0x81, 0xc6, LE32(1013904223u),		/*	add $1013904223, %esi */
	0x89, 0xf7,				/*	mov %esi, %edi */
	0xc1, 0xef,				/*	shr $(32 - log2(ram_size)), %edi */
#define SHIFT_AT 0x23
	0,
	0x81, 0xe7, LE32(0xfffff000u),		/*	and $-4096, %edi */
	0x81, 0xff, LE32(LIVEROM_START),	/*	cmp $LIVEROM_START, %edi */
	0x72, 0x02,				/*	jb 4f */
	0x89, 0x1f,				/*	mov %ebx, (%edi) */
	0x49,					/* 4:	dec %ecx */
	0x75, 0xdc,				/*	jnz 3b */
	0xeb, 0xc9,				/*	jmp 2b */
};
/* clang-format on */

_Static_assert(sizeof(code) <= FIRMWARE_CODE_MAX, "room for the program");

int liverom_write(const char *path, uint64_t ram_size, struct failure *failure)
{
	uint32_t draws = (uint32_t)ram_size / LIVEROM_STRIDE;
	unsigned char program[sizeof(code)], shift = 32;

	if (ram_size >= 0x80000000u || ram_size & (ram_size - 1))
		return fail(failure,
			    "the live scenario needs a power of two below 2 GiB as RAM's size");
	for (uint64_t size = ram_size; size > 1; size /= 2)
		shift--;
	memcpy(program, code, sizeof(code));
	firmware_put32(program + PAGES_AT, draws > LIVEROM_LEAST ? draws : LIVEROM_LEAST);
	program[SHIFT_AT] = shift;
	return firmware_write(path, FIRMWARE_SIZE_MIN, program, sizeof(program), failure);
}
