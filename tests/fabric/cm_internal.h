/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rdma_cm over Unix sockets: one connection, one SOCK_SEQPACKET socket, along which the messages
 * of the InfiniBand connection manager travel by their names. Everything here is guarded by
 * cm_lock, which is never held while waiting for an event.
 */
#ifndef FABRIC_CM_INTERNAL_H
#define FABRIC_CM_INTERNAL_H

#include "event_queue.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <rdma/rdma_cma.h>

/* What the messages have room for; events report these lengths, padded with zeros. */
#define CM_REQ_PRIVATE 56
#define CM_REP_PRIVATE 196
#define CM_REJ_PRIVATE 148

/* Reasons of a REJ, as rdma_cm reports them in an event's status. */
#define CM_REJ_NO_LISTENER 8
#define CM_REJ_CONSUMER	   28

enum cm_state {
	CM_IDLE,
	CM_BOUND,
	CM_ADDR_RESOLVED,
	CM_ROUTE_RESOLVED,
	CM_LISTENING,
	CM_REQ_AWAITED, /* a connection whose REQ has not come; no id the caller knows */
	CM_REQ_SENT,
	CM_REQ_RECEIVED,
	CM_REP_SENT,
	CM_REP_RECEIVED,
	CM_CONNECTED,
	CM_DREQ_SENT,
	CM_DREQ_RECEIVED,
	CM_TIMEWAIT,
	CM_OVER,
};

enum cm_message_type {
	CM_REQ,
	CM_REP,
	CM_RTU,
	CM_REJ,
	CM_DREQ,
	CM_DREP,
	CM_LOST, /* not of the real thing: from here on the sender is not to be heard of */
};

struct cm_message {
	uint32_t type;
	uint32_t reason;
	uint32_t qp_num;
	uint8_t responder_resources;
	uint8_t initiator_depth;
	uint8_t flow_control;
	uint8_t retry_count;
	uint8_t rnr_retry_count;
	uint8_t by_socket;
	uint8_t private_len;
	uint8_t private_data[CM_REP_PRIVATE];
	uint64_t probe; /* for fab_wire_can_pull */
	struct sockaddr_storage src;
	struct sockaddr_storage dst;
};

struct cm_channel {
	struct rdma_event_channel base; /* first: what callers hold */
	struct event_queue events;	/* of struct cm_event; ends with the channel */
	unsigned int ids;		/* that name it: they may outlive it */
	bool destroyed;
};

struct cm_id {
	struct rdma_cm_id base; /* first: what callers hold */
	struct cm_id *next;
	enum cm_state state;
	struct cm_id *listener;	     /* whose connection this is, until the caller has it */
	int sock;		     /* listening or of the connection, or -1 */
	int request_fd, response_fd; /* for the QP, or -1 */
	struct cm_message peer;	     /* the peer's REQ or REP */
	pid_t peer_pid;
	bool by_socket;
	bool lost;		/* the peer cannot be reached, and is not heard */
	uint64_t deadline;	/* of what the state waits for; 0: none */
	uint64_t connected_at;	/* for fab_fault_lost */
	unsigned int reported;	/* events the caller was given */
	unsigned int completed; /* and has acknowledged */
	bool destroyed;
};

struct cm_event {
	struct rdma_cm_event base; /* first: what callers hold */
	struct cm_id *counted;	   /* whose events it is one of */
	uint8_t private_data[CM_REP_PRIVATE];
};

extern pthread_mutex_t cm_lock;
extern pthread_cond_t cm_acknowledged;

static inline struct cm_id *to_cm_id(struct rdma_cm_id *id)
{
	return (struct cm_id *)id;
}

static inline struct cm_channel *cm_channel_of(const struct cm_id *id)
{
	return (struct cm_channel *)id->base.channel;
}

/* Sets errno and returns -1, or 0 for no error. */
int cm_fail(int err);

/* Ids known to the CM thread. cm_new returns NULL for want of memory. */
struct cm_id *cm_new(struct rdma_event_channel *channel, void *context, enum rdma_port_space ps);
void cm_unlink(struct cm_id *id);
void cm_free(struct cm_id *id); /* after cm_unlink */
extern struct cm_id *cm_ids;

/* Closes the id's descriptors, telling nobody. */
void cm_close(struct cm_id *id);

/* Tells the peer what it has to know when an id goes away in the state it is in. */
void cm_take_leave(struct cm_id *id);

/*
 * Queues an event about id. With private data of a fixed size, as the wire's messages have, from
 * what came with message (NULL: none).
 */
void cm_raise(struct cm_id *id, enum rdma_cm_event_type type, int status,
	      const struct cm_message *message, unsigned int private_room);

/* Drops the events about id that nobody took, and the connections they would have offered. */
void cm_forget_events(struct cm_id *id);

/* cm_thread.c: the CM thread and the sockets. All return 0 or an errno value. */
int cm_start(void);
void cm_wake(void);
int cm_bind(struct cm_id *id, struct sockaddr *addr);
int cm_watch(struct cm_id *id); /* the CM thread is to serve the id's socket */
int cm_dial(struct cm_id *id);	/* ECONNREFUSED: nobody listens there */
int cm_send(struct cm_id *id, struct cm_message *message, const int *fds, int fd_count);
void cm_say(struct cm_id *id, enum cm_message_type type);

/* cm_address.c */
socklen_t cm_addr_len(const struct sockaddr *addr);
bool cm_addr_local(const struct sockaddr *addr);
bool cm_addr_any(const struct sockaddr *addr);
__be16 *cm_addr_port(struct sockaddr *addr);
void cm_addr_gid(const struct sockaddr *addr, union ibv_gid *gid);

#endif
