/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_MESSAGES_H
#define RDMACHUNK_ENGINE_MESSAGES_H

#include "engine/session.h"

/*
 * QEMU's control messages as they pass: lines at level debug, and whether the peer has sent an
 * ERROR. That ends the migration, and at a destination nothing else tells of it, since core
 * does not read what QEMU receives there.
 *
 * All with the session's lock held.
 */

/* A message that the NIC has taken. */
void messages_sent(const struct conn_send *send);

/* A RECV that the NIC has taken: the memory stays readable until QEMU posts it again. */
void messages_recv_posted(struct session *s, uint64_t wr_id, uint64_t addr);

/* A completion has been polled; what is no message is ignored. */
void messages_completed(struct session *s, const struct ibv_wc *wc);

#endif
