# SPDX-License-Identifier: GPL-2.0-or-later

if HAVE_VERBS
check_PROGRAMS += tests/bench/hooks
endif
tests_bench_hooks_SOURCES = tests/bench/hooks.c tests/preload/fake/fake.h \
	tests/preload/peer.c tests/preload/peer.h
tests_bench_hooks_CFLAGS = $(AM_CFLAGS) $(VERBS_CFLAGS)
tests_bench_hooks_LDADD = $(VERBS_LIBS) $(DL_LIBS)
