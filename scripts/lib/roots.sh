# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Root directories with Debian's packages of another release or machine, made once and kept beside the
# guest's kernel. Nothing of it is installed here.

# package_root NAME RELEASE PACKAGES [OPTION...]: prints its path. The packages are a list with commas,
# the options mmdebstrap's. Steps that run beside each other may ask for one at the same time.
package_root() {
	local root=${RDMATEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rdmachunk}/$1
	local release=$2 packages=$3 lock
	shift 3

	mkdir -p "${root%/*}" && exec {lock}>"$root.lock" && flock "$lock" || return 1
	if [ ! -e "$root/complete" ]; then
		rm -rf "$root"
		mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
			--include="$packages" "$@" "$release" "$root" >&2 || return 1
		touch "$root/complete"
	fi
	exec {lock}>&-
	echo "$root"
}

# cross_root MACHINE: what programs for that machine are built with and run on, of this release.
cross_root() {
	local -A architectures=([aarch64]=arm64)
	local root release

	release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	root=$(package_root "cross-$1" "$release" \
		libc6-dev,libibverbs-dev,librdmacm-dev,check,libjson-c-dev \
		--architectures="${architectures[$1]:-$1}") || return 1
	cat >"$root/pkg-config" <<-END
		#!/bin/sh
		PKG_CONFIG_SYSROOT_DIR=$root
		PKG_CONFIG_LIBDIR=$root/usr/lib/$1-linux-gnu/pkgconfig:$root/usr/share/pkgconfig
		export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
		exec pkg-config "\$@"
	END
	chmod +x "$root/pkg-config"
	echo "$root"
}

# in_root ROOT SHARE COMMAND...: runs it as root in a copy of that root directory, which is gone
# afterwards. The directory SHARE is there at /share and stays. All processes end with it.
in_root() {
	local base status=0

	base=$(mktemp -d) || return 1
	as_root unshare --mount --pid --fork --kill-child "$SOURCE_DIR/scripts/enter-root" "$base" "$@" ||
		status=$?
	rmdir "$base"
	return "$status"
}
