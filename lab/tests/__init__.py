# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the lab itself, on recorded and made-up input: pytest-3 lab/tests.
"""
