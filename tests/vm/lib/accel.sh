# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Chooses between KVM and TCG. A /dev/kvm that can be opened proves nothing: on some nested machines
# even a boot sector runs on it and a kernel does not. So the guest's own kernel is booted on it.

# A sound KVM takes 1 s or 2.
readonly ACCEL_PROBE_SECONDS=20

# Succeeds when the kernel reached guest/init, which knows the probe by its argument.
accel_kvm_runs() {
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
	setpriv --pdeathsig KILL timeout --foreground -s KILL "$ACCEL_PROBE_SECONDS" \
		setpriv --pdeathsig KILL "$VM_QEMU" -nodefaults -no-user-config -display none -no-reboot \
		-machine q35 -accel kvm -cpu host -smp 2 -m 512M \
		-kernel "$VM_KERNEL" -initrd "$VM_INITRAMFS" \
		-append "console=ttyS0 panic=-1 vm-run.probe" -serial stdio </dev/null 2>/dev/null |
		grep -q 'vm-run: the probe has booted'
}

# Sets VM_ACCEL to kvm or tcg. The verdict holds until the machine boots again, and for one user
# and one QEMU only. The caller holds the cache's lock and has found the kernel and the initramfs.
accel_find() {
	local key verdict known
	local file=$VM_CACHE/accel

	VM_ACCEL=tcg
	[ -e /dev/kvm ] || return 0
	key="$(cat /proc/sys/kernel/random/boot_id) user $(id -u) $(id -G)"
	key+=" $(realpath "$(command -v "$VM_QEMU")") $VM_KERNEL_RELEASE"
	if [ -e "$file" ] && { read -r verdict && read -r known; } <"$file" && [ "$known" = "$key" ]; then
		VM_ACCEL=$verdict
		return 0
	fi
	vm_say "trying /dev/kvm, for up to $ACCEL_PROBE_SECONDS s"
	accel_kvm_runs && VM_ACCEL=kvm
	printf '%s\n%s\n' "$VM_ACCEL" "$key" >"$file"
}
