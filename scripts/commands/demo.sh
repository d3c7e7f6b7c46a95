# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: migrate a guest with and without the shim, and compare

readonly DEMO_PAIRS=3
readonly DEMO_MIB=128

command_main() {
	local log=$BUILD_DIR/demo

	[ $# -eq 0 ] || die "demo takes no argument"
	heading "What this needs"
	need_packages build guest
	guest_prepare || die "there is neither an RDMA link nor a kernel for a guest with one"

	heading "Build"
	mkdir -p "$log"
	build_tree default >"$log/build.log" 2>&1 || {
		tail -n 40 "$log/build.log" >&2
		die "the build failed; all of it is in $log/build.log"
	}
	say "$BUILD_DIR/default/.libs/librdmachunk.so"

	heading "Migrate a guest of $DEMO_MIB MiB, stock QEMU and with the shim at the source, in turn"
	rm -rf "$log/results"
	with_link 900 "$log/results" "$SOURCE_DIR/scripts/demo-job" \
		"$BUILD_DIR/default" "$log/results" "$DEMO_PAIRS" "$DEMO_MIB" ||
		die "the demonstration failed; reports and logs are in $log/results"

	heading "What reached libibverbs, as a counting library behind the shim saw it"
	demo_table "$log/results"
	say
	say "The shim's own statistics of its last migration (RDMACHUNK_STATS):"
	tail -n 1 "$log/results/statistics"
	say
	say "To use it: LD_PRELOAD=$BUILD_DIR/default/.libs/librdmachunk.so qemu-system-x86_64 ..."
}

# demo_table DIR: from the reports that demo-job left there.
demo_table() {
	jq -r -n --slurpfile stock <(cat "$1"/stock-*.json) --slurpfile shim <(cat "$1"/shim-*.json) '
	def median: sort | if length % 2 == 1 then .[length / 2 | floor]
		else (.[length / 2 - 1] + .[length / 2]) / 2 end;
	def time: .runs[0].migrations[0].total_time_ms;
	def column(path): [.[].runs[0] | path] | median;
	def identical: "\([.[].runs[0].migrations[0] | select(.ram_identical)] | length) of \(length)";
	def fixed2: (. * 100 | round) as $n | "\($n / 100 | floor).\("0\($n % 100)" | .[-2:])";
	def line(name; a; b): [name, a, b] | map(tostring);
	[
		line(""; "stock"; "with the shim"),
		line("time, median of \($stock | length), ms"; $stock | map(time) | median;
			$shim | map(time) | median),
		line("time, median ratio of the pairs"; "1.00";
			[$stock, $shim] | transpose | map((.[1] | time) / (.[0] | time)) | median | fixed2),
		line("registrations, source"; $stock | column(.src.counts.reg_mr_calls);
			$shim | column(.src.counts.reg_mr_calls)),
		line("registrations, destination"; $stock | column(.dst.counts.reg_mr_calls);
			$shim | column(.dst.counts.reg_mr_calls)),
		line("REGISTER_REQUESTs sent"; $stock | column(.src.counts.send_register_request);
			$shim | column(.src.counts.send_register_request)),
		line("RAM identical at both ends"; $stock | identical; $shim | identical)
	]
	| .[] | "  \(.[0] + " " * (34 - (.[0] | length)))"
		+ "\(" " * (10 - (.[1] | length)) + .[1])"
		+ "\(" " * (16 - (.[2] | length)) + .[2])"'
}
