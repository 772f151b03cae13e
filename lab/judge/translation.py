# SPDX-License-Identifier: GPL-2.0-only
"""Judges what a device can reach by DMA, from QEMU's trace and from every store to the tables that
determine it.

A device with mappings keeps its entry when the old kernel goes down, until its owner replaces it,
and each value that the unit can read is the complete old entry or the complete new one. A device
without mappings reaches no memory until its owner has come. A device that is stopped, with bus
mastering off, may get any entry.
"""

from judge.verdict import Verdict
from machine.iommu import IOMMUS, lets_pass
from machine.qemulog import COMMAND, COMMAND_BUS_MASTER

NOT_TRANSLATED = Verdict(not_judged="the unit does not translate DMA")


def applies_to(scenario):
    """Whether the old kernel translates DMA."""
    return IOMMUS[scenario.iommu].translates(scenario.append[0])


def stays_enabled(seen):
    """DMA translation is never disabled, and starts from the same table."""
    if not seen.translated:
        return NOT_TRANSLATED
    wrong = [f"DMA translation off: {event.name} {event.text}" for event in seen.window()
             if seen.iommu.switches_translation_off(event)]
    roots = [event.text for event in seen.before("root_write")]
    wrong += [f"another table: {event.text}, was {roots[-1]}"
              for event in seen.window("root_write") if roots and event.text != roots[-1]]
    enabled = sum(map(seen.iommu.switches_translation_on, seen.before()))
    # A kernel that has itself taken over the table need not write its address.
    return Verdict(wrong, enabled if seen.iommu.base_is_fixed else min(enabled, len(roots)))


def _is_mixed(words, before, after):
    """Whether some words are those of the entry before, and the others those of the entry after."""
    return (words not in (before, after)
            and all(word in pair for word, pair in zip(words, zip(before, after))))


def _shown(words):
    return " ".join(f"{word:#x}" for word in words)


def _arms(seen, event):
    return (event.name == "msix_write_config"
            and event.text == f"dev {seen.model} enabled 1 masked 0")


def _next_step(seen, position):
    """The events after the entry was replaced, until it is replaced again or the device can send
    interrupts again. FINISH flushes as well, and an owner that has already armed the device comes
    to that next."""
    for event in seen.events[position + 1:]:
        if event.name == "dma_write" or event.time > seen.end or _arms(seen, event):
            return
        yield event


def _not_flushed(seen, position):
    """Which flushes are missing after the entry was replaced, in the required order."""
    rest = _next_step(seen, position)
    for what, flushes in (("entries", seen.iommu.flushes_entries),
                          ("mappings", seen.iommu.flushes_mappings), ("a wait", seen.iommu.waits)):
        if not any(flushes(event) for event in rest):
            yield what


def _replaced(seen, old, writes):
    """What is wrong with the entries of a device with mappings."""
    values = [old, *(words for _, words in writes)]
    for position, (at, words) in enumerate(writes, 1):
        if not seen.iommu.reaches_memory(words):
            yield f"closed: {_shown(words)}"
        elif position + 1 < len(values) and _is_mixed(words, values[position - 1],
                                                      values[position + 1]):
            yield f"neither the old one nor the new one: {_shown(words)}"
        else:
            yield from (f"{_shown(words)}: {what} not flushed after it"
                        for what in _not_flushed(seen, at))


def _kept_out(seen, writes):
    """What is wrong with the entries of a device without mappings, until its vectors are armed."""
    return [f"reaches memory: {_shown(words)}" for at, words in writes
            if seen.iommu.reaches_memory(words) and seen.events[at].time <= seen.armed()]


def _stopped(seen):
    """When the device was stopped, or the end."""
    return min((event.time for event, offset, value
                in seen.config_writes(seen.window("pci_cfg_write"))
                if offset == COMMAND and not value & COMMAND_BUS_MASTER), default=seen.end)


def entry_is_replaced(seen):
    """The device's DMA entry: kept, then replaced at once; or closed until its owner comes. Where
    it is to be replaced, an owner must have done so."""
    if not seen.translated:
        return NOT_TRANSLATED
    before = seen.before("dma_write")
    if not before:
        return Verdict()
    old = before[-1].words()
    until = _stopped(seen)
    writes = [(position, event.words()) for position, event in enumerate(seen.events)
              if event.name == "dma_write" and seen.start <= event.time <= until]
    if seen.iommu.reaches_memory(old):
        if not writes and not any(_arms(seen, event) for event in seen.window()):
            return Verdict(not_judged="the run ends before its owner comes")
        return Verdict(list(_replaced(seen, old, writes)),
                       sum(words != old for _, words in writes))
    return Verdict(_kept_out(seen, writes), len(before))


def stopped_first(seen):
    """A device without mappings is stopped before translation lets it reach memory."""
    before = seen.before("dma_write")
    if before and seen.iommu.reaches_memory(before[-1].words()):
        return Verdict(not_judged="the device has mappings")
    events = seen.window()
    first = next((position for position, event in enumerate(events)
                  if lets_pass(seen.iommu, event)), None)
    if first is None:
        return Verdict(not_judged="translation keeps the device from memory")
    stops = [not value & COMMAND_BUS_MASTER for _, offset, value
             in seen.config_writes(events[:first]) if offset == COMMAND]
    wrong = [] if stops and stops[-1] else [f"{seen.device} not stopped before "
                                            f"{events[first].name} {events[first].text}"]
    return Verdict(wrong, len(stops))


RULES = {"translation": stays_enabled, "dma-entry": entry_is_replaced}

# For a device of which little is known
DEVICE_RULES = {"translation": stays_enabled, "stopped-first": stopped_first}


def judge(seen):
    return {name: rule(seen) for name, rule in DEVICE_RULES.items()}
