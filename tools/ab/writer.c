// SPDX-License-Identifier: GPL-2.0-or-later
#include "writer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_SIZE 0x40000u
#define PAGE	   4096u
/* Offsets in the last 64 KiB, which end at 4 GiB and, at reset, are what CS covers. */
#define LAST	 (IMAGE_SIZE - 0x10000u)
#define CODE_AT	 0xfe00u
#define GDT_AT	 0xff80u
#define GDTR_AT	 0xffe0u
#define RESET_AT 0xfff0u

#define PIT_HZ 1193182

#define LE32(x) (x) & 0xff, ((x) >> 8) & 0xff, ((x) >> 16) & 0xff, ((x) >> 24) & 0xff

/* One instruction a line. */
/* clang-format off */
static const unsigned char reset_vector[] = {
	0xe9, 0x0d, 0xfe,			/*	jmp CODE_AT (from 0xfff3) */
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
	0xb0, 0x34,				/*	mov $0x34, %al: channel 0, mode 2 */
	0xe6, 0x43,				/*	out %al, $0x43 */
	0x31, 0xc0,				/*	xor %eax, %eax: 65536 ticks */
	0xe6, 0x40,				/*	out %al, $0x40 */
	0xe6, 0x40,				/*	out %al, $0x40 */
	0x31, 0xdb,				/*	xor %ebx, %ebx: pages written */
	0x31, 0xf6,				/*	xor %esi, %esi: 2^-24 pages due */
	0x31, 0xed,				/*	xor %ebp, %ebp: the PIT's last count */
	0xbf, LE32(WRITER_START),		/*	mov $WRITER_START, %edi */
	/* How many ticks is it since the last time? */
	0x31, 0xc0,				/* 2:	xor %eax, %eax */
	0xe6, 0x43,				/*	out %al, $0x43: latch */
	0xe4, 0x40,				/*	in $0x40, %al */
	0x88, 0xc1,				/*	mov %al, %cl */
	0xe4, 0x40,				/*	in $0x40, %al */
	0x88, 0xc4,				/*	mov %al, %ah */
	0x88, 0xc8,				/*	mov %cl, %al */
	0x89, 0xe9,				/*	mov %ebp, %ecx */
	0x89, 0xc5,				/*	mov %eax, %ebp */
	0x29, 0xc1,				/*	sub %eax, %ecx: it counts down */
	0x0f, 0xb7, 0xc1,			/*	movzwl %cx, %eax */
	/* How many pages are due? */
	0xba,					/*	mov $step, %edx: 2^-24 pages a tick */
#define STEP_AT 0x51
	LE32(0u),
	0xf7, 0xe2,				/*	mul %edx */
	0x01, 0xf0,				/*	add %esi, %eax */
	0x83, 0xd2, 0x00,			/*	adc $0, %edx */
	0x89, 0xc6,				/*	mov %eax, %esi */
	0x81, 0xe6, LE32(0x00ffffffu),		/*	and $0xffffff, %esi */
	0x0f, 0xac, 0xd0, 0x18,			/*	shrd $24, %edx, %eax */
	0x89, 0xc1,				/*	mov %eax, %ecx */
	0x85, 0xc9,				/*	test %ecx, %ecx */
	0x74, 0xcb,				/*	jz 2b */
	0x43,					/* 3:	inc %ebx */
	0x89, 0x1f,				/*	mov %ebx, (%edi) */
	0x81, 0xc7, LE32(PAGE),			/*	add $PAGE, %edi */
	0x81, 0xff,				/*	cmp $end, %edi */
#define END_AT 0x79
	LE32(0u),
	0x72, 0x05,				/*	jb 4f */
	0xbf, LE32(WRITER_START),		/*	mov $WRITER_START, %edi */
	0x49,					/* 4:	dec %ecx */
	0x75, 0xe7,				/*	jnz 3b */
	0xeb, 0xb0,				/*	jmp 2b */
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

uint64_t writer_area(uint64_t ram_size)
{
	const uint64_t least = UINT64_C(32) << 20, most = UINT64_C(1) << 30;
	uint64_t area = ram_size / 4 / PAGE * PAGE;

	return area < least ? least : area > most ? most : area;
}

static void put32(unsigned char *to, uint32_t value)
{
	const unsigned char bytes[] = {LE32(value)};

	memcpy(to, bytes, sizeof(bytes));
}

int writer_write(const char *path, uint64_t ram_size, uint64_t rate, struct failure *failure)
{
	unsigned char *image = malloc(IMAGE_SIZE), *last = image ? image + LAST : NULL;
	double step = (double)rate / PAGE / PIT_HZ * (1 << 24);
	bool written = false;
	FILE *f;

	if (!image)
		return fail(failure, "no memory");
	memset(image, 0xf4 /* hlt */, IMAGE_SIZE);
	memcpy(last + CODE_AT, code, sizeof(code));
	put32(last + CODE_AT + STEP_AT, (uint32_t)step);
	put32(last + CODE_AT + END_AT, WRITER_START + (uint32_t)writer_area(ram_size));
	memcpy(last + GDT_AT, gdt, sizeof(gdt));
	memcpy(last + GDTR_AT, gdtr, sizeof(gdtr));
	memcpy(last + RESET_AT, reset_vector, sizeof(reset_vector));
	f = fopen(path, "wbe");
	if (f)
		written = fwrite(image, IMAGE_SIZE, 1, f) == 1;
	if (f && fclose(f))
		written = false;
	free(image);
	return written ? 0 : fail(failure, "cannot write %s: %s", path, strerror(errno));
}
