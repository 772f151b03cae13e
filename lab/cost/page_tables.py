# SPDX-License-Identifier: GPL-2.0-only
"""What the page table of a device costs: the suite irq_liveupdate_tables of the kernel, in one
boot whose time is the number of instructions executed.

Guests of 1 GiB to 1 TiB, mapped in pages of 4 KiB and of 2 MiB.
"""

import re
from dataclasses import dataclass

from cost import boot

SUITE = "irq_liveupdate_tables"
PARAMETERS = f"kunit.enable=1 kunit.autorun=1 kunit.filter_glob={SUITE} " \
             "iommu_liveupdate_scale_test.full=1 kunit_shutdown=poweroff loglevel=6"
MEMORY = "4G"

STEP = re.compile(r"tables: (\S+) (\d+) (\d+) (\d+) (\d+)")

# Steps that are done for each table; "map" is the cost that a VMM has anyway. The next kernel
# restores tables while the guest is paused, and frees them later.
GROWING = ("map", "preserve", "cancel", "restore", "free")

# The exponents of these steps are fitted over guests in small pages: a table that maps large pages
# has other costs.
SMALL_PAGE = 4096

# Steps done while the guest is paused, whatever its size: "leave" is the core's part of the
# replacement
CONSTANT = ("freeze", "block", "adopt", "leave")

# With fewer tables, the part that does not depend on their number dominates.
MANY_TABLES = 500

SIZES = "1 GiB to 1 TiB"


@dataclass(frozen=True)
class Tables:
    """Instructions of a step, for a guest of a number of GiB in pages of a number of bytes"""

    step: str
    gib: int
    page: int
    tables: int
    instructions: int

    def per_table(self):
        return self.instructions / self.tables


def parse(console):
    """The cost of each step, which the suite prints, if it passes."""
    found = [Tables(step, *map(int, numbers)) for step, *numbers in STEP.findall(console)]
    if not found or not boot.suite_passed(console):
        raise RuntimeError(f"{SUITE} has failed:\n{console[-2000:]}")
    return found


def measure(build, flavour):
    return parse(boot.run(build, flavour, PARAMETERS, memory=MEMORY))


def per_table(found, step):
    """Instructions per table at the worst size, and that size."""
    worst = max((one for one in found if one.step == step and one.tables >= MANY_TABLES),
                key=Tables.per_table)
    return worst.per_table(), f"{worst.tables} tables"


def exponent(found, step):
    """How the instructions of a step grow with the number of tables."""
    return boot.exponent([(one.tables, one.instructions) for one in found if one.step == step
                          and (one.page == SMALL_PAGE or step not in GROWING)])
