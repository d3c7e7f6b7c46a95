# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Running commands where an RDMA link is: tests/vm/vm-run decides between this machine and a guest.

# HOME is where the guest's kernel is kept, and some containers do not set it.
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}

host_has_link() {
	(
		set +eu
		# shellcheck source=tests/vm/lib/link.sh
		. "$SOURCE_DIR/tests/vm/lib/link.sh"
		link_find
	)
}

# Fetches the guest's kernel and builds its initramfs, so that no test's time is spent on it. On a
# machine with an RDMA link there is nothing to do. The arguments are vm-run's.
guest_prepare() {
	if host_has_link; then
		echo "this machine has an RDMA link"
		return 0
	fi
	"$SOURCE_DIR/tests/vm/vm-run" --prepare "$@" && return 0
	# Without package lists, or with old ones, the kernel cannot be fetched.
	have_command apt-get && can_be_root || return 1
	apt_update
	"$SOURCE_DIR/tests/vm/vm-run" --prepare "$@"
}

# with_link SECONDS SHARE COMMAND...: runs it under vm-run; what it writes below SHARE stays.
with_link() {
	local seconds=$1 share=$2
	shift 2

	mkdir -p "$share"
	"$SOURCE_DIR/tests/vm/vm-run" --timeout "$seconds" --share "$share" -- "$@"
}
