// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the records of IOMMUs that the previous kernel has handed over.
 */

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>

#include "iommu-liveupdate.h"
#include "iommu-pages.h"

#define REG_BASE	0xfed90000ULL

/* As the previous kernel would write it, with one unit */
static struct iommu_lu_root_ser *alloc_root(struct kunit *test)
{
	struct iommu_lu_root_ser *root = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, root);
	root->nr_units = 1;
	root->units[0] = (struct iommu_lu_unit_ser) {
		.backend	= IOMMU_LU_BACKEND_VTD,
		.reg_base	= REG_BASE,
		.root		= 0x1000,
		.tables		= 0x2000,
	};
	return root;
}

static void seal_root(struct iommu_lu_root_ser *root)
{
	size_t size = sizeof(*root) + min(root->nr_units, IOMMU_LU_MAX_UNITS) *
		      sizeof(root->units[0]);

	root->checksum = 0;
	root->checksum = crc32_le(~0U, (u8 *)root, size);
}

static const char *load(struct iommu_lu_root_ser *root)
{
	return iommu_lu_load(virt_to_phys(root), IOMMU_LU_ROOT_SIZE);
}

static bool has_unit(u32 segment, u64 reg_base)
{
	return iommu_liveupdate_incoming_unit(IOMMU_LU_BACKEND_VTD, segment, reg_base);
}

static void finish(void *unused)
{
	iommu_liveupdate_finish();
}

static void root_is_loaded_and_given_back(struct kunit *test)
{
	struct iommu_lu_root_ser *root = alloc_root(test);

	seal_root(root);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, finish, NULL));

	KUNIT_EXPECT_NULL(test, load(root));
	KUNIT_EXPECT_EQ(test, 0, kho_preserved_size(virt_to_phys(root)));
	KUNIT_EXPECT_TRUE(test, has_unit(0, REG_BASE));
	KUNIT_EXPECT_FALSE(test, has_unit(1, REG_BASE));
	KUNIT_EXPECT_FALSE(test, has_unit(0, REG_BASE + SZ_4K));
}

static void unused_record_matches_no_unit(struct kunit *test)
{
	struct iommu_lu_root_ser *root = alloc_root(test);

	memset(&root->units[0], 0, sizeof(root->units[0]));
	seal_root(root);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, finish, NULL));

	KUNIT_EXPECT_NULL(test, load(root));
	KUNIT_EXPECT_FALSE(test, has_unit(0, REG_BASE));
}

/* A unit of which the records say nothing was only not handed over if they are known. */
static void records_are_known_unless_they_are_refused(struct kunit *test)
{
	struct iommu_lu_root_ser *root = alloc_root(test);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, finish, NULL));
	KUNIT_EXPECT_NOT_NULL(test, load(root));
	KUNIT_EXPECT_FALSE(test, iommu_liveupdate_has_records());
	free_kept(root);

	root = alloc_root(test);
	seal_root(root);
	KUNIT_EXPECT_NULL(test, load(root));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_has_records());
}

static int node_error;

static int fail_find(phys_addr_t *phys, size_t *size)
{
	return node_error;
}

/* The records of the real boot have been loaded before. */
static bool was_handed_over_with(int error)
{
	node_error = error;
	iommu_lu_in_loaded = false;
	return iommu_liveupdate_handed_over();
}

/* Whoever has left the node has also left translation enabled. */
static void damaged_node_is_not_a_cold_boot(struct kunit *test)
{
	kunit_activate_static_stub(test, iommu_lu_find_root, fail_find);

	KUNIT_EXPECT_TRUE(test, was_handed_over_with(-EINVAL));
	KUNIT_EXPECT_FALSE(test, iommu_liveupdate_has_records());
	/* This is also the state that the other tests expect. */
	KUNIT_EXPECT_FALSE(test, was_handed_over_with(-ENOENT));
}

/* Memory of this kernel is not memory that KHO has kept. */
static void address_which_was_not_preserved_is_refused(struct kunit *test)
{
	void *mine = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	phys_addr_t page = ALIGN(virt_to_phys(mine), PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, mine);
	KUNIT_EXPECT_STREQ(test, "invalid address of the root",
			   iommu_lu_load(page, IOMMU_LU_ROOT_SIZE));
	KUNIT_EXPECT_STREQ(test, "invalid address of the root",
			   iommu_lu_load(PHYS_ADDR_MAX - PAGE_SIZE + 1, IOMMU_LU_ROOT_SIZE));
	KUNIT_EXPECT_STREQ(test, "invalid address of the root",
			   iommu_lu_load(page, IOMMU_LU_ROOT_SIZE - 1));
}

/* As when a bit of its address has flipped, and memory of a guest is there */
static void memory_that_holds_no_root_stays_preserved(struct kunit *test)
{
	static const int fills[] = { 0, 0xff, 0x5a };
	void *kept;

	for (unsigned int i = 0; i < ARRAY_SIZE(fills); i++) {
		kept = alloc_kept(0);
		KUNIT_ASSERT_NOT_NULL(test, kept);
		memset(kept, fills[i], PAGE_SIZE);
		KUNIT_EXPECT_NOT_NULL(test, load(kept));
		KUNIT_EXPECT_TRUE(test, is_kept(kept));
		free_kept(kept);
	}
}

static void root_in_a_larger_block_is_refused(struct kunit *test)
{
	struct iommu_lu_root_ser *root = alloc_kept(1);

	KUNIT_ASSERT_NOT_NULL(test, root);
	seal_root(root);
	KUNIT_EXPECT_STREQ(test, "invalid address of the root", load(root));
	KUNIT_EXPECT_TRUE(test, is_kept(root));
	free_kept(root);
}

/* A size that is too small for what was preserved there is as wrong as one that is too large. */
static void pages_of_another_size_are_not_restored(struct kunit *test)
{
	void *kept = alloc_kept(1), *pages;

	KUNIT_ASSERT_NOT_NULL(test, kept);
	KUNIT_EXPECT_NULL(test, iommu_restore_pages(virt_to_phys(kept), PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, iommu_restore_pages(virt_to_phys(kept), 4 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, is_kept(kept));

	pages = iommu_restore_pages(virt_to_phys(kept), 2 * PAGE_SIZE);
	KUNIT_ASSERT_PTR_EQ(test, kept, pages);
	KUNIT_EXPECT_FALSE(test, is_kept(kept));
	iommu_free_pages(pages);
}

#define ROOT	((struct iommu_lu_root_ser *)0)
#define UNIT	((struct iommu_lu_unit_ser *)sizeof(struct iommu_lu_root_ser))

static const struct bad_field bad_fields[] = {
	BAD_FIELD("too many units", ROOT->nr_units, IOMMU_LU_MAX_UNITS + 1, "too many units"),
	BAD_FIELD("all units", ROOT->nr_units, U32_MAX, "too many units"),
	BAD_FIELD("reserved field of root", ROOT->reserved[6], 1,
		  "reserved field of root not zero"),
	BAD_FIELD("unknown flag", UNIT->flags, 2, "unknown unit flags"),
	BAD_FIELD("no registers", UNIT->reg_base, 0, "unit without registers"),
	BAD_FIELD("reserved field of unit", UNIT->reserved, 1,
		  "reserved field of unit not zero"),
};

KUNIT_ARRAY_PARAM_DESC(bad_field, bad_fields, name);

static void bad_field_is_refused(struct kunit *test)
{
	struct iommu_lu_root_ser *root = alloc_root(test);
	const struct bad_field *bad = test->param_value;

	set_bad_field(root, bad);
	seal_root(root);
	KUNIT_EXPECT_STREQ(test, bad->reason, load(root));
	KUNIT_EXPECT_TRUE(test, is_kept(root));
	free_kept(root);
}

static void any_flipped_bit_is_refused(struct kunit *test)
{
	u32 bit, bits = (sizeof(struct iommu_lu_root_ser) + sizeof(struct iommu_lu_unit_ser)) *
			BITS_PER_BYTE;
	struct iommu_lu_root_ser *root;

	for (bit = 0; bit < bits; bit++) {
		root = alloc_root(test);
		seal_root(root);
		flip_bit(root, bit);
		KUNIT_EXPECT_NOT_NULL_MSG(test, load(root), "bit %u", bit);
		free_kept(root);
	}
}

/* Whatever is in the root, nothing of it is used without a check. */
static void mutated_roots_do_no_harm(struct kunit *test)
{
	unsigned int i, nr_loaded = 0, nr_mutations = NR_MUTATIONS / 100;
	struct iommu_lu_root_ser *root;
	struct rnd_state rnd;

	for (i = 0; i < nr_mutations; i++) {
		root = alloc_root(test);
		seed_mutation(&rnd, i);
		mutate_record(&rnd, root, sizeof(*root) + 2 * sizeof(root->units[0]));
		if (i % 8)
			seal_root(root);
		nr_loaded += !load(root);
		free_kept(root);
		has_unit(0, REG_BASE);
		iommu_liveupdate_finish();
		KUNIT_EXPECT_FALSE_MSG(test, has_unit(0, REG_BASE), "mutation %u", i);
	}
	KUNIT_EXPECT_GT(test, nr_loaded, nr_mutations / 100);
	KUNIT_EXPECT_LT(test, nr_loaded, nr_mutations);
}

static struct kunit_case iommu_liveupdate_cases[] = {
	KUNIT_CASE(root_is_loaded_and_given_back),
	KUNIT_CASE(unused_record_matches_no_unit),
	KUNIT_CASE(records_are_known_unless_they_are_refused),
	KUNIT_CASE(damaged_node_is_not_a_cold_boot),
	KUNIT_CASE(address_which_was_not_preserved_is_refused),
	KUNIT_CASE(memory_that_holds_no_root_stays_preserved),
	KUNIT_CASE(root_in_a_larger_block_is_refused),
	KUNIT_CASE(pages_of_another_size_are_not_restored),
	KUNIT_CASE_PARAM(bad_field_is_refused, bad_field_gen_params),
	KUNIT_CASE(any_flipped_bit_is_refused),
	KUNIT_CASE_SLOW(mutated_roots_do_no_harm),
	{ }
};

static struct kunit_suite iommu_liveupdate_suite = {
	.name		= "irq_liveupdate_iommu",
	.test_cases	= iommu_liveupdate_cases,
};

kunit_test_suite(iommu_liveupdate_suite);

MODULE_DESCRIPTION("KUnit tests of the records of IOMMU live update");
MODULE_LICENSE("GPL");
