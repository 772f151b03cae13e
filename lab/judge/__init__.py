# SPDX-License-Identifier: GPL-2.0-only
"""Whether what a run has shown is right.

judgement.py is the way in: it reads the logs of a Result and has the rules judged. names.py lists
them; rules.py are those seen from outside, by QEMU's trace, config_space.py those about
configuration space, translation.py those about DMA; ring_accounts.py says what became of each ring;
live_device.py is about devices which programs of the guest drive, virtual_machine.py about a guest
in the guest; drift.py about chains; verdict.py is what a rule comes to, with the evidence which it
had. console.py lists what no console may say, error_lines.py knows our own errors on it.
expectation.py then holds all that against what the scenario expects, with an outcome of outcomes.py
made of checks.py.

A new rule needs a name, a test in tests/ and a scenario which breaks it.
"""
