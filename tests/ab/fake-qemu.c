// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Something that speaks QMP as QEMU does and migrates nothing. RDMATEST_FAKE_QEMU says how it is to
 * misbehave: MODE@STEP@END, where MODE is refuse (exit at once), hang, die, crash, garbage, flood,
 * error, lie, late (the shim's statistics are written a while after the migration) or none; STEP
 * "greeting" or a command; END source or destination.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/time.h>

static const char *mode = "none", *step = "", *end = "";
static bool destination;
static int in = -1, out = -1;

static void say(const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write(out, text, len);

		if (n <= 0)
			exit(3);
		text += n;
		len -= (size_t)n;
	}
}

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

/* Returns if there is nothing wrong with this step. */
static bool misbehave(const char *now)
{
	if (strcmp(step, now) || strcmp(end, destination ? "destination" : "source"))
		return false;
	if (is("hang"))
		for (;;)
			pause();
	if (is("die")) {
		fprintf(stderr, "fake: dying at %s\n", now);
		exit(1);
	}
	if (is("crash"))
		raise(SIGBUS);
	if (is("garbage"))
		say("\001\377{]this is not JSON\r\n");
	else if (is("flood"))
		for (;;)
			say("this line has no end ");
	else if (is("error"))
		say("{\"error\": {\"class\": \"GenericError\", \"desc\": \"fake: no\"}}\r\n");
	else
		return false;
	return true;
}

static void write_stats(int signal)
{
	static const char line[] =
		"{\"role\": \"destination\", \"state\": \"active\", \"registrations_made\": 5, "
		"\"wrs\": 1, \"messages_sent\": {}, \"messages_received\": {}}\n";
	const char *path = getenv("RDMACHUNK_STATS");
	int fd;

	(void)signal;
	/* Without the library there are none. */
	if (!path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || write(fd, line, sizeof(line) - 1) < 0)
		_exit(8);
	close(fd);
}

static void write_stats_later(void)
{
	const struct sigaction action = {.sa_handler = write_stats, .sa_flags = SA_RESTART};
	const struct itimerval later = {.it_value.tv_usec = 300000};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &later, NULL);
}

static void answer(const char *command)
{
	static const char completed[] =
		"{\"event\": \"MIGRATION\", \"data\": {\"status\": \"completed\"}}\r\n";
	bool lie = is("lie") && !strcmp(step, command);

	if (misbehave(command))
		return;
	if (!strcmp(command, "query-migrate-capabilities"))
		say("{\"return\": [{\"capability\": \"rdma-pin-all\", \"state\": false}]}\r\n");
	else if (!strcmp(command, "query-status"))
		say(lie ? "{\"return\": {\"status\": \"running\"}}\r\n"
			: "{\"return\": {\"status\": \"postmigrate\"}}\r\n");
	else if (!strcmp(command, "query-migrate"))
		say(lie ? "{\"return\": {}}\r\n"
			: "{\"return\": {\"status\": \"completed\", \"total-time\": 125, "
			  "\"setup-time\": 5, \"downtime\": 2}}\r\n");
	else
		say("{\"return\": {}}\r\n");
	if (!strcmp(command, "migrate-incoming") || !strcmp(command, "migrate"))
		say(lie ? "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"failed\"}}\r\n"
			: completed);
	if (is("late") && !strcmp(step, command))
		write_stats_later();
	if (!strcmp(command, "quit"))
		exit(lie ? 7 : 0);
}

/* Every command comes in one piece: they are short, and the next follows the answer. */
static void serve(void)
{
	static const char key[] = "\"execute\":\"";
	char text[65536], *name;
	ssize_t n;

	while ((n = read(in, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		name = strstr(text, key);
		if (!name)
			exit(4);
		name += strlen(key);
		name[strcspn(name, "\"")] = '\0';
		answer(name);
	}
}

/* FIFOs, which are there before we are. */
static void open_pipes(const char *path)
{
	int len = (int)strcspn(path, ",");
	char name[512];

	snprintf(name, sizeof(name), "%.*s.in", len, path);
	in = open(name, O_RDWR);
	snprintf(name, sizeof(name), "%.*s.out", len, path);
	out = open(name, O_RDWR);
}

/* "memory-backend-file,size=N,mem-path=PATH": on another host nobody else makes the file. */
static void make_ram(const char *object)
{
	const char *size = strstr(object, "size="), *path = strstr(object, "mem-path=");
	char name[512];
	int fd;

	if (!size || !path)
		return;
	path += strlen("mem-path=");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(path, ","), path);
	fd = open(name, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, atoll(size + strlen("size="))))
		exit(6);
	close(fd);
}

int main(int argc, char **argv)
{
	char *wish = getenv("RDMATEST_FAKE_QEMU"), *save = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "socket,fd=", 10))
			in = out = atoi(argv[i] + 10);
		if (!strncmp(argv[i], "pipe,path=", 10))
			open_pipes(argv[i] + 10);
		if (!strncmp(argv[i], "memory-backend-file,", 20))
			make_ram(argv[i]);
		destination = destination || !strcmp(argv[i], "-incoming");
	}
	if (wish) {
		wish = strdup(wish);
		mode = strtok_r(wish, "@", &save);
		step = strtok_r(NULL, "@", &save);
		end = strtok_r(NULL, "@", &save);
		if (!mode || !step || !end)
			return 5;
	}
	if (is("refuse") && !strcmp(end, destination ? "destination" : "source")) {
		fprintf(stderr, "fake: invalid accelerator\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!misbehave("greeting"))
		say("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 1, "
		    "\"major\": 99}}, \"capabilities\": []}}\r\n");
	serve();
	free(wish);
	return 0;
}
