# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# When the hooks are entered: early, late, by many, in a child, behind dlopen().

# like_bare COMMAND...: same output, status and calls with the shim as without
like_bare()
{
	run_bare "$@"
	run_shim "$@"
	same bare.out shim.out "standard output"
	same bare.err shim.err "standard error"
	same bare.rc shim.rc "exit status"
	same bare.log shim.log "calls"
}

case_lifetime_constructors_and_destructors()
{
	like_bare "$early"
	must_exit shim 0
	for name in preinit 'library constructor' constructor main atexit destructor \
		'library destructor'; do
		[[ $(count "^$name works\$" shim.out) == 1 ]] || fail "$name: $(<shim.out)"
	done
	[[ $(head -n 1 shim.out) == preinit* ]] || fail "preinit did not come first"
	# Before libc is initialised the fakes do not find their log in the environment.
	[[ $(count '^ibv_reg_mr ' shim.log) -ge 6 ]] || fail "calls: $(<shim.log)"
}

# A preload listed after ours is initialised before it.
case_lifetime_preload_that_is_initialised_first()
{
	local stage=$build/tests/preload/.libs/libstage.so

	run bare LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$stage" true
	for order in "$shim $stage" "$stage $shim"; do
		run shim LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$order" true
		must_exit shim 0
		must_be_silent shim
		same bare.out shim.out "standard output"
		same bare.log shim.log "calls"
	done
	[[ $(count works shim.out) == 2 ]] || fail "$(<shim.out)"
}

case_lifetime_fork_of_a_plain_child()
{
	run_bare "$client" fork
	run_shim RDMACHUNK_SHIFT=off "$client" fork
	must_exit shim 0
	must_be_silent shim
	same bare.out shim.out "standard output"
	# One message has an address in it.
	sed '/length=48/s/ data=[0-9a-f]*//' bare.log >bare.seen
	sed '/length=48/s/ data=[0-9a-f]*//' shim.log >shim.seen
	same bare.seen shim.seen "calls"
	[[ $(count '^child exited 5$' shim.out) == 1 ]] || fail "$(<shim.out)"
}

# With a session of the parent's alive in both
case_lifetime_fork_in_a_migration()
{
	need jq
	run_bare "$client" fork
	run_shim RDMACHUNK_STATS="$PWD/stats.%p" "$client" fork
	must_exit bare 0
	must_exit shim 0
	must_be_silent shim
	[[ $(count '^child exited 5$' shim.out) == 1 ]] || fail "$(<shim.out)"
	# The child makes fewer requests with the shim; nothing else differs.
	sed 's/^requests [0-9]*/requests N/' bare.out >bare.seen
	sed 's/^requests [0-9]*/requests N/' shim.out >shim.seen
	same bare.seen shim.seen "standard output"
	# One file of the child's, with two connections, and one of the parent's
	wc -l stats.* | awk '/stats/ { print $1 }' | sort >lines
	[[ $(tr '\n' ' ' <lines) == "1 2 " ]] || fail "statistics: $(wc -l stats.*)"
	jq -e . stats.* >/dev/null
}

# Several threads may look a name up at first, there being no lock on purpose; all
# get the right function, and once they are done there is nothing left to find.
case_lifetime_threads_resolve_the_same()
{
	local name version

	run_bare "$client" threads 32
	run shim LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$shim" LD_DEBUG=bindings \
		LD_DEBUG_OUTPUT="$PWD/debug" "$client" threads 32
	must_exit shim 0
	must_be_silent shim
	same bare.out shim.out "objects alive at the end"
	sort bare.log >bare.sorted
	sort shim.log >shim.sorted
	same bare.sorted shim.sorted "calls"
	cat debug.* >debug
	symbol_table >table
	[[ -s table ]] || fail "the table in symbols.c could not be read"
	while read -r name version _; do
		grep "binding file [^ ]*/librdmachunk.so .*symbol \`$name'" debug >found ||
			fail "$name was not looked up"
		# The loader writes for several threads at once, and their lines can run
		# together, with the version of one behind the name of another: a whole
		# line that names another version counts, a torn one does not.
		[[ $(count " to $fakes/[^ ]* .*\`$name' \[$version\]$" found) -ge 1 ]] ||
			fail "$name was never found with version $version"
		grep -E "\`$name' \[[A-Z]+_[0-9.]+\]$" found | grep -v 'binding file.*binding file' |
			grep -v "\[$version\]$" >wrong &&
			fail "$name: $(head -n 1 wrong)"
	done <table
	awk '/`fake_get_live/ { after = "" } { after = after $0 "\n" } END { printf "%s", after }' debug >after
	[[ -s after ]] || fail "no mark in the loader's output"
	[[ $(count 'binding file [^ ]*/librdmachunk.so .*`(ibv|rdma)_' after) == 0 ]] ||
		fail "still looked up: $(grep librdmachunk.so after | head -n 1)"
}

case_lifetime_dlopen_local()
{
	like_bare "$plain" local
	one_line shim.out '^registered$'
}

case_lifetime_dlopen_global()
{
	like_bare "$plain" global
	one_line shim.out '^registered$'
}

# librdmacm comes into the process after a hook has been entered.
case_lifetime_dlopen_librdmacm_later()
{
	like_bare "$plain" cm-later
	[[ $(count '^destroyed 1$' shim.out) == 1 ]] || fail "$(<shim.out)"
}

# There is nothing to hand the calls to.
case_lifetime_without_libraries()
{
	run_shim "$plain" without
	must_exit shim 0
	must_be_silent shim
	one_line shim.out '^harmless$'
}

case_lifetime_shim_opened_without_preload()
{
	run bare "$plain" shim "$shim"
	must_exit bare 0
	must_be_silent bare
	one_line bare.out '^harmless$'
	run_bare sh -c "'$client' hooks; '$client' connect qemu $qemu_caps source;
		'$client' connect qemu $qemu_caps source"
	run shim LD_LIBRARY_PATH="$fakes" "$client" dlopen "$shim"
	must_exit shim 0
	must_be_silent shim
	same bare.out shim.out "standard output"
}
