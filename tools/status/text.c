/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "util/printable.h"
#include "output.h"

const char *output_library(const struct qemu *q)
{
	static const char *const names[] = {
		[QEMU_UNKNOWN] = "unknown",	[QEMU_WITHOUT] = "none",
		[QEMU_PRELOADED] = "preloaded", [QEMU_ATTACHED] = "attached",
		[QEMU_DETACHED] = "detached",	[QEMU_LOADED] = "loaded",
	};

	return names[q->library];
}

double output_seconds(const struct figures *f, uint64_t now)
{
	return now > f->started ? (double)(now - f->started) / 1e9 : 0;
}

double output_rate(const struct figures *f)
{
	double seconds = output_seconds(f, f->updated);

	return seconds > 0 ? (double)f->counter[FIGURES_WRITE_BYTES] / seconds : 0;
}

static void put_size(FILE *out, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1024;
	fprintf(out, "%.1f %s", value, units[unit]);
}

/* A path of another process. */
static void put_path(FILE *out, const char *what, const char *path)
{
	char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s", path);
	printable(text);
	fprintf(out, ", %s %s", what, text);
}

static void put_settings(FILE *out, const struct config *config)
{
	if (config->errors)
		fprintf(out, ", off: %s", config->error[0]);
	else if (!config->enabled)
		fprintf(out, ", off");
	else
		fprintf(out, ", regions of 2^%u bytes", config->shift);
	if (!config->writes)
		fprintf(out, ", writes off");
	if (!config->zeros)
		fprintf(out, ", zeros off");
	if (!config->prefetch)
		fprintf(out, ", prefetch off");
	if (config->threads)
		fprintf(out, ", threads %u", config->threads);
	if (config->poster != CONFIG_POSTER_AUTO)
		fprintf(out, ", poster %s", config->poster == CONFIG_POSTER_ON ? "on" : "off");
	if (config->log_file)
		put_path(out, "log to", config->log_file);
	if (config->stats)
		put_path(out, "statistics to", config->stats);
}

static const char *waits_for(const struct figures *f)
{
	static const char *const texts[][2] = {
		{"none", "nothing"},
		{"registration", "the destination to register memory"},
		{"zeros", "the destination to zero memory"},
		{"writes", "writes on the wire"},
		{"message", "a message"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(f->blocked, texts[i][0]))
			return texts[i][1];
	return f->blocked;
}

static void put_migration(FILE *out, const struct figures *f, uint64_t now)
{
	fprintf(out, "    %s, peer %s: %s, %s, %.1f s\n", f->role, f->peer[0] ? f->peer : "unknown",
		f->state, f->phase, output_seconds(f, now));
	fprintf(out, "        guest's memory ");
	put_size(out, f->ram_bytes);
	if (!strcmp(f->role, "source")) {
		fprintf(out, ", written ");
		put_size(out, f->counter[FIGURES_WRITE_BYTES]);
		fprintf(out, " at %.2f Gbit/s, wire %.2f Gbit/s\n        registered ahead ",
			output_rate(f) * 8e-9, (double)f->rate * 8e-9);
		put_size(out, f->ahead_bytes);
		fprintf(out, ", window ");
		put_size(out, f->window_bytes);
		fprintf(out, " of ");
		put_size(out, f->window_limit);
	}
	fprintf(out, "\n        registrations %" PRIu64 ", QEMU waits for %s\n",
		f->counter[FIGURES_REGISTRATIONS_MADE], waits_for(f));
	/* Whoever writes the page may be stopped. */
	if (now > f->updated && now - f->updated > UINT64_C(2000000000))
		fprintf(out, "        nothing has happened for %.1f s\n",
			(double)(now - f->updated) / 1e9);
}

static void put_attachable(FILE *out, const struct qemu *q)
{
	if (q->reason[0])
		fprintf(out, ", cannot be attached: %s\n", q->reason);
	else
		fprintf(out, ", can be attached\n");
}

static void put_qemu(FILE *out, const struct qemu *q, uint64_t now)
{
	const char *guest = q->process.guest;

	fprintf(out, "%ld%s%s: ", (long)q->process.pid, guest[0] ? " " : "", guest);
	if (q->library == QEMU_UNKNOWN) {
		fprintf(out, "cannot be looked at: %s\n", q->reason);
		return;
	}
	if (q->library == QEMU_WITHOUT) {
		fprintf(out, "no librdmachunk");
		put_attachable(out, q);
		return;
	}
	fprintf(out, "librdmachunk %s, %s", q->version[0] ? q->version : "(unknown version)",
		output_library(q));
	if (q->replaced)
		fprintf(out, ", its file has been replaced since");
	if (q->library == QEMU_DETACHED) {
		put_attachable(out, q);
	} else {
		put_settings(out, &q->config);
		fprintf(out, "\n");
	}
	for (size_t i = 0; i < q->migrations; i++)
		put_migration(out, &q->migration[i], now);
}

void output_text(FILE *out, const struct qemu *qemus, size_t count, uint64_t now)
{
	if (!count)
		fprintf(out, "no QEMU\n");
	for (size_t i = 0; i < count; i++)
		put_qemu(out, &qemus[i], now);
}
