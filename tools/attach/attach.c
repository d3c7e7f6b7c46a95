/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "launcher/options.h"
#include "launcher/preload.h"
#include "util/attach_abi.h"
#include "util/config.h"
#include "util/monotonic.h"
#include "util/version.h"
#include "checks.h"
#include "process.h"
#include "target.h"
#include "tracee.h"

/* A thread that is busy elsewhere has this long to come to its poll; and so long a moment is looked
 * for at which it is stopped only briefly. */
#define STOP_SECONDS 10
/* Between two such moments. */
#define PAUSE_NS 5000000
/* Far more than a call takes. */
#define CALL_SECONDS 5

/* glibc's own dlopen(), before 2.34 in a library that may not be there, and its flag for a caller
 * who is no library (elf/dl-libc.c, include/dlfcn.h). */
#define LIBC_DLOPEN	 "__libc_dlopen_mode"
#define LIBC_DLOPEN_FLAG 0x80000000U

/* What is done to whom. */
struct job {
	struct process process;
	struct target target;
	struct tracee tracee;
	const struct target_module *library; /* the one in there, or NULL */
	struct attach_info info;
	char settings[ATTACH_SETTINGS_MAX];
	size_t settings_len;
};

/* What is done while the main thread is stopped, with the argument; 0 or a negative errno,
 * -EAGAIN as tracee_call() has it. */
typedef int work_fn(struct job *job, void *arg);

static int say(enum attach_exit status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int say(enum attach_exit status, const char *format, ...)
{
	va_list args;

	fputs("rdmachunk: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

static int say_lost(const struct job *job, int error)
{
	if (error == -ESRCH)
		return say(ATTACH_FAILED, "process %d has ended; fix: name one that runs",
			   (int)job->process.pid);
	if (error == -ETIME)
		return say(ATTACH_BUSY,
			   "the main thread of process %d is busy; fix: try again in a moment",
			   (int)job->process.pid);
	/* A debugger has come since the checks, or another of us. */
	return say(error == -EPERM ? ATTACH_BUSY : ATTACH_FAILED,
		   "process %d cannot be traced: %s; fix: try again", (int)job->process.pid,
		   strerror(-error));
}

/* What a check has said. */
static int say_checked(int error, const char *reason)
{
	return say(error == -EBUSY ? ATTACH_BUSY : ATTACH_REFUSED, "%s", reason);
}

/* All that need not be done while it is stopped. */
static int prepare(struct job *job)
{
	if (tracee_open(&job->tracee, &job->target) == 0)
		return ATTACH_DONE;
	return say(
		ATTACH_REFUSED,
		"no calls can be made from outside in process %d, with its C library; fix: start "
		"QEMU with rdmachunk",
		(int)job->process.pid);
}

/* Stops the main thread for the work, another time if it would take too long this time: 0 or a
 * negative errno. With `idle' no RDMA may be in use: a moment ago there was none, and now nobody
 * can begin; -EBUSY or another errno of checks_idle() with the reason, else that is "". */
static int in_stop(struct job *job, work_fn *work, void *arg, bool idle,
		   char reason[CHECKS_REASON_LEN])
{
	const struct timespec nap = {.tv_nsec = PAUSE_NS};
	uint64_t end = monotonic_ns() + STOP_SECONDS * UINT64_C(1000000000);
	int ret;

	reason[0] = '\0';
	for (;;) {
		ret = tracee_stop(&job->tracee, STOP_SECONDS);
		if (ret)
			return ret;
		if (idle)
			ret = checks_idle(&job->process, reason);
		if (!ret)
			ret = work(job, arg);
		tracee_release(&job->tracee);
		if (ret != -EAGAIN)
			return ret;
		if (monotonic_ns() > end)
			return -ETIME;
		nanosleep(&nap, NULL);
	}
}

/* Of the C library, or of libdl, where older ones have it; 0: of neither. */
static uint64_t find_in_libc(const struct target *target, const char *name)
{
	const struct target_module *libdl = target_module(target, "libdl.so.");
	uint64_t found = target_symbol(target, target_module(target, "libc.so."), name);

	return found || !libdl ? found : target_symbol(target, libdl, name);
}

static void find_dlopen(const struct target *target, struct arch_call *call)
{
	call->args[1] = RTLD_NOW;
	call->function = find_in_libc(target, "dlopen");
	if (call->function)
		return;
	call->function = find_in_libc(target, LIBC_DLOPEN);
	call->args[1] |= LIBC_DLOPEN_FLAG;
}

/* The path in a spelling that the loader has not seen yet: else it takes the file for the one that
 * it has loaded under this name, which may be of another version. */
static void respell(const struct target *target, const char *path, char out[PATH_MAX])
{
	size_t i = 0;

	snprintf(out, PATH_MAX, "%s", path);
	while (i < target->count) {
		char *slash = strrchr(out, '/');

		if (strcmp(target->modules[i++].name, out) || strlen(out) + 3 > PATH_MAX)
			continue;
		memmove(slash + 2, slash, strlen(slash) + 1);
		slash[1] = '.';
		i = 0;
	}
}

/* The loader has it, or does not: `why' is what it says. */
static int judge_loading(const struct job *job, const char *path, const char *why)
{
	bool confined = job->process.confined[0];

	if (job->library)
		return ATTACH_DONE;
	return say(ATTACH_FAILED, "the library was not loaded: %s; fix: %s%s%s",
		   why[0] ? why : "its loader does not say why",
		   confined ? "allow QEMU to map it, in AppArmor with the rule \""
			    : "start QEMU with rdmachunk",
		   confined ? path : "", confined ? " mr,\"" : "");
}

static int find_errno(struct job *job, void *arg)
{
	(void)arg;
	return tracee_find_errno(&job->tracee);
}

struct loading {
	struct arch_call dlopen, dlerror;
	char name[PATH_MAX];
	char why[512]; /* what the loader says, "" if it does not */
};

/* What needs the thread, and no more: whether it is loaded can be seen afterwards. */
static int call_dlopen(struct job *job, void *arg)
{
	struct tracee *tracee = &job->tracee;
	struct loading *loading = arg;
	uint64_t handle = 0, text = 0;
	int ret = tracee_keep_errno(tracee);

	if (!ret)
		ret = tracee_put(tracee, loading->name, strlen(loading->name) + 1,
				 &loading->dlopen.args[0]);
	if (!ret)
		ret = tracee_call(tracee, &loading->dlopen, CALL_SECONDS, &handle);
	if (ret || handle || !tracee_tells(tracee) || !loading->dlerror.function)
		return ret;
	ret = tracee_call(tracee, &loading->dlerror, CALL_SECONDS, &text);
	if (!ret && text)
		target_read_string(&job->target, text, loading->why, sizeof(loading->why));
	return ret;
}

static int load(struct job *job, const char *path, const char *version)
{
	struct loading loading = {.dlerror.function = find_in_libc(&job->target, "dlerror")};
	char reason[CHECKS_REASON_LEN];
	int ret = 0;

	find_dlopen(&job->target, &loading.dlopen);
	if (!loading.dlopen.function)
		return say(ATTACH_REFUSED,
			   "process %d has no dlopen(); fix: start QEMU with rdmachunk",
			   (int)job->process.pid);
	respell(&job->target, path, loading.name);
	/* By a stop of its own, so that each is short. */
	if (tracee_tells(&job->tracee))
		ret = in_stop(job, find_errno, NULL, false, reason);
	if (!ret)
		ret = in_stop(job, call_dlopen, &loading, false, reason);
	if (!ret)
		ret = target_reload(&job->target);
	if (ret)
		return say_lost(job, ret);
	job->library = target_inert(&job->target, version, &job->info);
	return judge_loading(job, path, loading.why);
}

struct asking {
	struct arch_call call;
	struct attach_request *request;
};

/* The library leaves errno as it was. */
static int call_library(struct job *job, void *arg)
{
	struct tracee *tracee = &job->tracee;
	struct asking *asking = arg;
	struct attach_request *request = asking->request;
	int ret = tracee_put(tracee, job->settings, job->settings_len, &request->settings);

	if (!ret)
		ret = tracee_put(tracee, request, sizeof(*request), &asking->call.args[0]);
	if (!ret)
		ret = tracee_call(tracee, &asking->call, CALL_SECONDS, NULL);
	if (!ret)
		ret = target_read(&job->target, asking->call.args[0], request, sizeof(*request));
	return ret;
}

/* Has the library do it, and tells what came of it. */
static int ask(struct job *job, enum attach_action action, struct attach_request *request)
{
	struct asking asking = {.request = request};
	char reason[CHECKS_REASON_LEN];
	int ret;

	*request = (struct attach_request){.abi = ATTACH_ABI, .action = action};
	request->settings_len = (uint32_t)job->settings_len;
	asking.call.function = target_symbol(&job->target, job->library, ATTACH_ENTRY);
	if (!asking.call.function)
		return say(
			ATTACH_REFUSED,
			"process %d has a library in it that cannot be attached; fix: start QEMU "
			"again",
			(int)job->process.pid);
	ret = in_stop(job, call_library, &asking, true, reason);
	if (reason[0])
		return say_checked(ret, reason);
	if (ret)
		return say_lost(job, ret);
	request->message[sizeof(request->message) - 1] = '\0';
	if (!request->done || request->result)
		return say(request->done && request->result == -EBUSY ? ATTACH_BUSY : ATTACH_FAILED,
			   "process %d: %s", (int)job->process.pid, request->message);
	return ATTACH_DONE;
}

/* The settings as they go into the process; false when they are too long. */
static bool collect_settings(struct job *job)
{
	static const char prefix[] = "RDMACHUNK_";

	job->settings_len = 0;
	for (char **e = environ; *e; e++) {
		size_t len = strlen(*e) + 1;

		if (strncmp(*e, prefix, sizeof(prefix) - 1))
			continue;
		if (len > sizeof(job->settings) - 1 - job->settings_len)
			return false;
		memcpy(job->settings + job->settings_len, *e, len);
		job->settings_len += len;
	}
	job->settings[job->settings_len++] = '\0';
	return true;
}

/* The library as the process is to find it, to be freed. */
static char *library_path(const struct options *options)
{
	const char *name = options->library ? options->library : LIBRARY_PATH;
	char *path = NULL;

	if (name[0] == '/')
		return strdup(name);
	path = realpath(name, NULL);
	if (!path)
		fprintf(stderr, "rdmachunk: %s: %s; fix: name the library with --lib\n", name,
			strerror(errno));
	return path;
}

/* The command line: options and one process. */
static int parse(struct options *options, int argc, char **argv, struct job *job)
{
	const char *text;
	int ret;

	if (!options_parse(options, argc, argv)) {
		fprintf(stderr, "Try rdmachunk --help\n");
		return ATTACH_USAGE;
	}
	text = options->command[0];
	if (!text || options->command[1] || options->check || options->memory || options->print ||
	    options->pid || options->user || options->json)
		return say(ATTACH_USAGE, "%s takes one process, by its number or its guest's name",
			   argv[0]);
	if (!preload_set_variables(options))
		return ATTACH_USAGE;
	if (!collect_settings(job))
		return say(ATTACH_USAGE, "the settings are longer than %d bytes",
			   ATTACH_SETTINGS_MAX);
	ret = process_find(&job->process, text);
	if (ret == -ESRCH)
		return say(
			ATTACH_REFUSED,
			"there is no QEMU with this number or guest's name: %s; fix: look for it "
			"with pgrep -a qemu",
			text);
	if (ret == -ENOTUNIQ)
		return say(
			ATTACH_REFUSED,
			"several QEMUs have a guest of this name: %s; fix: name the process by its "
			"number",
			text);
	return ret ? say(ATTACH_REFUSED, "/proc: %s; fix: mount it", strerror(-ret)) : ATTACH_DONE;
}

static void say_done(const struct job *job, const char *what, unsigned int slots, const char *where)
{
	const char *guest = job->process.guest;

	printf("%s process %d%s%s%s: %u hooks are %s; its main thread was stopped for %.1f ms at "
	       "most\n",
	       what, (int)job->process.pid, guest[0] ? " (" : "", guest, guest[0] ? ")" : "", slots,
	       where, job->tracee.kept * 1e3);
}

static int attach_library(struct job *job, const char *path)
{
	char reason[CHECKS_REASON_LEN], version[CHECKS_VERSION_LEN];
	struct attach_request request;
	enum target_library state;
	int status, ret;

	state = target_library(&job->target, &job->library, &job->info);
	if (state == TARGET_PRELOADED || state == TARGET_ATTACHED)
		return say(ATTACH_REFUSED, "process %d has the library in use already, %s; fix: %s",
			   (int)job->process.pid,
			   state == TARGET_PRELOADED ? "preloaded" : "attached",
			   state == TARGET_PRELOADED ? "none is needed" : "detach it first");
	ret = checks_idle(&job->process, reason);
	if (ret)
		return say_checked(ret, reason);
	if (!checks_library(&job->process, path, version, reason))
		return say(ATTACH_REFUSED, "%s", reason);
	if (target_overwritten(&job->target))
		return say(ATTACH_REFUSED,
			   "a file of librdmachunk was overwritten while process %d had it loaded, "
			   "and nothing in there can be called; fix: start QEMU again",
			   (int)job->process.pid);
	/* Another version may have been loaded before. */
	job->library = target_inert(&job->target, version, &job->info);
	status = prepare(job);
	if (!status && !job->library)
		status = load(job, path, version);
	if (!status)
		status = ask(job, ATTACH_PUT_IN, &request);
	if (!status)
		say_done(job, "attached to", request.slots, "in");
	return status;
}

static int detach_library(struct job *job)
{
	char reason[CHECKS_REASON_LEN];
	struct attach_request request = {0};
	enum target_library state;
	int status, ret;

	state = target_library(&job->target, &job->library, &job->info);
	if (state == TARGET_PRELOADED)
		return say(ATTACH_REFUSED,
			   "process %d was started with the library, which stays; fix: start QEMU "
			   "without it",
			   (int)job->process.pid);
	if (state != TARGET_ATTACHED)
		return say(ATTACH_REFUSED, "process %d is not attached; fix: none is needed",
			   (int)job->process.pid);
	ret = checks_idle(&job->process, reason);
	if (ret)
		return say_checked(ret, reason);
	status = prepare(job);
	if (!status)
		status = ask(job, ATTACH_TAKE_OUT, &request);
	if (!status)
		say_done(job, "detached from", request.slots, "out");
	return status;
}

int attach_main(int argc, char **argv)
{
	char reason[CHECKS_REASON_LEN], *path;
	static struct job job;
	struct options options;
	int status = parse(&options, argc, argv, &job), ret;

	if (status)
		return status;
	path = library_path(&options);
	if (!path)
		return ATTACH_USAGE;
	ret = checks_target(&job.process, &job.target, reason);
	if (ret) {
		status = say_checked(ret, reason);
	} else {
		status = attach_library(&job, path);
		target_close(&job.target);
	}
	free(path);
	return status;
}

int detach_main(int argc, char **argv)
{
	char reason[CHECKS_REASON_LEN];
	static struct job job;
	struct options options;
	int status = parse(&options, argc, argv, &job), ret;

	if (status)
		return status;
	ret = checks_target(&job.process, &job.target, reason);
	if (ret)
		return say_checked(ret, reason);
	status = detach_library(&job);
	target_close(&job.target);
	return status;
}
