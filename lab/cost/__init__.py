# SPDX-License-Identifier: GPL-2.0-only
"""What a live update costs, and which lines of our files run.

live_update.py counts instructions and hardware operations of whole updates, boot.py those of
single boots. limits.py has the limits, cost_report.py and plot.py show the results. coverage.py
runs suites and scenarios on a kernel that counts its lines, gcov.py reads the counters from its
memory.
"""
