# SPDX-License-Identifier: GPL-2.0-or-later

# All but main(), for the tests as well: tests/e2e/migrate starts its QEMUs with it.
if HAVE_JSONC
noinst_LIBRARIES += tools/ab/libab.a
endif
tools_ab_libab_a_SOURCES = \
	tools/ab/failure.c \
	tools/ab/failure.h \
	tools/ab/migration.c \
	tools/ab/migration.h \
	tools/ab/pattern.c \
	tools/ab/pattern.h \
	tools/ab/qmp.c \
	tools/ab/qmp.h \
	tools/ab/remote.c \
	tools/ab/remote.h \
	tools/ab/vmargs.c \
	tools/ab/vmargs.h \
	tools/ab/vmproc.c \
	tools/ab/vmproc.h \
	tools/ab/vmroot.c \
	tools/ab/vmroot.h \
	tools/ab/wait.c \
	tools/ab/wait.h
tools_ab_libab_a_CFLAGS = $(AM_CFLAGS) $(JSONC_CFLAGS)
