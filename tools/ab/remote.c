// SPDX-License-Identifier: GPL-2.0-or-later
#include "remote.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "wait.h"

#define SAID "rdmachunk-ab: "

static int add_words(struct vm_args *args, const char *words, struct failure *failure)
{
	char *copy = strdup(words), *save, *word;
	int ret = copy ? 0 : -1;

	for (word = copy ? strtok_r(copy, " \t", &save) : NULL; word && !ret;
	     word = strtok_r(NULL, " \t", &save))
		ret = vm_args_add(args, word, failure);
	free(copy);
	return ret;
}

int remote_shell(const struct remote *remote, struct vm_args *args, struct failure *failure)
{
	if (add_words(args, remote->ssh, failure) || vm_args_add(args, remote->host, failure))
		return -1;
	/* Whatever login shell there is over there, it can start this. */
	return vm_args_add(args, "exec sh -s", failure);
}

static void put_quoted(FILE *f, const char *word)
{
	fputc('\'', f);
	for (; *word; word++)
		if (*word == '\'')
			fputs("'\\''", f);
		else
			fputc(*word, f);
	fputc('\'', f);
}

/*
 * In braces, so that the shell has read all of it before it runs any: what follows is QEMU's, for
 * its two FIFOs (its standard output has more in it than QMP). They are opened for reading and
 * writing, which waits for nobody. The subshell waits for the end of the connection, the shell
 * itself for QEMU's; both helpers end by SIGKILL, because a shell's new child still has its
 * parent's traps for a moment.
 */
static const char script_begin[] = "umask 077\n"
				   "mkdir \"$d\" || exit 120\n"
				   "trap '' HUP PIPE\n"
				   "trap 'kill -9 $q $c; rm -rf \"$d\"; exit 143' INT TERM\n"
				   "mkfifo \"$d/qmp.in\" \"$d/qmp.out\" &&\n"
				   "exec 3<&0 4<>\"$d/qmp.in\" 5<>\"$d/qmp.out\" ||\n"
				   "{ rm -rf \"$d\"; exit 120; }\n";

static const char script_end[] = " </dev/null >/dev/null 3<&- 4<&- 5<&- &\n"
				 "q=$!\n"
				 "cat <&5 &\n"
				 "c=$!\n"
				 "{ cat <&3 >&4; kill -9 $q; rm -rf \"$d\"; } >/dev/null 2>&1 &\n"
				 "w=$!\n"
				 "wait $q\n"
				 "s=$?\n"
				 "kill -9 $w $c\n"
				 "{\n"
				 "echo '" SAID "times'; times; echo '" SAID "end'\n"
				 "[ ! -e \"$d/stats\" ] || sed 's/^/" SAID "stats /' \"$d/stats\"\n"
				 "[ ! -e \"$d/counts\" ] ||\n"
				 "{ printf '" SAID "counts '; tr -d '\\n' <\"$d/counts\"; echo; }\n"
				 "} >&2\n"
				 "rm -rf \"$d\"\n"
				 "exit $s\n"
				 "}\n";

char *remote_script(const struct remote *remote, const struct vm_args *line, const char *const *env)
{
	char *script = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&script, &len);

	if (!f)
		return NULL;
	fputs("{\nd=", f);
	put_quoted(f, remote->dir);
	fputc('\n', f);
	fputs(script_begin, f);
	fputs("env", f);
	for (; *env; env++) {
		fputc(' ', f);
		put_quoted(f, *env);
	}
	for (size_t i = 0; i < line->n; i++) {
		fputc(' ', f);
		put_quoted(f, line->v[i]);
	}
	fputs(script_end, f);
	if (fclose(f)) {
		free(script);
		return NULL;
	}
	return script;
}

/* "0m1.25s 0m0.10s", with the decimal point of whatever locale the other host has. */
static double parse_times(char *line)
{
	double sum = 0, seconds;
	char *save, *word, *rest;
	int n = 0;

	for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		long minutes = strtol(word, &rest, 10);
		char *comma = strchr(rest, ',');

		if (*rest != 'm')
			return -1;
		if (comma)
			*comma = '.';
		seconds = strtod(rest + 1, &rest);
		if (*rest != 's')
			return -1;
		sum += (double)minutes * 60 + seconds;
		n++;
	}
	return n == 2 && isfinite(sum) && sum >= 0 ? sum : -1;
}

static void append_line(const char *path, const char *line)
{
	FILE *f = fopen(path, "ae");

	if (!f)
		return;
	fputs(line, f);
	fclose(f);
}

void remote_read_end(const char *log, const char *stats, const char *counts, struct remote_end *end)
{
	FILE *f = fopen(log, "re");
	char *line = NULL;
	size_t size = 0;
	int times_line = 0;

	end->cpu_seconds = -1;
	while (f && getline(&line, &size, f) > 0) {
		if (!strncmp(line, SAID "times", strlen(SAID "times")))
			times_line = 1;
		else if (!strncmp(line, SAID "end", strlen(SAID "end")))
			times_line = 0;
		else if (!strncmp(line, SAID "stats ", strlen(SAID "stats ")))
			append_line(stats, line + strlen(SAID "stats "));
		else if (!strncmp(line, SAID "counts ", strlen(SAID "counts ")))
			append_line(counts, line + strlen(SAID "counts "));
		/* The first line is the shell's own time, the second that of what it waited for. */
		else if (times_line && times_line++ == 2)
			end->cpu_seconds = parse_times(line);
	}
	free(line);
	if (f)
		fclose(f);
}

/*
 * Run @args with @in as standard input, until it has written @size bytes or ends; it is not to go
 * on after that. Returns how many bytes there are in @out.
 */
static size_t run_command(const struct vm_args *args, int in, char *out, size_t size,
			  int64_t deadline)
{
	struct pollfd pfd = {.events = POLLIN};
	int fds[2], status = -1;
	size_t used = 0;
	ssize_t n = 1;
	pid_t pid, parent = getpid();

	if (pipe2(fds, O_CLOEXEC))
		return 0;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(126);
		dup2(in >= 0 ? in : null, STDIN_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(args->v[0], args->v);
		_exit(127);
	}
	close(fds[1]);
	pfd.fd = fds[0];
	while (pid > 0 && n > 0 && used < size && wait_fds(&pfd, 1, deadline)) {
		n = read(fds[0], out + used, size - used);
		used += n > 0 ? (size_t)n : 0;
	}
	close(fds[0]);
	if (pid > 0) {
		/* All that was wanted of it has been read. */
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return used;
}

/* Its output is to begin with a checksum. */
static int run_checksum(const struct vm_args *args, int in, char sum[CHECKSUM_LEN],
			int64_t deadline)
{
	size_t used = run_command(args, in, sum, CHECKSUM_LEN - 1, deadline);

	sum[used] = '\0';
	for (size_t i = 0; i < used; i++)
		if (!isxdigit((unsigned char)sum[i]))
			return -1;
	return used == CHECKSUM_LEN - 1 ? 0 : -1;
}

/* Over there, without the script. */
static int command_there(const struct remote *remote, const char *command, struct vm_args *args)
{
	struct failure ignored = {""};

	if (add_words(args, remote->ssh, &ignored) || vm_args_add(args, remote->host, &ignored))
		return -1;
	return vm_args_add(args, command, &ignored);
}

int remote_checksum(const struct remote *remote, char sum[CHECKSUM_LEN], int64_t deadline)
{
	struct vm_args args = {0};
	char command[400];
	int ret = -1;

	snprintf(command, sizeof(command), "exec sha256sum %s/ram", remote->dir);
	if (!command_there(remote, command, &args))
		ret = run_checksum(&args, -1, sum, deadline);
	vm_args_free(&args);
	return ret;
}

void remote_wait_stats(const struct remote *remote, unsigned int milliseconds, int64_t deadline)
{
	struct vm_args args = {0};
	char command[600], none[1];

	/* It prints nothing: its end is what is waited for. Not every sleep knows fractions. */
	snprintf(command, sizeof(command),
		 "exec sh -c 'n=0; until [ -s %s/stats ] || [ $n -ge %u ]; do "
		 "sleep 0.05 2>/dev/null || sleep 1; n=$((n + 1)); done'",
		 remote->dir, milliseconds / 50);
	if (!command_there(remote, command, &args))
		run_command(&args, -1, none, sizeof(none), deadline);
	vm_args_free(&args);
}

int local_checksum(int fd, char sum[CHECKSUM_LEN], int64_t deadline)
{
	struct failure ignored = {""};
	struct vm_args args = {0};
	int ret = -1;

	if (lseek(fd, 0, SEEK_SET) == 0 && !vm_args_add(&args, "sha256sum", &ignored))
		ret = run_checksum(&args, fd, sum, deadline);
	vm_args_free(&args);
	return ret;
}
