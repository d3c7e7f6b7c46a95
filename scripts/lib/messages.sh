# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Messages of ./run.

say() {
	printf '%s\n' "$*"
}

# heading TEXT: a line that starts a part of the output.
heading() {
	printf '\n== %s\n' "$*"
}

die() {
	printf 'run: %s\n' "$*" >&2
	exit 1
}
