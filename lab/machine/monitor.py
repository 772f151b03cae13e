# SPDX-License-Identifier: GPL-2.0-only
"""A client of QEMU's monitor: what the CPUs are doing when the guest does not answer.

Not the gdb stub, which has one client at a time.
"""

import re
import socket
import time

PROMPT = b"(qemu) "
ANSWER_TIMEOUT = 20

# Two looks tell a CPU that is stuck from one that is slow
LOOKS = 2
LOOK_GAP = 1

CPU = re.compile(r"^CPU#(\d+)$.*?\bRIP=([0-9a-f]+) .*?\bHLT=(\d)", re.MULTILINE | re.DOTALL)


class Monitor:
    """Use as a context manager."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_TIMEOUT)
        self._socket.connect(path)
        self._answer()

    def _answer(self):
        received = b""
        while not received.endswith(PROMPT):
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("QEMU's monitor has gone")
            received += data
        return received.decode(errors="replace").replace("\r", "")

    def ask(self, command):
        self._socket.sendall(command.encode() + b"\n")
        return self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._socket.close()


def where(registers, symbols):
    """A line for each CPU in the output of "info registers -a"."""
    return [f"CPU {number}: rip {rip} {symbols.name(int(rip, 16))}" + " halted" * (halted == "1")
            for number, rip, halted in CPU.findall(registers)]


def autopsy(path, symbols):
    """(where the CPUs are, all their registers); if QEMU does not answer, that it does not."""
    lines, registers = [], ""
    try:
        with Monitor(path) as monitor:
            for look in range(LOOKS):
                time.sleep(LOOK_GAP * look)
                seen = monitor.ask("info registers -a")
                lines += where(seen, symbols)
                registers += seen
    except OSError as error:
        lines.append(f"QEMU's monitor: {error}")
    return "\n".join(lines), registers
