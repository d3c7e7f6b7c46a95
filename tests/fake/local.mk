# SPDX-License-Identifier: GPL-2.0-or-later

# Stand-ins for libibverbs and librdmacm, for programs that need no device: tests/preload and
# tests/engine.
if HAVE_VERBS
check_LTLIBRARIES += tests/fake/libibverbs.la tests/fake/librdmacm.la
endif

# -version-info 1: the names become libibverbs.so.1 and librdmacm.so.1.
fake_ldflags = -shared -rpath /nowhere -version-info 1:0:0 -no-undefined -Wl,-z,lazy
tests_fake_libibverbs_la_SOURCES = \
	tests/fake/fake.h \
	tests/fake/memory.c \
	tests/fake/objects.h \
	tests/fake/old.c \
	tests/fake/record.c \
	tests/fake/register.c \
	tests/fake/verbs.c \
	tests/fake/wire.c
tests_fake_libibverbs_la_CFLAGS = $(AM_CFLAGS) $(TEST_CFLAGS) -fno-lto
tests_fake_libibverbs_la_LDFLAGS = $(fake_ldflags) \
	-Wl,--version-script=$(srcdir)/tests/fake/libibverbs.map
tests_fake_libibverbs_la_LIBADD = $(PTHREAD_LIBS)
tests_fake_libibverbs_la_DEPENDENCIES = tests/fake/libibverbs.map
tests_fake_librdmacm_la_SOURCES = tests/fake/cm.c tests/fake/fake.h
tests_fake_librdmacm_la_CFLAGS = $(AM_CFLAGS) $(TEST_CFLAGS) -fno-lto
tests_fake_librdmacm_la_LDFLAGS = $(fake_ldflags) \
	-Wl,--version-script=$(srcdir)/tests/fake/librdmacm.map
tests_fake_librdmacm_la_LIBADD = tests/fake/libibverbs.la
tests_fake_librdmacm_la_DEPENDENCIES = tests/fake/librdmacm.map \
	tests/fake/libibverbs.la

EXTRA_DIST += tests/fake/libibverbs.map tests/fake/librdmacm.map
