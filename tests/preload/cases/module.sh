# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# The module as an ELF file.

case_module_exports_only_the_hooks()
{
	need nm binutils
	nm -D --defined-only "$shim" | awk '{print $3}' | sort >exported
	exports | sort >listed
	[[ -s listed ]] || fail "no hooks found in exports.map"
	# A version node would show as an absolute symbol, or behind an @.
	same listed exported "exported symbols"
	readelf -VW "$shim" >versions
	[[ $(count 'Version definition section' versions) == 0 ]] ||
		fail "it defines version nodes of its own"
}

# What is resolved and not a hook is called by the shim on its own account.
case_module_hooks_are_all_resolved()
{
	{
		symbol_table | cut -d' ' -f1
		memory_hooks
	} | sort >resolved
	{
		hooks
		echo ibv_modify_qp
		echo ibv_query_port
	} | sort >listed
	same listed resolved "symbols.c and memory.c against exports.map"
}

case_module_needs_libc_only()
{
	need readelf binutils
	readelf -dW "$shim" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >needed
	[[ -s needed ]] || fail "no DT_NEEDED at all"
	grep -Evx 'libc\.so\.[0-9.]+|libdl\.so\.[0-9.]+|libpthread\.so\.[0-9.]+|ld-linux.*' needed \
		>others && fail "needs $(tr '\n' ' ' <others)"
	[[ $(count 'RPATH|RUNPATH' <(readelf -dW "$shim")) == 0 ]] || fail "has a run path"
}

case_module_soname()
{
	need readelf binutils
	readelf -dW "$shim" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p' >soname
	[[ ! -s soname || $(<soname) == librdmachunk.so ]] || fail "SONAME $(<soname)"
}

# Its threads, and the functions that it puts into a context, outlive dlclose().
case_module_stays_loaded()
{
	need readelf binutils
	readelf -dW "$shim" >dynamic
	grep -q 'FLAGS_1.*NODELETE' dynamic || fail "it can be unloaded"
}

case_module_is_hardened()
{
	need readelf binutils
	readelf -lW "$shim" >segments
	readelf -dW "$shim" >dynamic
	grep -Eq 'GNU_STACK.* RW ' segments || fail "executable stack"
	grep -q GNU_RELRO segments || fail "no GNU_RELRO"
	grep -Eq 'BIND_NOW|FLAGS_1.*NOW' dynamic || fail "no BIND_NOW"
	grep -q TEXTREL dynamic && fail "text relocations"
	grep -E ' LOAD .* RWE ' segments && fail "a segment is writable and executable"
	return 0
}

# Built with them, or without because the header is missing or by --disable-probes; the list of them
# in their header is what is there.
case_module_probes()
{
	need readelf binutils
	grep -q -- '-DHAVE_PROBES=1' "$build/Makefile" ||
		skip "built without probes: install systemtap-sdt-dev (Fedora: systemtap-sdt-devel), and configure again"
	readelf -nW "$shim" | awk '/Provider: / { mine = $NF == "rdmachunk" } mine && /Name: / { print $2 }' |
		sort -u >there
	sed -n 's/^ \*      \([a-z]*\)  *[a-z_]*, .*/\1/p; s/^ \*      \([a-z]*\)  *reason .*/\1/p' \
		"$source_top/src/util/probes.h" | sort -u >listed
	[[ $(wc -l <listed) == 6 ]] || fail "not six: $(<listed)"
	same listed there "probes"
	# The example uses what there is.
	grep -o 'rdmachunk:[a-z]*$' "$source_top/doc/probes.bt" | sed 's/.*://' | sort -u >used
	[[ -s used && -z $(comm -13 there used) ]] || fail "the example: $(comm -13 there used)"
}

# The example sees a program register memory: that is run until it has been seen, since bpftrace does
# not say when its probes are in.
case_module_bpftrace()
{
	local tracer end more

	need bpftrace
	grep -q -- '-DHAVE_PROBES=1' "$build/Makefile" || skip "built without probes: install systemtap-sdt-dev"
	timeout "$limit" bpftrace -e "uprobe:$fakes/libibverbs.so.1:ibv_reg_mr { } BEGIN { exit(); }" \
		>can 2>&1 || skip "bpftrace cannot run here: $(tail -n 1 can)"
	# A file that nobody else has.
	cp "$shim" librdmachunk.so
	{
		sed "s|/usr/local/lib/librdmachunk.so|$PWD/librdmachunk.so|" "$source_top/doc/probes.bt"
		echo "usdt:$PWD/librdmachunk.so:rdmachunk:register { printf(\"seen\\n\"); }"
	} >example.bt
	timeout "$limit" bpftrace -B line example.bt >traced 2>traced.err &
	tracer=$!
	end=$((SECONDS + limit))
	# And once more, when all are in.
	for more in yes no; do
		while :; do
			[[ $SECONDS -lt $end ]] && kill -0 "$tracer" ||
				fail "nothing was seen: $(tail -n 3 traced.err)"
			run shim LD_LIBRARY_PATH="$fakes" LD_PRELOAD="$PWD/librdmachunk.so" \
				"$client" migrate 192.0.2.7 source
			must_exit shim 0
			[[ $more == yes ]] && ! grep -q seen traced || break
		done
	done
	kill -INT "$tracer"
	wait "$tracer"
	# All maps are printed at the end.
	grep -q '^@registered_bytes:' traced || fail "no bytes: $(tail -n 5 traced)"
	grep -q '^@posted_bytes:' traced || fail "no posts: $(tail -n 5 traced)"
}
