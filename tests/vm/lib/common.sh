# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # used by the files that source this
#
# Messages, the cache directory and tool look-up; sourced by vm-run and the other parts.

# Exit status of vm-run when the harness, not the job, failed.
readonly VM_FAILED=125
# Exit status of vm-run when the job did not end in time, as timeout(1) has it.
readonly VM_TIMED_OUT=124

vm_say() {
	printf 'vm-run: %s\n' "$*" >&2
}

vm_die() {
	vm_say "$*"
	exit "$VM_FAILED"
}

# Sets VM_CACHE, made if missing.
vm_cache_init() {
	VM_CACHE=${RDMATEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/rdmachunk}
	if ! mkdir -p "$VM_CACHE" 2>/dev/null || [ ! -w "$VM_CACHE" ]; then
		vm_die "cannot write to the cache directory $VM_CACHE; set RDMATEST_CACHE to another"
	fi
	VM_CACHE=$(realpath "$VM_CACHE")
}

# vm_need TOOL PACKAGE: fails unless TOOL is in PATH; PACKAGE is what brings it.
vm_need() {
	command -v "$1" >/dev/null || vm_die "$1 is missing; install the package $2"
}
