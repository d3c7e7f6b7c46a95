/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/limits.h"

#include <linux/capability.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than a source that still runs can have met; the oldest goes. */
#define PEERS	 16
#define PEER_LEN 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char peers[PEERS][PEER_LEN];
static unsigned int peers_noted;
static atomic_bool failed;

/* The kernel wants the capability in the first user namespace: root of another one
 * has it in vain (drivers/infiniband/core/umem.c, ib_umem_get). */
static bool in_first_namespace(void)
{
	unsigned int inside = 1, outside = 1, count = 0;
	FILE *map = fopen("/proc/self/uid_map", "re");

	if (!map)
		return false;
	if (fscanf(map, "%u %u %u", &inside, &outside, &count) != 3)
		count = 0;
	fclose(map);
	return !inside && !outside && count == UINT32_MAX;
}

static bool may_lock(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return !syscall(SYS_capget, &header, data) &&
	       data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK) &&
	       in_first_namespace();
}

bool limits_tight(void)
{
	struct rlimit limit;

	if (atomic_load(&failed))
		return true;
	return (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur != RLIM_INFINITY) &&
	       !may_lock();
}

void limits_note_failure(void)
{
	atomic_store(&failed, true);
}

void limits_note_peer(const char *peer)
{
	if (!*peer || limits_peer(peer))
		return;
	pthread_mutex_lock(&lock);
	snprintf(peers[peers_noted++ % PEERS], PEER_LEN, "%s", peer);
	pthread_mutex_unlock(&lock);
}

bool limits_peer(const char *peer)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < PEERS; i++)
		found |= *peer && !strcmp(peers[i], peer);
	pthread_mutex_unlock(&lock);
	return found;
}
