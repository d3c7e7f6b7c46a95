# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# The hooks are reached, and reach the right functions.

# "NAME VERSION LIBRARY" for each line of the table in symbols.c
symbol_table()
{
	sed -n -e 's/^#define VERBS *"\(.*\)"/VERBS=\1/p' -e 's/^#define CM *"\(.*\)"/CM=\1/p' \
		-e 's/^\t{"\([a-z0-9_]*\)", "\([A-Z0-9_.]*\)", \([A-Z]*\),.*/\1 \2 \3/p' \
		"$source_top/src/hook/symbols.c" |
		awk '/=/ { split($0, d, "="); name[d[1]] = d[2]; next } { print $1, $2, name[$3] }'
}

# The file that the loader takes for a library of the client's
library_path()
{
	ldd "$client" | awk -v name="$1" '$1 == name { print $3 }'
}

# The first word of the reason when a symbol with that version is not defined
check_versions()
{
	local name version library path

	while read -r name version library; do
		path=$(library_path "$library")
		[[ -n $path ]] || skip "no $library: install libibverbs1 and librdmacm1"
		nm -D --defined-only "$path" >defined
		# @@ : the version that a program linked today gets
		grep -Eq " T $name@@$version\$" defined || echo "$name@@$version not in $path"
	done
}

case_reach_versions_are_the_real_libraries()
{
	need nm binutils
	symbol_table >table
	[[ $(wc -l <table) -ge $(verbs_hooks | wc -l) ]] || fail "the table in symbols.c could not be read"
	check_versions <table >missing
	[[ ! -s missing ]] || fail "$(<missing)"
	# The same check must notice a wrong version.
	sed 's/ IBVERBS_1\.1 / IBVERBS_1.0 /' table | check_versions >missing
	[[ $(wc -l <missing) == $(count ' IBVERBS_1\.1 ' table) ]] ||
		fail "a wrong version was not noticed: $(<missing)"
	[[ -s missing ]] || fail "nothing of IBVERBS_1.1 in the table"
	strings "$shim" >texts
	cut -d' ' -f2 table | sort -u | grep -Fxvf texts >absent &&
		fail "the module was built from another table: no $(<absent)"
	return 0
}

bindings()
{
	run "$1" LD_LIBRARY_PATH="${2:-}" LD_PRELOAD="$shim" LD_BIND_NOW=1 LD_DEBUG=bindings \
		LD_DEBUG_OUTPUT="$PWD/debug" "${@:3}"
	cat debug.* >"$1.bindings"
	rm debug.*
}

# bound FILE FROM TO NAME: the reference in FROM went to TO
bound()
{
	local line

	line=$(grep -E "binding file [^ ]*/$2 .*symbol \`$4'" "$1" | head -n 1)
	[[ -n $line ]] || fail "$2 has no reference to $4"
	[[ $line == *" to "*"/$3 "* ]] || fail "not bound to $3: $line"
}

# Every reference to a hook, in whichever object, except our own look-ups
all_bound()
{
	local name

	for name in $(hooks); do
		grep -E "symbol \`$name'" "$1" | grep -v 'binding file [^ ]*/librdmachunk.so ' |
			grep -Ev ' to [^ ]*/librdmachunk.so ' >astray &&
			fail "not to the shim: $(head -n 1 astray)"
	done
	return 0
}

case_reach_bindings_with_the_fakes()
{
	bindings shim "$fakes" "$client" hooks
	must_exit shim 0
	for name in $(hooks); do
		bound shim.bindings client librdmachunk.so "$name"
	done
	bound shim.bindings libibverbs.so.1 librdmachunk.so ibv_reg_mr_iova2
	bound shim.bindings librdmacm.so.1 librdmachunk.so ibv_close_device
	all_bound shim.bindings
}

case_reach_bindings_with_the_real_libraries()
{
	local name version library

	[[ $(library_path libibverbs.so.1) == /* ]] || skip "no libibverbs.so.1: install libibverbs1"
	bindings shim "" "$client" real
	must_exit shim 0
	for name in $(hooks); do
		bound shim.bindings client librdmachunk.so "$name"
	done
	# rdma-core's own references, hazard 9 among them
	bound shim.bindings libibverbs.so.1 librdmachunk.so ibv_reg_mr_iova2
	bound shim.bindings librdmacm.so.1 librdmachunk.so ibv_dereg_mr
	bound shim.bindings librdmacm.so.1 librdmachunk.so rdma_create_qp
	all_bound shim.bindings
	# Ours, with the version asked for
	while read -r name version library; do
		bound shim.bindings librdmachunk.so "$library" "$name"
		grep -Eq "file [^ ]*/librdmachunk.so .*\`$name' \[$version\]" shim.bindings ||
			fail "$name was not looked up as $version"
	done < <(symbol_table)
}

case_reach_real_rdma_create_qp()
{
	run bare "$client" real
	run shim LD_PRELOAD="$shim" "$client" real
	must_exit bare 0
	must_exit shim 0
	must_be_silent shim
	# librdmacm's own error, and not ENOSYS of ours
	one_line bare.out '^rdma_create_qp -1 Invalid argument$'
	same bare.out shim.out "what the program saw"
}

case_reach_right_version()
{
	# The stand-in has the twins that could be called by mistake.
	nm -D --defined-only "$fakes/libibverbs.so.1" >fake
	[[ $(count ' T ibv_[a-z_]*@IBVERBS_1.0$' fake) == 5 ]] || fail "no twins in the stand-in"
	run_bare "$client" hooks
	run_shim "$client" hooks
	must_exit bare 0
	must_exit shim 0
	same bare.log shim.log "calls"
	[[ $(count '@IBVERBS_1.0' shim.log) == 0 ]] || fail "the twin of 1.0 was called"
	[[ $(count '^ibv_reg_mr ' shim.log) == 1 ]] || fail "ibv_reg_mr was not reached"
	[[ $(count '^ibv_reg_mr_iova2 ' shim.log) == 3 ]] || fail "ibv_reg_mr_iova2 was not reached"
	[[ $(count 'iova=other' shim.log) == 1 ]] || fail "an iova was lost"
}

# Hazard 9: the real ibv_reg_mr() comes back through our ibv_reg_mr_iova2().
case_reach_registration_counted_once()
{
	need jq
	run_shim RDMACHUNK_STATS="$PWD/stats" "$client" migrate 192.0.2.7 destination
	must_exit shim 0
	[[ $(jq .registrations_asked stats) == 8 ]] || fail "asked: $(jq -c . stats)"
	[[ $(jq .registrations_made stats) == 8 ]] || fail "made: $(jq -c . stats)"
	[[ $(count '^ibv_reg_mr .*length=1048576' shim.log) == 8 ]] || fail "calls of ibv_reg_mr"
	[[ $(count '^ibv_reg_mr_iova2 .*length=1048576' shim.log) == 8 ]] ||
		fail "calls of ibv_reg_mr_iova2"
}
