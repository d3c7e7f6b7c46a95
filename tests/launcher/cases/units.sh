# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# The example units as far as that goes without systemd running; test-systemd.sh runs them.

units=$tmp/units
dropin=$build_dir/systemd/qemu@.service.d/rdmachunk.conf
mkdir -p "$units/qemu@.service.d"
cp "$source_dir/systemd/qemu@.service" "$units/"
cp "$dropin" "$units/qemu@.service.d/"

expect_line "the drop-in names the library by its absolute path" "$(cat "$dropin")" \
	'Environment=LD_PRELOAD=/.*/librdmachunk\.so'
if ! command -v systemd-analyze >/dev/null; then
	not_run "systemd-analyze verify" "needs systemd-analyze; install the package systemd"
elif [ ! -x /usr/bin/qemu-system-x86_64 ]; then
	not_run "systemd-analyze verify" "the unit's program is missing; install the package qemu-system-x86"
else
	run env SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify "$units/qemu@.service"
	expect "systemd-analyze verify: exit status" "$status" 0
	expect "systemd-analyze verify: complaints" "$(grep -F "$units" <<<"$err")" ""
	# That it would have complained.
	echo 'LimitMEMLOK=infinity' >>"$units/qemu@.service.d/rdmachunk.conf"
	run env SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify "$units/qemu@.service"
	expect "systemd-analyze verify sees the drop-in" "$(grep -c "LimitMEMLOK" <<<"$err")" 1
fi

# Each setting of the example, its comment sign taken away, is one the library takes.
sed -n 's/^#\(RDMACHUNK_[A-Z_]*=\)/\1/p' "$source_dir/systemd/rdmachunk.default" >"$tmp/settings"
expect "settings in the example" "$(wc -l <"$tmp/settings")" 3
mapfile -t settings <"$tmp/settings"
run env "${settings[@]}" "$launcher" --lib "$library" "$qemu"
expect "settings of the example: exit status" "$status" 0
expect "settings of the example: complaints" "$err" ""
