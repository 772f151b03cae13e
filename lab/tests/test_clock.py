# SPDX-License-Identifier: GPL-2.0-only
"""The frequency that kernels are given is as exact as KVM requires."""

import platform
import unittest
from unittest import mock

from machine import clock

# KVM's tolerance, in millionths
TOLERANCE = 250


class Clock(unittest.TestCase):
    def setUp(self):
        clock.tsc_khz.cache_clear()
        self.addCleanup(clock.tsc_khz.cache_clear)

    @unittest.skipUnless(platform.machine() == "x86_64", "a host without a TSC")
    def test_is_exact(self):
        first = clock.tsc_khz()
        clock.tsc_khz.cache_clear()
        self.assertAlmostEqual(clock.tsc_khz(), first, delta=first * TOLERANCE / 1e6)
        self.assertEqual(clock.parameters(), [f"tsc_early_khz={clock.tsc_khz()}"])

    def test_other_host(self):
        with mock.patch("platform.machine", return_value="aarch64"):
            self.assertEqual(clock.parameters(), [])

    def test_host_without_writable_code(self):
        with mock.patch("mmap.mmap", side_effect=PermissionError):
            self.assertEqual(clock.parameters(), [])
