# SPDX-License-Identifier: GPL-2.0-or-later

# Real processes under a real LD_PRELOAD. The programs are linked to the
# installed libraries; most tests run them on stand-ins that need no device.
if HAVE_VERBS
check_LTLIBRARIES += \
	tests/preload/fake/libibverbs.la \
	tests/preload/fake/librdmacm.la \
	tests/preload/libcounter-unversioned.la \
	tests/preload/libcounter-versioned.la \
	tests/preload/libhang.la \
	tests/preload/liboldest.la \
	tests/preload/libstage.la
check_PROGRAMS += \
	tests/preload/client \
	tests/preload/early \
	tests/preload/plain
endif

# -version-info 1: the names become libibverbs.so.1 and librdmacm.so.1.
preload_fake_ldflags = -shared -rpath /nowhere -version-info 1:0:0 -no-undefined -Wl,-z,lazy
tests_preload_fake_libibverbs_la_SOURCES = \
	tests/preload/fake/fake.h \
	tests/preload/fake/memory.c \
	tests/preload/fake/old.c \
	tests/preload/fake/record.c \
	tests/preload/fake/register.c \
	tests/preload/fake/verbs.c
tests_preload_fake_libibverbs_la_CFLAGS = $(AM_CFLAGS) -fno-lto
tests_preload_fake_libibverbs_la_LDFLAGS = $(preload_fake_ldflags) \
	-Wl,--version-script=$(srcdir)/tests/preload/fake/libibverbs.map
tests_preload_fake_libibverbs_la_LIBADD = $(PTHREAD_LIBS)
tests_preload_fake_libibverbs_la_DEPENDENCIES = tests/preload/fake/libibverbs.map
tests_preload_fake_librdmacm_la_SOURCES = tests/preload/fake/cm.c tests/preload/fake/fake.h
tests_preload_fake_librdmacm_la_CFLAGS = $(AM_CFLAGS) -fno-lto
tests_preload_fake_librdmacm_la_LDFLAGS = $(preload_fake_ldflags) \
	-Wl,--version-script=$(srcdir)/tests/preload/fake/librdmacm.map
tests_preload_fake_librdmacm_la_LIBADD = tests/preload/fake/libibverbs.la
tests_preload_fake_librdmacm_la_DEPENDENCIES = tests/preload/fake/librdmacm.map \
	tests/preload/fake/libibverbs.la

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

tests_preload_client_SOURCES = \
	tests/preload/ahead.c \
	tests/preload/ahead.h \
	tests/preload/client.c \
	tests/preload/discard.c \
	tests/preload/discard.h \
	tests/preload/fake/fake.h \
	tests/preload/migration.c \
	tests/preload/migration.h \
	tests/preload/peer.c \
	tests/preload/peer.h \
	tests/preload/quit.c \
	tests/preload/quit.h
tests_preload_client_CFLAGS = $(AM_CFLAGS) $(VERBS_CFLAGS)
tests_preload_client_LDADD = $(VERBS_LIBS) $(DL_LIBS) $(PTHREAD_LIBS)

tests_preload_early_SOURCES = tests/preload/early.c tests/preload/stage.h
# A program of its own, not libtool's script around it.
tests_preload_early_LDFLAGS = -no-install
tests_preload_early_LDADD = tests/preload/libstage.la

tests_preload_plain_SOURCES = tests/preload/plain.c
tests_preload_plain_CFLAGS = $(AM_CFLAGS) $(VERBS_CFLAGS)
tests_preload_plain_LDADD = $(DL_LIBS) $(PTHREAD_LIBS)

dist_check_SCRIPTS += tests/preload/run-tests
TESTS += tests/preload/run-tests
EXTRA_DIST += \
	tests/preload/counter.map \
	tests/preload/fake/libibverbs.map \
	tests/preload/fake/librdmacm.map \
	tests/preload/cases/ahead.sh \
	tests/preload/cases/config.sh \
	tests/preload/cases/discard.sh \
	tests/preload/cases/files.sh \
	tests/preload/cases/interpose.sh \
	tests/preload/cases/lifetime.sh \
	tests/preload/cases/module.sh \
	tests/preload/cases/passthrough.sh \
	tests/preload/cases/plain.sh \
	tests/preload/cases/race.sh \
	tests/preload/cases/reach.sh \
	tests/preload/cases/session.sh
