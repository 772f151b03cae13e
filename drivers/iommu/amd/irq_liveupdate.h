/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupt live update on AMD-Vi: interface to init.c and iommu.c
 */

#ifndef _AMD_IRQ_LIVEUPDATE_H
#define _AMD_IRQ_LIVEUPDATE_H

#include <linux/bitops.h>
#include <linux/irq_liveupdate.h>

#include "amd_iommu_types.h"
#include "liveupdate.h"

struct xarray;

#ifdef CONFIG_IRQ_LIVEUPDATE

extern const struct irq_domain_liveupdate_ops amd_ir_liveupdate_ops;
#define AMD_IR_LIVEUPDATE_OPS	(&amd_ir_liveupdate_ops)

bool amd_ir_incoming(struct amd_iommu *iommu);
void amd_ir_take_over(int *xt_mode);
void amd_ir_block_unused(struct amd_iommu_pci_seg *pci_seg);
void amd_ir_teardown(void);
struct irq_remap_table *amd_ir_taken_table(struct amd_iommu *iommu, u16 devid);
bool amd_ir_keep_entry(struct irq_remap_table *table, int index);

#if IS_ENABLED(CONFIG_KUNIT)
extern struct xarray amd_ir_tables;

void amd_ir_block_segment(struct amd_iommu_pci_seg *pci_seg);
void amd_ir_drop_others(struct irq_remap_table *table);
int amd_ir_flush_last(struct amd_iommu *iommu);
void amd_ir_take_mode(u64 control, int *xt_mode);
void amd_ir_take_over_segment(struct amd_iommu_pci_seg *pci_seg, u64 mode);
#endif

/* This kernel hands over the entry, and must not change it any more. */
static inline bool amd_ir_is_blocked(struct irq_remap_table *table, int index)
{
	return table->blocked && test_bit(index, table->blocked);
}

/* Blocked, or taken over. In both cases the index stays reserved when the vector is freed. */
static inline bool amd_ir_is_held(struct irq_remap_table *table, int index)
{
	return amd_ir_is_blocked(table, index) ||
	       (table->held && test_bit(index, table->held));
}

/*
 * Called before an entry is written. @irte is what will be written, not the software
 * copy; the bits that matter here are in the first word of both formats. A closed entry
 * reports no faults while it is held, as at take-over. Returns false for a blocked
 * entry, which does not change.
 */
static inline bool amd_ir_prepare(struct irq_remap_table *table, int index, void *irte)
{
	union irte *first = irte;

	if (amd_ir_is_blocked(table, index))
		return false;

	if (amd_ir_is_held(table, index))
		first->fields.no_fault = !first->fields.valid;
	return true;
}

#else /* !CONFIG_IRQ_LIVEUPDATE */

#define AMD_IR_LIVEUPDATE_OPS		NULL

static inline bool amd_ir_incoming(struct amd_iommu *iommu)
{
	return false;
}

static inline void amd_ir_take_over(int *xt_mode)
{
}

static inline void amd_ir_block_unused(struct amd_iommu_pci_seg *pci_seg)
{
}

static inline void amd_ir_teardown(void)
{
}

static inline struct irq_remap_table *amd_ir_taken_table(struct amd_iommu *iommu, u16 devid)
{
	return NULL;
}

static inline bool amd_ir_prepare(struct irq_remap_table *table, int index, void *irte)
{
	return true;
}

static inline bool amd_ir_keep_entry(struct irq_remap_table *table, int index)
{
	return false;
}

#endif /* CONFIG_IRQ_LIVEUPDATE */
#endif /* _AMD_IRQ_LIVEUPDATE_H */
