# SPDX-License-Identifier: GPL-2.0-only
"""What a live update costs, and which lines of ours are run.

live_update.py counts instructions and hardware operations of whole updates, boot.py those of
single boots. limits.py says what may be spent, cost_report.py and plot.py show what was.
coverage.py runs suites and scenarios on a kernel which counts its lines, gcov.py takes the
counters out of its memory.
"""
