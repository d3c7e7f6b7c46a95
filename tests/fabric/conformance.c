// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checks that RC over rdma_cm behaves as this project relies on. Linked to ordinary libibverbs and
 * librdmacm: run it on a real device (or rxe), or with LD_LIBRARY_PATH on the fabric; the outcome
 * must be the same.
 *
 *	conformance [ADDRESS [CASE...]]
 *
 * ADDRESS is one of the device's (default: $RDMATEST_ADDR, then 127.0.0.1).
 */
#include "conf.h"

int main(int argc, char **argv)
{
	static const struct conf_case *const lists[] = {conf_object_cases, conf_cm_cases,
							conf_data_cases,   conf_event_cases,
							conf_error_cases,  conf_pin_cases};

	return conf_main(argc, argv, lists, sizeof(lists) / sizeof(lists[0]));
}
