// SPDX-License-Identifier: GPL-2.0-or-later
#include "writer.h"

#include <string.h>

#include "firmware.h"

#define IMAGE_SIZE 0x40000u
#define PAGE	   4096u

#define PIT_HZ 1193182

#define LE32(x) FIRMWARE_LE32(x)

/* One instruction a line. */
/* clang-format off */
static const unsigned char code[] = {
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
#define STEP_AT 0x2d
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
#define END_AT 0x55
	LE32(0u),
	0x72, 0x05,				/*	jb 4f */
	0xbf, LE32(WRITER_START),		/*	mov $WRITER_START, %edi */
	0x49,					/* 4:	dec %ecx */
	0x75, 0xe7,				/*	jnz 3b */
	0xeb, 0xb0,				/*	jmp 2b */
};
/* clang-format on */

_Static_assert(sizeof(code) <= FIRMWARE_CODE_MAX, "room for the program");

uint64_t writer_area(uint64_t ram_size)
{
	const uint64_t least = UINT64_C(32) << 20, most = UINT64_C(1) << 30;
	uint64_t area = ram_size / 4 / PAGE * PAGE;

	return area < least ? least : area > most ? most : area;
}

int writer_write(const char *path, uint64_t ram_size, uint64_t rate, struct failure *failure)
{
	double step = (double)rate / PAGE / PIT_HZ * (1 << 24);
	unsigned char program[sizeof(code)];

	memcpy(program, code, sizeof(code));
	firmware_put32(program + STEP_AT, (uint32_t)step);
	firmware_put32(program + END_AT, WRITER_START + (uint32_t)writer_area(ram_size));
	return firmware_write(path, IMAGE_SIZE, program, sizeof(program), failure);
}
