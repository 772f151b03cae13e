#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Put a static busybox at $BUILD/busybox, the same on any release of Debian. Unpacked, not
# installed: Debian's package would replace the busybox of the machine's own initramfs.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

[ ! -x "$BUILD/busybox" ] || exit 0

mkdir -p "$BUILD"
dir=$(mktemp -d "$BUILD/busybox.XXXXXX")
trap 'rm -rf "$dir"' EXIT
"$ROOT/scripts/apt-private.sh" "$DEBIAN_SUITE" "$dir/deb" busybox-static
dpkg-deb -x "$dir"/deb/*.deb "$dir/root"
busybox=$(find "$dir/root" -name busybox -type f -perm -u+x)
mv "$busybox" "$BUILD/busybox"
