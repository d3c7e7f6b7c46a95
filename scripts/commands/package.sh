# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# help: make a Debian and an RPM package in clean root directories of Debian releases, in _build/package

readonly -a PACKAGE_RELEASES=(bookworm trixie)

command_help() {
	cat <<-END
	Usage: ./run package [RELEASE...]
	Makes a Debian and an RPM package of the sources as they are here, in a clean root directory of each
	RELEASE of Debian (${PACKAGE_RELEASES[*]}), and has lintian and rpmlint look at them. They go to
	_build/package/RELEASE. Needs root, or sudo. "./run check package" also installs, upgrades and removes
	them, and takes about ten minutes.
	END
}

# package_source DIR: what is built: the files of the checkout as they are, or of the tarball.
package_source() {
	rm -rf "$1"
	mkdir -p "$1"
	if git ls-files --error-unmatch run >/dev/null 2>&1; then
		git ls-files -z | cpio --quiet -pdm0 "$1"
	else
		find . -path ./_build -prune -o -type f -print0 | cpio --quiet -pdm0 "$1"
	fi
}

# root_with NAME RELEASE PACKAGES: prints a root directory with these packages; with another list of them it is
# another directory.
root_with() {
	package_root "$1-$2-$(cksum <<<"$3" | cut -d' ' -f1)" "$2" "$3" --variant=minbase
}

# build_root_of RELEASE: prints one with what the packages are built and looked at with.
build_root_of() {
	root_with package "$1" \
		build-essential,debhelper,autoconf,automake,libtool,pkg-config,libibverbs-dev,librdmacm-dev,check,libjson-c-dev,systemtap-sdt-dev,lintian,autopkgtest,rpm,rpmlint,fakeroot,jq,qemu-system-x86,ibverbs-providers
}

# used_root_of RELEASE: prints one of a host that has QEMU, what rdmachunk depends on, and readelf.
used_root_of() {
	root_with installed "$1" qemu-system-x86,ibverbs-providers,libjson-c5,rpm,jq,binutils
}

# readme_root_of RELEASE: prints one that has what README.md says is needed to build, for rdmachunk-ab too, and
# QEMU.
readme_root_of() {
	local names

	# shellcheck disable=SC2016 # backquotes
	names=$(sed -nE 's/^\| (build|for `rdmachunk-ab`) \| `([^`]*)`.*/\2/p' README.md | tr -s ' \n' ',')
	root_with readme "$1" "${names}qemu-system-x86"
}

# package_versions: all places that name a version name the same.
package_versions() {
	local configured debian rpm

	configured=$(sed -n 's/^AC_INIT(\[rdmachunk\], \[\([^]]*\)\].*/\1/p' configure.ac)
	debian=$(sed -n '1s/^rdmachunk (\(.*\)) .*/\1/p' debian/changelog)
	rpm=$(sed -n 's/^Version: *//p' packaging/rdmachunk.spec)
	[ "$configured" = "$debian" ] && [ "$configured" = "$rpm" ] && return
	echo "the version is $configured in configure.ac, $debian in debian/changelog, $rpm in packaging/rdmachunk.spec"
	return 1
}

# package_make RELEASE: its packages, in _build/package/RELEASE.
package_make() {
	local release=$1 share=$BUILD_DIR/package/$1 root kind

	package_versions || return
	root=$(build_root_of "$release") || return
	as_root rm -rf "$share"
	package_source "$share/source"
	for kind in deb rpm; do
		in_root "$root" "$share" /share/source/scripts/package-job "$kind" >"$share/$kind.log" 2>&1 || {
			tail -n 20 "$share/$kind.log"
			echo "making the $kind of $release failed; all of it is in $share/$kind.log"
			return 1
		}
	done
}

# package_try RELEASE: what package_make has made is installed, used, upgraded and removed; prints a line
# for each test.
package_try() {
	local release=$1 share=$BUILD_DIR/package/$1 build used readme

	build=$(build_root_of "$release") && used=$(used_root_of "$release") &&
		readme=$(readme_root_of "$release") || return
	"$SOURCE_DIR/tests/package/run-tests" "$release" "$share" "$build" "$used" "$readme"
}

command_main() {
	local release

	[ $# -gt 0 ] || set -- "${PACKAGE_RELEASES[@]}"
	for release; do
		[[ " ${PACKAGE_RELEASES[*]} " == *" $release "* ]] || die "no release '$release'; try ./run package --help"
	done
	need_packages package
	can_be_root || die "packages are made in a root directory of their own, which needs root or sudo"
	for release; do
		heading "Packages for Debian $release, and as RPM"
		package_make "$release" || die "no packages for $release"
		find "$BUILD_DIR/package/$release" -name 'rdmachunk*.deb' -o -name 'rdmachunk*.rpm'
	done
}
