# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: build librdmachunk.so, and say where it is
# usage: ./run build

command_main() {
	[ $# -eq 0 ] || die "build takes no argument"
	need_packages build
	build_tree default all
	say "$BUILD_DIR/default/.libs/librdmachunk.so"
}
