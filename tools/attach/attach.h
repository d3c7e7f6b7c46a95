/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ATTACH_ATTACH_H
#define RDMACHUNK_ATTACH_ATTACH_H

/* Exit statuses of both. */
enum attach_exit {
	ATTACH_DONE = 0,
	ATTACH_REFUSED = 1, /* a check failed, and nothing was changed */
	ATTACH_FAILED = 2,  /* QEMU would not, or it ended; the hooks are as they were */
	ATTACH_BUSY = 75,   /* not at the moment, later maybe (EX_TEMPFAIL); nothing was changed */
	ATTACH_USAGE = 125, /* the command line or a setting is wrong; nobody was looked at */
};

/*
 * The commands "attach" and "detach", argv[0]: load the library into a running QEMU and put its
 * hooks in, with the settings of the options and the environment; or take them out. Print one line,
 * what was done on standard output, or why not on standard error. Return the exit status.
 */
int attach_main(int argc, char **argv);
int detach_main(int argc, char **argv);

#endif
