# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tables of migrations share: the command line of tests/e2e/migrate, in the array `argv'. Uses the
# variables build_dir, fabric (or empty), size and timeout. To be sourced by bash.

# "$1" of a table line's column, without the blanks around it.
trim() {
	local s=$1

	s=${s#"${s%%[![:space:]]*}"}
	printf '%s' "${s%"${s##*[![:space:]]}"}"
}

# Sets migrate, count, shim and addr (empty where there is no RDMA link), or says what is missing.
find_build() {
	local file

	: "${build_dir:?}"
	migrate=$build_dir/tests/e2e/migrate
	count=$build_dir/tests/e2e/.libs/librdmachunk-count.so
	shim=$build_dir/.libs/librdmachunk.so
	for file in "$migrate" "$count" "$shim"; do
		[ -e "$file" ] || die "no $file: run 'make && make check TESTS=' in $build_dir"
	done
	addr=${RDMATEST_ADDR:-}
	[ -n "$addr" ] || [ -z "$fabric" ] || addr=127.0.0.1
}

# The options that every run has.
common_options() {
	argv=("$migrate" --addr "$addr" --size "$size" --timeout "$timeout")
	[ -z "${RDMATEST_QEMU_SRC:-}" ] || argv+=(--qemu-src "$RDMATEST_QEMU_SRC")
	[ -z "${RDMATEST_QEMU_DST:-}" ] || argv+=(--qemu-dst "$RDMATEST_QEMU_DST")
	[ -z "${RDMATEST_ROOT_SRC:-}" ] || argv+=(--root-src "$RDMATEST_ROOT_SRC")
	[ -z "${RDMATEST_ROOT_DST:-}" ] || argv+=(--root-dst "$RDMATEST_ROOT_DST")
}

# once_idle COMMAND...: a line of the shell's that runs them one after the other with the process number
# behind it. QEMU ends its connection some time after the migration: until then they are refused.
once_idle() {
	local command

	# shellcheck disable=SC2016 # for that shell to expand
	printf 'f() { end=$(($(date +%%s) + 60));'
	for command; do
		# shellcheck disable=SC2016
		printf ' until %s $1; do [ "$(date +%%s)" -lt $end ] || return 1; sleep 0.1; done;' "$command"
	done
	printf ' }; f'
}

# end_options END COLUMN: for src or dst; COLUMN is `-' for stock QEMU, or the shim's variables with
# commas between them (`default': none but RDMACHUNK_THREADS=1, so that what is counted does not depend
# on the processors). MEMLOCK=N: that QEMU may lock N MiB, `stock' in front of that:
# without the shim. `attach': the shim is attached once QEMU runs, with those variables; the library
# is a copy at attach_library, which QEMU can see in its root directory. `arrived': it is attached to the
# destination once the guest has come there, before it goes on. `again' behind `attach': between the two
# migrations it is detached, and attached again. `on': between them the file at switch_file is removed.
end_options() {
	local end=$1 column=$2 preload="$shim $count" attach='' when=first variable
	local -a variables

	case $column in
	-* | stock* | *RDMACHUNK_THREADS=*) ;;
	attach* | arrived*) column=${column%%,*},RDMACHUNK_THREADS=1${column#"${column%%,*}"} ;;
	*) column=RDMACHUNK_THREADS=1,$column ;;
	esac
	IFS=, read -ra variables <<<"$column"
	for variable in "${variables[@]}"; do
		case $variable in
		again) when=again ;;
		attach | arrived)
			[ "$variable" = attach ] || when=arrived
			preload=$count
			cp "$shim" "${attach_library:?}"
			attach="$build_dir/tools/launcher/rdmachunk attach --lib $attach_library"
			;;
		RDMACHUNK_*)
			if [ -n "$attach" ]; then
				attach="$variable $attach"
			else
				argv+=("--env-$end" "$variable")
			fi
			;;
		on) argv+=(--between "f() { rm '${switch_file:?}'; }; f") ;;
		- | stock) preload=$count ;;
		default) ;;
		MEMLOCK=*)
			argv+=("--qemu-$end" "$here/limited-qemu" "--env-$end" "RDMATEST_$variable")
			;;
		*) argv+=("--env-$end" "$variable") ;;
		esac
	done
	argv+=("--preload-$end" "$preload")
	case $when in
	first) [ -z "$attach" ] || argv+=("--attach-$end" "$attach") ;;
	arrived) argv+=(--between "$(once_idle "$attach")") ;;
	again)
		argv+=("--attach-$end" "$attach" --between
			"$(once_idle "$build_dir/tools/launcher/rdmachunk detach" "$attach")")
		;;
	esac
	[ -z "$fabric" ] || argv+=("--env-$end" "LD_LIBRARY_PATH=$fabric" "--env-$end" RDMAFABRIC_AWAIT_RECV=on)
}
