#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Unpack packages of Debian's newest release, each with the libraries it was built for: in
# $BUILD/systemd the first process of a lab guest, and in $BUILD/host what else is needed on a host
# whose kernel is a package. Nothing is installed.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

SUITE=forky

mkdir -p "$BUILD"
tmp=$(mktemp -d "$BUILD/systemd.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# Folder, a program in it, packages
fetch()
{
	dir=$BUILD/$1
	[ ! -x "$dir/$2" ] || return 0
	shift 2
	"$ROOT/scripts/apt-private.sh" --with-libraries "$SUITE" "$tmp/$1" "$@"
	for deb in "$tmp/$1"/*.deb; do
		dpkg-deb -x "$deb" "$tmp/root"
	done
	rm -rf "$dir"
	mv "$tmp/root" "$dir"
}

fetch systemd usr/lib/systemd/systemd systemd
# kmod loads modules, udev contains the service that does so at boot, and irqlu unpacks the next
# kernel with zstd.
fetch host usr/bin/zstd kmod udev zstd
# shellcheck disable=SC2016
[ ! -e "$tmp/systemd" ] ||
	say SYSTEMD "$(dpkg-deb -W --showformat '${Version}' "$tmp"/systemd/systemd_*.deb)"
