// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs cases, each in two processes, and counts them. */
#include "conf.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_CASE_FAILED  1
#define EXIT_CASE_SKIPPED 77
#define CASE_SECONDS	  60

static int reason_fd; /* the case's process tells why it failed */

static void give_reason(const char *format, va_list args)
{
	char text[512];
	int length = vsnprintf(text, sizeof(text), format, args);

	if (length >= (int)sizeof(text))
		length = sizeof(text) - 1;
	if (write(reason_fd, text, length) < 0)
		perror("conformance");
}

void conf_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	give_reason(format, args);
	va_end(args);
	/* exit, not _exit: the fabric writes its report at exit. */
	exit(EXIT_CASE_FAILED);
}

void conf_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	give_reason(format, args);
	va_end(args);
	exit(EXIT_CASE_SKIPPED);
}

/* "NAME=VALUE NAME=VALUE": before any verb is called, so that the fabric sees it. */
static void set_environment(const char *list)
{
	char *copy = list ? strdup(list) : NULL, *one, *save;

	for (one = copy ? strtok_r(copy, " ", &save) : NULL; one; one = strtok_r(NULL, " ", &save))
		putenv(one); /* which keeps the string */
}

static pid_t start_side(const struct conf_case *one, const char *address, bool server,
			const int out_of_band[2], const int reason[2])
{
	void (*run)(struct side *) = server ? one->server : one->client;
	struct side side = {.name = one->name,
			    .address = address,
			    .server = server,
			    .out_of_band = out_of_band[server],
			    .shape = one->shape};
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	reason_fd = reason[1];
	close(reason[0]);
	close(out_of_band[!server]);
	alarm(CASE_SECONDS);
	set_environment(server ? one->server_env : one->client_env);
	if (one->server && !one->unconnected)
		conf_connect(&side);
	run(&side);
	exit(0);
}

static int wait_side(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return 128 + WTERMSIG(status);
}

struct outcome {
	int exit;
	char reason[512];
};

static void take_outcome(struct outcome *outcome, pid_t pid, const int reason[2])
{
	ssize_t got;

	close(reason[1]);
	outcome->exit = wait_side(pid);
	got = read(reason[0], outcome->reason, sizeof(outcome->reason) - 1);
	outcome->reason[got > 0 ? got : 0] = '\0';
	close(reason[0]);
	if (!*outcome->reason && outcome->exit >= 128)
		snprintf(outcome->reason, sizeof(outcome->reason), "%s",
			 outcome->exit == 128 + SIGALRM ? "timed out"
							: strsignal(outcome->exit - 128));
}

/* Returns 0, EXIT_CASE_SKIPPED or EXIT_CASE_FAILED and prints the case's line. */
static int run_case(const struct conf_case *one, const char *address)
{
	int out_of_band[2], client_reason[2], server_reason[2];
	struct outcome client, server = {0};
	pid_t client_pid, server_pid = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, out_of_band) != 0 || pipe(client_reason) != 0 ||
	    pipe(server_reason) != 0) {
		perror("conformance");
		exit(2);
	}
	if (one->server)
		server_pid = start_side(one, address, true, out_of_band, server_reason);
	client_pid = start_side(one, address, false, out_of_band, client_reason);
	if (server_pid < 0 || client_pid < 0) {
		perror("conformance");
		exit(2);
	}
	close(out_of_band[0]);
	close(out_of_band[1]);
	take_outcome(&client, client_pid, client_reason);
	if (server_pid)
		take_outcome(&server, server_pid, server_reason);
	if (server_pid && server.exit == one->server_exit)
		server.exit = 0;
	if (client.exit == 0 && server.exit == 0) {
		printf("ok %s\n", one->name);
		return 0;
	}
	if (client.exit == EXIT_CASE_SKIPPED || server.exit == EXIT_CASE_SKIPPED) {
		printf("skip %s %s\n", one->name,
		       client.exit == EXIT_CASE_SKIPPED ? client.reason : server.reason);
		return EXIT_CASE_SKIPPED;
	}
	printf("FAIL %s", one->name);
	if (client.exit)
		printf(" client: %s", *client.reason ? client.reason : "ended early");
	if (server.exit)
		printf(" server: %s", *server.reason ? server.reason : "ended early");
	printf("\n");
	return EXIT_CASE_FAILED;
}

static bool selected(const char *name, char *const *names, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return count == 0;
}

int conf_main(int argc, char **argv, const struct conf_case *const *lists, int list_count)
{
	int passed = 0, failed = 0, skipped = 0, result, i;
	const char *address = argc > 1 ? argv[1] : getenv("RDMATEST_ADDR");
	const struct conf_case *one;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (i = 0; i < list_count; i++)
			for (one = lists[i]; one->name; one++)
				puts(one->name);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!address)
		address = "127.0.0.1";
	for (i = 0; i < list_count; i++) {
		for (one = lists[i]; one->name; one++) {
			if (!selected(one->name, argv + 2, argc > 2 ? argc - 2 : 0))
				continue;
			result = run_case(one, address);
			passed += result == 0;
			failed += result == EXIT_CASE_FAILED;
			skipped += result == EXIT_CASE_SKIPPED;
		}
	}
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed ? 1 : 0;
}
