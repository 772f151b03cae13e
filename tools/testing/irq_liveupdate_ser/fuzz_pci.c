// SPDX-License-Identifier: GPL-2.0

/*
 * An input is the list of PCI devices, in its memory layout, at physical address 4096.
 * The memory that KHO has kept ends with it. The entries are read as
 * drivers/pci/liveupdate_in.c reads them.
 *
 * The fields of an entry depend on its flags. So most mutations start from an entry that
 * satisfies the ABI, and change one or two bytes of it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/kexec_handover.h>
#include <linux/pci_regs.h>

#include "../../../drivers/pci/liveupdate_ser.h"
#include "fuzz.h"

#define LIST_PHYS	4096

/* One in this many mutations replaces an entry with one that satisfies the ABI. */
#define REPLACED	4

static void *list;
static size_t list_size;

size_t kho_preserved_size(phys_addr_t phys)
{
	return phys == LIST_PHYS ? list_size : 0;
}

void *phys_to_virt(phys_addr_t phys)
{
	if (phys != LIST_PHYS)
		abort();
	return list;
}

/*
 * What was accepted is compared with the ABI here, by code that is independent
 * of the tested code.
 */

static bool all_zero(const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;

	while (size--) {
		if (*byte++)
			return false;
	}
	return true;
}

static void expect_bridge(const struct pci_lu_dev_ser *dev)
{
	promised(!(dev->flags & ~(PCI_LU_DEV_BRIDGE | PCI_LU_DEV_ARI)), "flags of a bridge");
	promised(dev->hdr_type == 1, "header type of a bridge");
	promised(dev->secondary <= dev->subordinate, "bus numbers");
}

static void expect_device(const struct pci_lu_dev_ser *dev)
{
	switch (dev->flags) {
	case 0:
	case PCI_LU_DEV_VIRTFN:
	case PCI_LU_DEV_SRIOV:
	case PCI_LU_DEV_SRIOV | PCI_LU_DEV_KEEPS_VFS:
		break;
	default:
		promised(false, "flags of a device");
	}
	promised(dev->hdr_type == 0, "header type of a device");
	promised(!dev->secondary && !dev->subordinate && !dev->acs_ctrl, "a device is no bridge");
}

/* Each virtual function has a requester id of its own. */
static void expect_sriov(const struct pci_lu_dev_ser *dev)
{
	const struct pci_lu_sriov_ser *sriov = &dev->sriov;
	uint64_t id = dev->devid, before;

	promised(sriov->ctrl & 1, "VF Enable");
	promised(sriov->num_vfs && sriov->num_vfs <= sriov->total_vfs, "NumVFs");
	promised(sriov->initial_vfs <= sriov->total_vfs, "InitialVFs");
	promised(!sriov->reserved, "reserved field");
	for (unsigned int i = 0; i < sriov->num_vfs; i++) {
		before = id;
		id += i ? sriov->stride : sriov->offset;
		promised(id > before && id <= 0xffff, "requester ids of virtual functions");
	}
}

static void expect_sound(const struct pci_lu_dev_ser *dev)
{
	if (dev->flags & PCI_LU_DEV_BRIDGE)
		expect_bridge(dev);
	else
		expect_device(dev);

	if (dev->flags & PCI_LU_DEV_SRIOV)
		expect_sriov(dev);
	else
		promised(all_zero(&dev->sriov, sizeof(dev->sriov)), "no SR-IOV");
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	const struct pci_lu_ser *ser;
	u64 nr;

	/* Memory of its own, so that a sanitizer sees its end */
	list = malloc(size);
	list_size = size;
	memcpy(list, data, size);
	ser = list;
	if (!pci_lu_ser_refuse_list(LIST_PHYS, &nr)) {
		promised(size >= sizeof(*ser) && nr && nr == ser->nr_devices &&
			 nr <= (size - sizeof(*ser)) / sizeof(ser->devices[0]),
			 "memory of the list");
		for (uint64_t i = 0; i < nr; i++) {
			if (!pci_lu_ser_refuse_device(&ser->devices[i]))
				expect_sound(&ser->devices[i]);
		}
	}
	free(list);
	return 0;
}

/*
 * Mutating
 */

static const struct pci_lu_dev_ser valid_devices[] = {
	{
		.devid		= 0x0020,
		.hdr_type	= PCI_HEADER_TYPE_BRIDGE,
		.flags		= PCI_LU_DEV_BRIDGE | PCI_LU_DEV_ARI,
		.secondary	= 1,
		.subordinate	= 2,
		.acs_ctrl	= 0x1d,
	},
	{
		.devid		= 0x0100,
		.flags		= PCI_LU_DEV_SRIOV | PCI_LU_DEV_KEEPS_VFS,
		.sriov		= {
			.ctrl		= PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE,
			.initial_vfs	= 7,
			.total_vfs	= 7,
			.num_vfs	= 2,
			.offset		= 0x80,
			.stride		= 2,
			.page_size	= 1,
		},
	},
	{
		.devid		= 0x0180,
		.flags		= PCI_LU_DEV_VIRTFN,
	},
};

#define NR_VALID	ARRAY_SIZE(valid_devices)

size_t fuzz_custom_mutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	const size_t head = sizeof(struct pci_lu_ser), entry = sizeof(valid_devices[0]);
	u64 nr;

	size = fuzz_mutate(data, size, max_size);
	if (seed % REPLACED || max_size < head + entry)
		return size;

	nr = size < head + entry ? 1 : (size - head) / entry;
	memcpy(data, &nr, sizeof(nr));
	memcpy(data + head + seed / REPLACED % nr * entry,
	       &valid_devices[seed / REPLACED % NR_VALID], entry);
	return head + nr * entry;
}
