# SPDX-License-Identifier: GPL-2.0-only
"""The outcomes that a scenario can expect, each a function from a result to checks."""

from judge.checks import (Check, account_taken, accounts_fit, all_adopted, all_of,
    all_rules_held, blackout_delivered, blackout_latched, counted, none_adopted, numbered,
    rules_held, same_cpu, same_identity, synthetic)
from judge import selftests
from judge import timeline
from judge import translation
from judge import virtual_machine
from judge.ring_accounts import changed
from judge.verdict import Verdict
from machine import qemu
from machine.iommu import IOMMUS

# A next kernel that takes no interrupt over still has to leave these alone.
RULES_OF_A_REFUSAL = ("remapping", "flush", "blocked", "stray", "faults")
RULES_OF_A_LOSS = ("remapping", "flush", "faults")

# And these as well if it gives the device back, which is not reset either.
RULES_OF_A_RETRIEVAL = ("enable", "bus-master")

# I/O in flight at the jump
MIN_IOS, MIN_QUEUES = 64, 4

# Vectors that a guest moves between preserve() and freeze(), at least
MIN_MOVED = 2

# These must be broken where nothing is handed over, or a handover would prove nothing
RULES_OF_A_COLD_START = ("remapping", "enable", "bus-master")


def _held(result, names):
    """Whether these rules have held, with those of DMA where it is translated, and that of the base
    of the tables where the unit needs it to stay."""
    scenario = result.scenario
    names += tuple(translation.RULES) * translation.applies_to(scenario)
    names += ("base",) * IOMMUS[scenario.iommu].base_is_fixed
    return rules_held(result, names)


def _handed_over(result, *blackout):
    return [_retrieved(result, True), all_adopted(result), same_identity(result), same_cpu(result),
            counted(result, "before"), *blackout,
            counted(result, "adopted"), synthetic(result, 1), counted(result, "after"),
            *accounts_fit(result), *all_rules_held(result)]


def _handover(result):
    return _handed_over(result, blackout_latched(result), blackout_delivered(result))


def _blackout_dropped(result):
    wrong = [f"vector {n}: rung {v.rung}, latched {v.latched}, delivered {v.delivered}"
             for n, v in numbered(result) if not v.rung or v.latched or v.delivered]
    return all_of("blackout: what the device cannot latch waits for the synthetic interrupt", wrong)


def _dropped(result):
    """Without mask bits the synthetic interrupt is the only one, and it arrives."""
    return _handed_over(result, _blackout_dropped(result))


def _hammer_hit(result):
    """The next kernel finds in the counters what the hammer did until the old one was gone."""
    stats = result.extras[-1]
    wrong = [f"{what}: {stats[what]}" for what in ("moved", "armed", "arm_busy")
             if not stats[what]]
    wrong += [f"{what}: {stats[what]}" for what in ("move_errors", "arm_errors") if stats[what]]
    late = [] if result.late_calls else ["nobody did"]
    return [all_of("hammer: at work before FREEZE and at the gate, and nothing failed", wrong),
            all_of("hammer: wanted to change an entry after the block", late, race=True)]


def _hammered(result):
    return _hammer_hit(result) + [c for c in _handover(result) if not c.name.startswith("CPU")]


def _rung_in_blackout(result):
    """Some vectors of every storm are rung again and again while the device is masked."""
    return Check("blackout: rings are latched by the device",
                 any(vector.latched for vector in result.vectors))


def _storm(result):
    return [_retrieved(result, True), same_identity(result), same_cpu(result),
            _rung_in_blackout(result), account_taken(result), *all_rules_held(result)]


def _chain(result):
    return [Check("all updates were done", len(result.chain) == result.scenario.length),
            *all_rules_held(result)]


def _moved(result):
    """The owner's choice of CPUs takes precedence over the recorded ones."""
    return [c for c in _handover(result) if not c.name.startswith("CPU")]


def _faults_again(result):
    """After FINISH the device sends a message that names an entry which nobody owns."""
    faults = result.judged.get("faults", Verdict())
    return [Check("after FINISH: what names an entry which nobody owns is reported",
                  bool(faults.wrong), faults.not_judged or "no fault was reported"),
            *(c for c in _handover(result)
              if c.name not in ("seen from outside: faults", "seen from outside: message"))]


def _requested_late(result):
    """A vector that nobody has requested at FINISH gets its interrupt when it is requested. Before
    that, its owner clears its message."""
    rings = result.scenario.rings
    wrong = [f"vector {n}: {v.synthetic} at FINISH, {v.after} of {rings} after it"
             for n, v in numbered(result) if v.synthetic + v.after != rings + 1]
    late = [v.number for v in result.vectors if not v.synthetic]
    return [all_of("FINISH: one synthetic interrupt per vector, then or at the request", wrong),
            Check("FINISH: some vectors are requested after it", bool(late)),
            *(c for c in _handover(result)
              if not c.name.startswith(("FINISH", "rings after"))
              and c.name != "seen from outside: message")]


def _cycled(result):
    """The owner itself disables MSI-X, which clears Enable and all messages."""
    owners = {f"seen from outside: {rule}" for rule in ("enable", "message")}
    return [c for c in _handover(result) if c.name not in owners]


def _numbers_differ(result):
    wrong = [f"vector {n}: the same {part}" for n, v in numbered(result)
             for part in ("irq", "irte") if part not in changed(v)]
    return all_of("negative control: irq number and IRTE index differ", wrong)


def _blackout_lost(result):
    wrong = [f"vector {n}: delivered {v.delivered}" for n, v in numbered(result) if v.delivered]
    return all_of("negative control: rings in the blackout are lost", wrong)


def _broken(result, names):
    """These rules are known to break in a cold start, and must be seen broken."""
    names += ("translation",) * translation.applies_to(result.scenario)
    wrong = [f"{name} {result.judged.get(name, Verdict()).word()}" for name in names
             if not result.judged.get(name, Verdict()).broken()]
    return all_of("negative control: what a handover keeps enabled was switched off", wrong)


def _cold(result):
    return [_numbers_differ(result), _blackout_lost(result),
            _broken(result, RULES_OF_A_COLD_START), *_cold_start_works(result)]


def _cold_start_works(result, injected=0):
    return [counted(result, "before"), counted(result, "adopted"),
            synthetic(result, injected), counted(result, "after")]


def _refused_start_works(result):
    """What the device has raised since the block was dropped, so each of its new vectors gets an
    interrupt."""
    return _cold_start_works(result, injected=1)


def _retrieved(result, expected):
    name = "the device is given back" if expected else "the device is not given back"
    return Check(name, result.retrieved == expected)


def _refused(result):
    return [_retrieved(result, True), none_adopted(result), *_refused_start_works(result),
            *_held(result, RULES_OF_A_REFUSAL + RULES_OF_A_RETRIEVAL)]


def _unremapped(result):
    """A unit of AMD-Vi that does not remap is switched off."""
    return [c for c in _refused(result) if c.name != "seen from outside: remapping"]


def _disabled(result):
    """MSI that cannot be masked must be disabled: without the unit, what it sends is not a valid
    message."""
    return [c for c in _unremapped(result) if c.name != "seen from outside: enable"]


def _rearmed(result):
    """The owner adopts the messages. Then it disables MSI, and enables it again with new ones."""
    owners = ("trace: no vector is adopted", "seen from outside: enable")
    return [_blackout_dropped(result), all_adopted(result),
            *(c for c in _refused(result) if c.name not in owners)]


def _msi_left(result):
    """MSI has to be disabled before MSI-X is enabled."""
    return [_retrieved(result, True), *_refused_start_works(result),
            *_held(result, RULES_OF_A_REFUSAL + ("one-type", "bus-master"))]


def _not_retrieved(result):
    return [_retrieved(result, False), *_cold_start_works(result),
            *_held(result, RULES_OF_A_REFUSAL)]


def _unread(result):
    """Nobody knows the device's mappings. A scenario with a canary shows that it is stopped before
    translation goes off."""
    return [_retrieved(result, False), *_cold_start_works(result),
            *rules_held(result, RULES_OF_A_REFUSAL)]


def _given_up_early(result):
    """A device that nobody can claim starts cold. Its bus mastering went off, that of the path did
    not.

    Others get its remapping entries before it is armed, so no rule about them can be judged.
    """
    lines = result.judged["bus-master"].wrong
    off = [line for line in lines if qemu.DEVICE[5:] in line]
    path = [line for line in lines if line not in off]
    return _cold_start_works(result) + _held(result, RULES_OF_A_LOSS) + [
        Check("seen from outside: bus mastering of the device went off", bool(off)),
        all_of("seen from outside: bus mastering of the path stayed on", path)]


def _given_up(result):
    """The same at FINISH; nobody else gets the entries before that."""
    return _given_up_early(result) + rules_held(result, ("blocked", "stray"))


def _crashed(result, role):
    """Nothing of the live update is left, and the kernel that boots starts the device cold."""
    return [Check(f"the {role} kernel has booted", result.role == role, result.role),
            counted(result, "before"), counted(result, "after")]


def _crash_kernel(result):
    return _crashed(result, "crash")


def _reset(result):
    return _crashed(result, "old")


def _programs(result):
    """A run ends at the first program that fails, so all of them must be there."""
    wanted = len(result.scenario.old_runs) + len(result.scenario.next_runs)
    return [Check("programs in the guest: all were run", len(result.extras) == wanted)]


def _kept_out(result):
    """Translation keeps the device from memory."""
    return [*_programs(result), *rules_held(result, ("translation",))]


def _stopped_first(result):
    """The device is stopped before translation lets it reach memory."""
    return [*_programs(result), *rules_held(result, ("stopped-first",))]


def _same_results(result):
    """Of the same programs in both kernels, case by case"""
    wrong = selftests.differences(result.extras)
    if not selftests.of(result.extras):
        wrong.append("no results at all")
    return [*_programs(result),
            all_of("programs in the guest: same results in both kernels", wrong)]


def _took_off(result):
    """Much I/O is in flight, over several queues."""
    flight = result.flight
    detail = f"{flight.total()} over {len(flight.queues)} queues"
    return Check(f"at least {MIN_IOS} I/Os over {MIN_QUEUES} queues in flight at the jump",
                 flight.total() >= MIN_IOS and len(flight.queues) >= MIN_QUEUES, detail)


def _hung(result):
    return [*_programs(result), _took_off(result)]


def _left_alone(result):
    return _programs(result) + all_rules_held(result)


def _kept(result):
    """The trace cannot tell a reset of the physical function from one of a virtual function: the
    program can."""
    names = [name for name in result.judged if name != "reset"]
    return [*_programs(result), *rules_held(result, names)]


def _gap(result):
    """The longest gap, which is not judged: it depends on the host."""
    gap = virtual_machine.longest_gap_ms(result.guest) if result.guest else 0
    return Check("guest: its longest gap is known", bool(gap), f"{gap:.0f} ms")


def _guest_moves(result):
    """The guest itself moves vectors, at any time: it does not know of the update."""
    moved = virtual_machine.moved_when_prepared(result.guest) if result.guest else {}
    detail = ", ".join(f"vector {n}: {times}" for n, times in moved.items())
    return Check(f"guest: at least {MIN_MOVED} vectors go to another CPU while preserved",
                 len(moved) >= MIN_MOVED, detail)


def _pause_divided(result):
    """The messages that end the steps of the kernels were all found."""
    missing = timeline.WITHIN_BOOT - dict(result.timeline).keys()
    return all_of("guest: its pause is divided into steps", sorted(missing))


def _guest_handed_over(result):
    return [*_left_alone(result), _took_off(result), _gap(result), _pause_divided(result),
            _guest_moves(result)]


def _guest_restarted(result):
    """The guest that is booted again has a different clock, and the device, which has no virtual
    functions, is reset when it starts cold."""
    cold = ("guest-clock", "reset", "enable", "bus-master", "virtual-functions")
    names = [name for name in result.judged if name not in cold]
    return [*_programs(result), _took_off(result), *rules_held(result, names)]


def _guest_beside(result):
    """The other device causes faults on purpose, and the trace does not say which device caused
    them."""
    rules = ("translation", *virtual_machine.RULES)
    return [*_programs(result), _gap(result), *rules_held(result, rules)]


def _guest_chain(result):
    scenario = result.scenario
    wanted = len(scenario.old_runs) + scenario.length * len(scenario.next_runs) \
        + len(scenario.end_runs)
    return [Check("programs in the guest: all were run", len(result.extras) == wanted),
            *_chain(result), _gap(result)]


def _linux_handed_over(result):
    flight = result.flight
    return [*_left_alone(result), Check("guest: its console is known", bool(result.linux)),
            Check("I/O in flight at the jump", flight.total() > 0, str(flight.total()))]


def _guest_hung(result):
    """The guest continues without its device."""
    lost = result.judged.get("guest-lost", Verdict())
    return [*_hung(result), _gap(result),
            Check("negative control: I/O of the guest hangs", lost.broken()),
            *rules_held(result, [name for name in virtual_machine.RULES if name != "guest-lost"])]


def _in_flight(result):
    flight = result.flight
    return [*_left_alone(result), _took_off(result),
            Check("all of them completed in the blackout", flight.landed == flight.total(),
                  f"{flight.landed} of {flight.total()}")]


EXPECTED = {
    "programs": _programs,
    "kept-out": _kept_out,
    "stopped-first": _stopped_first,
    "same-results": _same_results,
    "in-flight": _in_flight,
    "left-alone": _left_alone,
    "kept": _kept,
    "hung": _hung,
    "guest-handed-over": _guest_handed_over,
    "guest-hung": _guest_hung,
    "guest-beside": _guest_beside,
    "guest-restarted": _guest_restarted,
    "guest-chain": _guest_chain,
    "linux-handed-over": _linux_handed_over,
    "handover": _handover,
    "dropped": _dropped,
    "hammered": _hammered,
    "cycled": _cycled,
    "moved": _moved,
    "requested-late": _requested_late,
    "faults-again": _faults_again,
    "storm": _storm,
    "chain": _chain,
    "cold": _cold,
    "refused": _refused,
    "unremapped": _unremapped,
    "disabled": _disabled,
    "rearmed": _rearmed,
    "msi-left": _msi_left,
    "not-retrieved": _not_retrieved,
    "unread": _unread,
    "foreign": _cold_start_works,
    "crash-kernel": _crash_kernel,
    "reset": _reset,
    "given-up": _given_up,
    "given-up-early": _given_up_early,
}
