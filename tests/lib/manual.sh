# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A manual page's examples, for tests to run, and what mandoc thinks of it.

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

# manual_lint PAGE: what mandoc complains of, in style too; but not of pages that are not installed here.
manual_lint() {
	mandoc -T lint "$1" 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc\.db'
}
