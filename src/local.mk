# SPDX-License-Identifier: GPL-2.0-or-later

# Everything without verbs, shared by the module and the unit tests.
core_sources = \
	src/core/actions.c \
	src/core/completion_queue.c src/core/completion_queue.h \
	src/core/conn.c src/core/conn_setup.c src/core/conn.h src/core/conn_private.h src/core/conn_types.h \
	src/core/data_run.c src/core/data_run.h \
	src/core/delivery.c src/core/delivery.h \
	src/core/destination.c src/core/destination.h \
	src/core/discard_map.c src/core/discard_map.h \
	src/core/extent_map.c src/core/extent_map.h \
	src/core/mrs.c src/core/mrs.h \
	src/core/order.c src/core/order.h \
	src/core/own_request.c src/core/own_request.h \
	src/core/piece.c src/core/piece.h \
	src/core/plan.c \
	src/core/post_cost.c src/core/post_cost.h \
	src/core/posting.c src/core/posting.h \
	src/core/prefetch.c src/core/prefetch.h \
	src/core/progress.c src/core/progress.h \
	src/core/ram_blocks.c src/core/ram_blocks.h \
	src/core/rate.c src/core/rate.h \
	src/core/recv_queue.c src/core/recv_queue.h \
	src/core/registration.c src/core/registration.h \
	src/core/send_queue.c src/core/send_queue.h \
	src/core/source.c src/core/source.h \
	src/core/verbs_values.h \
	src/core/widen.c src/core/widen.h \
	src/core/wire.c src/core/wire.h \
	src/core/write_queue.c src/core/write_queue.h \
	src/core/zero_queue.c src/core/zero_queue.h

util_sources = \
	src/util/attach_abi.h \
	src/util/condition.c src/util/condition.h \
	src/util/config.c src/util/config.h \
	src/util/error_text.c src/util/error_text.h \
	src/util/figures.c src/util/figures.h \
	src/util/guest_name.c src/util/guest_name.h \
	src/util/log.c src/util/log.h \
	src/util/monotonic.h \
	src/util/output_file.c src/util/output_file.h \
	src/util/pool.c src/util/pool.h \
	src/util/printable.c src/util/printable.h \
	src/util/probes.h \
	src/util/processors.c src/util/processors.h \
	src/util/sink.c src/util/sink.h \
	src/util/spawn.c src/util/spawn.h \
	src/util/switch_file.c src/util/switch_file.h

# All of the module: tests/engine links it into programs.
module_sources = $(core_sources) $(util_sources) \
	src/engine/about.c src/engine/about.h \
	src/engine/connection.c src/engine/connection.h \
	src/engine/datapath.c src/engine/datapath.h \
	src/engine/discard.c src/engine/discard.h \
	src/engine/driver.c src/engine/driver.h \
	src/engine/handle.c src/engine/handle.h \
	src/engine/limits.c src/engine/limits.h \
	src/engine/live.c src/engine/live.h \
	src/engine/lookup.c src/engine/lookup.h \
	src/engine/mapping.c src/engine/mapping.h \
	src/engine/messages.c src/engine/messages.h \
	src/engine/mr.c src/engine/mr.h \
	src/engine/observed.c src/engine/observed.h \
	src/engine/report.c src/engine/report.h \
	src/engine/scan.c src/engine/scan.h \
	src/engine/session.c src/engine/session.h \
	src/engine/sessions.c src/engine/sessions.h \
	src/engine/verbs.c src/engine/verbs.h \
	src/engine/worker.c src/engine/worker.h \
	src/hook/attach.c src/hook/attach.h \
	src/hook/exports.c \
	src/hook/got.c src/hook/got.h \
	src/hook/memory.c src/hook/memory.h \
	src/hook/ops.c src/hook/ops.h \
	src/hook/symbols.c src/hook/symbols.h
module_cflags = $(AM_CFLAGS) -fvisibility=hidden -ftls-model=initial-exec $(PTHREAD_CFLAGS)

lib_LTLIBRARIES += librdmachunk.la
librdmachunk_la_SOURCES = $(module_sources) src/hook/version.c src/util/version.h
librdmachunk_la_CFLAGS = $(module_cflags) $(LTO_CFLAGS)
librdmachunk_la_LDFLAGS = -module -avoid-version -shared -no-undefined -Wl,-z,defs -Wl,-z,now \
	-Wl,-z,nodelete \
	-Wl,--version-script=$(top_srcdir)/src/hook/exports.map
librdmachunk_la_LIBADD = $(DL_LIBS) $(PTHREAD_LIBS)
librdmachunk_la_DEPENDENCIES = src/hook/exports.map
EXTRA_DIST += src/hook/exports.map

# By it the launcher tells the library that was built with it from any other.
BUILT_SOURCES += src/util/build-id.h
CLEANFILES += src/util/build-id.h
src/util/build-id.h: $(module_sources) src/hook/exports.map src/hook/version.c
	$(AM_V_GEN)$(MKDIR_P) src/util && \
	sum=`cd $(srcdir) && cat $(module_sources) src/hook/exports.map src/hook/version.c | cksum` && \
	printf '#define BUILD_ID "%08x"\n' $${sum%% *} >$@
# Whoever makes a single target does not make BUILT_SOURCES.
$(librdmachunk_la_OBJECTS) $(tests_engine_libmodule_a_OBJECTS) $(tools_launcher_rdmachunk_OBJECTS): | src/util/build-id.h

# A preload is named by its file; libtool's description of it serves nobody.
install-exec-hook:
	rm -f $(DESTDIR)$(libdir)/librdmachunk.la $(DESTDIR)$(pkglibdir)/librdmachunk-count.la
	@$(SHELL) $(top_srcdir)/src/register-library "$(LDCONFIG)" "$(DESTDIR)" "$(libdir)"
uninstall-local:
	rm -f $(DESTDIR)$(libdir)/librdmachunk.so $(DESTDIR)$(pkglibdir)/librdmachunk-count.so
uninstall-hook:
	@$(SHELL) $(top_srcdir)/src/register-library --remove "$(LDCONFIG)" "$(DESTDIR)" "$(libdir)"
EXTRA_DIST += src/register-library
