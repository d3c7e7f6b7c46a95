# SPDX-License-Identifier: GPL-2.0-or-later

# A preload of its own, for behind the shim. It is installed for rdmachunk-ab.
pkglib_LTLIBRARIES += tests/e2e/librdmachunk-count.la
tests_e2e_librdmachunk_count_la_SOURCES = \
	tests/e2e/count.c \
	tests/e2e/count.h \
	tests/e2e/count-fail.c \
	tests/e2e/count-fail.h \
	tests/e2e/count-hooks.c \
	tests/e2e/count-thread.c
tests_e2e_librdmachunk_count_la_CFLAGS = $(AM_CFLAGS) $(VERBS_CFLAGS)
tests_e2e_librdmachunk_count_la_LDFLAGS = -module -avoid-version -shared \
	-Wl,--version-script=$(srcdir)/tests/e2e/count.map
tests_e2e_librdmachunk_count_la_LIBADD = $(DL_LIBS) $(PTHREAD_LIBS)
tests_e2e_librdmachunk_count_la_DEPENDENCIES = tests/e2e/count.map

if HAVE_JSONC
check_PROGRAMS += tests/e2e/migrate
endif
tests_e2e_migrate_SOURCES = \
	tests/e2e/arguments.c \
	tests/e2e/arguments.h \
	tests/e2e/attach.c \
	tests/e2e/attach.h \
	tests/e2e/balloon.c \
	tests/e2e/balloon.h \
	tests/e2e/discard.c \
	tests/e2e/discard.h \
	tests/e2e/discard_run.c \
	tests/e2e/discard_run.h \
	tests/e2e/expect.c \
	tests/e2e/expect.h \
	tests/e2e/latency.c \
	tests/e2e/latency.h \
	tests/e2e/liverom.c \
	tests/e2e/liverom.h \
	tests/e2e/migrate.c \
	tests/e2e/qtest.c \
	tests/e2e/qtest.h \
	tests/e2e/report.c \
	tests/e2e/report.h \
	tests/e2e/scenario.c \
	tests/e2e/scenario.h \
	tests/e2e/sparse.c \
	tests/e2e/sparse.h \
	tests/e2e/switchover.c \
	tests/e2e/switchover.h \
	tests/e2e/teardown.c \
	tests/e2e/teardown.h
# How QEMUs are started and talked to is rdmachunk-ab's: one implementation, not two.
tests_e2e_migrate_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_e2e_migrate_CFLAGS = $(AM_CFLAGS) $(JSONC_CFLAGS)
tests_e2e_migrate_LDADD = tools/ab/libab.a $(JSONC_LIBS) $(DL_LIBS) $(PTHREAD_LIBS) -lm

EXTRA_DIST += \
	tests/e2e/count.map \
	tests/e2e/run-discards \
	tests/e2e/limited-qemu \
	tests/e2e/run-blackout \
	tests/e2e/run-faults \
	tests/e2e/run-latency \
	tests/e2e/run-matrix \
	tests/e2e/run-nproc \
	tests/e2e/run-teardown \
	tests/e2e/run-unlimited \
	tests/e2e/run-versions
