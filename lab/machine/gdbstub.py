# SPDX-License-Identifier: GPL-2.0-only
"""A client of QEMU's gdb stub, with just what the lab needs.

The machine is stopped while a client is connected, unless it runs to a
breakpoint. Addresses are virtual ones of the kernel.
"""

import socket
import time

# Linux maps all memory here, without KASLR and 5-level page tables.
DIRECT_MAP = 0xffff888000000000

# The registers of x86-64 that come first in the answer to "g"
REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi")
REGISTER_DIGITS = 16

# The number of rip
PROGRAM_COUNTER = 16

# The stub presents CPUs as threads, numbered from 1
MAX_CPUS = 64

CHUNK = 1024
ANSWER_TIMEOUT = 20


class StubError(Exception):
    """QEMU's gdb stub does not do what it is asked to do."""


class Stub:
    """Use as a context manager: the machine stops at the beginning and runs at the end."""

    def __init__(self, path):
        self._received = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_TIMEOUT)
        self._socket.connect(path)

    def _send(self, packet):
        data = packet.encode()
        self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xff))

    def _packet(self):
        """Cut the first complete packet from what was received, or None."""
        start = self._received.find(b"$")
        end = self._received.find(b"#", start)
        if start < 0 or end < 0 or len(self._received) < end + 3:
            return None
        packet, self._received = self._received[start + 1:end], self._received[end + 3:]
        return packet.decode()

    def _receive(self, timeout):
        deadline = time.monotonic() + timeout
        while (packet := self._packet()) is None:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self._socket.recv(65536)
            if not data:
                raise StubError("QEMU's gdb stub has gone")
            self._received += data
        self._socket.sendall(b"+")
        return packet

    def _ask(self, packet):
        self._send(packet)
        answer = self._receive(ANSWER_TIMEOUT)
        if not answer or answer.startswith("E"):
            raise StubError(f"{packet[:40]}: {answer or 'not supported'}")
        return answer

    def _expect_ok(self, packet):
        answer = self._ask(packet)
        if answer != "OK":
            raise StubError(f"{packet[:40]}: {answer}")

    def read(self, address, length):
        data = b""
        while len(data) < length:
            count = min(CHUNK, length - len(data))
            data += bytes.fromhex(self._ask(f"m{address + len(data):x},{count:x}"))
        return data

    def select(self, address):
        """See memory as a CPU sees it that has this address mapped. A CPU that runs a virtual
        machine does not have the kernel's addresses mapped."""
        for cpu in range(1, MAX_CPUS + 1):
            self._expect_ok(f"Hg{cpu:x}")
            try:
                self.read(address, 1)
                return
            except StubError:
                pass
        raise StubError(f"{address:#x} is mapped on no CPU")

    def write(self, address, data):
        for start in range(0, len(data), CHUNK):
            part = data[start:start + CHUNK]
            self._expect_ok(f"M{address + start:x},{len(part):x}:{part.hex()}")

    def registers(self):
        """The registers of the CPU that has stopped the machine."""
        digits = self._ask("g")
        words = (digits[n * REGISTER_DIGITS:(n + 1) * REGISTER_DIGITS]
                 for n in range(len(REGISTERS)))
        return {name: int.from_bytes(bytes.fromhex(word), "little")
                for name, word in zip(REGISTERS, words)}

    def divert(self, address):
        """Let the CPU that has stopped the machine continue at the beginning of another
        function."""
        self._expect_ok(f"P{PROGRAM_COUNTER:x}={address.to_bytes(8, 'little').hex()}")

    def start_until(self, address):
        """Let the machine run up to an instruction."""
        self._expect_ok(f"Z1,{address:x},1")
        self._send("c")

    def wait(self, address, timeout):
        """Wait until the machine has reached the instruction up to which it was started."""
        stop = self._receive(timeout)
        if not stop.startswith("T05"):
            raise StubError(f"no breakpoint: {stop}")
        self._expect_ok(f"z1,{address:x},1")

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        if kind is None:
            self._expect_ok("D")
        self._socket.close()
