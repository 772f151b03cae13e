// SPDX-License-Identifier: GPL-2.0-only

/*
 * Devices with DMA mappings, in the kernel that takes them over: which entries
 * of the previous kernel are in use, and when their tables are freed.
 */

#define pr_fmt(fmt) "iommu: live update: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "iommu-liveupdate.h"
#include "iommu-priv.h"

/**
 * struct iommu_lu_in_device - A requester id whose entry comes from the
 * previous kernel
 * @ser:	Its record, which refers only to pages that were taken from KHO for it
 * @iommu:	The unit that uses the entry, or NULL if the entry is closed
 * @ops:	Methods of its driver
 * @refused:	Why the entry was closed, or NULL
 * @by_id:	Entries in use, by unit and domain id
 * @by_tables:	Entries that are not freed, by their tables
 * @node:	Waiting to be flushed and freed
 */
struct iommu_lu_in_device {
	struct iommu_lu_device_ser	ser;
	struct iommu_device		*iommu;
	const struct iommu_liveupdate_ops *ops;
	const char			*refused;
	struct hlist_node		by_id;
	struct hlist_node		by_tables;
	struct list_head		node;
};

/*
 * Devices by PCI segment and requester id, and those that have left. If the unit of one
 * of these does not confirm that it has nothing cached, all that follow stay allocated:
 * they may share its tables.
 */
static DEFINE_XARRAY(iommu_lu_in_devices);
static LIST_HEAD(iommu_lu_in_left);
static DEFINE_HASHTABLE(iommu_lu_in_by_id, 10);
static DEFINE_HASHTABLE(iommu_lu_in_by_tables, 10);
/* Memory that devices of the previous kernel can still access */
static LIST_HEAD(iommu_lu_in_holds);
/* Folios of the records themselves, which were read and are no longer used */
static LIST_HEAD(iommu_lu_in_read);
/*
 * Taken after iommu_lu_in_lock or the lock of a group, and before the locks with which the
 * drivers protect entries and domain ids
 */
static DEFINE_MUTEX(iommu_lu_in_devices_lock);

static bool same_tables(const struct iommu_lu_device_ser *a,
			const struct iommu_lu_device_ser *b)
{
	return a->tables.nr && a->tables.first == b->tables.first;
}

/*
 * Reading the records
 */

static void free_later(struct folio *folio)
{
	lockdep_assert_held(&iommu_lu_in_devices_lock);

	list_add(&folio->lru, &iommu_lu_in_read);
}

/**
 * iommu_lu_free_later - Free memory of the previous kernel at the end of the live update
 * @folio:	Memory that was taken from KHO and is no longer used
 *
 * AMD-Vi loads the records before page_alloc_init_late(). Until then, a page can be
 * given to the page allocator only if the struct pages next to it are initialized as
 * well, because the allocator may merge it with them. With
 * CONFIG_DEFERRED_STRUCT_PAGE_INIT, KHO initializes those of preserved memory alone.
 *
 * Context: May sleep.
 */
void iommu_lu_free_later(struct folio *folio)
{
	guard(mutex)(&iommu_lu_in_devices_lock);

	free_later(folio);
}

static void free_read(void)
{
	struct folio *folio, *next;

	lockdep_assert_held(&iommu_lu_in_devices_lock);

	list_for_each_entry_safe(folio, next, &iommu_lu_in_read, lru) {
		list_del(&folio->lru);
		folio_put(folio);
	}
}

static struct iommu_lu_in_device *find_same_tables(const struct iommu_lu_device_ser *ser)
{
	struct iommu_lu_in_device *in;

	hash_for_each_possible(iommu_lu_in_by_tables, in, by_tables, ser->tables.first) {
		if (same_tables(&in->ser, ser))
			return in;
	}
	return NULL;
}

/* Devices that share a domain have the same list. */
static const char *take_tables(const struct iommu_lu_device_ser *ser)
{
	struct iommu_lu_in_device *other = find_same_tables(ser);

	if (!other)
		return iommu_lu_pages_take(&ser->tables);
	return memcmp(&other->ser.tables, &ser->tables, sizeof(ser->tables)) ?
	       "other list of tables at the same address" : NULL;
}

static const char *take_pages(struct iommu_lu_in_device *in, const struct iommu_lu_device_ser *ser)
{
	const char *reason = iommu_lu_ser_take_pasid_table(ser);

	if (reason)
		return reason;
	in->ser.pasid_dir = ser->pasid_dir;
	in->ser.pasid_table = ser->pasid_table;

	reason = take_tables(ser);
	if (reason)
		return reason;

	in->ser.tables = ser->tables;
	hash_add(iommu_lu_in_by_tables, &in->by_tables, ser->tables.first);
	return NULL;
}

/* The device of a damaged record is unknown. It is found by its entry instead. */
static void load_device(const struct iommu_lu_device_ser *ser)
{
	struct iommu_lu_in_device *in;

	if (!memchr_inv(ser, 0, sizeof(*ser)) || ser->checksum != iommu_lu_device_checksum(ser))
		return;

	in = kzalloc_obj(*in);
	if (!in)
		return;
	if (xa_insert(&iommu_lu_in_devices, iommu_lu_device_key(ser->segment, ser->devid), in,
		      GFP_KERNEL)) {
		kfree(in);
		return;
	}

	/* Only pages that this record has taken are freed with it. */
	in->ser = *ser;
	in->ser.pasid_dir = 0;
	memset(&in->ser.tables, 0, sizeof(in->ser.tables));
	in->refused = take_pages(in, ser);
}

/**
 * iommu_lu_load_devices - Load the previous kernel's records of devices
 * @root:	Root that refers to them
 *
 * Context: May sleep.
 */
void iommu_lu_load_devices(const struct iommu_lu_root_ser *root)
{
	struct kho_block_header_ser *block;
	u64 phys = root->devices;
	u32 left = root->nr_devices;

	guard(mutex)(&iommu_lu_in_devices_lock);

	while (left) {
		block = iommu_lu_take_block(phys, IOMMU_LU_DEVICES_PER_BLOCK, left);
		if (!block) {
			pr_err("devices not taken over: their list was not preserved\n");
			return;
		}
		for (u64 i = 0; i < block->count; i++)
			load_device((const struct iommu_lu_device_ser *)(block + 1) + i);
		phys = block->next;
		left -= block->count;
		free_later(virt_to_folio(block));
	}
}

/*
 * Entries
 */

/**
 * iommu_liveupdate_incoming_entry - Find the record of an entry
 * @segment:	PCI segment
 * @devid:	Requester id
 *
 * Context: May sleep, before the device is attached to another domain. After that the
 *	    record is freed.
 * Return: The record, or NULL if the entry must not be used.
 */
const struct iommu_lu_device_ser *iommu_liveupdate_incoming_entry(u32 segment, u16 devid)
{
	struct iommu_lu_in_device *in;

	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_incoming_entry, segment, devid);

	guard(mutex)(&iommu_lu_in_devices_lock);

	in = xa_load(&iommu_lu_in_devices, iommu_lu_device_key(segment, devid));
	return in && !in->refused ? &in->ser : NULL;
}

/* Domain ids are per unit. */
static unsigned long id_key(struct iommu_device *iommu, u32 domain_id)
{
	return (unsigned long)iommu + domain_id;
}

static struct iommu_lu_in_device *find_same_id(struct iommu_device *iommu, u32 domain_id)
{
	struct iommu_lu_in_device *in;

	hash_for_each_possible(iommu_lu_in_by_id, in, by_id, id_key(iommu, domain_id)) {
		if (in->iommu == iommu && in->ser.domain_id == domain_id)
			return in;
	}
	return NULL;
}

/**
 * iommu_liveupdate_adopt_entry - A unit keeps using an entry of the previous kernel
 * @ser:	Record of the entry, which matches the entry
 * @iommu:	The unit, which may not be registered yet
 * @ops:	Methods of its driver
 *
 * The domain id is reserved until the last device that uses it is attached to a
 * domain of this kernel.
 *
 * Context: May sleep.
 * Return: NULL, or why the entry must not be used.
 */
const char *iommu_liveupdate_adopt_entry(const struct iommu_lu_device_ser *ser,
					 struct iommu_device *iommu,
					 const struct iommu_liveupdate_ops *ops)
{
	struct iommu_lu_in_device *in = container_of(ser, struct iommu_lu_in_device, ser);
	struct iommu_lu_in_device *other;

	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_adopt_entry, ser, iommu, ops);

	guard(mutex)(&iommu_lu_in_devices_lock);

	if (in->iommu)
		return "another unit uses its entry";
	other = find_same_id(iommu, ser->domain_id);
	if (other && !same_tables(&other->ser, ser))
		return "domain id of another domain";
	if (!other && ops->reserve_domain_id(iommu, ser->domain_id))
		return "domain id not available";

	in->iommu = iommu;
	in->ops = ops;
	hash_add(iommu_lu_in_by_id, &in->by_id, id_key(iommu, ser->domain_id));
	return NULL;
}

/**
 * iommu_liveupdate_refuse_entry - Record why an entry was closed
 * @segment:	PCI segment
 * @devid:	Requester id
 * @reason:	Why, a constant string
 *
 * The device that uses the requester id is stopped when it is enumerated. If
 * the record was already refused, the earlier reason is kept.
 *
 * Context: May sleep.
 */
void iommu_liveupdate_refuse_entry(u32 segment, u16 devid, const char *reason)
{
	unsigned long key = iommu_lu_device_key(segment, devid);
	struct iommu_lu_in_device *in;

	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_refuse_entry, segment, devid, reason);

	guard(mutex)(&iommu_lu_in_devices_lock);

	in = xa_load(&iommu_lu_in_devices, key);
	if (in) {
		in->refused = in->refused ?: reason;
		return;
	}

	in = kzalloc_obj(*in);
	if (!in)
		return;
	in->ser.segment = segment;
	in->ser.devid = devid;
	in->ser.owner = devid;
	in->refused = reason;
	if (xa_err(xa_store(&iommu_lu_in_devices, key, in, GFP_KERNEL)))
		kfree(in);
}

/**
 * iommu_liveupdate_visit_left - Call a function for each entry that is still in
 * use
 * @iommu:	Unit which uses the entries
 * @fn:		The function. Must not sleep.
 *
 * Domain ids and tables are not freed while @fn is called.
 *
 * Context: May sleep.
 */
void iommu_liveupdate_visit_left(struct iommu_device *iommu, iommu_lu_entry_fn fn)
{
	struct iommu_lu_in_device *in;
	unsigned long key;

	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_visit_left, iommu, fn);

	guard(mutex)(&iommu_lu_in_devices_lock);

	xa_for_each(&iommu_lu_in_devices, key, in) {
		if (in->iommu == iommu)
			fn(iommu, &in->ser);
	}
}

/*
 * Leaving the tables
 */

/**
 * iommu_liveupdate_hold - Hold memory as long as incoming devices may access it
 * @hold:	The release function and its list entry
 *
 * Memory that the previous kernel has preserved may be mapped in its page
 * tables, which incoming devices still use. Which memory a table maps is not
 * recorded. So as long as any device of the host uses such tables, none of this
 * memory may be used for anything else.
 *
 * Context: May sleep.
 * Return: True if the memory is held. &iommu_liveupdate_hold.release is then
 * called once, when no device uses such tables any more. False if none does now.
 */
bool iommu_liveupdate_hold(struct iommu_liveupdate_hold *hold)
{
	guard(mutex)(&iommu_lu_in_devices_lock);

	if (hash_empty(iommu_lu_in_by_id))
		return false;
	list_add_tail(&hold->list, &iommu_lu_in_holds);
	return true;
}

static void release_holds(struct work_struct *work)
{
	struct iommu_liveupdate_hold *hold, *next;
	LIST_HEAD(holds);

	scoped_guard(mutex, &iommu_lu_in_devices_lock)
		list_splice_init(&iommu_lu_in_holds, &holds);

	list_for_each_entry_safe(hold, next, &holds, list)
		hold->release(hold);
}

/* There may be a lot of memory, and the callers hold locks. */
VISIBLE_IF_KUNIT DECLARE_WORK(iommu_lu_release_work, release_holds);

static void leave_unit(struct iommu_lu_in_device *in)
{
	struct iommu_device *iommu = in->iommu;

	if (!iommu)
		return;
	WRITE_ONCE(in->iommu, NULL);
	hash_del(&in->by_id);
	if (!find_same_id(iommu, in->ser.domain_id))
		in->ops->free_domain_id(iommu, in->ser.domain_id);
	if (hash_empty(iommu_lu_in_by_id))
		queue_work(system_dfl_wq, &iommu_lu_release_work);
}

static struct iommu_lu_in_device *first_left(void)
{
	guard(mutex)(&iommu_lu_in_devices_lock);

	return list_first_entry_or_null(&iommu_lu_in_left, struct iommu_lu_in_device, node);
}

/* Without the lock, because it may take seconds: the unit may be given up meanwhile. */
static int flush_left(const struct iommu_lu_in_device *in)
{
	struct iommu_device *iommu = READ_ONCE(in->iommu);

	if (!iommu || !in->ops->flush_left)
		return 0;
	return in->ops->flush_left(iommu, &in->ser);
}

static void free_left(struct work_struct *work)
{
	struct iommu_lu_in_device *in;
	bool last;

	while ((in = first_left())) {
		/* Tried again when the next entry leaves, and at the end of the live update. */
		if (flush_left(in)) {
			pr_err("memory of page tables stays allocated\n");
			return;
		}
		scoped_guard(mutex, &iommu_lu_in_devices_lock) {
			leave_unit(in);
			list_del(&in->node);
			hash_del(&in->by_tables);
			last = in->ser.tables.nr && !find_same_tables(&in->ser);
		}
		if (last)
			iommu_lu_pages_free(&in->ser.tables);
		if (in->ser.pasid_dir) {
			iommu_lu_free_folio(in->ser.pasid_table);
			iommu_lu_free_folio(in->ser.pasid_dir);
		}
		kfree(in);
	}
}

VISIBLE_IF_KUNIT DECLARE_WORK(iommu_lu_free_work, free_left);

/* The tables may be many, and the caller holds locks. */
static void leave(struct iommu_lu_in_device *in)
{
	lockdep_assert_held(&iommu_lu_in_devices_lock);

	xa_erase(&iommu_lu_in_devices, iommu_lu_device_key(in->ser.segment, in->ser.devid));
	list_add_tail(&in->node, &iommu_lu_in_left);
	queue_work(system_dfl_wq, &iommu_lu_free_work);
}

static struct iommu_lu_in_device *find_owned(struct pci_dev *pdev, u16 devid,
					     struct pci_dev *owner)
{
	struct iommu_lu_in_device *in;

	in = xa_load(&iommu_lu_in_devices, iommu_lu_device_key(pci_domain_nr(pdev->bus), devid));
	return in && in->ser.owner == pci_dev_id(owner) ? in : NULL;
}

static int leave_alias(struct pci_dev *pdev, u16 devid, void *owner)
{
	struct iommu_lu_in_device *in = find_owned(pdev, devid, owner);

	if (in)
		leave(in);
	return 0;
}

/*
 * An alias of the device that only the previous kernel knew is not covered:
 * this kernel has not written its entry. That entry is closed at FINISH.
 */
static void leave_tables(struct pci_dev *pdev)
{
	guard(mutex)(&iommu_lu_in_devices_lock);

	pci_for_each_dma_alias(pdev, leave_alias, pdev);
}

static const char *why_closed(const struct iommu_lu_in_device *in)
{
	if (in->refused)
		return in->refused;
	return in->iommu ? NULL : "its IOMMU has not taken its mappings over";
}

static int find_closed(struct pci_dev *pdev, u16 devid, void *reason)
{
	struct iommu_lu_in_device *in;

	in = xa_load(&iommu_lu_in_devices, iommu_lu_device_key(pci_domain_nr(pdev->bus), devid));
	if (in)
		*(const char **)reason = why_closed(in);
	return *(const char **)reason ? 1 : 0;
}

/*
 * The device has no mappings any more, because its record or its unit was
 * refused, and its DMA already fails. If the unit was disabled, the device was
 * stopped then, and the reason was logged.
 */
static void stop_closed(struct pci_dev *pdev)
{
	const char *reason = NULL;

	scoped_guard(mutex, &iommu_lu_in_devices_lock)
		pci_for_each_dma_alias(pdev, find_closed, &reason);

	if (reason && iommu_liveupdate_incoming(&pdev->dev) && pci_liveupdate_is_master(pdev))
		iommu_liveupdate_stop_device(pdev, reason);
}

/**
 * iommu_liveupdate_attached - Release the tables that a device used before
 * @dev:	Device
 * @domain:	The domain
 * @old:	The domain to which it was attached before, or NULL
 *
 * Any domain but the first one means that the device no longer uses the tables of
 * the previous kernel.
 *
 * Context: May sleep. The lock of the group is held.
 */
void iommu_liveupdate_attached(struct device *dev, struct iommu_domain *domain,
			       struct iommu_domain *old)
{
	if (xa_empty(&iommu_lu_in_devices) || !dev_is_pci(dev))
		return;

	if (domain->type == IOMMU_DOMAIN_HANDED_OVER && !old)
		stop_closed(to_pci_dev(dev));
	else
		leave_tables(to_pci_dev(dev));
}

/**
 * iommu_liveupdate_abandon_unit - Give up a unit that no longer translates
 * @iommu:	Unit that may use entries of the previous kernel
 *
 * Context: May sleep.
 */
void iommu_liveupdate_abandon_unit(struct iommu_device *iommu)
{
	struct iommu_lu_in_device *in;
	unsigned long key;

	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_abandon_unit, iommu);

	iommu_lu_forget_unit(iommu);

	guard(mutex)(&iommu_lu_in_devices_lock);

	xa_for_each(&iommu_lu_in_devices, key, in) {
		if (in->iommu == iommu)
			leave_unit(in);
	}
	list_for_each_entry(in, &iommu_lu_in_left, node) {
		if (in->iommu == iommu)
			leave_unit(in);
	}
}

static int uses_alias(struct pci_dev *pdev, u16 devid, void *owner)
{
	struct iommu_lu_in_device *in = find_owned(pdev, devid, owner);

	return in && in->iommu ? 1 : 0;
}

static bool uses_tables(struct pci_dev *pdev)
{
	guard(mutex)(&iommu_lu_in_devices_lock);

	return pci_for_each_dma_alias(pdev, uses_alias, pdev);
}

/**
 * iommu_lu_stop_unattached - Stop a device that was not attached to a domain of
 * this kernel
 * @dev:	Device that is no longer incoming
 *
 * Context: May sleep. The lock of the group is held, so that the device cannot
 * be attached between the check and the stop.
 */
void iommu_lu_stop_unattached(struct device *dev)
{
	struct pci_dev *pdev;

	if (!dev_is_pci(dev))
		return;

	pdev = to_pci_dev(dev);
	if (uses_tables(pdev) && pci_liveupdate_is_master(pdev))
		iommu_liveupdate_stop_device(pdev, "it was not attached to a domain");
}

/**
 * iommu_lu_leave_all - Treat all entries of the previous kernel as unused
 *
 * Also frees what iommu_lu_free_later() was called for.
 *
 * Context: May sleep. After page_alloc_init_late().
 */
void iommu_lu_leave_all(void)
{
	struct iommu_lu_in_device *in;
	unsigned long key;

	guard(mutex)(&iommu_lu_in_devices_lock);

	xa_for_each(&iommu_lu_in_devices, key, in)
		leave(in);
	free_read();
	/* The last chance for those that could not be flushed so far */
	queue_work(system_dfl_wq, &iommu_lu_free_work);
}
