/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/mapping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

/* What /proc/self/maps says is the fuzz target proc's matter; here it cannot be read. */

static const char first_line[] = "7f0000000000-7f0000100000 rw-p 00000000 00:00 0\n";
static int reads_that_work;

/* A line at a time, and then an error. */
static ssize_t read_line(void *cookie, char *buffer, size_t size)
{
	(void)cookie;
	if (!reads_that_work--) {
		errno = EIO;
		return -1;
	}
	ck_assert_uint_ge(size, sizeof(first_line) - 1);
	memcpy(buffer, first_line, sizeof(first_line) - 1);
	return sizeof(first_line) - 1;
}

FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	ck_assert_str_eq(path, "/proc/self/maps");
	return fopencookie(NULL, mode, (cookie_io_functions_t){.read = read_line});
}

/* Else what is discarded in the mappings that are missing would not be known. */
START_TEST(a_list_that_ends_too_soon_is_no_list)
{
	struct mapping_list list = {0};

	reads_that_work = _i;
	ck_assert_int_eq(mapping_list_read(&list, 0x7f0000000000, 0x7f0000200000), -ENOMEM);
	ck_assert_uint_eq(list.count, 0);
	ck_assert_ptr_null(list.mapping);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mapping");
	TCase *tc = tcase_create("mapping");

	tcase_add_loop_test(tc, a_list_that_ends_too_soon_is_no_list, 0, 2);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
