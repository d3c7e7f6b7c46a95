/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_PEER_H
#define RDMACHUNK_TESTS_PRELOAD_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include "../fake/fake.h"
#include "../model/message.h"

/* One end of a connection as QEMU makes it: the calls, and their order, of
 * migration/rdma.c. The other end is the test, through the fake. */

/* A failed step ends the program: the runner reads the reason. */
#define must(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(3);                                                        \
		}                                                                       \
	} while (0)

/* How the QP looks; peer_shape_qemu is what the shim takes for a migration. */
struct peer_shape {
	const char *name;
	uint32_t send_wr, recv_wr, send_sge, recv_sge, inline_data;
	bool one_cq, no_channel;
	enum rdma_port_space ps;
};

extern const struct peer_shape peer_shapes[]; /* the first is QEMU's; ends without a name */

const struct peer_shape *peer_shape_find(const char *name);

#define PEER_BUFFER  (512u * 1024)
#define PEER_BUFFERS 4 /* the last is for sending */
#define PEER_RECV    4000u
#define PEER_SEND    2000u

struct peer {
	struct rdma_event_channel *events;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel[2];
	struct ibv_cq *send_cq, *recv_cq;
	char *buffer[PEER_BUFFERS];
	struct ibv_mr *mr[PEER_BUFFERS];
};

/* The fake's own functions; all NULL with the real libraries. */
extern fake_deliver_fn *peer_deliver;
extern fake_take_sent_fn *peer_take_sent;
extern fake_take_sent_fn *peer_peek_sent;
extern fake_get_live_fn *peer_get_live;
extern struct fake_control *peer_control;
void peer_find_fake(void);

/* The context of the ids opened from now on; NULL: the fake's choice. */
extern struct ibv_context *peer_device;

/* Everything up to the QP and the registered buffers; `address` is the other end's. */
void peer_open(struct peer *p, const struct peer_shape *shape, const char *address);

/* `source` connects, else accepts. With `caps` NULL there is no private data. */
int peer_connect(struct peer *p, bool source, const void *caps, uint8_t caps_len);

/* The QP may be gone already. */
void peer_close(struct peer *p);

/* Buffer `i` (0 to 2) receives; its wr_id is PEER_RECV + i. */
int peer_post_recv(struct peer *p, unsigned int i);

/* The first `len` bytes of the sending buffer, signalled. */
int peer_post_send(struct peer *p, size_t len);

/* This, from there. */
int peer_send(struct peer *p, const struct message *m);

int peer_post_write(struct peer *p, const struct ibv_mr *mr, size_t len, uint64_t remote,
		    uint32_t rkey);

/* Poll as QEMU does until there is a completion; false after many empty polls. */
bool peer_poll(struct ibv_cq *cq, struct ibv_wc *wc);

#endif
