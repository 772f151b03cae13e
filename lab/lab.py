#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""End-to-end scenarios of interrupt live update, in QEMU, judged from outside.

  lab.py list                     the scenarios
  lab.py run handover --console   one scenario, the consoles of both kernels echoed
  lab.py demo --vectors 64        without and with handover, for a guest and a device
  lab.py test                     the scenarios of make test, KTAP
  lab.py chain --length 100       live updates in a row, one table
  lab.py storm --seeds 1-10       seeded storms of interrupts, KTAP and totals
  lab.py bench                    what a live update costs, compared with a cold start
  lab.py coverage                 which lines of our files run
"""

import argparse
import difflib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import running
from cost import boot
from cost import coverage
from cost import cost_report
from cost import limits
from cost import live_update
from cost import page_tables
from cost import pause
from cost import plot
from course import storm
from machine import builds
from machine.iommu import IOMMUS
from report import ktap
from report import picture
from report import tables
from report import unit_tests
from scenarios import scenario

DEBUG_LENGTH = 3    # of a chain
STORMS = ("storm", "vf-storm")
CHAINS = ("chain", "attach-chain", "vm-chain", "vf-chain")

# The option of most commands, which then becomes the variable for what they start
BUILD = {"type": os.path.abspath, "default": os.environ.get("BUILD", "build"),
         "help": "build directory (default: $BUILD, or build)"}


def _changes(arguments):
    """What the command line changes in a scenario."""
    names = ("vectors", "iommu", "mode", "seed", "rings", "memory", "length")
    changes = {name: getattr(arguments, name) for name in names
               if getattr(arguments, name, None) is not None}
    cpus = getattr(arguments, "cpus", None)
    if cpus:
        changes["cpus"] = (cpus, cpus + 1)
    return changes


def _for_debug_kernel(chosen):
    flavours = tuple("debug" if flavour == "lab" else flavour for flavour in chosen.kernels)
    return chosen.with_changes(kernels=flavours, length=min(chosen.length, DEBUG_LENGTH))


def _load(name, arguments):
    chosen = scenario.load(name).with_changes(**_changes(arguments))
    further = getattr(arguments, "append", None) or ("", "")
    append = tuple(" ".join(parts).strip() for parts in zip(chosen.append, further))
    chosen = chosen.with_changes(append=append)
    if chosen.course == "storm":
        chosen = storm.vary(chosen)
    return _for_debug_kernel(chosen) if arguments.debug else chosen


def _demand_ready(build, flavours, images=("initrd",)):
    reason = build.not_ready(flavours, images)
    if reason:
        sys.exit(reason)


def _demand_patchable(build, chosen):
    reasons = [reason for reason in map(build.unpatchable, chosen) if reason]
    if reasons:
        sys.exit("\n".join(reasons))


def _execute(chosen, build, echo=False):
    unbuilt = build.unbuilt_package(chosen.flavours())
    if unbuilt:
        sys.exit(f"{chosen.name}: needs {unbuilt}, then make systemd image")
    _demand_ready(build, chosen.flavours(), (chosen.image,))
    _demand_patchable(build, [chosen])
    lacking = build.lacking(chosen)
    if lacking:
        sys.exit(f"{chosen.name}: needs {lacking}")
    result, checks = running.execute(chosen, build, echo)
    tables.write_json(os.path.join(build.results(), chosen.name + ".json"),
                      tables.as_data(result, checks))
    return result, checks


def _execute_one_of_many(chosen, build):
    result, checks = _execute(chosen, build)
    if all(check.ok for check in checks):
        build.drop_results(chosen.name)
    return result, checks


def _print_result(result, checks):
    if result.vectors[0].old and not result.chain:
        print("\n".join(tables.vectors_table(result) + tables.judges_table(result)))
    if result.flight:
        print(tables.flight(result.flight))
    if result.guest:
        print(tables.guest(result))
    if result.linux:
        print(tables.linux(result))
    if result.chain:
        print("\n".join(tables.chain_table(result) + tables.judges_table(result)))
    if result.accounts:
        print("\n".join(tables.accounts_table(result)))
    for line in tables.repeats(result):
        print(line)
    for name, verdict in result.judged.items():
        print("".join(f"  {name}: {line}\n" for line in verdict.wrong[:5]), end="")
    if result.attempts > 1:
        print(f"  {result.attempts} attempts to hit the race")
    print("\n".join(f"  {check.name}: {'ok' if check.ok else 'FAIL ' + check.detail}"
                    for check in checks))
    if result.error:
        print(result.error)


def command_list(arguments):
    names = scenario.names()
    width = max(map(len, names)) + 2
    for name in names:
        print(f"{name:<{width}}{scenario.load(name).title}")
    return True


def command_run(arguments):
    build = builds.Build(arguments.build)
    result, checks = _execute(_load(arguments.scenario, arguments), build, arguments.console)
    _print_result(result, checks)
    return all(check.ok for check in checks)


# The runs of a demonstration, as its JSON calls them: of a device, and of a guest
DEMO_DEVICE = {"off": "cold", "on": "handover"}
DEMO_GUEST = {"guest_off": "vm-cold", "guest_on": "vm"}


def _demo_runs(arguments):
    """Map from name to scenario. A guest's controller has a fixed number of vectors, and cannot be
    handed over on every machine."""
    iommu = arguments.iommu or scenario.DEFAULT_IOMMU
    runs = {}
    if scenario.name_of(DEMO_GUEST["guest_on"], "", iommu) in scenario.names():
        runs = {run: scenario.load(name).with_changes(iommu=iommu)
                for run, name in DEMO_GUEST.items()}
    return runs | {run: _load(name, arguments) for run, name in DEMO_DEVICE.items()}


def command_demo(arguments):
    build = builds.Build(arguments.build)
    outcomes = {}
    for run, chosen in _demo_runs(arguments).items():
        print(f"  {'RUN':<9}{chosen.name}", flush=True)
        outcomes[run] = _execute(chosen, build)
    results = {run: result for run, (result, _) in outcomes.items()}
    checks = [check for _, found in outcomes.values() for check in found]
    if set(DEMO_GUEST) <= set(results):
        print(tables.demo_guest(results["guest_off"], results["guest_on"]))
    print(tables.demo(results["off"], results["on"], checks))
    data = {run: tables.as_data(*outcome) for run, outcome in outcomes.items()} \
        | {"ok": all(check.ok for check in checks)}
    tables.write_json(os.path.join(build.results(), "demo.json"), data)
    page = os.path.join(build.results(), "demo.html")
    picture.write(page, data)
    print(f"  {page}")
    return all(check.ok for check in checks)


def _test_judges(number):
    ok = unit_tests.run(os.path.join(builds.LAB, "tests"))
    ktap.case(number, "judges", ok)
    return ok


def _times(result):
    """Where the time went: with two machines on two CPUs both numbers should be close."""
    attempts = f", {result.attempts} attempts" if result.attempts > 1 else ""
    return f"{result.seconds:.1f} s, {result.cpu_seconds:.1f} s of CPU{attempts}"


def _say_scenario(number, chosen, outcome):
    if isinstance(outcome, str):
        ktap.case(number, f"{chosen.name} # SKIP needs {outcome}", True)
        return True

    result, checks = outcome
    ok = all(check.ok for check in checks)
    ktap.say(f"{chosen.name}: {chosen.title}")
    if result.flight:
        ktap.say(tables.flight(result.flight))
    if result.guest:
        ktap.say(tables.guest(result))
    if result.linux:
        ktap.say(tables.linux(result))
    ktap.say("\n".join(tables.repeats(result)))
    if not ok:
        ktap.say("\n".join(tables.failures(checks)))
        ktap.say(result.error)
    ktap.case(number, f"{chosen.name} # {_times(result)}", ok)
    return ok


def _say_kernels(chosen, outcomes, build):
    """Print the table of old and next kernels, if any scenario belongs to it."""
    rows = []
    for one, outcome in zip(chosen, outcomes):
        if one.across:
            releases = [build.release(flavour) or flavour for flavour in one.kernels]
            if not isinstance(outcome, str):
                result, checks = outcome
                outcome = result, all(check.ok for check in checks)
            rows.append((one, releases, outcome))
    if rows:
        ktap.say("\n".join(tables.across(rows)))


def _all_scenarios(arguments):
    """The debug kernel takes ten times as long. Sabotage is about the judges, not about the
    kernel, and the first case of a file stands for the others, which have the same outcome."""
    names = scenario.names(arguments.full)
    if not arguments.debug:
        return names
    first = {name.partition(".")[0]: name for name in reversed(names)}
    return [name for name in names if first[name.partition(".")[0]] == name
            and not scenario.load(name).breaks]


def _repeated(chosen, times):
    """Each run has a directory of its own for its results: two of them may run at once."""
    if times == 1:
        return chosen
    return [one.with_changes(name=f"{one.name}-{number}")
            for number in range(1, times + 1) for one in chosen]


def command_test(arguments):
    build = builds.Build(arguments.build)
    chosen = _repeated([_load(name, arguments) for name in
                        arguments.scenarios or _all_scenarios(arguments)], arguments.repeat)
    unbuilt = {one.name: build.unbuilt_package(one.flavours()) for one in chosen}
    ready = [one for one in chosen if not unbuilt[one.name]]
    _demand_ready(build, sorted({flavour for one in ready for flavour in one.flavours()}),
                  sorted({one.image for one in ready}))
    _demand_patchable(build, ready)
    ktap.plan(len(chosen) + 1)
    passed, outcomes = [_test_judges(1)], []
    build.plugin()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        running_ones = pool.map(lambda one: unbuilt[one.name] or build.lacking(one)
                                or _execute_one_of_many(one, build), chosen)
        for number, (one, outcome) in enumerate(zip(chosen, running_ones), 2):
            passed.append(_say_scenario(number, one, outcome))
            outcomes.append(outcome)
    _say_kernels(chosen, outcomes, build)
    ktap.say(f"{sum(passed)} of {len(passed)} passed")
    return all(passed)


def _seeds(text):
    """"7", or "1-200"."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _load_storm(seed, arguments):
    arguments.seed = seed
    chosen = _load(arguments.scenario, arguments)
    name = f"{arguments.scenario}-{seed}"
    return chosen.with_changes(name=scenario.name_of(name, "", chosen.iommu))


def _say_storm(number, chosen, result, checks):
    ok = all(check.ok for check in checks)
    ktap.say("\n".join([tables.storm_line(result), *tables.repeats(result)]))
    if not ok:
        ktap.say("\n".join(tables.failures(checks)))
        ktap.say(result.error)
        name = chosen.name.partition("@")[0].removesuffix(f"-{chosen.seed}")
        ktap.say(f"again: lab/lab.py storm {name} --seed {chosen.seed} --iommu {chosen.iommu}")
    ktap.case(number, chosen.name, ok)
    return ok


def command_storm(arguments):
    build = builds.Build(arguments.build)
    build.plugin()
    chosen = [_load_storm(seed, arguments) for seed in arguments.seeds]
    ktap.plan(len(chosen))
    results, passed = [], 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        outcomes = pool.map(lambda one: _execute_one_of_many(one, build), chosen)
        for number, (one, (result, checks)) in enumerate(zip(chosen, outcomes), 1):
            ok = _say_storm(number, one, result, checks)
            passed += ok
            results.append(result)
    ktap.say("\n".join(tables.storms_table(results)))
    ktap.say(f"{passed} of {len(chosen)} passed")
    return passed == len(chosen)


def _begin(pool, what, measure, *arguments):
    """Measure in the pool, and report the end: all measurements take half an hour."""
    began = time.monotonic()
    future = pool.submit(measure, *arguments)
    future.add_done_callback(
        lambda it: ktap.say(f"{what}: {'failed' if it.exception() else 'done'} "
                            f"after {time.monotonic() - began:.0f} s"))
    return future


def command_bench(arguments):
    build = builds.Build(arguments.build)
    _demand_ready(build, live_update.FLAVOURS)
    serializer = live_update.measure_serializer(build)
    build.plugin("cost")
    # Instructions do not depend on what else the machine does. What takes longest is started first.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        scaled = _begin(pool, "emulated units", boot.measure_scale, build, live_update.FLAVOUR)
        page = _begin(pool, "page tables", page_tables.measure, build, live_update.FLAVOUR)
        updates = [_begin(pool, f"update of {vectors} vectors", live_update.measure, vectors,
                          build, arguments.console)
                   for vectors in reversed(arguments.vectors or live_update.VECTORS)]
        devices = _begin(pool, "update of several devices", live_update.measure_devices, build,
                         arguments.console)
        guest = _begin(pool, "pause of a guest", pause.measure, build, arguments.console)
    updates = [update.result() for update in reversed(updates)] + [devices.result()]
    scaled, profiles = scaled.result()
    own = boot.own_functions(build, live_update.FLAVOURS)
    found = cost_report.Findings(
        updates, serializer, scaled, page.result(),
        boot.growth(profiles, "adopt", "cold", own),
        boot.measure_boot(build, live_update.FLAVOURS),
        *boot.measure_functions(build, live_update.FLAVOURS, own),
        boot.seams(build, live_update.FLAVOUR), guest.result(),
        limits.sizes(build.layouts(live_update.FLAVOUR)))
    print(cost_report.tables(found))
    tables.write_json(os.path.join(build.results(), "bench.json"), cost_report.as_data(found))
    plot.draw(updates, os.path.join(build.results(), "bench.svg"))
    return all(one.met() or one.is_known() for one in limits.check(found))


def command_coverage(arguments):
    return coverage.measure(builds.Build(arguments.build),
                            arguments.scenarios or scenario.names(full=False))


def _scenario(name):
    names = scenario.names()
    if name in names:
        return name
    near = difflib.get_close_matches(name, names) or ["lab.py list"]
    raise argparse.ArgumentTypeError(f"no scenario {name}: see {', '.join(near)}")


def _common_options():
    """Options of most commands."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--build", **BUILD)
    common.add_argument("--debug", action="store_true", help="use the debug kernel")
    return common


def _machine_options():
    """Options that change the machine of a scenario."""
    machine = argparse.ArgumentParser(add_help=False)
    machine.add_argument("--vectors", type=int)
    machine.add_argument("--cpus", type=int, help="of the old kernel; the next has one more")
    machine.add_argument("--iommu", choices=IOMMUS)
    machine.add_argument("--mode", choices=("xapic", "x2apic"))
    machine.add_argument("--memory")
    machine.add_argument("--rings", type=int, help="per vector and phase")
    machine.add_argument("--seed", type=int, help="of the order of rings in the blackout")
    return machine


def _add_single_runs(commands, common, machine):
    """Commands that show what becomes of one scenario, or of the pair of a demonstration."""
    one = commands.add_parser("run", parents=[common, machine], help="run one scenario")
    one.add_argument("scenario", type=_scenario)
    one.add_argument("--console", action="store_true", help="echo the consoles of both kernels")
    one.add_argument("--length", type=int, help="of a chain, in updates")
    one.add_argument("--append", nargs=2, metavar=("OLD", "NEXT"),
                     help="further kernel parameters of the old and the next kernel")
    one.set_defaults(act=command_run)

    demo = commands.add_parser("demo", parents=[common, machine],
                               help="without and with handover, for a guest and a device")
    demo.set_defaults(act=command_demo)

    update = commands.add_parser("chain", parents=[common, machine],
                                 help="live updates in a row, one table")
    update.add_argument("scenario", nargs="?", choices=CHAINS,
                        default="chain", help="through which devices go (default: chain)")
    update.add_argument("--length", type=int, help="how many (default: 10)")
    update.add_argument("--console", action="store_true", help="echo the consoles of both kernels")
    update.set_defaults(act=command_run)


def _add_batches(commands, common):
    """Commands that run many scenarios and print KTAP."""
    storms = commands.add_parser("storm", parents=[common],
                                 help="storms of interrupts, KTAP and totals")
    storms.add_argument("scenario", nargs="?", choices=STORMS, default="storm",
                        help="whose interrupts (default: storm)")
    storms.add_argument("--seeds", "--seed", type=_seeds, default="1", metavar="FIRST-LAST")
    storms.add_argument("--jobs", type=int, default=1, help="machines at a time (default: 1)")
    storms.add_argument("--iommu", choices=IOMMUS)
    storms.set_defaults(act=command_storm)

    test = commands.add_parser("test", parents=[common], help="run scenarios, print KTAP")
    test.add_argument("--jobs", type=int, default=1, help="machines at a time (default: 1)")
    test.add_argument("--repeat", type=int, default=1, help="how often (default: 1)")
    test.add_argument("--full", action="store_true",
                      help="on all machines that the scenarios have")
    test.add_argument("scenarios", type=_scenario, nargs="*",
                      help="default: those of make test")
    test.set_defaults(act=command_test)


def _add_measurements(commands):
    """Commands that measure, on kernels of their own."""
    cost = commands.add_parser("bench", help="count instructions and hardware operations")
    cost.add_argument("--build", **BUILD)
    cost.add_argument("--console", action="store_true", help="echo the consoles of both kernels")
    cost.add_argument("vectors", type=int, nargs="*", help="of one device (default: six sizes)")
    cost.set_defaults(act=command_bench)

    lines = commands.add_parser("coverage", help="which lines of our files run (gcov)")
    lines.add_argument("--build", **BUILD)
    lines.add_argument("scenarios", type=_scenario, nargs="*",
                       help="default: those of make test")
    lines.set_defaults(act=command_coverage)


def _parser():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("list", help="name the scenarios").set_defaults(act=command_list)
    common = _common_options()
    _add_single_runs(commands, common, _machine_options())
    _add_batches(commands, common)
    _add_measurements(commands)
    return parser


def main():
    arguments = _parser().parse_args()
    if "build" in arguments:
        os.environ["BUILD"] = arguments.build
    try:
        ok = arguments.act(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone, as with "| head". Python flushes once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ok = False
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
