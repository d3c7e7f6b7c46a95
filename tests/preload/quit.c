/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quit.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migration.h"
#include "wait.h"

static char *map_block(void)
{
	char *block = mmap(NULL, (size_t)MIGRATION_CHUNKS * MIGRATION_CHUNK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(block != MAP_FAILED);
	return block;
}

static void open_source(struct migration *m)
{
	uint32_t rkey;

	migration_open(m, "192.0.2.7");
	migration_send_chunk(m, 0, &rkey);
	migration_finish(m);
}

/* QEMU is told to quit at once after "completed". */
static int run_connected(void)
{
	static struct migration m;
	static struct peer p;

	open_source(&m);
	migration_open_destination(&p, "192.0.2.8", map_block(),
				   (size_t)MIGRATION_CHUNKS * MIGRATION_CHUNK);
	return 0;
}

/* The same, one connection being done with and the other half done with. */
static int run_mixed(void)
{
	static struct migration m[3];

	open_source(&m[0]);
	open_source(&m[1]);
	open_source(&m[2]);
	peer_close(&m[0].peer);
	must(!rdma_disconnect(m[1].peer.id));
	return 0;
}

static bool has_line(const char *path)
{
	struct stat st;

	return !stat(path, &st) && st.st_size > 0;
}

/* What is told has been told before the process dies without a word. */
static int run_disconnected(void)
{
	static struct migration m;

	open_source(&m);
	must(!rdma_disconnect(m.peer.id));
	wait_for(has_line(getenv("RDMACHUNK_STATS")));
	_exit(0);
}

static void *register_chunk(void *argument)
{
	struct migration *m = argument;

	ibv_reg_mr(m->peer.pd, m->block + MIGRATION_CHUNK, MIGRATION_CHUNK, 0);
	return NULL;
}

/* It ends while another thread registers a chunk, which takes for ever. */
static int run_busy(void)
{
	static struct migration m;
	pthread_t thread;

	open_source(&m);
	__atomic_store_n(&peer_control->reg_hold, MIGRATION_CHUNK, __ATOMIC_RELAXED);
	must(!pthread_create(&thread, NULL, register_chunk, &m));
	wait_for(__atomic_load_n(&peer_control->reg_held, __ATOMIC_ACQUIRE));
	return 0;
}

/* A child, in which that thread does not exist, has a connection of its own. */
static int run_forked(void)
{
	static struct migration m;
	int status;
	pid_t pid;

	run_busy();
	pid = fork();
	must(pid >= 0);
	if (pid > 0) {
		must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		_exit(WEXITSTATUS(status));
	}
	__atomic_store_n(&peer_control->reg_hold, 0, __ATOMIC_RELAXED);
	open_source(&m);
	return 0;
}

int quit_run(char **args)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} cases[] = {
		{"busy", run_busy},
		{"connected", run_connected},
		{"disconnected", run_disconnected},
		{"forked", run_forked},
		{"mixed", run_mixed},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(args[0], cases[i].name))
			return cases[i].run();
	fprintf(stderr, "no case %s\n", args[0]);
	return 2;
}
