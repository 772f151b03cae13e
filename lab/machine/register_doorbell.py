# SPDX-License-Identifier: GPL-2.0-only
"""A doorbell made of device registers, which are written from outside of the guest.

QEMU's test protocol: commands such as "writel ADDRESS VALUE" over a UNIX socket,
one a line, each answered by a line that begins with OK.
"""

import socket


class Doorbell:
    """The registers of one device; QEMU connects when it starts. Its rings have no numbers."""

    rings = ()

    def __init__(self, path, device):
        self._device = device
        self._base = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._line = None

    def found_at(self, base):
        """The guest says where the registers are."""
        self._base = base

    def set_up(self):
        """After a reset, when the guest has made the device a bus master."""
        self._access(self._device.memory, 0)
        self._access(self._device.set_up, self._base)

    def _access(self, accesses, base):
        if not self._line:
            self._line = self._listener.accept()[0].makefile("rw")
        for name, offset, *value in accesses:
            numbers = [base + offset, *value]
            self._line.write(" ".join([name, *map(hex, numbers)]) + "\n")
            self._line.flush()
            if not self._line.readline().startswith("OK"):
                raise OSError(f"QEMU did not do {name} of {base + offset:#x}")

    def ring(self, vector):
        self._access(self._device.ring, self._base + vector * self._device.stride)

    def close(self):
        self._listener.close()
        if self._line:
            self._line.close()
