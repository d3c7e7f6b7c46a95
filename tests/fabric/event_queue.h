/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A queue of events behind a file descriptor that polls readable exactly while the queue holds
 * one, as the kernel's completion, asynchronous and connection event files do.
 */
#ifndef FABRIC_EVENT_QUEUE_H
#define FABRIC_EVENT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

struct event_node {
	struct event_node *next;
	void *item;
	int kind;
};

struct event_queue {
	int fd; /* the caller may poll it and set O_NONBLOCK on it, nothing else */
	pthread_mutex_t lock;
	struct event_node *head;
	struct event_node *tail;
};

/* Returns 0 or an errno value. */
int fab_queue_init(struct event_queue *q);

/* Closes the descriptor and forgets what is queued; the items stay the caller's. */
void fab_queue_destroy(struct event_queue *q);

/* Returns 0 or ENOMEM. */
int fab_queue_push(struct event_queue *q, void *item, int kind);

/*
 * Takes the first event, waiting for one unless O_NONBLOCK is set on the descriptor.
 * Returns 0, or -1 with errno EAGAIN or EINTR. kind may be NULL.
 */
int fab_queue_pop(struct event_queue *q, void **item, int *kind);

/*
 * Removes the events for which match(item, kind, arg) says so; returns how many. match runs with
 * the queue locked and may free the item.
 */
unsigned int fab_queue_remove(struct event_queue *q,
			      bool (*match)(void *item, int kind, const void *arg),
			      const void *arg);

#endif
