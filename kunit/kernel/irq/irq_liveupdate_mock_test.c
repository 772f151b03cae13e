// SPDX-License-Identifier: GPL-2.0

/*
 * The suite for interrupt remapping drivers, on one that implements nothing
 * else: it shows what the methods themselves have to do, and that the suite
 * asks for no more.
 */

#include <kunit/irq_liveupdate/iommu_suite.h>
#include <linux/gfp.h>

#include "kunit_mock_iommu.h"

#define SOURCE		0x1234
#define MOCK_HANDLE	16
#define MOCK_KIND(kind)	((u64)(kind) << 8)

struct mock_unit {
	struct mock_iommu	mock;
	struct irq_domain	domain;
	struct mock_device	devs[2];
};

static struct mock_iommu *mock_of(struct kunit *test)
{
	return &((struct mock_unit *)test->priv)->mock;
}

static struct irq_domain *mock_domain(struct kunit *test)
{
	return &((struct mock_unit *)test->priv)->domain;
}

static void *mock_entry(struct kunit *test, u32 handle)
{
	return &mock_of(test)->table[handle];
}

static u64 mock_kind(unsigned int kind)
{
	return MOCK_SOURCE(SOURCE) | MOCK_KIND(kind) | MOCK_PRESENT;
}

static void mock_fill(void *entry, unsigned int kind)
{
	WRITE_ONCE(*(u64 *)entry, mock_kind(kind));
}

static bool mock_is_present(const void *entry)
{
	return *(const u64 *)entry & MOCK_PRESENT;
}

static bool mock_is_silent(const void *entry)
{
	return *(const u64 *)entry & MOCK_SILENT;
}

static bool mock_is_taken(struct kunit *test, u32 handle)
{
	return test_bit(handle, mock_of(test)->taken);
}

static bool mock_is_held(struct kunit *test, u32 handle)
{
	return test_bit(handle, mock_of(test)->held);
}

static void mock_own(struct kunit *test, u32 handle, struct irq_data *irqd)
{
	irqd->hwirq = handle;
	irqd->chip_data = &((struct mock_unit *)test->priv)->devs[0];
}

static void mock_open(struct kunit *test, u32 handle, unsigned int kind)
{
	mock_write(mock_of(test), handle, mock_kind(kind));
}

static void mock_close(struct kunit *test, u32 handle)
{
	mock_write(mock_of(test), handle, 0);
}

static void mock_message(struct irq_lu_vector_ser *rec)
{
	rec->msg_data = rec->handle;
}

static void mock_boot(struct kunit *test)
{
	struct mock_iommu *mock = mock_of(test);

	bitmap_zero(mock->taken, MOCK_ENTRIES);
	bitmap_zero(mock->held, MOCK_ENTRIES);
}

static struct device *mock_device(struct kunit *test, bool another)
{
	return &((struct mock_unit *)test->priv)->devs[another].dev;
}

static unsigned int mock_flushes(struct kunit *test)
{
	return mock_of(test)->flushes;
}

static const struct iommu_fmt mock_fmt = {
	.source		= SOURCE,
	.handle		= MOCK_HANDLE,
	.entry_size	= sizeof(u64),
	.nr_kinds	= 2,
	.ops		= &mock_liveupdate_ops,
	.domain		= mock_domain,
	.entry		= mock_entry,
	.fill		= mock_fill,
	.is_present	= mock_is_present,
	.is_silent	= mock_is_silent,
	.is_taken	= mock_is_taken,
	.is_held	= mock_is_held,
	.own		= mock_own,
	.open		= mock_open,
	.close		= mock_close,
	.message	= mock_message,
	.boot		= mock_boot,
	.device		= mock_device,
	.flushes	= mock_flushes,
	.waits		= mock_flushes,
};

static void free_table(void *table)
{
	free_page((unsigned long)table);
}

static int mock_init(struct kunit *test)
{
	struct mock_unit *unit = kunit_kzalloc(test, sizeof(*unit), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, unit);
	raw_spin_lock_init(&unit->mock.lock);
	unit->mock.table = (u64 *)get_zeroed_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, unit->mock.table);
	unit->domain.host_data = &unit->mock;
	unit->devs[0].source = SOURCE;
	unit->devs[1].source = SOURCE + 1;
	test->priv = unit;
	fmt = &mock_fmt;
	return kunit_add_action_or_reset(test, free_table, unit->mock.table);
}

DEFINE_IOMMU_SUITE_CASES(mock_cases);

static struct kunit_suite mock_suite = {
	.name		= "irq_liveupdate_mock",
	.init		= mock_init,
	.test_cases	= mock_cases,
};

kunit_test_suite(mock_suite);

MODULE_DESCRIPTION("KUnit tests of interrupt live update on a mock IOMMU");
MODULE_LICENSE("GPL");
