# SPDX-License-Identifier: GPL-2.0-or-later
#
# What tests written in shell share.
EXTRA_DIST += \
	tests/lib/expect.sh \
	tests/lib/inside.sh \
	tests/lib/manual.sh \
	tests/lib/migrate.sh \
	tests/lib/report.sh
