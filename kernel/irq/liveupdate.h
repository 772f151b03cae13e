/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupt live update, shared by the half that hands over (liveupdate.c) and
 * the half that takes over (liveupdate_in.c).
 */

#ifndef _KERNEL_IRQ_LIVEUPDATE_H
#define _KERNEL_IRQ_LIVEUPDATE_H

#include <linux/irq_liveupdate.h>
#include <linux/irqdomain.h>

struct seq_file;

extern bool irq_lu_enabled;

int irq_lu_audit(struct device *dev, const struct irq_liveupdate_dev_ops *ops);
bool irq_lu_is_incoming(struct device *dev);
void irq_lu_show_out(struct seq_file *m);

/* The interrupt remapping unit at or above @d, NULL when there is none. */
static inline struct irq_domain *irq_lu_find_unit(struct irq_domain *d)
{
	for (; d; d = d->parent) {
		if (d->ops->liveupdate && d->ops->liveupdate->preserve)
			return d;
	}
	return NULL;
}

#endif /* _KERNEL_IRQ_LIVEUPDATE_H */
