# SPDX-License-Identifier: GPL-2.0-only
"""The server side of QEMU's ivshmem protocol, and the doorbell that it gives us.

QEMU's docs/specs/ivshmem-spec: over a UNIX socket the server sends version 0,
the client's own id, -1 with the shared memory's file, then the client's id once
per vector with that vector's eventfd. A write to such an eventfd makes the
device raise the MSI-X vector.

Where a real device would leave something in memory for its driver, the lab writes the number of the
ring just before it rings: one 32-bit word per vector in the shared memory.
"""

import mmap
import os
import socket
import struct
import threading

VERSION = 0
CLIENT_ID = 1
SHARED_MEMORY = -1
SHARED_MEMORY_BYTES = 1 << 20


def _send(connection, number, *files):
    message = [struct.pack("<q", number)]
    if files:
        socket.send_fds(connection, message, files)
    else:
        connection.sendall(message[0])


class Doorbell:
    """One ivshmem-doorbell device: waits for QEMU to connect, then rings.

    rings: by vector, how often it was rung
    repeats, waits: never, see register_doorbell.py: its memory takes every number
    """

    repeats, waits = (), 0

    def __init__(self, path, vectors):
        self.vectors = vectors
        self.rings = [0] * vectors
        self.eventfds = [os.eventfd(0, os.EFD_CLOEXEC) for _ in range(vectors)]
        self._memory = os.memfd_create("ivshmem")
        os.ftruncate(self._memory, SHARED_MEMORY_BYTES)
        self._rung = memoryview(mmap.mmap(self._memory, SHARED_MEMORY_BYTES)).cast("I")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._connection = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            self._connection, _ = self._listener.accept()
            _send(self._connection, VERSION)
            _send(self._connection, CLIENT_ID)
            _send(self._connection, SHARED_MEMORY, self._memory)
            for eventfd in self.eventfds:
                _send(self._connection, CLIENT_ID, eventfd)
        except OSError:
            pass  # closed, or QEMU ended before it was served

    def ring(self, vector):
        self.rings[vector] += 1
        self._rung[vector] = self.rings[vector]
        os.eventfd_write(self.eventfds[vector], 1)

    def close(self):
        self._listener.close()
        if self._connection:
            self._connection.close()
        for eventfd in self.eventfds:
            os.close(eventfd)
        os.close(self._memory)
