#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Put Debian's own kernel configurations of the series in $BUILD/config, from the package
# linux-config, and print the path of the cloud configuration: it has what a host needs, and a
# quarter of the modules.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

PACKAGE=linux-config-$LINUX_SERIES
dir=$BUILD/config
config=$dir/config.amd64_none_cloud-amd64

if [ ! -r "$config" ]; then
	mkdir -p "$BUILD"
	tmp=$(mktemp -d "$BUILD/config.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	"$ROOT/scripts/apt-private.sh" "$DEBIAN_SUITE" "$tmp/deb" "$PACKAGE" ||
		die "no $PACKAGE: CONFIG=<file> is another configuration," \
		    "such as /boot/config-$(uname -r)"
	dpkg-deb -x "$tmp"/deb/*.deb "$tmp/root"
	xz -d "$tmp/root/usr/src/$PACKAGE"/*.xz
	rm -rf "$dir"
	mv "$tmp/root/usr/src/$PACKAGE" "$dir"
fi
echo "$config"
