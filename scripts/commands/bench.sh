# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: measure, by suite: hooks, fabric, seed, scale, guest ("bench --list"); reports stay in _build/bench

# NAME | TITLE
readonly BENCH_SUITES='
hooks  | nanoseconds for each hooked verb, with the shim and without
fabric | stock and shim on the software fabric: a SIMULATION, presets and guest sizes
seed   | regions of 1 MiB, 32 MiB, 1 GiB on the fabric, costs fitted to the QEMU patch: a SIMULATION
scale  | core with guests of 12 TiB and of 1 TiB in 2 MiB regions: processor time and memory for a chunk
guest  | real rxe: this QEMU, and QEMU 11.1 with its own x-rdma-chunk-size
model  | adapters of 100 and 200 Gbit/s at a scale of 1:48 on the fabric, with limits: a SIMULATION
'

command_help() {
	cat <<END
Usage: ./run bench [SUITE...]
       ./run bench model [--rounds N] [--size SIZE] [--json FILE]
       ./run bench --list
All suites without a SUITE:

$(sed '/^$/d' <<<"$BENCH_SUITES")

The options are for the suite model:
  --rounds N   rounds, in each of which all are measured once; 3 by default
  --size SIZE  the guest's RAM, 1G by default; with less, what does not depend on it weighs more
  --json FILE  also write what the table says, and the limits, to FILE
END
}

BENCH_TREE=$BUILD_DIR/default

# ab NAME ARGUMENT...: rdmachunk-ab with our library and the counting one; its reports go to NAME.
ab() {
	local name=$1
	shift

	mkdir -p "$BENCH_DIR/$name"
	"$BENCH_TREE/tools/ab/rdmachunk-ab" --lib "$BENCH_TREE/.libs/librdmachunk.so" \
		--count-lib "$BENCH_TREE/tests/e2e/.libs/librdmachunk-count.so" \
		--output "$BENCH_DIR/$name" "$@"
}

# on_fabric PRESET COMMAND...
on_fabric() {
	local preset=$1
	shift

	LD_LIBRARY_PATH=$BENCH_TREE/tests/fabric/.libs RDMAFABRIC_PRESET=$preset "$@" --addr 127.0.0.1 \
		--note "A simulation: software fabric, preset $preset."
}

bench_hooks() {
	"$SOURCE_DIR/tests/bench/run-hooks" "$BENCH_TREE"
}

bench_scale() {
	local failed=0

	"$BENCH_TREE/tests/bench/scale" 12 30 || failed=1
	"$BENCH_TREE/tests/bench/scale" 1 21 || failed=1
	return "$failed"
}

# Both ends have their memory beforehand: on one host it takes the kernel longer to provide it than
# the migration takes otherwise, and never the same.
bench_fabric() {
	local preset size
	local plain=shim,env:RDMACHUNK_WRITES=off,env:RDMACHUNK_ZEROS=off,env:RDMACHUNK_PREFETCH=off,label=shim-plain

	for preset in none hca100g hca400g; do
		for size in 512M 2G; do
			heading "Preset $preset, guest of $size (a simulation)"
			on_fabric "$preset" ab "fabric-$preset-$size" --size "$size" --prealloc --rounds 6 \
				--variant stock --variant shim --variant "$plain"
		done
	done
}

# GiB that are free for both ends' RAM: /dev/shm is memory, too, and has a limit of its own.
seed_room() {
	local shm memory

	shm=$(df --output=avail -k /dev/shm | tail -n 1)
	memory=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
	# QEMU and the rest of the machine have to live, too.
	memory=$((memory - 1048576))
	echo $(((shm < memory ? shm : memory) / 1048576))
}

# seed_rows NAME GIB ROUNDS [OPTION]: the patch's chunk sizes as regions, in a guest of so many GiB, and
# the table of seed-table, which has the OPTION and fails if they are not alike. All of the guest has
# data: nothing else costs what the figures say. The pages are allocated beforehand, as a
# registration's cost is to be the preset's.
seed_rows() {
	local name=$1 size=$2 rounds=$3 variant
	local -a variants=() options=("${@:4}")

	while read -r variant; do
		variants+=(--variant "$variant")
	done < <("$SOURCE_DIR/scripts/seed-table" --variants)
	on_fabric seed ab "$name" --size "${size}G" --zero-fraction 0 --prealloc --rounds "$rounds" \
		--warmup 0 --title "A guest of $size GiB by size of a region (in brackets: seconds of the QEMU patch)" \
		"${variants[@]}" || return
	heading "The patch's figures beside these, a guest of $size GiB (a simulation)"
	"$SOURCE_DIR/scripts/seed-table" "${options[@]}" "$BENCH_DIR/$name/result.json" |
		tee "$BENCH_DIR/$name/table.md"
}

# The guest of the patch has 8 GiB.
bench_seed() {
	local size=8 room

	room=$(seed_room)
	while [ "$size" -gt 1 ] && [ $((size * 2)) -gt "$room" ]; do
		size=$((size / 2))
	done
	[ "$size" -eq 8 ] || say "scaled down to $size GiB: there is room for $room GiB only"
	seed_rows seed "$size" 3
}

# bench_root RELEASE: a root directory with the QEMU of that release of Debian.
bench_root() {
	qemu_root "$1"
}

# model_rows BED ROOT: the scale model's migrations; ROOT has QEMU 11.1.
model_rows() {
	local bed=$1 root=$2 threads='' variant
	local -a variants=()

	# rdmachunk-ab refuses a variable that the library does not know.
	if "$BENCH_TREE/man/list-variables" | grep -q '^RDMACHUNK_THREADS	'; then
		threads=RDMACHUNK_THREADS=4
	elif [ "$bed" = 200 ]; then
		say "this library does not know RDMACHUNK_THREADS: as many threads as it has"
	fi
	while IFS= read -r variant; do
		variants+=(--variant "$variant")
	done < <("$SOURCE_DIR/scripts/model-table" --variants "$bed" "$root" "$threads")
	[ "$bed" != 200 ] || local -x RDMAFABRIC_BANDWIDTH=4G
	on_fabric model100g ab "model/$bed" --size "$BENCH_SIZE" --zero-fraction 0 --prealloc \
		--rounds "$BENCH_ROUNDS" --warmup 0 \
		--title "A scale model of an adapter with $bed Gbit/s${RDMAFABRIC_BANDWIDTH:+ (BANDWIDTH=$RDMAFABRIC_BANDWIDTH)}" \
		"${variants[@]}"
}

# A migration that failed is no reason to leave the table out: what has no median keeps no limit.
bench_model() {
	local bed root status=0

	root=$(bench_root forky) || die "QEMU of Debian forky could not be had"
	mkdir -p "$BENCH_DIR/model"
	for bed in 100 200; do
		heading "As an adapter with $bed Gbit/s (a simulation)"
		rm -f "$BENCH_DIR/model/$bed/result.json"
		model_rows "$bed" "$root" || status=1
	done
	heading "The scale model (a simulation)"
	"$SOURCE_DIR/scripts/model-table" "$BENCH_DIR/model"/{100,200}/result.json \
		"$BENCH_DIR/model/model.json" >"$BENCH_DIR/model/table.md" || status=1
	cat "$BENCH_DIR/model/table.md"
	[ -z "$BENCH_JSON" ] || cp "$BENCH_DIR/model/model.json" "$BENCH_JSON" || status=1
	return "$status"
}

bench_guest() {
	local root

	root=$(bench_root forky) || die "QEMU of Debian forky could not be had"
	heading "$(qemu-system-x86_64 --version | head -n 1)"
	with_link 1800 "$BENCH_DIR" "$SOURCE_DIR/scripts/bench-job" "$BENCH_TREE" "$BENCH_DIR/guest" \
		--rounds 6 --variant stock --variant shim
	heading "QEMU of Debian forky, with its own parameter"
	with_link 1800 "$BENCH_DIR" "$SOURCE_DIR/scripts/bench-job" "$BENCH_TREE" "$BENCH_DIR/guest-forky" \
		--qemu-root "$root" --rounds 6 --variant param=1G --variant shim --variant stock
}

# bench_options ARGUMENT...: sets wanted, and what the options say.
bench_options() {
	local model_option='' variable

	BENCH_ROUNDS=3 BENCH_SIZE=1G BENCH_JSON=
	while [ $# -gt 0 ]; do
		case $1 in
		--rounds | --size | --json)
			[ $# -ge 2 ] || die "$1 needs a value; try ./run bench --help"
			model_option=$1
			variable=${1#--}
			printf -v "BENCH_${variable^^}" '%s' "$2"
			shift
			;;
		-*) die "no option $1; try ./run bench --help" ;;
		*) wanted+=("$1") ;;
		esac
		shift
	done
	[[ $BENCH_ROUNDS =~ ^[1-9][0-9]*$ ]] || die "--rounds needs a number"
	# A path of the caller's, who was elsewhere perhaps.
	[[ -z $BENCH_JSON || $BENCH_JSON = /* ]] || BENCH_JSON=$OLDPWD/$BENCH_JSON
	[ ${#wanted[@]} -gt 0 ] || mapfile -t wanted < <(awk -F'|' 'NF { gsub(/ /, "", $1); print $1 }' <<<"$BENCH_SUITES")
	[[ -z $model_option || " ${wanted[*]} " == *' model '* ]] || die "$model_option is for the suite model"
}

command_main() {
	local name
	local -a wanted=()

	case ${1:-} in
	--list)
		sed '/^$/d' <<<"$BENCH_SUITES"
		return 0
		;;
	esac
	bench_options "$@"
	for name in "${wanted[@]}"; do
		grep -q "^$name *|" <<<"$BENCH_SUITES" || die "no suite '$name'; try ./run bench --list"
	done
	heading "What this needs"
	need_packages build guest demo roots
	BENCH_DIR=$BUILD_DIR/bench
	mkdir -p "$BENCH_DIR"
	heading "Build"
	build_tree default >"$BENCH_DIR/build.log" 2>&1 || die "the build failed; see $BENCH_DIR/build.log"
	for name in "${wanted[@]}"; do
		[ "$name" != guest ] || guest_prepare || die "no RDMA link, and no kernel for a guest"
		heading "$(sed -n "s/^$name *| //p" <<<"$BENCH_SUITES")"
		"bench_$name"
	done
	say "Reports: $BENCH_DIR"
}
