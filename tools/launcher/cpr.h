/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_CPR_H
#define RDMACHUNK_LAUNCHER_CPR_H

/*
 * QEMU's migration mode cpr-exec, by which it runs itself again as the same process and keeps its
 * guest (QEMU 11.1; docs/devel/migration/CPR.rst there).
 */
enum cpr {
	CPR_FITS,
	CPR_PRIVATE, /* not all of the guest's memory stays when the process runs a program */
	CPR_DENIED,  /* -sandbox denies to run one */
};

/* By QEMU's command line, which ends with NULL. What it does not say is QEMU's default. */
enum cpr cpr_of_command(char *const *argv);

#endif
