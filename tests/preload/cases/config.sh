# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# The environment variables, in a process that makes a migration connection.

migration=("$client" connect qemu "$qemu_caps")

# refused REGEX [VAR=VALUE...]: one line on standard error, and no effect
refused()
{
	local role

	for role in source destination; do
		run_bare "${migration[@]}" "$role"
		run_shim "${@:2}" "${migration[@]}" "$role"
		must_exit shim 0
		one_line shim.err "$1"
		same bare.out shim.out "standard output with ${*:2}"
		same bare.log shim.log "calls with ${*:2}"
	done
}

case_config_bad_shift()
{
	local value

	for value in 31 19 0 abc '' 20.5 -1 ' 20' 20x 0x14 +20 OFF 99999999999999999999; do
		refused "^rdmachunk: RDMACHUNK_SHIFT=${value/+/\\+} is not allowed: use 20 to 30, or off;" \
			RDMACHUNK_SHIFT="$value"
	done
}

case_config_bad_size()
{
	local value

	for value in 3M 512K 2G 1T '' 0 M 1MB -1M 1048577 18446744073710600192; do
		refused "^rdmachunk: RDMACHUNK_SIZE=$value is not allowed: use a power of two from 1M to 1G" \
			RDMACHUNK_SIZE="$value"
	done
}

case_config_bad_log()
{
	refused '^rdmachunk: RDMACHUNK_LOG=loud is not allowed: use off, error, warn, info or debug' \
		RDMACHUNK_LOG=loud
	refused '^rdmachunk: RDMACHUNK_STATS= is not allowed: use ' RDMACHUNK_STATS=
	refused '^rdmachunk: RDMACHUNK_LOG_FILE= is not allowed: use ' RDMACHUNK_LOG_FILE=
}

case_config_bad_prefetch()
{
	local name

	for name in PREFETCH AHEAD; do
		refused "^rdmachunk: RDMACHUNK_$name=1 is not allowed: use on or off;" RDMACHUNK_$name=1
	done
	refused '^rdmachunk: RDMACHUNK_AHEAD=1 is not allowed: use on or off;' \
		RDMACHUNK_PREFETCH=on RDMACHUNK_AHEAD=1
}

case_config_bad_threads()
{
	local value

	for value in 0 9 -1 abc '' ' 1' 1x 0x1 +1 1.5 auto 99999999999999999999; do
		refused "^rdmachunk: RDMACHUNK_THREADS=${value/+/\\+} is not allowed: use 1 to 8" \
			RDMACHUNK_THREADS="$value"
	done
}

# The new name counts, and a contradiction is said.
case_config_both_names_of_prefetch()
{
	run_shim RDMACHUNK_PREFETCH=on RDMACHUNK_AHEAD=on "$client" ahead found
	must_exit shim 0
	must_be_silent shim
	run_shim RDMACHUNK_PREFETCH=on RDMACHUNK_AHEAD=off "$client" ahead found
	must_exit shim 0
	one_line shim.out '^registered ahead$'
	one_line shim.err '^rdmachunk: RDMACHUNK_AHEAD=off contradicts RDMACHUNK_PREFETCH,'
}

# A bad value is said even when nothing else would be.
case_config_bad_shift_with_log_off()
{
	refused '^rdmachunk: RDMACHUNK_SHIFT=31 is not allowed: use 20 to 30, or off;' \
		RDMACHUNK_SHIFT=31 RDMACHUNK_LOG=off
}

case_config_shift_and_size_disagree()
{
	refused '^rdmachunk: RDMACHUNK_SHIFT=20 and RDMACHUNK_SIZE name different sizes' \
		RDMACHUNK_SHIFT=20 RDMACHUNK_SIZE=1G
}

case_config_shift_and_size_agree()
{
	run_shim RDMACHUNK_SHIFT=22 RDMACHUNK_SIZE=4M "$client" migrate 192.0.2.7 source
	must_exit shim 0
	must_be_silent shim
	# The first chunk is by itself.
	[[ $(count '^ibv_reg_mr .*length=3145728' shim.log) == 1 &&
		$(count '^ibv_reg_mr .*length=4194304' shim.log) == 1 ]] || fail "not in regions of 4 MiB"
}

case_config_shift_sets_the_region()
{
	local shift

	for shift in 20 21 22 23 30; do
		run_shim RDMACHUNK_SHIFT=$shift RDMACHUNK_PREFETCH=off "$client" migrate 192.0.2.7 source
		must_exit shim 0
		must_be_silent shim
		# Of 8 MiB: the first chunk, the rest of its region, and the others
		want=$((shift > 23 ? 8388608 : 1 << shift))
		grep -E '^ibv_reg_mr .* access=0$' shim.log | grep -o 'length=[0-9]*' | tr '\n' ' ' >made
		{
			echo length=1048576
			[[ $want == 1048576 ]] || echo "length=$((want - 1048576))"
			for ((at = want; at < 8388608; at += want)); do
				echo "length=$want"
			done
		} | tr '\n' ' ' >expected
		same expected made "guest memory at shift $shift"
	done
}

case_config_off()
{
	for role in source destination; do
		run_bare "${migration[@]}" "$role"
		run_shim RDMACHUNK_SHIFT=off "${migration[@]}" "$role"
		must_exit shim 0
		must_be_silent shim
		same bare.out shim.out "standard output"
		same bare.log shim.log "calls"
	done
}

# Times to compare with are all that there is, and the calls are the same.
case_config_off_is_told_of()
{
	need jq
	for role in source destination; do
		rm -f stats
		run_bare "${migration[@]}" "$role"
		run_shim RDMACHUNK_SHIFT=off RDMACHUNK_STATS="$PWD/stats" RDMACHUNK_LOG=info \
			"${migration[@]}" "$role"
		must_exit shim 0
		one_line shim.err "^rdmachunk: $role of a migration, peer 192.0.2.7, left alone: disconnected after 0\.[0-9]{3} s\$"
		same bare.out shim.out "standard output"
		same bare.log shim.log "calls"
		one_line stats "^\{.*\}\$"
		jq -e --arg role "$role" '.role == $role and .state == "off" and .peer == "192.0.2.7" and
			.seconds > 0 and .outcome == "disconnected" and (keys | length) == 7' stats \
			>/dev/null || fail "$(<stats)"
	done
	rm -f stats
	run_shim RDMACHUNK_SHIFT=off RDMACHUNK_STATS="$PWD/stats" RDMACHUNK_LOG=info "$client" quit mixed
	must_exit shim 0
	jq -r .outcome stats | sort | tr '\n' ' ' >outcomes
	[[ $(<outcomes) == "disconnected disconnected unfinished " ]] || fail "$(<stats)"
	[[ $(count ', left alone: (disconnected|unfinished) after ' shim.err) == 3 ]] || fail "$(<shim.err)"
	# It is off for another reason, and that is said first.
	run_shim RDMACHUNK_SHIFT=31 RDMACHUNK_STATS=stderr "${migration[@]}" source
	[[ $(wc -l <shim.err) == 2 ]] || fail "$(<shim.err)"
	tail -n 1 shim.err | jq -e '.state == "off"' >/dev/null || fail "$(<shim.err)"
}

case_config_unknown_variable()
{
	for role in source destination; do
		run_bare "${migration[@]}" "$role"
		run_shim RDMACHUNK_FOO=1 "${migration[@]}" "$role"
		must_exit shim 0
		one_line shim.err '^rdmachunk: RDMACHUNK_FOO=1 .*ignored'
		same bare.out shim.out "standard output"
	done
	# Twice in one process, said once
	run_shim RDMACHUNK_FOO=1 "$client" migrate 192.0.2.7 source destination
	one_line shim.err '^rdmachunk: RDMACHUNK_FOO=1 .*ignored'
}

case_config_unknown_variable_with_log_off()
{
	run_shim RDMACHUNK_FOO=1 RDMACHUNK_LOG=off "${migration[@]}" source
	must_exit shim 0
	must_be_silent shim
	run_shim RDMACHUNK_FOO=1 RDMACHUNK_LOG=error "${migration[@]}" source
	must_be_silent shim
}

case_config_log_file()
{
	local files

	run_shim RDMACHUNK_FOO=1 RDMACHUNK_LOG_FILE="$PWD/log.%p" "${migration[@]}" source
	must_exit shim 0
	must_be_silent shim
	files=(log.*)
	[[ ${#files[@]} == 1 && ${files[0]} =~ ^log\.[0-9]+$ ]] || fail "files: ${files[*]}"
	without_headers "${files[0]}" >seen
	one_line seen '^rdmachunk: RDMACHUNK_FOO=1 .*ignored'
	# Appended, and the percent sign itself
	for _ in 1 2; do
		run_shim RDMACHUNK_FOO=1 RDMACHUNK_LOG_FILE="$PWD/100%%" "${migration[@]}" source
	done
	[[ $(wc -l <100%) == 2 ]] || fail "not appended to"
}

case_config_log_file_that_cannot_be_written()
{
	run_bare "${migration[@]}" source
	run_shim RDMACHUNK_LOG_FILE=/nonexistent/log "${migration[@]}" source
	must_exit shim 0
	one_line shim.err '^rdmachunk: RDMACHUNK_LOG_FILE=/nonexistent/log: No such file'
	same bare.out shim.out "standard output"
}
