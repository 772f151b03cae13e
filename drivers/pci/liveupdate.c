// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: PCI Live Update
 *
 * A device that is handed over to the next kernel stays a bus master during the
 * kexec, and so does every bridge between it and its root bus. Otherwise the
 * device would lose interrupts instead of latching them. The PCI core keeps a
 * list of these devices, passes it to the next kernel, and recognizes the
 * devices there before it changes any of their state. This file is the half
 * that hands over, liveupdate_in.c and liveupdate_device.c are the half that takes
 * over.
 *
 * The list of devices is a LUO file-lifecycle-bound object (FLB). The file
 * handler of a driver that can preserve its devices attaches the object to
 * itself with pci_liveupdate_register_flb(), and then calls for each device:
 *
 * 1. pci_liveupdate_preserve() from its preserve() callback. The device is
 *    checked, and written to the list together with the bridges above it.
 *    pci_liveupdate_unpreserve() undoes that.
 *
 * 2. pci_liveupdate_freeze() from its freeze() callback. The entries of the
 *    device and the bridges are rewritten, because a user may have changed ACS
 *    since preserve(), or a driver may have changed a window. The status of fatal
 *    errors is cleared, because a frozen device takes no part in the recovery from an
 *    error: if the next kernel finds a status, the device had no recovery.
 *    pci_liveupdate_unfreeze() undoes that, except for the status.
 *
 * 3. At shutdown pci_device_shutdown() leaves the bus mastering of all devices
 *    and bridges on the list as it is. See pci_liveupdate_outgoing().
 *
 * The following steps happen in the next kernel, see liveupdate_in.c.
 *
 * A preserved device is not removed before it is unpreserved, because its
 * driver waits until the file of its user is closed, and LUO holds a reference
 * on that file.
 *
 * The physical function of a preserved virtual function keeps all of its
 * virtual functions enabled through the kexec. Those that are not preserved lose
 * bus mastering, as any other device does. There are two cases. The physical
 * function is preserved as well, before its virtual functions. Or its driver
 * declares that virtual functions continue to run (pci_driver.sriov_keeps). In
 * that case the physical function is only written to the list, loses bus
 * mastering, and starts cold. When such a driver is unbound, it may disable the
 * virtual functions, and wait for their users with the physical function locked.
 * The user of a frozen virtual function waits for the next kernel, and
 * device_shutdown() would wait for the lock. So the driver is not unbound while
 * a virtual function is frozen.
 *
 * Order of the locks of both halves, from the outermost to the innermost:
 *
 * - the lock of a device, igate of vfio-pci or the locks of LUO, then pci_lu_lock;
 * - pci_lu_lock, the MSI descriptors of a device, irq_lu_in.lock;
 * - pci_lu_lock, the lock of an IOMMU group, iommu_lu_in_devices_lock;
 * - pci_lu_lock, iommu_lu_in_lock, iommu_lu_in_devices_lock.
 *
 * There is one exception: the lock of a physical function is tried for with pci_lu_lock
 * held, and not waited for.
 */

#define pr_fmt(fmt) "PCI: live update: " fmt

#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "liveupdate.h"

/* See liveupdate.h */
DEFINE_MUTEX(pci_lu_lock);

/**
 * struct pci_lu_use - Why there is an entry
 * @nr_users:	Number of preserved devices that need it
 * @preserved:	The device is one of them
 * @nr_frozen:	Number of frozen virtual functions that it keeps, without being preserved
 */
struct pci_lu_use {
	u32	nr_users;
	u32	nr_frozen;
	bool	preserved;
};

/**
 * struct pci_lu_out - The outgoing list
 * @ser:	The list as the next kernel gets it
 * @uses:	For each entry
 * @max:	Number of entries for which there is memory
 */
struct pci_lu_out {
	struct pci_lu_ser	*ser;
	struct pci_lu_use	*uses;
	u32			max;
};

static struct pci_lu_out pci_lu_out;

static void pci_lu_describe_bridge(struct pci_dev *pdev, struct pci_lu_dev_ser *dev)
{
	u32 buses;

	dev->flags = PCI_LU_DEV_BRIDGE;
	if (pdev->ari_enabled)
		dev->flags |= PCI_LU_DEV_ARI;

	pci_read_config_dword(pdev, PCI_PRIMARY_BUS, &buses);
	dev->secondary = FIELD_GET(PCI_SECONDARY_BUS_MASK, buses);
	dev->subordinate = FIELD_GET(PCI_SUBORDINATE_BUS_MASK, buses);

	if (pdev->acs_cap)
		pci_read_config_word(pdev, pdev->acs_cap + PCI_ACS_CTRL,
				     &dev->acs_ctrl);
}

static void pci_lu_describe_sriov(struct pci_dev *pdev, struct pci_lu_dev_ser *dev)
{
	int pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_SRIOV);
	struct pci_lu_sriov_ser *sriov = &dev->sriov;
	u16 ctrl;

	if (!pos)
		return;
	pci_read_config_word(pdev, pos + PCI_SRIOV_CTRL, &ctrl);
	if (!(ctrl & PCI_SRIOV_CTRL_VFE))
		return;

	dev->flags |= PCI_LU_DEV_SRIOV;
	sriov->ctrl = ctrl;
	pci_read_config_word(pdev, pos + PCI_SRIOV_INITIAL_VF, &sriov->initial_vfs);
	pci_read_config_word(pdev, pos + PCI_SRIOV_TOTAL_VF, &sriov->total_vfs);
	pci_read_config_word(pdev, pos + PCI_SRIOV_NUM_VF, &sriov->num_vfs);
	pci_read_config_word(pdev, pos + PCI_SRIOV_VF_OFFSET, &sriov->offset);
	pci_read_config_word(pdev, pos + PCI_SRIOV_VF_STRIDE, &sriov->stride);
	pci_read_config_word(pdev, pos + PCI_SRIOV_VF_DID, &sriov->vf_device);
	pci_read_config_dword(pdev, pos + PCI_SRIOV_SYS_PGSIZE, &sriov->page_size);
	for (unsigned int i = 0; i < ARRAY_SIZE(sriov->addresses); i++)
		pci_read_config_dword(pdev, pos + PCI_SRIOV_BAR + i * sizeof(u32),
				      &sriov->addresses[i]);
}

/**
 * pci_lu_describe - Describe a device or a bridge as it is now
 * @pdev:	The device
 * @dev:	The description
 *
 * Context: Process context.
 */
void pci_lu_describe(struct pci_dev *pdev, struct pci_lu_dev_ser *dev)
{
	static const u8 device_addresses[] = {
		PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_1, PCI_BASE_ADDRESS_2,
		PCI_BASE_ADDRESS_3, PCI_BASE_ADDRESS_4, PCI_BASE_ADDRESS_5,
	};
	static const u8 bridge_addresses[] = {
		PCI_IO_BASE, PCI_MEMORY_BASE, PCI_PREF_MEMORY_BASE,
		PCI_PREF_BASE_UPPER32, PCI_PREF_LIMIT_UPPER32, PCI_IO_BASE_UPPER16,
	};
	bool bridge = pdev->hdr_type == PCI_HEADER_TYPE_BRIDGE;
	const u8 *where = bridge ? bridge_addresses : device_addresses;

	static_assert(ARRAY_SIZE(device_addresses) == ARRAY_SIZE(dev->addresses));
	static_assert(ARRAY_SIZE(bridge_addresses) == ARRAY_SIZE(dev->addresses));

	*dev = (struct pci_lu_dev_ser) {
		.segment	= pci_domain_nr(pdev->bus),
		.devid		= pci_dev_id(pdev),
		.vendor		= pdev->vendor,
		.device		= pdev->device,
		.hdr_type	= pdev->hdr_type,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(dev->addresses); i++)
		pci_read_config_dword(pdev, where[i], &dev->addresses[i]);

	if (bridge) {
		/* Secondary Status is in the same word */
		dev->addresses[0] &= 0xffff;
		pci_lu_describe_bridge(pdev, dev);
	} else if (pdev->is_virtfn) {
		dev->flags = PCI_LU_DEV_VIRTFN;
	} else {
		if (pci_liveupdate_vfs_outgoing(pdev))
			dev->flags = PCI_LU_DEV_KEEPS_VFS;
		pci_lu_describe_sriov(pdev, dev);
	}
}

/* The entry of a device that is on the list */
static u32 pci_lu_index(struct pci_dev *pdev)
{
	u32 segment = pci_domain_nr(pdev->bus);
	u16 devid = pci_dev_id(pdev);
	u32 i;

	for (i = 0; i + 1 < pci_lu_out.ser->nr_devices; i++) {
		const struct pci_lu_dev_ser *dev = &pci_lu_out.ser->devices[i];

		if (dev->segment == segment && dev->devid == devid)
			break;
	}

	return i;
}

static bool pci_lu_listed(struct pci_dev *pdev)
{
	return pci_liveupdate_outgoing(pdev) || pci_liveupdate_vfs_outgoing(pdev);
}

/* Not a bridge, nor a device which is on the list only because of its virtual functions. */
static bool pci_lu_preserved(struct pci_dev *pdev)
{
	lockdep_assert_held(&pci_lu_lock);

	return pci_lu_listed(pdev) && pci_lu_out.uses[pci_lu_index(pdev)].preserved;
}

/* @vfs: whether the device is needed only because of its virtual functions */
static void pci_lu_get(struct pci_dev *pdev, bool vfs)
{
	u32 i;

	if (pci_lu_listed(pdev)) {
		pci_lu_out.uses[pci_lu_index(pdev)].nr_users++;
		return;
	}

	set_bit(vfs ? PCI_DEV_LIVEUPDATE_VFS_OUTGOING : PCI_DEV_LIVEUPDATE_OUTGOING,
		&pdev->priv_flags);
	i = pci_lu_out.ser->nr_devices++;
	pci_lu_describe(pdev, &pci_lu_out.ser->devices[i]);
	pci_lu_out.uses[i] = (struct pci_lu_use) { .nr_users = 1 };
}

static void pci_lu_put(struct pci_dev *pdev)
{
	u32 i = pci_lu_index(pdev);
	u32 last;

	if (--pci_lu_out.uses[i].nr_users)
		return;

	clear_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags);
	clear_bit(PCI_DEV_LIVEUPDATE_VFS_OUTGOING, &pdev->priv_flags);
	last = --pci_lu_out.ser->nr_devices;
	pci_lu_out.ser->devices[i] = pci_lu_out.ser->devices[last];
	pci_lu_out.uses[i] = pci_lu_out.uses[last];
}

/*
 * If a host bridge is itself a PCI device (VMD), its root bus disappears when
 * the driver of that device shuts it down.
 */
static bool pci_lu_root_is_pci_dev(struct pci_bus *bus)
{
	struct device *parent = pci_find_host_bridge(bus)->dev.parent;

	return parent && dev_is_pci(parent);
}

/* @driver: that of a physical function which is not preserved, or NULL */
static const char *pci_lu_find_obstacle_driver(const struct device_driver *driver)
{
	const struct pci_driver *drv = to_pci_driver(driver);

	if (!drv)
		return "its physical function has no driver";
	/* With such a driver, its user would have to hand it over */
	if (drv->takes_over)
		return "its physical function is not preserved";
	if (!drv->sriov_keeps)
		return "the driver of its physical function does not keep virtual functions";

	return NULL;
}

static const char *pci_lu_find_obstacle_physfn(struct pci_dev *physfn)
{
	const char *reason = pci_lu_find_obstacle_driver(physfn->dev.driver);

	device_lock_assert(&physfn->dev);

	if (!reason && !to_pci_driver(physfn->dev.driver)->sriov_keeps(physfn))
		reason = "its physical function does not keep virtual functions";

	return reason;
}

/* A task that holds the lock of the physical function may wait for the user of @pdev. */
static const char *pci_lu_find_obstacle_virtfn(struct pci_dev *pdev, int *err)
{
	struct pci_dev *physfn = pci_physfn(pdev);
	const char *reason;

	if (!pdev->is_virtfn || pci_lu_preserved(physfn))
		return NULL;

	*err = -EBUSY;
	if (!device_trylock(&physfn->dev))
		return "its physical function is being bound, unbound or configured";

	*err = -EOPNOTSUPP;
	reason = pci_lu_find_obstacle_physfn(physfn);
	device_unlock(&physfn->dev);

	return reason;
}

struct pci_lu_driver_of {
	struct pci_dev	*physfn;
	const char	*reason;
};

/* The iterator keeps @drv from being unregistered. */
static int pci_lu_check_driver(struct device_driver *drv, void *data)
{
	struct pci_lu_driver_of *of = data;

	if (drv != READ_ONCE(of->physfn->dev.driver))
		return 0;

	of->reason = pci_lu_find_obstacle_driver(drv);
	return 1;
}

/*
 * As pci_lu_find_obstacle_virtfn(), but without the lock of the physical function, and so
 * without its sriov_keeps(). Anybody may read sysfs at any time, and while the lock is
 * held, callers that only trylock, such as pci_try_reset_function(), fail.
 */
static const char *pci_lu_find_obstacle_unlocked(struct pci_dev *pdev)
{
	struct pci_lu_driver_of of = {
		.physfn	= pci_physfn(pdev),
		.reason	= pci_lu_find_obstacle_driver(NULL),
	};

	if (!pdev->is_virtfn || pci_lu_preserved(of.physfn))
		return NULL;

	bus_for_each_drv(&pci_bus_type, NULL, &of, pci_lu_check_driver);
	return of.reason;
}

/* In the next kernel, the other physical function starts cold, and so do the virtual ones. */
static const char *pci_lu_find_obstacle_vfs(struct pci_dev *pdev)
{
	return pci_num_vf(pdev) && !pci_iov_alone(pdev) ?
	       "its virtual functions depend on another physical function" : NULL;
}

/* Returns why a device cannot be handed over, or NULL, and how many entries it needs. */
static const char *pci_lu_find_obstacle_out(struct pci_dev *pdev, u32 *nr)
{
	const char *reason = NULL;
	struct pci_bus *bus;

	*nr = 1;
	if (pdev->is_virtfn) {
		if (!pci_lu_listed(pci_physfn(pdev))) {
			reason = pci_lu_find_obstacle_out(pci_physfn(pdev), nr);
			*nr += 1;
		}
		return reason;
	}
	/* The next kernel stops nothing else: pci_lu_stop_stray() */
	if (!pci_lu_is_endpoint(pdev))
		return "not an endpoint";
	reason = pci_lu_find_obstacle_vfs(pdev);
	if (reason)
		return reason;

	for (bus = pdev->bus; !pci_is_root_bus(bus); bus = bus->parent) {
		if (!bus->self)
			return "no path to a root bus";
		if (bus->self->hdr_type != PCI_HEADER_TYPE_BRIDGE)
			return "a bridge above it is not a PCI-to-PCI bridge";
		*nr += !pci_liveupdate_outgoing(bus->self);
	}

	return pci_lu_root_is_pci_dev(bus) ? "its host bridge is a PCI device" : NULL;
}

/* The next kernel would not know about the error. */
static const char *pci_lu_find_obstacle_state(struct pci_dev *pdev)
{
	if (pci_dev_is_disconnected(pdev))
		return "the device is disconnected";

	return pci_channel_offline(pdev) ? "a fatal error without recovery" : NULL;
}

/*
 * Returns why a device cannot be handed over now, or NULL, and the errno for that. For
 * a virtual function, its physical function has been checked.
 */
static const char *pci_lu_find_obstacle_now(struct pci_dev *pdev, u32 *nr, int *err)
{
	const char *reason;

	*err = -EOPNOTSUPP;
	reason = pci_lu_find_obstacle_out(pdev, nr);
	if (reason)
		return reason;

	*err = -ENODEV;
	reason = pci_lu_find_obstacle_state(pdev);
	if (reason)
		return reason;

	/*
	 * A physical function that is on the list only for its virtual functions would be
	 * frozen after them, unless its session is older than theirs, which is not known here.
	 */
	*err = -EBUSY;
	if (pci_lu_listed(pdev))
		return pci_lu_preserved(pdev) ? "preserved already" :
		       "a virtual function of it is preserved";

	*err = -EOPNOTSUPP;
	return test_bit(PCI_DEV_LIVEUPDATE_FORBIDDEN, &pdev->priv_flags) ?
	       "forbidden by the administrator" : NULL;
}

/*
 * Set by the file handler: returns whether it refuses a device, and why. NULL if no
 * handler is registered.
 */
bool (*pci_lu_handler_find_obstacle)(struct pci_dev *pdev, char *reason, size_t size);

/**
 * pci_liveupdate_find_obstacle() - Find out why a device cannot be handed over
 * @pdev: The device
 * @reason: Buffer for the reason, as a string
 * @size: Size of the buffer
 *
 * Checks everything that can be checked without preserving the device. It does
 * not check whether its DMA mappings are preserved, or whether each of its
 * interrupts can be captured, and it does not call sriov_keeps(). Changes nothing,
 * and does not lock the physical function.
 *
 * Context: Process context, sleeps. @pdev and the devices above it are not removed
 *          meanwhile.
 * Return: True if there is a reason.
 */
bool pci_liveupdate_find_obstacle(struct pci_dev *pdev, char *reason, size_t size)
{
	const char *found;
	int err;
	u32 nr;

	scoped_guard(mutex, &pci_lu_lock) {
		found = pci_lu_find_obstacle_unlocked(pdev);
		if (!found)
			found = pci_lu_find_obstacle_now(pdev, &nr, &err);
	}

	if (!found)
		found = pci_msi_liveupdate_find_obstacle(pdev);
	if (!found)
		found = iommu_liveupdate_find_obstacle(&pdev->dev);
	if (!found && pci_lu_handler_find_obstacle)
		return pci_lu_handler_find_obstacle(pdev, reason, size);

	strscpy(reason, found ?: "there is no handler of its file", size);
	return true;
}

/**
 * pci_liveupdate_preserve() - Hand over a device to the next kernel
 * @pdev: The device
 *
 * The device and the bridges above it keep their bus mastering through the
 * kexec, and the next kernel is told about them. A refusal is logged with its
 * reason.
 *
 * Context: From the preserve() callback of a LUO file handler with the PCI FLB.
 *          Process context, sleeps. The driver keeps @pdev from being removed
 *          until pci_liveupdate_unpreserve().
 * Return: 0 on success
 *
 *         * -EOPNOTSUPP if @pdev is a device which cannot be handed over: a
 *           virtual function whose physical function neither is preserved nor
 *           keeps its virtual functions, a bridge, or behind something which does not
 *           keep its state; or if its administrator forbids it,
 *         * -ENODEV if it is disconnected, or had a fatal error without recovery,
 *         * -EBUSY if it is already preserved, or a virtual function of it is, or if
 *           its physical function is being bound, unbound or configured,
 *         * -ENOSPC if there are more devices than when the first one was
 *           preserved,
 *         * -ENOENT if the FLB does not exist.
 */
int pci_liveupdate_preserve(struct pci_dev *pdev)
{
	const char *reason;
	u32 nr;
	int err;

	guard(mutex)(&pci_lu_lock);

	if (!pci_lu_out.ser)
		return -ENOENT;

	reason = pci_lu_find_obstacle_virtfn(pdev, &err) ?:
		 pci_lu_find_obstacle_now(pdev, &nr, &err);
	if (reason)
		goto refuse;

	err = -ENOSPC;
	reason = "the list of devices is full";
	if (nr > pci_lu_out.max - pci_lu_out.ser->nr_devices)
		goto refuse;

	pci_lu_get(pdev, false);
	pci_lu_out.uses[pci_lu_index(pdev)].preserved = true;
	while ((pdev = pci_lu_above(pdev)))
		pci_lu_get(pdev, pdev->is_physfn);

	return 0;

refuse:
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_PRESERVE, "%s", reason);
	return err;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_preserve);

/**
 * pci_liveupdate_unpreserve() - Undo pci_liveupdate_preserve()
 * @pdev: The device
 *
 * Context: From the unpreserve() callback of a LUO file handler, or to unwind
 *          in preserve(). Process context, sleeps.
 */
void pci_liveupdate_unpreserve(struct pci_dev *pdev)
{
	guard(mutex)(&pci_lu_lock);

	if (WARN_ON_ONCE(!pci_lu_preserved(pdev)))
		return;

	pci_lu_out.uses[pci_lu_index(pdev)].preserved = false;
	for (; pdev; pdev = pci_lu_above(pdev))
		pci_lu_put(pdev);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_unpreserve);

/*
 * As in pci_lu_find_obstacle_virtfn(), the lock must not be waited for. But a task that only
 * reads sriov_numvfs, which anybody may do, holds it for less than the first pause.
 */
#define PCI_LU_LOCK_TRIES	20
#define PCI_LU_LOCK_PAUSE_US	500

static bool pci_lu_lock_physfn(struct pci_dev *physfn)
{
	for (unsigned int i = 1; !device_trylock(&physfn->dev); i++) {
		if (i == PCI_LU_LOCK_TRIES)
			return false;
		usleep_range(PCI_LU_LOCK_PAUSE_US, 2 * PCI_LU_LOCK_PAUSE_US);
	}

	return true;
}

/* The driver may have changed since preserve(), but the new one must keep them, too. */
static const char *pci_lu_block_unbinding(struct pci_dev *physfn)
{
	const char *reason;

	guard(mutex)(&pci_lu_lock);

	reason = pci_lu_find_obstacle_physfn(physfn);
	if (!reason && !pci_lu_out.uses[pci_lu_index(physfn)].nr_frozen++) {
		set_bit(PCI_DEV_LIVEUPDATE_FROZEN, &physfn->priv_flags);
		device_block_unbinding(&physfn->dev);
	}

	return reason;
}

/*
 * Make the physical function of a device that is being frozen keep its driver. Returns why
 * that is not possible, or NULL.
 */
static const char *pci_lu_hold_physfn(struct pci_dev *physfn)
{
	const char *reason;

	if (!pci_liveupdate_vfs_outgoing(physfn))
		return NULL;
	if (!pci_lu_lock_physfn(physfn))
		return "its physical function is being bound, unbound or configured";

	reason = pci_lu_block_unbinding(physfn);
	device_unlock(&physfn->dev);

	return reason;
}

static void pci_lu_release_physfn(struct pci_dev *physfn)
{
	if (!pci_liveupdate_vfs_outgoing(physfn) ||
	    --pci_lu_out.uses[pci_lu_index(physfn)].nr_frozen)
		return;

	device_unblock_unbinding(&physfn->dev);
	clear_bit(PCI_DEV_LIVEUPDATE_FROZEN, &physfn->priv_flags);
}

/*
 * What may have changed since preserve(). Returns why a device cannot be frozen, or NULL,
 * and the errno for that.
 */
static const char *pci_lu_check_again(struct pci_dev *pdev, int *err)
{
	const char *reason;

	*err = -ENODEV;
	reason = pci_lu_find_obstacle_state(pdev);
	if (reason)
		return reason;

	*err = -EOPNOTSUPP;
	reason = pci_lu_find_obstacle_vfs(pdev);
	if (reason)
		return reason;

	*err = -EBUSY;
	return pci_lu_hold_physfn(pci_physfn(pdev));
}

/*
 * A fatal error leaves its status even if the device was recovered. The next kernel takes
 * every status for that of an error since the freeze.
 */
static void pci_lu_clear_errors(struct pci_dev *pdev)
{
	for (; pdev; pdev = pci_lu_above(pdev))
		pci_aer_clear_fatal_status(pdev);
}

/**
 * pci_liveupdate_freeze() - Describe a preserved device as it is at the jump
 * @pdev: The device
 *
 * ACS, ARI, bus numbers and addresses of the device and of the bridges above it
 * may have changed since pci_liveupdate_preserve(). From here on, the device cannot
 * be reset. Neither can its physical function, which keeps its driver unless it is
 * preserved itself.
 *
 * Context: From the freeze() callback of a LUO file handler, when none of these
 *          can change any more. Process context, sleeps, does not allocate
 *          memory. Waits at most 20 ms for a task that has locked the physical
 *          function.
 * Return: 0 on success, -ENODEV if @pdev is disconnected or had a fatal error
 *         without recovery, -EOPNOTSUPP if it has virtual functions now that depend
 *         on another physical function, -EBUSY if its physical function has a driver
 *         that does not keep virtual functions, or is being bound, unbound or
 *         configured. The reason is logged.
 */
int pci_liveupdate_freeze(struct pci_dev *pdev)
{
	const char *reason;
	int err;

	scoped_guard(mutex, &pci_lu_lock) {
		if (WARN_ON_ONCE(!pci_lu_preserved(pdev)))
			return -EINVAL;
		/* Nobody recovers a frozen device: only the status tells about an error. */
		if (!pci_lu_find_obstacle_state(pdev))
			pci_lu_clear_errors(pdev);
		set_bit(PCI_DEV_LIVEUPDATE_FROZEN, &pdev->priv_flags);
	}

	reason = pci_lu_check_again(pdev, &err);
	if (reason) {
		clear_bit(PCI_DEV_LIVEUPDATE_FROZEN, &pdev->priv_flags);
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_FREEZE, "%s", reason);
		return err;
	}

	guard(mutex)(&pci_lu_lock);
	for (; pdev; pdev = pci_lu_above(pdev))
		pci_lu_describe(pdev, &pci_lu_out.ser->devices[pci_lu_index(pdev)]);

	return 0;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_freeze);

/**
 * pci_liveupdate_unfreeze() - Undo pci_liveupdate_freeze()
 * @pdev: The device
 *
 * Context: From the unfreeze() callback of a LUO file handler, or to unwind in
 *          freeze(). Process context, sleeps.
 */
void pci_liveupdate_unfreeze(struct pci_dev *pdev)
{
	guard(mutex)(&pci_lu_lock);

	pci_lu_release_physfn(pci_physfn(pdev));
	clear_bit(PCI_DEV_LIVEUPDATE_FROZEN, &pdev->priv_flags);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_unfreeze);

/**
 * pci_liveupdate_outgoing() - Test whether a device, or one below it, is handed over
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if @pdev is preserved, or is a bridge above a preserved device.
 */
bool pci_liveupdate_outgoing(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags);
}

/**
 * pci_liveupdate_frozen() - Test whether a device must keep running unchanged until the jump
 * @pdev: The device
 *
 * The lock of such a device may be held until the jump, by a task that waits for
 * its paused user. Whoever waits for the lock must not hold anything that
 * device_shutdown() needs.
 *
 * Context: Any.
 * Return: True between pci_liveupdate_freeze() and pci_liveupdate_unfreeze() of
 *         @pdev, or of one of its virtual functions if @pdev itself is not preserved.
 */
bool pci_liveupdate_frozen(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_FROZEN, &pdev->priv_flags);
}

/**
 * pci_liveupdate_lock_unfrozen() - Lock a device unless it is frozen
 * @pdev: The device
 *
 * For a caller that holds what device_shutdown() needs. The device may be frozen
 * while somebody else holds its lock, so this does not sleep on the lock.
 *
 * Context: May sleep.
 * Return: True with the lock of @pdev held, or false if @pdev is frozen.
 */
bool pci_liveupdate_lock_unfrozen(struct pci_dev *pdev)
{
	while (!pci_liveupdate_frozen(pdev)) {
		if (device_trylock(&pdev->dev))
			return true;
		msleep(20);
	}
	return false;
}

/**
 * pci_liveupdate_kexec() - Test whether the kexec that is under way hands devices over
 *
 * Context: At shutdown, when LUO has frozen the list.
 * Return: True if any device keeps running.
 */
bool pci_liveupdate_kexec(void)
{
	return kexec_in_progress && READ_ONCE(pci_lu_out.ser);
}

/**
 * pci_liveupdate_vfs_outgoing() - Test whether only the VFs of a device are handed over
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if @pdev is the physical function of a preserved device, and is not
 *         preserved itself.
 */
bool pci_liveupdate_vfs_outgoing(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_VFS_OUTGOING, &pdev->priv_flags);
}

/* Number of entries that fit into the memory for @nr of them, which is rounded up to pages. */
static u32 pci_lu_capacity(u32 nr)
{
	size_t size = PAGE_ALIGN(struct_size_t(struct pci_lu_ser, devices, nr));

	return min_t(size_t, PCI_LU_MAX_DEVICES,
		     (size - sizeof(struct pci_lu_ser)) / sizeof(struct pci_lu_dev_ser));
}

static int pci_flb_preserve(struct liveupdate_flb_op_args *args)
{
	struct pci_lu_use *uses __free(kvfree) = NULL;
	struct pci_dev *pdev = NULL;
	struct pci_lu_ser *ser;
	u32 nr = 0;

	/* Memory for every existing device */
	for_each_pci_dev(pdev)
		nr++;
	nr = pci_lu_capacity(min_t(u32, nr, PCI_LU_MAX_DEVICES));

	uses = kvcalloc(nr, sizeof(*uses), GFP_KERNEL);
	if (!uses)
		return -ENOMEM;

	ser = kho_alloc_preserve(struct_size(ser, devices, nr));
	if (IS_ERR(ser))
		return PTR_ERR(ser);

	guard(mutex)(&pci_lu_lock);
	pci_lu_out = (struct pci_lu_out) {
		.ser		= ser,
		.uses		= no_free_ptr(uses),
		.max		= nr,
	};

	args->data = virt_to_phys(ser);
	args->obj = ser;
	return 0;
}

static void pci_flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	guard(mutex)(&pci_lu_lock);

	WARN_ON_ONCE(pci_lu_out.ser->nr_devices);
	kho_unpreserve_free(pci_lu_out.ser);
	kvfree(pci_lu_out.uses);
	pci_lu_out = (struct pci_lu_out) { };
}

const struct liveupdate_flb_ops pci_lu_flb_ops = {
	.preserve	= pci_flb_preserve,
	.unpreserve	= pci_flb_unpreserve,
	.retrieve	= pci_flb_retrieve,
	.finish		= pci_flb_finish,
	.abandon	= pci_flb_abandon,
	.owner		= THIS_MODULE,
};
