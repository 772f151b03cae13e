/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupt live update, shared by the half that hands over (liveupdate.c) and
 * the half that takes over (liveupdate_in.h).
 */

#ifndef _KERNEL_IRQ_LIVEUPDATE_H
#define _KERNEL_IRQ_LIVEUPDATE_H

#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/irq_liveupdate.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/workqueue.h>

struct seq_file;

/**
 * struct irq_lu_memory - Memory of the previous kernel
 * @map:	Make @len bytes of the memory block at @phys readable. Returns NULL when this
 *		is not memory which was kept for this kernel, or when it was taken already.
 *		Used while loading only.
 * @take:	The same, and become its owner
 * @free:	Free one memory block which @take has returned
 */
struct irq_lu_memory {
	void	*(*map)(u64 phys, size_t len);
	void	*(*take)(u64 phys, size_t len);
	void	(*free)(void *mem);
};

extern bool irq_lu_enabled;

int irq_lu_audit(struct device *dev, const struct irq_liveupdate_dev_ops *ops, bool report);
void irq_lu_show_out(struct seq_file *m);

#if IS_ENABLED(CONFIG_KUNIT)
extern const struct irq_lu_memory irq_lu_kho_memory;
extern struct work_struct irq_lu_report_work;
extern struct rcu_work irq_lu_free_work;

const struct irq_lu_root_ser *irq_lu_block(void);
int irq_lu_find_root(phys_addr_t *phys, size_t *size);
void irq_lu_load(u64 phys, size_t size, const struct irq_lu_memory *memory);
int irq_lu_audit_running(struct device *dev, const struct irq_liveupdate_dev_ops *ops);

/* Tests take over more than once. */
static inline void irq_lu_wait_until_freed(void)
{
	flush_work(&irq_lu_report_work);
	flush_rcu_work(&irq_lu_free_work);
}
#endif

/* The interrupt remapping unit at or above @d, NULL when there is none. */
static inline struct irq_domain *irq_lu_find_unit(struct irq_domain *d)
{
	for (; d; d = d->parent) {
		if (d->ops->liveupdate && d->ops->liveupdate->preserve)
			return d;
	}
	return NULL;
}

static inline struct device *irq_lu_lock_descs(struct device *dev)
{
	if (!dev->msi.data)
		return NULL;

	__msi_lock_descs(dev);
	return dev;
}

static inline void irq_lu_unlock_descs(struct device *dev)
{
	if (dev)
		__msi_unlock_descs(dev);
}

/*
 * While this is in scope, no vector of the device is allocated or freed. It is NULL
 * if the device never had any, and has no MSI descriptors to lock.
 */
DEFINE_CLASS(irq_lu_descs, struct device *, irq_lu_unlock_descs(_T),
	     irq_lu_lock_descs(dev), struct device *dev)

/* How many vectors of a device have their table entries allocated at once. */
static inline unsigned int irq_lu_nr_at_once(const struct irq_lu_device_ser *ser)
{
	return ser->msi_type == IRQ_LU_MSI ? ser->nr_vectors : 1;
}

#endif /* _KERNEL_IRQ_LIVEUPDATE_H */
