# SPDX-License-Identifier: GPL-2.0-or-later

# Fuzz targets. Each is a plain program that runs its corpus, tests/fuzz/corpus/NAME, or, with
# --enable-fuzzers, one of libFuzzer's that "./run fuzz" drives.
fuzz_programs = \
	tests/fuzz/config \
	tests/fuzz/extent_map \
	tests/fuzz/wire

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

tests_fuzz_config_SOURCES = tests/fuzz/config.c $(fuzz_main) src/util/config.c src/util/config.h
tests_fuzz_config_CFLAGS = $(fuzz_cflags)
tests_fuzz_config_LDFLAGS = $(fuzz_ldflags)

tests_fuzz_extent_map_SOURCES = tests/fuzz/extent_map.c $(fuzz_main) \
	src/core/extent_map.c src/core/extent_map.h
tests_fuzz_extent_map_CFLAGS = $(fuzz_cflags)
tests_fuzz_extent_map_LDFLAGS = $(fuzz_ldflags) -Wl,--wrap=realloc

tests_fuzz_wire_SOURCES = tests/fuzz/wire.c $(fuzz_main) src/core/wire.c src/core/wire.h
tests_fuzz_wire_CFLAGS = $(fuzz_cflags)
tests_fuzz_wire_LDFLAGS = $(fuzz_ldflags)
