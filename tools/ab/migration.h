/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One migration between two connected QEMU processes, in the steps that scenarios are made of. */
#ifndef TOOLS_AB_MIGRATION_H
#define TOOLS_AB_MIGRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>

#include "vmproc.h"

struct migration_config {
	const char *transport;		 /* rdma, tcp or unix */
	const char *addr;		 /* IPv4 address; not used by unix */
	const char *dir;		 /* for unix sockets */
	const char *caps[VM_LIST_MAX];	 /* set on both ends; NULL ends the list */
	const char *params[VM_LIST_MAX]; /* NAME=VALUE, set on both ends; NULL ends the list */
};

/* Bandwidth that never limits, bytes per second. */
#define MIGRATION_UNLIMITED (INT64_C(1) << 40)

struct migration {
	const struct migration_config *config;
	struct vmproc *from, *to;
	char uri[300];
};

/*
 * Set capabilities and parameters on both ends, have @to listen, and start the migration. Events
 * are on from here on, so no state change is missed.
 */
int migration_start(struct migration *m, const struct migration_config *config, struct vmproc *from,
		    struct vmproc *to, int64_t deadline, struct failure *failure);

/* Switch the configuration's capabilities on, as migration_start does, or off again. */
int migration_set_capabilities(struct vmproc *vm, const struct migration_config *config, bool state,
			       int64_t deadline, struct failure *failure);

/* Set one numeric migration parameter. */
int migration_set(struct vmproc *vm, const char *name, int64_t value, int64_t deadline,
		  struct failure *failure);

/*
 * Wait for both ends to be 'completed' and for the source to be in run state 'postmigrate'. Any
 * other end is a failure that says what QEMU gives as the reason.
 */
int migration_wait_completed(struct migration *m, int64_t deadline, struct failure *failure);

/* Wait until @bytes of guest RAM have been handled by @from; fails if the migration ends first. */
int migration_wait_progress(struct migration *m, uint64_t bytes, int64_t deadline,
			    struct failure *failure);

/* Wait for the source's MIGRATION_PASS event of at least @pass. */
int migration_wait_pass(struct migration *m, int pass, int64_t deadline, struct failure *failure);

/* migrate_cancel, and wait for 'cancelled' on the source. */
int migration_cancel(struct migration *m, int64_t deadline, struct failure *failure);

/* The source's query-migrate as it is now, or NULL; to be put by the caller. */
struct json_object *migration_query(struct vmproc *vm, int64_t deadline);

/* QEMU's run state into @state. */
int migration_run_state(struct vmproc *vm, char *state, size_t size, int64_t deadline,
			struct failure *failure);

#endif
