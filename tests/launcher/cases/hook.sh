# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# The example of a hook of libvirt's, with its places below $tmp, and stand-ins for what it calls.

hooked=$tmp/hooked
mkdir -p "$hooked"/{bin,run,default,infiniband}
hook=$hooked/hook
sed "s|/run/libvirt/qemu|$hooked/run|; s|/etc/default|$hooked/default|; s|/dev/infiniband|$hooked/infiniband|
	s|^pause=.*|pause=0.05|" "$source_dir/libvirt/hook" >"$hook"
# Each call of rdmachunk waits to be let go, and ends as the words it is let go with say.
cat >"$hooked/bin/rdmachunk" <<-END
	#!/bin/sh
	echo "\$* shift=\$RDMACHUNK_SHIFT stats=\$RDMACHUNK_STATS" >>"$hooked/calls"
	read -r status message <"$hooked/gate"
	echo "\$message" >&2
	exit "\$status"
END
cat >"$hooked/bin/logger" <<-END
	#!/bin/sh
	echo "\$*" >>"$hooked/logged"
END
chmod +x "$hook" "$hooked"/bin/*
mkfifo "$hooked/gate"

# until_true COMMAND...: asks again and again, for a minute at most.
until_true() {
	local end=$((SECONDS + 60))

	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

# call_hook GUEST OPERATION: as libvirt does it, which waits until nobody holds the pipes any more.
call_hook() {
	out=$(PATH=$hooked/bin:$PATH timeout 60 "$hook" "$1" "$2" begin - <<<"<domain/>" 2>&1)
	status=$?
}

has_lines() {
	[ "$(wc -l <"$1")" -ge "$2" ]
}

no_hook_runs() {
	! grep -qsF "$hook" /proc/[0-9]*/cmdline
}

# let_go NUMBER WORD...: what this attempt comes to. The one before has its own words then.
let_go() {
	until_true has_lines "$hooked/calls" "$1"
	shift
	timeout 60 tee "$hooked/gate" <<<"$*" >"$tmp/let-go"
}

# let_end NUMBER WORD...: the same, and nothing comes after it.
let_end() {
	let_go "$@" && until_true no_hook_runs
}

# guest_runs NAME [COMMAND...]: a process that stands for its QEMU; sets $guest_pid.
guest_runs() {
	local name=$1
	shift

	env "$@" sleep 1000 &
	guest_pid=$!
	until_true grep -q sleep "/proc/$guest_pid/comm"
	printf %s "$guest_pid" >"$hooked/run/$name.pid"
}

guest_ends() {
	kill "$guest_pid"
	wait "$guest_pid" 2>/dev/null
}

: >"$hooked/logged"
printf '%s\n' '# RDMACHUNK_SHIFT=20' RDMACHUNK_SHIFT=25 'RDMACHUNK_A;id=1' LD_PRELOAD=/nowhere \
	>"$hooked/default/rdmachunk"
# shellcheck disable=SC2016 # not to be expanded
printf 'RDMACHUNK_STATS="/run/a b $(id)"' >>"$hooked/default/rdmachunk"
guest_runs 'a guest'
for operation in prepare start stopped release migrate restore attach; do
	call_hook 'a guest' "$operation"
	expect "hook: $operation: exit status" "$status" 0
done
call_hook 'a guest' started
expect "hook: started, while attaching takes long: exit status" "$status" 0
expect "hook: started: output" "$out" ""
let_end 1 0
# Had one of the others called it, that would have been before.
expect "hook: the process, with the settings, once it has started" "$(cat "$hooked/calls")" \
	"attach $guest_pid shift=25 stats=/run/a b \$(id)"

: >"$hooked/calls"
call_hook 'a guest' started
let_end 1 1 "no such thing"
expect "hook: refused: told in the log" "$(cat "$hooked/logged")" "-t rdmachunk a guest: no such thing"
expect "hook: refused: not tried again" "$(wc -l <"$hooked/calls")" 1
guest_ends

: >"$hooked/calls"
: >"$hooked/logged"
exec 9>"$hooked/infiniband/rdma_cm"
guest_runs guest
exec 9>&-
call_hook guest reconnect
let_go 1 1 "RDMA is in use"
let_go 2 1 "RDMA is in use"
let_end 3 0
expect "hook: tried again while RDMA is in use" "$(wc -l <"$hooked/calls")" 3
call_hook guest started
guest_ends
let_end 4 1 "it has ended"
expect "hook: nothing to tell of that" "$(cat "$hooked/logged")" ""

# librdmacm keeps the device open when the migration is over.
: >"$hooked/calls"
exec 9>"$hooked/infiniband/uverbs0"
guest_runs kept
exec 9>&-
call_hook kept reconnect
let_end 1 1 "AppArmor"
expect "hook: not tried again for a device" "$(wc -l <"$hooked/calls")" 1
expect "hook: not tried again for a device: told in the log" "$(cat "$hooked/logged")" \
	"-t rdmachunk kept: AppArmor"
guest_ends

# The migration ends between the refusal and the next look.
: >"$hooked/calls"
: >"$hooked/logged"
mkfifo "$hooked/over"
# shellcheck disable=SC2016 # for that shell
bash -c 'exec 9>"$1/infiniband/rdma_cm"; : <"$1/over"; exec 9>&-; exec sleep 1000' bash "$hooked" &
guest_pid=$!
until_true test -e "/proc/$guest_pid/fd/9"
printf %s "$guest_pid" >"$hooked/run/late.pid"
call_hook late started
until_true has_lines "$hooked/calls" 1
: >"$hooked/over"
until_true grep -q sleep "/proc/$guest_pid/comm"
let_go 1 1 "RDMA is in use"
let_end 2 0
expect "hook: tried again when RDMA was in use" "$(wc -l <"$hooked/calls")" 2
expect "hook: tried again when RDMA was in use: nothing to tell" "$(cat "$hooked/logged")" ""
guest_ends

: >"$hooked/calls"
guest_runs loaded "LD_PRELOAD=$library"
loaded=$guest_pid
call_hook loaded reconnect
expect "hook: libvirt was started again: exit status" "$status" 0
guest_runs other
call_hook other reconnect
let_end 1 0
expect "hook: a guest that has the library is left alone" "$(sed 's/ shift.*//' "$hooked/calls")" \
	"attach $guest_pid"
guest_ends
guest_pid=$loaded
guest_ends
call_hook nobody started
expect "hook: a guest of which nothing is known: exit status" "$status" 0
