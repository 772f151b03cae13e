# SPDX-License-Identifier: GPL-2.0
"""Boot the kernel after patches of the series, and run the KUnit suites that it has by then.

The kernel is the one that series_build.py calls "on". It is built and booted after each patch that
touches a suite, and after the last one of each part that has code. A suite that the patch itself
touches has to run, unless only a later patch defines the option that builds it. What a suite prints
is in $BUILD/series.build/kernel/on-NN.ktap, where NN is the number of the patch.
"""

import glob
import os
import re
import subprocess
import time

import ktap
import series_build
from overlay import REPO, say

ON = next(variant for variant in series_build.EACH if variant.name == "on")
SUITE = re.compile(r"_test\.c$|(^|/)kunit[_/]")
SUITE_NAME = re.compile(r'struct kunit_suite \w+ = {[^}]*?\.name\s*=\s*"([^"]+)"')
OBJECTS = re.compile(r"^obj-\$\(CONFIG_(\w+)\)\s*\+=(.*)$", re.M)


def paths_of(plan, number):
    """The files that a patch writes."""
    return [path for path, _, _ in plan.written(plan.patches[number - 1])]


def chosen(plan, numbers):
    """The patches after which suites run."""
    def ends_part(number):
        return (number == len(plan.patches)
                or plan.patches[number].part != plan.patches[number - 1].part)

    return [number for number in numbers
            if any(map(SUITE.search, paths_of(plan, number)))
            or ends_part(number) and series_build.targets(paths_of(plan, number), ON)]


def content(*parts):
    """The text of a file of the kernel."""
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def is_later(tree, path):
    """Whether no Kconfig file of a tree defines the option that builds a suite."""
    folder, name = os.path.split(path)
    makefile = content(tree, folder, "Makefile").replace("\\\n", " ")
    options = [option for option, objects in OBJECTS.findall(makefile)
               if name[:-1] + "o" in objects.split()]
    definition = re.compile(rf"^(menu)?config ({'|'.join(options)})$", re.M)
    return bool(options) and not any(
        definition.search(content(tree, kconfig))
        for kconfig in glob.iglob("**/Kconfig*", root_dir=tree, recursive=True))


def suites_of(tree, paths):
    """The suites in files of a tree that have to run."""
    return [suite for path in paths
            if path.endswith("_test.c") and not path.startswith(series_build.NO_CODE)
            and not is_later(tree, path)
            for suite in SUITE_NAME.findall(content(tree, path))]


def run_suites(builder, plan, number):
    """Build and boot what is checked out; returns what happened, and if it failed."""
    what, failed = builder.build(ON, True, ("bzImage",))
    if failed:
        return what, True
    own = suites_of(builder.tree, paths_of(plan, number))
    log = f"{builder.out(ON)}-{number:02}.ktap"
    with open(log, "w", encoding="utf-8") as file:
        status = subprocess.run(
            [os.path.join(REPO, "scripts/kunit-run.py"), "--build-dir", builder.out(ON),
             "--suites", *own], stdout=file, check=False).returncode
    with open(log, encoding="utf-8") as file:
        passed, failed, skipped = ktap.counts(ktap.parse(file))
    return f"{what}; {passed} passed, {failed} failed, {skipped} skipped", bool(status)


def run(plan, git_dir, folder, which):
    """Run the suites after each patch that is worth it; 1 if one fails."""
    commits, builder = series_build.prepare(plan, git_dir, folder)
    failures = 0
    for number in chosen(plan, series_build.numbers(which, len(commits))):
        start = time.monotonic()
        builder.checkout(commits[number - 1])
        what, failed = run_suites(builder, plan, number)
        say("FAILED" if failed else "TESTED", f"{number:02} {plan.patches[number - 1].name} "
            f"({what}; {time.monotonic() - start:.0f} s)")
        failures += failed
    return int(failures > 0)
