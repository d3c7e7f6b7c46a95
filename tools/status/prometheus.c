/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "output.h"

/* A value of a label: guests have names with quotes in them. */
static void put_label(FILE *out, const char *separator, const char *name, const char *value)
{
	fprintf(out, "%s%s=\"", separator, name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void put_who(FILE *out, const char *metric, const struct qemu *q)
{
	fprintf(out, "%s{pid=\"%ld\"", metric, (long)q->process.pid);
	put_label(out, ",", "guest", q->process.guest);
}

static void put_header(FILE *out, const char *metric, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", metric, help, metric);
}

/* One metric of each migration. All are gauges: they end with the migration. */
struct metric {
	const char *name, *help;
	double (*value)(const struct figures *f, uint64_t now);
};

static double rate(const struct figures *f, uint64_t now)
{
	(void)now;
	return output_rate(f);
}

static double wire_rate(const struct figures *f, uint64_t now)
{
	(void)now;
	return (double)f->rate;
}

static double ram(const struct figures *f, uint64_t now)
{
	(void)now;
	return (double)f->ram_bytes;
}

static double ahead(const struct figures *f, uint64_t now)
{
	(void)now;
	return (double)f->ahead_bytes;
}

static double window(const struct figures *f, uint64_t now)
{
	(void)now;
	return (double)f->window_bytes;
}

static const struct metric metrics[] = {
	{"seconds", "Time since the connection was made.", output_seconds},
	{"ram_bytes", "Memory of the guest.", ram},
	{"bytes_per_second", "Bytes that QEMU has written per second, on average.", rate},
	{"wire_bytes_per_second", "Measured rate of the wire.", wire_rate},
	{"ahead_bytes", "Memory registered ahead of QEMU.", ahead},
	{"window_bytes", "Bytes of writes that have not completed.", window},
};

/* Of every migration: its labels, then what `value` says. The two connections of one may differ in
 * no label but their number, and nobody takes a series twice. */
static void put_all(FILE *out, const char *metric, const struct qemu *qemus, size_t count,
		    uint64_t now, const struct metric *of, size_t counter)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t m = 0; m < qemus[i].migrations; m++) {
			const struct figures *f = &qemus[i].migration[m];

			put_who(out, metric, &qemus[i]);
			put_label(out, ",", "role", f->role);
			put_label(out, ",", "peer", f->peer);
			fprintf(out, ",connection=\"%zu\"} ", m + 1);
			if (of)
				fprintf(out, "%.6g\n", of->value(f, now));
			else
				fprintf(out, "%" PRIu64 "\n", f->counter[counter]);
		}
	}
}

void output_prometheus(FILE *out, const struct qemu *qemus, size_t count, uint64_t now)
{
	char name[96];

	put_header(out, "rdmachunk_qemu_info", "A QEMU of this host, and librdmachunk in it.");
	for (size_t i = 0; i < count; i++) {
		put_who(out, "rdmachunk_qemu_info", &qemus[i]);
		put_label(out, ",", "library", output_library(&qemus[i]));
		put_label(out, ",", "version", qemus[i].version);
		fputs("} 1\n", out);
	}
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		snprintf(name, sizeof(name), "rdmachunk_migration_%s", metrics[i].name);
		put_header(out, name, metrics[i].help);
		put_all(out, name, qemus, count, now, &metrics[i], 0);
	}
	for (size_t i = 0; i < FIGURES_COUNTERS; i++) {
		snprintf(name, sizeof(name), "rdmachunk_migration_%s", figures_counter_names[i]);
		put_header(out, name, "See STATISTICS in librdmachunk(7).");
		put_all(out, name, qemus, count, now, NULL, i);
	}
}
