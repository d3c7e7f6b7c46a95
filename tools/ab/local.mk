# SPDX-License-Identifier: GPL-2.0-or-later

# All but main(), for the tests as well: tests/e2e/migrate starts its QEMUs with it.
if HAVE_JSONC
noinst_LIBRARIES += tools/ab/libab.a
bin_PROGRAMS += tools/ab/rdmachunk-ab
endif
tools_ab_libab_a_SOURCES = \
	tools/ab/address.c \
	tools/ab/address.h \
	tools/ab/chart.c \
	tools/ab/chart.h \
	tools/ab/cleanup.c \
	tools/ab/cleanup.h \
	tools/ab/command_line.c \
	tools/ab/command_line.h \
	tools/ab/counts.c \
	tools/ab/counts.h \
	tools/ab/csv.c \
	tools/ab/csv.h \
	tools/ab/failure.c \
	tools/ab/failure.h \
	tools/ab/firmware.c \
	tools/ab/firmware.h \
	tools/ab/json.c \
	tools/ab/json.h \
	tools/ab/link.c \
	tools/ab/link.h \
	tools/ab/markdown.c \
	tools/ab/markdown.h \
	tools/ab/member.c \
	tools/ab/member.h \
	tools/ab/migration.c \
	tools/ab/migration.h \
	tools/ab/options.c \
	tools/ab/options.h \
	tools/ab/output.c \
	tools/ab/output.h \
	tools/ab/pattern.c \
	tools/ab/pattern.h \
	tools/ab/progress.c \
	tools/ab/progress.h \
	tools/ab/qmp.c \
	tools/ab/qmp.h \
	tools/ab/remote.c \
	tools/ab/remote.h \
	tools/ab/results.c \
	tools/ab/results.h \
	tools/ab/round.c \
	tools/ab/round.h \
	tools/ab/schedule.c \
	tools/ab/schedule.h \
	tools/ab/stats.c \
	tools/ab/stats.h \
	tools/ab/summary.c \
	tools/ab/summary.h \
	tools/ab/table.c \
	tools/ab/table.h \
	tools/ab/variant.c \
	tools/ab/variant.h \
	tools/ab/vmargs.c \
	tools/ab/vmargs.h \
	tools/ab/vmproc.c \
	tools/ab/vmproc.h \
	tools/ab/vmroot.c \
	tools/ab/vmroot.h \
	tools/ab/wait.c \
	tools/ab/wait.h \
	tools/ab/writer.c \
	tools/ab/writer.h \
	tools/launcher/elf_file.c \
	tools/launcher/elf_file.h \
	tools/launcher/library.c \
	tools/launcher/library.h \
	src/util/config.c \
	src/util/config.h \
	src/util/printable.c \
	src/util/printable.h
tools_ab_libab_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools -DLIBRDMACHUNK_PATH='"$(libdir)/librdmachunk.so"' \
	-DCOUNT_LIBRARY_PATH='"$(pkglibdir)/librdmachunk-count.so"'
tools_ab_libab_a_CFLAGS = $(AM_CFLAGS) $(JSONC_CFLAGS)

tools_ab_rdmachunk_ab_SOURCES = tools/ab/main.c
tools_ab_rdmachunk_ab_CFLAGS = $(AM_CFLAGS) $(JSONC_CFLAGS)
tools_ab_rdmachunk_ab_LDADD = tools/ab/libab.a $(JSONC_LIBS) $(DL_LIBS) -lm
