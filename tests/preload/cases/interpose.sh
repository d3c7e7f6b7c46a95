# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# Other preloads that stand in front of the module or behind it.

counters=$build/tests/preload/.libs

# with_preloads NAME PRELOADS COMMAND...: on the fakes; NAME.counter has the calls
# that a counting library among the PRELOADS saw.
with_preloads()
{
	rm -f "$1.counter"
	run "$1" LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$2" COUNTER_LOG="$PWD/$1.counter" "${@:3}"
	must_exit "$1" 0
	[[ -s $1.counter ]] || fail "the counting library saw nothing with $2"
}

# as_many A B: of each function, as many calls in A as in B
as_many()
{
	local name

	for name in $(symbol_table | cut -d' ' -f1); do
		[[ $(count "^$name( |\$)" "$1") == "$(count "^$name( |\$)" "$2")" ]] ||
			fail "$name: $(count "^$name( |\$)" "$1") in $1, $(count "^$name( |\$)" "$2") in $2"
	done
}

behind()
{
	local kind=$1

	with_preloads shim "$shim $counters/libcounter-$kind.so" "${@:2}"
	as_many shim.counter shim.log
	cat shim.counter >>all
}

# All that reaches the libraries has passed the one that stands before them.
behind_sees_all()
{
	local name

	symbol_table >table
	[[ -s table ]] || fail "the table in symbols.c could not be read"
	behind "$1" "$client" hooks
	behind "$1" "$client" migrate 192.0.2.7 source destination
	behind "$1" "$client" broken 38
	behind "$1" "$client" ahead refused
	while read -r name _; do
		grep -qx "$name" all || fail "no program here calls $name"
	done <table
}

case_interpose_unversioned_library_behind_sees_every_call()
{
	behind_sees_all unversioned
}

case_interpose_versioned_library_behind_sees_every_call()
{
	behind_sees_all versioned
}

# Two of them, of which neither passes the other over
case_interpose_two_libraries_behind_see_every_call()
{
	local first second

	for first in unversioned versioned; do
		second=versioned
		[[ $first == unversioned ]] || second=unversioned
		with_preloads shim "$shim $counters/libcounter-$first.so $counters/libcounter-$second.so" \
			"$client" migrate 192.0.2.7 source destination
		cat shim.log shim.log >twice
		as_many shim.counter twice
	done
}

# It sees what the program calls, as it does without the module, which has its
# effect all the same.
in_front()
{
	local library=$counters/libcounter-$1.so name

	with_preloads bare "$library" "${@:2}"
	with_preloads shim "$library $shim" "${@:2}"
	sed 's/^requests [0-9]*/requests N/' bare.out >bare.seen
	sed 's/^requests [0-9]*/requests N/' shim.out >shim.seen
	same bare.seen shim.seen "standard output"
	for name in ibv_reg_mr ibv_close_device rdma_create_qp rdma_destroy_qp rdma_connect rdma_accept; do
		[[ $(count "^$name\$" bare.counter) == "$(count "^$name\$" shim.counter)" ]] ||
			fail "$name: $(count "^$name\$" bare.counter) calls, $(count "^$name\$" shim.counter) with it"
	done
	# A source's first piece, behind its first chunk
	[[ $3 != migrate ]] || [[ $(count '^ibv_reg_mr .*length=4194304 ' shim.log) == 1 ]] ||
		fail "the module has no effect behind $library"
}

case_interpose_libraries_in_front_change_nothing()
{
	local kind

	for kind in unversioned versioned; do
		in_front "$kind" "$client" hooks
		in_front "$kind" "$client" migrate 192.0.2.7 source destination
	done
}

# Hazard 8 where the loader hands out the twin of 1.0 for a name alone
case_interpose_oldest_version_is_not_taken()
{
	run bare LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$counters/liboldest.so" \
		"$plain" next IBVERBS_1.0
	one_line bare.out '^the same$'
	for program in hooks "broken 38"; do
		# shellcheck disable=SC2086 # with its arguments
		run_bare "$client" $program
		# shellcheck disable=SC2086
		run shim LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$shim $counters/liboldest.so" \
			"$client" $program
		must_exit shim 0
	done
	[[ $(count '^ibv_modify_qp ' shim.log) == 1 ]] || fail "$(<shim.log)"
}

# A program that opens the libraries itself: RTLD_NEXT does not see them.
case_interpose_libraries_opened_later()
{
	local mode kind

	for mode in local global cm-later; do
		run_bare "$plain" "$mode"
		run_shim "$plain" "$mode"
		must_exit shim 0
		same bare.out shim.out "standard output"
		same bare.log shim.log "calls"
		for kind in unversioned versioned; do
			[[ $mode != local ]] || continue
			with_preloads shim "$shim $counters/libcounter-$kind.so" "$plain" "$mode"
			same bare.out shim.out "standard output"
			as_many shim.counter shim.log
		done
	done
}
