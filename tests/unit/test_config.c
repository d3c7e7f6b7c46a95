/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static void parse_one(struct config *cfg, const char *entry)
{
	char *const environment[] = {(char *)(uintptr_t)entry, NULL};

	config_parse(cfg, environment);
}

START_TEST(the_defaults)
{
	static char path[] = "PATH=/bin", similar[] = "XRDMACHUNK_SHIFT=99",
		    bare[] = "RDMACHUNK_SHIFT", lower[] = "rdmachunk_shift=99";
	char *const none[] = {NULL}, *const others[] = {path, similar, bare, lower, NULL};
	char *const *environments[] = {NULL, none, others};
	struct config cfg;

	for (int i = 0; i < 3; i++) {
		memset(&cfg, 0xff, sizeof(cfg));
		config_parse(&cfg, environments[i]);
		ck_assert(cfg.enabled);
		ck_assert_uint_eq(cfg.shift, 30);
		ck_assert(cfg.writes);
		ck_assert(cfg.zeros);
		ck_assert(cfg.prefetch);
		ck_assert_int_eq(cfg.log_level, CONFIG_LOG_WARN);
		ck_assert_ptr_null(cfg.log_file);
		ck_assert_ptr_null(cfg.stats);
		ck_assert_uint_eq(cfg.errors, 0);
		ck_assert_uint_eq(cfg.warnings, 0);
	}
}
END_TEST

static const struct {
	const char *entry;
	unsigned int shift;
} sizes[] = {
	{"RDMACHUNK_SHIFT=20", 20},	   {"RDMACHUNK_SHIFT=21", 21},
	{"RDMACHUNK_SHIFT=22", 22},	   {"RDMACHUNK_SHIFT=23", 23},
	{"RDMACHUNK_SHIFT=24", 24},	   {"RDMACHUNK_SHIFT=25", 25},
	{"RDMACHUNK_SHIFT=26", 26},	   {"RDMACHUNK_SHIFT=27", 27},
	{"RDMACHUNK_SHIFT=28", 28},	   {"RDMACHUNK_SHIFT=29", 29},
	{"RDMACHUNK_SHIFT=30", 30},	   {"RDMACHUNK_SIZE=1M", 20},
	{"RDMACHUNK_SIZE=2M", 21},	   {"RDMACHUNK_SIZE=4M", 22},
	{"RDMACHUNK_SIZE=8M", 23},	   {"RDMACHUNK_SIZE=16M", 24},
	{"RDMACHUNK_SIZE=32M", 25},	   {"RDMACHUNK_SIZE=64M", 26},
	{"RDMACHUNK_SIZE=128M", 27},	   {"RDMACHUNK_SIZE=256M", 28},
	{"RDMACHUNK_SIZE=512M", 29},	   {"RDMACHUNK_SIZE=1024M", 30},
	{"RDMACHUNK_SIZE=1G", 30},	   {"RDMACHUNK_SIZE=1g", 30},
	{"RDMACHUNK_SIZE=64m", 26},	   {"RDMACHUNK_SIZE=1024K", 20},
	{"RDMACHUNK_SIZE=2048k", 21},	   {"RDMACHUNK_SIZE=131072K", 27},
	{"RDMACHUNK_SIZE=262144K", 28},	   {"RDMACHUNK_SIZE=524288K", 29},
	{"RDMACHUNK_SIZE=1048576K", 30},   {"RDMACHUNK_SIZE=1048576", 20},
	{"RDMACHUNK_SIZE=1073741824", 30}, {"RDMACHUNK_SIZE=536870912", 29},
};
#define SIZES ((int)(sizeof(sizes) / sizeof(sizes[0])))

START_TEST(every_size_in_both_spellings)
{
	struct config cfg;

	parse_one(&cfg, sizes[_i].entry);
	ck_assert_msg(!cfg.errors, "%s", cfg.error[0]);
	ck_assert(cfg.enabled);
	ck_assert_uint_eq(cfg.shift, sizes[_i].shift);
	ck_assert_uint_eq(cfg.warnings, 0);
}
END_TEST

#define SHIFT_ALLOWED	"is not allowed: use 20 to 30, or off"
#define SIZE_ALLOWED	"is not allowed: use a power of two from 1M to 1G (suffixes K, M, G)"
#define SWITCH_ALLOWED	"is not allowed: use on or off"
#define THREADS_ALLOWED "is not allowed: use 1 to 8"
#define POSTER_ALLOWED	"is not allowed: use auto, on or off"
#define LOG_ALLOWED	"is not allowed: use off, error, warn, info or debug"

static const struct {
	const char *entry, *rest;
} bad_values[] = {
	{"RDMACHUNK_SHIFT=", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=0", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=19", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=31", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=64", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=-20", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=+20", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT= 20", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=20 ", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=20.0", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=0x14", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=1G", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=OFF", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=offf", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=on", SHIFT_ALLOWED},
	{"RDMACHUNK_SHIFT=4294967316", SHIFT_ALLOWED},		 /* 2^32 + 20 */
	{"RDMACHUNK_SHIFT=18446744073709551636", SHIFT_ALLOWED}, /* 2^64 + 20 */
	{"RDMACHUNK_SIZE=", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=0", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=1", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=G", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=K", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=512K", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=2G", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=2048M", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=3M", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=1048577", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=2147483648", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=10737418240", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=1T", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=1GB", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=1GiB", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=1 G", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=1.5G", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=-1G", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=0x100000", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=off", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=17179869184G", SIZE_ALLOWED}, /* 2^34 units of 2^30: 2^64 */
	{"RDMACHUNK_SIZE=4294967297G", SIZE_ALLOWED},  /* 2^32 + 1 of them */
	{"RDMACHUNK_SIZE=18446744073710600192", SIZE_ALLOWED},
	{"RDMACHUNK_SIZE=0000000000000001G", SIZE_ALLOWED},
	{"RDMACHUNK_WRITES=", SWITCH_ALLOWED},
	{"RDMACHUNK_WRITES=ON", SWITCH_ALLOWED},
	{"RDMACHUNK_WRITES=yes", SWITCH_ALLOWED},
	{"RDMACHUNK_WRITES=1", SWITCH_ALLOWED},
	{"RDMACHUNK_WRITES=0", SWITCH_ALLOWED},
	{"RDMACHUNK_WRITES=of", SWITCH_ALLOWED},
	{"RDMACHUNK_WRITES=offf", SWITCH_ALLOWED},
	{"RDMACHUNK_WRITES= on", SWITCH_ALLOWED},
	{"RDMACHUNK_WRITES=on ", SWITCH_ALLOWED},
	{"RDMACHUNK_ZEROS=", SWITCH_ALLOWED},
	{"RDMACHUNK_ZEROS=OFF", SWITCH_ALLOWED},
	{"RDMACHUNK_ZEROS=no", SWITCH_ALLOWED},
	{"RDMACHUNK_ZEROS=true", SWITCH_ALLOWED},
	{"RDMACHUNK_ZEROS=0", SWITCH_ALLOWED},
	{"RDMACHUNK_ZEROS=onn", SWITCH_ALLOWED},
	{"RDMACHUNK_ZEROS=on,off", SWITCH_ALLOWED},
	{"RDMACHUNK_PREFETCH=", SWITCH_ALLOWED},
	{"RDMACHUNK_PREFETCH=On", SWITCH_ALLOWED},
	{"RDMACHUNK_PREFETCH=1", SWITCH_ALLOWED},
	{"RDMACHUNK_PREFETCH=off ", SWITCH_ALLOWED},
	{"RDMACHUNK_PREFETCH=64M", SWITCH_ALLOWED},
	{"RDMACHUNK_AHEAD=", SWITCH_ALLOWED},
	{"RDMACHUNK_AHEAD=On", SWITCH_ALLOWED},
	{"RDMACHUNK_AHEAD=1", SWITCH_ALLOWED},
	{"RDMACHUNK_AHEAD=off ", SWITCH_ALLOWED},
	{"RDMACHUNK_AHEAD=64M", SWITCH_ALLOWED},
	{"RDMACHUNK_THREADS=", THREADS_ALLOWED},
	{"RDMACHUNK_THREADS=0", THREADS_ALLOWED},
	{"RDMACHUNK_THREADS=9", THREADS_ALLOWED},
	{"RDMACHUNK_THREADS=-1", THREADS_ALLOWED},
	{"RDMACHUNK_THREADS=2 ", THREADS_ALLOWED},
	{"RDMACHUNK_THREADS=auto", THREADS_ALLOWED},
	{"RDMACHUNK_THREADS=4294967297", THREADS_ALLOWED}, /* 2^32 + 1 */
	{"RDMACHUNK_POSTER=", POSTER_ALLOWED},
	{"RDMACHUNK_POSTER=automatic", POSTER_ALLOWED},
	{"RDMACHUNK_POSTER=On", POSTER_ALLOWED},
	{"RDMACHUNK_POSTER=1", POSTER_ALLOWED},
	{"RDMACHUNK_LOG=", LOG_ALLOWED},
	{"RDMACHUNK_LOG=verbose", LOG_ALLOWED},
	{"RDMACHUNK_LOG=WARN", LOG_ALLOWED},
	{"RDMACHUNK_LOG=3", LOG_ALLOWED},
	{"RDMACHUNK_LOG=warning", LOG_ALLOWED},
	{"RDMACHUNK_LOG_FILE=", "is not allowed: use a path (%p is the process id)"},
	{"RDMACHUNK_STATS=", "is not allowed: use a path (%p is the process id) or stderr"},
};
#define BAD_VALUES ((int)(sizeof(bad_values) / sizeof(bad_values[0])))

/* One line that names variable, value and range, and the shim is off. */
START_TEST(each_bad_value_is_named)
{
	char expected[CONFIG_MESSAGE_LEN];
	struct config cfg;

	parse_one(&cfg, bad_values[_i].entry);
	snprintf(expected, sizeof(expected), "%s %s", bad_values[_i].entry, bad_values[_i].rest);
	ck_assert_uint_eq(cfg.errors, 1);
	ck_assert_str_eq(cfg.error[0], expected);
	ck_assert(!cfg.enabled);
	ck_assert_uint_eq(cfg.warnings, 0);
	/* What the bad value was for is as if it were unset. */
	ck_assert_uint_eq(cfg.shift, 30);
	ck_assert(cfg.writes);
	ck_assert(cfg.zeros);
	ck_assert(cfg.prefetch);
	ck_assert_int_eq(cfg.poster, CONFIG_POSTER_AUTO);
	ck_assert_int_eq(cfg.log_level, CONFIG_LOG_WARN);
	ck_assert_ptr_null(cfg.log_file);
	ck_assert_ptr_null(cfg.stats);
}
END_TEST

/* Each by itself, and neither turns the whole off. */
START_TEST(the_switches)
{
	char writes[32], zeros[32], prefetch[32];
	struct config cfg;

	for (int i = 0; i < 8; i++) {
		snprintf(writes, sizeof(writes), "RDMACHUNK_WRITES=%s", i & 1 ? "on" : "off");
		snprintf(zeros, sizeof(zeros), "RDMACHUNK_ZEROS=%s", i & 2 ? "on" : "off");
		snprintf(prefetch, sizeof(prefetch), "RDMACHUNK_PREFETCH=%s", i & 4 ? "on" : "off");
		config_parse(&cfg, (char *const[]){writes, zeros, prefetch, NULL});
		ck_assert(cfg.enabled);
		ck_assert_uint_eq(cfg.errors, 0);
		ck_assert_uint_eq(cfg.warnings, 0);
		ck_assert(cfg.writes == !!(i & 1));
		ck_assert(cfg.zeros == !!(i & 2));
		ck_assert(cfg.prefetch == !!(i & 4));
		parse_one(&cfg, writes);
		ck_assert(cfg.writes == !!(i & 1));
		ck_assert(cfg.zeros && cfg.prefetch);
		parse_one(&cfg, zeros);
		ck_assert(cfg.zeros == !!(i & 2));
		ck_assert(cfg.writes && cfg.prefetch);
		parse_one(&cfg, prefetch);
		ck_assert(cfg.prefetch == !!(i & 4));
		ck_assert(cfg.writes && cfg.zeros);
	}
}
END_TEST

START_TEST(the_threads)
{
	char entry[] = "RDMACHUNK_THREADS=1";
	struct config cfg;

	parse_one(&cfg, "RDMACHUNK_ZEROS=on");
	ck_assert_uint_eq(cfg.threads, 0);
	for (unsigned int n = 1; n <= CONFIG_THREADS_MAX; n++) {
		entry[sizeof(entry) - 2] = (char)('0' + n);
		parse_one(&cfg, entry);
		ck_assert_uint_eq(cfg.threads, n);
		ck_assert_uint_eq(cfg.errors + cfg.warnings, 0);
	}
}
END_TEST

START_TEST(the_poster)
{
	struct config cfg;

	parse_one(&cfg, "RDMACHUNK_POSTER=auto");
	ck_assert_int_eq(cfg.poster, CONFIG_POSTER_AUTO);
	parse_one(&cfg, "RDMACHUNK_POSTER=on");
	ck_assert_int_eq(cfg.poster, CONFIG_POSTER_ON);
	parse_one(&cfg, "RDMACHUNK_POSTER=off");
	ck_assert_int_eq(cfg.poster, CONFIG_POSTER_OFF);
	ck_assert(cfg.enabled);
	ck_assert_uint_eq(cfg.errors, 0);
	ck_assert_uint_eq(cfg.warnings, 0);
}
END_TEST

START_TEST(off_is_no_error)
{
	struct config cfg;

	parse_one(&cfg, "RDMACHUNK_SHIFT=off");
	ck_assert(!cfg.enabled);
	ck_assert_uint_eq(cfg.errors, 0);
	ck_assert_uint_eq(cfg.warnings, 0);
}
END_TEST

START_TEST(both_spellings_must_agree)
{
	static char shift[] = "RDMACHUNK_SHIFT=25", off[] = "RDMACHUNK_SHIFT=off";
	static char same[] = "RDMACHUNK_SIZE=32M", other[] = "RDMACHUNK_SIZE=64M";
	static const char conflict[] = "RDMACHUNK_SHIFT=25 and RDMACHUNK_SIZE name different "
				       "sizes: give one of them";
	struct config cfg;

	config_parse(&cfg, (char *const[]){shift, same, NULL});
	ck_assert(cfg.enabled);
	ck_assert_uint_eq(cfg.shift, 25);
	ck_assert_uint_eq(cfg.errors, 0);

	config_parse(&cfg, (char *const[]){shift, other, NULL});
	ck_assert(!cfg.enabled);
	ck_assert_uint_eq(cfg.errors, 1);
	ck_assert_str_eq(cfg.error[0], conflict);
	config_parse(&cfg, (char *const[]){other, shift, NULL});
	ck_assert(!cfg.enabled);
	ck_assert_str_eq(cfg.error[0], conflict);

	config_parse(&cfg, (char *const[]){off, other, NULL});
	ck_assert(!cfg.enabled);
	ck_assert_uint_eq(cfg.errors, 0);
}
END_TEST

/* Alone it is as good as the new name, with the new name it is ignored. */
START_TEST(the_old_name_of_prefetch)
{
	static char new_names[][32] = {"PATH=/bin", "RDMACHUNK_PREFETCH=off",
				       "RDMACHUNK_PREFETCH=on"};
	static char old_names[][32] = {"PATH=/bin", "RDMACHUNK_AHEAD=off", "RDMACHUNK_AHEAD=on"};
	static const char rest[] = "contradicts RDMACHUNK_PREFETCH, its new name: ignored";
	char expected[CONFIG_MESSAGE_LEN];
	struct config cfg;

	for (int i = 0; i < 18; i++) {
		int newer = i % 3, older = i / 3 % 3, differ = newer && older && newer != older;
		char *entries[] = {new_names[newer], old_names[older], new_names[newer], NULL};

		/* The order of the two does not matter. */
		config_parse(&cfg, (char *const[]){entries[i / 9], entries[i / 9 + 1], NULL});
		ck_assert(cfg.enabled);
		ck_assert_uint_eq(cfg.errors, 0);
		ck_assert_int_eq(cfg.prefetch, (newer ? newer : older) != 1);
		ck_assert_uint_eq(cfg.warnings, differ);
		if (differ) {
			snprintf(expected, sizeof(expected), "%s %s", old_names[older], rest);
			ck_assert_str_eq(cfg.warning[0], expected);
		}
	}
}
END_TEST

/* The one that cannot be used is named, whatever the other says. */
START_TEST(a_bad_value_of_either_name_of_prefetch)
{
	static char bad_new[] = "RDMACHUNK_PREFETCH=1", bad_old[] = "RDMACHUNK_AHEAD=0";
	static char good_new[] = "RDMACHUNK_PREFETCH=off", good_old[] = "RDMACHUNK_AHEAD=off";
	struct config cfg;

	config_parse(&cfg, (char *const[]){bad_old, good_new, NULL});
	ck_assert(!cfg.enabled);
	ck_assert_uint_eq(cfg.errors, 1);
	ck_assert_uint_eq(cfg.warnings, 0);
	ck_assert_str_eq(cfg.error[0], "RDMACHUNK_AHEAD=0 " SWITCH_ALLOWED);
	config_parse(&cfg, (char *const[]){bad_new, good_old, NULL});
	ck_assert(!cfg.enabled);
	ck_assert_uint_eq(cfg.errors, 1);
	ck_assert_uint_eq(cfg.warnings, 0);
	ck_assert_str_eq(cfg.error[0], "RDMACHUNK_PREFETCH=1 " SWITCH_ALLOWED);
	config_parse(&cfg, (char *const[]){bad_new, bad_old, NULL});
	ck_assert_uint_eq(cfg.errors, 2);
	ck_assert_str_eq(cfg.error[0], "RDMACHUNK_PREFETCH=1 " SWITCH_ALLOWED);
	ck_assert_str_eq(cfg.error[1], "RDMACHUNK_AHEAD=0 " SWITCH_ALLOWED);
}
END_TEST

START_TEST(the_other_variables)
{
	static const char *const levels[] = {"off", "error", "warn", "info", "debug"};
	static char file[] = "RDMACHUNK_LOG_FILE=/tmp/a=b.%p", stats[] = "RDMACHUNK_STATS=stderr";
	char entry[64];
	struct config cfg;

	for (int i = 0; i < 5; i++) {
		snprintf(entry, sizeof(entry), "RDMACHUNK_LOG=%s", levels[i]);
		parse_one(&cfg, entry);
		ck_assert_int_eq(cfg.log_level, i);
		ck_assert_uint_eq(cfg.errors, 0);
	}
	config_parse(&cfg, (char *const[]){file, stats, NULL});
	ck_assert(cfg.enabled);
	ck_assert_str_eq(cfg.log_file, "/tmp/a=b.%p");
	ck_assert_str_eq(cfg.stats, "stderr");
}
END_TEST

START_TEST(unknown_variables_are_a_warning)
{
	static const struct {
		const char *entry, *warning;
	} cases[] = {
		{"RDMACHUNK_SHFT=20", "RDMACHUNK_SHFT=20 is an unknown variable: ignored"},
		{"RDMACHUNK_=", "RDMACHUNK_= is an unknown variable: ignored"},
		{"RDMACHUNK_SHIFTS=20", "RDMACHUNK_SHIFTS=20 is an unknown variable: ignored"},
		{"RDMACHUNK_SHIFT =20", "RDMACHUNK_SHIFT =20 is an unknown variable: ignored"},
		{"RDMACHUNK_LOG_FILES=x", "RDMACHUNK_LOG_FILES=x is an unknown variable: ignored"},
	};
	struct config cfg;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse_one(&cfg, cases[i].entry);
		ck_assert_uint_eq(cfg.warnings, 1);
		ck_assert_str_eq(cfg.warning[0], cases[i].warning);
		ck_assert(cfg.enabled);
		ck_assert_uint_eq(cfg.errors, 0);
		ck_assert_uint_eq(cfg.shift, 30);
	}
}
END_TEST

START_TEST(more_complaints_than_there_is_room_for)
{
	static char unknown[] = "RDMACHUNK_NO=1", bad[] = "RDMACHUNK_SHIFT=99";
	char *environment[41] = {NULL};
	struct config cfg;

	for (int i = 0; i < 40; i++)
		environment[i] = i % 2 ? unknown : bad;
	config_parse(&cfg, environment);
	ck_assert_uint_eq(cfg.errors, CONFIG_MESSAGES_MAX);
	ck_assert_uint_eq(cfg.warnings, CONFIG_MESSAGES_MAX);
	ck_assert_str_eq(cfg.error[CONFIG_MESSAGES_MAX - 1], "RDMACHUNK_SHIFT=99 " SHIFT_ALLOWED);
	ck_assert_str_eq(cfg.warning[CONFIG_MESSAGES_MAX - 1],
			 "RDMACHUNK_NO=1 is an unknown variable: ignored");
	ck_assert(!cfg.enabled);
}
END_TEST

/* However long name and value, what is allowed is still in the line. */
START_TEST(long_values_are_shortened)
{
	static const char *const names[] = {
		"RDMACHUNK_SHIFT=", "RDMACHUNK_SIZE=", "RDMACHUNK_LOG="};
	static const char *const rests[] = {SHIFT_ALLOWED, SIZE_ALLOWED, LOG_ALLOWED};
	char entry[4096], expected[CONFIG_MESSAGE_LEN];
	struct config cfg;

	for (size_t i = 0; i < 3; i++) {
		memset(entry, '1', sizeof(entry));
		memcpy(entry, names[i], strlen(names[i]));
		entry[sizeof(entry) - 1] = '\0';
		parse_one(&cfg, entry);
		snprintf(expected, sizeof(expected), "%.*s %s", (int)strlen(names[i]) + 64, entry,
			 rests[i]);
		ck_assert_uint_eq(cfg.errors, 1);
		ck_assert_str_eq(cfg.error[0], expected);
		ck_assert(!cfg.enabled);
	}
	memset(entry, 'X', sizeof(entry));
	memcpy(entry, "RDMACHUNK_", 10);
	entry[2000] = '=';
	entry[sizeof(entry) - 1] = '\0';
	parse_one(&cfg, entry);
	ck_assert_uint_eq(cfg.warnings, 1);
	ck_assert_ptr_nonnull(strstr(cfg.warning[0], "is an unknown variable: ignored"));
	ck_assert_int_eq(strncmp(cfg.warning[0], "RDMACHUNK_XXX", 13), 0);
}
END_TEST

/* A value with a line end in it, as from $(printf '30\n.'), is still one line. */
START_TEST(a_complaint_is_one_line)
{
	static const char *const entries[] = {"RDMACHUNK_SHIFT=30\n", "RDMACHUNK_SIZE=1G\r\nfoo",
					      "RDMACHUNK_NO\nNE=1", "RDMACHUNK_NONE=\033[2J"};
	struct config cfg;

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		parse_one(&cfg, entries[i]);
		ck_assert_uint_eq(cfg.errors + cfg.warnings, 1);
		for (const char *s = cfg.errors ? cfg.error[0] : cfg.warning[0]; *s; s++)
			ck_assert_msg((unsigned char)*s >= ' ', "control character %d in: %s", *s,
				      cfg.errors ? cfg.error[0] : cfg.warning[0]);
	}
}
END_TEST

START_TEST(the_table_is_complete)
{
	static const char *const names[] = {
		"RDMACHUNK_SHIFT",  "RDMACHUNK_SIZE",	     "RDMACHUNK_WRITES",
		"RDMACHUNK_ZEROS",  "RDMACHUNK_PREFETCH",    "RDMACHUNK_THREADS",
		"RDMACHUNK_POSTER", "RDMACHUNK_LOG",	     "RDMACHUNK_LOG_FILE",
		"RDMACHUNK_STATS",  "RDMACHUNK_SWITCH_FILE", "RDMACHUNK_AHEAD"};
	const struct config_variable *v = config_variables;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++, v++) {
		ck_assert_str_eq(v->name, names[i]);
		ck_assert_ptr_nonnull(v->fallback);
		ck_assert_ptr_nonnull(v->parse);
		ck_assert_ptr_nonnull(v->allowed);
		ck_assert_ptr_nonnull(v->help);
	}
	ck_assert_ptr_null(v->name);
}
END_TEST

START_TEST(paths_are_expanded)
{
	static const struct {
		const char *path, *expanded;
	} cases[] = {
		{"/tmp/log", "/tmp/log"},
		{"/tmp/%p.log", "/tmp/4711.log"},
		{"%p", "4711"},
		{"%p%p", "47114711"},
		{"%%p", "%p"},
		{"%%%p", "%4711"},
		{"100%", "100%"},
		{"%d%s%n", "%d%s%n"},
		{"%", "%"},
		{"", ""},
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(config_expand_path(out, sizeof(out), cases[i].path, 4711), 0);
		ck_assert_str_eq(out, cases[i].expanded);
	}
}
END_TEST

START_TEST(a_path_too_long_is_refused)
{
	char *out;

	/* Every room from none to just enough, with nothing written past it. */
	for (size_t len = 0; len <= 10; len++) {
		out = exact_copy("..........", len);
		ck_assert_int_eq(config_expand_path(out, len, "ab%pcd%", 4711),
				 len < 10 ? -ENAMETOOLONG : 0);
		if (len == 10)
			ck_assert_str_eq(out, "ab4711cd%");
		free(out);
		out = exact_copy(".", len ? 1 : 0);
		ck_assert_int_eq(config_expand_path(out, len ? 1 : 0, "", 1),
				 len ? 0 : -ENAMETOOLONG);
		free(out);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tc = tcase_create("config");

	tcase_add_test(tc, the_defaults);
	tcase_add_loop_test(tc, every_size_in_both_spellings, 0, SIZES);
	tcase_add_loop_test(tc, each_bad_value_is_named, 0, BAD_VALUES);
	tcase_add_test(tc, the_switches);
	tcase_add_test(tc, the_threads);
	tcase_add_test(tc, the_poster);
	tcase_add_test(tc, off_is_no_error);
	tcase_add_test(tc, both_spellings_must_agree);
	tcase_add_test(tc, the_old_name_of_prefetch);
	tcase_add_test(tc, a_bad_value_of_either_name_of_prefetch);
	tcase_add_test(tc, the_other_variables);
	tcase_add_test(tc, unknown_variables_are_a_warning);
	tcase_add_test(tc, more_complaints_than_there_is_room_for);
	tcase_add_test(tc, long_values_are_shortened);
	tcase_add_test(tc, a_complaint_is_one_line);
	tcase_add_test(tc, the_table_is_complete);
	tcase_add_test(tc, paths_are_expanded);
	tcase_add_test(tc, a_path_too_long_is_refused);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
