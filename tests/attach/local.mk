# SPDX-License-Identifier: GPL-2.0-or-later
#
# Not in TESTS: it needs QEMU and the software verbs.
EXTRA_DIST += \
	tests/attach/aarch64-init \
	tests/attach/clock \
	tests/attach/delay.c \
	tests/attach/guest-job \
	tests/attach/helper.c \
	tests/attach/qmp \
	tests/attach/run-aarch64 \
	tests/attach/run-tests \
	tests/attach/run-yama \
	tests/attach/stub.c
