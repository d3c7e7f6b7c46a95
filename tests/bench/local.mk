# SPDX-License-Identifier: GPL-2.0-or-later

if HAVE_VERBS
check_PROGRAMS += tests/bench/hooks tests/bench/scale
check_LTLIBRARIES += tests/bench/calls.la
endif
tests_bench_hooks_SOURCES = \
	tests/bench/bench.h \
	tests/bench/connection.c \
	tests/bench/datapath.c \
	tests/bench/hooks.c \
	tests/bench/memory.c \
	tests/fake/fake.h \
	tests/model/message.h \
	tests/preload/migration.c \
	tests/preload/migration.h \
	tests/preload/peer.c \
	tests/preload/peer.h
tests_bench_hooks_CFLAGS = $(AM_CFLAGS) $(VERBS_CFLAGS)
tests_bench_hooks_LDADD = $(VERBS_LIBS) $(DL_LIBS)

tests_bench_calls_la_SOURCES = tests/bench/calls.c
tests_bench_calls_la_CFLAGS = $(AM_CFLAGS) -fno-lto
tests_bench_calls_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
tests_bench_calls_la_LIBADD = $(DL_LIBS) $(PTHREAD_LIBS)

EXTRA_DIST += tests/bench/run-hooks

tests_bench_scale_SOURCES = tests/bench/scale.c $(core_sources) $(util_sources) \
	tests/model/message.h tests/model/random.h
tests_bench_scale_CFLAGS = $(AM_CFLAGS) -I$(srcdir)/tests/model $(VERBS_CFLAGS) $(PTHREAD_CFLAGS)
tests_bench_scale_LDADD = $(PTHREAD_LIBS)
