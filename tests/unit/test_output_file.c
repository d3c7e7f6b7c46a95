/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

/*
 * A directory of this user's, in which `ours` is one that only he may write to, and `shared`
 * one like /tmp. Links lead from each into the other.
 */
static char top[] = "/tmp/rdmachunk-test-output.XXXXXX";
static mode_t umask_before;

static const char *in(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned int next;
	char *p = path[next++ % 4];

	snprintf(p, PATH_MAX, "%s/%s", top, name);
	return p;
}

static void link_to(const char *target, const char *name)
{
	ck_assert_int_eq(symlink(target, in(name)), 0);
}

static void setup(void)
{
	umask_before = umask(0);
	strcpy(top + strlen(top) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(mkdir(in("ours"), 0755), 0);
	ck_assert_int_eq(mkdir(in("shared"), 0755), 0);
	ck_assert_int_eq(chmod(in("shared"), 01777), 0);
	ck_assert_int_eq(mkdir(in("shared/inner"), 0755), 0);
	link_to("../shared", "ours/link");
	link_to("../ours", "shared/link");
	link_to("file", "ours/file-link");
	link_to("file", "shared/file-link");
}

static void teardown(void)
{
	char command[PATH_MAX + 16];

	umask(umask_before);
	snprintf(command, sizeof(command), "rm -r %s", top);
	/* NOLINTNEXTLINE(cert-env33-c): the directory's name is ours */
	ck_assert_int_eq(system(command), 0);
}

static unsigned int open_files(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Why it cannot be opened, or NULL when it can, once: that leaves nothing open. */
static const char *try(const char *path)
{
	unsigned int before = open_files();
	const char *examined = output_file_examine(path);
	const char *why;
	int fd;

	ck_assert_uint_eq(open_files(), before);
	why = output_file_open(path, &fd);
	if (why)
		ck_assert_pstr_eq(examined, why);
	else
		ck_assert_pstr_eq(examined, NULL);
	ck_assert_int_eq(fd >= 0, !why);
	if (!why) {
		ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		ck_assert_int_eq(write(fd, "x", 1), 1);
		close(fd);
	}
	ck_assert_uint_eq(open_files(), before);
	return why;
}

#define SHARED_LINK "a symbolic link in a directory that all users may write to"

static const struct {
	const char *name, *why, *made;
} cases[] = {
	{"ours/file", NULL, "ours/file"},
	{"shared/file", NULL, "shared/file"},
	{"shared/inner/file", NULL, "shared/inner/file"},
	{"ours//../ours/./file", NULL, "ours/file"},
	/* Whoever made this link may write here anyway. */
	{"ours/link/file", NULL, "shared/file"},
	{"shared/link/file", SHARED_LINK, NULL},
	{"shared/inner/../link/file", SHARED_LINK, NULL},
	{"ours/link/link/file", SHARED_LINK, NULL},
	{"ours/file-link", "is a symbolic link", NULL},
	{"shared/file-link", "is a symbolic link", NULL},
	{"ours/link", "is a symbolic link", NULL},
	{"ours", "is a directory", NULL},
	{"ours/", "No such file or directory", NULL},
	{"none/file", "No such file or directory", NULL},
	{"shared/none/file", "No such file or directory", NULL},
};

START_TEST(paths)
{
	struct stat st;

	for (int i = 0; i < 2; i++) {
		const char *why = try(in(cases[_i].name));

		if (cases[_i].why)
			ck_assert_pstr_eq(why, cases[_i].why);
		else
			ck_assert_pstr_eq(why, NULL);
	}
	ck_assert_int_eq(stat(in("ours/file"), &st) && stat(in("shared/file"), &st) &&
				 stat(in("shared/inner/file"), &st),
			 !cases[_i].made);
	if (!cases[_i].made)
		return;
	ck_assert_int_eq(stat(in(cases[_i].made), &st), 0);
	ck_assert_int_eq(st.st_size, 2);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(relative_paths)
{
	struct stat st;

	ck_assert_int_eq(chdir(in("ours")), 0);
	ck_assert_pstr_eq(try("one"), NULL);
	ck_assert_pstr_eq(try("../shared/two"), NULL);
	ck_assert_pstr_eq(try("../shared/link/three"), SHARED_LINK);
	ck_assert_pstr_eq(try(""), "No such file or directory");
	ck_assert_pstr_eq(try("/"), "No such file or directory");
	ck_assert_int_eq(stat(in("ours/one"), &st) || stat(in("shared/two"), &st), 0);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

/* What is there keeps its mode, and is not opened for those who wait at the other end. */
START_TEST(files_that_are_there)
{
	struct stat st;

	ck_assert_pstr_eq(try(in("ours/file")), NULL);
	ck_assert_int_eq(chmod(in("ours/file"), 0640), 0);
	ck_assert_pstr_eq(try(in("ours/file")), NULL);
	ck_assert_int_eq(stat(in("ours/file"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	/* With a second name it could be any file of this user's. */
	ck_assert_int_eq(link(in("ours/file"), in("shared/file")), 0);
	ck_assert_pstr_eq(try(in("shared/file")),
			  "has another name, and all users may write to its directory");
	ck_assert_pstr_eq(try(in("ours/file")), NULL);
	ck_assert_int_eq(mkfifo(in("shared/fifo"), 0600), 0);
	ck_assert_pstr_eq(try(in("shared/fifo")), "is a FIFO");
}
END_TEST

#define NOBODY 65534

/* Of another user's: only root can make one. */
START_TEST(files_of_others)
{
	if (geteuid() != 0)
		return;
	ck_assert_pstr_eq(try(in("shared/file")), NULL);
	ck_assert_pstr_eq(try(in("ours/file")), NULL);
	ck_assert_int_eq(chown(in("shared/file"), NOBODY, NOBODY), 0);
	ck_assert_int_eq(chown(in("ours/file"), NOBODY, NOBODY), 0);
	ck_assert_pstr_eq(try(in("shared/file")),
			  "belongs to another user, in a directory that all users may write to");
	ck_assert_pstr_eq(try(in("ours/file")), NULL);
	ck_assert_int_eq(chown(in("shared"), NOBODY, NOBODY), 0);
	ck_assert_pstr_eq(try(in("shared/file")), NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("output_file");
	TCase *tc = tcase_create("output_file");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, paths, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, relative_paths);
	tcase_add_test(tc, files_that_are_there);
	tcase_add_test(tc, files_of_others);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
