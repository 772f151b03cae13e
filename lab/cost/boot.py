# SPDX-License-Identifier: GPL-2.0-only
"""Single boots whose time is the number of instructions executed.

How the steps scale with the number of vectors, beyond the emulated machine: the suite
irq_liveupdate_scale of the kernel. And what a boot without a handover costs, compared with a kernel
without interrupt live update, and in which functions.
"""

import math
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass

from course import kernels
from machine import qemu
from machine import qemulog

COMMON = (f"{kernels.CONSOLE} {kernels.PANIC} {kernels.LIVE_UPDATE_PARAMETERS} {kernels.CLOCKS} "
          "hpet=disable clocksource=tsc")
SCALE = "kunit.enable=1 kunit.autorun=1 kunit.filter_glob=irq_liveupdate_scale " \
        "irq_liveupdate_scale_test.full=1 kunit_shutdown=poweroff loglevel=6"
# So neither kernel runs any suite
NO_TESTS = "kunit.enable=0 quiet intel_iommu=on rdinit=/bin/true"

SCALED = re.compile(r"(scale|memory): (\S+) (\d+) (\d+) (\d+) (\d+)")
SUITE_FAILED = " FAILED at "
SUITE_OVER = re.compile(r"\] reboot: Power down\s*$", re.MULTILINE)
SCALE_MEMORY = "3G"

# Functions of the suite: entered where a step begins, and where it ends
STEP, STEP_OVER = "run_step", "say_cost"

# Entered once each. Before the first one, the kernel image is decompressed.
KERNEL, USERSPACE = "start_kernel", "run_init_process"

# What differs from boot to boot is random numbers: with the same seed, and a clock which starts at
# the same time, the machine executes the same instructions again.
SEEDS = (1, 2, 3, 4, 5)
CLOCK = "base=2026-01-01,clock=vm"

# Number of functions shown, of those which differ most
NR_FUNCTIONS = 16

# Number of functions shown, of those which grow most
NR_GROWING = 12

# The sizes of the suite
SIZES = "1024-65536"

TIMEOUT = 3600


@dataclass(frozen=True)
class Scaled:
    """The cost of a step.

    what: "scale": time, where a nanosecond is an instruction; "memory": bytes
    """

    what: str
    step: str
    units: int
    devices: int
    vectors: int
    value: int


def run(build, flavour, append, *options, memory="1G"):
    """The console of one boot."""
    command = qemu.bare(build.qemu, build.kernel(flavour), f"{COMMON} {append}", memory,
                        "-x2apic", *qemu.COUNTING, *options)
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False,
                          text=True, errors="replace").stdout


def _profiles(lines):
    """A Counter of the instructions of each function, for each time that the plugin printed one.
    Copies made by the compiler count as one."""
    found, counts = [], Counter()
    for match in map(qemulog.LINE.match, lines):
        if match["name"] == "end":
            found.append(counts)
            counts = Counter()
        else:
            name, count = match["text"].split()
            counts[name.split(".")[0]] += int(count)
    return found


def _profile_option(build, flavour, start, end):
    return f"{build.plugin('profile')},map={build.map(flavour)},from={start:#x},to={end:#x}"


def suite_passed(console):
    """Whether no case has failed, and the suite has finished. Its results themselves are below the
    log level of the console, as are all messages of the code under test."""
    return SUITE_FAILED not in console and bool(SUITE_OVER.search(console))


def _scaled(console):
    """The cost of each step, which the suite prints, if it passes. If it has not finished, or a
    step has failed, costs are missing, or are not those of a step."""
    found = [Scaled(what, step, *map(int, numbers))
             for what, step, *numbers in SCALED.findall(console)]
    if not found or not suite_passed(console):
        raise RuntimeError(f"irq_liveupdate_scale has failed:\n{console[-2000:]}")
    return found


def measure_scale(build, flavour):
    """The cost of each step, and a map from each Scaled to its profile."""
    symbols = build.symbols(flavour)
    log = os.path.join(build.results("bench-scale"), "qemu.log")
    console = run(build, flavour, SCALE, "-D", log, "-d", "plugin", "-plugin",
                  _profile_option(build, flavour, symbols.address(STEP),
                                  symbols.address(STEP_OVER)), memory=SCALE_MEMORY)
    found = _scaled(console)
    with open(log) as f:
        profiles = _profiles(f.read().splitlines())
    timed = [one for one in found if one.what == "scale"]
    return found, dict(zip(timed, profiles, strict=True))


def _defined(*paths):
    """Names of the functions in object files. Copies made by the compiler count as one."""
    text = subprocess.run(["nm", "--defined-only", *paths], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    symbols = (line.split() for line in text.splitlines())
    return {one[2].split(".")[0] for one in symbols if len(one) == 3 and one[1] in "tT"}


def own_functions(build, flavours):
    """Names of the functions of our files that a kernel without these files does not have."""
    ours, without = flavours
    return _defined(*build.own_objects(ours)) - _defined(build.vmlinux(without))


def _per_vector(profiles, step, own):
    """Instructions by function, for each number of vectors of a single unit."""
    found = []
    sizes = sorted((one.vectors, one) for one in profiles if (one.step, one.units) == (step, 1))
    for vectors, one in sizes:
        counts = Counter()
        for name, count in profiles[one].items():
            counts["ours" if name in own else name] += count / vectors
        found.append(counts)
    return found


def growth(profiles, step, beside, own):
    """(function, instructions per vector of @step at each size, those of @beside) for the functions
    which grow most in @step; then for the @own ones, for all others, and two sums: of all, and of
    all but the first one."""
    columns = [_per_vector(profiles, name, own) for name in (step, beside)]
    least, most = columns[0][0], columns[0][-1]
    names = sorted((least.keys() | most.keys()) - {"ours"},
                   key=lambda name: least[name] - most[name])[:NR_GROWING]
    shown = [*names, "ours"]

    def row(name, value):
        return (name, *([value(counts) for counts in column] for column in columns))

    return [*(row(name, lambda counts, name=name: counts[name]) for name in shown),
            row("all others", lambda counts: counts.total() - sum(counts[name] for name in shown)),
            row("sum", lambda counts: counts.total()),
            row(f"sum without {names[0]}", lambda counts: counts.total() - counts[names[0]])]


def exponent(points):
    """The exponent of the power law through (n, value), by least squares of the logarithms."""
    logs = [(math.log(n), math.log(value)) for n, value in points]
    mean_x, mean_y = (sum(part) / len(logs) for part in zip(*logs))
    return (sum((x - mean_x) * (y - mean_y) for x, y in logs)
            / sum((x - mean_x) ** 2 for x, _ in logs))


def ratios(scaled, step, other):
    """Map from the number of vectors to the ratio of @step to @other, for the sizes of a single
    unit at which both were measured."""
    values = {name: {one.vectors: one.value for one in scaled
                     if (one.what, one.step, one.units) == ("scale", name, 1)}
              for name in (step, other)}
    return {n: values[step][n] / values[other][n] for n in values[other]}


def exponents(scaled, what="scale"):
    """Map from step to exponent, over the sizes of a single unit."""
    chosen = [one for one in scaled if one.what == what and one.units == 1]
    steps = dict.fromkeys(one.step for one in chosen)
    return {step: exponent([(one.vectors, one.value) for one in chosen if one.step == step])
            for step in steps}


def _boot(build, flavour, seed, plugin):
    """The lines that a plugin logs during a boot."""
    log = os.path.join(build.results(f"bench-boot-{flavour}"), "qemu.log")
    run(build, flavour, NO_TESTS, "-device", "intel-iommu,intremap=on,eim=off",
        "-initrd", build.initrd, "-seed", str(seed), "-rtc", CLOCK, "-D", log, "-d", "plugin",
        "-plugin", plugin)
    with open(log) as f:
        return f.read().splitlines()


def _instructions(build, flavour, seed):
    """Instructions from the start of the kernel until it starts init."""
    symbols = build.symbols(flavour)
    watched = "".join(f",watch={name}:{symbols.address(name):#x}"
                      for name in (KERNEL, USERSPACE))
    texts = [match["text"] for match in map(qemulog.LINE.match, _boot(
        build, flavour, seed, build.plugin("cost") + watched)) if match]
    counts = {text.split()[0]: qemulog.Event(0, "", text).numbers()["all"]
              for text in reversed(texts)}
    return counts[USERSPACE] - counts[KERNEL]


def measure_boot(build, flavours):
    """Map from flavour to the instructions of boots with different random numbers."""
    return {flavour: [_instructions(build, flavour, seed) for seed in SEEDS]
            for flavour in flavours}


def _functions(build, flavour):
    """Map from function to its instructions."""
    symbols = build.symbols(flavour)
    profiles = _profiles(_boot(build, flavour, SEEDS[0], _profile_option(
        build, flavour, symbols.address(KERNEL), symbols.address(USERSPACE))))
    return profiles[0]


def measure_functions(build, flavours, own):
    """Where the boots differ, see different_functions(), and the instructions in our @own
    functions."""
    ours, without = (_functions(build, flavour) for flavour in flavours)
    of_ours = sum(count for name, count in ours.items() if name in own)
    if not of_ours:
        raise RuntimeError("no function of ours was executed")
    return different_functions(ours, without), of_ours


def different_functions(ours, without):
    """(function, instructions in our kernel, instructions in the other) for those which differ
    most.

    The first is the sum of those functions which only one of the kernels runs.
    """
    shared = sorted(ours.keys() & without.keys(),
                    key=lambda name: -abs(ours[name] - without[name]))
    single = ours.keys() ^ without.keys()
    rows = [("functions of one kernel only", *(sum(counts[name] for name in single)
                                               for counts in (ours, without)))]
    rows += [(name, ours[name], without[name]) for name in shared[:NR_FUNCTIONS]]
    rows.append(("all others", *(sum(counts[name] for name in shared[NR_FUNCTIONS:])
                                 for counts in (ours, without))))
    return rows


# Functions that ask for a number or an entry: a load, and a test of the list of incoming devices
KEY = "irq_liveupdate_incoming"
SEAMS = ("__irq_alloc_descs", "__msi_domain_alloc_irqs", "__setup_irq",
         "intel_irq_remapping_alloc",
         "assign_irq_vector_any_locked", "__pci_enable_msi_range")
SEAM_LINES = 3


def _seam(vmlinux, function):
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}",
                           vmlinux], check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [" ".join(line.split()[1:]) for line in text.splitlines()]
    at = next((i for i, line in enumerate(lines) if KEY in line), None)
    if at is None:
        raise RuntimeError(f"{function} does not use {KEY}")
    return lines[at:at + SEAM_LINES]


def seams(build, flavour):
    """The instructions that run at each seam while nothing is handed over."""
    return [f"  {function:<27} {line}" for function in SEAMS
            for line in _seam(build.vmlinux(flavour), function)]
