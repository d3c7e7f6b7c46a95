# SPDX-License-Identifier: GPL-2.0-or-later
#
# Not in TESTS: it needs QEMU; the step "status" runs it.
EXTRA_DIST += \
	tests/status/golden/destination.json \
	tests/status/golden/destination.txt \
	tests/status/golden/source.json \
	tests/status/golden/source.prom \
	tests/status/golden/source.txt \
	tests/status/run-status
