// SPDX-License-Identifier: GPL-2.0-only

/**
 * DOC: vfio-pci Live Update
 *
 * The file of a vfio-pci device, as opened from /dev/vfio/devices/ and bound to
 * an iommufd, can be handed over to the next kernel with LUO. The device goes on
 * being a bus master, is not reset, and keeps its interrupts. This file is the
 * LUO file handler. Which devices are handed over, and what becomes of their
 * interrupts, is the business of the PCI core (drivers/pci/liveupdate.c,
 * drivers/pci/msi/liveupdate.c).
 *
 * Only plain vfio-pci is supported: a variant driver has state of its own. So
 * is only the cdev: a file which was got from a VFIO group is refused.
 *
 * In the order in which LUO calls it:
 *
 * 1. preserve() refuses a device with DMA mappings, because nobody carries them
 *    over and DMA translation is off during the kexec; a device without an IOMMU
 *    is the business of its user. It refuses INTx, a device which sleeps, and a
 *    physical function with virtual functions enabled, because the next kernel
 *    turns those off. Then the device and its interrupts are preserved. Nothing
 *    changes for the user.
 *
 * 2. freeze() closes a gate: from then on whatever would change the set of
 *    vectors, reset the device, put it to sleep or map DMA fails with -EBUSY,
 *    and what was under way is over. What preserve() has checked is checked
 *    again, and the state of the interrupts is captured. A freeze that fails
 *    opens the gate itself, because LUO calls unfreeze() only for the files
 *    whose freeze has succeeded.
 *
 *    Devices which can only be reset together (a device set of VFIO) are handed
 *    over together: freeze() fails if another device of the set is open but not
 *    preserved. Not preserve(), because the other one may be preserved next, and
 *    in any session. A device of the set which nobody has open, or which is not
 *    bound to VFIO, has no user whose device could be reset by a hot reset.
 *
 *    All writes to config space are held up, not only those to the MSI and MSI-X
 *    capabilities: the Command register, the power state and the two ways to
 *    request a function level reset are there as well, and the user has paused
 *    the device anyway. Memory of the device which the user has mapped cannot be
 *    held up, and need not.
 *
 * 3. unfreeze() and unpreserve() undo that when the update is cancelled.
 *
 * 4. retrieve(), in the next kernel, returns a new file for the device, as if
 *    its cdev had just been opened. The device has to be bound to vfio-pci by
 *    then, as a retrieve() that fails is not repeated by LUO. With
 *    VFIO_DEVICE_BIND_IOMMUFD the device is enabled, but neither reset nor is
 *    its bus mastering cleared. It fails only if the device is not there or is
 *    not the same. Interrupts which could not be taken over are no reason: the
 *    user gets new ones.
 *
 *    An incoming device cannot be opened in any other way before it is finished,
 *    and VFIO_DEVICE_PCI_HOT_RESET, which hits its neighbours, has to wait until
 *    then, as has the reset which follows the last close of a neighbour.
 *
 * 5. finish() makes it an ordinary device. If nobody has opened it until then,
 *    its bus mastering is turned off first, and its next open resets it. LUO
 *    holds a reference on the file until then: when the user dies between
 *    retrieve() and finish(), the device stays open until the session is
 *    finished, and then sees an ordinary close with an ordinary reset. Only a
 *    VFIO_DEVICE_BIND_IOMMUFD which fails in its very last step, writing its
 *    result to the user, closes and resets the device earlier.
 *
 * LUO fails all incoming files when it does not know the handler of one of them.
 * So the handler is built in, registered at device_initcall, and its compatible
 * string never changes: versions are told by the data.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": live update: " fmt

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/crc32.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vfio_liveupdate.h>

#include "vfio_pci_liveupdate.h"
#include "vfio_pci_priv.h"

/**
 * struct vfio_pci_lu_file - A preserved file
 * @list: On vfio_pci_lu_frozen_list from freeze() to unfreeze()
 * @vdev: The device
 */
struct vfio_pci_lu_file {
	struct list_head		list;
	struct vfio_pci_core_device	*vdev;
};

/* The driver whose devices can be preserved. NULL without live update. */
static struct pci_driver *vfio_pci_lu_driver;

/*
 * The files whose gate is closed. A gated operation holds vfio_pci_lu_gate for
 * reading while it looks at the list and while it runs, so that taking the gate
 * for writing, with the file on the list, waits for those under way.
 *
 * The operations which map DMA hold the lock of the device set instead, which is
 * taken inside the gate by others.
 */
static DECLARE_RWSEM(vfio_pci_lu_gate);
static DEFINE_SPINLOCK(vfio_pci_lu_lock);
static LIST_HEAD(vfio_pci_lu_frozen_list);

static struct vfio_pci_core_device *vfio_pci_lu_vdev(struct vfio_device *device)
{
	return container_of(device, struct vfio_pci_core_device, vdev);
}

static bool vfio_pci_lu_frozen(struct vfio_device *device)
{
	struct vfio_pci_lu_file *lu;

	guard(spinlock)(&vfio_pci_lu_lock);

	list_for_each_entry(lu, &vfio_pci_lu_frozen_list, list) {
		if (&lu->vdev->vdev == device)
			return true;
	}

	return false;
}

/* A hot reset hits every device of the set. */
static bool vfio_pci_lu_set_frozen(struct vfio_device *device)
{
	struct vfio_pci_lu_file *lu;

	guard(spinlock)(&vfio_pci_lu_lock);

	list_for_each_entry(lu, &vfio_pci_lu_frozen_list, list) {
		if (lu->vdev->vdev.dev_set == device->dev_set)
			return true;
	}

	return false;
}

static int vfio_pci_lu_close_gate(struct vfio_pci_lu_file *lu)
{
	int err;

	scoped_guard(spinlock, &vfio_pci_lu_lock)
		list_add_tail(&lu->list, &vfio_pci_lu_frozen_list);

	/* An operation can wait for its user's memory for as long as it likes. */
	err = down_write_killable(&vfio_pci_lu_gate);
	if (!err)
		up_write(&vfio_pci_lu_gate);

	return err;
}

static void vfio_pci_lu_open_gate(struct vfio_pci_lu_file *lu)
{
	guard(spinlock)(&vfio_pci_lu_lock);

	list_del(&lu->list);
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

/*
 * The owner has armed vectors, or taken some away: what the device has now must
 * be what the kernel believes. Says itself what differs.
 */
static void vfio_pci_lu_audit(struct vfio_pci_core_device *vdev)
{
	if (!IS_ENABLED(CONFIG_IRQ_LIVEUPDATE_DEBUG) || !pci_liveupdate_incoming(vdev->pdev))
		return;

	guard(mutex)(&vdev->igate);
	vfio_pci_lu_with_memory(vdev, pci_msi_liveupdate_audit);
}

static long vfio_pci_lu_set_irqs(struct vfio_device *core_vdev, unsigned long arg)
{
	long ret = vfio_pci_core_ioctl(core_vdev, VFIO_DEVICE_SET_IRQS, arg);

	if (!ret)
		vfio_pci_lu_audit(vfio_pci_lu_vdev(core_vdev));

	return ret;
}

/**
 * vfio_pci_liveupdate_ioctl() - vfio_pci_core_ioctl() behind the gate
 * @core_vdev:	The device
 * @cmd:	The ioctl
 * @arg:	Its argument
 *
 * Context: Process context, sleeps.
 * Return: -EBUSY if the device is frozen and @cmd would change its vectors or
 *         reset it, else what vfio_pci_core_ioctl() says.
 */
long vfio_pci_liveupdate_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
			       unsigned long arg)
{
	bool frozen;

	if (cmd != VFIO_DEVICE_SET_IRQS && cmd != VFIO_DEVICE_RESET &&
	    cmd != VFIO_DEVICE_PCI_HOT_RESET)
		return vfio_pci_core_ioctl(core_vdev, cmd, arg);

	guard(rwsem_read)(&vfio_pci_lu_gate);

	if (cmd == VFIO_DEVICE_PCI_HOT_RESET)
		frozen = vfio_pci_lu_set_frozen(core_vdev);
	else
		frozen = vfio_pci_lu_frozen(core_vdev);

	if (frozen)
		return -EBUSY;
	if (cmd == VFIO_DEVICE_SET_IRQS)
		return vfio_pci_lu_set_irqs(core_vdev, arg);

	return vfio_pci_core_ioctl(core_vdev, cmd, arg);
}

/**
 * vfio_pci_liveupdate_ioctl_feature() - vfio_pci_core_ioctl_feature() behind the gate
 * @core_vdev:	The device
 * @flags:	The feature, and what to do with it
 * @arg:	Its argument
 * @argsz:	Size of the argument
 *
 * Context: Process context, sleeps.
 * Return: -EBUSY if the device is frozen and would be put to sleep, else what
 *         vfio_pci_core_ioctl_feature() says.
 */
int vfio_pci_liveupdate_ioctl_feature(struct vfio_device *core_vdev, u32 flags,
				      void __user *arg, size_t argsz)
{
	u32 feature = flags & VFIO_DEVICE_FEATURE_MASK;

	if (feature != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY &&
	    feature != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
		return vfio_pci_core_ioctl_feature(core_vdev, flags, arg, argsz);

	guard(rwsem_read)(&vfio_pci_lu_gate);

	if (vfio_pci_lu_frozen(core_vdev))
		return -EBUSY;

	return vfio_pci_core_ioctl_feature(core_vdev, flags, arg, argsz);
}

/**
 * vfio_pci_liveupdate_write() - vfio_pci_core_write() behind the gate
 * @core_vdev:	The device
 * @buf:	What to write
 * @count:	Number of bytes
 * @ppos:	Where to
 *
 * Context: Process context, sleeps.
 * Return: -EBUSY if the device is frozen and the write goes to its config space,
 *         else what vfio_pci_core_write() says.
 */
ssize_t vfio_pci_liveupdate_write(struct vfio_device *core_vdev,
				  const char __user *buf, size_t count,
				  loff_t *ppos)
{
	if (VFIO_PCI_OFFSET_TO_INDEX(*ppos) != VFIO_PCI_CONFIG_REGION_INDEX)
		return vfio_pci_core_write(core_vdev, buf, count, ppos);

	guard(rwsem_read)(&vfio_pci_lu_gate);

	if (vfio_pci_lu_frozen(core_vdev))
		return -EBUSY;

	return vfio_pci_core_write(core_vdev, buf, count, ppos);
}

/**
 * vfio_pci_liveupdate_attach_ioas() - Attach behind the gate
 * @core_vdev:	The device
 * @pt_id:	The address space
 *
 * Context: With the lock of the device set held.
 * Return: -EBUSY if the device is frozen, else what
 *         vfio_iommufd_physical_attach_ioas() says.
 */
int vfio_pci_liveupdate_attach_ioas(struct vfio_device *core_vdev, u32 *pt_id)
{
	if (vfio_pci_lu_frozen(core_vdev))
		return -EBUSY;

	return vfio_iommufd_physical_attach_ioas(core_vdev, pt_id);
}

/**
 * vfio_pci_liveupdate_pasid_attach_ioas() - Attach a PASID behind the gate
 * @core_vdev:	The device
 * @pasid:	The PASID
 * @pt_id:	The address space
 *
 * Context: With the lock of the device set held.
 * Return: -EBUSY if the device is frozen, else what
 *         vfio_iommufd_physical_pasid_attach_ioas() says.
 */
int vfio_pci_liveupdate_pasid_attach_ioas(struct vfio_device *core_vdev,
					  u32 pasid, u32 *pt_id)
{
	if (vfio_pci_lu_frozen(core_vdev))
		return -EBUSY;

	return vfio_iommufd_physical_pasid_attach_ioas(core_vdev, pasid, pt_id);
}

/**
 * vfio_pci_liveupdate_enable() - vfio_pci_core_enable() for any device
 * @vdev: The device, which is being opened
 *
 * Context: With the lock of the device set held.
 * Return: -EBUSY if the device was taken over from the previous kernel and waits
 *         to be retrieved, else what vfio_pci_core_enable() says.
 */
int vfio_pci_liveupdate_enable(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;
	int err;

	if (!pci_liveupdate_incoming(pdev))
		return vfio_pci_core_enable(vdev);

	if (!pci_liveupdate_retrieved(pdev)) {
		pci_err(pdev, "live update: not opened: waits to be retrieved or finished\n");
		return -EBUSY;
	}

	err = vfio_pci_core_enable(vdev);
	if (err)
		return err;

	/* The state which close restores must not include bus mastering. */
	pdev->saved_config_space[PCI_COMMAND / sizeof(u32)] &= ~PCI_COMMAND_MASTER;
	kfree(vdev->pci_saved_state);
	vdev->pci_saved_state = pci_store_saved_state(pdev);

	return 0;
}

/* ---- The old kernel ---- */

static u32 vfio_pci_lu_checksum(const struct vfio_pci_lu_ser *ser)
{
	struct vfio_pci_lu_ser tmp = *ser;

	tmp.checksum = 0;
	return crc32(~0, &tmp, sizeof(tmp));
}

static bool vfio_pci_liveupdate_can_preserve(struct liveupdate_file_handler *handler,
					     struct file *file)
{
	struct vfio_device *device = vfio_liveupdate_device(file);

	if (!device || !dev_is_pci(device->dev))
		return false;

	if (device->dev->driver == &vfio_pci_lu_driver->driver)
		return true;

	dev_err(device->dev, "live update: not preserved: driver is not %s\n",
		vfio_pci_lu_driver->name);
	return false;
}

/* Is there anything that keeps an open device from being handed over? */
static int vfio_pci_lu_check(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;

	scoped_guard(mutex, &vdev->vdev.dev_set->lock) {
		if (vfio_liveupdate_dma_mapped(&vdev->vdev)) {
			pci_err(pdev, "live update: not preserved: DMA is mapped\n");
			return -EOPNOTSUPP;
		}
	}

	scoped_guard(mutex, &vdev->igate) {
		if (vdev->irq_type == VFIO_PCI_INTX_IRQ_INDEX) {
			pci_err(pdev, "live update: not preserved: INTx in use\n");
			return -ENOMSG;
		}
	}

	scoped_guard(rwsem_read, &vdev->memory_lock) {
		if (vdev->pm_runtime_engaged || pdev->current_state != PCI_D0) {
			pci_err(pdev, "live update: not preserved: in low power state\n");
			return -EAGAIN;
		}
	}

	if (pci_num_vf(pdev)) {
		pci_err(pdev, "live update: not preserved: virtual functions enabled\n");
		return -EMLINK;
	}

	return 0;
}

/* What can only be reset together, and is in use, is handed over together. */
static int vfio_pci_lu_check_set(struct vfio_pci_core_device *vdev)
{
	struct vfio_device_set *dev_set = vdev->vdev.dev_set;
	struct vfio_device *cur;

	guard(mutex)(&dev_set->lock);

	list_for_each_entry(cur, &dev_set->device_list, dev_set_list) {
		if (!cur->open_count || pci_liveupdate_outgoing(to_pci_dev(cur->dev)))
			continue;

		pci_err(vdev->pdev, "live update: not frozen: %s shares its reset and is not preserved\n",
			dev_name(cur->dev));
		return -EXDEV;
	}

	return 0;
}

static struct vfio_pci_lu_ser *vfio_pci_lu_serialize(struct pci_dev *pdev)
{
	struct vfio_pci_lu_ser *ser;

	ser = kho_alloc_preserve(sizeof(*ser));
	if (IS_ERR(ser))
		return ser;

	*ser = (struct vfio_pci_lu_ser) {
		.magic		= VFIO_PCI_LU_MAGIC,
		.version	= VFIO_PCI_LU_VERSION,
		.features	= VFIO_PCI_LU_FEATURES,
		.len		= sizeof(*ser),
		.segment	= pci_domain_nr(pdev->bus),
		.devid		= pci_dev_id(pdev),
		.vendor		= pdev->vendor,
		.device		= pdev->device,
	};
	ser->checksum = vfio_pci_lu_checksum(ser);

	return ser;
}

static int vfio_pci_lu_preserve_device(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;
	int err;

	err = pci_liveupdate_preserve(pdev);
	if (err)
		return err;

	err = vfio_pci_lu_with_memory(vdev, pci_msi_liveupdate_preserve);
	if (err)
		pci_liveupdate_unpreserve(pdev);

	return err;
}

static int vfio_pci_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct vfio_device *device = vfio_liveupdate_device(args->file);
	struct vfio_pci_core_device *vdev = vfio_pci_lu_vdev(device);
	struct pci_dev *pdev = vdev->pdev;
	struct vfio_pci_lu_ser *ser;
	int err;

	if (!vfio_liveupdate_cdev_bound(args->file)) {
		pci_err(pdev, "live update: not preserved: not a cdev bound to an iommufd\n");
		return -EBADFD;
	}

	err = vfio_pci_lu_check(vdev);
	if (err)
		return err;

	struct vfio_pci_lu_file *lu __free(kfree) = kzalloc_obj(*lu);

	ser = lu ? vfio_pci_lu_serialize(pdev) : ERR_PTR(-ENOMEM);
	if (IS_ERR(ser)) {
		pci_err(pdev, "live update: not preserved: %pe\n", ser);
		return PTR_ERR(ser);
	}
	lu->vdev = vdev;

	err = vfio_pci_lu_preserve_device(vdev);
	if (err) {
		kho_unpreserve_free(ser);
		return err;
	}

	args->serialized_data = virt_to_phys(ser);
	args->private_data = no_free_ptr(lu);
	return 0;
}

static void vfio_pci_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_lu_file *lu = args->private_data;
	struct pci_dev *pdev = lu->vdev->pdev;

	pci_msi_liveupdate_unpreserve(pdev);
	pci_liveupdate_unpreserve(pdev);
	kho_unpreserve_free(phys_to_virt(args->serialized_data));
	kfree(lu);
}

static int vfio_pci_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_lu_file *lu = args->private_data;
	int err;

	err = vfio_pci_lu_close_gate(lu);
	if (!err)
		err = vfio_pci_lu_check(lu->vdev);
	if (!err)
		err = vfio_pci_lu_check_set(lu->vdev);
	if (!err)
		err = vfio_pci_lu_with_memory(lu->vdev, pci_msi_liveupdate_freeze);
	if (err)
		vfio_pci_lu_open_gate(lu);

	return err;
}

static void vfio_pci_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_lu_file *lu = args->private_data;

	pci_msi_liveupdate_unfreeze(lu->vdev->pdev);
	vfio_pci_lu_open_gate(lu);
}

/* ---- The next kernel ---- */

/* Returns why the record of a file is refused, or NULL. It may say anything. */
VISIBLE_IF_KUNIT const char *vfio_pci_lu_refuse(u64 pa)
{
	struct vfio_pci_lu_ser *ser;

	/* Only in memory which exists is reading safe whatever is in there. */
	if (!pa || !PAGE_ALIGNED(pa) || !pfn_valid(PHYS_PFN(pa)) ||
	    !page_is_ram(PHYS_PFN(pa)))
		return "bad address";

	ser = phys_to_virt(pa);
	if (ser->magic != VFIO_PCI_LU_MAGIC)
		return "bad magic";
	if (ser->version != VFIO_PCI_LU_VERSION)
		return "unknown version";
	if (ser->features & ~VFIO_PCI_LU_FEATURES)
		return "unknown features";
	if (ser->len != sizeof(*ser))
		return "bad length";
	if (ser->checksum != vfio_pci_lu_checksum(ser))
		return "bad checksum";
	if (memchr_inv(ser->reserved, 0, sizeof(ser->reserved)))
		return "reserved field not zero";

	return NULL;
}

/* The device which a record names, with a reference, or NULL. */
static struct pci_dev *vfio_pci_lu_find(const struct vfio_pci_lu_ser *ser)
{
	struct pci_dev *pdev;

	pdev = pci_get_domain_bus_and_slot(ser->segment, PCI_BUS_NUM(ser->devid),
					   ser->devid & 0xff);
	if (pdev && pdev->vendor == ser->vendor && pdev->device == ser->device)
		return pdev;

	pci_dev_put(pdev);
	return NULL;
}

static int vfio_pci_liveupdate_retrieve(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev;
	struct vfio_pci_lu_ser *ser;
	const char *reason;
	struct file *file;
	int err;

	reason = vfio_pci_lu_refuse(args->serialized_data);
	if (reason) {
		pr_err("file not retrieved: %s\n", reason);
		return -EINVAL;
	}

	ser = phys_to_virt(args->serialized_data);
	struct pci_dev *pdev __free(pci_dev_put) = vfio_pci_lu_find(ser);
	if (!pdev) {
		pr_err("file not retrieved: no device %04x:%04x at %04x:%02x:%02x.%d\n",
		       ser->vendor, ser->device, ser->segment, PCI_BUS_NUM(ser->devid),
		       PCI_SLOT(ser->devid), PCI_FUNC(ser->devid));
		return -ENODEV;
	}

	guard(device)(&pdev->dev);

	if (pdev->driver != vfio_pci_lu_driver) {
		pci_err(pdev, "live update: not retrieved: not bound to %s\n",
			vfio_pci_lu_driver->name);
		return -ENODEV;
	}

	vdev = dev_get_drvdata(&pdev->dev);
	file = vfio_liveupdate_cdev_open(&vdev->vdev);
	if (IS_ERR(file)) {
		pci_err(pdev, "live update: not retrieved: %pe\n", file);
		return PTR_ERR(file);
	}

	/* From here on the device can be opened, so this is the last step. */
	err = pci_liveupdate_retrieve(pdev);
	if (err) {
		fput(file);
		return err;
	}

	args->file = file;
	return 0;
}

/* The interrupts first: those of a device that is not open are turned off. */
static void vfio_pci_lu_finish(struct pci_dev *pdev, bool opened)
{
	if (!opened) {
		pci_err(pdev, "live update: stopped: nobody has opened it\n");
		pci_clear_master(pdev);
	}

	pci_msi_liveupdate_finish(pdev);
	pci_liveupdate_finish(pdev);
}

static void vfio_pci_liveupdate_finish(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_lu_ser *ser;

	/* What is refused cannot be named. The PCI core finishes the rest. */
	if (vfio_pci_lu_refuse(args->serialized_data))
		return;

	ser = phys_to_virt(args->serialized_data);
	struct pci_dev *pdev __free(pci_dev_put) = vfio_pci_lu_find(ser);

	if (args->file) {
		struct vfio_device *device = vfio_liveupdate_device(args->file);

		/* Against VFIO_DEVICE_BIND_IOMMUFD and VFIO_DEVICE_SET_IRQS of the file */
		guard(mutex)(&device->dev_set->lock);
		guard(mutex)(&vfio_pci_lu_vdev(device)->igate);
		vfio_pci_lu_finish(to_pci_dev(device->dev), device->open_count);
	} else if (pdev) {
		/* Nobody can open it before it is finished, but its driver can change. */
		guard(device)(&pdev->dev);
		if (pci_liveupdate_incoming(pdev))
			vfio_pci_lu_finish(pdev, false);
	}

	kho_restore_free(ser);
}

static const struct liveupdate_file_ops vfio_pci_liveupdate_ops = {
	.can_preserve	= vfio_pci_liveupdate_can_preserve,
	.preserve	= vfio_pci_liveupdate_preserve,
	.unpreserve	= vfio_pci_liveupdate_unpreserve,
	.freeze		= vfio_pci_liveupdate_freeze,
	.unfreeze	= vfio_pci_liveupdate_unfreeze,
	.retrieve	= vfio_pci_liveupdate_retrieve,
	.finish		= vfio_pci_liveupdate_finish,
	.owner		= THIS_MODULE,
};

static struct liveupdate_file_handler vfio_pci_liveupdate_handler = {
	.ops		= &vfio_pci_liveupdate_ops,
	.compatible	= VFIO_PCI_LU_FH_COMPATIBLE,
};

/**
 * vfio_pci_liveupdate_init() - Let the devices of a driver be handed over
 * @drv: The vfio-pci driver
 *
 * Nothing else of the driver depends on it, so that it only says if it fails.
 *
 * Context: From the init function of the driver.
 */
void __init vfio_pci_liveupdate_init(struct pci_driver *drv)
{
	int err;

	if (!liveupdate_enabled())
		return;

	vfio_pci_lu_driver = drv;

	err = liveupdate_register_file_handler(&vfio_pci_liveupdate_handler);
	if (err)
		goto err_out;

	err = pci_liveupdate_register_flb(&vfio_pci_liveupdate_handler);
	if (err)
		goto err_unregister;

	return;

err_unregister:
	liveupdate_unregister_file_handler(&vfio_pci_liveupdate_handler);
err_out:
	pr_err("file handler not registered: %pe\n", ERR_PTR(err));
	vfio_pci_lu_driver = NULL;
}
