# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: remove _build/; the guest's kernel stays in its cache
# usage: ./run clean

command_main() {
	[ $# -eq 0 ] || die "clean takes no argument"
	# make distcheck leaves its copy of the sources read-only when it fails.
	[ ! -d "$BUILD_DIR" ] || chmod -R u+w "$BUILD_DIR"
	rm -rf "$BUILD_DIR"
}
