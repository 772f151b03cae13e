#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build $BUILD/initrd.img, the whole user space of a lab guest: busybox, kexec,
# our selftests as "make install" leaves them in /kselftest, the programs of
# lab/guest in /bin, the libraries that all of these need, and lab/guest/init as /init. It is small,
# because each kernel of a run unpacks it, and each kexec hashes it twice. It is not compressed:
# that would cost more guest time. The same input makes the same bytes, and no root is needed.
#
# $BUILD/guest.img is the one of the guest with Linux that the lab's guest can run:
# busybox, and lab/guest/guest_init as /init.
#
# $BUILD/systemd.img contains all of initrd.img, and systemd as the first process, if
# scripts/fetch-systemd.sh has been run.
#
# $BUILD/package.img is systemd.img with two revisions of the kernel package, if "make
# deb-pkg" has built 1 and 2: dpkg has installed them.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
GEN=$BUILD/gen_init_cpio
SYSTEMD=$BUILD/systemd
HOST=$BUILD/host
INSTALLED=$BUILD/package/installed

HEADERS="-isystem $BUILD/headers/include"
KSELFTEST=$BUILD/selftests/installed

# The kernel's own way to build and install selftests, out of its tree.
rm -rf "$KSELFTEST"
make -s -C "$LINUX/tools/testing/selftests" TARGETS="$SELFTESTS" \
	O="$BUILD/selftests" INSTALL_PATH="$KSELFTEST" CC=gcc \
	KHDR_INCLUDES="$HEADERS" install >"$BUILD/selftests.log" 2>&1 ||
	{ cat "$BUILD/selftests.log" >&2; die "the selftests do not build"; }

mkdir -p "$BUILD/guest"
make -s -C "$ROOT/lab/guest" OUTPUT="$BUILD/guest" CC=gcc \
	KHDR_INCLUDES="$HEADERS" KSELFTEST="$LINUX/tools/testing/selftests"

make -s -C "$LINUX/tools/irq_liveupdate" OUTPUT="$BUILD/guest" CC=gcc

KEXEC=$(command -v kexec) || die "no kexec: make prepare installs it"
[ -x "$BUILD/busybox" ] || die "no $BUILD/busybox: make prepare fetches it"

# The files that dynamically linked programs need beside themselves.
libraries()
{
	ldd "$@" 2>/dev/null | grep -F "not found" >&2 && die "a program lacks a library"
	ldd "$@" 2>/dev/null | awk '/=> \// { print $3 } $1 ~ /^\/.*[^:]$/ { print $1 }' |
		sort -u | while read -r lib; do
		case $lib in
		/lib64/*) echo "file $lib $(readlink -f "$lib") 0755 0 0" ;;
		*)	echo "file /lib/${lib##*/} $(readlink -f "$lib") 0755 0 0" ;;
		esac
	done
}

program()
{
	echo "file /bin/${1##*/} $1 0755 0 0"
}

kselftest()
{
	names=$(cd "$KSELFTEST" && find . -mindepth 1)
	printf '%s\n' "$names" | LC_ALL=C sort | while read -r name; do
		path=$KSELFTEST/${name#./}
		if [ -d "$path" ]; then
			echo "dir /kselftest/${name#./} 0755 0 0"
		else
			echo "file /kselftest/${name#./} $path $(stat -c %a "$path") 0 0"
		fi
	done
}

# What both images have in common: folders, busybox, and the first process
common_list()
{
	init=$1
	shift
	for dir in /bin /dev /proc /tmp "$@"; do
		echo "dir $dir 0755 0 0"
	done
	echo "nod /dev/console 0600 0 0 c 5 1"
	echo "nod /dev/null 0666 0 0 c 1 3"

	program "$BUILD/busybox"
	applets=$("$BUILD/busybox" --list)
	printf '%s\n' "$applets" | LC_ALL=C sort | while read -r applet; do
		case $applet in
		busybox) ;;
		*)	echo "slink /bin/$applet busybox 0777 0 0" ;;
		esac
	done
	echo "file /init $init 0755 0 0"
}

initrd_list()
{
	common_list "$ROOT/lab/guest/init" /sbin /etc /sys /root /lib /lib64 /kselftest

	program "$KEXEC"
	# irqlu unpacks the next kernel with it.
	program "$(command -v lz4)"
	for name in vmm sabotage scatter poll_line silent_irte igb_owner live_vm irqlu; do
		program "$BUILD/guest/$name"
	done
	program "$ROOT/lab/guest/agent"
	program "$ROOT/lab/guest/live_vm_report"
	program "$ROOT/lab/guest/live_vm_tell"
	program "$ROOT/lab/guest/compact_memory"
	program "$ROOT/lab/guest/look_for_leaks"
	kselftest
	# shellcheck disable=SC2046
	libraries "$KEXEC" $(find "$BUILD/guest" "$KSELFTEST" -type f -perm -u+x)
}

# A unit of the image, and the target that wants it, if there is one
unit()
{
	echo "file /etc/systemd/system/${1##*/} $1 0644 0 0"
	[ $# -eq 1 ] || wanted "$2" "${1##*/}" "${1##*/}"
}

# The last argument is the name of the link
wanted()
{
	echo "dir /etc/systemd/system/$1.target.wants 0755 0 0"
	echo "slink /etc/systemd/system/$1.target.wants/$3 ../$2 0777 0 0"
}

# The parts of systemd: its programs, the libraries it was built for, and the units from
# its start to its jump. The loader finds those libraries before those of this machine.
systemd_package()
{
	lib=$(echo "$SYSTEMD"/usr/lib/*-linux-gnu)
	triplet=${lib##*/}

	for dir in /lib /lib64 "/lib/$triplet" "/lib/$triplet/systemd" /lib/systemd \
		   /lib/systemd/system /bin /usr; do
		echo "dir $dir 0755 0 0"
	done
	echo "slink /usr/bin ../bin 0777 0 0"
	echo "slink /usr/sbin ../bin 0777 0 0"
	echo "slink /usr/lib ../lib 0777 0 0"
	for name in systemd systemd-executor systemd-shutdown; do
		echo "file /lib/systemd/$name $SYSTEMD/usr/lib/systemd/$name 0755 0 0"
	done
	program "$SYSTEMD/usr/bin/systemctl"
	for path in "$lib"/lib*.so.[0-9] "$lib"/systemd/lib*.so; do
		echo "file /lib/$triplet/${path#"$lib"/} $(readlink -f "$path") 0755 0 0"
	done
	for path in "$lib"/ld-linux-*.so.*; do
		echo "file /lib64/${path##*/} $path 0755 0 0"
	done
	for path in "$SYSTEMD"/usr/lib/systemd/system/*.target \
		    "$SYSTEMD/usr/lib/systemd/system/systemd-kexec.service"; do
		[ ! -f "$path" ] || echo "file /lib/systemd/system/${path##*/} $(readlink -f "$path") 0644 0 0"
	done
}

# If a file comes twice, the image has the first one.
systemd_list()
{
	examples=$LINUX/tools/irq_liveupdate/examples
	own=$ROOT/lab/guest/systemd

	systemd_package
	for dir in /boot /etc /etc/systemd /etc/systemd/system /usr/local /usr/local/bin /run \
		   /var /var/lib; do
		echo "dir $dir 0755 0 0"
	done
	echo "file /etc/machine-id $own/machine-id 0444 0 0"
	echo "file /etc/systemd/system.conf $own/system.conf 0644 0 0"
	echo "slink /etc/systemd/system/default.target /lib/systemd/system/multi-user.target 0777 0 0"
	unit "$own/devices.service" sysinit
	unit "$own/agent.service" multi-user
	unit "$examples/live-update.service"
	unit "$examples/vmm@.service"
	wanted multi-user vmm@.service vmm@guest.service
	echo "file /usr/local/bin/vmm $own/vmm 0755 0 0"
	echo "slink /boot/vmlinuz ../next/kernel 0777 0 0"
	echo "slink /init /lib/systemd/systemd 0777 0 0"

	initrd_list
}

# In a root directory that has nothing but a shell and the hook, as the user that dpkg expects.
install_package()
{
	as_root=
	[ "$(id -u)" = 0 ] || as_root="unshare --map-root-user"
	$as_root dpkg --root="$INSTALLED" --log="$INSTALLED/var/log/dpkg.log" \
		--install "$1" >>"$log" 2>&1 || {
		cat "$log" >&2
		die "$1 cannot be installed"
	}
}

# One after the other, as on a host: the second is the next kernel.
install_packages()
{
	old=$BUILD/kernel/package-1/package.deb
	next=$BUILD/kernel/package-2/package.deb
	[ -e "$old" ] && [ -e "$next" ] || return 1
	log=$BUILD/package/dpkg.log
	[ ! -e "$INSTALLED/boot" ] ||
		[ -z "$(find -L "$log" -newer "$old" -newer "$next")" ] || return 0

	rm -rf "$INSTALLED"
	mkdir -p "$INSTALLED/bin" "$INSTALLED/etc/kernel/postinst.d" "$INSTALLED/var/log" \
		 "$INSTALLED/var/lib/dpkg/info" "$INSTALLED/var/lib/dpkg/updates"
	: >"$INSTALLED/var/lib/dpkg/status"
	cp "$BUILD/busybox" "$INSTALLED/bin"
	for applet in sh test run-parts ln; do
		ln -s busybox "$INSTALLED/bin/$applet"
	done
	cp "$ROOT/lab/guest/systemd/zz-vmlinuz" "$INSTALLED/etc/kernel/postinst.d"
	: >"$log"
	install_package "$old"
	install_package "$next"
}

# What dpkg has installed below these folders
installed()
{
	names=$(cd "$INSTALLED" && find "$@")
	printf '%s\n' "$names" | LC_ALL=C sort | while read -r name; do
		path=$INSTALLED/$name
		if [ -L "$path" ]; then
			echo "slink /$name $(readlink "$path") 0777 0 0"
		elif [ -d "$path" ]; then
			echo "dir /$name 0755 0 0"
		else
			echo "file /$name $path $(stat -c %a "$path") 0 0"
		fi
	done
}

# The programs that load modules, in place of busybox's own, and zstd
host_package()
{
	lib=$(echo "$HOST"/usr/lib/*-linux-gnu)
	triplet=${lib##*/}

	for dir in /bin /sbin /lib "/lib/$triplet" /lib/systemd /lib/systemd/system /etc \
		   /etc/modules-load.d /etc/systemd /etc/systemd/system \
		   /etc/systemd/system/sysinit.target.wants; do
		echo "dir $dir 0755 0 0"
	done
	program "$HOST/usr/bin/kmod"
	program "$HOST/usr/bin/zstd"
	for name in depmod insmod lsmod modinfo modprobe rmmod; do
		echo "slink /bin/$name kmod 0777 0 0"
	done
	# Where the kernel looks for it
	echo "slink /sbin/modprobe ../bin/kmod 0777 0 0"
	for path in "$lib"/lib*.so.[0-9]; do
		echo "file /lib/$triplet/${path#"$lib"/} $(readlink -f "$path") 0755 0 0"
	done
	echo "file /lib/systemd/systemd-modules-load $HOST/usr/lib/systemd/systemd-modules-load 0755 0 0"
	name=systemd-modules-load.service
	echo "file /lib/systemd/system/$name $HOST/usr/lib/systemd/system/$name 0644 0 0"
	echo "slink /etc/systemd/system/sysinit.target.wants/$name /lib/systemd/system/$name 0777 0 0"
	echo "file /etc/modules-load.d/host.conf $ROOT/lab/guest/systemd/modules.conf 0644 0 0"
}

# If a file comes twice, the image has the first one.
package_list()
{
	host_package
	installed boot lib/modules
	systemd_list
}

guest_list()
{
	common_list "$ROOT/lab/guest/guest_init" /disk
}

if [ ! -x "$GEN" ] || [ -n "$(find "$LINUX/usr/gen_init_cpio.c" -newer "$GEN")" ]; then
	gcc -O2 -o "$GEN" "$LINUX/usr/gen_init_cpio.c"
fi

# The list, with the hash of every file in it as a comment, decides whether the image
# is up to date. The exit status of the left side of a pipe is lost, so there are files between
# the commands that may fail.
image()
{
	out=$BUILD/$2
	"$1" >"$out.list.all"
	awk '$1 == "file" { print $3 }' "$out.list.all" | xargs sha256sum >"$out.list.hashes"
	awk '!seen[$2]++' "$out.list.all" >"$out.list.next"
	sed 's/^/# /' "$out.list.hashes" >>"$out.list.next"
	rm "$out.list.all" "$out.list.hashes"
	if [ -e "$out" ] && cmp -s "$out.list" "$out.list.next"; then
		rm "$out.list.next"
		# lab.py refuses an image that is older than its sources.
		touch "$out"
		return
	fi

	say INITRD "$out"
	"$GEN" -t 0 "$out.list.next" >"$out.tmp"
	mv "$out.tmp" "$out"
	mv "$out.list.next" "$out.list"
}

image guest_list guest.img
image initrd_list initrd.img
[ ! -e "$SYSTEMD" ] || image systemd_list systemd.img
[ ! -e "$HOST" ] || ! install_packages || image package_list package.img
