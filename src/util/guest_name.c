/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/guest_name.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/printable.h"

/* No command line of a QEMU is longer; the kernel's own limit is larger. */
#define COMMAND_LINE_MAX (1 << 20)

/* Make what is printed of `name`, cutting it between two characters if need be. */
static void set_name(char out[GUEST_NAME_LEN], char *name)
{
	size_t len;

	printable(name);
	len = strlen(name);
	if (len >= GUEST_NAME_LEN)
		for (len = GUEST_NAME_LEN - 1; ((unsigned char)name[len] & 0xc0) == 0x80;)
			len--;
	memcpy(out, name, len);
	out[len] = '\0';
}

/* One of the items of an option's argument, up to a single comma: its value, with two commas
 * made one, to `value`. Returns what follows it. `value` has room for all of the argument. */
static const char *take_value(const char *s, char *value)
{
	for (; *s; s++) {
		if (*s == ',' && *++s != ',')
			break;
		*value++ = *s;
	}
	*value = '\0';
	return s;
}

/* The argument of one -name. */
static void parse_argument(char out[GUEST_NAME_LEN], const char *argument, char *value)
{
	bool first = true;
	size_t key;

	for (const char *s = argument; *s; first = false) {
		key = strcspn(s, "=,");
		if (s[key] == '=') {
			bool guest = key == strlen("guest") && !memcmp(s, "guest", key);

			s = take_value(s + key + 1, value);
			if (guest)
				set_name(out, value);
		} else {
			s = take_value(s, value);
			if (first)
				set_name(out, value);
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
