# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154,SC2046 # run-tests sets the variables; lists of options
#
# --check: each planted problem gets its verdict and fix, and the exit status says the worst.

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
	run "${prefix[@]}" "$launcher" --root "$root" --lib "$library" --check "${user[@]}" "$@"
}

# verdict NAME STATUS PATTERN: the exit status and one line, the fix included.
verdict() {
	expect "$1: exit status" "$status" $(($2 > floor ? $2 : floor))
	expect_line "$1: line" "$out" "$3"
	if grep -E '^(warning|problem): ' <<<"$out" | grep -vq '; fix: ..*'; then
		not_ok "$1: fixes" "a line without one in: $out"
	fi
	counts="$(grep -c '^ok: ' <<<"$out") ok, $(grep -c '^warning: ' <<<"$out") warning.*, $(grep -c '^problem: ' \
		<<<"$out") problem.*"
	expect_line "$1: counts" "$(tail -n 1 <<<"$out")" "$counts"
	if sed '$d' <<<"$out" | grep -vqE '^(ok|warning|problem): ' || [ -n "$err" ]; then
		not_ok "$1: form" "neither ok, warning nor problem: $out $err"
	fi
}

# The limit of locked memory is no part of the planted host. Root may lock what it likes.
usual=()
user=()
least=0
if prlimit --memlock=unlimited true 2>/dev/null; then
	usual=(prlimit --memlock=unlimited)
elif [ "$(id -u)" -ne 0 ]; then
	not_run "--check with exit status 0" "needs ulimit -Hl unlimited, or root"
	least=1
else
	user=(--user root)
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
verdict "no QEMU" 2 "problem: $tmp/missing is not there or cannot be executed; fix: install QEMU .*"
check "$library-not"
verdict "no such program" 2 "problem: $library-not is not there.*"
PATH=$tmp:$PATH check qemu-rdma
verdict "QEMU in PATH" 0 "ok: QEMU is $qemu"

if compile "$tmp/qemu-static" "$here/fake-qemu.c" -static; then
	check "$tmp/qemu-static"
	verdict "static QEMU" 2 \
		"problem: $tmp/qemu-static is statically linked, .*; fix: use a dynamically linked QEMU"
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
	"problem: $tmp/qemu-plain is not linked to libibverbs and librdmacm: .*; fix: .*--enable-rdma"
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
verdict "no version" 2 "problem: $tmp/qemu-odd --version does not tell a version of QEMU; fix: .*"

printf '#!/bin/sh\nexec %s "$@"\n' "$qemu" >"$tmp/qemu-script"
chmod +x "$tmp/qemu-script"
check "$tmp/qemu-script"
verdict "script" 1 "warning: $tmp/qemu-script is a wrapper script; .*; fix: name that QEMU .*"
for type in 1 2; do
	# A runtime that is statically linked, as they mostly are, with its mark.
	{
		head -c 8 "$tmp/qemu-static"
		printf 'AI%b\0\0\0\0\0' "\\0$type"
		tail -c +17 "$tmp/qemu-static"
	} >"$tmp/qemu.AppImage" 2>/dev/null
	chmod +x "$tmp/qemu.AppImage"
	if [ -s "$tmp/qemu-static" ]; then
		check "$tmp/qemu.AppImage"
		verdict "AppImage of type $type" 1 "warning: .*/qemu.AppImage is an AppImage; .*; fix: .*--appimage-extract.*"
	else
		not_run "AppImage of type $type" "needs a static C library"
	fi
done
printf '#!/bin/sh\necho broken >&2\nexit 3\n' >"$tmp/qemu-broken"
chmod +x "$tmp/qemu-broken"
check "$tmp/qemu-broken"
verdict "QEMU that fails" 2 "problem: $tmp/qemu-broken --version failed with exit status 3: broken; fix: .*"
printf 'neither\n' >"$tmp/qemu-text"
chmod +x "$tmp/qemu-text"
check "$tmp/qemu-text"
verdict "neither ELF nor script" 2 "problem: $tmp/qemu-text cannot be read: neither ELF nor a script; fix: .*"
head -c 100 "$qemu" >"$tmp/qemu-cut"
chmod +x "$tmp/qemu-cut"
check "$tmp/qemu-cut"
verdict "damaged ELF" 2 "problem: $tmp/qemu-cut cannot be read: .*; fix: .*"

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
verdict "QEMU of 32 bits" 2 "problem: $tmp/qemu-32 is for 32-bit x86, the library for 64-bit .*; fix: build .*"
check "$tmp/qemu-big"
verdict "QEMU of another byte order" 2 "problem: $tmp/qemu-big is for 64-bit s390, the library for .*; fix: .*"
check "$tmp/qemu-riscv"
case $(uname -m) in
riscv64) not_run "QEMU of another machine" "this is that machine" ;;
*) verdict "QEMU of another machine" 2 "problem: $tmp/qemu-riscv is for 64-bit (RISC-V|machine .*), the library for .*" ;;
esac

# The library
check --lib "$tmp/missing.so" "$qemu"
verdict "missing library" 2 \
	"problem: the library $tmp/missing\.so is not there; fix: install it \(make install\), or name it with --lib"
elf_header 001 001 '\003\000\003\000' >"$tmp/lib32.so"
check --lib "$tmp/lib32.so" "$qemu"
verdict "library of 32 bits" 2 "problem: the library $tmp/lib32\.so cannot be used: it is for 32-bit x86, .*; fix: .*"
printf 'text\n' >"$tmp/text.so"
check --lib "$tmp/text.so" "$qemu"
verdict "library that is none" 2 "problem: the library $tmp/text\.so cannot be used: not an ELF file, or .*; fix: .*"
expect "library that is none: nothing of it in QEMU" "$(grep -c 'loader took' <<<"$out")" 0
{
	echo "int missing_function(void); int f(void); int f(void) { return missing_function(); }"
	echo "const char rdmachunk_version[] = \"$("$launcher" --version | cut -d ' ' -f 2-)\";"
} >"$tmp/broken.c"
compile "$tmp/broken.so" "$tmp/broken.c" -shared -fPIC
check --lib "$tmp/broken.so" "$qemu"
verdict "library that cannot be loaded" 2 \
	"problem: the library $tmp/broken\.so cannot be loaded: .*missing_function; fix: .*"
check --lib "$(ldconfig -p | awk '/libc\.so\.6/ { print $NF; exit }')" "$qemu"
verdict "another library" 2 "problem: the library .*libc\.so.* cannot be used: it is not librdmachunk: .*; fix: .*"
head -c 200000 "$library" >"$tmp/cut.so"
check --lib "$tmp/cut.so" "$qemu"
verdict "truncated library" 2 "problem: the library $tmp/cut\.so cannot be used: the file is truncated; fix: .*"
echo 'const char rdmachunk_version[] = "0.0.9 (01234567)";' >"$tmp/older.c"
compile "$tmp/older.so" "$tmp/older.c" -shared -fPIC
check --lib "$tmp/older.so" "$qemu"
verdict "library of another build" 1 \
	"warning: the library $tmp/older\.so is of another build: it is librdmachunk 0\.0\.9 \(01234567\), .*; fix: .*"
cp "$library" "$tmp/a library.so"
check --lib "$tmp/a library.so" "$qemu"
verdict "library with a space in its path" 2 "problem: the loader splits LD_PRELOAD .*; fix: put .*"

# RDMA links
rm -rf "$root"
mkdir -p "$root/sys/class/infiniband"
check "$qemu"
verdict "no RDMA device" 2 "problem: there is no RDMA device; fix: load the adapter's driver, .*rxe.*"
rm -rf "$root"
check "$qemu"
verdict "no sysfs" 2 "problem: there is no RDMA device; fix: .*"
plant_host
plant_port plant0 1 "1: DOWN"
check "$qemu"
verdict "link down" 2 "problem: RDMA link plant0/1 is DOWN; fix: .*ip link set.*"
plant_port plant0 2 "4: ACTIVE"
check "$qemu"
verdict "one of two links up" 0 "ok: RDMA link plant0/1 is DOWN"
plant_host
rm "$root/dev/infiniband/rdma_cm"
check "$qemu"
verdict "no rdma_cm" 2 "problem: $root/dev/infiniband/rdma_cm is not there; fix: modprobe rdma_ucm"
plant_host
rm "$root/dev/infiniband/uverbs_plant0"
check "$qemu"
verdict "no uverbs node" 2 "problem: $root/dev/infiniband/uverbs_plant0 is not there; fix: modprobe ib_uverbs"
plant_host
rm -r "$root/sys/class/infiniband_verbs"
check "$qemu"
verdict "no uverbs" 2 "problem: the RDMA device plant0 has no uverbs node; fix: modprobe ib_uverbs"
plant_host
plant_port other0 1 "4: ACTIVE"
check "$qemu"
verdict "device unknown to libibverbs" 1 \
	"warning: the limits of other0 are not known: libibverbs does not know it; fix: install .*"

# Its device's limits
plant_host
export RDMATEST_MAX_MR_SIZE=$((1 << 28))
check "$qemu"
verdict "MRs too small" 1 "warning: an MR of plant0 has 256 MiB at most, regions of 1 GiB are larger .*; fix: .*"
check --size 256M "$qemu"
verdict "MRs just large enough" 0 "ok: an MR of plant0 may have 256 MiB, regions have 256 MiB"
export RDMATEST_MAX_MR_SIZE=18446744073709551615 RDMATEST_MAX_MR=7
check --memory 8G "$qemu"
verdict "too few MRs" 2 "problem: plant0 has 7 MRs, the guest needs 8 regions of 1 GiB; fix: larger regions"
verdict "MRs of any size" 2 "ok: an MR of plant0 may have any size"
export RDMATEST_MAX_MR=1
check --memory 1536M "$qemu"
verdict "a part of a region is one more" 2 "problem: plant0 has 1 MRs, the guest needs 2 regions of 1 GiB; .*"
export RDMATEST_MAX_MR=8
check --memory 8G "$qemu"
verdict "MRs enough, not for stock QEMU" 0 "ok: plant0 has 8 MRs, enough for the guest's 8 regions .* 8192 chunks"
export RDMATEST_MAX_MR_SIZE=$((1 << 40)) RDMATEST_MAX_MR=100000

# Files that the settings name
check --stats /nonexistent/x --log-file "$tmp" "$qemu"
verdict "statistics nowhere" 2 "problem: RDMACHUNK_STATS=/nonexistent/x cannot be written: No such file .*; fix: .*"
verdict "log to a directory" 2 "problem: RDMACHUNK_LOG_FILE=$tmp cannot be written: is a directory; fix: .*"
check --stats "$tmp/s-%p.jsonl" --log-file stderr.log "$qemu"
verdict "files that can be written" 0 "ok: RDMACHUNK_STATS=$tmp/s-%p.jsonl can be written"
expect "files that can be written: not made" "$(ls "$tmp"/s-* stderr.log 2>/dev/null)" ""

# Soft-RoCE where nobody else is
plant_host
echo lo >"$root/sys/class/infiniband/plant0/parent"
check "$qemu"
verdict "rxe on lo" 1 "warning: RDMA link plant0/1 is on the loopback interface lo, .*; fix: .*netdev NETDEV"
echo eth0 >"$root/sys/class/infiniband/plant0/parent"
check "$qemu"
verdict "rxe on a network device" 0 "ok: RDMA link plant0/1 is ACTIVE"
rm "$root/sys/class/infiniband/plant0/parent"
mkdir -p "$root/sys/class/infiniband/plant0/ports/1/gid_attrs/ndevs"
echo lo >"$root/sys/class/infiniband/plant0/ports/1/gid_attrs/ndevs/0"
check "$qemu"
verdict "a link on lo by its GID" 1 "warning: RDMA link plant0/1 is on the loopback interface lo, .*"
plant_host

# Locked memory: 8 GiB, 48 MiB of video memory, 16 MiB for ROMs
limits="at least: ulimit -l 8454144; .* LimitMEMLOCK=8454144K; .*>9502720</hard_limit>.*"
unlimited="ulimit -l unlimited, .*LimitMEMLOCK=infinity, .*"
user=()
if [ "$(id -u)" -eq 0 ]; then
	prefix=(prlimit --memlock=65536)
	check --memory 8G "$qemu"
	verdict "memlock and CAP_IPC_LOCK" 1 \
		"warning: RLIMIT_MEMLOCK is 64 KiB; CAP_IPC_LOCK lifts .* not for .* another user; fix: .* --user, or $limits"
	check --memory 8G --user root "$qemu"
	verdict "memlock and QEMU as root" 0 "ok: RLIMIT_MEMLOCK is 64 KiB, and CAP_IPC_LOCK lifts it for this user"
	RDMATEST_VENDOR_ID=$((0x626d74)) check --memory 8G --user root "$qemu"
	verdict "memlock and siw" 2 \
		"problem: RLIMIT_MEMLOCK is 64 KiB, too low for .*, and siw knows no CAP_IPC_LOCK; fix: $limits"
	drop=(setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock)
else
	drop=(env)
fi
prefix=(prlimit --memlock=65536 "${drop[@]}")
check --memory 8G "$qemu"
verdict "memlock too low" 2 \
	"problem: RLIMIT_MEMLOCK is 64 KiB, too low for a guest of 8 GiB \(8256 MiB with .*\); fix: $limits"
check "$qemu"
verdict "memlock, guest unknown" 1 "warning: RLIMIT_MEMLOCK is 64 KiB, .*; fix: give its size with --memory, or $unlimited"
# No limit here may be as high as that; a small guest's can.
if prlimit --memlock=$((71 << 20)) true 2>/dev/null; then
	prefix=(prlimit --memlock=$((72 << 20)) "${drop[@]}")
	check --memory 8 "$qemu"
	verdict "memlock enough" 0 "ok: RLIMIT_MEMLOCK is 72 MiB, enough for a guest of 8 MiB .*"
	prefix=(prlimit --memlock=$((71 << 20)) "${drop[@]}")
	check --memory 8 "$qemu"
	verdict "memlock with no room beside the guest" 2 "problem: RLIMIT_MEMLOCK is 71 MiB, too low .*; fix: .* 73728;.*"
else
	not_run "memlock enough" "needs a higher ulimit -Hl"
fi
prefix=("${usual[@]}")
[ "${#usual[@]}" -gt 0 ] || [ "$(id -u)" -ne 0 ] || user=(--user root)

# As QEMU's user, of whom only root can know what it may do
if [ "$(id -u)" -ne 0 ]; then
	not_run "--user and --pid of another user" "needs root"
	run "$launcher" --check --user root "$qemu"
	expect "--user that this one cannot be" "$err" "rdmachunk: cannot check as user root: only root can"
else
	cp "$launcher" "$library" "$tmp"
	mkdir -p "$tmp/private" "$tmp/nobodys"
	chmod 700 "$tmp/private" "$tmp/nobodys"
	chown nobody "$tmp/nobodys"
	# as_nobody OPTION...: by copies that nobody can get at.
	as_nobody() {
		floor=0
		run env LD_LIBRARY_PATH="$verbs" prlimit --memlock=65536 "$tmp/rdmachunk" --root "$root" \
			--lib "$tmp/librdmachunk.so" --check --memory 8G "$@"
	}
	chmod 755 "$verbs" "$root"
	as_nobody --user nobody --stats "$tmp/private/x" "$qemu"
	verdict "another user's statistics" 2 \
		"problem: RDMACHUNK_STATS=$tmp/private/x cannot be written: Permission denied; fix: .*"
	verdict "another user's limit" 2 "problem: RLIMIT_MEMLOCK is 64 KiB, too low for .*; fix: $limits"
	verdict "another user: loader" 2 "ok: the loader took the library into $qemu"
	as_nobody --user nobody --stats "$tmp/nobodys/x" "$qemu"
	verdict "another user's own directory" 2 "ok: RDMACHUNK_STATS=$tmp/nobodys/x can be written"
	chmod 600 "$root/dev/infiniband/rdma_cm"
	as_nobody --user nobody "$qemu"
	verdict "another user's access" 2 "problem: $root/dev/infiniband/rdma_cm may not be opened: Permission denied; .*"
	chmod 666 "$root/dev/infiniband/rdma_cm"

	# A QEMU that runs, as nobody, with a limit, a guest and settings of its own.
	start_as_nobody() {
		mkfifo "$tmp/started-$1"
		RDMATEST_WAIT=$tmp/started-$1 prlimit --memlock=131072 setpriv --reuid nobody --regid nogroup \
			--clear-groups "${@:2}" >"$tmp/running" 2>&1 &
		pid=$!
		chmod 666 "$tmp/started-$1"
		: >"$tmp/started-$1"
	}
	start_as_nobody 1 env RDMACHUNK_STATS="$tmp/private/y" RDMACHUNK_SHIFT=31 "$tmp/qemu-rdma" -m size=4G,maxmem=8G -nodefaults
	floor=0
	run "$tmp/rdmachunk" --root "$root" --lib "$tmp/librdmachunk.so" --check --pid "$pid"
	verdict "process" 2 "ok: process $pid is $tmp/qemu-rdma of user nobody"
	verdict "process without the library" 2 "problem: process $pid runs without the library; fix: .*"
	verdict "process's settings" 2 "problem: process $pid: RDMACHUNK_SHIFT=31 is not allowed: .*; fix: .*"
	verdict "process's statistics" 2 "problem: RDMACHUNK_STATS=$tmp/private/y cannot be written: .*; fix: .*"
	verdict "process's limit" 2 \
		"problem: RLIMIT_MEMLOCK is 128 KiB, too low for a guest of 4 GiB \(4112 MiB .*; fix: .* 4210688; .*"
	kill "$pid"
	wait "$pid" 2>/dev/null
	start_as_nobody 2 "$tmp/rdmachunk" --lib "$tmp/librdmachunk.so" "$tmp/qemu-rdma" -device qxl-vga,vram_size_mb=32
	run "$tmp/rdmachunk" --root "$root" --lib "$tmp/librdmachunk.so" --check --pid "$pid"
	verdict "process with the library" 2 "ok: process $pid has the library"
	verdict "process's video memory" 2 "problem: RLIMIT_MEMLOCK .* a guest of 128 MiB \(240 MiB .*"
	kill "$pid"
	wait "$pid" 2>/dev/null
fi

# For programs
check --json "$qemu"
if ! command -v jq >/dev/null; then
	not_run "--json" "needs jq; install the package jq"
else
	expect "--json: what the lines say" "$(jq -r '.findings[] | .level + ": " + .text +
		if .fix then "; fix: " + .fix else "" end' <<<"$out")
$(jq -r '"\(.ok) ok, \(.warnings) warnings, \(.problems) problems"' <<<"$out")" "$(check "$qemu"; echo "$out")"
	expect "--json: status" "$(jq .status <<<"$out")" "$status"
	check --json --lib "$tmp/\"no
\\library" "$qemu"
	expect "--json: any name" "$(jq -r '.findings[] | select(.level == "problem").text' <<<"$out")" \
		"the library $tmp/\"no
\\library is not there"
fi

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
		"problem: $tmp/qemu-setuid has the set-user-ID bit, .*; fix: chmod u-s $tmp/qemu-setuid, or .*"
	verdict "set-user-ID: secure mode" 2 "problem: the kernel starts $tmp/qemu-setuid in secure mode, .*; fix: .*"
	prefix=("${usual[@]}" setpriv --no-new-privs)
	check "$tmp/qemu-setuid"
	verdict "set-user-ID and no_new_privs" 1 "warning: .* does nothing in processes with no_new_privs, .*; fix: .*"
	verdict "set-user-ID and no_new_privs: loader" 1 "ok: the loader took the library into $tmp/qemu-setuid"
	prefix=("${usual[@]}")
	chown root "$tmp/qemu-setuid"
	chmod u+s "$tmp/qemu-setuid"
	check "$tmp/qemu-setuid"
	verdict "set-user-ID of the caller" 1 "warning: $tmp/qemu-setuid has the set-user-ID bit; .*; fix: chmod u-s .*"
	cp "$qemu" "$tmp/qemu-setgid"
	chgrp nogroup "$tmp/qemu-setgid"
	chmod g+s "$tmp/qemu-setgid"
	check "$tmp/qemu-setgid"
	verdict "set-group-ID" 2 "problem: $tmp/qemu-setgid has the set-group-ID bit, .*; fix: chmod g-s .*"

	cp "$qemu" "$tmp/qemu-capable"
	if ! command -v setcap >/dev/null; then
		not_run "file capabilities" "needs setcap; install the package libcap2-bin"
	elif ! setcap cap_net_admin+ep "$tmp/qemu-capable"; then
		not_run "file capabilities" "$tmp does not hold them; set TMPDIR to another"
	else
		check "$tmp/qemu-capable"
		verdict "file capabilities for root" 1 "warning: .* do nothing for root, .*; fix: setcap -r .*"
		# The tree of the build may be out of reach for nobody.
		cp "$launcher" "$library" "$tmp"
		run setpriv --reuid nobody --regid nogroup --clear-groups \
			"$tmp/rdmachunk" --root "$root" --lib "$tmp/librdmachunk.so" --check "$tmp/qemu-capable"
		verdict "file capabilities" 2 \
			"problem: $tmp/qemu-capable has file capabilities, .*; fix: setcap -r $tmp/qemu-capable, or .*"
	fi
fi

# Security modules
plant_host
mkdir -p "$root/sys/fs/selinux"
echo 1 >"$root/sys/fs/selinux/enforce"
check "$qemu"
verdict "SELinux" 1 "warning: SELinux is enforcing: .*noatsecure; fix: .*"
echo 0 >"$root/sys/fs/selinux/enforce"
check "$qemu"
expect "SELinux permissive" "$status" "$least"
mkdir -p "$root/sys/module/apparmor/parameters" "$root/etc/apparmor.d/abstractions"
echo Y >"$root/sys/module/apparmor/parameters/enabled"
check "$qemu"
verdict "AppArmor without libvirt" 0 "ok: AppArmor has no rules for QEMUs of libvirt"
echo "# $library mr," >"$root/etc/apparmor.d/abstractions/libvirt-qemu"
check "$qemu"
verdict "AppArmor" 1 "warning: AppArmor's rules .* do not name $library; fix: the line \"$library mr,\" in .*"
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
