/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/switch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/condition.h"
#include "util/error_text.h"
#include "util/monotonic.h"
#include "util/spawn.h"

/* Threads that a file system may keep. */
#define READERS_MAX 4

/* What is no errno. */
enum {
	NOT_REGULAR = -1,
	TOO_LONG = -2,
};

/* 0, or why nothing is read from it. */
static int refused(const struct stat *st)
{
	return S_ISREG(st->st_mode) ? 0 : NOT_REGULAR;
}

bool switch_file_read(const char *path, int *error)
{
	static const char off[] = "off";
	char text[sizeof(off)] = "";
	struct stat st;
	ssize_t n = -1;
	int fd;

	*error = 0;
	/* To open a device may do something to it: look first. */
	if (stat(path, &st)) {
		if (errno != ENOENT && errno != ENOTDIR)
			*error = errno;
		return false;
	}
	*error = refused(&st);
	if (*error)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	/* It may be another by now. */
	if (fd < 0 || fstat(fd, &st))
		*error = errno;
	else
		*error = refused(&st);
	if (!*error) {
		n = read(fd, text, sizeof(text));
		if (n < 0)
			*error = errno;
	}
	if (fd >= 0)
		close(fd);
	return n >= 3 && !memcmp(text, off, 3) && (n == 3 || strchr(" \t\r\n", text[3]));
}

const char *switch_file_error(int error)
{
	switch (error) {
	case 0:
		return NULL;
	case NOT_REGULAR:
		return "is not a regular file";
	case TOO_LONG:
		return "it takes too long to read";
	default:
		return error_text(error);
	}
}

/* One reading, by a thread; whoever is the last to look at it frees it. */
struct reading {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done, alone; /* the other of the two has gone */
	bool off;
	int error;
	char path[];
};

static atomic_uint readers;

static void leave(struct reading *r)
{
	bool last = r->alone;

	r->alone = true;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	pthread_cond_destroy(&r->ended);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *run(void *argument)
{
	struct reading *r = argument;
	int error;
	bool off = switch_file_read(r->path, &error);

	pthread_mutex_lock(&r->lock);
	r->off = off;
	r->error = error;
	r->done = true;
	pthread_cond_signal(&r->ended);
	atomic_fetch_sub(&readers, 1);
	leave(r);
	return NULL;
}

static struct reading *begin(const char *path)
{
	struct reading *r = malloc(sizeof(*r) + strlen(path) + 1);

	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	strcpy(r->path, path);
	pthread_mutex_init(&r->lock, NULL);
	condition_init(&r->ended);
	return r;
}

/* 0 or an errno. */
static int start(struct reading *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	if (atomic_fetch_add(&readers, 1) >= READERS_MAX) {
		atomic_fetch_sub(&readers, 1);
		return EAGAIN;
	}
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = spawn(&thread, &attr, run, r);
	pthread_attr_destroy(&attr);
	if (error)
		atomic_fetch_sub(&readers, 1);
	return error;
}

static bool wait_for(struct reading *r, int *error)
{
	uint64_t end = monotonic_ns() + SWITCH_FILE_MS * UINT64_C(1000000);
	bool off = false;

	pthread_mutex_lock(&r->lock);
	while (!r->done && condition_wait_until(&r->ended, &r->lock, end))
		;
	if (r->done) {
		off = r->off;
		*error = r->error;
	} else {
		*error = TOO_LONG;
	}
	leave(r);
	return off;
}

bool switch_file_is_off(const char *path, int *error)
{
	struct reading *r = begin(path);

	*error = r ? start(r) : ENOMEM;
	if (!*error)
		return wait_for(r, error);
	if (r) {
		pthread_mutex_lock(&r->lock);
		r->alone = true;
		leave(r);
	}
	return false;
}
