/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_PROBES_H
#define RDMACHUNK_UTIL_PROBES_H

/*
 * Static probes (USDT) of the provider "rdmachunk", for bpftrace, perf and SystemTap. One costs a
 * no-op instruction while nobody listens, and nothing at all where <sys/sdt.h> was not there when
 * this was built (configure --disable-probes). doc/probes.bt is an example.
 *
 *      post      qp_num, WRs, bytes, result (0 or a negative errno)     given to the NIC
 *      complete  qp_num, wr_id, status, bytes                           polled from a CQ
 *      hold      block, address, chunks        a REGISTER_REQUEST of QEMU's waits for one of ours
 *      register  address, bytes, access, result, ns                     of an MR
 *      discard   address, bytes                memory given back that may be registered
 *      fail      reason (a string), errno      the migration is made to fail
 */
#ifdef HAVE_PROBES
#include <sys/sdt.h>
#define PROBE2(name, a, b)	    DTRACE_PROBE2(rdmachunk, name, a, b)
#define PROBE3(name, a, b, c)	    DTRACE_PROBE3(rdmachunk, name, a, b, c)
#define PROBE4(name, a, b, c, d)    DTRACE_PROBE4(rdmachunk, name, a, b, c, d)
#define PROBE5(name, a, b, c, d, e) DTRACE_PROBE5(rdmachunk, name, a, b, c, d, e)
#else
#define PROBE2(name, a, b)	    ((void)(a), (void)(b))
#define PROBE3(name, a, b, c)	    (PROBE2(name, a, b), (void)(c))
#define PROBE4(name, a, b, c, d)    (PROBE3(name, a, b, c), (void)(d))
#define PROBE5(name, a, b, c, d, e) (PROBE4(name, a, b, c, d), (void)(e))
#endif

#endif
