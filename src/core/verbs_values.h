/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_CORE_VERBS_VALUES_H
#define RDMACHUNK_CORE_VERBS_VALUES_H

/*
 * The few numbers of the verbs ABI that the core, which knows no verbs, has to
 * hand on. The engine checks at compile time that they are libibverbs' own.
 */
enum {
	VERBS_WC_SUCCESS = 0,
	VERBS_WC_LOC_LEN_ERR = 1,
	VERBS_WC_WR_FLUSH_ERR = 5,
	VERBS_WC_SEND = 0,
	VERBS_WC_RDMA_WRITE = 1,
	VERBS_WC_RECV = 128,
	VERBS_ACCESS_ON_DEMAND = 1 << 6,
};

#endif
