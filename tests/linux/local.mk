# SPDX-License-Identifier: GPL-2.0-or-later

# The program of the guest that is migrated: there is no C library beside it.
if HAVE_STATIC_LIBC
check_PROGRAMS += tests/linux/verify
endif
tests_linux_verify_SOURCES = tests/linux/verify.c
tests_linux_verify_LDFLAGS = -all-static

EXTRA_DIST += \
	tests/linux/console.py \
	tests/linux/guest.py \
	tests/linux/image \
	tests/linux/init \
	tests/linux/machine.py \
	tests/linux/migration.py \
	tests/linux/run-linux-guest
