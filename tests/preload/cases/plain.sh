# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# Programs that are no QEMU: no effect and no output.

bad_settings=(RDMACHUNK_SHIFT=bogus RDMACHUNK_FOO=1 RDMACHUNK_LOG=debug
	RDMACHUNK_LOG_FILE=/nonexistent/log RDMACHUNK_STATS=/nonexistent/stats)

unaffected()
{
	run bare "$@"
	for settings in none bad; do
		if [[ $settings == none ]]; then
			run shim LD_PRELOAD="$shim" "$@"
		else
			run shim LD_PRELOAD="$shim" "${bad_settings[@]}" "$@"
		fi
		same bare.out shim.out "standard output of $1"
		same bare.err shim.err "standard error of $1"
		same bare.rc shim.rc "exit status of $1"
	done
	# A preload that ld.so could not load would have no effect either.
	grep -q 'ERROR: ld.so' shim.err && fail "not loaded: $(<shim.err)"
	return 0
}

case_plain_shim_is_loaded()
{
	run shim LD_PRELOAD="$shim" cat /proc/self/maps
	[[ $(count librdmachunk.so shim.out) -gt 0 ]] || fail "the module is not mapped"
	must_be_silent shim
}

case_plain_programs()
{
	unaffected true
	unaffected false
	unaffected ls -l /usr
	unaffected ls /nonexistent
	unaffected sh -c 'echo out; echo err >&2; exit 5'
	unaffected sh -c 'kill -TERM $$'
}

case_plain_threads()
{
	unaffected "$plain" threads
	must_exit shim 7
	one_line shim.out '^4004000$'
}

case_plain_perl()
{
	need perl
	# shellcheck disable=SC2016 # of perl
	unaffected perl -e 'print join(",", map { $_ * 2 } 1 .. 5), "\n"; warn "w\n"; exit 3'
	must_exit shim 3
}

case_plain_python()
{
	local script='import sys, threading, subprocess
t = threading.Thread(target=print, args=("thread",)); t.start(); t.join()
print(subprocess.run(["echo", "child"], capture_output=True).stdout)
sys.exit("error")'

	need python3
	python3 -c '' || skip "python3 does not run: install python3"
	unaffected python3 -c "$script"
	must_exit shim 1
}

# Linked to the RDMA libraries, but no migration.
case_plain_verbs_program()
{
	run_bare "$client" connect recv-wr none source
	run_shim "${bad_settings[@]}" "$client" connect recv-wr none source
	must_exit shim 0
	must_be_silent shim
	same bare.out shim.out "standard output"
	same bare.log shim.log "calls"
}

# ld.so ignores a preload in a setuid program, or loads it; both are fine.
case_plain_setuid()
{
	[[ $(id -u) == 0 ]] || skip "only root can make a setuid copy: run as root"
	id nobody >/dev/null 2>&1 || skip "no user nobody: create one"
	cp "$(command -v id)" ./setuid-id
	chown nobody ./setuid-id
	chmod 4755 ./setuid-id
	run bare "$PWD/setuid-id" -un
	[[ $(<bare.out) == nobody ]] ||
		skip "setuid has no effect in $PWD: set TMPDIR to a place that is not mounted nosuid"
	run shim LD_PRELOAD="$shim" RDMACHUNK_SHIFT=bogus "$PWD/setuid-id" -un
	same bare.out shim.out "standard output"
	must_exit shim 0
	grep -v '^ERROR: ld\.so: object .* from LD_PRELOAD cannot be preloaded' shim.err >others &&
		fail "printed $(<others)"
	# By its name alone, as it is used once installed
	run shim LD_PRELOAD=librdmachunk.so "$PWD/setuid-id" -un
	same bare.out shim.out "standard output"
	must_exit shim 0
}
