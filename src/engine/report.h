/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_REPORT_H
#define RDMACHUNK_ENGINE_REPORT_H

#include "engine/session.h"

/*
 * Where RDMACHUNK_STATS says: one line of JSON for each migration connection, once
 * its outcome is known. That is when QEMU disconnects, destroys the QP, or ends,
 * whichever comes first.
 */

/* A migration connection is about to be made: the file is opened now. Lock held. */
void report_begin(struct session *s);

/* Its outcome is known; nothing happens the second time. Lock held. */
void report_session(struct session *s);

/* The process ends, other threads run still: all connections that have not been told
 * of. Waits for none of them for long. */
void report_exit(void);

#endif
