#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Put a QEMU that has the lab's machines (11.1 or newer) at $BUILD/qemu/qemu-system-x86_64: $QEMU if
# given, the system's if new enough, else Debian's backport, unpacked beside it with the libraries
# it was built for. Nothing is installed.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

# amd-iommu,dma-remap=on and intel-iommu,fsts=on; version 7 of the plugin API
WANT=11.1

dir=$BUILD/qemu
bin=$dir/qemu-system-x86_64
system=$(command -v "${QEMU:-qemu-system-x86_64}" || true)

version()
{
	"$1" --version 2>/dev/null |
		sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p'
}

new_enough()
{
	v=$(version "$1")
	[ -n "$v" ] && [ "$(printf '%s\n' "$WANT" "$v" | sort -V | head -n 1)" = "$WANT" ]
}

if [ -n "${QEMU:-}" ] && ! new_enough "$QEMU"; then
	die "QEMU=$QEMU: need version $WANT or newer, this is '$(version "$QEMU")'"
fi

if [ -n "$system" ] && { [ -n "${QEMU:-}" ] || new_enough "$system"; }; then
	system=$(readlink -f "$system")
	if [ "$(readlink "$bin" || true)" != "$system" ]; then
		mkdir -p "$dir"
		ln -sfn "$system" "$bin"
		say QEMU "$system ($(version "$system"))"
	fi
	exit 0
fi

# The wrapper from an earlier run.
if [ ! -L "$bin" ] && [ -x "$bin" ] && new_enough "$bin"; then
	exit 0
fi

rm -rf "$dir"
mkdir -p "$dir/deb" "$dir/root"
"$ROOT/scripts/apt-private.sh" --with-libraries "$DEBIAN_SUITE" "$dir/deb" \
	qemu-system-x86
for deb in "$dir"/deb/*.deb; do
	dpkg-deb -x "$deb" "$dir/root"
done
rm -rf "$dir/deb"

# The loader of its own C library finds the other libraries; QEMU its modules and
# firmware by -L and QEMU_MODULE_DIR.
cat >"$bin.tmp" <<'WRAPPER'
#!/bin/sh
root=$(dirname -- "$(readlink -f -- "$0")")/root
lib=$(echo "$root"/usr/lib/*-linux-gnu)
QEMU_MODULE_DIR=$lib/qemu
export QEMU_MODULE_DIR
exec "$lib"/ld-linux-*.so.* --library-path "$lib" "$root/usr/bin/qemu-system-x86_64" \
	-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
	-L "$root/usr/lib/ipxe/qemu" "$@"
WRAPPER
chmod +x "$bin.tmp"
new_enough "$bin.tmp" || die "the unpacked QEMU does not start: $bin.tmp"
mv "$bin.tmp" "$bin"
say QEMU "$bin ($(version "$bin"))"
