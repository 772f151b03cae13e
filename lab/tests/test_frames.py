# SPDX-License-Identifier: GPL-2.0-only
"""The other end of a cable: frames arrive in order, and none while they are held."""

import os
import socket
import tempfile
import unittest

from machine import frames

GAP = 0.001
PATIENCE = 10
SILENCE = 0.1


class Frames(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = os.path.join(folder, "card")
        self.card = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.card.bind(path)
        self.sender = frames.Sender(path, os.path.join(folder, "end"), GAP)
        self.addCleanup(self.sender.close)

    def _take(self, patience=PATIENCE):
        self.card.settimeout(patience)
        return self.card.recv(frames.FRAME_BYTES)

    def _take_all(self):
        """Returns how many, when no more come."""
        for taken in range(10000):
            try:
                self._take(SILENCE)
            except TimeoutError:
                return taken
        return None

    def test_frames_are_numbered(self):
        for number in range(3):
            self.assertEqual(self._take(), frames.frame(number))

    def test_no_frame_comes_while_they_are_held(self):
        self._take()
        self.sender.hold()
        last = 1 + self._take_all()
        self.sender.go_on()
        self.assertEqual(self._take(), frames.frame(last))


if __name__ == "__main__":
    unittest.main()
