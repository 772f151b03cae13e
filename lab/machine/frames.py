# SPDX-License-Identifier: GPL-2.0-only
"""The other end of the cable of a network card: sends numbered frames all the time.

QEMU's "dgram" network takes a frame as a datagram from a UNIX socket. It leaves it in the
socket until the card can receive, so that nothing is lost on the way.
"""

import itertools
import socket
import struct
import threading
import time

# Broadcast, from an address that no card has; an EtherType for experiments. The number follows.
HEADER = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x88\xb5"
FRAME_BYTES = 60
RETRY = 0.02


def frame(number):
    return (HEADER + struct.pack("<I", number)).ljust(FRAME_BYTES, b"\0")


class Sender:
    def __init__(self, path, own_path, gap):
        """path: QEMU's socket, which may not be there yet; gap: seconds between frames."""
        self._path = path
        self._gap = gap
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(own_path)
        self._socket.settimeout(RETRY)
        self._ended = threading.Event()
        self._may_send = threading.Event()
        self._may_send.set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _until_done(self, step, argument):
        while not self._ended.is_set():
            try:
                step(argument)
                return
            except TimeoutError:
                pass
            except OSError:
                time.sleep(RETRY)

    def _send(self, number):
        """Send a frame, again and again until the card takes it."""
        self._until_done(self._socket.send, frame(number))

    def _run(self):
        # Only a connected socket is waited for: any other one is always ready for sending.
        self._until_done(self._socket.connect, self._path)
        for number in itertools.count():
            self._may_send.wait()
            self._send(number)
            if self._ended.wait(self._gap):
                return

    def hold(self):
        """From now on nothing is sent, except a frame that is on its way."""
        self._may_send.clear()

    def go_on(self):
        self._may_send.set()

    def close(self):
        self._ended.set()
        self._may_send.set()
        self._thread.join()
        self._socket.close()
