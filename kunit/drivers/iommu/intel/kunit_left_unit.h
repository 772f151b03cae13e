/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An emulated VT-d unit as the previous kernel left it: remapping is enabled, and
 * its table is in memory that KHO believes it has kept.
 */

#ifndef _KUNIT_LEFT_UNIT_H
#define _KUNIT_LEFT_UNIT_H

#include <kunit/irq_liveupdate/kept_memory.h>

#include "kunit_fake_vtd.h"
#include "../../../kernel/irq/liveupdate.h"

/* Register: VT-d spec r4.1 sec 11.4.10.1, S */
#define IRTA_64K	0xf

/* The mode in which the driver sets up any unit is that of the units of this machine. */
static inline u64 irta_mode(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	guard(rcu)();
	for_each_active_iommu(iommu, drhd) {
		if (iommu->ir_table)
			return readq(iommu->reg + DMAR_IRTA_REG) & IRTA_EIME;
	}
	return 0;
}

static inline u32 flags_of_mode(u64 mode)
{
	return mode ? IRQ_LU_UNIT_X2APIC : 0;
}

static inline bool yes(void)
{
	return true;
}

static inline void *map_left(u64 phys, size_t len)
{
	return phys_to_virt(phys);
}

static inline void keep_left(void *mem)
{
}

/* Records are in memory of the test, which frees it itself. */
static const struct irq_lu_memory __maybe_unused left_memory = {
	.map	= map_left,
	.take	= map_left,
	.free	= keep_left,
};

static inline void end_live_update(void *unused)
{
	irq_liveupdate_revoke_absent();
	irq_lu_wait_until_freed();
}

static struct irte *alloc_table(struct kunit *test)
{
	struct irte *base = alloc_kept(get_order(SZ_1M));

	KUNIT_ASSERT_NOT_NULL(test, base);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, base));
	return base;
}

/* Writes the record of the unit to @ser. */
static struct fake_unit __maybe_unused *leave_unit(struct kunit *test, struct irq_lu_unit_ser *ser)
{
	struct irte *table = alloc_table(test);
	struct fake_unit *unit = alloc_unit(test);
	void __iomem *reg = unit->iommu.reg;

	/* The status is where the driver finds the command, see alloc_iommu(). */
	unit->iommu.gcmd = DMA_GCMD_IRE;
	writel(DMA_GSTS_IRES | DMA_GSTS_IRTPS, reg + DMAR_GSTS_REG);
	writeq(virt_to_phys(table) | irta_mode() | IRTA_64K, reg + DMAR_IRTA_REG);

	ser->backend = IRQ_LU_BACKEND_VTD;
	ser->reg_base = unit->iommu.reg_phys;
	ser->table = virt_to_phys(table);
	ser->nr_entries = INTR_REMAP_TABLE_ENTRIES;
	ser->flags = flags_of_mode(irta_mode());
	return unit;
}

/* There are breakpoints for one unit at a time. */
static void __maybe_unused ignore(struct kunit *test, struct fake_unit *unit)
{
	kunit_release_action(test, unwatch, unit->watches[0]);
	kunit_release_action(test, unwatch, unit->watches[1]);
}

#endif /* _KUNIT_LEFT_UNIT_H */
