#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tests the example units with systemd as the first process of a soft-RoCE guest: guests started by
# qemu@.service, with the drop-in and without it, migrate over RDMA. Prints a line for each test and
# the totals.
#
#   test-systemd.sh [--build-dir DIR] [--log-dir DIR]
set -u

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# In an emulated guest everything takes long: little memory, of two regions.
readonly SIZE=32M SHIFT=24

# shellcheck source=tests/lib/report.sh
. "$here/../lib/report.sh"
# shellcheck source=tests/lib/expect.sh
. "$here/../lib/expect.sh"

usage() {
	sed -n '3,/^set/s/^# \{0,1\}//p' "$0"
}

# Outside of the guest: install below a directory that the guest shows, and run ourselves in it.
outside() {
	local build=$here/../.. log="" status

	while [ $# -gt 0 ]; do
		case $1 in
		--build-dir) build=$2 ;;
		--log-dir) log=$2 ;;
		*)
			usage >&2
			exit 2
			;;
		esac
		shift 2
	done
	for tool in systemctl:systemd python3:python3 jq:jq qemu-system-x86_64:qemu-system-x86; do
		command -v "${tool%:*}" >/dev/null || {
			not_run "units" "needs ${tool%:*}; install the package ${tool#*:}"
			totals
			exit
		}
	done
	tmp=$(mktemp -d) || exit 1
	trap 'rm -rf "$tmp"' EXIT
	log=${log:-$tmp/log}
	if ! make -C "$build" install DESTDIR="$tmp/dest" >"$tmp/install.log" 2>&1; then
		tail -n 20 "$tmp/install.log"
		not_ok "install" "make install failed"
		totals
		exit
	fi
	"$here/../vm/vm-run" --init systemd --timeout 900 --share "$log" -- \
		/bin/bash "$here/test-systemd.sh" --inside "$tmp/dest" "$log"
	status=$?
	[ "$status" -eq 0 ] || [ -s "$log/totals" ] ||
		not_ok "guest" "it ended with $status before the totals" || totals
	exit "$status"
}

# describe NAME ARGUMENT...: writes /etc/qemu/NAME.conf.
describe() {
	local name=$1
	shift

	echo "QEMU_ARGS=-S -machine q35,accel=tcg,memory-backend=ram -m $SIZE" \
		"-object memory-backend-file,id=ram,size=$SIZE,mem-path=/dev/shm/$name,share=on $*" \
		>"/etc/qemu/$name.conf"
}

# migrate SOURCE DESTINATION: starts two guests, and migrates. Fails when they do not start.
migrate() {
	local src=$1 dst=$2 status

	describe "$src"
	describe "$dst" -incoming "rdma:$RDMATEST_ADDR:4444"
	head -c "$SIZE" /dev/urandom >"/dev/shm/$src"
	systemctl start "qemu@$src" "qemu@$dst" || return 1
	src_pid=$(systemctl show --property MainPID --value "qemu@$src")
	status=$("$here/qmp" "/run/qemu-$src/qmp" "/run/qemu-$dst/qmp" "rdma:$RDMATEST_ADDR:4444")
	migration=${status%% *}
	is_loaded=unknown
	if grep -qF "$library" "/proc/$src_pid/maps"; then
		is_loaded=yes
	elif grep -q /qemu-system-x86_64 "/proc/$src_pid/maps"; then
		is_loaded=no
	fi
	memlock=$(awk '/^Max locked memory/ { print $4 }' "/proc/$src_pid/limits")
	same=no
	cmp "/dev/shm/$src" "/dev/shm/$dst" && same=yes
	systemctl stop "qemu@$src" "qemu@$dst"
	rm "/dev/shm/$src" "/dev/shm/$dst"
}

# The line of this source in the statistics.
source_line() {
	[ ! -e "$stats" ] || jq -c --argjson pid "$src_pid" 'select(.pid == $pid and .role == "source")' "$stats"
}

check_with() {
	expect "migration with the drop-in" "$migration" completed
	expect "its memory at the destination" "$same" yes
	expect "library in the source's process" "$is_loaded" yes
	expect "limit of locked memory" "$memlock" unlimited
	expect "state in the statistics" "$(source_line | jq -r .state)" active
	expect "shift in the statistics" "$(source_line | jq -r .shift)" "$SHIFT"
	# How long it is depends on how long those before it took.
	expect "largest registration is more than a chunk, and no more than a region" \
		"$(source_line | jq ".largest_registration_bytes | . > 1048576 and . <= $((1 << SHIFT))")" true
}

check_without() {
	expect "migration without the drop-in" "$migration" completed
	expect "its memory at the destination" "$same" yes
	expect "no library in the source's process" "$is_loaded" no
	expect "no statistics" "$(source_line)" ""
}

# limited SIZE COMMAND...: with this limit of locked memory, and without the capability to pass it.
limited() {
	local bytes
	bytes=$(numfmt --from iec "$1")
	shift

	prlimit --memlock="$bytes" setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock "$@"
}

check_check() {
	local out status

	out=$(rdmachunk --check --user root --memory "$SIZE" /usr/bin/qemu-system-x86_64)
	status=$?
	echo "$out" >"$log/check"
	expect "exit status of --check where all is well" "$status" 0
	expect_line "its link" "$out" "ok: RDMA link rxe0/1 is ACTIVE"
	expect_line "limit of the device's MRs" "$out" "ok: an MR of rxe0 may have (any size|.*, regions have 1 GiB)"
	expect_line "number of the device's MRs" "$out" "ok: rxe0 has [0-9]+ MRs.*"
	# Limits that not every host lets its root set.
	out=$(limited 9G rdmachunk --check --memory 8G)
	expect_line "limit of locked memory is enough" "$out" \
		"ok: RLIMIT_MEMLOCK is 9 GiB, enough for a guest of 8 GiB .*"
	out=$(limited 8G rdmachunk --check --memory 8G)
	expect_line "limit of locked memory is that of the guest" "$out" \
		"problem: RLIMIT_MEMLOCK is 8 GiB, too low for a guest of 8 GiB .*; fix: .*LimitMEMLOCK=8454144K.*"
}

inside() {
	local dest=$1 log=$2 stats=/run/rdmachunk.json examples library

	examples=$(dirname "$(find "$dest" -name 'qemu@.service')")
	cp -a "$dest"/. /
	mkdir -p /etc/qemu /etc/systemd/system
	cp "$examples/qemu@.service" /etc/systemd/system/
	cp -r "$examples/qemu@.service.d" /etc/systemd/system/
	cp "$examples/rdmachunk.default" /etc/default/rdmachunk
	printf 'RDMACHUNK_SHIFT=%s\nRDMACHUNK_STATS=%s\n' "$SHIFT" "$stats" >>/etc/default/rdmachunk
	library=$(sed -n 's/^Environment=LD_PRELOAD=//p' /etc/systemd/system/qemu@.service.d/rdmachunk.conf)
	expect "first process" "$(readlink -f /proc/1/exe)" "$(realpath /lib/systemd/systemd)"
	expect "systemd-analyze verify" \
		"$(systemd-analyze verify /etc/systemd/system/qemu@.service 2>&1 | grep -i qemu@)" ""
	expect "the drop-in is in the unit" \
		"$(systemctl show --property DropInPaths --value qemu@src)" \
		/etc/systemd/system/qemu@.service.d/rdmachunk.conf

	if migrate src dst; then
		check_with
		cp "$stats" "$log/statistics"
	else
		not_ok "units with the drop-in" "they do not start"
		systemctl status 'qemu@*' --no-pager
	fi
	# Of units that have not been there yet nothing is known, and nothing need be forgotten.
	rm -f "$stats" /etc/systemd/system/qemu@.service.d/rdmachunk.conf
	if migrate plain-src plain-dst; then
		check_without
	else
		not_ok "units without the drop-in" "they do not start"
		systemctl status 'qemu@*' --no-pager
	fi
	check_check
	journalctl --no-pager -u 'qemu@*' >"$log/journal" 2>&1
	totals | tee "$log/totals"
	grep -q ', 0 failed,' "$log/totals"
}

if [ "${1:-}" = --inside ]; then
	inside "$2" "$3"
else
	outside "$@"
fi
