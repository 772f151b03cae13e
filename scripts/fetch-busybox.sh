#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Leave a static busybox at $BUILD/busybox. Unpacked, not installed: Debian's
# package would replace the busybox of the machine's own initramfs.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

[ ! -x "$BUILD/busybox" ] || exit 0

mkdir -p "$BUILD"
dir=$(mktemp -d "$BUILD/busybox.XXXXXX")
trap 'rm -rf "$dir"' EXIT
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
"$ROOT/scripts/apt-private.sh" "$suite" "$dir/deb" busybox-static
dpkg-deb -x "$dir"/deb/*.deb "$dir/root"
busybox=$(find "$dir/root" -name busybox -type f -perm -u+x)
mv "$busybox" "$BUILD/busybox"
