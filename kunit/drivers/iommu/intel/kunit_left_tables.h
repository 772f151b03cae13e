/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VT-d unit that consists only of its tables, as the previous kernel left it: the
 * tables are in memory that KHO believes it has kept.
 */

#ifndef _KUNIT_LEFT_TABLES_H
#define _KUNIT_LEFT_TABLES_H

#include <kunit/irq_liveupdate/kept_memory.h>

#include "kunit_fake_tables.h"

/* Restored memory belongs to the driver, and is freed as the driver would free it. */
static inline void free_left(void *page)
{
	if (is_kept(page))
		free_kept(page);
	else
		iommu_free_pages(page);
}

/* A copy of a page, in memory that KHO has kept */
static inline void *leave_page(struct kunit *test, const void *page)
{
	void *copy = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_left, copy));
	memcpy(copy, page, PAGE_SIZE);
	return copy;
}

/* Root and context tables of the unit; whoever reads their list frees it. */
static inline void leave_tables(struct kunit *test)
{
	u64 *tables = alloc_kept(0), *root;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, tables);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, tables));
	root = leave_page(test, unit->iommu.root_entry);
	for (i = 0; i < IOMMU_LU_NR_TABLES; i++) {
		if (!root[i])
			continue;
		tables[i] = virt_to_phys(leave_page(test, phys_to_virt(root[i] & VTD_PAGE_MASK)));
		root[i] = tables[i] | 1;
	}
	unit->ser.root = virt_to_phys(root);
	unit->ser.tables = virt_to_phys(tables);
	unit->ser.tables_checksum = iommu_lu_tables_checksum(tables);
}

/* The unit is found with the tables that were left. */
static inline void leave_unit(struct kunit *test)
{
	leave_tables(test);
	writeq(unit->ser.root | (sm_supported(&unit->iommu) ? DMA_RTADDR_SMT : 0),
	       unit->iommu.reg + DMAR_RTADDR_REG);
	unit->iommu.root_entry = NULL;
}

/* A PASID directory with one table, in which requests without PASID have an entry */
static inline struct pasid_entry *leave_pasid_table(struct kunit *test, u64 tables, u16 did,
						    struct iommu_lu_device_ser *ser)
{
	struct pasid_entry *pasid = alloc_table(test);
	struct pasid_dir_entry *dir = alloc_table(test);

	dir->val = virt_to_phys(pasid) | PASID_PTE_PRESENT;
	pasid_set_domain_id(pasid, did);
	pasid_set_slptr(pasid, tables);
	pasid_set_translation_type(pasid, PASID_ENTRY_PGTT_SL_ONLY);
	pasid_set_present(pasid);
	ser->pasid_dir = virt_to_phys(dir);
	ser->pasid_table = virt_to_phys(pasid);
	return pasid;
}

static inline void take_over(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, intel_liveupdate_take_over(&unit->iommu));
	if (unit->iommu.copied_tables)
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, free_bitmap,
							  unit->iommu.copied_tables));
}

#endif /* _KUNIT_LEFT_TABLES_H */
