#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own checkers on the overlay as it is in $BUILD/linux. All of them run before the
# verdict: checkpatch --strict on the series as it would be sent and on the programs of lab/guest,
# kernel-doc, W=1 with sparse on our C files, what a module would need exported, the documentation,
# and pylint and shellcheck on the scripts.
#
#	check.sh FLAVOUR	the kernel flavour that is compiled
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

# checkpatch's helpers need the Python modules that setup.sh installs.
PATH=/usr/bin:/bin:$PATH
flavour=${1:-lab}
out=$BUILD/kernel/$flavour
failed=

# "set -e" has no effect in a step.
step()
{
	what=$1
	shift
	say CHECK "$what"
	"$@" || failed="$failed $what"
}

# The overlay's files that match, by their paths in the kernel.
overlay_files()
{
	list=$("$ROOT/scripts/overlay.py" list) || die "no list of the overlay's files"
	printf '%s\n' "$list" | grep -E "$1" || die "no file of the overlay matches $1"
}

# The programs that only the lab drives; everything else is in the series.
checkpatch()
{
	rc=0
	files=$(cd "$ROOT" && find lab/guest -name '*.[chS]') || return 1
	for file in $files; do
		(cd "$LINUX" && scripts/checkpatch.pl --strict --terse --no-summary \
			--quiet --show-types --ignore EMBEDDED_FILENAME \
			--file "$ROOT/$file") || rc=1
	done
	return $rc
}

kernel_doc()
{
	files=$(overlay_files '\.[ch]$') || return 1
	# shellcheck disable=SC2086
	(cd "$LINUX" && scripts/kernel-doc -none -Werror $files)
}

# Our C files, and the patched upstream files, as far as they are part of this kernel.
own_objects()
{
	files=$(overlay_files '\.c(\.patch)?$') || return 1
	for file in $files; do
		object=${file%.patch}
		object=${object%.c}.o
		case $file in
		tools/*)
			continue
			;;
		*.patch)
			[ -e "$out/$object" ] || {
				say NOTE "$object: not part of the $flavour kernel"
				continue
			}
			;;
		esac
		echo "$object"
	done
}

# Compile just our objects once more, with all warnings and sparse.
w1_sparse()
{
	"$ROOT/scripts/build-kernel.sh" "$flavour" || return 1
	mkdir -p "$BUILD/results"
	log=$BUILD/results/check-w1.log
	rc=0
	objects=$(own_objects) || return 1
	# shellcheck disable=SC2086
	(cd "$out" && rm -f $objects)
	# shellcheck disable=SC2086
	make -C "$LINUX" O="$out" ARCH=x86_64 -s --no-print-directory \
		LOCALVERSION="-$flavour" W=1 C=1 CHECK="$BUILD/sparse/sparse" \
		-k -O -j"$JOBS" $objects >"$log" 2>&1 || rc=1
	"$ROOT/scripts/own_warnings.py" <"$log" || rc=1
	return $rc
}

# Names the symbols that a module of these objects would need and that nobody exports. Only built-in
# objects have static call keys, and symbols that show MODULE_VERSION in sysfs.
calls_only_exports()
{
	module=$1
	shift
	symbols=$(nm "$@") || return 1
	missing=$(printf '%s\n' "$symbols" | awk -v exports="$out/.exports" '
		BEGIN { while ((getline symbol < exports) > 0) known[symbol] = 1 }
		NF == 3 { known[$3] = 1 }
		$1 == "U" && $2 !~ /^__(SCK__|modver_)/ { called[$2] = 1 }
		END { for (symbol in called) if (!(symbol in known)) printf " %s", symbol }') || return 1
	[ -z "$missing" ] || {
		say MISSING "$module.ko: not exported:$missing"
		return 1
	}
}

# vfio-pci and iommufd may be modules. Here they are built in, and the linker does not
# care what is exported.
exports()
{
	rc=0
	nm "$out/vmlinux.o" >"$out/.symbols" || return 1
	sed -n 's/.* __export_symbol_//p' "$out/.symbols" >"$out/.exports"
	vfio=$out/drivers/vfio
	pci=$vfio/pci/vfio_pci
	iommufd=$out/drivers/iommu/iommufd
	calls_only_exports iommufd "$iommufd/device.o" "$iommufd/eventq.o" \
		"$iommufd/hw_pagetable.o" "$iommufd/io_pagetable.o" "$iommufd/ioas.o" \
		"$iommufd/main.o" "$iommufd/pages.o" "$iommufd/vfio_compat.o" \
		"$iommufd/viommu.o" "$iommufd/hwpt_noiommu.o" "$iommufd/liveupdate.o" || rc=1
	calls_only_exports vfio "$vfio/vfio_main.o" "$vfio/group.o" "$vfio/container.o" \
		"$vfio/device_cdev.o" "$vfio/iommufd.o" "$vfio/virqfd.o" \
		"$vfio/vfio_liveupdate.o" || rc=1
	calls_only_exports vfio-pci-core "${pci}_core.o" "${pci}_config.o" "${pci}_intrs.o" \
		"${pci}_rdwr.o" "${pci}_liveupdate.o" || rc=1
	calls_only_exports vfio-pci "$pci.o" "${pci}_igd.o" || rc=1
	return $rc
}

shell_check()
{
	(cd "$ROOT" && shellcheck -x scripts/*.sh scripts/tcg/* .ci/run lab/guest/init lab/guest/agent \
		lab/guest/guest_init lab/guest/compact_memory lab/guest/look_for_leaks \
		lab/guest/live_vm_report lab/guest/live_vm_tell lab/guest/systemd/vmm \
		lab/guest/systemd/zz-vmlinuz)
}

# Its configuration is pyproject.toml.
python_lint()
{
	(cd "$ROOT" && git ls-files -z '*.py' | xargs -0 pylint)
}

step checkpatch checkpatch
step series "$ROOT/scripts/series.py" checkpatch
step kernel-doc kernel_doc
step W=1+sparse w1_sparse
step exports exports
step docs "$ROOT/scripts/docs.sh"
step shellcheck shell_check
step pylint python_lint

[ -z "$failed" ] || die "failed:$failed"
