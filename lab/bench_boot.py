# SPDX-License-Identifier: GPL-2.0-only
"""Single boots whose time is the number of instructions executed.

How the steps go with the number of vectors, beyond the emulated machine: the
suite irq_liveupdate_scale of the kernel. And what a boot without a handover
costs, beside a kernel without interrupt live update.
"""

import math
import os
import re
import subprocess
from dataclasses import dataclass

import qemulog

ACCELERATOR = ("-icount", "shift=0,sleep=off", "-accel", "tcg,thread=single")
COMMON = ("console=ttyS0,115200 panic=-1 kho=on liveupdate=on no_timer_check tsc=reliable "
          "lpj=4000000 hpet=disable clocksource=tsc")
SCALE = "kunit.enable=1 kunit.autorun=1 kunit.filter_glob=irq_liveupdate_scale " \
        "kunit_shutdown=poweroff loglevel=6"
# The same suites are in neither kernel then.
NO_TESTS = "kunit.enable=0 quiet intel_iommu=on rdinit=/bin/true"

SCALED = re.compile(r"scale: (\S+) (\d+) (\d+) (\d+) (\d+)")

# Entered once each. Before the first of them the image is unpacked.
KERNEL, USERSPACE = "start_kernel", "run_init_process"
BOOTS = 3

TIMEOUT = 600


@dataclass(frozen=True)
class Scaled:
    """What a step took; a nanosecond is an instruction."""

    step: str
    units: int
    devices: int
    vectors: int
    value: int


def _run(build, flavour, append, *options):
    command = [build.qemu, "-nodefaults", "-display", "none", "-no-reboot", "-machine", "q35",
               "-cpu", "max,la57=off,-x2apic", *ACCELERATOR, "-m", "1G", "-serial", "stdio",
               "-kernel", build.kernel(flavour), "-append", f"{COMMON} {append}", *options]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False,
                          text=True, errors="replace").stdout


def measure_scale(build, flavour):
    console = _run(build, flavour, SCALE)
    found = [Scaled(step, *map(int, numbers)) for step, *numbers in SCALED.findall(console)]
    if not found:
        raise RuntimeError(f"{flavour}: the suite has measured nothing:\n{console[-2000:]}")
    return found


def exponent(points):
    """Of the power law through (n, value), by least squares of the logarithms."""
    logs = [(math.log(n), math.log(value)) for n, value in points]
    mean_x, mean_y = (sum(part) / len(logs) for part in zip(*logs))
    return (sum((x - mean_x) * (y - mean_y) for x, y in logs)
            / sum((x - mean_x) ** 2 for x, _ in logs))


def exponents(scaled):
    """Step to exponent, over the sizes of a single unit."""
    steps = dict.fromkeys(one.step for one in scaled)
    return {step: exponent([(one.vectors, one.value) for one in scaled
                            if one.step == step and one.units == 1]) for step in steps}


def _boot(build, flavour):
    """Instructions from the start of the kernel until it starts its init."""
    log = os.path.join(build.results(f"bench-boot-{flavour}"), "qemu.log")
    symbols = build.symbols(flavour)
    watched = "".join(f",watch={name}:{symbols.address(name):#x}"
                      for name in (KERNEL, USERSPACE))
    _run(build, flavour, NO_TESTS, "-device", "intel-iommu,intremap=on,eim=off",
         "-initrd", build.initrd, "-D", log, "-d", "plugin",
         "-plugin", build.plugin("cost") + watched)
    with open(log) as f:
        lines = [match["text"] for match in map(qemulog.LINE.match, f) if match]
    counts = {text.split()[0]: qemulog.Event(0, "", text).numbers()["all"]
              for text in reversed(lines)}
    return counts[USERSPACE] - counts[KERNEL]


def measure_boot(build, flavours):
    """Flavour to the instructions of some boots, which take turns."""
    turns = [(flavour, _boot(build, flavour)) for _ in range(BOOTS) for flavour in flavours]
    return {flavour: [count for other, count in turns if other == flavour]
            for flavour in flavours}



# Functions which ask for a place: a branch on the static key, or a load and a test of it
# in a kernel without jump labels
KEY = "irq_liveupdate_placing"
SEAMS = ("__irq_alloc_descs", "__msi_domain_alloc_irqs", "intel_irq_remapping_alloc",
         "vector_liveupdate_hint", "pci_msi_liveupdate_placed")
SEAM_LINES = 3


def _seam(vmlinux, function):
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}",
                           vmlinux], check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [" ".join(line.split()[1:]) for line in text.splitlines()]
    at = next((i for i, line in enumerate(lines) if KEY in line), None)
    return lines[at:at + SEAM_LINES] if at is not None else ["a jump label"]


def seams(build, flavour):
    """What is run at each seam while nothing is handed over."""
    return [f"  {function:<27} {line}" for function in SEAMS
            for line in _seam(build.vmlinux(flavour), function)]
