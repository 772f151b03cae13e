# SPDX-License-Identifier: GPL-2.0-only
"""The doorbell that is made of registers, against a QEMU of its own."""

import os
import socket
import tempfile
import threading
import unittest

from machine.devices import Device
from machine.register_doorbell import Doorbell

BASE = 0x1000
NUMBERED = Device(ring=(("writel", 0x20),), bits=True, numbers=0x800)


class Qemu(threading.Thread):
    """Answers requests; a read with the number, once it has been asked a number of times."""

    def __init__(self, path, deaf):
        super().__init__(daemon=True)
        self.asked = []
        self._deaf = deaf
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self.start()

    def run(self):
        number = "0x0"
        with self._socket.makefile("rw") as line:
            for text in line:
                self.asked.append(text.strip())
                words = text.split()
                if words[0] == "readl":
                    answer = "OK 0xffffffff" if self._deaf else f"OK {number}"
                    self._deaf = max(0, self._deaf - 1)
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

    def ring(self, device, vector, deaf=0):
        """What QEMU is asked for, and the numbers of the rings."""
        doorbell = Doorbell(self._path, device, 3)
        qemu = Qemu(self._path, deaf)
        doorbell.found_at(BASE)
        doorbell.ring(vector)
        doorbell.close()
        return qemu.asked, doorbell.rings

    def test_each_vector_has_its_registers(self):
        device = Device(ring=(("writel", 0x20, 7),), stride=0x10)
        self.assertEqual(self.ring(device, 2), (["writel 0x1040 0x7"], ()))

    def test_number_is_there_before_and_after_the_ring(self):
        number = ["writel 0x1804 0x1", "readl 0x1804"]
        self.assertEqual(self.ring(NUMBERED, 1),
                         (number + ["writel 0x1020 0x2"] + number, [0, 1, 0]))

    def test_device_that_is_being_enumerated_is_rung_again(self):
        asked, rings = self.ring(NUMBERED, 0, deaf=2)
        self.assertEqual(asked.count("readl 0x1800"), 4)
        self.assertEqual(asked.count("writel 0x1020 0x1"), 1)
        self.assertEqual(rings, [1, 0, 0])


if __name__ == "__main__":
    unittest.main()
