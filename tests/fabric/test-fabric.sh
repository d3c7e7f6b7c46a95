#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tests the fabric itself: conformance in both ways of copying, every knob and fault, the report, and
# that programs find all symbols in the versions they want. Run where it was built:
#
#	tests/fabric/test-fabric.sh [BUILD_DIRECTORY]

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
build=${1:-${top_builddir:-.}}
libs=$(realpath "$build/tests/fabric/.libs") || exit 2
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=tests/lib/report.sh
. "$here/../lib/report.sh"

# result NAME REASON: by the exit status of the command before
result() {
	if [ $? -eq 0 ]; then ok "$1"; else not_ok "$1" "$2"; fi
}

# program NAME: where libtool put it
program() {
	if [ -x "$libs/$1" ]; then echo "$libs/$1"; else echo "$build/tests/fabric/$1"; fi
}

# A program's own lines, its count folded into ours; $1 goes before each name.
fold() {
	local prefix=$1 word rest
	while read -r word rest; do
		case $word in
		ok) ok "$prefix$rest" ;;
		FAIL) not_ok "$prefix${rest%% *}" "${rest#* }" ;;
		skip) not_run "$prefix${rest%% *}" "${rest#* }" ;;
		*) counts="$word $rest" ;;
		esac
	done
}

# start_cases NAME COMMAND...: what it says is for tell_cases. Such a program waits most of its time, so
# that all of them run at the same time.
start_cases() {
	local name=$1
	shift
	LD_LIBRARY_PATH=$libs "$@" >"$scratch/$name.out" 2>"$scratch/$name.err" &
}

# tell_cases NAME: once it has ended.
tell_cases() {
	counts=
	fold "$1." <"$scratch/$1.out"
	# Without its closing line the program ended early.
	[[ $counts == *" passed, "* ]]
	result "$1.complete" "$(tail -n 3 "$scratch/$1.err")"
}

conformance=$(program conformance)
knobs=$(program knobs)

start_cases conformance "$conformance" 127.0.0.1
# Here the data leaves with the request, so that one case is not for this way of copying.
mapfile -t names < <(LD_LIBRARY_PATH=$libs "$conformance" --list | grep -vx source_read_late)
start_cases socket env RDMAFABRIC_COPY=socket "$conformance" 127.0.0.1 "${names[@]}"
# With an allocator that gives memory back from within malloc, from a program's first moment on.
# (`register' wants an address at which nothing is mapped: this allocator takes it at once.)
mapfile -t names < <(LD_LIBRARY_PATH=$libs "$conformance" --list | grep -vx register)
start_cases greedy env LD_PRELOAD="$libs/libgreedy.so" "$conformance" 127.0.0.1 "${names[@]}"
start_cases knobs "$knobs" 127.0.0.1
# What has been freed is not mapped any more.
start_cases greedy-knobs env LD_PRELOAD="$libs/libgreedy.so" "$knobs" 127.0.0.1 channel_first
wait
for name in conformance socket greedy knobs greedy-knobs; do
	tell_cases "$name"
done
! grep -q 'cannot be preloaded' "$scratch/greedy.err"
result greedy.preloaded "$(head -n 1 "$scratch/greedy.err")"

# Both ends of a connection that was closed properly report nothing alive, and what was called.
RDMAFABRIC_REPORT=$scratch/report-%p.json LD_LIBRARY_PATH=$libs \
	"$conformance" 127.0.0.1 send_recv >"$scratch/out" 2>&1
reports=("$scratch"/report-*.json)
[ ${#reports[@]} -eq 2 ]
result report.both_ends "${#reports[@]} reports, expected 2"
! grep -hE '"live_[a-z]+": [^0]' "${reports[@]}" >"$scratch/alive"
result report.nothing_alive "$(tr -d '\t\n' <"$scratch/alive")"
[ "$(cat "${reports[@]}" | grep -c '"post_send": 1,')" = 1 ]
result report.calls "not one of two ends posted one SEND"

# What is kept for MRs is told, and ends with them.
RDMAFABRIC_REPORT=$scratch/kept-%p.json LD_LIBRARY_PATH=$libs \
	"$conformance" 127.0.0.1 pin_private_dontneed >"$scratch/out" 2>&1
[ "$(cat "$scratch"/kept-*.json | grep -c '"kept_pages": 1,')" = 2 ]
result report.kept_pages "not one page kept at each end: $(grep -h kept_pages "$scratch"/kept-*.json | tr -d '\t\n')"
! grep -h '"live_kept_pages": [^0]' "$scratch"/kept-*.json >"$scratch/alive"
result report.kept_pages_end "$(tr -d '\t\n' <"$scratch/alive")"

# The README's table is the program's.
grep -oE '^	\{"[A-Z_0-9]+", KIND' "$here/settings.c" | grep -oE '[A-Z][A-Z_0-9]+"' | tr -d '"' |
	sort >"$scratch/known"
# shellcheck disable=SC2016
grep -oE '^\| `RDMAFABRIC_[A-Z_0-9]+`' "$here/README.md" | grep -oE '_[A-Z_0-9]+' | cut -c2- |
	grep -vx PRESET | sort >"$scratch/told"
[ -s "$scratch/known" ] && cmp -s "$scratch/known" "$scratch/told"
result readme.settings "$(diff "$scratch/known" "$scratch/told" | tr '\n' ' ')"

# So are its presets.
grep -oE '^	\{"[a-z0-9]+",' "$here/settings.c" | grep -oE '[a-z0-9]+' | sort >"$scratch/known"
# shellcheck disable=SC2016
grep -F '`RDMAFABRIC_PRESET`' "$here/README.md" | cut -d'|' -f4 | grep -oE '`[a-z0-9]+`' | tr -d '`' |
	sort >"$scratch/told"
[ -s "$scratch/known" ] && cmp -s "$scratch/known" "$scratch/told"
result readme.presets "$(diff "$scratch/known" "$scratch/told" | tr '\n' ' ')"

# All symbols resolved at once, and no complaint about versions.
qemu=$(command -v "${RDMACHUNK_QEMU:-qemu-system-x86_64}")
if [ -n "$qemu" ]; then
	LD_BIND_NOW=1 LD_LIBRARY_PATH=$libs "$qemu" --version >"$scratch/out" 2>&1 &&
		! grep -q 'version information' "$scratch/out"
	result qemu.symbols "$(head -n 2 "$scratch/out")"
	LD_LIBRARY_PATH=$libs ldd "$qemu" | grep -q "libibverbs.so.1 => $libs/"
	result qemu.uses_fabric "$qemu does not load the fabric"
	# What QEMU gives memory back by, in whatever version of libc's it wants.
	LD_DEBUG=bindings LD_BIND_NOW=1 LD_LIBRARY_PATH=$libs "$qemu" --version 2>&1 |
		grep -E "binding file [^ ]*${qemu##*/} .*\`(madvise|munmap|mmap(64)?|mremap|fallocate(64)?)'" \
			>"$scratch/bound"
	[ "$(wc -l <"$scratch/bound")" -ge 5 ] && ! grep -qv " to $libs/libibverbs" "$scratch/bound"
	result qemu.discards_seen "$(grep -v " to $libs/libibverbs" "$scratch/bound" | head -n 1)"
else
	not_run qemu.symbols "no qemu-system-x86_64; install qemu-system-x86"
fi

totals
