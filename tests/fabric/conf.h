/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The conformance program's two sides of a connection. Each case runs in two processes of its own,
 * a client and a server, with a socket between them to agree on what verbs alone cannot tell.
 * A check that fails ends the process with the reason; the case has failed then.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <rdma/rdma_cma.h>

#define CONF_BUFFER (1u << 20) /* bytes of each side's registered buffer */
#define CONF_WAIT   20	       /* seconds for anything to happen */

/* What a connection is to be like; zero means the default in brackets. */
struct shape {
	int send_wr;	 /* [16] */
	int recv_wr;	 /* [16] */
	int sge;	 /* [1] */
	int inline_data; /* [0] */
	int send_cqe;	 /* [64] */
	int retry;	 /* [7] */
	int rnr_retry;	 /* [7]; -1 for 0 */
	bool no_channel; /* the CQs have no completion channel */
};

struct side {
	const char *name; /* of the case */
	const char *address;
	bool server;
	int out_of_band;
	struct shape shape;

	struct rdma_event_channel *events;
	struct rdma_cm_id *listener;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_comp_channel *send_channel, *recv_channel;
	struct ibv_cq *send_cq, *recv_cq;
	struct ibv_qp *qp;
	char *buffer;
	struct ibv_mr *mr;

	/* The other side's buffer, once connected. */
	uint64_t peer_addr;
	uint32_t peer_rkey;
};

struct conf_case {
	const char *name;
	void (*client)(struct side *side);
	void (*server)(struct side *side); /* NULL: the client is alone */
	struct shape shape;
	bool unconnected; /* the functions connect themselves */

	/* For the fabric's own tests: settings of one side, and how its server is to end. */
	const char *client_env, *server_env;
	int server_exit;
};

extern const struct conf_case conf_data_cases[], conf_error_cases[], conf_event_cases[],
	conf_cm_cases[], conf_object_cases[], conf_pin_cases[];

/*
 * Runs the cases that argv selects ([ADDRESS [CASE...]], or --list) of the lists, each of which
 * ends with a nameless one. Prints a line for each and the count; returns the exit status.
 */
int conf_main(int argc, char **argv, const struct conf_case *const *lists, int list_count);

/* Ends the case's process as failed or skipped. */
__attribute__((format(printf, 1, 2), noreturn)) void conf_fail(const char *format, ...);
__attribute__((format(printf, 1, 2), noreturn)) void conf_skip(const char *format, ...);

#define CHECK(condition, ...)                   \
	do {                                    \
		if (!(condition))               \
			conf_fail(__VA_ARGS__); \
	} while (0)

/* Words between the two sides. */
void conf_tell(struct side *side, uint64_t word);
uint64_t conf_hear(struct side *side);
void conf_meet(struct side *side); /* both get here before either goes on */

/* The steps of a connection. conf_connect does all of them. */
void conf_listen(struct side *side);
void conf_resolve(struct side *side, uint16_t port);
void conf_objects(struct side *side); /* PD, CQs, QP, buffer on side->id */
void conf_connect(struct side *side);
void conf_disconnect(struct side *side); /* and destroy all, checking each return */
void conf_destroy(struct side *side);
void conf_fill_param(const struct side *side, struct rdma_conn_param *param);

/* Waits for the next connection event, which must be of that type. To be acknowledged. */
struct rdma_cm_event *conf_event(struct side *side, enum rdma_cm_event_type type);
/* The same, acknowledged; returns its status. */
int conf_event_status(struct side *side, enum rdma_cm_event_type type);

/* Posts one work request on the buffer's bytes [offset, offset + length). */
void conf_post_recv(struct side *side, uint64_t wr_id, uint32_t offset, uint32_t length);
void conf_post_send(struct side *side, uint64_t wr_id, uint32_t offset, uint32_t length,
		    unsigned int flags);
void conf_post_write(struct side *side, uint64_t wr_id, uint32_t offset, uint32_t length,
		     uint32_t peer_offset, unsigned int flags);
int conf_try_send(struct side *side, struct ibv_send_wr *wr);
int conf_try_recv(struct side *side, struct ibv_recv_wr *wr);

/* Waits for the CQ's next completion, which must be that one. */
struct ibv_wc conf_expect(struct ibv_cq *cq, uint64_t wr_id, enum ibv_wc_status status);
struct ibv_wc conf_next(struct ibv_cq *cq);
/* The CQ has nothing now. */
void conf_expect_none(struct ibv_cq *cq);
enum ibv_qp_state conf_qp_state(struct ibv_qp *qp);
/* Whether the descriptor becomes readable within that time. */
bool conf_readable(int fd, int timeout_ms);

#endif
