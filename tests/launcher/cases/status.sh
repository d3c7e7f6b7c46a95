# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# rdmachunk status of processes that look like QEMUs. tests/status has a migration.

page=$source_dir/man/rdmachunk-status.1
expect "status: the options are those of the manual page" \
	"$(sed -n 's/^\.It Fl Fl \([a-z-]*\).*/--\1/p' "$page" | sort)" \
	"$("$launcher" status --help | sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | sort)"

# refused NAME OPTION...
refused_status() {
	run "$launcher" status "${@:2}"
	expect "status $1: exit status" "$status" 125
	expect "status $1: standard output" "$out" ""
	expect_line "status $1: a hint" "$err" "Try rdmachunk status --help"
}

refused_status "unknown option" --nothing
refused_status "two names" a b
refused_status "json and prometheus" --json --prometheus "$tmp/file"

# An image that has QEMU may have little more.
expect "the command needs libc alone" \
	"$(LC_ALL=C ldd "$launcher" | sed -n 's|^\t\([^ ]*\) => .*|\1|p' | grep -v '^libc\.so')" ""

name=guest-$$
run "$launcher" status "$name"
expect "status without such a guest" "$out:$status" "no QEMU:0"
run "$launcher" status --prometheus "$tmp/none/file" "$name"
expect "status into a directory that is not there: exit status" "$status" 1
expect "status into a directory that is not there: message" "$err" \
	"rdmachunk: $tmp/none/file: No such file or directory"

# A process whose program has such a name: it sleeps.
like=$tmp/qemu-system-like
cp "$(command -v sleep)" "$like"
looks() {
	"$@" &
	pid=$!
	# Between fork and exec it is bash; then the loader has work to do.
	until [ "$(readlink "/proc/$pid/exe")" = "$like" ] && grep -q '^State:.S' "/proc/$pid/status"; do
		kill -0 "$pid" || return
	done
}

looks "$like" 600
run "$launcher" status "$pid"
expect_line "status of a QEMU without the library" "$out" \
	"$pid: no librdmachunk, cannot be attached: $like is not linked to libibverbs and librdmacm: .*"
run "$launcher" status --json "$pid"
expect_line "status of it as JSON" "$out" \
	"\[\{\"pid\":$pid,\"guest\":null,\"library\":\"none\",\"attachable\":false,\"reason\":\"[^\"]*it was built without RDMA[^\"]*\",.*"
run "$launcher" status --prometheus "$tmp/status.prom" "$pid"
expect_line "status as a file" "$(cat "$tmp/status.prom")" \
	"rdmachunk_qemu_info{pid=\"$pid\",guest=\"\",library=\"none\",version=\"\"} 1"
expect "status as a file: nothing is left beside it" "$(echo "$tmp"/status.prom*)" "$tmp/status.prom"
kill "$pid"

version=$("$launcher" --version)
version=${version#* }
# Without the build's checksum.
version=${version%% *}
looks env LD_PRELOAD="$library" RDMACHUNK_SHIFT=25 RDMACHUNK_ZEROS=off "$like" 600
run "$launcher" status "$pid"
expect "status of a QEMU with the library" "$out" \
	"$pid: librdmachunk $version, preloaded, regions of 2^25 bytes, zeros off"
kill "$pid"
looks env LD_PRELOAD="$library" RDMACHUNK_SHIFT=99 "$like" 600
run "$launcher" status "$pid"
expect "status of a QEMU with a bad setting" "$out" \
	"$pid: librdmachunk $version, preloaded, off: RDMACHUNK_SHIFT=99 is not allowed: use 20 to 30, or off"
kill "$pid"
# What a terminal takes for the start of a command: ESC [ in one byte, and as a character.
looks env LD_PRELOAD="$library" RDMACHUNK_SHIFT=$'\x9b1m\xc2\x9b2m' "$like" 600
run "$launcher" status "$pid"
expect "status of a QEMU with a setting that is not to be printed" "$out" \
	"$pid: librdmachunk $version, preloaded, off: RDMACHUNK_SHIFT=?1m??2m is not allowed: use 20 to 30, or off"
kill "$pid"
looks env LD_PRELOAD="$library" RDMACHUNK_THREADS=3 RDMACHUNK_POSTER=off RDMACHUNK_LOG_FILE="$tmp/a"$'\e'b \
	RDMACHUNK_STATS=stderr "$like" 600
run "$launcher" status "$pid"
expect "status of a QEMU with many settings" "$out" \
	"$pid: librdmachunk $version, preloaded, regions of 2^30 bytes, threads 3, poster off, log to $tmp/a?b, statistics to stderr"
kill "$pid"

# Two connections differ in no label but one: node_exporter takes no series twice.
compile "$tmp/qemu-system-two" "$source_dir/tests/launcher/fake-figures.c" "-I$source_dir/src" \
	"$source_dir/src/util/figures.c" "$source_dir/src/util/printable.c"
mkfifo "$tmp/figures"
LD_PRELOAD=$library RDMATEST_WAIT=$tmp/figures "$tmp/qemu-system-two" &
pid=$!
: >"$tmp/figures"
run "$launcher" status --prometheus "$tmp/two.prom" "$pid"
expect "status of two connections as a file: memory" \
	"$(sed -n "s/^rdmachunk_migration_ram_bytes{pid=\"$pid\",guest=\"\",role=\"source\",peer=\"192.0.2.7\"\(.*\)/\1/p" "$tmp/two.prom")" \
	$',connection="1"} 11\n,connection="2"} 22'
expect "status of two connections as a file: no series twice" \
	"$(grep -v '^#' "$tmp/two.prom" | sed 's/ [^ ]*$//' | sort | uniq -d)" ""
kill "$pid"

# Files may have any name.
plain=$like
odd=$tmp/$'\xff\x1b'
mkdir "$odd"
like=$odd/qemu-system-like
cp "$plain" "$like"
looks "$like" 600
run "$launcher" status "$pid"
expect_line "status of a QEMU of an odd name" "$out" "$pid: no librdmachunk, cannot be attached: $tmp/\?\?/qemu-.*"
run "$launcher" status --json "$pid"
expect_line "status of it as JSON" "$out" ".*\"reason\":\"$tmp/\?\?/qemu-.*"
kill "$pid"
like=$plain
# What is no UTF-8 is no JSON either.
run "$launcher" --lib "$library" --check --json "$odd/none"
expect "check of a program of an odd name, as JSON" "$(grep -cF "$tmp/\\ufffd\\u001b/none" <<<"$out")" 1
run "$launcher" --lib "$library" --check "$odd/none"
expect "check of a program of an odd name" "$(grep -cF "$tmp/??/none" <<<"$out")" 1

# One that can be attached.
cp "$qemu" "$tmp/qemu-system-rdma"
mkfifo "$tmp/wait"
RDMATEST_WAIT=$tmp/wait "$tmp/qemu-system-rdma" -name guest=a$'\e'b &
pid=$!
: >"$tmp/wait"
run "$launcher" status 'a?b'
if [ "$(id -u)" -eq 0 ]; then
	expect "status of a QEMU that can be attached" "$out" "$pid a?b: no librdmachunk, can be attached"
else
	expect_line "status of a QEMU of one's own" "$out" "$pid a?b: no librdmachunk, can(not)? be attached.*"
fi
kill "$pid"

# Another user sees that it is one, and why no more is shown.
if [ "$(id -u)" -ne 0 ]; then
	not_run "status for another user" "run the tests as root"
else
	looks "$like" 600
	cp "$launcher" "$tmp/rdmachunk"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/rdmachunk" status "$pid"
	expect "status for another user" "$out:$status" \
		"$pid: cannot be looked at: process $pid belongs to user 0, and you are 65534; fix: run this as root:0"
	kill "$pid"
fi
cp "$library" "$tmp/librdmachunk.so"
looks env LD_PRELOAD="$tmp/librdmachunk.so" "$like" 600
rm "$tmp/librdmachunk.so"
run "$launcher" status "$pid"
expect "status of a QEMU whose library was replaced" "$out" \
	"$pid: librdmachunk $version, preloaded, its file has been replaced since, regions of 2^30 bytes"
kill "$pid"
