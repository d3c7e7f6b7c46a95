// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmargs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_owned(struct vm_args *args, char *text, struct failure *failure)
{
	if (!text || args->n == VM_ARGS_MAX) {
		free(text);
		return fail(failure, "QEMU's command line has too many arguments");
	}
	args->v[args->n++] = text;
	args->v[args->n] = NULL;
	return 0;
}

int vm_args_add(struct vm_args *args, const char *text, struct failure *failure)
{
	return add_owned(args, strdup(text), failure);
}

__attribute__((format(printf, 3, 4))) static int
add_format(struct vm_args *args, struct failure *failure, const char *format, ...)
{
	char *text = NULL;
	va_list list;

	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	va_end(list);
	return add_owned(args, text, failure);
}

static int add_list(struct vm_args *args, const char *const *list, struct failure *failure)
{
	for (; list && *list; list++)
		if (vm_args_add(args, *list, failure))
			return -1;
	return 0;
}

void vm_args_free(struct vm_args *args)
{
	for (size_t i = 0; i < args->n; i++)
		free(args->v[i]);
	args->n = 0;
	args->v[0] = NULL;
}

bool vm_args_mention(const char *const *command, const char *placeholder)
{
	for (; command && *command; command++)
		if (strstr(*command, placeholder))
			return true;
	return false;
}

char *vm_args_expand(const char *text, const struct vm_line *line)
{
	char size[24], *out = NULL;
	const struct {
		const char *name, *value;
	} places[] = {{"{ram}", line->ram}, {"{size}", size}, {"{end}", line->end}};
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	snprintf(size, sizeof(size), "%llu", (unsigned long long)line->ram_size);
	while (f && *text) {
		size_t i;

		for (i = 0; i < 3; i++)
			if (!strncmp(text, places[i].name, strlen(places[i].name)))
				break;
		if (i < 3) {
			fputs(places[i].value, f);
			text += strlen(places[i].name);
		} else {
			fputc(*text++, f);
		}
	}
	if (!f || fclose(f))
		return NULL;
	return out;
}

static int add_memory(struct vm_args *args, const struct vm_line *line, struct failure *failure)
{
	const char *memory = line->memory;
	char *object;
	int ret;

	object = vm_args_expand(memory ? memory : "memory-backend-file,mem-path={ram},share=on",
				line);
	if (!object)
		return fail(failure, "no memory");
	ret = vm_args_add(args, "-object", failure);
	if (!ret)
		ret = add_format(args, failure, "%s,id=ram0,size=%llu%s", object,
				 (unsigned long long)line->ram_size,
				 line->prealloc ? ",prealloc=on" : "");
	free(object);
	return ret;
}

static int add_builtin(struct vm_args *args, const struct vm_line *line, struct failure *failure)
{
	static const char *const fixed[] = {
		"-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg", NULL};

	if (vm_args_add(args, line->binary, failure) || add_list(args, fixed, failure) ||
	    vm_args_add(args, "-machine", failure) ||
	    add_format(args, failure, "%s,memory-backend=ram0", line->machine) ||
	    add_memory(args, line, failure) || vm_args_add(args, "-m", failure) ||
	    add_format(args, failure, "%lluM", (unsigned long long)(line->ram_size >> 20)))
		return -1;
	return 0;
}

static int add_command(struct vm_args *args, const struct vm_line *line, struct failure *failure)
{
	for (const char *const *word = line->command; *word; word++)
		if (add_owned(args, vm_args_expand(*word, line), failure))
			return -1;
	return 0;
}

int vm_args_build(struct vm_args *args, const struct vm_line *line, struct failure *failure)
{
	if (line->command ? add_command(args, line, failure) : add_builtin(args, line, failure))
		return -1;
	if (vm_args_add(args, "-chardev", failure) ||
	    add_format(args, failure, "%s,id=rdmachunk-ab", line->chardev) ||
	    vm_args_add(args, "-qmp", failure) ||
	    vm_args_add(args, "chardev:rdmachunk-ab", failure) ||
	    (line->paused && vm_args_add(args, "-S", failure)))
		return -1;
	if (line->incoming &&
	    (vm_args_add(args, "-incoming", failure) || vm_args_add(args, "defer", failure)))
		return -1;
	if (line->bios &&
	    (vm_args_add(args, "-bios", failure) || vm_args_add(args, line->bios, failure)))
		return -1;
	return add_list(args, line->extra, failure);
}
