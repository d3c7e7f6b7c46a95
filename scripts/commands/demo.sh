# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: migrate a guest with and without the shim, and compare

# usage: ./run demo
# about: Migrates a guest of 128 MiB seven times with the stock QEMU and as often with the shim at the source,
# about: in turn, over soft-RoCE, and prints registrations, messages and times. Takes five to six minutes
# about: the first time, when packages are installed, and two after that.

demo_build() {
	build_tree default all >"$1" 2>&1
}

command_main() {
	local log=$BUILD_DIR/demo tree=$BUILD_DIR/default

	[ $# -eq 0 ] || die "demo takes no argument; try ./run demo --help"
	heading "What this needs"
	say "looking for what is missing"
	need_packages build guest demo
	phase kernel 60 /dev/null "a guest with an RDMA link, where this machine has none" guest_prepare ||
		die "there is neither an RDMA link nor a kernel for a guest with one"

	heading "Build"
	mkdir -p "$log"
	phase build 60 "$log/build.log" "librdmachunk.so and rdmachunk-ab" demo_build "$log/build.log" || {
		tail -n 40 "$log/build.log" >&2
		die "the build failed; all of it is in $log/build.log"
	}
	say "$tree/.libs/librdmachunk.so"

	heading "Migrate a guest of 128 MiB, stock QEMU and with the shim at the source, in turn"
	rm -rf "$log/results"
	phase migrations 100 /dev/null "14 migrations; the guest with the RDMA link boots first" \
		with_link 900 "$log/results" "$SOURCE_DIR/scripts/bench-job" "$tree" "$log/results" \
		--rounds 6 --warmup 1 --variant stock --variant shim --title "rdmachunk on soft-RoCE" ||
		die "the demonstration failed"
	say "To use it: LD_PRELOAD=$tree/.libs/librdmachunk.so qemu-system-x86_64 ..."
}
