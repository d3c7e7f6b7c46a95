/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_STATUS_OUTPUT_H
#define RDMACHUNK_STATUS_OUTPUT_H

#include <stdio.h>

#include "qemu.h"

/* The ways to print what qemu_list() has found. `now` is CLOCK_MONOTONIC's, in ns. */

/* For people. */
void output_text(FILE *out, const struct qemu *qemus, size_t count, uint64_t now);

/* One line of JSON, an array. */
void output_json(FILE *out, const struct qemu *qemus, size_t count, uint64_t now);

/* The text format of Prometheus. */
void output_prometheus(FILE *out, const struct qemu *qemus, size_t count, uint64_t now);

/* "preloaded", "attached", "detached", "loaded", "none", "unknown". */
const char *output_library(const struct qemu *q);

/* How long the migration has taken so far. */
double output_seconds(const struct figures *f, uint64_t now);

/* Bytes that QEMU has written per second, on average. */
double output_rate(const struct figures *f);

#endif
