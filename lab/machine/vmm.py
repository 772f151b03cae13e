# SPDX-License-Identifier: GPL-2.0-only
"""The line protocol with the VMM in the guest: a command, then a JSON reply.

The serial port behind it needs no setup that a kexec would lose, so one
connection serves the old kernel and the next.
"""

import json
import os
import select
import socket
import time


class GuestHung(Exception):
    """No answer in time, or never again."""


class CommandFailed(Exception):
    """The guest answered that the command failed."""


class NotUnderstood(Exception):
    """The guest's answer cannot be understood."""


def _object(text):
    try:
        found = json.loads(text)
        if "ok" not in found:
            raise ValueError('no "ok"')
        return found
    except (ValueError, TypeError) as error:
        raise NotUnderstood(f"the guest answered {text[:200]!r}: {error}") from None


class Guest:
    """answered: when the last command that the guest has answered was given."""

    def __init__(self, path, alive):
        """alive: callable, false once QEMU has ended."""
        self.answered = 0.0
        self._alive = alive
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._connection = None
        self._received = b""

    def accept(self, timeout):
        self._listener.settimeout(timeout)
        self._connection, _ = self._listener.accept()

    def _read_line(self, timeout):
        deadline = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if not self._alive():
                raise GuestHung("QEMU has ended")
            if left <= 0:
                raise GuestHung(f"no answer from the guest within {timeout:.0f} s")
            if poll.poll(1000 * min(left, 0.2)):
                self._received += os.read(self._connection.fileno(), 65536)
        line, self._received = self._received.split(b"\n", 1)
        return line

    def reply(self, timeout):
        """The next JSON object. Anything else on the line (a kernel's first probe) is skipped."""
        deadline = time.monotonic() + timeout
        while True:
            line = self._read_line(max(0, deadline - time.monotonic()))
            start = line.find(b"{")
            if start >= 0:
                return _object(line[start:])

    def try_command(self, command, timeout=20):
        given = time.time()
        self._connection.sendall(command.encode() + b"\n")
        answer = self.reply(timeout)
        self.answered = given
        return answer

    def command(self, command, timeout=20):
        answer = self.try_command(command, timeout)
        if not answer["ok"]:
            raise CommandFailed(answer["error"])
        return answer

    def shell(self, line, timeout=20):
        """Run a shell line in the guest; its output, if it succeeded."""
        answer = self.command("shell " + line, timeout)
        if answer["status"]:
            raise CommandFailed(f"{line}: exit status {answer['status']}: {answer['output']}")
        return answer["output"]

    def close(self):
        self._listener.close()
        if self._connection:
            self._connection.close()
