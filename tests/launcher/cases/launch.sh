# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# Options, the environment that is set, and exit statuses.

launch=("$launcher" --lib "$library")

# launched NAME LINE: the last program started has shown this line.
launched() {
	expect_line "$1" "$out" "$2"
}

# refused NAME MESSAGE OPTION...: the message is what the library would say, of what the user typed.
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
for value in 19 31 0 -1 abc 25x 0x19 2.5 99999999999999999999; do
	refused "--shift '$value'" "--shift $value is not allowed: use $shifts" "--shift=$value"
done
refused "--shift ' 25'" "--shift= 25 is not allowed: use $shifts" "--shift= 25"
refused "--shift ''" "--shift= is not allowed: use $shifts" --shift=
for value in 512K 2G 3M 1 0 1T M 1MB -1M 33554433; do
	refused "--size '$value'" "--size $value is not allowed: use $sizes" "--size=$value"
done
for value in WARN 3 all; do
	refused "--log '$value'" "--log $value is not allowed: use $levels" "--log=$value"
done
for value in yes ON 1; do
	refused "--writes '$value'" "--writes $value is not allowed: use on or off" "--writes=$value"
	refused "--zeros '$value'" "--zeros $value is not allowed: use on or off" "--zeros=$value"
	refused "--prefetch '$value'" "--prefetch $value is not allowed: use on or off" "--prefetch=$value"
	refused "--ahead '$value'" "--ahead $value is not allowed: use on or off" "--ahead=$value"
done
refused "--stats ''" "--stats= is not allowed: use a path (%p is the process id) or stderr" \
	--stats=
refused "--log-file ''" "--log-file= is not allowed: use a path (%p is the process id)" \
	--log-file=
refused "--shift and --size" \
	"--shift 25 and --size name different sizes: give one of them" --shift 25 --size 1M

export RDMACHUNK_LOG=loud
refused "bad value in the environment" "RDMACHUNK_LOG=loud is not allowed: use $levels"
refused "bad value in the environment and another option" "RDMACHUNK_LOG=loud is not allowed: use $levels" \
	--shift 20
run "${launch[@]}" --log info -- "$qemu"
launched "an option wins over the environment" RDMACHUNK_LOG=info
unset RDMACHUNK_LOG
RDMACHUNK_SHFT=25 run "${launch[@]}" "$qemu"
expect "unknown variable: a warning" "$err" "rdmachunk: RDMACHUNK_SHFT=25 is an unknown variable: ignored"
expect "unknown variable: QEMU is started" "$status" 0

run "${launch[@]}" --shift 25 --stats "$tmp/s %p" --log debug --log-file l.log "$qemu" -m '8 G' --shift 3
expect "exit status of QEMU" "$status" 0
expect "standard error" "$err" ""
launched "shift" RDMACHUNK_SHIFT=25
launched "stats" "RDMACHUNK_STATS=$tmp/s %p"
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
	"rdmachunk: --ahead off contradicts --prefetch, its new name: ignored"
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

# Another library, and ours cut short or of another build. Nothing of it may run.
other_library() {
	run "$launcher" --lib "$2" "$qemu" started
	expect "$1: exit status" "$status" 125
	expect "$1: message" "$err" "rdmachunk: $2: $3"
	expect "$1: QEMU is not started" "$out" ""
}
printf '%s\n' '#include <unistd.h>' 'static void __attribute__((constructor)) run(void) { _exit(9); }' >"$tmp/other.c"
compile "$tmp/other.so" "$tmp/other.c" -shared -fPIC
other_library "another library" "$tmp/other.so" "it is not librdmachunk: it does not define rdmachunk_version"
printf 'text\n' >"$tmp/text.so"
other_library "library that is none" "$tmp/text.so" "not an ELF file, or a truncated one"
wrong=
size=$(stat -c %s "$library")
for ((cut = 1; cut < size; cut += size / 50)); do
	head -c "$cut" "$library" >"$tmp/cut.so"
	run "$launcher" --lib "$tmp/cut.so" "$qemu" started
	{ [ "$status" -eq 125 ] && [[ $err == *truncated* ]]; } || wrong+=" $cut:$status:$err"
done
expect "library cut anywhere" "$wrong" ""
head -c "$((size - 1))" "$library" >"$tmp/cut.so"
other_library "library without its last byte" "$tmp/cut.so" "the file is truncated"
echo 'const char rdmachunk_version[] = "0.0.9 (01234567)";' >"$tmp/older.c"
compile "$tmp/older.so" "$tmp/older.c" -shared -fPIC
run "$launcher" --lib "$tmp/older.so" "$qemu"
expect "library of another build: exit status" "$status" 0
expect "library of another build: message" "$err" \
	"rdmachunk: $tmp/older.so: it is librdmachunk 0.0.9 (01234567), $("$launcher" --version | sed 's/ / is /')"

# Files that cannot be written.
unwritable() {
	local name=$1 path=$2 why=$3 option
	shift 3

	for option in --stats --log-file; do
		run "${launch[@]}" "$option" "$path" "$qemu" "$@"
		expect "$option, $name: exit status" "$status" 125
		expect "$option, $name: message" "$err" "rdmachunk: $option $path: $why"
		expect "$option, $name: QEMU is not started" "$out" ""
	done
}
unwritable "no such directory" /nonexistent/x "No such file or directory"
unwritable "a directory" "$tmp" "is a directory"
unwritable "a device" /dev/null "is a device"
ln -sf nowhere "$tmp/link"
unwritable "a symbolic link" "$tmp/link" "is a symbolic link"
unwritable "a file for a directory" "$qemu/x" "Not a directory"
unwritable "a relative path of a daemon" "here/$(basename "$tmp").json" "No such file or directory" -daemonize
if [ "$(id -u)" -ne 0 ]; then
	not_run "a file that another user may not write" "needs root"
else
	mkdir -p "$tmp/roots" "$tmp/others"
	chmod 700 "$tmp/roots"
	chown nobody "$tmp/others"
	unwritable "by -runas" "$tmp/roots/x" "Permission denied" -runas nobody
	unwritable "by -run-with" "$tmp/roots/x" "Permission denied" -run-with async-teardown=on,user=nobody
	run "${launch[@]}" --stats "$tmp/others/x" "$qemu" -runas nobody
	expect "a file that another user may write" "$status" 0
fi
RDMACHUNK_STATS=/nonexistent/x run "${launch[@]}" "$qemu"
expect "a variable for a file that cannot be written" "$err" \
	"rdmachunk: RDMACHUNK_STATS=/nonexistent/x: No such file or directory"
expect "nothing was created" "$(ls /here "$tmp/nowhere" 2>/dev/null)" ""
run "${launch[@]}" --stats stderr --log-file "$tmp/new-%p.log" "$qemu"
expect "files that can be written: exit status" "$status" 0
expect "files that can be written: not yet made" "$(ls "$tmp"/new-* 2>/dev/null)" ""

# What to paste
export RDMACHUNK_ZEROS=off
run "${launch[@]}" --print env --size 32M --stats "$tmp/it's %p"
expect "--print env" "$status $out" "0 LD_PRELOAD=$library
RDMACHUNK_SIZE=32M
RDMACHUNK_ZEROS=off
RDMACHUNK_STATS='$tmp/it'\\''s %p'"
# shellcheck disable=SC2016 # another shell's
run env -i sh -c 'eval "export $1"; exec "$2"' sh "$(tr '\n' ' ' <<<"$out")" "$qemu"
launched "--print env, pasted" "RDMACHUNK_STATS=$tmp/it's %p"
run "${launch[@]}" --print systemd --stats "$tmp/a\"b\\%p" --memory 8G
expect "--print systemd" "$status $out" "0 [Service]
Environment=\"LD_PRELOAD=$library\"
Environment=\"RDMACHUNK_ZEROS=off\"
Environment=\"RDMACHUNK_STATS=$tmp/a\\\"b\\\\%%p\"
LimitMEMLOCK=8454144K"
run "${launch[@]}" --print libvirt --stats "$tmp/<&'" --memory 8G
expect "--print libvirt" "$status $out" "0 <!-- in <domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'> -->
<memtune>
  <hard_limit unit='KiB'>9502720</hard_limit>
</memtune>
<qemu:commandline>
  <qemu:env name='LD_PRELOAD' value='$library'/>
  <qemu:env name='RDMACHUNK_ZEROS' value='off'/>
  <qemu:env name='RDMACHUNK_STATS' value='$tmp/&lt;&amp;&apos;'/>
</qemu:commandline>"
unset RDMACHUNK_ZEROS
run "${launch[@]}" --print systemd
expect_line "--print systemd, guest unknown" "$out" "LimitMEMLOCK=infinity"
run "${launch[@]}" --print libvirt
expect "--print libvirt, guest unknown" "$(grep -c hard_limit <<<"$out")" 0
for wrong in "--print yaml" "--print env qemu-system-x86_64" "--print env --check" "--print env --shift 31" \
	"--json cat" "--pid 1 cat" "--user root cat" "--check --pid x" "--check --pid 1 cat" \
	"--check --pid 1 --user root" "--check --user no-such-user" "--check --pid 2147483647"; do
	# shellcheck disable=SC2086 # a list of words
	run "${launch[@]}" $wrong
	expect "$wrong: exit status" "$status" 125
	expect "$wrong: nothing done" "$out" ""
done

run "${launch[@]}"
expect "no program: exit status" "$status" 125
expect "no program: message" "$err" "rdmachunk: no QEMU command given
Try rdmachunk --help"
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
expect_line "--version" "$out" "rdmachunk [0-9]+\.[0-9]+\.[0-9]+ \([0-9a-f]{8}\)"
run "$launcher" --help
expect "--help: exit status" "$status" 0
# One table: each variable of the library, as its own manual page has them, is an option.
for name in $(sed -n 's/^\.It Ev RDMACHUNK_//p' "$source_dir/man/librdmachunk.7" | tr _A-Z -a-z); do
	expect_line "--help has --$name" "$out" "  --$name VALUE .*"
done
