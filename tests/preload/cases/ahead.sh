# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# Registration ahead of QEMU: in tests/preload/ahead.c, which waits for it and fails
# the program when it does not come. Here the data is 40 MiB into a block of 64 MiB,
# and as much as the first piece has, 4 MiB.

no_objects='^live: contexts 0 pds 0 mrs 0 channels 0 cqs 0 qps 0 ids 0$'

# balanced LOG: whatever was registered was deregistered
balanced()
{
	sed -n 's/^ibv_reg_mr_iova2 .*\(length=[0-9]*\) .*/\1/p' "$1" | sort >made
	sed -n 's/^ibv_dereg_mr //p' "$1" | sort >gone
	[[ -s made ]] || fail "nothing was registered"
	same made gone "registered and deregistered"
}

case_ahead_of_the_source()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" ahead found
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^registered ahead$'
	grep -E '^ibv_reg_mr .* access=0$' shim.log >guest
	[[ $(grep -o 'length=[0-9]*' guest | tr '\n' ' ') == "length=1048576 length=1048576 length=4194304 " ]] ||
		fail "guest memory: $(<guest)"
	# Of 40 bytes: the first two, and the one that QEMU never made
	[[ $(count '^post_send .* opcode=0 .* length=40 ' shim.log) == 0 ]] || fail "a write of 40"
	[[ $(count '^post_send .* opcode=2 .* length=40 ' shim.log) == 3 ]] ||
		fail "requests: $(grep 'length=40 ' shim.log)"
	jq -e '.requests_ahead == 1 and .registrations_ahead == 1 and .registrations_made == 3 and
		.requests_seen == 4 and .requests_sent == 2 and .requests_answered == 2 and
		.requests_held == 0 and .messages_sent.register_request == 3' stats >/dev/null ||
		fail "$(<stats)"
	balanced shim.log
}

# Whoever needs one end for something else waits for a piece at most, so it begins with little: 4 MiB.
# The others have at least 16, however long that took, or what a round leaves time for; and end at multiples of
# that: with data in [8 MiB, 32 MiB).
case_ahead_in_pieces()
{
	# On a busy machine rounds seem to end sooner, and more parts come before the long one; not each time.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		run_shim "$client" ahead pieces
		must_exit shim 0
		must_be_silent shim
		one_line shim.out '^in pieces$'
		balanced shim.log
		sed -n 's/^ibv_reg_mr .*length=\([0-9]*\) access=0$/\1/p' shim.log | tail -n +3 >pieces
		# When a round ends soon, by the time that the ones before took, it is a part of a piece that is
		# asked for: the last may come before the long one.
		case $(tr '\n' ' ' <pieces) in
		'4194304 16777216 4194304 ' | '4194304 4194304 16777216 ') return 0 ;;
		esac
	done
	fail "$(tr '\n' ' ' <pieces)"
}

# Two threads share what the destination was asked for, and register their parts at the same time.
case_ahead_by_several_threads()
{
	# On a busy machine rounds seem to end sooner, as in case_ahead_in_pieces: what is left for the end
	# is then no piece for two. Not each time.
	for _ in 1 2 3; do
		run_shim RDMACHUNK_THREADS=2 "$client" ahead threads
		[[ $(<shim.rc) != 0 ]] || break
	done
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^at the same time$'
	balanced shim.log
}

# What QEMU is the first to ask for is registered here while the destination does so.
case_ahead_both_ends_at_once()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" ahead both-ends-at-once
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^at once$'
	[[ $(count '^ibv_reg_mr .*length=3145728 access=0$' shim.log) == 1 ]] || fail "$(<shim.log)"
	jq -e '.requests_seen == 3 and .requests_sent == 1 and .requests_answered == 2 and
		.requests_held == 1 and .requests_ahead == 1 and .registrations_ahead == 1 and
		.registrations_made == 2' stats >/dev/null || fail "$(<stats)"
	balanced shim.log
}

# Data that comes after the first pass, which in this guest finds none.
case_ahead_in_a_later_pass()
{
	run_shim "$client" ahead later-pass
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^what follows$'
	balanced shim.log
}

case_ahead_of_the_destination()
{
	run_shim "$client" ahead destination
	must_exit shim 0
	must_be_silent shim
	[[ $(count '^ibv_reg_mr .*length=1048576 access=3$' shim.log) == 16 ]] || fail "$(<shim.log)"
	grep -E '^ibv_reg_mr .* access=3$' shim.log | grep -Ev 'length=(524288|1048576|2097408) ' |
		grep -o 'length=.*' | tr '\n' ' ' >guest
	[[ $(<guest) == "length=4194304 access=3 length=5242880 access=3 " ]] ||
		fail "guest memory: $(<guest)"
	balanced shim.log
}

# Its threads end while QEMU takes the connection down.
case_ahead_not_once_qemu_has_disconnected()
{
	run_shim "$client" ahead disconnected
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^nothing more$'
	balanced shim.log
}

# QEMU may go over to postcopy.
case_ahead_not_with_a_return_path()
{
	run_shim "$client" ahead return-path
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^nothing ahead$'
	[[ $(count '^ibv_reg_mr .*length=5242880 access=3' shim.log) == 1 ]] || fail "$(<shim.log)"
	balanced shim.log
}

case_ahead_not_where_only_chunks_can_be_registered()
{
	run_shim "$client" ahead chunks-only
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^chunks only$'
}

case_ahead_answered_wrongly()
{
	run_shim "$client" ahead bad-result
	must_exit shim 0
	one_line shim.err '^rdmachunk: REGISTER_RESULT that does not hold exactly one result: Protocol error; failing the migration$'
	one_line shim.out '^failed$'
	[[ $(count '^ibv_modify_qp .*state=6' shim.log) == 1 ]] || fail "the QP was left as it was"
	balanced shim.log
}

case_ahead_off()
{
	local new=RDMACHUNK_PREFETCH old=RDMACHUNK_AHEAD settings

	need jq
	# By its old name, too, which does not count beside the new one
	for settings in $new=off $old=off "$new=off $old=off" "$new=off $old=on"; do
		rm -f stats
		# shellcheck disable=SC2086 # one or two
		run_shim $settings RDMACHUNK_STATS="$PWD/stats" "$client" ahead none
		must_exit shim 0
		if [[ $settings == *=on ]]; then
			one_line shim.err "^rdmachunk: $old=on contradicts $new,"
		else
			must_be_silent shim
		fi
		# Two chunks, and all that has data at once
		one_line shim.out '^requests 3 mrs 3$'
		[[ $(count '^ibv_reg_mr .*length=8388608 access=0' shim.log) == 1 ]] ||
			fail "$settings: $(<shim.log)"
		jq -e '.requests_ahead == 0 and .registrations_ahead == 0' stats >/dev/null ||
			fail "$settings: $(<stats)"
	done
}

# The smallest region: everything as QEMU does it by itself
case_ahead_not_with_shift_20()
{
	run_shim RDMACHUNK_SHIFT=20 "$client" ahead none
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^requests 3 mrs 3$'
	[[ $(count '^ibv_reg_mr .*length=1048576 access=0' shim.log) == 3 ]] || fail "$(<shim.log)"
}

# It is not fatal, and says nothing: QEMU has not asked.
case_ahead_fails()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" ahead fails-once
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^went on$'
	# QEMU's own is for what the destination has been asked for
	[[ $(count '^ibv_reg_mr .*length=4194304 access=0' shim.log) == 2 ]] || fail "$(<shim.log)"
	jq -e '.registrations_ahead == 0 and .registration_fallbacks == 0' stats >/dev/null ||
		fail "$(<stats)"
	run_shim RDMACHUNK_LOG=info "$client" ahead fails-once
	[[ $(count '^rdmachunk: registering ahead: Cannot allocate memory$' shim.err) == 1 ]] ||
		fail "$(<shim.err)"
}

case_ahead_fails_and_so_do_the_larger_ones_of_qemu()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" ahead fails-always
	must_exit shim 0
	one_line shim.err '^rdmachunk: registering .* at once failed'
	one_line shim.out '^went on$'
	# 4 and 2 MiB, then QEMU's chunk; two were registered before
	[[ $(count '^ibv_reg_mr .*length=2097152 access=0' shim.log) == 1 ]] ||
		fail "$(grep access=0 shim.log)"
	[[ $(count '^ibv_reg_mr .*length=1048576 access=0' shim.log) == 3 ]] ||
		fail "$(grep access=0 shim.log)"
	jq -e '.registrations_ahead == 0 and .registration_fallbacks == 2' stats >/dev/null ||
		fail "$(<stats)"
}

# rdma_destroy_qp() waits for a registration under way, and undoes it.
case_ahead_destroyed_meanwhile()
{
	run_shim "$client" ahead destroyed
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^destroyed$'
	[[ $(sed -n '/^rdma_destroy_qp /,$p' shim.log | count '^ibv_dereg_mr length=4194304$' /dev/stdin) == 1 ]] ||
		fail "not undone: $(tail -n 20 shim.log)"
	balanced shim.log
}

# QEMU registers a chunk of it, and waits rather than to register it once more.
case_ahead_awaited()
{
	run_shim "$client" ahead awaited
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^awaited$'
	[[ $(count '^ibv_reg_mr .* access=0$' shim.log) == 3 ]] || fail "$(grep access=0 shim.log)"
	balanced shim.log
}

# What nobody has asked for yet is given back before a chunk of QEMU's may fail.
case_ahead_makes_room()
{
	local end

	for end in room room-under-way; do
		run_shim "$client" ahead $end
		must_exit shim 0
		must_be_silent shim
		one_line shim.out '^made room$'
	done
	run_shim RDMACHUNK_LOG=info "$client" ahead room
	[[ $(count '^rdmachunk: gave back what was registered ahead, for want of room$' shim.err) == 1 ]] ||
		fail "$(<shim.err)"
}

# What a destination ends for, after it was asked for more than stock QEMU asks for
case_ahead_refused()
{
	local how

	for how in refused refused-while-held; do
		run_shim "$client" ahead $how
		must_exit shim 0
		one_line shim.err '^rdmachunk: the last migration to 192\.0\.2\.7 ended while memory was being registered there; .*hard_limit'
		one_line shim.out '^asked for less$'
		balanced shim.log
	done
}

case_ahead_leaves_absent_memory_alone()
{
	run_shim "$client" ahead sparse
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^untouched$'
}

case_ahead_nothing_leaks()
{
	local grown

	run_shim "$client" ahead-rounds 600
	must_exit shim 0
	must_be_silent shim
	[[ $(count "$no_objects" shim.out) == 1 ]] || fail "alive: $(tail -n 2 shim.out)"
	grown=$(sed -n 's/^grown \(.*\) threads 1$/\1/p' shim.out)
	[[ -n $grown && $grown -lt 4096 ]] || fail "$(tail -n 1 shim.out)"
}

case_ahead_valgrind()
{
	local file case

	need valgrind
	need strip binutils
	mkdir bare
	for file in "$client" "$shim" "$fakes"/lib*.so.1; do
		strip -g -o "bare/${file##*/}" "$file"
	done
	for case in found both-ends-at-once destroyed fails-always destination; do
		run shim LD_LIBRARY_PATH="$PWD/bare" LD_PRELOAD="$PWD/bare/librdmachunk.so" \
			RDMACHUNK_LOG=off valgrind -q --fair-sched=yes --error-exitcode=9 \
			--leak-check=full --errors-for-leak-kinds=definite,indirect bare/client ahead $case
		must_exit shim 0
		must_be_silent shim
	done
}
