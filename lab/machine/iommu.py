# SPDX-License-Identifier: GPL-2.0-only
"""The IOMMUs a machine can have, and the events of QEMU's trace about their interrupt remapping."""

import re


def requester_id(address):
    """The number of "bus:slot.function"."""
    bus, slot, function = (int(part, 16) for part in re.split("[:.]", address))
    return bus << 8 | slot << 3 | function


VECTOR_MASK = 0xff


def lets_pass(iommu, event):
    """Whether a device may reach memory from now on: the unit no longer translates, or the entry of
    the device does not keep it out."""
    return (iommu.switches_translation_off(event)
            or event.name == "dma_write" and iommu.reaches_memory(event.words()))


class Vtd:
    """One table for all devices, named by a register of the unit. The handle is in the
    message, the source-id of the device in the entry. DMA is translated in legacy mode or,
    with unit_options, in scalable mode."""

    trace_events = ("vtd_reg_write_gcmd", "vtd_reg_ir_root", "vtd_ir_enable", "vtd_ir_remap_msi",
                    "vtd_ir_remap_msi_req",
                    "vtd_inv_qi_enable", "vtd_inv_desc_iec", "vtd_inv_desc_wait_*",
                    "vtd_inv_desc_cc_*", "vtd_inv_desc_pasid_cache_*", "vtd_inv_desc_iotlb_*",
                    "vtd_dmar_fault", "vtd_frr_new")

    _REMAPPING = 1 << 25
    _TRANSLATION = 1 << 31
    _PRESENT = 1 << 0  # bits of a context entry or PASID table entry, in the lowest word
    _VECTOR_SHIFT = 16
    _DESTINATION_SHIFT = 32
    _XAPIC_DESTINATION_SHIFT = 40
    _SOURCE = (1 << 20) - 1  # bits of the upper half of an entry: SID, SQ, SVT

    parameters = "intel_iommu=on"
    table_per_device = False
    base_is_fixed = False
    changes_entry = "modify_irte"

    @staticmethod
    def plugin_options(device):
        return f",vtd={requester_id(device):#x}"

    def __init__(self, unit_options=""):
        self._unit_options = unit_options
        self._is_scalable = "scalable-mode=on" in unit_options

    @staticmethod
    def translates(parameters):
        return "intel_iommu=off" not in parameters

    def arguments(self, mode):
        eim = "on" if mode == "x2apic" else "off"
        return ["-device", f"intel-iommu,intremap=on,eim={eim}{self._unit_options}"]

    @staticmethod
    def _switches_off(event, bit):
        if event.name != "vtd_reg_write_gcmd":
            return False
        numbers = event.numbers()
        return bool(numbers["status"] & ~numbers["value"] & bit)

    @staticmethod
    def _switches_on(event, bit):
        return event.name == "vtd_reg_write_gcmd" and bool(event.numbers()["value"] & bit)

    def switches_remapping_off(self, event):
        return self._switches_off(event, self._REMAPPING)

    def switches_remapping_on(self, event):
        return self._switches_on(event, self._REMAPPING)

    def switches_translation_off(self, event):
        return self._switches_off(event, self._TRANSLATION)

    def switches_translation_on(self, event):
        return self._switches_on(event, self._TRANSLATION)

    def reaches_memory(self, words):
        """Whether a device with this DMA entry reaches memory."""
        return bool(words[0] & self._PRESENT
                    and (not self._is_scalable or words[1] & self._PRESENT))

    @staticmethod
    def flushes_entries(event):
        return event.name.startswith(("vtd_inv_desc_cc_", "vtd_inv_desc_pasid_cache_"))

    @staticmethod
    def flushes_mappings(event):
        return event.name.startswith("vtd_inv_desc_iotlb_")

    @staticmethod
    def switches_queue_off(event):
        return event.name == "vtd_inv_qi_enable" and event.numbers()["enabled"] == 0

    @staticmethod
    def invalidates(event, index):
        if event.name != "vtd_inv_desc_iec":
            return False
        numbers = event.numbers()
        if numbers["granularity"] == 0:
            return True
        return (numbers["index"] ^ index) >> numbers["mask"] == 0

    @staticmethod
    def waits(event):
        return event.name.startswith("vtd_inv_desc_wait")

    def target(self, low, high, x2apic):
        """(CPU, vector) that a present entry sends to."""
        shift = self._DESTINATION_SHIFT if x2apic else self._XAPIC_DESTINATION_SHIFT
        return low >> shift, low >> self._VECTOR_SHIFT & VECTOR_MASK

    @staticmethod
    def requests(events, device):
        """(event, message) of each message that arrived at the unit, from any device: here no two
        devices have the same message."""
        for event in events:
            if event.name == "vtd_ir_remap_msi_req":
                yield event, event.message()

    @staticmethod
    def arrivals(events, device):
        """The same for each message that the unit let through."""
        for event in events:
            if event.name == "vtd_ir_remap_msi":
                yield event, event.message()

    @staticmethod
    def faults(events, device):
        return [event for event in events if event.name in ("vtd_dmar_fault", "vtd_frr_new")]

    @staticmethod
    def dma_fault_lines(devices):
        """Patterns of the lines in which Linux reports that DMA of these devices was refused."""
        header = ["DMAR: DRHD: handling fault"] if devices else []
        return header + [rf"DMAR: \[DMA (Read|Write) .*\] Request device \[{re.escape(device)}\]"
                         for device in devices]

    def wrong_sources(self, seen, closed):
        """What is present for another device: entries with a different source-id than before."""
        source = {}
        for event in seen.events:
            if event.name == "irte_write" and event.time < seen.start:
                source[event.numbers()["index"]] = event.numbers()["high"] & self._SOURCE
        return [f"IRTE {index}: present with source {high:#x}, not {source.get(index, 0):#x}"
                for index, high in closed if high & self._SOURCE != source.get(index)]


class Amdvi:
    """A table for each device, named by its entry in the device table (DTE). The message is
    the index in it, so that those of two devices can be the same. A unit which does not
    translate DMA leaves it as it is, whatever the device table says."""

    trace_events = ("amdvi_ir_remap_msi_req", "amdvi_ir_remap_msi",
                    "amdvi_ir_irte_val", "amdvi_ir_irte_ga_val", "amdvi_ir_target_abort",
                    "amdvi_intr_inval", "amdvi_all_inval", "amdvi_completion_wait",
                    "amdvi_devtab_inval", "amdvi_pages_inval", "amdvi_page_fault")

    table_per_device = True
    base_is_fixed = True
    changes_entry = "irte_ga_set_affinity"

    # The southbridge that Linux expects at 00:14.0, the address of the IO-APIC. No driver in the
    # guest binds to this device.
    _SOUTHBRIDGE = ("-blockdev", "null-co,node-name=southbridge,read-zeroes=on",
                    "-device", "virtio-blk-pci,drive=southbridge,class=0x0601,addr=14.0")

    _BASE = 0xfed80000
    _CONTROL = 0xfed80018
    _CONTROL_ENABLE = 1 << 0
    _CONTROL_COMMANDS = 1 << 12
    _VALID = 1 << 0  # bits of a DTE, in the lowest word: a DTE that is not valid does not translate
    _TRANSLATED = 1 << 1  # translation information is valid; if not, DMA is refused
    _READ_OR_WRITE = 3 << 61
    _NO_FAULT = 1 << 1  # bits of a table entry
    _DESTINATION_SHIFT = 8
    _DESTINATION_BITS = 24
    _DESTINATION_HIGH_SHIFT = 56
    _TAKEN = (0xff << 64).to_bytes(16, "little")  # an entry that is allocated, not present
    _NR_TAKEN = 17

    @staticmethod
    def plugin_options(device):
        return f",amdvi={requester_id(device):#x}"

    def __init__(self, translates=True):
        self._dma_remap = "on" if translates else "off"
        self.parameters = "" if translates else "iommu=pt"

    def translates(self, parameters):
        return self._dma_remap == "on" and "amd_iommu=off" not in parameters

    def arguments(self, mode):
        xtsup = "on" if mode == "x2apic" else "off"
        return ["-device",
                f"amd-iommu,intremap=on,dma-remap={self._dma_remap},xtsup={xtsup}",
                *self._SOUTHBRIDGE]

    def _control(self, event):
        """The value written to the control register, or None."""
        if event.name != "memory_region_ops_write":
            return None
        numbers = event.numbers()
        return numbers["value"] if numbers["addr"] == self._CONTROL else None

    def _clears(self, event, bit):
        value = self._control(event)
        return value is not None and not value & bit

    def switches_remapping_off(self, event):
        return (self._clears(event, self._CONTROL_ENABLE)
                or event.name == "dte_write" and not event.numbers()["remapped"])

    def switches_remapping_on(self, event):
        return bool((self._control(event) or 0) & self._CONTROL_ENABLE)

    def switches_translation_off(self, event):
        return self._clears(event, self._CONTROL_ENABLE)

    def switches_translation_on(self, event):
        return self.switches_remapping_on(event)

    def reaches_memory(self, words):
        return (not words[0] & self._VALID
                or bool(words[0] & self._TRANSLATED and words[0] & self._READ_OR_WRITE))

    @staticmethod
    def flushes_entries(event):
        return event.name in ("amdvi_devtab_inval", "amdvi_all_inval")

    @staticmethod
    def flushes_mappings(event):
        return event.name in ("amdvi_pages_inval", "amdvi_all_inval")

    def base_writes(self, events):
        """(event, whether it changes the base while the unit is enabled) of each write to the
        device table base address register, as a whole or to a half of it."""
        base, enabled = bytearray(8), False
        for event in events:
            if self._control(event) is not None:
                enabled = bool(self._control(event) & self._CONTROL_ENABLE)
            elif event.name == "memory_region_ops_write":
                numbers = event.numbers()
                offset, size = numbers["addr"] - self._BASE, numbers["size"]
                if not 0 <= offset <= len(base) - size:
                    continue
                new = numbers["value"].to_bytes(8, "little")[:size]
                yield event, enabled and base[offset:offset + size] != new
                base[offset:offset + size] = new

    def entries_to_take(self, events):
        """Only the device itself takes entries of its table, so vector 0 would have entry 0 in
        every kernel, unless some look as if they were taken already. Returns the address and the
        bytes that make them look so."""
        table = [event.numbers()["table"] for event in events if event.name == "irta_write"][-1]
        return table, self._TAKEN * self._NR_TAKEN

    def switches_queue_off(self, event):
        return self._clears(event, self._CONTROL_COMMANDS)

    @staticmethod
    def invalidates(event, index):
        """Tables are invalidated one by one, or all; QEMU does not say which table."""
        return event.name in ("amdvi_intr_inval", "amdvi_all_inval")

    @staticmethod
    def waits(event):
        return event.name == "amdvi_completion_wait"

    def target(self, low, high, x2apic):
        cpu = low >> self._DESTINATION_SHIFT & ((1 << self._DESTINATION_BITS) - 1)
        if x2apic:
            cpu |= high >> self._DESTINATION_HIGH_SHIFT << self._DESTINATION_BITS
        return cpu, high & VECTOR_MASK

    @staticmethod
    def _is_request(event, devid):
        return event.name == "amdvi_ir_remap_msi_req" and event.numbers()["devid"] == devid

    def requests(self, events, device):
        """The same, only of this device. QEMU logs the low byte of its requester id, which no other
        device of the machine has."""
        devid = requester_id(device) & 0xff
        for event in events:
            if self._is_request(event, devid):
                yield event, event.message()

    def _fates(self, events, device):
        """(request, event) for all events that follow a request of the device, until the next
        one."""
        devid = requester_id(device) & 0xff
        request = None
        for event in events:
            if event.name == "amdvi_ir_remap_msi_req":
                request = event if self._is_request(event, devid) else None
            elif request and event.name.startswith("amdvi_ir_"):
                yield request, event

    def arrivals(self, events, device):
        for request, event in self._fates(events, device):
            if event.name == "amdvi_ir_remap_msi":
                yield event, request.message()

    def faults(self, events, device):
        """DMA of any device that is refused, and messages of this device that are aborted although
        the entry does not suppress faults."""
        found = [event for event in events if event.name == "amdvi_page_fault"]
        low = 0
        for _, event in self._fates(events, device):
            if event.name == "amdvi_ir_irte_val":
                low = event.numbers()["data"]
            elif event.name == "amdvi_ir_irte_ga_val":
                low = event.numbers()["lo"]
            elif event.name == "amdvi_ir_target_abort" and not low & self._NO_FAULT:
                found.append(event)
        return found

    @staticmethod
    def dma_fault_lines(devices):
        """The same. QEMU logs the device without its bus, so that Linux names another one."""
        return [r"AMD-Vi: Event logged \[IO_PAGE_FAULT"] if devices else []

    @staticmethod
    def wrong_sources(seen, closed):
        """What is present for another device: an entry has no source-id, but no DTE except that of
        the device may name the table."""
        return [f"table of the device named by the DTE of another: {event.text}"
                for event in seen.window("alien_dte_write")]


# A unit that supports scalable mode is used in it. It uses tables of the second stage, like legacy
# mode, unless it is told to use those of the first stage (FSTS).
IOMMUS = {
    "intel": Vtd(),
    "intel-scalable": Vtd(",scalable-mode=on"),
    "intel-scalable-fsts": Vtd(",scalable-mode=on,fsts=on"),
    "amd": Amdvi(),
    "amd-untranslated": Amdvi(translates=False),
}
