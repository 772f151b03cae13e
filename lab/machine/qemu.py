# SPDX-License-Identifier: GPL-2.0-only
"""One QEMU process: the machine every scenario runs on.

A q35 with interrupt remapping, by VT-d or AMD-Vi. The device under test is behind a PCIe root
port. Decoys are devices whose drivers take
irq numbers and remapping entries when they are allowed to bind.
"""

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

from machine import clock
from machine import frames
from machine import gdbstub
from machine import ivshmem
from machine import monitor
from machine import register_doorbell
from machine import vmm
from machine.devices import DEVICES, model
from machine.iommu import IOMMUS

ROOT_PORT_SLOT = 4
DEVICE = "0000:01:00.0"
ROOT_PORT = f"0000:00:{ROOT_PORT_SLOT:02x}.0"

SIBLING = "0000:01:00.1"

# Without firmware between the ports and the kernel
NATIVE_HOTPLUG = ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")

DECOY = "0000:00:08.0"
DECOYS = (
    "-blockdev", "null-co,node-name=null,read-zeroes=on",
    "-device", "nvme,addr=8.0,serial=decoy,drive=null,msix_qsize=2048",
    "-device", "e1000e,addr=9.0,romfile=",
)
DECOY_INITCALLS = ("nvme_init", "e1000_init_module")

# identify_cpu() clears the boot CPU's features for a moment. During a timer interrupt at that
# moment, KASAN uses the wrong number of page table levels. TCG executes string instructions step by
# step: with the fast ones a kernel clears memory byte by byte.
CPU_MODEL = "max,la57=off,erms=off,fsrm=off,fsrs=off"

TRACE_EVENTS = (
    "pci_cfg_write",
    "msix_write_config",
    "memory_region_ops_write",
    "apic_register_write",
    "pci_nvme_io_cmd",
    "pci_nvme_enqueue_req_completion",
    "pci_nvme_mmio_cfg",
    "pci_nvme_mmio_start_success",
    "pci_nvme_mmio_stopped",
    "pci_nvme_mmio_shutdown_set",
    "pci_nvme_pci_reset",
    "e1000e_core_ctrl_sw_reset",
    "e1000e_cb_qdev_reset_hold",
)

DISK_BYTES = 1 << 24

CONSOLE_TAIL_LINES = 40

# Messages that QEMU may print: about messages and DMA that a closed entry stops, or about a page
# that is not mapped. Any other fails a run, for example that a trace event is unknown.
HARMLESS = re.compile(r"warning: nic \S+ has no peer$|vtd_irte_get: detected non-present IRTE|"
                      r"failed to remap interrupt from devid|"
                      r"vtd_iommu_translate: detected translation failure|"
                      r"vtd_iova_to_[sf]\wpte: detected \w+ permission error|"
                      r"New fault is not recorded|Interrupt Mask set, irq is not generated")


# Instructions are executed one after the other, and their number is the time
COUNTING = ("-icount", "shift=0,sleep=off", "-accel", "tcg,thread=single")


def bare(binary, kernel, append, memory, features, *options):
    """The command line of a machine that boots a kernel and has nothing but a console."""
    return [binary, "-nodefaults", "-display", "none", "-no-reboot", "-machine", "q35",
            "-cpu", f"{CPU_MODEL},{features}", "-m", memory, "-serial", "stdio",
            "-msg", "timestamp=on",
            "-kernel", kernel, "-append", append, *options]


def build_plugin(build_dir, name):
    """Compile a plugin, unless that is done."""
    source = os.path.join(os.path.dirname(__file__), "plugin", f"{name}.c")
    target = os.path.join(build_dir, f"{name}.so")
    header = os.path.join(os.path.dirname(source), "qemu_plugin_api.h")
    newest = max(map(os.path.getmtime, (source, header)))
    if not os.path.exists(target) or os.path.getmtime(target) < newest:
        subprocess.run(["cc", "-O2", "-Wall", "-fPIC", "-shared", "-fvisibility=hidden",
                        source, "-o", target], check=True)
    return target


def function(config):
    """Address of the function that is used."""
    virtual = DEVICES[config.device].function
    return virtual[0] if virtual else DEVICE


def handed_over(config):
    """Address of the function that is handed over: the lab need not be the one that uses it."""
    return SIBLING if DEVICES[config.device].virtual else function(config)


def _named_doorbells(config):
    """Further devices, each with the name of its doorbell if it has one."""
    return [(each, f"doorbell{n}" if each.startswith("ivshmem-doorbell") else None)
            for n, each in enumerate(config.devices)]


class Machine:
    """Use as a context manager: at the end QEMU is killed, and files that only the run needed are
    removed."""

    ACCELERATOR = ("-accel", "tcg,thread=multi")

    def __init__(self, binary, plugin, directory, echo=False):
        self.directory = directory
        self.console_path = os.path.join(directory, "console.log")
        self.log_path = os.path.join(directory, "qemu.log")
        self._stderr_path = os.path.join(directory, "qemu.stderr")
        self.scratch = tempfile.mkdtemp(prefix="irqlu-")
        self._binary = binary
        self._plugin = plugin
        self._echo = echo
        self._process = None
        self.guest = None
        self.doorbells = []
        self.senders = []

    def _socket(self, name):
        return os.path.join(self.scratch, name)

    @staticmethod
    def _traced(iommu):
        return TRACE_EVENTS + iommu.trace_events

    def clock_parameters(self):
        """The clock parameters of its kernels. Where instructions are time, a kernel cannot measure
        anything else."""
        return [] if self.ACCELERATOR == COUNTING else clock.parameters()

    def _plugins(self, iommu, device, call_address):
        """call_address: that of an instruction whose execution is logged, or None."""
        call = "" if call_address is None else f",call={call_address:#x}"
        return [f"{self._plugin}{iommu.plugin_options(device[5:])}{call}"]

    @staticmethod
    def _devices(config):
        device = DEVICES[config.device]
        under_test = (f"{model(config.device)},bus=path"
                      f"{device.options.format(vectors=config.vectors)}")
        if any("bus=path" in other for other in config.devices):
            under_test += ",multifunction=on"
        others = [f"{each},vectors={config.vectors},chardev={name}" if name else each
                  for each, name in _named_doorbells(config)]
        return [part for each in (*device.before, under_test, *others)
                for part in ("-device", each)]

    def _disks(self, config):
        if not config.iops:
            return []
        for name in ("disk", "other-disk"):
            with open(self._socket(name), "wb") as disk:
                disk.truncate(DISK_BYTES)
        return ["-object", f"throttle-group,id=slowness,x-iops-total={config.iops}",
                "-blockdev", f"driver=file,node-name=fast,filename={self._socket('disk')}",
                "-blockdev", "driver=throttle,node-name=slow,throttle-group=slowness,file=fast",
                "-blockdev", f"driver=file,node-name=other,filename={self._socket('other-disk')}"]

    def scribble(self):
        """Overwrite everything that the guest has written to the disks."""
        with open(self._socket("disk"), "r+b") as disk:
            disk.write(b"\xa5" * DISK_BYTES)

    def limit_disk(self, iops):
        """From now on the slow disk does this number of I/Os a second."""
        with monitor.Monitor(self._socket("monitor")) as console:
            answer = console.ask(f'qom-set -j /objects/slowness limits {{"iops-total":{iops}}}')
        if "Error" in answer:
            raise OSError(answer)

    def hold_frames(self):
        for sender in self.senders:
            sender.hold()

    def send_frames(self):
        for sender in self.senders:
            sender.go_on()

    @staticmethod
    def cables(config):
        """Names of the cables of the device under test, and of further devices."""
        named = ["cable"] * DEVICES[config.device].cable
        return named + re.findall(r"netdev=(\w+)", " ".join(config.devices))

    def _cable_arguments(self, config):
        return [part for name in self.cables(config) for part in (
            "-netdev", f"dgram,id={name},local.type=unix,remote.type=unix"
            f",local.path={self._socket(name)},remote.path={self._socket(name + '-end')}")]

    def _doorbell_arguments(self, config):
        names = ["doorbell"] + [name for _, name in _named_doorbells(config) if name]
        chardevs = [part for name in names
                    for part in ("-chardev", f"socket,id={name},path={self._socket(name)}")]
        if DEVICES[config.device].ring:
            chardevs += ["-qtest", "chardev:doorbell", "-qtest-log", "none"]
        return chardevs

    def _open_doorbells(self, config):
        """Open the doorbells of the device under test, and of the ivshmem devices beside it."""
        device = DEVICES[config.device]
        if device.ring:
            first = register_doorbell.Doorbell(self._socket("doorbell"), device, config.vectors)
        else:
            first = ivshmem.Doorbell(self._socket("doorbell"), config.vectors)
        return [first] + [ivshmem.Doorbell(self._socket(name), config.vectors)
                          for _, name in _named_doorbells(config) if name]

    def _arguments(self, config, kernel, initrd, append, call_address):
        iommu = IOMMUS[config.iommu]
        arguments = [
            self._binary, "-nodefaults", "-display", "none",
            *(["-no-reboot"] if not config.crashes else []),
            "-machine", "q35,kernel-irqchip=split",
            "-cpu", ",".join((CPU_MODEL, *config.cpu)),
            *self.ACCELERATOR, "-smp", str(max(config.cpus)), "-m", config.memory,
            *iommu.arguments(config.mode),
            *(NATIVE_HOTPLUG if config.native_hotplug else ()),
            "-device", f"pcie-root-port,id=path,addr={ROOT_PORT_SLOT}.0,chassis=1",
            *self._doorbell_arguments(config), *self._devices(config),
            *(DECOYS if config.decoys else ()), *self._disks(config),
            *self._cable_arguments(config),
            "-chardev", f"file,id=console,path={self.console_path}",
            "-chardev", f"socket,id=vmm,path={self._socket('vmm')}",
            "-serial", "chardev:console", "-serial", "chardev:vmm",
            "-kernel", kernel, "-initrd", initrd, "-append", append,
            "-D", self.log_path, "-msg", "timestamp=on",
            "-d", ",".join(["plugin", "cpu_reset"]
                           + [f"trace:{event}" for event in self._traced(iommu)]),
            *[part for plugin in self._plugins(iommu, handed_over(config), call_address)
              for part in ("-plugin", plugin)],
            "-gdb", f"unix:{self._socket('gdb')},server=on,wait=off",
            "-monitor", f"unix:{self._socket('monitor')},server=on,wait=off",
        ]
        return arguments

    def start(self, config, kernel, initrd, append, call_address=None):
        self.guest = vmm.Guest(self._socket("vmm"), self.alive)
        self.doorbells = self._open_doorbells(config)
        self.senders = [frames.Sender(self._socket(name), self._socket(name + "-end"),
                                      config.frame_gap) for name in self.cables(config)]
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

    @property
    def doorbell(self):
        """The doorbell of the device under test."""
        return self.doorbells[0]

    def stub(self):
        return gdbstub.Stub(self._socket("gdb"))

    def autopsy(self, symbols):
        """Where the CPUs of a guest are that does not answer. Saves all registers beside
        the logs."""
        if not self.alive():
            return ""
        lines, everything = monitor.autopsy(self._socket("monitor"), symbols)
        with open(os.path.join(self.directory, "registers.txt"), "w") as f:
            f.write(everything)
        return lines + "\n"

    def alive(self):
        return self._process is not None and self._process.poll() is None

    def cpu_seconds(self):
        """How much CPU time of the host QEMU has taken; unknown once it has ended."""
        if not self.alive():
            return 0.0
        with open(f"/proc/{self._process.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

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
        for part in (self.guest, *self.doorbells, *self.senders):
            if part:
                part.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
