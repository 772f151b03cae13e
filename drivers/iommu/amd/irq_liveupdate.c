// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: Interrupt live update, AMD-Vi
 *
 * Each device has its own interrupt remapping table. Its entry (DTE) in the
 * device table, which all units of a PCI segment share, points to it. In the
 * record of a unit, the table is the device table. In the record of a vector,
 * the source is the devid whose DTE points to the interrupt table, and the
 * handle is the index in that table. All of these tables are taken over in
 * place.
 *
 * The kernel that hands over preserves the interrupt table of a device, which
 * it allocates if there is none yet, and, with the first device of a segment,
 * the device table. At the point of no return it blocks each entry of a handed
 * over interrupt: the entry is made not present, with fault reporting
 * suppressed, in one store, whatever its mode was (guest mode included), and
 * does not change from then on. Then all caches are flushed. When the other
 * CPUs are stopped, every DTE is rewritten. DMA of all devices is blocked,
 * because the next kernel reuses the memory of their page tables, except for
 * devices whose firmware needs DMA (IVMD) and devices with preserved mappings.
 * Interrupts of devices that are not handed over are blocked as well, by the
 * entries if they share the table of a device that is. The command buffer and
 * the logs are switched off, as on any other shutdown. But the unit stays
 * enabled, because otherwise it would take a message, which is the index of an
 * entry, for a vector.
 *
 * The kernel that takes over finds the unit enabled, and does not disable it
 * while it sets it up. It keeps the format of the entries and the mode (xAPIC
 * or x2APIC) in which the unit operates, and it keeps the device table where it
 * is: the base address register is not written while the unit is enabled,
 * because the unit may update its two halves one after the other (commit
 * b336781b82cc "iommu/amd: Allocate memory below 4G for dev table if
 * translation pre-enabled", which refers to AMD).
 *
 * The device table is used independently of any record, because the unit reads
 * it and KHO has preserved its memory. Each DTE is rewritten so that it lets no
 * DMA through, except for devices whose mappings were handed over. If the
 * record of the unit matches the registers, the interrupt table of a device is
 * found by its DTE when the first of its vectors is reserved. When the device
 * allocates interrupts, it gets this table instead of a new one. All other
 * entries and DTEs are cleared, without fault reports until FINISH, because
 * devices that were handed over continue to send to them.
 *
 * If KHO has not preserved the device table, its memory may have been
 * overwritten. In this case the devices behind the unit are stopped, and the
 * unit is disabled and gets a new device table.
 */

#define pr_fmt(fmt) "AMD-Vi: " fmt

#include <kunit/visibility.h>
#include <linux/bitfield.h>
#include <linux/bitmap.h>
#include <linux/crash_dump.h>
#include <linux/err.h>
#include <linux/iommu_liveupdate.h>
#include <linux/iopoll.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/kexec_handover.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/time64.h>
#include <linux/xarray.h>
#include <asm/iommu.h>
#include <asm/irq_remapping.h>
#include <asm/x86_init.h>

#include "amd_iommu.h"
#include "irq_liveupdate.h"
#include "liveupdate.h"
#include "../iommu-pages.h"
#include "../irq_remapping.h"

/* Not present, without fault reports, in both formats of an entry */
#define IRTE_CLOSED		2U

/* A 128-bit entry is free if it has no vector. */
#define IRTE_GA_NO_VECTOR	0xff

/* Device table base address register, AMD IOMMU spec 3.10 sec 3.4.1 */
#define DEV_TABLE_SIZE		GENMASK_ULL(8, 0)

/* The bits of the control register that determine how entries are read */
#define UNIT_MODE		(BIT_ULL(CONTROL_GA_EN) | BIT_ULL(CONTROL_XT_EN))

/* How long a unit may take to finish the command that it executes, in microseconds */
#define LAST_COMMAND_TIMEOUT	(10 * USEC_PER_SEC)

/* Device table entry, AMD IOMMU spec 3.10 sec 2.2.2.1 */
#define DTE_IRQ_TABLE		(DTE_IRQ_PHYS_ADDR_MASK | DTE_IRQ_REMAP_INTCTL_MASK | \
				 DTE_INTTABLEN_MASK)

/* First word of an entry without a page table that lets DMA to all memory through */
#define DTE_DIRECT		(DTE_CLOSED | DTE_FLAG_IR | DTE_FLAG_IW)

/* Tables that were taken over, by PCI segment and devid */
VISIBLE_IF_KUNIT struct xarray amd_ir_tables = XARRAY_INIT(amd_ir_tables, 0);

/*
 * Tables of preserved devices, by the same key. Such a device may get another table
 * meanwhile, from a device that has its requester id as an alias: alloc_irq_table().
 */
static DEFINE_XARRAY(amd_ir_preserved);

static unsigned long table_key(struct amd_iommu *iommu, u16 devid)
{
	return PCI_SEG_DEVID_TO_SBDF(iommu->pci_seg->id, devid);
}

static bool has_ga_format(void)
{
	return AMD_IOMMU_GUEST_IR_GA(amd_iommu_guest_ir);
}

static unsigned int max_entries(void)
{
	return FEATURE_NUM_INT_REMAP_SUP_2K(amd_iommu_efr2) ? MAX_IRQS_PER_TABLE_2K :
							      MAX_IRQS_PER_TABLE_512;
}

static size_t entry_size(void)
{
	return has_ga_format() ? sizeof(struct irte_ga) : sizeof(union irte);
}

/* Get the size from its memory. DTEs of other devices that share the table are not trusted. */
static unsigned int table_nr_entries(struct irq_remap_table *table)
{
	return folio_size(virt_to_folio(table->table)) / entry_size();
}

static void irte_ga_write(struct irte_ga *irte, struct irte_ga new)
{
	u128 old = irte->irte;

	WARN_ON_ONCE(!try_cmpxchg128(&irte->irte, &old, new.irte));
}

/* In one store, because the hardware may read the entry at any time. */
static void irte_close(struct irq_remap_table *table, unsigned int index)
{
	struct irte_ga closed = { .lo.val = IRTE_CLOSED, .hi.val = IRTE_GA_NO_VECTOR };

	if (has_ga_format())
		irte_ga_write(&((struct irte_ga *)table->table)[index], closed);
	else
		WRITE_ONCE(table->table[index], IRTE_CLOSED);
}

/**
 * amd_ir_keep_entry - Keep an entry that is handed over when its interrupt is freed
 * @table:	Interrupt table of the device
 * @index:	Index of the entry
 *
 * If activation made the entry present, but the interrupt was never requested, nothing
 * has closed the entry yet.
 *
 * Context: Called with the lock of @table held.
 * Return: True if the entry is closed and stays reserved for its vector, or false if the
 * caller must free it, because it is neither handed over nor taken over.
 */
bool amd_ir_keep_entry(struct irq_remap_table *table, int index)
{
	if (!amd_ir_is_held(table, index))
		return false;

	irte_close(table, index);
	return true;
}

static bool irte_is_closed(struct irq_remap_table *table, unsigned int index)
{
	struct irte_ga *irte = (struct irte_ga *)table->table + index;

	if (has_ga_format())
		return irte->lo.val == IRTE_CLOSED && irte->hi.val == IRTE_GA_NO_VECTOR;
	return table->table[index] == IRTE_CLOSED;
}

/* A free 32-bit entry cannot suppress faults. */
static void irte_free(struct irq_remap_table *table, unsigned int index)
{
	struct irte_ga free = { .lo.val = IRTE_CLOSED };

	if (has_ga_format())
		irte_ga_write(&((struct irte_ga *)table->table)[index], free);
	else
		WRITE_ONCE(table->table[index], 0);
}

/* The table is not locked: nobody else writes it now. */
static void free_other_entries(struct irq_remap_table *table, const unsigned long *kept)
{
	unsigned int i, nr_entries = table_nr_entries(table);

	for (i = 0; i < nr_entries; i++) {
		if (!test_bit(i, kept))
			irte_free(table, i);
	}
}

/*
 * Blocks DMA without fault reports. A device whose firmware needs DMA can
 * access all memory, as with the unit disabled. No device that has this
 * requester id is handed over, see amd_lu_check_device(). The first store takes
 * effect, the others clean up. @sysmgt: flags of the device from the firmware
 */
static void dte_block_dma(struct amd_iommu_pci_seg *pci_seg, u16 devid, u64 sysmgt)
{
	struct dev_table_entry *dte = &pci_seg->dev_table[devid];

	WRITE_ONCE(dte->data[0],
		   amd_iommu_has_unity_map(pci_seg, devid) ? DTE_DIRECT : DTE_CLOSED);
	WRITE_ONCE(dte->data[1], (sysmgt & DTE_DATA1_SYSMGT_MASK) | DTE_FLAG_SA);
}

/* Blocks interrupts without fault reports */
static void dte_block_interrupts(struct dev_table_entry *dte)
{
	u64 interrupts = dte->data[2] & ~DTE_IRQ_TABLE;

	WRITE_ONCE(dte->data[2],
		   interrupts | DTE_IRQ_IGNORE_UNMAPPED | DTE_IRQ_REMAP_ENABLE);
}

/*
 * The kernel which hands over
 */

static void amd_ir_save(struct irq_domain *d, struct irq_data *irqd,
			struct irq_lu_vector_ser *rec)
{
	struct amd_ir_data *data = irqd->chip_data;

	rec->handle = data->irq_2_irte.index;
	rec->source = data->irq_2_irte.devid;
}

static bool table_is_preserved(const struct irq_remap_table *table)
{
	return table && table->nr_preserved;
}

static bool segment_is_preserved(struct amd_iommu_pci_seg *pci_seg)
{
	unsigned long key = PCI_SEG_DEVID_TO_SBDF(pci_seg->id, 0);
	unsigned long last = PCI_SEG_DEVID_TO_SBDF(pci_seg->id, U16_MAX);

	return xa_find(&amd_ir_preserved, &key, last, XA_PRESENT);
}

static int amd_ir_preserve_device_table(struct amd_iommu_pci_seg *pci_seg)
{
	if (segment_is_preserved(pci_seg))
		return 0;
	return kho_preserve_folio(virt_to_folio(pci_seg->dev_table));
}

static void amd_ir_unpreserve_device_table(struct amd_iommu_pci_seg *pci_seg)
{
	if (!segment_is_preserved(pci_seg))
		kho_unpreserve_folio(virt_to_folio(pci_seg->dev_table));
}

static void amd_ir_describe(struct amd_iommu *iommu, struct irq_lu_unit_ser *ser)
{
	struct amd_iommu_pci_seg *pci_seg = iommu->pci_seg;

	ser->backend = IRQ_LU_BACKEND_AMDVI;
	ser->segment = pci_seg->id;
	ser->reg_base = iommu->mmio_phys;
	ser->table = virt_to_phys(pci_seg->dev_table);
	ser->nr_entries = max_entries();
	if (readq(iommu->mmio_base + MMIO_CONTROL_OFFSET) & BIT_ULL(CONTROL_XT_EN))
		ser->flags |= IRQ_LU_UNIT_X2APIC;
}

/* Devices with the same alias share a table. */
static int amd_ir_preserve_table(struct irq_remap_table *table)
{
	unsigned long *blocked;
	int ret;

	if (table->nr_preserved) {
		table->nr_preserved++;
		return 0;
	}

	blocked = bitmap_zalloc(MAX_IRQS_PER_TABLE_2K, GFP_KERNEL);
	if (!blocked)
		return -ENOMEM;

	ret = kho_preserve_folio(virt_to_folio(table->table));
	if (ret) {
		bitmap_free(blocked);
		return ret;
	}

	scoped_guard(raw_spinlock_irqsave, &table->lock)
		table->blocked = blocked;
	table->nr_preserved = 1;
	return 0;
}

static void amd_ir_unpreserve_table(struct irq_remap_table *table)
{
	unsigned long *blocked = table->blocked;

	if (--table->nr_preserved)
		return;

	kho_unpreserve_folio(virt_to_folio(table->table));
	scoped_guard(raw_spinlock_irqsave, &table->lock)
		table->blocked = NULL;
	bitmap_free(blocked);
}

/* Gets the table of the device, which may not have had an interrupt yet */
static struct irq_remap_table *amd_ir_get_table(struct amd_iommu *iommu, struct pci_dev *pdev)
{
	struct iommu_dev_data *dev_data = search_dev_data(iommu, pci_dev_id(pdev));

	return alloc_irq_table(iommu, pci_dev_id(pdev), pdev,
			       dev_data ? dev_data->max_irqs : MAX_IRQS_PER_TABLE_512);
}

static int amd_ir_preserve_tables(struct amd_iommu *iommu, u16 devid,
				  struct irq_remap_table *table)
{
	int ret;

	ret = amd_ir_preserve_device_table(iommu->pci_seg);
	if (ret)
		return ret;

	ret = amd_ir_preserve_table(table);
	if (ret)
		goto unpreserve_device_table;

	ret = xa_err(xa_store(&amd_ir_preserved, table_key(iommu, devid), table, GFP_KERNEL));
	if (ret)
		goto unpreserve_table;
	return 0;

unpreserve_table:
	amd_ir_unpreserve_table(table);
unpreserve_device_table:
	amd_ir_unpreserve_device_table(iommu->pci_seg);
	return ret;
}

static int amd_ir_preserve(struct irq_domain *d, struct device *dev,
			   struct irq_lu_unit_ser *ser)
{
	struct amd_iommu *iommu = d->host_data;
	struct irq_remap_table *table;
	int ret;

	/*
	 * With SNP the registers are locked, and the memory belongs to the
	 * firmware. DMA of a device that is not known to have an IOMMU would be
	 * blocked.
	 */
	if (amd_iommu_snp_en || !dev_is_pci(dev) || !device_iommu_mapped(dev))
		return -EOPNOTSUPP;

	table = amd_ir_get_table(iommu, to_pci_dev(dev));
	if (!table)
		return -ENOMEM;

	ret = amd_ir_preserve_tables(iommu, pci_dev_id(to_pci_dev(dev)), table);
	if (ret)
		return ret;

	amd_ir_describe(iommu, ser);
	return 0;
}

static void amd_ir_unpreserve(struct irq_domain *d, struct device *dev)
{
	struct amd_iommu *iommu = d->host_data;
	u16 devid = pci_dev_id(to_pci_dev(dev));

	amd_ir_unpreserve_table(xa_erase(&amd_ir_preserved, table_key(iommu, devid)));
	amd_ir_unpreserve_device_table(iommu->pci_seg);
}

static void amd_ir_block(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			 unsigned int nr)
{
	struct amd_iommu *iommu = d->host_data;
	struct irq_remap_table *table = xa_load(&amd_ir_preserved,
						table_key(iommu, rec->source));
	unsigned int i;

	guard(raw_spinlock_irqsave)(&table->lock);

	bitmap_set(table->blocked, rec->handle, nr);
	for (i = 0; i < nr; i++)
		irte_close(table, rec->handle + i);
}

static int amd_ir_sync(struct irq_domain *d)
{
	struct amd_iommu *iommu = d->host_data;
	int ret = amd_liveupdate_flush_all(iommu);

	iommu_feature_disable(iommu, CONTROL_EVT_INT_EN);
	iommu_feature_disable(iommu, CONTROL_PPRINT_EN);
	iommu_feature_disable(iommu, CONTROL_GAINT_EN);
	iommu->flags |= AMD_IOMMU_FLAG_STAYS;
	return ret;
}

static bool segment_stays(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu) {
		if (iommu->pci_seg == pci_seg && iommu->flags & AMD_IOMMU_FLAG_STAYS)
			return true;
	}
	return false;
}

/* From now on the unit may only read preserved memory. */
VISIBLE_IF_KUNIT void amd_ir_block_segment(struct amd_iommu_pci_seg *pci_seg)
{
	u32 devid;

	for (devid = 0; devid <= pci_seg->last_bdf; devid++) {
		struct irq_remap_table *table = pci_seg->irq_lookup_table[devid];
		struct dev_table_entry *dte = &pci_seg->dev_table[devid];

		if (!iommu_liveupdate_entry_stays(pci_seg->id, devid)) {
			dte_block_dma(pci_seg, devid, dte->data[1]);
			WRITE_ONCE(dte->data[3], 0);
		}
		if (table_is_preserved(table))
			free_other_entries(table, table->blocked);
		else
			dte_block_interrupts(dte);
	}
}

/*
 * A CPU that does not react to an IPI is stopped by an NMI, for example while it
 * waits for space in the command buffer with interrupts disabled. It may hold the
 * lock, with a command half written, or with a sequence number that nobody will
 * signal. So start with an empty buffer and a new number.
 */
static void reset_command_buffer(struct amd_iommu *iommu)
{
	u32 status;

	if (!raw_spin_is_locked(&iommu->lock))
		return;

	raw_spin_lock_init(&iommu->lock);
	/* The pointers of the buffer must not change while commands are fetched. */
	iommu_feature_disable(iommu, CONTROL_CMDBUF_EN);
	readl_poll_timeout_atomic(iommu->mmio_base + MMIO_STATUS_OFFSET, status,
				  !(status & MMIO_STATUS_CMDBUF_RUN_MASK), 1,
				  LAST_COMMAND_TIMEOUT);
	amd_iommu_reset_cmd_buffer(iommu);
	iommu->need_sync = true;
}

/* The other CPUs are stopped. */
VISIBLE_IF_KUNIT int amd_ir_flush_last(struct amd_iommu *iommu)
{
	reset_command_buffer(iommu);
	return amd_liveupdate_flush_all(iommu);
}

/* Other CPUs attach devices to domains until they are stopped. */
static void (*amd_ir_next_shutdown)(void) __ro_after_init;

static void amd_ir_shutdown(void)
{
	struct amd_iommu_pci_seg *pci_seg;
	struct amd_iommu *iommu;

	for_each_pci_segment(pci_seg) {
		if (segment_stays(pci_seg))
			amd_ir_block_segment(pci_seg);
	}
	for_each_iommu(iommu) {
		if (iommu->flags & AMD_IOMMU_FLAG_STAYS)
			amd_ir_flush_last(iommu);
	}

	amd_ir_next_shutdown();
}

static int __init amd_ir_shutdown_init(void)
{
	struct amd_iommu *iommu;

	if (list_empty(&amd_iommu_list))
		return 0;

	/* The take-over is complete. From now on the unit is disabled like any other. */
	for_each_iommu(iommu) {
		if (iommu->flags & AMD_IOMMU_FLAG_STAYS && iommu->iommu.ops)
			iommu_liveupdate_take_over(&iommu->iommu);
		iommu->flags &= ~AMD_IOMMU_FLAG_STAYS;
	}

	amd_ir_next_shutdown = x86_platform.iommu_shutdown;
	x86_platform.iommu_shutdown = amd_ir_shutdown;
	return 0;
}
device_initcall(amd_ir_shutdown_init);

/*
 * The kernel which takes over
 */

static const struct irq_lu_unit_ser *amd_ir_record(struct amd_iommu *iommu)
{
	return irq_liveupdate_incoming_unit(IRQ_LU_BACKEND_AMDVI, iommu->pci_seg->id,
					    iommu->mmio_phys);
}

/**
 * amd_ir_incoming - Test whether a unit that is found enabled must stay enabled
 * @iommu:	Unit which is being set up
 *
 * If so, it is not disabled before amd_ir_teardown().
 *
 * Context: May sleep.
 * Return: True if the previous kernel has left interrupt state.
 */
bool amd_ir_incoming(struct amd_iommu *iommu)
{
	if (is_kdump_kernel() || !irq_liveupdate_handed_over())
		return false;

	iommu->flags |= AMD_IOMMU_FLAG_STAYS;
	return true;
}

static u64 unit_mode(struct amd_iommu *iommu)
{
	return readq(iommu->mmio_base + MMIO_CONTROL_OFFSET) & UNIT_MODE;
}

static const char *amd_ir_check_unit(struct amd_iommu *iommu,
				     const struct irq_lu_unit_ser *ser)
{
	if (!amd_iommu_irq_remap)
		return "interrupt remapping is disabled";
	if (ser->nr_entries != max_entries())
		return "size of the remapping table differs";
	if (ser->table != virt_to_phys(iommu->pci_seg->dev_table))
		return "remapping table is not the one in use";
	if (!!(ser->flags & IRQ_LU_UNIT_X2APIC) != !!(unit_mode(iommu) & BIT_ULL(CONTROL_XT_EN)))
		return "xAPIC or x2APIC mode differs";
	return NULL;
}

/* Another unit of the same segment may already use it instead of @fresh. */
static const char *amd_ir_restore_device_table(struct amd_iommu *iommu,
					       const struct dev_table_entry *fresh)
{
	u64 base = __sme_clr(readq(iommu->mmio_base + MMIO_DEV_TABLE_OFFSET));
	struct amd_iommu_pci_seg *pci_seg = iommu->pci_seg;
	void *table;

	if ((FIELD_GET(DEV_TABLE_SIZE, base) + 1) * SZ_4K != pci_seg->dev_table_size)
		return "size of the device table differs";
	if (virt_to_phys(pci_seg->dev_table) == (base & PM_ADDR_MASK))
		return NULL;
	if (pci_seg->dev_table != fresh)
		return "device table is not that of its segment";

	table = iommu_restore_pages(base & PM_ADDR_MASK, pci_seg->dev_table_size);
	if (!table)
		return "device table was not preserved";
	pci_seg->dev_table = table;
	return NULL;
}

/* Zero when the interrupts of a DTE are not remapped by a table. */
static unsigned int dte_nr_entries(u64 interrupts)
{
	if (!(interrupts & DTE_IRQ_REMAP_ENABLE) ||
	    (interrupts & DTE_IRQ_REMAP_INTCTL_MASK) != DTE_IRQ_REMAP_INTCTL)
		return 0;

	switch (interrupts & DTE_INTTABLEN_MASK) {
	case DTE_INTTABLEN_512:
		return MAX_IRQS_PER_TABLE_512;
	case DTE_INTTABLEN_2K:
		return max_entries();
	default:
		return 0;
	}
}

static size_t table_size(unsigned int nr_entries)
{
	return max(nr_entries * entry_size(), PAGE_SIZE);
}

static struct irq_remap_table *amd_ir_alloc_table(phys_addr_t phys, unsigned int nr_entries)
{
	struct irq_remap_table *table = kzalloc_obj(*table);

	if (!table)
		return ERR_PTR(-ENOMEM);

	raw_spin_lock_init(&table->lock);
	table->held = bitmap_zalloc(MAX_IRQS_PER_TABLE_2K, GFP_KERNEL);
	if (!table->held) {
		kfree(table);
		return ERR_PTR(-ENOMEM);
	}

	table->table = iommu_restore_pages(phys, table_size(nr_entries));
	if (!table->table) {
		bitmap_free(table->held);
		kfree(table);
		return ERR_PTR(-EINVAL);
	}
	return table;
}

static struct irq_remap_table *amd_ir_find_table(phys_addr_t phys)
{
	struct irq_remap_table *table;
	unsigned long key;

	xa_for_each(&amd_ir_tables, key, table) {
		if (virt_to_phys(table->table) == phys)
			return table;
	}
	return NULL;
}

static struct irq_remap_table *amd_ir_restore_table(struct amd_iommu *iommu, u16 devid)
{
	u64 interrupts = READ_ONCE(get_dev_table(iommu)[devid].data[2]);
	phys_addr_t phys = __sme_clr(interrupts & DTE_IRQ_PHYS_ADDR_MASK);
	unsigned int nr_entries = dte_nr_entries(interrupts);
	struct irq_remap_table *table;
	int ret;

	if (!nr_entries)
		return ERR_PTR(-EINVAL);

	table = amd_ir_find_table(phys) ?: amd_ir_alloc_table(phys, nr_entries);
	if (IS_ERR(table))
		return table;
	/* The DTE stays in use, and the unit must not read beyond the end of the table. */
	if (folio_size(virt_to_folio(table->table)) != table_size(nr_entries))
		return ERR_PTR(-EINVAL);

	ret = xa_err(xa_store(&amd_ir_tables, table_key(iommu, devid), table, GFP_KERNEL));
	return ret ? ERR_PTR(ret) : table;
}

static int amd_ir_check_entries(struct irq_remap_table *table, u32 handle, unsigned int nr)
{
	u32 end = handle + nr;

	if (!IS_ALIGNED(handle, roundup_pow_of_two(nr)) || end > table_nr_entries(table))
		return -EINVAL;

	for (; handle < end; handle++) {
		if (test_bit(handle, table->held))
			return -EEXIST;
		if (!irte_is_closed(table, handle))
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
	return rec->msg_data == rec->handle;
}

static int amd_ir_reserve(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			  unsigned int nr)
{
	struct amd_iommu *iommu = d->host_data;
	struct amd_iommu_pci_seg *pci_seg = iommu->pci_seg;
	struct irq_remap_table *table;
	int ret;

	if (rec->source > pci_seg->last_bdf || pci_seg->rlookup_table[rec->source] != iommu)
		return -EINVAL;
	if ((rec->flags & IRQ_LU_VECTOR_ACTIVATED) && !message_names_entry(rec))
		return -EINVAL;
	if (rec->handle + nr > dte_nr_entries(get_dev_table(iommu)[rec->source].data[2]))
		return -EINVAL;

	table = amd_ir_taken_table(iommu, rec->source) ?:
		amd_ir_restore_table(iommu, rec->source);
	if (IS_ERR(table))
		return PTR_ERR(table);

	guard(raw_spinlock_irqsave)(&table->lock);

	ret = amd_ir_check_entries(table, rec->handle, nr);
	if (!ret)
		bitmap_set(table->held, rec->handle, nr);
	return ret;
}

/*
 * A device with the same alias that was not handed over may have allocated
 * interrupts, and with them a new table for both: see alloc_irq_table().
 */
static bool has_other_table(struct amd_iommu *iommu, u16 devid)
{
	struct amd_iommu_pci_seg *pci_seg = iommu->pci_seg;
	struct irq_remap_table *table;

	table = pci_seg->irq_lookup_table[devid] ?:
		pci_seg->irq_lookup_table[pci_seg->alias_table[devid]];
	return table && table != amd_ir_taken_table(iommu, devid);
}

static bool amd_ir_check(struct irq_domain *d, struct device *dev,
			 const struct irq_lu_vector_ser *rec)
{
	struct amd_iommu *iommu = d->host_data;

	return dev_is_pci(dev) &&
	       get_pci_sbdf_id(to_pci_dev(dev)) == table_key(iommu, rec->source) &&
	       !has_other_table(iommu, rec->source);
}

static void amd_ir_release(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			   unsigned int nr, bool revoke)
{
	struct irq_remap_table *table = amd_ir_taken_table(d->host_data, rec->source);
	unsigned int i;

	guard(raw_spinlock_irqsave)(&table->lock);

	bitmap_clear(table->held, rec->handle, nr);
	/* The entries were not present, so they are not cached. */
	for (i = 0; revoke && i < nr; i++)
		irte_free(table, rec->handle + i);
}

/* Entries that were allocated meanwhile were written as a whole. */
static void amd_ir_report_faults(struct irq_remap_table *table)
{
	const struct irte_ga silent = { .lo.val = IRTE_CLOSED }, none = { };
	struct irte_ga *irte = (struct irte_ga *)table->table;
	unsigned int i, nr_entries = table_nr_entries(table);

	for (i = 0; i < nr_entries; i++, irte++) {
		guard(raw_spinlock_irqsave)(&table->lock);

		if (irte->irte == silent.irte)
			irte_ga_write(irte, none);
	}
}

/* Device table entries report faults again later: amd_liveupdate_report_faults(). */
static void amd_ir_finish(struct irq_domain *d)
{
	struct amd_iommu *iommu = d->host_data;
	struct irq_remap_table *table;
	unsigned long key;

	/* A free entry of 32 bits suppresses none. */
	if (!has_ga_format())
		return;

	xa_for_each(&amd_ir_tables, key, table) {
		if (PCI_SBDF_TO_SEGID(key) == iommu->pci_seg->id &&
		    iommu->pci_seg->rlookup_table[PCI_SBDF_TO_DEVID(key)] == iommu)
			amd_ir_report_faults(table);
	}
	amd_iommu_flush_all_caches(iommu);
}

/**
 * amd_ir_taken_table - Interrupt table that was taken over for a device
 * @iommu:	Unit of the device
 * @devid:	The device
 *
 * Context: Any.
 * Return: The table, or NULL if the device may get any table.
 */
struct irq_remap_table *amd_ir_taken_table(struct amd_iommu *iommu, u16 devid)
{
	return xa_load(&amd_ir_tables, table_key(iommu, devid));
}

VISIBLE_IF_KUNIT void amd_ir_drop_others(struct irq_remap_table *table)
{
	free_other_entries(table, table->held);
}

static void amd_ir_refuse(struct amd_iommu *iommu, const char *reason)
{
	const struct irq_lu_unit_ser *ser = amd_ir_record(iommu);

	if (ser)
		irq_liveupdate_refuse_unit(ser, reason);
}

/* The unit is about to let DMA through untranslated. */
static void amd_ir_stop_devices(struct amd_iommu *iommu, const char *reason)
{
	iommu->flags &= ~AMD_IOMMU_FLAG_STAYS;
	amd_liveupdate_stop(iommu, reason);
	iommu_liveupdate_abandon_unit(&iommu->iommu);
}

/* The unit is about to be disabled. */
static void amd_ir_give_up(struct amd_iommu *iommu, const char *reason)
{
	pr_err("live update: IOMMU %d is disabled: %s\n", iommu->index, reason);
	irq_liveupdate_remove_unit(iommu->ir_domain);
	amd_ir_stop_devices(iommu, reason);
	amd_ir_refuse(iommu, reason);
}

static void amd_ir_take_over_interrupts(struct amd_iommu *iommu)
{
	const struct irq_lu_unit_ser *ser = amd_ir_record(iommu);
	const char *reason;

	if (!ser)
		return;

	reason = amd_ir_check_unit(iommu, ser);
	if (reason)
		irq_liveupdate_refuse_unit(ser, reason);
	else
		irq_liveupdate_take_over(ser, iommu->ir_domain);
	/* There is none without interrupt remapping. */
	if (iommu->ir_domain)
		irq_liveupdate_add_unit(iommu->ir_domain);
}

static void amd_ir_take_over_unit(struct amd_iommu *iommu, u64 mode,
				  const struct dev_table_entry *fresh)
{
	const char *reason = unit_mode(iommu) == mode ?
			     amd_ir_restore_device_table(iommu, fresh) :
			     "its mode is not that of the other units";

	if (reason)
		amd_ir_give_up(iommu, reason);
	else
		amd_ir_take_over_interrupts(iommu);
}

/*
 * The DTEs are those of a cold boot, except for tables that were taken over,
 * and except that faults are not reported until FINISH for devices that
 * continue to send. What else the previous kernel has written is not trusted.
 */
static void amd_ir_renew_device_table(struct amd_iommu_pci_seg *pci_seg,
				      const struct dev_table_entry *fresh)
{
	u32 devid;

	for (devid = 0; devid <= pci_seg->last_bdf; devid++) {
		struct dev_table_entry *dte = &pci_seg->dev_table[devid];
		u64 interrupts = DTE_IRQ_IGNORE_UNMAPPED;

		if (xa_load(&amd_ir_tables, PCI_SEG_DEVID_TO_SBDF(pci_seg->id, devid)))
			interrupts = dte->data[2] & DTE_IRQ_TABLE;
		WRITE_ONCE(dte->data[2], fresh[devid].data[2] | interrupts);
		if (!amd_liveupdate_keep_entry(pci_seg, devid))
			dte_block_dma(pci_seg, devid, fresh[devid].data[1]);
		WRITE_ONCE(dte->data[3], fresh[devid].data[3]);
	}
}

VISIBLE_IF_KUNIT void amd_ir_take_over_segment(struct amd_iommu_pci_seg *pci_seg, u64 mode)
{
	struct dev_table_entry *fresh = pci_seg->dev_table;
	struct amd_iommu *iommu;

	for_each_iommu(iommu) {
		if (iommu->pci_seg == pci_seg && iommu->flags & AMD_IOMMU_FLAG_STAYS)
			amd_ir_take_over_unit(iommu, mode, fresh);
	}

	if (pci_seg->dev_table == fresh)
		return;
	amd_ir_renew_device_table(pci_seg, fresh);
	iommu_free_pages(fresh);
}

/**
 * amd_ir_take_mode - Use the mode of the units that stay enabled
 * @control:	Control register of one of them
 * @xt_mode:	The mode that was chosen. Replaced by the mode of these units.
 *
 * Neither the format of an entry nor the mode can change while a unit is enabled.
 *
 * Context: Any, before interrupts are allocated.
 */
VISIBLE_IF_KUNIT void amd_ir_take_mode(u64 control, int *xt_mode)
{
	if (!(control & BIT_ULL(CONTROL_GA_EN)))
		amd_iommu_guest_ir = AMD_IOMMU_GUEST_IR_LEGACY;
	else if (!has_ga_format())
		amd_iommu_guest_ir = AMD_IOMMU_GUEST_IR_LEGACY_GA;

	*xt_mode = control & BIT_ULL(CONTROL_XT_EN) ? IRQ_REMAP_X2APIC_MODE :
						      IRQ_REMAP_XAPIC_MODE;
}

static struct amd_iommu *first_which_stays(void)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu) {
		if (iommu->flags & AMD_IOMMU_FLAG_STAYS)
			return iommu;
	}
	return NULL;
}

/**
 * amd_ir_take_over - Take over the units that were found enabled
 * @xt_mode:	Mode in which this kernel would operate them, IRQ_REMAP_*_MODE. It is
 *		replaced by the one in which they do operate.
 *
 * The caller sets up the other units, and flushes all caches of all units.
 *
 * Context: May sleep.
 */
void amd_ir_take_over(int *xt_mode)
{
	struct amd_iommu *first = first_which_stays();
	unsigned int nr_devices = 0, nr_held = 0;
	struct amd_iommu_pci_seg *pci_seg;
	struct irq_remap_table *table;
	unsigned long key;
	u64 mode;

	if (!first)
		return;

	/* This also loads the records of devices with mappings. */
	iommu_liveupdate_handed_over();

	mode = unit_mode(first);
	amd_ir_take_mode(mode, xt_mode);
	for_each_pci_segment(pci_seg) {
		if (segment_stays(pci_seg))
			amd_ir_take_over_segment(pci_seg, mode);
	}
	xa_for_each(&amd_ir_tables, key, table) {
		amd_ir_drop_others(table);
		nr_held += bitmap_weight(table->held, MAX_IRQS_PER_TABLE_2K);
		nr_devices++;
	}
	if (nr_devices)
		pr_info("took over %u interrupt remapping entries of %u devices\n",
			nr_held, nr_devices);
}

/**
 * amd_ir_block_unused - Block DMA of requester ids that no device has
 * @pci_seg:	Segment whose devices were attached to their domains
 *
 * Until now the entries of devices whose firmware needs DMA were open, as all
 * entries are at this point of a cold boot. An entry that still suppresses faults
 * was not replaced by any domain, so no device uses it.
 *
 * Context: Any. The caller flushes all caches.
 */
void amd_ir_block_unused(struct amd_iommu_pci_seg *pci_seg)
{
	u32 devid;

	if (!irq_liveupdate_handed_over())
		return;

	for (devid = 0; devid <= pci_seg->last_bdf; devid++) {
		struct dev_table_entry *dte = &pci_seg->dev_table[devid];

		if (dte->data[0] == DTE_DIRECT && dte->data[1] & DTE_FLAG_SA)
			WRITE_ONCE(dte->data[0], DTE_CLOSED);
	}
}

/**
 * amd_ir_teardown - Give up the units that were taken over
 *
 * The units cannot be set up. They are about to be disabled or, if interrupts
 * already depend on them, to let all DMA through and to remap interrupts only.
 *
 * Context: May sleep. The domain ids and the unity maps are still allocated. The
 * caller flushes all caches of units that remap interrupts.
 */
void amd_ir_teardown(void)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu) {
		if (!(iommu->flags & AMD_IOMMU_FLAG_STAYS))
			continue;
		if (irq_remapping_enabled) {
			amd_ir_stop_devices(iommu, "its IOMMU cannot be set up");
			/* There will be no FINISH of the unit. */
			amd_liveupdate_report_faults(iommu);
		} else {
			amd_ir_give_up(iommu, "the unit is disabled");
		}
	}
}

const struct irq_domain_liveupdate_ops amd_ir_liveupdate_ops = {
	.save		= amd_ir_save,
	.preserve	= amd_ir_preserve,
	.unpreserve	= amd_ir_unpreserve,
	.block		= amd_ir_block,
	.sync		= amd_ir_sync,
	.reserve	= amd_ir_reserve,
	.check		= amd_ir_check,
	.release	= amd_ir_release,
	.finish		= amd_ir_finish,
};
