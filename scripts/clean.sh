#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Remove the build folder, unless edits in the kernel tree would be lost.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

if [ -e "$LINUX/.git" ] && [ "${FORCE:-0}" != 1 ]; then
	"$ROOT/scripts/overlay.py" check ||
		die "make export first, or FORCE=1"
fi
# Only what looks like a build folder of ours.
if [ -e "$BUILD" ]; then
	[ -e "$BUILD/overlay.lock" ] || [ -d "$BUILD/apt" ] || [ -d "$BUILD/qemu" ] ||
		die "$BUILD is no build folder"
	rm -rf "$BUILD"
fi
