# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# Options, the environment that is set, and exit statuses.

launch=("$launcher" --lib "$library")

# launched NAME LINE: the last program started has shown this line.
launched() {
	expect_line "$1" "$out" "$2"
}

# refused NAME MESSAGE OPTION...: the message is what the library would say.
refused() {
	local name=$1 message=$2
	shift 2

	run "${launch[@]}" "$@" -- "$qemu" started
	expect "$name: message" "$err" "rdmachunk: $message"
	expect "$name: exit status" "$status" 125
	expect "$name: QEMU is not started" "$out" ""
}

shifts="20 to 30, or off"
sizes="a power of two from 1M to 1G (suffixes K, M, G)"
levels="off, error, warn, info or debug"
for value in 19 31 0 -1 abc "" " 25" 25x 0x19 2.5 99999999999999999999; do
	refused "--shift '$value'" "RDMACHUNK_SHIFT=$value is not allowed: use $shifts" "--shift=$value"
done
for value in 512K 2G 3M 1 0 1T M "" 1MB -1M 33554433; do
	refused "--size '$value'" "RDMACHUNK_SIZE=$value is not allowed: use $sizes" "--size=$value"
done
for value in WARN 3 "" all; do
	refused "--log '$value'" "RDMACHUNK_LOG=$value is not allowed: use $levels" "--log=$value"
done
for value in yes ON "" 1; do
	refused "--writes '$value'" "RDMACHUNK_WRITES=$value is not allowed: use on or off" "--writes=$value"
	refused "--zeros '$value'" "RDMACHUNK_ZEROS=$value is not allowed: use on or off" "--zeros=$value"
	refused "--prefetch '$value'" "RDMACHUNK_PREFETCH=$value is not allowed: use on or off" "--prefetch=$value"
	refused "--ahead '$value'" "RDMACHUNK_AHEAD=$value is not allowed: use on or off" "--ahead=$value"
done
refused "--stats ''" "RDMACHUNK_STATS= is not allowed: use a path (%p is the process id) or stderr" \
	--stats=
refused "--log-file ''" "RDMACHUNK_LOG_FILE= is not allowed: use a path (%p is the process id)" \
	--log-file=
refused "--shift and --size" \
	"RDMACHUNK_SHIFT=25 and RDMACHUNK_SIZE name different sizes: give one of them" --shift 25 --size 1M

export RDMACHUNK_LOG=loud
refused "bad value in the environment" "RDMACHUNK_LOG=loud is not allowed: use $levels"
run "${launch[@]}" --log info -- "$qemu"
launched "an option wins over the environment" RDMACHUNK_LOG=info
unset RDMACHUNK_LOG
RDMACHUNK_SHFT=25 run "${launch[@]}" "$qemu"
expect "unknown variable: a warning" "$err" "rdmachunk: RDMACHUNK_SHFT=25 is not a variable I know: ignored"
expect "unknown variable: QEMU is started" "$status" 0

run "${launch[@]}" --shift 25 --stats '/run/s %p' --log debug --log-file l.log "$qemu" -m '8 G' --shift 3
expect "exit status of QEMU" "$status" 0
expect "standard error" "$err" ""
launched "shift" RDMACHUNK_SHIFT=25
launched "stats" "RDMACHUNK_STATS=/run/s %p"
launched "log" RDMACHUNK_LOG=debug
launched "log file" RDMACHUNK_LOG_FILE=l.log
launched "library" "LD_PRELOAD=$library"
launched "arguments are QEMU's" "argument=8 G"
launched "options behind QEMU's name are QEMU's" "argument=--shift"
run "${launch[@]}" "$qemu"
expect "without options only the preload" "$out" "LD_PRELOAD=$library"
run "${launch[@]}" --size 32M -- "$qemu"
launched "size" RDMACHUNK_SIZE=32M
RDMACHUNK_SHIFT=20 run "${launch[@]}" --size 32M -- "$qemu"
expect "--size wins over the variable of --shift" "$(sort <<<"$out")" "LD_PRELOAD=$library
RDMACHUNK_SIZE=32M"
RDMACHUNK_SIZE=1M run "${launch[@]}" --shift off -- "$qemu"
expect "--shift wins over the variable of --size" "$(sort <<<"$out")" "LD_PRELOAD=$library
RDMACHUNK_SHIFT=off"
RDMACHUNK_SIZE=1M run "${launch[@]}" -- "$qemu"
launched "the environment is kept" RDMACHUNK_SIZE=1M
run "${launch[@]}" --prefetch off -- "$qemu"
launched "prefetch" RDMACHUNK_PREFETCH=off
run "${launch[@]}" --ahead off -- "$qemu"
expect "prefetch by its old name: standard error" "$err" ""
launched "prefetch by its old name" RDMACHUNK_AHEAD=off
RDMACHUNK_AHEAD=on run "${launch[@]}" --prefetch off -- "$qemu"
expect "--prefetch wins over the old variable: standard error" "$err" ""
expect "--prefetch wins over the old variable" "$(sort <<<"$out")" "LD_PRELOAD=$library
RDMACHUNK_PREFETCH=off"
RDMACHUNK_PREFETCH=on run "${launch[@]}" --ahead off -- "$qemu"
expect "--ahead wins over the new variable: standard error" "$err" ""
expect "--ahead wins over the new variable" "$(sort <<<"$out")" "LD_PRELOAD=$library
RDMACHUNK_AHEAD=off"
run "${launch[@]}" --prefetch on --ahead off -- "$qemu"
expect "--prefetch and --ahead: a warning" "$err" \
	"rdmachunk: RDMACHUNK_AHEAD=off contradicts RDMACHUNK_PREFETCH, its new name: ignored"
expect "--prefetch and --ahead: QEMU is started" "$status" 0

# libc is in each process anyway.
libc=$(sed -n 's|^[^/]*\(/.*/libc[.-].*so.*\)|\1|p' /proc/self/maps | head -n 1)
LD_PRELOAD=$libc run "${launch[@]}" "$qemu"
launched "prepended to LD_PRELOAD" "LD_PRELOAD=$library:$libc"
LD_PRELOAD="$libc $library" run "${launch[@]}" "$qemu"
launched "not twice in LD_PRELOAD" "LD_PRELOAD=$libc $library"
LD_PRELOAD="" run "${launch[@]}" "$qemu"
launched "empty LD_PRELOAD" "LD_PRELOAD=$library"
run bash -c 'cd "$1" && shift && "$@"' bash "$(dirname "$library")" "$launcher" --lib "librdmachunk.so" "$qemu"
launched "relative --lib" "LD_PRELOAD=$(realpath "$library")"
run "${launch[@]}" cat /proc/self/maps
expect "the loader has taken the library" "$(grep -cF "$library" <<<"$out" | sed 's/^[1-9].*/some/')" some

run "${launch[@]}" "$qemu" exit 77
expect "exit status is QEMU's" "$status" 77
# In a shell, which would otherwise be this one and complain.
run sh -c '"$@"; exit $?' sh "${launch[@]}" sh -c 'kill -9 $$'
expect "signals end QEMU as usual" "$status" 137
run "${launch[@]}" "$tmp/missing"
expect "missing program: exit status" "$status" 127
expect "missing program: message" "$err" "rdmachunk: $tmp/missing: No such file or directory"
: >"$tmp/plain-file"
run "${launch[@]}" "$tmp/plain-file"
expect "program without x: exit status" "$status" 126
expect "program without x: message" "$err" "rdmachunk: $tmp/plain-file: Permission denied"
run "${launch[@]}" "$tmp"
expect "directory: exit status" "$status" 126
run "$launcher" --lib "$tmp/missing.so" "$qemu"
expect "missing library: exit status" "$status" 125
expect "missing library: message" "$err" \
	"rdmachunk: $tmp/missing.so: No such file or directory; install the library, or name it with --lib"
cp "$library" "$tmp/a library.so"
run "$launcher" --lib "$tmp/a library.so" "$qemu"
expect "library with a space in its path: exit status" "$status" 125
expect "library with a space in its path: QEMU is not started" "$out" ""

run "${launch[@]}"
expect "no program: exit status" "$status" 125
run "$launcher" --nonsense
expect "unknown option: exit status" "$status" 125
run "$launcher" --shift
expect "option without its argument: exit status" "$status" 125
run "${launch[@]}" --memory 1G "$qemu"
expect "--memory without --check: exit status" "$status" 125
for value in 0 x 1X 8GB -1G 99999999T ""; do
	run "${launch[@]}" --check --memory "$value" "$qemu"
	expect "--memory '$value': exit status" "$status" 125
done
run "$launcher" --version
expect_line "--version" "$out" "rdmachunk [0-9]+\.[0-9]+\.[0-9]+"
run "$launcher" --help
expect "--help: exit status" "$status" 0
# One table: each variable of the library, as its own manual page has them, is an option.
for name in $(sed -n 's/^\.It Ev RDMACHUNK_//p' "$source_dir/man/librdmachunk.7" | tr _A-Z -a-z); do
	expect_line "--help has --$name" "$out" "  --$name VALUE .*"
done
