/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_TESTS_PRELOAD_AHEAD_DESTINATION_H
#define RDMACHUNK_TESTS_PRELOAD_AHEAD_DESTINATION_H

/* Cases of ahead.h in which this process is the destination, of a source without the shim. Each
 * returns 0, or ends the program. */
int ahead_destination(void);
int ahead_destination_disconnected(void);
int ahead_destination_room(void);
int ahead_destination_return_path(void);
int ahead_destination_chunks_only(void);

#endif
