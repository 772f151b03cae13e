# SPDX-License-Identifier: GPL-2.0-only
"""A doorbell made of device registers, which are written from outside the guest.

QEMU's test protocol: commands such as "writel ADDRESS VALUE" over a UNIX socket,
one a line, each answered by a line that begins with OK.
"""

import socket
import time

NUMBER_BYTES = 4
TRIES, RETRY = 1000, 0.002
TIMEOUT = 20


class Doorbell:
    """The registers of one device; QEMU connects when it starts.

    rings: by vector, how often it was rung, where the rings have numbers
    repeats: by vector, how often such a ring was made once more, because the number was gone after
        it
    waits: how often the device did not take a number
    """

    def __init__(self, path, device, vectors):
        self.rings = [0] * vectors if device.numbers else ()
        self.repeats = [0] * len(self.rings)
        self.waits = 0
        self._device = device
        self._base = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(TIMEOUT)
        self._listener.bind(path)
        self._listener.listen(1)
        self._line = None

    def found_at(self, base):
        """Take the address of the registers from the guest."""
        self._base = base

    def set_up(self):
        """Set the device up after a reset, when the guest has made it a bus master."""
        self._access(self._device.memory, 0)
        self._access(self._device.set_up, self._base)

    def _access(self, accesses, base):
        if not self._line:
            connection, _ = self._listener.accept()
            connection.settimeout(TIMEOUT)
            self._line = connection.makefile("rw")
        for name, offset, *value in accesses:
            numbers = [base + offset, *value]
            self._line.write(" ".join([name, *map(hex, numbers)]) + "\n")
            self._line.flush()
            if not self._line.readline().startswith("OK"):
                raise OSError(f"QEMU did not do {name} of {base + offset:#x}")

    def _ring(self, vector):
        base = self._base + vector * self._device.stride
        for access in self._device.ring:
            self._access([(*access, 1 << vector) if self._device.bits else access], base)

    def _read(self, address):
        self._line.write(f"readl {address:#x}\n")
        self._line.flush()
        return int(self._line.readline().split()[1], 0)

    def _has_number(self, vector):
        offset = self._device.numbers + NUMBER_BYTES * vector
        self._access([("writel", offset, self.rings[vector])], self._base)
        return self._read(self._base + offset) == self.rings[vector]

    def ring(self, vector):
        """Ring. If the rings have numbers, the device has the number before and after the ring:
        while a device is enumerated its memory is off for a moment, and what is written there is
        lost. Whatever is done again is counted."""
        if not self._device.numbers:
            self._ring(vector)
            return
        self.rings[vector] += 1
        for _ in range(TRIES):
            if self._has_number(vector):
                self._ring(vector)
                if self._has_number(vector):
                    return
                self.repeats[vector] += 1
            else:
                self.waits += 1
            time.sleep(RETRY)
        raise OSError("the device does not answer")

    def close(self):
        self._listener.close()
        if self._line:
            self._line.close()
