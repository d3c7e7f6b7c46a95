# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# The manual page: its form, its options against --help, and its examples, which are run where the
# programs that they name stand for QEMU on a host on which all is well.

page=$source_dir/man/rdmachunk.1
# shellcheck source=tests/lib/manual.sh
. "$source_dir/tests/lib/manual.sh"

if command -v mandoc >/dev/null; then
	expect "manual page: lint" "$(manual_lint "$page")" ""
else
	not_run "manual page: lint" "needs mandoc; install the package mandoc"
fi
expect "manual page: the options are those of --help" \
	"$(sed -n 's/^\.It Fl Fl \([a-z-]*\).*/--\1/p' "$page" | sort)" \
	"$("$launcher" --help | sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | sort)"

bin=$tmp/examples/bin
host=$tmp/examples/root
port=$host/sys/class/infiniband/plant0/ports/1
mkdir -p "$bin" "$port" "$host/sys/class/infiniband_verbs/uverbs0" "$host/dev/infiniband"
echo "4: ACTIVE" >"$port/state"
echo plant0 >"$host/sys/class/infiniband_verbs/uverbs0/ibdev"
: >"$host/dev/infiniband/uverbs0"
: >"$host/dev/infiniband/rdma_cm"
ln -sf "$qemu" "$bin/qemu-system-x86_64"
ln -sf "$qemu" "$bin/qemu-system-$(uname -m)"

# The limit of locked memory is this host's own.
usual=()
user=
may_lock=yes
if prlimit --memlock=unlimited true 2>/dev/null; then
	usual=(prlimit --memlock=unlimited)
elif [ "$(id -u)" -ne 0 ]; then
	may_lock=no
else
	user='--user root'
fi

# Only --check takes a user.
cat >"$bin/rdmachunk" <<END
#!/bin/sh
case " \$* " in *' --check '*) set -- $user "\$@" ;; esac
exec '$launcher' --lib '$library' --root '$host' "\$@"
END
chmod +x "$bin/rdmachunk"

# example_runs NUMBER PATTERN: it succeeds, says nothing on standard error, and prints such a line.
example_runs() {
	manual_example "$page" "$1" >"$tmp/example.sh"
	run env PATH="$bin:$PATH" "${usual[@]}" sh "$tmp/example.sh"
	expect "example $1: exit status" "$status" 0
	expect "example $1: standard error" "$err" ""
	expect_line "example $1: output" "$out" "$2"
}

expect "examples in the manual page" "$(manual_examples "$page")" 8
example_runs 1 "LD_PRELOAD=$library"
example_runs 2 "RDMACHUNK_SIZE=32M"
expect_line "example 2: statistics" "$out" "RDMACHUNK_STATS=/tmp/rdmachunk-%p\.jsonl"
expect_line "example 2: arguments" "$out" "argument=-nographic"
example_runs 3 "RDMACHUNK_SHIFT=off"
if [ "$may_lock" = yes ]; then
	example_runs 4 "ok: RDMA link plant0/1 is ACTIVE"
	example_runs 5 "RDMACHUNK_LOG=info"
else
	not_run "examples 4 and 5" "need ulimit -Hl unlimited, or root"
fi
echo "1: DOWN" >"$port/state"
example_runs 6 "plug in its cable, .*"
echo "4: ACTIVE" >"$port/state"
example_runs 7 "LimitMEMLOCK=8454144K"
if command -v jq >/dev/null; then
	echo "1: DOWN" >"$port/state"
	example_runs 8 "RDMA link plant0/1 is DOWN"
else
	not_run "example 8" "needs jq; install the package jq"
fi
echo "1: DOWN" >"$port/state"
# The script of example 5 stops there.
manual_example "$page" 5 >"$tmp/example.sh"
run env PATH="$bin:$PATH" sh "$tmp/example.sh"
expect "example 5, not ready: exit status" "$status" 1
expect "example 5, not ready: message" "$err" "this host is not ready"
expect "example 5, not ready: QEMU is not started" "$(grep -c LD_PRELOAD= <<<"$out")" 0
