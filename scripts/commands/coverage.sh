# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: run the unit tests and print which lines of src/core they reach

# Per cent of the lines of src/core.
readonly COVERAGE_WANTED=95

command_main() {
	[ $# -eq 0 ] || die "coverage takes no argument"
	need_packages build coverage
	coverage_run
}

coverage_run() {
	local tree=$BUILD_DIR/coverage status=0

	build_tree coverage
	# Counts of earlier runs would be added to.
	find "$tree" -name '*.gcda' -delete
	tree_check coverage '^tests/unit/' || status=1
	(cd "$tree" && gcovr --root "$SOURCE_DIR" --filter "$SOURCE_DIR/src/core/" \
		--fail-under-line "$COVERAGE_WANTED" .) || status=1
	[ "$status" -eq 0 ] || return 1
	say "at least $COVERAGE_WANTED % of the lines of src/core are reached"
}
