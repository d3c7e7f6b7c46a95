# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# The emulator for managers that let one choose nothing else, with its places below $tmp.

programs=$tmp/programs
mkdir -p "$programs" "$tmp/emulators"
# make_emulator LIBDIR: as make writes it, but for the places.
make_emulator() {
	sed "s|@libdir@|$1|; s|/usr/bin|$programs|; s|/etc/default|$tmp|" \
		"$source_dir/tools/launcher/emulator.in" >"$emulator"
	chmod +x "$emulator"
}
emulator=$tmp/emulators/qemu-system-x86_64
make_emulator "${library%/*}"

run "$emulator" --version
expect "emulator without a QEMU: exit status" "$status" 127
expect "emulator without a QEMU: message" "$err" \
	"rdmachunk: no qemu-system-x86_64 in $programs, /usr/libexec or /usr/local/bin"
ln -s "$emulator" "$programs/qemu-system-x86_64"
run "$emulator" --version
expect "emulator that is its own QEMU: exit status" "$status" 127

ln -sf "$qemu" "$programs/qemu-system-x86_64"
run "$emulator" --version
expect "emulator: version" "$out" "QEMU emulator version 7.2.22 (Debian 1:7.2)"
expect "emulator: standard error" "$err" ""
run "$emulator" -S '-m 8 G' ''
expect "emulator: all that is set" "$out" "argument=-S
argument=-m 8 G
argument=
LD_PRELOAD=$library"
run "$emulator" exit 7
expect "emulator: exit status of QEMU" "$status" 7
LD_PRELOAD=$library run "$emulator" x
expect_line "emulator: preloaded once" "$out" "LD_PRELOAD=$library"
LD_PRELOAD="$library $verbs/librdmacm.so.1" run "$emulator" x
expect_line "emulator: preloaded once, beside another" "$out" "LD_PRELOAD=$library $verbs/librdmacm.so.1"
LD_PRELOAD=$verbs/librdmacm.so.1 run "$emulator" x
expect_line "emulator: in front of another preload" "$out" "LD_PRELOAD=$library:$verbs/librdmacm.so.1"

# shellcheck disable=SC2016 # not to be expanded
printf '%s\n' '# RDMACHUNK_LOG=debug' RDMACHUNK_SHIFT=25 'RDMACHUNK_STATS="/run/a b $(id) %p"' \
	"RDMACHUNK_LOG=info" RDMACHUNK_ZEROS= 'RDMACHUNK_x=1' 'RDMACHUNK_A;id=1' LD_LIBRARY_PATH=/nowhere RDMACHUNK_ \
	>"$tmp/rdmachunk"
printf 'RDMACHUNK_PREFETCH=off' >>"$tmp/rdmachunk"
RDMACHUNK_LOG=warn run "$emulator"
expect "emulator: settings" "$(sort <<<"$out")" "LD_PRELOAD=$library
RDMACHUNK_LOG=warn
RDMACHUNK_PREFETCH=off
RDMACHUNK_SHIFT=25
RDMACHUNK_STATS=/run/a b \$(id) %p
RDMACHUNK_ZEROS="
expect "emulator: settings: standard error" "$err" ""
rm "$tmp/rdmachunk"

make_emulator /nowhere
run "$emulator" -S
expect "emulator without a library: QEMU is started" "$out" argument=-S
expect "emulator without a library: message" "$err" \
	"rdmachunk: /nowhere/librdmachunk.so cannot be read; QEMU starts without it"
# Another shell: Debian's sh is dash, Fedora's is bash.
make_emulator "${library%/*}"
run bash --posix "$emulator" -S
expect "emulator in another shell" "$out" "argument=-S
LD_PRELOAD=$library"
