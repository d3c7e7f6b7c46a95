# SPDX-License-Identifier: GPL-2.0-or-later

# Fuzz targets. Each is a plain program that runs its corpus, tests/fuzz/corpus/NAME, or, with
# --enable-fuzzers, one of libFuzzer's that "./run fuzz" drives.
fuzz_programs = \
	tests/fuzz/config \
	tests/fuzz/conn \
	tests/fuzz/elf \
	tests/fuzz/extent_map \
	tests/fuzz/proc \
	tests/fuzz/wire
if HAVE_JSONC
fuzz_programs += \
	tests/fuzz/counts \
	tests/fuzz/qmp \
	tests/fuzz/remote \
	tests/fuzz/results
endif

if ENABLE_FUZZERS
fuzz_main = tests/fuzz/fuzz.h
fuzz_ldflags = -fsanitize=fuzzer
EXTRA_DIST += tests/fuzz/run.c
else
fuzz_main = tests/fuzz/fuzz.h tests/fuzz/run.c
fuzz_ldflags =
TESTS += $(fuzz_programs)
endif
check_PROGRAMS += $(fuzz_programs)
EXTRA_DIST += tests/fuzz/corpus

fuzz_cflags = $(AM_CFLAGS) $(TEST_CFLAGS)
fuzz_tools_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/tools

# What several of them take from rdmachunk-ab, compiled once.
if HAVE_JSONC
check_LIBRARIES += tests/fuzz/libab.a
endif
tests_fuzz_libab_a_SOURCES = \
	tools/ab/chart.c tools/ab/chart.h \
	tools/ab/counts.c tools/ab/counts.h \
	tools/ab/csv.c tools/ab/csv.h \
	tools/ab/failure.c tools/ab/failure.h \
	tools/ab/json.c tools/ab/json.h \
	tools/ab/markdown.c tools/ab/markdown.h \
	tools/ab/member.c tools/ab/member.h \
	tools/ab/migration.c tools/ab/migration.h \
	tools/ab/qmp.c tools/ab/qmp.h \
	tools/ab/remote.c tools/ab/remote.h \
	tools/ab/results.c tools/ab/results.h \
	tools/ab/stats.c tools/ab/stats.h \
	tools/ab/summary.c tools/ab/summary.h \
	tools/ab/table.c tools/ab/table.h \
	tools/ab/vmargs.c tools/ab/vmargs.h \
	tools/ab/wait.c tools/ab/wait.h
tests_fuzz_libab_a_CPPFLAGS = $(fuzz_tools_cppflags)
tests_fuzz_libab_a_CFLAGS = $(fuzz_cflags) $(JSONC_CFLAGS)
fuzz_ab_ldadd = tests/fuzz/libab.a $(JSONC_LIBS) -lm

tests_fuzz_config_SOURCES = tests/fuzz/config.c $(fuzz_main) src/util/config.c src/util/config.h \
	src/util/printable.c src/util/printable.h
tests_fuzz_config_CFLAGS = $(fuzz_cflags)
tests_fuzz_config_LDFLAGS = $(fuzz_ldflags)

# With queues so short that they get full, room for more RECVs than QEMU posts, and messages as
# long as QEMU's may be.
tests_fuzz_conn_SOURCES = tests/fuzz/conn.c $(fuzz_main) $(core_sources) $(model_sources) \
	tests/model/still.c \
	tests/fuzz/conn_caller.c tests/fuzz/conn_caller.h
tests_fuzz_conn_CFLAGS = $(fuzz_cflags) -I$(srcdir)/tests/model -DORDER_WINDOW_WRITES=24 \
	-DORDER_BATCH=8 -DORDER_SEND_QUEUE=24 -DORDER_UNSIGNALED=5 -DNIC_RECVS=32 \
	-DMESSAGE_ROOM=WIRE_MESSAGE_MAX
tests_fuzz_conn_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_counts_SOURCES = tests/fuzz/counts.c tests/fuzz/memfile.h $(fuzz_main)
tests_fuzz_counts_CPPFLAGS = $(fuzz_tools_cppflags)
tests_fuzz_counts_CFLAGS = $(fuzz_cflags) $(JSONC_CFLAGS)
tests_fuzz_counts_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_counts_LDADD = $(fuzz_ab_ldadd)

tests_fuzz_elf_SOURCES = tests/fuzz/elf.c $(fuzz_main) \
	tools/launcher/elf_file.c tools/launcher/elf_file.h
tests_fuzz_elf_CPPFLAGS = $(fuzz_tools_cppflags)
tests_fuzz_elf_CFLAGS = $(fuzz_cflags)
tests_fuzz_elf_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_extent_map_SOURCES = tests/fuzz/extent_map.c $(fuzz_main) \
	src/core/extent_map.c src/core/extent_map.h \
	tests/model/extents.c tests/model/extents.h
# Many leaves, with extents that are few.
tests_fuzz_extent_map_CFLAGS = $(fuzz_cflags) -I$(srcdir)/tests/model -DEXTENT_MAP_LEAF=3
tests_fuzz_extent_map_LDFLAGS = $(fuzz_ldflags) -Wl,--wrap=malloc

tests_fuzz_proc_SOURCES = tests/fuzz/proc.c tests/fuzz/memfile.h $(fuzz_main) \
	src/engine/mapping.c src/engine/mapping.h \
	tools/launcher/proc.c tools/launcher/proc.h
tests_fuzz_proc_CPPFLAGS = $(fuzz_tools_cppflags)
tests_fuzz_proc_CFLAGS = $(fuzz_cflags)
tests_fuzz_proc_LDFLAGS = $(fuzz_ldflags) -Wl,--wrap=fopen

tests_fuzz_qmp_SOURCES = tests/fuzz/qmp.c $(fuzz_main)
tests_fuzz_qmp_CPPFLAGS = $(fuzz_tools_cppflags)
tests_fuzz_qmp_CFLAGS = $(fuzz_cflags) $(JSONC_CFLAGS)
tests_fuzz_qmp_LDFLAGS = $(fuzz_ldflags) -Wl,--wrap=recv -Wl,--wrap=send
tests_fuzz_qmp_LDADD = $(fuzz_ab_ldadd)

tests_fuzz_remote_SOURCES = tests/fuzz/remote.c tests/fuzz/memfile.h $(fuzz_main)
tests_fuzz_remote_CPPFLAGS = $(fuzz_tools_cppflags)
tests_fuzz_remote_CFLAGS = $(fuzz_cflags) $(JSONC_CFLAGS)
tests_fuzz_remote_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_remote_LDADD = $(fuzz_ab_ldadd)

tests_fuzz_results_SOURCES = tests/fuzz/results.c tests/fuzz/memfile.h $(fuzz_main)
tests_fuzz_results_CPPFLAGS = $(fuzz_tools_cppflags)
tests_fuzz_results_CFLAGS = $(fuzz_cflags) $(JSONC_CFLAGS)
tests_fuzz_results_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_results_LDADD = $(fuzz_ab_ldadd)

tests_fuzz_wire_SOURCES = tests/fuzz/wire.c $(fuzz_main) src/core/wire.c src/core/wire.h
tests_fuzz_wire_CFLAGS = $(fuzz_cflags)
tests_fuzz_wire_LDFLAGS = $(fuzz_ldflags)
