// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the core of interrupt live update: the real core, genirq and MSI
 * code on a fake machine. That has a CPU domain, two interrupt remapping units
 * whose tables are arrays, and devices whose MSI-X table is an array.
 *
 * What the previous kernel left is either written by the test (image_*()), or
 * by the core itself, from where reboot() copies it.
 */

#include <kunit/device.h>
#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/irq_liveupdate/outcome.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irq_work.h>
#include <linux/irqdomain.h>
#include <linux/kexec_handover.h>
#include <linux/memblock.h>
#include <linux/msi.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "internals.h"
#include "liveupdate_in.h"
#include "liveupdate_ser.h"

#include <trace/events/irq_liveupdate.h>

/*
 * All numbers below irq_base are in use: a search finds the first one which is
 * not reserved from there on.
 */
static unsigned int irq_base;

#define IRQ_RECORDED	(irq_base + 16)
#define IRQ_OTHER	(irq_base + 32)
#define IRQ_TAKEN	(irq_base + 48)

#define NR_UNITS	2
#define NR_ENTRIES	64
#define NR_VECS		3
#define HWSIZE		32
#define NR_MEM_BLOCKS	8
#define NR_EVENTS	32
#define NR_IPIS		256
#define NR_FILLERS	128

/* Of the hash in which the core finds a device by its address */
#define DEVICE_HASH_BITS 8

#define TARGET		0x77

/* A table entry: state, and source id in the high half */
#define ENTRY_PRESENT	BIT_ULL(0)
#define ENTRY_FPD	BIT_ULL(1)
#define ENTRY(source, state)	((u64)(source) << 32 | (state))

enum fake_event_type {
	MASKED,
	BLOCKED,
	SYNCED,
};

struct fake_event {
	enum fake_event_type	type;
	const void		*who;
	u32			state;
};

/* Physically contiguous memory which the previous kernel left */
struct mem_block {
	void			*mem;
	size_t			size;
	bool			freed;
};

struct fake_unit {
	struct irq_domain	*domain;
	struct fake_machine	*machine;
	u64			reg_base;
	int			refusal;
	bool			sync_fails;
	unsigned int		nr_devices;
	unsigned int		nr_finished;
	struct irq_lu_unit_ser	*ser;
	u64			table[NR_ENTRIES];
	DECLARE_BITMAP(used, NR_ENTRIES);
	DECLARE_BITMAP(held, NR_ENTRIES);
	DECLARE_BITMAP(latched, NR_ENTRIES);
};

struct fake_device {
	struct device			*dev;
	struct fake_machine		*machine;
	struct fake_unit		*unit;
	struct irq_lu_device_ser	head;
	struct msi_msg			hw[HWSIZE];
	atomic_t			count[HWSIZE];
	struct msi_device_data		*late_descs;
	unsigned long			requested;
	unsigned int			nr_captured;
	bool				msi_broken;
	bool				masked;
	bool				disabled;
	bool				allocated;
	bool				preserved;
};

struct fake_machine {
	struct kunit		*test;
	unsigned int		fillers[NR_FILLERS];
	unsigned int		nr_fillers;
	struct irq_domain	*cpus;
	struct fake_unit	units[NR_UNITS];

	/* Interrupts on their way to a CPU */
	struct irq_work		ipi;
	bool			ipi_held;
	bool			ipi_refused;
	raw_spinlock_t		ipi_lock;	/* protects the two below */
	unsigned int		ipi_pending[NR_IPIS];
	unsigned int		nr_pending;
	atomic_t		nr_ipis;

	struct fake_event	events[NR_EVENTS];
	unsigned int		nr_events;

	struct mem_block	blocks[NR_MEM_BLOCKS];
	unsigned int		nr_blocks;
	struct irq_lu_root_ser	*root;
	struct irq_lu_device_ref_ser *table;

	/* A driver which wants to allocate or free vectors */
	struct device		*driver_dev;
	struct work_struct	driver;
	struct task_struct	*driver_task;
	struct completion	driver_runs;
	bool			driver_waited;
};

/* Of the test which runs, for what runs in another task. */
static struct fake_machine *the_machine;

static void add_event(struct fake_machine *m, enum fake_event_type type,
		      const void *who, u32 state)
{
	if (m->nr_events < NR_EVENTS)
		m->events[m->nr_events++] = (struct fake_event){ type, who, state };
}

/*
 * The CPUs: an interrupt which is retriggered is delivered from hard interrupt
 * context, and as often as it was retriggered.
 */

static void deliver_ipis(struct irq_work *work)
{
	struct fake_machine *m = container_of(work, struct fake_machine, ipi);

	raw_spin_lock(&m->ipi_lock);
	while (m->nr_pending) {
		unsigned int irq = m->ipi_pending[--m->nr_pending];

		raw_spin_unlock(&m->ipi_lock);
		generic_handle_irq(irq);
		raw_spin_lock(&m->ipi_lock);
	}
	raw_spin_unlock(&m->ipi_lock);
}

static int cpu_retrigger(struct irq_data *irqd)
{
	struct fake_machine *m = irqd->domain->host_data;

	scoped_guard(raw_spinlock_irqsave, &m->ipi_lock) {
		if (m->ipi_refused || m->nr_pending == NR_IPIS)
			return 0;
		m->ipi_pending[m->nr_pending++] = irqd->irq;
	}
	atomic_inc(&m->nr_ipis);
	if (!m->ipi_held)
		irq_work_queue_on(&m->ipi,
				  cpumask_first(irq_data_get_effective_affinity_mask(irqd)));
	return 1;
}

static int cpu_set_affinity(struct irq_data *irqd, const struct cpumask *dest, bool force)
{
	irq_data_update_effective_affinity(irqd, cpumask_of(cpumask_first(dest)));
	return IRQ_SET_MASK_OK;
}

static void noop(struct irq_data *irqd) { }

static struct irq_chip cpu_chip = {
	.name			= "fake-cpu",
	.irq_ack		= noop,
	.irq_retrigger		= cpu_retrigger,
	.irq_set_affinity	= cpu_set_affinity,
};

static int cpu_alloc(struct irq_domain *d, unsigned int irq, unsigned int nr, void *arg)
{
	for (unsigned int i = 0; i < nr; i++)
		irq_domain_set_hwirq_and_chip(d, irq + i, irq + i, &cpu_chip, NULL);
	return 0;
}

static void cpu_free(struct irq_domain *d, unsigned int irq, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		irq_domain_reset_irq_data(irq_domain_get_irq_data(d, irq + i));
}

static void cpu_save(struct irq_domain *d, struct irq_data *irqd,
		     struct irq_lu_vector_ser *rec)
{
	rec->target = TARGET;
}

static const struct irq_domain_liveupdate_ops cpu_liveupdate_ops = {
	.save	= cpu_save,
};

static const struct irq_domain_ops cpu_domain_ops = {
	.alloc		= cpu_alloc,
	.free		= cpu_free,
	.liveupdate	= &cpu_liveupdate_ops,
};

/*
 * The interrupt remapping units
 */

static u32 source_of(const struct fake_device *fake)
{
	return 0x40000 | fake->head.requester_id;
}

static void write_entry(struct fake_unit *unit, unsigned int handle, u64 entry)
{
	if (!test_bit(handle, unit->latched))
		unit->table[handle] = entry;
}

static void unit_compose(struct irq_data *irqd, struct msi_msg *msg)
{
	*msg = (struct msi_msg){ .address_lo = 0xfee00010 | irqd->hwirq << 5 };
}

static struct irq_chip unit_chip = {
	.name			= "fake-unit",
	.irq_ack		= irq_chip_ack_parent,
	.irq_set_affinity	= irq_chip_set_affinity_parent,
	.irq_compose_msi_msg	= unit_compose,
};

static int find_entries(struct fake_unit *unit, unsigned int irq, unsigned int nr)
{
	int handle = irq_liveupdate_handle(irq);

	if (handle < 0)
		handle = bitmap_find_next_zero_area(unit->used, NR_ENTRIES, 0, nr, 0);
	return handle + nr <= NR_ENTRIES ? handle : -ENOSPC;
}

static int unit_alloc(struct irq_domain *d, unsigned int irq, unsigned int nr, void *arg)
{
	struct fake_unit *unit = d->host_data;
	msi_alloc_info_t *info = arg;
	int handle, ret;

	ret = irq_domain_alloc_irqs_parent(d, irq, nr, arg);
	if (ret)
		return ret;

	handle = find_entries(unit, irq, nr);
	if (handle < 0) {
		irq_domain_free_irqs_parent(d, irq, nr);
		return handle;
	}

	bitmap_set(unit->used, handle, nr);
	for (unsigned int i = 0; i < nr; i++)
		irq_domain_set_hwirq_and_chip(d, irq + i, handle + i, &unit_chip,
					      dev_get_drvdata(info->desc->dev));
	return 0;
}

static void unit_free(struct irq_domain *d, unsigned int irq, unsigned int nr)
{
	struct fake_unit *unit = d->host_data;

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int handle = irq_domain_get_irq_data(d, irq + i)->hwirq;

		if (!test_bit(handle, unit->held)) {
			write_entry(unit, handle, 0);
			clear_bit(handle, unit->used);
		}
	}
	irq_domain_free_irqs_common(d, irq, nr);
}

static int unit_activate(struct irq_domain *d, struct irq_data *irqd, bool reserve)
{
	write_entry(d->host_data, irqd->hwirq, ENTRY(source_of(irqd->chip_data), ENTRY_PRESENT));
	return 0;
}

static void unit_deactivate(struct irq_domain *d, struct irq_data *irqd)
{
	write_entry(d->host_data, irqd->hwirq, ENTRY(source_of(irqd->chip_data), ENTRY_FPD));
}

static void unit_save(struct irq_domain *d, struct irq_data *irqd,
		      struct irq_lu_vector_ser *rec)
{
	rec->handle = irqd->hwirq;
	rec->source = source_of(irqd->chip_data);
}

static int unit_preserve(struct irq_domain *d, struct device *dev,
			 struct irq_lu_unit_ser *ser)
{
	struct fake_unit *unit = d->host_data;

	if (unit->refusal)
		return unit->refusal;

	unit->nr_devices++;
	ser->backend = IRQ_LU_BACKEND_VTD;
	ser->reg_base = unit->reg_base;
	ser->table = virt_to_phys(unit->table);
	ser->nr_entries = NR_ENTRIES;
	unit->ser = ser;
	return 0;
}

static void unit_unpreserve(struct irq_domain *d, struct device *dev)
{
	struct fake_unit *unit = d->host_data;

	if (!--unit->nr_devices)
		unit->ser = NULL;
}

static void unit_block(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
		       unsigned int nr)
{
	struct fake_unit *unit = d->host_data;

	add_event(unit->machine, BLOCKED, unit, rec->handle);
	for (unsigned int i = 0; i < nr; i++)
		unit->table[rec[i].handle] = ENTRY(rec[i].source, ENTRY_FPD);
	bitmap_set(unit->latched, rec->handle, nr);
}

static int unit_sync(struct irq_domain *d)
{
	struct fake_unit *unit = d->host_data;
	struct irq_lu_root_ser *root = PTR_ALIGN_DOWN((void *)unit->ser, IRQ_LU_ROOT_SIZE);

	add_event(unit->machine, SYNCED, unit, root ? root->state : 0);
	return unit->sync_fails ? -EIO : 0;
}

static int unit_reserve(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			unsigned int nr)
{
	struct fake_unit *unit = d->host_data;

	for (unsigned int i = 0; i < nr; i++) {
		if (test_bit(rec[i].handle, unit->used))
			return -EEXIST;
		if (unit->table[rec[i].handle] != ENTRY(rec[i].source, ENTRY_FPD))
			return -EINVAL;
	}

	bitmap_set(unit->used, rec->handle, nr);
	bitmap_set(unit->held, rec->handle, nr);
	return 0;
}

static bool unit_check(struct irq_domain *d, struct device *dev,
		       const struct irq_lu_vector_ser *rec)
{
	return rec->source == source_of(dev_get_drvdata(dev));
}

static void run_driver(struct work_struct *work)
{
	struct fake_machine *m = container_of(work, struct fake_machine, driver);

	WRITE_ONCE(m->driver_task, current);
	guard(msi_descs_lock)(m->driver_dev);
	complete(&m->driver_runs);
}

/* The driver sleeps nowhere but in its lock. */
static bool driver_waits(struct fake_machine *m)
{
	struct task_struct *task = READ_ONCE(m->driver_task);

	return task && READ_ONCE(task->__state) == TASK_UNINTERRUPTIBLE;
}

/* Lets the driver run, until it is done or waits for its lock. */
static void try_driver(struct fake_machine *m)
{
	bool waits;

	if (!m->driver_dev || !schedule_work(&m->driver))
		return;

	/* A mutex whose owner runs is spun on, so sleep. */
	do {
		usleep_range(1000, 2000);
		waits = driver_waits(m);
	} while (!waits && !completion_done(&m->driver_runs));

	/* Its task may do something else, and sleep there, once it is done. */
	m->driver_waited = waits && !completion_done(&m->driver_runs);
}

static void unit_release(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			 unsigned int nr, bool revoke)
{
	struct fake_unit *unit = d->host_data;

	try_driver(unit->machine);
	bitmap_clear(unit->held, rec->handle, nr);
	if (!revoke)
		return;

	memset(&unit->table[rec->handle], 0, nr * sizeof(unit->table[0]));
	bitmap_clear(unit->used, rec->handle, nr);
}

static void unit_finish(struct irq_domain *d)
{
	struct fake_unit *unit = d->host_data;

	unit->nr_finished++;
}

static const struct irq_domain_liveupdate_ops unit_liveupdate_ops = {
	.save		= unit_save,
	.preserve	= unit_preserve,
	.unpreserve	= unit_unpreserve,
	.block		= unit_block,
	.sync		= unit_sync,
	.reserve	= unit_reserve,
	.check		= unit_check,
	.release	= unit_release,
	.finish		= unit_finish,
};

static const struct irq_domain_ops unit_domain_ops = {
	.alloc		= unit_alloc,
	.free		= unit_free,
	.activate	= unit_activate,
	.deactivate	= unit_deactivate,
	.liveupdate	= &unit_liveupdate_ops,
};

static bool unit_init_dev_msi_info(struct device *dev, struct irq_domain *d,
				   struct irq_domain *parent, struct msi_domain_info *info)
{
	return true;
}

static const struct msi_parent_ops unit_msi_parent_ops = {
	.bus_select_token	= DOMAIN_BUS_GENERIC_MSI,
	.init_dev_msi_info	= unit_init_dev_msi_info,
};

/*
 * The devices
 */

static void device_set_desc(msi_alloc_info_t *arg, struct msi_desc *desc)
{
	arg->desc = desc;
	arg->hwirq = desc->msi_index;
}

static void device_write_msg(struct irq_data *irqd, struct msi_msg *msg)
{
	struct fake_device *fake = irqd->chip_data;
	struct msi_desc *desc = irq_data_get_msi_desc(irqd);

	/* The messages of MSI have one register, which is that of the first. */
	if (desc->irq != irqd->irq)
		return;
	desc->msg = *msg;
	fake->hw[desc->msi_index] = *msg;
}

static const struct msi_domain_template device_msi_template = {
	.chip = {
		.name			= "fake-msi",
		.irq_ack		= irq_chip_ack_parent,
		.irq_mask		= noop,
		.irq_unmask		= noop,
		.irq_retrigger		= irq_chip_retrigger_hierarchy,
		.irq_write_msi_msg	= device_write_msg,
	},
	.ops = {
		.set_desc		= device_set_desc,
	},
	.info = {
		.flags			= MSI_FLAG_USE_DEF_DOM_OPS | MSI_FLAG_USE_DEF_CHIP_OPS |
					  MSI_FLAG_FREE_MSI_DESCS,
		.bus_token		= DOMAIN_BUS_PCI_DEVICE_MSIX,
		.handler		= handle_edge_irq,
		.handler_name		= "edge",
	},
};

static int device_identify(struct device *dev, struct irq_lu_device_ser *ser)
{
	struct fake_device *fake = dev_get_drvdata(dev);

	*ser = fake->head;
	return 0;
}

static unsigned int device_max_vectors(struct device *dev)
{
	struct fake_device *fake = dev_get_drvdata(dev);

	/* Meanwhile the driver allocates its first vectors. */
	if (fake->late_descs)
		dev->msi.data = fake->late_descs;
	return HWSIZE;
}

static int device_capture(struct msi_desc *desc, unsigned int i,
			  struct irq_lu_vector_ser *rec)
{
	struct fake_device *fake = dev_get_drvdata(desc->dev);
	const struct msi_msg *hw = &fake->hw[desc->msi_index];

	fake->nr_captured++;
	if (memcmp(hw, &desc->msg, sizeof(*hw)))
		return -EIO;

	rec->msg_addr_lo = hw->address_lo;
	rec->msg_addr_hi = hw->address_hi;
	rec->msg_data = hw->data;
	return 0;
}

static int device_check(struct device *dev)
{
	struct fake_device *fake = dev_get_drvdata(dev);

	return fake->msi_broken ? -EIO : 0;
}

static void device_mask(struct device *dev)
{
	struct fake_device *fake = dev_get_drvdata(dev);

	add_event(fake->machine, MASKED, fake, 0);
	fake->masked = true;
}

static void device_disable(struct device *dev)
{
	struct fake_device *fake = dev_get_drvdata(dev);

	fake->disabled = true;
}

static int device_begin_audit(struct device *dev)
{
	return 0;
}

static void device_end_audit(struct device *dev)
{
}

static const struct irq_liveupdate_dev_ops device_ops = {
	.identify	= device_identify,
	.max_vectors	= device_max_vectors,
	.capture	= device_capture,
	.check		= device_check,
	.mask		= device_mask,
	.disable	= device_disable,
	.lock		= device_begin_audit,
	.unlock		= device_end_audit,
};

static const struct irq_lu_device_ser msi_head = {
	.devid		= 0x0310,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSI,
	.hwsize		= HWSIZE,
	.requester_id	= 0x0310,
};

static const struct irq_lu_device_ser msix_head = {
	.devid		= 0x0310,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSIX,
	.hwsize		= HWSIZE,
	.requester_id	= 0x0310,
};

static const struct irq_lu_device_ser other_head = {
	.devid		= 0x0400,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSIX,
	.hwsize		= HWSIZE,
	.requester_id	= 0x0400,
};

static const struct irq_lu_device_ser third_head = {
	.devid		= 0x0500,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSIX,
	.hwsize		= HWSIZE,
	.requester_id	= 0x0500,
};

static unsigned int irq_of(struct fake_device *fake, unsigned int index)
{
	if (fake->head.msi_type == IRQ_LU_MSI)
		return msi_get_virq(fake->dev, 0) + index;
	return msi_get_virq(fake->dev, index);
}

static u32 handle_of(struct fake_device *fake, unsigned int index)
{
	return irq_domain_get_irq_data(fake->unit->domain, irq_of(fake, index))->hwirq;
}

static irqreturn_t count_irq(int irq, void *count)
{
	atomic_inc(count);
	return IRQ_HANDLED;
}

static int fake_request_with(struct fake_device *fake, unsigned int index,
			     irq_handler_t handler, unsigned long flags)
{
	int ret = request_irq(irq_of(fake, index), handler, flags, "fake",
			      &fake->count[index]);

	if (!ret)
		set_bit(index, &fake->requested);
	return ret;
}

static int fake_request(struct fake_device *fake, unsigned int index, unsigned long flags)
{
	return fake_request_with(fake, index, count_irq, flags);
}

static void fake_release_irq(struct fake_device *fake, unsigned int index)
{
	free_irq(irq_of(fake, index), &fake->count[index]);
	clear_bit(index, &fake->requested);
}

/* As pci_alloc_irq_vectors() does it: one descriptor per vector, or one for all. */
static int fake_alloc_vectors(struct fake_device *fake, unsigned int nr)
{
	bool is_msix = fake->head.msi_type == IRQ_LU_MSIX;
	unsigned int nr_descs = is_msix ? nr : 1;
	int ret = 0;

	guard(msi_descs_lock)(fake->dev);

	for (unsigned int i = 0; i < nr_descs; i++) {
		struct msi_desc desc = {
			.msi_index	= i,
			.nvec_used	= is_msix ? 1 : nr,
			.pci.msi_attrib	= { .is_msix = is_msix },
		};

		ret = msi_insert_msi_desc(fake->dev, &desc);
		if (ret)
			break;
	}
	if (!ret)
		ret = msi_domain_alloc_irqs_all_locked(fake->dev, MSI_DEFAULT_DOMAIN, nr_descs);
	if (ret)
		msi_domain_free_irqs_all_locked(fake->dev, MSI_DEFAULT_DOMAIN);
	fake->allocated = !ret;
	return ret;
}

static void fake_free_vectors(struct fake_device *fake)
{
	unsigned int i;

	for_each_set_bit(i, &fake->requested, HWSIZE)
		fake_release_irq(fake, i);
	if (fake->allocated)
		msi_domain_free_irqs_all(fake->dev, MSI_DEFAULT_DOMAIN);
	fake->allocated = false;
}

/* FINISH of a device whose owner has gone, or will not come. */
static void fake_end(struct fake_device *fake)
{
	irq_liveupdate_finish(fake->dev);
	irq_liveupdate_release(fake->dev);
}

static void fake_remove(void *data)
{
	struct fake_device *fake = data;

	fake_end(fake);
	fake_free_vectors(fake);
	if (fake->preserved)
		irq_liveupdate_unpreserve(fake->dev);
	msi_remove_device_irq_domain(fake->dev, MSI_DEFAULT_DOMAIN);
}

static struct fake_device *fake_add(struct kunit *test, const char *name,
				    const struct irq_lu_device_ser *head, unsigned int unit)
{
	struct fake_device *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	struct fake_machine *m = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->machine = m;
	fake->unit = &m->units[unit];
	fake->head = *head;
	fake->dev = kunit_device_register(test, name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->dev);

	dev_set_drvdata(fake->dev, fake);
	dev_set_msi_domain(fake->dev, fake->unit->domain);
	KUNIT_ASSERT_TRUE(test, msi_create_device_irq_domain(fake->dev, MSI_DEFAULT_DOMAIN,
							     &device_msi_template, HWSIZE,
							     NULL, fake));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_remove, fake));
	return fake;
}

static void fake_unplug(struct kunit *test, struct fake_device *fake)
{
	kunit_release_action(test, fake_remove, fake);
	kunit_device_unregister(test, fake->dev);
}

/*
 * The machine
 */

static void free_domain(void *data)
{
	struct irq_domain *d = data;
	struct fwnode_handle *fwnode = d->fwnode;

	irq_domain_remove(d);
	irq_domain_free_fwnode(fwnode);
}

static void add_cpus(struct kunit *test, struct fake_machine *m)
{
	struct fwnode_handle *fwnode = irq_domain_alloc_named_fwnode("fake-cpu");

	KUNIT_ASSERT_NOT_NULL(test, fwnode);
	raw_spin_lock_init(&m->ipi_lock);
	init_irq_work(&m->ipi, deliver_ipis);
	m->cpus = irq_domain_create_tree(fwnode, &cpu_domain_ops, m);
	KUNIT_ASSERT_NOT_NULL(test, m->cpus);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_domain, m->cpus));
}

static void add_unit(struct kunit *test, struct fake_machine *m, unsigned int i)
{
	struct fwnode_handle *fwnode = irq_domain_alloc_named_id_fwnode("fake-unit", i);
	struct fake_unit *unit = &m->units[i];
	struct irq_domain_info info = {
		.fwnode		= fwnode,
		.size		= NR_ENTRIES,
		.ops		= &unit_domain_ops,
		.host_data	= unit,
		.parent		= m->cpus,
	};

	KUNIT_ASSERT_NOT_NULL(test, fwnode);
	unit->machine = m;
	unit->reg_base = 0xfed90000 + i * SZ_4K;
	unit->domain = msi_create_parent_irq_domain(&info, &unit_msi_parent_ops);
	KUNIT_ASSERT_NOT_NULL(test, unit->domain);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_domain, unit->domain));
}

static void free_mem_block(void *data)
{
	struct mem_block *block = data;

	free_pages_exact(block->mem, block->size);
}

static void *add_mem_block(struct kunit *test, size_t size)
{
	struct fake_machine *m = test->priv;
	struct mem_block *block = &m->blocks[m->nr_blocks];

	KUNIT_ASSERT_LT(test, m->nr_blocks, NR_MEM_BLOCKS);
	block->size = size;
	block->mem = alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, block->mem);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_mem_block, block));
	m->nr_blocks++;
	return block->mem;
}

static void *map_mem_block(u64 phys, size_t len)
{
	struct fake_machine *m = kunit_get_current_test()->priv;

	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		if (virt_to_phys(m->blocks[i].mem) == phys && len <= m->blocks[i].size)
			return m->blocks[i].mem;
	}
	return NULL;
}

/* From a work item: whoever ends the live update does not wait for it, and holds locks. */
static void forget_mem_block(void *mem)
{
	struct fake_machine *m = the_machine;

	KUNIT_EXPECT_TRUE(m->test, current->flags & PF_WQ_WORKER);
	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		if (m->blocks[i].mem == mem) {
			KUNIT_EXPECT_FALSE(m->test, m->blocks[i].freed);
			m->blocks[i].freed = true;
			return;
		}
	}
	KUNIT_FAIL(m->test, "freed what was not handed over");
}

static const struct irq_lu_memory fake_memory = {
	.map	= map_mem_block,
	.free	= forget_mem_block,
};

static void expect_all_freed_but(struct kunit *test, const void *kept)
{
	struct fake_machine *m = test->priv;

	irq_lu_wait_until_freed();
	for (unsigned int i = 0; i < m->nr_blocks; i++)
		KUNIT_EXPECT_EQ_MSG(test, m->blocks[i].freed, m->blocks[i].mem != kept,
				    "block %u", i);
}

static void expect_all_freed(struct kunit *test)
{
	expect_all_freed_but(test, NULL);
}

/*
 * What the previous kernel left
 */

static struct irq_lu_vector_ser vector = {
	.msg_addr_lo	= 0xfee00230,
	.handle		= 17,
	.source		= 0x40310,
	.target		= TARGET,
	.flags		= IRQ_LU_VECTOR_ACTIVATED,
};

static struct irq_lu_vector_ser other_vector = {
	.msg_addr_lo	= 0xfee00470,
	.handle		= 35,
	.source		= 0x40400,
	.target		= TARGET,
	.flags		= IRQ_LU_VECTOR_ACTIVATED,
};

static void image_init(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	m->root = add_mem_block(test, IRQ_LU_ROOT_SIZE);
	strscpy(m->root->compatible, IRQ_LU_COMPATIBLE);
	for (unsigned int i = 0; i < NR_UNITS; i++) {
		m->root->units[i].backend = IRQ_LU_BACKEND_VTD;
		m->root->units[i].reg_base = m->units[i].reg_base;
		m->root->units[i].table = virt_to_phys(m->units[i].table);
		m->root->units[i].nr_entries = NR_ENTRIES;
	}
	m->root->nr_units = NR_UNITS;
	m->table = add_mem_block(test, PAGE_SIZE);
	m->root->device_table = virt_to_phys(m->table);
}

static struct irq_lu_device_ser *image_add_device(struct kunit *test,
						  const struct irq_lu_device_ser *head,
						  unsigned int nr_vectors)
{
	size_t len = irq_lu_ser_device_len(nr_vectors);
	struct irq_lu_device_ser *ser = add_mem_block(test, len);
	struct fake_machine *m = test->priv;

	*ser = *head;
	ser->nr_vectors = nr_vectors;
	m->table[m->root->nr_devices].blob = virt_to_phys(ser);
	m->table[m->root->nr_devices].len = len;
	m->root->nr_devices++;
	return ser;
}

/* Vectors with consecutive numbers and entries, blocked as they have to be. */
static struct irq_lu_device_ser *image_add(struct kunit *test,
					   const struct irq_lu_device_ser *head,
					   const struct irq_lu_vector_ser *first,
					   unsigned int nr_vectors)
{
	struct irq_lu_device_ser *ser = image_add_device(test, head, nr_vectors);
	struct fake_machine *m = test->priv;

	for (unsigned int i = 0; i < nr_vectors; i++) {
		ser->vectors[i] = *first;
		ser->vectors[i].irq += i;
		ser->vectors[i].msi_index += i;
		ser->vectors[i].handle += i;
		m->units[first->unit].table[first->handle + i] = ENTRY(first->source, ENTRY_FPD);
	}
	irq_lu_ser_seal_device(ser);
	return ser;
}

/* Devices which wait for their owner wait no longer. */
static void end_live_update(void *unused)
{
	struct irq_lu_in_dev *in, *next;

	irq_liveupdate_finish_rest();
	list_for_each_entry_safe(in, next, &irq_liveupdate_incoming, node) {
		struct device *dev = in->dev;

		irq_liveupdate_finish(dev);
		irq_liveupdate_release(dev);
	}
	irq_lu_wait_until_freed();
}

static void take_over(struct fake_machine *m)
{
	irq_lu_load(virt_to_phys(m->root), IRQ_LU_ROOT_SIZE, &fake_memory);

	for (unsigned int i = 0; i < NR_UNITS; i++) {
		const struct irq_lu_unit_ser *ser;

		ser = irq_liveupdate_incoming_unit(IRQ_LU_BACKEND_VTD, 0, m->units[i].reg_base);
		if (!ser)
			continue;
		/* The validator knows the size of a table from the record only. */
		if (ser->nr_entries == NR_ENTRIES)
			irq_liveupdate_take_over(ser, m->units[i].domain);
		else
			irq_liveupdate_refuse_unit(ser, "size of the table differs");
	}
}

static void boot(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_live_update, NULL));
	irq_lu_ser_seal_root(m->root, m->table);
	take_over(m);
}

/* Copy what the core has written, and power the units on again. */
static void reboot(struct kunit *test, const struct irq_lu_root_ser *root)
{
	const struct irq_lu_device_ref_ser *table = phys_to_virt(root->device_table);
	struct fake_machine *m = test->priv;

	image_init(test);
	memcpy(m->root->units, root->units, sizeof(root->units[0]) * root->nr_units);
	m->root->nr_units = root->nr_units;
	for (unsigned int i = 0; i < root->nr_devices; i++) {
		const struct irq_lu_device_ser *ser = phys_to_virt(table[i].blob);

		memcpy(image_add_device(test, ser, ser->nr_vectors), ser, table[i].len);
	}
}

static void reset_units(struct fake_machine *m)
{
	for (unsigned int i = 0; i < NR_UNITS; i++) {
		bitmap_zero(m->units[i].used, NR_ENTRIES);
		bitmap_zero(m->units[i].latched, NR_ENTRIES);
	}
}

static void free_fillers(void *data)
{
	struct fake_machine *m = data;

	while (m->nr_fillers)
		irq_free_desc(m->fillers[--m->nr_fillers]);
}

/* Take all numbers which a search would find below @end. */
static unsigned int fill(struct fake_machine *m, unsigned int end)
{
	int irq;

	while (m->nr_fillers < NR_FILLERS) {
		irq = irq_alloc_desc(NUMA_NO_NODE);
		if (irq < 0)
			break;
		if (irq >= end) {
			irq_free_desc(irq);
			return irq;
		}
		m->fillers[m->nr_fillers++] = irq;
	}
	return 0;
}

static unsigned int last_irq(void)
{
	unsigned int irq, next;

	for (irq = 0, next = 0; next < irq_get_nr_irqs(); next = irq_get_next_irq(irq + 1))
		irq = next;
	return irq;
}

static void choose_irqs(struct kunit *test, struct fake_machine *m)
{
	irq_base = fill(m, last_irq() + 1);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_fillers, m));
	KUNIT_ASSERT_GT(test, irq_base, 0);

	vector.irq = IRQ_RECORDED;
	other_vector.irq = IRQ_OTHER;
}

static int core_test_init(struct kunit *test)
{
	struct fake_machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	if (irq_liveupdate_handed_over())
		kunit_skip(test, "this kernel was started by a live update");

	KUNIT_ASSERT_NOT_NULL(test, m);
	test->priv = m;
	m->test = test;
	the_machine = m;
	choose_irqs(test, m);
	add_cpus(test, m);
	for (unsigned int i = 0; i < NR_UNITS; i++)
		add_unit(test, m, i);
	return 0;
}

/* Whether anybody could get the number. */
static bool is_free(unsigned int irq)
{
	struct fake_machine *m = kunit_get_current_test()->priv;
	unsigned int nr_fillers = m->nr_fillers;
	bool found = fill(m, irq) == irq;

	while (m->nr_fillers > nr_fillers)
		irq_free_desc(m->fillers[--m->nr_fillers]);
	return found;
}

static void expect_placed(struct kunit *test, struct fake_device *fake,
			  const struct irq_lu_vector_ser *first, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct irq_data *irqd = irq_domain_get_irq_data(fake->unit->domain,
								first->irq + i);

		KUNIT_EXPECT_EQ(test, irq_of(fake, i), first->irq + i);
		KUNIT_ASSERT_NOT_NULL(test, irqd);
		KUNIT_EXPECT_EQ(test, irqd->hwirq, first->handle + i);
	}
}

static void expect_revoked(struct kunit *test, const struct irq_lu_vector_ser *first,
			   unsigned int nr)
{
	struct fake_machine *m = test->priv;
	struct fake_unit *unit = &m->units[first->unit];

	for (unsigned int i = 0; i < nr; i++) {
		KUNIT_EXPECT_TRUE(test, is_free(first->irq + i));
		KUNIT_EXPECT_EQ(test, unit->table[first->handle + i], 0);
		KUNIT_EXPECT_FALSE(test, test_bit(first->handle + i, unit->used));
		KUNIT_EXPECT_FALSE(test, test_bit(first->handle + i, unit->held));
	}
}

static void expect_counts(struct kunit *test, struct fake_device *fake, unsigned int nr,
			  int count)
{
	irq_work_sync(&fake->machine->ipi);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&fake->count[i]), count, "vector %u", i);
}

/*
 * Placement of irq numbers
 */

/* Bit i stands for irq_base + i. */
struct placement {
	const char	*desc;
	unsigned long	reserved;
	unsigned long	taken;
	unsigned int	cnt;
	unsigned int	expected;
};

static const struct placement placements[] = {
	{ "nothing in the way",		0b10000, 0b000, 1, 0 },
	{ "one at the start",		0b00001, 0b000, 1, 1 },
	{ "three at the start",		0b00111, 0b000, 1, 3 },
	{ "behind one in use",		0b00010, 0b001, 1, 2 },
	{ "between two in use",		0b00010, 0b101, 1, 3 },
	{ "in the middle of a range",	0b00010, 0b000, 3, 2 },
	{ "at the end of a range",	0b00100, 0b000, 3, 3 },
	{ "range fits in front",	0b00100, 0b000, 2, 0 },
	{ "range fits in between",	0b01001, 0b000, 2, 1 },
	{ "range fits behind",		0b10101, 0b000, 2, 5 },
	{ "range ends at one in use",	0b00001, 0b100, 2, 3 },
};

KUNIT_ARRAY_PARAM_DESC(placement, placements, desc);

static void image_add_reserved(struct kunit *test, unsigned long reserved)
{
	struct irq_lu_device_ser *ser;
	unsigned int nr = 0, i;

	ser = image_add(test, &msix_head, &vector, hweight_long(reserved));
	for_each_set_bit(i, &reserved, BITS_PER_LONG)
		ser->vectors[nr++].irq = irq_base + i;
	irq_lu_ser_seal_device(ser);
}

static void search_skips_reserved_numbers(struct kunit *test)
{
	const struct placement *p = test->param_value;
	unsigned int i;
	int irq;

	image_init(test);
	image_add_reserved(test, p->reserved);
	for_each_set_bit(i, &p->taken, BITS_PER_LONG)
		KUNIT_ASSERT_EQ(test, irq_alloc_desc_at(irq_base + i, NUMA_NO_NODE),
				irq_base + i);
	boot(test);

	irq = irq_alloc_descs(-1, 0, p->cnt, NUMA_NO_NODE);
	KUNIT_EXPECT_EQ(test, irq, irq_base + p->expected);

	if (irq >= 0)
		irq_free_descs(irq, p->cnt);
	for_each_set_bit(i, &p->taken, BITS_PER_LONG)
		irq_free_desc(irq_base + i);
}

static void exact_request_gets_a_reserved_number(struct kunit *test)
{
	image_init(test);
	image_add(test, &msix_head, &vector, 1);
	boot(test);

	KUNIT_EXPECT_EQ(test, irq_alloc_desc_at(IRQ_RECORDED, NUMA_NO_NODE), IRQ_RECORDED);
	KUNIT_EXPECT_EQ(test, irq_alloc_desc_at(IRQ_RECORDED, NUMA_NO_NODE), -EEXIST);

	irq_free_desc(IRQ_RECORDED);
}

static void freed_number_is_reserved_until_finish(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_placed(fake->dev));
	irq_liveupdate_match(fake->dev, &device_ops);

	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, irq_liveupdate_placed(fake->dev));
		KUNIT_EXPECT_FALSE(test, is_free(IRQ_RECORDED));
		KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
		expect_placed(test, fake, &vector, NR_VECS);
		KUNIT_EXPECT_EQ(test, fake_request(fake, 0, 0), 0);
		fake_free_vectors(fake);
	}

	fake_end(fake);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_placed(fake->dev));
	expect_revoked(test, &vector, NR_VECS);
	expect_all_freed(test);
}

/*
 * Refused when it is taken over
 */

struct bad_vector {
	const char	*desc;
	u32		irq;
	u32		offset;		/* from irq_base, when irq is zero */
	u32		handle;
};

/* The highest number which no search returns */
#define IRQ_SYSTEM	U32_MAX

#define OFFSET_FREE	20
#define HANDLE_FREE	20
#define HANDLE_OPEN	60
#define HANDLE_TAKEN	61

static const struct bad_vector bad_vectors[] = {
	{ "irq number in use of the system",	1,		0,		HANDLE_FREE },
	{ "irq number of the system",		IRQ_SYSTEM,	0,		HANDLE_FREE },
	{ "irq number beyond the limit",	BIT(20),	0,		HANDLE_FREE },
	{ "irq number beyond any limit",	INT_MAX - 1,	0,		HANDLE_FREE },
	{ "irq number is in use",		0,		48,		HANDLE_FREE },
	{ "irq number of another device",	0,		32,		HANDLE_FREE },
	{ "irq number of the same device",	0,		16,		HANDLE_FREE },
	{ "entry is not blocked",		0,		OFFSET_FREE,	HANDLE_OPEN },
	{ "entry is in use",			0,		OFFSET_FREE,	HANDLE_TAKEN },
	{ "entry of another device",		0,		OFFSET_FREE,	35 },
	{ "entry of the same device",		0,		OFFSET_FREE,	17 },
};

KUNIT_ARRAY_PARAM_DESC(bad_vector, bad_vectors, desc);

/* The second of three vectors is bad: none of them is placed. */
static void bad_vector_refuses_its_device_only(struct kunit *test)
{
	const struct bad_vector *bad = test->param_value;
	struct fake_device *good = fake_add(test, "good", &other_head, 0);
	struct fake_device *fake = fake_add(test, "bad", &msix_head, 0);
	struct fake_machine *m = test->priv;
	struct irq_lu_device_ser *ser;

	KUNIT_ASSERT_EQ(test, irq_alloc_desc_at(IRQ_TAKEN, NUMA_NO_NODE), IRQ_TAKEN);
	image_init(test);
	image_add(test, &other_head, &other_vector, NR_VECS);
	ser = image_add(test, &msix_head, &vector, NR_VECS);
	m->units[0].table[vector.handle + 1] = 0;
	ser->vectors[1].irq = bad->irq == IRQ_SYSTEM ? arch_dynirq_lower_bound(0) - 1 :
						       bad->irq ?: irq_base + bad->offset;
	ser->vectors[1].handle = bad->handle;
	irq_lu_ser_seal_device(ser);
	m->units[0].table[HANDLE_FREE] = ENTRY(vector.source, ENTRY_FPD);
	m->units[0].table[HANDLE_OPEN] = ENTRY(vector.source, ENTRY_PRESENT);
	m->units[0].table[HANDLE_TAKEN] = ENTRY(vector.source, ENTRY_FPD);
	set_bit(HANDLE_TAKEN, m->units[0].used);
	boot(test);

	KUNIT_EXPECT_TRUE(test, is_free(IRQ_RECORDED));
	KUNIT_EXPECT_TRUE(test, is_free(IRQ_RECORDED + 2));
	KUNIT_EXPECT_FALSE(test, test_bit(vector.handle, m->units[0].used));
	KUNIT_EXPECT_FALSE(test, test_bit(vector.handle, m->units[0].held));

	irq_liveupdate_match(fake->dev, &device_ops);
	irq_liveupdate_match(good->dev, &device_ops);
	KUNIT_EXPECT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	KUNIT_EXPECT_LT(test, irq_of(fake, 0), IRQ_RECORDED);
	KUNIT_EXPECT_EQ(test, fake_alloc_vectors(good, NR_VECS), 0);
	expect_placed(test, good, &other_vector, NR_VECS);

	fake_end(fake);
	fake_end(good);
	expect_all_freed(test);
	irq_free_desc(IRQ_TAKEN);
}

static void broken_record_refuses_its_device_only(struct kunit *test)
{
	struct fake_device *good = fake_add(test, "good", &other_head, 0);
	struct fake_device *fake = fake_add(test, "bad", &msix_head, 0);
	struct irq_lu_device_ser *broken;

	image_init(test);
	broken = image_add(test, &msix_head, &vector, NR_VECS);
	broken->checksum ^= 1;
	image_add(test, &other_head, &other_vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	irq_liveupdate_match(good->dev, &device_ops);

	KUNIT_EXPECT_TRUE(test, is_free(IRQ_RECORDED));
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(good, NR_VECS), 0);
	expect_placed(test, good, &other_vector, NR_VECS);

	fake_end(fake);
	fake_end(good);
	expect_all_freed_but(test, broken);
}

static u8 memory_of_this_kernel[2 * PAGE_SIZE] __aligned(PAGE_SIZE);

/* A pointer of the previous kernel may be anything. */
static void only_kept_memory_is_read(struct kunit *test)
{
	void *(*map)(u64 phys, size_t len) = irq_lu_kho_memory.map;
	void *kept = alloc_kept(1);
	u64 phys;

	KUNIT_ASSERT_NOT_NULL(test, kept);
	phys = virt_to_phys(kept);
	KUNIT_EXPECT_PTR_EQ(test, map(phys, 1), kept);
	KUNIT_EXPECT_PTR_EQ(test, map(phys, 2 * PAGE_SIZE), kept);

	KUNIT_EXPECT_NULL(test, map(phys, 2 * PAGE_SIZE + 1));
	KUNIT_EXPECT_NULL(test, map(phys, SIZE_MAX));
	KUNIT_EXPECT_NULL(test, map(phys + 8, 8));
	KUNIT_EXPECT_NULL(test, map(phys + PAGE_SIZE, 8));
	KUNIT_EXPECT_NULL(test, map(__pa_symbol(memory_of_this_kernel), PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, map(virt_to_phys(test), 8));
	KUNIT_EXPECT_NULL(test, map(0, 8));
	KUNIT_EXPECT_NULL(test, map(PFN_PHYS(max_pfn), 8));
	KUNIT_EXPECT_NULL(test, map(~(u64)0 & PAGE_MASK, 8));
	free_kept(kept);
}

static void record_outside_of_kept_memory_is_neither_read_nor_freed(struct kunit *test)
{
	struct fake_device *good = fake_add(test, "good", &other_head, 0);
	struct fake_machine *m = test->priv;

	image_init(test);
	image_add(test, &other_head, &other_vector, NR_VECS);
	m->table[m->root->nr_devices++] = (struct irq_lu_device_ref_ser){
		.blob = SZ_4K,
		.len = irq_lu_ser_device_len(NR_VECS),
	};
	boot(test);
	irq_liveupdate_match(good->dev, &device_ops);

	KUNIT_EXPECT_FALSE(test, is_free(IRQ_OTHER));
	fake_end(good);
	expect_all_freed(test);
}

static void refused_unit_refuses_what_is_behind_it(struct kunit *test)
{
	struct irq_lu_vector_ser behind = other_vector;
	struct fake_machine *m = test->priv;

	behind.unit = 1;
	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	image_add(test, &other_head, &behind, NR_VECS);
	boot(test);

	irq_liveupdate_refuse_unit(&m->root->units[1], "the test says so");
	KUNIT_EXPECT_FALSE(test, is_free(IRQ_RECORDED));
	expect_revoked(test, &behind, NR_VECS);

	irq_liveupdate_finish_rest();
	expect_revoked(test, &vector, NR_VECS);
	expect_all_freed(test);
}

/*
 * Faults of what is free
 */

static void forget_unit(void *domain)
{
	irq_liveupdate_remove_unit(domain);
}

static void suppress_faults(struct kunit *test, struct fake_unit *unit)
{
	irq_liveupdate_add_unit(unit->domain);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, forget_unit, unit->domain));
}

static void expect_finished(struct kunit *test, struct fake_unit *unit, unsigned int nr)
{
	irq_lu_wait_until_freed();
	KUNIT_EXPECT_EQ(test, unit->nr_finished, nr);
}

static void faults_are_reported_once_devices_are_stopped(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	suppress_faults(test, &m->units[0]);
	suppress_faults(test, &m->units[1]);
	irq_liveupdate_remove_unit(m->units[1].domain);

	irq_liveupdate_finish_rest();
	expect_finished(test, &m->units[0], 0);
	irq_liveupdate_finish_units();
	expect_finished(test, &m->units[0], 1);
	expect_finished(test, &m->units[1], 0);

	/* The last device has gone: there is nothing more to do. */
	irq_liveupdate_finish_units();
	expect_finished(test, &m->units[0], 1);
}

static void faults_of_what_is_released_later_are_reported(struct kunit *test)
{
	struct fake_device *waits = fake_add(test, "waits", &msix_head, 0);
	struct fake_machine *m = test->priv;

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	suppress_faults(test, &m->units[0]);
	irq_liveupdate_match(waits->dev, &device_ops);
	irq_liveupdate_finish(waits->dev);
	irq_liveupdate_finish_rest();
	irq_liveupdate_finish_units();
	expect_finished(test, &m->units[0], 1);

	irq_liveupdate_release(waits->dev);
	expect_revoked(test, &vector, NR_VECS);
	expect_finished(test, &m->units[0], 2);
}

/* Nothing was loaded, and no entry may be used. */
static void faults_are_reported_after_refused_state(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	image_init(test);
	strscpy(m->root->compatible, "another");
	boot(test);
	suppress_faults(test, &m->units[0]);

	irq_liveupdate_finish_rest();
	irq_liveupdate_finish_units();
	expect_finished(test, &m->units[0], 1);
}

/*
 * Refused when the device is found
 */

struct other_device {
	const char			*desc;
	const struct irq_lu_device_ser	*bits;	/* which differ */
};

#define BITS(_field, _bits)	(&(const struct irq_lu_device_ser){ ._field = _bits })

static const struct other_device other_devices[] = {
	{ "vendor",		BITS(vendor, 0x0001) },
	{ "device",		BITS(device, 0x8000) },
	{ "header type",	BITS(hdr_type, 1) },
	{ "requester id",	BITS(requester_id, 0x0001) },
	{ "MSI type",		BITS(msi_type, IRQ_LU_MSI ^ IRQ_LU_MSIX) },
	{ "vectors",		BITS(hwsize, HWSIZE ^ 4) },
};

KUNIT_ARRAY_PARAM_DESC(other_device, other_devices, desc);

static void change_bits(struct irq_lu_device_ser *head, const struct irq_lu_device_ser *bits)
{
	for (size_t i = 0; i < sizeof(*head); i++)
		((u8 *)head)[i] ^= ((const u8 *)bits)[i];
}

static void use_cold(struct kunit *test, struct fake_device *fake, unsigned int nr)
{
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, nr), 0);
	for (unsigned int i = 0; i < nr; i++) {
		KUNIT_EXPECT_GT(test, irq_of(fake, i), 0);
		KUNIT_EXPECT_LT(test, irq_of(fake, i), IRQ_RECORDED);
		KUNIT_EXPECT_EQ(test, fake_request(fake, i, 0), 0);
	}
}

static void expect_cold(struct kunit *test, struct fake_device *fake, unsigned int nr)
{
	use_cold(test, fake, nr);
	expect_revoked(test, &vector, NR_VECS);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_placed(fake->dev));
	/* What it raised since the block was dropped, whatever became of its vectors. */
	fake_end(fake);
	expect_counts(test, fake, nr, 1);
	expect_all_freed(test);
}

static void other_device_starts_cold(struct kunit *test)
{
	const struct other_device *other = test->param_value;
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);

	change_bits(&fake->head, other->bits);
	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);

	irq_liveupdate_match(fake->dev, &device_ops);
	expect_revoked(test, &vector, NR_VECS);
	expect_cold(test, fake, 2);
}

/* It was handed over, or the bus would not ask. What it raised was dropped. */
static void device_without_a_record_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &other_head, 0);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);

	irq_liveupdate_match(fake->dev, &device_ops);
	KUNIT_EXPECT_TRUE(test, irq_liveupdate_is_incoming(fake->dev));
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_placed(fake->dev));
	use_cold(test, fake, NR_VECS);
	KUNIT_EXPECT_FALSE(test, is_free(IRQ_RECORDED));

	fake_end(fake);
	expect_counts(test, fake, NR_VECS, 1);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_is_incoming(fake->dev));
}

static void outcome_is_why_nothing_was_taken_over(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);
	struct fake_machine *m = test->priv;

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	irq_lu_ser_seal_root(m->root, m->table);
	m->root->state = IRQ_LU_STATE_PREPARED;
	start_outcome(test, msix_head.segment, msix_head.devid);

	irq_lu_load(virt_to_phys(m->root), IRQ_LU_ROOT_SIZE, &fake_memory);
	irq_liveupdate_match(fake->dev, &device_ops);
	expect_outcome(test, msix_head.segment, msix_head.devid, "not frozen");
	fake_end(fake);
}

static void outcome_is_that_there_is_no_valid_record(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &other_head, 0);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	start_outcome(test, other_head.segment, other_head.devid);

	irq_liveupdate_match(fake->dev, &device_ops);
	expect_outcome(test, other_head.segment, other_head.devid,
		       "no valid record of its interrupts");
	fake_end(fake);
}

static void device_without_any_record_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);

	irq_liveupdate_match(fake->dev, &device_ops);
	use_cold(test, fake, NR_VECS);
	fake_end(fake);
	expect_counts(test, fake, NR_VECS, 1);
}

/* Another address in the same bucket of the hash of devices */
static u16 colliding_devid(u16 devid)
{
	u16 other = devid;

	do {
		other++;
	} while (hash_64(other, DEVICE_HASH_BITS) != hash_64(devid, DEVICE_HASH_BITS));
	return other;
}

static void devices_in_one_bucket_are_told_apart(struct kunit *test)
{
	struct irq_lu_device_ser second_head = other_head, third_head = msix_head;
	struct fake_device *first, *second, *third;

	second_head.devid = colliding_devid(msix_head.devid);
	third_head.devid = colliding_devid(second_head.devid);
	first = fake_add(test, "first", &msix_head, 0);
	second = fake_add(test, "second", &second_head, 0);
	third = fake_add(test, "third", &third_head, 0);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	image_add(test, &second_head, &other_vector, NR_VECS);
	boot(test);

	irq_liveupdate_match(third->dev, &device_ops);
	irq_liveupdate_match(second->dev, &device_ops);
	irq_liveupdate_match(first->dev, &device_ops);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_placed(third->dev));
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(first, NR_VECS), 0);
	expect_placed(test, first, &vector, NR_VECS);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(second, NR_VECS), 0);
	expect_placed(test, second, &other_vector, NR_VECS);
}

static void first_of_two_records_of_a_device_counts(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	image_add(test, &msix_head, &other_vector, NR_VECS);
	boot(test);

	irq_liveupdate_match(fake->dev, &device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	expect_placed(test, fake, &vector, NR_VECS);
}

/* The array of records ends with the highest number. */
static void only_recorded_numbers_have_an_entry(struct kunit *test)
{
	unsigned int last = IRQ_RECORDED + NR_VECS - 1;
	u32 target;

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);

	for (unsigned int i = 0; i < NR_VECS; i++)
		KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(IRQ_RECORDED + i), vector.handle + i);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_target(last, &target), 0);
	KUNIT_EXPECT_EQ(test, target, TARGET);

	KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(0), -1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(IRQ_RECORDED - 1), -1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(last + 1), -1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(INT_MAX), -1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_target(last + 1, &target), -ENOENT);
}

/*
 * Refused when the driver allocates the first interrupt
 */

/* Whatever the previous kernel has left enabled is disabled by then. */
static void expect_refused(struct kunit *test, struct fake_device *fake, unsigned int nr)
{
	KUNIT_EXPECT_TRUE(test, irq_liveupdate_placed(fake->dev));
	KUNIT_EXPECT_FALSE(test, fake->disabled);
	KUNIT_EXPECT_FALSE(test, is_free(IRQ_RECORDED));
	expect_cold(test, fake, nr);
	KUNIT_EXPECT_TRUE(test, fake->disabled);
}

static void other_msi_type_starts_cold(struct kunit *test)
{
	const struct irq_lu_device_ser * const *type = test->param_value;
	const struct irq_lu_device_ser *head = *type;
	struct fake_device *fake = fake_add(test, "new", head, 0);

	image_init(test);
	image_add(test, head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);

	fake->head.msi_type ^= IRQ_LU_MSI ^ IRQ_LU_MSIX;
	expect_refused(test, fake, NR_VECS);
}

static void describe_type(const struct irq_lu_device_ser * const *head, char *desc)
{
	strscpy(desc, *head == &msi_head ? "MSI" : "MSI-X", KUNIT_PARAM_DESC_SIZE);
}

static const struct irq_lu_device_ser * const msi_types[] = { &msi_head, &msix_head };

KUNIT_ARRAY_PARAM(msi_type, msi_types, describe_type);

/* Its message would be taken for a vector. MSI-X is masked. */
static void msi_without_its_unit_is_disabled_when_found(struct kunit *test)
{
	const struct irq_lu_device_ser * const *type = test->param_value;
	const struct irq_lu_device_ser *head = *type;
	struct fake_device *fake = fake_add(test, "new", head, 0);
	struct fake_machine *m = test->priv;

	image_init(test);
	image_add(test, head, &vector, NR_VECS);
	m->root->units[vector.unit].nr_entries = NR_ENTRIES * 2;
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);

	KUNIT_EXPECT_EQ(test, fake->disabled, head == &msi_head);
	fake_end(fake);
	expect_all_freed(test);
}

static void msi_is_left_enabled_with_its_unit(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msi_head, 0);

	image_init(test);
	image_add(test, &msi_head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);

	KUNIT_EXPECT_FALSE(test, fake->disabled);
	fake_end(fake);
	expect_all_freed(test);
}

/* Unit 0 was taken over, and given up because another one cannot be set up. */
static void msi_is_disabled_when_its_unit_is_torn_down(struct kunit *test)
{
	struct fake_device *found = fake_add(test, "found", &msi_head, 0);
	struct irq_lu_device_ser late_head = msi_head;
	struct fake_machine *m = test->priv;
	struct fake_device *late;

	late_head.devid = other_head.devid;
	late_head.requester_id = other_head.requester_id;
	late = fake_add(test, "late", &late_head, 0);
	image_init(test);
	image_add(test, &msi_head, &vector, NR_VECS);
	image_add(test, &late_head, &other_vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(found->dev, &device_ops);
	KUNIT_EXPECT_FALSE(test, found->disabled);

	irq_liveupdate_refuse_unit(&m->root->units[0], "the test says so");
	KUNIT_EXPECT_TRUE(test, found->disabled);
	expect_revoked(test, &vector, NR_VECS);

	irq_liveupdate_match(late->dev, &device_ops);
	KUNIT_EXPECT_TRUE(test, late->disabled);
	expect_revoked(test, &other_vector, NR_VECS);

	/* No vector is refused to a driver, and no domain used that is gone. */
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(late, NR_VECS), 0);
	fake_end(late);
	fake_end(found);
	expect_all_freed(test);
}

static void driver_which_changes_the_msi_type_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	expect_placed(test, fake, &vector, NR_VECS);
	fake_free_vectors(fake);

	fake->head.msi_type = IRQ_LU_MSI;
	expect_refused(test, fake, NR_VECS);
}

static void other_number_of_msi_messages_starts_cold(struct kunit *test)
{
	unsigned int nr = *(const unsigned int *)test->param_value;
	struct fake_device *fake = fake_add(test, "new", &msi_head, 0);

	image_init(test);
	image_add(test, &msi_head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);

	expect_refused(test, fake, nr);
}

static void describe_count(const unsigned int *nr, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u messages", *nr);
}

static const unsigned int other_counts[] = { 1, NR_VECS - 1, NR_VECS + 1, 8 };

KUNIT_ARRAY_PARAM(other_count, other_counts, describe_count);

static void other_source_id_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);
	struct irq_lu_vector_ser foreign = vector;

	foreign.source++;
	image_init(test);
	image_add(test, &msix_head, &foreign, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	KUNIT_EXPECT_FALSE(test, is_free(IRQ_RECORDED));

	expect_cold(test, fake, NR_VECS);
}

static void device_behind_another_unit_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 1);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	KUNIT_EXPECT_FALSE(test, is_free(IRQ_RECORDED));

	expect_cold(test, fake, NR_VECS);
}

/*
 * Finishing
 */

static struct fake_device *adopt(struct kunit *test, unsigned int nr)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, nr), 0);
	expect_placed(test, fake, &vector, min(nr, NR_VECS));
	return fake;
}

static void set_pending(struct fake_device *fake)
{
	scoped_irqdesc_get_and_lock(irq_of(fake, 0), 0)
		scoped_irqdesc->istate |= IRQS_PENDING;
}

/* An interrupt which the core has retriggered, and no CPU has taken yet. */
static void set_replay(struct fake_device *fake)
{
	fake->machine->ipi_held = true;
	scoped_irqdesc_get_and_lock(irq_of(fake, 0), 0)
		check_irq_resend(scoped_irqdesc, true);
}

static void let_ipis_go(struct fake_device *fake)
{
	fake->machine->ipi_held = false;
	irq_work_queue(&fake->machine->ipi);
	irq_work_sync(&fake->machine->ipi);
}

static void requested_vector_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	expect_counts(test, fake, 1, 0);
	irq_liveupdate_finish(fake->dev);
	expect_counts(test, fake, 1, 1);

	irq_liveupdate_finish(fake->dev);
	expect_counts(test, fake, 1, 1);
}

static void only_a_debug_kernel_reads_the_device_at_finish(struct kunit *test)
{
	struct fake_device *fake = adopt(test, NR_VECS);

	fake->nr_captured = 0;
	fake_end(fake);
	KUNIT_EXPECT_EQ(test, fake->nr_captured,
			IS_ENABLED(CONFIG_IRQ_LIVEUPDATE_DEBUG) ? NR_VECS : 0);
}

/* As a debug kernel does when the owner has set vectors up, and at FINISH. */
static void adopted_vectors_are_compared_with_the_device(struct kunit *test)
{
	struct fake_device *fake = adopt(test, NR_VECS);

	KUNIT_EXPECT_EQ(test, irq_liveupdate_audit(fake->dev, &device_ops), NR_VECS);

	fake->hw[NR_VECS - 1].data ^= 1;
	KUNIT_EXPECT_EQ(test, irq_liveupdate_audit(fake->dev, &device_ops), -EIO);
	fake->hw[NR_VECS - 1].data ^= 1;

	fake->msi_broken = true;
	KUNIT_EXPECT_EQ(test, irq_liveupdate_audit(fake->dev, &device_ops), -EIO);
	fake->msi_broken = false;

	fake_free_vectors(fake);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_audit(fake->dev, &device_ops), 0);
}

static void pending_vector_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_pending(fake);
	fake_end(fake);
	expect_counts(test, fake, 1, 1);

	disable_irq(irq_of(fake, 0));
	enable_irq(irq_of(fake, 0));
	expect_counts(test, fake, 1, 1);
}

static void replayed_vector_is_not_injected_again(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_replay(fake);
	fake_end(fake);
	let_ipis_go(fake);
	expect_counts(test, fake, 1, 1);
}

static void vector_is_injected_when_it_is_requested(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	irq_liveupdate_finish(fake->dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->machine->nr_ipis), 0);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	expect_counts(test, fake, 1, 1);

	fake_release_irq(fake, 0);
	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	expect_counts(test, fake, 1, 1);
}

static void vector_is_injected_when_it_is_requested_again(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	fake_release_irq(fake, 0);
	irq_liveupdate_finish(fake->dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->machine->nr_ipis), 0);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	expect_counts(test, fake, 1, 1);
}

static void disabled_vector_is_injected_when_it_is_enabled(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	disable_irq(irq_of(fake, 0));
	fake_end(fake);
	expect_counts(test, fake, 1, 0);

	enable_irq(irq_of(fake, 0));
	expect_counts(test, fake, 1, 1);
}

static void masked_vector_is_injected_when_it_is_unmasked(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	irq_set_status_flags(irq_of(fake, 0), _IRQ_DISABLE_UNLAZY);
	disable_irq(irq_of(fake, 0));
	KUNIT_ASSERT_TRUE(test, irqd_irq_masked(irq_get_irq_data(irq_of(fake, 0))));
	fake_end(fake);
	expect_counts(test, fake, 1, 0);

	enable_irq(irq_of(fake, 0));
	expect_counts(test, fake, 1, 1);
}

static void vector_without_autoenable_is_injected_when_it_is_enabled(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, IRQF_NO_AUTOEN), 0);
	fake_end(fake);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->machine->nr_ipis), 0);

	enable_irq(irq_of(fake, 0));
	expect_counts(test, fake, 1, 1);
}

static void disabled_and_pending_vector_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	disable_irq(irq_of(fake, 0));
	set_pending(fake);
	fake_end(fake);
	expect_counts(test, fake, 1, 0);

	enable_irq(irq_of(fake, 0));
	expect_counts(test, fake, 1, 1);
}

static void disabled_vector_in_replay_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_replay(fake);
	disable_irq_nosync(irq_of(fake, 0));
	fake_end(fake);
	let_ipis_go(fake);
	expect_counts(test, fake, 1, 0);

	enable_irq(irq_of(fake, 0));
	expect_counts(test, fake, 1, 1);
}

static void enabled_while_in_replay_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_replay(fake);
	disable_irq_nosync(irq_of(fake, 0));
	fake_end(fake);
	enable_irq(irq_of(fake, 0));
	let_ipis_go(fake);
	expect_counts(test, fake, 1, 1);
}

/* What is sent to a vector which is shut down meanwhile does not arrive. */
static void vector_is_injected_after_a_replay_was_lost(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_replay(fake);
	fake_release_irq(fake, 0);
	fake->machine->nr_pending = 0;
	let_ipis_go(fake);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	fake_end(fake);
	expect_counts(test, fake, 1, 1);
}

static void vector_which_can_not_be_sent_is_left_pending(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	irqd_set_handle_enforce_irqctx(irq_get_irq_data(irq_of(fake, 0)));
	fake->machine->ipi_refused = true;
	fake_end(fake);
	expect_counts(test, fake, 1, 0);

	fake->machine->ipi_refused = false;
	disable_irq(irq_of(fake, 0));
	enable_irq(irq_of(fake, 0));
	expect_counts(test, fake, 1, 1);
}

/* A handler which stays in its first interrupt, on another CPU, until it may go on. */
struct slow_handler {
	struct irq_work		arrival;
	struct completion	runs;
	unsigned int		irq;
	atomic_t		count;
	bool			may_go_on;
};

static irqreturn_t handle_slowly(int irq, void *data)
{
	struct slow_handler *slow = data;

	if (atomic_inc_return(&slow->count) > 1)
		return IRQ_HANDLED;

	complete(&slow->runs);
	while (!READ_ONCE(slow->may_go_on))
		cpu_relax();
	return IRQ_HANDLED;
}

static void arrive(struct irq_work *work)
{
	struct slow_handler *slow = container_of(work, struct slow_handler, arrival);

	generic_handle_irq(slow->irq);
}

static void start_slow_handler(struct slow_handler *slow)
{
	init_completion(&slow->runs);
	init_irq_work(&slow->arrival, arrive);
	irq_work_queue_on(&slow->arrival,
			  cpumask_any_but(cpu_online_mask, smp_processor_id()));
	wait_for_completion(&slow->runs);
}

/*
 * A second device is not finished: the end of the update waits for all CPUs. The
 * test stays on its CPU, for it could not run where the handler does.
 */
static struct fake_device *adopt_while_handler_runs(struct kunit *test,
						    struct slow_handler *slow)
{
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	image_init(test);
	image_add(test, &msix_head, &vector, 1);
	image_add(test, &other_head, &other_vector, 1);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, 1), 0);
	slow->irq = irq_of(fake, 0);
	KUNIT_ASSERT_EQ(test, request_irq(slow->irq, handle_slowly, 0, "fake", slow), 0);

	migrate_disable();
	KUNIT_EXPECT_EQ(test, 0, irq_set_affinity(slow->irq, cpumask_of(smp_processor_id())));
	start_slow_handler(slow);
	return fake;
}

static void let_handler_go(struct fake_device *fake, struct slow_handler *slow)
{
	WRITE_ONCE(slow->may_go_on, true);
	migrate_enable();
	irq_work_sync(&slow->arrival);
	irq_work_sync(&fake->machine->ipi);
}

static void vector_whose_handler_runs_is_injected_once(struct kunit *test)
{
	struct slow_handler slow = { };
	struct fake_device *fake = adopt_while_handler_runs(test, &slow);

	fake_end(fake);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 1);

	let_handler_go(fake, &slow);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 2);
	free_irq(slow.irq, &slow);
}

/* As a handler does which disables its interrupt, for a thread to enable it again. */
static void vector_disabled_while_its_handler_runs_is_injected_once(struct kunit *test)
{
	struct slow_handler slow = { };
	struct fake_device *fake = adopt_while_handler_runs(test, &slow);

	fake_end(fake);
	irq_work_sync(&fake->machine->ipi);
	disable_irq_nosync(slow.irq);
	let_handler_go(fake, &slow);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 1);

	enable_irq(slow.irq);
	irq_work_sync(&fake->machine->ipi);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 2);
	free_irq(slow.irq, &slow);
}

static void vector_is_injected_after_a_replay_met_its_handler(struct kunit *test)
{
	struct slow_handler slow = { };
	struct fake_device *fake = adopt_while_handler_runs(test, &slow);

	set_replay(fake);
	let_ipis_go(fake);
	let_handler_go(fake, &slow);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 2);

	fake_end(fake);
	irq_work_sync(&fake->machine->ipi);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 3);
	free_irq(slow.irq, &slow);
}

static void unclaimed_vectors_are_revoked(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);
	struct irq_lu_vector_ser rest = vector;

	rest.irq++;
	rest.handle++;
	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	KUNIT_EXPECT_FALSE(test, is_free(rest.irq));

	fake_end(fake);
	expect_counts(test, fake, 1, 1);
	expect_revoked(test, &rest, NR_VECS - 1);
	expect_placed(test, fake, &vector, 1);
	KUNIT_EXPECT_EQ(test, fake->unit->table[vector.handle],
			ENTRY(vector.source, ENTRY_PRESENT));
}

static void more_vectors_than_recorded_are_added_cold(struct kunit *test)
{
	struct fake_device *fake = adopt(test, NR_VECS + 1);

	KUNIT_EXPECT_GT(test, irq_of(fake, NR_VECS), 0);
	KUNIT_EXPECT_LT(test, irq_of(fake, NR_VECS), IRQ_RECORDED);
	for (unsigned int i = 0; i <= NR_VECS; i++)
		KUNIT_ASSERT_EQ(test, fake_request(fake, i, 0), 0);

	fake_end(fake);
	expect_counts(test, fake, NR_VECS, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->count[NR_VECS]), 0);
}

static void driver_tries(struct kunit *test, struct fake_device *fake)
{
	struct fake_machine *m = test->priv;

	m->driver_dev = fake->dev;
	INIT_WORK(&m->driver, run_driver);
	init_completion(&m->driver_runs);
}

static void expect_locked_out(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	KUNIT_EXPECT_TRUE(test, m->driver_waited);
	flush_work(&m->driver);
	KUNIT_EXPECT_TRUE(test, completion_done(&m->driver_runs));
}

/* Otherwise an entry which is freed meanwhile stays taken for ever. */
static void finish_locks_the_driver_out(struct kunit *test)
{
	struct fake_device *fake = adopt(test, 1);

	driver_tries(test, fake);
	fake_end(fake);
	expect_locked_out(test);
}

static void finished_vector_is_an_ordinary_one(struct kunit *test)
{
	struct fake_device *fake = adopt(test, NR_VECS);

	fake_end(fake);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_is_incoming(fake->dev));
	expect_placed(test, fake, &vector, NR_VECS);

	fake_free_vectors(fake);
	expect_revoked(test, &vector, NR_VECS);
}

static void rest_is_revoked(struct kunit *test)
{
	struct fake_device *found = fake_add(test, "found", &msix_head, 0);

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	image_add(test, &other_head, &other_vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(found->dev, &device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(found, NR_VECS), 0);
	for (unsigned int i = 0; i < NR_VECS; i++)
		KUNIT_ASSERT_EQ(test, fake_request(found, i, 0), 0);

	irq_liveupdate_finish_rest();
	expect_counts(test, found, NR_VECS, 0);
	expect_placed(test, found, &vector, NR_VECS);
	expect_revoked(test, &other_vector, NR_VECS);

	fake_end(found);
	expect_counts(test, found, NR_VECS, 1);
	expect_all_freed(test);
}

/*
 * After FINISH, while the owner may still come
 */

static struct fake_device *finish_before_use(struct kunit *test,
					     const struct irq_lu_device_ser *head)
{
	struct fake_device *fake = fake_add(test, "new", head, 0);

	image_init(test);
	image_add(test, head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	irq_liveupdate_finish(fake->dev);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_is_incoming(fake->dev));
	return fake;
}

static void request_all(struct kunit *test, struct fake_device *fake, unsigned int nr)
{
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, nr), 0);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, fake_request(fake, i, 0), 0);
}

static void vectors_wait_for_their_owner(struct kunit *test)
{
	const struct irq_lu_device_ser * const *type = test->param_value;
	struct fake_device *fake = finish_before_use(test, *type);

	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, irq_liveupdate_placed(fake->dev));
		KUNIT_EXPECT_FALSE(test, fake->disabled);
		KUNIT_EXPECT_FALSE(test, is_free(IRQ_RECORDED));

		KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
		expect_placed(test, fake, &vector, NR_VECS);
		KUNIT_EXPECT_EQ(test, fake_request(fake, 0, 0), 0);
		expect_counts(test, fake, 1, 1);
		fake_free_vectors(fake);
	}

	irq_liveupdate_release(fake->dev);
	KUNIT_EXPECT_TRUE(test, fake->disabled);
	expect_revoked(test, &vector, NR_VECS);
	expect_all_freed(test);
}

static void device_is_released_with_its_last_interrupt(struct kunit *test)
{
	struct fake_device *fake = finish_before_use(test, &msix_head);

	request_all(test, fake, NR_VECS);
	expect_counts(test, fake, NR_VECS, 1);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_placed(fake->dev));
	KUNIT_EXPECT_TRUE(test, list_empty(&irq_liveupdate_incoming));
	expect_placed(test, fake, &vector, NR_VECS);
	expect_all_freed(test);
}

static void device_in_use_is_released_at_finish(struct kunit *test)
{
	struct fake_device *fake = adopt(test, NR_VECS);

	for (unsigned int i = 0; i < NR_VECS; i++)
		KUNIT_EXPECT_EQ(test, fake_request(fake, i, 0), 0);
	irq_liveupdate_finish(fake->dev);
	expect_counts(test, fake, NR_VECS, 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&irq_liveupdate_incoming));
	expect_placed(test, fake, &vector, NR_VECS);
	expect_all_freed(test);
}

static void released_vectors_in_use_stay(struct kunit *test)
{
	struct fake_device *fake = finish_before_use(test, &msix_head);
	struct irq_lu_vector_ser rest = vector;

	request_all(test, fake, 1);
	irq_liveupdate_release(fake->dev);
	expect_counts(test, fake, 1, 1);
	expect_placed(test, fake, &vector, 1);
	rest.irq++;
	rest.handle++;
	expect_revoked(test, &rest, NR_VECS - 1);
	expect_all_freed(test);
}

/* As VFIO does when its user wants more vectors. */
static void vector_freed_before_it_is_requested_is_owed_its_interrupt(struct kunit *test)
{
	struct fake_device *fake = adopt(test, NR_VECS);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	irq_liveupdate_finish(fake->dev);
	expect_counts(test, fake, 1, 1);
	fake_free_vectors(fake);

	request_all(test, fake, NR_VECS);
	expect_counts(test, fake, NR_VECS, 1);
}

static void cold_vectors_get_their_interrupt_when_requested(struct kunit *test)
{
	struct fake_device *fake = finish_before_use(test, &msi_head);

	fake->head.msi_type = IRQ_LU_MSIX;
	for (unsigned int i = 0; i < 2; i++) {
		request_all(test, fake, NR_VECS + 1);
		KUNIT_EXPECT_LT(test, irq_of(fake, 0), IRQ_RECORDED);
		expect_counts(test, fake, NR_VECS + 1, 1);
		fake_free_vectors(fake);
	}
}

/* A guest which reboots: fewer messages of MSI, then all of them again. */
static void all_messages_get_their_interrupt_after_fewer(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &msi_head, 0);

	image_init(test);
	image_add(test, &msi_head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	request_all(test, fake, NR_VECS);
	fake_free_vectors(fake);
	request_all(test, fake, 1);
	fake_free_vectors(fake);
	request_all(test, fake, NR_VECS);

	irq_liveupdate_finish(fake->dev);
	expect_counts(test, fake, NR_VECS, 1);
}

/* The interrupt of somebody else, who asked for its number by value. */
static void take_number(struct kunit *test, struct fake_device *foreign, unsigned int irq)
{
	KUNIT_ASSERT_EQ(test, irq_alloc_desc_at(irq, NUMA_NO_NODE), irq);
	irq_set_chip_and_handler(irq, &dummy_irq_chip, handle_simple_irq);
	irq_clear_status_flags(irq, _IRQ_NOREQUEST);
	KUNIT_ASSERT_EQ(test, request_irq(irq, count_irq, 0, "foreign", &foreign->count[0]), 0);
}

static void expect_untouched(struct kunit *test, struct fake_device *foreign, unsigned int irq)
{
	scoped_irqdesc_get_and_lock(irq, 0)
		KUNIT_EXPECT_FALSE(test, scoped_irqdesc->istate & (IRQS_PENDING | IRQS_REPLAY));
	free_irq(irq, &foreign->count[0]);
	irq_free_desc(irq);
	KUNIT_EXPECT_EQ(test, atomic_read(&foreign->count[0]), 0);
}

static void taken_number_makes_its_device_start_cold(struct kunit *test)
{
	struct fake_device *foreign = kunit_kzalloc(test, sizeof(*foreign), GFP_KERNEL);
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);

	KUNIT_ASSERT_NOT_NULL(test, foreign);
	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_match(fake->dev, &device_ops);
	take_number(test, foreign, IRQ_RECORDED + 1);

	use_cold(test, fake, NR_VECS);
	irq_liveupdate_finish(fake->dev);
	expect_counts(test, fake, NR_VECS, 1);
	expect_untouched(test, foreign, IRQ_RECORDED + 1);
}

static void number_taken_after_adoption_is_left_alone(struct kunit *test)
{
	struct fake_device *foreign = kunit_kzalloc(test, sizeof(*foreign), GFP_KERNEL);
	struct fake_device *fake = adopt(test, 1);

	KUNIT_ASSERT_NOT_NULL(test, foreign);
	take_number(test, foreign, IRQ_RECORDED + 1);
	fake_free_vectors(fake);
	request_all(test, fake, NR_VECS);
	KUNIT_EXPECT_EQ(test, irq_of(fake, 0), IRQ_RECORDED);
	KUNIT_EXPECT_LT(test, irq_of(fake, 1), IRQ_RECORDED);
	KUNIT_EXPECT_EQ(test, irq_of(fake, 2), IRQ_RECORDED + 2);

	fake_end(fake);
	expect_counts(test, fake, NR_VECS, 1);
	expect_untouched(test, foreign, IRQ_RECORDED + 1);
}

static void nothing_to_finish(struct kunit *test)
{
	image_init(test);
	boot(test);
	irq_liveupdate_finish_rest();
	expect_all_freed(test);

	irq_liveupdate_finish_rest();
}

static void root_not_frozen_is_not_taken_over(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	irq_lu_ser_seal_root(m->root, m->table);
	m->root->state = IRQ_LU_STATE_PREPARED;

	irq_lu_load(virt_to_phys(m->root), IRQ_LU_ROOT_SIZE, &fake_memory);
	KUNIT_EXPECT_NULL(test, irq_liveupdate_incoming_unit(IRQ_LU_BACKEND_VTD, 0,
							     m->units[0].reg_base));
	KUNIT_EXPECT_TRUE(test, is_free(IRQ_RECORDED));
}

/*
 * The kernel which hands over
 */

static struct fake_device *add_running(struct kunit *test, const char *name,
				       const struct irq_lu_device_ser *head,
				       unsigned int unit, unsigned int nr)
{
	struct fake_device *fake;

	if (!kho_is_enabled())
		kunit_skip(test, "needs kho=on");

	fake = fake_add(test, name, head, unit);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, nr), 0);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, fake_request(fake, i, 0), 0);
	return fake;
}

static int fake_preserve(struct fake_device *fake)
{
	int ret = irq_liveupdate_preserve(fake->dev, &device_ops);

	fake->preserved |= !ret;
	return ret;
}

static void fake_unpreserve(struct fake_device *fake)
{
	irq_liveupdate_unpreserve(fake->dev);
	fake->preserved = false;
}

static void preserve_needs_a_unit(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);

	dev_set_msi_domain(fake->dev, fake->machine->cpus);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	dev_set_msi_domain(fake->dev, NULL);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	dev_set_msi_domain(fake->dev, fake->unit->domain);
	KUNIT_EXPECT_NULL(test, irq_lu_block());
}

static void preserve_refuses_managed_affinity(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	struct irq_data *irqd = irq_get_irq_data(irq_of(fake, 1));

	irqd_set(irqd, IRQD_AFFINITY_MANAGED);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	irqd_clear(irqd, IRQD_AFFINITY_MANAGED);
	KUNIT_EXPECT_NULL(test, irq_lu_block());
	KUNIT_EXPECT_NULL(test, fake->unit->ser);
}

static void preserve_refuses_a_device_which_disagrees(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);

	fake->hw[2].data = 1;
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EIO);
	KUNIT_EXPECT_NULL(test, irq_lu_block());

	fake->hw[2].data = 0;
	fake->msi_broken = true;
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EIO);
	KUNIT_EXPECT_NULL(test, irq_lu_block());

	fake->msi_broken = false;
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), 0);
}

static void freeze_refuses_a_device_which_disagrees(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	const struct irq_lu_root_ser *root;

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	fake->hw[2].data = 1;
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), -EIO);

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, fake->masked);
}

static void preserve_fails_as_its_unit_says(struct kunit *test)
{
	struct fake_device *a = add_running(test, "a", &msix_head, 0, NR_VECS);
	struct fake_device *b = add_running(test, "b", &other_head, 1, NR_VECS);
	const struct irq_lu_root_ser *root;

	a->unit->refusal = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, fake_preserve(a), -EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, irq_lu_block());

	/* Neither does it leave a record, nor does it cost another unit its record. */
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	KUNIT_EXPECT_EQ(test, fake_preserve(a), -EOPNOTSUPP);
	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->units[0].reg_base, b->unit->reg_base);
	KUNIT_EXPECT_EQ(test, b->machine->nr_events, 1);
	KUNIT_EXPECT_PTR_EQ(test, b->machine->events[0].who, (const void *)b->unit);
}

static void expect_unit_in_record(struct kunit *test, const struct irq_lu_root_ser *root,
				  unsigned int i, struct fake_device *fake)
{
	const struct irq_lu_device_ref_ser *table = phys_to_virt(root->device_table);
	const struct irq_lu_device_ser *ser = phys_to_virt(table[i].blob);
	const char *reason = NULL;

	KUNIT_ASSERT_GT(test, root->nr_devices, i);
	KUNIT_EXPECT_EQ(test, ser->devid, fake->head.devid);
	KUNIT_EXPECT_EQ(test, irq_lu_ser_check_device(ser, table[i].len, root, &reason), 0);
	KUNIT_EXPECT_STREQ(test, reason ?: "", "");
	KUNIT_EXPECT_EQ(test, root->units[ser->vectors[0].unit].reg_base, fake->unit->reg_base);
}

static void unit_goes_with_its_last_device(struct kunit *test)
{
	struct fake_device *a = add_running(test, "a", &msix_head, 0, NR_VECS);
	struct fake_device *b = add_running(test, "b", &other_head, 1, NR_VECS);
	struct fake_device *c = add_running(test, "c", &third_head, 0, NR_VECS);
	const struct irq_lu_root_ser *root;
	const char *reason;

	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(c), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(b->dev), 0);
	fake_unpreserve(a);
	KUNIT_EXPECT_EQ(test, c->unit->ser->reg_base, c->unit->reg_base);
	fake_unpreserve(c);
	KUNIT_EXPECT_NULL(test, c->unit->ser);

	/* The record of b was complete before. */
	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, irq_lu_ser_check_root_head(root, IRQ_LU_ROOT_SIZE, &reason), 0);
	expect_unit_in_record(test, root, 0, b);
	for (unsigned int i = 0; i < root->nr_units; i++)
		KUNIT_EXPECT_NE(test, root->units[i].reg_base, a->unit->reg_base);
	for (unsigned int e = 0; e < a->machine->nr_events; e++)
		KUNIT_EXPECT_PTR_NE(test, a->machine->events[e].who, (const void *)a->unit);
}

static void unit_comes_back_with_a_device(struct kunit *test)
{
	struct fake_device *a = add_running(test, "a", &msix_head, 0, NR_VECS);
	struct fake_device *b = add_running(test, "b", &other_head, 1, NR_VECS);
	const struct irq_lu_root_ser *root;
	const char *reason;

	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	fake_unpreserve(a);
	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(b->dev), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(a->dev), 0);

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->nr_units, NR_UNITS);
	KUNIT_EXPECT_EQ(test, irq_lu_ser_check_root_head(root, IRQ_LU_ROOT_SIZE, &reason), 0);
	expect_unit_in_record(test, root, 0, b);
	expect_unit_in_record(test, root, 1, a);
}

static void preserve_twice_is_refused(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EBUSY);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
}

static void preserve_looks_at_no_descriptor_without_lock(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);

	fake->late_descs = fake->dev->msi.data;
	fake->dev->msi.data = NULL;
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), 0);
	fake->dev->msi.data = fake->late_descs;
	KUNIT_EXPECT_EQ(test, fake->nr_captured, 0);

	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	KUNIT_EXPECT_EQ(test, fake->nr_captured, NR_VECS);
}

static void preserve_before_finish_is_refused(struct kunit *test)
{
	struct fake_device *fake;

	if (!kho_is_enabled())
		kunit_skip(test, "needs kho=on");

	fake = adopt(test, NR_VECS);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EBUSY);

	fake_end(fake);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), 0);
}

static void cancel_leaves_nothing_behind(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	struct msi_msg hw[HWSIZE];
	u64 table[NR_ENTRIES];

	memcpy(hw, fake->hw, sizeof(hw));
	memcpy(table, fake->unit->table, sizeof(table));

	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
		KUNIT_EXPECT_NOT_NULL(test, fake->unit->ser);
		KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
		irq_liveupdate_unfreeze(fake->dev);
		fake_unpreserve(fake);

		KUNIT_EXPECT_NULL(test, fake->unit->ser);
		KUNIT_EXPECT_NULL(test, irq_lu_block());
	}

	KUNIT_EXPECT_MEMEQ(test, hw, fake->hw, sizeof(hw));
	KUNIT_EXPECT_MEMEQ(test, table, fake->unit->table, sizeof(table));
	KUNIT_EXPECT_EQ(test, fake->machine->nr_events, 0);
}

static void unfrozen_device_is_not_handed_over(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	const struct irq_lu_root_ser *root;

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	irq_liveupdate_unfreeze(fake->dev);

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, fake->masked);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(fake->unit->latched, NR_ENTRIES));
}

static void driver_may_change_the_msi_type_before_the_freeze(struct kunit *test)
{
	struct irq_lu_device_ser head = msi_head;
	struct fake_device *fake;

	head.hwsize = 1;
	fake = add_running(test, "old", &head, 0, 1);
	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);

	fake_free_vectors(fake);
	fake->head = msix_head;
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, HWSIZE), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);

	reboot(test, irq_lu_block());
	fake_unplug(test, fake);
	reset_units(test->priv);
	boot(test);
	fake = fake_add(test, "new", &msix_head, 0);
	irq_liveupdate_match(fake->dev, &device_ops);
	KUNIT_EXPECT_TRUE(test, irq_liveupdate_placed(fake->dev));
}

static void masked_before_blocked(struct kunit *test)
{
	struct fake_device *a = add_running(test, "a", &msix_head, 0, NR_VECS);
	struct fake_device *b = add_running(test, "b", &other_head, 1, NR_VECS);
	struct fake_machine *m = test->priv;
	const struct irq_lu_root_ser *root;
	unsigned int e = 0;

	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(a->dev), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(b->dev), 0);
	KUNIT_ASSERT_EQ(test, m->nr_events, 0);

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);

	KUNIT_ASSERT_EQ(test, m->nr_events, 2 + 2 * NR_VECS + NR_UNITS);
	for (; e < 2; e++)
		KUNIT_EXPECT_EQ(test, m->events[e].type, MASKED);
	for (; e < 2 + 2 * NR_VECS; e++)
		KUNIT_EXPECT_EQ(test, m->events[e].type, BLOCKED);
	for (unsigned int i = 0; i < NR_UNITS; i++, e++) {
		KUNIT_EXPECT_EQ(test, m->events[e].type, SYNCED);
		KUNIT_EXPECT_PTR_EQ(test, m->events[e].who, (const void *)&m->units[i]);
		KUNIT_EXPECT_EQ(test, m->events[e].state, IRQ_LU_STATE_PREPARED);
		KUNIT_EXPECT_EQ(test, bitmap_weight(m->units[i].latched, NR_ENTRIES), NR_VECS);
	}
	KUNIT_EXPECT_TRUE(test, a->masked && b->masked);
	KUNIT_EXPECT_EQ(test, root->state, IRQ_LU_STATE_FROZEN);
	KUNIT_EXPECT_EQ(test, root->nr_devices, 2);
}

/* All other units are flushed all the same. */
static void nothing_is_handed_over_without_a_flush(struct kunit *test)
{
	struct fake_device *a = add_running(test, "a", &msix_head, 0, NR_VECS);
	struct fake_device *b = add_running(test, "b", &other_head, 1, NR_VECS);
	struct fake_machine *m = test->priv;
	const struct irq_lu_root_ser *root;

	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(a->dev), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(b->dev), 0);
	m->units[0].sync_fails = true;

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->state, IRQ_LU_STATE_PREPARED);
	KUNIT_EXPECT_EQ(test, m->events[m->nr_events - 1].type, SYNCED);
	KUNIT_EXPECT_PTR_EQ(test, m->events[m->nr_events - 1].who, (const void *)&m->units[1]);
}

/*
 * A whole life
 */

static void live_on(struct kunit *test, const struct irq_lu_device_ser *head, unsigned int nr)
{
	struct fake_device *old = add_running(test, "old", head, 1, nr);
	struct irq_lu_vector_ser first = { .irq = irq_of(old, 0), .unit = 1 };
	struct fake_machine *m = test->priv;
	const struct irq_lu_root_ser *root;
	struct fake_device *new, *decoy;
	struct msi_msg hw[HWSIZE];

	first.handle = handle_of(old, 0);
	memcpy(hw, old->hw, sizeof(hw));

	KUNIT_ASSERT_EQ(test, fake_preserve(old), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(old->dev), 0);
	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	reboot(test, root);
	fake_unplug(test, old);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, m->units[1].table[first.handle + i],
				ENTRY(0x40310, ENTRY_FPD));
	reset_units(m);

	/* The one who comes first would get the numbers and the entries. */
	boot(test);
	decoy = add_running(test, "decoy", &other_head, 1, NR_VECS);
	for (unsigned int i = 0; i < NR_VECS; i++) {
		KUNIT_EXPECT_FALSE(test, in_range(irq_of(decoy, i), first.irq, nr));
		KUNIT_EXPECT_FALSE(test, in_range(handle_of(decoy, i), first.handle, nr));
	}

	new = fake_add(test, "new", head, 1);
	irq_liveupdate_match(new->dev, &device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(new, nr), 0);
	expect_placed(test, new, &first, nr);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, fake_request(new, i, 0), 0);

	KUNIT_EXPECT_MEMEQ(test, hw, new->hw, sizeof(hw));
	for (unsigned int i = 0; i < nr; i++) {
		u32 target = 0;

		KUNIT_EXPECT_EQ(test, irq_liveupdate_target(first.irq + i, &target), 0);
		KUNIT_EXPECT_EQ(test, target, TARGET);
		KUNIT_EXPECT_EQ(test, m->units[1].table[first.handle + i],
				ENTRY(0x40310, ENTRY_PRESENT));
	}

	expect_counts(test, new, nr, 0);
	fake_end(new);
	expect_counts(test, new, nr, 1);
	expect_counts(test, decoy, NR_VECS, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&m->nr_ipis), nr);
	expect_placed(test, new, &first, nr);
	expect_all_freed(test);
}

static void msix_vectors_live_on(struct kunit *test)
{
	live_on(test, &msix_head, NR_VECS);
}

static const unsigned int msi_counts[] = { 1, 2, 3, 4, 8, 17, 32 };

KUNIT_ARRAY_PARAM(msi_count, msi_counts, describe_count);

static void msi_vectors_live_on(struct kunit *test)
{
	live_on(test, &msi_head, *(const unsigned int *)test->param_value);
}

/*
 * Mutations of what the previous kernel left: whatever it is, each device gets
 * all that is reserved or none of it, works, and nothing stays behind.
 */

#define IMAGE_SEED		0x5eed11fe
#define NR_IMAGES		(IS_ENABLED(CONFIG_KASAN) ? 100 : 500)
#define MAX_IMAGE_CHANGES		3

struct saved_image {
	struct irq_lu_root_ser		root;
	struct irq_lu_unit_ser		units[NR_UNITS];
	struct irq_lu_device_ref_ser	table[2];
	u8				devices[2][SZ_256];
};

static void save_image(struct fake_machine *m, struct saved_image *saved)
{
	saved->root = *m->root;
	memcpy(saved->units, m->root->units, sizeof(saved->units));
	memcpy(saved->table, m->table, sizeof(saved->table));
	for (unsigned int i = 0; i < 2; i++)
		memcpy(saved->devices[i], phys_to_virt(m->table[i].blob), m->table[i].len);
}

/* As it was before the first boot. */
static void restore_image(struct fake_machine *m, const struct saved_image *saved)
{
	*m->root = saved->root;
	memcpy(m->root->units, saved->units, sizeof(saved->units));
	memcpy(m->table, saved->table, sizeof(saved->table));
	for (unsigned int i = 0; i < 2; i++)
		memcpy(phys_to_virt(m->table[i].blob), saved->devices[i], m->table[i].len);
	for (unsigned int i = 0; i < m->nr_blocks; i++)
		m->blocks[i].freed = false;

	for (unsigned int i = 0; i < NR_VECS; i++) {
		m->units[0].table[vector.handle + i] = ENTRY(vector.source, ENTRY_FPD);
		m->units[0].table[other_vector.handle + i] = ENTRY(other_vector.source, ENTRY_FPD);
	}
}

/* A field becomes a small number, or one of its bits changes. */
static void change_mem_block(struct rnd_state *rnd, void *block, size_t len)
{
	u8 *byte = block + prandom_u32_state(rnd) % len;

	if (prandom_u32_state(rnd) % 2)
		*byte ^= BIT(prandom_u32_state(rnd) % BITS_PER_BYTE);
	else
		*byte = prandom_u32_state(rnd) % HWSIZE;
}

static void mutate_image(struct rnd_state *rnd, struct fake_machine *m)
{
	struct irq_lu_device_ser *devices[] = {
		phys_to_virt(m->table[0].blob), phys_to_virt(m->table[1].blob),
	};
	size_t len = m->table[0].len;

	for (u32 nr = 1 + prandom_u32_state(rnd) % MAX_IMAGE_CHANGES; nr; nr--) {
		u32 which = prandom_u32_state(rnd) % 8;

		if (which == 0)
			change_mem_block(rnd, m->root, struct_size(m->root, units, NR_UNITS));
		else if (which == 1)
			change_mem_block(rnd, m->table, 2 * sizeof(m->table[0]));
		else
			change_mem_block(rnd, devices[which % 2], len);
	}

	/* One of eight is not sealed. */
	if (prandom_u32_state(rnd) % 8) {
		for (unsigned int i = 0; i < 2; i++) {
			devices[i]->nr_vectors = min_t(u32, devices[i]->nr_vectors, NR_VECS);
			irq_lu_ser_seal_device(devices[i]);
		}
		m->root->nr_devices = min_t(u32, m->root->nr_devices, 2);
		m->root->nr_units = min_t(u32, m->root->nr_units, IRQ_LU_MAX_UNITS);
		irq_lu_ser_seal_root(m->root, m->table);
	}
}

/* Returns how many vectors have their recorded numbers, and in @nr how many should. */
static unsigned int count_placed(struct fake_device *fake, const struct irq_lu_device_ser *ser,
				 unsigned int *nr)
{
	unsigned int nr_placed = 0;

	*nr = 0;
	for (unsigned int i = 0; i < min(ser->nr_vectors, NR_VECS); i++) {
		const struct irq_lu_vector_ser *rec = &ser->vectors[i];
		struct irq_data *irqd;

		if (rec->msi_index >= NR_VECS)
			continue;
		(*nr)++;
		irqd = irq_domain_get_irq_data(fake->unit->domain, irq_of(fake, rec->msi_index));
		if (irqd && irqd->irq == rec->irq && irqd->hwirq == rec->handle)
			nr_placed++;
	}
	return nr_placed;
}

static void use_vectors(struct kunit *test, struct fake_device *fake)
{
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	for (unsigned int i = 0; i < NR_VECS; i++) {
		KUNIT_ASSERT_EQ(test, fake_request(fake, i, 0), 0);
		atomic_set(&fake->count[i], 0);
	}
}

static void expect_nothing_left(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	KUNIT_EXPECT_TRUE(test, list_empty(&irq_liveupdate_incoming));
	KUNIT_EXPECT_TRUE(test, is_free(irq_base));
	KUNIT_EXPECT_TRUE(test, is_free(IRQ_RECORDED));
	for (unsigned int i = 0; i < NR_UNITS; i++) {
		KUNIT_EXPECT_TRUE(test, bitmap_empty(m->units[i].used, NR_ENTRIES));
		KUNIT_EXPECT_TRUE(test, bitmap_empty(m->units[i].held, NR_ENTRIES));
	}
}

static void mutated_state_is_taken_over_or_refused(struct kunit *test)
{
	struct saved_image *saved = kunit_kzalloc(test, sizeof(*saved), GFP_KERNEL);
	const struct irq_lu_device_ser *ser[2];
	struct fake_machine *m = test->priv;
	unsigned int nr_placed = 0;
	struct fake_device *fake[2];
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, saved);
	fake[0] = fake_add(test, "a", &msix_head, 0);
	fake[1] = fake_add(test, "b", &other_head, 0);
	image_init(test);
	ser[0] = image_add(test, &msix_head, &vector, NR_VECS);
	ser[1] = image_add(test, &other_head, &other_vector, NR_VECS);
	irq_lu_ser_seal_root(m->root, m->table);
	save_image(m, saved);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_live_update, NULL));

	for (unsigned int nr = 0; nr < NR_IMAGES; nr++) {
		prandom_seed_state(&rnd, (IMAGE_SEED + nr) * GOLDEN_RATIO_64);
		mutate_image(&rnd, m);
		take_over(m);

		for (unsigned int i = 0; i < 2; i++) {
			unsigned int placed, recorded;

			irq_liveupdate_match(fake[i]->dev, &device_ops);
			use_vectors(test, fake[i]);
			placed = count_placed(fake[i], ser[i], &recorded);
			fake_end(fake[i]);
			irq_work_sync(&m->ipi);

			if (placed)
				KUNIT_EXPECT_EQ(test, placed, recorded);
			for (unsigned int v = 0; v < NR_VECS; v++)
				KUNIT_EXPECT_LE(test, atomic_read(&fake[i]->count[v]), 1);
			nr_placed += !!placed;
		}

		irq_liveupdate_finish_rest();
		fake_free_vectors(fake[0]);
		fake_free_vectors(fake[1]);
		irq_lu_wait_until_freed();
		expect_nothing_left(test);
		restore_image(m, saved);
		if (test->status == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(test, "mutation %u, seed %#x", nr, IMAGE_SEED);
	}

	kunit_info(test, "seed %#x: %u mutations, %u of %u devices placed", IMAGE_SEED,
		   NR_IMAGES, nr_placed, 2 * NR_IMAGES);
	KUNIT_EXPECT_GT(test, nr_placed, NR_IMAGES / 10);
	KUNIT_EXPECT_LT(test, nr_placed, 2 * NR_IMAGES - NR_IMAGES / 10);
}

/*
 * Failing allocations
 */

static void failing_preserve_leaves_nothing_behind(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	unsigned int nth, nr_refused = 0;
	struct msi_msg hw[HWSIZE];
	u64 table[NR_ENTRIES];
	bool hit = true;

	init_failing(test);
	memcpy(hw, fake->hw, sizeof(hw));
	memcpy(table, fake->unit->table, sizeof(table));

	for (nth = 1; hit && nth < MAX_ALLOCATIONS; nth++) {
		int ret = 0;

		/* KHO warns when it cannot show its memory in debugfs. */
		kunit_warning_suppress(test) {
			fail_nth(nth);
			ret = fake_preserve(fake);
			hit = stop_failing();
			KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
		}
		if (ret) {
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			KUNIT_EXPECT_TRUE(test, hit);
			nr_refused++;
		} else {
			KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
			irq_liveupdate_unfreeze(fake->dev);
			fake_unpreserve(fake);
		}
		KUNIT_EXPECT_NULL(test, irq_lu_block());
		KUNIT_EXPECT_NULL(test, fake->unit->ser);
	}
	KUNIT_EXPECT_FALSE(test, hit);
	KUNIT_EXPECT_GT(test, nr_refused, 0);
	KUNIT_EXPECT_MEMEQ(test, hw, fake->hw, sizeof(hw));
	KUNIT_EXPECT_MEMEQ(test, table, fake->unit->table, sizeof(table));
	kunit_info(test, "%u allocations failed, %u of them refused the device", nth - 2,
		   nr_refused);
}

static void freeze_and_block_allocate_nothing(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);

	init_failing(test);
	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);

	fail_nth(1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	irq_liveupdate_unfreeze(fake->dev);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	KUNIT_EXPECT_NOT_NULL(test, irq_lu_block());
	KUNIT_EXPECT_FALSE(test, stop_failing());
}

/* What one failing allocation made of a life in the next kernel */
struct failed_life {
	bool	loaded;
	bool	alloc_failed;
	bool	request_failed;
	bool	placed;
};

/* A driver tries again when there is memory. */
static void alloc_and_request(struct kunit *test, struct fake_device *fake,
			      struct failed_life *life)
{
	int ret = fake_alloc_vectors(fake, NR_VECS);

	if (ret) {
		life->alloc_failed = true;
		KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	}

	for (unsigned int i = 0; i < NR_VECS; i++) {
		ret = fake_request(fake, i, 0);
		if (ret) {
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			life->request_failed = true;
			KUNIT_ASSERT_EQ(test, fake_request(fake, i, 0), 0);
		}
		atomic_set(&fake->count[i], 0);
	}
}

/* Returns whether it came to the allocation which was to fail. */
static bool live_with_failure(struct kunit *test, struct fake_device *fake,
			      unsigned int nth, struct failed_life *life)
{
	struct fake_machine *m = test->priv;

	fail_nth(nth);
	take_over(m);
	life->loaded = irq_liveupdate_incoming_unit(IRQ_LU_BACKEND_VTD, 0, m->units[0].reg_base);
	irq_liveupdate_match(fake->dev, &device_ops);
	alloc_and_request(test, fake, life);

	life->placed = irq_of(fake, 0) == vector.irq;
	if (life->placed)
		expect_placed(test, fake, &vector, NR_VECS);
	for (unsigned int i = 0; !life->placed && i < NR_VECS; i++)
		KUNIT_EXPECT_LT(test, irq_of(fake, i), IRQ_RECORDED);

	fake_end(fake);
	irq_liveupdate_finish_rest();
	irq_lu_wait_until_freed();
	return stop_failing();
}

/*
 * The device works, cold or with all its old numbers. An allocation which fails
 * for a driver does not lose it a number that was reserved.
 */
static void failing_take_over_leaves_nothing_behind(struct kunit *test)
{
	struct saved_image *saved = kunit_kzalloc(test, sizeof(*saved), GFP_KERNEL);
	unsigned int nth, nr_cold = 0, nr_alloc = 0, nr_request = 0;
	struct fake_device *fake = fake_add(test, "new", &msix_head, 0);
	struct fake_machine *m = test->priv;
	bool hit = true;

	init_failing(test);
	KUNIT_ASSERT_NOT_NULL(test, saved);
	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	image_add(test, &other_head, &other_vector, NR_VECS);
	irq_lu_ser_seal_root(m->root, m->table);
	save_image(m, saved);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_live_update, NULL));

	for (nth = 1; hit && nth < MAX_ALLOCATIONS; nth++) {
		struct failed_life life = { };

		/* Removing the files of an interrupt warns of one that is missing. */
		kunit_warning_suppress(test) {
			hit = live_with_failure(test, fake, nth, &life);
			expect_counts(test, fake, NR_VECS, 1);
			fake_free_vectors(fake);
			KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
		}
		if (life.alloc_failed || life.request_failed || !hit)
			KUNIT_EXPECT_TRUE(test, life.placed);
		if (life.loaded)
			expect_all_freed(test);
		expect_nothing_left(test);
		restore_image(m, saved);
		if (test->status == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(test, "allocation %u", nth);

		nr_cold += !life.placed;
		nr_alloc += life.alloc_failed;
		nr_request += life.request_failed;
	}
	KUNIT_EXPECT_FALSE(test, hit);
	KUNIT_EXPECT_GT(test, nr_cold, 0);
	KUNIT_EXPECT_GT(test, nr_alloc, 0);
	KUNIT_EXPECT_GT(test, nr_request, 0);
	kunit_info(test, "%u allocations failed: %u times cold, %u times no vectors at first, %u times no handler at first",
		   nth - 2, nr_cold, nr_alloc, nr_request);
}

/*
 * What is traced: each event as its first letter, by a probe of each
 */

#define MAX_TRACED	64

struct traced {
	char			events[MAX_TRACED];
	unsigned int		nr;
	enum irq_liveupdate_step step;
	char			reason[64];
};

static void add_traced(struct traced *traced, char event)
{
	if (traced->nr + 1 < MAX_TRACED)
		traced->events[traced->nr++] = event;
}

static void on_preserve(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'p');
}

static void on_unpreserve(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'P');
}

static void on_freeze(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'f');
}

static void on_unfreeze(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'F');
}

static void on_block(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'b');
}

static void on_take_over(void *data, const struct irq_lu_unit_ser *unit)
{
	add_traced(data, 't');
}

static void on_reserve(void *data, const struct irq_lu_device_ser *ser,
		       const struct irq_lu_vector_ser *rec)
{
	add_traced(data, 'r');
}

static void on_adopt(void *data, const struct irq_lu_device_ser *ser,
		     const struct irq_lu_vector_ser *rec)
{
	add_traced(data, 'a');
}

static void on_revoke(void *data, const struct irq_lu_device_ser *ser,
		      const struct irq_lu_vector_ser *rec)
{
	add_traced(data, 'R');
}

static void on_inject(void *data, unsigned int irq, unsigned long arrivals, bool was_pending,
		      unsigned int how)
{
	add_traced(data, 'i');
}

static void on_finish(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'e');
}

static void on_refuse(void *data, const char *device, enum irq_liveupdate_step step,
		      const char *reason)
{
	struct traced *traced = data;

	add_traced(traced, '!');
	traced->step = step;
	strscpy(traced->reason, reason);
}

static void stop_tracing(void *traced)
{
	unregister_trace_irq_liveupdate_preserve(on_preserve, traced);
	unregister_trace_irq_liveupdate_unpreserve(on_unpreserve, traced);
	unregister_trace_irq_liveupdate_freeze(on_freeze, traced);
	unregister_trace_irq_liveupdate_unfreeze(on_unfreeze, traced);
	unregister_trace_irq_liveupdate_block(on_block, traced);
	unregister_trace_irq_liveupdate_take_over(on_take_over, traced);
	unregister_trace_irq_liveupdate_reserve(on_reserve, traced);
	unregister_trace_irq_liveupdate_adopt(on_adopt, traced);
	unregister_trace_irq_liveupdate_revoke(on_revoke, traced);
	unregister_trace_irq_liveupdate_inject(on_inject, traced);
	unregister_trace_irq_liveupdate_finish(on_finish, traced);
	unregister_trace_irq_liveupdate_refuse(on_refuse, traced);
	tracepoint_synchronize_unregister();
}

static struct traced *start_tracing(struct kunit *test)
{
	struct traced *traced = kunit_kzalloc(test, sizeof(*traced), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, traced);
	ret = register_trace_irq_liveupdate_preserve(on_preserve, traced) ?:
	      register_trace_irq_liveupdate_unpreserve(on_unpreserve, traced) ?:
	      register_trace_irq_liveupdate_freeze(on_freeze, traced) ?:
	      register_trace_irq_liveupdate_unfreeze(on_unfreeze, traced) ?:
	      register_trace_irq_liveupdate_block(on_block, traced) ?:
	      register_trace_irq_liveupdate_take_over(on_take_over, traced) ?:
	      register_trace_irq_liveupdate_reserve(on_reserve, traced) ?:
	      register_trace_irq_liveupdate_adopt(on_adopt, traced) ?:
	      register_trace_irq_liveupdate_revoke(on_revoke, traced) ?:
	      register_trace_irq_liveupdate_inject(on_inject, traced) ?:
	      register_trace_irq_liveupdate_finish(on_finish, traced) ?:
	      register_trace_irq_liveupdate_refuse(on_refuse, traced);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_tracing, traced), 0);
	return traced;
}

static void steps_are_traced_in_order(struct kunit *test)
{
	struct traced *traced = start_tracing(test);

	live_on(test, &msix_head, NR_VECS);
	/* The device of the old kernel is unpreserved when it is taken out of the test. */
	KUNIT_EXPECT_STREQ(test, traced->events, "pfbPtrrraaaiiie");
}

static void cancelled_steps_are_traced(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	struct traced *traced = start_tracing(test);

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	irq_liveupdate_unfreeze(fake->dev);
	fake_unpreserve(fake);
	KUNIT_EXPECT_STREQ(test, traced->events, "pfFP");
}

static void refusal_at_preserve_is_traced(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	struct traced *traced = start_tracing(test);

	dev_set_msi_domain(fake->dev, fake->machine->cpus);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	dev_set_msi_domain(fake->dev, fake->unit->domain);
	KUNIT_EXPECT_STREQ(test, traced->events, "!");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_PRESERVE);
	KUNIT_EXPECT_STREQ(test, traced->reason, "no interrupt remapping");
}

static void refusal_of_a_vector_is_traced_with_its_reason(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	struct irq_data *irqd = irq_get_irq_data(irq_of(fake, 1));
	struct traced *traced = start_tracing(test);

	irqd_set(irqd, IRQD_AFFINITY_MANAGED);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	irqd_clear(irqd, IRQD_AFFINITY_MANAGED);
	KUNIT_EXPECT_STREQ(test, traced->events, "!");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_PRESERVE);
	KUNIT_EXPECT_STREQ(test, traced->reason, "managed affinity");
}

static void refusal_at_freeze_is_traced(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	struct traced *traced = start_tracing(test);

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	fake->hw[1].data ^= 1;
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), -EIO);
	KUNIT_EXPECT_STREQ(test, traced->events, "p!");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_FREEZE);
	KUNIT_EXPECT_STREQ(test, traced->reason, "device and kernel disagree");
}

static void refusal_at_the_block_is_traced(struct kunit *test)
{
	struct fake_device *fake = add_running(test, "old", &msix_head, 0, NR_VECS);
	struct traced *traced = start_tracing(test);

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	fake->unit->sync_fails = true;
	KUNIT_EXPECT_NOT_NULL(test, irq_lu_block());
	KUNIT_EXPECT_STREQ(test, traced->events, "pfb!");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_BLOCK);
}

static void refusal_in_the_next_kernel_is_traced(struct kunit *test)
{
	struct traced *traced = start_tracing(test);
	struct fake_machine *m = test->priv;

	image_init(test);
	image_add(test, &msix_head, &vector, NR_VECS);
	boot(test);
	irq_liveupdate_refuse_unit(&m->root->units[0], "a reason");
	KUNIT_EXPECT_STREQ(test, traced->events, "trrrt!RRR");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_TAKE_OVER);
	KUNIT_EXPECT_STREQ(test, traced->reason, "a reason");
}

static struct kunit_case core_test_cases[] = {
	KUNIT_CASE_PARAM(search_skips_reserved_numbers, placement_gen_params),
	KUNIT_CASE(exact_request_gets_a_reserved_number),
	KUNIT_CASE(freed_number_is_reserved_until_finish),
	KUNIT_CASE_PARAM(bad_vector_refuses_its_device_only, bad_vector_gen_params),
	KUNIT_CASE(broken_record_refuses_its_device_only),
	KUNIT_CASE(only_kept_memory_is_read),
	KUNIT_CASE(record_outside_of_kept_memory_is_neither_read_nor_freed),
	KUNIT_CASE(refused_unit_refuses_what_is_behind_it),
	KUNIT_CASE(faults_are_reported_once_devices_are_stopped),
	KUNIT_CASE(faults_of_what_is_released_later_are_reported),
	KUNIT_CASE(faults_are_reported_after_refused_state),
	KUNIT_CASE_PARAM(other_device_starts_cold, other_device_gen_params),
	KUNIT_CASE(device_without_a_record_starts_cold),
	KUNIT_CASE(outcome_is_why_nothing_was_taken_over),
	KUNIT_CASE(outcome_is_that_there_is_no_valid_record),
	KUNIT_CASE(device_without_any_record_starts_cold),
	KUNIT_CASE_PARAM(msi_without_its_unit_is_disabled_when_found, msi_type_gen_params),
	KUNIT_CASE(msi_is_left_enabled_with_its_unit),
	KUNIT_CASE(msi_is_disabled_when_its_unit_is_torn_down),
	KUNIT_CASE(devices_in_one_bucket_are_told_apart),
	KUNIT_CASE(first_of_two_records_of_a_device_counts),
	KUNIT_CASE(only_recorded_numbers_have_an_entry),
	KUNIT_CASE_PARAM(other_msi_type_starts_cold, msi_type_gen_params),
	KUNIT_CASE(driver_which_changes_the_msi_type_starts_cold),
	KUNIT_CASE_PARAM(other_number_of_msi_messages_starts_cold, other_count_gen_params),
	KUNIT_CASE(other_source_id_starts_cold),
	KUNIT_CASE(device_behind_another_unit_starts_cold),
	KUNIT_CASE(requested_vector_is_injected_once),
	KUNIT_CASE(only_a_debug_kernel_reads_the_device_at_finish),
	KUNIT_CASE(adopted_vectors_are_compared_with_the_device),
	KUNIT_CASE(pending_vector_is_injected_once),
	KUNIT_CASE(replayed_vector_is_not_injected_again),
	KUNIT_CASE(vector_is_injected_when_it_is_requested),
	KUNIT_CASE(vector_is_injected_when_it_is_requested_again),
	KUNIT_CASE(disabled_vector_is_injected_when_it_is_enabled),
	KUNIT_CASE(masked_vector_is_injected_when_it_is_unmasked),
	KUNIT_CASE(vector_without_autoenable_is_injected_when_it_is_enabled),
	KUNIT_CASE(disabled_and_pending_vector_is_injected_once),
	KUNIT_CASE(disabled_vector_in_replay_is_injected_once),
	KUNIT_CASE(enabled_while_in_replay_is_injected_once),
	KUNIT_CASE(vector_is_injected_after_a_replay_was_lost),
	KUNIT_CASE(vector_which_can_not_be_sent_is_left_pending),
	KUNIT_CASE(vector_whose_handler_runs_is_injected_once),
	KUNIT_CASE(vector_disabled_while_its_handler_runs_is_injected_once),
	KUNIT_CASE(vector_is_injected_after_a_replay_met_its_handler),
	KUNIT_CASE(unclaimed_vectors_are_revoked),
	KUNIT_CASE(more_vectors_than_recorded_are_added_cold),
	KUNIT_CASE(finish_locks_the_driver_out),
	KUNIT_CASE(finished_vector_is_an_ordinary_one),
	KUNIT_CASE(rest_is_revoked),
	KUNIT_CASE_PARAM(vectors_wait_for_their_owner, msi_type_gen_params),
	KUNIT_CASE(device_is_released_with_its_last_interrupt),
	KUNIT_CASE(device_in_use_is_released_at_finish),
	KUNIT_CASE(released_vectors_in_use_stay),
	KUNIT_CASE(vector_freed_before_it_is_requested_is_owed_its_interrupt),
	KUNIT_CASE(cold_vectors_get_their_interrupt_when_requested),
	KUNIT_CASE(all_messages_get_their_interrupt_after_fewer),
	KUNIT_CASE(taken_number_makes_its_device_start_cold),
	KUNIT_CASE(number_taken_after_adoption_is_left_alone),
	KUNIT_CASE(nothing_to_finish),
	KUNIT_CASE(root_not_frozen_is_not_taken_over),
	KUNIT_CASE(preserve_needs_a_unit),
	KUNIT_CASE(preserve_refuses_managed_affinity),
	KUNIT_CASE(preserve_refuses_a_device_which_disagrees),
	KUNIT_CASE(freeze_refuses_a_device_which_disagrees),
	KUNIT_CASE(preserve_fails_as_its_unit_says),
	KUNIT_CASE(unit_goes_with_its_last_device),
	KUNIT_CASE(unit_comes_back_with_a_device),
	KUNIT_CASE(preserve_twice_is_refused),
	KUNIT_CASE(preserve_looks_at_no_descriptor_without_lock),
	KUNIT_CASE(preserve_before_finish_is_refused),
	KUNIT_CASE(cancel_leaves_nothing_behind),
	KUNIT_CASE(unfrozen_device_is_not_handed_over),
	KUNIT_CASE(driver_may_change_the_msi_type_before_the_freeze),
	KUNIT_CASE(masked_before_blocked),
	KUNIT_CASE(nothing_is_handed_over_without_a_flush),
	KUNIT_CASE(msix_vectors_live_on),
	KUNIT_CASE_PARAM(msi_vectors_live_on, msi_count_gen_params),
	KUNIT_CASE_SLOW(mutated_state_is_taken_over_or_refused),
	KUNIT_CASE(failing_preserve_leaves_nothing_behind),
	KUNIT_CASE(freeze_and_block_allocate_nothing),
	KUNIT_CASE_SLOW(failing_take_over_leaves_nothing_behind),
	KUNIT_CASE(steps_are_traced_in_order),
	KUNIT_CASE(cancelled_steps_are_traced),
	KUNIT_CASE(refusal_at_preserve_is_traced),
	KUNIT_CASE(refusal_of_a_vector_is_traced_with_its_reason),
	KUNIT_CASE(refusal_at_freeze_is_traced),
	KUNIT_CASE(refusal_at_the_block_is_traced),
	KUNIT_CASE(refusal_in_the_next_kernel_is_traced),
	{}
};

static struct kunit_suite core_test_suite = {
	.name		= "irq_liveupdate_core",
	.init		= core_test_init,
	.test_cases	= core_test_cases,
};

kunit_test_suite(core_test_suite);

MODULE_DESCRIPTION("KUnit tests of the core of interrupt live update");
MODULE_LICENSE("GPL");
