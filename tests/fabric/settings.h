/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything the environment can set. The table in settings.c is the one list of names, defaults
 * and meanings; README.md prints it.
 */
#ifndef FABRIC_SETTINGS_H
#define FABRIC_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* Who frees a send queue slot: the NIC when it is done, or the poll of its completion. */
enum sq_retire {
	SQ_RETIRE_POLL,
	SQ_RETIRE_NIC,
};

/* How the responder's NIC gets at the requester's memory. */
enum copy_mode {
	COPY_AUTO,
	COPY_VM,
	COPY_SOCKET,
};

struct fabric_config {
	/* per deregistration; per 4 KiB page of one, picoseconds */
	uint64_t dereg_ns, dereg_page_ps;
	uint64_t reg_ns;       /* per registration */
	uint64_t reg_page_ps;  /* per 4 KiB page, picoseconds */
	uint64_t reg_knee;     /* bytes of one registration that cost reg_page_ps; 0: all */
	uint64_t reg_page2_ps; /* per page past the knee, picoseconds */
	uint64_t bandwidth;    /* bits per second, each direction; 0: unlimited */
	uint64_t latency_ns;   /* one way */
	uint64_t irq_ns;       /* from a completion to its channel's event */
	uint64_t wr_ns;	       /* of the wire's time, per work request */
	uint64_t post_ns;      /* of the poster's CPU time, per call with a WRITE */
	uint64_t recv_gap_ns;  /* from placing a SEND to its completion being visible */
	uint64_t populate;     /* fault pages in at registration */
	bool await_recv;       /* a SEND before the QP's first RECV waits for it */
	uint64_t rnr_retry; /* the least that a SEND without a RECV is tried again; 7: for ever */
	bool pin;	    /* MRs keep the pages they were made of */
	uint64_t max_mr_size;
	uint64_t max_mr;
	uint64_t max_pinned; /* bytes over all live MRs; 0: unlimited */
	uint64_t max_qp_wr;
	uint64_t max_cqe;
	uint64_t max_msg_size;
	uint64_t retry_ns;	/* unanswered for so long: IBV_WC_RETRY_EXC_ERR */
	uint64_t cm_timeout_ns; /* connection message unanswered for so long */
	uint64_t timewait_ns;	/* from DISCONNECTED to TIMEWAIT_EXIT */
	enum sq_retire sq_retire;
	enum copy_mode copy;
	const char *net;    /* processes meet only within one name */
	const char *fault;  /* see fault.h */
	const char *report; /* path; "" for none */
};

/*
 * Read once, at the first call. Returns NULL, after a message on stderr, when a variable does not
 * parse: a mistyped cost or fault would otherwise make a test pass for nothing.
 */
const struct fabric_config *fab_config(void);

/*
 * The parsers of single values, for the fault syntax. Each consumes all of text and returns 0 or
 * EINVAL. Durations are a decimal number and ns, us, ms or s; a bare number is in bare_ns
 * nanoseconds.
 */
int fab_parse_duration(const char *text, uint64_t bare_ns, uint64_t *ns);
int fab_parse_size(const char *text, uint64_t *value);

#endif
