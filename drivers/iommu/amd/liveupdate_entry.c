// SPDX-License-Identifier: GPL-2.0

/*
 * Entries of devices with mappings in a live update, AMD-Vi: recording them
 * when they are handed over, and comparing them with their records in the next
 * kernel.
 */

#define pr_fmt(fmt) "AMD-Vi: " fmt

#include <kunit/visibility.h>
#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/iommu_liveupdate.h>
#include <linux/mem_encrypt.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/xarray.h>

#include "amd_iommu.h"
#include "liveupdate.h"
#include "../iommu-liveupdate.h"

/*
 * The DMA fields of a device table entry that leads to version 1 tables, AMD
 * IOMMU spec 3.10 sec 2.2.2.1, without ATS, PRI, dirty tracking, and version 2
 * tables.
 */
#define DTE_V1_DATA0	(DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW | \
			 DTE_MODE_MASK | DTE_HOST_TRP)
#define DTE_V1_DATA1	(DTE_DOMID_MASK | DTE_DATA1_SYSMGT_MASK)

/*
 * The kernel which hands over
 */

/**
 * struct amd_lu_member - A device whose entries are being added
 * @iommu:	Its unit
 * @domain:	The domain to which it is attached
 * @out:	Where they are added
 */
struct amd_lu_member {
	struct amd_iommu		*iommu;
	struct protection_domain	*domain;
	struct iommu_lu_out_device	*out;
};

static int add_alias(struct pci_dev *pdev, u16 devid, void *data)
{
	struct amd_lu_member *member = data;
	struct dev_table_entry *dte = &get_dev_table(member->iommu)[devid];
	struct iommu_lu_entry entry = {
		.devid		= devid,
		.domain_id	= member->domain->id,
	};

	if (devid > member->iommu->pci_seg->last_bdf)
		return iommu_lu_refuse(member->out, -EOPNOTSUPP,
				       "a requester id is not in the device table");
	entry.value[0] = READ_ONCE(dte->data[0]);
	entry.value[1] = READ_ONCE(dte->data[1]);

	/* The group remains attached while a reset blocks the device, or one with its alias. */
	if (FIELD_GET(DTE_DOMID_MASK, entry.value[1]) != entry.domain_id)
		return iommu_lu_refuse(member->out, -EBUSY, "it is being reset");
	return iommu_lu_add_entry(member->out, &entry);
}

/**
 * amd_liveupdate_add_entries - Add the entries of a device that lead to a domain
 * @dev:	The device
 * @domain:	The domain
 * @out:	Where they are added
 *
 * Context: May sleep. The group of the device is locked.
 * Return: 0 or a negative errno. The reason for -EOPNOTSUPP or -EBUSY is logged.
 */
int amd_liveupdate_add_entries(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_out_device *out)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct pci_dev *pdev = to_pci_dev(dev);
	struct amd_lu_member member = {
		.iommu	= get_amd_iommu_from_dev(dev),
		.domain	= to_pdomain(domain),
		.out	= out,
	};
	int ret;

	if (member.domain->pd_mode != PD_MODE_V1 || dev_data->gcr3_info.gcr3_tbl)
		return iommu_lu_refuse(out, -EOPNOTSUPP,
				       "its page tables are of version 2, boot with amd_iommu=pgtbl_v1");
	if (member.domain->dirty_tracking)
		return iommu_lu_refuse(out, -EOPNOTSUPP, "dirty tracking is enabled");

	/* The alias from the firmware may not be a PCI alias, see clone_aliases(). */
	ret = add_alias(pdev, member.iommu->pci_seg->alias_table[pci_dev_id(pdev)], &member);
	return ret ?: pci_for_each_dma_alias(pdev, add_alias, &member);
}

/*
 * Domain ids
 */

/* Number of users of a reserved domain id, which is common to all units. */
VISIBLE_IF_KUNIT struct xarray amd_lu_domain_ids = XARRAY_INIT(amd_lu_domain_ids, 0);
static DEFINE_MUTEX(amd_lu_domain_ids_lock);

/* One of the users is an entry that was refused. */
#define ID_REFUSED	XA_MARK_0

static unsigned long domain_id_users(u32 id)
{
	void *users = xa_load(&amd_lu_domain_ids, id);

	return users ? xa_to_value(users) : 0;
}

/**
 * amd_liveupdate_reserve_domain_id - Reserve a domain id of the previous kernel
 * @iommu:	Unit which uses it
 * @id:		The domain id
 *
 * Context: May sleep.
 * Return: 0 or a negative errno.
 */
int amd_liveupdate_reserve_domain_id(struct iommu_device *iommu, u32 id)
{
	unsigned long users;
	int ret;

	guard(mutex)(&amd_lu_domain_ids_lock);

	users = domain_id_users(id);
	if (!users) {
		ret = amd_iommu_pdom_id_reserve(id, GFP_KERNEL);
		if (ret < 0)
			return ret;
	}

	ret = xa_err(xa_store(&amd_lu_domain_ids, id, xa_mk_value(users + 1), GFP_KERNEL));
	if (ret && !users)
		amd_iommu_pdom_id_free(id);
	return ret;
}

/**
 * amd_liveupdate_free_domain_id - Undo amd_liveupdate_reserve_domain_id()
 * @iommu:	Unit which uses it
 * @id:		The domain id
 *
 * Context: May sleep.
 */
void amd_liveupdate_free_domain_id(struct iommu_device *iommu, u32 id)
{
	unsigned long users;

	guard(mutex)(&amd_lu_domain_ids_lock);

	users = domain_id_users(id);
	if (users > 1) {
		/* This replaces a value, so it does not need memory. */
		xa_store(&amd_lu_domain_ids, id, xa_mk_value(users - 1), GFP_KERNEL);
		return;
	}
	xa_erase(&amd_lu_domain_ids, id);
	amd_iommu_pdom_id_free(id);
}

/* No domain of this kernel may use what the units have cached under the domain id. */
static void refuse_domain_id(u32 id)
{
	if (!xa_get_mark(&amd_lu_domain_ids, id, ID_REFUSED) &&
	    !amd_liveupdate_reserve_domain_id(NULL, id))
		xa_set_mark(&amd_lu_domain_ids, id, ID_REFUSED);
}

/**
 * amd_liveupdate_free_refused_ids - Free the domain ids of entries that were
 * refused
 *
 * Context: May sleep. All units have been flushed since the entries were closed.
 */
void amd_liveupdate_free_refused_ids(void)
{
	unsigned long id;
	void *users;

	xa_for_each_marked(&amd_lu_domain_ids, id, users, ID_REFUSED) {
		xa_clear_mark(&amd_lu_domain_ids, id, ID_REFUSED);
		amd_liveupdate_free_domain_id(NULL, id);
	}
}

/*
 * The kernel which takes over
 */

static const char *check_dte(const struct dev_table_entry *dte,
			     const struct iommu_lu_device_ser *ser)
{
	u64 root = FIELD_GET(DTE_HOST_TRP, dte->data[0]) << 12;
	unsigned int mode = FIELD_GET(DTE_MODE_MASK, dte->data[0]);
	u64 encrypted = __sme_set(0ULL);

	if (dte->data[0] != ser->entry[0] || dte->data[1] != ser->entry[1])
		return "entry differs from its record";
	if (dte->data[0] & ~DTE_V1_DATA0 || dte->data[1] & ~DTE_V1_DATA1 || ser->pasid_dir)
		return "entry is not one of version 1 tables alone";
	if (mode < PAGE_MODE_1_LEVEL || mode > PAGE_MODE_6_LEVEL)
		return "entry has no valid number of table levels";
	if (!ser->domain_id || FIELD_GET(DTE_DOMID_MASK, dte->data[1]) != ser->domain_id)
		return "domain id differs from its record";
	if (__sme_clr(root) != iommu_lu_pages_first(&ser->tables))
		return "entry leads to other tables";
	if ((root & encrypted) != encrypted)
		return "memory encryption differs";
	return NULL;
}

static const char *adopt_entry(struct amd_iommu_pci_seg *pci_seg, u16 devid)
{
	struct amd_iommu *iommu = pci_seg->rlookup_table[devid];
	const struct iommu_lu_device_ser *ser;
	const char *reason;

	ser = iommu_liveupdate_incoming_entry(pci_seg->id, devid);
	if (!ser)
		return "mappings without a valid record";
	/* The firmware does not list aliases that only a quirk of the device knows. */
	if (!iommu && ser->owner <= pci_seg->last_bdf)
		iommu = pci_seg->rlookup_table[ser->owner];
	if (!iommu || !(iommu->flags & AMD_IOMMU_FLAG_STAYS))
		return "its unit was not taken over";

	reason = check_dte(&pci_seg->dev_table[devid], ser);
	return reason ?: iommu_liveupdate_adopt_entry(ser, &iommu->iommu, &amd_liveupdate_ops);
}

static bool reaches_memory(const struct dev_table_entry *dte)
{
	return dte->data[0] & DTE_FLAG_TV && dte->data[0] & (DTE_FLAG_IR | DTE_FLAG_IW);
}

/*
 * Is this the entry that amd_ir_block_segment() has written for a device whose
 * firmware needs DMA?
 */
static bool is_direct(struct amd_iommu_pci_seg *pci_seg, u16 devid)
{
	return !FIELD_GET(DTE_MODE_MASK, pci_seg->dev_table[devid].data[0]) &&
	       amd_iommu_has_unity_map(pci_seg, devid);
}

/**
 * amd_liveupdate_keep_entry - Take over the DMA entry of a device
 * @pci_seg:	Segment, whose device table was taken over
 * @devid:	The device
 *
 * Context: May sleep.
 * Return: True if the DMA fields of the entry stay as they are. If not, the
 * device must not access any memory, unless its firmware needs it.
 */
bool amd_liveupdate_keep_entry(struct amd_iommu_pci_seg *pci_seg, u16 devid)
{
	const struct dev_table_entry *dte = &pci_seg->dev_table[devid];
	const char *reason;

	if (!reaches_memory(dte) || is_direct(pci_seg, devid))
		return false;

	reason = adopt_entry(pci_seg, devid);
	if (!reason)
		return true;

	refuse_domain_id(FIELD_GET(DTE_DOMID_MASK, dte->data[1]));
	iommu_liveupdate_refuse_entry(pci_seg->id, devid, reason);
	return false;
}

/* Unless another device with this alias has already rewritten the entry. */
static void close_left(struct dev_table_entry *dte, const struct iommu_lu_device_ser *ser)
{
	struct dev_table_entry left, closed = { };

	left.data[0] = ser->entry[0];
	left.data[1] = ser->entry[1];
	closed.data[0] = DTE_CLOSED;
	closed.data[1] = left.data[1] & DTE_DATA1_SYSMGT_MASK;
	try_cmpxchg128(&dte->data128[0], &left.data128[0], closed.data128[0]);
}

/**
 * amd_liveupdate_drop_entry - Close an entry that is still in use
 * @iommu_dev:	Unit
 * @ser:	Record of the entry
 *
 * The device may have been removed, and a different one may be plugged in
 * later. The caller flushes the caches.
 *
 * Context: Process context, does not sleep.
 */
void amd_liveupdate_drop_entry(struct iommu_device *iommu_dev,
			       const struct iommu_lu_device_ser *ser)
{
	struct amd_iommu *iommu = container_of(iommu_dev, struct amd_iommu, iommu);
	struct dev_table_entry *dte = &get_dev_table(iommu)[ser->devid];
	struct iommu_dev_data *dev_data;

	scoped_guard(spinlock, &amd_iommu_dev_data_lock) {
		dev_data = search_dev_data(iommu, ser->devid);
		if (!dev_data)
			close_left(dte, ser);
	}
	if (!dev_data)
		return;

	guard(spinlock_irqsave)(&dev_data->dte_lock);
	close_left(dte, ser);
}
