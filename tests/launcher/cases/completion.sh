# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# The completion, driven as bash drives it.

# complete_words WORD...: the last one is being completed. Prints the answers in order. The function
# is the one that the file of the first word's name has bash call.
complete_words() {
	bash -c '
		. "$1/$3"
		PATH=$2:$PATH
		shift 2
		COMP_WORDS=("$@")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		[[ $(complete -p "$1") =~ -F\ ([a-z_]+) ]]
		"${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"
	' bash "$source_dir/completions" "$tmp/path" "$@" | sort | tr '\n' ' '
}

mkdir -p "$tmp/path"
ln -sf "$qemu" "$tmp/path/qemu-system-planted"
ln -sf "$launcher" "$tmp/path/rdmachunk"
: >"$tmp/path/statistics"

expect "completion: all options" "$(complete_words rdmachunk --)" \
	"$("$launcher" --help | sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | sort | tr '\n' ' ')"
expect "completion: an option" "$(complete_words rdmachunk --sh)" "--shift "
expect "completion: two options" "$(complete_words rdmachunk --shift 25 --s)" "--shift --size --stats "
expect "completion: values of --log" "$(complete_words rdmachunk --log '')" "debug error info off warn "
expect "completion: values of --zeros" "$(complete_words rdmachunk --zeros '')" "off on "
expect "completion: values of --shift" "$(complete_words rdmachunk --shift 2)" \
	"20 21 22 23 24 25 26 27 28 29 "
expect "completion: values behind =" "$(complete_words rdmachunk --log = d)" "debug "
expect "completion: values right behind =" "$(complete_words rdmachunk --log =)" "debug error info off warn "
expect "completion: values of --print" "$(complete_words rdmachunk --print '')" "env libvirt systemd "
expect "completion: values of --user" "$(complete_words rdmachunk --check --user roo)" "root "
expect "completion: size" "$(complete_words rdmachunk --size 3)" "32M "
expect "completion: files" "$(complete_words rdmachunk --stats "$tmp/path/st")" "$tmp/path/statistics "
expect "completion: programs" "$(complete_words rdmachunk qemu-system-pl)" "qemu-system-planted "
expect "completion: programs behind options" \
	"$(complete_words rdmachunk --log = info --shift 25 qemu-system-pl)" "qemu-system-planted "
expect "completion: programs behind --" "$(complete_words rdmachunk -- qemu-system-pl)" "qemu-system-planted "
expect "completion: programs behind --check" "$(complete_words rdmachunk --check qemu-system-pl)" \
	"qemu-system-planted "
expect "completion: behind the program its own" \
	"$(complete_words rdmachunk --log info qemu-system-planted "$tmp/path/st")" "$tmp/path/statistics "
expect "completion: status" "$(complete_words rdmachunk sta)" "status "
expect "completion: status only as the first word" "$(complete_words rdmachunk --shift 25 sta)" " "
expect "completion: options of status" "$(complete_words rdmachunk status --)" \
	"$("$launcher" status --help | sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | sort | tr '\n' ' ')"
expect "completion: the file of status --prometheus" \
	"$(complete_words rdmachunk status --prometheus "$tmp/path/st")" "$tmp/path/statistics "
# Each value that is offered is one that is taken.
for option in shift size log writes zeros prefetch ahead; do
	for value in $(complete_words rdmachunk "--$option" ''); do
		run "$launcher" --lib "$library" "--$option" "$value" "$qemu"
		[ "$status" -eq 0 ] || not_ok "completion: --$option $value" "$err"
	done
	ok "completion: the values of --$option are taken"
done

ab=$build_dir/tools/ab/rdmachunk-ab
if [ ! -x "$ab" ]; then
	not_run "completion of rdmachunk-ab" "it was not built; install the package libjson-c-dev"
else
	ln -sf "$ab" "$tmp/path/rdmachunk-ab"
	expect "rdmachunk-ab: all options" "$(complete_words rdmachunk-ab --)" \
		"$("$ab" --help | sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | sort | tr '\n' ' ')"
	expect_line "rdmachunk-ab: some options" "$(complete_words rdmachunk-ab --)" ".*--rounds .*--variant .*"
	expect "rdmachunk-ab: an option behind another" "$(complete_words rdmachunk-ab --quiet --vari)" "--variant "
	expect "rdmachunk-ab: variants" "$(complete_words rdmachunk-ab --variant sh)" "shift= shim "
	expect "rdmachunk-ab: variants behind =" "$(complete_words rdmachunk-ab --variant = pin)" "pin-all "
	expect "rdmachunk-ab: ends" "$(complete_words rdmachunk-ab --preload '')" "both destination source "
	expect "rdmachunk-ab: transports" "$(complete_words rdmachunk-ab --transport t)" "tcp "
	expect "rdmachunk-ab: files" "$(complete_words rdmachunk-ab --json "$tmp/path/st")" "$tmp/path/statistics "
	expect "rdmachunk-ab: nothing for numbers" "$(complete_words rdmachunk-ab --rounds '')" " "
	expect "rdmachunk-ab: QEMU behind --" "$(complete_words rdmachunk-ab -- qemu-system-pl)" \
		"qemu-system-planted "
fi
expect "completion: commands" "$(complete_words rdmachunk att)" "attach "
expect "completion: options of a command" "$(complete_words rdmachunk attach --sh)" "--shift "
bash -c 'while :; do read -rt 100 <> <(:); done' bash -name guest=planted-guest,debug-threads=on &
planted=$!
expect "completion: guests" "$(complete_words rdmachunk attach planted)" "planted-guest "
expect "completion: guests behind options" "$(complete_words rdmachunk detach --log = info planted)" "planted-guest "
kill "$planted"
wait "$planted" 2>/dev/null
