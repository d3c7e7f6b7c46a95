/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/verbs_values.h"
#include "engine/discard.h"
#include "util/attach_abi.h"
#include "util/condition.h"
#include "util/processors.h"

_Static_assert((int)VERBS_WC_SUCCESS == (int)IBV_WC_SUCCESS, "verbs ABI");
_Static_assert((int)VERBS_WC_LOC_LEN_ERR == (int)IBV_WC_LOC_LEN_ERR, "verbs ABI");
_Static_assert((int)VERBS_WC_WR_FLUSH_ERR == (int)IBV_WC_WR_FLUSH_ERR, "verbs ABI");
_Static_assert((int)VERBS_WC_SEND == (int)IBV_WC_SEND, "verbs ABI");
_Static_assert((int)VERBS_WC_RECV == (int)IBV_WC_RECV, "verbs ABI");
_Static_assert((int)VERBS_ACCESS_ON_DEMAND == (int)IBV_ACCESS_ON_DEMAND, "verbs ABI");

static struct config config;
static pthread_once_t config_once = PTHREAD_ONCE_INIT;

static unsigned int quarter_of_the_processors(void)
{
	unsigned int quarter = processors_allowed("/proc/self/status") / 4;

	if (quarter < 1)
		return 1;
	return quarter > CONFIG_THREADS_MAX ? CONFIG_THREADS_MAX : quarter;
}

static void parse(struct config *parsed, char **environment)
{
	config_parse(parsed, environment);
	if (!parsed->threads)
		parsed->threads = quarter_of_the_processors();
}

static void parse_config(void)
{
	parse(&config, environ);
}

const struct config *session_config(void)
{
	pthread_once(&config_once, parse_config);
	return &config;
}

/* At most as many settings as have a name each, and some that are none. */
#define SETTINGS_MAX 64

int session_configure(const char *settings, size_t len, char *message, size_t size)
{
	static char texts[ATTACH_SETTINGS_MAX];
	char *environment[SETTINGS_MAX + 1];
	struct config parsed;
	size_t count = 0;

	if (len > sizeof(texts) || (len && settings[len - 1])) {
		snprintf(message, size, "the settings are longer than %zu bytes", sizeof(texts));
		return -E2BIG;
	}
	for (size_t at = 0; at < len && count < SETTINGS_MAX; at += strlen(settings + at) + 1)
		environment[count++] = (char *)settings + at;
	environment[count] = NULL;
	parse(&parsed, environment);
	if (parsed.errors) {
		snprintf(message, size, "%s", parsed.error[0]);
		return -EINVAL;
	}
	session_config(); /* never again from the environment */
	memcpy(texts, settings, len);
	for (size_t i = 0; i < count; i++)
		environment[i] = texts + (environment[i] - settings);
	parse(&config, environment);
	return 0;
}

int session_begin(struct session *s, struct ibv_qp *qp, const struct ibv_qp_init_attr *attr,
		  const struct verbs_ops *ops, const struct conn_options *options)
{
	s->conn = conn_new(options);
	if (!s->conn)
		return -ENOMEM;
	s->qp = qp;
	s->cq[CONN_SEND_CQ] = attr->send_cq;
	s->cq[CONN_RECV_CQ] = attr->recv_cq;
	s->ops = *ops;
	for (int i = 0; i < CONN_CQS; i++)
		atomic_store(&s->due[i], 0);
	atomic_store(&s->listens, 0);
	condition_init(&s->changed);
	memset(&s->post_cost, 0, sizeof(s->post_cost));
	memset(&s->scan, 0, sizeof(s->scan));
	s->registers = VERBS_REG_MR;
	s->memory = NULL;
	s->memory_mr = NULL;
	s->recvs_posted = 0;
	s->gave_back = false;
	s->warned_fallback = false;
	s->delegated = 0;
	s->passthrough_reason = NULL;
	s->destination = false;
	memset(&s->about, 0, sizeof(s->about));
	memset(s->recvs, 0, sizeof(s->recvs));
	s->peer_error = false;
	s->figures.page = NULL;
	s->live = true;
	return 0;
}

int session_allocate_memory(struct session *s)
{
	void *memory = mmap(NULL, POSTING_MEMORY_LEN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	s->memory = memory;
	return verbs_register(VERBS_REG_MR, s->qp->pd, memory, POSTING_MEMORY_LEN,
			      IBV_ACCESS_LOCAL_WRITE, &s->memory_mr);
}

void session_end(struct session *s)
{
	bool quiet = discard_unwatch(conn_blocks(s->conn));
	struct ibv_mr *mr;

	s->live = false;
	while ((mr = conn_end(s->conn)))
		verbs_deregister(mr);
	if (s->memory_mr)
		verbs_deregister(s->memory_mr);
	if (s->memory)
		munmap(s->memory, POSTING_MEMORY_LEN);
	/* Who may look at its RAM blocks still finds them where they are. */
	if (quiet)
		conn_free(s->conn);
	s->conn = NULL;
	pthread_cond_destroy(&s->changed);
}
