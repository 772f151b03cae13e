# SPDX-License-Identifier: GPL-2.0-only
"""A gdb stub that takes no more clients fails a run, which does not wait for it."""

import os
import socket
import tempfile
import unittest

from machine import gdbstub


class Deadline(unittest.TestCase):
    def test_stub_that_does_not_accept(self):
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
            path = os.path.join(directory, "gdb")
            listener.bind(path)
            listener.listen(0)
            with socket.socket(socket.AF_UNIX) as other, self.assertRaises(OSError):
                other.connect(path)
                gdbstub.Stub(path)


if __name__ == "__main__":
    unittest.main()
