# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # run-tests sets the variables
#
# The completion, driven as bash drives it.

# complete_words WORD...: the last one is being completed. Prints the answers in order.
complete_words() {
	bash -c '
		. "$1"
		PATH=$2:$PATH
		shift 2
		COMP_WORDS=("$@")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_rdmachunk "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"
	' bash "$source_dir/completions/rdmachunk" "$tmp/path" "$@" | sort | tr '\n' ' '
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
expect "completion: values of --shift" "$(complete_words rdmachunk --shift 2)" \
	"20 21 22 23 24 25 26 27 28 29 "
expect "completion: values behind =" "$(complete_words rdmachunk --log = d)" "debug "
expect "completion: values right behind =" "$(complete_words rdmachunk --log =)" "debug error info off warn "
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
# Each value that is offered is one that is taken.
for option in shift size log; do
	for value in $(complete_words rdmachunk "--$option" ''); do
		run "$launcher" --lib "$library" "--$option" "$value" "$qemu"
		[ "$status" -eq 0 ] || not_ok "completion: --$option $value" "$err"
	done
	ok "completion: the values of --$option are taken"
done
