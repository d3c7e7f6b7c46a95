/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/guest_name.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No command line of a QEMU is longer; the kernel's own limit is larger. */
#define COMMAND_LINE_MAX (1 << 20)

/* Bytes of the UTF-8 sequence at `s`, of `left` bytes at most; 0 when it is none. */
static size_t sequence(const unsigned char *s, size_t left)
{
	/* By length: what the first byte has to be, and the lowest character that needs it. */
	static const struct {
		unsigned char mask, lead;
		unsigned int least;
	} kinds[] = {
		{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	unsigned int value;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((s[0] & kinds[i].mask) != kinds[i].lead)
			continue;
		value = s[0] & (unsigned char)~kinds[i].mask;
		for (size_t j = 1; j <= i; j++) {
			if (j >= left || (s[j] & 0xc0) != 0x80)
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

/* Make what is printed of `name`, of `len` bytes. */
static void clean(char out[GUEST_NAME_LEN], const char *name, size_t len)
{
	size_t used = 0, n;

	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = sequence((const unsigned char *)name + i, len - i);
		if (used + (n ? n : 1) >= GUEST_NAME_LEN)
			break;
		if (n)
			memcpy(out + used, name + i, n);
		else
			out[used] = '?';
		used += n ? n : 1;
	}
	out[used] = '\0';
}

/* One of the items of an option's argument, up to a single comma: its value, with two commas
 * made one, to `value`. Returns what follows it. `value` has room for all of the argument. */
static const char *take_value(const char *s, char *value, size_t *len)
{
	for (*len = 0; *s; s++) {
		if (*s == ',' && *++s != ',')
			return s;
		value[(*len)++] = *s;
	}
	return s;
}

/* The argument of one -name. */
static void parse_argument(char out[GUEST_NAME_LEN], const char *argument, char *value)
{
	bool first = true;
	size_t key, len;

	for (const char *s = argument; *s; first = false) {
		key = strcspn(s, "=,");
		if (s[key] == '=') {
			bool guest = key == strlen("guest") && !memcmp(s, "guest", key);

			s = take_value(s + key + 1, value, &len);
			if (guest)
				clean(out, value, len);
		} else {
			s = take_value(s, value, &len);
			if (first)
				clean(out, value, len);
		}
	}
}

void guest_name_parse(char out[GUEST_NAME_LEN], const char *args, size_t size)
{
	const char *end = args + size, *next;
	bool named = false;
	char *value;

	out[0] = '\0';
	for (const char *s = args; s < end; s = next) {
		next = memchr(s, '\0', (size_t)(end - s));
		if (!next)
			return;
		next++;
		if (named) {
			value = malloc((size_t)(next - s));
			if (value)
				parse_argument(out, s, value);
			free(value);
		}
		named = !named && (!strcmp(s, "-name") || !strcmp(s, "--name"));
	}
}

/* Its length; 0 when it cannot be read. To be freed. */
static size_t read_command_line(char **text)
{
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	size_t used = 0, room = 0;
	char *larger;
	ssize_t n = 1;

	*text = NULL;
	while (fd >= 0 && used < COMMAND_LINE_MAX) {
		if (used == room) {
			larger = realloc(*text, room += 16384);
			if (!larger)
				break;
			*text = larger;
		}
		n = read(fd, *text + used, room - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	return used;
}

static char name[GUEST_NAME_LEN];
static pthread_once_t name_once = PTHREAD_ONCE_INIT;

static void read_name(void)
{
	int saved_errno = errno;
	char *text;
	size_t size = read_command_line(&text);

	guest_name_parse(name, text, size);
	free(text);
	errno = saved_errno;
}

const char *guest_name(void)
{
	pthread_once(&name_once, read_name);
	return name;
}
