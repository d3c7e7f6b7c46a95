// SPDX-License-Identifier: GPL-2.0-or-later
#include "qmp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "member.h"

/* A reply larger than this is none of QEMU's. */
#define MESSAGE_MAX (16u << 20)

void qmp_forget_migration(struct qmp *qmp)
{
	qmp->migration_status[0] = '\0';
	qmp->migration_pass = 0;
}

static void take_event(struct qmp *qmp, const char *event, struct json_object *message)
{
	struct json_object *data = member(message, "data", json_type_object);
	struct json_object *pass = member(data, "pass", json_type_int);
	const char *status = member_string(data, "status");

	if (!strcmp(event, "MIGRATION") && status)
		snprintf(qmp->migration_status, sizeof(qmp->migration_status), "%s", status);
	else if (!strcmp(event, "MIGRATION_PASS") && pass)
		qmp->migration_pass = json_object_get_int(pass);
}

/* Read what is there, without waiting for more. */
static void read_available(struct qmp *qmp)
{
	ssize_t n;

	if (qmp->used > MESSAGE_MAX) {
		qmp->closed = qmp->garbage = true;
		return;
	}
	if (qmp->size - qmp->used < 4096) {
		qmp->size = qmp->size * 2 + 8192;
		qmp->buf = realloc(qmp->buf, qmp->size);
		if (!qmp->buf)
			abort();
	}
	n = recv(qmp->fd, qmp->buf + qmp->used, qmp->size - qmp->used, MSG_DONTWAIT);
	if (n > 0)
		qmp->used += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		qmp->closed = true;
}

/* One message, with its newline; NULL: it is none. */
static struct json_object *parse_message(const char *text, size_t len)
{
	struct json_tokener *tokener;
	struct json_object *message;

	if (memchr(text, '\0', len))
		return NULL;
	tokener = json_tokener_new();
	if (!tokener)
		abort();
	/* Nothing but space may follow it. */
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	message = json_tokener_parse_ex(tokener, text, (int)len);
	json_tokener_free(tokener);
	if (json_object_is_type(message, json_type_object))
		return message;
	json_object_put(message);
	return NULL;
}

/* The next whole message (QMP ends each with a newline), events taken in; NULL: none buffered. */
static struct json_object *next_message(struct qmp *qmp)
{
	struct json_object *message;
	const char *event, *newline;
	size_t len;

	for (;;) {
		newline = qmp->used ? memchr(qmp->buf, '\n', qmp->used) : NULL;
		if (!newline)
			return NULL;
		len = (size_t)(newline - qmp->buf) + 1;
		message = parse_message(qmp->buf, len);
		qmp->used -= len;
		memmove(qmp->buf, qmp->buf + len, qmp->used);
		if (!message) {
			qmp->closed = qmp->garbage = true;
			return NULL;
		}
		event = member_string(message, "event");
		if (!event)
			return message;
		take_event(qmp, event, message);
		json_object_put(message);
	}
}

/* With no command outstanding only events can be buffered; a reply would be a stray one. */
static void take_events(struct qmp *qmp)
{
	struct json_object *stray;

	while ((stray = next_message(qmp)))
		json_object_put(stray);
}

bool qmp_wait(struct qmp *const qmps[], size_t n, int64_t deadline)
{
	struct pollfd fds[WAIT_FDS_MAX];
	struct qmp *open[WAIT_FDS_MAX];
	size_t n_open = 0;

	for (size_t i = 0; i < n && n_open < WAIT_FDS_MAX; i++) {
		if (qmps[i]->closed || qmps[i]->fd < 0)
			continue;
		open[n_open] = qmps[i];
		fds[n_open++] = (struct pollfd){.fd = qmps[i]->fd, .events = POLLIN};
	}
	if (!n_open || !wait_fds(fds, n_open, deadline))
		return false;
	for (size_t i = 0; i < n_open; i++) {
		if (!fds[i].revents)
			continue;
		read_available(open[i]);
		take_events(open[i]);
	}
	return true;
}

static struct json_object *wait_message(struct qmp *qmp, int64_t deadline)
{
	struct pollfd pfd = {.fd = qmp->fd, .events = POLLIN};
	struct json_object *message;

	for (;;) {
		message = next_message(qmp);
		if (message || qmp->closed)
			return message;
		if (!wait_fds(&pfd, 1, deadline))
			return NULL;
		read_available(qmp);
	}
}

static int no_answer(struct qmp *qmp, const char *command, struct failure *failure)
{
	const char *what = "no answer in time to";

	if (wait_stop_signal())
		what = "interrupted during";
	else if (qmp->garbage)
		what = "what QEMU said is not QMP, during";
	else if (qmp->closed)
		what = "QEMU closed its QMP connection during";
	return fail(failure, "%s: %s %s", qmp->name, what, command);
}

int qmp_execute(struct qmp *qmp, const char *command, struct json_object *args, int64_t deadline,
		struct json_object **ret, struct failure *failure)
{
	struct json_object *request = json_object_new_object(), *reply, *value;
	const char *text, *desc;
	size_t len;
	int result = 0;

	json_object_object_add(request, "execute", json_object_new_string(command));
	if (args)
		json_object_object_add(request, "arguments", args);
	text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	len = strlen(text);
	/* Commands are far smaller than a socket buffer: they go out whole or not at all. */
	if (qmp->fd < 0 || send(qmp->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
		qmp->closed = true;
	json_object_put(request);
	reply = qmp->closed ? NULL : wait_message(qmp, deadline);
	if (!reply)
		return no_answer(qmp, command, failure);
	if (json_object_object_get_ex(reply, "return", &value)) {
		if (ret)
			*ret = json_object_get(value);
	} else {
		desc = member_string(member(reply, "error", json_type_object), "desc");
		result = fail(failure, "%s: %s: %s", qmp->name, command,
			      desc ? desc : "reply is neither return nor error");
	}
	json_object_put(reply);
	/* Events that came with the reply will not make the socket readable again. */
	take_events(qmp);
	return result;
}

static void take_version(struct qmp *qmp, struct json_object *greeting)
{
	static const char *const path[] = {"QMP", "version", "qemu"};
	static const char *const names[3] = {"major", "minor", "micro"};
	struct json_object *o = greeting;
	int parts[3];

	for (int i = 0; i < 3; i++)
		o = member(o, path[i], json_type_object);
	if (!o)
		return;
	/* 0: none. */
	for (int i = 0; i < 3; i++)
		parts[i] = json_object_get_int(member(o, names[i], json_type_int));
	snprintf(qmp->version, sizeof(qmp->version), "%d.%d.%d", parts[0], parts[1], parts[2]);
}

int qmp_open(struct qmp *qmp, const char *name, int fd, int64_t deadline, struct failure *failure)
{
	struct json_object *greeting;

	*qmp = (struct qmp){.name = name, .fd = fd};
	greeting = wait_message(qmp, deadline);
	if (!greeting)
		return no_answer(qmp, "the greeting", failure);
	if (!json_object_object_get_ex(greeting, "QMP", NULL)) {
		json_object_put(greeting);
		qmp->closed = qmp->garbage = true;
		return no_answer(qmp, "the greeting", failure);
	}
	take_version(qmp, greeting);
	json_object_put(greeting);
	return qmp_execute(qmp, "qmp_capabilities", NULL, deadline, NULL, failure);
}

void qmp_close(struct qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	free(qmp->buf);
	qmp->fd = -1;
	qmp->buf = NULL;
	qmp->used = qmp->size = 0;
	qmp->closed = true;
}
