/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_SPAWN_H
#define RDMACHUNK_UTIL_SPAWN_H

#include <pthread.h>

/*
 * A thread of our own in QEMU's process: no signal is ever delivered to it, its stack
 * is small, and it is not the last that the process may have. `attr`, initialised,
 * says what else it is to have. Returns as pthread_create(3).
 */
int spawn(pthread_t *thread, pthread_attr_t *attr, void *(*run)(void *argument), void *argument);

#endif
