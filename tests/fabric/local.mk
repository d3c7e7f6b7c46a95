# SPDX-License-Identifier: GPL-2.0-or-later
#
# A simulation of libibverbs and librdmacm for tests; never installed. -rpath only makes libtool
# build shared objects: they are used from $(builddir)/tests/fabric/.libs by LD_LIBRARY_PATH.
if HAVE_VERBS
check_LTLIBRARIES += tests/fabric/libibverbs.la tests/fabric/librdmacm.la tests/fabric/libgreedy.la
check_PROGRAMS += tests/fabric/conformance tests/fabric/knobs
endif

fabric_cppflags = -D_GNU_SOURCE -I$(top_srcdir)/tests/fabric
fabric_ldflags = -rpath /nonexistent -version-info 1:0:0 -Wl,-z,defs

tests_fabric_libibverbs_la_SOURCES = \
	tests/fabric/aliases.c \
	tests/fabric/aliases.h \
	tests/fabric/clock.c \
	tests/fabric/clock.h \
	tests/fabric/completion.c \
	tests/fabric/completion.h \
	tests/fabric/device.c \
	tests/fabric/device.h \
	tests/fabric/discard.c \
	tests/fabric/discard.h \
	tests/fabric/event_queue.c \
	tests/fabric/event_queue.h \
	tests/fabric/fault.c \
	tests/fabric/fault.h \
	tests/fabric/frames.c \
	tests/fabric/frames.h \
	tests/fabric/hooks.c \
	tests/fabric/mappings.c \
	tests/fabric/mappings.h \
	tests/fabric/memory.c \
	tests/fabric/memory.h \
	tests/fabric/nic.c \
	tests/fabric/nic.h \
	tests/fabric/pins.c \
	tests/fabric/pins.h \
	tests/fabric/queue_pair.c \
	tests/fabric/queue_pair.h \
	tests/fabric/raw.h \
	tests/fabric/report.c \
	tests/fabric/report.h \
	tests/fabric/responder.c \
	tests/fabric/settings.c \
	tests/fabric/settings.h \
	tests/fabric/unsupported.c \
	tests/fabric/wire.c \
	tests/fabric/wire.h
tests_fabric_libibverbs_la_CPPFLAGS = $(fabric_cppflags)
tests_fabric_libibverbs_la_LDFLAGS = $(fabric_ldflags) \
	-Wl,--version-script=$(top_srcdir)/tests/fabric/libibverbs.map
tests_fabric_libibverbs_la_LIBADD = $(PTHREAD_LIBS)
tests_fabric_libibverbs_la_DEPENDENCIES = tests/fabric/libibverbs.map

tests_fabric_librdmacm_la_SOURCES = \
	tests/fabric/cm_address.c \
	tests/fabric/cm_event.c \
	tests/fabric/cm_id.c \
	tests/fabric/cm_internal.h \
	tests/fabric/cm_thread.c \
	tests/fabric/cm_unsupported.c
tests_fabric_librdmacm_la_CPPFLAGS = $(fabric_cppflags)
tests_fabric_librdmacm_la_LDFLAGS = $(fabric_ldflags) \
	-Wl,--version-script=$(top_srcdir)/tests/fabric/librdmacm.map
tests_fabric_librdmacm_la_LIBADD = tests/fabric/libibverbs.la $(PTHREAD_LIBS)
tests_fabric_librdmacm_la_DEPENDENCIES = tests/fabric/librdmacm.map tests/fabric/libibverbs.la

tests_fabric_libgreedy_la_SOURCES = tests/fabric/greedy.c
tests_fabric_libgreedy_la_CPPFLAGS = $(fabric_cppflags)
# The compiler must not take a calloc made of malloc for calloc itself.
tests_fabric_libgreedy_la_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_fabric_libgreedy_la_LDFLAGS = -module -avoid-version -rpath /nonexistent -Wl,-z,defs
tests_fabric_libgreedy_la_LIBADD = $(PTHREAD_LIBS)

# Linked to the system's libraries: what they run on is chosen when they are run.
fabric_case_sources = \
	tests/fabric/conf.h \
	tests/fabric/conf_run.c \
	tests/fabric/conf_side.c
tests_fabric_conformance_SOURCES = $(fabric_case_sources) \
	tests/fabric/conf_cm.c \
	tests/fabric/conf_data.c \
	tests/fabric/conf_error.c \
	tests/fabric/conf_event.c \
	tests/fabric/conf_object.c \
	tests/fabric/conf_pin.c \
	tests/fabric/conformance.c
tests_fabric_conformance_CPPFLAGS = $(fabric_cppflags)
tests_fabric_conformance_CFLAGS = $(AM_CFLAGS) $(VERBS_CFLAGS)
tests_fabric_conformance_LDADD = $(VERBS_LIBS) $(PTHREAD_LIBS)

tests_fabric_knobs_SOURCES = $(fabric_case_sources) \
	tests/fabric/knobs.c \
	tests/fabric/knobs.h \
	tests/fabric/knobs_fault.c
tests_fabric_knobs_CPPFLAGS = $(fabric_cppflags)
tests_fabric_knobs_CFLAGS = $(AM_CFLAGS) $(VERBS_CFLAGS)
tests_fabric_knobs_LDADD = $(VERBS_LIBS) $(PTHREAD_LIBS)

EXTRA_DIST += \
	tests/fabric/README.md \
	tests/fabric/libibverbs.map \
	tests/fabric/librdmacm.map \
	tests/fabric/test-fabric.sh
