// SPDX-License-Identifier: GPL-2.0-or-later
#include "variant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/config.h"

#define LIST_MAX (VM_LIST_MAX - 5)

const char variant_help[] =
	"A VARIANT is a list of these, divided by commas (a comma in a value is doubled):\n"
	"  stock               QEMU as it is\n"
	"  shim                with the library, in its default setting\n"
	"  shift=N, size=S     with the library: regions of 2^N bytes, of S bytes\n"
	"  off                 with the library, told to do nothing\n"
	"  param=SIZE          QEMU's own parameter x-rdma-chunk-size\n"
	"  pin-all             QEMU's capability rdma-pin-all\n"
	"  tcp                 over TCP, in place of --transport\n"
	"  preload=END         source, destination, both or none\n"
	"  env:NAME=VALUE      an environment variable of both QEMUs\n"
	"  qmp:NAME=VALUE      a migration parameter of both QEMUs\n"
	"  cap:NAME            a migration capability of both QEMUs\n"
	"  qemu=FILE, root=DIR another QEMU, in another root directory\n"
	"  label=TEXT          what to call it in reports\n";

/* NAME=VALUE, or the name alone when @value is NULL. */
static int append(char **list, const char *name, const char *value, const char *variant,
		  struct failure *failure)
{
	size_t n = 0;
	char *text;

	while (n < LIST_MAX && list[n])
		n++;
	if (n == LIST_MAX ||
	    asprintf(&text, "%s%s%s", name, value ? "=" : "", value ? value : "") < 0)
		return fail(failure, "variant %s: too much of one kind", variant);
	list[n] = text;
	return 0;
}

static const char *const preload_names[] = {
	[PRELOAD_NONE] = "none",
	[PRELOAD_SOURCE] = "source",
	[PRELOAD_DESTINATION] = "destination",
	[PRELOAD_BOTH] = "both",
};

enum preload variant_preload(const char *text)
{
	for (int i = PRELOAD_NONE; i <= PRELOAD_BOTH; i++)
		if (!strcmp(text, preload_names[i]))
			return (enum preload)i;
	return PRELOAD_DEFAULT;
}

const char *variant_preload_name(enum preload preload)
{
	return preload == PRELOAD_DEFAULT ? "" : preload_names[preload];
}

/* The words that stand alone. */
static int parse_word(const char *word, struct variant *v, const char *whole,
		      struct failure *failure)
{
	if (!strcmp(word, "stock"))
		return 0;
	if (!strcmp(word, "tcp")) {
		v->tcp = true;
		return 0;
	}
	if (!strcmp(word, "pin-all"))
		return append(v->caps, "rdma-pin-all", NULL, whole, failure);
	if (!strncmp(word, "cap:", 4) && word[4])
		return append(v->caps, word + 4, NULL, whole, failure);
	if (strcmp(word, "shim") && strcmp(word, "off"))
		return fail(failure, "variant %s: unknown word '%s'", whole, word);
	v->shim = true;
	if (!strcmp(word, "off"))
		return append(v->env, "RDMACHUNK_SHIFT", "off", whole, failure);
	return 0;
}

static int replace(char **text, const char *value)
{
	free(*text);
	*text = strdup(value);
	return *text ? 0 : -1;
}

/* NAME=VALUE, with the equals sign already replaced by a null byte. */
static int parse_pair(const char *name, const char *value, struct variant *v, const char *whole,
		      struct failure *failure)
{
	if (!strcmp(name, "shift") || !strcmp(name, "size")) {
		v->shim = true;
		return append(v->env, strcmp(name, "size") ? "RDMACHUNK_SHIFT" : "RDMACHUNK_SIZE",
			      value, whole, failure);
	}
	if (!strcmp(name, "param"))
		return append(v->params, "x-rdma-chunk-size", value, whole, failure);
	if (!strncmp(name, "env:", 4) && name[4])
		return append(v->env, name + 4, value, whole, failure);
	if (!strncmp(name, "qmp:", 4) && name[4])
		return append(v->params, name + 4, value, whole, failure);
	if (!strcmp(name, "qemu"))
		return replace(&v->qemu, value);
	if (!strcmp(name, "root"))
		return replace(&v->root, value);
	if (!strcmp(name, "label")) {
		snprintf(v->name, sizeof(v->name), "%s", value);
		return *value ? 0 : fail(failure, "variant %s: the label is empty", whole);
	}
	if (strcmp(name, "preload"))
		return fail(failure, "variant %s: unknown word '%s'", whole, name);
	v->preload = variant_preload(value);
	if (v->preload == PRELOAD_DEFAULT)
		return fail(failure, "variant %s: preload is source, destination, both or none",
			    whole);
	v->shim = v->shim || v->preload != PRELOAD_NONE;
	return 0;
}

/* Cut the next element off *rest, with doubled commas made single. */
static char *next_element(char **rest)
{
	char *start = *rest, *from = start, *to = start;

	while (*from && (*from != ',' || from[1] == ',')) {
		from += *from == ',';
		*to++ = *from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return start;
}

/* What the library will say to its variables: it knows them best. */
static int check_environment(struct variant *v, const char *whole, struct failure *failure)
{
	struct config config;

	for (char **e = v->env; *e; e++) {
		int len = (int)strcspn(*e, "=");

		if (!strncmp(*e, "LD_PRELOAD=", strlen("LD_PRELOAD=")))
			return fail(failure,
				    "variant %s: LD_PRELOAD is not env:'s: use shim and --lib, or "
				    "--count-lib",
				    whole);
		if (!v->shim && !strncmp(*e, "RDMACHUNK_", strlen("RDMACHUNK_")))
			return fail(failure,
				    "variant %s: %.*s is for the library, which is not loaded: "
				    "add shim",
				    whole, len, *e);
	}
	if (!v->shim)
		return 0;
	config_parse(&config, v->env);
	if (config.errors)
		return fail(failure, "variant %s: %s", whole, config.error[0]);
	if (config.warnings)
		return fail(failure, "variant %s: %s", whole, config.warning[0]);
	v->enabled = config.enabled;
	return 0;
}

int variant_parse(const char *text, struct variant *variant, struct failure *failure)
{
	char *copy = strdup(text), *rest = copy;
	int ret = 0;

	*variant = (struct variant){.name = ""};
	snprintf(variant->text, sizeof(variant->text), "%s", text);
	if (!copy)
		return fail(failure, "no memory");
	while (rest && !ret) {
		char *element = next_element(&rest), *equals = strchr(element, '=');

		if (equals)
			*equals = '\0';
		ret = equals ? parse_pair(element, equals + 1, variant, text, failure)
			     : parse_word(element, variant, text, failure);
	}
	free(copy);
	if (!variant->name[0])
		snprintf(variant->name, sizeof(variant->name), "%s", text);
	if (!ret)
		ret = check_environment(variant, text, failure);
	if (ret)
		variant_free(variant);
	return ret;
}

static void free_list(char **list)
{
	for (; *list; list++) {
		free(*list);
		*list = NULL;
	}
}

void variant_free(struct variant *variant)
{
	free_list(variant->env);
	free_list(variant->params);
	free_list(variant->caps);
	free(variant->qemu);
	free(variant->root);
	variant->qemu = variant->root = NULL;
}
