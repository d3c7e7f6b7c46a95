/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/switch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/monotonic.h"
#include "support.h"

/* Of switch_file.c: nobody has waited for it to the end. */
#define TOO_LONG (-2)

static char directory[] = "/tmp/test_switch_file.XXXXXX";
static char path[64];

/* A file system that hangs does so until it is told to go on. */
static atomic_bool hangs;
static atomic_uint hanging;

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);

int __wrap_open(const char *name, int flags, ...)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	atomic_fetch_add(&hanging, 1);
	while (atomic_load(&hangs))
		nanosleep(&moment, NULL);
	atomic_fetch_sub(&hanging, 1);
	return __real_open(name, flags, 0);
}

static void setup(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/file", directory);
	atomic_store(&hangs, false);
}

static void teardown(void)
{
	remove(path);
	rmdir(directory);
}

static void put(const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

static void expect_both(bool off, const char *why)
{
	int error = -9;
	bool is_off;

	ck_assert_int_eq(switch_file_read(path, &error), off);
	ck_assert_pstr_eq(switch_file_error(error), why);
	/* The thread may not have had its turn. */
	do
		is_off = switch_file_is_off(path, &error);
	while (error == TOO_LONG);
	ck_assert_int_eq(is_off, off);
	ck_assert_pstr_eq(switch_file_error(error), why);
}

START_TEST(says_off)
{
	static const char *const texts[] = {"off",   "off\n",	"off \n",
					    "off\t", "off\r\n", "off\nand more, which is not read"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(texts[i]);
		expect_both(true, NULL);
	}
}
END_TEST

START_TEST(says_no_such_thing)
{
	static const char *const texts[] = {"", "on\n", "of", "offline", "OFF", " off", "off."};

	expect_both(false, NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(texts[i]);
		expect_both(false, NULL);
	}
	/* Nor has a file files in it. */
	snprintf(path, sizeof(path), "%s/file/none", directory);
	expect_both(false, NULL);
	snprintf(path, sizeof(path), "%s/file", directory);
}
END_TEST

START_TEST(follows_a_link)
{
	char target[96];

	snprintf(target, sizeof(target), "%s/target", directory);
	ck_assert_int_eq(symlink(target, path), 0);
	expect_both(false, NULL);
	unlink(path);
	put("off");
	ck_assert_int_eq(rename(path, target), 0);
	ck_assert_int_eq(symlink(target, path), 0);
	expect_both(true, NULL);
	unlink(target);
}
END_TEST

/* None of these has anybody wait. */
START_TEST(is_no_regular_file)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_both(false, "is not a regular file");
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	expect_both(false, "is not a regular file");
	rmdir(path);
	ck_assert_int_eq(symlink("/dev/zero", path), 0);
	expect_both(false, "is not a regular file");
}
END_TEST

START_TEST(cannot_be_looked_for)
{
	ck_assert_int_eq(symlink(path, path), 0);
	expect_both(false, strerror(ELOOP));
}
END_TEST

/* However often: the threads that hang are few. */
START_TEST(nobody_waits_for_a_file_system_that_hangs)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	unsigned int late = 0;
	uint64_t began, took;
	int error;

	put("off");
	atomic_store(&hangs, true);
	for (int i = 0; i < 10; i++) {
		began = monotonic_ns();
		ck_assert(!switch_file_is_off(path, &error));
		took = monotonic_ns() - began;
		ck_assert_int_ne(error, 0);
		ck_assert_ptr_nonnull(switch_file_error(error));
		late += error == TOO_LONG;
		/* Ten times as long as it may be: other load. */
		ck_assert_uint_lt(took, UINT64_C(10000000000));
	}
	ck_assert_uint_ge(late, 1);
	ck_assert_uint_le(late, 4);
	ck_assert_uint_le(atomic_load(&hanging), 4);
	atomic_store(&hangs, false);
	while (atomic_load(&hanging))
		nanosleep(&moment, NULL);
	/* Those have ended, or are about to: then the file is read again. */
	while (!switch_file_is_off(path, &error))
		ck_assert_int_ne(error, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("switch_file");
	TCase *tc = tcase_create("switch_file");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, says_off);
	tcase_add_test(tc, says_no_such_thing);
	tcase_add_test(tc, follows_a_link);
	tcase_add_test(tc, is_no_regular_file);
	tcase_add_test(tc, cannot_be_looked_for);
	tcase_add_test(tc, nobody_waits_for_a_file_system_that_hangs);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
