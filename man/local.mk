# SPDX-License-Identifier: GPL-2.0-or-later
dist_man_MANS += man/librdmachunk.7 man/rdmachunk.1 man/rdmachunk-status.1
# Without json-c there is no program to go with it; make dist takes it along all the same.
if HAVE_JSONC
dist_man_MANS += man/rdmachunk-ab.1
else
EXTRA_DIST += man/rdmachunk-ab.1
endif

check_PROGRAMS += man/list-variables
man_list_variables_SOURCES = man/list-variables.c src/util/config.c src/util/config.h \
	src/util/printable.c src/util/printable.h
man_list_variables_CFLAGS = $(AM_CFLAGS)

TESTS += man/check-man
EXTRA_DIST += man/check-man
