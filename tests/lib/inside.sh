# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Tests that run in a root directory of their own, on top of report.sh and scripts/lib/roots.sh.

# inside NAME ROOT SHARE LOG COMMAND...: has the command tell of tests in a copy of ROOT, where SHARE is
# /share; passes on a line for each, with NAME in front. What else it says is in LOG.
inside() {
	local name=$1 root=$2 share=$3 log=$4 line
	shift 4

	in_root "$root" "$share" "$@" >"$log" 2>&1
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "$name: ${line#ok }" ;;
		'FAIL '*) not_ok "$name" "${line#FAIL }" ;;
		esac
	done < <(grep -E '^(ok|FAIL) ' "$log")
	tail -n 1 "$log" | grep -qE '^[0-9]+ passed, [0-9]+ failed, 0 skipped$' ||
		not_ok "$name" "it did not come to its end: $(tail -n 1 "$log"); see $log"
}
