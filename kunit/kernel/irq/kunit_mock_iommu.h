/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The smallest interrupt remapping unit that can be handed over, written from
 * Documentation/driver-api/irq-liveupdate-iommu.rst: one table, in which an
 * entry is one word, and the message is the handle. It has the methods, and the
 * writer with its hook.
 */

#ifndef _KUNIT_MOCK_IOMMU_H
#define _KUNIT_MOCK_IOMMU_H

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/spinlock.h>

#define MOCK_ENTRIES	64
#define MOCK_PRESENT	BIT_ULL(0)
#define MOCK_SILENT	BIT_ULL(1)
#define MOCK_SOURCE(id)	((u64)(id) << 32)
#define MOCK_CLOSED(id)	(MOCK_SILENT | MOCK_SOURCE(id))

struct mock_iommu {
	raw_spinlock_t	lock;	/* protects everything */
	u64		*table;	/* a page */
	DECLARE_BITMAP(taken, MOCK_ENTRIES);
	DECLARE_BITMAP(held, MOCK_ENTRIES);
	DECLARE_BITMAP(blocked, MOCK_ENTRIES);
	unsigned int	nr_devices, flushes;
};

struct mock_device {
	struct device	dev;
	u32		source;
};

/* What a driver does anyway, with the two checks for a live update */
static void mock_write(struct mock_iommu *mock, u32 handle, u64 entry)
{
	guard(raw_spinlock_irqsave)(&mock->lock);

	if (test_bit(handle, mock->blocked))
		return;
	if (test_bit(handle, mock->held) && !(entry & MOCK_PRESENT))
		entry = MOCK_CLOSED(mock->table[handle] >> 32);
	WRITE_ONCE(mock->table[handle], entry);
	mock->flushes++;
}

static void mock_save(struct irq_domain *d, struct irq_data *irqd, struct irq_lu_vector_ser *rec)
{
	const struct mock_device *mdev = irqd->chip_data;

	rec->handle = irqd->hwirq;
	rec->source = mdev->source;
}

static int mock_preserve(struct irq_domain *d, struct device *dev, struct irq_lu_unit_ser *ser)
{
	struct mock_iommu *mock = d->host_data;

	if (!mock->nr_devices && kho_preserve_folio(virt_to_folio(mock->table)))
		return -ENOMEM;
	mock->nr_devices++;
	ser->table = virt_to_phys(mock->table);
	ser->nr_entries = MOCK_ENTRIES;
	return 0;
}

static void mock_unpreserve(struct irq_domain *d, struct device *dev)
{
	struct mock_iommu *mock = d->host_data;

	if (--mock->nr_devices)
		return;
	kho_unpreserve_folio(virt_to_folio(mock->table));
	bitmap_zero(mock->blocked, MOCK_ENTRIES);
}

static void mock_block(struct irq_domain *d, const struct irq_lu_vector_ser *rec, unsigned int nr)
{
	struct mock_iommu *mock = d->host_data;
	unsigned int i;

	guard(raw_spinlock_irqsave)(&mock->lock);

	bitmap_set(mock->blocked, rec->handle, nr);
	for (i = 0; i < nr; i++)
		WRITE_ONCE(mock->table[rec->handle + i], MOCK_CLOSED(rec->source));
}

static int mock_sync(struct irq_domain *d)
{
	((struct mock_iommu *)d->host_data)->flushes++;
	return 0;
}

static int mock_reserve(struct irq_domain *d, const struct irq_lu_vector_ser *rec, unsigned int nr)
{
	struct mock_iommu *mock = d->host_data;
	unsigned int i;

	if (rec->handle % roundup_pow_of_two(nr))
		return -EINVAL;
	if (rec->flags & IRQ_LU_VECTOR_ACTIVATED && rec->msg_data != rec->handle)
		return -EINVAL;

	guard(raw_spinlock_irqsave)(&mock->lock);

	for (i = rec->handle; i < rec->handle + nr; i++) {
		if (test_bit(i, mock->taken))
			return -EEXIST;
		if (mock->table[i] != MOCK_CLOSED(rec->source))
			return -EINVAL;
	}
	bitmap_set(mock->taken, rec->handle, nr);
	bitmap_set(mock->held, rec->handle, nr);
	return 0;
}

static bool mock_check(struct irq_domain *d, struct device *dev,
		       const struct irq_lu_vector_ser *rec)
{
	return container_of(dev, struct mock_device, dev)->source == rec->source;
}

static void mock_release(struct irq_domain *d, const struct irq_lu_vector_ser *rec,
			 unsigned int nr, bool revoke)
{
	struct mock_iommu *mock = d->host_data;

	guard(raw_spinlock_irqsave)(&mock->lock);

	bitmap_clear(mock->held, rec->handle, nr);
	if (!revoke)
		return;
	memset64(&mock->table[rec->handle], MOCK_CLOSED(0), nr);
	bitmap_clear(mock->taken, rec->handle, nr);
}

static void mock_finish(struct irq_domain *d)
{
	struct mock_iommu *mock = d->host_data;
	unsigned int i;

	guard(raw_spinlock_irqsave)(&mock->lock);

	for (i = 0; i < MOCK_ENTRIES; i++) {
		if (!test_bit(i, mock->held) && mock->table[i] == MOCK_CLOSED(0))
			WRITE_ONCE(mock->table[i], 0);
	}
	mock->flushes++;
}

static const struct irq_domain_liveupdate_ops mock_liveupdate_ops = {
	.save = mock_save, .preserve = mock_preserve, .unpreserve = mock_unpreserve,
	.block = mock_block, .sync = mock_sync, .reserve = mock_reserve,
	.check = mock_check, .release = mock_release, .finish = mock_finish,
};

#endif /* _KUNIT_MOCK_IOMMU_H */
