# SPDX-License-Identifier: GPL-2.0
"""Build the kernel after each patch of the series, with the options on and off.

The configuration is that of the lab's kernel, KUnit suites included. "on" links vmlinux,
so that nothing is called before the patch that brings it; a driver that selects what it
uses comes last in the series, so its part is played by lines at the end of init/Kconfig.
"off" has none of the options of the series, and builds the folders that it touches.
"""

import os
import subprocess

from overlay import REPO, OverlayError, say

# What vfio-pci selects, for the patches before it.
SELECTS = """
config SERIES_BUILD
	def_bool y
	select IRQ_LIVEUPDATE if HAVE_IRQ_LIVEUPDATE
	select PCI_LIVEUPDATE if HAVE_IRQ_LIVEUPDATE
"""
FOLDERS = ["arch/x86/kernel/apic/", "drivers/base/", "drivers/iommu/", "drivers/pci/",
           "drivers/usb/host/", "drivers/vfio/", "kernel/irq/", "kernel/liveupdate/",
           "lib/kunit/", "mm/"]
OFF = "# CONFIG_VFIO_PCI_LIVEUPDATE is not set\n"


class Builder:
    """A work tree of the series, and a folder of objects for each configuration."""

    def __init__(self, git_dir, folder):
        self.git_dir = git_dir
        self.tree = os.path.join(folder, "series.tree")
        self.build = folder
        os.makedirs(self.tree, exist_ok=True)

    def checkout(self, commit):
        env = dict(os.environ, GIT_INDEX_FILE=self.tree + ".index")
        subprocess.run(["git", f"--git-dir={self.git_dir}", f"--work-tree={self.tree}",
                        "checkout", "-q", "-f", "--detach", commit], env=env, check=True)

    def make(self, name, *targets):
        """Run make for one configuration; returns whether it went well."""
        out = os.path.join(self.build, f"series.{name}")
        run = subprocess.run(
            ["make", "-C", self.tree, f"O={out}", "ARCH=x86_64", "-s", "-k",
             "--no-print-directory", f"-j{os.environ.get('JOBS', os.cpu_count())}",
             f"CC={os.environ.get('CC', 'ccache gcc')}", "KCFLAGS=-Werror", *targets],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env=dict(os.environ, CCACHE_BASEDIR=self.build, CCACHE_NOHASHDIR="1",
                     KBUILD_BUILD_TIMESTAMP="2026-01-01 00:00:00 UTC"))
        if run.returncode:
            print(run.stdout)
        return run.returncode == 0

    def configure(self, name):
        """The lab's configuration, with the options of the series on or off."""
        out = os.path.join(self.build, f"series.{name}")
        os.makedirs(out, exist_ok=True)
        config = os.path.join(out, ".config")
        with open(os.path.join(REPO, "lab/configs/base.config"), encoding="utf-8") as file:
            wishes = file.read() + (OFF if name == "off" else "")
        with open(config + ".wishes", "w", encoding="utf-8") as file:
            file.write(wishes)
        if name == "on":
            with open(os.path.join(self.tree, "init/Kconfig"), "a",
                      encoding="utf-8") as file:
                file.write(SELECTS)
        old = None
        if os.path.exists(config):
            with open(config, "rb") as file:
                old = (file.read(), os.stat(config).st_mtime_ns)
        ok = self.make(name, f"KCONFIG_ALLCONFIG={config}.wishes", "allnoconfig")
        with open(config, "rb") as file:
            if old and file.read() == old[0]:
                os.utime(config, ns=(old[1], old[1]))
        return ok

    def check(self, commit):
        """Build one commit; returns the configurations that fail."""
        self.checkout(commit)
        bad = []
        for name, targets in (("off", FOLDERS), ("on", ["vmlinux"])):
            if not (self.configure(name) and self.make(name, *targets)):
                bad.append(name)
        return bad


def build(plan, git_dir, folder, which="1-"):
    """Build after each patch; 1 when one fails."""
    first, _, last = which.partition("-")
    if not first.isdigit() or last and not last.isdigit():
        raise OverlayError(f"{which}: say which patches, as in 3-7")
    commits = subprocess.run(["git", f"--git-dir={git_dir}", "rev-list", "--reverse",
                              f"-{len(plan.patches)}", "series"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout.split()
    builder, status = Builder(git_dir, os.path.abspath(folder)), 0
    for number in range(int(first), int(last or len(commits)) + 1):
        bad = builder.check(commits[number - 1])
        name = plan.patches[number - 1].name
        say("FAILED" if bad else "BUILT", f"{number:02} {name} {' '.join(bad)}")
        status |= bool(bad)
    return status
