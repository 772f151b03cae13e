// SPDX-License-Identifier: GPL-2.0-only

/*
 * Tests that the formats of IOMMU records in use do not change: an image of each of
 * them is read, and has the layout that this kernel writes.
 */

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/test.h>
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/block.h>
#include <linux/workqueue.h>

#include "iommu-liveupdate.h"
#include "kunit_iommu_frozen.h"

#define FROZEN_ID	0x0308
#define FROZEN_ALIAS	0x0410
#define FROZEN_NR	3

/* Where the pages of the image are in the test */
static struct {
	struct iommu_lu_root_ser	*root;
	void				*pages[NR_FROZEN_PAGES];
} thawed;

static void finish(void *unused)
{
	unsigned int i;

	iommu_liveupdate_finish();
	flush_work(&iommu_lu_free_work);
	for (i = FROZEN_DEVICES; i < NR_FROZEN_PAGES; i++)
		free_kept(thawed.pages[i]);
}

static void *keep_copy(struct kunit *test, const u8 *image, size_t size)
{
	void *page = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, page);
	memcpy(page, image, size);
	return page;
}

static void move(u64 *address)
{
	u64 page = *address >> PAGE_SHIFT;

	if (page)
		*address += virt_to_phys(thawed.pages[page]) - (page << PAGE_SHIFT);
}

static u64 *frozen_tables(void)
{
	return thawed.pages[FROZEN_LIST] + sizeof(struct kho_block_header_ser);
}

static struct iommu_lu_device_ser *frozen_device(unsigned int i)
{
	return thawed.pages[FROZEN_DEVICES] + sizeof(struct kho_block_header_ser) +
	       i * sizeof(struct iommu_lu_device_ser);
}

static void move_device(struct iommu_lu_device_ser *ser)
{
	move(&ser->pasid_dir);
	move(&ser->pasid_table);
	move(&ser->tables.first);
	ser->tables.checksum = crc32_le(~0U, frozen_tables(), FROZEN_NR * sizeof(u64));
	ser->checksum = iommu_lu_device_checksum(ser);
}

static void thaw(struct kunit *test)
{
	unsigned int i;

	thawed.root = keep_copy(test, frozen_v1_root, sizeof(frozen_v1_root));
	for (i = FROZEN_DEVICES; i < NR_FROZEN_PAGES; i++)
		thawed.pages[i] = keep_copy(test, NULL, 0);
	memcpy(thawed.pages[FROZEN_DEVICES], frozen_v1_devices, sizeof(frozen_v1_devices));
	memcpy(thawed.pages[FROZEN_LIST], frozen_v1_list, sizeof(frozen_v1_list));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, finish, NULL));
}

static void seal_root(struct iommu_lu_root_ser *root)
{
	root->checksum = 0;
	root->checksum = crc32_le(~0U, (u8 *)root, sizeof(frozen_v1_root));
}

static void load(struct kunit *test)
{
	unsigned int i;

	thaw(test);
	for (i = 0; i < FROZEN_NR; i++)
		move(&frozen_tables()[i]);
	for (i = 0; i < 2; i++)
		move_device(frozen_device(i));
	move(&thawed.root->devices);
	seal_root(thawed.root);
	KUNIT_ASSERT_NULL(test, iommu_lu_load(virt_to_phys(thawed.root), IOMMU_LU_ROOT_SIZE));
}

static void name_has_the_version(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, IOMMU_LU_KHO_NODE, "iommu-v1");
}

/* As they are in the image, before anything is moved */
static void checksums_are_those_of_the_image(struct kunit *test)
{
	struct iommu_lu_root_ser *root;
	u32 checksum;
	unsigned int i;

	thaw(test);
	root = thawed.root;
	checksum = root->checksum;
	seal_root(root);
	KUNIT_EXPECT_EQ(test, root->checksum, checksum);
	for (i = 0; i < 2; i++) {
		struct iommu_lu_device_ser *ser = frozen_device(i);

		KUNIT_EXPECT_EQ(test, ser->checksum, iommu_lu_device_checksum(ser));
		KUNIT_EXPECT_EQ(test, ser->tables.checksum,
				crc32_le(~0U, frozen_tables(), FROZEN_NR * sizeof(u64)));
	}
	free_kept(root);
}

static void unit_is_read(struct kunit *test)
{
	const struct iommu_lu_unit_ser *ser;

	load(test);
	ser = iommu_liveupdate_incoming_unit(IOMMU_LU_BACKEND_VTD, 0, 0xfed90000);
	KUNIT_ASSERT_NOT_NULL(test, ser);
	KUNIT_EXPECT_EQ(test, ser->root, 9 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ser->tables, 10 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ser->pasid_dir, 0);
	KUNIT_EXPECT_EQ(test, ser->pasid_table, 0);
	KUNIT_EXPECT_EQ(test, ser->flags, IOMMU_LU_UNIT_SCALABLE);
	KUNIT_EXPECT_EQ(test, ser->tables_checksum, 0x12345678);
}

static void devices_are_read(struct kunit *test)
{
	const struct iommu_lu_device_ser *ser;

	load(test);
	ser = iommu_liveupdate_incoming_entry(0, FROZEN_ID);
	KUNIT_ASSERT_NOT_NULL(test, ser);
	KUNIT_EXPECT_EQ(test, ser->owner, FROZEN_ID);
	KUNIT_EXPECT_EQ(test, ser->domain_id, 7);
	KUNIT_EXPECT_EQ(test, ser->entry[0], FROZEN_TABLES * PAGE_SIZE + 1);
	KUNIT_EXPECT_EQ(test, ser->entry[1], 0x702);
	KUNIT_EXPECT_EQ(test, ser->pasid_dir, 0);
	KUNIT_EXPECT_EQ(test, ser->tables.nr, FROZEN_NR);
	KUNIT_EXPECT_EQ(test, iommu_lu_pages_first(&ser->tables),
			virt_to_phys(thawed.pages[FROZEN_TABLES]));

	ser = iommu_liveupdate_incoming_entry(0, FROZEN_ALIAS);
	KUNIT_ASSERT_NOT_NULL(test, ser);
	KUNIT_EXPECT_EQ(test, ser->owner, FROZEN_ID);
	KUNIT_EXPECT_EQ(test, ser->pasid_dir, virt_to_phys(thawed.pages[FROZEN_PASID_DIR]));
	KUNIT_EXPECT_EQ(test, ser->pasid_table, virt_to_phys(thawed.pages[FROZEN_PASID_TABLE]));
}

static void all_pages_are_freed(struct kunit *test)
{
	unsigned int i;

	load(test);
	iommu_liveupdate_finish();
	flush_work(&iommu_lu_free_work);
	for (i = FROZEN_DEVICES; i < NR_FROZEN_PAGES; i++)
		KUNIT_EXPECT_FALSE_MSG(test, is_kept(thawed.pages[i]), "page %u", i);
}

static struct kunit_case iommu_frozen_cases[] = {
	KUNIT_CASE(name_has_the_version),
	KUNIT_CASE(checksums_are_those_of_the_image),
	KUNIT_CASE(unit_is_read),
	KUNIT_CASE(devices_are_read),
	KUNIT_CASE(all_pages_are_freed),
	{ }
};

static struct kunit_suite iommu_frozen_suite = {
	.name		= "irq_liveupdate_iommu_frozen",
	.test_cases	= iommu_frozen_cases,
};

kunit_test_suite(iommu_frozen_suite);

MODULE_DESCRIPTION("KUnit tests of the formats of IOMMU records");
MODULE_LICENSE("GPL");
