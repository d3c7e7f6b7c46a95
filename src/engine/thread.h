/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_THREAD_H
#define RDMACHUNK_ENGINE_THREAD_H

#include <pthread.h>

/* A thread of our own in QEMU's process: no signal is ever delivered to it.
 * Returns as pthread_create(3). */
int thread_create(pthread_t *thread, void *(*run)(void *argument), void *argument);

#endif
