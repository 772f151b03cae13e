# SPDX-License-Identifier: GPL-2.0-only
"""Holds a run's result against the outcome its scenario expects."""

import re
from dataclasses import dataclass

from judge import ring_accounts
from machine import qemu
from machine.devices import DEVICES

IDENTITY = ("irq", "address", "data", "irte")

# In a chain, memory in use is not the same twice: page cache, per-CPU lists. In KiB.
MEMORY_DRIFT = 512

# A next kernel that takes no interrupt over still has to leave these alone.
RULES_OF_A_REFUSAL = ("remapping", "flush", "blocked", "stray", "faults")
RULES_OF_A_LOSS = ("remapping", "flush", "faults")

# And these too if it gives the device back: it is not reset either.
RULES_OF_A_RETRIEVAL = ("enable", "bus-master")

# I/O in flight at the jump
MIN_IOS, MIN_QUEUES = 64, 4

REFUSAL = re.compile(r"^\[[ .\d]+\] (.*(?:not taken over|not retrieved|refused|stopped): .*)$",
                     re.MULTILINE)


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    detail: str = ""


def _all(name, wrong):
    """A check that lists what is wrong, in short."""
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return Check(name, not wrong, "; ".join(map(str, wrong[:3])) + more)


def changed(vector):
    """The parts of a vector's identity that differ after the update."""
    return [part for part in IDENTITY if vector.old[part] != vector.new[part]]


def _numbered(result):
    return [(vector.number, vector) for vector in result.vectors]


def _counted(result, phase):
    wrong = [f"vector {n}: {getattr(v, phase)} of {result.scenario.rings}"
             for n, v in _numbered(result) if getattr(v, phase) != result.scenario.rings]
    return _all(f"rings {phase}: counted one by one", wrong)


def _synthetic(result, expected):
    wrong = [f"vector {n}: {v.synthetic}" for n, v in _numbered(result)
             if v.synthetic != expected]
    return _all(f"FINISH: exactly {expected} synthetic interrupts per vector", wrong)


def _rules(result, names):
    return [_all(f"seen from outside: {name}", result.judged[name]) for name in names]


def _console(result):
    return _all("console: no complaint", result.complaints)


def _same_identity(result):
    wrong = [f"vector {n}: {', '.join(changed(v))}" for n, v in _numbered(result) if changed(v)]
    return _all("identity: irq number, message, IRTE index unchanged", wrong)


def cpu_is_right(vector, online):
    """The recorded CPU if it is online in the next kernel, else any that is."""
    old, new = vector.old["cpu"], vector.new["cpu"]
    return new == old if old < online else 0 <= new < online


def _same_cpu(result):
    online = result.scenario.cpus[1]
    wrong = [f"vector {n}: {v.old['cpu']} -> {v.new['cpu']}" for n, v in _numbered(result)
             if not cpu_is_right(v, online)]
    return _all("CPU: the recorded one where it is online", wrong)


def _blackout_delivered(result):
    wrong = [f"vector {n}: rung {v.rung}, delivered {v.delivered}" for n, v in _numbered(result)
             if not v.rung or v.delivered != 1]
    return _all("blackout: every vector that was rung is delivered", wrong)


def _blackout_latched(result):
    wrong = [f"vector {n}" for n, v in _numbered(result) if not v.latched]
    return _all("blackout: every ring is latched by the device", wrong)


def _account_taken(result):
    return Check("account: taken of every vector", len(result.accounts) == len(result.vectors))


def _accounts(result):
    """Of a device that numbers its rings, that is not registers which are written."""
    if DEVICES[result.scenario.device].ring:
        return []
    return [_account_taken(result)] + [
        _all(f"account: {name}", wrong)
            for name, wrong in ring_accounts.judge(result.accounts).items()]


def _handed_over(result, *blackout):
    return [_retrieved(result, True), _same_identity(result), _same_cpu(result),
            _counted(result, "before"), *blackout,
            _counted(result, "adopted"), _synthetic(result, 1), _counted(result, "after"),
            *_accounts(result), *_rules(result, result.judged), _console(result)]


def _handover(result):
    return _handed_over(result, _blackout_latched(result), _blackout_delivered(result))


def _blackout_dropped(result):
    wrong = [f"vector {n}: rung {v.rung}, latched {v.latched}, delivered {v.delivered}"
             for n, v in _numbered(result) if not v.rung or v.latched or v.delivered]
    return _all("blackout: what the device cannot latch is dropped", wrong)


def _dropped(result):
    """Without mask bits the synthetic interrupt is all there is, and it is there."""
    return _handed_over(result, _blackout_dropped(result))


def _hammer_hit(result):
    """The next kernel finds in the counters what the hammer did until the old one was gone."""
    stats = result.extras[-1]
    wrong = [f"{what}: {stats[what]}" for what in ("moved", "armed", "arm_busy")
             if not stats[what]]
    if not result.late_calls:
        wrong.append("nobody wanted to change an entry after the block")
    return _all("hammer: at work before FREEZE, at the gate, and after the block", wrong)


def _hammered(result):
    return [_hammer_hit(result)] + [c for c in _handover(result) if not c.name.startswith("CPU")]


def _storm(result):
    return [_retrieved(result, True), _same_identity(result), _same_cpu(result),
            _account_taken(result), *_rules(result, result.judged), _console(result)]


def drift(rows):
    """What is not the same at every kernel, but for memory in use within limits."""
    wrong = []
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        allowed = MEMORY_DRIFT if name.startswith("memory in use") else 0
        if max(values) - min(values) > allowed:
            wrong.append(f"{name}: {min(values)} to {max(values)}")
        if name.startswith("vectors with another") and max(values):
            wrong.append(f"{name}: {max(values)}")
    return wrong


def _chain(result):
    return [Check("all updates were done", len(result.chain) == result.scenario.length),
            *_rules(result, result.judged), _console(result)]


def _moved(result):
    """The owner's choice of CPUs goes before the recorded ones."""
    return [c for c in _handover(result) if not c.name.startswith("CPU")]


def _requested_late(result):
    """A vector which nobody has at FINISH gets its interrupt when it is requested. Its
    message is cleared by its owner meanwhile."""
    rings = result.scenario.rings
    wrong = [f"vector {n}: {v.synthetic} at FINISH, {v.after} of {rings} after it"
             for n, v in _numbered(result) if v.synthetic + v.after != rings + 1]
    late = [v.number for v in result.vectors if not v.synthetic]
    return [_all("FINISH: one synthetic interrupt per vector, then or at the request", wrong),
            Check("FINISH: some vectors are requested after it", bool(late)),
            *(c for c in _handover(result)
              if not c.name.startswith(("FINISH", "rings after"))
              and c.name != "seen from outside: message")]


def _cycled(result):
    """The owner itself disables MSI-X, which clears Enable and all messages."""
    owners = {f"seen from outside: {rule}" for rule in ("enable", "message")}
    return [c for c in _handover(result) if c.name not in owners]


def _numbers_differ(result):
    wrong = [f"vector {n}: the same {part}" for n, v in _numbered(result)
             for part in ("irq", "irte") if part not in changed(v)]
    return _all("negative control: irq number and IRTE index differ", wrong)


def _blackout_lost(result):
    wrong = [f"vector {n}: delivered {v.delivered}" for n, v in _numbered(result) if v.delivered]
    return _all("negative control: rings in the blackout are lost", wrong)


def _cold(result):
    return [_numbers_differ(result), _blackout_lost(result), _counted(result, "before"),
            _counted(result, "adopted"), _synthetic(result, 0), _counted(result, "after"),
            _console(result)]


def _cold_start_works(result):
    return [_counted(result, "before"), _counted(result, "adopted"), _synthetic(result, 0),
            _counted(result, "after"), _console(result)]


def _said(result):
    """The next kernel says what it refuses, once, and nothing else."""
    found = REFUSAL.findall(result.console)
    wanted = list(result.scenario.says)
    return _all("console: what is refused, and why", [] if found == wanted else found or ["none"])


def _retrieved(result, expected):
    name = "the device is given back" if expected else "the device is not given back"
    return Check(name, result.retrieved == expected)


def _refused(result):
    return [_retrieved(result, True), *_cold_start_works(result),
            *_rules(result, RULES_OF_A_REFUSAL + RULES_OF_A_RETRIEVAL), _said(result)]


def _unremapped(result):
    """A unit of AMD-Vi which does not remap is switched off."""
    return [c for c in _refused(result) if c.name != "seen from outside: remapping"]


def _disabled(result):
    """MSI which can not be masked must not send what is no message without the unit."""
    return [c for c in _unremapped(result) if c.name != "seen from outside: enable"]


def _msi_left(result):
    """MSI has to be disabled before MSI-X is enabled."""
    return [_retrieved(result, True), *_cold_start_works(result),
            *_rules(result, RULES_OF_A_REFUSAL + ("one-type", "bus-master")), _said(result)]


def _not_retrieved(result):
    return [_retrieved(result, False), *_cold_start_works(result),
            *_rules(result, RULES_OF_A_REFUSAL), _said(result)]


def _given_up_early(result):
    """What nobody can claim starts cold, its bus mastering went off, that of the path did not.

    Others get its remapping entries before it is armed, so no rule about those can be judged.
    """
    off = [line for line in result.judged["bus-master"] if qemu.DEVICE[5:] in line]
    path = [line for line in result.judged["bus-master"] if line not in off]
    return _cold_start_works(result) + _rules(result, RULES_OF_A_LOSS) + [
        Check("seen from outside: bus mastering of the device went off", bool(off)),
        _all("seen from outside: bus mastering of the path stayed on", path)]


def _given_up(result):
    """The same at FINISH, until which nobody else gets its entries."""
    return _given_up_early(result) + _rules(result, ("blocked", "stray"))


def _crashed(result, role):
    """Nothing of the live update is left, and what boots starts the device cold."""
    return [Check(f"the {role} kernel has booted", result.role == role, result.role),
            _counted(result, "before"), _counted(result, "after"), _console(result)]


def _crash_kernel(result):
    return _crashed(result, "crash")


def _reset(result):
    return _crashed(result, "old")


def _programs_passed(result):
    """The run ends at the first that fails, so those that were run have passed."""
    wanted = len(result.scenario.old_runs) + len(result.scenario.next_runs)
    said = [_said(result)] if result.scenario.says else []
    return [Check("programs in the guest passed", len(result.extras) == wanted),
            *said, _console(result)]


def _took_off(result):
    """Of the I/O there is much in flight, over several queues."""
    flight = result.flight
    detail = f"{flight.total()} over {len(flight.queues)} queues"
    return Check(f"at least {MIN_IOS} I/Os over {MIN_QUEUES} queues in flight at the jump",
                 flight.total() >= MIN_IOS and len(flight.queues) >= MIN_QUEUES, detail)


def _hung(result):
    return [*_programs_passed(result), _took_off(result)]


def _busy(result):
    return _programs_passed(result) + _rules(result, result.judged)


def _in_flight(result):
    flight = result.flight
    return [*_busy(result), _took_off(result),
            Check("all of them completed in the blackout", flight.landed == flight.total(),
                  f"{flight.landed} of {flight.total()}")]


EXPECTED = {
    "programs": _programs_passed,
    "in-flight": _in_flight,
    "busy": _busy,
    "hung": _hung,
    "handover": _handover,
    "dropped": _dropped,
    "hammered": _hammered,
    "cycled": _cycled,
    "moved": _moved,
    "requested-late": _requested_late,
    "storm": _storm,
    "chain": _chain,
    "cold": _cold,
    "refused": _refused,
    "unremapped": _unremapped,
    "disabled": _disabled,
    "msi-left": _msi_left,
    "not-retrieved": _not_retrieved,
    "foreign": _cold_start_works,
    "crash-kernel": _crash_kernel,
    "reset": _reset,
    "given-up": _given_up,
    "given-up-early": _given_up_early,
}


def _sabotaged(result):
    """The judges of the broken rules noticed, and they alone."""
    noticed = {name for name, found in result.judged.items() if found}
    broken = set(result.scenario.breaks)
    return [_all("sabotage: noticed by the judges of the broken rules", sorted(broken - noticed)),
            _all("sabotage: noticed by no other judge", sorted(noticed - broken))]


def check(result):
    if result.error:
        return [Check("run came to its end", False, result.error.splitlines()[0])]
    if result.scenario.breaks:
        return _sabotaged(result)
    return EXPECTED[result.scenario.expect](result)
