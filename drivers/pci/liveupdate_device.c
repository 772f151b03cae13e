// SPDX-License-Identifier: GPL-2.0

/*
 * PCI Live Update, the life of an incoming device after its enumeration: what is
 * refused as long as it is incoming, how its user retrieves it, and how it becomes an
 * ordinary device. See liveupdate_in.c.
 */

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/iommu_liveupdate.h>
#include <linux/irq_liveupdate.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>

#include "liveupdate.h"

/**
 * pci_liveupdate_incoming() - Test whether a device was taken over
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if @pdev was taken over with its state, and is not finished yet.
 *         Always false for a bridge.
 */
bool pci_liveupdate_incoming(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_incoming);

/**
 * pci_liveupdate_vfs_incoming() - Have only the virtual functions of a device been taken
 * over?
 * @pdev: The device
 *
 * Context: Any.
 * Return: True if @pdev is the physical function of a device that was handed over, was not
 *         handed over itself, and has to keep its virtual functions.
 */
bool pci_liveupdate_vfs_incoming(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
}

/**
 * pci_liveupdate_vfs_running() - Test whether a device has incoming virtual functions
 * @pdev: The device
 *
 * A reset of a physical function disables its virtual functions, whose users may
 * not have retrieved them yet.
 *
 * Context: Process context, sleeps.
 * Return: True if so.
 */
bool pci_liveupdate_vfs_running(struct pci_dev *pdev)
{
	return pci_iov_running(pdev) || pci_iov_any_incoming(pdev);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_vfs_running);

/**
 * pci_liveupdate_keeps_running() - Test whether a device is frozen or has incoming VFs
 * @pdev: The device
 *
 * Such a device must not be reset, not even by its user.
 *
 * Context: Process context, sleeps.
 * Return: True if so.
 */
bool pci_liveupdate_keeps_running(struct pci_dev *pdev)
{
	return pci_liveupdate_frozen(pdev) || pci_liveupdate_vfs_running(pdev);
}

/**
 * pci_liveupdate_running() - Test whether a device keeps its state through a live update
 * @pdev: The device
 *
 * Nobody but its owner may reset such a device, and even the owner may not if
 * pci_liveupdate_keeps_running().
 *
 * Context: Process context, sleeps.
 * Return: True if @pdev is frozen or incoming, or has incoming virtual functions.
 */
bool pci_liveupdate_running(struct pci_dev *pdev)
{
	return pci_liveupdate_incoming(pdev) || pci_liveupdate_keeps_running(pdev);
}

static int pci_lu_note_running(struct pci_dev *pdev, void *running)
{
	*(bool *)running = pci_liveupdate_running(pdev);
	return *(bool *)running;
}

/**
 * pci_liveupdate_bus_running() - Test for a frozen or incoming device on or below a bus
 * @bus: The bus
 *
 * A reset of such a bus loses the state of a device whose user is paused, or may
 * not have retrieved it yet. Only the reset itself is refused, not probing whether a
 * reset is possible, because VFIO uses the answer to determine which devices belong
 * together.
 *
 * Context: Process context, sleeps.
 * Return: True if so.
 */
bool pci_liveupdate_bus_running(struct pci_bus *bus)
{
	bool running = false;

	pci_walk_bus(bus, pci_lu_note_running, &running);
	return running;
}

/*
 * A running device loses its state if it sleeps. If it does not sleep, its
 * configuration space is written when the system resumes.
 */
VISIBLE_IF_KUNIT int pci_lu_sleep(struct notifier_block *nb, unsigned long action, void *unused)
{
	struct pci_dev *pdev = NULL;

	if (action != PM_SUSPEND_PREPARE && action != PM_HIBERNATION_PREPARE &&
	    action != PM_RESTORE_PREPARE)
		return NOTIFY_DONE;

	for_each_pci_dev(pdev) {
		if (pci_lu_protected(pdev)) {
			pci_err(pdev, "live update: system sleep refused: not finished\n");
			pci_dev_put(pdev);
			return notifier_from_errno(-EBUSY);
		}
	}
	return NOTIFY_DONE;
}

static struct notifier_block pci_lu_sleep_nb = {
	.notifier_call	= pci_lu_sleep,
};

/*
 * Probe the drivers that had to wait for FINISH. Skip a device that has a driver,
 * even one that is being unbound: unbinding lasts until the user closes the device,
 * and the administrator does not want a new driver after it.
 */
static void pci_lu_probe(struct work_struct *work)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (test_and_clear_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags) &&
		    !READ_ONCE(pdev->dev.driver))
			device_initial_probe(&pdev->dev);
	}
}

VISIBLE_IF_KUNIT DECLARE_WORK(pci_lu_probe_work, pci_lu_probe);

/**
 * pci_liveupdate_may_bind() - Test whether a driver may bind to a device
 * @pdev: The device
 * @drv:  A driver that wants to bind
 *
 * The probe() of an ordinary driver resets the device, or clears its bus
 * mastering if it does not support the device. So an incoming device binds only
 * to a driver that declares that it takes over running devices. A device of which
 * only virtual functions were handed over binds only to a driver that declares that
 * it keeps them: vfio-pci is not one, because its user decides about them and resets
 * the device first. Other drivers are probed when the device is finished.
 *
 * Context: Any.
 * Return: False if @drv must not bind to @pdev.
 */
bool pci_liveupdate_may_bind(struct pci_dev *pdev, const struct pci_driver *drv)
{
	if (!pci_lu_protected(pdev))
		return true;
	if (pci_liveupdate_incoming(pdev) ? drv->takes_over : !!drv->sriov_keeps)
		return true;

	set_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags);
	/* Paired with pci_lu_unprotect() */
	smp_mb__after_atomic();
	/* The device may have been finished in the meantime by a task that did not see the bit. */
	if (!pci_lu_protected(pdev))
		schedule_work(&pci_lu_probe_work);
	return false;
}

/**
 * pci_liveupdate_retrieve() - Return an incoming device to its user
 * @pdev: The device
 *
 * Context: From the retrieve() callback of a LUO file handler. Process context,
 *          sleeps.
 * Return: 0 on success, -EBUSY if it was retrieved already, -ENODEV if @pdev is not
 *         incoming, if it or a bridge above it had a fatal error, or if its configuration,
 *         or that of a bridge above it, differs from the record. The reason is logged.
 */
int pci_liveupdate_retrieve(struct pci_dev *pdev)
{
	struct pci_dev *where;
	const char *reason;

	guard(mutex)(&pci_lu_lock);

	if (!pci_liveupdate_incoming(pdev)) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE,
					      "not taken over from the previous kernel");
		return -ENODEV;
	}

	/*
	 * The previous kernel may have handed over two files for this device. Refuse this
	 * file, not the device.
	 */
	if (pci_liveupdate_retrieved(pdev)) {
		pci_err(pdev,
			"live update: not retrieved: already retrieved through another file\n");
		return -EBUSY;
	}

	/* Its user would not learn about the error. */
	if (pci_channel_offline(pdev)) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE,
					      "a fatal error without recovery");
		return -ENODEV;
	}

	reason = pci_lu_changed(pdev, &where);
	if (reason) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE, "%s: %s",
					      pci_name(where), reason);
		return -ENODEV;
	}

	set_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_retrieve);

/**
 * pci_liveupdate_unretrieve() - Undo pci_liveupdate_retrieve()
 * @pdev: The device, which was retrieved and has not been returned to its user
 *
 * Context: As pci_liveupdate_retrieve().
 */
void pci_liveupdate_unretrieve(struct pci_dev *pdev)
{
	guard(mutex)(&pci_lu_lock);

	clear_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_unretrieve);

/**
 * pci_liveupdate_retrieved() - Test whether an incoming device was retrieved
 * @pdev: The device
 *
 * Context: Any.
 * Return: True between pci_liveupdate_retrieve() and pci_liveupdate_finish().
 */
bool pci_liveupdate_retrieved(struct pci_dev *pdev)
{
	return test_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_retrieved);

/* The device is not incoming any more, nor are its virtual functions. */
static void pci_lu_unprotect(struct pci_dev *pdev)
{
	/* Paired with the second check in pci_liveupdate_may_bind() */
	smp_mb__after_atomic();
	if (test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags))
		schedule_work(&pci_lu_probe_work);
	pm_runtime_put(&pdev->dev);
}

/* A device has kept its virtual functions until the last of them was finished. */
static void pci_lu_finish_vfs(struct pci_dev *pdev)
{
	lockdep_assert_held(&pci_lu_lock);

	if (pci_liveupdate_incoming(pdev) || pci_liveupdate_vfs_running(pdev))
		return;

	pci_lu_forget(pdev);
	if (!pci_liveupdate_vfs_incoming(pdev))
		return;

	clear_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
	pci_lu_unprotect(pdev);
}

/* pci_iov_settle() has to follow, without pci_lu_lock. */
static void pci_lu_finish(struct pci_dev *pdev)
{
	lockdep_assert_held(&pci_lu_lock);

	if (!pci_lu_protected(pdev))
		return;

	pci_iov_halt(pdev);
	pci_lu_finish_vfs(pdev);
	if (!pci_liveupdate_incoming(pdev))
		return;

	/*
	 * Keep the entry while virtual functions run: it is compared again when one of them
	 * is retrieved.
	 */
	if (!pci_liveupdate_vfs_running(pdev))
		pci_lu_forget(pdev);
	clear_bit(PCI_DEV_LIVEUPDATE_RETRIEVED, &pdev->priv_flags);
	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	pci_iov_count_incoming(pdev, -1);
	iommu_liveupdate_release(&pdev->dev);
	pci_lu_unprotect(pdev);
	if (pdev->is_virtfn)
		pci_lu_finish_vfs(pci_physfn(pdev));
	pci_lu_finish_iommus();
}

/**
 * pci_liveupdate_finish() - Make an incoming device an ordinary one
 * @pdev: The device, whether it is incoming or not
 *
 * Context: From the finish() callback of a LUO file handler. Process context,
 *          sleeps.
 */
void pci_liveupdate_finish(struct pci_dev *pdev)
{
	scoped_guard(mutex, &pci_lu_lock) {
		if (pci_liveupdate_incoming(pdev))
			set_bit(PCI_DEV_LIVEUPDATE_ADOPTED, &pdev->priv_flags);
		pci_lu_finish(pdev);
	}
	pci_iov_settle(pdev);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_finish);

/*
 * Stop the virtual functions that were not added yet. Those that were added are stopped
 * one by one.
 */
static void pci_lu_stop_vfs(struct pci_dev *pdev, const char *reason)
{
	if (!pci_iov_any_incoming(pdev))
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s", reason);
	pci_lu_forget(pdev);
	pci_lu_finish(pdev);
}

/*
 * The device stays incoming until the end. Otherwise a driver could bind before
 * bus mastering is disabled, and lose it.
 */
static void pci_lu_stop(struct pci_dev *pdev, const char *reason)
{
	if (!pci_liveupdate_incoming(pdev)) {
		pci_lu_stop_vfs(pdev, reason);
		return;
	}

	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "%s", reason);
	pci_clear_master(pdev);
	pci_msi_liveupdate_stop(pdev);
	pci_lu_finish(pdev);
}

/**
 * pci_liveupdate_stop() - Stop an incoming device that can no longer be claimed
 * @pdev:   The device, whether it is incoming or not
 * @reason: Why, for the log
 *
 * If only virtual functions of the device were handed over, those that were not added yet
 * are stopped. Otherwise bus mastering, MSI and MSI-X are disabled, and its interrupts
 * are revoked. It becomes an ordinary device.
 *
 * Context: Process context, sleeps. Interrupts of @pdev are not set up at the
 *          same time, because it is not open, or has no driver any more.
 */
void pci_liveupdate_stop(struct pci_dev *pdev, const char *reason)
{
	scoped_guard(mutex, &pci_lu_lock) {
		if (pci_lu_protected(pdev))
			pci_lu_stop(pdev, reason);
	}
	pci_iov_settle(pdev);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_stop);

/**
 * pci_liveupdate_remove() - Forget a device or bridge that is being removed
 * @pdev: The device, whether it is incoming or not
 *
 * If it is incoming, it is stopped. Whatever is found at its address later is new, and has
 * to be configured.
 *
 * Context: Process context, sleeps. All devices below @pdev have been removed.
 */
void pci_liveupdate_remove(struct pci_dev *pdev)
{
	pci_liveupdate_stop(pdev, "removed before its live update was finished");

	guard(mutex)(&pci_lu_lock);
	pci_lu_forget(pdev);
}

/**
 * pci_liveupdate_stop_vfs() - Stop virtual functions that were not added yet
 * @pdev:   The physical function, or any other device
 * @reason: Why, for the log
 *
 * To be called before they could access memory that is not mapped for them. They
 * have no struct pci_dev yet that could be stopped. Does nothing if there are none.
 *
 * Context: Process context, sleeps.
 */
void pci_liveupdate_stop_vfs(struct pci_dev *pdev, const char *reason)
{
	scoped_guard(mutex, &pci_lu_lock) {
		if (pci_liveupdate_vfs_incoming(pdev))
			pci_lu_stop_vfs(pdev, reason);
		else
			pci_iov_halt(pdev);
	}
	pci_iov_settle(pdev);
}

/**
 * pci_liveupdate_add_vfs() - Add the virtual functions that a device has kept
 * @pdev: The device, to which a driver was just bound
 *
 * Does nothing if there are none. If they cannot be added, they are disabled. The
 * device is stopped as well, unless it was retrieved: the driver makes the device
 * available to users in probe(), so a user may already be setting up interrupts.
 *
 * Context: From the probe of a driver, sleeps. With the device locked.
 *          pci_rescan_remove_lock is held if the device is being added, and not if it
 *          is bound through sysfs. It cannot be taken here, nor by drivers that enable
 *          virtual functions in probe().
 */
void pci_liveupdate_add_vfs(struct pci_dev *pdev)
{
	static const char reason[] = "its virtual functions cannot be enabled";
	const struct pci_driver *drv = pdev->driver;
	int nr = pci_iov_running(pdev);

	if (!nr)
		return;

	if (!drv->sriov_configure || drv->sriov_configure(pdev, nr) < 0 || pci_iov_running(pdev)) {
		pci_lu_stop_unclaimed(pdev, reason);
		if (pci_liveupdate_retrieved(pdev))
			pci_err(pdev,
				"live update: virtual functions disabled: the driver cannot enable them\n");
		pci_liveupdate_stop_vfs(pdev, reason);
	}

	/* Possibly none of them was handed over. */
	guard(mutex)(&pci_lu_lock);
	pci_lu_finish_vfs(pdev);
}

/**
 * pci_lu_stop_unclaimed() - Stop a device unless it was retrieved
 * @pdev:   The device, whether it is incoming or not
 * @reason: Why, for the log
 *
 * As pci_liveupdate_stop(), unless the device was retrieved.
 *
 * Context: Process context, sleeps.
 */
void pci_lu_stop_unclaimed(struct pci_dev *pdev, const char *reason)
{
	scoped_guard(mutex, &pci_lu_lock) {
		if (pci_lu_protected(pdev) && !pci_liveupdate_retrieved(pdev))
			pci_lu_stop(pdev, reason);
	}
	pci_iov_settle(pdev);
}

/*
 * A device that was recognized before its file or the last file was finished, but that was
 * not yet registered with the driver core, was not stopped then. Nor was a virtual function
 * that is added later than that.
 */
VISIBLE_IF_KUNIT int pci_lu_added(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);
	const char *reason;

	if (action != BUS_NOTIFY_ADD_DEVICE)
		return NOTIFY_DONE;

	scoped_guard(mutex, &pci_lu_lock) {
		reason = pci_lu_too_late(pdev);
		if (reason && pci_lu_protected(pdev))
			pci_lu_stop(pdev, reason);
	}
	pci_iov_settle(pdev);
	return NOTIFY_DONE;
}

static struct notifier_block pci_lu_added_nb = {
	.notifier_call	= pci_lu_added,
};

/**
 * pci_lu_register_notifiers() - Get notified about devices and system sleep
 *
 * Context: At boot, if the previous kernel has handed over a list of devices.
 * Return: 0 on success, or a negative errno.
 */
int __init pci_lu_register_notifiers(void)
{
	int err;

	err = bus_register_notifier(&pci_bus_type, &pci_lu_added_nb);
	return err ?: register_pm_notifier(&pci_lu_sleep_nb);
}
