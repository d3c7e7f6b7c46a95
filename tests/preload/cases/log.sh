# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# What the log says of a migration that goes as it should, and of whom.

# The program ignores what follows its own arguments.
case_log_header()
{
	local odd='guest=a,,b c"d\e' name shown before after at pid
	local -a named

	for name in "" vm1 guest=vm1,debug-threads=on "$odd"; do
		named=()
		[[ -z $name ]] || named=(-name "$name")
		shown=${name#guest=}
		shown=${shown%,debug*}
		shown=${shown/,,/,}
		rm -f log.* stats
		before=$(date -u +%FT%T)
		run_shim RDMACHUNK_LOG=info RDMACHUNK_STATS="$PWD/stats" RDMACHUNK_LOG_FILE="$PWD/log.%p" \
			"$client" connect qemu "$qemu_caps" source "${named[@]}"
		after=$(date -u +%FT%T)
		must_exit shim 0
		must_be_silent shim
		file=(log.*)
		pid=${file[0]#log.}
		[[ $(wc -l <"${file[0]}") == 2 ]] || fail "$(<"${file[0]}")"
		while read -r line; do
			at=${line:0:19}
			[[ ! $at < $before && ! $at > $after ]] || fail "not from $before to $after: $line"
			[[ ${line:19} =~ ^\.[0-9]{3}Z\  ]] || fail "no milliseconds: $line"
			line=${line:25}
			[[ $line == "${shown:+$shown }rdmachunk-${version}[$pid]: source of a migration, "* ]] ||
				fail "not of $shown: $line"
		done <"${file[0]}"
		command -v jq >/dev/null || continue
		jq -e --arg guest "$shown" --arg version "$version" --arg pid "$pid" \
			'.guest == (if $guest == "" then null else $guest end) and
			.version == $version and (.pid | tostring) == $pid' stats >/dev/null ||
			fail "not of $shown: $(<stats)"
	done
}

case_log_info()
{
	run_shim RDMACHUNK_LOG=info RDMACHUNK_STATS="$PWD/stats" "$client" quit disconnected
	must_exit shim 0
	[[ $(wc -l <shim.err) == 2 ]] || fail "$(<shim.err)"
	head -n 1 shim.err >line
	one_line line '^rdmachunk: source of a migration, peer 192.0.2.7, regions of 2\^30 bytes$'
	tail -n 1 shim.err >line
	one_line line '^rdmachunk: source of a migration, peer 192.0.2.7: closed after 0\.[0-9]{3} s, 1048576 bytes \([0-9]+\.[0-9]{2} Gbit/s\), 1 registrations$'
	run_shim RDMACHUNK_LOG=info "$client" quit connected
	[[ $(count '^rdmachunk: (source|destination) of a migration, peer .*: unfinished after ' shim.err) == 2 ]] ||
		fail "$(<shim.err)"
	[[ $(count '^rdmachunk: destination of .* s, [0-9]+ registrations$' shim.err) == 1 ]] ||
		fail "$(<shim.err)"
	run_shim RDMACHUNK_LOG=info "$client" connect qemu 0000000100000001 source
	[[ $(wc -l <shim.err) == 2 ]] || fail "$(<shim.err)"
	head -n 1 shim.err >line
	one_line line '^rdmachunk: passing through: .*pin-all'
	tail -n 1 shim.err >line
	one_line line '^rdmachunk: source of a migration, peer 192.0.2.7: disconnected after 0\.[0-9]{3} s$'
}

# A line for each registration of guest memory, with QEMU's flags for it at the source; none of them
# at level info.
case_log_debug()
{
	local made

	run_shim RDMACHUNK_LOG=debug "$client" migrate 192.0.2.7 source destination
	must_exit shim 0
	made=$(count '^ibv_reg_mr .* access=0$' shim.log)
	[[ $made -ge 2 ]] || fail "only $made registrations to tell of"
	[[ $(count '^rdmachunk: registered [0-9]+ bytes at 0x[0-9a-f]+, access 0x0: done, [0-9]+ ns$' \
		shim.err) == "$made" ]] || fail "$made registrations: $(<shim.err)"
	for what in 'sent: register_request, 40 bytes' 'received: register_result, 32 bytes' \
		'deregistering [0-9]+ bytes at 0x[0-9a-f]+'; do
		[[ $(count "^rdmachunk: $what\$" shim.err) -ge 1 ]] || fail "no $what: $(<shim.err)"
	done
	run_shim RDMACHUNK_LOG=info "$client" migrate 192.0.2.7 source destination
	[[ $(wc -l <shim.err) == 4 ]] || fail "$(<shim.err)"
}
