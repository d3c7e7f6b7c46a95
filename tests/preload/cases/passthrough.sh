# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# Connections that are not ours: what reaches the real functions is the same.

# A QP of QEMU's shape gets one RECV more, before it is known whose it is.
without_the_extra_recv()
{
	sed 's/^\(rdma_create_qp .* max_recv_wr=\)4 /\13 /' "$1"
}

# passes_through SHAPE CAPS ROLE
passes_through()
{
	run_bare "$client" connect "$@"
	run_shim "$client" connect "$@"
	must_exit bare 0
	must_exit shim 0
	must_be_silent shim
	same bare.out shim.out "standard output for $*"
	if [[ $1 == qemu || $1 == one-cq ]]; then
		without_the_extra_recv shim.log >shim.seen
		same bare.log shim.seen "calls for $*"
	else
		same bare.log shim.log "calls for $*"
	fi
	[[ $(count '^status 0 wr_id 400[012] ' shim.out) == 3 ]] || fail "$(<shim.out)"
	[[ $3 == destination ]] && return
	# The RECVs that were posted before are there, in order, before the connection is.
	grep -E '^(post_recv|rdma_connect|rdma_accept)' shim.log | head -n 4 |
		sed -n 's/.*wr_id=\(0x[0-9a-f]*\) .*/\1/p; s/^rdma_.*/connected/p' | tr '\n' ' ' >order
	[[ $(<order) == "0xfa0 0xfa1 0xfa2 connected " ]] || fail "order for $*: $(<order)"
}

case_passthrough_other_shapes()
{
	for shape in send-wr recv-wr send-sge recv-sge inline no-channel port-space; do
		passes_through "$shape" "$qemu_caps" source
		passes_through "$shape" "$qemu_caps" destination
		passes_through "$shape" "$qemu_caps" destination-early
	done
}

# private_data CAPS: neither end takes it for a migration
private_data()
{
	passes_through qemu "$1" source
	passes_through qemu "$1" destination
	passes_through qemu "$1" destination-early
	passes_through one-cq "$1" source
}

case_passthrough_no_private_data()
{
	private_data none
}

case_passthrough_other_version()
{
	private_data 0000000200000000
	private_data 0000000000000000
	private_data 0100000000000000
}

case_passthrough_other_length()
{
	private_data 00000001000000
	private_data 000000010000000000
}

case_passthrough_pin_all()
{
	private_data 0000000100000001
}

case_passthrough_unknown_flag()
{
	private_data 0000000100000002
}

# The device gives three RECVs and not one more.
case_passthrough_qp_without_the_extra_recv()
{
	run_bare "$client" refuse
	run_shim "$client" refuse
	must_exit shim 0
	must_be_silent shim
	same bare.out shim.out "standard output"
	[[ $(count '^rdma_create_qp .* max_recv_wr=3 ' shim.log) == 1 ]] || fail "not tried again"
	grep -v '^rdma_create_qp .* max_recv_wr=4 ' shim.log >shim.seen
	same bare.log shim.seen "calls"
}

# As many calls on the second connection, none of them ours
case_passthrough_others_on_the_same_context()
{
	run_bare "$client" mixed
	run_shim "$client" mixed
	must_exit bare 0
	must_exit shim 0
	must_be_silent shim
	same bare.out shim.out "standard output"
	grep -E '\b(pd1|qp1|cq2|cq3)\b' bare.log >bare.other
	grep -E '\b(pd1|qp1|cq2|cq3)\b' shim.log >shim.other
	[[ $(wc -l <bare.other) -gt 20 ]] || fail "too few calls to compare"
	same bare.other shim.other "calls on the other connection"
	[[ $(count 'post_recv qp0 .*wr_id=0x5d' shim.log) -ge 4 ]] ||
		fail "the migration beside it was not ours"
}

case_passthrough_context_that_could_not_be_closed()
{
	run_bare "$client" close-fails
	run_shim "$client" close-fails
	must_exit bare 0
	must_exit shim 0
	must_be_silent shim
	same bare.out shim.out "standard output"
	without_the_extra_recv shim.log >shim.seen
	same bare.log shim.seen "calls"
}
