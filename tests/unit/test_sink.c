/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

#define WAIT_SECONDS 60

#define wait_for(condition)                                                   \
	do {                                                                  \
		time_t until_ = time(NULL) + WAIT_SECONDS;                    \
                                                                              \
		while (!(condition)) {                                        \
			ck_assert_msg(time(NULL) < until_, "%s", #condition); \
			sched_yield();                                        \
		}                                                             \
	} while (0)

static char directory[] = "/tmp/rdmachunk-test-sink.XXXXXX";
static char path[PATH_MAX];
/* One for each test: once initialised they are there for good. */
static struct sink sinks[32], *sink = sinks;

/* What the sink has told, in this process. */
static char warning[256];
static atomic_uint warnings;
static char elsewhere[4096];
static atomic_uint lines_elsewhere;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void warn(const char *where, const char *why)
{
	pthread_mutex_lock(&gate);
	ck_assert_str_eq(where, path);
	snprintf(warning, sizeof(warning), "%s", why);
	atomic_fetch_add(&warnings, 1);
	pthread_mutex_unlock(&gate);
}

static void instead(const char *line, size_t len)
{
	strncat(elsewhere, line, len);
	atomic_fetch_add(&lines_elsewhere, 1);
}

static int refuse_threads;
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *argument)
{
	return refuse_threads ? refuse_threads : __real_pthread_create(thread, attr, run, argument);
}

static void setup(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/file", directory);
	warning[0] = elsewhere[0] = '\0';
	atomic_store(&warnings, 0);
	atomic_store(&lines_elsewhere, 0);
	ck_assert_ptr_ne(++sink, sinks + sizeof(sinks) / sizeof(sinks[0]));
	sink->warn = warn;
	sink->instead = instead;
	sink_init(sink);
}

static void put(const char *line)
{
	sink_put(sink, line, strlen(line));
}

static bool has_thread(void)
{
	bool running;

	pthread_mutex_lock(&sink->lock);
	running = sink->running;
	pthread_mutex_unlock(&sink->lock);
	return running;
}

static void close_and_wait(void)
{
	sink_close(sink);
	wait_for(!has_thread());
}

static void teardown(void)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -r %s", directory);
	/* NOLINTNEXTLINE(cert-env33-c): the directory's name is ours */
	ck_assert_int_eq(system(command), 0);
}

static const char *content(void)
{
	static char text[8192];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static unsigned int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

START_TEST(lines_come_in_order_and_nothing_stays_open)
{
	unsigned int before = open_files();
	char line[16], expected[1024] = "";

	sink_open(sink, path);
	sink_open(sink, path);
	for (int i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		strcat(expected, line);
		put(line);
		if (i == 20)
			sink_close(sink);
	}
	close_and_wait();
	ck_assert_str_eq(content(), expected);
	ck_assert_uint_eq(atomic_load(&warnings), 0);
	ck_assert_uint_eq(open_files(), before);
}
END_TEST

/* As logrotate leaves it */
START_TEST(the_next_user_gets_the_file_of_that_name)
{
	char moved[PATH_MAX + 8];

	sink_open(sink, path);
	put("one\n");
	close_and_wait();
	snprintf(moved, sizeof(moved), "%s.1", path);
	ck_assert_int_eq(rename(path, moved), 0);
	sink_open(sink, path);
	put("two\n");
	close_and_wait();
	ck_assert_str_eq(content(), "two\n");
}
END_TEST

static void make_fifo(void)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void make_directory(void)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void make_link(void)
{
	ck_assert_int_eq(symlink("target", path), 0);
}

static void make_nothing(void)
{
	strcat(path, "/file");
}

static const struct {
	void (*make)(void);
	const char *why;
} kinds[] = {
	{make_fifo, "is a FIFO"},
	{make_directory, "is a directory"},
	{make_link, "is a symbolic link"},
	{make_nothing, "No such file or directory"},
};

START_TEST(what_is_no_file_is_told_once)
{
	kinds[_i].make();
	for (int i = 0; i < 2; i++) {
		sink_open(sink, path);
		put("line\n");
		close_and_wait();
	}
	ck_assert_str_eq(warning, kinds[_i].why);
	ck_assert_uint_eq(atomic_load(&warnings), 1);
	ck_assert_str_eq(elsewhere, "line\nline\n");
}
END_TEST

/* Check has files of its own, which must not meet the limit. */
#define FILE_LIMIT (1 << 20)

/* SIGXFSZ would end the process; and the next line begins on a line of its own. */
START_TEST(a_line_cut_short_does_not_spoil_the_next)
{
	struct rlimit limit = {.rlim_cur = FILE_LIMIT, .rlim_max = RLIM_INFINITY};
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	char text[64] = "";

	ck_assert_int_eq(ftruncate(fd, FILE_LIMIT - 4), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	sink_open(sink, path);
	put("first\n");
	wait_for(atomic_load(&lines_elsewhere) == 1);
	put("second\n");
	wait_for(atomic_load(&lines_elsewhere) == 2);
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	put("third\n");
	close_and_wait();
	ck_assert_int_gt(pread(fd, text, sizeof(text) - 1, FILE_LIMIT - 4), 0);
	ck_assert_str_eq(text, "firs\nthird\n");
	ck_assert_str_eq(elsewhere, "first\nsecond\n");
	ck_assert_str_eq(warning, "File too large");
	ck_assert_uint_eq(atomic_load(&warnings), 1);
	close(fd);
}
END_TEST

/* As QEMU is attached to with other settings: what was wrong with the first file is not the
 * second's, and what is wrong with that one is told too. */
START_TEST(another_file_is_another_matter)
{
	struct rlimit limit = {.rlim_cur = FILE_LIMIT, .rlim_max = RLIM_INFINITY};
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	ck_assert_int_eq(ftruncate(fd, FILE_LIMIT - 4), 0);
	close(fd);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	sink_open(sink, path);
	put("first\n");
	close_and_wait();
	ck_assert_str_eq(warning, "File too large");
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);

	strcat(path, ".other");
	sink_open(sink, path);
	put("second\n");
	close_and_wait();
	ck_assert_str_eq(content(), "second\n");
	ck_assert_uint_eq(atomic_load(&warnings), 1);

	make_nothing();
	sink_open(sink, path);
	put("third\n");
	close_and_wait();
	ck_assert_str_eq(warning, "Not a directory");
	ck_assert_uint_eq(atomic_load(&warnings), 2);
}
END_TEST

/* The thread does not come back: whoever has a line is let go nevertheless. */
START_TEST(lines_do_not_pile_up_for_ever)
{
	unsigned int n = 0;

	make_directory();
	pthread_mutex_lock(&gate);
	sink_open(sink, path);
	wait_for(atomic_load(&sink->warned));
	for (; !atomic_load(&lines_elsewhere); n++) {
		ck_assert_uint_lt(n, 1000);
		put("x\n");
	}
	ck_assert_uint_ge(n, 16);
	pthread_mutex_unlock(&gate);
	close_and_wait();
	ck_assert_uint_eq(atomic_load(&lines_elsewhere), n);
}
END_TEST

START_TEST(without_a_thread_the_lines_go_elsewhere)
{
	refuse_threads = EAGAIN;
	sink_open(sink, path);
	put("one\n");
	ck_assert_str_eq(warning, strerror(EAGAIN));
	ck_assert_str_eq(elsewhere, "one\n");
	refuse_threads = 0;
	/* Not again for each line: QEMU might need a thread at that moment. */
	put("two\n");
	ck_assert(!has_thread());
	ck_assert_ptr_nonnull(strstr(elsewhere, "two\n"));
	sink_open(sink, path);
	put("three\n");
	sink_close(sink);
	close_and_wait();
	ck_assert_str_eq(content(), "three\n");
	ck_assert_uint_eq(atomic_load(&warnings), 1);
}
END_TEST

/* Its parent's lines and users are none of the child's, its own get out at exit(). */
START_TEST(a_child_writes_its_own_lines)
{
	int status;
	pid_t pid;

	sink_open(sink, path);
	for (int i = 0; i < 3; i++)
		put("parent\n");
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		put("child\n");
		exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close_and_wait();
	ck_assert_uint_eq(strlen(content()), strlen("parent\nparent\nparent\nchild\n"));
	ck_assert_ptr_nonnull(strstr(content(), "child\n"));
}
END_TEST

/* As QEMU's main() returns; nothing is closed. */
START_TEST(what_waits_at_exit_is_written)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		sink_open(sink, path);
		put("last words\n");
		exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(content(), "last words\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sink");
	TCase *tc = tcase_create("sink"), *forked = tcase_create("forked");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 2 * WAIT_SECONDS);
	tcase_add_test(tc, lines_come_in_order_and_nothing_stays_open);
	tcase_add_test(tc, the_next_user_gets_the_file_of_that_name);
	tcase_add_loop_test(tc, what_is_no_file_is_told_once, 0,
			    (int)(sizeof(kinds) / sizeof(kinds[0])));
	tcase_add_test(tc, a_line_cut_short_does_not_spoil_the_next);
	tcase_add_test(tc, another_file_is_another_matter);
	tcase_add_test(tc, lines_do_not_pile_up_for_ever);
	tcase_add_test(tc, without_a_thread_the_lines_go_elsewhere);
	tcase_add_test(tc, what_waits_at_exit_is_written);
	suite_add_tcase(suite, tc);
	/* Not under qemu-user: it fails when a child of a process with threads makes one. */
	tcase_set_tags(forked, "thread-after-fork");
	tcase_add_checked_fixture(forked, setup, teardown);
	tcase_set_timeout(forked, 2 * WAIT_SECONDS);
	tcase_add_test(forked, a_child_writes_its_own_lines);
	suite_add_tcase(suite, forked);
	return unit_run(suite);
}
