/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/processors.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#define SELF "/proc/self/status"

/* What is counted in a file that says `text`. */
static unsigned int counted(const char *text)
{
	char path[] = "/tmp/test_processors.XXXXXX";
	int fd = mkstemp(path);
	unsigned int count;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(dprintf(fd, "%s", text), 0);
	close(fd);
	count = processors_allowed(path);
	unlink(path);
	return count;
}

/* So many are online, says the linker's --wrap. */
static long online;
long __wrap_sysconf(int name);
long __wrap_sysconf(int name)
{
	ck_assert_int_eq(name, _SC_NPROCESSORS_ONLN);
	return online;
}

START_TEST(the_mask_is_counted)
{
	static const struct {
		const char *text;
		unsigned int count;
	} cases[] = {
		{"Cpus_allowed:\t1\n", 1},
		{"Name:\tqemu\nCpus_allowed:\t00000000,0000ff00\nCpus_allowed_list:\t8-15\n", 8},
		{"Cpus_allowed:\tffffffff,ffffffff,ffffffff,ffffffff", 128},
		{"Name:\tCpus_allowed:\t1\nCpus_allowed:\t7\n", 3},
	};

	online = 256;
	ck_assert_uint_eq(counted(cases[_i].text), cases[_i].count);
	/* Those that may be added to a machine are in the mask, too. */
	online = 2;
	ck_assert_uint_eq(counted(cases[_i].text), cases[_i].count < 2 ? 1 : 2);
}
END_TEST

/* Another kernel's file, or none, as in a chroot without /proc */
START_TEST(all_that_are_online_where_there_is_no_mask)
{
	static const char *const texts[] = {"", "Name:\tqemu\n", "Cpus_allowed:\t0-3\n",
					    "Cpus_allowed:\t0\n"};

	online = 64;
	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_uint_eq(counted(texts[i]), 64);
	ck_assert_uint_eq(processors_allowed("/nonexistent/status"), 64);
	online = -1;
	ck_assert_uint_eq(processors_allowed("/nonexistent/status"), 1);
}
END_TEST

START_TEST(the_affinity_of_this_process_counts)
{
	cpu_set_t all, one;
	unsigned int first = 0;

	online = 1024;
	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_uint_eq(processors_allowed(SELF), 1);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(all), &all), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("processors");
	TCase *tc = tcase_create("processors");

	tcase_add_loop_test(tc, the_mask_is_counted, 0, 4);
	tcase_add_test(tc, all_that_are_online_where_there_is_no_mask);
	tcase_add_test(tc, the_affinity_of_this_process_counts);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
