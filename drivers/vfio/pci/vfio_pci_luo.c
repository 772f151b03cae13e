// SPDX-License-Identifier: GPL-2.0-only

/**
 * DOC: LUO File Handler of vfio-pci
 *
 * LUO does not return any file if it does not know the handler of one of them,
 * and it looks up the handlers as soon as /dev/liveupdate is opened, which the
 * first process of a system may do. vfio-pci may be a module that is not loaded
 * by then. So the handler is in this object, which is always built in. It knows
 * the number by which a file identifies its device, requests the module when
 * the file is retrieved, and stops a device that was not retrieved. For
 * everything else it calls the methods of vfio-pci, see vfio_pci_liveupdate.c.
 *
 * A file that is preserved, or retrieved and not finished, holds a reference on
 * the module of the driver, so that removing the module fails instead of
 * waiting for the owner of the file.
 */

#define pr_fmt(fmt) "vfio_pci: live update: " fmt

#include <kunit/visibility.h>
#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/irq_liveupdate.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/kmod.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>

#include "vfio_pci_liveupdate.h"

/* The methods of vfio-pci, NULL while it is not loaded. They stay while there is a reference. */
static const struct liveupdate_file_ops *vfio_pci_luo_ops;
static const char *(*vfio_pci_luo_ops_find_obstacle)(struct pci_dev *pdev);
static DEFINE_MUTEX(vfio_pci_luo_lock);

/* Returns the methods, with a reference on their module, or NULL. */
static const struct liveupdate_file_ops *vfio_pci_luo_get(void)
{
	guard(mutex)(&vfio_pci_luo_lock);

	if (!vfio_pci_luo_ops || !try_module_get(vfio_pci_luo_ops->owner))
		return NULL;

	return vfio_pci_luo_ops;
}

static void vfio_pci_luo_put(void)
{
	module_put(vfio_pci_luo_ops->owner);
}

VISIBLE_IF_KUNIT u64 vfio_pci_luo_pack(u32 segment, u16 devid)
{
	return FIELD_PREP(VFIO_PCI_LU_SEGMENT_MASK, segment) |
	       FIELD_PREP(VFIO_PCI_LU_DEVID_MASK, devid);
}

/* Returns false if this is not a valid name. The previous kernel may have written anything. */
VISIBLE_IF_KUNIT bool vfio_pci_luo_unpack(u64 name, u32 *segment, u16 *devid)
{
	*segment = FIELD_GET(VFIO_PCI_LU_SEGMENT_MASK, name);
	*devid = FIELD_GET(VFIO_PCI_LU_DEVID_MASK, name);

	return vfio_pci_luo_pack(*segment, *devid) == name;
}

/**
 * vfio_pci_luo_name() - The name of a device, which is LUO's data of its file
 * @pdev: The device
 *
 * Context: Any.
 * Return: The name, see include/linux/kho/abi/vfio_pci.h.
 */
u64 vfio_pci_luo_name(struct pci_dev *pdev)
{
	return vfio_pci_luo_pack(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
}
EXPORT_SYMBOL_GPL(vfio_pci_luo_name);

/**
 * vfio_pci_luo_find() - Find a device by its name
 * @name: The name that the previous kernel has passed
 *
 * Context: Process context.
 * Return: The device, with a reference, or NULL if there is none.
 */
struct pci_dev *vfio_pci_luo_find(u64 name)
{
	u32 segment;
	u16 devid;

	if (!vfio_pci_luo_unpack(name, &segment, &devid))
		return NULL;

	return pci_get_domain_bus_and_slot(segment, PCI_BUS_NUM(devid), devid & 0xff);
}
EXPORT_SYMBOL_GPL(vfio_pci_luo_find);

static bool vfio_pci_luo_can_preserve(struct liveupdate_file_handler *handler,
				      struct file *file)
{
	const struct liveupdate_file_ops *ops = vfio_pci_luo_get();
	bool can_preserve;

	if (!ops)
		return false;

	can_preserve = ops->can_preserve(handler, file);
	vfio_pci_luo_put();

	return can_preserve;
}

static int vfio_pci_luo_preserve(struct liveupdate_file_op_args *args)
{
	const struct liveupdate_file_ops *ops = vfio_pci_luo_get();
	int err;

	if (!ops)
		return -ENODEV;

	err = ops->preserve(args);
	if (err)
		vfio_pci_luo_put();

	return err;
}

static void vfio_pci_luo_unpreserve(struct liveupdate_file_op_args *args)
{
	vfio_pci_luo_ops->unpreserve(args);
	vfio_pci_luo_put();
}

static int vfio_pci_luo_freeze(struct liveupdate_file_op_args *args)
{
	return vfio_pci_luo_ops->freeze(args);
}

static void vfio_pci_luo_unfreeze(struct liveupdate_file_op_args *args)
{
	vfio_pci_luo_ops->unfreeze(args);
}

static void vfio_pci_luo_not_loaded(u64 name)
{
	struct pci_dev *pdev __free(pci_dev_put) = vfio_pci_luo_find(name);

	if (pdev)
		irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE,
					      "the module vfio-pci is not loaded");
	else
		pr_err("file not retrieved: the module vfio-pci is not loaded\n");
}

static int vfio_pci_luo_retrieve(struct liveupdate_file_op_args *args)
{
	const struct liveupdate_file_ops *ops = vfio_pci_luo_get();
	int err;

	if (!ops) {
		request_module("vfio-pci");
		ops = vfio_pci_luo_get();
	}
	if (!ops) {
		vfio_pci_luo_not_loaded(args->serialized_data);
		return -ENODEV;
	}

	err = ops->retrieve(args);
	if (err)
		vfio_pci_luo_put();

	return err;
}

static void vfio_pci_luo_finish(struct liveupdate_file_op_args *args)
{
	u32 segment;
	u16 devid;

	if (args->file) {
		vfio_pci_luo_ops->finish(args);
		vfio_pci_luo_put();
		return;
	}

	if (vfio_pci_luo_unpack(args->serialized_data, &segment, &devid))
		pci_liveupdate_stop_unretrieved(segment, devid);
}

static bool vfio_pci_luo_find_obstacle(struct pci_dev *pdev, char *reason, size_t size)
{
	const char *found;

	if (!vfio_pci_luo_get()) {
		strscpy(reason, "not bound to vfio-pci", size);
		return true;
	}

	/* The string is part of the module. */
	found = vfio_pci_luo_ops_find_obstacle(pdev);
	if (found)
		strscpy(reason, found, size);
	vfio_pci_luo_put();

	return found;
}

static const struct liveupdate_file_ops vfio_pci_luo_file_ops = {
	.can_preserve	= vfio_pci_luo_can_preserve,
	.preserve	= vfio_pci_luo_preserve,
	.unpreserve	= vfio_pci_luo_unpreserve,
	.freeze		= vfio_pci_luo_freeze,
	.unfreeze	= vfio_pci_luo_unfreeze,
	.retrieve	= vfio_pci_luo_retrieve,
	.finish		= vfio_pci_luo_finish,
	.owner		= THIS_MODULE,
};

static struct liveupdate_file_handler vfio_pci_luo_handler = {
	.ops		= &vfio_pci_luo_file_ops,
	.compatible	= VFIO_PCI_LU_FH_COMPATIBLE,
};

/**
 * vfio_pci_luo_set_ops() - Register or unregister the methods of vfio-pci
 * @ops: All of its methods, which belong to its module, or NULL to unregister
 * @find_obstacle: Returns why a device cannot be handed over, a constant string of that
 *		   module, or NULL; belongs to @ops
 *
 * Context: From the init or exit function of the module. Sleeps.
 */
void vfio_pci_luo_set_ops(const struct liveupdate_file_ops *ops,
			  const char *(*find_obstacle)(struct pci_dev *pdev))
{
	guard(mutex)(&vfio_pci_luo_lock);

	vfio_pci_luo_ops = ops;
	vfio_pci_luo_ops_find_obstacle = find_obstacle;
}
EXPORT_SYMBOL_GPL(vfio_pci_luo_set_ops);

static int __init vfio_pci_luo_init(void)
{
	int err;

	if (!liveupdate_enabled())
		return 0;

	err = liveupdate_register_file_handler(&vfio_pci_luo_handler);
	if (err)
		goto err_out;

	err = pci_liveupdate_register_flb(&vfio_pci_luo_handler, vfio_pci_luo_find_obstacle);
	if (err)
		goto err_unregister;

	return 0;

err_unregister:
	liveupdate_unregister_file_handler(&vfio_pci_luo_handler);
err_out:
	pr_err("file handler not registered: %pe\n", ERR_PTR(err));
	return err;
}
device_initcall(vfio_pci_luo_init);
