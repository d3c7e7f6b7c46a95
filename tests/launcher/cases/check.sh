# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154,SC2046 # run-tests sets the variables; lists of options
#
# --check: each planted problem gets its verdict and mend, and the exit status says the worst.

root=$tmp/root

# plant_port DEVICE PORT STATE: in the root directory that stands for the host's.
plant_port() {
	mkdir -p "$root/sys/class/infiniband/$1/ports/$2" "$root/sys/class/infiniband_verbs/uverbs_$1" \
		"$root/dev/infiniband"
	echo "$3" >"$root/sys/class/infiniband/$1/ports/$2/state"
	echo "$1" >"$root/sys/class/infiniband_verbs/uverbs_$1/ibdev"
	: >"$root/dev/infiniband/uverbs_$1"
	: >"$root/dev/infiniband/rdma_cm"
	chmod 666 "$root"/dev/infiniband/*
}

# A host on which all is well.
plant_host() {
	rm -rf "$root"
	plant_port plant0 1 "4: ACTIVE"
}

# check [OPTION...] [QEMU]: on the planted host.
check() {
	# Without a guest's size a limit is a warning, with it a problem.
	floor=$least
	[[ " $* " != *" --memory "* ]] || floor=$((2 * least))
	run "${prefix[@]}" "$launcher" --root "$root" --lib "$library" --check "$@"
}

# verdict NAME STATUS PATTERN: the exit status and one line, the mend included.
verdict() {
	expect "$1: exit status" "$status" $(($2 > floor ? $2 : floor))
	expect_line "$1: line" "$out" "$3"
	if grep -E '^(warning|problem): ' <<<"$out" | grep -vq '; mend: ..*'; then
		not_ok "$1: mends" "a line without one in: $out"
	fi
	if grep -vqE '^(ok|warning|problem): ' <<<"$out" || [ -n "$err" ]; then
		not_ok "$1: form" "neither ok, warning nor problem: $out $err"
	fi
}

# The limit of locked memory is no part of the planted host. Root may lock what it likes.
usual=()
least=0
if prlimit --memlock=unlimited true 2>/dev/null; then
	usual=(prlimit --memlock=unlimited)
elif [ "$(id -u)" -ne 0 ]; then
	not_run "--check with exit status 0" "needs ulimit -Hl unlimited, or root"
	least=1
fi
prefix=("${usual[@]}")
plant_host
check "$qemu"
verdict "all well" 0 "ok: $qemu is linked to libibverbs and librdmacm"
verdict "all well: loader" 0 "ok: the loader took the library into $qemu"
verdict "all well: link" 0 "ok: RDMA link plant0/1 is ACTIVE"
verdict "all well: version" 0 "ok: QEMU 7\.2 has no x-rdma-chunk-size \(QEMU 11\.1 has\)"
[ "${#usual[@]}" -eq 0 ] || verdict "all well: memlock" 0 "ok: RLIMIT_MEMLOCK is unlimited"

# QEMU
check "$tmp/missing"
verdict "no QEMU" 2 "problem: $tmp/missing is not there or cannot be executed; mend: install QEMU .*"
check "$library-not"
verdict "no such program" 2 "problem: $library-not is not there.*"
PATH=$tmp:$PATH check qemu-rdma
verdict "QEMU in PATH" 0 "ok: QEMU is $qemu"

if compile "$tmp/qemu-static" "$here/fake-qemu.c" -static; then
	check "$tmp/qemu-static"
	verdict "static QEMU" 2 \
		"problem: $tmp/qemu-static is statically linked, .*; mend: use a dynamically linked QEMU"
else
	not_run "static QEMU" "needs a static C library (Fedora: glibc-static)"
fi
if compile "$tmp/qemu-static-pie" "$here/fake-qemu.c" -static-pie -fPIE; then
	check "$tmp/qemu-static-pie"
	verdict "static QEMU at any address" 2 "problem: $tmp/qemu-static-pie is statically linked, .*"
else
	not_run "static QEMU at any address" "needs a static C library"
fi

compile "$tmp/qemu-plain" "$here/fake-qemu.c"
check "$tmp/qemu-plain"
verdict "QEMU without RDMA" 2 \
	"problem: $tmp/qemu-plain is not linked to libibverbs and librdmacm: .*; mend: .*--enable-rdma"
compile "$tmp/qemu-half" "$here/fake-qemu.c" $(link_rdma libibverbs.so.1)
check "$tmp/qemu-half"
verdict "QEMU with half of it" 2 "problem: $tmp/qemu-half is not linked to librdmacm: .*"
# The libraries behind another one, found by its run path.
mkdir -p "$tmp/lib"
echo "int between(void); int between(void) { return 1; }" >"$tmp/between.c"
compile "$tmp/lib/libbetween.so" "$tmp/between.c" -shared -fPIC $(link_rdma libibverbs.so.1 librdmacm.so.1)
# shellcheck disable=SC2016 # the loader's variable
compile "$tmp/qemu-between" "$here/fake-qemu.c" -Wl,--no-as-needed -L"$tmp/lib" -lbetween \
	-Wl,-rpath,'$ORIGIN/lib' -Wl,--enable-new-dtags
check "$tmp/qemu-between"
verdict "QEMU with RDMA behind a library" 0 "ok: $tmp/qemu-between is linked to libibverbs and librdmacm"

compile "$tmp/qemu-new" "$here/fake-qemu.c" '-DVERSION="11.1.2"' $(link_rdma libibverbs.so.1 librdmacm.so.1)
check "$tmp/qemu-new"
verdict "QEMU 11.1" 0 "ok: QEMU 11\.1 has the migration parameter x-rdma-chunk-size .* instead, .*"
compile "$tmp/qemu-odd" "$here/fake-qemu.c" '-DVERSION="unknown"' $(link_rdma libibverbs.so.1 librdmacm.so.1)
check "$tmp/qemu-odd"
verdict "no version" 2 "problem: $tmp/qemu-odd --version does not tell a version of QEMU; mend: .*"

printf '#!/bin/sh\nexec %s "$@"\n' "$qemu" >"$tmp/qemu-script"
chmod +x "$tmp/qemu-script"
check "$tmp/qemu-script"
verdict "script" 1 "warning: $tmp/qemu-script is a script; .*; mend: name the QEMU .*"
printf '#!/bin/sh\necho broken >&2\nexit 3\n' >"$tmp/qemu-broken"
chmod +x "$tmp/qemu-broken"
check "$tmp/qemu-broken"
verdict "QEMU that fails" 2 "problem: $tmp/qemu-broken --version failed with exit status 3: broken; mend: .*"
printf 'neither\n' >"$tmp/qemu-text"
chmod +x "$tmp/qemu-text"
check "$tmp/qemu-text"
verdict "neither ELF nor script" 2 "problem: $tmp/qemu-text cannot be read: neither ELF nor a script; mend: .*"
head -c 100 "$qemu" >"$tmp/qemu-cut"
chmod +x "$tmp/qemu-cut"
check "$tmp/qemu-cut"
verdict "damaged ELF" 2 "problem: $tmp/qemu-cut cannot be read: .*; mend: .*"

# Cut at many places: only what still runs, since the section headers at its end do not count, is well.
size=$(stat -c %s "$qemu")
wrong=
for ((cut = 1; cut < size; cut += size / 40)); do
	head -c "$cut" "$qemu" >"$tmp/qemu-cut"
	check "$tmp/qemu-cut"
	# In a shell of its own, which may complain of how it ends.
	if sh -c '"$1" --version; exit $?' sh "$tmp/qemu-cut" >"$tmp/cut.log" 2>&1; then
		[ "$status" -le 1 ] || wrong+=" $cut:$status"
	else
		[ "$status" -eq 2 ] || wrong+=" $cut:$status"
	fi
done
expect "ELF cut anywhere" "$wrong" ""

# elf_header CLASS DATA MACHINE: an ELF header's first bytes, and zeros.
elf_header() {
	# shellcheck disable=SC2059 # bytes by number
	printf "\177ELF\\$1\\$2\001\000\000\000\000\000\000\000\000\000$3"
	head -c 200 /dev/zero
}
elf_header 002 001 '\002\000\367\000' >"$tmp/qemu-riscv"
elf_header 001 001 '\002\000\003\000' >"$tmp/qemu-32"
elf_header 002 002 '\000\002\000\026' >"$tmp/qemu-big"
chmod +x "$tmp"/qemu-{riscv,32,big}
check "$tmp/qemu-32"
verdict "QEMU of 32 bits" 2 "problem: $tmp/qemu-32 is for 32-bit x86, the library for 64-bit .*; mend: build .*"
check "$tmp/qemu-big"
verdict "QEMU of another byte order" 2 "problem: $tmp/qemu-big is for 64-bit s390, the library for .*; mend: .*"
check "$tmp/qemu-riscv"
case $(uname -m) in
riscv64) not_run "QEMU of another machine" "this is that machine" ;;
*) verdict "QEMU of another machine" 2 "problem: $tmp/qemu-riscv is for 64-bit (RISC-V|machine .*), the library for .*" ;;
esac

# The library
check --lib "$tmp/missing.so" "$qemu"
verdict "missing library" 2 \
	"problem: the library $tmp/missing\.so is not there; mend: install it \(make install\), or name it with --lib"
elf_header 001 001 '\003\000\003\000' >"$tmp/lib32.so"
check --lib "$tmp/lib32.so" "$qemu"
verdict "library of 32 bits" 2 "problem: the library $tmp/lib32\.so is for 32-bit x86, .*; mend: build it .*"
printf 'text\n' >"$tmp/text.so"
check --lib "$tmp/text.so" "$qemu"
verdict "library that is none" 2 "problem: the library $tmp/text\.so cannot be read: not an ELF file; mend: .*"
verdict "library that is none: QEMU without it" 2 "problem: the loader did not take the library into $qemu: .*; mend: .*"
echo "int missing_function(void); int f(void); int f(void) { return missing_function(); }" >"$tmp/broken.c"
compile "$tmp/broken.so" "$tmp/broken.c" -shared -fPIC
check --lib "$tmp/broken.so" "$qemu"
verdict "library that cannot be loaded" 2 \
	"problem: the library $tmp/broken\.so cannot be loaded: .*missing_function; mend: .*"
cp "$library" "$tmp/a library.so"
check --lib "$tmp/a library.so" "$qemu"
verdict "library with a space in its path" 2 "problem: the loader splits LD_PRELOAD .*; mend: put .*"

# RDMA links
rm -rf "$root"
mkdir -p "$root/sys/class/infiniband"
check "$qemu"
verdict "no RDMA device" 2 "problem: there is no RDMA device; mend: load the adapter's driver, .*rxe.*"
rm -rf "$root"
check "$qemu"
verdict "no sysfs" 2 "problem: there is no RDMA device; mend: .*"
plant_host
plant_port plant0 1 "1: DOWN"
check "$qemu"
verdict "link down" 2 "problem: RDMA link plant0/1 is DOWN; mend: .*ip link set.*"
plant_port plant0 2 "4: ACTIVE"
check "$qemu"
verdict "one of two links up" 0 "ok: RDMA link plant0/1 is DOWN"
plant_host
rm "$root/dev/infiniband/rdma_cm"
check "$qemu"
verdict "no rdma_cm" 2 "problem: $root/dev/infiniband/rdma_cm is not there; mend: modprobe rdma_ucm"
plant_host
rm "$root/dev/infiniband/uverbs_plant0"
check "$qemu"
verdict "no uverbs node" 2 "problem: $root/dev/infiniband/uverbs_plant0 is not there; mend: modprobe ib_uverbs"
plant_host
rm -r "$root/sys/class/infiniband_verbs"
check "$qemu"
verdict "no uverbs" 2 "problem: the RDMA device plant0 has no uverbs node; mend: modprobe ib_uverbs"
plant_host
plant_port other0 1 "4: ACTIVE"
check "$qemu"
verdict "device unknown to libibverbs" 1 \
	"warning: the limits of other0 are not known: libibverbs does not know it; mend: install .*"

# Its device's limits
plant_host
export RDMATEST_MAX_MR_SIZE=$((1 << 28))
check "$qemu"
verdict "MRs too small" 1 "warning: an MR of plant0 has 256 MiB at most, regions of 1 GiB are larger .*; mend: .*"
check --size 256M "$qemu"
verdict "MRs just large enough" 0 "ok: an MR of plant0 may have 256 MiB, regions have 256 MiB"
export RDMATEST_MAX_MR_SIZE=18446744073709551615 RDMATEST_MAX_MR=7
check --memory 8G "$qemu"
verdict "too few MRs" 2 "problem: plant0 has 7 MRs, the guest needs 8 regions of 1 GiB; mend: larger regions"
verdict "MRs of any size" 2 "ok: an MR of plant0 may have any size"
export RDMATEST_MAX_MR=1
check --memory 1536M "$qemu"
verdict "a part of a region is one more" 2 "problem: plant0 has 1 MRs, the guest needs 2 regions of 1 GiB; .*"
export RDMATEST_MAX_MR=8
check --memory 8G "$qemu"
verdict "MRs enough, not for stock QEMU" 0 "ok: plant0 has 8 MRs, enough for the guest's 8 regions .* 8192 chunks"
export RDMATEST_MAX_MR_SIZE=$((1 << 40)) RDMATEST_MAX_MR=100000

# Locked memory
limits="ulimit -l unlimited, .*LimitMEMLOCK=infinity, .*"
if [ "$(id -u)" -eq 0 ]; then
	prefix=(prlimit --memlock=65536)
	check --memory 8G "$qemu"
	verdict "memlock and CAP_IPC_LOCK" 0 "ok: RLIMIT_MEMLOCK is 64 KiB, which CAP_IPC_LOCK makes meaningless"
	drop=(setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock)
else
	drop=(env)
fi
prefix=(prlimit --memlock=65536 "${drop[@]}")
check --memory 8G "$qemu"
verdict "memlock too low" 2 "problem: RLIMIT_MEMLOCK is 64 KiB, too low for a guest of 8 GiB and 64 MiB .*; mend: $limits"
check "$qemu"
verdict "memlock, guest unknown" 1 "warning: RLIMIT_MEMLOCK is 64 KiB, .*; mend: give its size with --memory, or $limits"
if prlimit --memlock=$((9 << 30)) true 2>/dev/null; then
	prefix=(prlimit --memlock=$((9 << 30)) "${drop[@]}")
	check --memory 8G "$qemu"
	verdict "memlock enough" 0 "ok: RLIMIT_MEMLOCK is 9 GiB, enough for a guest of 8 GiB"
	prefix=(prlimit --memlock=$((8 << 30)) "${drop[@]}")
	check --memory 8192 "$qemu"
	verdict "memlock with no room beside the guest" 2 "problem: RLIMIT_MEMLOCK is 8 GiB, too low .*"
else
	not_run "memlock enough" "needs a higher ulimit -Hl"
fi
prefix=("${usual[@]}")

# Rights of its own: of another user, and of the caller
if [ "$(id -u)" -ne 0 ]; then
	not_run "set-user-ID, set-group-ID and capabilities" "needs root to plant them"
elif findmnt -no OPTIONS -T "$tmp" | grep -q nosuid; then
	not_run "set-user-ID, set-group-ID and capabilities" "$tmp is mounted with nosuid; set TMPDIR to another"
else
	# As root, so that what its process looks like can be seen.
	cp "$qemu" "$tmp/qemu-setuid"
	chown nobody "$tmp/qemu-setuid"
	chmod u+s "$tmp/qemu-setuid"
	check "$tmp/qemu-setuid"
	verdict "set-user-ID" 2 \
		"problem: $tmp/qemu-setuid has the set-user-ID bit, .*; mend: chmod u-s $tmp/qemu-setuid, or .*"
	verdict "set-user-ID: secure mode" 2 "problem: the kernel starts $tmp/qemu-setuid in secure mode, .*; mend: .*"
	prefix=("${usual[@]}" setpriv --no-new-privs)
	check "$tmp/qemu-setuid"
	verdict "set-user-ID and no_new_privs" 1 "warning: .* does nothing in processes with no_new_privs, .*; mend: .*"
	verdict "set-user-ID and no_new_privs: loader" 1 "ok: the loader took the library into $tmp/qemu-setuid"
	prefix=("${usual[@]}")
	chown root "$tmp/qemu-setuid"
	chmod u+s "$tmp/qemu-setuid"
	check "$tmp/qemu-setuid"
	verdict "set-user-ID of the caller" 1 "warning: $tmp/qemu-setuid has the set-user-ID bit; .*; mend: chmod u-s .*"
	cp "$qemu" "$tmp/qemu-setgid"
	chgrp nogroup "$tmp/qemu-setgid"
	chmod g+s "$tmp/qemu-setgid"
	check "$tmp/qemu-setgid"
	verdict "set-group-ID" 2 "problem: $tmp/qemu-setgid has the set-group-ID bit, .*; mend: chmod g-s .*"

	cp "$qemu" "$tmp/qemu-capable"
	if ! command -v setcap >/dev/null; then
		not_run "file capabilities" "needs setcap; install the package libcap2-bin"
	elif ! setcap cap_net_admin+ep "$tmp/qemu-capable"; then
		not_run "file capabilities" "$tmp does not hold them; set TMPDIR to another"
	else
		check "$tmp/qemu-capable"
		verdict "file capabilities for root" 1 "warning: .* do nothing for root, .*; mend: setcap -r .*"
		# The tree of the build may be out of reach for nobody.
		cp "$launcher" "$library" "$tmp"
		run setpriv --reuid nobody --regid nogroup --clear-groups \
			"$tmp/rdmachunk" --root "$root" --lib "$tmp/librdmachunk.so" --check "$tmp/qemu-capable"
		verdict "file capabilities" 2 \
			"problem: $tmp/qemu-capable has file capabilities, .*; mend: setcap -r $tmp/qemu-capable, or .*"
	fi
fi

# Security modules
plant_host
mkdir -p "$root/sys/fs/selinux"
echo 1 >"$root/sys/fs/selinux/enforce"
check "$qemu"
verdict "SELinux" 1 "warning: SELinux is enforcing: .*noatsecure; mend: .*"
echo 0 >"$root/sys/fs/selinux/enforce"
check "$qemu"
expect "SELinux permissive" "$status" "$least"
mkdir -p "$root/sys/module/apparmor/parameters" "$root/etc/apparmor.d/abstractions"
echo Y >"$root/sys/module/apparmor/parameters/enabled"
check "$qemu"
verdict "AppArmor without libvirt" 0 "ok: AppArmor has no rules for QEMUs of libvirt"
echo "# $library mr," >"$root/etc/apparmor.d/abstractions/libvirt-qemu"
check "$qemu"
verdict "AppArmor" 1 "warning: AppArmor's rules .* do not name $library; mend: the line \"$library mr,\" in .*"
echo "$library mr," >"$root/etc/apparmor.d/abstractions/libvirt-qemu"
check "$qemu"
verdict "AppArmor that allows it" 0 "ok: AppArmor's rules for QEMUs of libvirt name $library"
plant_host

run "$launcher" --lib "$library" --check "$qemu" -m 8G
expect "--check with arguments of QEMU: exit status" "$status" 125
check --shift 31 "$qemu"
expect "--check with a bad value: exit status" "$status" 125

# Debian's own, if it is there
real=$(command -v qemu-system-x86_64)
if [ -n "$real" ] && [ "$(uname -m)" = x86_64 ]; then
	# With the libraries that it was made for, which do not know plant0.
	run env -u LD_LIBRARY_PATH "${prefix[@]}" "$launcher" --root "$root" --lib "$library" --check
	verdict "the installed QEMU" 1 "ok: the loader took the library into $(realpath "$real")"
else
	not_run "the installed QEMU" "install the package qemu-system-x86"
fi
