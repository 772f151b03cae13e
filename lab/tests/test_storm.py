# SPDX-License-Identifier: GPL-2.0-only
"""Which vectors are rung when in a storm, and the sums over storms."""

import time
import unittest
from unittest import mock

from course import run
from course import storm
from course.result import Result
from judge import ring_accounts
from report import tables
from scenarios.scenario import Scenario

VECTORS = list(range(8))


class SlowDoorbell:
    def __init__(self):
        self.rings = [0] * len(VECTORS)

    def ring(self, vector):
        time.sleep(0.001)
        self.rings[vector] += 1


class Ringer(unittest.TestCase):
    def test_no_ring_after_the_last_phase(self):
        for seed in range(10):
            doorbell = SlowDoorbell()
            ringer = storm.Ringer(doorbell, seed, VECTORS)
            ringer.start()
            time.sleep(0.05)
            ringer.enter(storm.FINISHED)
            rings = list(doorbell.rings)
            time.sleep(0.05)
            ringer.stop()
            quiet = ringer.last_rung_in(*range(storm.FINISHED))
            self.assertEqual([doorbell.rings[v] for v in quiet], [rings[v] for v in quiet])


class Threads(unittest.TestCase):
    """Whatever ends one of them ends the storm."""

    def test_ringer(self):
        doorbell = mock.MagicMock()
        doorbell.ring.side_effect = KeyError("nobody expects this")
        ringer = storm.Ringer(doorbell, 1, VECTORS)
        ringer.start()
        ringer.join(10)
        self.assertFalse(ringer.is_alive())
        with self.assertRaisesRegex(run.RunFailed, "nobody expects this"):
            ringer.end()

    def test_ringer_that_has_rung(self):
        ringer = storm.Ringer(SlowDoorbell(), 1, VECTORS)
        ringer.start()
        ringer.end()

    def hold_ups(self, **waits):
        stub, symbols = mock.MagicMock(), mock.MagicMock()
        stub.__enter__.return_value.wait.configure_mock(**waits)
        return storm.HoldUps(stub, symbols, Scenario(name="storm", title="", seed=1), 10)

    def test_hold_ups(self):
        hold_ups = self.hold_ups(side_effect=KeyError("nobody expects this"))
        hold_ups.start()
        with self.assertRaisesRegex(run.RunFailed, "nobody expects this"):
            hold_ups.end()

    def test_hold_ups_that_were_reached(self):
        hold_ups = self.hold_ups()
        hold_ups.start()
        hold_ups.end()


class Failure(unittest.TestCase):
    """A storm on a machine that does not exist."""

    def machineless(self, **changes):
        machine = mock.MagicMock()
        machine.guest.reply.return_value = {"ok": True, "role": "old", "release": "", "cpus": 2}
        machine.stub.return_value.__enter__.return_value.read.return_value = bytes(8)
        for text in (machine.console, machine.console_tail, machine.autopsy, machine.stderr):
            text.return_value = ""
        build = mock.MagicMock()
        build.release.return_value = ""
        build.symbols().functions.return_value = [(0, 8)]
        build.symbols().address.return_value = 0
        return storm.Storm(Scenario(name="storm", title="", **changes), machine, build)

    @mock.patch.object(storm.Storm, "_initrd")
    def test_patch_of_either_kernel_finds_nothing(self, _):
        for which in ("patch", "next_patch"):
            failed = self.machineless(**{which: {"finish": "inject"}})
            result = failed.execute()
            self.assertIn("finish does not call inject: nothing to remove", result.error)
            failed.machine.guest.command.assert_not_called()

    def test_rings_end_with_the_storm(self):
        failed = self.machineless()
        ringer = storm.Ringer(SlowDoorbell(), 1, VECTORS)

        def start():
            failed._ringer = ringer
            ringer.start()
            raise run.RunFailed("the end")

        with mock.patch.object(failed, "_old_kernel", start):
            self.assertIn("the end", failed.execute().error)
        self.assertFalse(ringer.is_alive())


class Sums(unittest.TestCase):
    def storm(self, mode, cpus, **counts):
        chosen = Scenario(name="storm", title="", mode=mode, cpus=cpus)
        return Result(chosen, [], accounts=[ring_accounts.Account(number=0, **counts)])

    def test_by_mode_and_by_cpus(self):
        lines = tables.storms_table([self.storm("xapic", (1, 2), rings=3, lost=1),
                                     self.storm("x2apic", (1, 2), rings=5),
                                     self.storm("xapic", (4, 2), rings=7)])
        heading, *rows = [line.split() for line in lines]
        seeds, rings, lost = (heading.index(name) - len(heading)
                              for name in ("seeds", "rings", "lost"))
        self.assertEqual([(row[0], row[seeds], row[rings], row[lost]) for row in rows],
                         [("1", "2", "8", "1"), ("4", "1", "7", "0"), ("x2apic", "1", "5", "0"),
                          ("xapic", "2", "10", "1"), ("all", "3", "15", "1")])

    def test_one_without_account_is_not_counted(self):
        failed = Result(Scenario(name="storm", title=""), [])
        self.assertEqual(tables.storms_table([failed])[-1].split()[1], "0")


if __name__ == "__main__":
    unittest.main()
