/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_REPORT_H
#define RDMACHUNK_ENGINE_REPORT_H

#include "engine/session.h"

/*
 * What is told of each migration connection once its outcome is known: that is when QEMU
 * disconnects, destroys the QP, or ends, whichever comes first. A line of the log, at level
 * info, and where RDMACHUNK_STATS says one line of JSON.
 */

/* A migration connection is about to be made: the file is opened now. What follows happens once
 * for each that has begun. For a session's with its lock held. */
void report_begin(struct about *about);

/* The outcome of a session is known. `disconnected`: QEMU has said that it is done. Lock held. */
void report_session(struct session *s, bool disconnected);

/* The same of a connection that the settings leave alone. */
void report_observed(struct about *about, bool disconnected);

/* All counters of a session. Lock held. */
void report_counters(const struct session *s, const struct conn_figures *f,
		     uint64_t counter[FIGURES_COUNTERS]);

/* The process ends, other threads run still: all sessions that have not been told
 * of. Waits for none of them for long. */
void report_exit(void);

#endif
