/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_MODEL_QEMU_EXCHANGE_H
#define RDMACHUNK_TESTS_MODEL_QEMU_EXCHANGE_H

#include <stdint.h>

#include "core/conn.h"
#include "guest.h"
#include "message.h"

struct world;

/*
 * How QEMU's source waits for completions and exchanges messages: qemu_rdma_poll(),
 * qemu_rdma_block_for_wrid() and qemu_rdma_exchange_send() in migration/rdma.c. All of them
 * return 0 or less than 0, as those do.
 */

enum {
	WRID_NONE = 0,
	WRID_RDMA_WRITE = 1,
	WRID_SEND_CONTROL = 2000,
	WRID_RECV_CONTROL = 4000,
};
#define WRID_TYPE_MASK	 0xffffu
#define WRID_BLOCK_SHIFT 16
#define WRID_CHUNK_SHIFT 30

/* Posts the RECV for a READY or for an answer, SOURCE_RECV_*. */
int qemu_exchange_post_recv(struct world *w, unsigned int idx);

/* Sets *wr_id_out to what has completed, or WRID_NONE. */
int qemu_exchange_poll(struct world *w, enum conn_cq cq, uint64_t *wr_id_out, uint32_t *byte_len);

/* Sleeps until such a request has completed. */
int qemu_exchange_wait(struct world *w, unsigned int wanted, uint32_t *byte_len);

/* Sends a message, when READY has come and RECVs are posted for what answers it, of type `answer`
 * or WIRE_NONE; or at once. */
int qemu_exchange_send(struct world *w, const struct message *m, enum wire_type answer);
int qemu_exchange_post_send(struct world *w, const struct message *m);

/* Every wr_id that was posted completes once. */
void qemu_exchange_account(struct world *w, const struct completion *wc);

/* The first page of a chunk. */
unsigned int qemu_exchange_page(const struct guest *g, unsigned int block, uint64_t chunk);

#endif
