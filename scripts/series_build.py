# SPDX-License-Identifier: GPL-2.0
"""Build the kernel after each patch of the series, with the options on and off.

The configuration is that of the lab's kernel, KUnit suites included, plus everything else that the
series touches. "on" has the options of the series; the drivers that select them come late in the
series, so their part is played by lines at the end of a copy of the kernel's Kconfig. "off" has
none of them. After a patch, both build the folders of the files that it touches, and all folders of
the series if it touches a header that they share, or an option; make compiles what depends on that.
No patch may call what only a later one defines: the symbols that objects of "on" lack are compared
with those that the series defines. At the end of each part, the same folders are built without SMP,
and for other architectures, whose drivers do not implement the handover: 32 bit with the options
off, and 64 bit with the generic ones on.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import time

from overlay import REPO, OverlayError, say

FOLDERS = ("drivers/base/", "drivers/firmware/", "drivers/iommu/", "drivers/pci/",
           "drivers/usb/host/", "drivers/vfio/", "drivers/virtio/", "kernel/irq/",
           "kernel/liveupdate/", "lib/kunit/", "mm/")
X86_FOLDERS = FOLDERS + ("arch/x86/kernel/apic/",)
# Only the part of lib/ that the series touches
OBJECTS = {"lib/idr.c": "lib/idr.o", "lib/test_ida.c": "lib/test_ida.o"}
# Nothing there is compiled for the kernel.
NO_CODE = ("Documentation/", "MAINTAINERS", "tools/")
# Folders with many files and headers of their own: they are not compiled for a change to other
# headers, because only a patch that touches them makes them use what the series declares.
ALONE = ("drivers/base/", "drivers/firmware/", "drivers/usb/host/", "lib/kunit/", "mm/")
# What vfio-pci and an interrupt remapping driver select, for the patches before them
# and for an architecture that has no such driver.
SELECTS = """
config SERIES_BUILD
	def_bool y
	depends on LIVEUPDATE && PCI_MSI
	select HAVE_IRQ_LIVEUPDATE
	select IRQ_LIVEUPDATE
	select PCI_LIVEUPDATE
"""
# Options that the series touches and the lab's kernel lacks
MORE = "CONFIG_USB_SUPPORT=y\nCONFIG_USB=y\nCONFIG_USB_PCI=y\n"
# What the objects of the lab's kernel are built with.
ENVIRONMENT = {"KBUILD_BUILD_TIMESTAMP": "2026-01-01 00:00:00 UTC", "LC_ALL": "C",
               "KBUILD_BUILD_USER": "lab", "KBUILD_BUILD_HOST": "lab",
               "CCACHE_NOHASHDIR": "1",
               "CCACHE_SLOPPINESS": "time_macros,include_file_mtime,include_file_ctime"}
# Warnings of Kconfig and of modpost, as well as of the compiler
WARNING = re.compile(r"\bwarning:", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Variant:
    """An architecture, and how the options of the series are set."""

    name: str
    arch: str = "x86_64"
    cross: str = ""
    fragment: str = ""
    selects: str = ""
    folders: tuple = X86_FOLDERS


OFF = "# CONFIG_VFIO_PCI_LIVEUPDATE is not set\n"
EACH = (Variant("off", fragment=OFF), Variant("on", selects=SELECTS))
OTHERS = (Variant("up", fragment="# CONFIG_SMP is not set\n", selects=SELECTS),
          Variant("i386", arch="i386", fragment=OFF + "# CONFIG_64BIT is not set\n"),
          Variant("arm64", arch="arm64", cross="aarch64-linux-gnu-", selects=SELECTS,
                  folders=FOLDERS))


def targets(paths, variant):
    """What to build after a patch that touches these files."""
    code = [path for path in paths if not path.startswith(NO_CODE)]
    shared = any(re.match(r"(arch/\w+/)?include/", path) or options_in(path) for path in code)
    folders = [folder for folder in variant.folders
               if any(path.startswith(folder) for path in code)
               or shared and folder not in ALONE]
    return folders + [OBJECTS[path] for path in code if path in OBJECTS]


def options_in(path):
    """Whether a file defines options."""
    return os.path.basename(path).startswith("Kconfig")


def symbols(folders):
    """The symbols that the objects below some folders define, and those that they lack."""
    objects = [os.path.join(where, name) for folder in folders
               for where, _, names in os.walk(folder) for name in names
               if name.endswith(".o") and not name.startswith(".")]
    defined, lacking = set(), set()
    if objects:
        text = subprocess.run(["nm", "-P", "-g", *objects], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout
        for line in text.splitlines():
            name, *kind = line.split()
            if kind:
                (lacking if kind[0] == "U" else defined).add(name)
    return defined, lacking - defined


class Builder:
    """A work tree of the series, and a folder of objects for each variant.

    Their relative paths are those of build/linux and build/kernel/FLAVOUR, so that the compiler
    cache recognizes what the lab's kernel has in common with them.
    """

    def __init__(self, git_dir, folder, final):
        """final is where the kernel with all patches is built, for the list of its symbols."""
        self.git_dir = git_dir
        self.folder = folder
        self.final = final
        self.tree = os.path.join(folder, "linux")
        os.makedirs(self.tree, exist_ok=True)

    def out(self, variant):
        """The folder of objects of a variant."""
        return os.path.join(self.folder, "kernel", variant.name)

    def checkout(self, commit):
        """Make the work tree that of a commit."""
        env = dict(os.environ, GIT_INDEX_FILE=self.tree + ".index")
        subprocess.run(["git", f"--git-dir={self.git_dir}", f"--work-tree={self.tree}",
                        "checkout", "-q", "-f", "--detach", commit], env=env, check=True)

    def kconfig(self, variant):
        """The kernel's Kconfig file with what a variant selects: it cannot be sourced."""
        name = self.out(variant) + ".Kconfig"
        with open(os.path.join(self.tree, "Kconfig"), encoding="utf-8") as file:
            text = file.read() + variant.selects
        with open(name, "a+", encoding="utf-8") as file:
            file.seek(0)
            # make goes by its time stamp.
            if file.read() != text:
                file.truncate(0)
                file.write(text)
        return name

    def make(self, variant, *words):
        """Run make for one variant; returns how many files it compiled, or None."""
        out = self.out(variant)
        kconfig = []
        if variant.selects:
            kconfig = [f"KBUILD_KCONFIG={self.kconfig(variant)}"]
        run = subprocess.run(
            ["make", "-C", self.tree, f"O={out}", f"ARCH={variant.arch}", "-k",
             "--no-print-directory", f"-j{os.environ.get('JOBS', os.cpu_count())}",
             f"CROSS_COMPILE={variant.cross}", f"CC=ccache {variant.cross}gcc",
             "HOSTCC=ccache gcc", *kconfig, *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env=dict(os.environ, CCACHE_BASEDIR=self.folder, **ENVIRONMENT))
        warned = WARNING.search(run.stdout)
        if warned:
            self.outdate(variant)
        if run.returncode or warned:
            print(run.stdout, flush=True)
            return None
        return len(re.findall(r"^  CC ", run.stdout, flags=re.M))

    def outdate(self, variant):
        """Make all objects older than their sources: make does not repeat a warning about an object
        that is up to date."""
        for where, _, names in os.walk(self.out(variant)):
            for name in names:
                if name.endswith(".o"):
                    os.utime(os.path.join(where, name), (0, 0))

    def configure(self, variant):
        """The lab's configuration, with the options of the series on or off."""
        out = self.out(variant)
        wanted = out + ".wanted"
        if not os.path.exists(wanted):
            with open(out + ".fragment", "w", encoding="utf-8") as file:
                file.write(MORE + variant.fragment)
            merge = ["scripts/kconfig/merge_config.sh", "-m", "-O", out,
                     os.path.join(out, ".config"),
                     os.path.join(REPO, "lab/configs/base.config"), out + ".fragment"]
            if (self.make(variant, "tinyconfig") is None
                    or subprocess.run(merge, cwd=self.tree, stdout=subprocess.DEVNULL,
                                      check=False).returncode):
                return False
            shutil.copy(os.path.join(out, ".config"), wanted)
        shutil.copy(wanted, os.path.join(out, ".config"))
        return self.make(variant, "olddefconfig") is not None

    def missing(self, variant):
        """The symbols that only later patches define."""
        later, _ = symbols(os.path.join(self.final, folder) for folder in variant.folders)
        _, lacking = symbols(os.path.join(self.out(variant), folder)
                             for folder in variant.folders)
        return sorted(later & lacking)

    def build(self, variant, options_change, words):
        """Build one variant of what is checked out; returns what happened, and if it failed."""
        os.makedirs(self.out(variant), exist_ok=True)
        if options_change and not self.configure(variant):
            return f"{variant.name}: no configuration", True
        if not words:
            return f"{variant.name}: nothing to compile", False
        compiled = self.make(variant, *words)
        if compiled is None:
            return f"{variant.name}: not built", True
        missing = self.missing(variant) if variant.name == "on" else []
        if missing:
            return f"{variant.name}: not defined yet: {' '.join(missing)}", True
        return f"{variant.name}: {compiled} files", False


def commits_of(git_dir, patches):
    """The commits of the series, the first one first."""
    return subprocess.run(["git", f"--git-dir={git_dir}", "rev-list", "--reverse",
                           f"-{len(patches)}", "series"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.split()


def build_patch(builder, plan, number, afresh):
    """Build after one patch; returns what happened to each variant, and whether one fails.

    afresh: nothing is built yet.
    """
    patch = plan.patches[number - 1]
    ends_part = number == len(plan.patches) or plan.patches[number].part != patch.part
    paths = [path for path, _, _ in plan.written(patch)]
    options_change = afresh or any(options_in(path) for path in paths)
    said, failed = [], False
    for variant in EACH:
        words = variant.folders if afresh else targets(paths, variant)
        what, bad = builder.build(variant, options_change, words)
        said.append(what)
        failed |= bad
    for variant in OTHERS if ends_part else ():
        if shutil.which(variant.cross + "gcc"):
            what, bad = builder.build(variant, True, variant.folders)
        else:
            what, bad = f"{variant.name}: not built, install gcc-{variant.cross[:-1]}", True
        said.append(what)
        failed |= bad
    return said, failed


def numbers(which, last):
    """The patches that A-B, A- or A names, of which there are @last."""
    match = re.fullmatch(r"(\d+)(-(\d*))?", which)
    if not match:
        raise OverlayError(f"{which}: say which patches, as in 3-7")
    first, dash, end = match.groups()
    return range(int(first), int(end or (last if dash else first)) + 1)


def prepare(plan, git_dir, folder):
    """The commits of the series, and where they are built.

    No objects are left there: those of files that only a later patch adds would look as if they
    belonged to what is built next. The compiler cache has what can be used again.
    """
    final = os.path.join(folder, "kernel/lab")
    if not os.path.exists(os.path.join(final, "vmlinux")):
        raise OverlayError("the lab's kernel is not built, with which symbols are compared")
    where = os.path.abspath(os.path.join(folder, "series.build"))
    shutil.rmtree(os.path.join(where, "kernel"), ignore_errors=True)
    return commits_of(git_dir, plan.patches), Builder(git_dir, where, final)


def build(plan, git_dir, folder, which):
    """Build after each patch; 1 if one fails."""
    commits, builder = prepare(plan, git_dir, folder)
    status, begin = 0, time.monotonic()
    chosen = numbers(which, len(commits))
    for number in chosen:
        start = time.monotonic()
        builder.checkout(commits[number - 1])
        said, failed = build_patch(builder, plan, number, number == chosen[0])
        say("FAILED" if failed else "BUILT",
            f"{number:02} {plan.patches[number - 1].name} ({', '.join(said)}; "
            f"{time.monotonic() - start:.0f} s)")
        status |= failed
    say("SERIES", f"built in {time.monotonic() - begin:.0f} s")
    return status
