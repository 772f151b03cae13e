# SPDX-License-Identifier: GPL-2.0
"""Build the kernel after each patch of the series, with the options on and off.

The configuration is that of the lab's kernel, KUnit suites included. "on" has the options
of the series; the drivers that select them come late in the series, so their part is played
by lines at the end of init/Kconfig. "off" has none of them. After each patch, both
build the folders that the series touches, and at the end of each part "on" links vmlinux,
so that nothing is called before the part that brings it. The last patch is also built for
other architectures, whose drivers do not implement the handover: 32 bit with the options
off, and 64 bit with what is generic on.
"""

import dataclasses
import os
import shutil
import subprocess
import time

from overlay import REPO, OverlayError, say

FOLDERS = ("drivers/base/", "drivers/iommu/", "drivers/pci/", "drivers/usb/host/",
           "drivers/vfio/", "kernel/irq/", "kernel/liveupdate/", "lib/kunit/", "mm/")
# What vfio-pci and a driver of interrupt remapping units select, for the patches before them
# and for an architecture that has no such driver.
SELECTS = """
config SERIES_BUILD
	def_bool y
	select HAVE_IRQ_LIVEUPDATE
	select IRQ_LIVEUPDATE
	select PCI_LIVEUPDATE
"""
# What the objects of the lab's kernel are built with.
ENVIRONMENT = {"KBUILD_BUILD_TIMESTAMP": "2026-01-01 00:00:00 UTC", "LC_ALL": "C",
               "KBUILD_BUILD_USER": "lab", "KBUILD_BUILD_HOST": "lab",
               "CCACHE_NOHASHDIR": "1",
               "CCACHE_SLOPPINESS": "time_macros,include_file_mtime,include_file_ctime"}


@dataclasses.dataclass(frozen=True)
class Variant:
    """An architecture, and how the options of the series are set."""

    name: str
    arch: str = "x86_64"
    cross: str = ""
    fragment: str = ""
    selects: str = ""
    folders: tuple = FOLDERS + ("arch/x86/kernel/apic/",)


OFF = "# CONFIG_VFIO_PCI_LIVEUPDATE is not set\n"
EACH = (Variant("off", fragment=OFF), Variant("on", selects=SELECTS))
LAST = (Variant("i386", arch="i386", fragment=OFF + "# CONFIG_64BIT is not set\n"),
        Variant("arm64", arch="arm64", cross="aarch64-linux-gnu-", selects=SELECTS,
                folders=FOLDERS))


class Builder:
    """A work tree of the series, and a folder of objects for each variant.

    They lie to each other as build/linux and build/kernel/FLAVOUR do, so that the compiler
    cache knows what the lab's kernel has in common with them.
    """

    def __init__(self, git_dir, folder):
        self.git_dir = git_dir
        self.folder = folder
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

    def make(self, variant, *targets):
        """Run make for one variant; returns whether it went well."""
        run = subprocess.run(
            ["make", "-C", self.tree, f"O={self.out(variant)}", f"ARCH={variant.arch}", "-s", "-k",
             "--no-print-directory", f"-j{os.environ.get('JOBS', os.cpu_count())}",
             f"CROSS_COMPILE={variant.cross}", f"CC=ccache {variant.cross}gcc",
             "HOSTCC=ccache gcc", *targets],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env=dict(os.environ, CCACHE_BASEDIR=self.folder, **ENVIRONMENT))
        bad = run.returncode or " warning: " in run.stdout
        if bad:
            print(run.stdout, flush=True)
        return not bad

    def configure(self, variant):
        """The lab's configuration, with the options of the series on or off."""
        out = self.out(variant)
        fragment = out + ".config"
        with open(fragment, "w", encoding="utf-8") as file:
            file.write(variant.fragment)
        merge = ["scripts/kconfig/merge_config.sh", "-m", "-O", out,
                 os.path.join(out, ".config"),
                 os.path.join(REPO, "lab/configs/base.config"), fragment]
        return (self.make(variant, "tinyconfig")
                and subprocess.run(merge, cwd=self.tree, stdout=subprocess.DEVNULL,
                                   check=False).returncode == 0
                and self.make(variant, "olddefconfig"))

    def build(self, variant, options_change, link):
        """Build one variant of what is checked out; returns whether it went well."""
        os.makedirs(self.out(variant), exist_ok=True)
        with open(os.path.join(self.tree, "init/Kconfig"), "r+", encoding="utf-8") as file:
            # The lines of another variant go.
            text = file.read().partition("\nconfig SERIES_BUILD\n")[0]
            file.seek(0)
            file.write(text + variant.selects)
            file.truncate()
        return ((not options_change or self.configure(variant))
                and self.make(variant, *(["vmlinux"] if link else variant.folders)))


def commits_of(git_dir, patches):
    """The commits of the series, the first one first."""
    return subprocess.run(["git", f"--git-dir={git_dir}", "rev-list", "--reverse",
                           f"-{len(patches)}", "series"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.split()


def build_patch(builder, plan, number, options_change):
    """Build after one patch; returns the variants that fail."""
    last = number == len(plan.patches)
    ends_part = last or plan.patches[number].part != plan.patches[number - 1].part
    bad = [variant.name for variant in EACH
           if not builder.build(variant, options_change, ends_part and variant.name == "on")]
    for variant in LAST if last else ():
        if not shutil.which(variant.cross + "gcc"):
            say("NOTE", f"{variant.name} is not built: no {variant.cross}gcc")
        elif not builder.build(variant, True, False):
            bad.append(variant.name)
    return bad


def build(plan, git_dir, folder, which="1-"):
    """Build after each patch; 1 when one fails."""
    first, _, last = which.partition("-")
    if not first.isdigit() or last and not last.isdigit():
        raise OverlayError(f"{which}: say which patches, as in 3-7")
    commits = commits_of(git_dir, plan.patches)
    builder = Builder(git_dir, os.path.abspath(os.path.join(folder, "series.build")))
    status, begin = 0, time.monotonic()
    for number in range(int(first), int(last or len(commits)) + 1):
        patch, start = plan.patches[number - 1], time.monotonic()
        options_change = number == int(first) or any(
            os.path.basename(path).startswith("Kconfig")
            for path, _, _ in plan.written(patch))
        builder.checkout(commits[number - 1])
        bad = build_patch(builder, plan, number, options_change)
        say("FAILED" if bad else "BUILT", f"{number:02} {patch.name} {' '.join(bad)} "
            f"({time.monotonic() - start:.0f} s)")
        status |= bool(bad)
    say("SERIES", f"built in {time.monotonic() - begin:.0f} s")
    return status
