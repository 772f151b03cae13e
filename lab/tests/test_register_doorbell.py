# SPDX-License-Identifier: GPL-2.0-only
"""The doorbell that is made of registers, against a QEMU of its own."""

import os
import socket
import tempfile
import threading
import unittest
from unittest import mock

from course.result import Result
from machine import register_doorbell
from machine.devices import Device
from machine.register_doorbell import Doorbell
from report import tables
from scenarios.scenario import Scenario

BASE = 0x1000
NUMBERED = Device(ring=(("writel", 0x20),), bits=True, numbers=0x800)


class Qemu(threading.Thread):
    """Answers requests; a read with the number, except for the reads in lost."""

    def __init__(self, path, lost):
        super().__init__(daemon=True)
        self.asked = []
        self._lost = lost
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self.start()

    def run(self):
        number, reads = "0x0", 0
        with self._socket.makefile("rw") as line:
            for text in line:
                self.asked.append(text.strip())
                words = text.split()
                if words[0] == "readl":
                    answer = "OK 0xffffffff" if reads in self._lost else f"OK {number}"
                    reads += 1
                else:
                    number = words[2] if int(words[1], 0) >= BASE + NUMBERED.numbers else number
                    answer = "OK"
                line.write(answer + "\n")
                line.flush()


class RegisterDoorbell(unittest.TestCase):
    def setUp(self):
        self._directory = tempfile.TemporaryDirectory()
        self._path = os.path.join(self._directory.name, "doorbell")

    def tearDown(self):
        self._directory.cleanup()

    def ring(self, device, vector, lost=()):
        """What QEMU is asked for, and the doorbell."""
        doorbell = Doorbell(self._path, device, 3)
        qemu = Qemu(self._path, lost)
        doorbell.found_at(BASE)
        doorbell.ring(vector)
        doorbell.close()
        return qemu.asked, doorbell

    def test_each_vector_has_its_registers(self):
        device = Device(ring=(("writel", 0x20, 7),), stride=0x10)
        asked, doorbell = self.ring(device, 2)
        self.assertEqual((asked, doorbell.rings), (["writel 0x1040 0x7"], ()))

    def test_number_is_there_before_and_after_the_ring(self):
        number = ["writel 0x1804 0x1", "readl 0x1804"]
        asked, doorbell = self.ring(NUMBERED, 1)
        self.assertEqual(asked, number + ["writel 0x1020 0x2"] + number)
        self.assertEqual(doorbell.rings, [0, 1, 0])
        self.assertEqual((doorbell.repeats, doorbell.waits), ([0, 0, 0], 0))

    def test_device_that_is_being_enumerated_is_waited_for(self):
        asked, doorbell = self.ring(NUMBERED, 0, lost=(0, 1))
        self.assertEqual(asked.count("readl 0x1800"), 4)
        self.assertEqual(asked.count("writel 0x1020 0x1"), 1)
        self.assertEqual(doorbell.rings, [1, 0, 0])
        self.assertEqual((doorbell.repeats, doorbell.waits), ([0, 0, 0], 2))

    def test_ring_after_which_the_number_is_gone_is_made_again_and_counted(self):
        asked, doorbell = self.ring(NUMBERED, 2, lost=(1, 2))
        self.assertEqual(asked.count("writel 0x1020 0x4"), 2)
        self.assertEqual(doorbell.rings, [0, 0, 1])
        self.assertEqual((doorbell.repeats, doorbell.waits), ([0, 0, 1], 1))
        result = Result(Scenario("", ""), [], repeats=doorbell.repeats, waits=doorbell.waits)
        self.assertEqual(tables.repeats(result),
                         ["vector 2: 1 rings repeated, as the device had lost their numbers",
                          "1 times the device did not take the number of a ring"])

    @mock.patch.object(register_doorbell, "TIMEOUT", 0.1)
    def test_qemu_that_does_not_connect_or_answer_is_not_waited_for_for_ever(self):
        doorbell = Doorbell(self._path, NUMBERED, 3)
        with self.assertRaises(TimeoutError):
            doorbell.ring(0)
        silent = socket.socket(socket.AF_UNIX)
        silent.connect(self._path)
        with silent, self.assertRaises(TimeoutError):
            doorbell.ring(0)
        doorbell.close()


if __name__ == "__main__":
    unittest.main()
