/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An emulated AMD-Vi unit as the previous kernel left it: it is enabled, and its
 * device table, and the interrupt table of the device, are in memory that KHO
 * believes it has kept. The entry of the device may lead to mappings, which have a
 * record.
 */

#ifndef _KUNIT_LEFT_AMD_H
#define _KUNIT_LEFT_AMD_H

#include <kunit/irq_liveupdate/kept_memory.h>
#include <linux/bitmap.h>
#include <linux/sizes.h>

#include "kunit_fake_amd.h"

#define XAPIC	BIT_ULL(CONTROL_GA_EN)
#define X2APIC	(BIT_ULL(CONTROL_GA_EN) | BIT_ULL(CONTROL_XT_EN))

#define MODE(levels)	((u64)(levels) << DEV_ENTRY_MODE_SHIFT)
#define OLD_DOMAIN_ID	5678
#define OLD_MODE	MODE(3)
#define TRANSLATES	(DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW)

/* As the driver leaves an entry that it blocks */
static inline void close_entry(void *entries, u32 handle)
{
	const struct irte_ga closed = { .lo.val = 2, .hi.val = 0xff };

	memcpy(entries + handle * entry_size(), &closed, entry_size());
}

/* The table of the device is in memory that KHO has kept for this kernel. */
static inline void *leave_table(struct kunit *test)
{
	void *entries = alloc_kept(get_order(TABLE_SIZE));

	KUNIT_ASSERT_NOT_NULL(test, entries);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, entries));
	the_unit->pci_seg.dev_table[SOURCE].data[2] = dte_of(entries);
	return entries;
}

static inline void free_taken_table(void *unused)
{
	struct irq_remap_table *table = xa_load(&amd_ir_tables, SOURCE);

	if (!table)
		return;
	iommu_free_pages(table->table);
	bitmap_free(table->held);
	kfree(table);
}

/* The previous kernel has left the unit enabled, with @table as its device table. */
static inline void find_enabled(struct kunit *test, void *table, u64 mode)
{
	struct amd_iommu *iommu = &the_unit->iommu;

	iommu->flags |= AMD_IOMMU_FLAG_STAYS;
	writeq(mode, iommu->mmio_base + MMIO_CONTROL_OFFSET);
	writeq(virt_to_phys(table) + (the_unit->pci_seg.dev_table_size >> PAGE_SHIFT) - 1,
	       iommu->mmio_base + MMIO_DEV_TABLE_OFFSET);

	/* The table of a cold boot, which the driver frees when it has the other one */
	the_unit->fresh = iommu_alloc_pages_sz(GFP_KERNEL, the_unit->pci_seg.dev_table_size);
	KUNIT_ASSERT_NOT_NULL(test, the_unit->fresh);
	for (u32 devid = 0; devid <= LAST_BDF; devid++)
		the_unit->fresh[devid].data[2] = DTE_IRQ_REMAP_ENABLE;
	the_unit->pci_seg.dev_table = the_unit->fresh;
}

static inline void free_device_table(void *unused)
{
	iommu_free_pages(the_unit->pci_seg.dev_table);
	the_unit->pci_seg.dev_table = NULL;
}

static inline void free_with_the_test(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_device_table, NULL));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_taken_table, NULL));
}

static inline void take_over_as(struct kunit *test, u64 mode)
{
	amd_ir_take_over_segment(&the_unit->pci_seg, mode);
	free_with_the_test(test);
}

/* In memory that KHO has kept, with a DTE that names an interrupt table kept as well */
static inline struct dev_table_entry *leave_device_table(struct kunit *test)
{
	struct dev_table_entry *table = alloc_kept(get_order(the_unit->pci_seg.dev_table_size));

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, table));
	the_unit->pci_seg.dev_table = table;
	fill_device_table(table);
	close_entry(leave_table(test), HANDLE);
	fake_core.record.reg_base = the_unit->iommu.mmio_phys;
	fake_core.record.table = virt_to_phys(table);
	fake_core.record.nr_entries = 512;
	return table;
}

static inline void free_page_of_mappings(void *page)
{
	free_page((unsigned long)page);
}

/* A DTE with mappings, and its record */
static inline void leave_mappings(struct kunit *test, struct dev_table_entry *dte)
{
	void *block = (void *)get_zeroed_page(GFP_KERNEL);
	u64 tables = SZ_1M;

	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_page_of_mappings, block));
	mappings.block = block;
	*(u64 *)(mappings.block + 1) = tables;

	dte->data[0] = TRANSLATES | OLD_MODE | tables;
	dte->data[1] = OLD_DOMAIN_ID;
	mappings.recorded = true;
	mappings.ser.devid = SOURCE;
	mappings.ser.domain_id = OLD_DOMAIN_ID;
	mappings.ser.entry[0] = dte->data[0];
	mappings.ser.entry[1] = dte->data[1];
	mappings.ser.tables.first = virt_to_phys(block);
	mappings.ser.tables.nr = 1;
}

#endif /* _KUNIT_LEFT_AMD_H */
