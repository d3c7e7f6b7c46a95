/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the A/B tool makes of what a QEMU says: any bytes from both ends of a migration, or a
 * conversation of which is known what it is to lead to.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ab/migration.h"
#include "fuzz.h"

/* No wait lasts until then. */
#define PATIENCE_MS 60000

/* Who has nothing more to say is asked in vain so many times, and then has closed the connection.
 */
#define SILENT_MAX 100

/* The two ends' words, which come in pieces of `piece` bytes at most, and line by line. */
static struct stream {
	int fd;
	struct input words;
	size_t piece;
	unsigned int silent;
} streams[2];

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	struct stream *stream = &streams[fd == streams[1].fd];
	struct input *words = &stream->words;
	const uint8_t *newline;
	size_t n = words->left;

	ENSURE(fd == stream->fd && flags == MSG_DONTWAIT && size);
	if (!n && stream->silent++ < SILENT_MAX) {
		errno = EAGAIN;
		return -1;
	}
	n = n < size ? n : size;
	n = n < stream->piece ? n : stream->piece;
	newline = n ? memchr(words->at, '\n', n) : NULL;
	if (newline)
		n = (size_t)(newline - words->at) + 1;
	if (n)
		memcpy(buffer, words->at, n);
	words->at += n;
	words->left -= n;
	return (ssize_t)n;
}

ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags)
{
	ENSURE(fd >= 0 && flags == MSG_NOSIGNAL && memchr(buffer, '{', size));
	return (ssize_t)size;
}

/* A descriptor that always has something to be read. */
static int readable(void)
{
	static int event = -1;

	if (event < 0)
		event = eventfd(1, EFD_CLOEXEC);
	return dup(event);
}

static void stream_set(struct stream *stream, const uint8_t *words, size_t size, size_t piece)
{
	*stream = (struct stream){readable(), {words, size}, piece ? piece : 1, 0};
	ENSURE(stream->fd >= 0);
}

/* Either all is well, or one line says why not. */
static bool judged(int ret, const struct failure *failure)
{
	size_t len = strnlen(failure->text, sizeof(failure->text));

	ENSURE(ret == 0 || ret == -1);
	ENSURE(!ret == !len && len < sizeof(failure->text));
	ENSURE(!strpbrk(failure->text, "\r\n"));
	return !ret;
}

static void check_events(const struct qmp *qmp)
{
	ENSURE(strnlen(qmp->migration_status, sizeof(qmp->migration_status)) <
	       sizeof(qmp->migration_status));
	ENSURE(strnlen(qmp->version, sizeof(qmp->version)) < sizeof(qmp->version));
	ENSURE(!qmp->garbage || qmp->closed);
}

/* All that a round of the tool asks of a migration, on two connections. */
static void migrate(struct vmproc *from, struct vmproc *to, int64_t deadline)
{
	static const struct migration_config config = {
		.transport = "rdma",
		.addr = "192.0.2.1",
		.caps = {"rdma-pin-all", "postcopy-ram"},
		.params = {"max-bandwidth=1G", "multifd=off"},
	};
	struct qmp *const qmps[] = {&from->qmp, &to->qmp};
	struct migration m;
	char state[40];

	for (int step = 0; step < 7; step++) {
		struct failure failure = {""};
		int ret;

		if (step == 0)
			ret = migration_start(&m, &config, from, to, deadline, &failure);
		else if (step == 1)
			ret = migration_set(to, "max-bandwidth", 1, deadline, &failure);
		else if (step == 2)
			ret = migration_wait_pass(&m, 2, deadline, &failure);
		else if (step == 3)
			ret = migration_wait_progress(&m, 1 << 20, deadline, &failure);
		else if (step == 4)
			ret = migration_wait_completed(&m, deadline, &failure);
		else if (step == 5)
			ret = migration_cancel(&m, deadline, &failure);
		else
			ret = migration_run_state(from, state, sizeof(state), deadline, &failure);
		judged(ret, &failure);
		check_events(&from->qmp);
		check_events(&to->qmp);
	}
	while (qmp_wait(qmps, 2, deadline))
		;
	ENSURE(from->qmp.closed && to->qmp.closed);
}

static void any_bytes(struct input in)
{
	struct vmproc from = {.name = "source", .pidfd = -1};
	struct vmproc to = {.name = "destination", .pidfd = -1};
	size_t piece = (size_t)input_8(&in) * 64, first = (size_t)input_8(&in) * 16;
	int64_t deadline = wait_now() + PATIENCE_MS;
	struct failure failure = {""}, other = {""};

	first = first < in.left ? first : in.left;
	stream_set(&streams[0], in.at, in.left - first, piece);
	stream_set(&streams[1], in.at + in.left - first, first, piece);
	judged(qmp_open(&from.qmp, "source", streams[0].fd, deadline, &failure), &failure);
	judged(qmp_open(&to.qmp, "destination", streams[1].fd, deadline, &other), &other);
	migrate(&from, &to, deadline);
	qmp_close(&from.qmp);
	qmp_close(&to.qmp);
}

/* What one line of a conversation is, and what it leads to. */
enum kind { RETURN, ERROR, JUNK, STATUS, PASS, OTHER, KINDS };

static const char *const lines[KINDS] = {
	[RETURN] = "{\"return\": {\"value\": %d}}\r\n",
	[ERROR] = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\\n %d\"}}\r\n",
	[JUNK] = "{\"return\": %d}%c\r\n",
	[STATUS] = "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"status-%d\"}}\r\n",
	[PASS] = "{\"event\": \"MIGRATION_PASS\", \"data\": {\"pass\": %d}}\r\n",
	[OTHER] = "{\"event\": \"STOP\", \"number\": %d}\r\n",
};

struct expected {
	char status[32];
	int pass;
};

/* Executes a command for which `in` has the answer, after events. False: no answer. */
static bool next_answer(struct input *in, struct qmp *qmp, struct expected *expected)
{
	struct json_object *value = NULL, *number;
	struct failure failure = {""};
	enum kind kind = OTHER;
	char text[32] = "";
	int n = 0, ret;

	while (in->left >= 2 && kind > JUNK) {
		kind = (enum kind)(input_8(in) % KINDS);
		n = input_8(in);
		if (kind == STATUS)
			snprintf(expected->status, sizeof(expected->status), "status-%d", n);
		else if (kind == PASS)
			expected->pass = n;
	}
	ret = qmp_execute(qmp, "ask", NULL, wait_now() + PATIENCE_MS, &value, &failure);
	judged(ret, &failure);
	ENSURE(qmp->migration_pass == expected->pass);
	ENSURE(!strcmp(qmp->migration_status, expected->status));
	if (kind == RETURN) {
		ENSURE(!ret && value && json_object_object_get_ex(value, "value", &number));
		ENSURE(json_object_get_int(number) == n);
	} else {
		ENSURE(ret && !value);
		ENSURE(qmp->garbage == (kind == JUNK));
		snprintf(text, sizeof(text), "ask: no  %d", n);
		ENSURE(strstr(failure.text, kind == ERROR  ? text
					    : kind == JUNK ? "not QMP"
							   : "closed"));
	}
	json_object_put(value);
	return kind <= ERROR;
}

static void conversation(struct input in)
{
	static const char greeting[] =
		"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
		"\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n{\"return\": {}}\r\n";
	size_t piece = (size_t)input_8(&in) * 4, size = 0;
	struct expected expected = {"", 0};
	struct input ahead = in;
	struct failure failure = {""};
	struct qmp qmp;
	char *words = NULL;
	FILE *f = open_memstream(&words, &size);

	ENSURE(f);
	fputs(greeting, f);
	while (ahead.left >= 2) {
		const char *line = lines[input_8(&ahead) % KINDS];

		int n = input_8(&ahead);

		/* After a message nothing may come, not even NUL. */
		fprintf(f, line, n, n % 2 ? '}' : '\0');
	}
	fclose(f);
	stream_set(&streams[0], (const uint8_t *)words, size, piece);
	streams[1].fd = -1;
	ENSURE(judged(qmp_open(&qmp, "QEMU", streams[0].fd, wait_now() + PATIENCE_MS, &failure),
		      &failure));
	ENSURE(!strcmp(qmp.version, "7.2.22"));
	while (next_answer(&in, &qmp, &expected))
		;
	ENSURE(qmp.closed);
	qmp_close(&qmp);
	free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	if (input_8(&in) % 2)
		conversation(in);
	else
		any_bytes(in);
	return 0;
}
