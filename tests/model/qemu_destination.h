/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_QEMU_DESTINATION_H
#define RDMACHUNK_TESTS_MODEL_QEMU_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "destination_slots.h"
#include "guest.h"
#include "message.h"
#include "nic.h"

struct world;

/*
 * The destination of a migration, with a shim or without: how QEMU's
 * qemu_rdma_registration_handle() and qemu_rdma_exchange_recv() in
 * migration/rdma.c go on from message to message, as a state machine.
 * Its CPU acts when it likes.
 */

enum destination_state {
	DESTINATION_SEND_READY,
	DESTINATION_WAIT_READY_SENT,
	DESTINATION_WAIT_MESSAGE,
	DESTINATION_HANDLE,
	DESTINATION_WAIT_ANSWER_SENT,
	DESTINATION_WAIT_ERROR_SENT,
	DESTINATION_DONE,   /* all of the migration is here */
	DESTINATION_FAILED, /* or it never will be */
};

struct qemu_destination {
	enum destination_state state;
	bool listening; /* for registrations; else it reads the stream */
	uint8_t recv[NIC_MESSAGE], message[NIC_MESSAGE];
	size_t message_len;
	struct message control;
	uint32_t control_key;
	unsigned int zeroed_pages;
	bool asked[GUEST_PAGES]; /* it has registered them */
	struct destination_slots slots;
};

void qemu_destination_init(struct world *w);

bool qemu_destination_can_act(const struct world *w);
void qemu_destination_act(struct world *w);

#endif
