/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices behind a mock unit, for suites that use the IOMMU core: they are in
 * groups, and each is removed when its test is over.
 */

#ifndef _KUNIT_MOCK_DEVICE_H
#define _KUNIT_MOCK_DEVICE_H

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "iommu-pages.h"
#include "kunit_mock_translation.h"

static inline void mock_free_table(void *table)
{
	iommu_free_pages(table);
}

static inline void *mock_alloc_table(struct kunit *test)
{
	void *table = iommu_alloc_pages_sz(GFP_KERNEL, SZ_4K);

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mock_free_table, table));
	return table;
}

static inline void mock_put_group(void *group)
{
	iommu_group_put(group);
}

static inline struct iommu_group *mock_alloc_group(struct kunit *test)
{
	struct iommu_group *group = iommu_group_alloc();

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, group);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mock_put_group, group));
	return group;
}

static inline void mock_release_nothing(struct device *dev)
{
}

static inline void mock_remove_device(void *data)
{
	struct device *dev = data;

	dev->iommu = NULL;
	dev->bus = NULL;
	iommu_group_remove_device(dev);
	device_del(dev);
	put_device(dev);
}

/*
 * The caller has set bus and devfn of the device, and the unit in @dev_iommu. The core must
 * look neither for an IOMMU nor for a driver, so the device is put on a bus
 * only later.
 */
static inline void mock_add_device(struct kunit *test, struct mock_device *mdev,
				   const char *name, struct iommu_group *group,
				   struct dev_iommu *dev_iommu)
{
	struct device *dev = &mdev->pdev.dev;

	device_initialize(dev);
	dev->release = mock_release_nothing;
	KUNIT_ASSERT_EQ(test, 0, dev_set_name(dev, "%s%u", name, mdev->pdev.devfn));
	KUNIT_ASSERT_EQ(test, 0, device_add(dev));
	KUNIT_ASSERT_EQ(test, 0, iommu_group_add_device(group, dev));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mock_remove_device, dev));
	dev->bus = &pci_bus_type;
	dev->iommu = dev_iommu;
}

#endif /* _KUNIT_MOCK_DEVICE_H */
