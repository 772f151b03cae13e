# SPDX-License-Identifier: GPL-2.0-only
"""There is no run with an image or a kernel that is older than its sources."""

import os
import tempfile
import unittest

from machine import builds
from scenarios import scenario

FLAVOUR = "lab"


class Ready(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.source = os.path.join(directory.name, "source")
        self.build = builds.Build(os.path.join(directory.name, "build"), self.source)
        self.init = self._file(self.source, "lab", "guest", "init")
        self.program = self._file(self.source, builds.IMAGE_SOURCES[0], "vmm.c")
        self._file(self.source, "scripts", "build-initramfs.sh")
        self.liveupdate = self._file(self.build.directory, "linux", "kernel/irq/liveupdate.c")
        self.chip = self._file(self.build.directory, "linux", "kernel/irq/chip.c")
        self.page = self._file(self.build.directory, "linux", "Documentation/irq-liveupdate.rst")
        with open(self._file(self.build.directory, "overlay.laid"), "w") as record:
            record.write("1 1 Documentation/irq-liveupdate.rst\n2 2 kernel/irq/chip.c.patch\n"
                         "3 3 kernel/irq/gone.c\n4 4 kernel/irq/liveupdate.c\n")
        for path in (self.build.qemu, self.build.initrd):
            self._file(path)
        self._kernel(FLAVOUR)

    def _file(self, *parts, time=1000):
        path = os.path.join(*parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").close()
        os.utime(path, (time, time))
        return path

    def _kernel(self, flavour, time=1000):
        """A kernel, and when its build began. The image itself may be older."""
        kernel = self._file(self.build.kernel(flavour), time=500)
        return self._file(kernel.removesuffix("arch/x86/boot/bzImage"), ".built", time=time)

    def test_image_is_as_new_as_its_sources(self):
        self.assertIsNone(self.build.not_ready([FLAVOUR]))

    def test_nothing_is_built(self):
        os.unlink(self.build.initrd)
        self.assertEqual(self.build.not_ready([FLAVOUR]), f"not built: {self.build.initrd}")

    def test_image_is_older_than_a_source(self):
        for path in (self.init, self.program):
            os.utime(path, (1001, 1001))
            self.assertEqual(self.build.not_ready([FLAVOUR]),
                             f"{self.build.initrd} is older than {path}: make image")
            os.utime(path, (1000, 1000))

    def test_other_image_is_looked_at_if_it_is_needed(self):
        other = self.build.image("systemd")
        self.assertEqual(self.build.not_ready([FLAVOUR], ["systemd"]), f"not built: {other}")
        self._file(other, time=999)
        self.assertIn(f"{other} is older than", self.build.not_ready([FLAVOUR], ["systemd"]))
        self.assertIsNone(self.build.not_ready([FLAVOUR]))

    def test_kernel_is_older_than_a_source(self):
        for path in (self.liveupdate, self.chip):
            os.utime(path, (1001, 1001))
            self.assertEqual(self.build.not_ready([FLAVOUR]),
                             f"{self.build.kernel(FLAVOUR)} is older than {path}: "
                             f"BUILD={self.build.directory} scripts/build-kernel.sh lab")
            os.utime(path, (1000, 1000))

    def test_kernel_is_newer_than_its_sources_although_its_image_is_not(self):
        os.utime(self.liveupdate, (2000, 2000))
        self._kernel(FLAVOUR, time=2001)
        self.assertIsNone(self.build.not_ready([FLAVOUR]))

    def test_documentation_makes_no_kernel_old(self):
        os.utime(self.page, (2000, 2000))
        self.assertIsNone(self.build.not_ready([FLAVOUR]))

    def test_kernel_whose_build_never_ended(self):
        built = self._kernel("nolu")
        os.unlink(built)
        self.assertEqual(self.build.not_ready([FLAVOUR, "nolu"]), f"not built: {built}")

    def test_package_is_older_than_a_source(self):
        self._kernel("package-1", time=2001)
        self._kernel("package-2")
        self.assertIsNone(self.build.not_ready(["package-1", "package-2"]))
        os.utime(self.liveupdate, (2000, 2000))
        self.assertEqual(self.build.not_ready(["package-1", "package-2"]),
                         f"{self.build.kernel('package-2')} is older than {self.liveupdate}: "
                         "make deb-pkg REVISION=2")

    def test_kernel_of_another_series_has_sources_of_its_own(self):
        self._kernel("7.2:lab")
        other = self._file(f"{self.build.directory}-7.2", "linux", "kernel/irq/liveupdate.c")
        with open(self._file(f"{self.build.directory}-7.2", "overlay.laid"), "w") as record:
            record.write("4 4 kernel/irq/liveupdate.c\n")
        self.assertIsNone(self.build.not_ready([FLAVOUR, "7.2:lab"]))
        os.utime(other, (1001, 1001))
        self.assertIn(f"is older than {other}: BUILD={self.build.directory}-7.2 scripts/",
                      self.build.not_ready([FLAVOUR, "7.2:lab"]))

    def test_patch_of_a_function_that_is_not_there(self):
        """The compiler has made a part of it, or has inlined it."""
        with open(self._file(self.build.directory, "kernel", FLAVOUR, "System.map"), "w",
                  encoding="utf-8") as symbols:
            symbols.write("ffffffff81000000 t block.isra.0\nffffffff81000010 T flush\n")
        patched = scenario.Scenario("patched", "", patch={"block": "flush"})
        self.assertEqual(self.build.unpatchable(patched),
                         "patched: cannot patch the kernel lab, which has no symbol block: name "
                         "a function that is not inlined")
        for patch in ({}, {"flush": "block.isra.0"}):
            good = scenario.Scenario("patched", "", next_patch=patch)
            self.assertIsNone(self.build.unpatchable(good))

    def test_package_is_not_built(self):
        flavours = [FLAVOUR, "package-1", "package-2"]
        self.assertEqual(self.build.unbuilt_package(flavours), "make deb-pkg REVISION=1")
        self._file(self.build.kernel("package-1"))
        self.assertEqual(self.build.unbuilt_package(flavours), "make deb-pkg REVISION=2")
        self._file(self.build.kernel("package-2"))
        self.assertIsNone(self.build.unbuilt_package(flavours))
        self.assertIsNone(self.build.unbuilt_package(["nolu"]))

    def test_option_that_a_kernel_does_not_have(self):
        with open(self._file(self.build.directory, "kernel", FLAVOUR, ".config"), "w",
                  encoding="utf-8") as config:
            config.write("CONFIG_VFIO=y\n# CONFIG_FAILSLAB is not set\n")
        for needs, lacking in (((), None), (("VFIO",), None),
                               (("VFIO", "FAILSLAB"), "CONFIG_FAILSLAB"),
                               (("IOMMUFD_NOIOMMU",), "CONFIG_IOMMUFD_NOIOMMU")):
            one = scenario.Scenario("one", "", kernels=(FLAVOUR, FLAVOUR), needs=needs)
            self.assertEqual(self.build.lacking(one), lacking)

    def test_release_is_in_the_image(self):
        self.assertIsNone(self.build.release("7.2:lab"))
        with open(self.build.kernel(FLAVOUR), "wb") as image:
            image.write(bytes(0x20e) + (0x3000).to_bytes(2, "little") + bytes(0x2ff0)
                        + b"7.3.4-lab (lab@lab) #1 SMP\0" + bytes(100))
        self.assertEqual(self.build.release(FLAVOUR), "7.3.4-lab")

    def test_kernel_of_another_series(self):
        flavours = (FLAVOUR, f"7.2:{FLAVOUR}")
        path = self.build.kernel("7.2:lab")
        self.assertEqual(path, self.build.kernel(FLAVOUR).replace("/build/", "/build-7.2/"))
        self.assertEqual(self.build.unbuilt_package(flavours),
                         "build-7.2/kernel/lab/arch/x86/boot/bzImage")
        self._file(path)
        self.assertIsNone(self.build.unbuilt_package(flavours))


if __name__ == "__main__":
    unittest.main()
