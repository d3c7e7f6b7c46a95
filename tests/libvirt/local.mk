# SPDX-License-Identifier: GPL-2.0-or-later
EXTRA_DIST += \
	tests/libvirt/apparmor.py \
	tests/libvirt/bed.py \
	tests/libvirt/host \
	tests/libvirt/host.py \
	tests/libvirt/run-libvirt
