# SPDX-License-Identifier: GPL-2.0-only
"""The rules that a run is judged by, and what each demands."""

RULES = {
    "remapping": "interrupt remapping never disabled",
    "table": "remapping table taken over in place",
    "enable": "MSI or MSI-X Enable never cleared",
    "one-type": "MSI and MSI-X never enabled together",
    "bus-master": "bus mastering never cleared, device and path",
    "message": "no MSI or MSI-X message word changed",
    "flush": "block: entries closed, cache invalidated, waited for",
    "blocked": "blocked entries stay closed until armed",
    "source-id": "no entry present with a wrong source-id",
    "stray": "no interrupt arrives while blocked",
    "faults": "no remapping fault",
    "config": "running device: only harmless config writes",
    "translation": "DMA translation never disabled, same table",
    "dma-entry": "DMA entry kept and replaced at once, or closed",
    "lost": "each ring followed by a signal",
    "synthetic": "exactly one synthetic interrupt per vector",
    "invented": "no message and no signal without a cause",
    "foreign": "no signal to a vector which is quiet",
    "drift": "nothing drifts from one update to the next",
    "reset": "device not configured, started, stopped or reset",
}
