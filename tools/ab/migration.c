// SPDX-License-Identifier: GPL-2.0-or-later
#include "migration.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "member.h"

#define PORT_TRIES 16

static bool has_capability(struct json_object *caps, const char *name)
{
	size_t n = json_object_is_type(caps, json_type_array) ? json_object_array_length(caps) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *known = member_string(json_object_array_get_idx(caps, i), "capability");

		if (known && !strcmp(known, name))
			return true;
	}
	return false;
}

static void add_capability(struct json_object *list, const char *name, bool state)
{
	struct json_object *cap = json_object_new_object();

	json_object_object_add(cap, "capability", json_object_new_string(name));
	json_object_object_add(cap, "state", json_object_new_boolean(state));
	json_object_array_add(list, cap);
}

/* Capabilities that were experimental once had an x- prefix then. */
int migration_set_capabilities(struct vmproc *vm, const struct migration_config *config, bool state,
			       int64_t deadline, struct failure *failure)
{
	struct json_object *known = NULL, *list, *args;
	char experimental[80];
	int ret = 0;

	if (qmp_execute(&vm->qmp, "query-migrate-capabilities", NULL, deadline, &known, failure))
		return -1;
	list = json_object_new_array();
	add_capability(list, "events", true);
	for (size_t i = 0; config->caps[i] && !ret; i++) {
		snprintf(experimental, sizeof(experimental), "x-%s", config->caps[i]);
		if (has_capability(known, config->caps[i]))
			add_capability(list, config->caps[i], state);
		else if (has_capability(known, experimental))
			add_capability(list, experimental, state);
		else
			ret = fail(failure, "%s: QEMU has no capability %s", vm->name,
				   config->caps[i]);
	}
	json_object_put(known);
	if (ret) {
		json_object_put(list);
		return ret;
	}
	args = json_object_new_object();
	json_object_object_add(args, "capabilities", list);
	return qmp_execute(&vm->qmp, "migrate-set-capabilities", args, deadline, NULL, failure);
}

int migration_set(struct vmproc *vm, const char *name, int64_t value, int64_t deadline,
		  struct failure *failure)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, name, json_object_new_int64(value));
	return qmp_execute(&vm->qmp, "migrate-set-parameters", args, deadline, NULL, failure);
}

/* A number, a size such as 64M, a truth value, or a string. */
static struct json_object *parameter_value(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	int64_t value;

	if (!strcmp(text, "true") || !strcmp(text, "on"))
		return json_object_new_boolean(true);
	if (!strcmp(text, "false") || !strcmp(text, "off"))
		return json_object_new_boolean(false);
	errno = 0;
	value = strtoll(text, &end, 0);
	if (errno || end == text)
		return json_object_new_string(text);
	if (!*end)
		return json_object_new_int64(value);
	unit = strchr(units, *end);
	if (end[1] || !unit || value < 0 || value >= INT64_C(1) << 20)
		return json_object_new_string(text);
	return json_object_new_int64(value << (10 * (unit - units + 1)));
}

static int set_parameters(struct vmproc *vm, const struct migration_config *config,
			  int64_t deadline, struct failure *failure)
{
	for (size_t i = 0; config->params[i]; i++) {
		const char *equals = strchr(config->params[i], '=');
		struct failure why = {""};
		struct json_object *args;
		char name[80];

		if (!equals)
			return fail(failure, "parameter '%s' is not NAME=VALUE", config->params[i]);
		snprintf(name, sizeof(name), "%.*s", (int)(equals - config->params[i]),
			 config->params[i]);
		args = json_object_new_object();
		json_object_object_add(args, name, parameter_value(equals + 1));
		if (!qmp_execute(&vm->qmp, "migrate-set-parameters", args, deadline, NULL, &why))
			continue;
		/* QEMU's way of saying that it does not know it. */
		if (strstr(why.text, "is unexpected"))
			return fail(failure, "%s: QEMU %s has no parameter %s", vm->name,
				    vm->qmp.version, name);
		return fail(failure, "%s", why.text);
	}
	return 0;
}

static int execute_uri(struct vmproc *vm, const char *command, const char *uri, int64_t deadline,
		       struct failure *failure)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "uri", json_object_new_string(uri));
	return qmp_execute(&vm->qmp, command, args, deadline, NULL, failure);
}

/*
 * The port spaces of RDMA and TCP differ and either may be in use by somebody else, so the only
 * way to find a free port is to have QEMU try.
 */
static int listen_incoming(struct migration *m, int64_t deadline, struct failure *failure)
{
	static unsigned int next_port;
	struct failure last = {""};

	if (!next_port)
		next_port = (unsigned int)getpid() * 17;
	if (!strcmp(m->config->transport, "unix")) {
		snprintf(m->uri, sizeof(m->uri), "unix:%s/%s.migration", m->config->dir,
			 m->to->name);
		return execute_uri(m->to, "migrate-incoming", m->uri, deadline, failure);
	}
	for (int i = 0; i < PORT_TRIES; i++) {
		snprintf(m->uri, sizeof(m->uri), "%s:%s:%u", m->config->transport, m->config->addr,
			 10000 + next_port++ % 20000);
		last.text[0] = '\0';
		if (!execute_uri(m->to, "migrate-incoming", m->uri, deadline, &last))
			return 0;
		if (m->to->qmp.closed)
			break;
	}
	return fail(failure, "%s (last tried %s)", last.text, m->uri);
}

int migration_start(struct migration *m, const struct migration_config *config, struct vmproc *from,
		    struct vmproc *to, int64_t deadline, struct failure *failure)
{
	*m = (struct migration){.config = config, .from = from, .to = to};
	if (migration_set_capabilities(from, config, true, deadline, failure) ||
	    migration_set_capabilities(to, config, true, deadline, failure) ||
	    set_parameters(from, config, deadline, failure) ||
	    set_parameters(to, config, deadline, failure))
		return -1;
	qmp_forget_migration(&from->qmp);
	qmp_forget_migration(&to->qmp);
	if (listen_incoming(m, deadline, failure))
		return -1;
	return execute_uri(from, "migrate", m->uri, deadline, failure);
}

struct json_object *migration_query(struct vmproc *vm, int64_t deadline)
{
	struct failure ignored = {""};
	struct json_object *info = NULL;

	qmp_execute(&vm->qmp, "query-migrate", NULL, deadline, &info, &ignored);
	return info;
}

int migration_run_state(struct vmproc *vm, char *state, size_t size, int64_t deadline,
			struct failure *failure)
{
	struct json_object *info = NULL;
	const char *status;

	if (qmp_execute(&vm->qmp, "query-status", NULL, deadline, &info, failure))
		return -1;
	status = member_string(info, "status");
	snprintf(state, size, "%s", status ? status : "?");
	json_object_put(info);
	return 0;
}

static bool has_ended(const struct vmproc *vm)
{
	static const char *const ends[] = {"completed", "failed", "cancelled", "postcopy-paused"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strcmp(vm->qmp.migration_status, ends[i]))
			return true;
	return vm->qmp.closed;
}

static const char *status_of(const struct vmproc *vm)
{
	if (vm->qmp.closed)
		return "gone";
	return vm->qmp.migration_status[0] ? vm->qmp.migration_status : "silent";
}

/* Both ends' states, and QEMU's own explanation if the source is there to give it. */
static int bad_end(struct migration *m, const char *what, struct failure *failure)
{
	struct json_object *info = NULL;
	const char *desc;
	int ret;

	if (!m->from->qmp.closed)
		info = migration_query(m->from, wait_now() + 1000);
	desc = member_string(info, "error-desc");
	ret = fail(failure, "%s: source %s, destination %s%s%s",
		   wait_stop_signal() ? "interrupted" : what, status_of(m->from), status_of(m->to),
		   desc ? ": " : "", desc ? desc : "");
	json_object_put(info);
	return ret;
}

static bool wait_any(struct migration *m, int64_t deadline)
{
	struct qmp *const qmps[] = {&m->from->qmp, &m->to->qmp};

	return qmp_wait(qmps, 2, deadline) || !wait_over(deadline);
}

/* The run state follows the 'completed' event a moment later, without an event of its own. */
static int wait_postmigrate(struct migration *m, int64_t deadline, struct failure *failure)
{
	char state[40];

	for (;;) {
		if (migration_run_state(m->from, state, sizeof(state), deadline, failure))
			return -1;
		if (!strcmp(state, "postmigrate"))
			return 0;
		if (strcmp(state, "finish-migrate") || wait_now() >= deadline)
			return fail(failure, "source is in run state '%s', not 'postmigrate'",
				    state);
		wait_any(m, wait_now() + 10);
	}
}

int migration_wait_completed(struct migration *m, int64_t deadline, struct failure *failure)
{
	while (!has_ended(m->from) || !has_ended(m->to)) {
		/* When one end has failed the other often never says so. */
		if ((has_ended(m->from) && strcmp(status_of(m->from), "completed")) ||
		    (has_ended(m->to) && strcmp(status_of(m->to), "completed"))) {
			int64_t grace = wait_now() + 2000;

			if (deadline > grace)
				deadline = grace;
		}
		if (!wait_any(m, deadline))
			return bad_end(m, "migration did not end in time", failure);
	}
	if (strcmp(status_of(m->from), "completed") || strcmp(status_of(m->to), "completed"))
		return bad_end(m, "migration failed", failure);
	return wait_postmigrate(m, deadline, failure);
}

/* Bytes of guest RAM that are no longer waiting to be sent; negative before the transfer begins. */
static double progress(struct migration *m, int64_t deadline)
{
	struct json_object *info = migration_query(m->from, deadline);
	struct json_object *ram = member(info, "ram", json_type_object);
	double remaining = member_number(ram, "remaining");
	double done = member_number(ram, "total") - remaining;

	/* Nothing remains before QEMU has looked at RAM for the first time, too. */
	if (isnan(done) || !(remaining > 0 || member_number(ram, "dirty-sync-count") > 0))
		done = -1;
	json_object_put(info);
	return done;
}

int migration_wait_progress(struct migration *m, uint64_t bytes, int64_t deadline,
			    struct failure *failure)
{
	double done;

	for (;;) {
		done = progress(m, deadline);
		if (has_ended(m->from))
			return bad_end(m, "migration ended before the middle of it", failure);
		if (done >= (double)bytes)
			return 0;
		/* QEMU has no event for progress: between two looks, wait for any other event. */
		wait_any(m, wait_now() + 10);
		if (wait_now() >= deadline)
			return bad_end(m, "migration made too little progress in time", failure);
	}
}

int migration_wait_pass(struct migration *m, int pass, int64_t deadline, struct failure *failure)
{
	while (m->from->qmp.migration_pass < pass) {
		if (has_ended(m->from))
			return bad_end(m, "migration ended before the pass waited for", failure);
		if (!wait_any(m, deadline))
			return bad_end(m, "migration did not reach the pass in time", failure);
	}
	return 0;
}

int migration_cancel(struct migration *m, int64_t deadline, struct failure *failure)
{
	if (qmp_execute(&m->from->qmp, "migrate_cancel", NULL, deadline, NULL, failure))
		return -1;
	while (!has_ended(m->from))
		if (!wait_any(m, deadline))
			return bad_end(m, "cancel did not end the migration in time", failure);
	if (!strcmp(status_of(m->from), "completed"))
		return fail(failure, "could not cancel in time: the migration had completed");
	if (strcmp(status_of(m->from), "cancelled"))
		return bad_end(m, "cancel did not lead to 'cancelled'", failure);
	return 0;
}
