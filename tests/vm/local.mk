# SPDX-License-Identifier: GPL-2.0-or-later
#
# Not in TESTS: test-vm-run.sh boots a machine several times. Other tests call vm-run.
EXTRA_DIST += \
	tests/vm/README.md \
	tests/vm/guest/enter-job \
	tests/vm/guest/init \
	tests/vm/guest/setup \
	tests/vm/lib/accel.sh \
	tests/vm/lib/common.sh \
	tests/vm/lib/initramfs.sh \
	tests/vm/lib/kernel.sh \
	tests/vm/lib/link.sh \
	tests/vm/test-vm-run.sh \
	tests/vm/vm-run
