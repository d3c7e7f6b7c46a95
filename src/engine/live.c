/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/progress.h"
#include "engine/report.h"
#include "util/monotonic.h"

/* How old the page may become while something happens. */
#define LIVE_NS UINT64_C(20000000)

/* Below it are the numbers that QEMU's own descriptors get. */
#define LIVE_FD 512

/* Since Linux 5.1: nobody gets a new way to write to it. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Since Linux 6.3, where a sysctl may refuse one without it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int new_memfd(void)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(FIGURES_NAME, flags | MFD_NOEXEC_SEAL);

	return fd < 0 && errno == EINVAL ? memfd_create(FIGURES_NAME, flags) : fd;
}

static void *map_new(int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
	void *page;

	/* QEMU's user and root may look. */
	if (fchmod(fd, 0400) || ftruncate(fd, sizeof(struct figures_page)))
		return NULL;
	page = mmap(NULL, sizeof(struct figures_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return NULL;
	/* Were it cut short QEMU would get SIGBUS. */
	if (fcntl(fd, F_ADD_SEALS, seals)) {
		munmap(page, sizeof(struct figures_page));
		return NULL;
	}
	fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	return page;
}

/* Its number is high if there are such. Returns the one that it has. */
static int move_up(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, LIVE_FD);

	if (moved < 0)
		return fd;
	close(fd);
	return moved;
}

/* What stays as it is. */
static void describe(struct session *s)
{
	struct figures *f = &s->figures.last;

	memset(f, 0, sizeof(*f));
	snprintf(f->version, sizeof(f->version), "%s", PACKAGE_VERSION);
	snprintf(f->peer, sizeof(f->peer), "%s", s->about.peer);
	snprintf(f->role, sizeof(f->role), "%s", conn_role_name(s->about.role));
	f->started = s->about.started;
}

static void update(struct session *s, uint64_t now)
{
	struct figures *f = &s->figures.last;
	struct conn_progress progress;
	struct conn_figures figures;

	conn_figures(s->conn, &figures);
	conn_progress(s->conn, &progress);
	strcpy(f->state, conn_state_name(conn_state(s->conn)));
	strcpy(f->phase, conn_phase_name(progress.phase));
	strcpy(f->blocked, conn_blocked_name(progress.blocked));
	f->updated = now;
	f->shift = figures.shift;
	f->chunk = figures.chunk;
	f->ram_bytes = progress.ram_bytes;
	f->rate = progress.rate;
	f->ahead_bytes = progress.ahead_bytes;
	f->window_bytes = progress.window_bytes;
	f->window_limit = progress.window_limit;
	report_counters(s, &figures, f->counter);
	figures_write(s->figures.page, f);
	s->figures.at = now;
	s->figures.asleep = progress.blocked != CONN_BLOCKED_NOT;
}

void live_begin(struct session *s)
{
	int saved_errno = errno;
	int fd = new_memfd();

	if (fd >= 0) {
		s->figures.page = map_new(fd);
		if (s->figures.page) {
			figures_init(s->figures.page);
			describe(s);
			update(s, monotonic_ns());
			s->figures.fd = move_up(fd);
		} else {
			close(fd);
		}
	}
	errno = saved_errno;
}

void live_time(struct session *s)
{
	uint64_t now = monotonic_ns();

	conn_time(s->conn, now);
	if (s->figures.page && (s->figures.asleep || now - s->figures.at >= LIVE_NS))
		update(s, now);
}

void live_sleeps(struct session *s)
{
	if (s->figures.page)
		update(s, monotonic_ns());
}

void live_end(struct session *s)
{
	int saved_errno = errno;

	if (!s->figures.page)
		return;
	munmap(s->figures.page, sizeof(struct figures_page));
	s->figures.page = NULL;
	close(s->figures.fd);
	errno = saved_errno;
}
