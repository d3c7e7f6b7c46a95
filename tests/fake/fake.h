/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_FAKE_H
#define RDMACHUNK_TESTS_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>

struct rdma_event_channel;

/*
 * Stand-ins for libibverbs.so.1 and librdmacm.so.1 with the same names and
 * version nodes, for machines without an RDMA device. Every call is recorded in
 * the file that FAKE_LOG names, without addresses, so that two runs of the same
 * program can be compared line by line. Objects are static: one that is made
 * after another was destroyed has the same address.
 *
 * A posted WR completes at once. What the other end would send is put into a
 * QP's receive queue by the test itself. Two QPs may also be put on a wire.
 */

/* Calls that may be told to fail. */
enum fake_call {
	FAKE_REG_MR,	/* of a PD */
	FAKE_CREATE_QP, /* of a PD */
	FAKE_POST_SEND, /* of a QP on a wire */
	FAKE_POST_RECV, /* of a QP */
	FAKE_WIRE,	/* a WR is done there, or fails */
};

/* Only what the test program looks up with dlsym(). */
struct fake_control {
	size_t reg_limit; /* a longer registration fails with ENOMEM; 0: none does */
	int mr_limit;	  /* with so many alive or under way one fails with ENOMEM; 0: never */
	size_t pinned;	  /* bytes of all MRs */
	size_t pin_limit; /* no more than that: ENOMEM; 0: any */
	size_t reg_hold;  /* one of this length does not return before this is 0 again */
	/* nor does one in these bytes before this is NULL again */
	const char *reg_hold_at;
	size_t reg_hold_bytes;
	int reg_held;	     /* how many have come to wait for that */
	int reg_failed;	     /* how many have failed for reg_limit */
	int close_fails;     /* ibv_close_device() returns -1 and closes nothing */
	int create_refuses;  /* more than this many RECVs: rdma_create_qp() fails; 0: never */
	int send_fails;	     /* what posting a WRITE returns; 0: it works */
	int recv_fails;	     /* what posting a RECV returns */
	int recv_works;	     /* once so many have been posted */
	int send_hold;	     /* posting one does not return before this is 0 again */
	int send_held;	     /* how many have come to wait for that */
	int writes;	     /* WRITEs taken */
	uint32_t write_lkey; /* of the last */
	long send_sleep;     /* nanoseconds that posting one sleeps */
	long send_work;	     /* or computes */
	int dereg_fails;     /* what ibv_dereg_mr() returns; the MR stays */
	int violations;	     /* WRITEs on a wire that no MR allowed */
	/* 0, or the errno with which a call fails: asked by any thread. NULL: none fails */
	int (*fault)(enum fake_call call, const void *object, size_t length);
	/* A page's number of times given back. NULL: nothing is */
	unsigned int (*page_version)(const void *page);
};

/* How many of each are alive; all zero when nothing has leaked. */
struct fake_live {
	int contexts, pds, mrs, channels, cqs, qps, ids;
};

typedef int fake_deliver_fn(struct ibv_qp *qp, const void *msg, uint32_t len);
typedef long fake_take_sent_fn(struct ibv_qp *qp, void *buf, size_t size);
typedef void fake_get_live_fn(struct fake_live *live);

extern struct fake_control fake_control;

/* A message comes in for the oldest RECV of the QP. 0, or -1 when there is none. */
fake_deliver_fn fake_deliver;

/* The oldest SEND not yet taken: its length, or -1 when there is none. */
fake_take_sent_fn fake_take_sent;

/* The same, and it stays there. */
fake_take_sent_fn fake_peek_sent;

fake_get_live_fn fake_get_live;

/* From now on what one posts goes to the other; so many WRs wait at most. */
void fake_wire_connect(struct ibv_qp *a, struct ibv_qp *b, unsigned int depth);

/* One WR is done, of the first QP from `which` on that has one. False: none has. */
bool fake_wire_step(unsigned int which);

/*
 * libibverbs has some names twice, for its 1.0 ABI too. The function is then
 * called latest_NAME in the source; its twin is in old.c.
 */
#define FAKE_LATEST(name) __asm__(".symver latest_" #name ", " #name "@@IBVERBS_1.1")

/* Between the two libraries. */
bool fake_recording(void);
void fake_record(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fake_count_id(int change);
struct ibv_context *fake_context(void); /* the one that is open, opened if need be */
void fake_count_mr(int change);
void fake_qp_set_channel(struct ibv_qp *qp, struct rdma_event_channel *channel);
void fake_wire_disconnect(struct ibv_qp *qp); /* NULL, and one that is on no wire, too */
int fake_index(const void *object);	      /* of a context, pd, cq or qp among its kind */

#endif
