/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/worker.h"

#include "engine/verbs.h"
#include "support.h"

/* As engine/verbs.c has it. */
_Thread_local unsigned int guard_depth;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;

/* What the thread has to do, and has done. */
static struct {
	unsigned int left, done;
	bool guarded;
} job;

static enum worker_next work(void *argument, unsigned int kinds)
{
	ck_assert_ptr_eq(argument, &job);
	ck_assert_uint_eq(kinds, 42);
	job.guarded = guard_depth > 0;
	if (!job.left)
		return WORKER_WAIT;
	job.left--;
	job.done++;
	pthread_cond_signal(&told);
	return WORKER_AGAIN;
}

static const struct worker_job the_job = {"rdmachunk-test", 42, work};
static struct worker worker;

static void setup(void)
{
	memset(&job, 0, sizeof(job));
	pthread_mutex_lock(&lock);
	worker_init(&worker, &the_job, &lock, &job);
}

static void teardown(void)
{
	pthread_mutex_unlock(&lock);
}

static void wait_until_done(unsigned int pieces)
{
	while (job.done < pieces)
		pthread_cond_wait(&told, &lock);
}

START_TEST(it_does_what_there_is_and_waits_for_more)
{
	job.left = 3;
	ck_assert_int_eq(worker_start(&worker), 0);
	ck_assert_int_eq(worker.state, WORKER_RUNS);
	wait_until_done(3);
	ck_assert(job.guarded);
	ck_assert_uint_eq(guard_depth, 0);
	job.left = 2;
	worker_wake(&worker);
	wait_until_done(5);
	worker_stop(&worker);
	ck_assert_int_eq(worker.state, WORKER_OVER);
}
END_TEST

START_TEST(one_that_is_told_to_end_does_no_more)
{
	ck_assert_int_eq(worker_start(&worker), 0);
	worker_end(&worker);
	ck_assert_int_eq(worker.state, WORKER_ENDS);
	job.left = 1;
	worker_wake(&worker);
	worker_stop(&worker);
	ck_assert_int_eq(worker.state, WORKER_OVER);
	ck_assert_uint_eq(job.done, 0);
}
END_TEST

/* Another thread of the session may be about to create it still (engine/driver.c, wake_prefetcher):
 * that looks for WORKER_NONE. */
START_TEST(one_that_was_never_created_is_not_any_more)
{
	worker_end(&worker);
	ck_assert_int_eq(worker.state, WORKER_OVER);
	worker_wake(&worker);
	worker_stop(&worker);
	ck_assert_int_eq(worker.state, WORKER_OVER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tc = tcase_create("worker");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_does_what_there_is_and_waits_for_more);
	tcase_add_test(tc, one_that_is_told_to_end_does_no_more);
	tcase_add_test(tc, one_that_was_never_created_is_not_any_more);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
