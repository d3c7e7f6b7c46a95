// SPDX-License-Identifier: GPL-2.0-or-later
#include "latency.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>

#include "ab/wait.h"

/* From an answer to the next question. */
#define PAUSE_NS 2000000

int latency_open(struct latency *latency, struct failure *failure)
{
	int fds[2];

	*latency = (struct latency){.fd = -1, .qmp.fd = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) || fcntl(fds[1], F_SETFD, 0)) {
		fail(failure, "no socket for another monitor: %s", strerror(errno));
		return -1;
	}
	latency->fd = fds[0];
	snprintf(latency->argument, sizeof(latency->argument), "socket,id=latency,fd=%d", fds[1]);
	return fds[1];
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* One that ends instead of answering has kept nobody waiting. */
static void *ask(void *argument)
{
	static const char *const commands[] = {"query-status", "query-migrate"};
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct latency *l = argument;

	for (unsigned int n = 0; !atomic_load(&l->stop); n++) {
		struct failure not_judged = {""};
		uint64_t began = now_ns(), took;
		int ret =
			qmp_execute(&l->qmp, commands[n % 2], NULL, l->deadline, NULL, &not_judged);

		if (l->qmp.closed)
			break;
		took = now_ns() - began;
		if (took > l->longest_ns)
			l->longest_ns = took;
		if (ret)
			break;
		l->answers++;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int latency_start(struct latency *latency, const char *name, int64_t deadline,
		  struct failure *failure)
{
	int fd = latency->fd;

	latency->fd = -1;
	latency->deadline = deadline;
	if (qmp_open(&latency->qmp, name, fd, deadline, failure))
		return -1;
	errno = pthread_create(&latency->thread, NULL, ask, latency);
	if (errno)
		return fail(failure, "%s: no thread to ask it: %s", name, strerror(errno));
	latency->started = true;
	return 0;
}

void latency_stop(struct latency *latency)
{
	atomic_store(&latency->stop, true);
	if (latency->started)
		pthread_join(latency->thread, NULL);
	latency->started = false;
	if (latency->argument[0]) {
		if (latency->fd >= 0)
			close(latency->fd);
		latency->fd = -1;
		qmp_close(&latency->qmp);
	}
}

struct json_object *latency_report(const struct latency *latency)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "answers", json_object_new_int64((int64_t)latency->answers));
	json_object_object_add(o, "longest_ms",
			       json_object_new_double((double)latency->longest_ns / 1e6));
	return o;
}
