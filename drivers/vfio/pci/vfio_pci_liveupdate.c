// SPDX-License-Identifier: GPL-2.0-only

/**
 * DOC: vfio-pci Live Update
 *
 * The file of a vfio-pci device, opened from /dev/vfio/devices/ and bound to an
 * iommufd, can be handed over to the next kernel with LUO. The device stays a
 * bus master, is not reset, and keeps its interrupts. This file has the methods
 * of the LUO file handler in vfio_pci_luo.c. The PCI core maintains the list of
 * devices and handles their interrupts (drivers/pci/liveupdate.c,
 * drivers/pci/msi/liveupdate.c).
 *
 * Only vfio-pci itself is supported, because variant drivers have their own
 * state, and only the cdev: a file from a VFIO group is refused.
 *
 * In the order in which LUO calls them:
 *
 * 1. preserve() has iommufd check that the DMA mappings of the device map only
 *    memory that was preserved before it, in the same session
 *    (drivers/iommu/iommufd/liveupdate.c). A device without an IOMMU is used at
 *    the user's own risk. preserve() also refuses INTx, a device that is
 *    asleep, and one that is being unbound from vfio-pci. A virtual function is
 *    preserved after its physical function, if that is bound to vfio-pci as
 *    well. Then the device and its interrupts are preserved. From then on it
 *    can neither be attached to a different address space nor be detached, its
 *    mappings cannot be changed, and it can neither be put to sleep nor be used
 *    with INTx. Nothing else changes for the user.
 *
 * 2. freeze() marks the device as frozen. From then on, operations that would
 *    change the set of vectors, reset the device, put it to sleep or write to
 *    its config space fail with -EBUSY, and those that were in progress have
 *    ended. The mark is tested under locks that these operations already hold,
 *    igate and memory_lock, and after user memory was copied, so that no holder
 *    of these locks waits for user space. Only a write to a register of config
 *    space that is not emulated takes no lock. If one is in progress at that
 *    moment, it may still reach the device, like writes of the user to memory
 *    that is mapped from the device. No register that matters here is written
 *    in this way.
 *
 *    freeze() repeats the checks of preserve(), and captures the state of the
 *    interrupts. If it fails, it undoes its own changes, because LUO calls
 *    unfreeze() only for files whose freeze has succeeded.
 *
 *    Devices that can only be reset together (a device set of VFIO) are handed
 *    over together: freeze() fails if another device of the set is open but not
 *    preserved. preserve() does not, because the other one may be preserved
 *    later, and in any session. A device of the set that is not open, or not
 *    bound to VFIO, has no user who could request a hot reset.
 *
 * 3. unfreeze() and unpreserve() undo that when the update is cancelled. A write
 *    to INTx Disable that was in progress at freeze() takes effect now.
 *
 * 4. retrieve(), in the next kernel, returns a new file for the device, as if
 *    its cdev had just been opened. The device must already be bound to
 *    vfio-pci, because LUO does not retry a retrieve() that has failed.
 *    VFIO_DEVICE_BIND_IOMMUFD enables the device, but neither resets it nor
 *    clears its bus mastering. retrieve() fails if the device is missing, is
 *    not bound to vfio-pci, differs from its record, had a fatal error, or was
 *    already retrieved through another file. It succeeds even if the interrupts
 *    could not be taken over. In this case the user gets new ones.
 *
 *    An incoming device cannot be opened in any other way.
 *    VFIO_DEVICE_PCI_HOT_RESET, which resets its siblings as well, fails until
 *    the device is finished, and so does the reset after the last close of a
 *    sibling.
 *
 * 5. finish() ends the live update. A device that still uses mappings of the
 *    old kernel, because it was not attached to an address space yet, is
 *    stopped: its DMA is blocked, and its bus mastering is disabled. Vectors in
 *    use get their synthetic interrupts. Others get them upon request, and stay
 *    reserved until the last close of the file. finish() and the owner's
 *    VFIO_DEVICE_BIND_IOMMUFD may come in either order; the device is incoming
 *    until both have happened. If the file was not retrieved, the device is
 *    stopped. It is also stopped if the file is closed for the last time
 *    without ever having been bound. The next open of such a device resets it.
 *
 * If the user process dies before VFIO_DEVICE_BIND_IOMMUFD, the next one gets
 * the same file from the session and binds it. If it dies later, the file stays
 * bound to its iommufd, because LUO holds a reference on the file until the
 * session is finished. The last reference then causes an ordinary close with an
 * ordinary reset, and the device starts cold. If VFIO_DEVICE_BIND_IOMMUFD fails,
 * because the device cannot be enabled or the result cannot be written to the
 * user, the device is stopped, and the next VFIO_DEVICE_BIND_IOMMUFD of the file
 * resets it.
 *
 * The last close resets the device as usual, and restores the configuration that
 * the device had at VFIO_DEVICE_BIND_IOMMUFD. Here that includes the settings that
 * its user made before the live update, in Device Control for instance. The
 * configuration before the first open in the old kernel is not handed over.
 *
 * Unbinding the device from its driver waits for its user, as always, and holds
 * the lock of the device meanwhile. No method here takes that lock, so none waits
 * for it. freeze() fails if an unbind has begun. An unbind that begins later does
 * not keep the kernel from going down, because device_shutdown() skips a frozen
 * device. If it has virtual functions, these are not removed before unfreeze().
 * device_shutdown() does wait for any other device that is being unbound while it
 * is in use, including one that was retrieved and is not preserved again: its user
 * has to close it before the next reboot or kexec.
 */

#define pr_fmt(fmt) "vfio_pci: live update: " fmt

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/iommu_liveupdate.h>
#include <linux/irq_liveupdate.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/vfio_liveupdate.h>
#include <linux/wait_bit.h>

#include "vfio_pci_liveupdate.h"
#include "vfio_pci_priv.h"

/* The driver whose devices can be preserved */
static struct pci_driver *vfio_pci_lu_driver;

static struct vfio_pci_core_device *vfio_pci_lu_vdev(struct vfio_device *device)
{
	return container_of(device, struct vfio_pci_core_device, vdev);
}

/* The MSI-X table is in memory of the device, which the user may have disabled. */
static int vfio_pci_lu_with_memory(struct vfio_pci_core_device *vdev,
				   int (*capture)(struct pci_dev *pdev))
{
	int err;
	u16 cmd;

	scoped_guard(rwsem_read, &vdev->memory_lock) {
		if (__vfio_pci_memory_enabled(vdev))
			return capture(vdev->pdev);
	}

	cmd = vfio_pci_memory_lock_and_enable(vdev);
	err = capture(vdev->pdev);
	vfio_pci_memory_unlock_and_restore(vdev, cmd);

	return err;
}

/**
 * vfio_pci_liveupdate_audit() - Compare the vectors of an incoming device
 * @vdev: The device
 *
 * Called after the owner has armed or disarmed vectors. Logs differences
 * between the device and the kernel's cached state. Does nothing without
 * CONFIG_IRQ_LIVEUPDATE_DEBUG.
 *
 * Context: With igate held. Sleeps.
 */
void vfio_pci_liveupdate_audit(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held(&vdev->igate);

	if (IS_ENABLED(CONFIG_IRQ_LIVEUPDATE_DEBUG) && pci_liveupdate_incoming(vdev->pdev))
		vfio_pci_lu_with_memory(vdev, pci_msi_liveupdate_audit);
}

/* ---- The old kernel ---- */

static bool vfio_pci_liveupdate_can_preserve(struct liveupdate_file_handler *handler,
					     struct file *file)
{
	struct vfio_device *device = vfio_liveupdate_device(file);

	return device && device->dev->driver == &vfio_pci_lu_driver->driver;
}

/*
 * If the physical function is bound to a driver of VFIO, its user decides with a token who
 * may use the virtual ones, and continues to do so in the next kernel.
 */
static const char *vfio_pci_lu_find_obstacle_virtfn(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_core_device *physfn = vdev->sriov_pf_core_dev;

	/* Otherwise pci_liveupdate_preserve() checks the driver */
	if (!physfn)
		return NULL;
	if (physfn->vdev.dev->driver != &vfio_pci_lu_driver->driver)
		return "its physical function is bound to a variant driver";
	/* A hint, see vfio_pci_lu_check_physfn() */
	if (!data_race(physfn->vdev.preserved))
		return "its physical function is not preserved";

	return NULL;
}

/*
 * Returns why an open device cannot be handed over, or NULL, and the errno for that. A
 * hint, unless igate and memory_lock are held.
 */
VISIBLE_IF_KUNIT const char *vfio_pci_lu_find_obstacle(struct vfio_pci_core_device *vdev,
						       int *err)
{
	*err = -ENODEV;
	if (vdev->unregistering)
		return "being unbound from its driver";

	*err = -EOPNOTSUPP;
	if (vdev->irq_type == VFIO_PCI_INTX_IRQ_INDEX)
		return "INTx in use";

	*err = -EAGAIN;
	if (vdev->pm_runtime_engaged || vdev->pdev->current_state != PCI_D0)
		return "in low power state";

	*err = -EBUSY;
	if (vdev->sriov_changing)
		return "virtual functions are being enabled or disabled";

	*err = -EOPNOTSUPP;
	return vfio_pci_lu_find_obstacle_virtfn(vdev);
}

static int vfio_pci_lu_check(struct vfio_pci_core_device *vdev, enum irq_liveupdate_step step)
{
	const char *reason;
	int err;

	lockdep_assert_held(&vdev->igate);

	scoped_guard(rwsem_read, &vdev->memory_lock)
		reason = vfio_pci_lu_find_obstacle(vdev, &err);
	if (!reason)
		return 0;

	irq_liveupdate_report_refusal(&vdev->pdev->dev, step, "%s", reason);
	return err;
}

static const char *vfio_pci_lu_find_obstacle_open(struct vfio_device *device)
{
	struct vfio_pci_core_device *vdev = vfio_pci_lu_vdev(device);
	const char *reason;
	int err;

	if (device->dev->driver != &vfio_pci_lu_driver->driver)
		return "not bound to vfio-pci";

	reason = vfio_liveupdate_find_obstacle(device);
	if (reason)
		return reason;

	/* A hint: anybody may ask at any time, and a hot reset only tries to get memory_lock. */
	return data_race(vfio_pci_lu_find_obstacle(vdev, &err));
}

/* The reason that preserve() would give, see pci_liveupdate_find_obstacle(). No side effects. */
VISIBLE_IF_KUNIT const char *vfio_pci_liveupdate_find_obstacle(struct pci_dev *pdev)
{
	struct vfio_device *device = vfio_liveupdate_get_device(&pdev->dev);
	const char *reason;

	if (!device)
		return "not bound to vfio-pci";

	reason = vfio_pci_lu_find_obstacle_open(device);
	vfio_liveupdate_put_device(device);

	return reason;
}

static const char *vfio_pci_lu_left_out(struct vfio_device_set *dev_set)
{
	struct vfio_device *cur;

	lockdep_assert_held(&dev_set->lock);

	list_for_each_entry(cur, &dev_set->device_list, dev_set_list) {
		if (cur->open_count && !READ_ONCE(cur->preserved))
			return dev_name(cur->dev);
	}

	return NULL;
}

/* Open devices that can only be reset together must be handed over together. */
VISIBLE_IF_KUNIT int vfio_pci_lu_check_set(struct vfio_pci_core_device *vdev)
{
	struct vfio_device_set *dev_set = vdev->vdev.dev_set;
	const char *left_out;

	if (!mutex_trylock(&dev_set->lock)) {
		irq_liveupdate_report_refusal(&vdev->pdev->dev, IRQ_LIVEUPDATE_FREEZE,
					      "a device of its set is being opened, closed or attached");
		return -EBUSY;
	}

	left_out = vfio_pci_lu_left_out(dev_set);
	if (left_out)
		irq_liveupdate_report_refusal(&vdev->pdev->dev, IRQ_LIVEUPDATE_FREEZE,
					      "%s shares its reset and is not preserved", left_out);
	mutex_unlock(&dev_set->lock);

	return left_out ? -EBUSY : 0;
}

/*
 * A reset of the physical function would disable the virtual one. Once the physical
 * function is frozen, its user cannot reset it.
 */
VISIBLE_IF_KUNIT int vfio_pci_lu_check_physfn(struct vfio_pci_core_device *vdev)
{
	if (!vdev->sriov_pf_core_dev || vfio_pci_frozen(vdev->sriov_pf_core_dev))
		return 0;

	irq_liveupdate_report_refusal(&vdev->pdev->dev, IRQ_LIVEUPDATE_FREEZE,
				      "its physical function is not frozen before it");
	return -EBUSY;
}

static int vfio_pci_lu_preserve_pci(struct vfio_pci_core_device *vdev)
{
	int err;

	guard(mutex)(&vdev->igate);

	err = vfio_pci_lu_check(vdev, IRQ_LIVEUPDATE_PRESERVE);
	if (err)
		return err;

	return pci_liveupdate_preserve(vdev->pdev);
}

static int vfio_pci_lu_preserve_msi(struct vfio_pci_core_device *vdev)
{
	int err;

	guard(mutex)(&vdev->igate);

	err = vfio_pci_lu_check(vdev, IRQ_LIVEUPDATE_PRESERVE);
	if (err)
		return err;

	return vfio_pci_lu_with_memory(vdev, pci_msi_liveupdate_preserve);
}

static int vfio_pci_lu_preserve_device(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;
	int err;

	err = vfio_pci_lu_preserve_pci(vdev);
	if (err)
		return err;

	/* Without igate: it may take a second, and the guest masks interrupts meanwhile. */
	err = iommu_liveupdate_preserve(&pdev->dev);
	if (err)
		goto err_unpreserve_pci;

	err = vfio_pci_lu_preserve_msi(vdev);
	if (err)
		goto err_unpreserve_iommu;

	return 0;

err_unpreserve_iommu:
	iommu_liveupdate_unpreserve(&pdev->dev);
err_unpreserve_pci:
	pci_liveupdate_unpreserve(pdev);
	return err;
}

static int vfio_pci_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct vfio_device *device = vfio_liveupdate_device(args->file);
	struct vfio_pci_core_device *vdev = vfio_pci_lu_vdev(device);
	struct pci_dev *pdev = vdev->pdev;
	int err;

	if (!vfio_liveupdate_cdev_bound(args->file)) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_PRESERVE,
					      "not a cdev bound to an iommufd");
		return -EINVAL;
	}

	err = vfio_liveupdate_keep_attachment(device, args->session);
	if (err)
		return err;

	err = vfio_pci_lu_preserve_device(vdev);
	if (err) {
		vfio_liveupdate_release_attachment(device);
		return err;
	}

	args->serialized_data = vfio_pci_luo_name(pdev);
	return 0;
}

static void vfio_pci_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	struct vfio_device *device = vfio_liveupdate_device(args->file);
	struct pci_dev *pdev = vfio_pci_lu_vdev(device)->pdev;

	irq_liveupdate_unpreserve(&pdev->dev);
	iommu_liveupdate_unpreserve(&pdev->dev);
	pci_liveupdate_unpreserve(pdev);
	vfio_liveupdate_release_attachment(device);
}

/* While it is frozen, unbinding the device must not delay the shutdown. */
VISIBLE_IF_KUNIT void vfio_pci_lu_set_frozen(struct vfio_pci_core_device *vdev, bool frozen)
{
	lockdep_assert_held(&vdev->igate);

	scoped_guard(rwsem_write, &vdev->memory_lock)
		store_release_wake_up(&vdev->frozen, frozen);
	dev_assign_skip_shutdown(&vdev->pdev->dev, frozen);
	if (!frozen)
		vfio_pci_intx_apply_deferred(vdev);
}

static int vfio_pci_lu_freeze_device(struct vfio_pci_core_device *vdev)
{
	int err;

	err = pci_liveupdate_freeze(vdev->pdev);
	if (err)
		return err;

	err = vfio_pci_lu_with_memory(vdev, pci_msi_liveupdate_freeze);
	if (err)
		pci_liveupdate_unfreeze(vdev->pdev);

	return err;
}

static int vfio_pci_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = vfio_pci_lu_vdev(vfio_liveupdate_device(args->file));
	int err;

	guard(mutex)(&vdev->igate);

	vfio_pci_lu_set_frozen(vdev, true);
	err = vfio_pci_lu_check(vdev, IRQ_LIVEUPDATE_FREEZE);
	if (!err)
		err = vfio_pci_lu_check_physfn(vdev);
	if (!err)
		err = iommu_liveupdate_check(&vdev->pdev->dev);
	if (!err)
		err = vfio_pci_lu_check_set(vdev);
	if (!err)
		err = vfio_pci_lu_freeze_device(vdev);
	if (err)
		vfio_pci_lu_set_frozen(vdev, false);

	return err;
}

static void vfio_pci_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = vfio_pci_lu_vdev(vfio_liveupdate_device(args->file));

	guard(mutex)(&vdev->igate);

	irq_liveupdate_unfreeze(&vdev->pdev->dev);
	pci_liveupdate_unfreeze(vdev->pdev);
	vfio_pci_lu_set_frozen(vdev, false);
}

/* ---- The next kernel ---- */

static int vfio_pci_lu_retrieve_from(struct vfio_device *device, struct file **filep)
{
	struct pci_dev *pdev = vfio_pci_lu_vdev(device)->pdev;
	struct file *file;
	int err;

	if (device->dev->driver != &vfio_pci_lu_driver->driver) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE,
					      "not bound to %s", vfio_pci_lu_driver->name);
		return -ENODEV;
	}

	/*
	 * Check this before creating a file: releasing that file would stop a device that was
	 * already retrieved through another one.
	 */
	err = pci_liveupdate_retrieve(pdev);
	if (err)
		return err;

	file = vfio_liveupdate_cdev_open(device);
	if (IS_ERR(file)) {
		/* The device waits for FINISH. */
		pci_liveupdate_unretrieve(pdev);
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE, "%pe", file);
		return PTR_ERR(file);
	}

	*filep = file;
	return 0;
}

static int vfio_pci_liveupdate_retrieve(struct liveupdate_file_op_args *args)
{
	struct vfio_device *device;
	int err;

	struct pci_dev *pdev __free(pci_dev_put) = vfio_pci_luo_find(args->serialized_data);
	if (!pdev) {
		pr_err("file not retrieved: no such device: %#llx\n", args->serialized_data);
		return -ENODEV;
	}

	device = vfio_liveupdate_get_device(&pdev->dev);
	if (!device) {
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE,
					      "not bound to %s", vfio_pci_lu_driver->name);
		return -ENODEV;
	}

	err = vfio_pci_lu_retrieve_from(device, &args->file);
	vfio_liveupdate_put_device(device);

	return err;
}

/**
 * vfio_pci_liveupdate_may_open() - Test whether a device may be opened
 * @device: The device
 *
 * Context: Any.
 * Return: 0, or -EBUSY if @device was taken over from the previous kernel and
 *         is not finished. Only the retrieved file can be used then.
 */
int vfio_pci_liveupdate_may_open(struct vfio_device *device)
{
	struct pci_dev *pdev = vfio_pci_lu_vdev(device)->pdev;

	if (!pci_liveupdate_incoming(pdev))
		return 0;

	/* Its user may try again and again. */
	dev_err_ratelimited(&pdev->dev,
			    "live update: not opened: waits to be retrieved or finished\n");
	return -EBUSY;
}
EXPORT_SYMBOL_GPL(vfio_pci_liveupdate_may_open);

/**
 * vfio_pci_liveupdate_begin_sriov() - Prevent freezing while VFs change
 * @vdev: The physical function
 *
 * It cannot be frozen before vfio_pci_liveupdate_end_sriov().
 *
 * A driver that unregisters @vdev has to disable them. It waits here while @vdev
 * is frozen, for two reasons. The next kernel expects the virtual functions. And
 * removing a virtual function that is in use waits for its user with its lock
 * held, but shutting down one that is not handed over needs that lock.
 *
 * Context: With the device locked. Sleeps.
 * Return: 0, or -EBUSY if @vdev is frozen. Always 0 while @vdev is being
 *         unregistered.
 */
int vfio_pci_liveupdate_begin_sriov(struct vfio_pci_core_device *vdev)
{
	if (vdev->unregistering && pci_num_vf(vdev->pdev))
		wait_var_event(&vdev->frozen, !vfio_pci_frozen(vdev));

	guard(mutex)(&vdev->igate);

	if (vfio_pci_frozen(vdev) && !vdev->unregistering)
		return -EBUSY;

	vdev->sriov_changing = true;
	return 0;
}

/**
 * vfio_pci_liveupdate_end_sriov() - End of vfio_pci_liveupdate_begin_sriov()
 * @vdev: The physical function
 *
 * Context: With the device locked. Sleeps.
 */
void vfio_pci_liveupdate_end_sriov(struct vfio_pci_core_device *vdev)
{
	guard(mutex)(&vdev->igate);

	vdev->sriov_changing = false;
}

/* End the live update once the owner has bound the device and LUO has finished its file. */
static void vfio_pci_lu_end(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held(&vdev->igate);

	if (vdev->claimed && vdev->finished)
		pci_liveupdate_finish(vdev->pdev);
}

static void vfio_pci_lu_claim(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;

	/* The state that close restores must not include bus mastering. */
	pdev->saved_config_space[PCI_COMMAND / sizeof(u32)] &= ~PCI_COMMAND_MASTER;
	kfree(vdev->pci_saved_state);
	vdev->pci_saved_state = pci_store_saved_state(pdev);

	guard(mutex)(&vdev->igate);

	vdev->claimed = true;
	vfio_pci_lu_end(vdev);
}

/* A device that is at least partially disabled does not run any more. Its next open resets it. */
static void vfio_pci_lu_stop(struct vfio_pci_core_device *vdev, const char *reason)
{
	/* Serializes with finish() */
	guard(mutex)(&vdev->igate);

	if (pci_liveupdate_incoming(vdev->pdev))
		pci_liveupdate_stop(vdev->pdev, reason);
}

/**
 * vfio_pci_liveupdate_enable() - vfio_pci_core_enable() for any device
 * @vdev: The device, which is being opened
 *
 * If this fails, a device that was running before its first open is stopped.
 *
 * Context: With the lock of the device set held.
 * Return: The result of vfio_pci_core_enable().
 */
int vfio_pci_liveupdate_enable(struct vfio_pci_core_device *vdev)
{
	bool running = vfio_pci_liveupdate_running(vdev);
	int err;

	err = vfio_pci_core_enable(vdev);
	if (!running)
		return err;

	if (err)
		vfio_pci_lu_stop(vdev, "could not be enabled");
	else
		vfio_pci_lu_claim(vdev);

	return err;
}
EXPORT_SYMBOL_GPL(vfio_pci_liveupdate_enable);

/**
 * vfio_pci_liveupdate_disable() - A device was disabled
 * @vdev: The device, which is being closed
 *
 * It is incoming only if VFIO_DEVICE_BIND_IOMMUFD has failed after
 * vfio_pci_liveupdate_enable(). Otherwise LUO holds a reference on the file
 * until the device is finished.
 *
 * Context: With the lock of the device set held. Sleeps.
 */
void vfio_pci_liveupdate_disable(struct vfio_pci_core_device *vdev)
{
	vfio_pci_lu_stop(vdev, "closed before its live update was finished");
}

/**
 * vfio_pci_liveupdate_release() - Release a device whose file was closed
 * @device: The device
 *
 * Called only after LUO has finished the file, because LUO holds a reference on
 * it. Releases the reservations of vectors that the owner never requested.
 *
 * Context: Process context, sleeps.
 */
void vfio_pci_liveupdate_release(struct vfio_device *device)
{
	struct vfio_pci_core_device *vdev = vfio_pci_lu_vdev(device);
	struct pci_dev *pdev = vdev->pdev;

	/* Once it is finished, somebody else may have opened the device. */
	guard(mutex)(&vdev->igate);

	if (pci_liveupdate_retrieved(pdev))
		pci_liveupdate_stop(pdev, "closed before it was bound to an iommufd");
	else
		irq_liveupdate_release(&pdev->dev);
}
EXPORT_SYMBOL_GPL(vfio_pci_liveupdate_release);

/* Called only for a retrieved file, see vfio_pci_luo_finish() */
static void vfio_pci_liveupdate_finish(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = vfio_pci_lu_vdev(vfio_liveupdate_device(args->file));

	/* Serializes with VFIO_DEVICE_SET_IRQS and the end of VFIO_DEVICE_BIND_IOMMUFD */
	guard(mutex)(&vdev->igate);

	/* Vectors that are not requested yet stay reserved, see vfio_pci_liveupdate_release(). */
	irq_liveupdate_finish(&vdev->pdev->dev);
	iommu_liveupdate_close(&vdev->pdev->dev);
	vdev->finished = true;
	vfio_pci_lu_end(vdev);
}

static struct liveupdate_file_ops vfio_pci_liveupdate_ops = {
	.can_preserve	= vfio_pci_liveupdate_can_preserve,
	.preserve	= vfio_pci_liveupdate_preserve,
	.unpreserve	= vfio_pci_liveupdate_unpreserve,
	.freeze		= vfio_pci_liveupdate_freeze,
	.unfreeze	= vfio_pci_liveupdate_unfreeze,
	.retrieve	= vfio_pci_liveupdate_retrieve,
	.finish		= vfio_pci_liveupdate_finish,
};

/**
 * vfio_pci_liveupdate_init() - Enable the handover of the devices of a driver
 * @drv: The vfio-pci driver, which is registered
 *
 * Context: From the init function of the driver. Sleeps.
 */
void vfio_pci_liveupdate_init(struct pci_driver *drv)
{
	vfio_pci_lu_driver = drv;
	/* Not THIS_MODULE, which is the core of vfio-pci and has no devices */
	vfio_pci_liveupdate_ops.owner = drv->driver.owner;
	vfio_pci_luo_set_ops(&vfio_pci_liveupdate_ops, vfio_pci_liveupdate_find_obstacle);
}
EXPORT_SYMBOL_GPL(vfio_pci_liveupdate_init);

/**
 * vfio_pci_liveupdate_exit() - End of vfio_pci_liveupdate_init()
 *
 * Context: From the exit function of the driver, which is unregistered. Sleeps.
 */
void vfio_pci_liveupdate_exit(void)
{
	vfio_pci_luo_set_ops(NULL, NULL);
}
EXPORT_SYMBOL_GPL(vfio_pci_liveupdate_exit);
