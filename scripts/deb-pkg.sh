#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build an installable kernel, as the kernel's own "make bindeb-pkg" does, in
# $BUILD/package: from Debian's configuration, or that in CONFIG, with
# lab/configs/package.config on top. CONFIG=lab is a small configuration of the lab. With LSMOD, a
# file like the output of lsmod, the package has only the modules listed there, as "make
# localmodconfig" selects them.
#
# The release of the kernel ends with REVISION: another revision is another package, and
# both can be installed. The lab finds the kernel of the package beside its other kernels,
# in $BUILD/kernel/package-REVISION.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=scripts/kbuild.sh
. "$ROOT/scripts/kbuild.sh"

# The kernel's make must print what it does, for progress.py, and must not see these variables.
unset MAKEFLAGS MFLAGS

CONFIGS=$ROOT/lab/configs
REVISION=${REVISION:-1}
LSMOD=${LSMOD:+$(realpath -- "$LSMOD")}

case $REVISION in
*[!0-9a-z.]* | '')
	die "REVISION=$REVISION: digits, small letters and dots" ;;
esac
[ -e "$LINUX/Makefile" ] || die "no kernel tree in $LINUX: make prepare"
localversion=-liveupdate-$REVISION

# Each configuration has a folder of its own: another revision of it compiles almost nothing.
case ${CONFIG:-} in
'')
	config=$("$ROOT/scripts/fetch-config.sh")
	out=$BUILD/package/debian
	;;
lab)
	config=
	out=$BUILD/package/lab
	;;
*)
	config=$(realpath -- "$CONFIG")
	out=$BUILD/package/custom
	[ -r "$config" ] || die "CONFIG=$config: no such file"
	;;
esac

fragments()
{
	if [ -z "$config" ]; then
		for name in base systemd modules; do
			echo "$CONFIGS/$name.config"
		done
	fi
	echo "$CONFIGS/package.config"
}

# The inputs of the configuration: another revision does not change them.
inputs()
{
	# shellcheck disable=SC2046
	cat ${config:+"$config"} $(fragments) ${LSMOD:+"$LSMOD"} "$0"
	find "$LINUX" -name 'Kconfig*' -newer "$out/.config"
}

configure()
{
	stamp=$out/.config.stamp
	inputs 2>/dev/null | cmp -s - "$stamp" && return
	say CONFIG "${config:-lab}"
	rm -f "$stamp"
	: >"$out/.config.log"
	[ -n "$config" ] || kmake tinyconfig >>"$out/.config.log"
	# shellcheck disable=SC2046
	(cd "$LINUX" && scripts/kconfig/merge_config.sh -m -O "$out" \
		"${config:-$out/.config}" $(fragments)) >>"$out/.config.log" 2>&1
	kmake olddefconfig >>"$out/.config.log"
	if [ -n "$LSMOD" ]; then
		# It asks about options that depend on a removed module.
		yes '' | kmake LSMOD="$LSMOD" localmodconfig >>"$out/.config.log" 2>&1
	fi
	verify_config || die "the configuration is not what was asked for"
	inputs >"$stamp"
}

# Of the built packages, the headers for the C library are not needed here, and the other files only
# record the build.
build()
{
	say PACKAGE "$(kmake kernelrelease)"
	KDEB_PKGVERSION=$(kmake kernelversion)-$REVISION
	# On any release of Debian, and without tools for modules that are not built here
	KDEB_CHANGELOG_DIST=unstable
	DEB_BUILD_PROFILES="pkg.linux-upstream.nokernelheaders pkg.linux-upstream.nokerneldbg"
	export KDEB_PKGVERSION KDEB_CHANGELOG_DIST DEB_BUILD_PROFILES
	total=$(nr_files all)
	# A package of another version would be unpacked instead, or as well.
	rm -f "$BUILD"/package/linux-image-*-liveupdate-"$REVISION"_*.deb
	: >"$out/.built.next"
	# The exit status of the left side of a pipe is lost, so it takes away a mark.
	{ kmake_aloud bindeb-pkg 2>"$out/.package.log" && mv "$out/.built.next" "$out/.built"; } |
		"$ROOT/scripts/progress.py" package "$total"
	[ ! -e "$out/.built.next" ] || {
		tail -n 40 "$out/.package.log" >&2
		die "the package was not built"
	}
	rm -f "$BUILD"/package/linux-libc-dev_*.deb "$BUILD"/package/linux-upstream_*
}

# The files in the package, not those from which it was made.
unpack()
{
	lab=$BUILD/kernel/package-$REVISION
	tmp=$BUILD/package/unpacked
	rm -rf "$tmp" "$lab"
	dpkg-deb -x "$deb" "$tmp"
	mkdir -p "$lab/arch/x86/boot"
	mv "$tmp"/boot/vmlinuz-* "$lab/arch/x86/boot/bzImage"
	mv "$tmp"/boot/System.map-* "$lab/System.map"
	mv "$tmp"/boot/config-* "$lab/.config"
	ln -s "$deb" "$lab/package.deb"
	# When the build began, see build-kernel.sh
	cp -p "$out/.built" "$lab/.built"
	rm -rf "$tmp"
}

mkdir -p "$out"
# Another make may be building it: wait, and there is nothing left to do.
exec 9>"$out/.lock"
flock 9
configure
build
deb=$(ls "$BUILD"/package/linux-image-*-liveupdate-"$REVISION"_*.deb)
unpack
say DEB "$deb"
