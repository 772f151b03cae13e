# SPDX-License-Identifier: GPL-2.0-only
"""A live update during which the machine crashes."""

import errno

from course import kernels
from course import run
from course import update
from scenarios.scenario import HOOKS

CRASH_FUNCTION = "sysrq_handle_crash"

# KHO of Linux 7.2 is not disabled in a crash kernel, and has to reserve memory there.
IN_CRASH_KERNEL = f"{kernels.LIVE_UPDATE_PARAMETERS} kho_scratch=8M,16M,8M"


class Crashed(Exception):
    """The machine has crashed, as the scenario wants."""


class Crash(update.Update):
    def _course(self):
        try:
            super()._course()
        except Crashed:
            self._after_crash()

    def _load_crash_kernel(self):
        """Its command line allows live updates, as it does where kdump takes over that of the
        running kernel. Nevertheless there must be no session."""
        if self.scenario.crash_kernel:
            parameters = kernels.of_role(self.scenario, "crash", self.devices,
                                         self._further_parameters())
            self._shell(f'kexec -s -p /next/kernel --initrd=/next/initrd.img '
                        f'--command-line="{parameters} {IN_CRASH_KERNEL} nr_cpus=1"')

    def _hook(self, name):
        super()._hook(name)
        if self.scenario.crashes == name:
            self._load_crash_kernel()
            self._command("shell (sleep 0.1; echo c > /proc/sysrq-trigger) > /dev/console 2>&1 &")
            raise Crashed

    def _start_kexec(self):
        """Make the kernel panic when it enters a function."""
        if self.scenario.crashes in HOOKS:
            super()._start_kexec()
            return
        self._load_crash_kernel()
        with self.machine.stub() as stub:
            address = self.symbols.address(self.scenario.crashes)
            stub.start_until(address)
            super()._start_kexec()
            stub.wait(address, self._timeout("block"))
            stub.divert(self.symbols.address(CRASH_FUNCTION))
        raise Crashed

    def _after_crash(self):
        """Whichever kernel boots next knows nothing of the live update, and starts the device
        cold."""
        self._ring_in_blackout()
        hello = self.machine.guest.reply(self._timeout("boot"))
        self.result.role = hello.get("role")
        if self._allowed("session", errno.ENOENT):
            raise run.RunFailed("there is a session to retrieve")
        self._command("counters")
        self._command("open")
        self._bind(self.device.msi)
        counts = self._counts()
        self._arm()
        counts = self._add_counts("delivered", counts)
        self._ring_each()
        self._add_counts("after", counts)
