# SPDX-License-Identifier: GPL-2.0-or-later
dist_check_SCRIPTS += tests/install/run-tests
TESTS += tests/install/run-tests
# Of ./run, and of packages in root directories: not in TESTS, they are steps of ./run check.
EXTRA_DIST += tests/scripts/run-tests tests/package/run-tests tests/package/inside
