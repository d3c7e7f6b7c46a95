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

# describe_sysroot ROOT TRIPLET: completes a root directory that programs are built against: a pkg-config
# that looks there alone, and links that stay inside.
describe_sysroot() {
	local link target

	cat >"$1/pkg-config" <<-END
		#!/bin/sh
		PKG_CONFIG_SYSROOT_DIR=$1
		PKG_CONFIG_LIBDIR=$1/usr/lib/$2/pkgconfig:$1/usr/share/pkgconfig
		export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
		exec pkg-config "\$@"
	END
	chmod +x "$1/pkg-config"
	find "$1/usr/lib/$2" -maxdepth 1 -type l -lname '/*' | while read -r link; do
		target=$(readlink "$link")
		ln -sfn "$1$target" "$link"
	done
}

# cross_root MACHINE: what programs for that machine are built with and run on, of this release.
cross_root() {
	local -A architectures=([aarch64]=arm64)
	local root release

	release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	root=$(package_root "cross-$1" "$release" \
		libc6-dev,libibverbs-dev,librdmacm-dev,check,libjson-c-dev \
		--architectures="${architectures[$1]:-$1}") || return 1
	describe_sysroot "$root" "$1-linux-gnu"
	echo "$root"
}

# oldest_root: what is built against to run with the oldest QEMU there is, Debian bullseye's.
oldest_root() {
	local root

	root=$(package_root oldest bullseye libc6-dev,libibverbs-dev,librdmacm-dev) || return 1
	describe_sysroot "$root" x86_64-linux-gnu
	echo "$root"
}
