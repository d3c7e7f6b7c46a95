/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A program that the module is loaded into while it runs, and whose functions are bound when it
 * starts, as QEMU's are: attached-now MODE LIBRARY [LIBRARY].
 */
#include "ask.h"
#include "migration.h"
#include "wait.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From which call on mprotect(2) fails, and whether it is this one only; 0: none. */
static unsigned int failing, calls;
static bool once;

int mprotect(void *addr, size_t length, int protection)
{
	calls++;
	if (failing && (once ? calls == failing : calls >= failing)) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_mprotect, addr, length, protection);
}

/* How many calls of the program's go to this library. */
static __attribute__((noinline)) unsigned int count_hooks(void *library)
{
	void *const functions[] = {
		(void *)rdma_create_qp, (void *)rdma_destroy_qp, (void *)rdma_connect,
		(void *)rdma_accept,	(void *)ibv_dereg_mr,	 (void *)mmap,
	};
	Dl_info of_library, of_function;
	unsigned int count = 0;

	must(dladdr(dlsym(library, ATTACH_ENTRY), &of_library));
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		must(dladdr(functions[i], &of_function));
		count += of_function.dli_fbase == of_library.dli_fbase;
	}
	return count;
}

/* With the Nth call of mprotect(2) failing: either it is refused, and nothing has changed, or all
 * has. True when there are not so many calls. */
static bool fail_nth(void *library, unsigned int nth, enum attach_action action, unsigned int all)
{
	unsigned int before = count_hooks(library);
	bool refused;

	failing = nth;
	calls = 0;
	refused = ask(library, action);
	failing = 0;
	must(count_hooks(library) == (refused ? before : all - before));
	if (!refused)
		must(!ask(library, action == ATTACH_PUT_IN ? ATTACH_TAKE_OUT : ATTACH_PUT_IN));
	must(count_hooks(library) == before);
	return calls < nth;
}

/* Each page that is to be writable for a moment may be one that stays as it is. */
static int run_refused(void *library, void *unused)
{
	unsigned int all;

	(void)unused;
	must(count_hooks(library) == 0);
	must(!ask(library, ATTACH_PUT_IN));
	all = count_hooks(library);
	for (int only = 0; only < 2; only++) {
		once = only;
		for (unsigned int nth = 1; !fail_nth(library, nth, ATTACH_TAKE_OUT, all); nth++)
			;
		must(!ask(library, ATTACH_TAKE_OUT));
		for (unsigned int nth = 1; !fail_nth(library, nth, ATTACH_PUT_IN, all); nth++)
			;
		must(!ask(library, ATTACH_PUT_IN));
	}
	printf("%u hooks\n", all);
	return 0;
}

/* Two commands have loaded two versions at once. */
static int run_twice(void *library, void *other)
{
	must(!ask(library, ATTACH_PUT_IN));
	must(ask(other, ATTACH_PUT_IN) == -EALREADY);
	must(count_hooks(library) == 6 && count_hooks(other) == 0);
	must(!ask(library, ATTACH_TAKE_OUT));
	must(!ask(other, ATTACH_PUT_IN));
	must(count_hooks(library) == 0 && count_hooks(other) == 6);
	return 0;
}

static unsigned int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int count = 0;

	must(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* No thread and no open file of the module's stays behind. */
static int run_log(void *library, void *unused)
{
	static const char settings[] = "RDMACHUNK_LOG=info\0RDMACHUNK_LOG_FILE=log\0";
	unsigned int threads = count_entries("/proc/self/task"), files;
	struct migration_counts counts = {0};

	(void)unused;
	migration_source("192.0.2.7", true, &counts);
	files = count_entries("/proc/self/fd");
	must(!ask_with(library, ATTACH_PUT_IN, settings, sizeof(settings)));
	migration_source("192.0.2.7", true, &counts);
	must(count_entries("/proc/self/task") > threads);
	must(!ask(library, ATTACH_TAKE_OUT));
	wait_for(count_entries("/proc/self/task") == threads);
	must(count_entries("/proc/self/fd") == files);
	return 0;
}

/* QEMU calls this one too, and without it nothing is attached. */
static int run_event(void *unused, void *unused_too)
{
	struct rdma_event_channel *events = rdma_create_event_channel();
	struct rdma_cm_event *event;

	(void)unused;
	(void)unused_too;
	return events ? rdma_get_cm_event(events, &event) : 1;
}

static const struct {
	const char *name;
	int (*run)(void *library, void *other);
} modes[] = {
	{"event", run_event},
	{"log", run_log},
	{"refused", run_refused},
	{"twice", run_twice},
};

int main(int argc, char **argv)
{
	void *library = argc > 2 ? ask_open(argv[2]) : NULL;
	void *other = argc > 3 ? ask_open(argv[3]) : NULL;

	peer_find_fake();
	for (size_t i = 0; library && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].run(library, other);
	fprintf(stderr, "usage: attached-now MODE LIBRARY [LIBRARY]\n");
	return 2;
}
