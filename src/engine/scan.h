/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_SCAN_H
#define RDMACHUNK_ENGINE_SCAN_H

#include "core/data_run.h"

/* The memory of this process: what of it has data. */
extern const struct guest_memory scan_memory;

#endif
