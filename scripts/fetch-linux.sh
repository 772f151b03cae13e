#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Write a pristine Linux source as a tar stream to stdout: from KERNEL_SRC (a
# tarball, a git tree, a plain tree; it is only read), else from Debian's
# linux-source package of the series.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

PACKAGE=linux-source-$LINUX_SERIES

from_git()
{
	[ -z "$(git -C "$1" status --porcelain --untracked-files=no)" ] ||
		say NOTE "$1: uncommitted changes are left out"
	git -C "$1" archive --format=tar --prefix=linux/ HEAD
}

from_folder()
{
	if [ -e "$1/.config" ] || [ -e "$1/include/config" ]; then
		die "$1 has been built in: run make mrproper there first"
	fi
	tar -C "$1" --exclude-vcs -c --transform 's,^\.,linux,' .
}

from_tarball()
{
	case $1 in
	*.xz)	xz -T0 -dc "$1" ;;
	*.gz)	gzip -dc "$1" ;;
	*.bz2)	bzip2 -dc "$1" ;;
	*.zst)	zstd -dc "$1" ;;
	*)	cat "$1" ;;
	esac
}

from_debian()
{
	dir=$BUILD/linux-source
	tarball=$dir/root/usr/src/$PACKAGE.tar.xz
	if [ ! -r "$tarball" ]; then
		rm -rf "$dir"
		mkdir -p "$dir/deb"
		"$ROOT/scripts/apt-private.sh" "$DEBIAN_SUITE" "$dir/deb" "$PACKAGE" ||
			die "no $PACKAGE. If $DEBIAN_SUITE has moved on to another" \
			    "series: KERNEL_SRC=<tarball or tree of Linux" \
			    "$LINUX_SERIES.x>"
		dpkg-deb -x "$dir"/deb/*.deb "$dir/root.tmp"
		mv "$dir/root.tmp" "$dir/root"
		rm -rf "$dir/deb"
	fi
	from_tarball "$tarball"
}

src=${KERNEL_SRC:-}
if [ -z "$src" ]; then
	from_debian
elif [ -e "$src/.git" ]; then
	from_git "$src"
elif [ -d "$src" ]; then
	from_folder "$src"
elif [ -r "$src" ]; then
	from_tarball "$src"
else
	die "KERNEL_SRC=$src: no such file or folder"
fi
