# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Builds the guest's initramfs: busybox, guest/init and the modules it loads. It only has to reach
# the host's root directory over 9p; everything else comes from there.

INITRAMFS_MODULES=(virtio_pci virtio_console 9p 9pnet_virtio overlay dummy ib_uverbs rdma_ucm rdma_rxe)
# rxe asks for the crypto driver "crc32" by name, so no dependency shows it; newer kernels need none.
INITRAMFS_OPTIONAL_MODULES=(crc32_generic)

initramfs_modprobe() {
	modprobe -C /dev/null -d "$VM_KERNEL_ROOT" -S "$VM_KERNEL_RELEASE" --show-depends "$1"
}

# Prints the module files in the order to load them.
initramfs_module_files() {
	local module

	{
		for module in "${INITRAMFS_OPTIONAL_MODULES[@]}"; do
			initramfs_modprobe "$module" 2>/dev/null
		done
		for module in "${INITRAMFS_MODULES[@]}"; do
			initramfs_modprobe "$module" || return 1
		done
	} | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# initramfs_copy_module FILE DIRECTORY
initramfs_copy_module() {
	local name
	name=$(basename "$1")

	case $name in
	*.ko) cp "$1" "$2/$name" ;;
	*.ko.xz) xz -dc "$1" >"$2/${name%.xz}" ;;
	*.ko.zst) zstd -qdc "$1" >"$2/${name%.zst}" ;;
	*.ko.gz) gzip -dc "$1" >"$2/${name%.gz}" ;;
	*) false ;;
	esac
}

initramfs_need_tools() {
	vm_need busybox busybox-static
	vm_need modprobe kmod
	case $1 in
	*.xz*) vm_need xz xz-utils ;;
	*.zst*) vm_need zstd zstd ;;
	esac
	# In the initramfs there is no C library.
	if ldd "$(command -v busybox)" >/dev/null 2>&1; then
		vm_die "busybox is not statically linked; install the package busybox-static"
	fi
}

# initramfs_build OUTPUT MODULE-FILE...
initramfs_build() {
	local output=$1 root file name status=1
	shift

	root=$(mktemp -d "$VM_CACHE/.initramfs-XXXXXX") || return 1
	mkdir -p "$root"/{bin,dev,proc,sys,modules,lower,upper,root} &&
		cp "$(command -v busybox)" "$root/bin/busybox" &&
		install -m 755 "$VM_DIR/guest/init" "$root/init" &&
		status=0
	for file in "$@"; do
		initramfs_copy_module "$file" "$root/modules" || status=1
		name=$(basename "$file")
		echo "${name%%.ko*}.ko" >>"$root/modules/order"
	done
	[ "$status" -eq 0 ] &&
		(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$output.new" &&
		mv "$output.new" "$output" || status=1
	rm -rf "$root" "$output.new"
	return "$status"
}

# Sets VM_INITRAMFS or dies. The caller holds the cache's lock.
initramfs_find() {
	local list key
	local -a files

	vm_need modprobe kmod
	list=$(initramfs_module_files) ||
		vm_die "the kernel $VM_KERNEL_RELEASE lacks a module the guest needs"
	initramfs_need_tools "$list"
	mapfile -t files <<<"$list"
	key=$(cat "$VM_DIR/guest/init" "$VM_DIR/lib/initramfs.sh" "$(command -v busybox)" "${files[@]}" |
		sha256sum | cut -c 1-16)
	VM_INITRAMFS=$VM_CACHE/initramfs-$VM_KERNEL_RELEASE-$key.gz
	[ -e "$VM_INITRAMFS" ] && return 0
	rm -rf "$VM_CACHE"/.initramfs-* "$VM_CACHE"/initramfs-*
	initramfs_build "$VM_INITRAMFS" "${files[@]}" || vm_die "cannot build $VM_INITRAMFS"
}
