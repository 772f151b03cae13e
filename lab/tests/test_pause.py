# SPDX-License-Identifier: GPL-2.0-only
"""How many instructions of a guest's pause are ours."""

import pytest

from cost import pause
from course.run import RunFailed


def log(path, *lines):
    with open(path, "w") as f:
        for line in lines:
            f.write(f"2026-01-01T00:00:00.000000Z {line}\n")
    return path


COUNTED = (
    "enter vfio_pci_set_irqs_ioctl own 0 all 10", "leave vfio_pci_set_irqs_ioctl own 9 all 19",
    "enter liveupdate_reboot own 9 all 100",
    "enter vfio_pci_liveupdate_freeze own 10 all 110",
    "leave vfio_pci_liveupdate_freeze own 40 all 150",
    "leave liveupdate_reboot own 50 all 160", "enter machine_kexec own 50 all 200",
    "enter x86_64_start_kernel own 60 all 500", "enter run_init_process own 60 all 900",
    "enter memfd_luo_retrieve own 60 all 1000", "leave memfd_luo_retrieve own 80 all 1020",
    "enter vfio_pci_set_irqs_ioctl own 80 all 1030",
    "leave vfio_pci_set_irqs_ioctl own 85 all 1040",
    "enter vfio_pci_liveupdate_finish own 85 all 1050",
    "leave vfio_pci_liveupdate_finish own 95 all 1100")


def test_instructions(tmp_path):
    found = pause.Reader().read(log(tmp_path / "log", *COUNTED))
    assert found.whole == 1000
    assert (found.ours["freeze"], found.ours["adoption"], found.ours["FINISH"]) == (30, 5, 10)
    assert found.share() == 0.045
    assert [name for name, _ in found.longest()[:3]] == [
        "jump: purgatory and decompression", "first process, until the VMM has the session",
        "freeze"]


def test_pause_without_an_end(tmp_path):
    with pytest.raises(RunFailed):
        pause.Reader().read(log(tmp_path / "log", *COUNTED[:-1]))
