#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Leave the packages of Debian's newest systemd, with the libraries it was built for,
# unpacked in $BUILD/systemd: the first process of a lab guest. Nothing is installed.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

SUITE=forky
dir=$BUILD/systemd

[ ! -x "$dir/usr/lib/systemd/systemd" ] || exit 0

mkdir -p "$BUILD"
tmp=$(mktemp -d "$BUILD/systemd.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
"$ROOT/scripts/apt-private.sh" --with-libraries "$SUITE" "$tmp/deb" systemd
for deb in "$tmp"/deb/*.deb; do
	dpkg-deb -x "$deb" "$tmp/root"
done
rm -rf "$dir"
mv "$tmp/root" "$dir"
# shellcheck disable=SC2016
say SYSTEMD "$(dpkg-deb -W --showformat '${Version}' "$tmp"/deb/systemd_*.deb)"
