# SPDX-License-Identifier: GPL-2.0-or-later

# Real processes under a real LD_PRELOAD. The programs are linked to the
# installed libraries; most tests run them on stand-ins that need no device.
if HAVE_VERBS
check_LTLIBRARIES += \
	tests/preload/libcounter-unversioned.la \
	tests/preload/libcounter-versioned.la \
	tests/preload/libhang.la \
	tests/preload/liboldest.la \
	tests/preload/libslow.la \
	tests/preload/libstage.la
check_PROGRAMS += \
	tests/preload/attached \
	tests/preload/attached-now \
	tests/preload/client \
	tests/preload/early \
	tests/preload/plain
endif

tests_preload_libstage_la_SOURCES = tests/preload/stage.c tests/preload/stage.h
tests_preload_libstage_la_CFLAGS = $(AM_CFLAGS) $(VERBS_CFLAGS)
tests_preload_libstage_la_LDFLAGS = -avoid-version -shared -rpath /nowhere
tests_preload_libstage_la_LIBADD = $(VERBS_LIBS)

# Other preloads, which are in no program's list of libraries.
preload_other_ldflags = -module -avoid-version -shared -rpath /nowhere -no-undefined
tests_preload_libcounter_unversioned_la_SOURCES = tests/preload/counter.c
tests_preload_libcounter_unversioned_la_CFLAGS = $(AM_CFLAGS)
tests_preload_libcounter_unversioned_la_LDFLAGS = $(preload_other_ldflags)
tests_preload_libcounter_unversioned_la_LIBADD = $(DL_LIBS)
tests_preload_libcounter_versioned_la_SOURCES = tests/preload/counter.c
tests_preload_libcounter_versioned_la_CFLAGS = $(AM_CFLAGS)
tests_preload_libcounter_versioned_la_LDFLAGS = $(preload_other_ldflags) \
	-Wl,--version-script=$(srcdir)/tests/preload/counter.map
tests_preload_libcounter_versioned_la_LIBADD = $(DL_LIBS)
tests_preload_libcounter_versioned_la_DEPENDENCIES = tests/preload/counter.map
tests_preload_libhang_la_SOURCES = tests/preload/hang.c
tests_preload_libhang_la_CFLAGS = $(AM_CFLAGS)
tests_preload_libhang_la_LDFLAGS = $(preload_other_ldflags)
tests_preload_liboldest_la_SOURCES = tests/preload/oldest.c
tests_preload_liboldest_la_CFLAGS = $(AM_CFLAGS)
tests_preload_liboldest_la_LDFLAGS = $(preload_other_ldflags)
tests_preload_liboldest_la_LIBADD = $(DL_LIBS)

tests_preload_libslow_la_SOURCES = tests/preload/slow.c tests/preload/slow.h
tests_preload_libslow_la_CFLAGS = $(AM_CFLAGS)
tests_preload_libslow_la_LDFLAGS = $(preload_other_ldflags)

# tests/engine has the same program with the module in it.
client_sources = \
	tests/preload/ahead.c \
	tests/preload/ahead.h \
	tests/preload/ahead_block.h \
	tests/preload/ahead_destination.c \
	tests/preload/ahead_destination.h \
	tests/preload/client.c \
	tests/preload/discard.c \
	tests/preload/discard.h \
	tests/fake/fake.h \
	tests/model/message.h \
	tests/preload/migration.c \
	tests/preload/migration.h \
	tests/preload/peer.c \
	tests/preload/peer.h \
	tests/preload/quit.c \
	tests/preload/quit.h \
	tests/preload/wait.h
tests_preload_client_SOURCES = $(client_sources)
# Instrumented as the stand-ins are.
tests_preload_client_CFLAGS = $(AM_CFLAGS) $(TEST_CFLAGS) $(VERBS_CFLAGS)
tests_preload_client_LDADD = $(VERBS_LIBS) $(DL_LIBS) $(PTHREAD_LIBS)

# They have the module loaded while they run.
attached_sources = \
	tests/fake/fake.h \
	tests/model/message.h \
	tests/preload/ask.c \
	tests/preload/ask.h \
	tests/preload/migration.c \
	tests/preload/migration.h \
	tests/preload/peer.c \
	tests/preload/peer.h \
	tests/preload/wait.h
# Its functions are bound when they are first called.
tests_preload_attached_SOURCES = $(attached_sources) tests/preload/attached.c tests/preload/slow.h
tests_preload_attached_CFLAGS = $(AM_CFLAGS) $(TEST_CFLAGS) $(VERBS_CFLAGS)
tests_preload_attached_LDFLAGS = -Wl,-z,lazy
tests_preload_attached_LDADD = $(VERBS_LIBS) $(DL_LIBS) $(PTHREAD_LIBS)
# When it starts, as QEMU's.
tests_preload_attached_now_SOURCES = $(attached_sources) tests/preload/attached_now.c
tests_preload_attached_now_CFLAGS = $(tests_preload_attached_CFLAGS)
tests_preload_attached_now_LDFLAGS = -Wl,-z,relro -Wl,-z,now
tests_preload_attached_now_LDADD = $(tests_preload_attached_LDADD)

tests_preload_early_SOURCES = tests/preload/early.c tests/preload/stage.h
# A program of its own, not libtool's script around it.
tests_preload_early_LDFLAGS = -no-install
tests_preload_early_LDADD = tests/preload/libstage.la

tests_preload_plain_SOURCES = tests/preload/plain.c
tests_preload_plain_CFLAGS = $(AM_CFLAGS) $(TEST_CFLAGS) $(VERBS_CFLAGS)
tests_preload_plain_LDADD = $(DL_LIBS) $(PTHREAD_LIBS)

dist_check_SCRIPTS += tests/preload/run-tests
TESTS += tests/preload/run-tests
EXTRA_DIST += \
	tests/preload/counter.map \
	tests/preload/cases/ahead.sh \
	tests/preload/cases/attach.sh \
	tests/preload/cases/config.sh \
	tests/preload/cases/discard.sh \
	tests/preload/cases/files.sh \
	tests/preload/cases/interpose.sh \
	tests/preload/cases/lifetime.sh \
	tests/preload/cases/log.sh \
	tests/preload/cases/module.sh \
	tests/preload/cases/passthrough.sh \
	tests/preload/cases/plain.sh \
	tests/preload/cases/race.sh \
	tests/preload/cases/reach.sh \
	tests/preload/cases/session.sh \
	tests/preload/cases/switch.sh
