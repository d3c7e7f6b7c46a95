// SPDX-License-Identifier: GPL-2.0-or-later
#include "command_line.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What getopt_long returns for the first row: above all characters. */
enum { FIRST_ROW = 256 };

void command_line_refuse(const struct command_line *line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", line->program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; --help tells more\n", stderr);
	exit(2);
}

static double number(const struct command_line *line, const struct option_row *row,
		     const char *value)
{
	char *end;
	double result = strtod(value, &end);

	if (!*value || *end || !(result >= row->min && result <= row->max))
		command_line_refuse(line, "--%s %s: not a number from %g to %g", row->name, value,
				    row->min, row->max);
	return result;
}

void option_flag(const struct command_line *line, const struct option_row *row, void *field,
		 const char *value)
{
	(void)line, (void)row, (void)value;
	*(bool *)field = true;
}

void option_string(const struct command_line *line, const struct option_row *row, void *field,
		   const char *value)
{
	(void)line, (void)row;
	*(const char **)field = value;
}

void option_list(const struct command_line *line, const struct option_row *row, void *field,
		 const char *value)
{
	const char **list = field;
	size_t n = 0;

	while (list[n])
		n++;
	if (n == (size_t)row->max)
		command_line_refuse(line, "too many --%s", row->name);
	list[n] = value;
}

void option_unsigned(const struct command_line *line, const struct option_row *row, void *field,
		     const char *value)
{
	char *end;
	unsigned long result = strtoul(value, &end, 10);

	/* strtoul takes signs and blanks, too. */
	if (*value < '0' || *value > '9' || *end || (double)result < row->min ||
	    (double)result > row->max)
		command_line_refuse(line, "--%s %s: not a whole number from %.0f to %.0f",
				    row->name, value, row->min, row->max);
	*(unsigned int *)field = (unsigned int)result;
}

void option_double(const struct command_line *line, const struct option_row *row, void *field,
		   const char *value)
{
	*(double *)field = number(line, row, value);
}

void option_uint64(const struct command_line *line, const struct option_row *row, void *field,
		   const char *value)
{
	*(uint64_t *)field = (uint64_t)number(line, row, value) * (row->unit ? row->unit : 1);
}

void option_int64(const struct command_line *line, const struct option_row *row, void *field,
		  const char *value)
{
	*(int64_t *)field =
		(int64_t)(number(line, row, value) * (double)(row->unit ? row->unit : 1));
}

void option_help(const struct command_line *line, const struct option_row *row, void *field,
		 const char *value)
{
	(void)row, (void)field, (void)value;
	fputs(line->synopsis, stdout);
	for (const struct option_row *r = line->rows; r < line->rows + line->n_rows; r++) {
		char left[64];

		if (!r->set) {
			printf("\n%s:\n", r->name);
			continue;
		}
		snprintf(left, sizeof(left), "--%s %s", r->name, r->argument ? r->argument : "");
		printf("  %-*s %s\n", line->column - 3, left, r->help);
	}
	line->epilogue(stdout);
	exit(0);
}

void option_version(const struct command_line *line, const struct option_row *row, void *field,
		    const char *value)
{
	(void)row, (void)field, (void)value;
	printf("%s %s\n", line->program, PACKAGE_VERSION);
	exit(0);
}

/* getopt_long's form of the table. To be freed. */
static struct option *long_options(const struct command_line *line)
{
	struct option *options = calloc(line->n_rows + 1, sizeof(*options)), *next = options;

	if (!options)
		command_line_refuse(line, "no memory");
	for (size_t i = 0; i < line->n_rows; i++)
		if (line->rows[i].set)
			*next++ = (struct option){.name = line->rows[i].name,
						  .has_arg = line->rows[i].argument != NULL,
						  .val = FIRST_ROW + (int)i};
	return options;
}

int command_line_parse(const struct command_line *line, void *fields, int argc, char **argv)
{
	struct option *options = long_options(line);
	int option;

	/* "+": what follows the first word that is no option is another program's. */
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		const struct option_row *row = &line->rows[option - FIRST_ROW];

		if (option < FIRST_ROW) {
			fprintf(stderr, "Try %s --help.\n", line->program);
			exit(2);
		}
		row->set(line, row, (char *)fields + row->offset, optarg);
		if (row->also)
			row->set(line, row, (char *)fields + row->also, optarg);
	}
	free(options);
	if (optind < argc && !line->command_after)
		command_line_refuse(line, "unexpected argument '%s'", argv[optind]);
	if (optind < argc && strcmp(argv[optind - 1], "--"))
		command_line_refuse(line, "'%s': a QEMU command comes after --", argv[optind]);
	return optind;
}
