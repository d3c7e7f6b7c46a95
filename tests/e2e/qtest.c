// SPDX-License-Identifier: GPL-2.0-or-later
#include "qtest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "ab/wait.h"

#define LINE_MAX_BYTES 256

int qtest_open(struct qtest *qtest, const char *name, int64_t deadline, struct failure *failure)
{
	int fds[2];

	*qtest = (struct qtest){.name = name, .fd = -1, .deadline = deadline, .failure = failure};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) || fcntl(fds[1], F_SETFD, 0)) {
		fail(failure, "%s: no socket for qtest: %s", name, strerror(errno));
		return -1;
	}
	qtest->fd = fds[0];
	snprintf(qtest->argument, sizeof(qtest->argument), "socket,id=qtest,fd=%d", fds[1]);
	return fds[1];
}

void qtest_close(struct qtest *qtest)
{
	if (qtest->fd >= 0)
		close(qtest->fd);
	qtest->fd = -1;
}

int qtest_status(const struct qtest *qtest)
{
	return qtest->fd < 0 || qtest->failure->text[0] ? -1 : 0;
}

/* One line, a byte at a time: the next answer's must stay where it is. */
static int take_line(struct qtest *qtest, char line[LINE_MAX_BYTES])
{
	struct pollfd pfd = {.fd = qtest->fd, .events = POLLIN};
	size_t n = 0;

	while (n < LINE_MAX_BYTES - 1) {
		ssize_t got = recv(qtest->fd, line + n, 1, MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN && wait_fds(&pfd, 1, qtest->deadline))
			continue;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fail(qtest->failure, "%s: no answer from qtest", qtest->name);
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
	return 0;
}

/* Take the answer, with its value, if it has one, into @value. */
static void take_answer(struct qtest *qtest, const char *command, uint64_t *value)
{
	char line[LINE_MAX_BYTES];

	if (qtest_status(qtest) || take_line(qtest, line))
		return;
	if (strncmp(line, "OK", 2))
		fail(qtest->failure, "%s: qtest says '%s' to '%.60s'", qtest->name, line, command);
	else if (value)
		*value = strtoull(line + 2, NULL, 0);
}

static int send_text(struct qtest *qtest, const char *text)
{
	size_t len = strlen(text);

	if (qtest_status(qtest))
		return -1;
	if (send(qtest->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
		return fail(qtest->failure, "%s: cannot talk to qtest", qtest->name);
	return 0;
}

void qtest_send(struct qtest *qtest, const char *lines)
{
	if (send_text(qtest, lines))
		return;
	for (const char *end; (end = strchr(lines, '\n')); lines = end + 1)
		take_answer(qtest, lines, NULL);
}

/* @verb is "out", "in", "write" or "read"; what follows it in the protocol is the size. */
static uint64_t access_of(struct qtest *qtest, const char *verb, unsigned int size,
			  const char *arguments)
{
	static const char letters[] = {[1] = 'b', [2] = 'w', [4] = 'l', [8] = 'q'};
	char command[LINE_MAX_BYTES];
	uint64_t value = 0;

	snprintf(command, sizeof(command), "%s%c %s\n", verb, letters[size], arguments);
	if (!send_text(qtest, command))
		take_answer(qtest, command, &value);
	return value;
}

void qtest_out(struct qtest *qtest, uint16_t port, unsigned int size, uint32_t value)
{
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "0x%x 0x%x", port, value);
	access_of(qtest, "out", size, arguments);
}

uint32_t qtest_in(struct qtest *qtest, uint16_t port, unsigned int size)
{
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "0x%x", port);
	return (uint32_t)access_of(qtest, "in", size, arguments);
}

void qtest_write(struct qtest *qtest, uint64_t address, unsigned int size, uint64_t value)
{
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "0x%llx 0x%llx", (unsigned long long)address,
		 (unsigned long long)value);
	access_of(qtest, "write", size, arguments);
}

uint64_t qtest_read(struct qtest *qtest, uint64_t address, unsigned int size)
{
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "0x%llx", (unsigned long long)address);
	return access_of(qtest, "read", size, arguments);
}

void qtest_memset(struct qtest *qtest, uint64_t address, uint64_t length, uint8_t value)
{
	char line[LINE_MAX_BYTES];

	snprintf(line, sizeof(line), "memset 0x%llx 0x%llx 0x%x\n", (unsigned long long)address,
		 (unsigned long long)length, value);
	qtest_send(qtest, line);
}
