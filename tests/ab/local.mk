# SPDX-License-Identifier: GPL-2.0-or-later
if HAVE_JSONC
check_PROGRAMS += tests/ab/test-parts tests/ab/fake-qemu
TESTS += tests/ab/test-parts
endif
tests_ab_test_parts_SOURCES = tests/ab/test-parts.c
tests_ab_test_parts_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_ab_test_parts_CFLAGS = $(AM_CFLAGS) $(JSONC_CFLAGS)
tests_ab_test_parts_LDADD = tools/ab/libab.a $(JSONC_LIBS) $(DL_LIBS) -lm

tests_ab_fake_qemu_SOURCES = tests/ab/fake-qemu.c
tests_ab_fake_qemu_CFLAGS = $(AM_CFLAGS)

EXTRA_DIST += \
	tests/ab/examples.sh \
	tests/ab/fake-ssh \
	tests/ab/guest-job \
	tests/ab/param-job \
	tests/ab/test-ab.sh \
	tests/ab/golden/result.csv \
	tests/ab/golden/result.json \
	tests/ab/golden/result.md \
	tests/ab/golden/result.txt
