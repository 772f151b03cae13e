/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupt remapping of VT-d, shared by irq_remapping.c and irq_liveupdate.c.
 */

#ifndef _INTEL_IRQ_REMAPPING_H
#define _INTEL_IRQ_REMAPPING_H

#include <linux/bits.h>
#include <linux/bitops.h>
#include <linux/dmar.h>
#include <linux/irq_liveupdate.h>
#include <linux/msi.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "iommu.h"
#include "../iommu-pages.h"

struct pci_dev;

struct irq_2_iommu {
	struct intel_iommu *iommu;
	u16 irte_index;
	u16 sub_handle;
	u8  irte_mask;
	bool posted_msi;
	bool posted_vcpu;
};

struct intel_ir_data {
	struct irq_2_iommu			irq_2_iommu;
	struct irte				irte_entry;
	union {
		struct msi_msg			msi_entry;
	};
};

/**
 * struct ir_preserved - State of a table that is handed over
 * @nr_devices:	Number of preserved devices behind the unit
 * @blocked:	Entries that this kernel must not change any more
 */
struct ir_preserved {
	unsigned int	nr_devices;
	DECLARE_BITMAP(blocked, INTR_REMAP_TABLE_ENTRIES);
};

/* Interrupt remapping table entry, low half, VT-d spec r4.1 sec 9.10 */
#define IRTE_FPD		BIT_ULL(1)

/* SID, SQ and SVT in the high half of a table entry, VT-d spec r4.1 sec 9.10, 9.11 */
#define IRTE_SOURCE		GENMASK_ULL(19, 0)

/* Interrupt remapping table address register, VT-d spec r4.1 sec 11.4.10.1 */
#define IRTA_EIME		BIT_ULL(11)

int modify_irte(struct irq_2_iommu *irq_iommu, struct irte *irte_modified);
int set_msi_sid(struct irte *irte, struct pci_dev *dev);

#ifdef CONFIG_IRQ_LIVEUPDATE

extern const struct irq_domain_liveupdate_ops intel_ir_liveupdate_ops;
#define INTEL_IR_LIVEUPDATE_OPS	(&intel_ir_liveupdate_ops)

bool intel_ir_take_mode(bool eim);
void *intel_ir_restore_table(struct intel_iommu *iommu, bool x2apic);
bool intel_ir_take_over(struct intel_iommu *iommu);
void intel_ir_free_table(struct intel_iommu *iommu, void *base);
void intel_ir_teardown(struct intel_iommu *iommu);

#if IS_ENABLED(CONFIG_KUNIT)
unsigned int intel_ir_drop_others(struct intel_iommu *iommu);
#endif

/* This kernel hands over the entry, and must not change it any more. */
static inline bool irte_is_blocked(struct ir_table *table, unsigned int index)
{
	return table->preserved && test_bit(index, table->preserved->blocked);
}

/* Blocked, or taken over. In both cases the index stays reserved when the vector is freed. */
static inline bool irte_is_held(struct ir_table *table, unsigned int index)
{
	return irte_is_blocked(table, index) ||
	       (table->held && test_bit(index, table->held));
}

/*
 * Called before modify_irte() writes @irte. If an entry that was taken over is
 * closed, it keeps its source-id fields and reports no faults, as at take-over.
 * It is made present again low half first. Returns false for a blocked entry:
 * only the software copy is updated then, and the entry does not change.
 */
static inline bool irte_prepare(struct ir_table *table, unsigned int index,
				struct irte *irte)
{
	if (irte_is_blocked(table, index))
		return false;

	if (irte_is_held(table, index) && !irte->present) {
		irte->fpd = 1;
		irte->high = table->base[index].high & IRTE_SOURCE;
	}
	return true;
}

#else /* !CONFIG_IRQ_LIVEUPDATE */

#define INTEL_IR_LIVEUPDATE_OPS	NULL

static inline bool intel_ir_take_mode(bool eim)
{
	return eim;
}

static inline void *intel_ir_restore_table(struct intel_iommu *iommu, bool x2apic)
{
	return NULL;
}

static inline bool intel_ir_take_over(struct intel_iommu *iommu)
{
	return false;
}

static inline void intel_ir_free_table(struct intel_iommu *iommu, void *base)
{
	iommu_free_pages(base);
}

static inline void intel_ir_teardown(struct intel_iommu *iommu)
{
}

static inline bool irte_is_held(struct ir_table *table, unsigned int index)
{
	return false;
}

static inline bool irte_prepare(struct ir_table *table, unsigned int index,
				struct irte *irte)
{
	return true;
}

#endif /* CONFIG_IRQ_LIVEUPDATE */
#endif /* _INTEL_IRQ_REMAPPING_H */
