# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: run the tests, all but the slowest; "check quick", "check full"; or the steps named ("check --list")
# usage: ./run check [quick | full] [STEP...]
# usage: ./run check --list
# about: Without a STEP all that the check has: "quick" takes two minutes, without a word it takes 20, "full" 100,
# about: where nothing else runs on two processors. Only what the steps need is installed. A line tells of a
# about: step that goes on for long, with the last line of its log. At the end each failed test has a line,
# about: with the log and the command that repeats its step, and each test that was not run, with the reason.

# NAME | SIZE | KIND | LANE | TITLE
#
# SIZE is the smallest of the checks that has the step. `quick' is for use while working, and takes two
# minutes at most. `check', which is meant without a word, takes 20 minutes where nothing else runs on
# two processors; `full' has all that there is, and takes 100. A step may do more in a larger one:
# CHECK_SIZE.
#
# KIND is `single' (the step is one test) or `tests' (its output tells of several, some of which must
# pass). The steps of the lanes `host', `guest' and `spare' run beside each other once those of `first'
# have ended, each lane in the order of the table. In `spare' are those that keep the processors busy and
# wait for nothing; it has what the other two, which wait often, leave of them. Of these two the one that
# has come to its end takes from `spare' what is left there. The steps of `alone' measure time: nothing runs
# beside them.
readonly CHECK_STEPS='
gcc             | quick | single | first | build with gcc, warnings as errors
prepare         | check | single | first | get the kernel for the guest, if one is needed
format          | quick | single | host  | clang-format leaves the sources unchanged
structure       | quick | tests  | host  | layers, circles, lengths of files and functions
spelling        | check | tests  | host  | no misspelt words in texts and sources
unit            | quick | tests  | host  | unit tests
preload         | check | tests  | host  | processes under LD_PRELOAD
man             | check | tests  | host  | manual page
fabric          | check | tests  | host  | software verbs
status          | check | tests  | host  | rdmachunk status during a migration on the software verbs
fabric-e2e      | check | tests  | host  | migrations end to end on the software verbs
fabric-faults   | check | tests  | host  | migrations that break by scripted faults of the software verbs
discards        | check | tests  | host  | guest memory that QEMU discards, migrated on the software verbs
linux-guest     | check | tests  | host  | a Linux guest gives memory back while it migrates on the software verbs
attach          | check | tests  | host  | attach to and detach from QEMUs that run
launcher        | check | tests  | host  | launcher, completion, manual page
scripts         | check | tests  | host  | ./run itself: help, packages, progress, what it tells at the end
install         | check | tests  | host  | configure, make install, programs started meanwhile
bench           | check | tests  | alone | what the shim adds to each hooked verb
clang-unit      | full  | tests  | host  | unit tests as built by clang
cross           | full  | single | host  | built for other machines, unit tests and simulations there
coverage        | full  | single | host  | lines of src that the unit tests and all of the shim in a program reach
e2e             | check | tests  | guest | migrations end to end
rxe-discards    | full  | tests  | guest | guest memory that QEMU discards, migrated on rxe
rxe-teardown    | full  | tests  | guest | connections are taken down no later than with stock QEMU, on rxe
conformance     | check | tests  | guest | what is expected of the software verbs holds of rxe
ab-guest        | check | tests  | guest | A/B runs with two QEMUs on rxe
systemd         | full  | tests  | guest | example units with systemd in the guest
vm              | check | tests  | guest | the guest that tests run in
ab              | check | tests  | guest | A/B tool
package         | full  | tests  | host  | packages for two releases: made, installed, upgraded, removed
first-use       | full  | tests  | host  | the two commands from a clean clone on a bare Debian 12
newer-qemu      | full  | tests  | host  | migrations end to end on the software verbs, with QEMU 10.0 and 11.1
rxe-memlock     | full  | tests  | guest | limits of locked memory between what has data and all RAM, on rxe
rxe-attach      | full  | tests  | guest | attach to QEMUs whose guests came over rxe, and where Yama is in the way
attach-aarch64  | full  | tests  | host  | attach to QEMUs that run, in an AArch64 machine that is emulated
versions        | full  | tests  | host  | QEMU 5.2 to 11.1, each to itself and to the newest, on the software verbs
libvirt         | full  | tests  | host  | a Linux guest migrates from one libvirt to another on the software verbs
rxe-libvirt     | full  | tests  | guest | a guest that AppArmor confines migrates from one libvirt to another on rxe
lint            | check | single | spare | clang-tidy, the analyzer of gcc, cppcheck, shellcheck; that of clang in the full one
tsan            | check | tests  | spare | all of the shim in a program, under ThreadSanitizer
sanitizers      | check | tests  | spare | the same and unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
distcheck       | check | single | spare | what is installed, built of the tarball; in the full one make distcheck
fuzz            | check | tests  | spare | parsers, maps and a connection under generated input, with libFuzzer
sim             | quick | tests  | spare | simulated migrations
clang           | check | single | spare | build with clang, warnings as errors
fabric-free     | check | tests  | alone | merging writes costs nothing where the wire has no limits
fabric-blackout | full  | tests  | alone | what the guest writes last waits hardly longer than with stock QEMU
fabric-teardown | full  | tests  | alone | connections are taken down no later than with stock QEMU
fabric-latency  | full  | tests  | alone | both QEMUs answer by QMP while registering takes long
param           | check | tests  | alone | migrations with the shim against stock QEMU and against x-rdma-chunk-size=1G
fabric-seed     | check | single | alone | times that the QEMU patch tells of, on the software verbs with the preset seed
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

step_spelling() {
	tests/structure/test-spelling
	scripts/spelling
}

# Of what clang-tidy does the static analyzer of clang takes nine tenths of the time.
step_lint() {
	local -a variables=("OUT=$BUILD_DIR/lint" "TIDY=--checks=-clang-analyzer-*")

	[ "$CHECK_SIZE" != full ] || variables=("OUT=$BUILD_DIR/lint-full")
	make -s -f scripts/lint.mk -j "$JOBS" -k "${variables[@]}"
}

step_unit() {
	build_tree gcc
	tree_check gcc '^tests/(unit|ab|fuzz)/'
}

step_preload() {
	build_tree gcc
	tree_check gcc '^tests/preload/'
}

step_man() {
	# The other tests' programs are not built for it.
	build_tree gcc all man/list-variables
	tree_check gcc '^man/'
}

step_fabric() {
	build_tree gcc
	cd "$BUILD_DIR/gcc" || return
	"$SOURCE_DIR/tests/fabric/test-fabric.sh"
}

step_status() {
	build_tree gcc
	"$SOURCE_DIR/tests/status/run-status" --build-dir "$BUILD_DIR/gcc"
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
	local root size=256 status=0

	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	root=$(bench_root forky) || return
	[ "$CHECK_SIZE" != full ] || size=1024
	RDMATEST_ROOT_NEW=$root fabric_run run-matrix --size "$size" --log-dir "$STEPS_DIR/fabric-e2e" ||
		status=$?
	fabric_run run-nproc || status=$?
	return "$status"
}

step_fabric-faults() {
	fabric_run run-faults --log-dir "$STEPS_DIR/fabric-faults"
}

step_discards() {
	fabric_run run-discards --log-dir "$STEPS_DIR/discards"
}

# linux_guest NAME OPTION...: the step's program; its logs go to NAME.
linux_guest() {
	local name=$1
	shift

	RDMATEST_ADDR='' RDMATEST_FABRIC_DIR="$BUILD_DIR/gcc/tests/fabric/.libs" \
		"$SOURCE_DIR/tests/linux/run-linux-guest" --build-dir "$BUILD_DIR/gcc" \
		--log-dir "$STEPS_DIR/$name" "$@"
}

# A Linux guest that frees, reports and uses its memory again while it migrates.
step_linux-guest() {
	build_tree gcc
	linux_guest linux-guest
}

step_package() {
	local release status=0

	# shellcheck source=scripts/commands/package.sh
	. "$SOURCE_DIR/scripts/commands/package.sh"
	if ! can_be_root; then
		echo "SKIP package: root directories need root; $(why_not_root)"
		return 77
	fi
	for release in "${PACKAGE_RELEASES[@]}"; do
		if package_make "$release"; then
			echo "ok $release: packages are made, lintian and rpmlint are content"
			package_try "$release" || status=1
		else
			echo "FAIL $release: packages are not made"
			status=1
		fi
	done
	return "$status"
}

step_first-use() {
	local root

	if ! can_be_root; then
		echo "SKIP first-use: root directories need root; $(why_not_root)"
		return 77
	fi
	root=$(bare_root bookworm) || return
	"$SOURCE_DIR/tests/first-use/run-tests" "$STEPS_DIR/first-use" "$root"
}

# What may differ from QEMU to QEMU: what is sent and when, how a connection ends, discards. The driver
# of run-discards does not know the balloon of QEMU 10.0.
step_newer-qemu() {
	local release

	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	for release in trixie forky; do
		RDMATEST_ROOT_SRC=$(bench_root "$release") || return
		export RDMATEST_ROOT_SRC RDMATEST_ROOT_DST=$RDMATEST_ROOT_SRC
		fabric_run run-matrix --log-dir "$STEPS_DIR/newer-qemu/$release" src-default dst-dense attach-both attach-src attach-dst \
			both-30 src-20 live live-plain back cancel-again quit-at-once pin-all sparse-both
		linux_guest "newer-qemu/$release-linux" --root "$RDMATEST_ROOT_SRC" report-behind
	done
	fabric_run run-discards --few --log-dir "$STEPS_DIR/newer-qemu/discards"
}

step_versions() {
	# shellcheck source=scripts/commands/matrix.sh
	. "$SOURCE_DIR/scripts/commands/matrix.sh"
	matrix_run "$STEPS_DIR/versions" --neighbours
}

# libvirt_run NAME ROOT OPTION...: on the software verbs; its logs go to NAME.
libvirt_run() {
	local name=$1 root=$2
	shift 2

	RDMATEST_ADDR='' RDMATEST_FABRIC_DIR="$BUILD_DIR/gcc/tests/fabric/.libs" \
		"$SOURCE_DIR/tests/libvirt/run-libvirt" --build-dir "$BUILD_DIR/gcc" --root "$root" \
		--log-dir "$STEPS_DIR/$name" "$@"
}

step_libvirt() {
	local root

	root=$(libvirt_root) || return
	build_tree gcc
	libvirt_run libvirt "$root"
}

# The guest that is migrated is booted here, for it would take minutes there. Not on this machine, even
# if it has an RDMA link: the profiles are the kernel's, and libvirt's own would be replaced.
step_rxe-libvirt() {
	local root log=$STEPS_DIR/rxe-libvirt

	root=$(libvirt_root) || return
	build_tree gcc
	libvirt_run rxe-libvirt "$root" --prepare || return
	"$SOURCE_DIR/tests/vm/vm-run" --guest --timeout 3000 --share "$log" -- \
		"$SOURCE_DIR/tests/libvirt/run-libvirt" --build-dir "$BUILD_DIR/gcc" --root "$root" \
		--log-dir "$log" --patience 600 --paused --apparmor
}

step_fabric-free() {
	build_tree gcc
	"$SOURCE_DIR/tests/e2e/run-unlimited" --build-dir "$BUILD_DIR/gcc" --log-dir "$STEPS_DIR/fabric-free"
}

step_fabric-blackout() {
	build_tree gcc
	"$SOURCE_DIR/tests/e2e/run-blackout" --build-dir "$BUILD_DIR/gcc" \
		--log-dir "$STEPS_DIR/fabric-blackout"
}

step_fabric-teardown() {
	fabric_run run-teardown --log-dir "$STEPS_DIR/fabric-teardown"
}

step_fabric-latency() {
	build_tree gcc
	"$SOURCE_DIR/tests/e2e/run-latency" --build-dir "$BUILD_DIR/gcc" \
		--log-dir "$STEPS_DIR/fabric-latency"
}

# A small guest, once. What QEMU itself needs depends on the machine: bounds, not the patch's ratios.
step_fabric-seed() {
	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	BENCH_TREE=$BUILD_DIR/gcc BENCH_DIR=$STEPS_DIR/fabric-seed
	build_tree gcc
	seed_rows small 2 1 --bounds
}

step_sim() {
	local seeds=70000

	build_tree gcc
	cd "$BUILD_DIR/gcc" || return
	case $CHECK_SIZE in
	quick) seeds=50000 ;;
	full) seeds=2000000 ;;
	esac
	"$SOURCE_DIR/tests/sim/test-sim" "$seeds"
}

# In the full check hundreds of times, and with the command killed at any moment.
step_attach() {
	local -a slow=()

	[ "$CHECK_SIZE" != full ] || slow=(--slow)
	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	RDMATEST_ROOT_NEW=$(bench_root forky) || return
	export RDMATEST_ROOT_NEW
	build_tree gcc
	"$SOURCE_DIR/tests/attach/run-tests" --build-dir "$BUILD_DIR/gcc" "${slow[@]}"
}

step_launcher() {
	build_tree gcc
	tree_check gcc '^tests/launcher/'
}

step_scripts() {
	"$SOURCE_DIR/tests/scripts/run-tests"
}

step_install() {
	build_tree gcc
	tree_check gcc '^tests/install/'
}

step_ab() {
	build_tree gcc
	"$SOURCE_DIR/tests/ab/test-ab.sh" --build-dir "$BUILD_DIR/gcc"
}

step_ab-guest() {
	build_tree gcc
	with_link 900 "$STEPS_DIR/ab-guest" "$SOURCE_DIR/tests/ab/guest-job" "$BUILD_DIR/gcc" \
		"$STEPS_DIR/ab-guest"
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

# The full check needs all of it for its tests.
step_clang() {
	if [ "$CHECK_SIZE" = full ]; then
		build_tree clang
	else
		build_tree clang-warnings
	fi
}

step_clang-unit() {
	build_tree clang
	tree_check clang '^tests/(unit|sim|fuzz)/'
}

# engine_run TREE: the cases of processes under LD_PRELOAD, and many migrations, with the shim in the program.
engine_run() {
	local status=0 count=30

	[ "$CHECK_SIZE" != full ] || count=60
	cd "$BUILD_DIR/$1" || return
	"$SOURCE_DIR/tests/engine/run-tests" --instrumented || status=1
	"$SOURCE_DIR/tests/engine/run-stress" "$count" || status=1
	return "$status"
}

# What engine_run() takes. Nothing else of the module is instrumented.
readonly -a ENGINE_TARGETS=(tests/engine/client tests/engine/plain tests/engine/stress tests/preload/client
	tests/preload/plain tests/fake/libibverbs.la tests/fake/librdmacm.la)

# That the simulation finds each planted fault is what the step `sim' shows; the full check repeats it.
step_sanitizers() {
	local status=0

	build_tree sanitizers "${ENGINE_TARGETS[@]}" tests/sim/sim tests/sim/sim-small
	export UBSAN_OPTIONS=print_stacktrace=1
	[ "$CHECK_SIZE" = full ] || export RDMATEST_SIM_FAULTS=no
	tree_check sanitizers '^tests/(unit|sim|fuzz)/' || status=1
	engine_run sanitizers || status=1
	return "$status"
}

step_tsan() {
	local status=0

	build_tree tsan "${ENGINE_TARGETS[@]}" tests/unit/test_figures
	engine_run tsan || status=1
	# Written and read at the same time.
	"$BUILD_DIR/tsan/tests/unit/test_figures" || status=1
	return "$status"
}

step_coverage() {
	# shellcheck source=scripts/commands/coverage.sh
	. "$SOURCE_DIR/scripts/commands/coverage.sh"
	coverage_run
}

# cross MACHINE SEEDS: the simulation must do there what it does here, seed by seed.
cross() {
	local tree=$BUILD_DIR/cross-$1 seeds=$2 root emulator simulated program

	build_tree "cross-$1" all tests/sim/sim tests/sim/sim-small
	root=$(cross_root "$1")
	emulator="qemu-$1 -L $root"
	# Emulation is slow.
	export CK_TIMEOUT_MULTIPLIER=10 CK_EXCLUDE_TAGS=thread-after-fork
	tree_check "cross-$1" '^tests/(unit/|ab/test-parts$)' LOG_COMPILER="$emulator"
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

# The full check takes longer.
step_fuzz() {
	local seconds

	# shellcheck source=scripts/commands/fuzz.sh
	. "$SOURCE_DIR/scripts/commands/fuzz.sh"
	seconds=$FUZZ_SECONDS
	[ "$CHECK_SIZE" != full ] || seconds=60
	fuzz_build
	# shellcheck disable=SC2046 # names without blanks
	fuzz_run "$seconds" 1 $(fuzz_list)
}

# All files are in the tarball, and what is installed is built of it, beside it. In the full one
# `make distcheck', which runs the tests there, too.
step_distcheck() {
	local missing tree=$STEPS_DIR/distcheck

	build_tree gcc
	if [ "$CHECK_SIZE" = full ]; then
		make -C "$BUILD_DIR/gcc" -j "$JOBS" distcheck
	else
		make -C "$BUILD_DIR/gcc" dist
	fi
	missing=$(comm -23 <(git ls-files 2>/dev/null | grep -vE '\.git(ignore|keep)$' | sort) \
		<(tar -tf "$BUILD_DIR"/gcc/rdmachunk-*.tar.xz | sed 's,^[^/]*/,,' | sort))
	[ -z "$missing" ] || {
		echo "error: not in the tarball: $missing"
		return 1
	}
	[ "$CHECK_SIZE" != full ] || return 0
	rm -rf "$tree"
	mkdir -p "$tree/source" "$tree/build"
	tar -xf "$BUILD_DIR"/gcc/rdmachunk-*.tar.xz -C "$tree/source" --strip-components 1
	chmod -R a-w "$tree/source"
	cd "$tree/build" || return
	"$tree/source/configure" --quiet --disable-lto CFLAGS=-O0
	make -j "$JOBS" all
	make install DESTDIR="$tree/root"
	chmod -R u+w "$tree/source"
}

# Each case boots a guest, or two; without arguments the script runs all of them.
step_vm() {
	local -a cases=()

	[ "$CHECK_SIZE" = full ] || cases=(usage status_and_output timeout)
	"$SOURCE_DIR/tests/vm/test-vm-run.sh" "${cases[@]}"
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
		memlock-stock memlock-src-96 memlock-src-128 memlock-dst-96 memlock-dst-128 memlock-both memlock-dense
}

step_rxe-attach() {
	build_tree gcc
	with_link 1800 "$STEPS_DIR/rxe-attach" "$SOURCE_DIR/tests/attach/guest-job" "$BUILD_DIR/gcc" \
		"$STEPS_DIR/rxe-attach"
}

step_attach-aarch64() {
	local root command

	for command in aarch64-linux-gnu-gcc qemu-system-aarch64; do
		have_command "$command" && continue
		echo "SKIP attach-aarch64: needs $command; run the step on Debian or Ubuntu, where ./run installs it"
		return 77
	done
	build_tree cross-aarch64 librdmachunk.la tools/launcher/rdmachunk tests/preload/attached \
		tests/preload/libslow.la tests/fake/libibverbs.la tests/fake/librdmacm.la
	root=$(aarch64_root) || return
	"$SOURCE_DIR/tests/attach/run-aarch64" "$BUILD_DIR/cross-aarch64" "$root" "$(cross_root aarch64)/cc" \
		qemu-system-aarch64
}

step_rxe-discards() {
	build_tree gcc
	with_link 900 "$STEPS_DIR/rxe-discards" "$SOURCE_DIR/tests/e2e/run-discards" \
		--build-dir "$BUILD_DIR/gcc" --log-dir "$STEPS_DIR/rxe-discards"
}

step_rxe-teardown() {
	build_tree gcc
	with_link 1800 "$STEPS_DIR/rxe-teardown" "$SOURCE_DIR/tests/e2e/run-teardown" \
		--build-dir "$BUILD_DIR/gcc" --log-dir "$STEPS_DIR/rxe-teardown"
}

step_conformance() {
	build_tree gcc
	with_link 300 "$STEPS_DIR/conformance" "$BUILD_DIR/gcc/tests/fabric/conformance"
}

step_param() {
	local root last

	# shellcheck source=scripts/commands/bench.sh
	. "$SOURCE_DIR/scripts/commands/bench.sh"
	build_tree gcc
	root=$(bench_root forky) || return
	rm -rf "$STEPS_DIR/param"
	for last in '' '' '' '' last; do
		with_link 600 "$STEPS_DIR/param" "$SOURCE_DIR/tests/ab/param-job" "$BUILD_DIR/gcc" \
			"$STEPS_DIR/param" "$root" || return
		! "$SOURCE_DIR/tests/ab/param-job" --judge "$STEPS_DIR/param" "$last" || return 0
	done
	return 1
}

# check_steps COLUMN VALUE...: the names of the steps that have one of the values in that column.
check_steps() {
	local column=$1
	shift

	awk -F ' *[|] *' -v column="$column" -v values=" $* " '
	NF && index(values, " " $column " ") { print $1 }' <<<"$CHECK_STEPS"
}

# step_field NAME COLUMN
step_field() {
	awk -F ' *[|] *' -v name="$1" -v column="$2" '$1 == name { print $column }' <<<"$CHECK_STEPS"
}

# steps_of SIZE: those that a check of this size has.
steps_of() {
	case $1 in
	quick) check_steps 2 quick ;;
	check) check_steps 2 quick check ;;
	full) check_steps 2 quick check full ;;
	esac
}

# run_lane LANE...: those of the lanes that were asked for, one after the other, but for what another has
# taken.
run_lane() {
	local lane name

	for lane; do
		# A third of the share that the other lanes have: time limits are theirs.
		[ "$lane" != spare ] || renice -n $(($(nice) + 5)) -p "$BASHPID" >/dev/null 2>&1 || :
		for name in $(check_steps 4 "$lane"); do
			[[ " ${wanted[*]} " == *" $name "* ]] || continue
			mkdir "$STEPS_DIR/$name.taken" 2>/dev/null || continue
			run_step "$name" "$(step_field "$name" 3)" "$(step_field "$name" 5)"
		done
	done
}

# All steps that were asked for.
run_lanes() {
	start_lane run_lane first
	wait_lanes
	start_lane run_lane host spare
	start_lane run_lane guest spare
	start_lane run_lane spare
	wait_lanes
	start_lane run_lane alone
	wait_lanes
}

# The steps that were not run, by the smallest check that has them.
say_left_out() {
	local size names

	for size in check full; do
		names=$(check_steps 2 "$size" | grep -Fxv -f <(printf '%s\n' "${wanted[@]}") | tr '\n' ' ') || :
		[ -z "$names" ] || say "left out, see \"./run check$([ "$size" = check ] || echo " $size")\": $names"
	done
}

command_main() {
	local name
	local -a wanted

	CHECK_SIZE=check
	case ${1:-} in
	--list)
		awk -F ' *[|] *' 'NF { printf "%-15s %-5s  %s\n", $1, $2, $5 }' <<<"$CHECK_STEPS"
		return 0
		;;
	quick | check | full)
		CHECK_SIZE=$1
		shift
		;;
	esac
	for name; do
		[ -n "$(step_field "$name" 3)" ] || die "no step '$name'; try ./run check --list"
	done
	wanted=("$@")
	[ $# -gt 0 ] || mapfile -t wanted < <(steps_of "$CHECK_SIZE")

	heading "What this needs"
	say "looking for what is missing"
	# shellcheck disable=SC2046 # a list of names
	need_packages $(step_groups "${wanted[@]}")
	say "all is there"

	heading "Steps: ${wanted[*]}"
	rm -rf "$STEPS_DIR"
	mkdir -p "$STEPS_DIR"
	trap end_lanes EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	run_lanes

	heading "All steps, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
	for name in "${wanted[@]}"; do
		tell_step "$name" "$(step_field "$name" 3)" "$CHECK_SIZE"
	done
	[ $# -gt 0 ] || say_left_out
	steps_total "${wanted[@]}"
}
