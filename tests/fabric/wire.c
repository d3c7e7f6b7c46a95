// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire.h"

#include "clock.h"
#include "frames.h"
#include "raw.h"
#include "settings.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Copied at once; the process can give no page back meanwhile. */
#define PIECE	    (1ull << 20)
#define PIECE_PAGES (PIECE / FAB_PAGE_SIZE + 1)
#define VECTORS	    64
/* How long to wait for a peer that is giving back a page. */
#define LOOK_AGAIN_NS 20000
#define PROBE_VALUE   0x6661627269633130ull

static pthread_mutex_t wire_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t wire_free_at;
static _Atomic uint64_t wire_bytes;
static volatile const uint64_t probe = PROBE_VALUE;

static void advance(struct span **spans, int *count, size_t done)
{
	while (*count && done >= (*spans)->length) {
		done -= (*spans)->length;
		(*spans)++;
		(*count)--;
	}
	if (*count) {
		(*spans)->at += done;
		(*spans)->length -= done;
	}
}

int fab_wire_peek(int fd, void *data, size_t length)
{
	ssize_t done;

	do
		done = recv(fd, data, length, MSG_PEEK | MSG_WAITALL);
	while (done < 0 && errno == EINTR);
	if (done >= 0)
		errno = 0;
	return done == (ssize_t)length ? 0 : -1;
}

int fab_wire_read(int fd, void *data, size_t length)
{
	ssize_t done;

	for (; length; length -= done, data = (char *)data + done) {
		done = recv(fd, data, length, MSG_WAITALL);
		if (done < 0 && errno == EINTR)
			done = 0;
		else if (done < 0)
			return -1;
		else if (done == 0) {
			errno = 0;
			return -1;
		}
	}
	return 0;
}

/* The spans' first bytes, with the lock of the pins held. Returns their number in *count. */
static int gather(const struct span *spans, int span_count, struct iovec *iov, int *count)
{
	int i, n;

	*count = 0;
	for (i = 0; i < span_count && *count < VECTORS; i++) {
		if (!spans[i].length)
			continue;
		n = fab_pins_locate(&spans[i], spans[i].length, iov + *count, VECTORS - *count);
		if (!n)
			return ESTALE;
		*count += n;
		/* What there was no room for comes first next time. */
		if (*count == VECTORS)
			break;
	}
	return 0;
}

/* Never waits with the lock held, for the peer may be long. */
static int transfer(int fd, struct span *spans, int count, bool out)
{
	struct pollfd ready = {.fd = fd, .events = out ? POLLOUT : POLLIN};
	struct iovec iov[VECTORS];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t done;
	int vectors, err;

	advance(&spans, &count, 0);
	while (count) {
		done = -1;
		fab_pins_lock();
		err = gather(spans, count, iov, &vectors);
		if (!err) {
			msg.msg_iovlen = vectors;
			done = out ? sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT)
				   : recvmsg(fd, &msg, MSG_DONTWAIT);
			err = done < 0 ? errno : 0;
		}
		fab_pins_unlock();
		if (err == EAGAIN)
			poll(&ready, 1, -1);
		else if (err != EINTR && done <= 0) {
			errno = err;
			return -1;
		}
		if (done > 0)
			advance(&spans, &count, done);
	}
	return 0;
}

int fab_wire_read_spans(int fd, struct span *spans, int count)
{
	return transfer(fd, spans, count, false);
}

int fab_wire_write_spans(int fd, struct span *spans, int count)
{
	return transfer(fd, spans, count, true);
}

void fab_wire_reserve(uint64_t bytes, uint64_t *start, uint64_t *end)
{
	const struct fabric_config *config = fab_config();
	uint64_t now = fab_now(), took = config->wr_ns;

	if (config->bandwidth)
		took += (uint64_t)((double)bytes * 8e9 / (double)config->bandwidth);
	pthread_mutex_lock(&wire_lock);
	*start = wire_free_at > now ? wire_free_at : now;
	*end = *start + took;
	wire_free_at = *end;
	pthread_mutex_unlock(&wire_lock);
	atomic_fetch_add(&wire_bytes, bytes);
}

uint64_t fab_wire_bytes(void)
{
	return atomic_load(&wire_bytes);
}

/* What one look at a peer's MR found out about the pages of a piece. */
struct look {
	uint64_t places[PIECE_PAGES];
	bool moved; /* else all are where they were registered, and places is not set */
};

static int read_word(pid_t pid, void *to, uint64_t from, size_t length)
{
	struct iovec local = {to, length}, remote = {(void *)(uintptr_t)from, length};

	return raw_read_process(pid, &local, 1, &remote, 1) == (ssize_t)length ? 0 : errno;
}

/*
 * Returns 0, ESTALE if the MR has gone, or EAGAIN if a page is changing its place or the MR is
 * going just now.
 */
static int look_at(pid_t pid, const struct wire_segment *segment, uint64_t at, size_t pages,
		   struct look *look)
{
	struct pin_window window;
	uint64_t first;
	size_t i;
	int err;

	err = read_word(pid, &window, segment->window, sizeof(window));
	if (err)
		return err;
	if (window.generation != segment->generation)
		return ESTALE;
	look->moved = window.places;
	if (!look->moved)
		return 0;
	first = (at - window.start) >> FAB_PAGE_SHIFT;
	if (read_word(pid, look->places, window.places + first * sizeof(uint64_t),
		      pages * sizeof(uint64_t)) != 0)
		return EAGAIN;
	for (i = 0; i < pages; i++)
		if (look->places[i] & PLACE_BUSY)
			return EAGAIN;
	return 0;
}

static bool same(const struct look *a, const struct look *b, size_t pages)
{
	return a->moved == b->moved &&
	       (!a->moved || memcmp(a->places, b->places, pages * sizeof(a->places[0])) == 0);
}

static int remote_vectors(const struct look *look, uint64_t at, size_t length, struct iovec *iov)
{
	size_t done, piece, page = 0;
	uint64_t where;
	int count = 0;

	if (!look->moved) {
		iov[0] = (struct iovec){(void *)(uintptr_t)at, length};
		return 1;
	}
	for (done = 0; done < length; done += piece, page++) {
		piece = FAB_PAGE_SIZE - ((at + done) & (FAB_PAGE_SIZE - 1));
		if (piece > length - done)
			piece = length - done;
		where = at + done;
		if (look->places[page])
			where = fab_place_address(look->places[page]) +
				(where & (FAB_PAGE_SIZE - 1));
		if (count && (uintptr_t)iov[count - 1].iov_base + iov[count - 1].iov_len == where)
			iov[count - 1].iov_len += piece;
		else
			iov[count++] = (struct iovec){(void *)(uintptr_t)where, piece};
	}
	return count;
}

/* Returns the bytes copied, or a negative errno value. */
static ssize_t pull_piece(pid_t pid, const struct wire_segment *segment, uint64_t offset,
			  const struct span *span, size_t length)
{
	uint64_t at = segment->addr + offset;
	size_t pages = ((at + length - 1) >> FAB_PAGE_SHIFT) - (at >> FAB_PAGE_SHIFT) + 1;
	struct iovec from[PIECE_PAGES], to[PIECE_PAGES];
	struct look before, after;
	int err, count;
	ssize_t done;

	err = look_at(pid, segment, at, pages, &before);
	if (err)
		return -err;
	done = -1;
	err = ESTALE;
	fab_pins_lock();
	count = fab_pins_locate(span, length, to, PIECE_PAGES);
	if (count) {
		done = raw_read_process(pid, to, count, from,
					remote_vectors(&before, at, length, from));
		err = done < 0 ? errno : done ? 0 : EFAULT;
	}
	fab_pins_unlock();
	if (look_at(pid, segment, at, pages, &after) != 0 || !same(&before, &after, pages))
		return -EAGAIN;
	return err ? -err : done;
}

int fab_wire_pull(pid_t pid, const struct wire_segment *segments, int segment_count,
		  struct span *spans, int span_count, bool (*may_go_on)(void *arg), void *arg)
{
	uint64_t offset = 0;
	ssize_t done;
	size_t length;
	int i = 0;

	advance(&spans, &span_count, 0);
	while (i < segment_count && span_count) {
		if (offset == segments[i].length) {
			i++;
			offset = 0;
			continue;
		}
		if (!may_go_on(arg))
			return ECANCELED;
		length = spans->length < PIECE ? spans->length : PIECE;
		if (length > segments[i].length - offset)
			length = segments[i].length - offset;
		done = pull_piece(pid, &segments[i], offset, spans, length);
		if (done == -EAGAIN) {
			fab_sleep_until(fab_now() + LOOK_AGAIN_NS);
			continue;
		}
		if (done < 0)
			return -done;
		offset += done;
		advance(&spans, &span_count, done);
	}
	return 0;
}

bool fab_wire_can_pull(pid_t pid, uint64_t addr)
{
	uint64_t found = 0;
	struct iovec to = {&found, sizeof(found)};
	struct iovec from = {(void *)(uintptr_t)addr, sizeof(found)};

	return raw_read_process(pid, &to, 1, &from, 1) == sizeof(found) && found == PROBE_VALUE;
}

uint64_t fab_wire_probe_address(void)
{
	return (uintptr_t)&probe;
}
