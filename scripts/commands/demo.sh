# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: migrate a guest with and without the shim, and compare

command_main() {
	local log=$BUILD_DIR/demo tree=$BUILD_DIR/default

	[ $# -eq 0 ] || die "demo takes no argument"
	heading "What this needs"
	need_packages build guest demo
	guest_prepare || die "there is neither an RDMA link nor a kernel for a guest with one"

	heading "Build"
	mkdir -p "$log"
	build_tree default >"$log/build.log" 2>&1 || {
		tail -n 40 "$log/build.log" >&2
		die "the build failed; all of it is in $log/build.log"
	}
	say "$tree/.libs/librdmachunk.so"

	heading "Migrate a guest of 128 MiB, stock QEMU and with the shim at the source, in turn"
	rm -rf "$log/results"
	with_link 900 "$log/results" "$SOURCE_DIR/scripts/bench-job" "$tree" "$log/results" \
		--rounds 6 --warmup 1 --variant stock --variant shim --title "rdmachunk on soft-RoCE" ||
		die "the demonstration failed"
	say "To use it: LD_PRELOAD=$tree/.libs/librdmachunk.so qemu-system-x86_64 ..."
}
