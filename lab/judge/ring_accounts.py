# SPDX-License-Identifier: GPL-2.0-only
"""What became of the rings of each vector, according to the log, the owner's counts and the kernel.

The device may make one interrupt of a burst of rings. Hence a ring counts as delivered if the owner
was signalled at it or after it: the lab numbers its rings in the device's memory, and the owner
looks there when it is signalled.
"""

import re
from dataclasses import dataclass

from judge.verdict import Verdict
from machine.iommu import VECTOR_MASK
from machine.qemulog import APIC_WRITE, ICR_HIGH, IRTE_PRESENT, MMIO_WRITE

LOCAL_APIC = "name 'apic-msi'"
XAPIC_DESTINATION_SHIFT = 24
X2APIC_DESTINATION_SHIFT = 32

INJECTED = re.compile(r"irq_liveupdate_inject: irq=(\d+) arrivals=(\d+) was_pending=(\d) how=(\w+)")


IDENTITY = ("irq", "address", "data", "irte")

# The fields of an account that can be summed up, in the order of the columns
COLUMNS = ("rings", "sent", "dropped", "latched", "delivered", "arrivals", "resent", "pending",
           "late", "lost", "duplicate", "spurious")


def changed(vector):
    """The parts of a vector's identity that differ after the update."""
    return [part for part in IDENTITY if vector.old[part] != vector.new[part]]


@dataclass
class Account:
    """The account of one vector.

    rings: how often the lab has rung it
    sent: messages of the device; dropped: those that the remapping unit did not let pass
    latched: the device's pending bit, when the next kernel armed the vector
    delivered: signals that the owner has counted
    resent: interrupts that the next kernel sent to the CPU by itself, since it armed
    injected: what the next kernel says it did at FINISH
    arrivals: interrupts that the next kernel has had by FINISH
    pending: whether it was pending at FINISH already
    lost: rings after the last one at or after which the owner was signalled
    late: rings at or after which the owner was not signalled before FINISH, so that the synthetic
        interrupt makes up for them
    strayed: signals that other vectors are missing, see _share_strays()
    """

    number: int
    rings: int = 0
    sent: int = 0
    dropped: int = 0
    latched: int = 0
    delivered: int = 0
    resent: int = 0
    injected: tuple = ()
    arrivals: int = 0
    pending: int = 0
    lost: int = 0
    late: int = 0
    strayed: int = 0

    @property
    def surplus(self):
        """Signals without a message or, if negative, messages without a signal."""
        return self.delivered - (self.sent - self.dropped) - self.resent

    @property
    def duplicate(self):
        """Synthetic interrupts that are one too many."""
        return max(0, self.resent - 1, len(self.injected) - 1)

    @property
    def spurious(self):
        """Messages without a ring, signals without a message."""
        return max(0, self.sent - self.rings) + max(0, self.surplus - self.strayed)


def injections(trace):
    """From the kernel's trace, by irq number: (arrivals, was pending, how) of each injection."""
    found = {}
    for irq, arrivals, pending, how in INJECTED.findall(trace):
        found.setdefault(int(irq), []).append((int(arrivals), int(pending), how))
    return found


def _count(seen, events):
    """For each message of the device, how many of these (event, message) have it."""
    counts = {message: 0 for message in seen.messages}
    for _, message in events(seen.events, seen.device):
        if message in counts:
            counts[message] += 1
    return counts


class _Targets:
    """Follows where entries send to, CPU and vector.

    resends: by index, how often software has sent there since the vectors were armed again
    donors: by index, the other entries that had last sent to a target which this one was
        given, see _share_strays()
    """

    def __init__(self, seen, unit_x2apic, cpus_x2apic):
        self.resends = {index: 0 for index in seen.irtes}
        self.donors = {index: set() for index in seen.irtes}
        self._unit_x2apic = unit_x2apic
        self._sends = self._x2apic_sends if cpus_x2apic else self._xapic_sends
        self._target = seen.iommu.target
        self._targets = {}
        self._last = {}
        self._high = {}
        self._is_armed = False
        self._arrivals = {id(event): message for event, message
                          in seen.iommu.arrivals(seen.events, seen.device)}
        self._indices = dict(zip(seen.messages, seen.irtes))
        for event in seen.events:
            self._follow(event, event.time >= seen.armed())

    def _follow(self, event, is_armed):
        if is_armed and not self._is_armed:
            # Nothing that was pending in the old kernel is still pending.
            self._last.clear()
        self._is_armed = is_armed
        if event.name == "irte_write":
            self._entry(event.numbers())
            return
        if id(event) in self._arrivals:
            self._arrive(self._indices.get(self._arrivals[id(event)]))
            return
        target = self._sends(event)
        if target and is_armed:
            self._send(target)

    def _entry(self, entry):
        index, low = entry["index"], entry["low"]
        if index not in self.resends:
            return
        if not low & IRTE_PRESENT:
            self._targets.pop(index, None)
            return
        target = self._target(low, entry["high"], self._unit_x2apic)
        self._targets[index] = target
        self.donors[index] |= {self._last.get(target, index)} - {index}

    def _arrive(self, index):
        if index in self._targets:
            self._last[self._targets[index]] = index

    @staticmethod
    def _x2apic_sends(event):
        """(destination, vector), or None."""
        if event.name != APIC_WRITE:
            return None
        value = event.register_value()
        return value >> X2APIC_DESTINATION_SHIFT, value & VECTOR_MASK

    def _xapic_sends(self, event):
        """(destination, vector), or None. A CPU writes the destination first."""
        if event.name != MMIO_WRITE or LOCAL_APIC not in event.text:
            return None
        write = event.numbers()
        if write["addr"] == ICR_HIGH:
            self._high[write["cpu"]] = write["value"] >> XAPIC_DESTINATION_SHIFT
            return None
        return self._high.get(write["cpu"]), write["value"] & VECTOR_MASK

    def _send(self, target):
        for index, has in self._targets.items():
            self.resends[index] += has == target


def _share_strays(found, donors):
    """A CPU has one pending bit for each vector. If a vector is freed while the bit is set, its
    next user gets the interrupt, and the user it was meant for misses it.

    found: by index; donors: of _Targets
    """
    missing = {index: max(0, -account.surplus) for index, account in found.items()}
    for index, account in found.items():
        for other in donors[index]:
            strayed = max(0, min(missing[other], account.surplus - account.strayed))
            account.strayed += strayed
            missing[other] -= strayed


def accounts(seen, x2apic, rings, vectors, trace):
    """One account for each vector.

    x2apic: whether the remapping unit is in that mode, and the CPUs of the next kernel
    rings: by vector how often it was rung
    vectors: result.Vector, with what the owner has counted and seen in the end
    trace: the next kernel's trace
    """
    sent, passed = _count(seen, seen.iommu.requests), _count(seen, seen.iommu.arrivals)
    targets = _Targets(seen, *x2apic)
    injected = injections(trace)
    found = []
    for vector, message, index in zip(vectors, seen.messages, seen.irtes):
        how = injected.get(vector.new["irq"], [])
        found.append(Account(
            number=vector.number, rings=rings[vector.number], sent=sent[message],
            dropped=sent[message] - passed[message], latched=vector.latched,
            delivered=vector.counted, resent=targets.resends[index],
            injected=tuple(each[2] for each in how),
            arrivals=sum(each[0] for each in how), pending=sum(each[1] for each in how),
            lost=rings[vector.number] - vector.seen, late=vector.late))
    _share_strays(dict(zip(seen.irtes, found)), targets.donors)
    return found


def totals(found):
    """Map from column to its sum over accounts."""
    return {name: sum(getattr(account, name) for account in found) for name in COLUMNS}


def lost(found):
    """Each ring is followed by a signal."""
    return Verdict([f"vector {a.number}: {a.lost} of {a.rings} rings" for a in found if a.lost],
                   sum(a.rings for a in found))


def synthetic(found):
    """Each vector gets one synthetic interrupt, as seen by the kernel and by the CPU."""
    return Verdict([f"vector {a.number}: {a.resent} sent, {len(a.injected)} injected"
                    for a in found if a.resent != 1 or len(a.injected) != 1],
                   sum(len(a.injected) for a in found))


def spurious(found):
    """No message without a ring, no signal without a message."""
    return Verdict([f"vector {a.number}: {a.rings} rings, {a.sent} messages, {a.dropped} dropped, "
                    f"{a.delivered} signals" for a in found if a.spurious],
                   sum(a.sent for a in found))


LAWS = {"lost": lost, "synthetic": synthetic, "spurious": spurious}


def judge(found):
    """Name of every law to its verdict."""
    return {name: law(found) for name, law in LAWS.items()}


def foreign(never, across_finish):
    """A quiet vector gets nothing from the storm around it. The arguments say, by vector, how often
    those that are never rung were signalled, and how often those that are no longer rung were
    signalled across FINISH."""
    wrong = [f"vector {n}: {count} signals, although never rung"
             for n, count in never.items() if count != 1]
    wrong += [f"vector {n}: {count} signals across FINISH"
              for n, count in across_finish.items() if count != 1]
    return Verdict(wrong, min(len(never), len(across_finish)))
