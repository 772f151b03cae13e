#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build kernels out of tree from $BUILD/linux, one folder for each flavour:
#
#	build-kernel.sh lab|debug|nolu|gcov|cost|systemd|newer|upstream|nolu-upstream...
#
# leaves $BUILD/kernel/FLAVOUR/arch/x86/boot/bzImage, and the user-space headers
# in $BUILD/headers. A flavour is lab/configs/base.config on top of tinyconfig,
# and lab/configs/FLAVOUR.config on top of that. A flavour A-B has A.config, and
# B.config on top of it.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=scripts/kbuild.sh
. "$ROOT/scripts/kbuild.sh"

[ $# -gt 0 ] || die "usage: ${0##*/} lab|debug|nolu|gcov|cost|systemd|newer|upstream|nolu-upstream..."
[ -e "$LINUX/Makefile" ] || die "no kernel tree in $LINUX: make prepare"

CONFIGS=$ROOT/lab/configs

# Our own files, except the tools and the suites.
profiled()
{
	[ "$flavour" = gcov ] || return 0
	"$ROOT/scripts/overlay.py" list |
		sed -n -e '/^tools/d' -e '/_test\.c$/d' \
			-e 's,^\(.*/\)*\(.*\)\.c$,GCOV_PROFILE_\2.o=y,p' | sort -u
}

# "newer" is a kernel of the future: it knows the formats of the handed-over state only under their
# next names. Files that use a name include this before the real header.
newer()
{
	[ "$flavour" = newer ] || return 0
	for header in irq iommu pci; do
		awk '/^#define [A-Z_]*_(COMPATIBLE|KHO_NODE)[ \t]+".*-v[0-9]+"$/ {
			match($0, /[0-9]+"$/)
			$0 = substr($0, 1, RSTART - 1) substr($0, RSTART) + 1 "\""
			found = 1
		} 1; END { exit !found }' "$LINUX/include/linux/kho/abi/$header.h" ||
			die "linux/kho/abi/$header.h: no version"
	done >"$out/newer.next"
	cmp -s "$out/newer.next" "$out/newer.h" || mv "$out/newer.next" "$out/newer.h"
	grep -rlE '(IRQ_LU|PCI_LU_FLB)_COMPATIBLE|IOMMU_LU_KHO_NODE' --include='*.c' \
		"$LINUX/kernel" "$LINUX/drivers" |
		sed "s,^\(.*/\)*\(.*\)\.c\$,CFLAGS_\2.o=-include$out/newer.h,"
}

# The configuration fragments of the flavour, in order.
fragments()
{
	echo "$CONFIGS/base.config"
	[ "$flavour" != lab ] || return 0
	for part in $(echo "$flavour" | tr - ' '); do
		echo "$CONFIGS/$part.config"
	done
}

# Configure again when a fragment, a Kconfig file or this script has changed.
configure()
{
	# shellcheck disable=SC2046
	if [ -e "$out/.config.stamp" ] && [ -e "$out/.config" ] &&
	   [ -z "$(find $(fragments) "$0" -newer "$out/.config.stamp")" ] &&
	   [ -z "$(find "$LINUX" -name 'Kconfig*' -newer "$out/.config.stamp" \
			-print -quit)" ]; then
		return
	fi
	say CONFIG "$flavour"
	rm -f "$out/.config.stamp"
	: >"$out/.config.next"
	kmake tinyconfig >"$out/.config.log"
	# shellcheck disable=SC2046
	(cd "$LINUX" && scripts/kconfig/merge_config.sh -m -O "$out" \
		"$out/.config" $(fragments)) >>"$out/.config.log" 2>&1
	kmake olddefconfig >>"$out/.config.log"
	verify_config || die "$flavour: the configuration is not what was asked for"
	mv "$out/.config.next" "$out/.config.stamp"
}

# rsync would renew the time stamps of all headers each time.
install_headers()
{
	stamp=$BUILD/headers/.stamp
	if [ -e "$stamp" ] &&
	   [ -z "$(find "$LINUX/include/uapi" "$LINUX/arch/x86/include/uapi" \
			-newer "$stamp" -print -quit)" ]; then
		return
	fi
	mkdir -p "$BUILD/headers"
	# All flavours share them.
	exec 8>"$BUILD/headers/.lock"
	flock 8
	say HEADERS "$BUILD/headers"
	: >"$BUILD/headers/.next"
	kmake headers_install INSTALL_HDR_PATH="$BUILD/headers" >/dev/null
	mv "$BUILD/headers/.next" "$stamp"
	exec 8>&-
}

# .built says when the last complete build began: lab.py refuses a kernel with a newer source. The
# image itself is not renewed if nothing needs to be compiled.
build()
{
	say KERNEL "$flavour"
	total=$(nr_files bzImage)
	: >"$out/.built.next"
	newer=$(newer)
	# The exit status of the left side of a pipe is lost, so it takes away a mark.
	# shellcheck disable=SC2046,SC2086
	{ kmake_aloud $(profiled) $newer bzImage && mv "$out/.built.next" "$out/.built"; } |
		"$ROOT/scripts/progress.py" "$flavour" "$total"
	[ ! -e "$out/.built.next" ]
}

for flavour; do
	for fragment in $(fragments); do
		[ -r "$fragment" ] || die "no such flavour: $flavour"
	done
	out=$BUILD/kernel/$flavour
	localversion=-$flavour
	mkdir -p "$out"
	# Another make may be building it: wait, and there is nothing left to do.
	exec 9>"$out/.lock"
	flock 9
	configure
	install_headers
	build
done
