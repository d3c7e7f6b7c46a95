# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# The module is loaded into a program that runs: hooks go in and out of its table of functions.

attached=$build/tests/preload/attached

# run_attached MODE [VAR=VALUE...]
run_attached()
{
	local mode=$1

	shift
	run attached LD_LIBRARY_PATH="$fakes" "$@" "$attached" "$mode" "$shim"
	must_exit attached 0
	must_be_silent attached
}

case_attach_again_and_again()
{
	run_attached cycle
	[[ $(sort attached.out | uniq -c | awk '{ print $1, $2 }') == $'3 attached\n4 stock' ]] ||
		fail "$(<attached.out)"
	[[ $(grep -c '^stock 8$' attached.out) == 4 ]] || fail "$(<attached.out)"
	awk '$1 == "attached" && $2 >= 8 { exit 1 }' attached.out || fail "$(<attached.out)"
}

# Hooks of a device's table that are called when they are no longer in there
case_attach_call_that_is_late()
{
	run_attached late
	[[ $(tail -n 1 attached.out) == works ]] || fail "$(<attached.out)"
}

case_attach_device_closed_while_detached()
{
	run_attached closed
	[[ $(tail -n 1 attached.out) == works ]] || fail "$(<attached.out)"
}

# The loader overwrites a hook; the next migration has it in again.
case_attach_function_bound_meanwhile()
{
	run_attached lazy LD_PRELOAD="$build/tests/preload/.libs/libslow.so"
	printf '%s\n' 'meanwhile hooked' 'bound lost' 'migrating hooked' 'detached lost' >expected
	same expected attached.out "where calls go"
}

# run_now MODE [LIBRARY]: with functions bound at its start
run_now()
{
	run attached LD_LIBRARY_PATH="$fakes" "$build/tests/preload/attached-now" "$1" "$shim" "${@:2}"
	must_exit attached 0
}

# Nothing is changed by halves where the kernel does not let pages be written to.
case_attach_all_or_nothing()
{
	run_now refused
	one_line attached.out '^6 hooks$'
}

# Two commands have loaded two files of the library at once.
case_attach_over_another()
{
	cp "$shim" librdmachunk.so
	run_now twice "$PWD/librdmachunk.so"
	one_line attached.err 'another librdmachunk is in use'
}

# Detached, the module has no thread and no file open.
case_attach_log_is_closed()
{
	run_now log
	must_be_silent attached
	[[ $(count ': source of a migration, peer ' log) == 2 ]] || fail "$(<log)"
}
