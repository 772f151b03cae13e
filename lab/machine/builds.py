# SPDX-License-Identifier: GPL-2.0-only
"""Where a build directory keeps what the lab needs, and where results go."""

import os
import shutil
import subprocess

from machine import abi
from machine import qemu
from machine import symbols

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What scripts/build-initramfs.sh builds the image from, except for what was fetched or installed
IMAGE_SOURCES = ("tools/testing/selftests/irq_liveupdate", "tools/irq_liveupdate", "lab/guest",
                 "scripts/build-initramfs.sh")

# Offset in a bzImage, see Documentation/arch/x86/boot.rst: kernel_version
RELEASE_POINTER = 0x20e
SETUP_BYTES = 0x200
RELEASE_BYTES = 65


# Flavours of kernels that come from packages, see scripts/deb-pkg.sh
PACKAGE = "package-"

# Of the overlay's files in the kernel tree, those that no kernel is compiled from
NOT_COMPILED = ("Documentation/", "tools/", "MAINTAINERS")


def _newest(paths):
    """The newest of these files, and of the files in these folders."""
    files = [os.path.join(directory, name) for path in paths
             for directory, _, names in os.walk(path) for name in names]
    return max(files + [path for path in paths if os.path.isfile(path)], key=os.path.getmtime)


class Build:
    def __init__(self, directory, source=os.path.dirname(LAB)):
        self.directory = os.path.abspath(directory)
        self.source = source
        self.qemu = self._path("qemu", "qemu-system-x86_64")
        self.initrd = self.image("initrd")
        self.guest_initrd = self._path("guest.img")

    def _path(self, *parts):
        return os.path.join(self.directory, *parts)

    def image(self, name):
        return self._path(f"{name}.img")

    def _of_series(self, flavour):
        """The build directory of a kernel, and its name there. One of another series, "7.2:lab", is
        in the build directory of that series."""
        series, _, name = flavour.rpartition(":")
        return f"{self.directory}-{series}" if series else self.directory, name

    def _of_kernel(self, flavour, *parts):
        """A path of a kernel."""
        directory, name = self._of_series(flavour)
        return os.path.join(directory, "kernel", name, *parts)

    def kernel(self, flavour):
        return self._of_kernel(flavour, "arch", "x86", "boot", "bzImage")

    def release(self, flavour):
        """The release of a kernel, from the header of its image; None if it is not built."""
        if not os.path.exists(self.kernel(flavour)):
            return None
        with open(self.kernel(flavour), "rb") as image:
            image.seek(RELEASE_POINTER)
            image.seek(SETUP_BYTES + int.from_bytes(image.read(2), "little"))
            return image.read(RELEASE_BYTES).split()[0].decode()

    def vmlinux(self, flavour):
        return self._of_kernel(flavour, "vmlinux")

    def symbols(self, flavour):
        return symbols.Symbols(self.map(flavour))

    def layouts(self, flavour):
        """The structures that a kernel hands over: those of its series."""
        directory, _ = self._of_series(flavour)
        return abi.structures(os.path.join(directory, "layouts.json"))

    def map(self, flavour):
        return self._of_kernel(flavour, "System.map")

    def _has(self, flavour, option):
        with open(self._of_kernel(flavour, ".config"), encoding="utf-8") as config:
            return f"CONFIG_{option}=y\n" in config

    def unbuilt_package(self, flavours):
        """The command that builds the first of these kernels that is a package and was not built,
        or the path of the first one of another series that is missing, or None."""
        for flavour in flavours:
            if ":" in flavour and not os.path.exists(self.kernel(flavour)):
                return os.path.relpath(self.kernel(flavour), os.path.dirname(self.directory))
            if flavour.startswith(PACKAGE) and not os.path.exists(self.kernel(flavour)):
                return self._command(flavour)
        return None

    def _command(self, flavour):
        """The command that builds a kernel."""
        if flavour.startswith(PACKAGE):
            return f"make deb-pkg REVISION={flavour.removeprefix(PACKAGE)}"
        directory, name = self._of_series(flavour)
        return f"BUILD={directory} scripts/build-kernel.sh {name}"

    def _sources(self, flavour):
        """The overlay's files that a kernel is compiled from, as "make prepare" recorded them."""
        directory, _ = self._of_series(flavour)
        with open(os.path.join(directory, "overlay.laid"), encoding="utf-8") as record:
            laid = [line.rstrip("\n").split(" ", 2)[2].removesuffix(".patch") for line in record]
        return [os.path.join(directory, "linux", path) for path in laid
                if not path.startswith(NOT_COMPILED)]

    def _why_stale(self, flavour):
        """Why a kernel is not made from the sources as they are, or None."""
        began = self._of_kernel(flavour, ".built")
        newer = [path for path in self._sources(flavour) if os.path.exists(path)
                 and os.path.getmtime(path) > os.path.getmtime(began)]
        if not newer:
            return None
        return f"{self.kernel(flavour)} is older than {newer[0]}: {self._command(flavour)}"

    def lacking(self, scenario):
        """The first option that a scenario needs and one of its kernels does not have, or None."""
        for option in scenario.needs:
            if not all(self._has(flavour, option) for flavour in scenario.kernels):
                return f"CONFIG_{option}"
        return None

    def unpatchable(self, scenario):
        """Why the patches of a scenario cannot be applied to its old kernel, or None. A patch
        of the next kernel is looked for there as well, see Run._check_patches()."""
        names = {name for patch in (scenario.patch, scenario.next_patch)
                 for pair in patch.items() for name in pair}
        flavour = scenario.kernels[0]
        missing = self.symbols(flavour).lacks(names) if names else []
        if not missing:
            return None
        return (f"{scenario.name}: cannot patch the kernel {flavour}, which has no symbol "
                f"{', '.join(missing)}: name a function that is not inlined")

    def own_files(self):
        """The overlay's own kernel C files, without its suites."""
        listed = subprocess.run([os.path.join(self.source, "scripts", "overlay.py"), "list"],
                                check=True, capture_output=True, text=True).stdout.split()
        return [name for name in listed if name.endswith(".c")
                and not name.endswith("_test.c") and not name.startswith("tools/")]

    def own_objects(self, flavour):
        """Their object files in a kernel."""
        paths = [self._of_kernel(flavour, name[:-1] + "o") for name in self.own_files()]
        return [path for path in paths if os.path.exists(path)]

    def plugin(self, name="tablewatch"):
        return qemu.build_plugin(self.directory, name)

    def serializer_cost(self):
        return self._path("serializer", "cost")

    def results(self, name=None):
        """The directory of all results, or an empty one for a scenario."""
        if name is None:
            return self._path("results")
        directory = self._path("results", name)
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        return directory

    def drop_results(self, name):
        """In many runs, only the logs of failed ones are worth their space."""
        shutil.rmtree(self._path("results", name))

    def not_ready(self, flavours, images=("initrd",)):
        """Why these kernels and images cannot be used for a run, or None."""
        images = [self.image(name) for name in images]
        needed = [self.qemu, *images] + [path for flavour in flavours for path in
                                         (self.kernel(flavour), self._of_kernel(flavour, ".built"))]
        missing = [path for path in needed if not os.path.exists(path)]
        if missing:
            return "not built: " + ", ".join(missing)
        newest = _newest([os.path.join(self.source, path) for path in IMAGE_SOURCES])
        for image in images:
            if os.path.getmtime(newest) > os.path.getmtime(image):
                return f"{image} is older than {newest}: make image"
        return next(filter(None, map(self._why_stale, flavours)), None)
