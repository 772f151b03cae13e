# SPDX-License-Identifier: GPL-2.0-only
"""Whether what a run has shown is right.

rules.py are the rules seen from outside, by QEMU's trace; ring_accounts.py says what became of
each ring; live_device.py is about devices which programs of the guest drive; console.py lists
what no console may say. expectation.py is the way in: what a scenario's "expect" demands of
all of these. A new rule needs a test in tests/ and a scenario which breaks it.
"""
