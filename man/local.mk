# SPDX-License-Identifier: GPL-2.0-or-later
dist_man_MANS += man/librdmachunk.7 man/rdmachunk.1

check_PROGRAMS += man/list-variables
man_list_variables_SOURCES = man/list-variables.c src/util/config.c src/util/config.h
man_list_variables_CFLAGS = $(AM_CFLAGS)

TESTS += man/check-man
EXTRA_DIST += man/check-man
