// SPDX-License-Identifier: GPL-2.0-or-later
#include "cm_internal.h"

#include "clock.h"
#include "settings.h"
#include "device.h"
#include "fault.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PASSED_FDS 2

#define MAX_EVENTS 16

static int wake_fd = -1;
/* An epoll set, since unlike poll's it keeps no socket alive that was closed meanwhile. */
static int epoll_fd = -1;

int cm_watch(struct cm_id *id)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = id->sock};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, id->sock, &event) == 0 ? 0 : errno;
}

/* Listeners meet their callers at a name in the abstract socket space. */
static socklen_t socket_name(struct sockaddr_un *un, const struct sockaddr *addr, bool any)
{
	char host[INET6_ADDRSTRLEN] = "*";
	struct sockaddr_storage copy;
	int len;

	memcpy(&copy, addr, cm_addr_len(addr));
	if (!any && addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)addr)->sin6_addr, host,
			  sizeof(host));
	else if (!any)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)addr)->sin_addr, host,
			  sizeof(host));
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	len = snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "rdmafabric/%s/%s/%u",
		       fab_config()->net, host, ntohs(*cm_addr_port((struct sockaddr *)&copy)));
	return offsetof(struct sockaddr_un, sun_path) + 1 + len;
}

int cm_bind(struct cm_id *id, struct sockaddr *addr)
{
	struct sockaddr *own = &id->base.route.addr.src_addr;
	bool choose = !*cm_addr_port(addr);
	struct sockaddr_un un;
	unsigned int port, tries;
	socklen_t len;
	int err;

	id->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (id->sock < 0)
		return errno;
	memcpy(own, addr, cm_addr_len(addr));
	for (tries = 0;; tries++) {
		port = 49152 + (getpid() * 31u + tries * 7u) % 16384;
		if (choose)
			*cm_addr_port(own) = htons(port);
		len = socket_name(&un, own, cm_addr_any(own));
		if (bind(id->sock, (struct sockaddr *)&un, len) == 0)
			return 0;
		err = errno;
		if (!choose || err != EADDRINUSE || tries > 1000)
			break;
	}
	close(id->sock);
	id->sock = -1;
	return err;
}

int cm_dial(struct cm_id *id)
{
	const struct sockaddr *dst = &id->base.route.addr.dst_addr;
	struct sockaddr_un un;
	struct ucred cred;
	socklen_t len;
	int any, err = 0;

	for (any = 0; any < 2; any++) {
		id->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (id->sock < 0)
			return errno;
		len = socket_name(&un, dst, any);
		if (connect(id->sock, (struct sockaddr *)&un, len) == 0)
			break;
		err = errno;
		close(id->sock);
		id->sock = -1;
	}
	if (id->sock < 0)
		return err;
	len = sizeof(cred);
	if (getsockopt(id->sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return errno;
	id->peer_pid = cred.pid;
	return cm_watch(id);
}

int cm_send(struct cm_id *id, struct cm_message *message, const int *fds, int fd_count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(MAX_PASSED_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {message, sizeof(*message)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (id->lost || id->sock < 0)
		return 0;
	if (fd_count) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, fd_count * sizeof(int));
	}
	return sendmsg(id->sock, &msg, MSG_NOSIGNAL) == sizeof(*message) ? 0 : errno;
}

void cm_say(struct cm_id *id, enum cm_message_type type)
{
	struct cm_message message = {.type = type};

	if (type == CM_REJ)
		message.reason = CM_REJ_CONSUMER;
	cm_send(id, &message, NULL, 0);
}

/* Returns 1, 0 at the end of the connection, and -1 when there was nothing after all. */
static int receive(struct cm_id *id, struct cm_message *message)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(MAX_PASSED_FDS * sizeof(int))];
	} control;
	struct iovec iov = {message, sizeof(*message)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg;
	int fds[MAX_PASSED_FDS];
	ssize_t got;

	do {
		got = recvmsg(id->sock, &msg, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return -1;
	if (got != sizeof(*message))
		return 0;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS && cmsg->cmsg_len == CMSG_LEN(sizeof(fds))) {
		memcpy(fds, CMSG_DATA(cmsg), sizeof(fds));
		id->request_fd = fds[0];
		id->response_fd = fds[1];
	}
	return 1;
}

static void take_caller(struct cm_id *listener)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct cm_id *id;
	int fd = accept4(listener->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	id = cm_new(listener->base.channel, listener->base.context, listener->base.ps);
	if (!id || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
		close(fd);
		return;
	}
	id->sock = fd;
	cm_watch(id);
	id->peer_pid = cred.pid;
	id->listener = listener;
	id->state = CM_REQ_AWAITED;
}

static void take_req(struct cm_id *id, const struct cm_message *req)
{
	struct rdma_addr *addr = &id->base.route.addr;

	/* Nobody hears a REQ on a dead link; the caller gives up in time. */
	if (fab_fault_link_down()) {
		id->lost = true;
		return;
	}
	id->peer = *req;
	id->by_socket =
		req->by_socket || fab_config()->copy == COPY_SOCKET ||
		(fab_config()->copy == COPY_AUTO && !fab_wire_can_pull(id->peer_pid, req->probe));
	addr->src_storage = req->dst;
	addr->dst_storage = req->src;
	cm_addr_gid(&addr->src_addr, &addr->addr.ibaddr.sgid);
	cm_addr_gid(&addr->dst_addr, &addr->addr.ibaddr.dgid);
	addr->addr.ibaddr.pkey = htobe16(0xffff);
	id->base.verbs = fab_shared_context();
	id->base.port_num = 1;
	id->state = CM_REQ_RECEIVED;
	cm_raise(id, RDMA_CM_EVENT_CONNECT_REQUEST, 0, req, CM_REQ_PRIVATE);
}

static void enter_timewait(struct cm_id *id, int status)
{
	id->state = CM_TIMEWAIT;
	id->deadline = fab_now() + fab_config()->timewait_ns;
	cm_raise(id, RDMA_CM_EVENT_DISCONNECTED, status, NULL, 0);
}

static void take_rej(struct cm_id *id, int reason, const struct cm_message *rej)
{
	if (id->state == CM_REQ_RECEIVED) {
		id->state = CM_OVER;
		return;
	}
	if (id->state != CM_REQ_SENT && id->state != CM_REP_SENT)
		return;
	id->state = CM_OVER;
	id->deadline = 0;
	cm_raise(id, RDMA_CM_EVENT_REJECTED, reason, rej, rej ? CM_REJ_PRIVATE : 0);
}

static void take_message(struct cm_id *id, const struct cm_message *message)
{
	switch ((enum cm_message_type)message->type) {
	case CM_REQ:
		if (id->state == CM_REQ_AWAITED)
			take_req(id, message);
		break;
	case CM_REP:
		if (id->state != CM_REQ_SENT)
			break;
		id->peer = *message;
		id->by_socket = message->by_socket;
		id->state = CM_REP_RECEIVED;
		id->deadline = 0;
		cm_raise(id, RDMA_CM_EVENT_CONNECT_RESPONSE, 0, message, CM_REP_PRIVATE);
		break;
	case CM_RTU:
		if (id->state != CM_REP_SENT)
			break;
		id->state = CM_CONNECTED;
		id->deadline = 0;
		cm_raise(id, RDMA_CM_EVENT_ESTABLISHED, 0, NULL, 0);
		break;
	case CM_REJ:
		take_rej(id, message->reason, message);
		break;
	case CM_DREQ:
		if (id->state == CM_DREQ_SENT) {
			cm_say(id, CM_DREP);
			enter_timewait(id, 0);
		} else if (id->state == CM_CONNECTED || id->state == CM_REP_SENT ||
			   id->state == CM_REP_RECEIVED) {
			id->state = CM_DREQ_RECEIVED;
			id->deadline = 0;
			if (id->base.qp)
				fab_qp_settle(id->base.qp);
			cm_raise(id, RDMA_CM_EVENT_DISCONNECTED, 0, NULL, 0);
		}
		break;
	case CM_DREP:
		if (id->state == CM_DREQ_SENT)
			enter_timewait(id, 0);
		break;
	case CM_LOST:
		id->lost = true;
		break;
	}
}

/*
 * The peer's process is gone, or let the connection go without a word. The kernel there would have
 * said REJ or DREQ for it.
 */
static void take_end(struct cm_id *id)
{
	close(id->sock);
	id->sock = -1;
	if (id->lost)
		return;
	if (id->base.qp)
		fab_qp_settle(id->base.qp);
	switch (id->state) {
	case CM_REQ_AWAITED:
		id->state = CM_OVER;
		break;
	case CM_REQ_SENT:
	case CM_REP_SENT:
	case CM_REQ_RECEIVED:
		take_rej(id, CM_REJ_CONSUMER, NULL);
		break;
	case CM_CONNECTED:
	case CM_REP_RECEIVED:
	case CM_DREQ_SENT:
		enter_timewait(id, 0);
		break;
	default:
		break;
	}
}

static void expire(struct cm_id *id)
{
	id->deadline = 0;
	switch (id->state) {
	case CM_REQ_SENT:
	case CM_REP_SENT:
		id->state = CM_OVER;
		cm_raise(id, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT, NULL, 0);
		break;
	case CM_DREQ_SENT:
		enter_timewait(id, -ETIMEDOUT);
		break;
	case CM_TIMEWAIT:
		id->state = CM_OVER;
		cm_raise(id, RDMA_CM_EVENT_TIMEWAIT_EXIT, 0, NULL, 0);
		break;
	default:
		break;
	}
}

static void serve(struct cm_id *id)
{
	struct cm_message message;
	int got;

	if (id->state == CM_LISTENING) {
		take_caller(id);
		return;
	}
	got = receive(id, &message);
	if (got == 0)
		take_end(id);
	else if (got > 0 && !id->lost)
		take_message(id, &message);
}

/* The id that still uses the descriptor, if any: it may have gone while nobody held the lock. */
static struct cm_id *find_by_sock(int fd)
{
	struct cm_id *id;

	for (id = cm_ids; id; id = id->next)
		if (id->sock == fd)
			return id;
	return NULL;
}

static void expire_due(void)
{
	uint64_t now = fab_now();
	struct cm_id *id, *next;

	for (id = cm_ids; id; id = next) {
		next = id->next;
		if (id->deadline && id->deadline <= now)
			expire(id);
		/* A caller that hung up before its REQ was never an id to anybody. */
		if (id->state == CM_OVER && id->listener && id->sock < 0 && !id->base.verbs) {
			cm_unlink(id);
			cm_free(id);
		}
	}
}

/* Milliseconds to the next deadline, -1 for none. */
static int next_timeout(void)
{
	uint64_t now = fab_now(), soonest = UINT64_MAX;
	struct cm_id *id;

	for (id = cm_ids; id; id = id->next)
		if (id->deadline && id->deadline < soonest)
			soonest = id->deadline;
	if (soonest == UINT64_MAX)
		return -1;
	return soonest <= now ? 0 : (int)((soonest - now) / 1000000 + 1);
}

static void *run_cm(void *unused)
{
	struct epoll_event events[MAX_EVENTS];
	struct cm_id *id;
	uint64_t wakes;
	int timeout, count, i;

	(void)unused;
	for (;;) {
		pthread_mutex_lock(&cm_lock);
		expire_due();
		timeout = next_timeout();
		pthread_mutex_unlock(&cm_lock);
		count = epoll_wait(epoll_fd, events, MAX_EVENTS, timeout);
		pthread_mutex_lock(&cm_lock);
		for (i = 0; i < count; i++) {
			if (events[i].data.fd == wake_fd &&
			    read(wake_fd, &wakes, sizeof(wakes)) < 0 && errno != EAGAIN)
				abort();
			id = find_by_sock(events[i].data.fd);
			if (id)
				serve(id);
		}
		pthread_mutex_unlock(&cm_lock);
	}
	return NULL;
}

/* A lost connection is silent at both ends from now on. */
static void link_changed(void)
{
	struct cm_id *id;

	pthread_mutex_lock(&cm_lock);
	for (id = cm_ids; id; id = id->next) {
		if (id->connected_at && !id->lost && fab_fault_lost(id->connected_at)) {
			cm_say(id, CM_LOST);
			id->lost = true;
		}
	}
	pthread_mutex_unlock(&cm_lock);
}

static int open_wake_up(void)
{
	struct epoll_event event = {.events = EPOLLIN};

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.fd = wake_fd;
	if (epoll_fd < 0 || wake_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0)
		return errno;
	return 0;
}

int cm_start(void)
{
	static bool started;
	pthread_t thread;
	int err = 0;

	pthread_mutex_lock(&cm_lock);
	if (!started) {
		err = open_wake_up();
		if (!err)
			err = fab_thread(&thread, "fabric-cm", run_cm, NULL);
		if (!err) {
			pthread_detach(thread);
			fab_fault_on_link_change(link_changed);
			started = true;
		}
	}
	pthread_mutex_unlock(&cm_lock);
	return err;
}

void cm_wake(void)
{
	uint64_t one = 1;

	if (wake_fd >= 0 && write(wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort();
}
