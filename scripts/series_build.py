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
OFF = "# CONFIG_VFIO_PCI_LIVEUPDATE is not set\n"
FOLDERS = ["arch/x86/kernel/apic/", "drivers/base/", "drivers/iommu/", "drivers/pci/",
           "drivers/usb/host/", "drivers/vfio/", "kernel/irq/", "kernel/liveupdate/",
           "lib/kunit/", "mm/"]
# What the objects of the lab's kernel are built with.
ENVIRONMENT = {"KBUILD_BUILD_TIMESTAMP": "2026-01-01 00:00:00 UTC", "LC_ALL": "C",
               "KBUILD_BUILD_USER": "lab", "KBUILD_BUILD_HOST": "lab",
               "CCACHE_NOHASHDIR": "1",
               "CCACHE_SLOPPINESS": "time_macros,include_file_mtime,include_file_ctime"}


class Builder:
    """A work tree of the series, and a folder of objects for each configuration.

    They lie to each other as build/linux and build/kernel/FLAVOUR do, so that the compiler
    cache knows what the lab's kernel has in common with them.
    """

    def __init__(self, git_dir, folder):
        self.git_dir = git_dir
        self.folder = folder
        self.tree = os.path.join(folder, "linux")
        os.makedirs(self.tree, exist_ok=True)

    def out(self, name):
        """The folder of objects of a configuration."""
        return os.path.join(self.folder, "kernel", name)

    def checkout(self, commit):
        """Make the work tree that of a commit."""
        env = dict(os.environ, GIT_INDEX_FILE=self.tree + ".index")
        subprocess.run(["git", f"--git-dir={self.git_dir}", f"--work-tree={self.tree}",
                        "checkout", "-q", "-f", "--detach", commit], env=env, check=True)

    def make(self, name, *targets):
        """Run make for one configuration; returns whether it went well."""
        run = subprocess.run(
            ["make", "-C", self.tree, f"O={self.out(name)}", "ARCH=x86_64", "-s", "-k",
             "--no-print-directory", f"-j{os.environ.get('JOBS', os.cpu_count())}",
             "CC=ccache gcc", "HOSTCC=ccache gcc", *targets],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env=dict(os.environ, CCACHE_BASEDIR=self.folder, **ENVIRONMENT))
        bad = run.returncode or " warning: " in run.stdout
        if bad:
            print(run.stdout, flush=True)
        return not bad

    def configure(self, name):
        """The lab's configuration, with the options of the series on or off."""
        out = self.out(name)
        fragment = out + ".config"
        with open(fragment, "w", encoding="utf-8") as file:
            file.write(OFF if name == "off" else "")
        merge = ["scripts/kconfig/merge_config.sh", "-m", "-O", out,
                 os.path.join(out, ".config"),
                 os.path.join(REPO, "lab/configs/base.config"), fragment]
        return (self.make(name, "tinyconfig")
                and subprocess.run(merge, cwd=self.tree, stdout=subprocess.DEVNULL,
                                   check=False).returncode == 0
                and self.make(name, "olddefconfig"))

    def build(self, commit, options_change):
        """Build one commit; returns the configurations that fail."""
        self.checkout(commit)
        bad = []
        for name, targets in (("off", FOLDERS), ("on", ["vmlinux"])):
            os.makedirs(self.out(name), exist_ok=True)
            if name == "on":
                with open(os.path.join(self.tree, "init/Kconfig"), "a",
                          encoding="utf-8") as file:
                    file.write(SELECTS)
            if not ((not options_change or self.configure(name))
                    and self.make(name, *targets)):
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
    builder = Builder(git_dir, os.path.abspath(os.path.join(folder, "series.build")))
    status = 0
    for number in range(int(first), int(last or len(commits)) + 1):
        patch = plan.patches[number - 1]
        options_change = number == int(first) or any(
            os.path.basename(path).startswith("Kconfig")
            for path, _, _ in plan.written(patch))
        bad = builder.build(commits[number - 1], options_change)
        say("FAILED" if bad else "BUILT", f"{number:02} {patch.name} {' '.join(bad)}")
        status |= bool(bad)
    return status
