/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpr.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Is `text' among the words of the list, between which there are commas? */
static bool has_word(const char *list, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = strstr(list, text); at; at = strstr(at + 1, text))
		if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

/* In JSON, as libvirt writes it, with a blank or without. */
static bool json_shares(const char *object, bool share)
{
	const char *at = strstr(object, "\"share\":");

	if (!at)
		return false;
	at += strlen("\"share\":");
	return !strncmp(at + strspn(at, " "), share ? "true" : "false", share ? 4 : 5);
}

static bool is_shared(const char *object)
{
	bool by_default =
		strstr(object, "memory-backend-memfd") || strstr(object, "memory-backend-shm");

	if (has_word(object, "share=on") || json_shares(object, true))
		return true;
	return by_default && !has_word(object, "share=off") && !json_shares(object, false);
}

struct line {
	bool backend; /* the machine's memory is an object's */
	bool private; /* an object's is not shared */
	bool denied;
};

static void take(struct line *line, const char *option, const char *value)
{
	option += option[1] == '-' ? 2 : 1;
	if (!strcmp(option, "machine") || !strcmp(option, "M"))
		line->backend = line->backend || strstr(value, "memory-backend=");
	else if (!strcmp(option, "numa"))
		line->backend = line->backend || strstr(value, "memdev=");
	else if (!strcmp(option, "object") && strstr(value, "memory-backend-"))
		line->private = line->private || !is_shared(value);
	else if (!strcmp(option, "sandbox"))
		line->denied = has_word(value, "spawn=deny");
}

enum cpr cpr_of_command(char *const *argv)
{
	struct line line = {0};

	for (; argv[0] && argv[1]; argv++)
		if (argv[0][0] == '-')
			take(&line, argv[0], argv[1]);
	if (!line.backend || line.private)
		return CPR_PRIVATE;
	return line.denied ? CPR_DENIED : CPR_FITS;
}
