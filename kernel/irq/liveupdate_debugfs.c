// SPDX-License-Identifier: GPL-2.0

/* Interrupt live update, debugfs files of both halves */

#include <kunit/visibility.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "liveupdate_in.h"

#define IRQ_LU_AUDIT_TRIES	3
#define IRQ_LU_AUDIT_PAUSE_US	5000

static const char *irq_lu_in_state(struct irq_lu_in_dev *in)
{
	if (in->refused)
		return "refused";
	if (!in->dev)
		return "missing";
	if (in->finished)
		return "finished";
	return in->checked ? "adopted" : "matched";
}

static int irq_lu_devices_show(struct seq_file *m, void *p)
{
	struct irq_lu_in_dev *in;

	irq_lu_show_out(m);

	guard(mutex)(&irq_lu_in.lock);

	list_for_each_entry(in, &irq_liveupdate_incoming, node)
		seq_printf(m, "%04x:%02x:%02x.%d incoming %s vectors %u\n", in->ser->segment,
			   PCI_BUS_NUM(in->ser->devid), PCI_SLOT(in->ser->devid),
			   PCI_FUNC(in->ser->devid), irq_lu_in_state(in),
			   in->ser->nr_vectors);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(irq_lu_devices);

/*
 * The audit takes the MSI descriptor lock, which nests outside of
 * irq_lu_in.lock, so irq_lu_in.lock is dropped between two devices.
 */
static struct device *irq_lu_get_matched_nth(unsigned int n,
					     const struct irq_liveupdate_dev_ops **ops)
{
	struct irq_lu_in_dev *in;

	guard(mutex)(&irq_lu_in.lock);

	list_for_each_entry(in, &irq_liveupdate_incoming, node) {
		if (in->dev && !n--) {
			*ops = in->ops;
			return get_device(in->dev);
		}
	}
	return NULL;
}

/* A task that unbinds the device holds its lock, and may wait for its user for long. */
static int irq_lu_try_audit(struct device *dev, const struct irq_liveupdate_dev_ops *ops,
			    bool report)
{
	int nr;

	if (!device_trylock(dev))
		return -EAGAIN;

	nr = irq_lu_audit(dev, ops, report);
	device_unlock(dev);
	return nr;
}

/*
 * Nothing keeps the driver from enabling or disabling vectors meanwhile. The audit waits
 * for that, except for the moments before and after it during which the MSI descriptors
 * are not locked. So report only a difference that stays.
 */
VISIBLE_IF_KUNIT int irq_lu_audit_running(struct device *dev,
					  const struct irq_liveupdate_dev_ops *ops)
{
	unsigned int tries = IRQ_LU_AUDIT_TRIES;
	int nr;

	while ((nr = irq_lu_try_audit(dev, ops, tries == 1)) == -EIO && --tries)
		usleep_range(IRQ_LU_AUDIT_PAUSE_US, 2 * IRQ_LU_AUDIT_PAUSE_US);

	return nr;
}

static void irq_lu_audit_show_one(struct seq_file *m, struct device *dev,
				  const struct irq_liveupdate_dev_ops *ops)
{
	int nr = irq_lu_audit_running(dev, ops);

	if (nr == -EAGAIN)
		seq_printf(m, "%s cannot be read\n", dev_name(dev));
	else if (nr < 0)
		seq_printf(m, "%s device and kernel disagree\n", dev_name(dev));
	else
		seq_printf(m, "%s vectors %d agree\n", dev_name(dev), nr);
}

static int irq_lu_audit_show(struct seq_file *m, void *p)
{
	const struct irq_liveupdate_dev_ops *ops;
	struct device *dev;
	unsigned int n;

	for (n = 0; (dev = irq_lu_get_matched_nth(n, &ops)); n++) {
		irq_lu_audit_show_one(m, dev, ops);
		put_device(dev);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(irq_lu_audit);

static int irq_lu_counters_show(struct seq_file *m, void *p)
{
	const struct irq_lu_counters *counters = &irq_lu_in.counters;
	unsigned int how;

	guard(mutex)(&irq_lu_in.lock);

	for (how = 0; how < IRQ_LU_INJECTIONS; how++)
		seq_printf(m, "injected %s %lu\n", irq_lu_injections[how],
			   counters->injected[how]);
	seq_printf(m, "pending at finish %lu\n", counters->was_pending);
	seq_printf(m, "revoked %lu\n", counters->revoked);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(irq_lu_counters);

static int __init irq_lu_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("irq_liveupdate", NULL);

	debugfs_create_file("devices", 0400, dir, NULL, &irq_lu_devices_fops);
	debugfs_create_file("audit", 0400, dir, NULL, &irq_lu_audit_fops);
	debugfs_create_file("counters", 0400, dir, NULL, &irq_lu_counters_fops);
	return 0;
}
late_initcall(irq_lu_debugfs_init);
