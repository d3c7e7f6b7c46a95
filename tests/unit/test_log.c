/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

/*
 * What a child with a fresh log prints. A packet pipe keeps each write(2) apart,
 * so that a line in two pieces shows.
 */
struct output {
	char out[4096], err[4096];
	size_t err_len; /* with its headers */
	unsigned int err_writes;
	pid_t pid;
};

static void drain(int fd, char *text, size_t room, unsigned int *writes)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, text + used, room - 1 - used)) > 0) {
		used += (size_t)n;
		if (writes)
			(*writes)++;
	}
	ck_assert_int_eq(n, 0);
	text[used] = '\0';
}

/* Each line's header, as it has to be for this process, is made "rdmachunk: ". */
static void check_headers(struct output *o)
{
	char tag[64], text[sizeof(o->err)];
	char *to = text;

	snprintf(tag, sizeof(tag), " rdmachunk-" PACKAGE_VERSION "[%ld]: ", (long)o->pid);
	for (char *line = o->err, *next; *line; line = next) {
		static const char form[] = "0000-00-00T00:00:00.000Z";
		size_t len = sizeof(form) - 1;

		next = strchr(line, '\n');
		next = next ? next + 1 : strchr(line, '\0');
		for (size_t i = 0; i < len; i++)
			ck_assert_msg(form[i] == '0' ? isdigit((unsigned char)line[i]) != 0
						     : line[i] == form[i],
				      "no time: %s", line);
		ck_assert_msg(!strncmp(line + len, tag, strlen(tag)), "%s: %s", tag, line);
		line += len + strlen(tag);
		to = stpcpy(to, "rdmachunk: ");
		to = mempcpy(to, line, (size_t)(next - line));
	}
	*to = '\0';
	strcpy(o->err, text);
}

/* Run `body` in a child, whose log is set up with `cfg` first when it is given. */
static void run(struct output *o, const struct config *cfg, void (*body)(void))
{
	int out[2], err[2], status;

	memset(o, 0, sizeof(*o));
	ck_assert_int_eq(pipe2(out, O_DIRECT), 0);
	ck_assert_int_eq(pipe2(err, O_DIRECT), 0);
	fflush(NULL);
	o->pid = fork();
	ck_assert_int_ge(o->pid, 0);
	if (!o->pid) {
		if (dup2(out[1], STDOUT_FILENO) < 0 || dup2(err[1], STDERR_FILENO) < 0)
			_exit(99);
		close(out[0]);
		close(out[1]);
		close(err[0]);
		close(err[1]);
		if (cfg)
			log_open(cfg);
		body();
		exit(0);
	}
	close(out[1]);
	close(err[1]);
	drain(err[0], o->err, sizeof(o->err), &o->err_writes);
	drain(out[0], o->out, sizeof(o->out), NULL);
	o->err_len = strlen(o->err);
	check_headers(o);
	close(out[0]);
	close(err[0]);
	ck_assert_int_eq(waitpid(o->pid, &status, 0), o->pid);
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "status %d: %s", status, o->err);
	/* Standard output belongs to QEMU's user, whatever happens. */
	ck_assert_str_eq(o->out, "");
}

static void every_level(void)
{
	log_error("e%d", 1);
	log_warn("w%d", 2);
	log_info("i%d", 3);
	log_debug("d%d", 4);
}

START_TEST(prints_up_to_its_level)
{
	static const char *const expected[] = {
		"",
		"rdmachunk: e1\n",
		"rdmachunk: e1\nrdmachunk: w2\n",
		"rdmachunk: e1\nrdmachunk: w2\nrdmachunk: i3\n",
		"rdmachunk: e1\nrdmachunk: w2\nrdmachunk: i3\nrdmachunk: d4\n",
	};
	struct config cfg = {.log_level = (enum config_log_level)_i};
	struct output o;

	run(&o, &cfg, every_level);
	ck_assert_str_eq(o.err, expected[_i]);
	ck_assert_uint_eq(o.err_writes, (unsigned int)_i);
}
END_TEST

START_TEST(prints_nothing_before_it_is_opened)
{
	struct output o;

	run(&o, NULL, every_level);
	ck_assert_str_eq(o.err, "");
}
END_TEST

static void always(void)
{
	log_always("%s=%d", "x", 5);
}

START_TEST(some_things_are_always_printed)
{
	struct config cfg = {.log_level = CONFIG_LOG_OFF};
	struct output o;

	run(&o, &cfg, always);
	ck_assert_str_eq(o.err, "rdmachunk: x=5\n");
	run(&o, NULL, always);
	ck_assert_str_eq(o.err, "rdmachunk: x=5\n");
}
END_TEST

static char long_text[2000];

static void print_long(void)
{
	log_error("%s", long_text);
}

/* At every length around the limit: one line, one write, its beginning intact. */
START_TEST(a_long_line_is_cut_and_still_a_line)
{
	struct config cfg = {.log_level = CONFIG_LOG_ERROR};
	unsigned int cut = 0, whole = 0;
	struct output o;
	size_t len;

	for (size_t n = 680; n <= 760; n++) {
		memset(long_text, 'x', n);
		long_text[n - 1] = 'y';
		long_text[n] = '\0';
		run(&o, &cfg, print_long);
		len = strlen(o.err);
		ck_assert_uint_eq(o.err_writes, 1);
		ck_assert_int_eq(strncmp(o.err, "rdmachunk: xxx", 14), 0);
		ck_assert_ptr_eq(strchr(o.err, '\n'), &o.err[len - 1]);
		ck_assert_uint_le(o.err_len, 767);
		ck_assert_int_eq(o.err[len - 2], len == n + 12 ? 'y' : 'x');
		ck_assert(len == n + 12 || o.err_len >= 766);
		*(len == n + 12 ? &whole : &cut) += 1;
	}
	ck_assert(cut && whole);
}
END_TEST

static const struct {
	time_t seconds;
	long ns;
	const char *text;
} times[] = {
	{0, 0, "1970-01-01T00:00:00.000Z"},
	{951782399, 999999999, "2000-02-28T23:59:59.999Z"},
	{951782400, 0, "2000-02-29T00:00:00.000Z"},
	{951868800, 0, "2000-03-01T00:00:00.000Z"},
	{1709251199, 1000000, "2024-02-29T23:59:59.001Z"},
	{1735689599, 0, "2024-12-31T23:59:59.000Z"},
	{1735689600, 0, "2025-01-01T00:00:00.000Z"},
	{4107542400, 0, "2100-03-01T00:00:00.000Z"},
};

START_TEST(times_are_utc)
{
	struct timespec when = {.tv_sec = times[_i].seconds, .tv_nsec = times[_i].ns};
	char text[LOG_TIME_LEN];

	log_time(text, &when);
	ck_assert_str_eq(text, times[_i].text);
}
END_TEST

/* Against libc's, a day at a time, and of a day its last second. */
START_TEST(times_are_those_of_libc)
{
	for (time_t s = 86399; s < 2 * UINT32_MAX; s += 86400) {
		struct timespec when = {.tv_sec = s};
		char text[LOG_TIME_LEN], expected[LOG_TIME_LEN];
		struct tm tm;

		gmtime_r(&s, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		log_time(text, &when);
		ck_assert_str_eq(text, expected);
	}
}
END_TEST

static void keep_errno(void)
{
	errno = ELOOP;
	log_error("one");
	if (errno != ELOOP)
		_exit(1);
	log_always("two");
	if (errno != ELOOP)
		_exit(2);
	close(STDERR_FILENO);
	log_error("three");
	if (errno != ELOOP)
		_exit(3);
}

START_TEST(keeps_errno_also_when_it_cannot_write)
{
	struct config cfg = {.log_level = CONFIG_LOG_ERROR};
	struct output o;

	run(&o, &cfg, keep_errno);
	ck_assert_str_eq(o.err, "rdmachunk: one\nrdmachunk: two\n");
}
END_TEST

static void read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	drain(fd, text, room, NULL);
	close(fd);
}

static char directory[] = "/tmp/rdmachunk-test-log.XXXXXX";

static void make_directory(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
	ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(a_file_takes_the_log)
{
	char path[PATH_MAX], expanded[PATH_MAX], text[4096];
	struct config cfg = {.log_level = CONFIG_LOG_WARN, .log_file = path};
	struct output o;

	snprintf(path, sizeof(path), "%s/%%p.log", directory);
	run(&o, &cfg, every_level);
	ck_assert_str_eq(o.err, "");
	snprintf(expanded, sizeof(expanded), "%s/%ld.log", directory, (long)o.pid);
	read_file(expanded, o.err, sizeof(o.err));
	check_headers(&o);
	ck_assert_str_eq(o.err, "rdmachunk: e1\nrdmachunk: w2\n");
	ck_assert_int_eq(unlink(expanded), 0);

	/* A second process appends. */
	snprintf(path, sizeof(path), "%s/log", directory);
	run(&o, &cfg, every_level);
	read_file(path, text, sizeof(text));
	run(&o, &cfg, every_level);
	read_file(path, o.err, sizeof(o.err));
	ck_assert_int_eq(strncmp(o.err, text, strlen(text)), 0);
	memmove(o.err, o.err + strlen(text), strlen(o.err + strlen(text)) + 1);
	check_headers(&o);
	ck_assert_str_eq(o.err, "rdmachunk: e1\nrdmachunk: w2\n");
	/* What must be seen is on standard error all the same. */
	run(&o, &cfg, always);
	ck_assert_str_eq(o.err, "rdmachunk: x=5\n");
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* The descriptor of the log file, which is closed when QEMU runs a helper. */
static void find_descriptor(void)
{
	char link[64], target[PATH_MAX];
	time_t end = time(NULL) + 60;
	bool found = false;

	/* A thread opens it. */
	for (int fd = 3; !found && time(NULL) < end; fd = fd < 63 ? fd + 1 : 3) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strncmp(target, directory, strlen(directory)))
			continue;
		found = true;
		if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			_exit(1);
	}
	if (!found)
		_exit(2);
}

START_TEST(a_helper_does_not_inherit_the_file)
{
	char path[PATH_MAX];
	struct config cfg = {.log_level = CONFIG_LOG_WARN, .log_file = path};
	struct output o;

	snprintf(path, sizeof(path), "%s/log", directory);
	run(&o, &cfg, find_descriptor);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened)
{
	char path[PATH_MAX], expected[PATH_MAX + 200];
	struct config cfg = {.log_level = CONFIG_LOG_ERROR, .log_file = path};
	struct output o;

	snprintf(path, sizeof(path), "%s/none/%%p", directory);
	run(&o, &cfg, every_level);
	snprintf(expected, sizeof(expected),
		 "rdmachunk: RDMACHUNK_LOG_FILE=%s/none/%ld: No such file or directory; logging to "
		 "standard error: use the path of a regular file that can be written\n"
		 "rdmachunk: e1\n",
		 directory, (long)o.pid);
	ck_assert_str_eq(o.err, expected);

	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 2] = '%';
	path[sizeof(path) - 1] = '\0';
	memcpy(path + sizeof(path) - 4, "%p", 2);
	run(&o, &cfg, every_level);
	snprintf(expected, sizeof(expected),
		 "rdmachunk: RDMACHUNK_LOG_FILE=%.64s...: path too long; logging to standard "
		 "error\nrdmachunk: e1\n",
		 path);
	ck_assert_str_eq(o.err, expected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_unchecked_fixture(tc, make_directory, remove_directory);
	tcase_add_loop_test(tc, prints_up_to_its_level, CONFIG_LOG_OFF, CONFIG_LOG_DEBUG + 1);
	tcase_add_test(tc, prints_nothing_before_it_is_opened);
	tcase_add_test(tc, some_things_are_always_printed);
	tcase_add_loop_test(tc, times_are_utc, 0, (int)(sizeof(times) / sizeof(times[0])));
	tcase_add_test(tc, times_are_those_of_libc);
	tcase_add_test(tc, a_long_line_is_cut_and_still_a_line);
	tcase_add_test(tc, keeps_errno_also_when_it_cannot_write);
	tcase_add_test(tc, a_file_takes_the_log);
	tcase_add_test(tc, a_helper_does_not_inherit_the_file);
	tcase_add_test(tc, a_file_that_cannot_be_opened);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
