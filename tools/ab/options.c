// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "command_line.h"
#include "launcher/library.h"
#include "stats.h"
#include "writer.h"

#define refuse(...) command_line_refuse(&command_line, __VA_ARGS__)

static const struct command_line command_line;

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

static void set_variant(const struct command_line *line, const struct option_row *row, void *field,
			const char *value)
{
	(void)line, (void)row;
	add_variant(field, value);
}

static void set_preload(const struct command_line *line, const struct option_row *row, void *field,
			const char *value)
{
	enum preload preload = variant_preload(value);

	if (preload == PRELOAD_DEFAULT || preload == PRELOAD_NONE)
		command_line_refuse(line, "--%s is source, destination or both", row->name);
	*(enum preload *)field = preload;
}

/* Another version is fine: to compare two is what this program is for. */
static void set_lib(struct options *o, const char *path)
{
	char *real = realpath(path, NULL), text[LIBRARY_TEXT_LEN];

	if (!real || strlen(real) >= sizeof(o->lib))
		refuse("--lib %s: %s", path, strerror(real ? ENAMETOOLONG : errno));
	switch (library_examine(real, text)) {
	case LIBRARY_UNUSABLE:
		refuse("--lib %s: %s", path, text);
	case LIBRARY_ANOTHER:
		fprintf(stderr, "rdmachunk-ab: note: --lib %s: %s\n", path, text);
		break;
	case LIBRARY_OURS:
		break;
	}
	strcpy(o->lib, real);
	free(real);
}

static void set_own_lib(const struct command_line *line, const struct option_row *row, void *field,
			const char *value)
{
	(void)line, (void)row;
	set_lib(field, value);
}

static void set_transport(const struct command_line *line, const struct option_row *row,
			  void *field, const char *value)
{
	if (strcmp(value, "rdma") && strcmp(value, "tcp"))
		command_line_refuse(line, "--%s is rdma or tcp", row->name);
	*(const char **)field = value;
}

static void set_address(const struct command_line *line, const struct option_row *row, void *field,
			const char *value)
{
	if (snprintf(field, OPTIONS_ADDRESS, "%s", value) >= OPTIONS_ADDRESS)
		command_line_refuse(line, "--%s %s: too long", row->name, value);
}

/* A number alone is in MiB. Negative: it is no number of bytes. */
static double parse_bytes(const struct command_line *line, const struct option_row *row,
			  const char *value)
{
	char *end;
	double bytes = strtod(value, &end);
	int shift = 20;

	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'G' || *end == 'g')
		shift = 30;
	else if (*end && *end != 'M' && *end != 'm')
		command_line_refuse(line, "--%s %s: not a number of bytes", row->name, value);
	return end == value || (*end && end[1]) ? -1 : bytes * (double)(UINT64_C(1) << shift);
}

/* uint64_t, in bytes. */
static void set_size(const struct command_line *line, const struct option_row *row, void *field,
		     const char *value)
{
	double size = parse_bytes(line, row, value);

	if (!(size >= 8 << 20 && size <= 1e13))
		command_line_refuse(line, "--%s %s: not a size from 8M to 9000G", row->name, value);
	*(uint64_t *)field = (uint64_t)size >> 20 << 20;
}

/* uint64_t, in bytes a second; a number alone is in MiB. */
static void set_rate(const struct command_line *line, const struct option_row *row, void *field,
		     const char *value)
{
	double rate = parse_bytes(line, row, value);

	if (!(rate >= (double)WRITER_RATE_MIN && rate <= (double)WRITER_RATE_MAX))
		command_line_refuse(line, "--%s %s: not a rate from 64K to 64G a second", row->name,
				    value);
	*(uint64_t *)field = (uint64_t)rate;
}

#define AT(member) .offset = offsetof(struct options, member)

static const struct option_row option_rows[] = {
	{.name = "What is compared"},
	{"variant", "VARIANT", "repeatable (default: stock and shim)", .set = set_variant},
	{"preload", "END", "source (default), destination or both", set_preload, AT(preload)},
	{"lib", "FILE", "the library (default: the installed one)", .set = set_own_lib},
	{"count-lib", "FILE", "library that counts (default: the installed), or none",
	 option_string, AT(count_lib)},
	{"rounds", "N", "rounds to measure (default 10)", option_unsigned, AT(rounds), .min = 1,
	 .max = STATS_PAIRS_MAX},
	{"warmup", "N", "rounds before these (default 1)", option_unsigned, AT(warmup), .max = 100},
	{"timeout", "SECONDS", "for one migration (default 300)", option_int64, AT(timeout),
	 .min = 0.1, .max = 1e6, .unit = 1000},
	{.name = "Where it is migrated to"},
	{"transport", "NAME", "rdma (default) or tcp", set_transport, AT(transport)},
	{"addr", "ADDRESS", "the destination's (default: the RDMA link's)", set_address,
	 AT(address)},
	{"dest-host", "HOST", "run the destination there, through ssh", option_string,
	 AT(dest_host)},
	{"dest-qemu", "FILE", "its QEMU (default: as --qemu)", option_string, AT(dest_qemu)},
	{"dest-lib", "FILE", "its library (default: as --lib)", option_string, AT(dest_lib)},
	{"ssh", "COMMAND", "ssh and its options (default: ssh -o BatchMode=yes)", option_string,
	 AT(ssh)},
	{.name = "The guest"},
	{"qemu", "FILE", "QEMU (default qemu-system-x86_64)", option_string, AT(qemu)},
	{"qemu-root", "DIR", "run it in this root directory (needs root)", option_string, AT(root)},
	{"qemu-arg", "ARG", "one more argument for QEMU; repeatable", option_list, AT(qemu_args),
	 .max = VM_LIST_MAX - 1},
	{"machine", "TYPE", "machine type (default q35)", option_string, AT(machine)},
	{"size", "SIZE", "RAM, in MiB or with K, M or G (default 128)", set_size, AT(ram_size)},
	{"seed", "N", "seed of the RAM's contents (default 1)", option_uint64, AT(pattern.seed),
	 .max = 1e15},
	{"zero-fraction", "F", "fraction of zero MiBs (default 0.25)", option_double,
	 AT(pattern.zero_fraction), .max = 1},
	{"sparse", "N", "data in one page of N only (default 1)", option_unsigned,
	 AT(pattern.sparse), .min = 1, .max = 1 << 20},
	{"prealloc", NULL, "have all its pages allocated before it is migrated", option_flag,
	 AT(prealloc)},
	{"dirty", "RATE", "it runs, and writes so many MiB a second (or K, G)", set_rate,
	 AT(dirty)},
	{"ram-dir", "DIR", "where RAM files are made (default /dev/shm)", option_string,
	 AT(ram_dir)},
	{.name = "What is reported, besides the table"},
	{"output", "DIR", "all of these, as DIR/result.*", option_string, AT(output)},
	{"json", "FILE", "all samples, as JSON", option_string, AT(json)},
	{"csv", "FILE", "all samples, as CSV", option_string, AT(csv)},
	{"markdown", "FILE", "the table, as Markdown", option_string, AT(markdown)},
	{"chart", "PREFIX", "a chart, as PREFIX.svg and PREFIX.png", option_string, AT(chart)},
	{"title", "TEXT", "title of the reports", option_string, AT(title)},
	{"note", "TEXT", "a remark for the reports", option_string, AT(note)},
	{"report", "FILE", "measure nothing: report on this JSON file", option_string, AT(report)},
	{"quiet", NULL, "no progress", option_flag, AT(quiet)},
	{"help", NULL, "print this text", .set = option_help},
	{"version", NULL, "print the version", .set = option_version},
};

static void epilogue(FILE *f)
{
	fprintf(f,
		"\n%s\n"
		"A QEMU-COMMAND takes the place of the built-in guest. {ram}, {size} and {end}\n"
		"in it become the RAM file's path, its size in bytes, and source or destination.\n",
		variant_help);
}

static const struct command_line command_line = {
	.program = "rdmachunk-ab",
	.synopsis = "Usage: rdmachunk-ab [OPTION...] [-- QEMU-COMMAND...]\n"
		    "Compare ways of migrating a guest by migrating it, many times.\n",
	.epilogue = epilogue,
	.rows = option_rows,
	.n_rows = sizeof(option_rows) / sizeof(option_rows[0]),
	.column = 27,
	.command_after = true,
};

/* The build tree that this program is in, or false. */
static bool find_tree(char tree[PATH_MAX])
{
	static const char in_tree[] = "/tools/ab/rdmachunk-ab";
	ssize_t len = readlink("/proc/self/exe", tree, PATH_MAX - 1);
	size_t tail = strlen(in_tree);

	tree[len > 0 ? len : 0] = '\0';
	if (len <= (ssize_t)tail || strcmp(tree + len - tail, in_tree))
		return false;
	tree[len - (ssize_t)tail] = '\0';
	return true;
}

/*
 * The library that belongs to this program: in the build tree that the program is in, or where both
 * are installed to.
 */
static void find_lib(struct options *o)
{
	char tree[PATH_MAX], path[PATH_MAX + 32];

	if (find_tree(tree)) {
		snprintf(path, sizeof(path), "%s/.libs/librdmachunk.so", tree);
		if (!access(path, R_OK)) {
			set_lib(o, path);
			return;
		}
	}
	if (access(LIBRDMACHUNK_PATH, R_OK))
		refuse("there is no %s: use --lib", LIBRDMACHUNK_PATH);
	set_lib(o, LIBRDMACHUNK_PATH);
}

/*
 * The installed one, for a program that is installed too. Another host need not have it, and over
 * TCP there is nothing to count.
 */
static void find_count_lib(struct options *o)
{
	char tree[PATH_MAX];

	if (o->count_lib && !strcmp(o->count_lib, "none"))
		o->count_lib = NULL;
	else if (o->count_lib && (*o->count_lib != '/' || access(o->count_lib, R_OK)))
		refuse("--count-lib needs the absolute path of a file that can be read");
	else if (!o->count_lib && !o->dest_host && options_use_rdma(o) && !find_tree(tree) &&
		 !access(COUNT_LIBRARY_PATH, R_OK))
		o->count_lib = COUNT_LIBRARY_PATH;
}

/* A command of one's own names its QEMU and its machine itself. */
static void complete_guest(struct options *o)
{
	const struct {
		bool given;
		const char *option, *instead;
	} builtin[] = {
		{o->prealloc, "--prealloc", "give prealloc=on"},
		{o->dirty, "--dirty", "have your own guest write"},
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
	if (o->dirty && o->ram_size < WRITER_RAM_MIN)
		refuse("--dirty needs a guest with --size 64M or more");
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
	find_count_lib(o);
	complete_guest(o);
	refuse_two_on_stdout(o);
	if (o->dest_host && *o->dest_host == '-')
		refuse("--dest-host %s: not a host", o->dest_host);
	if (o->dest_host && !o->address[0])
		refuse("--dest-host needs --addr, the destination's address on the link");
	if (strpbrk(o->ram_dir, " '\"$`\\"))
		refuse("--ram-dir %s: must not contain blanks or quotes", o->ram_dir);
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
	int next;

	set_defaults(options);
	next = command_line_parse(&command_line, options, argc, argv);
	if (next < argc)
		options->command = (const char *const *)argv + next;
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

const char *options_transport(const struct options *options, const struct variant *variant)
{
	return variant->tcp ? "tcp" : options->transport;
}

bool options_use_rdma(const struct options *options)
{
	for (size_t i = 0; i < options->n_variants; i++)
		if (!strcmp(options_transport(options, &options->variants[i]), "rdma"))
			return true;
	return false;
}

void options_free(struct options *options)
{
	for (size_t i = 0; i < options->n_variants; i++)
		variant_free(&options->variants[i]);
	options->n_variants = 0;
}
