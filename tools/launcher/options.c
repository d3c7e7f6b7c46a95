/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "util/config.h"

enum {
	OPT_LIB = 256,
	OPT_CHECK,
	OPT_MEMORY,
	OPT_ROOT,
	OPT_HELP,
	OPT_VERSION,
	OPT_VARIABLE, /* and those that follow: the variables, in their order */
};

static const struct {
	const char *name;
	int value;
	const char *argument; /* NULL: the option takes none */
	const char *help;     /* NULL: not for users */
} own_options[] = {
	{"lib", OPT_LIB, "FILE", "the library to load (default " LIBRARY_PATH ")"},
	{"check", OPT_CHECK, NULL, "say whether it will work with QEMU on this host, and why not"},
	{"memory", OPT_MEMORY, "SIZE", "with --check: the guest's memory, as QEMU's -m takes it"},
	{"root", OPT_ROOT, "DIR", NULL},
	{"help", OPT_HELP, NULL, "print this text"},
	{"version", OPT_VERSION, NULL, "print the version"},
};
#define OWN_OPTIONS (sizeof(own_options) / sizeof(own_options[0]))

/* Room for the name of an option that stands for a variable. */
#define NAME_LEN 32

/* RDMACHUNK_LOG_FILE becomes log-file. */
static const char *option_name(char out[NAME_LEN], const struct config_variable *variable)
{
	const char *s = strchr(variable->name, '_') + 1;
	size_t i;

	for (i = 0; i < NAME_LEN - 1 && s[i]; i++)
		out[i] = (char)(s[i] == '_' ? '-' : tolower((unsigned char)s[i]));
	out[i] = '\0';
	return out;
}

/* SIZE as QEMU's -m takes it: MiB when there is no suffix. */
static bool parse_memory(const char *text, unsigned long long *bytes)
{
	static const char suffixes[] = "kmgt";
	unsigned long long number;
	unsigned int unit = 20;
	const char *suffix;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		suffix = strchr(suffixes, tolower((unsigned char)*end));
		if (!suffix || end[1])
			return false;
		unit = 10 * (unsigned int)(suffix - suffixes + 1);
	}
	if (number == 0 || number > (1ULL << 60) >> unit)
		return false;
	*bytes = number << unit;
	return true;
}

static bool apply(struct options *options, int value)
{
	switch (value) {
	case OPT_LIB:
		options->library = optarg;
		return true;
	case OPT_CHECK:
		options->check = true;
		return true;
	case OPT_MEMORY:
		if (parse_memory(optarg, &options->memory))
			return true;
		fprintf(stderr, "rdmachunk: --memory=%s is not a size such as 512M or 8G\n",
			optarg);
		return false;
	case OPT_ROOT:
		options->root = optarg;
		return true;
	case OPT_HELP:
		options->help = true;
		return true;
	case OPT_VERSION:
		options->version = true;
		return true;
	default:
		/* getopt has said what is wrong with it. */
		if (value < OPT_VARIABLE)
			return false;
		options->variable[value - OPT_VARIABLE] = optarg;
		return true;
	}
}

bool options_parse(struct options *options, int argc, char **argv)
{
	struct option table[OWN_OPTIONS + OPTIONS_VARIABLES_MAX + 1];
	char names[OPTIONS_VARIABLES_MAX][NAME_LEN];
	size_t count = 0;
	int value;

	memset(options, 0, sizeof(*options));
	memset(table, 0, sizeof(table));
	options->root = "";
	for (size_t i = 0; i < OWN_OPTIONS; i++, count++) {
		table[count].name = own_options[i].name;
		table[count].has_arg = own_options[i].argument ? required_argument : no_argument;
		table[count].val = own_options[i].value;
	}
	for (int i = 0; config_variables[i].name; i++, count++) {
		if (i == OPTIONS_VARIABLES_MAX) {
			fprintf(stderr, "rdmachunk: more variables than I have room for\n");
			return false;
		}
		table[count].name = option_name(names[i], &config_variables[i]);
		table[count].has_arg = required_argument;
		table[count].val = OPT_VARIABLE + i;
	}
	/* "+": what follows the program's name is the program's. */
	while ((value = getopt_long(argc, argv, "+", table, NULL)) != -1)
		if (!apply(options, value))
			return false;
	options->command = argv + optind;
	return true;
}

static void help_line(FILE *out, const char *name, const char *argument, const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s", name, argument ? " " : "",
		 argument ? argument : "");
	fprintf(out, "  %-18s %s\n", left, help);
}

void options_help(FILE *out)
{
	const struct config_variable *v;
	char name[NAME_LEN];

	fputs("Usage: rdmachunk [OPTION...] [--] QEMU [ARGUMENT...]\n"
	      "       rdmachunk --check [OPTION...] [QEMU]\n"
	      "       rdmachunk attach [OPTION...] PID|GUEST\n"
	      "       rdmachunk detach PID|GUEST\n"
	      "Run QEMU so that its migrations over RDMA register memory in large regions; or have one\n"
	      "that runs already do so, and no longer.\n"
	      "\n",
	      out);
	for (v = config_variables; v->name; v++) {
		help_line(out, option_name(name, v), "VALUE", v->help);
		fprintf(out, "  %-18s %s (default: %s)\n", "", v->allowed, v->fallback);
	}
	for (size_t i = 0; i < OWN_OPTIONS; i++)
		if (own_options[i].help)
			help_line(out, own_options[i].name, own_options[i].argument,
				  own_options[i].help);
	fputs("\n"
	      "Exit status: QEMU's; 125 when rdmachunk failed, 126 when QEMU cannot be run, 127 when\n"
	      "it is not found. Of --check: 0 when all is well, 1 with warnings, 2 with problems. Of attach\n"
	      "and detach: 0 when it is done, 1 when it cannot be, and nothing was changed, 2 when it failed.\n",
	      out);
}
