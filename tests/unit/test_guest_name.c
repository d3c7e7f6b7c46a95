/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/guest_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define UMLAUT "\xc3\xbc"

/* Arguments, separated by '|', and the name. */
static const struct {
	const char *args, *name;
} cases[] = {
	{"qemu", ""},
	{"qemu|-m|1G", ""},
	{"qemu|-name|vm1", "vm1"},
	{"qemu|--name|vm1|-m|1G", "vm1"},
	{"qemu|-name|guest=vm1,debug-threads=on", "vm1"},
	{"qemu|-name|debug-threads=on,guest=vm1", "vm1"},
	{"qemu|-name|vm1,process=other", "vm1"},
	{"qemu|-name|vm1,debug-threads=on", "vm1"},
	{"qemu|-name|process=other", ""},
	{"qemu|-name|debug-threads=on,vm1", ""},
	{"qemu|-name|guest=a,,b", "a,b"},
	{"qemu|-name|a,,b,process=x", "a,b"},
	{"qemu|-name|a,,b=c,process=x", "a,b=c"},
	{"qemu|-name|guest=a,,,process=guest=b", "a,"},
	{"qemu|-name|a,,", "a,"},
	{"qemu|-name|a,", "a"},
	{"qemu|-name|guest=", ""},
	{"qemu|-name|guest=a=b", "a=b"},
	{"qemu|-name|guests=a", ""},
	{"qemu|-name|one|-name|guest=two", "two"},
	{"qemu|-name|one|-name|debug-threads=on", "one"},
	{"qemu|-name|-name", "-name"},
	{"qemu|-name", ""},
	{"qemu|-name|", ""},
	{"qemu|-name|two words", "two words"},
	{"qemu|-name|m" UMLAUT "ller", "m" UMLAUT "ller"},
	{"qemu|-name|a\nb\x1b[1m\x7f", "a?b?[1m?"},
	{"qemu|-name|\xc3", "?"},
	{"qemu|-name|\xc3x\x80\xfe", "?x??"},
	{"qemu|-name|\xc0\xaf\xed\xa0\x80\xf5\x80\x80\x80", "?????????"},
	{"qemu|-name|\xc2\x9b", "??"},
	{"qemu|-name|\xe2\x82\xac\xf0\x9f\x90\xa7", "\xe2\x82\xac\xf0\x9f\x90\xa7"},
	{"|-name|vm1", "vm1"},
	{"", ""},
};

/* Its end is where reading beyond it shows. */
static void parse(char name[GUEST_NAME_LEN], const char *args, size_t size)
{
	char *copy = malloc(size ? size : 1);

	ck_assert_ptr_nonnull(copy);
	for (size_t i = 0; i < size; i++)
		copy[i] = args[i] == '|' ? '\0' : args[i];
	memset(name, 'x', GUEST_NAME_LEN);
	guest_name_parse(name, copy, size);
	free(copy);
}

START_TEST(names)
{
	char name[GUEST_NAME_LEN];

	parse(name, cases[_i].args, strlen(cases[_i].args) + 1);
	ck_assert_str_eq(name, cases[_i].name);
}
END_TEST

/* Whatever has been read of it. */
START_TEST(a_command_line_that_is_cut)
{
	char name[GUEST_NAME_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t size = 0; size <= strlen(cases[i].args); size++)
			parse(name, cases[i].args, size);
	parse(name, "qemu|-name|vm1", strlen("qemu|-name|vm1"));
	ck_assert_str_eq(name, "");
}
END_TEST

START_TEST(a_long_name_is_cut_between_characters)
{
	char args[512], name[GUEST_NAME_LEN];
	size_t len;

	for (size_t shift = 0; shift < 3; shift++) {
		len = (size_t)sprintf(args, "qemu|-name|%.*s", (int)shift, "aa");
		for (int i = 0; i < 100; i++)
			len += (size_t)sprintf(args + len, "\xe2\x82\xac");
		parse(name, args, len + 1);
		len = strlen(name);
		ck_assert_uint_ge(len, GUEST_NAME_LEN - 3);
		ck_assert_uint_lt(len, GUEST_NAME_LEN);
		ck_assert_str_eq(name + len - 3, "\xe2\x82\xac");
	}
}
END_TEST

START_TEST(this_process_has_none)
{
	ck_assert_str_eq(guest_name(), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guest_name");
	TCase *tc = tcase_create("guest_name");

	tcase_add_loop_test(tc, names, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, a_command_line_that_is_cut);
	tcase_add_test(tc, a_long_name_is_cut_between_characters);
	tcase_add_test(tc, this_process_has_none);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
