/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices in groups of the IOMMU core, each of which is removed when its test is over.
 */

#ifndef _KUNIT_GROUP_H
#define _KUNIT_GROUP_H

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/pci.h>

static inline void kunit_put_group(void *group)
{
	iommu_group_put(group);
}

static inline struct iommu_group *kunit_alloc_group(struct kunit *test)
{
	struct iommu_group *group = iommu_group_alloc();

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, group);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, kunit_put_group, group));
	return group;
}

static inline void kunit_release_nothing(struct device *dev)
{
}

/* The core has not set up the IOMMU of the device, so it must not tear that down. */
static inline void kunit_leave_group(void *data)
{
	struct device *dev = data;
	const struct bus_type *bus = dev->bus;
	struct dev_iommu *iommu = dev->iommu;

	dev->iommu = NULL;
	dev->bus = NULL;
	iommu_group_remove_device(dev);
	device_del(dev);
	put_device(dev);
	dev->iommu = iommu;
	dev->bus = bus;
}

/*
 * The core must look neither for an IOMMU nor for a driver, so the device is put on a bus
 * only later.
 */
static inline void kunit_join_group(struct kunit *test, struct device *dev, const char *name,
				    struct iommu_group *group)
{
	dev->bus = NULL;
	device_initialize(dev);
	dev->release = kunit_release_nothing;
	KUNIT_ASSERT_EQ(test, 0, dev_set_name(dev, "%s", name));
	KUNIT_ASSERT_EQ(test, 0, device_add(dev));
	KUNIT_ASSERT_EQ(test, 0, iommu_group_add_device(group, dev));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, kunit_leave_group, dev));
	dev->bus = &pci_bus_type;
}

#endif /* _KUNIT_GROUP_H */
