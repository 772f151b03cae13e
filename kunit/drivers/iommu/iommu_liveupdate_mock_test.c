// SPDX-License-Identifier: GPL-2.0-only

/*
 * The suite for DMA translation on an IOMMU that implements nothing else: it shows
 * what the methods themselves have to do, and that the suite asks for no more.
 */

#include <kunit/irq_liveupdate/translation_suite.h>

#include "iommu-liveupdate.h"
#include "iommu-priv.h"
#include "kunit_mock_translation.h"

#define BUS		1
#define ID(i)		PCI_DEVID(BUS, i)

/**
 * struct mock_unit - A mock unit, and devices behind it
 * @mock:	The unit
 * @ser:	Its record
 * @devs:	The devices
 * @dev_iommus:	The core's data of each of them
 * @domains:	A domain for each of them
 * @nr_domains:	How many of these are in use
 */
static struct mock_unit {
	struct mock_iommu		mock;
	struct iommu_lu_unit_ser	ser;
	struct mock_device		devs[NR_TRANSLATED];
	struct dev_iommu		dev_iommus[NR_TRANSLATED];
	struct mock_domain		domains[NR_TRANSLATED];
	unsigned int			nr_domains;
} *mock_unit;

static void free_page_of_mock(void *page)
{
	iommu_free_pages(page);
}

static void *alloc_page_of_mock(struct kunit *test)
{
	void *page = iommu_alloc_pages_sz(GFP_KERNEL, SZ_4K);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_page_of_mock, page));
	return page;
}

static struct iommu_device *mock_iommu(void)
{
	return &mock_unit->mock.iommu;
}

static struct iommu_lu_unit_ser *mock_ser(void)
{
	return &mock_unit->ser;
}

static struct device *mock_device(struct kunit *test, unsigned int i)
{
	struct mock_device *mdev = &mock_unit->devs[i];
	struct device *dev = &mdev->pdev.dev;

	if (!mdev->nr_aliases)
		mdev->aliases[mdev->nr_aliases++] = ID(i);
	dev->iommu = &mock_unit->dev_iommus[i];
	dev->iommu->iommu_dev = &mock_unit->mock.iommu;
	return dev;
}

static struct iommu_domain *mock_alloc_domain(struct kunit *test, struct device *dev)
{
	struct mock_domain *domain = &mock_unit->domains[mock_unit->nr_domains++];

	domain->pt.domain.ops = &mock_domain_ops;
	domain->tables = kunit_kzalloc(test, sizeof(*domain->tables), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, domain->tables);
	domain->tables[0] = alloc_page_of_mock(test);
	domain->nr_tables = 1;
	domain->id = find_next_zero_bit(mock_unit->mock.ids, MOCK_NR_IDS, LEFT_DOMAIN_ID);
	set_bit(domain->id, mock_unit->mock.ids);
	return &domain->pt.domain;
}

static u32 mock_domain_id(struct iommu_domain *domain)
{
	return to_mock_domain(domain)->id;
}

static void *mock_entry_of(unsigned int i)
{
	return &mock_unit->mock.table[ID(i)];
}

static void mock_leave(struct kunit *test, unsigned int i, struct iommu_lu_device_ser *ser)
{
	u64 entry = LEFT_TABLES | LEFT_DOMAIN_ID << MOCK_ID_SHIFT | MOCK_PRESENT;

	mock_unit->mock.table[ID(i)] = entry;
	ser->entry[0] = entry;
}

static void mock_shut_down_unit(void)
{
	mock_shut_down(&mock_unit->mock);
}

static void mock_boot(struct kunit *test)
{
	mock_take_over(&mock_unit->mock);
}

static bool mock_is_closed(const void *entry)
{
	return !(*(const u64 *)entry & MOCK_PRESENT);
}

static bool mock_leads_to(const void *entry, struct iommu_domain *domain)
{
	return *(const u64 *)entry == mock_entry(to_mock_domain(domain));
}

static void mock_start_notes(void)
{
	mock_unit->mock.flushes = 0;
}

static bool mock_is_flushed(unsigned int i)
{
	return mock_unit->mock.flushes && mock_unit->mock.flushed_id == LEFT_DOMAIN_ID;
}

static const struct translation_fmt mock_translation = {
	.ids		= { ID(0), ID(1) },
	.entry_size	= sizeof(u64),
	.ops		= &mock_liveupdate_ops,
	.iommu		= mock_iommu,
	.ser		= mock_ser,
	.device		= mock_device,
	.alloc_domain	= mock_alloc_domain,
	.domain_id	= mock_domain_id,
	.entry		= mock_entry_of,
	.leave		= mock_leave,
	.shut_down	= mock_shut_down_unit,
	.boot		= mock_boot,
	.block		= mock_block,
	.is_closed	= mock_is_closed,
	.leads_to	= mock_leads_to,
	.start_notes	= mock_start_notes,
	.is_flushed	= mock_is_flushed,
};

static void ignore_take_over(struct iommu_device *iommu)
{
}

static int mock_init(struct kunit *test)
{
	if (!kho_is_enabled())
		kunit_skip(test, "KHO is off, boot with kho=on");

	mock_unit = kunit_kzalloc(test, sizeof(*mock_unit), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mock_unit);
	mock_unit->mock.iommu.ops = &mock_ops;
	mock_unit->mock.table = alloc_page_of_mock(test);
	kunit_activate_static_stub(test, iommu_liveupdate_take_over, ignore_take_over);
	start_translation(test, &mock_translation);
	return 0;
}

DEFINE_TRANSLATION_SUITE_CASES(mock_cases);

static struct kunit_suite mock_translation_suite = {
	.name		= "irq_liveupdate_mock_dma",
	.init		= mock_init,
	.test_cases	= mock_cases,
};

kunit_test_suite(mock_translation_suite);

MODULE_DESCRIPTION("KUnit tests of DMA translation in a live update on a mock IOMMU");
MODULE_LICENSE("GPL");
