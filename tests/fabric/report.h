/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The JSON report of RDMAFABRIC_REPORT: what is alive, what was called, what was injected.
 */
#ifndef FABRIC_REPORT_H
#define FABRIC_REPORT_H

/* Rewrites the report; also done at exit. Does nothing without RDMAFABRIC_REPORT. */
void fab_report_write(void);

#endif
