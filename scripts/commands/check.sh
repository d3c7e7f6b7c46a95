# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: run the tests; "full": the long ones too; or the steps named; "check --list" lists them

# NAME | KIND | LANE | TITLE
#
# KIND is `single' (the step is one test) or `tests' (its output tells of several, some of which must
# pass). The steps of the lanes `host' and `guest' run beside each other once those of `first' have
# ended, each lane in the order of the table; `host' ends with what makes them about as long. Those
# of `full' follow, if they are asked for, by name or all of them. Those of `alone' measure time:
# nothing runs beside them.
readonly CHECK_STEPS='
gcc           | single | first | build with gcc, warnings as errors
prepare       | single | first | get the kernel for the guest, if one is needed
format        | single | host  | clang-format leaves the sources unchanged
structure     | tests  | host  | layers, circles, lengths of files and functions
lint          | single | host  | clang-tidy, the analyzer of gcc, cppcheck, shellcheck
unit          | tests  | host  | unit tests
preload       | tests  | host  | processes under LD_PRELOAD
man           | tests  | host  | manual page
fabric        | tests  | host  | software verbs
sim           | tests  | host  | simulated migrations
fabric-e2e    | tests  | host  | migrations end to end on the software verbs
fabric-faults | tests  | host  | migrations that break by scripted faults of the software verbs
discards      | tests  | host  | guest memory that QEMU discards, migrated on the software verbs
linux-guest   | tests  | host  | a Linux guest gives memory back while it migrates on the software verbs
launcher      | tests  | host  | launcher, completion, manual page
ab            | tests  | host  | A/B tool
bench         | tests  | alone | what the shim adds to each hooked verb
clang         | single | host  | build with clang, warnings as errors
clang-unit    | tests  | host  | unit tests as built by clang
tsan          | tests  | host  | threads that meet in the shim, under ThreadSanitizer
cross         | single | host  | built for other machines, unit tests and simulations there
coverage      | single | host  | lines of src/core that the unit tests reach
e2e           | tests  | guest | migrations end to end
rxe-discards  | tests  | guest | guest memory that QEMU discards, migrated on rxe
conformance   | tests  | guest | what is expected of the software verbs holds of rxe
ab-guest      | tests  | guest | A/B runs with two QEMUs on rxe
systemd       | tests  | guest | example units with systemd in the guest
vm            | tests  | guest | the guest that tests run in
sanitizers    | tests  | host  | unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
distcheck     | single | host  | make distcheck
rxe-memlock   | tests  | full  | limits of locked memory between what has data and all RAM, on rxe
timing        | single | alone | migration time with the shim against stock QEMU
fabric-free   | tests  | alone | merging writes costs nothing where the wire has no limits
fabric-blackout | tests | alone | what the guest writes last waits hardly longer than with stock QEMU
param         | tests  | alone | migration time with the shim against x-rdma-chunk-size=1G
fabric-seed   | tests  | alone | times on the software verbs: no costs, the preset seed, the shim with it
'

step_gcc() {
	build_tree gcc
}

step_prepare() {
	guest_prepare
}

step_format() {
	local -a files

	mapfile -t files < <(git ls-files '*.c' '*.h' 2>/dev/null)
	# A tarball, or a checkout of somebody else's.
	[ "${#files[@]}" -gt 0 ] || mapfile -t files < <(find src tests man -name '*.[ch]')
	[ "${#files[@]}" -gt 0 ]
	clang-format --version
	clang-format --dry-run --Werror "${files[@]}"
}

step_structure() {
	tests/structure/test-structure
	scripts/structure .
}

step_lint() {
	make -s -f scripts/lint.mk -j "$JOBS" -k OUT="$BUILD_DIR/lint"
}

step_unit() {
	build_tree gcc
	tree_check gcc '^(tests/unit|tests/ab)/'
}

step_preload() {
	build_tree gcc
	tree_check gcc '^tests/preload/'
}

step_man() {
	build_tree gcc
	tree_check gcc '^man/'
}

step_fabric() {
	build_tree gcc
	cd "$BUILD_DIR/gcc" || return
	"$SOURCE_DIR/tests/fabric/test-fabric.sh"
}

# fabric_run NAME OPTION...: one of tests/e2e on the software verbs, where no RDMA link is needed.
fabric_run() {
	local name=$1
	shift

	build_tree gcc
	RDMATEST_ADDR='' RDMATEST_FABRIC_DIR="$BUILD_DIR/gcc/tests/fabric/.libs" \
		"$SOURCE_DIR/tests/e2e/$name" --build-dir "$BUILD_DIR/gcc" "$@"
}

step_fabric-e2e() {
	local root status=0

	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	root=$(bench_root) || return
	RDMATEST_ROOT_NEW=$root fabric_run run-matrix --size 1024 --log-dir "$STEPS_DIR/fabric-e2e" ||
		status=$?
	fabric_run run-nproc || status=$?
	return "$status"
}

step_fabric-faults() {
	fabric_run run-faults --log-dir "$STEPS_DIR/fabric-faults"
}

# This QEMU in all cases, and QEMU 11.1 in some.
step_discards() {
	local root

	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	root=$(bench_root) || return
	fabric_run run-discards --log-dir "$STEPS_DIR/discards"
	RDMATEST_ROOT_SRC=$root RDMATEST_ROOT_DST=$root \
		fabric_run run-discards --few --log-dir "$STEPS_DIR/discards-11"
}

# linux_guest NAME OPTION...: the step's program; its logs go to NAME.
linux_guest() {
	local name=$1
	shift

	RDMATEST_ADDR='' RDMATEST_FABRIC_DIR="$BUILD_DIR/gcc/tests/fabric/.libs" \
		"$SOURCE_DIR/tests/linux/run-linux-guest" --build-dir "$BUILD_DIR/gcc" \
		--log-dir "$STEPS_DIR/$name" "$@"
}

# A Linux guest that frees, reports and uses its memory again while it migrates: with this QEMU, and
# once with QEMU 11.1.
step_linux-guest() {
	local root

	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	root=$(bench_root) || return
	build_tree gcc
	linux_guest linux-guest
	linux_guest linux-guest-11 --root "$root" report-behind
}

step_fabric-free() {
	build_tree gcc
	"$SOURCE_DIR/tests/e2e/run-unlimited" --build-dir "$BUILD_DIR/gcc" --log-dir "$STEPS_DIR/fabric-free"
}

step_fabric-blackout() {
	build_tree gcc
	"$SOURCE_DIR/tests/e2e/run-blackout" --build-dir "$BUILD_DIR/gcc" --rounds 3 \
		--log-dir "$STEPS_DIR/fabric-blackout"
}

step_fabric-seed() {
	fabric_run run-seed --log-dir "$STEPS_DIR/fabric-seed"
}

step_sim() {
	build_tree gcc
	cd "$BUILD_DIR/gcc" || return
	"$SOURCE_DIR/tests/sim/test-sim" 200000
}

step_launcher() {
	build_tree gcc
	tree_check gcc '^tests/launcher/'
}

step_ab() {
	build_tree gcc
	"$SOURCE_DIR/tests/ab/test-ab.sh" --build-dir "$BUILD_DIR/gcc"
}

step_ab-guest() {
	local root

	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	build_tree gcc
	root=$(bench_root) || return
	with_link 900 "$STEPS_DIR/ab-guest" "$SOURCE_DIR/tests/ab/guest-job" "$BUILD_DIR/gcc" \
		"$STEPS_DIR/ab-guest" "$root"
}

step_systemd() {
	build_tree gcc
	"$SOURCE_DIR/tests/launcher/test-systemd.sh" --build-dir "$BUILD_DIR/gcc" \
		--log-dir "$STEPS_DIR/systemd"
}

step_bench() {
	build_tree gcc
	"$SOURCE_DIR/tests/bench/run-hooks" "$BUILD_DIR/gcc"
}

step_clang() {
	build_tree clang
}

step_clang-unit() {
	build_tree clang
	tree_check clang '^tests/(unit|sim)/'
}

step_sanitizers() {
	build_tree sanitizers
	UBSAN_OPTIONS=print_stacktrace=1 tree_check sanitizers '^tests/(unit|sim)/'
}

# A program that is not instrumented cannot preload what is; so only cases of the client, and none that
# count threads, for the sanitizer has one, or kill threads, which may be in the sanitizer then, with
# its locks.
step_tsan() {
	local cases='@(race_*|discard_!(in_a_thread_that_is_killed)|ahead_of_*|ahead_awaited|ahead_destroyed_*|ahead_answered_*)'

	build_tree tsan librdmachunk.la tests/preload/client tests/preload/fake/libibverbs.la \
		tests/preload/fake/librdmacm.la
	cd "$BUILD_DIR/tsan" || return
	PRELOAD_SANITIZER=$(gcc -print-file-name=libtsan.so) "$SOURCE_DIR/tests/preload/run-tests" "$cases"
}

# cross MACHINE SEEDS: the simulation must do there what it does here, seed by seed.
cross() {
	local tree=$BUILD_DIR/cross-$1 seeds=$2 emulator simulated program

	build_tree "cross-$1" all tests/sim/sim tests/sim/sim-small
	emulator="qemu-$1 -L $(cross_root "$1")"
	# The other tests' programs are not built: nobody runs them there.
	# Emulation is slow.
	export CK_TIMEOUT_MULTIPLIER=30 CK_EXCLUDE_TAGS=thread-after-fork
	tree_check "cross-$1" '^tests/(unit/|ab/test-parts$)' LOG_COMPILER="$emulator" \
		check_PROGRAMS='' check_LTLIBRARIES=''
	for program in tests/sim/sim tests/sim/sim-small; do
		echo "-- $program"
		simulated=$($emulator "$tree/$program" --seeds "$seeds")
		diff <("$BUILD_DIR/gcc/$program" --seeds "$seeds") - <<<"$simulated"
	done
}

# A machine like this one, but for what its compiler and processor may reorder, and one with the other
# order of bytes.
step_cross() {
	if ! have_command aarch64-linux-gnu-gcc || ! have_command s390x-linux-gnu-gcc; then
		echo "SKIP: cross compilers are installed on Debian and Ubuntu only"
		return 77
	fi
	build_tree gcc
	cross aarch64 1000
	cross s390x 1000
}

step_coverage() {
	# shellcheck source=scripts/commands/coverage.sh
	. "$SOURCE_DIR/scripts/commands/coverage.sh"
	coverage_run
}

step_distcheck() {
	build_tree gcc
	make -C "$BUILD_DIR/gcc" -j "$JOBS" distcheck
}

# Each case boots a guest, or two; without arguments the script runs all of them.
step_vm() {
	"$SOURCE_DIR/tests/vm/test-vm-run.sh" usage status_and_output timeout kill transfer_write \
		ordinary_user
}

step_e2e() {
	build_tree gcc
	with_link 2400 "$STEPS_DIR/e2e" "$SOURCE_DIR/tests/e2e/run-matrix" \
		--build-dir "$BUILD_DIR/gcc" --log-dir "$STEPS_DIR/e2e"
}

step_rxe-memlock() {
	build_tree gcc
	with_link 1200 "$STEPS_DIR/rxe-memlock" "$SOURCE_DIR/tests/e2e/run-matrix" \
		--build-dir "$BUILD_DIR/gcc" --log-dir "$STEPS_DIR/rxe-memlock" \
		memlock-src-96 memlock-src-128 memlock-dst-96 memlock-dst-128 memlock-both memlock-dense
}

step_rxe-discards() {
	build_tree gcc
	with_link 900 "$STEPS_DIR/rxe-discards" "$SOURCE_DIR/tests/e2e/run-discards" \
		--build-dir "$BUILD_DIR/gcc" --log-dir "$STEPS_DIR/rxe-discards"
}

step_conformance() {
	build_tree gcc
	with_link 300 "$STEPS_DIR/conformance" "$BUILD_DIR/gcc/tests/fabric/conformance"
}

step_timing() {
	build_tree gcc
	with_link 600 "$STEPS_DIR/timing" "$SOURCE_DIR/tests/e2e/run-matrix" --timing \
		--build-dir "$BUILD_DIR/gcc" --log-dir "$STEPS_DIR/timing"
}

step_param() {
	local root

	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	build_tree gcc
	root=$(bench_root) || return
	with_link 600 "$STEPS_DIR/param" "$SOURCE_DIR/tests/ab/param-job" "$BUILD_DIR/gcc" \
		"$STEPS_DIR/param" "$root"
}

# check_steps [LANE]: the names of all steps, or of those of the lane.
check_steps() {
	awk -F'|' -v lane="${1:-}" '
	NF { gsub(/ /, "", $1); gsub(/ /, "", $3); if (lane == "" || lane == $3) print $1 }' <<<"$CHECK_STEPS"
}

# step_field NAME NUMBER: a column of the table.
step_field() {
	sed -n "s/^$1 *|/$1|/p" <<<"$CHECK_STEPS" | cut -d'|' -f"$2" | sed 's/^ *//; s/ *$//'
}

# run_lane LANE: those of the lane that were asked for, one after the other.
run_lane() {
	local name

	for name in $(check_steps "$1"); do
		[[ " ${wanted[*]} " == *" $name "* ]] || continue
		run_step "$name" "$(step_field "$name" 2)" "$(step_field "$name" 4)"
	done
}

command_main() {
	local name
	local -a wanted

	if [ "${1:-}" = --list ]; then
		for name in $(check_steps); do
			printf '%-13s %s\n' "$name" "$(step_field "$name" 4)"
		done
		return 0
	fi
	if [ "${1:-}" = full ]; then
		[ $# -eq 1 ] || die "check full takes no steps"
		mapfile -t wanted < <(check_steps)
		set -- "${wanted[@]}"
	fi
	for name; do
		[ -n "$(step_field "$name" 2)" ] || die "no step '$name'; try ./run check --list"
	done
	wanted=("$@")
	[ $# -gt 0 ] || mapfile -t wanted < <(check_steps | grep -Fxv "$(check_steps full)")

	heading "What this needs"
	need_packages build guest check coverage demo bench
	say "all is there"

	heading "Steps: ${wanted[*]}"
	rm -rf "$STEPS_DIR"
	mkdir -p "$STEPS_DIR"
	trap end_lanes EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	start_lane run_lane first
	wait_lanes
	start_lane run_lane host
	start_lane run_lane guest
	wait_lanes
	start_lane run_lane full
	wait_lanes
	start_lane run_lane alone
	wait_lanes

	heading "All steps, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
	for name in "${wanted[@]}"; do
		[ "$(cut -d' ' -f2 "$STEPS_DIR/$name.result" 2>/dev/null)" = 0 ] || say "failed: $name"
	done
	[ $# -gt 0 ] || say "left out, see \"check full\": $(check_steps full | tr '\n' ' ')"
	steps_total "${wanted[@]}"
}
