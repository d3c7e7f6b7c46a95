/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program's options as a table, from which they are read and the help text is printed. */
#ifndef TOOLS_AB_COMMAND_LINE_H
#define TOOLS_AB_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct command_line;
struct option_row;

/* Takes @value, which is NULL for an option without an argument, into @field. */
typedef void option_setter(const struct command_line *line, const struct option_row *row,
			   void *field, const char *value);

/* A row without a setter is a heading. */
struct option_row {
	const char *name, *argument, *help; /* @argument is NULL where the option has none */
	option_setter *set;
	size_t offset;	 /* of the field in the program's struct; 0: @field is all of it */
	size_t also;	 /* of another field that is set, too, or 0 */
	double min, max; /* of numbers; of a list, @max is the most that it may have */
	uint64_t unit;	 /* that a number is in, for option_uint64 and option_int64; 0: 1 */
};

struct command_line {
	const char *program;
	const char *synopsis;	   /* what the help text begins with */
	void (*epilogue)(FILE *f); /* what it ends with */
	const struct option_row *rows;
	size_t n_rows;
	int column;	    /* where the help text of an option begins */
	bool command_after; /* after "--" another program's command line may follow */
};

/*
 * Read the command line into @fields, in its order. Returns the index of the first word of a
 * command that follows, or @argc. Ends the process when something is wrong (status 2, with a
 * message).
 */
int command_line_parse(const struct command_line *line, void *fields, int argc, char **argv);

/* Ends the process with a message and status 2. */
__attribute__((noreturn, format(printf, 2, 3))) void
command_line_refuse(const struct command_line *line, const char *format, ...);

/* The fields' types. Strings stay argv's. */
option_setter option_flag;     /* bool, becomes true */
option_setter option_string;   /* const char * */
option_setter option_list;     /* const char *[], room for a NULL after the @max of the row */
option_setter option_unsigned; /* unsigned int, written in digits alone */
option_setter option_double;
option_setter option_uint64; /* whole units */
option_setter option_int64;  /* a fraction of a unit counts */

/* Print the text, and end the process with status 0. */
option_setter option_help;
option_setter option_version;

#endif
