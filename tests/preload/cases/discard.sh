# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# Guest memory that is given back under a registration: tests/preload/discard.c.

run_discard()
{
	run_shim RDMACHUNK_SHIFT=22 RDMACHUNK_PREFETCH=off "$@"
	must_exit shim 0
}

discarded_by()
{
	local way writes

	for way; do
		for writes in on off; do
			run_discard RDMACHUNK_WRITES=$writes "$client" discard "$way"
			one_line shim.out '^right$'
			must_be_silent shim
		done
	done
}

case_discard_by_madvise()
{
	discarded_by madvise madvise-shared madvise-free madvise-remove madvise-fails posix_madvise
}

case_discard_by_fallocate()
{
	discarded_by fallocate fallocate64 fallocate-dup fallocate-before alias shared-anonymous
}

case_discard_by_mapping()
{
	discarded_by munmap mmap mmap-file mmap64 mremap-away mremap-over replaced
}

case_discard_of_nothing_costs_nothing()
{
	discarded_by nothing
}

case_discard_in_a_sandbox()
{
	discarded_by without-statx without-stat
}

case_discard_in_a_thread_that_is_killed()
{
	discarded_by cancelled
}

case_discard_passes_a_hint_on()
{
	discarded_by hint
}

case_discard_with_little_room()
{
	local way

	discarded_by little-room little-room-for-a-chunk no-room
	run_discard "$client" discard little-room-on-the-wire
	one_line shim.out '^right$'
	# The chunk's run cannot be registered at once, and a line says so.
	for way in room-of-one-given-back room-of-one-zeroed; do
		run_discard "$client" discard "$way"
		one_line shim.out '^right$'
		one_line shim.err '^rdmachunk: registering several chunks at once failed '
	done
}

case_discard_in_two_migrations()
{
	discarded_by two
}

case_discard_at_a_destination()
{
	discarded_by destination
}

case_discard_under_a_part_of_a_write()
{
	run_discard "$client" discard parts
	one_line shim.out '^right$'
	must_be_silent shim
}

case_discard_is_counted()
{
	need jq
	run_discard RDMACHUNK_STATS="$PWD/stats" "$client" discard madvise
	[[ $(jq .registrations_renewed stats) == 4 ]] || fail "$(<stats)"
}

# Without a registration the old memory would be sent.
case_discard_that_cannot_be_registered_again()
{
	run_discard "$client" discard fails
	one_line shim.out '^failed$'
	[[ $(count '^rdmachunk: registering memory that was discarded: Cannot allocate memory$' \
		shim.err) == 1 ]] || fail "$(<shim.err)"
}

# It is being registered ahead of QEMU at the time.
case_discard_while_registering_ahead()
{
	run_shim "$client" ahead discarded
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^right$'
}
