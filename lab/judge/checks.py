# SPDX-License-Identifier: GPL-2.0-only
"""Checks of a result, each of one thing."""

import re
from dataclasses import dataclass

from judge import ring_accounts
from judge.ring_accounts import changed
from judge.verdict import Verdict
from machine import qemu
from machine.devices import DEVICES

ADOPTED = re.compile(r"irq_liveupdate_adopt: device=(\S+) vector=(\d+) ")


@dataclass(frozen=True)
class Check:
    """race: whether it fails if a race was missed although nothing else is wrong."""

    name: str
    ok: bool
    detail: str = ""
    race: bool = False


def all_of(name, wrong, race=False):
    """A check that lists what is wrong, abbreviated."""
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return Check(name, not wrong, "; ".join(map(str, wrong[:3])) + more, race)


def numbered(result):
    return [(vector.number, vector) for vector in result.vectors]


def counted(result, phase):
    wrong = [f"vector {n}: {getattr(v, phase)} of {result.scenario.rings}"
             for n, v in numbered(result) if getattr(v, phase) != result.scenario.rings]
    return all_of(f"rings {phase}: counted one by one", wrong)


def synthetic(result, expected):
    wrong = [f"vector {n}: {v.synthetic}" for n, v in numbered(result)
             if v.synthetic != expected]
    return all_of(f"FINISH: exactly {expected} synthetic interrupts per vector", wrong)


def _adopted(result):
    """The vectors of the device that the next kernel has adopted, as its trace says."""
    return {int(vector) for device, vector in ADOPTED.findall(result.trace)
            if device == qemu.handed_over(result.scenario)}


def all_adopted(result):
    seen = _adopted(result)
    return all_of("trace: every vector is adopted",
                  [f"vector {n}" for n, _ in numbered(result) if n not in seen])


def none_adopted(result):
    wrong = [f"vector {n}" for n in sorted(_adopted(result))]
    return all_of("trace: no vector is adopted", wrong if result.trace else ["there is no trace"])


def rule_held(result, name):
    """Whether a rule that applies has held."""
    verdict = result.judged.get(name, Verdict())
    return all_of(f"seen from outside: {name}",
                verdict.failure() or [verdict.not_judged] * bool(verdict.not_judged))


def rules_held(result, names):
    """Whether these rules have held, of which there must be at least one."""
    return ([rule_held(result, name) for name in names]
            or [Check("seen from outside", False, "nothing was judged")])


def all_rules_held(result):
    """Whether all rules that apply have held."""
    return rules_held(result, [name for name, verdict in result.judged.items()
                               if not verdict.not_judged])


def same_identity(result):
    wrong = [f"vector {n}: {', '.join(changed(v))}" for n, v in numbered(result) if changed(v)]
    return all_of("identity: irq number, message, IRTE index unchanged", wrong)


def cpu_is_right(vector, online):
    """Whether the CPU is the recorded one, or any online one if that is not online in the next
    kernel."""
    old, new = vector.old["cpu"], vector.new["cpu"]
    return new == old if old < online else 0 <= new < online


def same_cpu(result):
    online = result.online
    wrong = [f"vector {n}: {v.old['cpu']} -> {v.new['cpu']}" for n, v in numbered(result)
             if not cpu_is_right(v, online)]
    return all_of("CPU: the recorded one where it is online", wrong)


def blackout_delivered(result):
    wrong = [f"vector {n}: rung {v.rung}, delivered {v.delivered}" for n, v in numbered(result)
             if not v.rung or v.delivered != 1]
    return all_of("blackout: every vector that was rung is delivered", wrong)


def blackout_latched(result):
    wrong = [f"vector {n}" for n, v in numbered(result) if not v.latched]
    return all_of("blackout: every ring is latched by the device", wrong)


def account_taken(result):
    return Check("account: taken of every vector", len(result.accounts) == len(result.vectors))


def accounts_fit(result):
    """Check the accounts of a device whose rings are numbered. Rings that are mere register writes
    have no accounts."""
    device = DEVICES[result.scenario.device]
    if device.ring and not device.numbers:
        return []
    return [account_taken(result)] + [
        all_of(f"account: {name}", verdict.failure())
        for name, verdict in ring_accounts.judge(result.accounts).items()]
