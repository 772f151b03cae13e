# SPDX-License-Identifier: GPL-2.0-only
"""What happens to a machine during a run, in chronological order.

run.py has what all courses have in common, update.py the live update of one device, storm.py one in
a storm of interrupts, chain.py many in a row, crash.py one during which the machine crashes,
programs.py what programs of the guest do by themselves. corruption.py alters what the old kernel
hands over, kernels.py has the command lines of kernels. A course leaves a Result (result.py), which
says what happened, not whether that is right.
"""
