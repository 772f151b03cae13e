#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build the pages of the overlay with the kernel's Sphinx configuration, as HTML in
# $BUILD/docs/html. Nothing else is built, so that each warning is about these pages, except for
# those of the kernel's extensions about other ABI files. Pages elsewhere in Documentation/ that
# they refer to have to exist.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

# An extension looks for MAINTAINERS beside a folder of this name, and pages include files from
# tools/.
src=$BUILD/docs/Documentation
out=$BUILD/docs/html
# A page that is read from the cache produces no warnings.
rm -rf "$src" "$BUILD/docs/doctrees"
mkdir -p "$src" "$out"
ln -sf "$LINUX/MAINTAINERS" "$BUILD/docs/MAINTAINERS"
ln -sfn "$LINUX/tools" "$BUILD/docs/tools"

# The pages, and an index of them.
{
	printf '%s\n' "Interrupt live update" "=====================" "" ".. toctree::" ""
	"$ROOT/scripts/overlay.py" list | sed -n 's,^Documentation/\(.*\)\.rst$,\1,p' |
	while read -r page; do
		mkdir -p "$src/$(dirname -- "$page")"
		ln -s "$LINUX/Documentation/$page.rst" "$src/$page.rst"
		echo "   $page"
	done
} >"$src/index.rst"

missing=$(grep -oh 'Documentation/[A-Za-z0-9_/.-]*\.rst' "$src"/*/*.rst "$src"/*/*/*.rst |
	sort -u | while read -r page; do
		[ -e "$LINUX/$page" ] || printf ' %s' "$page"
	done)
[ -z "$missing" ] || die "no such page:$missing"

say DOCS "$out"
PATH=/usr/bin:/bin:$PATH srctree=$LINUX BUILDDIR=$out \
	sphinx-build -q -b html -c "$LINUX/Documentation" \
	-D version=- -D release=- -D "kerneldoc_srctree=$LINUX" \
	-d "$BUILD/docs/doctrees" "$src" "$out" 2>"$BUILD/docs/warnings"
(cd "$LINUX" && python3 tools/docs/get_abi.py --dir Documentation/ABI validate) \
	>>"$BUILD/docs/warnings" 2>&1
if grep -v -e " is defined [0-9]* times: " -e "^Using alabaster theme" "$BUILD/docs/warnings"; then
	die "warnings, see $BUILD/docs/warnings"
fi
