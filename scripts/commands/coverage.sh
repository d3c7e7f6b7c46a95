# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: run the unit tests, and the shim in programs, and print which lines of src they reach
# usage: ./run coverage

# LAYER | PER CENT of its lines that are reached
readonly COVERAGE_WANTED='
core   | 95
engine | 90
hook   | 90
util   | 0
'

command_main() {
	[ $# -eq 0 ] || die "coverage takes no argument"
	need_packages build coverage
	coverage_run
}

coverage_run() {
	local tree=$BUILD_DIR/coverage layer wanted status=0

	build_tree coverage
	# Counts of earlier runs would be added to.
	find "$tree" -name '*.gcda' -delete
	tree_check coverage '^tests/unit/' || status=1
	cd "$tree" || return
	"$SOURCE_DIR/tests/engine/run-tests" --instrumented || status=1
	"$SOURCE_DIR/tests/engine/run-stress" 30 || status=1
	"$SOURCE_DIR/tests/preload/run-tests" 'attach*' || status=1
	while IFS='| ' read -r layer wanted; do
		[ -n "$layer" ] || continue
		heading "src/$layer, $wanted % wanted"
		gcovr --root "$SOURCE_DIR" --filter "$SOURCE_DIR/src/$layer/" --fail-under-line "$wanted" . ||
			status=1
	done <<<"$COVERAGE_WANTED"
	return "$status"
}
