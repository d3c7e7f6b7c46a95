/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check_host.h"
#include "check_program.h"
#include "findings.h"
#include "util/config.h"

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

int check(const struct options *options)
{
	struct findings findings = {0};
	struct config config;
	char name[PATH_MAX], *program, *library;
	const char *wanted = options->library ? options->library : LIBRARY_PATH;

	config_parse(&config, environ);
	program = find_qemu(options, name, sizeof(name));
	library = realpath(wanted, NULL);
	if (program)
		finding(&findings, FINDING_OK, "QEMU is %s", program);
	else
		finding(&findings, FINDING_PROBLEM,
			"%s is not there or cannot be executed; mend: install QEMU (Debian: "
			"qemu-system-x86, Fedora: qemu-kvm), or name the program after --check",
			name);
	if (library)
		check_library(&findings, library);
	else
		finding(&findings, FINDING_PROBLEM,
			"the library %s is not there; mend: install it (make install), or name it "
			"with --lib",
			wanted);
	if (program)
		check_program(&findings, program, library);
	check_links(&findings, options->root, config.shift, options->memory);
	check_memlock(&findings, options->memory);
	check_security_modules(&findings, options->root, library ? library : wanted);
	free(program);
	free(library);
	return findings_status(&findings);
}
