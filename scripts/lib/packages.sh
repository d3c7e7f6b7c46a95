# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the commands need, and how to install what is missing of it with apt-get (Debian, Ubuntu) or
# dnf (Fedora).

# GROUP | TEST ARGUMENT | DEBIAN | FEDORA
#
# TEST is one of the functions have_TEST below. Where releases differ in a name, the first that the
# package manager knows is taken; `-' means that the distribution brings it with something else.
readonly PACKAGE_TABLE='
build | command autoreconf          | autoconf                | autoconf
build | command automake            | automake                | automake
build | command libtoolize          | libtool                 | libtool
build | module_macro pkg            | pkg-config pkgconf      | pkgconf-m4
build | command pkg-config          | pkg-config pkgconf      | pkgconf-pkg-config
build | command gcc                 | gcc                     | gcc
build | header stdio.h              | libc6-dev               | glibc-devel
build | command make                | make                    | make
build | header infiniband/verbs.h   | libibverbs-dev          | rdma-core-devel
build | header rdma/rdma_cma.h      | librdmacm-dev           | rdma-core-devel
guest | module json-c               | libjson-c-dev           | json-c-devel
guest | command jq                  | jq                      | jq
guest | command qemu-system-x86_64  | qemu-system-x86         | qemu-system-x86-core
guest | file /etc/libibverbs.d/rxe.driver | ibverbs-providers | libibverbs
guest | command rdma                | iproute2                | iproute
guest | command busybox             | busybox-static          | busybox
guest | command modprobe            | kmod                    | kmod
guest | command cpio                | cpio                    | cpio
guest | command setpriv             | util-linux              | util-linux
guest | command gzip                | gzip                    | gzip
guest | command xz                  | xz-utils                | xz
guest | command zstd                | zstd                    | zstd
demo  | command gnuplot             | gnuplot-nox gnuplot     | gnuplot-minimal gnuplot
bench | command mmdebstrap          | mmdebstrap              | mmdebstrap
check | command systemd-analyze     | systemd                 | systemd
check | command setcap              | libcap2-bin             | libcap
check | command prlimit             | util-linux              | util-linux
check | command findmnt             | util-linux mount        | util-linux
check | command clang               | clang                   | clang
check | command clang-format        | clang-format            | clang-tools-extra
check | command clang-tidy          | clang-tidy              | clang-tools-extra
check | command cppcheck            | cppcheck                | cppcheck
check | command shellcheck          | shellcheck              | ShellCheck
check | command aarch64-linux-gnu-gcc | gcc-aarch64-linux-gnu | -
check | command s390x-linux-gnu-gcc | gcc-s390x-linux-gnu     | -
check | command qemu-aarch64        | qemu-user               | -
check | command ctags               | universal-ctags         | ctags
check | module check                | check                   | check-devel
check | compiler_file libasan.so    | -                       | libasan
check | compiler_file libubsan.so   | -                       | libubsan
check | compiler_file libtsan.so    | -                       | libtsan
check | compiler_file libc.a        | libc6-dev               | glibc-static
check | command mandoc              | mandoc                  | mandoc
check | command codespell           | codespell               | codespell
check | command readelf             | binutils                | binutils
check | command diff                | diffutils               | diffutils
check | command pgrep               | procps                  | procps-ng
check | command valgrind            | valgrind                | valgrind
check | command perl                | perl                    | perl-interpreter
check | command python3             | python3                 | python3
check | command git                 | git                     | git-core
check | command ibv_devinfo         | ibverbs-utils           | libibverbs-utils
check | command rping               | rdmacm-utils            | librdmacm-utils
check | command ib_write_bw         | perftest                | perftest
fuzz  | command clang               | clang                   | clang
fuzz  | libfuzzer -                 | libclang-rt-dev libclang-rt-14-dev | compiler-rt
fuzz  | module json-c               | libjson-c-dev           | json-c-devel
coverage | module check             | check                   | check-devel
coverage | command gcovr            | gcovr                   | gcovr
'

# An ordinary user's PATH may lack the administrator's directories.
PATH=$PATH:/usr/sbin:/sbin

have_command() { command -v "$1" >/dev/null; }
have_file() { [ -e "$1" ]; }
have_module() { have_command pkg-config && pkg-config --exists "$1"; }
have_module_macro() { [ -e "/usr/share/aclocal/$1.m4" ]; }
have_header() { have_command gcc && echo "#include <$1>" | gcc -E -x c - >/dev/null 2>&1; }
# gcc prints the bare name of a file that it does not find.
have_compiler_file() { have_command gcc && [ "$(gcc -print-file-name="$1")" != "$1" ]; }
# clang's own, with which a program without main() becomes a fuzzer.
have_libfuzzer() {
	local target='int LLVMFuzzerTestOneInput(const char *, unsigned long);
		int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return !data && size; }'

	have_command clang && clang -fsanitize=fuzzer,address,undefined -x c -o /dev/null - <<<"$target" 2>/dev/null
}

can_be_root() {
	[ "$(id -u)" -eq 0 ] || have_command sudo
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

package_manager() {
	local manager

	for manager in apt-get dnf; do
		have_command "$manager" && echo "$manager" && return 0
	done
	return 1
}

# missing_packages MANAGER GROUP...: prints the table's column (alternatives and all) for each test
# of the groups that fails.
missing_packages() {
	local manager=$1 group test argument debian fedora
	shift

	while IFS='|' read -r group test debian fedora; do
		[[ " $* " == *" ${group// /} "* ]] || continue
		read -r test argument <<<"$test"
		"have_$test" "$argument" && continue
		if [ "$manager" = dnf ]; then debian=$fedora; fi
		read -r debian <<<"$debian"
		# Without gcc its own files cannot be found either; they come with it.
		[ "$debian" = - ] || echo "$debian"
	done <<<"$PACKAGE_TABLE" | sort -u
}

apt_knows() {
	[ -n "$(apt-cache madison "$1" 2>/dev/null)" ]
}

# choose_package NAME...: the first that apt has a candidate for.
choose_package() {
	local name

	for name; do
		apt_knows "$name" && echo "$name" && return 0
	done
	return 1
}

# choose_packages LINES: one name for each line, or failure when none of a line's is known.
choose_packages() {
	local line

	while read -r line; do
		# shellcheck disable=SC2086 # a list of names
		choose_package $line || return 1
	done <<<"$1"
}

apt_update() {
	say "refreshing the package lists: apt-get update"
	as_root apt-get -q update >/dev/null ||
		say "apt-get update reported errors; going on with the lists there are"
}

install_with_apt() {
	local wanted=$1 names
	local -a install=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y
		-o Dpkg::Use-Pty=0 install --no-install-recommends)
	local updated=no

	if ! names=$(choose_packages "$wanted"); then
		apt_update
		updated=yes
		names=$(choose_packages "$wanted") ||
			die "no package source has one of these: ${wanted//$'\n'/, }"
	fi
	mapfile -t names < <(sort -u <<<"$names")
	say "installing: ${names[*]}"
	as_root "${install[@]}" "${names[@]}" >"$BUILD_DIR/install.log" 2>&1 && return 0
	# Old lists name files that the servers no longer have.
	[ "$updated" = yes ] || apt_update
	as_root "${install[@]}" "${names[@]}" >"$BUILD_DIR/install.log" 2>&1 && return 0
	tail -n 20 "$BUILD_DIR/install.log" >&2
	die "the packages could not be installed; all of apt-get's output is in $BUILD_DIR/install.log"
}

install_with_dnf() {
	local -a names

	mapfile -t names <<<"$1"
	say "installing: ${names[*]}"
	as_root dnf -q -y --setopt=install_weak_deps=False install "${names[@]}" \
		>"$BUILD_DIR/install.log" 2>&1 && return 0
	tail -n 20 "$BUILD_DIR/install.log" >&2
	die "the packages could not be installed; all of dnf's output is in $BUILD_DIR/install.log"
}

# need_packages GROUP...: installs what is missing, says what, and checks that it helped.
need_packages() {
	local manager missing

	mkdir -p "$BUILD_DIR"
	manager=$(package_manager) || manager=none
	missing=$(missing_packages "$manager" "$@")
	[ -n "$missing" ] || return 0
	[ "$manager" = none ] || can_be_root ||
		die "these packages are missing, and installing them needs root or sudo: ${missing//$'\n'/, }"
	case $manager in
	apt-get) install_with_apt "$missing" ;;
	dnf) install_with_dnf "$missing" ;;
	*) die "neither apt-get nor dnf is here; install these yourself (Debian's names): ${missing//$'\n'/, }" ;;
	esac
	hash -r
	missing=$(missing_packages "$manager" "$@")
	# What can only be tested with another's help, such as pkg-config's, shows in a second round.
	[ -z "$missing" ] || die "installed, and still not found: ${missing//$'\n'/, }"
}
