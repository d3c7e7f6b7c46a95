/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sink.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/error_text.h"
#include "util/monotonic.h"
#include "util/output_file.h"
#include "util/spawn.h"

/* Beyond so many the file is taken for one that hangs. */
#define LINES_MAX 64

/* How long exit() may be held up for what is not written yet. */
#define EXIT_NS UINT64_C(2000000000)

struct sink_line {
	struct sink_line *next;
	size_t len;
	char text[];
};

/* All there are; each is added once and stays. */
static _Atomic(struct sink *) sinks;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void complain(struct sink *s, const char *why)
{
	if (!atomic_exchange(&s->warned, true))
		s->warn(s->path, why);
}

static void forfeit(struct sink *s, const char *line, size_t len, const char *why)
{
	complain(s, why);
	if (s->instead)
		s->instead(line, len);
}

/* All of it; or false, with errno. */
static bool write_all(struct sink *s, int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len; text += n, len -= (size_t)n) {
		n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0) {
			errno = n ? errno : ENOSPC;
			return false;
		}
		if (n)
			s->torn = text[n - 1] != '\n';
	}
	return true;
}

/* Lock held, released meanwhile. `why`: there is no file, for this reason. */
static void write_first(struct sink *s, int fd, const char *why)
{
	struct sink_line *line = s->first;

	pthread_mutex_unlock(&s->lock);
	/* What is left of a line must not spoil the next. */
	if (!why && s->torn && !write_all(s, fd, "\n", 1))
		why = error_text(errno);
	if (!why && !write_all(s, fd, line->text, line->len))
		why = error_text(errno);
	if (why)
		forfeit(s, line->text, line->len, why);
	pthread_mutex_lock(&s->lock);
	/* It stays until now, so that an empty list means that all is done. */
	s->first = line->next;
	if (!s->first)
		s->last = &s->first;
	s->waiting--;
	free(line);
}

static void *run(void *argument)
{
	struct sink *s = argument;
	const char *why;
	int fd;

	pthread_setname_np(pthread_self(), "rdmachunk-file");
	pthread_mutex_lock(&s->lock);
	while (s->users || s->first) {
		pthread_mutex_unlock(&s->lock);
		why = output_file_open(s->path, &fd);
		if (why)
			complain(s, why);
		pthread_mutex_lock(&s->lock);
		s->looked = true;
		while (s->users || s->first) {
			if (s->first)
				write_first(s, fd, why);
			else
				pthread_cond_wait(&s->changed, &s->lock);
		}
		pthread_mutex_unlock(&s->lock);
		/* NFS tells only now that a disk was full. */
		if (!why && close(fd))
			complain(s, error_text(errno));
		pthread_mutex_lock(&s->lock);
	}
	s->running = false;
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Lock held. 0, or an errno. */
static int start(struct sink *s)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	if (s->running)
		return 0;
	/* Each try is a moment in which QEMU could not create one either: there is one for
	 * each who opens it. */
	if (s->no_thread)
		return s->no_thread;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* A signal that a write brings about is thus an error of that write, and no more. */
	error = spawn(&thread, &attr, run, s);
	pthread_attr_destroy(&attr);
	s->running = !error;
	s->no_thread = error;
	s->looked = false;
	return error;
}

/* Held over a fork, and while a sink joins the list. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void)
{
	pthread_mutex_lock(&list_lock);
	for (struct sink *s = atomic_load(&sinks); s; s = s->next)
		pthread_mutex_lock(&s->lock);
}

static void after_fork(void)
{
	for (struct sink *s = atomic_load(&sinks); s; s = s->next)
		pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&list_lock);
}

/* No lines, no users, no thread. */
static void clear(struct sink *s)
{
	/* One that a thread waited for, which a child does not have, is not to be used again. */
	pthread_cond_init(&s->changed, NULL);
	s->first = NULL;
	s->last = &s->first;
	s->waiting = 0;
	s->users = 0;
	s->running = false;
	s->no_thread = 0;
}

static void in_child(void)
{
	struct sink_line *line;

	for (struct sink *s = atomic_load(&sinks); s; s = s->next) {
		while ((line = s->first)) {
			s->first = line->next;
			free(line);
		}
		clear(s);
		pthread_mutex_unlock(&s->lock);
	}
	pthread_mutex_unlock(&list_lock);
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}

void sink_init(struct sink *s)
{
	pthread_mutex_init(&s->lock, NULL);
	clear(s);
	pthread_mutex_lock(&list_lock);
	s->next = atomic_load(&sinks);
	atomic_store(&sinks, s);
	pthread_mutex_unlock(&list_lock);
	pthread_once(&fork_once, watch_forks);
}

void sink_open(struct sink *s, const char *path)
{
	int error;

	pthread_mutex_lock(&s->lock);
	/* It is another in a child, or with settings that came later; warnings read it without the
	 * lock. */
	if (!s->running && strcmp(s->path, path)) {
		snprintf(s->path, sizeof(s->path), "%s", path);
		s->torn = false;
		atomic_store(&s->warned, false);
	}
	s->users++;
	s->no_thread = 0;
	error = start(s);
	pthread_mutex_unlock(&s->lock);
	if (error)
		complain(s, error_text(error));
}

void sink_put(struct sink *s, const char *text, size_t len)
{
	struct sink_line *line = malloc(sizeof(*line) + len);
	bool taken;
	int error;

	if (!line) {
		forfeit(s, text, len, error_text(ENOMEM));
		return;
	}
	line->next = NULL;
	line->len = len;
	memcpy(line->text, text, len);
	pthread_mutex_lock(&s->lock);
	error = start(s);
	taken = !error && s->waiting < LINES_MAX;
	if (taken) {
		*s->last = line;
		s->last = &line->next;
		s->waiting++;
		pthread_cond_signal(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	if (!taken) {
		free(line);
		forfeit(s, text, len, error ? error_text(error) : "it takes too long to write");
	}
}

void sink_close(struct sink *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->users)
		s->users--;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static bool busy(struct sink *s)
{
	bool busy;

	pthread_mutex_lock(&s->lock);
	busy = s->running && (!s->looked || s->first || !s->users);
	pthread_mutex_unlock(&s->lock);
	return busy;
}

/*
 * After all other destructors of the module, so that their lines are written, too.
 * Looks again and again, for a thread that has no time may not have opened the file
 * yet, and one that hangs never says so.
 */
static void __attribute__((destructor(101))) write_out(void)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	uint64_t end = monotonic_ns() + EXIT_NS;

	for (struct sink *s = atomic_load(&sinks); s; s = s->next) {
		while (busy(s) && monotonic_ns() < end)
			nanosleep(&nap, NULL);
		if (busy(s))
			complain(s, "it takes too long to write");
	}
}
