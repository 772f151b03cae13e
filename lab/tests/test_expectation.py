# SPDX-License-Identifier: GPL-2.0-only
"""What one outcome demands, and what every outcome demands."""

from dataclasses import fields

import pytest

from course.result import Result, Vector
from judge import checks
from judge import expectation
from judge import live_device
from judge import outcomes
from judge import ring_accounts
from judge import translation
from judge.verdict import Verdict
from report import tables
from scenarios.scenario import Scenario

IDENTITY = {"irq": 26, "address": 0xfee00238, "data": 0, "irte": 17, "cpu": 1}


def result(vectors=(), **parts):
    keys = {field.name for field in fields(Scenario)}
    scenario = {name: parts.pop(name) for name in list(parts) if name in keys}
    return Result(Scenario("name", "title", **scenario), list(vectors), **parts)


def failed(found):
    return {check.name for check in found if not check.ok}


def checked(outcome, **parts):
    return failed(expectation.check(result(expect=outcome, **parts)))


LOG = "the logs are whole, and QEMU knows all events"
CONSOLE = "console: no complaint"
SAID = "console: what is refused, and why"
PASSED = "programs in the guest: all cases passed"
SKIPPED = "programs in the guest: skipped what is expected"
AUDIT = "vfio-pci 0000:01:00.0: irq_liveupdate: irq 29: device and kernel disagree: -EIO"


# Every outcome, sabotage included

@pytest.mark.parametrize("breaks", ((), ("enable",)))
@pytest.mark.parametrize("what,check", (("blind", LOG), ("complaints", CONSOLE), ("said", SAID)))
def test_log_and_console_count_always(breaks, what, check):
    judged = {"enable": Verdict(["cleared"])} if breaks else {}
    parts = {"breaks": breaks, "judged": judged, "old_runs": ("true",), "extras": [
        {"command": "shell true", "output": ""}]}
    assert checked("programs", **parts) == set()
    assert checked("programs", **parts, **{what: [AUDIT]}) == {check}


def test_error_which_is_expected():
    parts = {"said": [AUDIT, "other"], "says": ("other",)}
    assert SAID in checked("programs", **parts)
    assert SAID not in checked("programs", **parts, errors=("device and kernel disagree",))


def test_error_which_is_expected_and_missing():
    assert SAID in checked("programs", errors=("device and kernel disagree",))
    assert SAID in checked("programs", says=("refused",))


def test_error_said_twice():
    assert SAID in checked("programs", said=["refused", "refused"], says=("refused",))


# Selftests of the guest

def tap(output, **parts):
    extras = [{"command": "shell irq_liveupdate_x BDF", "output": output}]
    return checked("programs", old_runs=("irq_liveupdate_x",), extras=extras, **parts)


GOOD = "TAP version 13\n1..2\nok 1 one\nok 2 two\n# Totals: pass:2 fail:0\n"


def totals(output, counted):
    return output.replace("pass:2 fail:0", counted)


def test_selftest():
    assert tap(GOOD) == set()


def test_selftest_which_prepares_for_the_next_stage_only():
    nothing = {"command": "shell irq_liveupdate_x -s 1",
               "output": "TAP version 13\n# Totals: pass:0"}
    some = {"command": "shell irq_liveupdate_x -s 2", "output": GOOD}
    assert checked("programs", old_runs=("x", "x"), extras=[nothing, some]) == set()
    assert checked("programs", old_runs=("x",), extras=[nothing]) == {PASSED}


@pytest.mark.parametrize("output", (
    "", "TAP version 13\n", GOOD.replace("ok 2 two\n", ""), GOOD.replace("1..2\n", ""),
    GOOD.replace("ok 2", "not ok 2"), GOOD.partition("# Totals")[0]))
def test_exit_status_is_not_enough(output):
    assert PASSED in tap(output)


def test_skip():
    output = totals(GOOD.replace("ok 2 two", "ok 2 # SKIP INTx in use: the device has none"),
                    "pass:1 skip:1")
    assert tap(output) == {SKIPPED}
    assert tap(output, skips=("INTx in use: the device has none",)) == set()
    assert tap(GOOD, skips=("INTx in use: the device has none",)) == {SKIPPED}


@pytest.mark.parametrize("counted", (
    "pass:1 fail:0", "pass:2 fail:1", "pass:2 skip:1", "pass:1 skip:1", "pass:2 error:1"))
def test_account_of_the_program_itself(counted):
    assert tap(totals(GOOD, counted)) == {PASSED}
    assert tap(totals(GOOD, "pass:1 fail:0 xfail:1 xpass:0 skip:0 error:0")) == set()


def test_results_beyond_the_plan():
    output = totals(GOOD.replace("1..2", "1..1").replace("ok 2", "not ok 2"), "pass:1 fail:1")
    assert tap(output) == {PASSED}


# What run_kselftest.sh makes of the output of two programs
SCRIPT = "TAP version 13\n1..2\n" + "".join(
    f"# timeout set to 300\n# selftests: irq_liveupdate: irq_liveupdate_{name}\n"
    + "".join(f"# {line}\n" for line in GOOD.splitlines())
    + f"ok {n} selftests: irq_liveupdate: irq_liveupdate_{name}\n"
    for n, name in enumerate(("x", "y"), 1)) + "# Totals: pass:2 fail:0\n"
LAST = "# ok 2 two\n# # Totals: pass:2 fail:0\nok 2"


def script(*change, **parts):
    assert not change or change[0] in SCRIPT
    command = "shell /kselftest/run_kselftest.sh -c irq_liveupdate -S irq_liveupdate_z"
    extras = [{"command": command, "output": SCRIPT.replace(*change) if change else SCRIPT}]
    return checked("programs", old_runs=("x",), extras=extras, **parts)


def test_script():
    assert script() == set()


@pytest.mark.parametrize("change", (
    (LAST, LAST.replace("# ok", "# not ok")),
    (LAST, LAST.replace("# # Totals: pass:2 fail:0\n", "")),
    (LAST, LAST.replace("# ok 2 two\n", "")),
    (SCRIPT[SCRIPT.index("# TAP"):SCRIPT.index("ok 1 selftests")], ""),
    ("# selftests: irq_liveupdate: irq_liveupdate_y\n", ""),
    ("ok 2 selftests", "not ok 2 selftests"),
    ("\n# Totals", "\n# totals"),
    (SCRIPT, ""),
))
def test_script_whose_totals_are_not_enough(change):
    assert script(*change) == {PASSED}


def test_skip_of_a_program_of_the_script():
    skip = (LAST, totals(LAST.replace("two", "# SKIP INTx in use: the device has none"),
                         "pass:1 skip:1"))
    assert script(*skip) == {SKIPPED}
    assert script(*skip, skips=("INTx in use: the device has none",)) == set()


def test_program_of_the_script_that_skips_everything():
    start = SCRIPT.rindex("# TAP")
    skip = (SCRIPT[start:], "# TAP version 13\n# 1..0 # SKIP no fault injection\n"
                            "ok 2 selftests: irq_liveupdate: irq_liveupdate_y # SKIP\n"
                            "# Totals: pass:1 fail:0 skip:1\n")
    assert script(*skip) == {SKIPPED}
    assert script(*skip, skips=("no fault injection",)) == set()


def test_failure_that_the_scenario_names():
    failing = totals(GOOD.replace("ok 2 two", "not ok 2 two"), "pass:1 fail:1")
    assert tap(failing, fails=("two",)) == set()
    assert tap(failing, fails=("one",)) == {PASSED}
    assert tap(GOOD, fails=("two",)) == {PASSED}
    assert tap(failing, fails=("two", "absent")) == {PASSED}


# The same programs in two kernels

SAME = "programs in the guest: same results in both kernels"


def in_both(old, following):
    extras = [{"at": at, "command": "shell /kselftest/iommu/iommufd", "output": output}
              for at, output in (("old", old), ("next", following))]
    return checked("same-results", old_runs=("x",), next_runs=("x",), extras=extras)


def test_same_results():
    assert in_both(GOOD, GOOD) == set()
    failing = GOOD.replace("ok 2", "not ok 2")
    assert in_both(failing, failing) == {PASSED}


@pytest.mark.parametrize("output", (
    GOOD.replace("ok 2", "not ok 2"), GOOD.replace("ok 2 two", "ok 2 two # SKIP no"),
    GOOD.replace("two", "three"), GOOD.replace("ok 2 two\n", "").replace("1..2", "1..1"),
    GOOD.replace("1..2", "1..3").replace("# Totals", "ok 3 three\n# Totals")))
@pytest.mark.parametrize("swapped", (False, True))
def test_other_results(output, swapped):
    assert SAME in in_both(*((output, GOOD) if swapped else (GOOD, output)))


def test_same_results_need_results():
    nothing = [{"at": at, "command": "shell true", "output": ""} for at in ("old", "next")]
    assert checked("same-results", old_runs=("x",), next_runs=("x",), extras=nothing) == {SAME}


# The hammer

STATS = {"command": "hammer", "moved": 5, "armed": 5, "arm_busy": 1, "move_errors": 0,
         "arm_errors": 0}


def hammer(late_calls=1, **changes):
    seen = result(extras=[STATS | changes], late_calls=late_calls)
    return failed(outcomes._hammer_hit(seen))


def test_hammer():
    assert hammer() == set()


@pytest.mark.parametrize("what", ("move_errors", "arm_errors"))
def test_errors_of_the_hammer(what):
    assert hammer(**{what: 1})


def test_race_which_was_missed():
    one = checks.Check("a", True)
    missed = checks.Check("race", False, race=True)
    wrong = checks.Check("b", False)
    assert expectation.race_was_missed([one, missed])
    assert not expectation.race_was_missed([one, missed, wrong])
    assert not expectation.race_was_missed([one])
    assert hammer(late_calls=0) == {"hammer: wanted to change an entry after the block"}


@pytest.mark.parametrize("late_calls, missed", ((0, True), (25, False)))
@pytest.mark.parametrize("broken, said", ((False, ()), (False, ("refused",)), (True, ())))
def test_race_which_was_hit_excuses_no_judge_and_no_line(late_calls, missed, broken, said):
    blocked = Verdict(["opened"], 1) if broken else Verdict([], 1)
    found = expectation.check(result(
        breaks=("blocked",), says=("refused",), watch_late_changes=True, late_calls=late_calls,
        judged={"blocked": blocked}, said=list(said)))
    assert expectation.race_was_missed(found) == missed


# A cold start

NOT_COLD = "negative control: what a handover keeps enabled was switched off"
COLD = ("remapping", "enable", "bus-master", "translation")


def cold(words=(), **parts):
    vector = Vector(0, old=IDENTITY, new=IDENTITY | {"irq": 30, "irte": 20}, before=3, rung=1,
                    adopted=3, after=3)
    judged = {name: Verdict(["off"]) for name in COLD} | dict(words)
    return checked("cold", vectors=[vector], judged=judged, **parts)


def test_cold_start():
    assert cold() == set()


@pytest.mark.parametrize("rule", COLD)
def test_cold_start_which_is_none(rule):
    assert cold({rule: Verdict([], 1)}) == {NOT_COLD}


def test_cold_start_where_nothing_is_translated():
    words = {"translation": translation.NOT_TRANSLATED}
    assert cold(words) == {NOT_COLD}
    assert cold(words, iommu="amd-untranslated") == set()


# A storm

def storm(latched):
    vectors = [Vector(n, old=IDENTITY, new=IDENTITY, latched=n in latched) for n in range(2)]
    accounts = [ring_accounts.Account(number=n) for n in range(2)]
    return checked("storm", vectors=vectors, accounts=accounts, retrieved=True, online=2,
                   judged={"lost": Verdict([], 1)})


def test_storm():
    assert storm({1}) == storm({0, 1}) == set()


def test_storm_without_a_ring_in_the_blackout():
    assert storm(set()) == {"blackout: rings are latched by the device"}


# Rules

def test_sabotage_may_leave_no_judge_blind():
    judged = {"enable": Verdict(["cleared"]), "message": Verdict()}
    assert checked("", breaks=("enable",), judged=judged) == {"sabotage: no other judge is blind"}


@pytest.mark.parametrize("outcome, judged", (
    ("left-alone", {}), ("kept", {}), ("kept", {"reset": Verdict([], 1)}),
    ("guest-restarted", {"guest-clock": Verdict([], 1)})))
def test_nothing_judged_is_nothing_held(outcome, judged):
    assert "seen from outside" in checked(outcome, judged=judged, flight=live_device.Flight())


def test_rule_which_does_not_apply_is_named_in_the_table():
    judged = {"one-type": Verdict(not_judged="MSI-X alone"), "message": Verdict([], 1)}
    table = tables.judges_table(result(judged=judged))
    assert [line.split("  ")[-1].strip() for line in table] == ["not judged", "held"]


def test_rule_which_has_to_apply():
    seen = result(judged={"one-type": Verdict(not_judged="MSI-X alone")})
    assert failed(checks.rules_held(seen, ["one-type", "table"])) == {
        "seen from outside: one-type", "seen from outside: table"}


# The next kernel traces which vectors it adopts

ADOPTED, NONE_ADOPTED = "trace: every vector is adopted", "trace: no vector is adopted"
TRACER = "# tracer: nop\n"


def adopted(*vectors, device="0000:01:00.0"):
    return TRACER + "".join(
        f" vmm-70 [001] .... 1.2: irq_liveupdate_adopt: device={device} vector={n} irq=30\n"
        for n in vectors)


def trace_checks(outcome, trace):
    vectors = [Vector(n, old=IDENTITY, new=IDENTITY) for n in (0, 12)]
    return checked(outcome, vectors=vectors, trace=trace) & {ADOPTED, NONE_ADOPTED}


@pytest.mark.parametrize("trace", (
    "", TRACER, adopted(1, 12), adopted(0, 12, device="0000:01:00.1")))
def test_vector_which_is_not_adopted(trace):
    assert trace_checks("handover", trace) == {ADOPTED}
    assert trace_checks("handover", adopted(0, 1, 12, 12)) == set()


@pytest.mark.parametrize("trace", ("", adopted(12), adopted(1)))
def test_vector_of_a_refused_device_which_is_adopted(trace):
    assert trace_checks("refused", trace) == {NONE_ADOPTED}
    assert trace_checks("refused", TRACER) == set()
    assert trace_checks("refused", adopted(0, device="0000:01:00.1")) == set()


def test_vectors_which_are_adopted_first():
    assert trace_checks("rearmed", adopted(0, 12)) == set()
    assert trace_checks("rearmed", TRACER) == {ADOPTED}


BASE = "seen from outside: base"


@pytest.mark.parametrize("iommu, has_to_apply", (("intel", False), ("amd", True)))
def test_base_has_to_stay_where_the_unit_wants_it(iommu, has_to_apply):
    judged = {"base": Verdict(not_judged="it may change")}
    assert (BASE in checked("refused", iommu=iommu, judged=judged)) == has_to_apply


@pytest.mark.parametrize("rule", ("translation", "dma-entry"))
@pytest.mark.parametrize("append, has_to_apply", (("", True), ("intel_iommu=off", False)))
def test_dma_where_it_is_translated(rule, append, has_to_apply):
    judged = {rule: translation.NOT_TRANSLATED}
    found = checked("refused", append=(append, ""), judged=judged)
    assert (f"seen from outside: {rule}" in found) == has_to_apply


# The guest is asked for its CPUs

def test_recorded_cpu_is_not_online():
    seen = result([Vector(0, old=IDENTITY | {"cpu": 2}, new=IDENTITY | {"cpu": 0})], cpus=(3, 4),
                  online=1)
    assert checks.same_cpu(seen).ok
    seen.online = 4
    assert not checks.same_cpu(seen).ok


def test_lost_is_what_nobody_was_told_of():
    assert Vector(0, rung=1).lost()
    for told in ({"delivered": 1}, {"synthetic": 1}):
        assert not Vector(0, rung=1, **told).lost()
    assert not Vector(0).lost()
