# SPDX-License-Identifier: GPL-2.0-only
"""What happens to a machine during a run, in order of time.

run.py is the live update of one device, storm.py one in a storm of interrupts, chain.py many
in a row. corruption.py alters what the old kernel hands over. A course leaves a Result
(result.py), which says what happened and not whether that is right.
"""
