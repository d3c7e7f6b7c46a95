# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests say: a line for each, and the totals at the end; scripts/lib/steps.sh adds these up. To be
# sourced by bash.

passed=0
failed=0
skipped=0

# ok NAME
ok() {
	echo "ok $1"
	passed=$((passed + 1))
}

# not_ok NAME WHY
not_ok() {
	echo "FAIL $1: $2"
	failed=$((failed + 1))
}

# not_run NAME WHY: what is missing, and how to get it.
not_run() {
	echo "SKIP $1: $2"
	skipped=$((skipped + 1))
}

# Fails when a test has failed, or when there was none.
totals() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
}
