// SPDX-License-Identifier: GPL-2.0-or-later
#include "firmware.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Offsets in the last 64 KiB, which end at 4 GiB and, at reset, are what CS covers. */
#define ENTRY_AT 0xfe00u
#define GDT_AT	 0xff80u
#define GDTR_AT	 0xffe0u
#define RESET_AT 0xfff0u

#define LE32(x) FIRMWARE_LE32(x)

/* One instruction a line. */
/* clang-format off */
static const unsigned char reset_vector[] = {
	0xe9, 0x0d, 0xfe,			/*	jmp ENTRY_AT (from 0xfff3) */
};

/* Before the program. */
static const unsigned char entry[] = {
	/* 16-bit real mode */
	0xfa,					/*	cli */
	0xe4, 0x92,				/*	in $0x92, %al */
	0x0c, 0x02,				/*	or $2, %al: A20 on */
	0xe6, 0x92,				/*	out %al, $0x92 */
	0x2e, 0x66, 0x0f, 0x01, 0x16,		/*	lgdtl %cs:GDTR_AT */
	GDTR_AT & 0xff, GDTR_AT >> 8,
	0x0f, 0x20, 0xc0,			/*	mov %cr0, %eax */
	0x0c, 0x01,				/*	or $1, %al */
	0x0f, 0x22, 0xc0,			/*	mov %eax, %cr0 */
	0x66, 0xea,				/*	ljmpl $8, 1f (0x1e in this code) */
	LE32(0xffff0000u + ENTRY_AT + 0x1e), 0x08, 0x00,
	/* 32-bit protected mode */
	0x66, 0xb8, 0x10, 0x00,			/* 1:	mov $0x10, %ax */
	0x8e, 0xd8,				/*	mov %ax, %ds */
};

static const unsigned char gdt[] = {
	0, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0,	/* 0x08: flat code, 4 GiB */
	0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0,	/* 0x10: flat data, 4 GiB */
};

static const unsigned char gdtr[] = {
	sizeof(gdt) - 1, 0, LE32(0xffff0000u + GDT_AT),
};
/* clang-format on */

_Static_assert(ENTRY_AT + sizeof(entry) + FIRMWARE_CODE_MAX <= GDT_AT, "room for the program");

void firmware_put32(unsigned char *to, uint32_t value)
{
	const unsigned char bytes[] = {LE32(value)};

	memcpy(to, bytes, sizeof(bytes));
}

int firmware_write(const char *path, size_t size, const unsigned char *code, size_t len,
		   struct failure *failure)
{
	unsigned char *image = malloc(size), *last;
	bool written = false;
	FILE *f;

	if (!image)
		return fail(failure, "no memory");
	last = image + size - FIRMWARE_SIZE_MIN;
	memset(image, 0xf4 /* hlt */, size);
	memcpy(last + ENTRY_AT, entry, sizeof(entry));
	memcpy(last + ENTRY_AT + sizeof(entry), code, len);
	memcpy(last + GDT_AT, gdt, sizeof(gdt));
	memcpy(last + GDTR_AT, gdtr, sizeof(gdtr));
	memcpy(last + RESET_AT, reset_vector, sizeof(reset_vector));
	f = fopen(path, "wbe");
	if (f)
		written = fwrite(image, size, 1, f) == 1;
	if (f && fclose(f))
		written = false;
	free(image);
	return written ? 0 : fail(failure, "cannot write %s: %s", path, strerror(errno));
}
