# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # test-ab.sh sets the variables
#
# The examples of the manual page, run as they stand there: with real QEMUs on the software fabric or
# over TCP, and to the other host with stand-ins for ssh and QEMU. What an example leaves to the
# defaults is made small; its own options come after that, and hold.

# shellcheck source=tests/lib/manual.sh
. "$here/../lib/manual.sh"

examples_page=$here/../../man/rdmachunk-ab.1

# What stands for the programs that the page names.
examples_prepare() {
	mkdir -p "$scratch/examples/bin" "$scratch/examples/other-host"
	cat >"$scratch/examples/bin/rdmachunk-ab" <<-'END'
		#!/bin/bash
		words=() previous=
		for word; do
			# What has GiBs on the page has MiBs here.
			[ "$previous" != --size ] || word=${word/%G/M}
			words+=("$word") previous=$word
		done
		# shellcheck disable=SC2086 # a list of options
		exec "$RDMATEST_AB" $RDMATEST_AB_OPTIONS "${words[@]}"
	END
	chmod +x "$scratch/examples/bin/rdmachunk-ab"
	ln -s "$here/fake-ssh" "$scratch/examples/other-host/ssh"
	ln -s "$fake" "$scratch/examples/other-host/qemu-system-x86_64"
}

# example_results JSON: what a test may have expected otherwise, in one line.
example_results() {
	jq -c '[.variants, .setup, [.samples[] | [.variant, .status, .reason, .ram, .values.total_seconds]],
		[.summary[] | select(.metric == "total_seconds") | [.variant, .median, .verdict]]]' "$1" 2>&1
}

# example_runs NUMBER JSON OPTIONS FILTER [VARIABLE=VALUE...]: the example succeeds with these options
# before its own, and the results in that file are as the filter wants them. A filter must not want one
# variant to be faster than another: on a busy machine it may not be.
example_runs() {
	local number=$1 json=$2 options=$3 filter=$4
	shift 4

	manual_example "$examples_page" "$number" >"$scratch/example.sh"
	(
		cd "$scratch/examples" || exit
		env "PATH=$scratch/examples/bin:$PATH" "RDMATEST_AB=$ab" \
			"RDMATEST_AB_OPTIONS=$options" "$@" \
			bash -e "$scratch/example.sh"
	) >"$scratch/out" 2>"$scratch/err" </dev/null
	local status=$?
	if [ ! -s "$scratch/example.sh" ] || [ $status -ne 0 ]; then
		not_ok "example-$number" "exit status $status: $(tail -n 1 "$scratch/err")"
	elif ! jq -e "([.samples[] | .status == \"ok\" and .ram == \"identical\"] | all) and ($filter)" \
		"$json" >/dev/null; then
		not_ok "example-$number" "other results than the page promises: $(example_results "$json")"
	else
		ok "example-$number"
	fi
}

test_examples() {
	local few="--rounds 1 --warmup 0" on_fabric=LD_LIBRARY_PATH=$fabric
	local results=$scratch/examples/results json=$scratch/examples/json

	examples_prepare
	if [ "$(manual_examples "$examples_page")" = 6 ]; then
		ok examples-all
	else
		not_ok examples-all "$(manual_examples "$examples_page") are on the page"
	fi
	if [ -e "$fabric/libibverbs.so.1" ]; then
		example_runs 1 "$json-1" "--addr 127.0.0.1 --size 32 $few --json $json-1" '
			.variants == ["stock", "shim"] and .setup.transport == "rdma" and
			[.samples[].counts_source] == ["unknown", "shim"]' "$on_fabric"
		example_runs 2 "$results/result.json" "--addr 127.0.0.1 $few" '
			.variants == ["stock", "shift=25", "shift=30"] and
			.setup.ram_bytes == 8388608 and .setup.zero_fraction == 0' "$on_fabric"
		example_runs 6 "$json-6" "--addr 127.0.0.1 --zero-fraction 1 $few --json $json-6" '
			.variants == ["stock", "shim", "tcp"] and .setup.dirty_bytes_per_second == 209715200 and
			([.samples[].values.downtime_seconds] | all)' "$on_fabric"
		example_runs 5 "$results/result.json" '' true
		if [ "$(grep -c '^| total time, s | stock |' "$scratch/out")" = 1 ]; then
			ok example-5-output
		else
			not_ok example-5-output "$(head -n 3 "$scratch/out" | tr '\n' ' ')"
		fi
	else
		not_run examples-on-the-fabric "no $fabric: run 'make check TESTS='"
	fi
	example_runs 3 "$json-3" "--size 8 --zero-fraction 1 $few --ram-dir $shm --json $json-3" '
		.setup.destination_host == "root@b" and .setup.address == "192.0.2.2" and
		.variants == ["stock", "shift=30", "param=1G", "pin-all"]' \
		"PATH=$scratch/examples/bin:$scratch/examples/other-host:$PATH" "$on_fabric"
	example_runs 4 "$json-4" "--warmup 0 --json $json-4" '
		.variants == ["stock", "limited"] and .setup.transport == "tcp" and
		.setup.ram_bytes == 268435456 and .setup.rounds == 6 and
		([.summary[] | select(.metric == "total_seconds" and .variant == "limited") |
		.rounds] == [6])'
	if [ -z "$(left)" ]; then ok examples-leave-nothing; else not_ok examples-leave-nothing "$(left)"; fi
}
