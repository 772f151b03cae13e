// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: Interrupt live update
 *
 * A live update replaces the running kernel by kexec while devices that are
 * assigned to virtual machines keep running. This code hands over their message
 * signaled interrupts: in the next kernel every interrupt has the same Linux
 * irq number, the same MSI message in the device and the same entry in the
 * interrupt remapping table.
 *
 * With interrupt remapping, an interrupt has two halves. The device-visible
 * half, the message, is a handle: the index of a remapping table entry. The
 * host-private half is the content of that entry, the CPU and the vector. Only
 * the first half is preserved. The next kernel assigns CPU and vector when it
 * activates the interrupt, and writes them to the same entry.
 *
 * Who does what:
 *
 *   - The driver of the device (VFIO) calls irq_liveupdate_preserve() and the
 *     functions below it in the order of the life cycle.
 *   - The bus (PCI/MSI) knows the device: struct irq_liveupdate_dev_ops.
 *   - Each irq domain in the hierarchy of an interrupt knows its own level, and
 *     one of them is the interrupt remapping unit: struct
 *     irq_domain_liveupdate_ops.
 *   - This code manages the records, and does not interpret fields of other
 *     layers.
 *
 * The kernel that hands over (this file):
 *
 * 1. irq_liveupdate_preserve(): checks and allocates in advance what it can.
 *    Memory for the maximum number of vectors is reserved, the remapping table
 *    is preserved, and all interrupts are captured once, as a test. Interrupts
 *    continue, and may be added, moved, masked and freed.
 *
 * 2. irq_liveupdate_freeze(): the records are captured, without allocating
 *    memory. Interrupts still arrive.
 *
 * 3. irq_lu_shutdown(), from syscore_shutdown() when a kexec is in progress:
 *    the point of no return. Each device is masked, so that it latches its
 *    interrupts. Then each table entry is blocked, because a device may be
 *    unable to latch or may misbehave. Other CPUs cannot undo that. Finally,
 *    the root is marked as frozen. Without the mark, the next kernel takes over
 *    nothing.
 *
 * Instead of step 3, irq_liveupdate_unfreeze() and irq_liveupdate_unpreserve()
 * cancel the update. Nothing was masked or blocked until then, so nothing is lost.
 *
 * The kernel that takes over: see liveupdate_in.c.
 */

#define pr_fmt(fmt) "irq_liveupdate: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/hashtable.h>
#include <linux/init.h>
#include <linux/irq.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/list.h>
#include <linux/msi.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/syscore_ops.h>

#include <trace/events/irq_liveupdate.h>

#include "internals.h"
#include "liveupdate.h"
#include "liveupdate_ser.h"

/* Size of the device directory at first: it doubles when it is full */
#define IRQ_LU_DIR_SLOTS	(PAGE_SIZE / sizeof(struct irq_lu_device_ref_ser))

/**
 * struct irq_lu_out_dev - A device whose interrupts are handed over
 * @node:	Entry in the list of all these devices
 * @hash:	Entry in the hash of all these devices
 * @dev:	The device
 * @ops:	Methods of its bus
 * @unit:	Its interrupt remapping unit
 * @ser:	Its record, in preserved memory that can hold all vectors the device
 *		can have
 * @nr_max:	Number of vectors that @ser can hold
 * @frozen:	The record is complete
 */
struct irq_lu_out_dev {
	struct list_head			node;
	struct hlist_node			hash;
	struct device				*dev;
	const struct irq_liveupdate_dev_ops	*ops;
	struct irq_domain			*unit;
	struct irq_lu_device_ser		*ser;
	unsigned int				nr_max;
	bool					frozen;
};

/**
 * struct irq_lu_out - What is handed over
 * @lock:	Nests inside of the MSI descriptor lock
 * @devices:	List of struct irq_lu_out_dev
 * @nr_devices:	Number of devices
 * @root:	The root of the records, NULL when no device is preserved
 * @units:	The interrupt remapping units, each with the index of its record in
 *		@root, NULL where one is unused
 * @dir:	The device directory, filled at the end
 * @nr_slots:	Size of @dir
 */
struct irq_lu_out {
	struct mutex			lock;	/* protects everything */
	struct list_head		devices;
	unsigned int			nr_devices;
	struct irq_lu_root_ser		*root;
	struct irq_domain		*units[IRQ_LU_MAX_UNITS];
	struct irq_lu_device_ref_ser	*dir;
	unsigned int			nr_slots;
};

static struct irq_lu_out irq_lu_out = {
	.lock		= __MUTEX_INITIALIZER(irq_lu_out.lock),
	.devices	= LIST_HEAD_INIT(irq_lu_out.devices),
};

static DEFINE_HASHTABLE(irq_lu_outgoing, 8);

static struct irq_lu_out_dev *irq_lu_find_out(struct device *dev)
{
	struct irq_lu_out_dev *out;

	lockdep_assert_held(&irq_lu_out.lock);

	hash_for_each_possible(irq_lu_outgoing, out, hash, (unsigned long)dev) {
		if (out->dev == dev)
			return out;
	}
	return NULL;
}

/* Each domain saves its own level, from the device towards the CPU. */
static void irq_lu_capture_levels(struct irq_data *irqd, struct irq_lu_vector_ser *rec)
{
	rec->irq = irqd->irq;
	rec->flags = irqd_is_activated(irqd) ? IRQ_LU_VECTOR_ACTIVATED : 0;
	rec->disposition = IRQ_LU_BLOCKED;

	for (; irqd; irqd = irqd->parent_data) {
		const struct irq_domain_liveupdate_ops *ops = irqd->domain->ops->liveupdate;

		if (ops)
			ops->save(irqd->domain, irqd, rec);
	}
}

static int irq_lu_capture_locked(const struct irq_liveupdate_dev_ops *ops,
				 struct msi_desc *msi, unsigned int i, struct irq_data *irqd,
				 struct irq_lu_vector_ser *rec, const char **reason)
{
	int ret;

	if (irqd_affinity_is_managed(irqd)) {
		*reason = "managed affinity";
		return -EOPNOTSUPP;
	}

	irq_lu_capture_levels(irqd, rec);
	ret = ops->capture(msi, i, rec);
	*reason = ret == -EIO ? "device and kernel disagree" : "cannot be captured";
	return ret;
}

static int irq_lu_capture_vector(const struct irq_liveupdate_dev_ops *ops,
				 struct msi_desc *msi, unsigned int i,
				 struct irq_lu_vector_ser *rec, const char **reason)
{
	int ret = -ENOENT;

	*reason = "no descriptor";
	memset(rec, 0, sizeof(*rec));
	rec->msi_index = msi->msi_index + i;

	scoped_irqdesc_get_and_lock(msi->irq + i, 0)
		ret = irq_lu_capture_locked(ops, msi, i, &scoped_irqdesc->irq_data, rec, reason);
	return ret;
}

static void irq_lu_report_vector(struct msi_desc *msi, unsigned int i, const char *reason,
				 int err)
{
	dev_err(msi->dev, "irq_liveupdate: irq %u: %s: %pe\n", msi->irq + i, reason, ERR_PTR(err));
}

static void irq_lu_report_enable(struct device *dev)
{
	dev_err(dev, "irq_liveupdate: device and kernel disagree about MSI enable\n");
}

static int irq_lu_audit_vector(const struct irq_liveupdate_dev_ops *ops, struct msi_desc *msi,
			       unsigned int i, bool report)
{
	struct irq_lu_vector_ser rec;
	const char *reason;
	int ret = irq_lu_capture_vector(ops, msi, i, &rec, &reason);

	if (ret && report)
		irq_lu_report_vector(msi, i, reason, ret);
	return ret;
}

static int irq_lu_audit_locked(struct device *dev, const struct irq_liveupdate_dev_ops *ops,
			       bool report)
{
	struct msi_desc *msi;
	unsigned int i;
	int nr = 0;

	guard(msi_descs_lock)(dev);

	if (ops->check(dev)) {
		if (report)
			irq_lu_report_enable(dev);
		return -EIO;
	}

	msi_for_each_desc(msi, dev, MSI_DESC_ASSOCIATED) {
		for (i = 0; i < msi->nvec_used; i++) {
			if (irq_lu_audit_vector(ops, msi, i, report))
				return -EIO;
			nr++;
		}
	}
	return nr;
}

/**
 * irq_lu_audit - Compare a device with the kernel's cached state
 * @dev:	Device
 * @ops:	Methods of its bus
 * @report:	Log the first difference
 *
 * Context: As irq_liveupdate_audit().
 * Return: As irq_liveupdate_audit().
 */
int irq_lu_audit(struct device *dev, const struct irq_liveupdate_dev_ops *ops, bool report)
{
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(irq_lu_audit, dev, ops, report);

	if (!dev->msi.data)
		return 0;

	ret = ops->lock(dev);
	if (ret)
		return ret;

	ret = irq_lu_audit_locked(dev, ops, report);
	ops->unlock(dev);
	return ret;
}

/**
 * irq_liveupdate_audit - Compare a device with the kernel's cached state
 * @dev:	Device
 * @ops:	Methods of its bus
 *
 * Only reads from the device. The first interrupt for which they differ is
 * logged. The caller makes sure that the driver of the device does not enable
 * or disable MSI or MSI-X at the same time.
 *
 * Context: May sleep. The MSI descriptors of @dev must not be locked.
 * Return: Number of interrupts that were compared and agree, -EAGAIN if the
 * device cannot be read now, or -EIO.
 */
int irq_liveupdate_audit(struct device *dev, const struct irq_liveupdate_dev_ops *ops)
{
	return irq_lu_audit(dev, ops, true);
}

static u16 irq_lu_unit_index(struct irq_domain *unit)
{
	unsigned int i;

	for (i = 0; i < irq_lu_out.root->nr_units; i++) {
		if (irq_lu_out.units[i] == unit)
			break;
	}
	return i;
}

/* Writes one record for each interrupt that is allocated now. */
static int irq_lu_capture_vectors(struct irq_lu_out_dev *out, const char **reason)
{
	struct irq_lu_device_ser *ser = out->ser;
	u16 unit = irq_lu_unit_index(out->unit);
	struct irq_lu_vector_ser *rec;
	struct msi_desc *msi;
	unsigned int i;
	int ret;

	lockdep_assert_held(&irq_lu_out.lock);

	msi_for_each_desc(msi, out->dev, MSI_DESC_ASSOCIATED) {
		for (i = 0; i < msi->nvec_used; i++) {
			if (ser->nr_vectors >= out->nr_max) {
				*reason = "more vectors than it can have";
				dev_err(out->dev, "irq_liveupdate: %s\n", *reason);
				return -ENOSPC;
			}

			rec = &ser->vectors[ser->nr_vectors];
			ret = irq_lu_capture_vector(out->ops, msi, i, rec, reason);
			if (ret) {
				irq_lu_report_vector(msi, i, *reason, ret);
				return ret;
			}
			rec->unit = unit;
			ser->nr_vectors++;
		}
	}
	return 0;
}

/*
 * A device that never had an MSI has no descriptor store, and can get one at
 * any time. So @has_descs tells whether there was one to lock. A failure is
 * logged where it is found, with more detail than in @reason.
 */
static int irq_lu_capture_device(struct irq_lu_out_dev *out, bool has_descs,
				 const char **reason)
{
	int ret;

	/* The driver may use the other MSI type by now. */
	memset(out->ser, 0, sizeof(*out->ser));
	*reason = "neither MSI nor MSI-X";
	ret = out->ops->identify(out->dev, out->ser);
	if (ret) {
		dev_err(out->dev, "irq_liveupdate: %s\n", *reason);
		return ret;
	}
	out->ser->requester_id = out->ops->requester_id(out->dev);

	*reason = "device and kernel disagree";
	ret = out->ops->check(out->dev);
	if (ret) {
		irq_lu_report_enable(out->dev);
		return ret;
	}

	return has_descs ? irq_lu_capture_vectors(out, reason) : 0;
}

static int irq_lu_get_root(void)
{
	struct irq_lu_root_ser *root;
	int ret;

	if (irq_lu_out.root)
		return 0;

	root = kho_alloc_preserve(IRQ_LU_ROOT_SIZE);
	if (IS_ERR(root))
		return PTR_ERR(root);

	strscpy(root->compatible, IRQ_LU_COMPATIBLE);
	root->state = IRQ_LU_STATE_PREPARED;

	ret = kho_add_subtree(IRQ_LU_KHO_NODE, root, IRQ_LU_ROOT_SIZE);
	if (ret) {
		kho_unpreserve_free(root);
		return ret;
	}

	irq_lu_out.root = root;
	return 0;
}

static void irq_lu_put_root(void)
{
	if (!irq_lu_out.root || irq_lu_out.nr_devices)
		return;

	kho_remove_subtree(irq_lu_out.root);
	kho_unpreserve_free(irq_lu_out.root);
	kho_unpreserve_free(irq_lu_out.dir);
	irq_lu_out.root = NULL;
	irq_lu_out.dir = NULL;
	irq_lu_out.nr_slots = 0;
}

static struct irq_lu_unit_ser *irq_lu_get_unit(struct irq_domain *unit)
{
	struct irq_lu_root_ser *root = irq_lu_out.root;
	unsigned int i = irq_lu_unit_index(unit);

	if (i == root->nr_units)
		i = irq_lu_unit_index(NULL);
	if (i >= IRQ_LU_MAX_UNITS)
		return NULL;

	irq_lu_out.units[i] = unit;
	root->nr_units = max(root->nr_units, i + 1);
	return &root->units[i];
}

/*
 * The record of a unit is removed with its last device. The records of other
 * units keep their indices, because frozen vectors refer to them.
 */
static void irq_lu_put_unit(struct irq_domain *unit)
{
	unsigned int i = irq_lu_unit_index(unit);
	struct irq_lu_out_dev *out;

	list_for_each_entry(out, &irq_lu_out.devices, node) {
		if (out->unit == unit)
			return;
	}
	memset(&irq_lu_out.root->units[i], 0, sizeof(irq_lu_out.root->units[i]));
	irq_lu_out.units[i] = NULL;
}

static int irq_lu_preserve_unit(struct irq_lu_out_dev *out)
{
	struct irq_lu_unit_ser *ser = irq_lu_get_unit(out->unit);
	int ret;

	if (!ser)
		return -ENOSPC;

	ret = out->unit->ops->liveupdate->preserve(out->unit, out->dev, ser);
	if (ret)
		irq_lu_put_unit(out->unit);
	return ret;
}

static void irq_lu_unpreserve_unit(struct irq_lu_out_dev *out)
{
	out->unit->ops->liveupdate->unpreserve(out->unit, out->dev);
	irq_lu_put_unit(out->unit);
}

/* The directory is filled at shutdown, when memory cannot be allocated any more. */
static int irq_lu_reserve_slot(void)
{
	unsigned int nr_slots = max(2 * irq_lu_out.nr_slots, IRQ_LU_DIR_SLOTS);
	struct irq_lu_device_ref_ser *dir;

	if (irq_lu_out.nr_devices < irq_lu_out.nr_slots)
		return 0;
	if (nr_slots > IRQ_LU_MAX_DEVICES)
		return -ENOSPC;

	dir = kho_alloc_preserve(array_size(nr_slots, sizeof(*dir)));
	if (IS_ERR(dir))
		return PTR_ERR(dir);

	kho_unpreserve_free(irq_lu_out.dir);
	irq_lu_out.dir = dir;
	irq_lu_out.nr_slots = nr_slots;
	return 0;
}

static int irq_lu_alloc_record(struct irq_lu_out_dev *out)
{
	out->nr_max = out->ops->max_vectors(out->dev);
	out->ser = kho_alloc_preserve(struct_size(out->ser, vectors, out->nr_max));
	return PTR_ERR_OR_ZERO(out->ser);
}

/* @reason is set only by irq_lu_capture_device(). */
static int irq_lu_prepare(struct irq_lu_out_dev *out, bool has_descs, const char **reason)
{
	int ret;

	ret = irq_lu_get_root();
	if (ret)
		return ret;

	ret = irq_lu_reserve_slot();
	if (ret)
		goto put_root;

	ret = irq_lu_preserve_unit(out);
	if (ret)
		goto put_root;

	ret = irq_lu_alloc_record(out);
	if (ret)
		goto unpreserve_unit;

	ret = irq_lu_capture_device(out, has_descs, reason);
	if (ret)
		goto free_record;
	return 0;

free_record:
	kho_unpreserve_free(out->ser);
unpreserve_unit:
	irq_lu_unpreserve_unit(out);
put_root:
	irq_lu_put_root();
	return ret;
}

/* @logged is the reason if it has been logged already. */
static void irq_lu_refuse_preserve(struct device *dev, int err, const char *logged)
{
	if (logged)
		trace_irq_liveupdate_refuse(dev_name(dev), IRQ_LIVEUPDATE_PRESERVE, logged);
	else
		irq_liveupdate_report_refusal(dev, IRQ_LIVEUPDATE_PRESERVE, "its interrupts: %pe",
					      ERR_PTR(err));
}

static int irq_lu_add_device(struct irq_lu_out_dev *out)
{
	const char *reason = NULL;
	int ret;

	CLASS(irq_lu_descs, descs)(out->dev);
	guard(mutex)(&irq_lu_out.lock);

	if (irq_lu_find_out(out->dev)) {
		irq_liveupdate_report_refusal(out->dev, IRQ_LIVEUPDATE_PRESERVE,
					      "preserved already");
		return -EBUSY;
	}

	ret = irq_lu_prepare(out, descs, &reason);
	if (ret) {
		irq_lu_refuse_preserve(out->dev, ret, reason);
		return ret;
	}

	list_add_tail(&out->node, &irq_lu_out.devices);
	hash_add(irq_lu_outgoing, &out->hash, (unsigned long)out->dev);
	irq_lu_out.nr_devices++;
	trace_irq_liveupdate_preserve(out->dev, out->ser->nr_vectors);
	return 0;
}

/* Returns why the interrupts of a device cannot be preserved, or NULL, and the errno for that. */
static const char *irq_lu_find_obstacle(struct device *dev, int *err)
{
	*err = -EOPNOTSUPP;
	if (!irq_lu_enabled)
		return "switched off on the command line";
	if (irq_liveupdate_is_incoming(dev)) {
		*err = -EBUSY;
		return "the last live update is not finished";
	}
	return irq_lu_find_unit(dev_get_msi_domain(dev)) ? NULL : "no interrupt remapping";
}

/**
 * irq_liveupdate_find_obstacle - Find out why interrupts cannot be handed over
 * @dev:	Device
 *
 * Only checks what can be checked without visiting each interrupt. Changes
 * nothing.
 *
 * Context: May sleep.
 * Return: The reason, a constant string, or NULL when there is none.
 */
const char *irq_liveupdate_find_obstacle(struct device *dev)
{
	int err;

	return irq_lu_find_obstacle(dev, &err);
}

/**
 * irq_liveupdate_preserve - Prepare the interrupts of a device for a live update
 * @dev:	Device, bound to a driver
 * @ops:	Methods of its bus
 *
 * The device may have no interrupts yet. Until irq_liveupdate_freeze() its
 * interrupts work as usual, and can be allocated and freed.
 *
 * Context: May sleep. The MSI descriptors of @dev must not be locked.
 * Return: 0, or a negative errno if the interrupts cannot be handed over, which is
 * logged with the reason: -EOPNOTSUPP without interrupt remapping, with managed
 * affinity, or when switched off on the command line, -EBUSY if the device is
 * already preserved or the last live update is not finished, -EIO if the messages
 * in the device differ from those that the kernel has cached, -ENOSPC if there are
 * too many devices or units, or the device has more vectors than it can have,
 * -ENOMEM, or an error of the unit or the bus.
 */
int irq_liveupdate_preserve(struct device *dev,
			    const struct irq_liveupdate_dev_ops *ops)
{
	const char *reason;
	int ret;

	reason = irq_lu_find_obstacle(dev, &ret);
	if (reason) {
		irq_liveupdate_report_refusal(dev, IRQ_LIVEUPDATE_PRESERVE, "%s", reason);
		return ret;
	}

	struct irq_lu_out_dev *out __free(kfree) = kzalloc_obj(*out);
	if (!out) {
		irq_lu_refuse_preserve(dev, -ENOMEM, NULL);
		return -ENOMEM;
	}

	out->dev = dev;
	out->ops = ops;
	out->unit = irq_lu_find_unit(dev_get_msi_domain(dev));

	ret = irq_lu_add_device(out);
	if (ret)
		return ret;

	retain_and_null_ptr(out);
	return 0;
}

/**
 * irq_liveupdate_unpreserve - Undo irq_liveupdate_preserve()
 * @dev:	Device
 *
 * Context: May sleep.
 */
void irq_liveupdate_unpreserve(struct device *dev)
{
	struct irq_lu_out_dev *out;

	guard(mutex)(&irq_lu_out.lock);

	out = irq_lu_find_out(dev);
	if (WARN_ON_ONCE(!out))
		return;

	trace_irq_liveupdate_unpreserve(dev, out->ser->nr_vectors);
	list_del(&out->node);
	hash_del(&out->hash);
	irq_lu_out.nr_devices--;
	kho_unpreserve_free(out->ser);
	irq_lu_unpreserve_unit(out);
	kfree(out);
	irq_lu_put_root();
}
EXPORT_SYMBOL_GPL(irq_liveupdate_unpreserve);

static bool irq_lu_any_frozen(void)
{
	struct irq_lu_out_dev *out;

	list_for_each_entry(out, &irq_lu_out.devices, node) {
		if (out->frozen)
			return true;
	}
	return false;
}

/**
 * irq_liveupdate_freeze - Record the interrupts of a preserved device
 * @dev:	Device
 *
 * The caller makes sure that no interrupt of the device is allocated or freed
 * from here on. Interrupts continue to arrive.
 *
 * Context: May sleep, does not allocate memory. The MSI descriptors of @dev
 * must not be locked.
 * Return: 0 or a negative errno, see irq_liveupdate_preserve(). After an error
 * the device is preserved, but not frozen.
 */
int irq_liveupdate_freeze(struct device *dev)
{
	struct irq_lu_out_dev *out;
	const char *reason;
	int ret;

	CLASS(irq_lu_descs, descs)(dev);
	guard(mutex)(&irq_lu_out.lock);

	out = irq_lu_find_out(dev);
	if (WARN_ON_ONCE(!out))
		return -EINVAL;

	out->frozen = false;
	ret = irq_lu_capture_device(out, descs, &reason);
	if (ret) {
		trace_irq_liveupdate_refuse(dev_name(dev), IRQ_LIVEUPDATE_FREEZE, reason);
		return ret;
	}

	irq_lu_ser_seal_device(out->ser);
	/* One line for all: guests are paused, and the console may be slow. */
	if (!irq_lu_any_frozen())
		pr_info("freeze begins with %s\n", dev_name(dev));
	out->frozen = true;
	trace_irq_liveupdate_freeze(dev, out->ser->nr_vectors);
	return 0;
}

/**
 * irq_liveupdate_unfreeze - Undo irq_liveupdate_freeze()
 * @dev:	Device
 *
 * Context: May sleep.
 */
void irq_liveupdate_unfreeze(struct device *dev)
{
	struct irq_lu_out_dev *out;

	guard(mutex)(&irq_lu_out.lock);

	out = irq_lu_find_out(dev);
	if (WARN_ON_ONCE(!out))
		return;

	out->frozen = false;
	trace_irq_liveupdate_unfreeze(dev, out->ser->nr_vectors);
}
EXPORT_SYMBOL_GPL(irq_liveupdate_unfreeze);

/**
 * irq_lu_show_out - Print the devices that are preserved
 * @m:		The debugfs file
 *
 * Context: May sleep.
 */
void irq_lu_show_out(struct seq_file *m)
{
	struct irq_lu_out_dev *out;

	guard(mutex)(&irq_lu_out.lock);

	list_for_each_entry(out, &irq_lu_out.devices, node)
		seq_printf(m, "%s outgoing %s vectors %u\n", dev_name(out->dev),
			   out->frozen ? "frozen" : "preserved", out->ser->nr_vectors);
}

static void irq_lu_block_device(struct irq_lu_out_dev *out)
{
	struct irq_lu_device_ref_ser *ref = &irq_lu_out.dir[irq_lu_out.root->nr_devices++];
	const struct irq_domain_liveupdate_ops *ops = out->unit->ops->liveupdate;
	unsigned int nr = irq_lu_nr_at_once(out->ser);
	unsigned int i;

	for (i = 0; i < out->ser->nr_vectors; i += nr)
		ops->block(out->unit, &out->ser->vectors[i], nr);
	trace_irq_liveupdate_block(out->dev, out->ser->nr_vectors);

	ref->blob = virt_to_phys(out->ser);
	ref->len = out->ser->len;
	ref->reserved = 0;
}

/* Even if one unit fails, the others must not access memory of the next kernel. */
static bool irq_lu_sync_units(void)
{
	struct irq_domain *unit;
	bool synced = true;
	unsigned int i;
	int ret;

	for (i = 0; i < irq_lu_out.root->nr_units; i++) {
		unit = irq_lu_out.units[i];
		if (!unit)
			continue;
		ret = unit->ops->liveupdate->sync(unit);
		if (ret) {
			pr_err("interrupts not handed over: caches of unit %u not invalidated: %pe\n",
			       i, ERR_PTR(ret));
			synced = false;
		}
	}
	return synced;
}

/* All devices start cold in the next kernel. */
static void irq_lu_trace_unsynced(void)
{
	struct irq_lu_out_dev *out;

	list_for_each_entry(out, &irq_lu_out.devices, node) {
		if (out->frozen)
			trace_irq_liveupdate_refuse(dev_name(out->dev), IRQ_LIVEUPDATE_BLOCK,
						    "caches of a unit not invalidated");
	}
}

/**
 * irq_lu_block - The point of no return
 *
 * Every device is masked before the first entry is blocked, so that as much as
 * possible is latched by the devices and as little as possible is dropped.
 *
 * Context: May sleep, does not allocate memory.
 * Return: The root, NULL when nothing is handed over.
 */
VISIBLE_IF_KUNIT const struct irq_lu_root_ser *irq_lu_block(void)
{
	struct irq_lu_root_ser *root;
	struct irq_lu_out_dev *out;
	unsigned int nr_vectors = 0;

	guard(mutex)(&irq_lu_out.lock);

	root = irq_lu_out.root;
	if (!root)
		return NULL;

	list_for_each_entry(out, &irq_lu_out.devices, node) {
		if (out->frozen)
			out->ops->mask(out->dev);
	}

	list_for_each_entry(out, &irq_lu_out.devices, node) {
		if (!out->frozen)
			continue;
		irq_lu_block_device(out);
		nr_vectors += out->ser->nr_vectors;
	}

	root->device_dir = virt_to_phys(irq_lu_out.dir);
	if (irq_lu_sync_units()) {
		irq_lu_ser_seal_root(root, irq_lu_out.dir);
		pr_info("handed over: %u vectors of %u devices\n", nr_vectors, root->nr_devices);
	} else {
		irq_lu_trace_unsynced();
	}
	return root;
}

static void irq_lu_shutdown(void *data)
{
	if (kexec_in_progress)
		irq_lu_block();
}

static const struct syscore_ops irq_lu_syscore_ops = {
	.shutdown = irq_lu_shutdown,
};

static struct syscore irq_lu_syscore = {
	.ops = &irq_lu_syscore_ops,
};

static int __init irq_lu_syscore_init(void)
{
	register_syscore(&irq_lu_syscore);
	return 0;
}
core_initcall(irq_lu_syscore_init);
