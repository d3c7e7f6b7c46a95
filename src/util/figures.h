/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_FIGURES_H
#define RDMACHUNK_UTIL_FIGURES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A migration's figures, in a page of memory that its process writes and that others read while
 * it runs: rdmachunk status does. The page is that of a memfd called FIGURES_NAME, which is open
 * in QEMU from when the connection is made until it ends, so that others find it in
 * /proc/PID/fd. It is sealed: nobody can change its size, nor map it to write to it.
 *
 * The layout is that of this header; FIGURES_LAYOUT is another for every change.
 */
#define FIGURES_NAME   "rdmachunk-figures"
#define FIGURES_MAGIC  UINT64_C(0x31676966686b6472)
#define FIGURES_LAYOUT 2

/* The counters of the statistics, in their order. */
enum figures_counter {
	FIGURES_REQUESTS_SEEN,
	FIGURES_REQUESTS_SENT,
	FIGURES_REQUESTS_WIDENED,
	FIGURES_REQUESTS_ANSWERED,
	FIGURES_REQUESTS_HELD,
	FIGURES_REQUESTS_AHEAD,
	FIGURES_UNREGISTERS_ANSWERED,
	FIGURES_REGISTRATIONS_ASKED,
	FIGURES_REGISTRATIONS_MADE,
	FIGURES_REGISTRATIONS_AHEAD,
	FIGURES_REGISTRATIONS_RENEWED,
	FIGURES_REGISTRATION_FALLBACKS,
	FIGURES_LARGEST_REGISTRATION_BYTES,
	FIGURES_PINNED_PEAK_BYTES,
	FIGURES_WRITES,
	FIGURES_WRITE_BYTES,
	FIGURES_WRITE_WRS,
	FIGURES_WRS,
	FIGURES_DOORBELLS,
	FIGURES_DOORBELLS_DELEGATED,
	FIGURES_SIGNALED,
	FIGURES_WRITES_WITHHELD,
	FIGURES_FENCES,
	FIGURES_ZEROS,
	FIGURES_ZEROS_MERGED,
	FIGURES_ZEROS_SENT,
	FIGURES_SCANNED_BYTES,
	FIGURES_SCAN_CPU_NS,
	FIGURES_COUNTERS,
};

/* Their names in the statistics and in the manual page. */
extern const char *const figures_counter_names[FIGURES_COUNTERS];

/* What is told of a migration connection. Strings end with a NUL; times are of CLOCK_MONOTONIC,
 * in ns. */
struct figures {
	char version[32]; /* of the library */
	char peer[64];
	char role[16];	  /* "source", "destination" */
	char state[16];	  /* "active", "failed" */
	char phase[16];	  /* conn_phase_name() */
	char blocked[16]; /* conn_blocked_name() */
	uint64_t started;
	uint64_t updated; /* 20 ms ago at most, unless nothing has happened since */
	uint64_t shift;	  /* regions of 2^shift bytes */
	uint64_t chunk;	  /* QEMU's, in bytes; 0 while it is not known */
	/* As in struct conn_progress. */
	uint64_t ram_bytes;
	uint64_t rate;
	uint64_t ahead_bytes;
	uint64_t window_bytes;
	uint64_t window_limit;
	uint64_t counter[FIGURES_COUNTERS];
};

#define FIGURES_WORDS (sizeof(struct figures) / sizeof(uint64_t))

struct figures_page {
	uint64_t magic;
	uint32_t layout;
	_Atomic uint32_t sequence; /* odd while the words are being written */
	_Atomic uint64_t word[FIGURES_WORDS];
};
_Static_assert(sizeof(struct figures) % sizeof(uint64_t) == 0, "words");
_Static_assert(sizeof(struct figures_page) <= 4096, "a page");

/* A fresh page, all zero, that nobody reads yet. */
void figures_init(struct figures_page *page);

/* By one thread at a time. Takes no lock, and waits for no reader. */
void figures_write(struct figures_page *page, const struct figures *figures);

/*
 * By anybody, of a page that may be written meanwhile, and by a process that is not to be
 * trusted: strings are made to end, and to be printable (util/printable.h). 0; -EPROTO when it is
 * no page of ours, or of another layout; -EAGAIN when it is being written each time that one looks,
 * or not finished ever.
 */
int figures_read(const struct figures_page *page, struct figures *figures);

#endif
