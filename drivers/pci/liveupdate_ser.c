// SPDX-License-Identifier: GPL-2.0

/*
 * Validation of the list of devices that the previous kernel has handed over. Nothing here
 * needs a device, so that it is also built for user space, see
 * tools/testing/irq_liveupdate_ser/.
 */

#include <linux/compiler.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/limits.h>
#include <linux/overflow.h>
#include <linux/pci_regs.h>
#include <linux/string.h>
#include <linux/types.h>

#include "liveupdate_ser.h"

/**
 * pci_lu_ser_refuse_list() - Check that the memory of the list was preserved
 * @pa: Physical address of the struct pci_lu_ser
 * @nr: Set to the number of its entries. If something else is there, that may change
 *
 * Context: Any. Nothing is trusted until this check.
 * Return: Why the list is refused, or NULL. Then @nr entries can be read.
 */
const char *pci_lu_ser_refuse_list(u64 pa, u64 *nr)
{
	struct pci_lu_ser *ser;

	if (kho_preserved_size(pa) < sizeof(*ser))
		return "bad address";

	ser = phys_to_virt(pa);
	*nr = READ_ONCE(ser->nr_devices);
	/* There is a list only while a device is preserved. Zeros may be anything. */
	if (!*nr)
		return "no devices";
	if (*nr > PCI_LU_MAX_DEVICES)
		return "too many devices";
	if (kho_preserved_size(pa) < struct_size(ser, devices, *nr))
		return "bad address";

	return NULL;
}

/* All that can be told without the device, which has to have the same */
static const char *pci_lu_refuse_sriov(const struct pci_lu_dev_ser *dev)
{
	const struct pci_lu_sriov_ser *sriov = &dev->sriov;
	u32 last;

	if (!(dev->flags & PCI_LU_DEV_SRIOV))
		return memchr_inv(sriov, 0, sizeof(*sriov)) ?
		       "virtual functions without SR-IOV" : NULL;

	if (dev->flags & (PCI_LU_DEV_BRIDGE | PCI_LU_DEV_VIRTFN))
		return "SR-IOV of a device which has none";
	if (!sriov->num_vfs || sriov->num_vfs > sriov->total_vfs ||
	    sriov->initial_vfs > sriov->total_vfs)
		return "bad number of virtual functions";
	if (sriov->reserved)
		return "reserved field of SR-IOV not zero";
	if (!(sriov->ctrl & PCI_SRIOV_CTRL_VFE))
		return "virtual functions not enabled";

	last = dev->devid + sriov->offset + sriov->stride * (sriov->num_vfs - 1u);
	if (!sriov->offset || (sriov->num_vfs > 1 && !sriov->stride) || last > U16_MAX)
		return "bad requester ids of virtual functions";

	return NULL;
}

/**
 * pci_lu_ser_refuse_device() - Check that an entry of the list satisfies the ABI
 * @dev: The entry
 *
 * Context: Any.
 * Return: Why it does not, or NULL.
 */
const char *pci_lu_ser_refuse_device(const struct pci_lu_dev_ser *dev)
{
	bool bridge = dev->flags & PCI_LU_DEV_BRIDGE;

	if (dev->flags & ~PCI_LU_DEV_FLAGS)
		return "unknown flags";
	if (dev->hdr_type != (bridge ? PCI_HEADER_TYPE_BRIDGE : PCI_HEADER_TYPE_NORMAL))
		return "bad header type";
	if (dev->secondary > dev->subordinate)
		return "bad bus numbers";
	if (!bridge && (dev->flags & PCI_LU_DEV_ARI || dev->subordinate || dev->acs_ctrl))
		return "device described as a bridge";
	if (bridge && dev->flags & (PCI_LU_DEV_VIRTFN | PCI_LU_DEV_KEEPS_VFS))
		return "bridge described as a device";
	if (dev->flags & PCI_LU_DEV_VIRTFN && dev->flags & PCI_LU_DEV_KEEPS_VFS)
		return "virtual functions of a virtual function";
	if (dev->flags & PCI_LU_DEV_KEEPS_VFS && !(dev->flags & PCI_LU_DEV_SRIOV))
		return "no virtual functions that it keeps";

	return pci_lu_refuse_sriov(dev);
}
