/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/messages.h"

#include <inttypes.h>

#include "core/wire.h"
#include "util/log.h"

void messages_sent(const struct conn_send *send)
{
	struct wire_header header;

	if (log_is(CONFIG_LOG_DEBUG) &&
	    !wire_parse_header((const void *)(uintptr_t)send->addr, send->length, &header))
		log_debug("sent: %s, %" PRIu64 " bytes", wire_type_name(header.type), send->length);
}

void messages_recv_posted(struct session *s, uint64_t wr_id, uint64_t addr)
{
	struct session_recv *recv = s->recvs, *end = recv + SESSION_RECVS;

	while (recv < end && recv->addr && recv->wr_id != wr_id)
		recv++;
	if (recv < end)
		*recv = (struct session_recv){.wr_id = wr_id, .addr = addr};
}

void messages_completed(struct session *s, const struct ibv_wc *wc)
{
	struct wire_header header;

	if (wc->status != IBV_WC_SUCCESS || wc->opcode != IBV_WC_RECV)
		return;
	for (struct session_recv *recv = s->recvs; recv < s->recvs + SESSION_RECVS; recv++) {
		if (!recv->addr || recv->wr_id != wc->wr_id)
			continue;
		if (wire_parse_header((const void *)(uintptr_t)recv->addr, wc->byte_len, &header))
			return;
		log_debug("received: %s, %" PRIu32 " bytes", wire_type_name(header.type),
			  wc->byte_len);
		s->peer_error |= header.type == WIRE_ERROR;
		return;
	}
}
