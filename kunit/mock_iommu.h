/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The smallest interrupt remapping driver that can be handed over: what
 * Documentation/core-api/irq/irq-liveupdate-iommu.rst asks for, and nothing else.
 * Its hardware has one table of words: source id, vector, and the two bits below.
 */

#ifndef _KUNIT_MOCK_IOMMU_H
#define _KUNIT_MOCK_IOMMU_H

#include <linux/bitmap.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/irq_liveupdate.h>
#include <linux/pci.h>
#include <linux/spinlock.h>

#define MOCK_PRESENT	BIT_ULL(0)
#define MOCK_SILENT	BIT_ULL(1)
#define MOCK_VECTOR(v)	((u64)(v) << 8)
#define MOCK_SOURCE(id)	((u64)(id) << 32)
#define MOCK_ENTRIES	256

struct mock_iommu {
	raw_spinlock_t		lock;	/* protects everything */
	u64			table[MOCK_ENTRIES];
	DECLARE_BITMAP(used, MOCK_ENTRIES);
	DECLARE_BITMAP(held, MOCK_ENTRIES);
	DECLARE_BITMAP(blocked, MOCK_ENTRIES);
	unsigned int		flushes;
};

static u64 mock_closed(u32 source)
{
	return MOCK_SOURCE(source) | MOCK_SILENT;
}

static void mock_flush(struct mock_iommu *mock)
{
	mock->flushes++;
}

/* What the driver does anyway, with the two questions of a live update. */
static void mock_write(struct mock_iommu *mock, u32 handle, u64 entry)
{
	guard(raw_spinlock_irqsave)(&mock->lock);

	if (test_bit(handle, mock->blocked))
		return;
	if (test_bit(handle, mock->held) && !(entry & MOCK_PRESENT))
		entry = mock_closed(mock->table[handle] >> 32);
	WRITE_ONCE(mock->table[handle], entry);
	mock_flush(mock);
}

static void mock_save(struct irq_domain *d, struct irq_data *irqd,
		      struct irq_lu_vector_ser *rec)
{
	struct mock_iommu *mock = d->host_data;

	rec->handle = irqd->hwirq;
	rec->source = mock->table[irqd->hwirq] >> 32;
}

static int mock_preserve(struct irq_domain *d, struct irq_lu_unit_ser *ser)
{
	return -EOPNOTSUPP;
}

static void mock_unpreserve(struct irq_domain *d)
{
}

static void mock_block(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
		       unsigned int nr)
{
	struct mock_iommu *mock = d->host_data;
	unsigned int i;

	guard(raw_spinlock_irqsave)(&mock->lock);

	bitmap_set(mock->blocked, rec->handle, nr);
	for (i = 0; i < nr; i++)
		WRITE_ONCE(mock->table[rec->handle + i], mock_closed(rec->source));
}

static void mock_sync(struct irq_domain *d)
{
	mock_flush(d->host_data);
}

static int mock_reserve(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			unsigned int nr)
{
	struct mock_iommu *mock = d->host_data;
	unsigned int i;

	if (rec->handle % roundup_pow_of_two(nr))
		return -EINVAL;
	if (rec->flags & IRQ_LU_VECTOR_ACTIVATED && rec->msg_data != rec->handle)
		return -EINVAL;

	guard(raw_spinlock_irqsave)(&mock->lock);

	for (i = rec->handle; i < rec->handle + nr; i++) {
		if (test_bit(i, mock->used))
			return -EEXIST;
		if (mock->table[i] != mock_closed(rec->source))
			return -EINVAL;
	}
	bitmap_set(mock->used, rec->handle, nr);
	bitmap_set(mock->held, rec->handle, nr);
	return 0;
}

static bool mock_check(struct irq_domain *d, struct device *dev,
		       const struct irq_lu_vector_ser *rec)
{
	return dev_is_pci(dev) && pci_dev_id(to_pci_dev(dev)) == rec->source;
}

static void mock_release(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			 unsigned int nr, bool revoke)
{
	struct mock_iommu *mock = d->host_data;

	guard(raw_spinlock_irqsave)(&mock->lock);

	bitmap_clear(mock->held, rec->handle, nr);
	if (!revoke)
		return;
	memset64(&mock->table[rec->handle], MOCK_SILENT, nr);
	bitmap_clear(mock->used, rec->handle, nr);
}

static const struct irq_domain_liveupdate_ops mock_liveupdate_ops = {
	.save		= mock_save,
	.preserve	= mock_preserve,
	.unpreserve	= mock_unpreserve,
	.block		= mock_block,
	.sync		= mock_sync,
	.reserve	= mock_reserve,
	.check		= mock_check,
	.release	= mock_release,
};

#endif /* _KUNIT_MOCK_IOMMU_H */
