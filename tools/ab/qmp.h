/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QMP client on a stream socket that QEMU got from us, so that no socket has a name and there is
 * no moment at which it may or may not exist yet. All deadlines are those of wait.h.
 */
#ifndef TOOLS_AB_QMP_H
#define TOOLS_AB_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>

#include "failure.h"
#include "wait.h"

struct qmp {
	const char *name; /* for messages; not owned */
	int fd;		  /* -1 when not connected */
	char *buf;
	size_t used, size;
	bool closed;  /* QEMU has closed the connection, or what it sent is not QMP */
	bool garbage; /* the latter */
	char version[64];
	/* From events. Reset them with qmp_forget_migration before a new migration. */
	char migration_status[32];
	int migration_pass;
};

/* Take the connected socket @fd (owned from now on): greeting and capability negotiation. */
int qmp_open(struct qmp *qmp, const char *name, int fd, int64_t deadline, struct failure *failure);
void qmp_close(struct qmp *qmp);

/*
 * Execute @command with @args (taken; may be NULL). On success *@ret, if @ret is not NULL, is the
 * return value, to be put by the caller. An error reply sets the failure text to its "desc".
 */
int qmp_execute(struct qmp *qmp, const char *command, struct json_object *args, int64_t deadline,
		struct json_object **ret, struct failure *failure);

/*
 * Wait until at least one of the connections has said something or has been closed, and take in
 * the events. Returns false when the wait is over, or when all are closed.
 */
bool qmp_wait(struct qmp *const qmps[], size_t n, int64_t deadline);

void qmp_forget_migration(struct qmp *qmp);

#endif
