# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Comparisons that are tests by themselves, on top of report.sh.

# expect NAME ACTUAL WANTED
expect() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "'$2', not '$3'"
	fi
}

# expect_line NAME TEXT PATTERN: one line of the text is all of the extended regular expression.
expect_line() {
	if grep -qxE -- "$3" <<<"$2"; then
		ok "$1"
	else
		not_ok "$1" "no line '$3' in: $2"
	fi
}
