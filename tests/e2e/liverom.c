// SPDX-License-Identifier: GPL-2.0-or-later
#include "liverom.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define IMAGE_SIZE 0x10000u
/* Offsets in the image, which ends at 4 GiB and, at reset, is what CS covers. */
#define CODE_AT	 0xff00u
#define GDT_AT	 0xff80u
#define GDTR_AT	 0xffe0u
#define RESET_AT 0xfff0u

#define LE32(x) (x) & 0xff, ((x) >> 8) & 0xff, ((x) >> 16) & 0xff, ((x) >> 24) & 0xff

/* One instruction a line. */
/* clang-format off */
static const unsigned char reset_vector[] = {
	0xe9, 0x0d, 0xff,			/*	jmp CODE_AT (from 0xfff3) */
};

static const unsigned char code[] = {
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
	LE32(0xffff0000u + CODE_AT + 0x1e), 0x08, 0x00,
	/* 32-bit protected mode */
	0x66, 0xb8, 0x10, 0x00,			/* 1:	mov $0x10, %ax */
	0x8e, 0xd8,				/*	mov %ax, %ds */
	0x31, 0xdb,				/*	xor %ebx, %ebx */
	0x43,					/* 2:	inc %ebx */
	0x89, 0x1d, LE32(LIVEROM_COUNTER),	/*	mov %ebx, LIVEROM_COUNTER */
	0xbe, LE32(1u),				/*	mov $1, %esi */
	0xb9,					/*	mov $pages, %ecx */
#define PAGES_AT 0x33
	LE32(0u),
	/* A linear congruential generator (Numerical Recipes'); its high bits are a page. */
	0x69, 0xf6, LE32(1664525u),		/* 3:	imul $1664525, %esi, %esi */
	0x81, 0xc6, LE32(1013904223u),		/*	add $1013904223, %esi */
	0x89, 0xf7,				/*	mov %esi, %edi */
	0xc1, 0xef,				/*	shr $(32 - log2(ram_size)), %edi */
#define SHIFT_AT 0x47
	0,
	0x81, 0xe7, LE32(0xfffff000u),		/*	and $-4096, %edi */
	0x81, 0xff, LE32(LIVEROM_START),	/*	cmp $LIVEROM_START, %edi */
	0x72, 0x02,				/*	jb 4f */
	0x89, 0x1f,				/*	mov %ebx, (%edi) */
	0x49,					/* 4:	dec %ecx */
	0x75, 0xdc,				/*	jnz 3b */
	0xeb, 0xc9,				/*	jmp 2b */
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

int liverom_write(const char *path, uint64_t ram_size, struct failure *failure)
{
	static unsigned char image[IMAGE_SIZE];
	uint32_t draws = (uint32_t)ram_size / LIVEROM_STRIDE;
	const unsigned char pages[] = {LE32(draws > LIVEROM_LEAST ? draws : LIVEROM_LEAST)};
	unsigned char shift = 32;
	bool written;
	FILE *f;

	if (ram_size >= 0x80000000u || ram_size & (ram_size - 1))
		return fail(failure,
			    "the live scenario needs a power of two below 2 GiB as RAM's size");
	for (uint64_t size = ram_size; size > 1; size /= 2)
		shift--;
	memset(image, 0xf4 /* hlt */, sizeof(image));
	memcpy(image + CODE_AT, code, sizeof(code));
	memcpy(image + CODE_AT + PAGES_AT, pages, sizeof(pages));
	image[CODE_AT + SHIFT_AT] = shift;
	memcpy(image + GDT_AT, gdt, sizeof(gdt));
	memcpy(image + GDTR_AT, gdtr, sizeof(gdtr));
	memcpy(image + RESET_AT, reset_vector, sizeof(reset_vector));
	f = fopen(path, "wbe");
	if (!f)
		return fail(failure, "cannot write %s: %s", path, strerror(errno));
	written = fwrite(image, sizeof(image), 1, f) == 1;
	if (fclose(f) || !written)
		return fail(failure, "cannot write %s: %s", path, strerror(errno));
	return 0;
}
