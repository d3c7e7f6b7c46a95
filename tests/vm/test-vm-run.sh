#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tests vm-run. Prints a line for each case, "ok NAME", "FAIL NAME why" or "SKIP NAME why", and exits
# with 1 when a case failed. With arguments it runs only the cases of these names.
#
# Jobs are in single quotes, to be expanded in the guest, and cases are called by name.
# shellcheck disable=SC2016,SC2317

VM_DIR=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
failed=0
# Seconds for a guest: ten suffice where nothing else runs.
limit=400

tmp=$(mktemp -d) || exit 1
export TMPDIR=$tmp
trap 'rm -rf "$tmp"' EXIT

# Each case is a function case_NAME, run in a subshell; it ends by one of these or by returning.
fail() {
	echo "FAIL ${name} $*"
	exit 1
}

skip() {
	echo "SKIP ${name} $*"
	exit 77
}

# vm STATUS OPTION...: runs a guest, its output in $tmp/out and $tmp/err; fails unless the status is this.
vm() {
	local expected=$1 status
	shift

	"$VM_DIR/vm-run" --guest --timeout "$limit" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	[ "$status" -eq "$expected" ] && return
	sed 's/^/# /' "$tmp/err"
	fail "exit status $status, not $expected"
}

expect() {
	[ "$2" = "$3" ] || fail "$1: '$2', not '$3'"
}

# await SECONDS COMMAND...: until the command succeeds.
await() {
	local deadline=$((SECONDS + $1))
	shift

	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

need() {
	command -v "$1" >/dev/null || skip "needs $1; install the package $2"
}

# Processes that name a file of this test in their arguments.
processes() {
	pgrep -f -- "$tmp/$1"
}

no_processes() {
	! processes "$1" >/dev/null
}

case_usage() {
	vm 125 --no-such-option -- true
	vm 125 --timeout never -- true
	vm 125 --bind /usr -- true
	vm 125
}

case_status_and_output() {
	vm 42 -- sh -c 'echo one; echo two >&2; echo three >/dev/stderr; exit 42'
	expect "standard output" "$(cat "$tmp/out")" one
	expect "standard error" "$(cat "$tmp/err")" two$'\n'three
}

# Without the loss of a byte, arguments as they were, and no waiting for what the job left running.
case_much_output_and_quoting() {
	vm 0 -- bash -c 'sleep 1000 & seq 300000; seq 300000 >&2; printf "<%s>" "$@"' x "a  b" "\$c'\"" '' $'d\ne'
	{
		seq 300000
		printf "<%s>" "a  b" "\$c'\"" '' $'d\ne'
	} | cmp - "$tmp/out" || fail "standard output differs"
	seq 300000 | cmp - "$tmp/err" || fail "standard error differs"
}

case_no_such_command() {
	vm 127 -- /no/such/command
}

case_signal() {
	vm 134 -- bash -c 'kill -ABRT $$'
}

# The first line must be there while the job still runs; only what comes through the share ends it.
case_live_output_and_share() {
	local pid

	mkdir "$tmp/share"
	"$VM_DIR/vm-run" --guest --timeout "$limit" --share "$tmp/share" -- bash -c '
		echo started; echo {} >"$0/result.json"
		until [ -e "$0/go on" ]; do sleep 0.1; done; echo ended' "$tmp/share" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	if ! await "$limit" grep -qx started "$tmp/out"; then
		kill "$pid"
		fail "no output while the job ran: $(tail -n 3 "$tmp/err")"
	fi
	expect "written file" "$(cat "$tmp/share/result.json")" "{}"
	touch "$tmp/share/go on"
	wait "$pid" || fail "exit status $?"
	expect "standard output" "$(cat "$tmp/out")" started$'\n'ended
	expect "owner" "$(stat -c %u "$tmp/share/result.json")" "$(id -u)"
}

case_environment_and_directory() {
	export VM_TEST_PASSED="a 'b' \$c" VM_TEST_HELD_BACK=1
	mkdir -p "$tmp/some where"
	cd "$tmp/some where" || exit
	vm 0 --env VM_TEST_PASSED -- bash -c \
		'echo "$VM_TEST_PASSED"; echo "${VM_TEST_HELD_BACK-unset}"; pwd; id -u; ip -4 -o addr show to "$RDMATEST_ADDR" | cut -d " " -f 2'
	expect output "$(cat "$tmp/out")" "$VM_TEST_PASSED"$'\n'unset$'\n'"$PWD"$'\n'0$'\n'd0
}

case_host_untouched() {
	echo before >"$tmp/precious"
	vm 0 -- sh -c 'echo after >"$0"; echo new >"$0.new"; cat "$0" "$0.new"' "$tmp/precious"
	expect "seen in the guest" "$(cat "$tmp/out")" after$'\n'new
	expect "on the host" "$(cat "$tmp/precious")" before
	[ ! -e "$tmp/precious.new" ] || fail "a new file reached the host"
}

case_timeout() {
	local status

	"$VM_DIR/vm-run" --guest --timeout 3 --console "$tmp/timeout console" -- sleep 1000 >"$tmp/out" 2>"$tmp/err"
	status=$?
	expect "exit status" "$status" 124
	grep -q 'timed out after 3 s' "$tmp/err" || fail "does not say so"
	no_processes "timeout console" || fail "QEMU is still there"
}

case_panic() {
	vm 125 --console "$tmp/console" -- sh -c 'echo c >/proc/sysrq-trigger'
	grep -q 'ended without a report' "$tmp/err" || fail "does not say that the guest ended"
	grep -q 'Kernel panic' "$tmp/err" || fail "does not show the end of the console"
	grep -q 'Linux version' "$tmp/console" || fail "does not keep the console"
}

# killed SIGNAL STATUS: sends the signal to vm-run while the guest runs.
killed() {
	local pid status

	mkdir -p "$tmp/run"
	rm -f "$tmp/$1"
	# A background process of a script has SIGINT ignored, which bash could not trap.
	TMPDIR=$tmp/run env --default-signal=INT "$VM_DIR/vm-run" --guest --timeout "$limit" --console "$tmp/$1" \
		-- sleep 1000 >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	await "$limit" grep -q 'Linux version' "$tmp/$1" 2>/dev/null || fail "no guest before SIG$1"
	kill "-$1" "$pid"
	wait "$pid" 2>/dev/null
	status=$?
	expect "exit status after SIG$1" "$status" "$2"
	await 60 no_processes "$1" || fail "QEMU outlives SIG$1"
	await 60 no_processes run/vm-run || fail "a process outlives SIG$1"
}

case_kill() {
	killed TERM 143
	expect "files left by SIGTERM" "$(ls "$tmp/run")" ""
	killed INT 130
	expect "files left by SIGINT" "$(ls "$tmp/run")" ""
	killed KILL 137
}

case_link() {
	need ibv_devinfo ibverbs-utils
	vm 0 -- sh -c 'rdma link show rxe0/1; ibv_devinfo -d rxe0; ulimit -l'
	grep -q 'rxe0/1 state ACTIVE.*netdev d0' "$tmp/out" || fail "rdma link: $(head -n 1 "$tmp/out")"
	grep -q 'PORT_ACTIVE' "$tmp/out" || fail "ibv_devinfo does not say PORT_ACTIVE"
	expect "memory limit" "$(tail -n 1 "$tmp/out")" unlimited
}

# By librdmacm and the address, which is how QEMU connects.
case_transfer_rdmacm() {
	need rping rdmacm-utils
	vm 0 -- bash -c '
		rping -s -a "$RDMATEST_ADDR" -C 5 & server=$!
		until rping -c -a "$RDMATEST_ADDR" -C 5 -v; do kill -0 $server || exit; sleep 0.2; done
		wait $server'
	expect "pings" "$(grep -c 'ping data: rdma-ping' "$tmp/out")" 5
}

case_transfer_write() {
	need ib_write_bw perftest
	vm 0 -- bash -c '
		options=(-d "$RDMATEST_DEVICE" -x "$RDMATEST_GID_INDEX" -s 65536 -n 200 -F)
		ib_write_bw "${options[@]}" >/dev/null & server=$!
		until out=$(ib_write_bw "${options[@]}" "$RDMATEST_ADDR"); do
			kill -0 $server || exit
			sleep 0.2
		done
		echo "$out"; wait $server'
	grep -Eq '^ *65536 +200 ' "$tmp/out" || fail "ib_write_bw gives no result"
}

# In a guest there is a link, so a second vm-run inside takes its "host".
case_host_mode() {
	vm 0 --share "$tmp/inner" -- bash -c '
		vm_run=$1 share=$2; export RDMATEST_CACHE=/proc/none; set -x
		[ "$("$vm_run" -- printenv RDMATEST_WHERE RDMATEST_ADDR)" = "host
$RDMATEST_ADDR" ] || exit 1
		"$vm_run" -- sh -c "exit 9"; [ $? -eq 9 ] || exit 2
		"$vm_run" --timeout 1 -- sleep 1000; [ $? -eq 124 ] || exit 3
		"$vm_run" --share "$share" -- touch "$share/file" || exit 4
		ip addr flush dev d0
		"$vm_run" -- true; [ $? -eq 125 ] || exit 5' x "$VM_DIR/vm-run" "$tmp/inner"
	[ -e "$tmp/inner/file" ] || fail "the share was not written to"
}

# A tree of busybox alone, to be told from the host's.
case_chroot() {
	local tree=$tmp/tree

	need busybox busybox-static
	mkdir -p "$tree/bin" "$tmp/bound"
	cp "$(command -v busybox)" "$tree/bin/busybox"
	ln -s busybox "$tree/bin/sh"
	echo bound >"$tmp/bound/file"
	cd / || exit
	vm 5 --chroot "$tree" --bind "$tmp/bound" --share "$tmp/results" -- /bin/busybox sh -c '
		for applet in cat ls; do alias $applet="busybox $applet"; done
		[ -e /usr/bin/env ] && exit 1
		[ -c /dev/null ] && [ -c /dev/infiniband/uverbs0 ] && [ -c /dev/infiniband/rdma_cm ] || exit 2
		[ -e /proc/self/status ] && [ -e /sys/class/infiniband/rxe0 ] || exit 3
		busybox cat "$0/bound/file" >"$0/results/copy" && echo x >/tmp/x || exit 4
		exit 5' "$tmp"
	expect "copied by way of the share" "$(cat "$tmp/results/copy")" bound
}

case_systemd() {
	need systemctl systemd
	mkdir "$tmp/results"
	echo kept >"$tmp/results/before"
	vm 3 --init systemd --share "$tmp/results" -- sh -c '
		readlink -f /proc/1/exe >"$0/results/init"
		systemctl is-active vm-run.service basic.target >"$0/results/units"
		ibv_devinfo -l | grep -q rxe0 || exit 4
		exit 3' "$tmp"
	expect "first process" "$(cat "$tmp/results/init")" /usr/lib/systemd/systemd
	expect "units" "$(tr '\n' ' ' <"$tmp/results/units")" "activating active "
	expect "a file that was in the share" "$(cat "$tmp/results/before")" kept
}

# As nobody: another cache, since this one's is the caller's. The kernel in it is the caller's, too: what
# the mirrors have by now is not what is tested.
case_ordinary_user() {
	local cache=$tmp/cache theirs=${RDMATEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rdmachunk}/kernel

	[ "$(id -u)" -eq 0 ] || skip "needs root to become another user; as one, every case is this case"
	need setpriv util-linux
	chmod 755 "$tmp"
	mkdir "$tmp/theirs" "$cache"
	# The checkout may lie below a directory that is closed to others, such as root's home.
	cp -R "$VM_DIR" "$tmp/vm"
	chmod -R a+rX "$tmp/vm"
	[ ! -d "$theirs" ] || cp -R "$theirs" "$cache/kernel"
	chown -R nobody "$tmp/theirs" "$cache"
	cd / || exit
	setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/nonexistent RDMATEST_CACHE="$cache" \
		TMPDIR="$tmp/theirs" "$tmp/vm/vm-run" --guest --timeout "$limit" --share "$tmp/theirs" -- \
		sh -c 'ibv_devinfo -l && id -u >"$0/uid"; cat /etc/shadow; exit 3' "$tmp/theirs" >"$tmp/out" 2>"$tmp/err"
	expect "exit status" "$?" 3
	expect "user in the guest" "$(cat "$tmp/theirs/uid")" 0
	expect "owner of the result" "$(stat -c %U "$tmp/theirs/uid")" nobody
	grep -q rxe0 "$tmp/out" || fail "no rxe0"
	grep -q 'shadow: Permission denied' "$tmp/err" || fail "the guest reads what nobody may not"
}

if [ $# -eq 0 ]; then
	mapfile -t names < <(declare -F | sed -n 's/^declare -f case_//p')
else
	names=("$@")
fi
for name in "${names[@]}"; do
	(set -o pipefail && "case_$name" && echo "ok $name")
	case $? in
	0 | 77) ;;
	*) failed=1 ;;
	esac
	rm -rf "${tmp:?}"/*
done
exit "$failed"
