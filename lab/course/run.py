# SPDX-License-Identifier: GPL-2.0-only
"""One run of a scenario: an old kernel, a live update, the next kernel.

    boot, arm every vector, ring (counted one by one)
    preserve, load the next kernel, jump
    ring in the blackout: the old kernel is down, the next has not armed
    retrieve, look what the device latched, arm, ring, FINISH, ring
"""

import itertools
import os
import random
import time

from course import corruption
from course.result import Result, Vector
from judge import console
from judge import expectation
from judge import live_device
from judge import ring_accounts
from judge import rules
from machine import gdbstub
from machine import initrd
from machine import patching
from machine import qemu
from machine import qemulog
from machine import symbols
from machine import vmm
from machine.devices import DEVICES
from machine.iommu import IOMMUS
from scenarios.scenario import HOOKS

COMMON_PARAMETERS = (
    # earlycon: what a kernel says that panics before there is a console
    "console=ttyS0,115200 earlycon=uart8250,io,0x3f8,115200 oops=panic panic=-1 "
    # On a busy host an emulated machine's clocks cannot be calibrated against each other, and
    # ticks of its timer come too late for the kernel's check of the IO-APIC
    "no_timer_check tsc=reliable lpj=4000000 "
    # TCG may let a CPU go on behind HLT for a broadcast that its local APIC drops. One
    # which the next kernel leaves out is in memory of somebody else then, see README.md
    "no_ipi_broadcast=1"
)

LIVE_UPDATE_PARAMETERS = "kho=on liveupdate=on"
# KHO would make its scratch memory too large: it counts what is reserved for the crash kernel.
CRASH_SCRATCH = "kho_scratch=16M,256M,256M"    # slow kernels have theirs on the command line
CRASH_KERNEL = "crashkernel=192M"
SLOW_CRASH_KERNEL = "crashkernel=512M"
CRASH_FUNCTION = "sysrq_handle_crash"

RING_GAP = 0.002           # between rings of different vectors
ROUND_TIMEOUT = 2          # for the guest to see one ring of each vector
FROZEN = "irq_liveupdate: frozen:"
BLACKOUT_SPREAD = 1.0      # rings of the blackout lie between the block and this
SETTLE = 0.2

TIMEOUT = {"boot": 60, "block": 40, "command": 40}
SLOW_KERNELS = ("debug", "gcov")
SLOWNESS = 10

ATTEMPTS = 8               # to hit a race


class RunFailed(Exception):
    """The run could not go on."""


class Crashed(Exception):
    """The machine crashes, as the scenario wants it."""


class Run:
    # What became of the synthetic interrupts
    TRACED = "trace_event=irq_liveupdate"

    next_initrd = "/next/initrd.img"
    devices = (qemu.DEVICE,)

    def __init__(self, scenario, machine, build):
        self.scenario = scenario
        self.machine = machine
        self.build = build
        self.numbers = [number for first, count in scenario.ranges()
                        for number in range(first, first + count)]
        self.result = Result(scenario, [Vector(number) for number in self.numbers])
        self.device = DEVICES[scenario.device]
        self.marks = {}
        self.bound = {}
        self.session = False
        self.trace = ""
        self.symbols = build.symbols(scenario.kernels[0])
        self.slowness = SLOWNESS if set(SLOW_KERNELS) & set(scenario.kernels) else 1

    # The guest

    def _timeout(self, what):
        return TIMEOUT[what] * self.slowness

    def _command(self, command):
        return self.machine.guest.command(command, self._timeout("command"))

    def _shell(self, line):
        return self.machine.guest.shell(line, self._timeout("command"))

    def _extra(self, at, template):
        """A command of the scenario, given to the VMM at some point of the run."""
        names = {"device": qemu.DEVICE, "sibling": qemu.SIBLING, "port": qemu.ROOT_PORT,
                 "decoy": qemu.DECOY}
        if self.result.vectors[0].old:
            names["irte"] = self.result.vectors[0].old["irte"]
            names["irqs"] = " ".join(str(vector.old["irq"]) for vector in self.result.vectors)
        command = template.format(**names)
        answer = self._command(command)
        self.result.extras.append({"at": at, "command": command} | answer)
        if "role" in answer:
            raise RunFailed(f"{command}: answered by the VMM of another kernel")
        if answer.get("status"):
            raise RunFailed(f"{command}: exit status {answer['status']}\n{answer['output']}")

    def _hook(self, name):
        for template in self.scenario.at.get(name, ()):
            self._extra(name, template)
        if self.scenario.crashes == name:
            self._load_crash_kernel()
            self._command("shell (sleep 0.1; echo c > /proc/sysrq-trigger) > /dev/console 2>&1 &")
            raise Crashed

    def _counts(self):
        counts = self._command("counts")["counts"]
        return [counts[number] for number in self.numbers]

    def _settled_counts(self):
        """The counts once they have stopped rising."""
        counts = self._counts()
        while True:
            time.sleep(SETTLE * self.slowness)
            again = self._counts()
            if again == counts:
                return counts
            counts = again

    def _add_counts(self, phase, since):
        """Credit what was counted since to a phase; the new counts."""
        counts = self._settled_counts()
        for vector, old, new in zip(self.result.vectors, since, counts):
            setattr(vector, phase, new - old)
        return counts

    # The doorbell

    def _ring_each(self):
        """Ring in rounds. Two rings of a vector make one interrupt when the guest is
        busy, so a round begins when the guest has seen the one before, or never will."""
        expected = self._counts()
        for _ in range(self.scenario.rings):
            for number in self.numbers:
                self.machine.doorbell.ring(number)
                time.sleep(RING_GAP)
            expected = [count + 1 for count in expected]
            self._wait_for_counts(expected)

    def _wait_for_counts(self, expected):
        deadline = time.monotonic() + ROUND_TIMEOUT * self.slowness
        while time.monotonic() < deadline:
            if all(seen >= count for seen, count in zip(self._counts(), expected)):
                return

    def _ring_in_blackout(self):
        order = list(self.result.vectors)
        random.Random(self.scenario.seed).shuffle(order)
        gap = BLACKOUT_SPREAD * self.slowness / len(order)
        for vector in order:
            self.machine.doorbell.ring(vector.number)
            vector.rung += 1
            time.sleep(gap)

    # The kernels

    def _role_parameters(self, role):
        return (f"{COMMON_PARAMETERS} {self.TRACED} {IOMMUS[self.scenario.iommu].parameters} "
                f"lab.device={','.join(self.devices)} lab.role={role}")

    def _has_crash_kernel(self, leg):
        """Not without need: the next kernel would take its memory out of the scratch memory."""
        crashes = self.scenario.crashes
        return crashes and self.scenario.crash_kernel and leg == crashes.startswith("next_")

    def _crash_parameters(self, leg):
        slow = self.slowness > 1
        memory = SLOW_CRASH_KERNEL if slow else CRASH_KERNEL
        return " ".join(([memory] if self._has_crash_kernel(leg) else []) +
                        ([CRASH_SCRATCH] if self.scenario.crashes and not slow else []))

    def _parameters(self, leg):
        return " ".join((self._role_parameters(("old", "next")[leg]), LIVE_UPDATE_PARAMETERS,
                         self._crash_parameters(leg),
                         f"nr_cpus={self.scenario.cpus[leg]}", self.scenario.append[leg]))

    def _initrd(self, following):
        """One for the old kernel, with the next one in it, and with the crash kernel in both."""
        archive = os.path.join(self.machine.directory, "initrd.img")
        inner = self.build.initrd if self.next_initrd.startswith("/next") else None
        if self.scenario.crashes:
            inner = archive + ".next"
            initrd.build(inner, self.build.initrd, following, self.build.initrd)
        initrd.build(archive, self.build.initrd, following, inner)
        return archive

    def _boot(self):
        old, following = (self.build.kernel(flavour) for flavour in self.scenario.kernels)
        archive = self._initrd(following)
        hidden = "initcall_blacklist=" + ",".join(qemu.DECOY_INITCALLS)
        iommu = IOMMUS[self.scenario.iommu]
        watched = (self.symbols.address(iommu.changes_entry) if self.scenario.watch_late_changes
                   else None)
        self.machine.start(self.scenario, old, archive, f"{self._parameters(0)} {hidden}",
                           watched)
        self._wait_for_vmm("old")
        self._check_patches()

    def _wait_for_vmm(self, role):
        hello = self.machine.guest.reply(self._timeout("boot"))
        if not hello.get("ok") or hello.get("role") != role:
            raise RunFailed(f"expected the VMM of the {role} kernel, got {hello}")
        self.result.release = hello["release"]

    def _check_patches(self):
        """Both, in the old kernel: who applies one later may not be able to end the run."""
        wanted = [what for what in (self.scenario.patch, self.scenario.next_patch) if what]
        if not wanted:
            return
        with self.machine.stub() as stub:
            for what in wanted:
                patching.check_all(stub, self.symbols, what)

    def _patch(self, what):
        if not what:
            return
        with self.machine.stub() as stub:
            patching.apply_all(stub, self.symbols, what)

    def _load_crash_kernel(self):
        if self.scenario.crash_kernel:
            self._shell(f'kexec -s -p /next/kernel --initrd=/next/initrd.img '
                        f'--command-line="{self._role_parameters("crash")} nr_cpus=1"')

    def _crash_at(self, function, command):
        """The way of a function of the kernel from its begin on is that of a panic."""
        self._load_crash_kernel()
        with self.machine.stub() as stub:
            address = self.symbols.address(function)
            stub.start_until(address)
            self._command(command)
            stub.wait(address, self._timeout("block"))
            stub.divert(self.symbols.address(CRASH_FUNCTION))
        raise Crashed

    def _start_kexec(self):
        command = "shell (sleep 0.1; kexec -e) > /dev/console 2>&1 &"
        if self.scenario.crashes and self.scenario.crashes not in HOOKS:
            self._crash_at(self.scenario.crashes, command)
        if not self.scenario.corrupt:
            self._command(command)
            return
        with self.machine.stub() as stub:
            visit = corruption.Visit(stub, self.symbols, self._timeout("block"))
            self._command(command)
            visit.alter(self.scenario.corrupt)

    def _start_jump(self):
        self._command(f'shell kexec -s -l /next/kernel --initrd={self.next_initrd} '
                      f'--command-line="{self._parameters(1)}"')
        self._patch(self.scenario.patch)
        self.marks["start"] = time.time()
        self._start_kexec()

    def _jump(self):
        """Start the jump; returns when the old kernel has let go of the device."""
        tail = qemulog.Tail(self.machine.log_path)
        self._start_jump()
        deadline = time.monotonic() + self._timeout("block")
        vectors = itertools.cycle(self.numbers)
        while not any(map(self._lets_go, tail.events())):
            if time.monotonic() > deadline or not self.machine.alive():
                raise RunFailed("the old kernel did not shut the device down")
            if self.scenario.ring_into_block:
                self.machine.doorbell.ring(next(vectors))
            time.sleep(0.001)
        tail.close()

    def _lets_go(self, event):
        """MSI-X Function Mask set or the entry of MSI closed (a handover), or bus mastering
        cleared (an ordinary shutdown)."""
        if event.name == "msix_write_config":
            return event.text == f"dev {self.scenario.device} enabled 1 masked 1"
        if event.name == "irte_write":
            return (self.device.msi and event.closes_entry()
                    and event.numbers()["index"] == self.result.vectors[0].old["irte"])
        if event.name != "pci_cfg_write":
            return False
        model, _, offset, value = event.config_write()
        return (model == self.scenario.device and offset == rules.COMMAND
                and not value & rules.COMMAND_BUS_MASTER)

    # The phases

    def _bind(self, msi):
        bound = self._command("bind msi" if msi else "bind")
        self.bound = self.bound or bound
        if self.device.ring:
            self.machine.doorbell.found_at(self.bound["registers"])
            if not self.result.retrieved:
                self.machine.doorbell.set_up()

    def _arm(self):
        for first, count in self.scenario.ranges():
            self._command(f"arm {first} {count}")

    def _take_entries(self):
        """See to it that the next kernel has not the same table entries by accident."""
        iommu = IOMMUS[self.scenario.iommu]
        if not iommu.table_per_device:
            return
        self._arm()
        address, entries = iommu.entries_to_take(qemulog.read(self.machine.log_path))
        self._command("disarm")
        with self.machine.stub() as stub:
            stub.write(gdbstub.DIRECT_MAP + address, entries)

    def _look(self, when):
        """Take down the identity of the vectors."""
        seen = self._command("snapshot")["vectors"]
        for vector in self.result.vectors:
            setattr(vector, when, seen[vector.number])

    def _old_kernel(self):
        self._boot()
        self._command("counters")
        self._command("open")
        self._bind(self.device.msi)
        self._take_entries()
        self._arm()
        self._hook("old_armed")
        counts = self._counts()
        self._ring_each()
        self._add_counts("before", counts)
        self._command("preserve device" if self.scenario.handover else "preserve")
        self._hook("old_changes")
        self._look("old")
        self._hook("old_preserved")

    def _retrieve(self):
        """The session and what is in it; a kernel that cannot give it back starts cold."""
        answer = self.machine.guest.try_command("session", self._timeout("command"))
        self.session = answer["ok"]
        if not self.session:
            self._command("counters")
            self._command("open")
        elif self.scenario.handover:
            self._retrieve_device()
        else:
            self._command("open")

    def _give_up(self):
        """The session is finished, if there is one, and the device is opened as any other."""
        if self.machine.guest.try_command("session", self._timeout("command"))["ok"]:
            self._hook("next_session")
            self._finish()
        else:
            self._command("counters")
        self._hook("next_given_up")
        self._command("open")

    def _retrieve_device(self):
        """A device which is not given back can be opened when the session is finished."""
        answer = self.machine.guest.try_command("retrieve", self._timeout("command"))
        self.result.retrieved = answer["ok"]
        if not answer["ok"]:
            self._finish()
            self._command("open")

    def _finish(self):
        self._command(self.scenario.end)
        self.session = False

    def _look_for_late(self):
        if self.device.ring:
            return
        seen = self._command("counts")["seen"]
        for vector in self.result.vectors:
            vector.late = self.machine.doorbell.rings[vector.number] - seen[vector.number]

    def _next_kernel(self):
        self._wait_for_vmm("next")
        self._hook("next_ready")
        if self.scenario.breaks:
            return
        if self.scenario.claims:
            self._retrieve()
        else:
            self._give_up()
        self._bind(self.device.msi and not self.scenario.leaves_msi)
        counts = self._counts()
        pending = self._command("pending")["pending"]
        for vector in self.result.vectors:
            vector.latched = pending[vector.number]
        self.marks["rearm"] = time.time()
        self._arm()
        counts = self._add_counts("delivered", counts)
        self._hook("next_armed")
        self._look("new")
        self._ring_each()
        counts = self._add_counts("adopted", counts)
        self._hook("next_finishing")
        if self.session:
            self._look_for_late()
            self._finish()
        counts = self._add_counts("synthetic", counts)
        self._hook("next_finished")
        self._ring_each()
        self._add_counts("after", counts)
        self._take_final_counts()

    def _take_final_counts(self):
        self._settled_counts()
        answer = self._command("counts")
        for vector in self.result.vectors:
            vector.counted = answer["counts"][vector.number]
            vector.seen = answer["seen"][vector.number]
        self.trace = self._shell("cat /sys/kernel/tracing/trace")

    def _after_crash(self):
        """Whatever boots next knows nothing of the live update, and starts the device cold."""
        self._ring_in_blackout()
        hello = self.machine.guest.reply(self._timeout("boot"))
        self.result.role = hello.get("role")
        if self.machine.guest.try_command("session", self._timeout("command"))["ok"]:
            raise RunFailed("there is a session to retrieve")
        self._command("counters")
        self._command("open")
        self._bind(self.device.msi)
        counts = self._counts()
        self._arm()
        counts = self._add_counts("delivered", counts)
        self._ring_each()
        self._add_counts("after", counts)

    def _look_for_leaks(self):
        self._shell("[ ! -e /sys/kernel/debug/kmemleak ] || "
                    "{ echo scan > /sys/kernel/debug/kmemleak; "
                    "cat /sys/kernel/debug/kmemleak > /dev/console; }")

    def _judge(self):
        start = self.marks.get("start")
        if start is None or not self.bound:
            return
        # Up to FREEZE the owner of the device may do with its vectors what it likes.
        start = qemulog.console_time(self.machine.log_path, FROZEN, start) or start
        now = time.time()
        seen = rules.Observation(
            events=qemulog.read(self.machine.log_path), start=start,
            rearm=self.marks.get("rearm", now), end=now,
            model=self.scenario.device, device=qemu.DEVICE[5:], bridges=[qemu.ROOT_PORT[5:]],
            table=self.bound.get("table", 0), msi=self.bound.get("msi", {}),
            numbers=self.numbers,
            messages=[(v.old["address"], v.old["data"]) for v in self.result.vectors],
            irtes=[v.old["irte"] for v in self.result.vectors],
            iommu=IOMMUS[self.scenario.iommu])
        self.result.judged = rules.judge(seen)
        self.result.late_calls = rules.late_calls(seen)
        if self._can_account():
            self.result.accounts = ring_accounts.accounts(
                seen, self.scenario.mode == "x2apic", self.machine.doorbell.rings,
                self.result.vectors, self.trace)

    def _can_account(self):
        """By the messages, if they are the same in both kernels."""
        return (self.trace and not self.device.ring
                and not any(map(expectation.changed, self.result.vectors)))

    def _judge_busy(self):
        """A device which a program of the guest drives: little is known of its vectors."""
        now = time.time()
        seen = rules.Observation(
            events=qemulog.read(self.machine.log_path), start=self.marks["start"],
            rearm=now, end=now, model=self.scenario.device, device=qemu.DEVICE[5:],
            bridges=[qemu.ROOT_PORT[5:]], table=0, numbers=[], messages=[], irtes=[],
            iommu=IOMMUS[self.scenario.iommu])
        self.result.judged = live_device.judge(seen)
        if self.scenario.iops:
            self.result.flight = live_device.flight(seen, self._lets_go)

    def _course(self):
        try:
            self._old_kernel()
            self._jump()
            self._ring_in_blackout()
            self._next_kernel()
        except Crashed:
            self._after_crash()

    def _programs(self):
        """Programs of the guest do everything themselves; there is nothing to judge by."""
        self._boot()
        for line in self.scenario.old_runs:
            self._extra("old", f"shell {line}")
        if not self.scenario.next_runs:
            return
        self._start_jump()
        self._wait_for_vmm("next")
        for line in self.scenario.next_runs:
            self._extra("next", f"shell {line}")

    def execute(self):
        began = time.monotonic()
        try:
            if self.scenario.old_runs:
                self._programs()
                if not self.scenario.decoys:
                    self._judge_busy()
            else:
                self._course()
            self._look_for_leaks()
        except (vmm.GuestHung, vmm.CommandFailed, gdbstub.StubError, patching.NothingToPatch,
                symbols.SymbolError, RunFailed, OSError) as error:
            self.result.error = f"{error}\n{self.machine.autopsy(self.symbols)}"
        self.result.console = self.machine.console()
        self.result.complaints = console.complaints(self.result.console,
                                                     self.scenario.warns,
                                                     self.scenario.tolerates)
        self._judge()
        if self.result.error:
            self.result.error += self.machine.console_tail() + "\n" + self.machine.stderr()
        self.result.seconds = time.monotonic() - began
        return self.result


def _race_was_hit(result):
    """A late call may be one that has nothing to do with the device."""
    broken = [result.judged[name] for name in result.scenario.breaks]
    return result.late_calls and all(broken)


def _execute_once(kind, scenario, build, echo):
    directory = build.results(scenario.name)
    with qemu.Machine(build.qemu, build.plugin(), directory, echo) as machine:
        return kind(scenario, machine, build).execute()


def execute(scenario, build, echo=False, kind=Run):
    """Run a scenario, in the course of some kind; one that wants to hit a race is run until it has."""
    for _ in range(ATTEMPTS):
        result = _execute_once(kind, scenario, build, echo)
        if result.error or not scenario.watch_late_changes or _race_was_hit(result):
            break
    return result
