#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Make $BUILD/linux: a git work tree whose first commit, "vanilla", is the
# pristine kernel, with the overlay on top as uncommitted changes. Once it is
# there, only what changed in the overlay is laid.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

mkdir -p "$BUILD"

# The series that the kernel tree in a folder belongs to. An -rc release is not yet part of the
# series.
series()
{
	awk '$2 != "=" { next }
	     $1 == "VERSION" { version = $3 }
	     $1 == "PATCHLEVEL" { version = version "." $3 }
	     $1 == "EXTRAVERSION" { print version ($3 ~ /^-rc/ ? $3 : ""); exit }' \
		"$1/Makefile"
}

vanilla()
{
	tmp=$BUILD/linux.tmp
	rm -rf "$tmp"
	mkdir "$tmp"
	say UNPACK "Linux $LINUX_SERIES (${KERNEL_SRC:-Debian})"
	# The exit status of the left side of a pipe is lost, so it leaves a mark.
	{ "$ROOT/scripts/fetch-linux.sh" && : >"$BUILD/linux.fetched"; } |
		tar -C "$tmp" -x --strip-components=1
	[ -e "$BUILD/linux.fetched" ] || exit 1
	rm -f "$BUILD/linux.fetched"
	[ -r "$tmp/Makefile" ] || die "${KERNEL_SRC:-} is no kernel source"
	[ "$(series "$tmp")" = "$LINUX_SERIES" ] ||
		die "${KERNEL_SRC:-} is Linux $(series "$tmp")," \
		    "the overlay is for $LINUX_SERIES.x"

	say GIT "vanilla commit"
	git -C "$tmp" init -q -b main
	git -C "$tmp" config gc.auto 0
	git -C "$tmp" config user.name vanilla
	git -C "$tmp" config user.email vanilla@localhost
	# One pack instead of 90,000 loose objects.
	git -C "$tmp" -c core.bigFileThreshold=1 -c core.compression=1 add -A -f
	git -C "$tmp" commit -q --no-verify -m vanilla
	printf '%s\n' "${KERNEL_SRC:-}" >"$BUILD/linux.source"
	rm -f "$BUILD/overlay.laid"
	mv "$tmp" "$LINUX"
}

if [ ! -e "$LINUX/.git" ]; then
	[ ! -e "$LINUX" ] || die "$LINUX is in the way, and not ours"
	vanilla
elif [ -n "${KERNEL_SRC:-}" ] &&
     [ "$(cat "$BUILD/linux.source" 2>/dev/null)" != "$KERNEL_SRC" ]; then
	die "$LINUX was made from another source: use another BUILD=, or make" \
	    "export, remove it, and try again"
fi

exec "$ROOT/scripts/overlay.py" lay
