/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/error_text.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "support.h"

#define UNKNOWN 123456

START_TEST(known_and_unknown)
{
	ck_assert_str_eq(error_text(ENOMEM), "Cannot allocate memory");
	ck_assert_ptr_nonnull(strstr(error_text(UNKNOWN), "123456"));
}
END_TEST

static void *ask(void *argument)
{
	(void)argument;
	error_text(UNKNOWN + 1);
	return NULL;
}

START_TEST(another_thread_does_not_change_it)
{
	const char *text = error_text(UNKNOWN);
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, ask, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_ptr_nonnull(strstr(text, "123456"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("error_text");
	TCase *tc = tcase_create("error_text");

	tcase_add_test(tc, known_and_unknown);
	tcase_add_test(tc, another_thread_does_not_change_it);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
