/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_ENGINE_REPORT_H
#define RDMACHUNK_ENGINE_REPORT_H

#include "engine/session.h"

/* At the end of a session that was a migration connection: its statistics as
 * one line of JSON where RDMACHUNK_STATS says. Lock held. */
void report_session(const struct session *s);

#endif
