// SPDX-License-Identifier: GPL-2.0-or-later
#include "fault.h"

#include "clock.h"
#include "settings.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_RULES    64
#define MAX_WATCHERS 4

enum subject {
	SUBJECT_VERB,
	SUBJECT_OP,
	SUBJECT_LINK,
	SUBJECT_PEER,
	SUBJECT_SELF,
	SUBJECT_STALL,
	SUBJECT_QP,
};

struct rule {
	enum subject subject;
	int which; /* enum verb or enum fault_op */
	uint64_t nth;
	uint64_t count; /* 0: from nth on */
	int error;
	int status;
	uint64_t at_ns;
	uint64_t for_ns;
	uint64_t delay_ns;
	bool has_at;
};

struct name_value {
	const char *name;
	int value;
};

static const char *const verb_names[VERB_COUNT] = {
	[VERB_GET_DEVICE_LIST] = "get_device_list",
	[VERB_OPEN_DEVICE] = "open_device",
	[VERB_QUERY_DEVICE] = "query_device",
	[VERB_QUERY_PORT] = "query_port",
	[VERB_ALLOC_PD] = "alloc_pd",
	[VERB_DEALLOC_PD] = "dealloc_pd",
	[VERB_REG_MR] = "reg_mr",
	[VERB_DEREG_MR] = "dereg_mr",
	[VERB_ADVISE_MR] = "advise_mr",
	[VERB_CREATE_COMP_CHANNEL] = "create_comp_channel",
	[VERB_DESTROY_COMP_CHANNEL] = "destroy_comp_channel",
	[VERB_CREATE_CQ] = "create_cq",
	[VERB_DESTROY_CQ] = "destroy_cq",
	[VERB_REQ_NOTIFY_CQ] = "req_notify_cq",
	[VERB_POLL_CQ] = "poll_cq",
	[VERB_GET_CQ_EVENT] = "get_cq_event",
	[VERB_ACK_CQ_EVENTS] = "ack_cq_events",
	[VERB_CREATE_QP] = "create_qp",
	[VERB_MODIFY_QP] = "modify_qp",
	[VERB_QUERY_QP] = "query_qp",
	[VERB_DESTROY_QP] = "destroy_qp",
	[VERB_POST_SEND] = "post_send",
	[VERB_POST_RECV] = "post_recv",
	[VERB_RDMA_CREATE_EVENT_CHANNEL] = "rdma_create_event_channel",
	[VERB_RDMA_CREATE_ID] = "rdma_create_id",
	[VERB_RDMA_BIND_ADDR] = "rdma_bind_addr",
	[VERB_RDMA_LISTEN] = "rdma_listen",
	[VERB_RDMA_GETADDRINFO] = "rdma_getaddrinfo",
	[VERB_RDMA_RESOLVE_ADDR] = "rdma_resolve_addr",
	[VERB_RDMA_RESOLVE_ROUTE] = "rdma_resolve_route",
	[VERB_RDMA_CREATE_QP] = "rdma_create_qp",
	[VERB_RDMA_CONNECT] = "rdma_connect",
	[VERB_RDMA_ACCEPT] = "rdma_accept",
	[VERB_RDMA_REJECT] = "rdma_reject",
	[VERB_RDMA_GET_CM_EVENT] = "rdma_get_cm_event",
	[VERB_RDMA_ACK_CM_EVENT] = "rdma_ack_cm_event",
	[VERB_RDMA_DISCONNECT] = "rdma_disconnect",
	[VERB_RDMA_DESTROY_QP] = "rdma_destroy_qp",
	[VERB_RDMA_DESTROY_ID] = "rdma_destroy_id",
	[VERB_RDMA_SET_OPTION] = "rdma_set_option",
};

static const struct name_value errno_names[] = {
	{"EPERM", EPERM},	  {"EINTR", EINTR},   {"EIO", EIO},
	{"EAGAIN", EAGAIN},	  {"ENOMEM", ENOMEM}, {"EACCES", EACCES},
	{"EFAULT", EFAULT},	  {"EBUSY", EBUSY},   {"ENODEV", ENODEV},
	{"EINVAL", EINVAL},	  {"ENOSYS", ENOSYS}, {"EOPNOTSUPP", EOPNOTSUPP},
	{"ETIMEDOUT", ETIMEDOUT}, {"ENOSPC", ENOSPC}, {"ECONNREFUSED", ECONNREFUSED},
};

static const struct name_value status_names[] = {
	{"LOC_LEN_ERR", IBV_WC_LOC_LEN_ERR},
	{"LOC_QP_OP_ERR", IBV_WC_LOC_QP_OP_ERR},
	{"LOC_PROT_ERR", IBV_WC_LOC_PROT_ERR},
	{"WR_FLUSH_ERR", IBV_WC_WR_FLUSH_ERR},
	{"BAD_RESP_ERR", IBV_WC_BAD_RESP_ERR},
	{"LOC_ACCESS_ERR", IBV_WC_LOC_ACCESS_ERR},
	{"REM_INV_REQ_ERR", IBV_WC_REM_INV_REQ_ERR},
	{"REM_ACCESS_ERR", IBV_WC_REM_ACCESS_ERR},
	{"REM_OP_ERR", IBV_WC_REM_OP_ERR},
	{"RETRY_EXC_ERR", IBV_WC_RETRY_EXC_ERR},
	{"RNR_RETRY_EXC_ERR", IBV_WC_RNR_RETRY_EXC_ERR},
	{"REM_ABORT_ERR", IBV_WC_REM_ABORT_ERR},
	{"FATAL_ERR", IBV_WC_FATAL_ERR},
	{"GENERAL_ERR", IBV_WC_GENERAL_ERR},
};

static const struct name_value subject_names[] = {
	{"link", SUBJECT_LINK},	  {"peer", SUBJECT_PEER}, {"self", SUBJECT_SELF},
	{"stall", SUBJECT_STALL}, {"qp", SUBJECT_QP},
};

static const struct name_value op_names[] = {
	{"write", FAULT_WRITE},
	{"send", FAULT_SEND},
	{"recv", FAULT_RECV},
};

static struct rule rules[MAX_RULES];
static int rule_count;
static bool rules_good;
static pthread_once_t rules_once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t calls[VERB_COUNT];
static atomic_uint_fast64_t ops[FAULT_OPS];
static atomic_uint_fast64_t requests;
static atomic_uint_fast64_t injected;
static atomic_uint_fast64_t first_connection;
static atomic_uint_fast64_t peers_lost_at; /* 0: never */
static atomic_bool link_is_down;
static void (*link_watchers[MAX_WATCHERS])(void);
static atomic_uint link_watcher_count;

#define LOOK_UP(table, name) look_up(table, sizeof(table) / sizeof((table)[0]), name)

static int look_up(const struct name_value *table, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].value;
	return -1;
}

static int parse_subject(struct rule *rule, const char *name)
{
	int i;

	for (i = 0; i < VERB_COUNT; i++) {
		if (strcmp(verb_names[i], name) == 0) {
			rule->subject = SUBJECT_VERB;
			rule->which = i;
			return 0;
		}
	}
	rule->which = LOOK_UP(op_names, name);
	if (rule->which >= 0) {
		rule->subject = SUBJECT_OP;
		return 0;
	}
	i = LOOK_UP(subject_names, name);
	if (i < 0)
		return EINVAL;
	rule->subject = i;
	return 0;
}

static int parse_pair(struct rule *rule, char *pair)
{
	char *value = strchr(pair, '=');

	if (!value)
		return EINVAL;
	*value++ = '\0';
	if (strcmp(pair, "nth") == 0)
		return fab_parse_size(value, &rule->nth);
	if (strcmp(pair, "count") == 0)
		return fab_parse_size(value, &rule->count);
	if (strcmp(pair, "at") == 0) {
		rule->has_at = true;
		return fab_parse_duration(value, 1000000000, &rule->at_ns);
	}
	if (strcmp(pair, "for") == 0)
		return fab_parse_duration(value, 1000000000, &rule->for_ns);
	if (strcmp(pair, "delay") == 0)
		return fab_parse_duration(value, 1000000000, &rule->delay_ns);
	if (strcmp(pair, "errno") == 0) {
		rule->error = LOOK_UP(errno_names, value);
		return rule->error < 0 ? EINVAL : 0;
	}
	if (strcmp(pair, "status") == 0) {
		rule->status = LOOK_UP(status_names, value);
		return rule->status < 0 ? EINVAL : 0;
	}
	return EINVAL;
}

static bool complete_rule(const struct rule *rule)
{
	switch (rule->subject) {
	case SUBJECT_VERB:
		return rule->nth && rule->error;
	case SUBJECT_OP:
		return rule->nth && rule->status;
	case SUBJECT_LINK:
	case SUBJECT_PEER:
		return rule->has_at;
	case SUBJECT_SELF:
		return rule->has_at || rule->nth;
	case SUBJECT_STALL:
		return rule->nth && rule->for_ns;
	case SUBJECT_QP:
		return rule->nth && rule->delay_ns;
	}
	return false;
}

static int parse_rule(struct rule *rule, char *text)
{
	char *save, *part = strtok_r(text, ":", &save);
	int err;

	*rule = (struct rule){.count = 1};
	err = part ? parse_subject(rule, part) : EINVAL;
	while (!err && (part = strtok_r(NULL, ":", &save)))
		err = parse_pair(rule, part);
	if (!err && !complete_rule(rule))
		err = EINVAL;
	return err;
}

static void parse_rules(void)
{
	const struct fabric_config *config = fab_config();
	char *copy, *one, *text, *save;

	if (!config)
		return;
	copy = strdup(config->fault);
	if (!copy)
		return;
	rules_good = true;
	for (text = strtok_r(copy, ";", &save); text; text = strtok_r(NULL, ";", &save)) {
		one = strdup(text);
		if (!one || rule_count == MAX_RULES || parse_rule(&rules[rule_count], text)) {
			fprintf(stderr, "rdmafabric: bad fault rule %s\n", one ? one : "");
			rules_good = false;
			free(one);
			break;
		}
		free(one);
		rule_count++;
	}
	free(copy);
}

static bool due(const struct rule *rule, uint64_t n)
{
	return n >= rule->nth && (!rule->count || n - rule->nth < rule->count);
}

const char *fab_verb_name(enum verb verb)
{
	return verb_names[verb];
}

int fab_verb(enum verb verb)
{
	uint64_t n = atomic_fetch_add(&calls[verb], 1) + 1;
	int i;

	pthread_once(&rules_once, parse_rules);
	if (!rules_good)
		return EINVAL;
	for (i = 0; i < rule_count; i++) {
		if (rules[i].subject == SUBJECT_VERB && rules[i].which == (int)verb &&
		    due(&rules[i], n)) {
			atomic_fetch_add(&injected, 1);
			return rules[i].error;
		}
	}
	return 0;
}

uint64_t fab_verb_calls(enum verb verb)
{
	return atomic_load(&calls[verb]);
}

enum ibv_wc_status fab_fault_status(enum fault_op op)
{
	uint64_t n = atomic_fetch_add(&ops[op], 1) + 1;
	int i;

	for (i = 0; i < rule_count; i++) {
		if (rules[i].subject == SUBJECT_OP && rules[i].which == (int)op &&
		    due(&rules[i], n)) {
			atomic_fetch_add(&injected, 1);
			return rules[i].status;
		}
	}
	return IBV_WC_SUCCESS;
}

uint64_t fab_fault_request(void)
{
	uint64_t n = atomic_fetch_add(&requests, 1) + 1, stall = 0;
	int i;

	for (i = 0; i < rule_count; i++) {
		if (rules[i].subject == SUBJECT_SELF && rules[i].nth == n)
			kill(getpid(), SIGKILL);
		if (rules[i].subject == SUBJECT_STALL && due(&rules[i], n)) {
			atomic_fetch_add(&injected, 1);
			stall += rules[i].for_ns;
		}
	}
	return stall;
}

uint64_t fab_fault_qp_delay(unsigned int nth)
{
	int i;

	for (i = 0; i < rule_count; i++)
		if (rules[i].subject == SUBJECT_QP && rules[i].nth == nth)
			return rules[i].delay_ns;
	return 0;
}

static void rule_due(void *arg)
{
	struct rule *rule = arg;
	unsigned int i;

	atomic_fetch_add(&injected, 1);
	if (rule->subject == SUBJECT_SELF)
		kill(getpid(), SIGKILL);
	else if (rule->subject == SUBJECT_LINK)
		atomic_store(&link_is_down, true);
	else
		atomic_store(&peers_lost_at, fab_now());
	for (i = 0; i < atomic_load(&link_watcher_count); i++)
		link_watchers[i]();
}

void fab_fault_on_link_change(void (*fn)(void))
{
	unsigned int n = atomic_load(&link_watcher_count);

	if (n == MAX_WATCHERS)
		abort();
	link_watchers[n] = fn;
	atomic_store(&link_watcher_count, n + 1);
}

void fab_fault_connected(void)
{
	uint_fast64_t never = 0;
	uint64_t now = fab_now();
	int i;

	if (!atomic_compare_exchange_strong(&first_connection, &never, now))
		return;
	for (i = 0; i < rule_count; i++)
		if (rules[i].has_at)
			fab_timer_add(now + rules[i].at_ns, rule_due, &rules[i]);
}

bool fab_fault_link_down(void)
{
	return atomic_load(&link_is_down);
}

bool fab_fault_lost(uint64_t connected_at)
{
	return fab_fault_link_down() || connected_at <= atomic_load(&peers_lost_at);
}

uint64_t fab_faults_injected(void)
{
	return atomic_load(&injected);
}
