// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the name by which the next kernel knows the device of a vfio-pci file, and
 * of what is said of a device that somebody asks for.
 */

#include <kunit/test.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/mutex.h>
#include <linux/vfio.h>
#include <linux/vfio_liveupdate.h>

#include "vfio_pci_liveupdate.h"

/* As the first release has written them: what they mean never changes. */
static const struct known_name {
	const char *desc;
	u64 name;
	u32 segment;
	u16 devid;
} known_names[] = {
	{ "0000:00:00.0", 0x0, 0, 0 },
	{ "0000:01:00.0", 0x100, 0, 0x0100 },
	{ "0001:03:02.1", 0x10311, 1, 0x0311 },
	{ "10000:ff:1f.7", 0x10000ffff, 0x10000, 0xffff },
	{ "largest", 0xffffffffffff, U32_MAX, U16_MAX },
};

KUNIT_ARRAY_PARAM_DESC(known_name, known_names, desc);

static void known_name_is_written_and_read(struct kunit *test)
{
	const struct known_name *known = test->param_value;
	u32 segment;
	u16 devid;

	KUNIT_EXPECT_EQ(test, vfio_pci_luo_pack(known->segment, known->devid), known->name);
	KUNIT_EXPECT_TRUE(test, vfio_pci_luo_unpack(known->name, &segment, &devid));
	KUNIT_EXPECT_EQ(test, segment, known->segment);
	KUNIT_EXPECT_EQ(test, devid, known->devid);
}

static void unknown_bit_is_refused(struct kunit *test)
{
	u32 segment;
	u16 devid;

	for (unsigned int bit = 48; bit < 64; bit++) {
		u64 name = 0x10311 | BIT_ULL(bit);

		KUNIT_EXPECT_FALSE_MSG(test, vfio_pci_luo_unpack(name, &segment, &devid),
				       "bit %u", bit);
	}
	KUNIT_EXPECT_FALSE(test, vfio_pci_luo_unpack(U64_MAX, &segment, &devid));
}

/* No two devices have the same name. */
static void every_known_bit_counts(struct kunit *test)
{
	u32 segment;
	u16 devid;

	for (unsigned int bit = 0; bit < 48; bit++) {
		u64 name = 0x10311 ^ BIT_ULL(bit);

		KUNIT_EXPECT_TRUE(test, vfio_pci_luo_unpack(name, &segment, &devid));
		KUNIT_EXPECT_FALSE_MSG(test, segment == 1 && devid == 0x0311, "bit %u", bit);
	}
}

/* preserve() and freeze() only try the lock of the device set, so a look must not hold it. */
static void asking_does_not_need_the_device_set(struct kunit *test)
{
	struct vfio_device *device = kunit_kzalloc(test, sizeof(*device), GFP_KERNEL);
	struct vfio_device_set *dev_set = kunit_kzalloc(test, sizeof(*dev_set), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, device);
	KUNIT_ASSERT_NOT_NULL(test, dev_set);
	mutex_init(&dev_set->lock);
	device->dev_set = dev_set;

	guard(mutex)(&dev_set->lock);

	KUNIT_EXPECT_STREQ(test, vfio_liveupdate_refuses(device), "not open");
	device->open_count = 1;
	KUNIT_EXPECT_STREQ(test, vfio_liveupdate_refuses(device),
			   "not a cdev bound to an iommufd");
	device->cdev_opened = true;
	KUNIT_EXPECT_NULL(test, vfio_liveupdate_refuses(device));
}

/* Two devices of a set. Their user holds its lock until memory arrives that he has mapped. */
struct fake_set {
	struct vfio_device_set		dev_set;
	struct pci_dev			pdevs[2];
	struct vfio_pci_core_device	vdevs[2];
};

static struct fake_set *fake_set(struct kunit *test)
{
	struct fake_set *set = kunit_kzalloc(test, sizeof(*set), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, set);
	mutex_init(&set->dev_set.lock);
	INIT_LIST_HEAD(&set->dev_set.device_list);
	for (unsigned int i = 0; i < ARRAY_SIZE(set->vdevs); i++) {
		struct vfio_device *device = &set->vdevs[i].vdev;

		set->pdevs[i].dev.init_name = i ? "fake.1" : "fake.0";
		set->vdevs[i].pdev = &set->pdevs[i];
		device->dev = &set->pdevs[i].dev;
		device->dev_set = &set->dev_set;
		list_add_tail(&device->dev_set_list, &set->dev_set.device_list);
	}
	return set;
}

static void preserve_does_not_wait_for_the_device_set(struct kunit *test)
{
	struct vfio_device *device = &fake_set(test)->vdevs[0].vdev;

	scoped_guard(mutex, &device->dev_set->lock)
		KUNIT_EXPECT_EQ(test, vfio_liveupdate_keep_attachment(device, NULL), -EBUSY);
	KUNIT_EXPECT_FALSE(test, device->preserved);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&device->dev_set->lock));
}

static void freeze_does_not_wait_for_the_device_set(struct kunit *test)
{
	struct fake_set *set = fake_set(test);

	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), 0);
	scoped_guard(mutex, &set->dev_set.lock)
		KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), -EBUSY);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&set->dev_set.lock));
}

static void open_device_of_a_set_is_not_left_out(struct kunit *test)
{
	struct fake_set *set = fake_set(test);

	set->vdevs[0].vdev.open_count = 1;
	set->vdevs[0].vdev.preserved = true;
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), 0);
	set->vdevs[1].vdev.open_count = 1;
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), -EBUSY);
	set->vdevs[1].vdev.preserved = true;
	KUNIT_EXPECT_EQ(test, vfio_pci_lu_check_set(&set->vdevs[0]), 0);
}

static struct kunit_case vfio_test_cases[] = {
	KUNIT_CASE_PARAM(known_name_is_written_and_read, known_name_gen_params),
	KUNIT_CASE(unknown_bit_is_refused),
	KUNIT_CASE(every_known_bit_counts),
	KUNIT_CASE(asking_does_not_need_the_device_set),
	KUNIT_CASE(preserve_does_not_wait_for_the_device_set),
	KUNIT_CASE(freeze_does_not_wait_for_the_device_set),
	KUNIT_CASE(open_device_of_a_set_is_not_left_out),
	{}
};

static struct kunit_suite vfio_test_suite = {
	.name		= "irq_liveupdate_vfio",
	.test_cases	= vfio_test_cases,
};

kunit_test_suite(vfio_test_suite);

MODULE_DESCRIPTION("KUnit tests of vfio-pci files in a live update");
MODULE_LICENSE("GPL");
