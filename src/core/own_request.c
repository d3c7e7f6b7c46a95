/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/own_request.h"

void own_request_queue(struct own_request *r, const struct wire_register *message)
{
	r->message = *message;
	r->state = r->state == OWN_REQUEST_ANSWERED ? OWN_REQUEST_NEXT : OWN_REQUEST_QUEUED;
}

bool own_request_is_queued(const struct own_request *r)
{
	return r->state == OWN_REQUEST_QUEUED || r->state == OWN_REQUEST_NEXT;
}

void own_request_withdraw(struct own_request *r)
{
	r->state = r->state == OWN_REQUEST_NEXT ? OWN_REQUEST_ANSWERED : OWN_REQUEST_NONE;
}

void own_request_sent(struct own_request *r)
{
	r->state = OWN_REQUEST_SENT;
}

void own_request_answered(struct own_request *r)
{
	r->state = OWN_REQUEST_ANSWERED;
}

bool own_request_is_open(const struct own_request *r)
{
	return own_request_is_queued(r) || r->state == OWN_REQUEST_SENT;
}

bool own_request_is_out(const struct own_request *r)
{
	return r->state >= OWN_REQUEST_SENT;
}

void own_request_ready(struct own_request *r)
{
	r->state = r->state == OWN_REQUEST_NEXT ? OWN_REQUEST_QUEUED : OWN_REQUEST_NONE;
}
