/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/printable.h"

size_t printable_character(const char *string)
{
	/* By length: what the first byte has to be, and the lowest character that needs it. */
	static const struct {
		unsigned char mask, lead;
		unsigned int least;
	} kinds[] = {
		{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	const unsigned char *s = (const unsigned char *)string;
	unsigned int value;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((s[0] & kinds[i].mask) != kinds[i].lead)
			continue;
		value = s[0] & (unsigned char)~kinds[i].mask;
		for (size_t j = 1; j <= i; j++) {
			if ((s[j] & 0xc0) != 0x80)
				return 0;
			value = value << 6 | (s[j] & 0x3fu);
		}
		if (value < kinds[i].least || value > 0x10ffff ||
		    (value >= 0xd800 && value < 0xe000))
			return 0;
		/* Control characters, those of Latin 1 among them. */
		return value < 0x20 || (value >= 0x7f && value < 0xa0) ? 0 : i + 1;
	}
	return 0;
}

void printable(char *string)
{
	size_t n;

	for (; *string; string += n ? n : 1) {
		n = printable_character(string);
		if (!n)
			*string = '?';
	}
}
