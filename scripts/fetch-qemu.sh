#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Leave a QEMU that emulates x2APIC interrupt remapping without KVM (10.0 or
# newer) at $BUILD/qemu/qemu-system-x86_64: $QEMU when given, the system's when
# new enough, else Debian's backport unpacked beside it. Nothing is installed.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

WANT=10.0
SUITE=bookworm-backports
PACKAGES="qemu-system-x86 qemu-system-common qemu-system-data seabios"

dir=$BUILD/qemu
bin=$dir/qemu-system-x86_64
system=${QEMU:-$(command -v qemu-system-x86_64 || true)}

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
	if [ "$(readlink "$bin" || true)" != "$system" ]; then
		mkdir -p "$dir"
		ln -sfn "$system" "$bin"
		say QEMU "$system ($(version "$system"))"
	fi
	exit 0
fi

# The wrapper of an earlier run.
if [ ! -L "$bin" ] && [ -x "$bin" ] && new_enough "$bin"; then
	exit 0
fi

rm -rf "$dir"
mkdir -p "$dir/deb" "$dir/root"
# shellcheck disable=SC2086
"$ROOT/scripts/apt-private.sh" "$SUITE" "$dir/deb" $PACKAGES
for deb in "$dir"/deb/*.deb; do
	dpkg-deb -x "$deb" "$dir/root"
done
rm -rf "$dir/deb"

missing=$(ldd "$dir/root/usr/bin/qemu-system-x86_64" | awk '/not found/ { print $1 }')
[ -z "$missing" ] ||
	die "the unpacked QEMU lacks shared libraries: $missing"

# Modules and firmware are the unpacked ones; only the network boot ROMs, in
# which the versions do not differ, may be the system's.
cat >"$bin.tmp" <<'WRAPPER'
#!/bin/sh
root=$(dirname -- "$(readlink -f -- "$0")")/root
QEMU_MODULE_DIR=$(echo "$root"/usr/lib/*/qemu)
export QEMU_MODULE_DIR
exec "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" \
	-L "$root/usr/share/seabios" -L /usr/lib/ipxe/qemu "$@"
WRAPPER
chmod +x "$bin.tmp"
new_enough "$bin.tmp" || die "the unpacked QEMU does not start: $bin.tmp"
mv "$bin.tmp" "$bin"
say QEMU "$bin ($(version "$bin"))"
