/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices behind a mock unit, for suites that use the IOMMU core.
 */

#ifndef _KUNIT_MOCK_DEVICE_H
#define _KUNIT_MOCK_DEVICE_H

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/sprintf.h>

#include "iommu-pages.h"
#include "kunit_group.h"
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

/* The caller has set bus and devfn of the device, and the unit in @dev_iommu. */
static inline void mock_add_device(struct kunit *test, struct mock_device *mdev,
				   const char *name, struct iommu_group *group,
				   struct dev_iommu *dev_iommu)
{
	struct device *dev = &mdev->pdev.dev;
	char unique[32];

	scnprintf(unique, sizeof(unique), "%s%u", name, mdev->pdev.devfn);
	kunit_join_group(test, dev, unique, group);
	dev->iommu = dev_iommu;
}

#endif /* _KUNIT_MOCK_DEVICE_H */
