#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Put a sparse that can read Linux 7.3 at $BUILD/sparse/sparse: the system's if
# it knows __typeof_unqual__(), else Debian's newest, unpacked with the C library
# it was built for. Nothing is installed.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

SUITE=sid
dir=$BUILD/sparse
bin=$dir/sparse
system=$(command -v sparse || true)

new_enough()
{
	[ -n "$1" ] && [ -x "$1" ] &&
		echo 'static __typeof_unqual__(const int) x;' >"$dir/probe.c" &&
		! "$1" "$dir/probe.c" 2>&1 | grep -q .
}

mkdir -p "$dir"
new_enough "$bin" && exit 0
rm -rf "$dir"
mkdir -p "$dir/root"

if new_enough "$system"; then
	ln -s "$system" "$bin"
	exit 0
fi

"$ROOT/scripts/apt-private.sh" "$SUITE" "$dir/deb" sparse libc6
for deb in "$dir"/deb/*.deb; do
	dpkg-deb -x "$deb" "$dir/root"
done
rm -rf "$dir/deb"

cat >"$bin" <<'WRAPPER'
#!/bin/sh
lib=$(echo "$(dirname -- "$(readlink -f -- "$0")")"/root/usr/lib/*-linux-gnu)
exec "$lib"/ld-linux-*.so.* --library-path "$lib" "$lib/../../bin/sparse" "$@"
WRAPPER
chmod +x "$bin"
new_enough "$bin" || die "the unpacked sparse does not understand this kernel: $bin"
say SPARSE "$bin ($("$bin" --version))"
