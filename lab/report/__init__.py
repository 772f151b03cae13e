# SPDX-License-Identifier: GPL-2.0-only
"""Results for people (tables.py) and for programs (JSON, ktap.py).
"""
