/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_LIVE_H
#define RDMACHUNK_ENGINE_LIVE_H

#include "engine/session.h"

/*
 * A session's page of figures (util/figures.h), for as long as its migration lasts. Without a
 * memfd (seccomp, limits) there is none, and nobody is told.
 *
 * The descriptor has a high number, so that those of QEMU's are what they are without us.
 *
 * All with the session's lock held.
 */

/* The connection is active. */
void live_begin(struct session *s);

/* Tell core the time, and write the page if it is old, or says that QEMU sleeps. Of a session
 * without a page: core only. */
void live_time(struct session *s);

/* QEMU is about to sleep. */
void live_sleeps(struct session *s);

/* The page and its descriptor are gone. Nothing happens the second time. */
void live_end(struct session *s);

#endif
