/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "util/monotonic.h"

#define EXIT_USAGE 125

struct request {
	bool json, watch;
	const char *prometheus; /* the file, or NULL */
	const char *only;	/* a PID or a name, or NULL */
};

static int complain(const char *what, int error)
{
	fprintf(stderr, "rdmachunk: %s: %s\n", what, strerror(error));
	return EXIT_FAILURE;
}

/* node_exporter must never see half of it. */
static int write_prometheus(const char *path, const struct qemu *qemus, size_t count, uint64_t now)
{
	char temporary[PATH_MAX];
	int fd, error = 0;
	FILE *out;

	/* It reads what ends in .prom. */
	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return complain(path, ENAMETOOLONG);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return complain(path, errno);
	out = fdopen(fd, "w");
	if (!out) {
		error = errno;
		close(fd);
	} else {
		output_prometheus(out, qemus, count, now);
		/* node_exporter is another user. */
		if (ferror(out) || fchmod(fd, 0644))
			error = errno;
		if (fclose(out) && !error)
			error = errno;
	}
	if (!error && rename(temporary, path))
		error = errno;
	if (!error)
		return EXIT_SUCCESS;
	unlink(temporary);
	return complain(path, error);
}

static int show(const struct request *request)
{
	uint64_t now = monotonic_ns();
	int status = EXIT_SUCCESS, ret;
	struct qemu *qemus;
	size_t count;

	ret = qemu_list(&qemus, &count, request->only);
	if (ret)
		return complain("/proc", -ret);
	if (request->prometheus) {
		status = write_prometheus(request->prometheus, qemus, count, now);
	} else if (request->json) {
		output_json(stdout, qemus, count, now);
	} else {
		output_text(stdout, qemus, count, now);
	}
	qemu_free(qemus, count);
	if (fflush(stdout))
		status = complain("standard output", errno);
	return status;
}

/* Once a second. What is on a terminal is replaced. */
static int watch(const struct request *request)
{
	static const struct timespec second = {.tv_sec = 1};
	bool terminal = isatty(STDOUT_FILENO) && !request->json && !request->prometheus;
	int status;

	for (;;) {
		if (terminal)
			fputs("\033[H\033[J", stdout);
		status = show(request);
		if (status)
			return status;
		nanosleep(&second, NULL);
	}
}

static void help(void)
{
	puts("Usage: rdmachunk status [--json] [--watch] [--prometheus FILE] [PID|NAME]\n"
	     "List the QEMUs of this host, librdmachunk in them, and their migrations.\n"
	     "\n"
	     "  --json             a line of JSON, an array\n"
	     "  --watch            again every second\n"
	     "  --prometheus FILE  a file for the textfile collector of node_exporter\n"
	     "  --help             print this text\n"
	     "\n"
	     "Exit status: 0, 1 when something could not be read or written, 125 when the command\n"
	     "line is wrong.");
}

int status_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"watch", no_argument, NULL, 'w'},
		{"prometheus", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct request request = {0};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			request.json = true;
			break;
		case 'w':
			request.watch = true;
			break;
		case 'p':
			request.prometheus = optarg;
			break;
		case 'h':
			help();
			return EXIT_SUCCESS;
		default:
			fprintf(stderr, "Try rdmachunk status --help\n");
			return EXIT_USAGE;
		}
	}
	request.only = argv[optind];
	if (argc - optind > 1 || (request.json && request.prometheus)) {
		fprintf(stderr, "rdmachunk: status takes one PID or name, and --json or "
				"--prometheus\nTry rdmachunk status --help\n");
		return EXIT_USAGE;
	}
	return request.watch ? watch(&request) : show(&request);
}
