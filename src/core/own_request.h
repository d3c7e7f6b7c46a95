/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_OWN_REQUEST_H
#define RDMACHUNK_CORE_OWN_REQUEST_H

#include <stdbool.h>

#include "core/wire.h"

/*
 * A REGISTER_REQUEST that QEMU knows nothing of. The destination answers it with a
 * REGISTER_RESULT, then with the READY for its next message. There is one at a time; behind the
 * result a next one may wait for that READY.
 */
enum own_request_state {
	OWN_REQUEST_NONE,
	OWN_REQUEST_QUEUED,   /* waits for its turn */
	OWN_REQUEST_SENT,     /* its result has not come */
	OWN_REQUEST_ANSWERED, /* the READY after that has not come */
	OWN_REQUEST_NEXT,     /* nor has it, and the next one waits for it */
};

/* All zero: there is none. */
struct own_request {
	enum own_request_state state;
	struct wire_register message;
};

/* There is none, or it has been answered: then the next one goes when the READY has come. */
void own_request_queue(struct own_request *r, const struct wire_register *message);

/* It is queued, at once or behind a result, and has not been sent; and then it is not to be. */
bool own_request_is_queued(const struct own_request *r);
void own_request_withdraw(struct own_request *r);

/* It has been posted, and its result has come. */
void own_request_sent(struct own_request *r);
void own_request_answered(struct own_request *r);

/* It is queued or sent, and its result has not come. */
bool own_request_is_open(const struct own_request *r);

/* It is on the wire, and the READY after its result has not come. */
bool own_request_is_out(const struct own_request *r);

/* That READY has come. */
void own_request_ready(struct own_request *r);

#endif
