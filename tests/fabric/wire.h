/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What two NICs of this fabric say to each other, and the wire's timing. Both ends are of one
 * build on one host: native byte order, and times are comparable.
 */
#ifndef FABRIC_WIRE_H
#define FABRIC_WIRE_H

#include "pins.h"
#include "queue_pair.h"

#include <sys/types.h>
#include <sys/uio.h>

/*
 * A request; `segments` of struct wire_segment follow it, and the data if `carries_data`.
 * Otherwise the responder reads the segments from the requester's memory, when it executes the
 * request: from the pages that the MR has then.
 */
struct wire_request {
	uint64_t sequence;
	uint64_t length;
	uint64_t remote_addr;
	uint64_t start; /* when its first bit leaves */
	uint64_t end;	/* when its last bit leaves */
	uint32_t rkey;
	uint32_t opcode; /* enum ibv_wr_opcode */
	__be32 imm_data;
	uint16_t segments;
	uint8_t carries_data;
	uint8_t solicited;
	uint8_t rnr_retry;
	uint8_t pad[7];
};

struct wire_segment {
	uint64_t addr;
	uint64_t length;
	uint64_t window; /* address of the MR's struct pin_window */
	uint64_t generation;
};

struct wire_answer {
	uint64_t sequence;
	uint64_t visible; /* when it arrives */
	uint32_t status;  /* enum ibv_wc_status, for the requester */
	uint32_t pad;
};

/*
 * Reads or writes exactly that much; 0, or -1 with errno (0 for the end of the stream, ESTALE for
 * an MR that has gone). Those with spans change them.
 */
int fab_wire_read(int fd, void *data, size_t length);
int fab_wire_peek(int fd, void *data, size_t length); /* and leaves it there */
int fab_wire_read_spans(int fd, struct span *spans, int count);
int fab_wire_write_spans(int fd, struct span *spans, int count);

/*
 * Takes the process's next turn on the wire: bytes at RDMAFABRIC_BANDWIDTH and one
 * RDMAFABRIC_WR_COST. A request is one unit; QPs take turns by request.
 */
void fab_wire_reserve(uint64_t bytes, uint64_t *start, uint64_t *end);

/* Bytes of requests sent by this process. */
uint64_t fab_wire_bytes(void);

/*
 * Copies the remote segments of a process into the spans, in pieces, while may_go_on(arg) says so.
 * Returns 0 or an errno value: EFAULT for addresses that are not there, ESTALE for an MR that has
 * gone, ECANCELED.
 */
int fab_wire_pull(pid_t pid, const struct wire_segment *segments, int segment_count,
		  struct span *spans, int span_count, bool (*may_go_on)(void *arg), void *arg);

/* Whether this process may read that one's memory, tried on the word at addr. */
bool fab_wire_can_pull(pid_t pid, uint64_t addr);

/* Address of a word that fab_wire_can_pull of another process expects to find. */
uint64_t fab_wire_probe_address(void);

#endif
