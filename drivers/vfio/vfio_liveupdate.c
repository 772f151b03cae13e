// SPDX-License-Identifier: GPL-2.0-only

/**
 * DOC: VFIO Device Files in a Live Update
 *
 * The LUO file handler of a VFIO bus driver uses these functions to inspect a
 * device file, and to open a new one in the next kernel:
 *
 * - in can_preserve() and preserve(), vfio_liveupdate_device() and
 *   vfio_liveupdate_cdev_bound() tell whether the file can be handed over at
 *   all. vfio_liveupdate_keep_attachment() makes sure that the DMA mappings of
 *   the device can be handed over, and do not change any more;
 * - in retrieve(), vfio_liveupdate_get_device() finds the VFIO device of a
 *   device and keeps its driver bound. It does not take the lock of the device,
 *   because a task that unbinds the device may hold that lock for as long as a
 *   user has it open. vfio_liveupdate_cdev_open() then returns a file in the
 *   state in which an open() of /dev/vfio/devices/vfioN leaves it, whether or
 *   not the device may be opened in any other way. It is then bound to an
 *   iommufd as usual. The node in /dev may not exist yet. The driver's
 *   release_retrieved() is called when the last reference on that file is
 *   dropped.
 */

#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/irq_liveupdate.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/vfio_liveupdate.h>

#include "vfio.h"

/**
 * vfio_liveupdate_device() - The VFIO device of a file
 * @file: Any file
 *
 * Context: Any, the caller holds a reference on @file.
 * Return: The device if @file is a VFIO device file, else NULL. The file keeps
 *         the device, and keeps it bound to its driver.
 */
struct vfio_device *vfio_liveupdate_device(struct file *file)
{
	struct vfio_device_file *df = file->private_data;

	return file->f_op == &vfio_device_fops ? df->device : NULL;
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_device);

/**
 * vfio_liveupdate_cdev_bound() - Test whether a device file is a cdev bound to an iommufd
 * @file: A VFIO device file
 *
 * Context: Any, the caller holds a reference on @file.
 * Return: True if so. False if the file comes from a VFIO group, or if
 *         VFIO_DEVICE_BIND_IOMMUFD was not called.
 */
bool vfio_liveupdate_cdev_bound(struct file *file)
{
	struct vfio_device_file *df = file->private_data;

	/* Paired with smp_store_release() in vfio_df_ioctl_bind_iommufd() */
	return !df->group && smp_load_acquire(&df->access_granted);
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_cdev_bound);

/**
 * vfio_liveupdate_find_obstacle() - Find out why an open device cannot be handed over
 * @device: The device
 *
 * Changes nothing, and does not wait for users.
 *
 * Context: Process context. Within vfio_liveupdate_get_device().
 * Return: The reason, a constant string, or NULL if it is open through its cdev and
 *         bound to an iommufd.
 */
const char *vfio_liveupdate_find_obstacle(struct vfio_device *device)
{
	/*
	 * This is only a hint. It does not take the lock of the device set,
	 * because preserve() and freeze() only try to take it, and would fail
	 * while it is held here.
	 */
	if (!data_race(device->open_count))
		return "not open";
	/* Also a hint */
	if (!data_race(vfio_device_cdev_opened(device)))
		return "not a cdev bound to an iommufd";

	return NULL;
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_find_obstacle);

/*
 * A task that attaches the device holds the lock of the device set, possibly
 * for as long as user space delays access to the memory that is mapped. So do
 * not wait for the lock.
 */
static int vfio_liveupdate_gate_attachment(struct vfio_device *device)
{
	if (!mutex_trylock(&device->dev_set->lock)) {
		irq_liveupdate_report_refusal(device->dev, IRQ_LIVEUPDATE_PRESERVE,
					      "a device of its set is being opened, closed or attached");
		return -EBUSY;
	}

	device->preserved = true;
	mutex_unlock(&device->dev_set->lock);
	return 0;
}

/**
 * vfio_liveupdate_keep_attachment() - Prevent changes of the attachment of a
 * device
 * @device: The device, bound to an iommufd
 * @session: The live update session of its file
 *
 * From here on the attachment and the DMA mappings do not change. If they
 * cannot be handed over, the reason is logged.
 *
 * Context: From the preserve() callback of a file of @device. Sleeps, but does
 *          not wait for users of @device.
 * Return: 0, -EBUSY if a device of its set is being opened, closed or attached,
 *         or the error of iommufd_device_preserve().
 */
int vfio_liveupdate_keep_attachment(struct vfio_device *device, struct luo_session *session)
{
	int err;

	err = vfio_liveupdate_gate_attachment(device);
	if (err)
		return err;

	err = iommufd_device_preserve(device->iommufd_device, session);
	if (err)
		WRITE_ONCE(device->preserved, false);
	return err;
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_keep_attachment);

/**
 * vfio_liveupdate_release_attachment() - Undo vfio_liveupdate_keep_attachment()
 * @device: The device
 *
 * Context: Any.
 */
void vfio_liveupdate_release_attachment(struct vfio_device *device)
{
	iommufd_device_unpreserve(device->iommufd_device);
	WRITE_ONCE(device->preserved, false);
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_release_attachment);

static int vfio_liveupdate_match_parent(struct device *dev, const void *parent)
{
	return dev->parent == parent;
}

/**
 * vfio_liveupdate_get_device() - Find the VFIO device of a device
 * @dev: The device
 *
 * Context: Process context, sleeps.
 * Return: The VFIO device, whose driver stays bound to @dev until
 *         vfio_liveupdate_put_device(). NULL if @dev is not bound to a VFIO
 *         driver, or is being unbound from it.
 */
struct vfio_device *vfio_liveupdate_get_device(struct device *dev)
{
	struct device *found __free(put_device) =
		class_find_device(&vfio_device_class, NULL, dev, vfio_liveupdate_match_parent);
	struct vfio_device *device;

	if (!found)
		return NULL;

	device = container_of(found, struct vfio_device, device);
	return vfio_device_try_get_registration(device) ? device : NULL;
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_get_device);

/**
 * vfio_liveupdate_put_device() - End of vfio_liveupdate_get_device()
 * @device: The device that it has returned
 *
 * Context: Any.
 */
void vfio_liveupdate_put_device(struct vfio_device *device)
{
	vfio_device_put_registration(device);
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_put_device);

/**
 * vfio_liveupdate_cdev_open() - Open the cdev of a device from within the kernel
 * @device: The device
 *
 * Context: Process context, sleeps. Within vfio_liveupdate_get_device().
 * Return: A new file, or an error pointer:
 *
 *         * -ENODEV if @device is being unregistered,
 *         * -EPERM if it has no IOMMU and the caller lacks CAP_SYS_RAWIO,
 *         * -ENOMEM, -ENFILE as for every file.
 */
struct file *vfio_liveupdate_cdev_open(struct vfio_device *device)
{
	struct vfio_device_file *df;
	struct file *file;

	/* Paired with the put in vfio_device_fops_release() */
	if (WARN_ON_ONCE(!device->ops->release_retrieved) ||
	    !vfio_device_try_get_registration(device))
		return ERR_PTR(-ENODEV);

	if (vfio_device_is_noiommu(device) && !capable(CAP_SYS_RAWIO)) {
		file = ERR_PTR(-EPERM);
		goto err_put_registration;
	}

	df = vfio_allocate_device_file(device);
	if (IS_ERR(df)) {
		file = ERR_CAST(df);
		goto err_put_registration;
	}

	file = anon_inode_getfile_fmode("[vfio-device]", &vfio_device_fops, df,
					O_RDWR, FMODE_PREAD | FMODE_PWRITE);
	if (IS_ERR(file))
		goto err_free;

	df->retrieved = true;
	/* As in vfio_device_fops_cdev_open(): all mmaps in one address space */
	file->f_mapping = device->inode->i_mapping;
	return file;

err_free:
	kfree(df);
err_put_registration:
	vfio_device_put_registration(device);
	return file;
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_cdev_open);
