/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_SINK_H
#define RDMACHUNK_UTIL_SINK_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct sink_line;

/*
 * A file that lines are appended to, and whose user never waits for it: a thread
 * opens it, writes and closes. A file system that is full or hangs costs the lines,
 * and nobody's time. What is not opened at all: see util/output_file.h.
 *
 * The thread is there while the sink is open or has lines, and takes no signals. At
 * exit() it has two seconds for what is left. A child has the sink, but none of its
 * parent's lines.
 *
 * Its lock is the innermost of all and held for a few instructions.
 */
struct sink {
	/* Told once for each file why lines do not reach it, maybe by the thread; no lock held. */
	void (*warn)(const char *path, const char *why);
	/* What then becomes of each line; NULL: it is lost. */
	void (*instead)(const char *line, size_t len);

	/* Private. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct sink *next; /* of all there are */
	char path[PATH_MAX];
	struct sink_line *first, **last;
	unsigned int waiting; /* lines */
	unsigned int users;
	bool running;  /* the thread */
	int no_thread; /* the errno with which it could not be created; 0: none */
	bool looked;   /* and it knows whether the file can be had */
	bool torn;     /* the file ends in the middle of a line */
	atomic_bool warned;
};

/* Before anything else, once in a process. */
void sink_init(struct sink *s);

/* One more user: the file is opened if it is not. `path` is the same for all that there are at a
 * time. What goes wrong is for s->warn. Thread safe, as the next two are. */
void sink_open(struct sink *s, const char *path);

/* Append a line of `len` bytes, its newline among them. */
void sink_put(struct sink *s, const char *line, size_t len);

/* One user less: once all lines are written the file is closed. */
void sink_close(struct sink *s);

#endif
