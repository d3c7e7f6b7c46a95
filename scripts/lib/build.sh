# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Build trees: _build/NAME, each configured once and then kept up to date by make.

# How many commands of a compilation run at a time.
JOBS=$(nproc)

# sources_list: the files of the checkout, or of the tarball when somebody has configured there, with a NUL
# behind each.
sources_list() {
	git ls-files -z --cached --others --exclude-standard 2>/dev/null | grep -z . && return
	# shellcheck disable=SC2016 # a variable of make
	printf 'include Makefile\nprint-files:\n\t@echo $(DISTFILES)\n' |
		make -s --no-print-directory -f - print-files | tr ' ' '\n' | sed 's,^\./,,' | sort -u | tr '\n' '\0'
}

# link_sources DIR: makes DIR a directory of links to all source files, and to nothing else.
link_sources() {
	local file

	mkdir -p "$1"
	find "$1" -type l ! -exec test -e {} \; -delete
	while IFS= read -r -d '' file; do
		if [ ! -f "$SOURCE_DIR/$file" ] || [ -e "$1/$file" ]; then
			continue
		fi
		mkdir -p "$1/$(dirname "$file")"
		ln -s "$SOURCE_DIR/$file" "$1/$file"
	done < <(sources_list)
}

# Sets CONFIGURE_DIR, where the configure script is: this directory. If somebody has configured in it, make
# would take its objects for ours: then a directory of links to the sources.
configure_dir() {
	CONFIGURE_DIR=$SOURCE_DIR
	[ -e "$SOURCE_DIR/config.status" ] || return 0
	CONFIGURE_DIR=$BUILD_DIR/source
	link_sources "$CONFIGURE_DIR"
}

# The configure script, from a checkout. make takes care of it from then on. Sets CONFIGURE_DIR.
bootstrap() {
	local lock

	exec {lock}>"$BUILD_DIR/bootstrap.lock"
	flock "$lock"
	configure_dir
	if [ ! -x "$CONFIGURE_DIR/configure" ] || [ "$CONFIGURE_DIR/configure" -ot "$SOURCE_DIR/configure.ac" ]; then
		echo "autoreconf"
		autoreconf -fi "$CONFIGURE_DIR"
	fi
	exec {lock}>&-
}

# cross_options MACHINE
cross_options() {
	local root

	root=$(cross_root "$1") || return 1
	echo --host="$1-linux-gnu" --enable-werror CC="$1-linux-gnu-gcc" CPPFLAGS="--sysroot=$root" \
		LDFLAGS="--sysroot=$root" PKG_CONFIG="$root/pkg-config"
}

# Nothing of it runs here but the libraries, in QEMUs of other releases: no tests that need Check.
oldest_options() {
	local root

	root=$(oldest_root) || return 1
	echo --enable-werror CC="$root/cc" PKG_CONFIG="$root/pkg-config"
}

# tree_options NAME: what configure is told for it.
tree_options() {
	case $1 in
	cross-*) cross_options "${1#cross-}" ;;
	oldest) oldest_options ;;
	default) ;;
	gcc) echo --enable-werror CC=gcc ;;
	clang) echo --enable-werror CC=clang ;;
	# Its warnings are the same without optimisation, and there in a third of the time.
	clang-warnings) echo --enable-werror --disable-lto CC=clang CFLAGS=-O0 ;;
	# With -O2 this takes twice as long to compile.
	sanitizers) echo --enable-werror --enable-sanitizers CC=gcc CFLAGS=-O1 ;;
	tsan) echo --enable-werror --enable-sanitizers=thread CC=gcc ;;
	fuzz) echo --enable-werror --enable-fuzzers CC=clang ;;
	# The module, too: what attaching does is seen only where that is loaded.
	coverage) echo --enable-coverage --disable-lto CC=gcc CFLAGS=--coverage ;;
	*) die "no build tree '$1'" ;;
	esac
}

optional_libraries() {
	local module

	for module in check json-c libibverbs librdmacm; do
		echo "$module=$(pkg-config --modversion "$module" 2>/dev/null)"
	done
	echo "static=$(gcc -print-file-name=libc.a)"
}

# build_tree NAME [TARGET...]: configures and makes; all there is, tests too, without a TARGET.
# Several may be called at a time, for one tree as well.
build_tree() {
	local name=$1 tree=$BUILD_DIR/$1 options found lock status=0
	shift

	mkdir -p "$tree"
	bootstrap
	exec {lock}>"$tree.lock"
	flock "$lock"
	options=$(tree_options "$name") || return 1
	# Libraries that configure can do without may have been installed since.
	found="$CONFIGURE_DIR $options $(optional_libraries)"
	if [ ! -e "$tree/config.status" ] || [ "$(cat "$tree/configured-for" 2>/dev/null)" != "$found" ]; then
		echo "configure $options"
		# shellcheck disable=SC2086 # a list of options
		if ! (cd "$tree" && "$CONFIGURE_DIR/configure" -q $options); then
			tail -n 20 "$tree/config.log" >&2
			return 1
		fi
		echo "$found" >"$tree/configured-for"
	fi
	if [ "${1:-}" = all ]; then
		# By itself: it is done by another make, which would write the same files at the same time.
		make -C "$tree" -j "$JOBS" all || status=$?
		shift
		[ $# -eq 0 ] || [ "$status" -ne 0 ] || make -C "$tree" -j "$JOBS" "$@" || status=$?
	elif [ $# -gt 0 ]; then
		make -C "$tree" -j "$JOBS" "$@" || status=$?
	else
		# TESTS= builds the test programs and runs none; a log of its own, for tests may run meanwhile.
		{ make -C "$tree" -j "$JOBS" all && make -C "$tree" -j "$JOBS" check TESTS= TEST_SUITE_LOG=build.log >/dev/null; } ||
			status=$?
	fi
	exec {lock}>&-
	# Where `set -e' does not hold, as left of `||', nothing else would tell.
	return "$status"
}

# tree_tests NAME: the tree's automake tests, a line each.
tree_tests() {
	# shellcheck disable=SC2016 # make's variable
	printf 'include Makefile\nrun-print-tests:\n\t@echo $(TESTS)\n' |
		make -s --no-print-directory -C "$BUILD_DIR/$1" -f - run-print-tests | tr ' ' '\n' | sed '/^$/d'
}

# tree_check NAME PATTERN [VARIABLE=VALUE...]: runs the tests whose name matches the pattern, an
# extended regular expression, and prints what they said. That there are none is a failure. Tests that
# are programs are built, and nothing else. The variables are make's.
tree_check() {
	local tree=$BUILD_DIR/$1 tests test status=0

	tests=$(tree_tests "$1" | grep -E -- "$2" | tr '\n' ' ') || {
		echo "no test in the build matches $2"
		return 1
	}
	shift 2
	make -C "$tree" -j "$JOBS" check-TESTS TESTS="$tests" check_PROGRAMS='' check_LTLIBRARIES='' \
		check_LIBRARIES='' dist_check_SCRIPTS='' "$@" || status=$?
	for test in $tests; do
		echo "-- $test"
		cat "$tree/$test.log" || status=1
	done
	return "$status"
}
