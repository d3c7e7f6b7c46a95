# SPDX-License-Identifier: GPL-2.0-or-later

# Programs with the module linked into them, so that all of it is instrumented by --enable-sanitizers,
# --enable-coverage and ThreadSanitizer; run on the stand-ins of tests/fake. A program comes before
# all libraries in look-up order, as a preload does.
if HAVE_VERBS
if INSTRUMENTED
check_LIBRARIES += tests/engine/libmodule.a
check_PROGRAMS += tests/engine/client tests/engine/plain tests/engine/stress
else
# An eighth of all that is compiled, and nobody runs it here: only what is named is made.
EXTRA_LIBRARIES = tests/engine/libmodule.a
EXTRA_PROGRAMS = tests/engine/client tests/engine/plain tests/engine/stress
endif
endif

tests_engine_libmodule_a_SOURCES = $(module_sources)
tests_engine_libmodule_a_CFLAGS = $(module_cflags) $(TEST_CFLAGS)

engine_cflags = $(AM_CFLAGS) $(TEST_CFLAGS) $(VERBS_CFLAGS)
# All of it, for nobody calls its constructors; and visible to the libraries.
engine_ldflags = -no-install -rdynamic \
	-Wl,--whole-archive,tests/engine/libmodule.a,--no-whole-archive
engine_ldadd = $(VERBS_LIBS) $(DL_LIBS) $(PTHREAD_LIBS)
engine_dependencies = tests/engine/libmodule.a

tests_engine_client_SOURCES = $(client_sources)
tests_engine_client_CFLAGS = $(engine_cflags)
tests_engine_client_LDFLAGS = $(engine_ldflags)
tests_engine_client_LDADD = $(engine_ldadd)
tests_engine_client_DEPENDENCIES = $(engine_dependencies)

tests_engine_plain_SOURCES = tests/preload/plain.c
tests_engine_plain_CFLAGS = $(engine_cflags)
tests_engine_plain_LDFLAGS = $(engine_ldflags)
tests_engine_plain_LDADD = $(DL_LIBS) $(PTHREAD_LIBS)
tests_engine_plain_DEPENDENCIES = $(engine_dependencies)

tests_engine_stress_SOURCES = \
	tests/engine/fault.c \
	tests/engine/fault.h \
	tests/engine/guest.c \
	tests/engine/guest.h \
	tests/engine/qemu.c \
	tests/engine/qemu.h \
	tests/engine/stress.c \
	tests/model/message.h \
	tests/preload/peer.c \
	tests/preload/peer.h
tests_engine_stress_CFLAGS = $(engine_cflags)
tests_engine_stress_LDFLAGS = $(engine_ldflags) -Wl,--wrap=pthread_create -Wl,--wrap=malloc \
	-Wl,--wrap=calloc -Wl,--wrap=realloc
# It uses the stand-ins' own functions, too.
tests_engine_stress_LDADD = tests/fake/librdmacm.la tests/fake/libibverbs.la $(DL_LIBS) $(PTHREAD_LIBS)
tests_engine_stress_DEPENDENCIES = $(engine_dependencies) tests/fake/librdmacm.la \
	tests/fake/libibverbs.la

# Entered before ThreadSanitizer is ready, which maps memory itself.
src/hook/tests_engine_libmodule_a-memory.$(OBJEXT): tests_engine_libmodule_a_CFLAGS += -fno-sanitize=thread

dist_check_SCRIPTS += tests/engine/run-stress tests/engine/run-tests
