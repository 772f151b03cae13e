// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of interrupt live update on AMD-Vi: the suite for interrupt remapping
 * drivers in both formats of an entry, and what is specific to AMD-Vi in entries
 * and the tables in which they are.
 */

#include <kunit/irq_liveupdate/iommu_suite.h>
#include <kunit/test.h>
#include <linux/msi.h>
#include <asm/hw_irq.h>

#include "kunit_fake_amd.h"
#include "kunit_left_amd.h"

/*
 * The suite for interrupt remapping drivers
 */

static const struct irte_ga ga_kinds[] = {
	{ .lo.val = 0x0000000000ab0001, .hi.val = 0x31 },			/* xAPIC */
	{ .lo.val = 0x00000000abcdef01, .hi.val = 0x1200000000000032 },		/* x2APIC */
	{ .lo.val = 0x1234567800ab0081, .hi.val = 0x0000123456700041 },		/* guest mode */
};

static const u32 legacy_kinds[] = { 0x00310701, 0x00320901 };

static struct irq_domain *amd_domain(struct kunit *test)
{
	return &the_unit->domain;
}

static void *amd_entry(struct kunit *test, u32 handle)
{
	return (void *)the_unit->table.table + handle * entry_size();
}

static void amd_fill(void *entry, unsigned int kind)
{
	if (has_ga_format())
		memcpy(entry, &ga_kinds[kind], entry_size());
	else
		memcpy(entry, &legacy_kinds[kind], entry_size());
}

static bool amd_is_present(const void *entry)
{
	return ((const union irte *)entry)->fields.valid;
}

static bool amd_is_silent(const void *entry)
{
	return ((const union irte *)entry)->fields.no_fault;
}

static bool amd_is_taken(struct kunit *test, u32 handle)
{
	return the_unit->iommu.irte_ops->is_allocated(&the_unit->table, handle);
}

static bool amd_is_held(struct kunit *test, u32 handle)
{
	return test_bit(handle, the_unit->table.held);
}

static void amd_own(struct kunit *test, u32 handle, struct irq_data *irqd)
{
	struct amd_ir_data *data = alloc_memory(test, sizeof(*data));

	data->irq_2_irte.devid = SOURCE;
	data->irq_2_irte.index = handle;
	irqd->chip_data = data;
}

static void amd_open(struct kunit *test, u32 handle, unsigned int kind)
{
	struct irte_ga entry = { };

	amd_fill(&entry, kind);
	the_unit->iommu.irte_ops->activate(&the_unit->iommu, &entry, SOURCE, handle);
}

static void amd_close(struct kunit *test, u32 handle)
{
	struct irte_ga entry = { };

	amd_fill(&entry, 0);
	the_unit->iommu.irte_ops->deactivate(&the_unit->iommu, &entry, SOURCE, handle);
}

static void amd_message(struct irq_lu_vector_ser *rec)
{
	rec->msg_addr_lo = X86_MSI_BASE_ADDRESS_LOW << 20;
	rec->msg_data = rec->handle;
}

static void amd_boot(struct kunit *test)
{
	the_unit->table.held = alloc_memory(test, MAX_IRQS_PER_TABLE_2K / BITS_PER_BYTE);
	KUNIT_ASSERT_FALSE(test, xa_err(xa_store(&amd_ir_tables, SOURCE, &the_unit->table,
						 GFP_KERNEL)));
}

static struct device *amd_device(struct kunit *test, bool another)
{
	return &the_unit->devs[another].dev;
}

static unsigned int amd_flushes(struct kunit *test)
{
	return the_unit->flushes;
}

static unsigned int amd_waits(struct kunit *test)
{
	return the_unit->waits;
}

static struct iommu_fmt amd_fmt = {
	.source		= SOURCE,
	.handle		= HANDLE,
	.ops		= &amd_ir_liveupdate_ops,
	.domain		= amd_domain,
	.entry		= amd_entry,
	.fill		= amd_fill,
	.is_present	= amd_is_present,
	.is_silent	= amd_is_silent,
	.is_taken	= amd_is_taken,
	.is_held	= amd_is_held,
	.own		= amd_own,
	.open		= amd_open,
	.close		= amd_close,
	.message	= amd_message,
	.boot		= amd_boot,
	.device		= amd_device,
	.flushes	= amd_flushes,
	.waits		= amd_waits,
};

static int amd_init(struct kunit *test, int guest_ir, unsigned int nr_kinds)
{
	fake_unit_init(test, guest_ir);
	amd_fmt.entry_size = entry_size();
	amd_fmt.nr_kinds = nr_kinds;
	fmt = &amd_fmt;
	return 0;
}

static int amd_ga_init(struct kunit *test)
{
	return amd_init(test, AMD_IOMMU_GUEST_IR_VAPIC, ARRAY_SIZE(ga_kinds));
}

static int amd_legacy_init(struct kunit *test)
{
	return amd_init(test, AMD_IOMMU_GUEST_IR_LEGACY, ARRAY_SIZE(legacy_kinds));
}

/*
 * Specific to AMD-Vi
 */

static void snp_is_refused(struct kunit *test)
{
	struct irq_lu_unit_ser ser = { };

	amd_iommu_snp_en = true;
	KUNIT_EXPECT_EQ(test, fmt->ops->preserve(fmt->domain(test), fmt->device(test, false), &ser),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ser.backend, 0);
}

static void device_without_iommu_is_refused(struct kunit *test)
{
	struct irq_lu_unit_ser ser = { };

	the_unit->devs[0].dev.iommu_group = NULL;
	KUNIT_EXPECT_EQ(test, fmt->ops->preserve(fmt->domain(test), fmt->device(test, false), &ser),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, the_unit->table.nr_preserved, 0);
}

static void running_vcpu_leaves_a_blocked_entry_alone(struct kunit *test)
{
	struct irte_ga entry = ga_kinds[2];
	struct amd_ir_data data = {
		.iommu = &the_unit->iommu,
		.irq_2_irte = { .devid = SOURCE, .index = HANDLE },
		.entry = &entry,
	};

	preserve_device(test);
	amd_fill(amd_entry(test, HANDLE), 2);
	block(test, HANDLE, 1);
	look_at(test, HANDLE);

	KUNIT_EXPECT_EQ(test, amd_iommu_update_ga(&data, 1, false), 0);
	KUNIT_EXPECT_EQ(test, amd_iommu_update_ga(&data, -1, true), 0);
	KUNIT_EXPECT_EQ(test, seen.stores, 0);
	expect_blocked(test, HANDLE);
}

/* Another device has the requester id as an alias, and got interrupts later. */
static void preserved_table_may_be_replaced(struct kunit *test)
{
	struct irq_remap_table *other = alloc_memory(test, sizeof(*other));
	struct device *dev = preserve_device(test);

	raw_spin_lock_init(&other->lock);
	other->table = alloc_table(test);
	other->blocked = alloc_memory(test, MAX_IRQS_PER_TABLE_2K / BITS_PER_BYTE);
	other->nr_preserved = 2;
	the_unit->pci_seg.irq_lookup_table[SOURCE] = other;

	amd_fill(amd_entry(test, HANDLE), 0);
	block(test, HANDLE, 1);
	expect_blocked(test, HANDLE);

	kunit_release_action(test, take_back, dev);
	KUNIT_EXPECT_EQ(test, other->nr_preserved, 2);
	KUNIT_EXPECT_EQ(test, the_unit->table.nr_preserved, 0);
}

/* Those of a device with the same alias, which is not handed over */
static void other_entries_of_a_preserved_table_are_closed(struct kunit *test)
{
	unsigned int i, nr_entries = TABLE_SIZE / entry_size();

	preserve_device(test);
	for (i = 0; i < nr_entries; i++)
		amd_fill(amd_entry(test, i), i % fmt->nr_kinds);
	block(test, HANDLE, 1);

	amd_ir_block_segment(&the_unit->pci_seg);
	for (i = 0; i < nr_entries; i++)
		KUNIT_EXPECT_EQ_MSG(test, amd_is_taken(test, i), i == HANDLE, "entry %u", i);
	expect_blocked(test, HANDLE);
	expect_blocked(test, HANDLE + 1);
}

static const struct dte_change {
	const char	*name;
	u64		clear;
	u64		set;
	u32		handle;
	int		ret;
} dte_changes[] = {
	{ "as it was",		.handle = HANDLE },
	{ "last entry",		.handle = 511 },
	{ "too far",		.handle = 512, .ret = -EINVAL },
	{ "far too far",	.handle = U32_MAX - 1, .ret = -EINVAL },
	{ "not remapped",	.clear = DTE_IRQ_REMAP_ENABLE, .handle = HANDLE, .ret = -EINVAL },
	{ "forwarded",		.clear = DTE_IRQ_REMAP_INTCTL_MASK, .set = BIT_ULL(60),
	  .handle = HANDLE, .ret = -EINVAL },
	{ "aborted",		.clear = DTE_IRQ_REMAP_INTCTL_MASK, .handle = HANDLE,
	  .ret = -EINVAL },
	{ "of unknown size",	.clear = DTE_INTTABLEN_MASK, .set = 10 << 1, .handle = HANDLE,
	  .ret = -EINVAL },
	{ "no table",		.clear = DTE_IRQ_PHYS_ADDR_MASK, .handle = HANDLE,
	  .ret = -EINVAL },
	{ "within a page",	.set = BIT_ULL(7), .handle = HANDLE, .ret = -EINVAL },
	{ "beyond all memory",	.set = BIT_ULL(51), .handle = HANDLE, .ret = -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(dte_change, dte_changes, name);

static void table_is_found_by_its_dte(struct kunit *test)
{
	const struct dte_change *c = test->param_value;
	u64 *interrupts = &the_unit->pci_seg.dev_table[SOURCE].data[2];
	void *entries = leave_table(test);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_taken_table, NULL));
	*interrupts = (*interrupts & ~c->clear) | c->set;
	if (c->handle < 512)
		close_entry(entries, c->handle);

	KUNIT_EXPECT_EQ(test, reserve(test, c->handle, 1), c->ret);
	KUNIT_EXPECT_EQ(test, !!xa_load(&amd_ir_tables, SOURCE), !c->ret);
}

static void free_pages_of_table(void *pages)
{
	free_pages_exact(pages, TABLE_SIZE);
}

/* Devices that share a table, one of which claims that it is longer than it is */
static void table_ends_where_its_memory_ends(struct kunit *test)
{
	unsigned int nr_entries = PAGE_SIZE / entry_size();
	void *pages = alloc_pages_exact(TABLE_SIZE, GFP_KERNEL | __GFP_ZERO);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_pages_of_table, pages));
	amd_boot(test);
	the_unit->table.table = pages;
	close_entry(the_unit->table.table, nr_entries - 1);
	close_entry(the_unit->table.table, nr_entries);

	KUNIT_EXPECT_EQ(test, reserve(test, nr_entries - 1, 1), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, nr_entries, 1), -EINVAL);
}

static u64 efr2_of_machine;

static void restore_efr2(void *unused)
{
	amd_iommu_efr2 = efr2_of_machine;
}

static void pretend_large_tables(struct kunit *test)
{
	efr2_of_machine = amd_iommu_efr2;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, restore_efr2, NULL));
	amd_iommu_efr2 = FIELD_PREP(FEATURE_NUM_INT_REMAP_SUP, 1);
}

/* Its DTE stays in use: with another size, the unit would read beyond the end of the table. */
static void other_size_of_a_shared_table_is_refused(struct kunit *test)
{
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct irq_lu_vector_ser rec = record(HANDLE + 1);
	void *entries = leave_table(test);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_taken_table, NULL));
	pretend_large_tables(test);
	close_entry(entries, HANDLE);
	close_entry(entries, HANDLE + 1);
	KUNIT_ASSERT_EQ(test, reserve(test, HANDLE, 1), 0);

	rec.source++;
	pci_seg->rlookup_table[SOURCE + 1] = &the_unit->iommu;
	pci_seg->dev_table[SOURCE + 1].data[2] = (dte_of(entries) & ~DTE_INTTABLEN_MASK) |
						 DTE_INTTABLEN_2K;
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), -EINVAL);
	KUNIT_EXPECT_NULL(test, xa_load(&amd_ir_tables, SOURCE + 1));

	pci_seg->dev_table[SOURCE + 1].data[2] = dte_of(entries);
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), 0);
}

static void device_of_another_unit_is_refused(struct kunit *test)
{
	struct irq_lu_vector_ser rec = record(HANDLE);

	amd_boot(test);
	KUNIT_ASSERT_FALSE(test, xa_err(xa_store(&amd_ir_tables, SOURCE + 1, &the_unit->table,
						 GFP_KERNEL)));
	the_unit->pci_seg.dev_table[SOURCE + 1].data[2] = dte_of_table(&the_unit->table);
	close_entry(the_unit->table.table, HANDLE);

	rec.source++;
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), -EINVAL);
	rec.source = LAST_BDF + 1;
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), -EINVAL);
	rec.source = SOURCE;
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), 0);
}

static bool check_device(struct kunit *test)
{
	struct irq_lu_vector_ser rec = record(HANDLE);

	return fmt->ops->check(fmt->domain(test), fmt->device(test, false), &rec);
}

/* Another device with the same alias, without a record, was set up first. */
static void device_with_another_table_is_refused(struct kunit *test)
{
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct irq_remap_table *other = alloc_memory(test, sizeof(*other));

	amd_boot(test);
	pci_seg->irq_lookup_table[SOURCE] = NULL;
	KUNIT_EXPECT_TRUE(test, check_device(test));
	pci_seg->irq_lookup_table[SOURCE] = other;
	KUNIT_EXPECT_FALSE(test, check_device(test));

	pci_seg->irq_lookup_table[SOURCE] = NULL;
	pci_seg->alias_table[SOURCE] = SOURCE + 1;
	pci_seg->irq_lookup_table[SOURCE + 1] = other;
	KUNIT_EXPECT_FALSE(test, check_device(test));
	pci_seg->irq_lookup_table[SOURCE + 1] = &the_unit->table;
	KUNIT_EXPECT_TRUE(test, check_device(test));
}

static void entries_nobody_reserved_are_free(struct kunit *test)
{
	unsigned int i, nr_entries = PAGE_SIZE / entry_size();

	amd_boot(test);
	for (i = 0; i < nr_entries; i++)
		amd_fill(amd_entry(test, i), i % fmt->nr_kinds);
	close_entry(the_unit->table.table, HANDLE);
	KUNIT_ASSERT_EQ(test, reserve(test, HANDLE, 1), 0);

	amd_ir_drop_others(&the_unit->table);
	for (i = 0; i < nr_entries; i++)
		KUNIT_EXPECT_EQ_MSG(test, amd_is_taken(test, i), i == HANDLE, "entry %u", i);
	expect_blocked(test, HANDLE);
}

/* The software copy of an entry does not learn that faults were suppressed for a while. */
static void closed_entry_reports_faults_once_it_is_open(struct kunit *test)
{
	struct amd_irte_ops *ops = the_unit->iommu.irte_ops;
	struct irte_ga entry = { };

	amd_boot(test);
	amd_fill(&entry, 0);
	__set_bit(HANDLE, the_unit->table.held);
	ops->deactivate(&the_unit->iommu, &entry, SOURCE, HANDLE);
	KUNIT_EXPECT_TRUE(test, amd_is_silent(amd_entry(test, HANDLE)));

	__clear_bit(HANDLE, the_unit->table.held);
	ops->activate(&the_unit->iommu, &entry, SOURCE, HANDLE);
	KUNIT_EXPECT_TRUE(test, amd_is_present(amd_entry(test, HANDLE)));
	KUNIT_EXPECT_FALSE(test, amd_is_silent(amd_entry(test, HANDLE)));
}

static void interrupts_are_flushed_before_they_are_handed_over(struct kunit *test)
{
	stall(test, 2, 3);
	KUNIT_EXPECT_EQ(test, fmt->ops->sync(fmt->domain(test)), 0);
	expect_stalls_are_over(test);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_all);

	the_unit->stalls = UINT_MAX;
	KUNIT_EXPECT_EQ(test, fmt->ops->sync(fmt->domain(test)), -EIO);
}

/*
 * An interrupt of the device, from the allocator of the driver
 */

static int alloc_irq_of_device(struct kunit *test)
{
	struct msi_desc desc = { .dev = &the_unit->devs[0].dev };
	struct irq_alloc_info info = { .type = X86_IRQ_ALLOC_TYPE_PCI_MSI, .desc = &desc };
	int irq = __irq_domain_alloc_irqs(the_unit->iommu.ir_domain, -1, 1, NUMA_NO_NODE, &info,
					  false, NULL);

	KUNIT_ASSERT_GT(test, irq, 0);
	return irq;
}

static u32 handle_of(int irq)
{
	struct irq_lu_vector_ser rec = { };

	fmt->ops->save(the_unit->iommu.ir_domain, irq_get_irq_data(irq), &rec);
	return rec.source == SOURCE ? rec.handle : U32_MAX;
}

static void held_index_stays_with_its_vector(struct kunit *test)
{
	int irq, other;
	u32 handle;

	add_segment(test);
	amd_boot(test);
	irq = alloc_irq_of_device(test);
	handle = handle_of(irq);
	__set_bit(handle, the_unit->table.held);
	irq_domain_free_irqs(irq, 1);
	KUNIT_EXPECT_TRUE(test, amd_is_taken(test, handle));

	other = alloc_irq_of_device(test);
	KUNIT_EXPECT_NE(test, handle_of(other), handle);
	irq_domain_free_irqs(other, 1);
	KUNIT_EXPECT_FALSE(test, amd_is_taken(test, handle + 1));

	release(test, handle, 1, true);
	irq = alloc_irq_of_device(test);
	KUNIT_EXPECT_EQ(test, handle_of(irq), handle);
	irq_domain_free_irqs(irq, 1);
	KUNIT_EXPECT_FALSE(test, amd_is_taken(test, handle));
}

static struct kunit_case amd_test_cases[] = {
	KUNIT_CASE(snp_is_refused),
	KUNIT_CASE(device_without_iommu_is_refused),
	KUNIT_CASE(running_vcpu_leaves_a_blocked_entry_alone),
	KUNIT_CASE(preserved_table_may_be_replaced),
	KUNIT_CASE(other_entries_of_a_preserved_table_are_closed),
	KUNIT_CASE_PARAM(table_is_found_by_its_dte, dte_change_gen_params),
	KUNIT_CASE(table_ends_where_its_memory_ends),
	KUNIT_CASE(other_size_of_a_shared_table_is_refused),
	KUNIT_CASE(device_of_another_unit_is_refused),
	KUNIT_CASE(closed_entry_reports_faults_once_it_is_open),
	KUNIT_CASE(interrupts_are_flushed_before_they_are_handed_over),
	KUNIT_CASE(device_with_another_table_is_refused),
	KUNIT_CASE(entries_nobody_reserved_are_free),
	KUNIT_CASE(held_index_stays_with_its_vector),
	{ }
};

static struct kunit_suite amd_test_suite = {
	.name		= "irq_liveupdate_amd",
	.init		= amd_ga_init,
	.test_cases	= amd_test_cases,
};

DEFINE_IOMMU_SUITE_CASES(amd_ga_cases);

static struct kunit_suite amd_ga_suite = {
	.name		= "irq_liveupdate_amd_ga_fmt",
	.init		= amd_ga_init,
	.test_cases	= amd_ga_cases,
};

DEFINE_IOMMU_SUITE_CASES(amd_legacy_cases);

static struct kunit_suite amd_legacy_suite = {
	.name		= "irq_liveupdate_amd_legacy_fmt",
	.init		= amd_legacy_init,
	.test_cases	= amd_legacy_cases,
};

kunit_test_suites(&amd_test_suite, &amd_ga_suite, &amd_legacy_suite);

MODULE_DESCRIPTION("KUnit tests of interrupt live update on AMD-Vi");
MODULE_LICENSE("GPL");
