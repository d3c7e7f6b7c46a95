# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: feed parsers and core generated input: "fuzz [TARGET...] [--seconds N] [--jobs N]"; "fuzz --list"
# usage: ./run fuzz [TARGET...] [--seconds N] [--jobs N]
# usage: ./run fuzz --list

# Of each target; the check takes these.
readonly FUZZ_SECONDS=3

# What an input may cost: none is more than a few kilobytes.
readonly -a FUZZ_LIMITS=(-timeout=20 -rss_limit_mb=1024)

# fuzz_list: the targets. Each has a corpus of this name.
fuzz_list() {
	local corpus

	for corpus in "$SOURCE_DIR"/tests/fuzz/corpus/*/; do
		basename "$corpus"
	done
}

# fuzz_build: the targets with libFuzzer.
fuzz_build() {
	local -a programs

	mapfile -t programs < <(fuzz_list | sed 's,^,tests/fuzz/,')
	build_tree fuzz "${programs[@]}"
}

# fuzz_target NAME SECONDS: the target's corpus, what earlier runs have added to it or found, in the
# build tree, and then new inputs. Prints one line, and how to repeat what was found.
fuzz_target() {
	local name=$1 seconds=$2 status=0 executions
	local tree=$BUILD_DIR/fuzz program=$BUILD_DIR/fuzz/tests/fuzz/$1
	local grown=$tree/corpus/$name finds=$tree/finds/$name log=$tree/$name.fuzz-log

	mkdir -p "$grown" "$finds"
	: >"$tree/$name.began"
	"$program" "${FUZZ_LIMITS[@]}" -max_total_time="$seconds" -print_final_stats=1 \
		-artifact_prefix="$finds/" "$grown" "$finds" "$SOURCE_DIR/tests/fuzz/corpus/$name" \
		>"$log" 2>&1 || status=$?
	executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$status" -eq 0 ] && [ "${executions:-0}" -gt 0 ]; then
		echo "ok $name, $executions executions"
		return 0
	fi
	echo "FAIL $name, see $log:"
	grep -E -A 12 'does not hold|ERROR: |runtime error' "$log" | head -n 20
	find "$finds" -type f -newer "$tree/$name.began" | sed "s,^,again: $program ,"
	return 1
}

# fuzz_run SECONDS JOBS TARGET...: so many targets at a time.
fuzz_run() {
	local seconds=$1 parallel=$2 name running=0 status=0
	shift 2

	for name; do
		if [ "$running" -ge "$parallel" ]; then
			wait -n || status=1
			running=$((running - 1))
		fi
		fuzz_target "$name" "$seconds" &
		running=$((running + 1))
	done
	for (( ; running > 0; running--)); do
		wait -n || status=1
	done
	return "$status"
}

command_main() {
	local seconds=$FUZZ_SECONDS parallel=1 log=$BUILD_DIR/fuzz.log
	local -a targets=()

	while [ $# -gt 0 ]; do
		case $1 in
		--list) fuzz_list && return ;;
		--seconds | --jobs)
			[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "$1 needs a number"
			if [ "$1" = --jobs ]; then parallel=$2; else seconds=$2; fi
			shift
			;;
		*)
			fuzz_list | grep -Fx -- "$1" >/dev/null || die "no fuzz target '$1'; try ./run fuzz --list"
			targets+=("$1")
			;;
		esac
		shift
	done
	[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(fuzz_list)
	need_packages build fuzz
	fuzz_build >"$log" 2>&1 || {
		tail -n 40 "$log" >&2
		die "the build failed; all of it is in $log"
	}
	fuzz_run "$seconds" "$parallel" "${targets[@]}"
}
