#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Debian packages needed to build kernels and run them under QEMU: as root, install what is missing;
# otherwise print the one command that does.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

PACKAGES="
	bc bison ca-certificates ccache flex gcc git gnuplot-nox kexec-tools libc6-dev
	libcap-dev libelf-dev libjson-c-dev libssl-dev liburcu-dev lz4 make patch perl
	pkg-config python3 python3-jinja2 python3-jsonschema python3-pyelftools
	python3-pytest rsync xz-utils
"
CHECK_PACKAGES="graphviz pylint python3-git python3-ply python3-sphinx shellcheck"
FULL_PACKAGES="clang gcc-aarch64-linux-gnu gcovr libclang-rt-dev llvm"
PACKAGE_PACKAGES="debhelper dpkg-dev kmod libdw-dev"

case ${1:-} in
check)	PACKAGES="$PACKAGES $CHECK_PACKAGES" ;;
full)	PACKAGES="$PACKAGES $FULL_PACKAGES" ;;
package) PACKAGES="$PACKAGES $PACKAGE_PACKAGES" ;;
'')	;;
*)	die "usage: ${0##*/} [check|full|package]" ;;
esac

command -v dpkg-query >/dev/null || {
	say SETUP "this is not Debian: make sure that these are installed:" "$PACKAGES"
	exit 0
}

# shellcheck disable=SC2086
missing=$(
	{
		dpkg-query -W -f '${db:Status-Status} ${Package}\n' $PACKAGES \
			2>/dev/null || true
		printf '%s\n' $PACKAGES
	} | awk '
		$1 == "installed" { have[$2] = 1; next }
		NF == 1 && !have[$1] { printf "%s ", $1 }'
)
[ -n "$missing" ] || exit 0

[ "$(id -u)" = 0 ] || {
	echo "Packages are missing. Run as root, then try again:" >&2
	echo "    apt-get install --no-install-recommends $missing" >&2
	exit 1
}

export DEBIAN_FRONTEND=noninteractive
say INSTALL "$missing"
install_missing()
{
	# shellcheck disable=SC2086
	apt-get install -y -q --no-install-recommends $missing
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_missing >"$log" 2>&1 || {
	say UPDATE "package lists"
	apt-get update -q >"$log" 2>&1 && install_missing >"$log" 2>&1
} || {
	cat "$log" >&2
	die "cannot install: $missing"
}
