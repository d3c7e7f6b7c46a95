# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests here say: a line for each, and the totals at the end.

passed=0
failed=0
skipped=0

ok() {
	echo "ok $1"
	passed=$((passed + 1))
}

not_ok() {
	echo "FAIL $1: $2"
	failed=$((failed + 1))
}

skip() {
	echo "SKIP $1: $2"
	skipped=$((skipped + 1))
}

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

# Fails when a test has failed.
totals() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}
