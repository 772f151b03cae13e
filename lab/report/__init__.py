# SPDX-License-Identifier: GPL-2.0-only
"""Results for people (tables.py, picture.py) and for programs (JSON, ktap.py).

ktap.py is all that this repository knows of KTAP; scripts/ uses it as well. unit_tests.py runs
the lab's own tests.
"""
