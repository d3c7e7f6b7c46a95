/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check_host.h"
#include "check_memlock.h"
#include "check_program.h"
#include "findings.h"
#include "output_file.h"
#include "proc.h"
#include "target.h"
#include "util/config.h"
#include "util/switch_file.h"
#include "ways.h"

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* As execvp(3) finds it; to be freed. */
static char *find_in_path(const char *name)
{
	const char *path = getenv("PATH"), *end;
	char file[PATH_MAX];

	if (strchr(name, '/'))
		return is_program(name) ? realpath(name, NULL) : NULL;
	for (path = path ? path : "/usr/bin:/bin"; *path; path = *end ? end + 1 : end) {
		end = path + strcspn(path, ":");
		if (snprintf(file, sizeof(file), "%.*s/%s", end == path ? 1 : (int)(end - path),
			     end == path ? "." : path, name) < (int)sizeof(file) &&
		    is_program(file))
			return realpath(file, NULL);
	}
	return NULL;
}

/* Sets `name` to what was looked for. */
static char *find_qemu(const struct options *options, char *name, size_t len)
{
	struct utsname machine;
	char *path;

	if (options->command[0]) {
		snprintf(name, len, "%s", options->command[0]);
		return find_in_path(name);
	}
	if (uname(&machine) != 0)
		snprintf(machine.machine, sizeof(machine.machine), "x86_64");
	snprintf(name, len, "qemu-system-%s", machine.machine);
	path = find_in_path(name);
	/* Where Red Hat's distributions have it. */
	return path ? path : find_in_path("/usr/libexec/qemu-kvm");
}

/* Those of a process, which belong to it: of one that was attached, those that came with that. */
static char **environment_of(const struct target *target, struct ways *ways)
{
	if (ways->library == WAYS_ATTACHED)
		return proc_strings(ways->info.settings,
				    ways->info.settings_len ? ways->info.settings_len - 1 : 0);
	return proc_strings(target->environment, target->environment_len);
}

/* It runs without the library: how it may get it. */
static void check_ways(struct findings *findings, pid_t pid, const struct ways *ways)
{
	bool attach = !ways->not_attach[0], cpr = !ways->not_cpr[0];
	const char *has = "runs without the library";

	if (ways->library == WAYS_DETACHED)
		has = "has the library, detached";
	if (attach)
		finding(findings, FINDING_PROBLEM, "process %d %s; fix: rdmachunk attach %d",
			(int)pid, has, (int)pid);
	else if (cpr)
		finding(findings, FINDING_PROBLEM,
			"process %d %s; fix: have it run itself again with rdmachunk in front "
			"(cpr-exec, see rdmachunk(1))",
			(int)pid, has);
	else
		finding(findings, FINDING_PROBLEM,
			"process %d %s; fix: start it again with rdmachunk", (int)pid, has);
	if (attach)
		finding(findings, FINDING_OK, "process %d may be attached to", (int)pid);
	else
		finding(findings, FINDING_WARNING, "no attaching: %s", ways->not_attach);
	if (cpr)
		finding(findings, FINDING_OK,
			"process %d may run itself again with rdmachunk in front (cpr-exec)",
			(int)pid);
	else if (!attach)
		finding(findings, FINDING_WARNING, "%s", ways->not_cpr);
}

static void check_process(struct findings *findings, const struct target *target,
			  const struct ways *ways, const struct config *config)
{
	finding(findings, FINDING_OK, "process %d is %s of user %s", (int)target->pid,
		target->program, target->account.name);
	if (ways->library == WAYS_ATTACHED)
		finding(findings, FINDING_OK, "process %d has the library, attached, version %s",
			(int)target->pid, ways->info.version);
	else if (ways->library == WAYS_PRELOADED ||
		 (ways->library == WAYS_UNKNOWN && target->preloaded))
		finding(findings, FINDING_OK, "process %d has the library", (int)target->pid);
	else
		check_ways(findings, target->pid, ways);
	for (size_t i = 0; i < config->errors; i++)
		finding(findings, FINDING_PROBLEM,
			"process %d: %s, so that the library does nothing; fix: correct it where QEMU is "
			"started",
			(int)target->pid, config->error[i]);
	for (size_t i = 0; i < config->warnings; i++)
		finding(findings, FINDING_WARNING,
			"process %d: %s; fix: correct it where QEMU is started", (int)target->pid,
			config->warning[i]);
}

static void check_file(struct findings *findings, const struct target *target, const char *what,
		       const char *path)
{
	const char *why;

	if (!path || !strcmp(path, "stderr"))
		return;
	why = output_file_refused(path, target->directory);
	if (why)
		finding(findings, FINDING_PROBLEM,
			"%s=%s cannot be written: %s; fix: name a regular file in a directory that "
			"QEMU's user may write to",
			what, path, why);
	else
		finding(findings, FINDING_OK, "%s=%s can be written", what, path);
}

static void check_switch_file(struct findings *findings, const struct target *target,
			      const char *path)
{
	long pid = target->pid ? (long)target->pid : (long)getpid();
	char expanded[PATH_MAX], absolute[PATH_MAX];
	int error = ENAMETOOLONG;
	bool off = false;

	if (!path)
		return;
	if (!config_expand_path(expanded, sizeof(expanded), path, pid) &&
	    snprintf(absolute, sizeof(absolute), "%s%s%s",
		     expanded[0] == '/' ? "" : target->directory, expanded[0] == '/' ? "" : "/",
		     expanded) < (int)sizeof(absolute))
		off = switch_file_read(absolute, &error);
	if (error)
		finding(findings, FINDING_PROBLEM,
			"RDMACHUNK_SWITCH_FILE=%s cannot be read: %s; fix: name a regular file that "
			"QEMU's user may read, or none that is there",
			path, switch_file_error(error));
	else if (off)
		finding(findings, FINDING_WARNING,
			"RDMACHUNK_SWITCH_FILE=%s says off: migrations pass through; fix: remove it",
			path);
	else
		finding(findings, FINDING_OK, "RDMACHUNK_SWITCH_FILE=%s does not say off", path);
}

static const char *wanted_library(const struct options *options)
{
	return options->library ? options->library : LIBRARY_PATH;
}

static void check_target(struct findings *findings, const struct options *options,
			 const struct target *target, const struct ways *ways,
			 const struct config *config)
{
	const char *wanted = wanted_library(options);
	char name[PATH_MAX], *program, *library;
	bool usable = false, strict;

	if (target->pid) {
		check_process(findings, target, ways, config);
		program = strdup(target->program);
	} else {
		program = find_qemu(options, name, sizeof(name));
		if (program)
			finding(findings, FINDING_OK, "QEMU is %s", program);
		else
			finding(findings, FINDING_PROBLEM,
				"%s is not there or cannot be executed; fix: install QEMU (Debian: "
				"qemu-system-x86, Fedora: qemu-kvm), or name the program after --check",
				name);
	}
	library = realpath(wanted, NULL);
	if (library)
		usable = check_library(findings, library);
	else
		finding(findings, FINDING_PROBLEM,
			"the library %s is not there; fix: install it (make install), or name it "
			"with --lib",
			wanted);
	if (program)
		check_program(findings, program, usable ? library : NULL);
	check_file(findings, target, "RDMACHUNK_STATS", config->stats);
	check_file(findings, target, "RDMACHUNK_LOG_FILE", config->log_file);
	check_switch_file(findings, target, config->switch_file);
	strict = check_links(findings, options->root, config->shift, target->guest.ram);
	check_memlock(findings, target, options->user || target->pid, strict);
	check_security_modules(findings, options->root, library ? library : wanted);
	free(program);
	free(library);
}

int check(const struct options *options)
{
	struct findings findings = {.json = options->json};
	struct target target;
	struct config config;
	static struct ways ways;
	char **environment;

	/* As the user who may trace it, whom we are now. */
	if (options->pid)
		ways_find(&ways, options->pid, wanted_library(options));
	if (!target_find(&target, options))
		return CHECK_NOT_BEGUN;
	environment = target.pid ? environment_of(&target, &ways) : NULL;
	config_parse(&config, environment ? environment : environ);
	check_target(&findings, options, &target, &ways, &config);
	free(environment);
	target_free(&target);
	return findings_end(&findings);
}
