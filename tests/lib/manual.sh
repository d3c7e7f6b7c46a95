# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The examples of a manual page, for tests to run.

# manual_example PAGE NUMBER: the source of this literal block of its EXAMPLES.
manual_example() {
	awk -v wanted="$2" '
	/^\.Sh / { inside = ($0 == ".Sh EXAMPLES") }
	/^\.Ed/ { block = 0 }
	block && number == wanted
	inside && /^\.Bd -literal/ { block = 1; number++ }' "$1" | sed 's/\\e/\\/g'
}

# manual_examples PAGE: how many there are.
manual_examples() {
	awk '/^\.Sh / { inside = ($0 == ".Sh EXAMPLES") } inside && /^\.Bd -literal/' "$1" | wc -l
}
