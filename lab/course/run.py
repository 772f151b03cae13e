# SPDX-License-Identifier: GPL-2.0-only
"""What all courses have in common: a machine is booted, its guest is commanded, a kernel jumps
into the next one."""

import itertools
import os
import time
import traceback

from course import corruption
from course import kernels
from course.result import SIGN_OFF
from course.result import Result
from course.result import Vector
from course.result import Window
from machine import gdbstub
from machine import initrd
from machine import patching
from machine import qemu
from machine import qemulog
from machine import symbols
from machine import vmm
from machine.devices import DEVICES, used
from machine.iommu import IOMMUS

TIMEOUT = {"boot": 60, "block": 40, "command": 40, "console": 10}
LEGS = ("old", "next")
SETTLE = 0.2
SETTLE_TIMEOUT = 10        # time for counts to stop rising


class RunFailed(Exception):
    """The run could not go on."""


# Failures whose message says all there is to say
FAILURES = (vmm.GuestHung, vmm.CommandFailed, vmm.NotUnderstood, gdbstub.StubError,
            patching.NothingToPatch, symbols.SymbolError, RunFailed, OSError)


class Run:
    # Shows what became of the synthetic interrupts
    TRACED = "trace_event=irq_liveupdate"

    # Log level of the run's last line: that of the least important lines that a console shows
    SIGN_OFF_LEVEL = 6

    next_initrd = "/next/initrd.img"
    devices = (qemu.DEVICE,)

    def __init__(self, scenario, machine, build):
        self.scenario = scenario = kernels.with_memory(scenario)
        self.machine = machine
        self.build = build
        self.numbers = scenario.numbers()
        self.result = Result(scenario, [Vector(number) for number in self.numbers])
        self.device = DEVICES[scenario.device]
        self.symbols = build.symbols(scenario.kernels[0])
        self.slowness = kernels.slowness(scenario)

    def _course(self):
        raise NotImplementedError

    def execute(self):
        try:
            self._course()
            self._look_for_leaks()
            self._sign_off()
        except FAILURES as error:
            self._fail(str(error))
        except Exception as error:  # pylint: disable=broad-exception-caught
            # Whatever the guest has answered, only this run fails.
            self._fail(f"{error!r}\n{traceback.format_exc()}")
        self._take_down()
        return self.result

    def _fail(self, reason):
        self.result.error = "\n".join((reason, self.machine.autopsy(self.symbols)
                                       + self.machine.console_tail(), self.machine.stderr()))

    def _take_down(self):
        """Note what judges need of the machine before it is gone."""
        result, machine = self.result, self.machine
        for window in result.windows:
            window.end = window.end or time.time()
        result.log = machine.log_path
        result.stderr = machine.stderr()
        result.answered = machine.guest.answered if machine.guest else 0.0
        if machine.doorbells:
            result.rings = machine.doorbell.rings
            result.repeats = machine.doorbell.repeats
            result.waits = machine.doorbell.waits
        result.console = machine.console()
        result.cpu_seconds = machine.cpu_seconds()

    # The guest

    def _timeout(self, what):
        return TIMEOUT[what] * self.slowness * self.scenario.patience

    def _command(self, command):
        return self.machine.guest.command(command, self._timeout("command"))

    def _try_command(self, command):
        return self.machine.guest.try_command(command, self._timeout("command"))

    def _allowed(self, command, *refusals):
        """Whether the command succeeded. It may be refused only with one of these errno values."""
        answer = self._try_command(command)
        if not answer["ok"] and answer["errno"] not in refusals:
            raise RunFailed(answer["error"])
        return answer["ok"]

    def _shell(self, line):
        return self.machine.guest.shell(line, self._timeout("command"))

    def _names(self):
        """The names that a scenario's commands can use."""
        names = {"device": qemu.DEVICE, "sibling": qemu.SIBLING, "port": qemu.ROOT_PORT,
                 "decoy": qemu.DECOY}
        if self.result.vectors[0].old:
            names["irte"] = self.result.vectors[0].old["irte"]
            names["irqs"] = " ".join(str(vector.old["irq"]) for vector in self.result.vectors)
        return names

    def _extra(self, at, template):
        """A command of the scenario, given to the VMM at some point of the run."""
        command = template.format(**self._names())
        answer = self._command(command)
        self.result.extras.append({"at": at, "command": command} | answer)
        if "role" in answer:
            raise RunFailed(f"{command}: answered by the VMM of another kernel")
        if answer.get("status"):
            raise RunFailed(f"{command}: exit status {answer['status']}\n{answer['output']}")

    def _programs(self, at, lines):
        for line in lines:
            self._extra(at, f"shell {line}")

    def _hook(self, name):
        for template in self.scenario.at.get(name, ()):
            self._extra(name, template)

    def _counts(self):
        counts = self._command("counts")["counts"]
        return [counts[number] for number in self.numbers]

    def _until_settled(self, counts, pause):
        """What counts() returns once it has stopped rising."""
        deadline = time.monotonic() + SETTLE_TIMEOUT * self.slowness
        before, now = None, counts()
        while now != before:
            if time.monotonic() > deadline:
                raise RunFailed(f"signals go on: {before}, then {now}")
            time.sleep(pause * self.slowness)
            before, now = now, counts()
        return now

    def _settled_counts(self):
        return self._until_settled(self._counts, SETTLE)

    # The kernels

    def _initrd(self, following):
        """An initrd for the old kernel, with the next kernel in it, and with the crash kernel in
        both."""
        archive = os.path.join(self.machine.scratch, "initrd.img")
        image = self.build.image(self.scenario.image)
        inner = image if self.next_initrd.startswith("/next") else None
        if self.scenario.crashes:
            inner = archive + ".next"
            initrd.build(inner, image, following, image)
        guest = self.scenario.guest
        system = (self.build.kernel(guest), self.build.guest_initrd) if guest else None
        initrd.build(archive, image, following, inner, system)
        return archive

    def _further_parameters(self):
        physical = [f"lab.physical={qemu.DEVICE}"] * bool(self.device.function)
        return " ".join([self.TRACED, *self.machine.clock_parameters(), *physical])

    def _parameters(self, leg):
        devices = (qemu.function(self.scenario), *self.devices[1:])
        return kernels.of_leg(self.scenario, leg, devices, self._further_parameters())

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
        self.result.online = hello["cpus"]
        if role in LEGS:
            self._look_at_kernel(LEGS.index(role))

    def _look_at_kernel(self, leg):
        """Check that the kernel is the one that the scenario wants."""
        wanted = self.build.release(self.scenario.kernels[leg])
        if self.result.release != wanted:
            raise RunFailed(f"the kernel is {self.result.release}, not {wanted}")
        if self.scenario.proof[leg]:
            self._shell(self.scenario.proof[leg])

    def _check_patches(self):
        """Check both patches in the old kernel: what applies one later may not be able to end the
        run."""
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
            stub.select(self.symbols.address("_stext"))
            patching.apply_all(stub, self.symbols, what)

    def _look_for_leaks(self):
        self._shell("look_for_leaks > /dev/console")

    def _sign_off(self):
        """Let the last kernel print a line, and wait for it. A kernel prints from a thread: before
        this line is there, the console may lack others."""
        self._shell(f"echo '<{self.SIGN_OFF_LEVEL}>{SIGN_OFF}' > /dev/kmsg")
        deadline = time.monotonic() + self._timeout("console")
        while SIGN_OFF not in self.machine.console() and time.monotonic() < deadline:
            time.sleep(0.05)

    # The jump

    def _layouts(self):
        """The structures in the memory of the old kernel."""
        return self.build.layouts(self.scenario.kernels[0])

    def _start_kexec(self):
        command = f"shell (sleep 0.1; {self.scenario.jump}) > /dev/console 2>&1 &"
        if not self.scenario.corrupt:
            self._command(command)
            return
        with self.machine.stub() as stub:
            visit = corruption.Visit(stub, self.symbols, self._layouts(),
                                     self._timeout("block"))
            self._command(command)
            visit.alter(self.scenario.corrupt)

    def _start_jump(self):
        self._command(f'shell kexec -s -l {self.scenario.next_kernel} '
                      f'--initrd={self.next_initrd} '
                      f'--command-line="{self._parameters(1)}"')
        self._patch(self.scenario.patch)
        self.result.windows.append(Window(start=time.time()))
        self._start_kexec()

    def _jump(self):
        """Start the jump. Returns when the old kernel has let go of the device."""
        tail = qemulog.Tail(self.machine.log_path)
        release = qemulog.Release(used(self.scenario.device), self._msi_entry())
        self._start_jump()
        deadline = time.monotonic() + self._timeout("block")
        vectors = itertools.cycle(self.numbers)
        while not any(map(release.seen_in, tail.events())):
            if time.monotonic() > deadline or not self.machine.alive():
                raise RunFailed("the old kernel did not shut the device down")
            if self.scenario.ring_into_block:
                self.machine.doorbell.ring(next(vectors))
            time.sleep(0.001)
        tail.close()

    def _msi_entry(self):
        """The remapping entry of MSI, or None."""
        return self.result.vectors[0].old["irte"] if self.device.msi else None
