// SPDX-License-Identifier: GPL-2.0-or-later
#include "cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define GROUPS_MAX 64
#define PATHS_MAX  8

/* Smaller than PIPE_BUF: written and read whole. */
struct message {
	enum { ADD_GROUP, FORGET_GROUP, ADD_PATH } kind;
	pid_t pid;
	char path[256];
};

struct guarded {
	pid_t groups[GROUPS_MAX];
	char paths[PATHS_MAX][256];
	size_t n_paths;
};

static int guard_fd = -1;
static pid_t guardian;

static void take(struct guarded *g, const struct message *m)
{
	if (m->kind == ADD_PATH && g->n_paths < PATHS_MAX)
		memcpy(g->paths[g->n_paths++], m->path, sizeof(m->path));
	for (size_t i = 0; m->kind != ADD_PATH && i < GROUPS_MAX; i++) {
		if (g->groups[i] != (m->kind == ADD_GROUP ? 0 : m->pid))
			continue;
		g->groups[i] = m->kind == ADD_GROUP ? m->pid : 0;
		break;
	}
}

/* Ended, but nobody has waited for it: who was to do so may be gone. */
static bool is_zombie(pid_t pid)
{
	char path[40], line[512] = "", *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	f = fopen(path, "re");
	if (f && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (f)
		fclose(f);
	/* The state follows the name, which may have parentheses of its own. */
	end = strrchr(line, ')');
	return end && end[1] == ' ' && end[2] == 'Z';
}

/* A process that has been killed may be writing still. */
static void wait_for_group(pid_t group)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	for (int i = 0; i < 200 && !kill(-group, 0) && !is_zombie(group); i++)
		nanosleep(&pause, NULL);
}

static void remove_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (unlinkat(fd, entry->d_name, 0) && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, ".."))
			unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	if (dir)
		closedir(dir);
	rmdir(path);
}

__attribute__((noreturn)) static void guard(int fd)
{
	struct guarded guarded = {0};
	struct message m;
	ssize_t n;

	/* A session of its own: what the terminal sends is not for the guardian. */
	setsid();
	prctl(PR_SET_NAME, "ab-guardian");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	while ((n = read(fd, &m, sizeof(m))) != 0)
		if (n == (ssize_t)sizeof(m))
			take(&guarded, &m);
		else if (n < 0 && errno != EINTR)
			break;
	for (size_t i = 0; i < GROUPS_MAX; i++)
		if (guarded.groups[i])
			kill(-guarded.groups[i], SIGKILL);
	for (size_t i = 0; i < GROUPS_MAX; i++)
		if (guarded.groups[i])
			wait_for_group(guarded.groups[i]);
	for (size_t i = 0; i < guarded.n_paths; i++)
		if (unlink(guarded.paths[i]))
			remove_directory(guarded.paths[i]);
	_exit(0);
}

int cleanup_start(void)
{
	int fds[2], error;

	if (pipe2(fds, O_CLOEXEC))
		return errno;
	fflush(NULL);
	guardian = fork();
	if (guardian < 0) {
		error = errno;
		close(fds[0]);
		close(fds[1]);
		return error;
	}
	if (!guardian) {
		close(fds[1]);
		guard(fds[0]);
	}
	close(fds[0]);
	guard_fd = fds[1];
	return 0;
}

static void tell(const struct message *m)
{
	while (guard_fd >= 0 && write(guard_fd, m, sizeof(*m)) < 0 && errno == EINTR)
		;
}

void cleanup_add_self(void)
{
	struct message m = {.kind = ADD_GROUP, .pid = getpid()};

	tell(&m);
}

void cleanup_forget(pid_t pid)
{
	struct message m = {.kind = FORGET_GROUP, .pid = pid};

	if (pid)
		tell(&m);
}

void cleanup_add_path(const char *path)
{
	struct message m = {.kind = ADD_PATH};

	if (snprintf(m.path, sizeof(m.path), "%s", path) < (int)sizeof(m.path))
		tell(&m);
}

void cleanup_finish(void)
{
	if (guard_fd < 0)
		return;
	close(guard_fd);
	guard_fd = -1;
	while (waitpid(guardian, NULL, 0) < 0 && errno == EINTR)
		;
}
