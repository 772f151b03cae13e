# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by every script here: where things are, and how to say what happens.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in
/*) ;;
*) BUILD=$ROOT/$BUILD ;;
esac
LINUX=$BUILD/linux
JOBS=${JOBS:-$(nproc)}
# The kernel series: 7.3 is what the overlay is written for, others have a folder in versions/.
LINUX_SERIES=${LINUX_SERIES:-7.3}
# The Debian suite that has this kernel, and the lab's QEMU.
# shellcheck disable=SC2034
DEBIAN_SUITE=trixie-backports
# The selftests that the guest can run, by their names in tools/testing/selftests: those of the
# overlay, unless more are requested.
# shellcheck disable=SC2034
SELFTESTS=${SELFTESTS:-irq_liveupdate}

export ROOT BUILD LINUX JOBS LINUX_SERIES

say()
{
	printf '  %-8s %s\n' "$1" "$2" >&2
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}
