/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupt live update on AMD-Vi: what init.c and iommu.c call.
 */

#ifndef _AMD_IRQ_LIVEUPDATE_H
#define _AMD_IRQ_LIVEUPDATE_H

#include <linux/bitops.h>
#include <linux/irq_liveupdate.h>

#include "amd_iommu_types.h"
#include "liveupdate.h"

struct pci_dev;
struct xarray;

#ifdef CONFIG_IRQ_LIVEUPDATE

extern const struct irq_domain_liveupdate_ops amd_ir_liveupdate_ops;
#define AMD_IR_LIVEUPDATE_OPS	(&amd_ir_liveupdate_ops)

bool amd_ir_incoming(struct amd_iommu *iommu);
void amd_ir_take_over(int *xt_mode);
void amd_ir_teardown(void);
struct irq_remap_table *amd_ir_taken_table(struct amd_iommu *iommu, u16 devid);
bool amd_ir_keep_entry(struct irq_remap_table *table, int index);

#if IS_ENABLED(CONFIG_KUNIT)
extern struct xarray amd_ir_tables;

void amd_ir_block_segment(struct amd_iommu_pci_seg *pci_seg);
void amd_ir_drop_others(struct irq_remap_table *table);
void amd_ir_take_mode(u64 control, int *xt_mode);
void amd_ir_take_over_segment(struct amd_iommu_pci_seg *pci_seg, u64 mode);
#endif

/* The kernel hands over: nothing changes the entry any more. */
static inline bool amd_ir_is_blocked(struct irq_remap_table *table, int index)
{
	return table->blocked && test_bit(index, table->blocked);
}

/* Blocked, or taken over: the index stays with its vector when it is freed. */
static inline bool amd_ir_is_held(struct irq_remap_table *table, int index)
{
	return amd_ir_is_blocked(table, index) ||
	       (table->held && test_bit(index, table->held));
}

/*
 * Before an entry is written, whose first word is @irte in both formats: one which
 * was taken over and is closed by its user reports no faults, as the take over
 * has found it. Returns false when the hardware keeps a blocked entry, and
 * software goes on with its own copy.
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
