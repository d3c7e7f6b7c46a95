# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: simulate migrations: "sim --seeds N [--seed FIRST]", "sim --seed N --trace"
# usage: ./run sim --seeds N [--seed FIRST] [--no-discards]
# usage: ./run sim --seed N --trace

command_main() {
	local log=$BUILD_DIR/sim.log

	need_packages build
	mkdir -p "$BUILD_DIR"
	{ build_tree gcc all && build_tree gcc tests/sim/sim; } >"$log" 2>&1 || {
		tail -n 40 "$log" >&2
		die "the build failed; all of it is in $log"
	}
	"$BUILD_DIR/gcc/tests/sim/sim" "$@"
}
