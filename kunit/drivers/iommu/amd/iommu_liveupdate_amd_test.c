// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of DMA translation in a live update on AMD-Vi: devices with mappings, and the
 * suite for DMA translation of all drivers.
 */

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/irq_liveupdate/translation_suite.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/generic_pt/iommu.h>
#include <linux/mem_encrypt.h>

#include "kunit_fake_amd.h"
#include "kunit_left_amd.h"

#define FIRST_DOMAIN_ID	1234

static void mappings_stay_over_the_jump(struct kunit *test)
{
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct dev_table_entry *dte = &pci_seg->dev_table[SOURCE];
	u64 interrupts;

	fill_device_table(pci_seg->dev_table);
	leave_mappings(test, dte);
	interrupts = dte->data[2];
	preserve_table(test);

	amd_ir_block_segment(pci_seg);
	KUNIT_EXPECT_EQ(test, dte->data[0], mappings.ser.entry[0]);
	KUNIT_EXPECT_EQ(test, dte->data[1], mappings.ser.entry[1]);
	KUNIT_EXPECT_EQ(test, dte->data[2], interrupts);
	KUNIT_EXPECT_EQ(test, count_dtes(pci_seg->dev_table, 0, DTE_FLAG_V | DTE_FLAG_TV),
			LAST_BDF);
}

static const struct entry_change {
	const char	*name;
	u64		data0;		/* flipped, in the entry and in the record */
	u64		data1;
	u64		recorded0;	/* flipped in the record alone */
	u64		recorded1;
	u32		domain_id;
	u64		tables;
	u64		pasid_dir;
	bool		no_record;
	const char	*refused;
} entry_changes[] = {
	{ "as it was" },
	{ "no record",	.no_record = true, .refused = "mappings without a valid record" },
	{ "other mode",	.recorded0 = BIT_ULL(9), .refused = "entry differs from its record" },
	{ "other flag",	.recorded1 = BIT_ULL(40), .refused = "entry differs from its record" },
	{ "dirty tracking", .data0 = DTE_FLAG_HAD,
	  .refused = "entry is not one of version 1 tables alone" },
	{ "version 2",	.data0 = DTE_FLAG_GV,
	  .refused = "entry is not one of version 1 tables alone" },
	{ "ATS",	.data1 = DTE_FLAG_IOTLB,
	  .refused = "entry is not one of version 1 tables alone" },
	{ "PASIDs",	.pasid_dir = SZ_1M,
	  .refused = "entry is not one of version 1 tables alone" },
	{ "no levels",	.data0 = OLD_MODE,
	  .refused = "entry has no valid number of table levels" },
	{ "too many levels", .data0 = MODE(4),
	  .refused = "entry has no valid number of table levels" },
	{ "other id",	.domain_id = 1, .refused = "domain id differs from its record" },
	{ "unused id", .data1 = OLD_DOMAIN_ID, .domain_id = OLD_DOMAIN_ID,
	  .refused = "domain id differs from its record" },
	{ "other tables", .tables = SZ_4K, .refused = "entry leads to other tables" },
};

KUNIT_ARRAY_PARAM_DESC(entry_change, entry_changes, name);

/* No other domain gets it: caches may still have entries under it. */
static void expect_domain_id_is_taken(struct kunit *test, u32 id)
{
	KUNIT_EXPECT_EQ(test, amd_iommu_pdom_id_reserve(id, GFP_KERNEL), -ENOSPC);
}

/* All units have been flushed. */
static void expect_domain_id_is_free(struct kunit *test, u32 id)
{
	KUNIT_ASSERT_EQ(test, amd_iommu_pdom_id_reserve(id, GFP_KERNEL), id);
	amd_iommu_pdom_id_free(id);
}

static void mappings_are_compared_with_their_record(struct kunit *test)
{
	const struct entry_change *c = test->param_value;
	struct dev_table_entry *table = leave_device_table(test);
	struct dev_table_entry *dte = &table[SOURCE];
	struct dev_table_entry before;

	leave_mappings(test, dte);
	dte->data[0] ^= c->data0;
	dte->data[1] ^= c->data1;
	mappings.ser.entry[0] ^= c->data0 ^ c->recorded0;
	mappings.ser.entry[1] ^= c->data1 ^ c->recorded1;
	mappings.ser.domain_id ^= c->domain_id;
	mappings.ser.pasid_dir = c->pasid_dir;
	*(u64 *)(mappings.block + 1) ^= c->tables;
	mappings.recorded = !c->no_record;
	before = *dte;
	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);

	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "", c->refused ?: "");
	KUNIT_EXPECT_EQ(test, mappings.adopted, !c->refused);
	if (c->refused) {
		expect_no_dma(test, table);
		expect_domain_id_is_taken(test, FIELD_GET(DTE_DOMID_MASK, before.data[1]));
		amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
		expect_domain_id_is_free(test, FIELD_GET(DTE_DOMID_MASK, before.data[1]));
		return;
	}
	KUNIT_EXPECT_EQ(test, dte->data[0], before.data[0]);
	KUNIT_EXPECT_EQ(test, dte->data[1], before.data[1]);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 0, DTE_FLAG_V | DTE_FLAG_TV), LAST_BDF);
}

/* Only a quirk of its owner knows the requester id, and firmware does not. */
static struct dev_table_entry *take_over_alias_of(struct kunit *test, u16 owner)
{
	struct dev_table_entry *table = leave_device_table(test);

	leave_mappings(test, &table[SOURCE]);
	the_unit->pci_seg.rlookup_table[SOURCE] = NULL;
	the_unit->pci_seg.rlookup_table[owner] = &the_unit->iommu;
	mappings.ser.owner = owner;
	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);
	return table;
}

static void alias_from_a_quirk_is_behind_the_unit_of_its_owner(struct kunit *test)
{
	struct dev_table_entry *table = take_over_alias_of(test, SOURCE + 2);

	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "", "");
	KUNIT_EXPECT_EQ(test, mappings.adopted, 1);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[0], mappings.ser.entry[0]);
}

static void owner_beyond_the_device_table_is_refused(struct kunit *test)
{
	struct dev_table_entry *table = take_over_alias_of(test, LAST_BDF + 1);

	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "", "its unit was not taken over");
	expect_no_dma(test, table);
}

static void domain_id_is_that_of_all_units(struct kunit *test)
{
	const struct iommu_liveupdate_ops *ops = &amd_liveupdate_ops;
	struct iommu_device *iommu = &the_unit->iommu.iommu, other = { };

	KUNIT_ASSERT_EQ(test, ops->reserve_domain_id(iommu, OLD_DOMAIN_ID), 0);
	KUNIT_EXPECT_EQ(test, ops->reserve_domain_id(&other, OLD_DOMAIN_ID), 0);
	KUNIT_EXPECT_EQ(test, amd_iommu_pdom_id_reserve(OLD_DOMAIN_ID, GFP_KERNEL), -ENOSPC);
	ops->free_domain_id(iommu, OLD_DOMAIN_ID);
	KUNIT_EXPECT_EQ(test, amd_iommu_pdom_id_reserve(OLD_DOMAIN_ID, GFP_KERNEL), -ENOSPC);
	ops->free_domain_id(&other, OLD_DOMAIN_ID);
	KUNIT_ASSERT_EQ(test, amd_iommu_pdom_id_reserve(OLD_DOMAIN_ID, GFP_KERNEL), OLD_DOMAIN_ID);
	KUNIT_EXPECT_LT(test, ops->reserve_domain_id(iommu, OLD_DOMAIN_ID), 0);
	amd_iommu_pdom_id_free(OLD_DOMAIN_ID);
}

/* The device has everything that the driver needs to attach it. */
static struct device *probe_device(unsigned int i)
{
	struct iommu_dev_data *dev_data = &the_unit->dev_datas[i];
	struct dev_iommu *dev_iommu = &the_unit->dev_iommus[i];
	struct device *dev = &the_unit->devs[i].dev;

	spin_lock_init(&dev_data->dte_lock);
	mutex_init(&dev_data->mutex);
	dev_data->devid = SOURCE + i;
	dev_data->dev = dev;
	llist_add(&dev_data->dev_data_list, &the_unit->pci_seg.dev_data_list);
	dev_iommu->iommu_dev = &the_unit->iommu.iommu;
	dev_iommu->priv = dev_data;
	dev->iommu = dev_iommu;
	return dev;
}

static void free_domain(void *domain)
{
	amd_iommu_domain_free(domain);
}

static struct iommu_domain *alloc_domain_of_mode(struct kunit *test, struct device *dev,
						 enum protection_domain_mode mode)
{
	struct iommu_domain *domain;

	amd_iommu_hpt_vasize = 48;
	amd_iommu_pgtable = mode;
	domain = amd_iommu_ops.domain_alloc_paging_flags(dev, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_domain, domain));
	return domain;
}

static struct iommu_domain *alloc_domain(struct kunit *test, struct device *dev)
{
	return alloc_domain_of_mode(test, dev, PD_MODE_V1);
}

static void note_lock(struct fake_unit *unit, spinlock_t *lock)
{
	unit->unlocked += !raw_spin_is_locked(&lock->rlock);
}

/* Runs in NMI context, after each store to the lower half of the DTE. */
static void note_dte(struct perf_event *bp, struct perf_sample_data *data, struct pt_regs *regs)
{
	struct fake_unit *unit = bp->overflow_handler_context;
	struct dev_table_entry *dte = &unit->pci_seg.dev_table[SOURCE];
	bool old = dte->data[0] == mappings.ser.entry[0] && dte->data[1] == mappings.ser.entry[1];
	bool new = dte->data[0] == unit->last.data[0] && dte->data[1] == unit->last.data[1];

	unit->dte_stores++;
	note_lock(unit, unit->writer ? &unit->writer->dte_lock : &amd_iommu_dev_data_lock);
	if (old || new)
		return;
	/* The first value which is not the old one */
	unit->dte_values++;
	unit->last = *dte;
}

static void watch_dte(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];

	the_unit->last = *dte;
	watch(test, &dte->data[0], HW_BREAKPOINT_LEN_8, note_dte, the_unit);
	watch(test, &dte->data[1], HW_BREAKPOINT_LEN_8, note_dte, the_unit);
}

/* Exactly one other value was seen, and after that no cache has anything of the old one. */
static void expect_replaced(struct kunit *test, u64 data0, u64 data1)
{
	KUNIT_EXPECT_GT(test, the_unit->dte_stores, 0);
	KUNIT_EXPECT_EQ(test, the_unit->dte_values, 1);
	KUNIT_EXPECT_EQ(test, the_unit->last.data[0], data0);
	KUNIT_EXPECT_EQ(test, the_unit->last.data[1], data1);
	KUNIT_EXPECT_EQ(test, the_unit->cached.data[0], data0);
	KUNIT_EXPECT_EQ(test, the_unit->flushed_domid, OLD_DOMAIN_ID);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_in_order);
}

#define HANDED_OVER	(amd_liveupdate_ops.handed_over)

static int attach(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old)
{
	return domain->ops->attach_dev(domain, dev, old);
}

static void owner_replaces_mappings_at_once(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];
	struct device *dev = probe_device(0);
	struct iommu_domain *domain = alloc_domain(test, dev);
	struct pt_iommu_amdv1_hw_info info;

	leave_mappings(test, dte);
	watch_dte(test);
	KUNIT_EXPECT_EQ(test, attach(HANDED_OVER, dev, NULL), 0);
	KUNIT_EXPECT_EQ(test, the_unit->dte_stores, 0);

	KUNIT_EXPECT_EQ(test, attach(domain, dev, HANDED_OVER), 0);
	pt_iommu_amdv1_hw_info(&to_pdomain(domain)->amdv1, &info);
	expect_replaced(test, TRANSLATES | FIELD_PREP(DTE_MODE_MASK, info.mode) |
			__sme_set(info.host_pt_root), to_pdomain(domain)->id);
	KUNIT_EXPECT_EQ(test, dte->data[2], dte_of_table(&the_unit->table));

	amd_iommu_block_device(dev);
}

static void mappings_which_nobody_wants_are_closed(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];
	struct device *dev = probe_device(0);

	leave_mappings(test, dte);
	watch_dte(test);
	KUNIT_EXPECT_EQ(test, attach(HANDED_OVER, dev, NULL), 0);
	KUNIT_EXPECT_EQ(test, attach(amd_iommu_ops.blocked_domain, dev, HANDED_OVER), 0);
	expect_replaced(test, DTE_FLAG_V, 0);
}

static int flush_left(void)
{
	const struct iommu_lu_device_ser ser = { .devid = SOURCE, .domain_id = OLD_DOMAIN_ID };

	return amd_liveupdate_ops.flush_left(&the_unit->iommu.iommu, &ser);
}

/* The command that invalidates the entry may have been dropped as well. */
static void entry_that_was_left_is_flushed_when_the_unit_is_idle(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];

	leave_mappings(test, dte);
	dte->data[0] = DTE_FLAG_V;
	stall(test, 2, 3);
	KUNIT_EXPECT_EQ(test, flush_left(), 0);
	expect_stalls_are_over(test);
	KUNIT_EXPECT_EQ(test, the_unit->flushed_domid, OLD_DOMAIN_ID);
	KUNIT_EXPECT_EQ(test, the_unit->cached.data[0], dte->data[0]);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_in_order);
}

static void unit_that_is_stuck_gets_no_more_commands(struct kunit *test)
{
	stall(test, UINT_MAX, 0);
	KUNIT_EXPECT_EQ(test, flush_left(), -EIO);
	KUNIT_EXPECT_EQ(test, the_unit->flushed_domid, 0);
}

/*
 * The device no longer uses its mappings. For its alias, with that entry or @before, there is no
 * memory.
 */
static const struct dev_table_entry *leave_without_memory(struct kunit *test,
							  const struct dev_table_entry *before)
{
	struct dev_table_entry *table = the_unit->pci_seg.dev_table;
	struct device *dev = probe_device(0);

	init_failing(test);
	add_segment(test);
	the_unit->pci_seg.alias_table[SOURCE] = SOURCE + 1;
	leave_mappings(test, &table[SOURCE]);
	table[SOURCE + 1] = before ? *before : table[SOURCE];

	fail_nth(1);
	amd_iommu_block_device(dev);
	KUNIT_EXPECT_TRUE(test, stop_failing());
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[0], DTE_FLAG_V);
	return &table[SOURCE + 1];
}

/* The alias leaves with its device, and what its entry leads to is freed then. */
static void alias_without_memory_is_closed(struct kunit *test)
{
	const struct dev_table_entry *alias = leave_without_memory(test, NULL);

	KUNIT_EXPECT_EQ(test, alias->data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, alias->data[1], 0);
	KUNIT_EXPECT_EQ(test, alias->data[2], dte_of_table(&the_unit->table));
}

/* As when the device is found: what both entries lead to is not freed. */
static void alias_without_memory_stays_with_its_device(struct kunit *test)
{
	struct dev_table_entry before = the_unit->pci_seg.dev_table[SOURCE + 1];

	before.data[0] = DTE_FLAG_V;
	KUNIT_EXPECT_EQ(test, leave_without_memory(test, &before)->data[0], DTE_FLAG_V);
}

static void fake_stop_device(struct pci_dev *pdev, const char *reason)
{
	KUNIT_EXPECT_NE(kunit_get_current_test(), the_unit->pci_seg.dev_table[SOURCE].data[0], 0);
	the_unit->stopped = reason;
}

static void device_without_memory_is_stopped(struct kunit *test)
{
	struct pci_dev *pdev = &the_unit->devs[0];
	struct iommu_device *iommu;

	init_failing(test);
	add_segment(test);
	kunit_activate_static_stub(test, iommu_liveupdate_stop_device, fake_stop_device);
	pdev->dev.iommu = &the_unit->dev_iommus[0];
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	the_unit->iommu.iommu.ops = &amd_iommu_ops;
	leave_mappings(test, &the_unit->pci_seg.dev_table[SOURCE]);

	fail_nth(1);
	iommu = amd_iommu_ops.probe_device(&pdev->dev);
	KUNIT_EXPECT_TRUE(test, stop_failing());
	KUNIT_EXPECT_PTR_EQ(test, iommu, ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "", "its IOMMU cannot be set up");
}

/* Its device is gone, and nobody else has written the entry. */
static void finish_closes_mappings_which_nobody_has_left(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];

	leave_mappings(test, dte);
	watch_dte(test);
	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_EQ(test, dte->data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, dte->data[1], 0);
	KUNIT_EXPECT_EQ(test, the_unit->dte_values, 1);
	KUNIT_EXPECT_GT(test, the_unit->flushes, 0);
}

static void expect_locked_finish(struct kunit *test, int least_stores)
{
	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_GE(test, the_unit->dte_stores, least_stores);
	KUNIT_EXPECT_EQ(test, the_unit->unlocked, 0);
}

/* An entry is closed, and then one is made to report faults, with its writer locked out. */
static void expect_writer_is_excluded(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];

	leave_mappings(test, dte);
	watch_dte(test);
	expect_locked_finish(test, 1);
	KUNIT_EXPECT_EQ(test, dte->data[0], DTE_FLAG_V | DTE_FLAG_TV);

	the_unit->dte_stores = 0;
	dte->data[1] = DTE_FLAG_SA;
	KUNIT_EXPECT_EQ(test, the_unit->dte_stores, 1);
	the_unit->unlocked = 0;
	expect_locked_finish(test, 2);
	KUNIT_EXPECT_EQ(test, dte->data[1], 0);
}

/* The device may come back and be attached at the same time. */
static void finish_excludes_the_writer_of_an_entry(struct kunit *test)
{
	the_unit->writer = dev_iommu_priv_get(probe_device(0));
	expect_writer_is_excluded(test);
}

/* At the same time a device may be found whose entry nobody has written yet. */
static void finish_excludes_the_first_writer_of_an_entry(struct kunit *test)
{
	expect_writer_is_excluded(test);
}

/* Runs in NMI context: takes notes. */
static void note_device(struct perf_event *bp, struct perf_sample_data *data,
			struct pt_regs *regs)
{
	note_lock(bp->overflow_handler_context, &amd_iommu_dev_data_lock);
}

/* Here the alias of a device that exists already */
static void device_is_added_under_the_lock_of_finish(struct kunit *test)
{
	struct llist_head *list = &the_unit->pci_seg.dev_data_list;
	struct device *dev = probe_device(0);
	struct iommu_dev_data *added;

	add_segment(test);
	the_unit->pci_seg.alias_table[SOURCE] = SOURCE + 1;
	watch(test, &list->first, HW_BREAKPOINT_LEN_8, note_device, the_unit);
	amd_iommu_block_device(dev);
	KUNIT_EXPECT_EQ(test, the_unit->unlocked, 0);

	added = search_dev_data(&the_unit->iommu, SOURCE + 1);
	KUNIT_ASSERT_NOT_NULL(test, added);
	llist_del_first(list);
	kfree(added);
	/* The positive control: the list is being watched. */
	KUNIT_EXPECT_EQ(test, the_unit->unlocked, 1);
}

/* One of them was off in the previous kernel, so nobody finishes it. */
static void finish_flushes_all_units_of_a_segment(struct kunit *test)
{
	struct fake_unit *other = add_unit(test, &the_unit->pci_seg);

	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_all);
	KUNIT_EXPECT_TRUE(test, other->flushed_all);
}

/* A unit without a command that invalidates everything */
static void finish_flushes_any_domain_id(struct kunit *test)
{
	struct iommu_device *iommu = &the_unit->iommu.iommu;

	/* Far from the ids below it, and not the first one above those of devices */
	static_assert(FIRST_DOMAIN_ID > LAST_BDF);
	static_assert(OLD_DOMAIN_ID / IDA_BITMAP_BITS > FIRST_DOMAIN_ID / IDA_BITMAP_BITS);
	amd_iommu_efr = 0;
	leave_mappings(test, &the_unit->pci_seg.dev_table[SOURCE]);
	KUNIT_ASSERT_EQ(test, amd_liveupdate_ops.reserve_domain_id(iommu, FIRST_DOMAIN_ID), 0);
	KUNIT_ASSERT_EQ(test, amd_liveupdate_ops.reserve_domain_id(iommu, OLD_DOMAIN_ID), 0);
	amd_liveupdate_ops.finish_unit(iommu);
	KUNIT_EXPECT_EQ(test, the_unit->cached.data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, the_unit->flushed_domid, OLD_DOMAIN_ID);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_in_order);
}

/* Another device with the same alias has been attached. */
static void finish_leaves_what_was_written_since(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];
	u64 data1 = OLD_DOMAIN_ID + 1;

	leave_mappings(test, dte);
	dte->data[1] = data1;
	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_EQ(test, dte->data[0], mappings.ser.entry[0]);
	KUNIT_EXPECT_EQ(test, dte->data[1], data1);
}

/* The entry of the device is as it was. */
static void alias_that_a_reset_blocks_is_refused(struct kunit *test)
{
	struct dev_table_entry *table = the_unit->pci_seg.dev_table;
	struct device *dev = probe_device(0);
	struct iommu_domain *domain = alloc_domain(test, dev);

	leave_mappings(test, &table[SOURCE]);
	FIELD_MODIFY(DTE_DOMID_MASK, &table[SOURCE].data[1], to_pdomain(domain)->id);
	the_unit->pci_seg.alias_table[SOURCE] = SOURCE + 1;
	table[SOURCE + 1] = table[SOURCE];
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), 0);

	table[SOURCE + 1].data[0] = DTE_FLAG_V;
	table[SOURCE + 1].data[1] = 0;
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), -EBUSY);
	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "", "it is being reset");
}

static void alias_beyond_the_device_table_is_refused(struct kunit *test)
{
	struct device *dev = probe_device(0);
	struct iommu_domain *domain = alloc_domain(test, dev);

	the_unit->pci_seg.alias_table[SOURCE] = LAST_BDF + 1;
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, mappings.refused ?: "",
			   "a requester id is not in the device table");
	KUNIT_EXPECT_EQ(test, mappings.added, 0);
}

static void tables_of_version_1_are_handed_over(struct kunit *test)
{
	struct dev_table_entry *dte = &the_unit->pci_seg.dev_table[SOURCE];
	struct device *dev = probe_device(0);
	struct iommu_domain *domain = alloc_domain(test, dev);
	struct protection_domain *pdom = to_pdomain(domain);

	leave_mappings(test, dte);
	FIELD_MODIFY(DTE_DOMID_MASK, &dte->data[1], pdom->id);
	KUNIT_ASSERT_NULL(test, amd_liveupdate_ops.check_device(dev));
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), 0);
	KUNIT_EXPECT_GT(test, mappings.added, 0);
	KUNIT_EXPECT_EQ(test, mappings.ser.devid, SOURCE);
	KUNIT_EXPECT_EQ(test, mappings.ser.domain_id, pdom->id);
	KUNIT_EXPECT_EQ(test, mappings.ser.entry[0], dte->data[0]);
	KUNIT_EXPECT_EQ(test, mappings.ser.entry[1], dte->data[1]);

	mappings.added = 0;
	pdom->dirty_tracking = true;
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), -EOPNOTSUPP);
	pdom->dirty_tracking = false;
	pdom->pd_mode = PD_MODE_V2;
	KUNIT_EXPECT_EQ(test, amd_liveupdate_ops.add_entries(dev, domain, NULL), -EOPNOTSUPP);
	pdom->pd_mode = PD_MODE_V1;
	KUNIT_EXPECT_EQ(test, mappings.added, 0);

	amd_iommu_snp_en = true;
	KUNIT_EXPECT_NOT_NULL(test, amd_liveupdate_ops.check_device(dev));
	amd_iommu_snp_en = false;
	the_unit->sysdata.domain = 1;
	KUNIT_EXPECT_STREQ(test, amd_liveupdate_ops.check_device(dev) ?: "",
			   "not in the first PCI segment");
	the_unit->sysdata.domain = 0;
	((struct iommu_dev_data *)dev_iommu_priv_get(dev))->ats_enabled = true;
	KUNIT_EXPECT_NOT_NULL(test, amd_liveupdate_ops.check_device(dev));
}

#define PCIE_CAP	0x40
#define PASID_CAP	0x100
#define ATS_CAP		0x120

static unsigned int nr_config_writes;

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	*val = 0;
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	nr_config_writes++;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = {
	.read	= read_config,
	.write	= write_config,
};

/* A device with ATS and PASIDs, behind a unit that has tables of version 2 */
static struct iommu_dev_data *probe_pasid_device(void)
{
	struct pci_dev *pdev = &the_unit->devs[0];
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(probe_device(0));

	amd_iommu_efr |= FEATURE_GT | FEATURE_GIOSUP;
	amd_iommu_max_glx_val = 0;
	the_unit->iommu.dev = &the_unit->devs[1];
	the_unit->bus.ops = &config_ops;
	pdev->pcie_cap = PCIE_CAP;
	pdev->pasid_cap = PASID_CAP;
	pdev->pasid_no_tlp = 1;
	pdev->ats_cap = ATS_CAP;
	dev_data->flags = AMD_IOMMU_DEVICE_FLAG_ATS_SUP | AMD_IOMMU_DEVICE_FLAG_PASID_SUP;
	nr_config_writes = 0;
	return dev_data;
}

static void ats_and_pasid_of_an_incoming_device_stay_off(struct kunit *test)
{
	struct iommu_dev_data *dev_data = probe_pasid_device();
	struct pci_dev *pdev = &the_unit->devs[0];
	struct iommu_domain *domain = alloc_domain_of_mode(test, &pdev->dev, PD_MODE_V2);

	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_EQ(test, attach(domain, &pdev->dev, HANDED_OVER), 0);
	KUNIT_EXPECT_EQ(test, nr_config_writes, 0);
	KUNIT_EXPECT_FALSE(test, dev_data->ats_enabled);
	KUNIT_EXPECT_FALSE(test, dev_data->pasid_enabled);
	amd_iommu_block_device(&pdev->dev);

	/* The positive control */
	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_EQ(test, attach(domain, &pdev->dev, NULL), 0);
	KUNIT_EXPECT_EQ(test, nr_config_writes, 2);
	KUNIT_EXPECT_TRUE(test, dev_data->ats_enabled);
	KUNIT_EXPECT_TRUE(test, dev_data->pasid_enabled);
	amd_iommu_block_device(&pdev->dev);
}

static void expect_unity_map_is_found(struct kunit *test, struct device *dev)
{
	KUNIT_EXPECT_STREQ(test, amd_liveupdate_ops.check_device(dev) ?: "",
			   "firmware needs DMA with its requester id");
}

/* The alias as the firmware lists it, the device, and the alias as PCI knows it */
static void device_with_a_unity_map_of_an_alias_is_refused(struct kunit *test)
{
	struct unity_map_entry entry = { .devid_start = SOURCE + 1, .devid_end = SOURCE + 1 };
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct pci_dev *pdev = &the_unit->devs[0];
	struct device *dev = probe_device(0);

	list_add(&entry.list, &pci_seg->unity_map);
	KUNIT_EXPECT_NULL(test, amd_liveupdate_ops.check_device(dev));
	pci_seg->alias_table[SOURCE] = SOURCE + 1;
	expect_unity_map_is_found(test, dev);

	pci_seg->alias_table[SOURCE] = SOURCE;
	entry.devid_start = SOURCE;
	entry.devid_end = SOURCE;
	expect_unity_map_is_found(test, dev);

	entry.devid_start = SOURCE + 1;
	entry.devid_end = SOURCE + 1;
	pdev->dma_alias_mask = alloc_memory(test, BITS_TO_BYTES(MAX_NR_DEVFNS));
	__set_bit(pdev->devfn + 1, pdev->dma_alias_mask);
	expect_unity_map_is_found(test, dev);
	list_del(&entry.list);
}

/*
 * The suite for DMA translation of all drivers
 */

static struct iommu_device *amd_iommu_of(void)
{
	return &the_unit->iommu.iommu;
}

/* The unit has no record except that of its interrupts. */
static struct iommu_lu_unit_ser *amd_ser(void)
{
	return NULL;
}

static struct device *amd_dma_device(struct kunit *test, unsigned int i)
{
	return probe_device(i);
}

static void detach(void *dev)
{
	amd_iommu_block_device(dev);
}

static struct iommu_domain *amd_alloc_domain(struct kunit *test, struct device *dev)
{
	struct iommu_domain *domain = alloc_domain(test, dev);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, detach, dev));
	return domain;
}

static u32 amd_domain_id(struct iommu_domain *domain)
{
	return to_pdomain(domain)->id;
}

static void *amd_dte(unsigned int i)
{
	return &the_unit->pci_seg.dev_table[SOURCE + i];
}

static void amd_leave(struct kunit *test, unsigned int i, struct iommu_lu_device_ser *ser)
{
	struct dev_table_entry *dte = amd_dte(i);

	dte->data[0] = TRANSLATES | OLD_MODE | LEFT_TABLES;
	dte->data[1] = LEFT_DOMAIN_ID;
	memcpy(ser->entry, dte->data, sizeof(ser->entry));
}

static void amd_shut_down(void)
{
	amd_ir_block_segment(&the_unit->pci_seg);
}

static void amd_boot_dma(struct kunit *test)
{
	struct dev_table_entry *old = the_unit->pci_seg.dev_table;
	struct dev_table_entry *table = leave_device_table(test);
	unsigned int i;

	for (i = 0; i < NR_TRANSLATED; i++)
		table[SOURCE + i].data128[0] = old[SOURCE + i].data128[0];
	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);
}

static void amd_block(struct device *dev)
{
	attach(amd_iommu_ops.blocked_domain, dev, NULL);
}

static bool amd_is_closed(const void *entry)
{
	const struct dev_table_entry *dte = entry;

	return !(dte->data[0] & (DTE_FLAG_IR | DTE_FLAG_IW));
}

static bool amd_leads_to(const void *entry, struct iommu_domain *domain)
{
	const struct dev_table_entry *dte = entry;
	struct pt_iommu_amdv1_hw_info info;

	pt_iommu_amdv1_hw_info(&to_pdomain(domain)->amdv1, &info);
	return dte->data[0] == (TRANSLATES | FIELD_PREP(DTE_MODE_MASK, info.mode) |
				__sme_set(info.host_pt_root)) &&
	       (dte->data[1] & DTE_DOMID_MASK) == amd_domain_id(domain);
}

static void amd_start_notes(void)
{
	the_unit->flushed_domid = 0;
	the_unit->flushed_all = false;
}

static bool amd_is_flushed(unsigned int i)
{
	return the_unit->flushed_all || the_unit->flushed_domid == LEFT_DOMAIN_ID;
}

static const struct translation_fmt amd_translation = {
	.ids		= { SOURCE, SOURCE + 1 },
	.entry_size	= sizeof(u128),
	.attach_allocations = 1,
	.ops		= &amd_liveupdate_ops,
	.iommu		= amd_iommu_of,
	.ser		= amd_ser,
	.device		= amd_dma_device,
	.alloc_domain	= amd_alloc_domain,
	.domain_id	= amd_domain_id,
	.entry		= amd_dte,
	.leave		= amd_leave,
	.shut_down	= amd_shut_down,
	.boot		= amd_boot_dma,
	.block		= amd_block,
	.is_closed	= amd_is_closed,
	.leads_to	= amd_leads_to,
	.start_notes	= amd_start_notes,
	.is_flushed	= amd_is_flushed,
};

static int amd_mappings_init(struct kunit *test)
{
	fake_unit_init(test, AMD_IOMMU_GUEST_IR_VAPIC);
	return 0;
}

/* Both devices are behind the unit, and each has a requester id of its own. */
static int amd_dma_init(struct kunit *test)
{
	fake_unit_init(test, AMD_IOMMU_GUEST_IR_VAPIC);
	the_unit->pci_seg.alias_table[SOURCE + 1] = SOURCE + 1;
	the_unit->pci_seg.rlookup_table[SOURCE + 1] = &the_unit->iommu;
	start_translation(test, &amd_translation);
	return 0;
}

static struct kunit_case amd_mappings_cases[] = {
	KUNIT_CASE(mappings_stay_over_the_jump),
	KUNIT_CASE_PARAM(mappings_are_compared_with_their_record, entry_change_gen_params),
	KUNIT_CASE(alias_from_a_quirk_is_behind_the_unit_of_its_owner),
	KUNIT_CASE(owner_beyond_the_device_table_is_refused),
	KUNIT_CASE(domain_id_is_that_of_all_units),
	KUNIT_CASE(owner_replaces_mappings_at_once),
	KUNIT_CASE(mappings_which_nobody_wants_are_closed),
	KUNIT_CASE(entry_that_was_left_is_flushed_when_the_unit_is_idle),
	KUNIT_CASE(unit_that_is_stuck_gets_no_more_commands),
	KUNIT_CASE(finish_closes_mappings_which_nobody_has_left),
	KUNIT_CASE(finish_excludes_the_writer_of_an_entry),
	KUNIT_CASE(finish_excludes_the_first_writer_of_an_entry),
	KUNIT_CASE(device_is_added_under_the_lock_of_finish),
	KUNIT_CASE(finish_flushes_any_domain_id),
	KUNIT_CASE(finish_flushes_all_units_of_a_segment),
	KUNIT_CASE(finish_leaves_what_was_written_since),
	KUNIT_CASE(alias_without_memory_is_closed),
	KUNIT_CASE(device_without_memory_is_stopped),
	KUNIT_CASE(alias_without_memory_stays_with_its_device),
	KUNIT_CASE(alias_that_a_reset_blocks_is_refused),
	KUNIT_CASE(alias_beyond_the_device_table_is_refused),
	KUNIT_CASE(tables_of_version_1_are_handed_over),
	KUNIT_CASE(ats_and_pasid_of_an_incoming_device_stay_off),
	KUNIT_CASE(device_with_a_unity_map_of_an_alias_is_refused),
	{ }
};

static struct kunit_suite amd_mappings_suite = {
	.name		= "irq_liveupdate_amd_mappings",
	.init		= amd_mappings_init,
	.test_cases	= amd_mappings_cases,
};

DEFINE_TRANSLATION_SUITE_CASES(amd_dma_cases);

static struct kunit_suite amd_dma_suite = {
	.name		= "irq_liveupdate_amd_dma",
	.init		= amd_dma_init,
	.test_cases	= amd_dma_cases,
};

kunit_test_suites(&amd_mappings_suite, &amd_dma_suite);

MODULE_DESCRIPTION("KUnit tests of DMA translation in a live update on AMD-Vi");
MODULE_LICENSE("GPL");
