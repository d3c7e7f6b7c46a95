# SPDX-License-Identifier: GPL-2.0-or-later
#
# Not in TESTS: test-systemd.sh, which boots a guest.
dist_check_SCRIPTS += tests/launcher/run-tests
TESTS += tests/launcher/run-tests
EXTRA_DIST += \
	tests/launcher/cases/check.sh \
	tests/launcher/cases/completion.sh \
	tests/launcher/cases/emulator.sh \
	tests/launcher/cases/examples.sh \
	tests/launcher/cases/hook.sh \
	tests/launcher/cases/launch.sh \
	tests/launcher/cases/status.sh \
	tests/launcher/cases/units.sh \
	tests/launcher/fake-figures.c \
	tests/launcher/fake-qemu.c \
	tests/launcher/fake-verbs.c \
	tests/launcher/qmp \
	tests/launcher/test-systemd.sh
