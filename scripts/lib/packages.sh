# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the commands need, and how to install what is missing of it with apt-get (Debian, Ubuntu) or
# dnf (Fedora).

# GROUPS | TEST ARGUMENT | DEBIAN | FEDORA
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
json guest qemu fuzz | module json-c | libjson-c-dev          | json-c-devel
unit coverage | module check        | check                   | check-devel
static | compiler_file libc.a       | libc6-dev               | glibc-static
guest qemu jq | command jq          | jq                      | jq
guest qemu | command qemu-system-x86_64 | qemu-system-x86     | qemu-system-x86-core
guest qemu | file /etc/libibverbs.d/rxe.driver | ibverbs-providers | libibverbs
guest | command rdma                | iproute2                | iproute
guest linux | command busybox       | busybox-static          | busybox
guest | command modprobe            | kmod                    | kmod
guest linux package emulation | command cpio | cpio           | cpio
guest privileges | command setpriv  | util-linux              | util-linux
guest linux | command gzip          | gzip                    | gzip
guest linux | command xz            | xz-utils                | xz
guest | command zstd                | zstd                    | zstd
unit | header sys/sdt.h             | systemtap-sdt-dev       | systemtap-sdt-devel
demo chart | command gnuplot        | gnuplot-nox gnuplot     | gnuplot-minimal gnuplot
roots package | command mmdebstrap  | mmdebstrap              | mmdebstrap
package | command unshare           | util-linux              | util-linux
systemd | command systemd-analyze   | systemd                 | systemd
privileges | command setcap         | libcap2-bin             | libcap
privileges | command prlimit        | util-linux              | util-linux
privileges | command findmnt        | util-linux mount        | util-linux
clang lint | command clang          | clang                   | clang
format | command clang-format       | clang-format            | clang-tools-extra
lint | command clang-tidy           | clang-tidy              | clang-tools-extra
lint | command cppcheck             | cppcheck                | cppcheck
lint | command shellcheck           | shellcheck              | ShellCheck
cross | command aarch64-linux-gnu-gcc | gcc-aarch64-linux-gnu | -
cross | command s390x-linux-gnu-gcc | gcc-s390x-linux-gnu     | -
cross | command qemu-aarch64        | qemu-user               | -
emulation | command qemu-system-aarch64 | qemu-system-arm       | -
structure | command ctags           | universal-ctags         | ctags
sanitizers coverage | compiler_file libasan.so | -            | libasan
sanitizers | compiler_file libubsan.so | -                    | libubsan
tsan | compiler_file libtsan.so     | -                       | libtsan
man | command mandoc                | mandoc                  | mandoc
spelling | command codespell        | codespell               | codespell
preload | command readelf           | binutils                | binutils
build | command diff                | diffutils               | diffutils
preload | command perl              | perl                    | perl-interpreter
preload | command bpftrace          | bpftrace                | bpftrace
preload | command valgrind          | valgrind                | valgrind
preload linux systemd | command python3 | python3             | python3
format | command git                | git                     | git-core
vm preload | command pgrep          | procps                  | procps-ng
vm | command ibv_devinfo            | ibverbs-utils           | libibverbs-utils
vm | command rping                  | rdmacm-utils            | librdmacm-utils
vm | command ib_write_bw            | perftest                | perftest
fuzz | command clang                | clang                   | clang
fuzz | libfuzzer -                  | libclang-rt-dev libclang-rt-14-dev | compiler-rt
coverage | command gcovr            | gcovr                   | gcovr
'

# STEP of ./run check | GROUPS besides build
#
# A step that is not here needs all of them but for `emulation', which is large.
readonly STEP_NEEDS='
gcc             | json unit static
prepare         | guest
format          | format
structure       | structure
unit            | json unit
preload         | jq preload privileges
man             | man
fabric          | json
sim             |
fabric-e2e      | qemu roots privileges
fabric-faults   | qemu privileges
discards        | qemu privileges
linux-guest     | qemu linux guest static privileges
launcher        | man systemd privileges
scripts         |
install         |
bench           | jq
clang-unit      | clang json unit
cross           | cross roots json unit
attach-aarch64  | emulation cross roots json unit
coverage        | coverage jq preload
lint            | lint json unit
spelling        | spelling
tsan            | tsan jq preload
fuzz            | fuzz
ab              | qemu man chart privileges
clang           | clang json unit static
sanitizers      | sanitizers json unit jq preload
package         | package roots
first-use       | package roots
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

# Whether root's rights can be had: of a sudo that is there and does not permit it, no. It may ask for a
# password where somebody can type one.
can_be_root() {
	[ "$(id -u)" -ne 0 ] || return 0
	have_command sudo || return 1
	sudo -n true 2>/dev/null && return 0
	[ -t 0 ] && sudo true
}

# why_not_root: for messages, when can_be_root has failed.
why_not_root() {
	if have_command sudo; then
		echo "sudo does not let $(id -un) do that without a password"
	else
		echo "sudo is not here"
	fi
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

# step_groups STEP...: the groups of what the steps need.
step_groups() {
	local name groups all

	all=$(awk -F'|' 'NF && $1 !~ /^emulation/ { print $1 }' <<<"$PACKAGE_TABLE")
	for name; do
		if groups=$(grep "^$name *|" <<<"$STEP_NEEDS"); then
			echo "build ${groups#*|}"
		else
			echo "$all"
		fi
	done | tr -s ' ' '\n' | sed '/^$/d' | sort -u | tr '\n' ' '
}

# missing_packages MANAGER GROUP...: prints the table's column (alternatives and all) for each test
# of the groups that fails.
missing_packages() {
	local manager=$1 groups group test argument debian fedora
	shift

	while IFS='|' read -r groups test debian fedora; do
		group=
		for group in $groups; do
			[[ " $* " != *" $group "* ]] || break
			group=
		done
		[ -n "$group" ] || continue
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

# logged_as_root COMMAND...
logged_as_root() {
	as_root "$@" >"$BUILD_DIR/install.log" 2>&1 </dev/null
}

# run_install NAMES COMMAND...: what installs them; its output is in install.log.
run_install() {
	local names=$1
	shift

	phase packages 70 "$BUILD_DIR/install.log" "installing: $names" logged_as_root "$@"
}

apt_update() {
	phase lists 10 "$BUILD_DIR/install.log" "refreshing the package lists: apt-get update" \
		logged_as_root apt-get -q update ||
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
	run_install "${names[*]}" "${install[@]}" "${names[@]}" && return 0
	# Old lists name files that the servers no longer have.
	[ "$updated" = yes ] || apt_update
	run_install "${names[*]}" "${install[@]}" "${names[@]}" && return 0
	tail -n 20 "$BUILD_DIR/install.log" >&2
	die "the packages could not be installed; all of apt-get's output is in $BUILD_DIR/install.log"
}

install_with_dnf() {
	local -a names

	mapfile -t names <<<"$1"
	run_install "${names[*]}" dnf -q -y --setopt=install_weak_deps=False install "${names[@]}" && return 0
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
		die "these packages are missing: ${missing//$'\n'/, }. Installing them needs root, and $(why_not_root);" \
			"have them installed: $manager install $(awk '{ print $1 }' <<<"$missing" | tr '\n' ' ')"
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
