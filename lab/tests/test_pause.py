# SPDX-License-Identifier: GPL-2.0-only
"""How many instructions of a guest's pause are ours."""

from dataclasses import replace
from unittest import mock

import pytest

from cost import live_update
from cost import pause
from course.run import RunFailed


def log(path, *lines):
    with open(path, "w") as f:
        for line in lines:
            f.write(f"2026-01-01T00:00:00.000000Z {line}\n")
    return path


COUNTED = (
    "enter vfio_pci_set_irqs_ioctl all 10", "leave vfio_pci_set_irqs_ioctl own 9 from 10 all 19",
    "enter device_shutdown all 90", "enter liveupdate_reboot all 100",
    "leave device_shutdown own 7 from 90 all 105",
    "enter vfio_pci_liveupdate_freeze all 110",
    "leave vfio_pci_liveupdate_freeze own 30 from 110 all 150",
    "leave liveupdate_reboot own 50 from 100 all 160", "enter machine_kexec all 200",
    "enter x86_64_start_kernel all 500", "enter run_init_process all 900",
    "enter memfd_luo_retrieve all 1000", "leave memfd_luo_retrieve own 20 from 1000 all 1020",
    "enter vfio_pci_set_irqs_ioctl all 1030",
    "leave vfio_pci_set_irqs_ioctl own 5 from 1030 all 1040",
    "enter vfio_pci_liveupdate_finish all 1050",
    "leave vfio_pci_liveupdate_finish own 10 from 1050 all 1100")


def test_instructions(tmp_path):
    found = pause.Reader().read(log(tmp_path / "log", *COUNTED))
    assert found.whole == 1000
    assert (found.ours["freeze"], found.ours["adoption"], found.ours["FINISH"]) == (30, 5, 10)
    assert found.share() == 0.045
    assert [name for name, _ in found.longest()[:3]] == [
        "jump: purgatory and decompression", "first process, until the VMM has the session",
        "freeze"]


def test_what_was_entered_before_the_pause_does_not_count(tmp_path):
    found = pause.Reader().read(log(tmp_path / "log", *COUNTED))
    assert found.others["devices are shut down"] == 0


def test_two_cpus_in_the_same_function(tmp_path):
    """What both of them do counts, whichever returns first."""
    both = ("enter kvm_vcpu_ioctl all 1021", "enter kvm_vcpu_ioctl all 1022",
            "leave kvm_vcpu_ioctl own 3 from 1022 all 1026",
            "leave kvm_vcpu_ioctl own 2 from 1021 all 1027")
    found = pause.Reader().read(log(tmp_path / "log", *COUNTED[:-4], *both, *COUNTED[-4:]))
    assert found.others["virtual machine is restored"] == 5


def test_requests_of_the_replacement(tmp_path):
    flush = "vtd_inv_desc_iotlb_domain iotlb invalidate domain 0x7"
    wait = "vtd_inv_desc_wait_sw wait invalidate status write addr 0x15d9fc data 0x2"
    attach = ("enter vfio_df_ioctl_attach_pt all 1041",
              "vtd_inv_desc_cc_devices context devices 0x100 mask 0x0",
              "vtd_inv_desc_cc_device context device 01:00.0", wait, flush, wait,
              "leave vfio_df_ioctl_attach_pt own 1 from 1041 all 1042")
    lines = (*COUNTED[:-2], wait, *attach, flush, wait, *COUNTED[-2:])
    found = pause.Reader().read(log(tmp_path / "log", *lines))
    assert (found.invalidations(), found.waits()) == (2, 2)
    assert found.ours["replacement"] == 1


def test_pause_without_an_end(tmp_path):
    with pytest.raises(RunFailed):
        pause.Reader().read(log(tmp_path / "log", *COUNTED[:-1]))


WHOLE = pause.Pause(1000, dict.fromkeys(pause.OURS, 1), {},
                    {"vtd_inv_desc_iotlb_domain": 1, pause.WAIT: 1})


def measured(found):
    with mock.patch.object(live_update, "run_once", return_value=found):
        return pause.measure(None)


def test_steps_that_were_executed():
    assert measured(WHOLE) == WHOLE
    freed_later = WHOLE.ours | {"old page tables are freed": 0}
    assert measured(replace(WHOLE, ours=freed_later)).sum_of_ours() == len(pause.OURS) - 1


@pytest.mark.parametrize("step", sorted(pause.OURS.keys() - {"old page tables are freed"}))
def test_step_that_was_not_executed(step):
    with pytest.raises(RunFailed, match=step):
        measured(replace(WHOLE, ours=WHOLE.ours | {step: 0}))


@pytest.mark.parametrize("request_", WHOLE.requests)
def test_replacement_without_a_request(request_):
    with pytest.raises(RunFailed, match="replacement"):
        measured(replace(WHOLE, requests=WHOLE.requests | {request_: 0}))


def test_functions_are_those_of_the_kernels_that_run():
    assert pause._scenario().kernels == live_update.KERNELS
