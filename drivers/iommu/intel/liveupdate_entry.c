// SPDX-License-Identifier: GPL-2.0

/*
 * Entries of devices with mappings in a live update, VT-d: recording them when
 * they are handed over, and comparing them with their records in the next
 * kernel.
 */

#define pr_fmt(fmt) "DMAR: " fmt

#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/idr.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/pci.h>

#include "iommu.h"
#include "liveupdate.h"
#include "pasid.h"
#include "../iommu-liveupdate.h"

/* Context entry of legacy mode, VT-d spec r4.1 sec 9.3 */
#define CONTEXT_TT(lo)		(((lo) >> 2) & 3)

/* Context entry of scalable mode, VT-d spec r4.1 sec 9.4 */
#define CONTEXT_PDTS(lo)	(((lo) >> 9) & 7)
#define CONTEXT_RID_PASID(hi)	((hi) & GENMASK_ULL(19, 0))

#define PASID_DIR_ENTRIES(pdts)	BIT((pdts) + 7)
#define PASID_TABLE_ENTRIES	(SZ_4K / sizeof(struct pasid_entry))

/*
 * The kernel which hands over
 */

/**
 * struct intel_lu_member - A device whose entries are being added
 * @dev:	The device
 * @domain:	The domain to which it is attached
 * @out:	Where they are added
 */
struct intel_lu_member {
	struct device			*dev;
	struct dmar_domain		*domain;
	struct iommu_lu_out_device	*out;
};

static const char being_reset[] = "it is being reset";

static int add_pasid_table(struct intel_lu_member *member, struct iommu_lu_entry *entry)
{
	struct pasid_table *table = intel_pasid_get_table(member->dev);
	struct pasid_dir_entry *dir = table->table;
	size_t size = (table->max_pasid >> PASID_PDE_SHIFT) * sizeof(*dir);

	/* A table that was allocated for a PASID stays in the directory. */
	if (memchr_inv(dir + 1, 0, size - sizeof(*dir)))
		return iommu_lu_refuse(member->out, -EOPNOTSUPP, "PASIDs were attached");

	entry->pasid_dir = dir;
	entry->pasid_table = get_pasid_table_from_pde(dir);
	return 0;
}

static int add_alias(struct pci_dev *pdev, u16 id, void *data)
{
	struct intel_lu_member *member = data;
	struct device_domain_info *info = dev_iommu_priv_get(member->dev);
	struct intel_iommu *iommu = info->iommu;
	struct iommu_lu_entry entry = {
		.devid		= id,
		.domain_id	= domain_id_iommu(member->domain, iommu),
	};
	struct context_entry context = { };
	struct context_entry *table;
	int ret;

	/* As in pci_pasid_table_setup(): the bridge has its own PASID table. */
	if (sm_supported(iommu) && &pdev->dev != member->dev)
		return 0;

	scoped_guard(spinlock, &iommu->lock) {
		table = iommu_context_addr(iommu, PCI_BUS_NUM(id), id & 0xff, 0);
		if (table)
			context = *table;
	}
	/* A device with the same alias may be the one that is being reset. */
	if (!context_present(&context))
		return iommu_lu_refuse(member->out, -EBUSY, being_reset);
	entry.value[0] = context.lo;
	entry.value[1] = context.hi;

	if (sm_supported(iommu)) {
		if (id != PCI_DEVID(info->bus, info->devfn))
			return iommu_lu_refuse(member->out, -EOPNOTSUPP,
					       "it has several requester ids");
		ret = add_pasid_table(member, &entry);
		if (ret)
			return ret;
	}
	return iommu_lu_add_entry(member->out, &entry);
}

/**
 * intel_liveupdate_add_entries - Add the entries of a device that lead to a domain
 * @dev:	The device
 * @domain:	The domain
 * @out:	Where they are added
 *
 * Context: May sleep. The group of the device is locked.
 * Return: 0 or a negative errno. The reason for -EOPNOTSUPP or -EBUSY is logged.
 */
int intel_liveupdate_add_entries(struct device *dev, struct iommu_domain *domain,
				 struct iommu_lu_out_device *out)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_lu_member member = {
		.dev	= dev,
		.domain	= to_dmar_domain(domain),
		.out	= out,
	};

	if (dev_is_real_dma_subdevice(dev))
		return iommu_lu_refuse(out, -EOPNOTSUPP, "another device does its DMA");
	/* The group remains attached while a reset blocks the device. */
	if (info->domain != member.domain)
		return iommu_lu_refuse(out, -EBUSY, being_reset);
	return pci_for_each_dma_alias(to_pci_dev(dev), add_alias, &member);
}

/*
 * The kernel which takes over
 */

static const char *check_legacy(const struct iommu_lu_device_ser *ser,
				const struct context_entry *context)
{
	unsigned int tt = CONTEXT_TT(context->lo);

	if (ser->pasid_dir)
		return "PASID directory in legacy mode";
	if (tt != CONTEXT_TT_MULTI_LEVEL && tt != CONTEXT_TT_DEV_IOTLB)
		return "entry does not translate";
	if (context_domain_id(context) != ser->domain_id)
		return "domain id differs from its record";
	if ((context->lo & VTD_PAGE_MASK) != iommu_lu_pages_first(&ser->tables))
		return "entry leads to other tables";
	return NULL;
}

static u64 pasid_tables(struct pasid_entry *pasid)
{
	switch (pasid_pte_get_pgtt(pasid)) {
	case PASID_ENTRY_PGTT_SL_ONLY:
		return READ_ONCE(pasid->val[0]) & VTD_PAGE_MASK;
	case PASID_ENTRY_PGTT_FL_ONLY:
		return READ_ONCE(pasid->val[2]) & VTD_PAGE_MASK;
	default:
		return 0;
	}
}

static const char *check_pasid_table(const struct iommu_lu_device_ser *ser)
{
	struct pasid_entry *pasid = phys_to_virt(ser->pasid_table);
	unsigned int i;

	if (!pasid_pte_is_present(pasid))
		return "PASID entry is not present";
	if (pasid_get_domain_id(pasid) != ser->domain_id)
		return "domain id differs from its record";
	if (pasid_tables(pasid) != iommu_lu_pages_first(&ser->tables))
		return "PASID entry leads to other tables";

	for (i = 1; i < PASID_TABLE_ENTRIES; i++) {
		if (pasid_pte_is_present(&pasid[i]))
			return "a PASID is attached";
	}
	return NULL;
}

/* The entry determines how much of the directory the unit reads. */
static const char *check_scalable(const struct iommu_lu_device_ser *ser)
{
	u64 phys = iommu_lu_entry_phys(ser->pasid_dir);
	size_t size = PAGE_SIZE << iommu_lu_entry_order(ser->pasid_dir);
	struct pasid_dir_entry *dir = phys_to_virt(phys);

	if (!ser->pasid_dir)
		return "no PASID directory";
	if ((ser->entry[0] & VTD_PAGE_MASK) != phys)
		return "entry leads to another PASID directory";
	if (CONTEXT_RID_PASID(ser->entry[1]) != IOMMU_NO_PASID)
		return "requests without PASID use another one";
	if (PASID_DIR_ENTRIES(CONTEXT_PDTS(ser->entry[0])) * sizeof(*dir) > size)
		return "PASID directory is too small";
	if (dir->val != (ser->pasid_table | PASID_PTE_PRESENT) ||
	    memchr_inv(dir + 1, 0, size - sizeof(*dir)))
		return "PASID directory differs from its record";
	return check_pasid_table(ser);
}

/**
 * intel_liveupdate_check_entry - Check that an entry agrees with its record
 * @iommu:	Unit
 * @ser:	The record
 * @context:	The entry
 *
 * Only the root of the page table is compared. The hardware changes the other
 * tables.
 *
 * Context: Any.
 * Return: NULL, or why the entry must not be used.
 */
const char *intel_liveupdate_check_entry(struct intel_iommu *iommu,
					 const struct iommu_lu_device_ser *ser,
					 const struct context_entry *context)
{
	if (context->lo != ser->entry[0] || context->hi != ser->entry[1])
		return "entry differs from its record";
	if (ser->domain_id < IDA_START_DID || ser->domain_id >= cap_ndoms(iommu->cap))
		return "invalid domain id";
	return sm_supported(iommu) ? check_scalable(ser) : check_legacy(ser, context);
}

/**
 * intel_liveupdate_reserve_domain_id - Reserve a domain id of the previous
 * kernel
 * @iommu_dev:	Unit
 * @id:		The domain id
 *
 * Context: May sleep.
 * Return: 0 or a negative errno.
 */
int intel_liveupdate_reserve_domain_id(struct iommu_device *iommu_dev, u32 id)
{
	struct intel_iommu *iommu = container_of(iommu_dev, struct intel_iommu, iommu);
	int ret;

	ret = ida_alloc_range(&iommu->domain_ida, id, id, GFP_KERNEL);
	return ret < 0 ? ret : 0;
}

/**
 * intel_liveupdate_free_domain_id - Undo intel_liveupdate_reserve_domain_id()
 * @iommu_dev:	Unit
 * @id:		The domain id
 *
 * Context: Any.
 */
void intel_liveupdate_free_domain_id(struct iommu_device *iommu_dev, u32 id)
{
	struct intel_iommu *iommu = container_of(iommu_dev, struct intel_iommu, iommu);

	ida_free(&iommu->domain_ida, id);
}
