// SPDX-License-Identifier: GPL-2.0-or-later
#include "settings.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX	      "RDMAFABRIC_"
#define PRESET_VALUES 10

enum kind {
	KIND_NS,     /* duration kept in nanoseconds */
	KIND_PS,     /* duration kept in picoseconds */
	KIND_SIZE,   /* number with K, M, G, T (powers of 1024) */
	KIND_RATE,   /* bits per second with k, M, G (powers of 1000) */
	KIND_SWITCH, /* on or off */
	KIND_SQ_RETIRE,
	KIND_COPY,
	KIND_TEXT,
};

struct variable {
	const char *name; /* after the prefix */
	enum kind kind;
	size_t offset;
	const char *value; /* default */
	const char *meaning;
};

#define AT(field) offsetof(struct fabric_config, field)

/* README.md repeats this table; test-fabric.sh compares the names. */
static const struct variable variables[] = {
	{"REG_COST", KIND_NS, AT(reg_ns), "0ns", "time of one registration"},
	{"REG_PAGE_COST", KIND_PS, AT(reg_page_ps), "0ns", "time per 4 KiB page of a registration"},
	{"REG_KNEE", KIND_SIZE, AT(reg_knee), "0",
	 "bytes of one registration that cost REG_PAGE_COST; past them REG_PAGE_COST2; 0: all"},
	{"REG_PAGE_COST2", KIND_PS, AT(reg_page2_ps), "0ns", "time per page past REG_KNEE"},
	{"DEREG_COST", KIND_NS, AT(dereg_ns), "0ns", "time of one deregistration"},
	{"DEREG_PAGE_COST", KIND_PS, AT(dereg_page_ps), "0ns",
	 "time per 4 KiB page of a deregistration"},
	{"BANDWIDTH", KIND_RATE, AT(bandwidth), "0", "bit/s in each direction; 0: unlimited"},
	{"LATENCY", KIND_NS, AT(latency_ns), "0ns", "one-way latency"},
	{"IRQ_LATENCY", KIND_NS, AT(irq_ns), "0ns", "from a completion to its channel's event"},
	{"WR_COST", KIND_NS, AT(wr_ns), "0ns", "the sender's wire time per work request"},
	{"POST_COST", KIND_NS, AT(post_ns), "0ns",
	 "CPU time of each post_send with a WRITE, as of a provider in software"},
	{"RECV_GAP", KIND_NS, AT(recv_gap_ns), "0ns",
	 "from placing a SEND to its completion being visible; later WRITEs are placed meanwhile"},
	{"AWAIT_RECV", KIND_SWITCH, AT(await_recv), "off",
	 "on: a SEND that arrives before the QP's first RECV is posted waits for it, as if the "
	 "wire had taken so long"},
	{"RNR_RETRY", KIND_SIZE, AT(rnr_retry), "0",
	 "how often a SEND that finds no RECV is tried again, where its sender has asked for less; "
	 "7: for ever"},
	{"POPULATE", KIND_SIZE, AT(populate), "1",
	 "1: registering faults the pages in; 0: only "
	 "checks that they are mapped"},
	{"PIN", KIND_SWITCH, AT(pin), "on",
	 "on: an MR keeps the pages it was made of; off: it is whatever is at its address"},
	{"MAX_MR_SIZE", KIND_SIZE, AT(max_mr_size), "1T", "longest registration, bytes (EINVAL)"},
	{"MAX_MR", KIND_SIZE, AT(max_mr), "65536", "live MRs in a process (ENOMEM)"},
	{"MAX_PINNED", KIND_SIZE, AT(max_pinned), "0",
	 "bytes of live MRs in a process (ENOMEM); 0: unlimited"},
	{"MAX_QP_WR", KIND_SIZE, AT(max_qp_wr), "16384", "deepest send or receive queue (EINVAL)"},
	{"MAX_CQE", KIND_SIZE, AT(max_cqe), "4194303", "deepest completion queue (EINVAL)"},
	{"MAX_MSG_SIZE", KIND_SIZE, AT(max_msg_size), "1G",
	 "longest SEND or WRITE, bytes (LOC_LEN_ERR)"},
	{"RETRY_TIME", KIND_NS, AT(retry_ns), "500ms",
	 "a request unanswered for so long completes with RETRY_EXC_ERR"},
	{"CM_TIMEOUT", KIND_NS, AT(cm_timeout_ns), "2s",
	 "a connection message unanswered for so long is given up"},
	{"TIMEWAIT", KIND_NS, AT(timewait_ns), "1s", "from DISCONNECTED to TIMEWAIT_EXIT"},
	{"SQ_RETIRE", KIND_SQ_RETIRE, AT(sq_retire), "poll",
	 "poll: a send queue slot is free once its or a later completion was polled, as on "
	 "adapters; nic: once executed, as on rxe"},
	{"COPY", KIND_COPY, AT(copy), "auto",
	 "vm: the responder reads the requester's memory (process_vm_readv); socket: the data "
	 "travels through a socket; auto: vm where it is allowed"},
	{"NET", KIND_TEXT, AT(net), "", "only processes with the same value reach each other"},
	{"FAULT", KIND_TEXT, AT(fault), "", "scripted faults, see below"},
	{"REPORT", KIND_TEXT, AT(report), "",
	 "file for a JSON report, rewritten at each QP's end and at exit; %p is the process id"},
};

struct preset {
	const char *name;
	struct {
		const char *name;
		const char *value;
	} values[PRESET_VALUES];
};

/* Where the figures come from is in README.md. */
static const struct preset presets[] = {
	{"none", {{NULL, NULL}}},
	{"seed",
	 {{"REG_COST", "1ms"},
	  {"REG_PAGE_COST", "3.57us"},
	  {"REG_KNEE", "64M"},
	  {"REG_PAGE_COST2", "410ns"},
	  {"BANDWIDTH", "100G"},
	  {"LATENCY", "2us"},
	  {"IRQ_LATENCY", "5us"}}},
	{"hca100g",
	 {{"REG_COST", "50us"},
	  {"REG_PAGE_COST", "250ns"},
	  {"BANDWIDTH", "96.6G"},
	  {"LATENCY", "1us"},
	  {"IRQ_LATENCY", "5us"},
	  {"WR_COST", "380ns"}}},
	{"hca400g",
	 {{"REG_COST", "50us"},
	  {"REG_PAGE_COST", "250ns"},
	  {"BANDWIDTH", "386G"},
	  {"LATENCY", "1us"},
	  {"IRQ_LATENCY", "5us"},
	  {"WR_COST", "380ns"}}},
	{"model100g",
	 {{"REG_COST", "2400us"},
	  {"REG_PAGE_COST", "12us"},
	  {"BANDWIDTH", "2G"},
	  {"LATENCY", "48us"},
	  {"IRQ_LATENCY", "240us"},
	  {"WR_COST", "18us"}}},
};

static struct fabric_config config;
static bool config_good;
static pthread_once_t config_once = PTHREAD_ONCE_INIT;

static int parse_scaled(const char *text, const char *const *units, const double *factors,
			double bare, double *value)
{
	char *end;
	double number;
	int i;

	errno = 0;
	number = strtod(text, &end);
	if (end == text || errno || number < 0)
		return EINVAL;
	if (!*end) {
		*value = number * bare;
		return 0;
	}
	for (i = 0; units[i]; i++) {
		if (strcmp(end, units[i]) == 0) {
			*value = number * factors[i];
			return 0;
		}
	}
	return EINVAL;
}

static int parse_time(const char *text, double bare_ns, double scale, uint64_t *out)
{
	static const char *const units[] = {"ns", "us", "ms", "s", NULL};
	static const double factors[] = {1, 1e3, 1e6, 1e9};
	double ns;
	int err = parse_scaled(text, units, factors, bare_ns, &ns);

	if (!err)
		*out = (uint64_t)(ns * scale + 0.5);
	return err;
}

int fab_parse_duration(const char *text, uint64_t bare_ns, uint64_t *ns)
{
	return parse_time(text, bare_ns, 1, ns);
}

int fab_parse_size(const char *text, uint64_t *value)
{
	static const char *const units[] = {"K", "M", "G", "T", NULL};
	static const double factors[] = {1 << 10, 1 << 20, 1 << 30, 1099511627776.0};
	double number;
	int err = parse_scaled(text, units, factors, 1, &number);

	if (!err)
		*value = (uint64_t)number;
	return err;
}

static int parse_rate(const char *text, uint64_t *value)
{
	static const char *const units[] = {"k", "M", "G", NULL};
	static const double factors[] = {1e3, 1e6, 1e9};
	double number;
	int err = parse_scaled(text, units, factors, 1, &number);

	if (!err)
		*value = (uint64_t)number;
	return err;
}

static int parse_choice(const char *text, const char *const *names)
{
	int i;

	for (i = 0; names[i]; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

static int set_variable(const struct variable *var, const char *text)
{
	static const char *const switch_names[] = {"off", "on", NULL};
	static const char *const retire_names[] = {"poll", "nic", NULL};
	static const char *const copy_names[] = {"auto", "vm", "socket", NULL};
	void *field = (char *)&config + var->offset;
	int choice;

	switch (var->kind) {
	case KIND_NS:
		return parse_time(text, 1, 1, field);
	case KIND_PS:
		return parse_time(text, 1, 1000, field);
	case KIND_SIZE:
		return fab_parse_size(text, field);
	case KIND_RATE:
		return parse_rate(text, field);
	case KIND_SWITCH:
		choice = parse_choice(text, switch_names);
		if (choice < 0)
			return EINVAL;
		*(bool *)field = choice;
		return 0;
	case KIND_SQ_RETIRE:
		choice = parse_choice(text, retire_names);
		if (choice < 0)
			return EINVAL;
		*(enum sq_retire *)field = choice;
		return 0;
	case KIND_COPY:
		choice = parse_choice(text, copy_names);
		if (choice < 0)
			return EINVAL;
		*(enum copy_mode *)field = choice;
		return 0;
	case KIND_TEXT:
		*(const char **)field = text;
		return 0;
	}
	return EINVAL;
}

static const struct preset *find_preset(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		if (strcmp(presets[i].name, name) == 0)
			return &presets[i];
	return NULL;
}

static const char *preset_value(const struct preset *preset, const char *name)
{
	int i;

	for (i = 0; i < PRESET_VALUES && preset->values[i].name; i++)
		if (strcmp(preset->values[i].name, name) == 0)
			return preset->values[i].value;
	return NULL;
}

/* A variable that is set but unknown is as bad as one that does not parse. */
static bool names_known(void)
{
	extern char **environ;
	char **entry;
	size_t i, len;
	const char *name;

	for (entry = environ; *entry; entry++) {
		if (strncmp(*entry, PREFIX, strlen(PREFIX)) != 0)
			continue;
		name = *entry + strlen(PREFIX);
		len = strcspn(name, "=");
		if (len == strlen("PRESET") && strncmp(name, "PRESET", len) == 0)
			continue;
		for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
			if (strlen(variables[i].name) == len &&
			    strncmp(name, variables[i].name, len) == 0)
				break;
		if (i == sizeof(variables) / sizeof(variables[0])) {
			fprintf(stderr, "rdmafabric: unknown variable %s\n", *entry);
			return false;
		}
	}
	return true;
}

static void read_config(void)
{
	const char *preset_name = getenv(PREFIX "PRESET");
	const struct preset *preset = find_preset(preset_name ? preset_name : "none");
	const struct variable *var;
	char name[64];
	const char *text;
	size_t i;

	if (!preset) {
		fprintf(stderr, "rdmafabric: unknown preset %s\n", preset_name);
		return;
	}
	if (!names_known())
		return;
	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		var = &variables[i];
		snprintf(name, sizeof(name), PREFIX "%s", var->name);
		text = getenv(name);
		if (!text)
			text = preset_value(preset, var->name);
		if (!text)
			text = var->value;
		if (set_variable(var, text) != 0) {
			fprintf(stderr, "rdmafabric: bad value %s=%s (%s)\n", name, text,
				var->meaning);
			return;
		}
	}
	config_good = true;
}

const struct fabric_config *fab_config(void)
{
	pthread_once(&config_once, read_config);
	return config_good ? &config : NULL;
}
