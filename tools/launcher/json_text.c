/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_text.h"

#include "util/printable.h"

void json_put_string(FILE *out, const char *text, size_t len)
{
	const char *end = text + len;
	size_t n;

	fputc('"', out);
	for (; text < end; text += n ? n : 1) {
		n = printable_character(text);
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if (n)
			fprintf(out, "%.*s", (int)n, text);
		else if (!(*text & 0x80))
			fprintf(out, "\\u%04x", *text);
		else
			fputs("\\ufffd", out);
	}
	fputc('"', out);
}
