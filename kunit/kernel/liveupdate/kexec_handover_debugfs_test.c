// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of which memory of the previous kernel is shown in debugfs: the real code
 * of kexec_handover_debugfs.c, on a page that KHO takes for one that was preserved.
 */

#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "kexec_handover_internal.h"

/* As KHO marks a single page that the previous kernel has preserved */
#define PRESERVED_PAGE	(0x4b484f50UL << 32)

static void blob_is_copied_until_its_consumer_takes_it(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);
	void *copy;

	KUNIT_ASSERT_NOT_NULL(test, page);
	memset(page_address(page), 0x5a, PAGE_SIZE);
	set_page_private(page, PRESERVED_PAGE);
	KUNIT_EXPECT_NULL(test, kho_copy_blob(page_to_phys(page), PAGE_SIZE + 1));
	copy = kho_copy_blob(page_to_phys(page), PAGE_SIZE);
	set_page_private(page, 0);
	KUNIT_EXPECT_NULL(test, kho_copy_blob(page_to_phys(page), PAGE_SIZE));
	__free_page(page);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_EXPECT_PTR_NE(test, copy, page_address(page));
	KUNIT_EXPECT_NULL(test, memchr_inv(copy, 0x5a, PAGE_SIZE));
	kvfree(copy);
}

static struct kunit_case kho_debugfs_cases[] = {
	KUNIT_CASE(blob_is_copied_until_its_consumer_takes_it),
	{}
};

static struct kunit_suite kho_debugfs_suite = {
	.name		= "kexec_handover_debugfs",
	.test_cases	= kho_debugfs_cases,
};

kunit_test_suite(kho_debugfs_suite);
MODULE_DESCRIPTION("KUnit tests of what KHO shows in debugfs");
MODULE_LICENSE("GPL");
