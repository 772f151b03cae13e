# SPDX-License-Identifier: GPL-2.0-only
"""One QEMU process: the machine every scenario runs on.

A q35 with interrupt remapping, by VT-d or AMD-Vi. The device under test is behind a PCIe root
port. Decoys are devices whose drivers take
irq numbers and remapping entries when they are let loose.
"""

import os
import shutil
import subprocess
import tempfile
import threading
import time

import gdbstub
import guest
import ivshmem
import registers
from device import DEVICES
from iommu import IOMMUS

ROOT_PORT_SLOT = 4
DEVICE = "0000:01:00.0"
ROOT_PORT = f"0000:00:{ROOT_PORT_SLOT:02x}.0"

SIBLING = "0000:01:00.1"

DECOY = "0000:00:08.0"
DECOYS = (
    "-blockdev", "null-co,node-name=null,read-zeroes=on",
    "-device", "nvme,addr=8.0,serial=decoy,drive=null,msix_qsize=2048",
    "-device", "e1000e,addr=9.0,romfile=",
)
DECOY_INITCALLS = ("nvme_init", "e1000_init_module")

# identify_cpu() clears the boot CPU's features for a moment. A timer interrupt
# just then finds KASAN using the wrong number of page table levels.
CPU_MODEL = "max,la57=off"

TRACE_EVENTS = (
    "pci_cfg_write",
    "msix_write_config",
    "memory_region_ops_write",
)

CONSOLE_TAIL_LINES = 40


def build_plugin(source_dir, build_dir):
    """Compile the plugin that makes writes to the remapping table visible."""
    source = os.path.join(source_dir, "plugin", "irtewatch.c")
    target = os.path.join(build_dir, "irtewatch.so")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        subprocess.run(["cc", "-O2", "-Wall", "-fPIC", "-shared", "-fvisibility=hidden",
                        source, "-o", target], check=True)
    return target


class Machine:
    """Use as a context manager; QEMU is killed and its sockets removed at the end."""

    def __init__(self, binary, plugin, directory, echo=False):
        self.directory = directory
        self.console_path = os.path.join(directory, "console.log")
        self.log_path = os.path.join(directory, "qemu.log")
        self._stderr_path = os.path.join(directory, "qemu.stderr")
        self._sockets = tempfile.mkdtemp(prefix="irqlu-")
        self._binary = binary
        self._plugin = plugin
        self._echo = echo
        self._process = None
        self.guest = None
        self.doorbell = None

    def _socket(self, name):
        return os.path.join(self._sockets, name)

    def _plugin_option(self, iommu, call_address):
        """call_address: of an instruction whose execution is logged, or None."""
        call = "" if call_address is None else f",call={call_address:#x}"
        return f"{self._plugin}{iommu.plugin_options(DEVICE[5:])}{call}"

    @staticmethod
    def _devices(config):
        device = DEVICES[config.device]
        under_test = f"{config.device},bus=path{device.options.format(vectors=config.vectors)}"
        if any("bus=path" in other for other in config.devices):
            under_test += ",multifunction=on"
        return [part for each in (under_test, *config.devices) for part in ("-device", each)]

    def _doorbell_arguments(self, config):
        chardev = ["-chardev", f"socket,id=doorbell,path={self._socket('doorbell')}"]
        if DEVICES[config.device].ring:
            chardev += ["-qtest", "chardev:doorbell", "-qtest-log", "none"]
        return chardev

    def _open_doorbell(self, config):
        device = DEVICES[config.device]
        if device.ring:
            return registers.Doorbell(self._socket("doorbell"), device)
        return ivshmem.Doorbell(self._socket("doorbell"), config.vectors)

    def _arguments(self, config, kernel, initrd, append, call_address):
        iommu = IOMMUS[config.iommu]
        events = TRACE_EVENTS + iommu.trace_events
        arguments = [
            self._binary, "-nodefaults", "-display", "none",
            *(["-no-reboot"] if not config.crashes else []),
            "-machine", "q35,kernel-irqchip=split", "-cpu", CPU_MODEL,
            "-accel", "tcg,thread=multi", "-smp", str(max(config.cpus)), "-m", config.memory,
            *iommu.arguments(config.mode),
            "-device", f"pcie-root-port,id=path,addr={ROOT_PORT_SLOT}.0,chassis=1",
            *self._doorbell_arguments(config), *self._devices(config), *DECOYS,
            "-chardev", f"file,id=console,path={self.console_path}",
            "-chardev", f"socket,id=vmm,path={self._socket('vmm')}",
            "-serial", "chardev:console", "-serial", "chardev:vmm",
            "-kernel", kernel, "-initrd", initrd, "-append", append,
            "-D", self.log_path, "-msg", "timestamp=on",
            "-d", ",".join(["plugin", "cpu_reset"] + [f"trace:{event}" for event in events]),
            "-plugin", self._plugin_option(iommu, call_address),
            "-gdb", f"unix:{self._socket('gdb')},server=on,wait=off",
        ]
        return arguments

    def start(self, config, kernel, initrd, append, call_address=None):
        self.guest = guest.Guest(self._socket("vmm"), self.alive)
        self.doorbell = self._open_doorbell(config)
        open(self.console_path, "w").close()
        with open(self._stderr_path, "w") as stderr:
            self._process = subprocess.Popen(
                self._arguments(config, kernel, initrd, append, call_address),
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        if self._echo:
            threading.Thread(target=self._echo_console, daemon=True).start()
        self.guest.accept(timeout=10)

    def _echo_console(self):
        with open(self.console_path, errors="replace") as console:
            while True:
                ended = not self.alive()
                print(console.read(), end="", flush=True)
                if ended:
                    return
                time.sleep(0.05)

    def stub(self):
        return gdbstub.Stub(self._socket("gdb"))

    def alive(self):
        return self._process is not None and self._process.poll() is None

    def wait(self, timeout):
        """True if QEMU ended by itself."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def console(self):
        with open(self.console_path, errors="replace") as f:
            return f.read()

    def console_tail(self):
        return "\n".join(self.console().splitlines()[-CONSOLE_TAIL_LINES:])

    def stderr(self):
        with open(self._stderr_path, errors="replace") as f:
            return f.read().strip()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.alive():
            self._process.kill()
            self._process.wait()
        for part in (self.guest, self.doorbell):
            if part:
                part.close()
        shutil.rmtree(self._sockets, ignore_errors=True)
