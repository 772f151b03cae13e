// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of which memory KHO preserves: the real code of kexec_handover.c, on
 * pages of this kernel, some of which it believes to be added after boot.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/kho_radix_tree.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <asm/sections.h>

#include "../kexec_internal.h"
#include "kexec_handover_internal.h"

#define NR_PAGES	3

/* The page that was added after boot */
static unsigned long added_pfn;

static bool is_not_added(unsigned long pfn, unsigned long nr_pages)
{
	return added_pfn < pfn || added_pfn >= pfn + nr_pages;
}

static bool is_nowhere_boot_memory(unsigned long pfn, unsigned long nr_pages)
{
	return false;
}

static void add_page(struct kunit *test, struct page *page)
{
	added_pfn = page_to_pfn(page);
	kunit_activate_static_stub(test, kho_is_boot_memory, is_not_added);
}

static int count_key(unsigned long key, void *nr_keys)
{
	(*(unsigned long *)nr_keys)++;
	return 0;
}

static unsigned long nr_preserved(struct kunit *test)
{
	const struct kho_radix_walk_cb cb = { .leaf = count_key };
	unsigned long nr_keys = 0;

	KUNIT_EXPECT_EQ(test, kho_radix_walk_tree(kho_out_tree(), &cb, &nr_keys), 0);
	return nr_keys;
}

static void section_without_memory_at_boot_is_no_boot_memory(struct kunit *test)
{
	unsigned long text = PHYS_PFN(__pa_symbol(_stext));
	unsigned long end = ALIGN(max_pfn, PAGES_PER_SECTION);

	KUNIT_EXPECT_TRUE(test, kho_is_boot_memory(text, 1));
	KUNIT_EXPECT_FALSE(test, kho_is_boot_memory(end, 1));
	KUNIT_EXPECT_FALSE(test, kho_is_boot_memory(text, end + 1 - text));
}

static void memory_added_after_boot_is_not_preserved(struct kunit *test)
{
	unsigned long before = nr_preserved(test);
	struct folio *folio = folio_alloc(GFP_KERNEL, 1);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	add_page(test, folio_page(folio, 1));
	KUNIT_EXPECT_EQ(test, kho_preserve_folio(folio), -ENXIO);
	KUNIT_EXPECT_EQ(test, kho_preserve_pages(folio_page(folio, 0), 2), -ENXIO);
	KUNIT_EXPECT_EQ(test, nr_preserved(test), before);
	folio_put(folio);
}

static void memory_added_after_boot_is_not_used_by_kho(struct kunit *test)
{
	unsigned long before = nr_preserved(test);
	bool unreachable = kho_unreachable;
	struct kho_radix_tree tree;

	kunit_activate_static_stub(test, kho_is_boot_memory, is_nowhere_boot_memory);
	KUNIT_EXPECT_PTR_EQ(test, kho_alloc_preserve(PAGE_SIZE), ERR_PTR(-ENXIO));
	KUNIT_EXPECT_EQ(test, kho_radix_init_tree(&tree, NULL), -ENOMEM);
	KUNIT_EXPECT_EQ(test, nr_preserved(test), before);
	KUNIT_EXPECT_EQ(test, kho_unreachable, unreachable);
}

static void *alloc_while_starting(void)
{
	void *mem;

	kho_started = false;
	mem = kho_alloc_preserve(PAGE_SIZE);
	kho_started = true;
	return mem;
}

/* Otherwise a kernel that was started by a live update might lose what it was given. */
static void kho_starts_in_memory_added_after_boot_and_hands_over_nothing(struct kunit *test)
{
	struct kimage *image = kunit_kzalloc(test, sizeof(*image), GFP_KERNEL);
	bool unreachable = kho_unreachable;
	void *mem;

	KUNIT_ASSERT_NOT_NULL(test, image);
	kunit_activate_static_stub(test, kho_is_boot_memory, is_nowhere_boot_memory);
	kho_unreachable = false;
	mem = alloc_while_starting();
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, mem);
	KUNIT_EXPECT_TRUE(test, kho_unreachable);
	KUNIT_EXPECT_EQ(test, kho_fill_kimage(image), 0);
	KUNIT_EXPECT_EQ(test, image->kho.fdt, 0);
	kho_unreachable = unreachable;
	if (!IS_ERR_OR_NULL(mem))
		kho_unpreserve_free(mem);
}

static void area_with_a_page_added_after_boot_is_not_preserved(struct kunit *test)
{
	unsigned long before = nr_preserved(test);
	struct kho_vmalloc preservation = { };
	void *area = vmalloc(NR_PAGES * PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, area);
	add_page(test, vmalloc_to_page(area + (NR_PAGES - 1) * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, kho_preserve_vmalloc(area, &preservation), -ENXIO);
	KUNIT_EXPECT_EQ(test, nr_preserved(test), before);

	/* Nor is the page that would list the pages of the area. */
	kunit_activate_static_stub(test, kho_is_boot_memory, is_nowhere_boot_memory);
	KUNIT_EXPECT_EQ(test, kho_preserve_vmalloc(area, &preservation), -ENXIO);
	KUNIT_EXPECT_EQ(test, nr_preserved(test), before);
	vfree(area);
}

static int kho_test_init(struct kunit *test)
{
	if (!kho_is_enabled())
		kunit_skip(test, "needs kho=on");
	return 0;
}

static struct kunit_case kho_test_cases[] = {
	KUNIT_CASE(section_without_memory_at_boot_is_no_boot_memory),
	KUNIT_CASE(memory_added_after_boot_is_not_preserved),
	KUNIT_CASE(memory_added_after_boot_is_not_used_by_kho),
	KUNIT_CASE(kho_starts_in_memory_added_after_boot_and_hands_over_nothing),
	KUNIT_CASE(area_with_a_page_added_after_boot_is_not_preserved),
	{}
};

static struct kunit_suite kho_test_suite = {
	.name		= "kexec_handover",
	.init		= kho_test_init,
	.test_cases	= kho_test_cases,
};

kunit_test_suite(kho_test_suite);

MODULE_DESCRIPTION("KUnit tests of which memory KHO preserves");
MODULE_LICENSE("GPL");
