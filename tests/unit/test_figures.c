/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/figures.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support.h"

static struct figures_page page;

/* All of it tells of the same number. */
static void fill(struct figures *f, uint64_t n)
{
	memset(f, 0, sizeof(*f));
	f->started = f->updated = n;
	memset(f->peer, 'a' + (int)(n % 26), sizeof(f->peer) - 1);
	for (size_t i = 0; i < FIGURES_COUNTERS; i++)
		f->counter[i] = n + i;
}

static void expect_number(const struct figures *f, uint64_t n)
{
	struct figures expected;

	fill(&expected, n);
	ck_assert_mem_eq(f, &expected, sizeof(expected));
}

static void setup(void)
{
	memset(&page, 0, sizeof(page));
	figures_init(&page);
}

START_TEST(what_was_written_last_is_read)
{
	struct figures f;

	ck_assert_int_eq(figures_read(&page, &f), 0);
	for (uint64_t n = 0; n < 3; n++) {
		fill(&f, n);
		figures_write(&page, &f);
		memset(&f, 1, sizeof(f));
		ck_assert_int_eq(figures_read(&page, &f), 0);
		expect_number(&f, n);
	}
}
END_TEST

START_TEST(what_is_no_page_of_ours)
{
	struct figures f;

	page.layout++;
	ck_assert_int_eq(figures_read(&page, &f), -EPROTO);
	page.layout--;
	page.magic++;
	ck_assert_int_eq(figures_read(&page, &f), -EPROTO);
}
END_TEST

/* Its process has been stopped, or ended, in the middle. */
START_TEST(a_page_that_is_never_finished)
{
	struct figures f;

	atomic_store(&page.sequence, 3);
	ck_assert_int_eq(figures_read(&page, &f), -EAGAIN);
}
END_TEST

START_TEST(strings_end)
{
	struct figures f;

	memset(&f, 'x', sizeof(f));
	figures_write(&page, &f);
	ck_assert_int_eq(figures_read(&page, &f), 0);
	ck_assert_uint_eq(strlen(f.version), sizeof(f.version) - 1);
	ck_assert_uint_eq(strlen(f.peer), sizeof(f.peer) - 1);
	ck_assert_uint_eq(strlen(f.role), sizeof(f.role) - 1);
	ck_assert_uint_eq(strlen(f.state), sizeof(f.state) - 1);
	ck_assert_uint_eq(strlen(f.phase), sizeof(f.phase) - 1);
	ck_assert_uint_eq(strlen(f.blocked), sizeof(f.blocked) - 1);
}
END_TEST

/* Whoever looks may be root, and the page that of somebody else's process. */
START_TEST(strings_are_printable)
{
	struct figures f;

	memset(&f, 0, sizeof(f));
	memcpy(f.peer, "\033[2J", 4);
	memcpy(f.phase, "a\xff\n", 3);
	figures_write(&page, &f);
	ck_assert_int_eq(figures_read(&page, &f), 0);
	ck_assert_str_eq(f.peer, "?[2J");
	ck_assert_str_eq(f.phase, "a??");
}
END_TEST

START_TEST(every_counter_has_a_name)
{
	for (size_t i = 0; i < FIGURES_COUNTERS; i++) {
		ck_assert_ptr_nonnull(figures_counter_names[i]);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(figures_counter_names[i], figures_counter_names[j]);
	}
}
END_TEST

static atomic_bool stop;

static void *write_on(void *argument)
{
	struct figures f;

	(void)argument;
	for (uint64_t n = 1; !atomic_load(&stop); n++) {
		fill(&f, n);
		figures_write(&page, &f);
	}
	return NULL;
}

/* Most looks find that it is being written: under ThreadSanitizer a busy machine has 30 a second
 * that do not. */
#define READ_LEAST    500
#define CHANGES_LEAST 50

/* Figures of one moment, however often it is looked at; and they go on. */
START_TEST(nothing_is_torn_while_it_is_written)
{
	unsigned int read = 0, changes = 0;
	time_t end = time(NULL) + 60;
	uint64_t last = 0;
	struct figures f;
	pthread_t thread;

	fill(&f, 0);
	figures_write(&page, &f);
	atomic_store(&stop, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_on, NULL), 0);
	while ((read < READ_LEAST || changes < CHANGES_LEAST) && time(NULL) < end) {
		/* It may be written faster than it is read: that is said. */
		if (figures_read(&page, &f))
			continue;
		read++;
		expect_number(&f, f.started);
		ck_assert_uint_ge(f.started, last);
		changes += f.started != last;
		last = f.started;
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_ge(read, READ_LEAST);
	ck_assert_uint_ge(changes, CHANGES_LEAST);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("figures");
	TCase *tc = tcase_create("figures");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_was_written_last_is_read);
	tcase_add_test(tc, what_is_no_page_of_ours);
	tcase_add_test(tc, a_page_that_is_never_finished);
	tcase_add_test(tc, strings_end);
	tcase_add_test(tc, strings_are_printable);
	tcase_add_test(tc, every_counter_has_a_name);
	tcase_add_test(tc, nothing_is_torn_while_it_is_written);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
