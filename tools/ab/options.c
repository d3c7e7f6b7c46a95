// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "stats.h"

enum {
	OPT_VARIANT = 256,
	OPT_PRELOAD,
	OPT_LIB,
	OPT_COUNT_LIB,
	OPT_ROUNDS,
	OPT_WARMUP,
	OPT_TIMEOUT,
	OPT_TRANSPORT,
	OPT_ADDR,
	OPT_QEMU,
	OPT_QEMU_ROOT,
	OPT_QEMU_ARG,
	OPT_MACHINE,
	OPT_DEST_HOST,
	OPT_DEST_QEMU,
	OPT_DEST_LIB,
	OPT_SSH,
	OPT_SIZE,
	OPT_SEED,
	OPT_ZERO_FRACTION,
	OPT_SPARSE,
	OPT_PREALLOC,
	OPT_RAM_DIR,
	OPT_OUTPUT,
	OPT_JSON,
	OPT_CSV,
	OPT_MARKDOWN,
	OPT_CHART,
	OPT_TITLE,
	OPT_NOTE,
	OPT_REPORT,
	OPT_QUIET,
	OPT_HELP,
	OPT_VERSION,
};

/* One table for parsing and for help. A heading has no value. */
static const struct {
	const char *name;
	int value;
	const char *argument, *help;
} option_table[] = {
	{"What is compared", 0, NULL, NULL},
	{"variant", OPT_VARIANT, "VARIANT", "repeatable (default: stock and shim)"},
	{"preload", OPT_PRELOAD, "END", "source (default), destination or both"},
	{"lib", OPT_LIB, "FILE", "the library (default: the installed one)"},
	{"count-lib", OPT_COUNT_LIB, "FILE", "a library that counts, preloaded everywhere"},
	{"rounds", OPT_ROUNDS, "N", "rounds to measure (default 10)"},
	{"warmup", OPT_WARMUP, "N", "rounds before these (default 1)"},
	{"timeout", OPT_TIMEOUT, "SECONDS", "for one migration (default 300)"},
	{"Where it is migrated to", 0, NULL, NULL},
	{"transport", OPT_TRANSPORT, "NAME", "rdma (default) or tcp"},
	{"addr", OPT_ADDR, "ADDRESS", "the destination's (default: the RDMA link's)"},
	{"dest-host", OPT_DEST_HOST, "HOST", "run the destination there, through ssh"},
	{"dest-qemu", OPT_DEST_QEMU, "FILE", "its QEMU (default: as --qemu)"},
	{"dest-lib", OPT_DEST_LIB, "FILE", "its library (default: as --lib)"},
	{"ssh", OPT_SSH, "COMMAND", "ssh and its options (default: ssh -o BatchMode=yes)"},
	{"The guest", 0, NULL, NULL},
	{"qemu", OPT_QEMU, "FILE", "QEMU (default qemu-system-x86_64)"},
	{"qemu-root", OPT_QEMU_ROOT, "DIR", "run it in this root directory (needs root)"},
	{"qemu-arg", OPT_QEMU_ARG, "ARG", "one more argument for QEMU; repeatable"},
	{"machine", OPT_MACHINE, "TYPE", "machine type (default q35)"},
	{"size", OPT_SIZE, "SIZE", "RAM, in MiB or with K, M or G (default 128)"},
	{"seed", OPT_SEED, "N", "seed of the RAM's contents (default 1)"},
	{"zero-fraction", OPT_ZERO_FRACTION, "F", "fraction of zero MiBs (default 0.25)"},
	{"sparse", OPT_SPARSE, "N", "data in one page of N only (default 1)"},
	{"prealloc", OPT_PREALLOC, NULL, "have all its pages allocated before it is migrated"},
	{"ram-dir", OPT_RAM_DIR, "DIR", "where RAM files are made (default /dev/shm)"},
	{"What is reported, besides the table", 0, NULL, NULL},
	{"output", OPT_OUTPUT, "DIR", "all of these, as DIR/result.*"},
	{"json", OPT_JSON, "FILE", "all samples, as JSON"},
	{"csv", OPT_CSV, "FILE", "all samples, as CSV"},
	{"markdown", OPT_MARKDOWN, "FILE", "the table, as Markdown"},
	{"chart", OPT_CHART, "PREFIX", "a chart, as PREFIX.svg and PREFIX.png"},
	{"title", OPT_TITLE, "TEXT", "title of the reports"},
	{"note", OPT_NOTE, "TEXT", "a remark for the reports"},
	{"report", OPT_REPORT, "FILE", "measure nothing: report on this JSON file"},
	{"quiet", OPT_QUIET, NULL, "no progress"},
	{"help", OPT_HELP, NULL, "print this text"},
	{"version", OPT_VERSION, NULL, "print the version"},
};

#define N_OPTIONS (sizeof(option_table) / sizeof(option_table[0]))

static void usage(FILE *f)
{
	fprintf(f, "Usage: rdmachunk-ab [OPTION...] [-- QEMU-COMMAND...]\n"
		   "Compare ways of migrating a guest by migrating it, many times.\n");
	for (size_t i = 0; i < N_OPTIONS; i++) {
		char left[40];

		if (!option_table[i].value) {
			fprintf(f, "\n%s:\n", option_table[i].name);
			continue;
		}
		snprintf(left, sizeof(left), "--%s %s", option_table[i].name,
			 option_table[i].argument ? option_table[i].argument : "");
		fprintf(f, "  %-24s %s\n", left, option_table[i].help);
	}
	fprintf(f,
		"\n%s\n"
		"A QEMU-COMMAND takes the place of the built-in guest. {ram}, {size} and {end}\n"
		"in it become the RAM file's path, its size in bytes, and source or destination.\n",
		variant_help);
}

__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *format, ...)
{
	va_list args;

	fputs("rdmachunk-ab: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; --help tells more\n", stderr);
	exit(2);
}

static unsigned int whole_number(const char *text, unsigned int min, unsigned int max,
				 const char *option)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < min || value > max)
		refuse("--%s %s: not a whole number from %u to %u", option, text, min, max);
	return (unsigned int)value;
}

static double number(const char *text, double min, double max, const char *option)
{
	char *end;
	double value = strtod(text, &end);

	if (!*text || *end || !(value >= min && value <= max))
		refuse("--%s %s: not a number from %g to %g", option, text, min, max);
	return value;
}

/* Bytes; a number alone is in MiB. */
static uint64_t size_of(const char *text, const char *option)
{
	char *end;
	double value = strtod(text, &end);
	int shift = 20;

	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'G' || *end == 'g')
		shift = 30;
	else if (*end && *end != 'M' && *end != 'm')
		refuse("--%s %s: not a size", option, text);
	value *= (double)(UINT64_C(1) << shift);
	if (end == text || (*end && end[1]) || !(value >= 8 << 20 && value <= 1e13))
		refuse("--%s %s: not a size from 8M to 9000G", option, text);
	return (uint64_t)value >> 20 << 20;
}

static void add_variant(struct options *o, const char *text)
{
	struct failure failure = {""};

	if (o->n_variants == RESULT_VARIANTS_MAX)
		refuse("more than %d variants", RESULT_VARIANTS_MAX);
	if (variant_parse(text, &o->variants[o->n_variants], &failure))
		refuse("%s", failure.text);
	for (size_t i = 0; i < o->n_variants; i++)
		if (!strcmp(o->variants[i].name, o->variants[o->n_variants].name))
			refuse("two variants are called %s: use label=", o->variants[i].name);
	o->n_variants++;
}

static void add_argument(struct options *o, const char *argument)
{
	size_t n = 0;

	while (o->qemu_args[n])
		n++;
	if (n == VM_LIST_MAX - 1)
		refuse("too many --qemu-arg");
	o->qemu_args[n] = argument;
}

static void set_lib(struct options *o, const char *path)
{
	char *real = realpath(path, NULL);

	if (!real || strlen(real) >= sizeof(o->lib))
		refuse("--lib %s: %s", path, strerror(errno));
	strcpy(o->lib, real);
	free(real);
}

static void set_option(struct options *o, int option, const char *name)
{
	switch (option) {
	case OPT_VARIANT:
		add_variant(o, optarg);
		break;
	case OPT_PRELOAD:
		o->preload = variant_preload(optarg);
		if (o->preload == PRELOAD_DEFAULT || o->preload == PRELOAD_NONE)
			refuse("--preload is source, destination or both");
		break;
	case OPT_LIB:
		set_lib(o, optarg);
		break;
	case OPT_COUNT_LIB:
		o->count_lib = optarg;
		break;
	case OPT_ROUNDS:
		o->rounds = whole_number(optarg, 1, STATS_PAIRS_MAX, name);
		break;
	case OPT_WARMUP:
		o->warmup = whole_number(optarg, 0, 100, name);
		break;
	case OPT_TIMEOUT:
		o->timeout = (int64_t)(number(optarg, 0.1, 1e6, name) * 1000);
		break;
	case OPT_TRANSPORT:
		if (strcmp(optarg, "rdma") && strcmp(optarg, "tcp"))
			refuse("--transport is rdma or tcp");
		o->transport = optarg;
		break;
	case OPT_ADDR:
		if (snprintf(o->address, sizeof(o->address), "%s", optarg) >=
		    (int)sizeof(o->address))
			refuse("--addr %s: too long", optarg);
		break;
	case OPT_QEMU:
		o->qemu = optarg;
		break;
	case OPT_QEMU_ROOT:
		o->root = optarg;
		break;
	case OPT_QEMU_ARG:
		add_argument(o, optarg);
		break;
	case OPT_MACHINE:
		o->machine = optarg;
		break;
	case OPT_DEST_HOST:
		o->dest_host = optarg;
		break;
	case OPT_DEST_QEMU:
		o->dest_qemu = optarg;
		break;
	case OPT_DEST_LIB:
		o->dest_lib = optarg;
		break;
	case OPT_SSH:
		o->ssh = optarg;
		break;
	case OPT_SIZE:
		o->ram_size = size_of(optarg, name);
		break;
	case OPT_SEED:
		o->pattern.seed = (uint64_t)number(optarg, 0, 1e15, name);
		break;
	case OPT_ZERO_FRACTION:
		o->pattern.zero_fraction = number(optarg, 0, 1, name);
		break;
	case OPT_SPARSE:
		o->pattern.sparse = whole_number(optarg, 1, 1 << 20, name);
		break;
	case OPT_PREALLOC:
		o->prealloc = true;
		break;
	case OPT_RAM_DIR:
		o->ram_dir = optarg;
		break;
	case OPT_OUTPUT:
		o->output = optarg;
		break;
	case OPT_JSON:
		o->json = optarg;
		break;
	case OPT_CSV:
		o->csv = optarg;
		break;
	case OPT_MARKDOWN:
		o->markdown = optarg;
		break;
	case OPT_CHART:
		o->chart = optarg;
		break;
	case OPT_TITLE:
		o->title = optarg;
		break;
	case OPT_NOTE:
		o->note = optarg;
		break;
	case OPT_REPORT:
		o->report = optarg;
		break;
	case OPT_QUIET:
		o->quiet = true;
		break;
	case OPT_HELP:
		usage(stdout);
		exit(0);
	case OPT_VERSION:
		puts("rdmachunk-ab " PACKAGE_VERSION);
		exit(0);
	default:
		fputs("Try rdmachunk-ab --help.\n", stderr);
		exit(2);
	}
}

/*
 * The library that belongs to this program: in the build tree that the program is in, or where both
 * are installed to.
 */
static void find_lib(struct options *o)
{
	static const char in_tree[] = "/tools/ab/rdmachunk-ab";
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t tail = strlen(in_tree);

	self[len > 0 ? len : 0] = '\0';
	if (len > (ssize_t)tail && !strcmp(self + len - tail, in_tree)) {
		snprintf(path, sizeof(path), "%.*s/.libs/librdmachunk.so",
			 (int)(len - (ssize_t)tail), self);
		if (!access(path, R_OK)) {
			set_lib(o, path);
			return;
		}
	}
	if (access(LIBRDMACHUNK_PATH, R_OK))
		refuse("there is no %s: use --lib", LIBRDMACHUNK_PATH);
	set_lib(o, LIBRDMACHUNK_PATH);
}

/* A command of one's own names its QEMU and its machine itself. */
static void complete_guest(struct options *o)
{
	const struct {
		bool given;
		const char *option, *instead;
	} builtin[] = {
		{o->prealloc, "--prealloc", "give prealloc=on"},
		{o->qemu, "--qemu", "name QEMU"},
		{o->dest_qemu, "--dest-qemu", "name QEMU, with {end} where the two differ,"},
		{o->machine, "--machine", "give -machine"},
	};

	for (size_t i = 0; o->command && i < sizeof(builtin) / sizeof(builtin[0]); i++)
		if (builtin[i].given)
			refuse("%s is for the built-in guest: %s in the QEMU command",
			       builtin[i].option, builtin[i].instead);
	for (size_t i = 0; o->command && i < o->n_variants; i++)
		if (o->variants[i].qemu)
			refuse("variant %s: qemu= is for the built-in guest, not for a QEMU command",
			       o->variants[i].text);
	if (!o->qemu)
		o->qemu = "qemu-system-x86_64";
	if (!o->machine)
		o->machine = "q35";
}

static void refuse_two_on_stdout(const struct options *o)
{
	const char *const reports[] = {o->json, o->csv, o->markdown};
	int n = 0;

	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++)
		n += reports[i] && !strcmp(reports[i], "-");
	if (n > 1)
		refuse("only one report can go to standard output");
}

/* What follows from options together. */
static void complete(struct options *o)
{
	bool shim = false;

	if (!o->n_variants) {
		add_variant(o, "stock");
		add_variant(o, "shim");
	}
	for (size_t i = 0; i < o->n_variants; i++)
		shim = shim || o->variants[i].shim;
	if (shim && !o->lib[0])
		find_lib(o);
	if (o->count_lib && (*o->count_lib != '/' || access(o->count_lib, R_OK)))
		refuse("--count-lib needs the absolute path of a file that can be read");
	complete_guest(o);
	refuse_two_on_stdout(o);
	if (o->dest_host && *o->dest_host == '-')
		refuse("--dest-host %s: not a host", o->dest_host);
	if (o->dest_host && !o->address[0])
		refuse("--dest-host needs --addr, the destination's address on the link");
	if (strpbrk(o->ram_dir, " '\"$`\\"))
		refuse("--ram-dir %s: no blanks or quotes, please", o->ram_dir);
	if (!o->address[0])
		address_default(o->address, sizeof(o->address));
}

static void set_defaults(struct options *o)
{
	*o = (struct options){
		.preload = PRELOAD_SOURCE,
		.transport = "rdma",
		.ssh = "ssh -o BatchMode=yes",
		.ram_size = 128 << 20,
		.pattern = {.seed = 1, .zero_fraction = 0.25, .sparse = 1},
		.ram_dir = "/dev/shm",
		.rounds = 10,
		.warmup = 1,
		.timeout = 300000,
	};
}

void options_parse(struct options *options, int argc, char **argv)
{
	struct option longopts[N_OPTIONS + 1] = {0};
	int option, index = 0;
	size_t n = 0;

	for (size_t i = 0; i < N_OPTIONS; i++)
		if (option_table[i].value)
			longopts[n++] = (struct option){.name = option_table[i].name,
							.has_arg = option_table[i].argument != NULL,
							.val = option_table[i].value};
	set_defaults(options);
	/* "+": what follows the first word that is no option is QEMU's. */
	while ((option = getopt_long(argc, argv, "+", longopts, &index)) != -1)
		set_option(options, option, option == '?' ? "" : longopts[index].name);
	if (optind < argc) {
		if (strcmp(argv[optind - 1], "--"))
			refuse("'%s': a QEMU command comes after --", argv[optind]);
		options->command = (const char *const *)argv + optind;
	}
	if (options->report)
		refuse_two_on_stdout(options);
	else
		complete(options);
}

enum preload options_preload(const struct options *options, const struct variant *variant)
{
	if (variant->preload != PRELOAD_DEFAULT)
		return variant->preload;
	return variant->shim ? options->preload : PRELOAD_NONE;
}

void options_free(struct options *options)
{
	for (size_t i = 0; i < options->n_variants; i++)
		variant_free(&options->variants[i]);
	options->n_variants = 0;
}
