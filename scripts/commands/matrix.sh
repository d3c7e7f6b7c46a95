# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: migrate from each QEMU since 5.2 to each, on the software fabric; --markdown: as a table
# usage: ./run matrix [--markdown]

readonly MATRIX_RELEASES='bullseye bookworm trixie forky'

# matrix_run LOG-DIR OPTION...: a release that the mirror no longer has is left out, and that is told.
matrix_run() {
	local log_dir=$1 release root
	local -a roots=()
	shift

	for release in $MATRIX_RELEASES; do
		if root=$(qemu_root "$release"); then
			roots+=("$release=$root")
		else
			say "SKIP $release: the mirror has no such release, or not now"
		fi
	done
	# All of them load what was built for the oldest libc; without it bullseye's cannot.
	if [[ ${roots[*]} == *bullseye=* ]]; then
		build_tree oldest librdmachunk.la tests/e2e/librdmachunk-count.la tests/fabric/libibverbs.la \
			tests/fabric/librdmacm.la >"$BUILD_DIR/oldest.log" 2>&1 || {
			tail -n 20 "$BUILD_DIR/oldest.log"
			return 1
		}
		set -- --library-dir "$BUILD_DIR/oldest" "$@"
	fi
	build_tree gcc >"$BUILD_DIR/gcc.log" 2>&1 || {
		tail -n 20 "$BUILD_DIR/gcc.log"
		return 1
	}
	RDMATEST_ADDR='' "$SOURCE_DIR/tests/e2e/run-versions" --build-dir "$BUILD_DIR/gcc" \
		--log-dir "$log_dir" "$@" "${roots[@]}"
}

command_main() {
	need_packages build guest check bench
	matrix_run "$BUILD_DIR/matrix" "$@"
}
