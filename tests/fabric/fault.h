/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counting of every verb, and scripted faults.
 *
 * RDMAFABRIC_FAULT is a list of rules separated by ';'. A rule is a subject and key=value pairs
 * separated by ':'. N counts from 1, within the process.
 *
 *   VERB:nth=N[:count=M]:errno=E      the Nth call of VERB (reg_mr, post_send, rdma_connect, ...)
 *                                     and the M-1 after it (default 1; 0: all) fail with errno E
 *   write:nth=N[:count=M]:status=S    the NIC completes the Nth WRITE (send: the Nth SEND) it
 *   send:nth=N[:count=M]:status=S     executes with status S (an IBV_WC_ name without the prefix)
 *                                     instead of sending it; the QP goes to error
 *   recv:nth=N:status=S               the NIC completes the Nth RECV with status S and refuses it
 *   link:at=T                         T after the first connection the port goes down for good:
 *                                     nothing is sent, received or answered any more
 *   peer:at=T                         as link, but only connections that exist then are lost
 *   self:at=T                         this process is killed (SIGKILL) T after the first connection
 *   self:nth=N                        this process is killed when its NIC takes in the Nth request
 *   stall:nth=N:for=T[:count=M]       the NIC waits T before it executes the Nth request of a peer
 *   qp:nth=N:delay=T                  each request of the Nth QP created leaves T later than it
 *                                     would; order within the QP is kept, across QPs it is not
 */
#ifndef FABRIC_FAULT_H
#define FABRIC_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <infiniband/verbs.h>

enum verb {
	VERB_GET_DEVICE_LIST,
	VERB_OPEN_DEVICE,
	VERB_QUERY_DEVICE,
	VERB_QUERY_PORT,
	VERB_ALLOC_PD,
	VERB_DEALLOC_PD,
	VERB_REG_MR,
	VERB_DEREG_MR,
	VERB_ADVISE_MR,
	VERB_CREATE_COMP_CHANNEL,
	VERB_DESTROY_COMP_CHANNEL,
	VERB_CREATE_CQ,
	VERB_DESTROY_CQ,
	VERB_REQ_NOTIFY_CQ,
	VERB_POLL_CQ,
	VERB_GET_CQ_EVENT,
	VERB_ACK_CQ_EVENTS,
	VERB_CREATE_QP,
	VERB_MODIFY_QP,
	VERB_QUERY_QP,
	VERB_DESTROY_QP,
	VERB_POST_SEND,
	VERB_POST_RECV,
	VERB_RDMA_CREATE_EVENT_CHANNEL,
	VERB_RDMA_CREATE_ID,
	VERB_RDMA_BIND_ADDR,
	VERB_RDMA_LISTEN,
	VERB_RDMA_GETADDRINFO,
	VERB_RDMA_RESOLVE_ADDR,
	VERB_RDMA_RESOLVE_ROUTE,
	VERB_RDMA_CREATE_QP,
	VERB_RDMA_CONNECT,
	VERB_RDMA_ACCEPT,
	VERB_RDMA_REJECT,
	VERB_RDMA_GET_CM_EVENT,
	VERB_RDMA_ACK_CM_EVENT,
	VERB_RDMA_DISCONNECT,
	VERB_RDMA_DESTROY_QP,
	VERB_RDMA_DESTROY_ID,
	VERB_RDMA_SET_OPTION,
	VERB_COUNT,
};

/* The verb's name in fault rules and in the report. */
const char *fab_verb_name(enum verb verb);

/*
 * Counts a call. Returns 0, or the errno value with which this call is to fail; EINVAL for every
 * call when the configuration is bad.
 */
int fab_verb(enum verb verb);

uint64_t fab_verb_calls(enum verb verb);

/* What the NIC is about to execute, counted per kind. */
enum fault_op {
	FAULT_WRITE,
	FAULT_SEND,
	FAULT_RECV,
	FAULT_OPS,
};

/* Counts one; returns the status to complete it with, IBV_WC_SUCCESS for none. */
enum ibv_wc_status fab_fault_status(enum fault_op op);

/* Counts a request taken in; returns how long to stall, ns. Does not return if self:nth is due. */
uint64_t fab_fault_request(void);

/* How much later the requests of the nth QP (from 1) leave, ns. */
uint64_t fab_fault_qp_delay(unsigned int nth);

/* To be called at every connection; the first starts the clock of the at= rules. */
void fab_fault_connected(void);

/* Whether the port is down, or a connection made at the time given (fab_now) is lost. */
bool fab_fault_link_down(void);
bool fab_fault_lost(uint64_t connected_at);

/* fn is called, on the timer thread, whenever link: or peer: comes due. At most four. */
void fab_fault_on_link_change(void (*fn)(void));

/* The number of faults injected so far. */
uint64_t fab_faults_injected(void);

#endif
