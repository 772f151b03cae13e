// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: Interrupt live update, VT-d
 *
 * The interrupt remapping table is taken over in place: the next kernel keeps
 * using the memory to which the unit points, and interrupt remapping is never
 * disabled in between. Otherwise the unit would take a message in remappable
 * format for one in compatibility format, which contains a vector and a CPU.
 *
 * The kernel that hands over preserves the table with the first device behind
 * the unit, and unpreserves it with the last one. At the point of no return it
 * blocks each entry of a handed over interrupt: it makes it not present, with
 * fault processing disabled, and from then on modify_irte() leaves it alone.
 * The source-id fields stay, so that an entry that is made present again, low
 * half first, is never present without them. An entry in posted format is
 * replaced as a whole, and is then a blocked entry like any other. Finally, the
 * interrupt entry cache is invalidated and the event interrupts of the unit are
 * masked. Once all other CPUs are stopped, the invalidation queue is switched
 * off. The page request queue cannot be switched off: its address becomes 0, as
 * in intel_iommu_finish_prq(), in memory that no kernel uses.
 *
 * The messages of MSI have a block of entries, whose size is a power of two and
 * which is aligned to its size: alloc_irte(). A device can also send messages
 * that were not requested. So the whole block is blocked, and reserved later,
 * and the excess entries are never made present.
 *
 * The kernel that takes over compares the record with the registers of the
 * unit, reserves the entries that are in the records of devices and drops all
 * others. A unit that does not match its record gets a new table while
 * remapping stays enabled. Dropped entries, and those of a new table, report no
 * faults until FINISH, because devices that the previous kernel left running must
 * not fill the log. The mode of the unit (xAPIC or x2APIC) is the one in which it
 * was handed over: intel_ir_take_mode().
 */

#define pr_fmt(fmt) "DMAR-IR: " fmt

#include <kunit/visibility.h>
#include <linux/bitfield.h>
#include <linux/bitmap.h>
#include <linux/dmar.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/kexec_handover.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/unroll.h>
#include <asm/irq_remapping.h>
#include <asm/x86_init.h>

#include "iommu.h"
#include "irq_remapping.h"
#include "../iommu-pages.h"

/* More than the number of devices whose time-outs can follow each other */
#define FLUSH_TRIES		16

/* Number of entries that are scanned at once */
#define IRTES_AT_ONCE		64

static struct ir_table *domain_table(struct irq_domain *d)
{
	struct intel_iommu *iommu = d->host_data;

	return iommu->ir_table;
}

static bool intel_ir_has_eime(struct intel_iommu *iommu)
{
	return readq(iommu->reg + DMAR_IRTA_REG) & IRTA_EIME;
}

/*
 * The hardware may read the entry at any time, so it must never be present and
 * half written. In posted format the address of the descriptor is in both
 * halves (VT-d spec r4.1 sec 9.11), so replace both at once, as in
 * modify_irte().
 */
static void irte_write_closed(struct irte *irte, u32 source)
{
	struct irte closed = { .low = IRTE_FPD, .high = source };
	u128 old = irte->irte;

	if (irte->pst) {
		WARN_ON_ONCE(!try_cmpxchg128(&irte->irte, &old, closed.irte));
	} else {
		WRITE_ONCE(irte->low, closed.low);
		WRITE_ONCE(irte->high, closed.high);
	}
}

static void irte_close(struct intel_iommu *iommu, struct irte *irte, unsigned int nr,
		       u32 source)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		irte_write_closed(&irte[i], source);
	__iommu_flush_cache(iommu, irte, nr * sizeof(*irte));
}

/*
 * The kernel which hands over
 */

static void intel_ir_save(struct irq_domain *d, struct irq_data *irqd,
			  struct irq_lu_vector_ser *rec)
{
	struct intel_ir_data *data = irqd->chip_data;

	rec->handle = data->irq_2_iommu.irte_index + data->irq_2_iommu.sub_handle;
	/* The software copy has the source id in any format of the entry. */
	rec->source = data->irte_entry.high & IRTE_SOURCE;
}

static int intel_ir_preserve_table(struct ir_table *table)
{
	struct ir_preserved *preserved = kzalloc_obj(*preserved);
	int ret;

	if (!preserved)
		return -ENOMEM;

	ret = kho_preserve_folio(virt_to_folio(table->base));
	if (ret) {
		kfree(preserved);
		return ret;
	}

	scoped_guard(raw_spinlock_irqsave, &irq_2_ir_lock)
		table->preserved = preserved;
	return 0;
}

static void intel_ir_unpreserve_table(struct ir_table *table)
{
	struct ir_preserved *preserved = table->preserved;

	kho_unpreserve_folio(virt_to_folio(table->base));
	scoped_guard(raw_spinlock_irqsave, &irq_2_ir_lock)
		table->preserved = NULL;
	kfree(preserved);
}

static int intel_ir_preserve(struct irq_domain *d, struct device *dev,
			     struct irq_lu_unit_ser *ser)
{
	struct intel_iommu *iommu = d->host_data;
	struct ir_table *table = iommu->ir_table;
	int ret;

	/* At boot the next kernel finds only units in the DMAR table. */
	if (iommu->flags & VTD_FLAG_HOT_ADDED)
		return -EOPNOTSUPP;

	if (!table->preserved) {
		ret = intel_ir_preserve_table(table);
		if (ret)
			return ret;
	}
	table->preserved->nr_devices++;

	ser->backend = IRQ_LU_BACKEND_VTD;
	ser->segment = iommu->segment;
	ser->reg_base = iommu->reg_phys;
	ser->table = virt_to_phys(table->base);
	ser->nr_entries = INTR_REMAP_TABLE_ENTRIES;
	if (intel_ir_has_eime(iommu))
		ser->flags |= IRQ_LU_UNIT_X2APIC;
	return 0;
}

static void intel_ir_unpreserve(struct irq_domain *d, struct device *dev)
{
	struct ir_table *table = domain_table(d);

	if (!--table->preserved->nr_devices)
		intel_ir_unpreserve_table(table);
}

static void intel_ir_block(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			   unsigned int nr)
{
	struct intel_iommu *iommu = d->host_data;
	struct ir_table *table = iommu->ir_table;
	unsigned int nr_entries = roundup_pow_of_two(nr);

	guard(raw_spinlock_irqsave)(&irq_2_ir_lock);

	bitmap_set(table->preserved->blocked, rec->handle, nr_entries);
	irte_close(iommu, &table->base[rec->handle], nr_entries, rec->source);
}

/*
 * The page request queue and the invalidation queue are in memory that the next
 * kernel does not know about. Other CPUs use them until they are stopped.
 */
static void (*intel_ir_next_shutdown)(void) __ro_after_init;

static void intel_ir_shutdown(void)
{
	struct dmar_drhd_unit *drhd;

	intel_ir_next_shutdown();

	list_for_each_entry(drhd, &dmar_drhd_units, list) {
		struct intel_iommu *iommu = drhd->iommu;

		if (!iommu->ir_table || !iommu->ir_table->preserved)
			continue;
		if (ecap_prs(iommu->ecap))
			writeq(0, iommu->reg + DMAR_PQA_REG);
		dmar_disable_qi(iommu);
	}
}

static int __init intel_ir_shutdown_init(void)
{
	intel_ir_next_shutdown = x86_platform.iommu_shutdown;
	x86_platform.iommu_shutdown = intel_ir_shutdown;
	return 0;
}
late_initcall(intel_ir_shutdown_init);

/*
 * The time-out of a removed device aborts all invalidations that were submitted
 * together with its own one. It is reported only once, so retry.
 */
static int intel_ir_flush(struct intel_iommu *iommu)
{
	unsigned int tries = FLUSH_TRIES;
	int ret;

	do {
		ret = qi_global_iec(iommu);
	} while (ret == -ETIMEDOUT && --tries);
	return ret;
}

static int intel_ir_sync(struct irq_domain *d)
{
	struct intel_iommu *iommu = d->host_data;
	int ret = intel_ir_flush(iommu);

	scoped_guard(raw_spinlock_irqsave, &iommu->register_lock) {
		writel(DMA_FECTL_IM, iommu->reg + DMAR_FECTL_REG);
		if (ecap_prs(iommu->ecap))
			writel(DMA_FECTL_IM, iommu->reg + DMAR_PECTL_REG);
		if (ecap_pms(iommu->ecap))
			writel(DMA_FECTL_IM, iommu->reg + DMAR_PERFINTRCTL_REG);
		/* Flush the posted writes */
		readl(iommu->reg + DMAR_FECTL_REG);
	}
	return ret;
}

/*
 * The kernel which takes over
 */

static bool intel_ir_is_in_use(struct intel_iommu *iommu, phys_addr_t table)
{
	return readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_IRES &&
	       table == (readq(iommu->reg + DMAR_IRTA_REG) & VTD_PAGE_MASK);
}

static const char *intel_ir_check_table(struct intel_iommu *iommu,
					const struct irq_lu_unit_ser *ser)
{
	u64 irta = readq(iommu->reg + DMAR_IRTA_REG);

	if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_IRES))
		return "interrupt remapping is disabled";
	if (ser->nr_entries != INTR_REMAP_TABLE_ENTRIES ||
	    (irta & INTR_REMAP_TABLE_REG_SIZE_MASK) != INTR_REMAP_TABLE_REG_SIZE)
		return "size of the remapping table differs";
	if (!intel_ir_is_in_use(iommu, ser->table))
		return "remapping table is not the one in use";
	return NULL;
}

static bool intel_ir_mode_differs(struct intel_iommu *iommu,
				  const struct irq_lu_unit_ser *ser, bool x2apic)
{
	return x2apic != !!(ser->flags & IRQ_LU_UNIT_X2APIC) ||
	       x2apic != intel_ir_has_eime(iommu);
}

static const struct irq_lu_unit_ser *intel_ir_incoming(struct intel_iommu *iommu)
{
	return irq_liveupdate_incoming_unit(IRQ_LU_BACKEND_VTD, iommu->segment,
					    iommu->reg_phys);
}

/**
 * intel_ir_take_mode - Get the mode in which interrupt remapping must operate
 * @eim:	The mode that this kernel would choose
 *
 * EIME, which makes the unit use all 32 bits of a destination, is set together
 * with the table pointer. Remapping of a unit that was handed over is always
 * enabled, so entries and register must be of the same mode. Therefore the mode
 * is that of the previous kernel. If this kernel puts the local APICs in xAPIC
 * mode, their ids are valid destinations in either mode.
 *
 * Context: May sleep.
 * Return: @eim, or the mode in which a unit was handed over.
 */
bool __init intel_ir_take_mode(bool eim)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	if (!irq_liveupdate_handed_over())
		return eim;

	for_each_iommu(iommu, drhd) {
		if (readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_IRES)
			return intel_ir_has_eime(iommu);
	}
	return eim;
}

/**
 * intel_ir_restore_table - Get the remapping table of the previous kernel
 * @iommu:	Unit which is being set up
 * @x2apic:	Mode in which the unit will operate
 *
 * If only the mode differs, the table is taken over, but no device is:
 * intel_ir_take_over() will make all entries not present.
 *
 * Context: May sleep.
 * Return: The table, or NULL if there is none or it does not match the record.
 */
void *intel_ir_restore_table(struct intel_iommu *iommu, bool x2apic)
{
	const struct irq_lu_unit_ser *ser = intel_ir_incoming(iommu);
	const char *reason;
	void *base;

	if (!ser)
		return NULL;

	reason = intel_ir_check_table(iommu, ser);
	if (reason) {
		irq_liveupdate_refuse_unit(ser, reason);
		return NULL;
	}
	if (intel_ir_mode_differs(iommu, ser, x2apic))
		irq_liveupdate_refuse_unit(ser, "xAPIC or x2APIC mode differs");

	base = iommu_restore_pages(ser->table, INTR_REMAP_TABLE_ENTRIES *
				   sizeof(struct irte));
	if (!base)
		irq_liveupdate_refuse_unit(ser, "remapping table was not preserved");
	return base;
}

static int intel_ir_check_entries(struct ir_table *table, u32 handle,
				  unsigned int nr_entries, u32 source)
{
	u32 end = handle + nr_entries;

	if (!IS_ALIGNED(handle, nr_entries))
		return -EINVAL;

	for (; handle < end; handle++) {
		if (test_bit(handle, table->bitmap))
			return -EEXIST;
		if (table->base[handle].low != IRTE_FPD ||
		    table->base[handle].high != source)
			return -EINVAL;
	}
	return 0;
}

/*
 * The recorded message must contain the index of the entry, because the message of a
 * running device must not change.
 */
static bool message_names_entry(const struct irq_lu_vector_ser *rec)
{
	const struct msi_msg msg = {
		.address_lo	= rec->msg_addr_lo,
		.data		= rec->msg_data,
	};
	u32 index = msg.arch_addr_lo.dmar_index_15 << 15 | msg.arch_addr_lo.dmar_index_0_14;

	return index + msg.arch_data.dmar_subhandle == rec->handle;
}

static int intel_ir_reserve(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			    unsigned int nr)
{
	struct ir_table *table = domain_table(d);
	unsigned int nr_entries = roundup_pow_of_two(nr);
	int ret;

	if ((rec->flags & IRQ_LU_VECTOR_ACTIVATED) && !message_names_entry(rec))
		return -EINVAL;

	guard(raw_spinlock_irqsave)(&irq_2_ir_lock);

	ret = intel_ir_check_entries(table, rec->handle, nr_entries, rec->source);
	if (ret)
		return ret;

	bitmap_set(table->bitmap, rec->handle, nr_entries);
	bitmap_set(table->held, rec->handle, nr_entries);
	return 0;
}

static bool intel_ir_check(struct irq_domain *d, struct device *dev,
			   const struct irq_lu_vector_ser *rec)
{
	struct irte irte = { };

	if (!dev_is_pci(dev) || set_msi_sid(&irte, pci_real_dma_dev(to_pci_dev(dev))))
		return false;
	return (irte.high & IRTE_SOURCE) == rec->source;
}

static void intel_ir_release(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			     unsigned int nr, bool revoke)
{
	struct intel_iommu *iommu = d->host_data;
	struct ir_table *table = iommu->ir_table;
	unsigned int nr_entries = roundup_pow_of_two(nr);

	guard(raw_spinlock_irqsave)(&irq_2_ir_lock);

	bitmap_clear(table->held, rec->handle, nr_entries);
	if (!revoke)
		return;

	/* The entries were not present, so they are not cached. */
	irte_close(iommu, &table->base[rec->handle], nr_entries, 0);
	bitmap_clear(table->bitmap, rec->handle, nr_entries);
}

/*
 * The whole table is scanned while the guests are paused, and most of it is
 * unused. So read only the lower halves: if one is zero, the entry is not
 * present and suppresses no faults, and its upper half does not matter.
 */
static bool irtes_unused(const struct irte *irte)
{
	u64 used = 0;
	unsigned int i;

	unrolled_full
	for (i = 0; i < IRTES_AT_ONCE; i++)
		used |= irte[i].low;
	return !used;
}

/* Returns the number of held entries among these. */
static unsigned int intel_ir_drop_others_of(struct intel_iommu *iommu, unsigned int first)
{
	struct ir_table *table = iommu->ir_table;
	struct irte *irte = &table->base[first];
	unsigned int i, nr_held = 0;

	for (i = first; i < first + IRTES_AT_ONCE; i++, irte++) {
		if (test_bit(i, table->held))
			nr_held++;
		else if (irte->low || irte->high)
			irte_close(iommu, irte, 1, 0);
	}
	return nr_held;
}

/* Returns the number of held entries in the table. No held entry is zero. */
VISIBLE_IF_KUNIT unsigned int intel_ir_drop_others(struct intel_iommu *iommu)
{
	unsigned int i, nr_held = 0;

	for (i = 0; i < INTR_REMAP_TABLE_ENTRIES; i += IRTES_AT_ONCE) {
		if (!irtes_unused(&iommu->ir_table->base[i]))
			nr_held += intel_ir_drop_others_of(iommu, i);
	}
	return nr_held;
}

static void intel_ir_suppress_faults(struct intel_iommu *iommu)
{
	irte_close(iommu, iommu->ir_table->base, INTR_REMAP_TABLE_ENTRIES, 0);
}

static void intel_ir_adopt_table(struct intel_iommu *iommu,
				 const struct irq_lu_unit_ser *ser)
{
	struct ir_table *table = iommu->ir_table;
	unsigned int nr_held;

	table->held = bitmap_zalloc(INTR_REMAP_TABLE_ENTRIES, GFP_KERNEL);
	if (!table->held) {
		irq_liveupdate_refuse_unit(ser, "out of memory");
		intel_ir_suppress_faults(iommu);
		return;
	}

	irq_liveupdate_take_over(ser, iommu->ir_domain);
	nr_held = intel_ir_drop_others(iommu);
	pr_info("%s: took over %u interrupt remapping entries\n", iommu->name, nr_held);
}

/**
 * intel_ir_take_over - Take over a unit which has interrupt remapping enabled
 * @iommu:	Unit which is being set up, with its table and irq domain
 *
 * The caller sets the table pointer afterwards, which flushes the interrupt
 * entry cache.
 *
 * Context: May sleep.
 * Return: True when interrupt remapping must stay enabled.
 */
bool intel_ir_take_over(struct intel_iommu *iommu)
{
	const struct irq_lu_unit_ser *ser = intel_ir_incoming(iommu);

	if (!irq_liveupdate_handed_over())
		return false;

	irq_liveupdate_add_unit(iommu->ir_domain);
	if (ser && ser->table == virt_to_phys(iommu->ir_table->base))
		intel_ir_adopt_table(iommu, ser);
	else
		intel_ir_suppress_faults(iommu);
	return true;
}

/* Entries that were activated meanwhile were written as a whole. */
static void intel_ir_report_faults_of(struct intel_iommu *iommu, unsigned int first)
{
	struct ir_table *table = iommu->ir_table;
	struct irte *irte = &table->base[first];
	unsigned int i;

	guard(raw_spinlock_irqsave)(&irq_2_ir_lock);

	for (i = first; i < first + IRTES_AT_ONCE; i++, irte++) {
		if (irte->low == IRTE_FPD && !irte_is_held(table, i))
			WRITE_ONCE(irte->low, 0);
	}
	__iommu_flush_cache(iommu, &table->base[first], IRTES_AT_ONCE * sizeof(*irte));
}

static void intel_ir_finish(struct irq_domain *d)
{
	struct intel_iommu *iommu = d->host_data;
	unsigned int i;

	for (i = 0; i < INTR_REMAP_TABLE_ENTRIES; i += IRTES_AT_ONCE) {
		if (!irtes_unused(&iommu->ir_table->base[i]))
			intel_ir_report_faults_of(iommu, i);
	}
	intel_ir_flush(iommu);
}

/**
 * intel_ir_free_table - Free a remapping table that could not be set up
 * @iommu:	Unit of the table
 * @base:	The table
 *
 * The unit reads the table of the previous kernel until remapping is disabled.
 * If that table were freed, the unit would interpret whatever is written there
 * as entries. So it is not freed.
 *
 * Context: May sleep.
 */
void intel_ir_free_table(struct intel_iommu *iommu, void *base)
{
	if (!intel_ir_is_in_use(iommu, virt_to_phys(base)))
		iommu_free_pages(base);
}

/**
 * intel_ir_teardown - Give up what was taken over behind a unit
 * @iommu:	Unit whose table and irq domain are about to be freed
 *
 * Context: May sleep.
 */
void intel_ir_teardown(struct intel_iommu *iommu)
{
	const struct irq_lu_unit_ser *ser = intel_ir_incoming(iommu);

	irq_liveupdate_remove_unit(iommu->ir_domain);
	if (ser)
		irq_liveupdate_refuse_unit(ser, "interrupt remapping is disabled");
	bitmap_free(iommu->ir_table->held);
}

const struct irq_domain_liveupdate_ops intel_ir_liveupdate_ops = {
	.save		= intel_ir_save,
	.preserve	= intel_ir_preserve,
	.unpreserve	= intel_ir_unpreserve,
	.block		= intel_ir_block,
	.sync		= intel_ir_sync,
	.reserve	= intel_ir_reserve,
	.check		= intel_ir_check,
	.release	= intel_ir_release,
	.finish		= intel_ir_finish,
};
