/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_LAUNCHER_PRINT_H
#define RDMACHUNK_LAUNCHER_PRINT_H

/*
 * Print on standard output how to have `library` loaded with the variables that are set in this
 * process's environment: as `form` says, "env" for a shell, a drop-in for a unit of "systemd", or
 * elements of a domain of "libvirt". The limit of locked memory in the last two is for a guest of
 * `memory` bytes; 0 is unknown.
 */
void print_settings(const char *form, const char *library, unsigned long long memory);

#endif
