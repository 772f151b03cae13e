/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An emulated VT-d unit, which the real code sets up, uses and removes.
 *
 * Its registers are a page of memory, and hardware breakpoints trigger when the
 * kernel writes one. Two of them process commands and the invalidation queue.
 * Two more are on the halves of a table entry, and look at the whole entry
 * after every store.
 */

#ifndef _KUNIT_FAKE_VTD_H
#define _KUNIT_FAKE_VTD_H

#include <kunit/irq_liveupdate/watch.h>
#include <kunit/test.h>
#include <linux/acpi.h>
#include <linux/bitmap.h>
#include <linux/dmar.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <asm/hw_irq.h>
#include <asm/irq_remapping.h>
#include <asm/posted_intr.h>

#include "iommu.h"
#include "irq_remapping.h"
#include "../iommu-pages.h"
#include "../irq_remapping.h"

/* Extended capability register, VT-d spec r4.1 sec 11.4.3: C, QI, IR, EIM, MHMV */
#define FAKE_ECAP_QI	BIT_ULL(1)
#define FAKE_ECAP_PRS	BIT_ULL(29)
#define FAKE_ECAP	(BIT_ULL(0) | FAKE_ECAP_QI | GENMASK_ULL(4, 3) | GENMASK_ULL(23, 20))

/* Capability register, sec 11.4.2: a new table pointer flushes the entry cache */
#define FAKE_CAP_ESIRTPS BIT_ULL(62)

/* Invalidation queue error record, sec 11.4.9.9: requester id of a time-out */
#define FAKE_ITE_SID	((u64)PCI_DEVID(0xff, 0x55) << 32)

/* Source-id fields of a table entry: verify all bits of the source id */
#define SOURCE		(BIT(18) | PCI_DEVID(3, PCI_DEVFN(2, 1)))
#define SOURCE_MASK	GENMASK_ULL(19, 0)

#define IRTE(lo, hi)	((struct irte){ .low = (lo), .high = (hi) })
#define BLOCKED		IRTE(BIT_ULL(1), SOURCE)
#define REVOKED		IRTE(BIT_ULL(1), 0)
#define EMPTY		IRTE(0, 0)

/**
 * struct fake_unit - An emulated unit, and what was seen of it
 * @iommu:	The unit as the kernel knows it
 * @drhd:	Where the kernel finds it
 * @scope:	Its description in the firmware
 * @entry:	Table entry that is observed
 * @old:	@entry before the transition
 * @target:	@entry after the transition
 * @seen:	@entry after the last store
 * @cached:	@entry when the last invalidation covered it
 * @stores:	Number of stores to @entry
 * @steps:	Number of stores which changed @entry
 * @torn:	@entry was neither @old nor @target for the hardware
 * @unverified:	@entry was present without the source-id fields of @target
 * @selective:	Number of invalidations of single entries
 * @global:	Number of invalidations of all entries
 * @waits:	Number of invalidations waited for
 * @present:	Number of present entries when the table pointer was set
 * @disabled:	Interrupt remapping was disabled after it was enabled
 * @spoiled:	How many submissions are spoiled by a device that has gone
 * @dirty:	@entry was stored and not written back to memory
 * @watches:	Breakpoints on its registers
 */
struct fake_unit {
	struct intel_iommu		iommu;
	struct dmar_drhd_unit		drhd;
	struct acpi_dmar_hardware_unit	scope;
	struct irte			*entry;
	struct irte			old;
	struct irte			target;
	struct irte			seen;
	struct irte			cached;
	unsigned int			stores;
	unsigned int			steps;
	bool				torn;
	bool				unverified;
	unsigned int			selective;
	unsigned int			global;
	unsigned int			waits;
	unsigned int			present;
	bool				disabled;
	unsigned int			spoiled;
	bool				dirty;
	void				*watches[2];
};

/*
 * The emulation. Breakpoint handlers run in NMI context: they take notes.
 */

static unsigned int count_present(const struct irte *table)
{
	unsigned int i, nr = 0;

	for (i = 0; i < INTR_REMAP_TABLE_ENTRIES; i++)
		nr += table[i].present;
	return nr;
}

static void emulate_command(struct perf_event *bp, struct perf_sample_data *data,
			    struct pt_regs *regs)
{
	struct fake_unit *unit = bp->overflow_handler_context;
	void __iomem *reg = unit->iommu.reg;
	u32 sts = readl(reg + DMAR_GSTS_REG);
	u32 cmd = readl(reg + DMAR_GCMD_REG);

	/* A command and its status are the same bit. */
	if (sts & ~cmd & DMA_GSTS_IRES)
		unit->disabled = true;
	if (cmd & DMA_GCMD_SIRTP)
		unit->present = count_present(phys_to_virt(readq(reg + DMAR_IRTA_REG) &
							   VTD_PAGE_MASK));
	writel(cmd | (sts & DMA_GSTS_IRTPS), reg + DMAR_GSTS_REG);
}

static void emulate_invalidation(struct fake_unit *unit, u64 qw0)
{
	u64 index = unit->entry - unit->iommu.ir_table->base;
	u64 mask = (qw0 >> 27) & 0x1f;

	if (qw0 & QI_IEC_SELECTIVE)
		unit->selective++;
	else
		unit->global++;

	if (unit->entry &&
	    (!(qw0 & QI_IEC_SELECTIVE) || index >> mask == qw0 >> 32 >> mask))
		unit->cached = *unit->entry;
}

static void emulate_queue(struct perf_event *bp, struct perf_sample_data *data,
			  struct pt_regs *regs)
{
	struct fake_unit *unit = bp->overflow_handler_context;
	void __iomem *reg = unit->iommu.reg;
	void *queue = phys_to_virt(readq(reg + DMAR_IQA_REG) & VTD_PAGE_MASK);
	u32 head = readl(reg + DMAR_IQH_REG);
	u32 tail = readl(reg + DMAR_IQT_REG);

	/* Its invalidation times out, and waits are no longer processed. */
	writel(unit->spoiled ? DMA_FSTS_ITE : 0, reg + DMAR_FSTS_REG);
	writeq(unit->spoiled ? FAKE_ITE_SID : 0, reg + DMAR_IQER_REG);
	if (unit->spoiled) {
		unit->spoiled--;
		writel(tail, reg + DMAR_IQH_REG);
		return;
	}

	for (; head != tail; head = (head + BIT(DMAR_IQ_SHIFT)) % SZ_4K) {
		struct qi_desc *desc = queue + head;

		if ((desc->qw0 & 0xf) == QI_IEC_TYPE) {
			emulate_invalidation(unit, desc->qw0);
		} else if ((desc->qw0 & 0xf) == QI_IWD_TYPE) {
			unit->waits++;
			*(u32 *)phys_to_virt(desc->qw1) = desc->qw0 >> 32;
		}
	}
	writel(tail, reg + DMAR_IQH_REG);
}

/* What the hardware looks at depends on the entry itself. */
static bool differs_in_used_bits(struct irte *now, struct irte *other)
{
	struct irte used = { .present = 1, .fpd = 1 };

	if (now->present) {
		used.low = ~0ULL;
		used.high = now->pst ? ~0ULL : SOURCE_MASK;
	}
	return (now->irte ^ other->irte) & used.irte;
}

static void observe_entry(struct perf_event *bp, struct perf_sample_data *data,
			  struct pt_regs *regs)
{
	struct fake_unit *unit = bp->overflow_handler_context;
	struct irte now = *unit->entry;

	unit->stores++;
	unit->steps += now.irte != unit->seen.irte;
	unit->dirty = true;
	unit->seen = now;
	if (differs_in_used_bits(&now, &unit->old) &&
	    differs_in_used_bits(&now, &unit->target))
		unit->torn = true;
	if (now.present && (now.high ^ unit->target.high) & SOURCE_MASK)
		unit->unverified = true;
}

/* There are four breakpoints: the registers of one unit are watched at a time. */
static void attend(struct kunit *test, struct fake_unit *unit)
{
	void __force *reg = (void __force *)unit->iommu.reg;

	test->priv = unit;
	unit->watches[0] = watch(test, reg + DMAR_GCMD_REG, HW_BREAKPOINT_LEN_4,
				 emulate_command, unit);
	unit->watches[1] = watch(test, reg + DMAR_IQT_REG, HW_BREAKPOINT_LEN_4,
				 emulate_queue, unit);
}

static int hotplug(struct fake_unit *unit, bool insert)
{
	int enabled = irq_remapping_enabled;
	int ret;

	irq_remapping_enabled = 1;
	ret = dmar_ir_hotplug(&unit->drhd, insert);
	irq_remapping_enabled = enabled;
	return ret;
}

static void remove_unit(void *context)
{
	struct fake_unit *unit = context;
	struct intel_iommu *iommu = &unit->iommu;

	/* Commands are no longer processed. */
	writel(0, iommu->reg + DMAR_GSTS_REG);
	iommu->cap |= FAKE_CAP_ESIRTPS;

	if (iommu->ir_table)
		bitmap_zero(iommu->ir_table->bitmap, INTR_REMAP_TABLE_ENTRIES);
	hotplug(unit, false);
	if (!iommu->qi)
		return;
	iommu_free_pages(iommu->qi->desc);
	kfree(iommu->qi->desc_status);
	kfree(iommu->qi);
}

static struct fake_unit *alloc_unit(struct kunit *test)
{
	struct fake_unit *unit = kunit_kzalloc(test, sizeof(*unit), GFP_KERNEL);
	void *reg = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct intel_iommu *iommu = &unit->iommu;

	KUNIT_ASSERT_NOT_NULL(test, unit);
	KUNIT_ASSERT_NOT_NULL(test, reg);

	iommu->reg = (void __iomem __force *)reg;
	iommu->reg_phys = virt_to_phys(reg);
	iommu->ecap = FAKE_ECAP;
	iommu->node = NUMA_NO_NODE;
	iommu->seq_id = INT_MAX;
	strscpy(iommu->name, "fake");
	raw_spin_lock_init(&iommu->register_lock);
	raw_spin_lock_init(&iommu->device_rbtree_lock);
	unit->scope.header.length = sizeof(unit->scope);
	unit->drhd.hdr = &unit->scope.header;
	unit->drhd.iommu = iommu;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove_unit, unit));
	return unit;
}

/* From here on every store to the entry @handle is seen. */
static void __maybe_unused observe(struct kunit *test, u32 handle, struct irte target)
{
	struct fake_unit *unit = test->priv;

	unit->entry = &unit->iommu.ir_table->base[handle];
	unit->old = *unit->entry;
	unit->target = target;
	unit->seen = *unit->entry;
	unit->cached = *unit->entry;
	unit->selective = 0;
	unit->global = 0;
	unit->waits = 0;
	watch(test, &unit->entry->low, HW_BREAKPOINT_LEN_8, observe_entry, unit);
	watch(test, &unit->entry->high, HW_BREAKPOINT_LEN_8, observe_entry, unit);
}

static void forget_blocked(void *table)
{
	((struct ir_table *)table)->preserved = NULL;
}

/* Interrupts of the test may live longer than its memory. */
static void alloc_blocked(struct kunit *test, struct ir_table *table)
{
	table->preserved = kunit_kzalloc(test, sizeof(*table->preserved), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table->preserved);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, forget_blocked, table));
}

static const struct irq_domain_liveupdate_ops *ops_of(struct fake_unit *unit)
{
	return unit->iommu.ir_domain->ops->liveupdate;
}

/*
 * A function of a bus with the requester id of SOURCE, and its MSI descriptor.
 * Its bus is a root bus, unless it is put behind bridges.
 */
struct fake_device {
	struct pci_sysdata	sysdata;
	struct pci_bus		bus;
	struct pci_dev		pdev;
	struct msi_desc		desc;
};

static struct fake_device *alloc_device(struct kunit *test)
{
	struct fake_device *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->bus.number = PCI_BUS_NUM(SOURCE);
	dev->bus.sysdata = &dev->sysdata;
	dev->pdev.bus = &dev->bus;
	dev->pdev.devfn = SOURCE & 0xff;
	dev->pdev.dev.bus = &pci_bus_type;
	dev->desc.dev = &dev->pdev.dev;
	return dev;
}

static void free_irqs(void *irqd)
{
	irq_domain_free_irqs(((struct irq_data *)irqd)->irq, 1);
}

/* Interrupts of @dev from the number @irq on, -1 for any. */
static struct irq_data *alloc_irqs_of(struct kunit *test, struct fake_device *dev, int irq,
				      unsigned int nr)
{
	struct irq_alloc_info info = { .type = X86_IRQ_ALLOC_TYPE_PCI_MSI, .desc = &dev->desc };
	struct fake_unit *unit = test->priv;
	struct irq_data *irqd;

	irq = __irq_domain_alloc_irqs(unit->iommu.ir_domain, irq, nr, NUMA_NO_NODE, &info,
				      false, NULL);
	KUNIT_ASSERT_GT(test, irq, 0);
	while (nr--) {
		irqd = irq_get_irq_data(irq + nr);
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_irqs, irqd));
	}
	return irqd;
}

static struct irq_data *alloc_irqs_at(struct kunit *test, int irq, unsigned int nr)
{
	return alloc_irqs_of(test, alloc_device(test), irq, nr);
}

static struct irq_data __maybe_unused *alloc_irqs(struct kunit *test, unsigned int nr)
{
	return alloc_irqs_at(test, -1, nr);
}

static void __maybe_unused free_irq_of(struct kunit *test, struct irq_data *irqd)
{
	kunit_release_action(test, free_irqs, irqd);
}

static u32 __maybe_unused handle_of(struct fake_unit *unit, struct irq_data *irqd)
{
	struct irq_lu_vector_ser rec = { };

	ops_of(unit)->save(unit->iommu.ir_domain, irqd, &rec);
	return rec.handle;
}

#endif /* _KUNIT_FAKE_VTD_H */
