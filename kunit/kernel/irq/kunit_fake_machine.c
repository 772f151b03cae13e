// SPDX-License-Identifier: GPL-2.0

/*
 * The fake machine of kunit_fake_machine.h: what it does
 */

#include <kunit/device.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/irq.h>
#include <linux/kexec_handover.h>
#include <linux/sizes.h>

#include "kunit_fake_machine.h"

unsigned int fake_irq_base;

/* That of the current test, for code that runs in another task */
static struct fake_machine *the_machine;

static void add_event(struct fake_machine *m, enum fake_event_type type,
		      const void *who, u32 state)
{
	if (m->nr_events < NR_EVENTS)
		m->events[m->nr_events++] = (struct fake_event){ type, who, state };
}

/*
 * The CPUs: an interrupt that is retriggered is delivered from hard interrupt
 * context, as often as it was retriggered.
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

/* The driver sleeps only while it waits for its lock. */
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

	/* The driver spins on a mutex whose owner is running, so sleep. */
	do {
		usleep_range(1000, 2000);
		waits = driver_waits(m);
	} while (!waits && !completion_done(&m->driver_runs));

	/* Once the driver is done, its task may do something else, and sleep there. */
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

	/* The messages of MSI share one register, which is that of the first. */
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

static u16 device_requester_id(struct device *dev)
{
	struct fake_device *fake = dev_get_drvdata(dev);

	return fake->head.requester_id;
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

const struct irq_liveupdate_dev_ops fake_device_ops = {
	.identify	= device_identify,
	.requester_id	= device_requester_id,
	.max_vectors	= device_max_vectors,
	.capture	= device_capture,
	.check		= device_check,
	.mask		= device_mask,
	.disable	= device_disable,
	.lock		= device_begin_audit,
	.unlock		= device_end_audit,
};

const struct irq_lu_device_ser fake_msi_head = {
	.devid		= 0x0310,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSI,
	.hwsize		= HWSIZE,
	.requester_id	= 0x0310,
};

const struct irq_lu_device_ser fake_msix_head = {
	.devid		= 0x0310,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSIX,
	.hwsize		= HWSIZE,
	.requester_id	= 0x0310,
};

const struct irq_lu_device_ser fake_other_head = {
	.devid		= 0x0400,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSIX,
	.hwsize		= HWSIZE,
	.requester_id	= 0x0400,
};

const struct irq_lu_device_ser fake_third_head = {
	.devid		= 0x0500,
	.vendor		= 0x1af4,
	.device		= 0x1110,
	.msi_type	= IRQ_LU_MSIX,
	.hwsize		= HWSIZE,
	.requester_id	= 0x0500,
};

void fake_describe_type(const struct irq_lu_device_ser * const *head, char *desc)
{
	strscpy(desc, *head == &fake_msi_head ? "MSI" : "MSI-X", KUNIT_PARAM_DESC_SIZE);
}

const struct irq_lu_device_ser * const fake_msi_types[] = { &fake_msi_head, &fake_msix_head };

unsigned int fake_irq_of(struct fake_device *fake, unsigned int index)
{
	if (fake->head.msi_type == IRQ_LU_MSI)
		return msi_get_virq(fake->dev, 0) + index;
	return msi_get_virq(fake->dev, index);
}

u32 fake_handle_of(struct fake_device *fake, unsigned int index)
{
	return irq_domain_get_irq_data(fake->unit->domain, fake_irq_of(fake, index))->hwirq;
}

irqreturn_t fake_count_irq(int irq, void *count)
{
	atomic_inc(count);
	return IRQ_HANDLED;
}

static int fake_request_with(struct fake_device *fake, unsigned int index,
			     irq_handler_t handler, unsigned long flags)
{
	int ret = request_irq(fake_irq_of(fake, index), handler, flags, "fake",
			      &fake->count[index]);

	if (!ret)
		set_bit(index, &fake->requested);
	return ret;
}

int fake_request(struct fake_device *fake, unsigned int index, unsigned long flags)
{
	return fake_request_with(fake, index, fake_count_irq, flags);
}

void fake_release_irq(struct fake_device *fake, unsigned int index)
{
	free_irq(fake_irq_of(fake, index), &fake->count[index]);
	clear_bit(index, &fake->requested);
}

/* As pci_alloc_irq_vectors() does it: one descriptor per vector, or one for all. */
int fake_alloc_vectors(struct fake_device *fake, unsigned int nr)
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

void fake_free_vectors(struct fake_device *fake)
{
	unsigned int i;

	for_each_set_bit(i, &fake->requested, HWSIZE)
		fake_release_irq(fake, i);
	if (fake->allocated)
		msi_domain_free_irqs_all(fake->dev, MSI_DEFAULT_DOMAIN);
	fake->allocated = false;
}

/* FINISH of a device whose owner is gone, or will not come */
void fake_end(struct fake_device *fake)
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

struct fake_device *fake_add(struct kunit *test, const char *name,
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

void fake_unplug(struct kunit *test, struct fake_device *fake)
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

void *fake_add_mem_block(struct kunit *test, size_t size)
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

/* One that is still kept: memory is returned only once. */
static struct mem_block *find_mem_block(u64 phys, size_t len)
{
	struct fake_machine *m = kunit_get_current_test()->priv;

	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		struct mem_block *block = &m->blocks[i];

		if (virt_to_phys(block->mem) == phys && len <= block->size)
			return block->taken ? NULL : block;
	}
	return NULL;
}

static void *map_mem_block(u64 phys, size_t len)
{
	struct mem_block *block = find_mem_block(phys, len);

	return block ? block->mem : NULL;
}

static void *take_mem_block(u64 phys, size_t len)
{
	struct mem_block *block = find_mem_block(phys, len);

	if (!block)
		return NULL;
	block->taken = true;
	return block->mem;
}

/*
 * From a work item: the task that ends the live update does not wait for it, and holds
 * locks.
 */
static void forget_mem_block(void *mem)
{
	struct fake_machine *m = the_machine;

	KUNIT_EXPECT_TRUE(m->test, current->flags & PF_WQ_WORKER);
	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		if (m->blocks[i].mem == mem) {
			KUNIT_EXPECT_TRUE(m->test, m->blocks[i].taken);
			KUNIT_EXPECT_FALSE(m->test, m->blocks[i].freed);
			m->blocks[i].freed = true;
			return;
		}
	}
	KUNIT_FAIL(m->test, "freed what was not handed over");
}

const struct irq_lu_memory fake_memory = {
	.map	= map_mem_block,
	.take	= take_mem_block,
	.free	= forget_mem_block,
};

void fake_expect_all_freed_but(struct kunit *test, const void *kept)
{
	struct fake_machine *m = test->priv;

	irq_lu_wait_until_freed();
	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		bool taken = m->blocks[i].mem != kept;

		KUNIT_EXPECT_EQ_MSG(test, m->blocks[i].taken, taken, "block %u", i);
		KUNIT_EXPECT_EQ_MSG(test, m->blocks[i].freed, taken, "block %u", i);
	}
}

void fake_expect_all_freed(struct kunit *test)
{
	fake_expect_all_freed_but(test, NULL);
}

static void free_fillers(void *data)
{
	struct fake_machine *m = data;

	while (m->nr_fillers)
		irq_free_desc(m->fillers[--m->nr_fillers]);
}

/* Take all numbers that a search would find below @end. */
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
	fake_irq_base = fill(m, last_irq() + 1);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_fillers, m));
	KUNIT_ASSERT_GT(test, fake_irq_base, 0);

	fake_vector.irq = IRQ_RECORDED;
	fake_other_vector.irq = IRQ_OTHER;
}

int fake_machine_init(struct kunit *test)
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

/* Whether a search could return the number */
bool fake_is_free(unsigned int irq)
{
	struct fake_machine *m = kunit_get_current_test()->priv;
	unsigned int nr_fillers = m->nr_fillers;
	bool found = fill(m, irq) == irq;

	while (m->nr_fillers > nr_fillers)
		irq_free_desc(m->fillers[--m->nr_fillers]);
	return found;
}

void fake_expect_adopted(struct kunit *test, struct fake_device *fake,
			 const struct irq_lu_vector_ser *first, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct irq_data *irqd = irq_domain_get_irq_data(fake->unit->domain,
								first->irq + i);

		KUNIT_EXPECT_EQ(test, fake_irq_of(fake, i), first->irq + i);
		KUNIT_ASSERT_NOT_NULL(test, irqd);
		KUNIT_EXPECT_EQ(test, irqd->hwirq, first->handle + i);
	}
}

void fake_expect_revoked(struct kunit *test, const struct irq_lu_vector_ser *first,
			 unsigned int nr)
{
	struct fake_machine *m = test->priv;
	struct fake_unit *unit = &m->units[first->unit];

	for (unsigned int i = 0; i < nr; i++) {
		KUNIT_EXPECT_TRUE(test, fake_is_free(first->irq + i));
		KUNIT_EXPECT_EQ(test, unit->table[first->handle + i], 0);
		KUNIT_EXPECT_FALSE(test, test_bit(first->handle + i, unit->used));
		KUNIT_EXPECT_FALSE(test, test_bit(first->handle + i, unit->held));
	}
}

void fake_expect_counts(struct kunit *test, struct fake_device *fake, unsigned int nr,
			int count)
{
	irq_work_sync(&fake->machine->ipi);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&fake->count[i]), count, "vector %u", i);
}

void fake_use_cold(struct kunit *test, struct fake_device *fake, unsigned int nr)
{
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, nr), 0);
	for (unsigned int i = 0; i < nr; i++) {
		KUNIT_EXPECT_GT(test, fake_irq_of(fake, i), 0);
		KUNIT_EXPECT_LT(test, fake_irq_of(fake, i), IRQ_RECORDED);
		KUNIT_EXPECT_EQ(test, fake_request(fake, i, 0), 0);
	}
}

void fake_describe_count(const unsigned int *nr, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u messages", *nr);
}

void fake_driver_tries(struct kunit *test, struct fake_device *fake)
{
	struct fake_machine *m = test->priv;

	m->driver_dev = fake->dev;
	INIT_WORK(&m->driver, run_driver);
	init_completion(&m->driver_runs);
}

struct fake_device *fake_add_running(struct kunit *test, const char *name,
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

int fake_preserve(struct fake_device *fake)
{
	int ret = irq_liveupdate_preserve(fake->dev, &fake_device_ops);

	fake->preserved |= !ret;
	return ret;
}

void fake_unpreserve(struct fake_device *fake)
{
	irq_liveupdate_unpreserve(fake->dev);
	fake->preserved = false;
}
