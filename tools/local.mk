# SPDX-License-Identifier: GPL-2.0-or-later
include tools/ab/local.mk
include tools/launcher/local.mk
