# SPDX-License-Identifier: GPL-2.0-only
"""Results for people (tables.py, picture.py) and for programs (JSON, ktap.py).

ktap.py has everything about KTAP in this repository; scripts/ uses it as well. unit_tests.py runs
the lab's own tests.
"""
