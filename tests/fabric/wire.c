// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire.h"

#include "clock.h"
#include "settings.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECE	    (16ull << 20)
#define PROBE_VALUE 0x6661627269633130ull

static pthread_mutex_t wire_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t wire_free_at;
static _Atomic uint64_t wire_bytes;
static volatile const uint64_t probe = PROBE_VALUE;

static void advance(struct iovec **iov, int *count, size_t done)
{
	while (*count && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

static int transfer(int fd, struct iovec *iov, int count, bool out)
{
	struct msghdr msg = {0};
	ssize_t done;

	advance(&iov, &count, 0);
	while (count) {
		msg.msg_iov = iov;
		msg.msg_iovlen = count;
		done = out ? sendmsg(fd, &msg, MSG_NOSIGNAL) : recvmsg(fd, &msg, 0);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			if (done == 0)
				errno = 0;
			return -1;
		}
		advance(&iov, &count, done);
	}
	return 0;
}

int fab_wire_read(int fd, void *data, size_t length)
{
	struct iovec iov = {data, length};

	return transfer(fd, &iov, 1, false);
}

int fab_wire_readv(int fd, struct iovec *iov, int count)
{
	return transfer(fd, iov, count, false);
}

int fab_wire_writev(int fd, struct iovec *iov, int count)
{
	return transfer(fd, iov, count, true);
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

/*
 * The bare system call: to sanitizers this is memory changing by itself, as with a device, and not
 * a thread's write that might race with the program's reads.
 */
static ssize_t read_process(pid_t pid, const struct iovec *to, const struct iovec *from)
{
	return syscall(SYS_process_vm_readv, pid, to, 1ul, from, 1ul, 0ul);
}

int fab_wire_pull(pid_t pid, const struct wire_segment *segments, int segment_count,
		  struct iovec *iov, int iov_count, bool (*may_go_on)(void *arg), void *arg)
{
	struct iovec from, to;
	uint64_t offset = 0;
	ssize_t done;
	int i = 0;

	advance(&iov, &iov_count, 0);
	while (i < segment_count && iov_count) {
		if (offset == segments[i].length) {
			i++;
			offset = 0;
			continue;
		}
		if (!may_go_on(arg))
			return ECANCELED;
		to = iov[0];
		if (to.iov_len > PIECE)
			to.iov_len = PIECE;
		if (to.iov_len > segments[i].length - offset)
			to.iov_len = segments[i].length - offset;
		from.iov_base = (void *)(uintptr_t)(segments[i].addr + offset);
		from.iov_len = to.iov_len;
		done = read_process(pid, &to, &from);
		if (done <= 0)
			return done < 0 ? errno : EFAULT;
		offset += done;
		advance(&iov, &iov_count, done);
	}
	return 0;
}

bool fab_wire_can_pull(pid_t pid, uint64_t addr)
{
	uint64_t found = 0;
	struct iovec to = {&found, sizeof(found)};
	struct iovec from = {(void *)(uintptr_t)addr, sizeof(found)};

	return read_process(pid, &to, &from) == sizeof(found) && found == PROBE_VALUE;
}

uint64_t fab_wire_probe_address(void)
{
	return (uintptr_t)&probe;
}
