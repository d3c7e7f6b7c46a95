/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another distribution's root directory, to run its QEMU in. */
#ifndef TOOLS_AB_VMROOT_H
#define TOOLS_AB_VMROOT_H

/*
 * In a mount namespace of this process's own, of which nothing outlives the process: make our
 * /dev, /proc and /sys appear in @root, an empty /tmp in place of its own, each of @dirs (NULL
 * ends the list), each directory of LD_PRELOAD's libraries, and those of LD_LIBRARY_PATH that @root
 * has nothing in; then change to it. Ends the process with a message when it cannot.
 */
void vmroot_enter(const char *root, const char *const *dirs);

#endif
