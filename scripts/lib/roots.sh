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

# bare_root RELEASE: one that is no more than what Debian makes of it by itself, with apt-get.
bare_root() {
	package_root "bare-$1" "$1" apt --variant=minbase
}

# base-files brings the links that lead to the loader.
readonly QEMU_PACKAGES=base-files,bash,coreutils,qemu-system-x86,ibverbs-providers,rdma-core

# qemu_root RELEASE: a root directory with the QEMU of that release of Debian.
qemu_root() {
	package_root "$1-qemu" "$1" "$QEMU_PACKAGES"
}

# libvirt_root: one with QEMU 10.0 and a libvirt, and what AppArmor, an emulator and a hook need.
libvirt_root() {
	local packages=libvirt-daemon,libvirt-daemon-driver-qemu,libvirt-clients,apparmor

	package_root trixie-libvirtd trixie "$QEMU_PACKAGES,$packages,dash,bsdutils,findutils,grep"
}

# describe_sysroot ROOT TRIPLET COMPILER: completes a root directory that programs are built against: a
# compiler and a pkg-config that look there alone, and links that stay inside.
describe_sysroot() {
	local link target

	cat >"$1/pkg-config" <<-END
		#!/bin/sh
		PKG_CONFIG_SYSROOT_DIR=$1
		PKG_CONFIG_LIBDIR=$1/usr/lib/$2/pkgconfig:$1/usr/share/pkgconfig
		export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
		exec pkg-config "\$@"
	END
	# A native compiler looks beside itself first.
	printf '#!/bin/sh\nexec %s --sysroot=%s -B%s -L%s "$@"\n' "$3" "$1" "$1/usr/lib/$2" "$1/usr/lib/$2" >"$1/cc"
	chmod +x "$1/pkg-config" "$1/cc"
	for link in "$1/usr/lib/$2"/* "$1"/lib64/*; do
		target=$(readlink "$link") || continue
		[ "${target#/}" = "$target" ] || ln -sfnr "$1$target" "$link"
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
	describe_sysroot "$root" "$1-linux-gnu" "$1-linux-gnu-gcc"
	# To a program that opens / the emulator gives this root, where there is to be the same under /tmp.
	[ -L "$root/tmp" ] || { rm -rf "$root/tmp" && ln -s /tmp "$root/tmp"; } || return 1
	echo "$root"
}

# aarch64_root: what an emulated machine of that kind has in it: a kernel, busybox and QEMU.
aarch64_root() {
	package_root aarch64-machine bookworm \
		base-files,busybox-static,linux-image-arm64,qemu-system-x86,ibverbs-providers --architectures=arm64
}

# oldest_root: what is built against to run with the oldest QEMU there is, Debian bullseye's. Its libc,
# and the verbs' headers of this machine: the fabric has more than its rdma-core knew.
oldest_root() {
	local root

	root=$(package_root oldest bullseye libc6-dev,libibverbs-dev,librdmacm-dev) || return 1
	describe_sysroot "$root" x86_64-linux-gnu gcc
	cp -rL /usr/include/infiniband /usr/include/rdma "$root/usr/include/" || return 1
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
