# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# Connections that are ours.

# QEMU sees what it would see without the shim.
case_session_program_sees_no_difference()
{
	local shape role

	for shape in qemu one-cq; do
		for role in source destination; do
			run_bare "$client" connect $shape "$qemu_caps" $role
			run_shim "$client" connect $shape "$qemu_caps" $role
			must_exit bare 0
			must_exit shim 0
			must_be_silent shim
			same bare.out shim.out "standard output, $shape $role"
		done
	done
}

# RECVs that were posted before rdma_accept() receive all the same.
case_session_destination_with_recvs_before_accept()
{
	run_bare "$client" connect qemu "$qemu_caps" destination-early
	run_shim "$client" connect qemu "$qemu_caps" destination-early
	must_exit bare 0
	must_exit shim 0
	same bare.out shim.out "standard output"
}

case_session_migration_is_widened()
{
	run_bare "$client" migrate 192.0.2.7 source destination
	run_shim "$client" migrate 192.0.2.7 source destination
	must_exit bare 0
	must_exit shim 0
	must_be_silent shim
	one_line bare.out '^requests 8 registered 16$'
	# On the wire: one chunk, from which the size is learned, a piece of four, and three. They are
	# two pieces if it took eight times as long as it should to register the four.
	one_line shim.out '^requests [34] registered 16$'
	[[ $(count '^ibv_reg_mr .*length=4194304 access=0' shim.log) == 1 ]] || fail "source's MR"
	# A destination has to see more before it goes ahead.
	[[ $(count '^ibv_reg_mr .*length=1048576 access=3' shim.log) == 8 ]] || fail "destination's MRs"
	# Without prefetch all the rest at once
	run_shim RDMACHUNK_PREFETCH=off "$client" migrate 192.0.2.7 source destination
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^requests 2 registered 16$'
	[[ $(count '^ibv_reg_mr .*length=7340032 access=0' shim.log) == 1 ]] || fail "source's MR, off"
}

case_session_stats()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" migrate 192.0.2.7 source destination
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" migrate 2001:db8::7 source-late
	must_exit shim 0
	must_be_silent shim
	[[ $(wc -l <stats) == 3 ]] || fail "not three lines: $(<stats)"
	while read -r line; do
		jq -e 'type == "object"' <<<"$line" >/dev/null || fail "not JSON: $line"
	done <stats
	[[ $(jq -r .role stats | tr '\n' ' ') == "source destination source " ]] || fail "roles"
	[[ $(jq -r .peer stats | tr '\n' ' ') == "192.0.2.7 192.0.2.7 2001:db8::7 " ]] ||
		fail "peers: $(jq -r .peer stats)"
	jq -es '.[0] | .shift == 30 and .chunk_bytes == 1048576 and .requests_seen == 8 and
		.requests_sent == 1 and .requests_answered == 7 and .requests_held >= 1 and
		(.requests_ahead | . == 2 or . == 3) and .registrations_asked == 8 and
		.registrations_made == .requests_ahead + 1 and .largest_registration_bytes == 4194304 and
		.pinned_peak_bytes == 8388608 and .writes == 8 and .write_bytes == 8388608 and
		.messages_sent.register_request == .requests_ahead + 1 and
		.registration_fallbacks == 0 and .seconds >= 0' stats >/dev/null || fail "source: $(head -n 1 stats)"
	jq -es '.[1] | .registrations_asked == 8 and .registrations_made == 8 and
		.largest_registration_bytes == 1048576' stats >/dev/null ||
		fail "destination: $(sed -n 2p stats)"
	run_shim RDMACHUNK_STATS="$PWD/off" RDMACHUNK_PREFETCH=off "$client" migrate 192.0.2.7 source
	jq -e '.requests_seen == 8 and .requests_sent == 2 and .requests_answered == 6 and
		.requests_held == 0 and .requests_ahead == 0 and .registrations_asked == 8 and
		.registrations_made == 2 and .largest_registration_bytes == 7340032 and
		.pinned_peak_bytes == 8388608 and .messages_sent.register_request == 2' off \
		>/dev/null || fail "off: $(<off)"
}

# RDMACHUNK_WRITES: the fake NIC says that it is done only when it is polled, so
# what follows two writes gathers; all but the first chunk have their keys in common, as there is no
# prefetch, of which the pieces depend on time.
case_session_writes_on_and_off()
{
	need jq
	run_shim RDMACHUNK_PREFETCH=off RDMACHUNK_STATS="$PWD/on" "$client" migrate 192.0.2.7 source
	must_exit shim 0
	cp shim.out on.out
	jq -e '.writes == 8 and .write_bytes == 8388608 and .write_wrs == 4 and
		.writes_withheld == 0 and .fences == 0 and .doorbells <= .wrs and
		.signaled <= .wrs' on >/dev/null || fail "on: $(<on)"
	[[ $(count '^post_send .* opcode=0 .*length=5242880 ' shim.log) == 1 ]] ||
		fail "not merged: $(grep opcode=0 shim.log)"
	# The length of a message is the port's affair.
	[[ $(count '^ibv_query_port ctx0 port=1$' shim.log) == 1 ]] || fail "ibv_query_port"
	run_shim RDMACHUNK_PREFETCH=off RDMACHUNK_WRITES=off RDMACHUNK_STATS="$PWD/off" \
		"$client" migrate 192.0.2.7 source
	must_exit shim 0
	same on.out shim.out "standard output"
	jq -e '.writes == 8 and .write_wrs == 8 and .wrs == .signaled and .wrs == .doorbells' \
		off >/dev/null || fail "off: $(<off)"
	[[ $(count '^post_send .* opcode=0 flags=2 sge=1 length=1048576 ' shim.log) == 8 ]] ||
		fail "not write for write: $(grep opcode=0 shim.log)"
}

# A thread posts the writes: what QEMU sees is the same, and it ends with its session.
case_session_poster()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/off" "$client" migrate 192.0.2.7 source
	must_exit shim 0
	one_line shim.out '^requests [34] registered 8$'
	run_shim RDMACHUNK_POSTER=on RDMACHUNK_STATS="$PWD/on" "$client" migrate 192.0.2.7 source
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^requests [34] registered 8$'
	jq -e '.writes == 8 and .doorbells_delegated > 0' on >/dev/null || fail "on: $(<on)"
	jq -e '.writes == 8 and .doorbells_delegated == 0' off >/dev/null || fail "off: $(<off)"
	run_shim RDMACHUNK_POSTER=on RDMACHUNK_WRITES=off RDMACHUNK_STATS="$PWD/plain" "$client" \
		migrate 192.0.2.7 source
	must_exit shim 0
	jq -e '.writes == 8 and .doorbells_delegated == 0' plain >/dev/null || fail "$(<plain)"
	run_shim RDMACHUNK_POSTER=on "$client" ahead-rounds 100
	must_exit shim 0
	must_be_silent shim
	grep -q ' threads 1$' shim.out || fail "$(tail -n 1 shim.out)"
}

# RDMACHUNK_POSTER=auto: the thread is for a provider that computes, not for calls in which the
# processor was somebody else's.
case_session_poster_where_posting_takes_long()
{
	need jq
	run_shim RDMACHUNK_POSTER=auto RDMACHUNK_STATS="$PWD/work" "$client" posting work
	must_exit shim 0
	must_be_silent shim
	jq -e '.writes == 8 and .doorbells_delegated > 0' work >/dev/null || fail "work: $(<work)"
	run_shim RDMACHUNK_POSTER=auto RDMACHUNK_STATS="$PWD/slept" "$client" posting sleep
	must_exit shim 0
	must_be_silent shim
	jq -e '.writes == 8 and .doorbells_delegated == 0' slept >/dev/null || fail "$(<slept)"
}

# A queue that was full, and has drained meanwhile, is no failure. Nothing but writes is on the wire.
case_session_poster_finds_a_full_queue()
{
	local case

	for case in full full-negative; do
		run_shim RDMACHUNK_POSTER=on RDMACHUNK_PREFETCH=off "$client" ahead $case
		must_exit shim 0
		must_be_silent shim
		one_line shim.out '^went on$'
	done
}

# Posting a write fails: then so does the connection, for good and with that error,
# and whatever waits is flushed.
case_session_a_failure_is_final()
{
	run_shim "$client" broken 38
	must_exit shim 0
	grep -q '^post_send Function not implemented$' shim.out || fail "$(<shim.out)"
	[[ $(count '^recv status 5$' shim.out) == 3 ]] || fail "RECVs: $(<shim.out)"
	grep -q '^again Function not implemented$' shim.out || fail "$(<shim.out)"
	[[ $(count '^ibv_modify_qp qp0 mask=0x1 state=6$' shim.log) == 1 ]] ||
		fail "the QP was left as it was: $(grep modify shim.log)"
	one_line shim.err '^rdmachunk: .*Function not implemented; failing the migration$'
}

case_session_what_qemu_never_posts()
{
	run_shim RDMACHUNK_LOG=info "$client" odd
	must_exit shim 0
	one_line shim.out '^refused$'
	[[ $(count '^rdmachunk: passing through: its receive requests have another shape$' \
		shim.err) == 1 ]] || fail "$(<shim.err)"
}

case_session_a_registration_that_cannot_be_given_back()
{
	run_bare "$client" dereg-fails
	run_shim "$client" dereg-fails
	must_exit shim 0
	same bare.out shim.out "standard output"
}

# For ENOMEM QEMU waits for a completion, and there is none any more.
case_session_a_failure_is_never_a_full_queue()
{
	run_shim "$client" broken 12
	must_exit shim 0
	[[ $(count '^(post_send|again) Input/output error$' shim.out) == 2 ]] || fail "$(<shim.out)"
	one_line shim.err '^rdmachunk: .*Cannot allocate memory; failing the migration$'
}

# Verbs return a positive errno. Of a negative one QEMU thinks that all is well.
case_session_a_provider_returns_negative_errors()
{
	run_shim "$client" broken 38
	mv shim.out positive.out
	run_shim "$client" broken -38
	must_exit shim 0
	same positive.out shim.out "standard output"
	one_line shim.err '^rdmachunk: .*Function not implemented; failing the migration$'
	# Of the shim's own receive buffers: nothing has been posted, and all passes through; or it has.
	run_shim "$client" recv-fails 0 -22
	must_exit shim 0
	one_line shim.out '^connect 0 Success$'
	run_shim "$client" recv-fails 2 -22
	must_exit shim 0
	one_line shim.out '^connect -1 Invalid argument$'
}

case_session_stats_of_a_passed_through_migration()
{
	need jq
	run_shim RDMACHUNK_STATS=stderr "$client" connect qemu 0000000100000001 source
	must_exit shim 0
	jq -e '.role == "source" and .state == "passthrough" and (.reason | contains("pin-all"))' \
		shim.err >/dev/null || fail "$(<shim.err)"
}

case_session_stats_for_each_process()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats.%p" "$client" migrate 192.0.2.7 source
	run_shim RDMACHUNK_STATS="$PWD/stats.%p" "$client" migrate 192.0.2.7 source
	[[ $(find . -name 'stats.*' | wc -l) == 2 ]] || fail "files: $(echo stats.*)"
	for file in stats.*; do
		[[ $(jq .pid "$file") == "${file#stats.}" ]] || fail "$file: $(<"$file")"
	done
}

case_session_stats_to_standard_error()
{
	need jq
	run_shim RDMACHUNK_STATS=stderr "$client" migrate 192.0.2.7 destination
	must_exit shim 0
	[[ $(wc -l <shim.err) == 1 ]] || fail "$(<shim.err)"
	jq -e '.role == "destination"' shim.err >/dev/null || fail "$(<shim.err)"
	[[ ! -e stderr ]] || fail "a file called stderr"
}

case_session_stats_that_cannot_be_written()
{
	run_bare "$client" connect qemu "$qemu_caps" source
	run_shim RDMACHUNK_STATS=/nonexistent/stats "$client" connect qemu "$qemu_caps" source
	must_exit shim 0
	one_line shim.err '^rdmachunk: RDMACHUNK_STATS=/nonexistent/stats: No such file'
	same bare.out shim.out "standard output"
}

case_session_registration_fallback()
{
	need jq
	# Else what is registered ahead of QEMU fails first, and without a word.
	run_shim RDMACHUNK_PREFETCH=off RDMACHUNK_STATS="$PWD/stats" "$client" limit 3000000
	must_exit shim 0
	one_line shim.err '^rdmachunk: registering .* at once failed'
	# Two chunks, and the other six in pairs
	[[ $(count '^ibv_reg_mr .*length=2097152 access=0' shim.log) == 3 ]] ||
		fail "registrations of 2 MiB: $(grep ^ibv_reg_mr shim.log)"
	[[ $(jq .registrations_made stats) == 5 ]] || fail "$(<stats)"
	# The working size is remembered: what is left of 8 and 4 MiB is tried once.
	[[ $(count '^ibv_reg_mr .*length=7340032' shim.log) == 1 ]] || fail "7 MiB tried again"
	[[ $(count '^ibv_reg_mr .*length=3145728' shim.log) == 1 ]] || fail "3 MiB tried again"
}

case_session_context_reopened_at_the_same_address()
{
	run_bare "$client" reopen
	run_shim "$client" reopen
	must_exit bare 0
	must_exit shim 0
	must_be_silent shim
	[[ $(count '^ibv_close_device' shim.log) == 4 ]] || fail "not closed each time"
	[[ $(count '^requests [34]$' shim.out) == 2 ]] || fail "not widened each time: $(<shim.out)"
	grep ^live bare.out >bare.live
	grep ^live shim.out >shim.live
	same bare.live shim.live "objects alive"
}

case_session_nothing_leaks()
{
	# Of one allocation in each round 270 are left.
	run_shim "$client" rounds 300
	must_exit shim 0
	must_be_silent shim
	[[ $(count '^live: contexts 0 pds 0 mrs 0 channels 0 cqs 0 qps 0 ids 0$' shim.out) == 1 ]] ||
		fail "alive: $(<shim.out)"
	grown=$(sed -n 's/^grown //p' shim.out)
	[[ $grown -lt 4096 ]] || fail "the heap grew by $grown bytes in 270 rounds"
}

case_session_valgrind()
{
	local file

	need valgrind
	need strip binutils
	# Valgrind cannot read every compiler's debug information.
	mkdir bare
	for file in "$client" "$shim" "$fakes"/lib*.so.1; do
		strip -g -o "bare/${file##*/}" "$file"
	done
	for args in "rounds 4" "mixed" "fork" "reopen"; do
		# shellcheck disable=SC2086 # words on purpose
		run shim LD_LIBRARY_PATH="$PWD/bare" LD_PRELOAD="$PWD/bare/librdmachunk.so" \
			valgrind -q --error-exitcode=9 --leak-check=full \
			--errors-for-leak-kinds=definite,indirect bare/client $args
		must_exit shim 0
		must_be_silent shim
	done
}
