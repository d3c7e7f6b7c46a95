# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # variables of run-tests
# A file that switches it off, for one connection after the other of a process.

# What stock QEMU does while the file says off, at both ends; then what we do.
case_switch_file()
{
	run bare LD_LIBRARY_PATH="$fakes" "$client" switch "$PWD/switch"
	run_shim RDMACHUNK_SWITCH_FILE="$PWD/switch" "$client" switch "$PWD/switch"
	must_exit bare 0
	must_exit shim 0
	must_be_silent shim
	[[ $(sed -n 1p bare.out) == "$(sed -n 2p bare.out)" ]] || fail "stock: $(<bare.out)"
	[[ $(sed -n 1p shim.out) == "$(sed -n 1p bare.out)" ]] ||
		fail "off: $(sed -n 1p shim.out), stock $(sed -n 1p bare.out)"
	[[ $(sed -n 2p shim.out) != "$(sed -n 1p shim.out)" ]] || fail "as much when on: $(<shim.out)"
	run_shim RDMACHUNK_SWITCH_FILE="$PWD/switch" RDMACHUNK_LOG=info RDMACHUNK_STATS="$PWD/stats" \
		"$client" switch "$PWD/switch"
	must_exit shim 0
	[[ $(count '^rdmachunk: passing through: RDMACHUNK_SWITCH_FILE says off$' shim.err) == 2 &&
		$(count '^rdmachunk: (source|destination) of a migration, .*regions of' shim.err) == 2 ]] ||
		fail "$(<shim.err)"
	[[ $(count '"state": "passthrough".*"reason": "RDMACHUNK_SWITCH_FILE says off"' stats) == 2 &&
		$(count '"state": "active"' stats) == 2 ]] || fail "$(<stats)"
}

# Neither of these is waited for or taken for off, and each connection has a line.
case_switch_file_unfit()
{
	mkfifo fifo
	for file in "$PWD/fifo" "$PWD" /dev/zero; do
		run_shim RDMACHUNK_SWITCH_FILE="$file" "$client" migrate 192.0.2.7 source destination
		must_exit shim 0
		[[ $(count "^rdmachunk: RDMACHUNK_SWITCH_FILE=$file: is not a regular file; taking part: " \
			shim.err) == 2 && $(wc -l <shim.err) == 2 ]] || fail "$file: $(<shim.err)"
	done
	# A name with the process's number, and none that is there.
	run_shim RDMACHUNK_SWITCH_FILE="$PWD/none-%p" "$client" migrate 192.0.2.7 source destination
	must_exit shim 0
	must_be_silent shim
}

# Off comes before: then nobody asks.
case_switch_file_with_shift_off()
{
	run_shim RDMACHUNK_SWITCH_FILE="$PWD" RDMACHUNK_SHIFT=off "$client" migrate 192.0.2.7 source
	must_exit shim 0
	must_be_silent shim
}
