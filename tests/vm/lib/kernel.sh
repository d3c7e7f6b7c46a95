# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # used by the files that source this
#
# Finds a guest kernel that has rdma_rxe as a module, or fetches the distribution's own into the
# cache. Neither needs root.
#
# All results are in three variables:
#   VM_KERNEL          the bootable image
#   VM_KERNEL_RELEASE  its release, as uname -r would say
#   VM_KERNEL_ROOT     the directory above lib/modules/RELEASE, for modprobe -d

# kernel_try ROOT RELEASE: succeeds and sets the results when ROOT holds a usable kernel.
kernel_try() {
	local root=$1 release=$2 image
	local modules=${root%/}/lib/modules/$release

	[ -e "$modules/modules.dep" ] || return 1
	grep -q '/rdma_rxe\.ko' "$modules/modules.dep" || return 1
	for image in "${root%/}/boot/vmlinuz-$release" "$modules/vmlinuz"; do
		[ -r "$image" ] || continue
		VM_KERNEL=$image
		VM_KERNEL_RELEASE=$release
		VM_KERNEL_ROOT=$root
		return 0
	done
	return 1
}

# kernel_try_tree ROOT: kernel_try for every release below ROOT, the newest first.
kernel_try_tree() {
	local root=$1 release

	[ -d "${root%/}/lib/modules" ] || return 1
	while read -r release; do
		kernel_try "$root" "$release" && return 0
	done < <(find -L "${root%/}/lib/modules" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' 2>/dev/null |
		sort -Vr)
	return 1
}

# Unpacked packages lack modules.dep, and newer ones hold usr/lib/modules only.
kernel_finish_tree() {
	local root=$1 modules

	[ -e "$root/lib" ] || ln -s usr/lib "$root/lib"
	for modules in "$root"/lib/modules/*/; do
		[ -d "$modules/kernel" ] || continue
		depmod -b "$root" "$(basename "$modules")" || return 1
	done
}

# The packages to fetch on Debian: the one that the metapackage stands for, and those that newer
# releases split off from it.
kernel_debian_packages() {
	local image

	image=$(apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
	[ -n "$image" ] || return 1
	echo "$image"
	apt-cache depends "$image" |
		sed -n 's/^ *Depends: \(linux-\(modules\|binary\)-[0-9][^ ]*\)$/\1/p'
}

kernel_debian_version() {
	apt-cache policy "$1" | sed -n 's/^ *Candidate: //p'
}

# kernel_fetch_debian TREE: unpacks the packages below TREE.
kernel_fetch_debian() {
	local tree=$1 packages deb

	packages=$(kernel_debian_packages) || return 1
	# Without a sandbox: apt's own user cannot enter a private directory.
	# shellcheck disable=SC2086 # one word per package
	(cd "$tree" && apt-get -q -o APT::Sandbox::User=root download $packages) >&2 || return 1
	for deb in "$tree"/*.deb; do
		dpkg-deb -x "$deb" "$tree" || return 1
		rm -f "$deb"
	done
}

# The same on Fedora. Untested.
kernel_fetch_fedora() {
	local tree=$1 rpm

	(cd "$tree" && dnf -q download --arch x86_64 kernel-core kernel-modules-core kernel-modules \
		kernel-modules-extra) >&2 || return 1
	for rpm in "$tree"/*.rpm; do
		(cd "$tree" && rpm2cpio "$rpm" | cpio -idm --quiet) || return 1
		rm -f "$rpm"
	done
}

# Names what kernel_fetch_* would bring, to be the name in the cache.
kernel_fetch_name() {
	local package

	if command -v apt-get >/dev/null; then
		package=$(kernel_debian_packages | head -n 1)
		[ -n "$package" ] && echo "${package}_$(kernel_debian_version "$package")"
	elif command -v dnf >/dev/null; then
		dnf -q repoquery --latest-limit=1 --arch x86_64 kernel-core
	fi
}

kernel_fetch() {
	local name=$1 tree

	if command -v apt-get >/dev/null; then
		vm_need dpkg-deb dpkg
	else
		vm_need rpm2cpio rpm
		vm_need cpio cpio
	fi
	# Incomplete trees of an earlier, killed fetch; the caller holds the cache's lock.
	rm -rf "$VM_CACHE"/kernel/.new-*
	tree=$(mktemp -d "$VM_CACHE/kernel/.new-XXXXXX") || return 1
	vm_say "fetching $name"
	if command -v apt-get >/dev/null; then
		kernel_fetch_debian "$tree"
	else
		kernel_fetch_fedora "$tree"
	fi && kernel_finish_tree "$tree" && mv -T "$tree" "$VM_CACHE/kernel/$name" && return 0
	rm -rf "$tree"
	return 1
}

# Sets the results or dies. The caller holds the cache's lock.
kernel_find() {
	local name tree

	vm_need depmod kmod
	kernel_try_tree / && return 0

	mkdir -p "$VM_CACHE/kernel"
	name=$(kernel_fetch_name)
	if [ -n "$name" ]; then
		[ -d "$VM_CACHE/kernel/$name" ] || kernel_fetch "$name" ||
			vm_say "could not fetch $name"
		kernel_try_tree "$VM_CACHE/kernel/$name" && return 0
	fi
	# An older one beats none, for a machine that has since lost its network.
	while read -r tree; do
		kernel_try_tree "$tree" && return 0
	done < <(find "$VM_CACHE/kernel" -mindepth 1 -maxdepth 1 -name '[!.]*' | sort -Vr)
	vm_die "no kernel with the module rdma_rxe; install linux-image-amd64 (Debian) or" \
		"kernel-modules-extra (Fedora), or run apt-get update so that it can be fetched"
}
