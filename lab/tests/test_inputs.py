# SPDX-License-Identifier: GPL-2.0-only
"""What the lab is built from: the given kernel source, and the pinned packages."""

import os
import shutil
import subprocess
import tempfile
import unittest

SCRIPTS = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "scripts"))
MAKEFILE = "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = 4\nEXTRAVERSION ={}\n"
LOCK = "tool tool 1.0 0123\ntool libc6 2.0 4567\n"


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def script(self, name, *arguments, **environment):
        """Run one of scripts/; what it says, and whether it succeeded."""
        environment = os.environ | {"BUILD": self.path("build"), "LINUX_SERIES": ""} | environment
        done = subprocess.run([os.path.join(SCRIPTS, name), *arguments], check=False,
                              capture_output=True, env=environment, cwd=self.folder)
        return done.stderr.decode(), done.returncode == 0, done.stdout

    def program(self, text, *names):
        """A shell script."""
        os.makedirs(os.path.dirname(self.path(*names)), exist_ok=True)
        with open(self.path(*names), "w") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(self.path(*names), 0o755)

    def scripts(self, *names):
        """A scripts/ of the test's own, with some of ours."""
        os.makedirs(self.path("scripts"), exist_ok=True)
        for name in names:
            os.symlink(os.path.join(SCRIPTS, name), self.path("scripts", name))


class KernelSource(InFolder):
    def tree(self, version=7, patchlevel=3, extra=""):
        os.makedirs(self.path("src"), exist_ok=True)
        with open(self.path("src", "Makefile"), "w") as f:
            f.write(MAKEFILE.format(version, patchlevel, extra))
        return self.path("src")

    def tarball(self, suffix):
        tarball = self.path("linux.tar" + suffix)
        subprocess.run(["tar", "-c", "-a", "-f", tarball, "-C", self.folder, "src"], check=True)
        return tarball

    def refused(self, source):
        text, ok, _ = self.script("prepare.sh", KERNEL_SRC=source)
        self.assertFalse(ok)
        self.assertFalse(os.path.exists(self.path("build", "linux")))
        return text

    def test_other_series(self):
        self.tree(patchlevel=2)
        self.assertIn("is Linux 7.2, the overlay is for 7.3.x", self.refused(self.tarball(".xz")))
        self.assertIn("is Linux 7.4, the overlay is for 7.3.x",
                      self.refused(self.tree(patchlevel=4)))

    def test_release_candidate(self):
        self.assertIn("is Linux 7.3-rc7,", self.refused(self.tree(extra=" -rc7")))

    def test_nothing_there(self):
        self.assertIn("no such file or folder", self.refused(self.path("none")))

    def test_tree_that_was_built_in(self):
        self.tree()
        with open(self.path("src", ".config"), "w"):
            pass
        self.assertIn("run make mrproper there first", self.refused(self.path("src")))

    def test_every_kind_of_source(self):
        tree = self.tree()
        for source in (tree, self.tarball(""), self.tarball(".gz"), self.tarball(".xz")):
            with self.subTest(source):
                text, ok, archive = self.script("fetch-linux.sh", KERNEL_SRC=source)
                self.assertTrue(ok, text)
                unpacked = subprocess.run(["tar", "-x", "-O", "--wildcards", "*/Makefile"],
                                          input=archive, capture_output=True, check=True)
                self.assertEqual(unpacked.stdout.decode(), MAKEFILE.format(7, 3, ""))


    def prepare(self, source):
        return self.script(self.path("scripts", "prepare.sh"), KERNEL_SRC=source)[:2]

    def test_tarball_of_the_series(self):
        self.scripts("prepare.sh", "fetch-linux.sh", "lib.sh")
        self.program('cat "$BUILD/linux/Makefile" > "$BUILD/$1"', "scripts", "overlay.py")
        self.tree()
        tarball = self.tarball(".xz")
        text, ok = self.prepare(tarball)
        self.assertTrue(ok, text)
        log = subprocess.run(["git", "-C", self.path("build", "linux"), "log", "--format=%s",
                              "--name-only"], stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(log.stdout.split(), ["vanilla", "Makefile"])
        with open(self.path("build", "lay")) as f:
            self.assertEqual(f.read(), MAKEFILE.format(7, 3, ""))
        self.assertEqual(self.prepare(tarball), ("", True))
        text, ok = self.prepare(self.path("src"))
        self.assertIn("was made from another source", text)
        self.assertFalse(ok)

    def test_archive_that_does_not_have_the_series(self):
        self.program('case "$*" in\n'
                     'indextargets*) echo stable main http://mirror ;;\n'
                     '*download*) echo "E: Unable to locate package $3"; exit 100 ;;\n'
                     'esac', "bin", "apt-get")
        self.program("echo 'Acquire::Retries \"0\";'", "bin", "apt-config")
        text, ok, _ = self.script("prepare.sh", KERNEL_SRC="",
                                  PATH=self.path("bin") + os.pathsep + os.environ["PATH"])
        self.assertIn("E: Unable to locate package linux-source-7.3\n", text)
        self.assertIn("no linux-source-7.3. If trixie-backports has moved on to another series: "
                      "KERNEL_SRC=<tarball or tree of Linux 7.3.x>\n", text)
        self.assertFalse(ok)
        self.assertFalse(os.path.exists(self.path("build", "linux")))


class Qemu(InFolder):
    """The QEMU that is given, by its path from the folder in which make runs."""

    def given(self, version):
        self.program(f"echo 'QEMU emulator version {version} (Debian)'", "q")
        text, ok, _ = self.script("fetch-qemu.sh", QEMU="./q")
        return text, ok

    def test_old_one(self):
        for version in ("10.0.2", "9.2.0", "11.0.50"):
            text, ok = self.given(version)
            self.assertIn(f"need version 11.1 or newer, this is '{version}'", text)
            self.assertFalse(ok)
            self.assertFalse(os.path.exists(self.path("build", "qemu")))

    def test_new_one(self):
        for version in ("11.1.0", "12.0.1"):
            text, ok = self.given(version)
            self.assertTrue(ok, text)
            done = subprocess.run([self.path("build", "qemu", "qemu-system-x86_64")], check=True,
                                  stdout=subprocess.PIPE, text=True)
            self.assertIn(version, done.stdout)

    def test_none(self):
        text, ok, _ = self.script("fetch-qemu.sh", QEMU="./q")
        self.assertIn("this is ''", text)
        self.assertFalse(ok)


class Package(InFolder):
    """Arguments from which no package can be made are refused before anything is built."""

    def refused(self, **variables):
        text, ok, _ = self.script("deb-pkg.sh", **variables)
        self.assertFalse(ok)
        self.assertFalse(os.path.exists(self.path("build", "package")))
        return text

    def test_revision_is_part_of_a_name(self):
        for revision in ("1_2", "a b", "A"):
            self.assertIn(f"REVISION={revision}: ", self.refused(REVISION=revision))

    def test_kernel_tree_is_missing(self):
        self.assertIn("make prepare", self.refused())

    def test_configuration_is_missing(self):
        os.makedirs(self.path("build", "linux"))
        with open(self.path("build", "linux", "Makefile"), "w"):
            pass
        self.assertIn("no such file", self.refused(CONFIG=self.path("none")))


@unittest.skipUnless(shutil.which("dpkg-deb"), "needs dpkg-deb")
class PinnedPackages(InFolder):
    """Judged by inputs.sh, copied beside a lock file of the test's own."""

    def setUp(self):
        super().setUp()
        self.scripts("inputs.sh", "lib.sh")
        self.package("tool", "1.0")

    def package(self, name, version):
        os.makedirs(self.path(name, "DEBIAN"), exist_ok=True)
        with open(self.path(name, "DEBIAN", "control"), "w") as f:
            f.write(f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
                    "Maintainer: nobody <nobody@localhost>\nDescription: none\n")
        os.makedirs(self.path("deb"), exist_ok=True)
        subprocess.run(["dpkg-deb", "-b", self.path(name), self.path("deb", name + ".deb")],
                       capture_output=True, check=True)

    def inputs(self, *arguments):
        text, ok, _ = self.script(self.path("scripts", "inputs.sh"), *arguments)
        return text, ok

    def pin(self):
        self.assertEqual(self.inputs("check", "tool", self.path("deb"))[1], True)
        self.assertEqual(self.inputs("pin"), ("", True))

    def check(self):
        return self.inputs("check", "tool", self.path("deb"))

    def test_same(self):
        self.pin()
        self.assertEqual(self.check(), ("", True))

    def test_not_pinned(self):
        text, ok = self.check()
        self.assertIn("NOTE     tool: tool 1.0 is not pinned", text)
        self.assertTrue(ok)

    def test_newer(self):
        self.pin()
        self.package("tool", "1.1")
        text, ok = self.check()
        self.assertIn("NOTE     tool: tool 1.1, pinned is 1.0", text)
        self.assertTrue(ok)

    def test_other_file_of_the_same_version(self):
        self.pin()
        with open(self.path("scripts", "inputs.lock")) as f:
            line = f.read().split()
        with open(self.path("scripts", "inputs.lock"), "w") as f:
            print(*line[:3], "0" * 64, file=f)
        text, ok = self.check()
        self.assertIn("tool: tool 1.0 is not the file that is pinned", text)
        self.assertFalse(ok)

    def test_pin_replaces_an_input_as_a_whole(self):
        with open(self.path("scripts", "inputs.lock"), "w") as f:
            f.write("other other 3.0 89ab\n" + LOCK)
        self.package("tool", "1.1")
        self.pin()
        with open(self.path("scripts", "inputs.lock")) as f:
            self.assertEqual([line.split()[:3] for line in f],
                             [["other", "other", "3.0"], ["tool", "tool", "1.1"]])


if __name__ == "__main__":
    unittest.main()
