/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check_program.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elf_deps.h"
#include "elf_file.h"
#include "library.h"
#include "probe.h"

/* QEMU's own parameter for this, from 11.1 on. */
#define PARAMETER "x-rdma-chunk-size"

/*
 * Tries dlopen() in a child, since a library's constructors run in it. Returns true when it worked,
 * else `why` tells.
 */
static bool can_load(const char *library, char *why, size_t len)
{
	int out[2], status = -1;
	ssize_t n = 0;
	pid_t pid;

	snprintf(why, len, "the loader died");
	if (pipe2(out, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		const char *error = dlopen(library, RTLD_NOW | RTLD_LOCAL) ? NULL : dlerror();

		if (error && write(out[1], error, strlen(error)) < 0)
			_exit(1);
		_exit(error ? 1 : 0);
	}
	close(out[1]);
	if (pid > 0) {
		n = read(out[0], why, len - 1);
		if (n > 0)
			why[n] = '\0';
		waitpid(pid, &status, 0);
	}
	close(out[0]);
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool check_library(struct findings *findings, const char *library)
{
	char text[LIBRARY_TEXT_LEN], why[512];
	enum library_kind kind = library_examine(library, text);

	if (kind == LIBRARY_UNUSABLE) {
		finding(findings, FINDING_PROBLEM,
			"the library %s cannot be used: %s; fix: install it again, or name another "
			"with --lib",
			library, text);
		return false;
	}
	if (kind == LIBRARY_ANOTHER)
		finding(findings, FINDING_WARNING,
			"the library %s is of another build: %s; fix: install both together",
			library, text);
	if (strpbrk(library, ": ")) {
		finding(findings, FINDING_PROBLEM,
			"the loader splits LD_PRELOAD at the spaces and colons of %s; fix: put the "
			"library elsewhere",
			library);
		return false;
	}
	if (can_load(library, why, sizeof(why))) {
		finding(findings, FINDING_OK, "the library %s can be loaded", library);
		return true;
	}
	finding(findings, FINDING_PROBLEM,
		"the library %s cannot be loaded: %s; fix: install it again, on a file "
		"system without noexec",
		library, why);
	return false;
}

/*
 * Why the kernel pays no attention to set-user-ID bits and capabilities of this file; NULL when
 * it does.
 */
static const char *privileges_void(const char *program)
{
	struct statvfs fs;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return "in processes with no_new_privs";
	if (statvfs(program, &fs) == 0 && (fs.f_flag & ST_NOSUID))
		return "on a file system mounted with nosuid";
	return NULL;
}

/* A program that runs with rights other than its caller's is started in secure mode. */
static void check_privileges(struct findings *findings, const char *program)
{
	const char *why_void = privileges_void(program);
	struct stat st;
	bool user, group, other;

	if (stat(program, &st) != 0)
		return;
	user = st.st_mode & S_ISUID;
	group = (st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP);
	other = (user && st.st_uid != getuid()) || (group && st.st_gid != getgid());
	if ((user || group) && (!other || why_void))
		finding(findings, FINDING_WARNING,
			"%s has the set-%s-ID bit; it does nothing %s, but elsewhere the loader would "
			"ignore the library; fix: chmod %s %s",
			program, user ? "user" : "group",
			why_void ? why_void : "for the user that you are", user ? "u-s" : "g-s",
			program);
	else if (user || group)
		finding(findings, FINDING_PROBLEM,
			"%s has the set-%s-ID bit, so that the loader ignores the library; fix: "
			"chmod %s %s, or run a copy without it",
			program, user ? "user" : "group", user ? "u-s" : "g-s", program);

	if (getxattr(program, "security.capability", NULL, 0) <= 0)
		return;
	if (why_void || getuid() == 0)
		finding(findings, FINDING_WARNING,
			"%s has file capabilities; they do nothing %s, but elsewhere the loader would "
			"ignore the library; fix: setcap -r %s",
			program, why_void ? why_void : "for root", program);
	else
		finding(findings, FINDING_PROBLEM,
			"%s has file capabilities, so that the loader ignores the library; fix: "
			"setcap -r %s, or run a copy without them",
			program, program);
}

static void check_rdma(struct findings *findings, const char *program)
{
	bool verbs = elf_deps_has(program, "libibverbs.so.");
	bool cm = elf_deps_has(program, "librdmacm.so.");

	if (verbs && cm)
		finding(findings, FINDING_OK, "%s is linked to libibverbs and librdmacm", program);
	else
		finding(findings, FINDING_PROBLEM,
			"%s is not linked to %s: it was built without RDMA; fix: install a QEMU "
			"configured with --enable-rdma",
			program,
			verbs ? "librdmacm"
			: cm  ? "libibverbs"
			      : "libibverbs and librdmacm");
}

/* What the ELF headers tell. True when the program can be run with the library, as far as they go.
 */
static bool check_elf(struct findings *findings, const struct elf_file *elf, const char *program,
		      const char *library)
{
	char theirs[ELF_FILE_MACHINE_LEN], ours[ELF_FILE_MACHINE_LEN];
	struct elf_file module;
	bool same = elf->native;

	if (library && elf_file_open(&module, library) == 0) {
		same = elf_file_same_machine(elf, &module);
		elf_file_machine(ours, &module);
		elf_file_close(&module);
		if (!same) {
			finding(findings, FINDING_PROBLEM,
				"%s is for %s, the library for %s; fix: build the library with the "
				"compiler of that QEMU's machine, or use a QEMU for %s",
				program, elf_file_machine(theirs, elf), ours, ours);
			return false;
		}
	}
	if (!same)
		return false;
	if (!elf->interpreter) {
		finding(findings, FINDING_PROBLEM,
			"%s is statically linked, so that nothing can be loaded into it; fix: use a "
			"dynamically linked QEMU",
			program);
		return false;
	}
	finding(findings, FINDING_OK, "%s is dynamically linked", program);
	return true;
}

static void check_version(struct findings *findings, const struct probe *probe,
			  const struct elf_file *elf, const char *program)
{
	unsigned int major, minor;

	if (probe->status == -1)
		finding(findings, FINDING_PROBLEM,
			"%s --version does not end; fix: find out by hand what it waits for",
			program);
	else if (probe->status != 0)
		finding(findings, FINDING_PROBLEM,
			"%s --version failed with exit status %d%s%s; fix: make it run first",
			program, probe->status, probe->complaint[0] ? ": " : "", probe->complaint);
	else if (!strstr(probe->version, "QEMU") || !probe_version(probe, &major, &minor))
		finding(findings, FINDING_PROBLEM,
			"%s --version does not tell a version of QEMU; fix: name QEMU itself after "
			"--check",
			program);
	else if (major > 11 || (major == 11 && minor >= 1) ||
		 (elf && elf_file_contains(elf, PARAMETER)))
		finding(findings, FINDING_OK,
			"QEMU %u.%u has the migration parameter " PARAMETER
			" of its own, which may be set instead, the same at both ends",
			major, minor);
	else
		finding(findings, FINDING_OK, "QEMU %u.%u has no " PARAMETER " (QEMU 11.1 has)",
			major, minor);
}

/* Was the library in the process when it ran? This is what counts; the rest tells why not. */
static void check_loaded(struct findings *findings, const struct probe *probe, const char *program,
			 const char *library)
{
	if (probe->looked && probe->library)
		finding(findings, FINDING_OK, "the loader took the library into %s", program);
	else if (probe->looked && probe->secure)
		finding(findings, FINDING_PROBLEM,
			"the kernel starts %s in secure mode, so that the loader ignores the "
			"library; fix: remove its set-user-ID bit or capabilities, or allow "
			"noatsecure in the security policy",
			program);
	else if (probe->looked)
		finding(findings, FINDING_PROBLEM,
			"the loader did not take the library into %s%s%s; fix: allow QEMU to read "
			"and map %s, in AppArmor with the rule \"%s mr,\"",
			program, probe->complaint[0] ? ": " : "", probe->complaint, library,
			library);
	else
		finding(findings, FINDING_WARNING,
			"it could not be seen whether the loader takes the library into %s; fix: "
			"run --check as the user that runs QEMU, or look for the library in "
			"/proc/PID/maps of a running one",
			program);
}

static bool is_script(const char *program)
{
	char start[2] = "";
	FILE *file = fopen(program, "re");
	bool script = file && fread(start, 1, 2, file) == 2 && !memcmp(start, "#!", 2);

	if (file)
		fclose(file);
	return script;
}

void check_program(struct findings *findings, const char *program, const char *library)
{
	struct elf_file elf;
	struct probe probe;
	int err = elf_file_open(&elf, program);
	bool script = err == -ENOEXEC && is_script(program);

	check_privileges(findings, program);
	if (script) {
		finding(findings, FINDING_WARNING,
			"%s is a wrapper script; the QEMU that it starts was not looked at, and has the "
			"library unless the script sets LD_PRELOAD; fix: name that QEMU after --check",
			program);
	} else if (!err && elf_file_is_appimage(&elf)) {
		finding(findings, FINDING_WARNING,
			"%s is an AppImage; the QEMU in it was not looked at, and comes with libraries "
			"of its own; fix: %s --appimage-extract, and name the QEMU in squashfs-root "
			"after --check",
			program, program);
		goto out;
	} else if (err) {
		finding(findings, FINDING_PROBLEM,
			"%s cannot be read: %s; fix: name a QEMU after --check that you may read",
			program, err == -ENOEXEC ? "neither ELF nor a script" : strerror(-err));
		return;
	} else if (!check_elf(findings, &elf, program, library)) {
		goto out;
	} else {
		check_rdma(findings, program);
	}
	err = probe_run(&probe, program, library);
	if (err) {
		finding(findings, FINDING_PROBLEM, "%s cannot be run: %s; fix: make it run first",
			program, strerror(-err));
		goto out;
	}
	check_version(findings, &probe, script ? NULL : &elf, program);
	/* One that failed before it was seen has been reported as such. */
	if (!script && library && (probe.looked || probe.status == 0))
		check_loaded(findings, &probe, program, library);
out:
	if (!script)
		elf_file_close(&elf);
}
