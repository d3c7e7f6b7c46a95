# SPDX-License-Identifier: GPL-2.0-or-later
EXTRA_DIST += \
	tests/first-use/inside \
	tests/first-use/run-tests
