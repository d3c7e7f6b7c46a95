// SPDX-License-Identifier: GPL-2.0-or-later
#include "event_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int fab_queue_init(struct event_queue *q)
{
	q->fd = eventfd(0, EFD_CLOEXEC);
	if (q->fd < 0)
		return errno;
	pthread_mutex_init(&q->lock, NULL);
	q->head = NULL;
	q->tail = NULL;
	return 0;
}

void fab_queue_destroy(struct event_queue *q)
{
	struct event_node *node;

	while ((node = q->head)) {
		q->head = node->next;
		free(node);
	}
	close(q->fd);
	pthread_mutex_destroy(&q->lock);
}

/*
 * The descriptor's counter is 1 while the queue is not empty and 0 otherwise. Only these two touch
 * it, with the lock held, so neither can block.
 */
static void set_readable(struct event_queue *q)
{
	uint64_t one = 1;

	if (write(q->fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void clear_readable(struct event_queue *q)
{
	uint64_t count;

	if (read(q->fd, &count, sizeof(count)) != sizeof(count))
		abort();
}

int fab_queue_push(struct event_queue *q, void *item, int kind)
{
	struct event_node *node = malloc(sizeof(*node));

	if (!node)
		return ENOMEM;
	*node = (struct event_node){.item = item, .kind = kind};
	pthread_mutex_lock(&q->lock);
	if (q->head) {
		q->tail->next = node;
	} else {
		q->head = node;
		set_readable(q);
	}
	q->tail = node;
	pthread_mutex_unlock(&q->lock);
	return 0;
}

int fab_queue_pop(struct event_queue *q, void **item, int *kind)
{
	struct pollfd pfd = {.fd = q->fd, .events = POLLIN};
	struct event_node *node;
	int flags;

	for (;;) {
		pthread_mutex_lock(&q->lock);
		node = q->head;
		if (node) {
			q->head = node->next;
			if (!q->head)
				clear_readable(q);
		}
		pthread_mutex_unlock(&q->lock);
		if (node)
			break;
		flags = fcntl(q->fd, F_GETFL);
		if (flags < 0)
			return -1;
		if (flags & O_NONBLOCK) {
			errno = EAGAIN;
			return -1;
		}
		if (poll(&pfd, 1, -1) < 0)
			return -1;
	}
	*item = node->item;
	if (kind)
		*kind = node->kind;
	free(node);
	return 0;
}

unsigned int fab_queue_remove(struct event_queue *q,
			      bool (*match)(void *item, int kind, const void *arg), const void *arg)
{
	struct event_node **p = &q->head, *node;
	unsigned int removed = 0;

	pthread_mutex_lock(&q->lock);
	q->tail = NULL;
	while ((node = *p)) {
		if (match(node->item, node->kind, arg)) {
			*p = node->next;
			free(node);
			removed++;
		} else {
			q->tail = node;
			p = &node->next;
		}
	}
	if (removed && !q->head)
		clear_readable(q);
	pthread_mutex_unlock(&q->lock);
	return removed;
}
