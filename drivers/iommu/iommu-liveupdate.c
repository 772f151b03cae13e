// SPDX-License-Identifier: GPL-2.0-only

/**
 * DOC: IOMMU Live Update
 *
 * A device that is handed over to the next kernel may do DMA at any time, and
 * only its IOMMU restricts the memory that it can access. So translation is
 * never off during a live update:
 *
 * 1. iommu_liveupdate_preserve() preserves with KHO all tables that the IOMMU
 *    reads for the device. For a device that is attached to a domain, these
 *    include the tables of the domain, once for all devices that share it, and
 *    a record of the entry that leads to them (iommu-liveupdate-out.c). iommufd
 *    ensures that the mappings do not change any more, and that the memory is
 *    preserved as well. A device whose group is blocked has no such entry. A
 *    group is blocked after a driver has claimed DMA ownership until it
 *    attaches a domain, and after it has detached the domain.
 *
 * 2. At shutdown, when the other CPUs are stopped, the IOMMU driver closes the
 *    entries of all devices except the recorded ones, which do not change. A
 *    closed entry is not present, and its faults are not reported. Devices
 *    whose firmware needs DMA (RMRR, IVMD) get a pass-through entry, which
 *    corresponds to their state after any kexec. Then the caches are flushed,
 *    and translation stays enabled.
 *
 * 3. The next kernel finds the unit enabled. If the record of the unit,
 *    iommu_liveupdate_incoming_unit(), matches its registers, the driver keeps
 *    using the tables of the previous kernel in place, and also each entry that
 *    agrees with its record (iommu-liveupdate-in.c). The pages of a record are
 *    taken from KHO when the record is read, so that each of them is freed with
 *    that record only. The root and the list of records are taken, too, but freed
 *    at the end of the live update: AMD-Vi reads them before the memory map is
 *    complete. An entry without a valid record is closed. If the unit
 *    is refused, the driver sets new tables, in which no entry is present,
 *    while translation stays enabled. In both cases a device that had mappings
 *    is stopped when it is enumerated, because its DMA would fail. If the root
 *    of the records is refused, no device can access memory, and a driver that
 *    sets new tables does not know which devices had mappings, so none of them
 *    is stopped. Before the driver disables translation for any reason, it
 *    calls iommu_liveupdate_stop_device().
 *
 * 4. The group of a device that was handed over starts on the domain
 *    &iommu_liveupdate_ops.handed_over of the driver instead of the default
 *    domain, and claiming DMA ownership leaves it there. So the entry does not
 *    change until the new owner attaches a domain, or the device is released.
 *    The driver replaces the entry by one store, and flushes the caches of the
 *    old domain id. If no other device uses that id and the tables of the
 *    previous kernel, a work item frees them, using only the list of the tables,
 *    and does not follow pointers in tables. If the driver needs it, it is asked
 *    before that whether the unit has executed the flush
 *    (&iommu_liveupdate_ops.flush_left). Until then nothing is freed, neither of
 *    this device nor of those that have left their mappings after it.
 *
 * 5. When the session of the device is finished, iommu_liveupdate_close()
 *    closes the entries that still are those of the previous kernel, and stops
 *    devices that still use them. iommu_liveupdate_release(), with the device
 *    no longer incoming, attaches the domain that the group would have without
 *    a live update: the blocking one if it has an owner, else the default
 *    domain.
 *
 * Nothing restricts the DMA of a device without an IOMMU (noiommu), neither
 * during a live update nor at any other time.
 */

#define pr_fmt(fmt) "iommu: live update: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "iommu-liveupdate.h"
#include "iommu-priv.h"

struct iommu_lu_out_unit {
	struct iommu_device	*iommu;
	unsigned int		nr_devices;
};

/* The root, and the units that are handed over, in the order of those in the root */
struct iommu_lu_root_ser *iommu_lu_out_root;
static struct iommu_lu_out_unit iommu_lu_out_units[IOMMU_LU_MAX_UNITS];
/* Protects both, and the devices of iommu-liveupdate-out.c. Taken before the lock of a group. */
DEFINE_MUTEX(iommu_lu_out_lock);

/* The state of the previous kernel: a copy of the root, and the units that stay enabled. */
static struct {
	bool				handed_over;
	struct iommu_lu_root_ser	*root;
	struct iommu_device		*units[IOMMU_LU_MAX_UNITS];
	unsigned int			nr_units;
} iommu_lu_in;

/* Whether the root was searched for */
VISIBLE_IF_KUNIT bool iommu_lu_in_loaded;

/* Taken after pci_lu_lock and before iommu_lu_in_devices_lock */
static DEFINE_MUTEX(iommu_lu_in_lock);

/*
 * The kernel which hands over
 */

static bool iommu_lu_has_iommu(struct device *dev)
{
	return dev->iommu && dev->iommu->iommu_dev;
}

static const struct iommu_liveupdate_ops *iommu_lu_ops(struct device *dev)
{
	return dev_iommu_ops(dev)->liveupdate;
}

/* The index of a unit, or the first free index for NULL. */
static unsigned int iommu_lu_unit_index(struct iommu_device *iommu)
{
	unsigned int i;

	for (i = 0; i < IOMMU_LU_MAX_UNITS; i++) {
		if (iommu_lu_out_units[i].iommu == iommu)
			break;
	}
	return i;
}

static int iommu_lu_get_root(void)
{
	struct iommu_lu_root_ser *root;
	int ret;

	if (iommu_lu_out_root)
		return 0;

	root = kho_alloc_preserve(IOMMU_LU_ROOT_SIZE);
	if (IS_ERR(root))
		return PTR_ERR(root);

	root->checksum = iommu_lu_root_checksum(root);
	ret = kho_add_subtree(IOMMU_LU_KHO_NODE, root, IOMMU_LU_ROOT_SIZE);
	if (ret) {
		kho_unpreserve_free(root);
		return ret;
	}
	iommu_lu_out_root = root;
	return 0;
}

/* Update the checksum of the root, or free it if it is empty. */
static void iommu_lu_update_root(void)
{
	unsigned int i;

	for (i = 0; i < IOMMU_LU_MAX_UNITS; i++) {
		if (!iommu_lu_out_units[i].iommu)
			continue;
		iommu_lu_out_root->checksum = iommu_lu_root_checksum(iommu_lu_out_root);
		return;
	}
	kho_remove_subtree(iommu_lu_out_root);
	kho_unpreserve_free(iommu_lu_out_root);
	iommu_lu_out_root = NULL;
}

static void iommu_lu_put_unit(unsigned int i)
{
	iommu_lu_out_units[i].iommu = NULL;
	memset(&iommu_lu_out_root->units[i], 0, sizeof(iommu_lu_out_root->units[i]));
}

static int iommu_lu_get_unit(struct iommu_device *iommu)
{
	const struct iommu_liveupdate_ops *ops = iommu->ops->liveupdate;
	struct iommu_lu_root_ser *root = iommu_lu_out_root;
	unsigned int i = iommu_lu_unit_index(iommu);
	int ret = 0;

	if (i == IOMMU_LU_MAX_UNITS)
		i = iommu_lu_unit_index(NULL);
	if (i == IOMMU_LU_MAX_UNITS)
		return -ENOSPC;

	if (ops->preserve_unit)
		ret = ops->preserve_unit(iommu, &root->units[i]);
	if (ret)
		return ret;

	iommu_lu_out_units[i].iommu = iommu;
	iommu_lu_out_units[i].nr_devices++;
	root->nr_units = max(root->nr_units, i + 1);
	return 0;
}

static void iommu_lu_release_unit(struct iommu_device *iommu)
{
	const struct iommu_liveupdate_ops *ops = iommu->ops->liveupdate;
	unsigned int i = iommu_lu_unit_index(iommu);

	if (WARN_ON_ONCE(i == IOMMU_LU_MAX_UNITS) || --iommu_lu_out_units[i].nr_devices)
		return;

	if (ops->unpreserve_unit)
		ops->unpreserve_unit(iommu);
	iommu_lu_put_unit(i);
}

/**
 * iommu_liveupdate_find_obstacle - Find out why the IOMMU prevents a handover
 * @dev:	Device
 *
 * Changes nothing.
 *
 * Context: May sleep.
 * Return: The reason, a constant string, or NULL if there is none. A device without
 * an IOMMU can be handed over.
 */
const char *iommu_liveupdate_find_obstacle(struct device *dev)
{
	if (!iommu_lu_has_iommu(dev))
		return NULL;
	if (!iommu_lu_ops(dev))
		return "its IOMMU cannot stay enabled";
	return iommu_lu_ops(dev)->check_device(dev);
}

static int iommu_lu_check_iommu(struct device *dev, enum irq_liveupdate_step step)
{
	const char *reason = iommu_liveupdate_find_obstacle(dev);

	if (!reason)
		return 0;

	irq_liveupdate_report_refusal(dev, step, "%s", reason);
	return -EOPNOTSUPP;
}

/**
 * iommu_liveupdate_check - Check that a preserved device can still be handed over
 * @dev:	Device, which is bound to a driver that owns its DMA
 *
 * If not, the reason is logged. A device without an IOMMU can be handed over.
 *
 * Context: May sleep.
 * Return: 0, -EOPNOTSUPP if its IOMMU cannot stay enabled, if the device is not
 * attached to the same domain as when it was preserved, or if it is attached and
 * another device of its group is not preserved, or -EBUSY if it is being reset, or
 * if a reset has changed its entry.
 */
int iommu_liveupdate_check(struct device *dev)
{
	int ret;

	if (!iommu_lu_has_iommu(dev))
		return 0;

	ret = iommu_lu_check_iommu(dev, IRQ_LIVEUPDATE_FREEZE);
	if (ret)
		return ret;

	guard(mutex)(&iommu_lu_out_lock);
	return iommu_lu_check_device(dev);
}
EXPORT_SYMBOL_GPL(iommu_liveupdate_check);

static int iommu_lu_preserve(struct device *dev)
{
	struct iommu_device *iommu = dev->iommu->iommu_dev;
	int ret;

	ret = iommu_lu_get_root();
	if (ret)
		return ret;

	ret = iommu_lu_get_unit(iommu);
	if (!ret) {
		ret = iommu_lu_preserve_device(dev);
		if (ret)
			iommu_lu_release_unit(iommu);
	}
	iommu_lu_update_root();
	return ret;
}

/**
 * iommu_liveupdate_preserve - Keep the DMA translation of a device as it is
 * @dev:	Device, which is bound to a driver that owns its DMA
 *
 * During the next kexec, and in the next kernel until the device is attached to
 * a different domain or released, it can access the same memory as now, or none
 * if it is not attached. The caller ensures that from now on nothing is mapped
 * or unmapped in the domain to which the device is attached, and that the
 * device stays attached to it.
 *
 * Context: May sleep.
 * Return: 0, -ENOSPC when there are too many IOMMUs, -ENOMEM, -EOPNOTSUPP when the
 * device cannot be handed over as it is attached, -EBUSY when it is being reset, or
 * the IOMMU driver's error.
 */
int iommu_liveupdate_preserve(struct device *dev)
{
	int ret;

	if (!iommu_lu_has_iommu(dev))
		return 0;

	ret = iommu_lu_check_iommu(dev, IRQ_LIVEUPDATE_PRESERVE);
	if (ret)
		return ret;

	scoped_guard(mutex, &iommu_lu_out_lock)
		ret = iommu_lu_preserve(dev);
	/* The refusing function logs the reason. */
	if (ret && ret != -EOPNOTSUPP && ret != -EBUSY)
		irq_liveupdate_report_refusal(dev, IRQ_LIVEUPDATE_PRESERVE,
					      "its IOMMU: %pe", ERR_PTR(ret));
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_liveupdate_preserve);

/**
 * iommu_liveupdate_unpreserve - Undo iommu_liveupdate_preserve()
 * @dev:	Device
 *
 * Context: May sleep.
 */
void iommu_liveupdate_unpreserve(struct device *dev)
{
	if (!iommu_lu_has_iommu(dev))
		return;

	guard(mutex)(&iommu_lu_out_lock);

	iommu_lu_unpreserve_device(dev);
	iommu_lu_release_unit(dev->iommu->iommu_dev);
	iommu_lu_update_root();
}
EXPORT_SYMBOL_GPL(iommu_liveupdate_unpreserve);

/*
 * The kernel which takes over
 */

/**
 * iommu_lu_load - Load and validate the state of the previous kernel
 * @phys:	Physical address of the root
 * @size:	Size of the memory there
 *
 * Context: May sleep.
 * Return: NULL, or why nothing is taken over.
 */
VISIBLE_IF_KUNIT const char *iommu_lu_load(phys_addr_t phys, size_t size)
{
	struct iommu_lu_root_ser *root;
	struct folio *folio;
	const char *reason;

	if (size != IOMMU_LU_ROOT_SIZE || kho_preserved_size(phys) != size)
		return "invalid address of the root";

	/* A copy, so that the values that were checked are the ones that are used. */
	root = kmemdup(phys_to_virt(phys), size, GFP_KERNEL);
	if (!root)
		return "out of memory";

	/* If it is no root, the memory may be in use for something else, so do not free it. */
	reason = iommu_lu_ser_check_root(root);
	if (reason) {
		kfree(root);
		return reason;
	}
	folio = kho_restore_folio(phys);
	if (!WARN_ON_ONCE(!folio))
		iommu_lu_free_later(folio);

	iommu_lu_load_devices(root);
	iommu_lu_in.root = root;
	return NULL;
}

VISIBLE_IF_KUNIT int iommu_lu_find_root(phys_addr_t *phys, size_t *size)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_lu_find_root, phys, size);

	return kho_retrieve_subtree(IOMMU_LU_KHO_NODE, phys, size);
}

static void iommu_lu_load_once(void)
{
	const char *reason;
	phys_addr_t phys;
	size_t size;
	int ret;

	lockdep_assert_held(&iommu_lu_in_lock);

	if (iommu_lu_in_loaded)
		return;
	iommu_lu_in_loaded = true;

	ret = iommu_lu_find_root(&phys, &size);
	iommu_lu_in.handed_over = ret != -ENOENT;
	if (!iommu_lu_in.handed_over)
		return;

	reason = ret ? "KHO node is damaged" : iommu_lu_load(phys, size);
	if (reason)
		pr_err("translation not taken over: %s\n", reason);
}

/**
 * iommu_liveupdate_handed_over - Test whether the previous kernel left translation enabled
 *
 * This is true even if the records were refused.
 *
 * Context: May sleep.
 * Return: True if devices may be running whose DMA only translation restricts.
 */
bool iommu_liveupdate_handed_over(void)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_handed_over);

	guard(mutex)(&iommu_lu_in_lock);

	iommu_lu_load_once();
	return iommu_lu_in.handed_over;
}

/**
 * iommu_liveupdate_incoming_unit - Find the record of a unit
 * @backend:	What kind of unit it is, IOMMU_LU_BACKEND_*
 * @segment:	PCI segment of the unit
 * @reg_base:	Physical address of its registers
 *
 * Context: May sleep.
 * Return: The record, NULL when the unit was not handed over.
 */
const struct iommu_lu_unit_ser *iommu_liveupdate_incoming_unit(u32 backend, u32 segment,
							       u64 reg_base)
{
	const struct iommu_lu_unit_ser *unit;
	unsigned int i;

	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_incoming_unit, backend, segment, reg_base);

	guard(mutex)(&iommu_lu_in_lock);

	iommu_lu_load_once();
	for (i = 0; iommu_lu_in.root && i < iommu_lu_in.root->nr_units; i++) {
		unit = &iommu_lu_in.root->units[i];
		if (unit->backend == backend && unit->segment == segment &&
		    unit->reg_base == reg_base)
			return unit;
	}
	return NULL;
}

/**
 * iommu_liveupdate_has_records - Test whether the records of the units were loaded
 *
 * If they were refused, it is not known which units were handed over.
 *
 * Context: May sleep, before the live update is finished.
 * Return: True if a unit without a record was not handed over.
 */
bool iommu_liveupdate_has_records(void)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_has_records);

	guard(mutex)(&iommu_lu_in_lock);

	iommu_lu_load_once();
	return iommu_lu_in.root;
}

/**
 * iommu_liveupdate_take_over - Register a unit that uses the tables of the previous
 * kernel
 * @iommu:	The unit
 *
 * Its &iommu_liveupdate_ops.finish_unit is called at the end. It must be registered
 * by then.
 *
 * Context: May sleep.
 */
void iommu_liveupdate_take_over(struct iommu_device *iommu)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_take_over, iommu);

	guard(mutex)(&iommu_lu_in_lock);

	if (!WARN_ON_ONCE(iommu_lu_in.nr_units == IOMMU_LU_MAX_UNITS))
		iommu_lu_in.units[iommu_lu_in.nr_units++] = iommu;
}

/**
 * iommu_lu_forget_unit - Unregister a unit
 * @iommu:	The unit, whether it was taken over or not
 *
 * Its driver is not called at the end of the live update, because it may be
 * gone by then.
 *
 * Context: May sleep.
 */
void iommu_lu_forget_unit(struct iommu_device *iommu)
{
	unsigned int i;

	guard(mutex)(&iommu_lu_in_lock);

	for (i = 0; i < iommu_lu_in.nr_units; i++) {
		if (iommu_lu_in.units[i] == iommu) {
			iommu_lu_in.units[i] = iommu_lu_in.units[--iommu_lu_in.nr_units];
			return;
		}
	}
}

/**
 * iommu_liveupdate_incoming - Test whether a device runs as the previous kernel left it
 * @dev:	Device
 *
 * Context: Any.
 * Return: True from its enumeration until its live update is finished.
 */
bool iommu_liveupdate_incoming(struct device *dev)
{
	return dev_is_pci(dev) && pci_liveupdate_incoming(to_pci_dev(dev));
}
EXPORT_SYMBOL_GPL(iommu_liveupdate_incoming);

/**
 * iommu_liveupdate_stop_device - Stop a device behind an IOMMU that is about to be disabled
 * @pdev:	Incoming device
 * @reason:	Why translation is disabled
 *
 * Context: May sleep.
 */
void iommu_liveupdate_stop_device(struct pci_dev *pdev, const char *reason)
{
	u16 command;

	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_stop_device, pdev, reason);

	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s", reason);
	pci_clear_master(pdev);
	/*
	 * Posted writes of the device arrive before the completion of this read, and are
	 * still translated.
	 */
	pci_read_config_word(pdev, PCI_COMMAND, &command);
}

/**
 * iommu_liveupdate_stop_devices - Stop all devices behind an IOMMU that is about to be
 * disabled
 * @iommu:	The unit
 * @is_behind:	Tells whether a device is behind it
 * @reason:	Why translation is disabled
 *
 * Devices that were handed over must not do DMA any more. These include virtual
 * functions that are not enumerated yet.
 *
 * Context: May sleep.
 */
void iommu_liveupdate_stop_devices(struct iommu_device *iommu, iommu_lu_is_behind_fn is_behind,
				   const char *reason)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		bool incoming = iommu_liveupdate_incoming(&pdev->dev);

		if (!(incoming || pci_liveupdate_vfs_incoming(pdev)) || !is_behind(iommu, pdev))
			continue;
		if (incoming)
			iommu_liveupdate_stop_device(pdev, reason);
		pci_liveupdate_stop_vfs(pdev, reason);
	}
}

/* The group of a device without an IOMMU belongs to VFIO, which may free it at any time. */
static struct iommu_group *iommu_lu_group(struct device *dev)
{
	return iommu_lu_has_iommu(dev) ? dev->iommu_group : NULL;
}

/**
 * iommu_liveupdate_close - Close the entries left by the previous kernel
 * @dev:	Device, which may wait for its owner
 *
 * If the device still uses the mappings of the previous kernel, it is stopped,
 * because the mapped memory is not preserved any longer.
 *
 * Context: May sleep.
 */
void iommu_liveupdate_close(struct device *dev)
{
	struct iommu_group *group = iommu_lu_group(dev);

	if (group)
		iommu_group_close_handed_over(group, dev);
}
EXPORT_SYMBOL_GPL(iommu_liveupdate_close);

/**
 * iommu_liveupdate_release - Attach the domain that a device would have without a
 * live update
 * @dev:	Device, which either has a driver that owns its DMA, or is not a bus master
 *
 * With the last incoming device of its group, the group gets the domain that it
 * would have without a live update.
 *
 * Context: May sleep.
 */
void iommu_liveupdate_release(struct device *dev)
{
	struct iommu_group *group = iommu_lu_group(dev);

	iommu_liveupdate_close(dev);
	if (group)
		iommu_group_release_handed_over(group);
}

/**
 * iommu_liveupdate_finish - End the live update of all IOMMUs
 *
 * Context: May sleep.
 */
void iommu_liveupdate_finish(void)
{
	struct iommu_device *iommu;
	unsigned int i;

	guard(mutex)(&iommu_lu_in_lock);

	/* Also free the records that no unit has looked up. */
	iommu_lu_load_once();
	for (i = 0; i < iommu_lu_in.nr_units; i++) {
		iommu = iommu_lu_in.units[i];
		iommu->ops->liveupdate->finish_unit(iommu);
	}
	iommu_lu_in.nr_units = 0;
	iommu_lu_leave_all();
	kfree(iommu_lu_in.root);
	iommu_lu_in.root = NULL;
}
