# SPDX-License-Identifier: GPL-2.0-only
"""Judges whether what a run has shown is right.

judgement.py is the way in: it reads the logs of a Result and has the rules judged. names.py lists
them. rules.py has those that are seen from outside, in QEMU's trace, config_space.py those about
configuration space, translation.py those about DMA. ring_accounts.py accounts for each ring.
live_device.py is about devices that programs of the guest drive, virtual_machine.py about a guest
in the guest, drift.py about chains. verdict.py is the result of a rule, with its evidence.
console.py lists what must not be on any console, error_lines.py recognizes our own errors there.
expectation.py then compares all that with what the scenario expects: an outcome from outcomes.py,
made of checks from checks.py.

A new rule needs a name, a test in tests/ and a scenario which breaks it.
"""
