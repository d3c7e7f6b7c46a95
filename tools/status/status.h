/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_STATUS_STATUS_H
#define RDMACHUNK_STATUS_STATUS_H

/* rdmachunk status: argv[0] is "status". Returns the exit status: 0, 1 when something could not be
 * read or written, 125 when the command line is wrong. */
int status_main(int argc, char **argv);

#endif
