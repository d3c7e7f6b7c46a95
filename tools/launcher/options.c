/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "util/config.h"

enum {
	OPT_LIB = 256,
	OPT_CHECK,
	OPT_JSON,
	OPT_MEMORY,
	OPT_PID,
	OPT_PRINT,
	OPT_USER,
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
	{"json", OPT_JSON, NULL, "with --check: print a JSON object"},
	{"memory", OPT_MEMORY, "SIZE", "the guest's memory, as QEMU's -m takes it, for limits"},
	{"pid", OPT_PID, "PID", "with --check: look at the QEMU that is this process"},
	{"user", OPT_USER, "NAME", "with --check: check as this user, whom QEMU will run as"},
	{"print", OPT_PRINT, "FORM", "print the settings to paste: env, systemd or libvirt"},
	{"root", OPT_ROOT, "DIR", NULL},
	{"help", OPT_HELP, NULL, "print this text"},
	{"version", OPT_VERSION, NULL, "print the version"},
};
#define OWN_OPTIONS (sizeof(own_options) / sizeof(own_options[0]))

/* RDMACHUNK_LOG_FILE becomes --log-file. */
static const char *option_name(char out[OPTIONS_NAME_LEN], const struct config_variable *variable)
{
	const char *s = variable->name + strcspn(variable->name, "_");
	size_t i;

	out[0] = '-';
	for (i = 1; i < OPTIONS_NAME_LEN - 1 && s[i - 1]; i++)
		out[i] = (char)(s[i - 1] == '_' ? '-' : tolower((unsigned char)s[i - 1]));
	out[i] = '\0';
	return out;
}

static bool parse_pid(const char *text, pid_t *pid)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || number < 1 || number > INT_MAX)
		return false;
	*pid = (pid_t)number;
	return true;
}

static bool is_form(const char *text)
{
	return !strcmp(text, "env") || !strcmp(text, "systemd") || !strcmp(text, "libvirt");
}

static bool refuse(const char *what)
{
	fprintf(stderr, "rdmachunk: %s %s\n", what, optarg);
	return false;
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
	case OPT_JSON:
		options->json = true;
		return true;
	case OPT_MEMORY:
		return guest_parse_size(optarg, &options->memory) ||
		       refuse("not a size such as 512M or 8G: --memory");
	case OPT_PID:
		return parse_pid(optarg, &options->pid) || refuse("not a process id: --pid");
	case OPT_PRINT:
		options->print = optarg;
		return is_form(optarg) || refuse("not env, systemd or libvirt: --print");
	case OPT_USER:
		options->user = optarg;
		return true;
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
		options->typed[value - OPT_VARIABLE] = options->names[value - OPT_VARIABLE];
		return true;
	}
}

bool options_parse(struct options *options, int argc, char **argv)
{
	struct option table[OWN_OPTIONS + OPTIONS_VARIABLES_MAX + 1];
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
			fprintf(stderr, "rdmachunk: too many variables\n");
			return false;
		}
		table[count].name = option_name(options->names[i], &config_variables[i]) + 2;
		table[count].has_arg = required_argument;
		table[count].val = OPT_VARIABLE + i;
	}
	/* "+": what follows the program's name is the program's. */
	while ((value = getopt_long(argc, argv, "+", table, NULL)) != -1)
		if (!apply(options, value))
			return false;
	options->command = argv + optind;
	/* A process, as a program of that name would have its directory in front. */
	if (options->check && !options->pid && options->command[0] &&
	    parse_pid(options->command[0], &options->pid))
		options->command++;
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
	char name[OPTIONS_NAME_LEN];

	fputs("Usage: rdmachunk [OPTION...] [--] QEMU [ARGUMENT...]\n"
	      "       rdmachunk --check [OPTION...] [QEMU|PID]\n"
	      "       rdmachunk --print FORM [OPTION...]\n"
	      "       rdmachunk attach [OPTION...] PID|GUEST\n"
	      "       rdmachunk detach PID|GUEST\n"
	      "       rdmachunk status [--help] [OPTION...] [PID|GUEST]\n"
	      "Run QEMU so that its migrations over RDMA register memory in large regions; have one that\n"
	      "runs already do so, and no longer; or show what all of them do.\n"
	      "\n",
	      out);
	for (v = config_variables; v->name; v++) {
		help_line(out, option_name(name, v) + 2, "VALUE", v->help);
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
