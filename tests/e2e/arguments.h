/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMUs with more arguments than their configuration has. */
#ifndef TESTS_E2E_ARGUMENTS_H
#define TESTS_E2E_ARGUMENTS_H

#include "ab/vmproc.h"

/* @config and @more; NULL ends the list. Strings are not owned. */
struct vm_config vm_config_with(const struct vm_config *config, const char *const *more);

#endif
