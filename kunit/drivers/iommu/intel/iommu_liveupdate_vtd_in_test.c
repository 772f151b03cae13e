// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the tables of a VT-d unit that is taken over, and of their entries: which are
 * kept, which are closed, and how the first attach and FINISH replace them.
 */

#include <kunit/test.h>

#include "kunit_fake_tables.h"
#include "kunit_left_tables.h"

/* The PASID directory of devices with RMRR, and its table */
static void leave_direct_pasid_dir(struct kunit *test)
{
	struct pasid_dir_entry *dir = leave_page(test, phys_to_virt(unit->ser.pasid_dir));
	void *table = leave_page(test, phys_to_virt(unit->ser.pasid_table));

	unit->ser.pasid_dir = virt_to_phys(dir);
	unit->ser.pasid_table = virt_to_phys(table);
	dir->val = unit->ser.pasid_table | PASID_PTE_PRESENT;
	entry_of(RMRR_ID)->lo = unit->ser.pasid_dir | 1;
}

/* As the previous kernel has left it, except for the entry of ID. */
static void hand_over(struct kunit *test, struct context_entry left)
{
	KUNIT_ASSERT_EQ(test, 0, preserve());
	intel_liveupdate_close_all(&unit->iommu);
	*entry_of(ID) = left;
	if (unit->ser.pasid_dir)
		leave_direct_pasid_dir(test);
	leave_unit(test);
	unpreserve();
}

static void takes_the_root_over_in_place(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, CLOSED);
	take_over(test);

	KUNIT_EXPECT_PTR_EQ(test, (void *)unit->iommu.root_entry, phys_to_virt(unit->ser.root));
	KUNIT_EXPECT_TRUE(test, unit->taken);
	KUNIT_EXPECT_TRUE(test, context_copied(&unit->iommu, BUS, DEVFN));
	expect_entry(test, entry_of(ID), CLOSED);
}

/* The entry of a device with RMRR, for a device that has none */
static void closes_what_should_not_be_present(struct kunit *test)
{
	struct context_entry direct = PASS_THROUGH;

	setup_unit(test, FAKE_ECAP_PT, false);
	direct.hi |= unit->iommu.msagaw;
	hand_over(test, direct);
	take_over(test);
	KUNIT_EXPECT_STREQ(test, unit->refused ?: "", "mappings without a valid record");
	expect_entry(test, entry_of(ID), CLOSED);
}

static void keeps_the_entry_of_a_device_with_rmrr(struct kunit *test)
{
	struct context_entry direct = PASS_THROUGH;

	setup_unit(test, FAKE_ECAP_PT, false);
	unit->has_rmrr = true;
	direct.hi |= unit->iommu.msagaw;
	*entry_of(RMRR_ID) = TRANSLATED;
	hand_over(test, CLOSED);
	take_over(test);
	expect_entry(test, entry_of(RMRR_ID), direct);
}

/* Before the unit is taken over, its root table is known only from its record. */
static struct context_entry *entry_of_old(u16 id)
{
	struct root_entry *root = phys_to_virt(unit->ser.root);
	u64 table = sm_supported(&unit->iommu) && (id & 0x80) ? root[PCI_BUS_NUM(id)].hi :
								root[PCI_BUS_NUM(id)].lo;
	struct context_entry *context = phys_to_virt(table & VTD_PAGE_MASK);

	return &context[sm_supported(&unit->iommu) ? (id & 0x7f) * 2 : id & 0xff];
}

static void hand_over_direct(struct kunit *test, bool scalable)
{
	setup_unit(test, FAKE_ECAP_PT, scalable);
	unit->has_rmrr = true;
	*entry_of(RMRR_ID) = TRANSLATED;
	hand_over(test, CLOSED);
}

static void keeps_the_entry_of_a_device_with_rmrr_in_scalable_mode(struct kunit *test)
{
	hand_over_direct(test, true);
	take_over(test);
	expect_entry(test, entry_of(RMRR_ID), CONTEXT(unit->ser.pasid_dir | 1, 0));
	KUNIT_EXPECT_PTR_EQ(test, (void *)unit->iommu.direct_pasid_dir,
			    phys_to_virt(unit->ser.pasid_dir));
	KUNIT_EXPECT_NULL(test, unit->refused);
}

static const struct wrong_direct {
	const char		*name;
	bool			scalable;
	struct context_entry	flipped;
} wrong_directs[] = {
	{ "other domain id", false, { .hi = 1 << 8 } },
	{ "other address width", false, { .hi = 1 } },
	{ "page table", false, { .lo = SZ_4K } },
	{ "PASID directory larger than what was preserved", true, { .lo = 1 << 9 } },
	{ "other PASID directory", true, { .lo = SZ_4K } },
	{ "requests with another PASID", true, { .hi = 1 } },
};

KUNIT_ARRAY_PARAM_DESC(wrong_direct, wrong_directs, name);

static void closes_an_entry_that_is_not_the_one_for_rmrr(struct kunit *test)
{
	const struct wrong_direct *wrong = test->param_value;

	hand_over_direct(test, wrong->scalable);
	entry_of_old(RMRR_ID)->lo ^= wrong->flipped.lo;
	entry_of_old(RMRR_ID)->hi ^= wrong->flipped.hi;
	take_over(test);

	KUNIT_ASSERT_TRUE(test, unit->taken);
	KUNIT_EXPECT_STREQ(test, unit->refused ?: "", "mappings without a valid record");
	expect_entry(test, entry_of(RMRR_ID), CLOSED);
}

/* FINISH frees the page, but the test keeps it to see that. */
static struct page *hold_left(struct kunit *test, u64 phys)
{
	struct page *page = virt_to_page(phys_to_virt(phys));

	get_page(page);
	kunit_remove_action(test, free_left, phys_to_virt(phys));
	return page;
}

static void expect_freed(struct kunit *test, struct page *page)
{
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	put_page(page);
}

/* Afterwards no entry leads to the PASID directory of the previous kernel. */
static void finish_closes_the_entry_of_a_device_with_rmrr_in_scalable_mode(struct kunit *test)
{
	struct page *dir, *table;

	hand_over_direct(test, true);
	take_over(test);
	KUNIT_ASSERT_NOT_NULL(test, unit->iommu.direct_pasid_dir);
	dir = hold_left(test, unit->ser.pasid_dir);
	table = hold_left(test, unit->ser.pasid_table);
	unit->flushed_all = false;

	intel_liveupdate_ops.finish_unit(&unit->iommu.iommu);
	expect_entry(test, entry_of(RMRR_ID), EMPTY);
	KUNIT_EXPECT_TRUE(test, unit->flushed_all);
	KUNIT_EXPECT_NULL(test, unit->iommu.direct_pasid_dir);
	expect_freed(test, dir);
	expect_freed(test, table);
}

/* It leads to no table of the previous kernel. */
static void finish_leaves_the_entry_of_a_device_with_rmrr(struct kunit *test)
{
	struct context_entry direct = PASS_THROUGH;

	hand_over_direct(test, false);
	direct.hi |= unit->iommu.msagaw;
	take_over(test);
	intel_liveupdate_ops.finish_unit(&unit->iommu.iommu);
	expect_entry(test, entry_of(RMRR_ID), direct);
	expect_entry(test, entry_of(ID), EMPTY);
}

/*
 * Devices with mappings
 */

/* One that is attached, in the mode of the unit */
static void hand_over_mapped(struct kunit *test, bool scalable, struct pasid_entry **pasid)
{
	struct context_entry left = TRANSLATED;

	setup_unit(test, FAKE_ECAP_PT, scalable);
	unit->stays = ID;
	unit->record.domain_id = OLD_DID;
	if (scalable) {
		*pasid = leave_pasid_table(test, ROOT_OF_TABLE, OLD_DID, &unit->record);
		left = CONTEXT(unit->record.pasid_dir | 1, 0);
	}
	unit->record.entry[0] = left.lo;
	unit->record.entry[1] = left.hi;
	hand_over(test, left);
}

static void expect_adopted(struct kunit *test)
{
	struct context_entry left = CONTEXT(unit->record.entry[0], unit->record.entry[1]);

	take_over(test);
	KUNIT_EXPECT_EQ(test, 1, unit->adopted);
	KUNIT_EXPECT_NULL(test, unit->refused);
	KUNIT_EXPECT_TRUE(test, context_copied(&unit->iommu, BUS, DEVFN));
	expect_entry(test, entry_of(ID), left);
}

static void keeps_an_entry_with_mappings(struct kunit *test)
{
	hand_over_mapped(test, false, NULL);
	expect_adopted(test);
}

static void keeps_an_entry_with_mappings_of_second_stage(struct kunit *test)
{
	struct pasid_entry *pasid;

	hand_over_mapped(test, true, &pasid);
	expect_adopted(test);
}

/* And closes the one at the same place in the other table of the bus. */
static void keeps_an_entry_with_mappings_in_the_upper_table(struct kunit *test)
{
	struct context_entry left;

	setup_unit(test, FAKE_ECAP_PT, true);
	unit->stays = UPPER_ID;
	unit->record.domain_id = OLD_DID;
	leave_pasid_table(test, ROOT_OF_TABLE, OLD_DID, &unit->record);
	left = CONTEXT(unit->record.pasid_dir | 1, 0);
	unit->record.entry[0] = left.lo;
	unit->record.entry[1] = left.hi;
	*entry_of(UPPER_ID) = left;
	hand_over(test, left);
	take_over(test);

	KUNIT_EXPECT_EQ(test, 1, unit->adopted);
	expect_entry(test, entry_of(UPPER_ID), left);
	expect_entry(test, entry_of(ID), CLOSED);

	intel_liveupdate_ops.finish_unit(&unit->iommu.iommu);
	expect_entry(test, entry_of(UPPER_ID), EMPTY);
	KUNIT_EXPECT_EQ(test, UPPER_ID, unit->cc_sid);
}

static void keeps_an_entry_with_mappings_of_first_stage(struct kunit *test)
{
	struct pasid_entry *pasid;

	hand_over_mapped(test, true, &pasid);
	pasid_clear_entry(pasid);
	pasid_set_flptr(pasid, ROOT_OF_TABLE);
	pasid_set_domain_id(pasid, OLD_DID);
	pasid_set_translation_type(pasid, PASID_ENTRY_PGTT_FL_ONLY);
	pasid_set_present(pasid);
	expect_adopted(test);
}

static void other_entry(struct pasid_entry *pasid)
{
	unit->record.entry[0] += SZ_4K;
}

static void other_domain_id(struct pasid_entry *pasid)
{
	unit->record.domain_id++;
}

static void no_domain_id(struct pasid_entry *pasid)
{
	unit->record.domain_id = cap_ndoms(unit->iommu.cap);
}

static void id_of_this_kernel(struct pasid_entry *pasid)
{
	unit->record.domain_id = FLPT_DEFAULT_DID;
}

static void no_record(struct pasid_entry *pasid)
{
	unit->stays = 0;
}

static void set_entry(u64 lo, u64 hi)
{
	*entry_of_old(ID) = CONTEXT(lo, hi);
	unit->record.entry[0] = lo;
	unit->record.entry[1] = hi;
}

static void other_tables(struct pasid_entry *pasid)
{
	set_entry(unit->record.entry[0] + SZ_4K, unit->record.entry[1]);
}

static void pass_through(struct pasid_entry *pasid)
{
	set_entry(unit->record.entry[0] | CONTEXT_TT_PASS_THROUGH << 2, unit->record.entry[1]);
}

static void dir_in_legacy_mode(struct pasid_entry *pasid)
{
	unit->record.pasid_dir = SZ_4K;
}

static void no_dir(struct pasid_entry *pasid)
{
	unit->record.pasid_dir = 0;
}

static void big_dir(struct pasid_entry *pasid)
{
	set_entry(unit->record.entry[0] | 3 << 9, 0);
}

static void other_rid_pasid(struct pasid_entry *pasid)
{
	set_entry(unit->record.entry[0], 1);
}

static void second_table(struct pasid_entry *pasid)
{
	((struct pasid_dir_entry *)phys_to_virt(unit->record.pasid_dir))[7].val = SZ_4K | 1;
}

static void other_table(struct pasid_entry *pasid)
{
	unit->record.pasid_table += SZ_4K;
}

static void second_pasid(struct pasid_entry *pasid)
{
	pasid_set_present(&pasid[63]);
}

static void absent_pasid(struct pasid_entry *pasid)
{
	pasid_clear_present(pasid);
}

static void nested_pasid(struct pasid_entry *pasid)
{
	pasid_set_translation_type(pasid, PASID_ENTRY_PGTT_NESTED);
}

static void pasid_of_other_tables(struct pasid_entry *pasid)
{
	pasid_set_slptr(pasid, ROOT_OF_TABLE + SZ_4K);
}

static const struct wrong_record {
	const char	*name;
	bool		scalable;
	void		(*damage)(struct pasid_entry *pasid);
	const char	*reason;
} wrong_records[] = {
	{ "no record", false, no_record, "mappings without a valid record" },
	{ "other entry", false, other_entry, "entry differs from its record" },
	{ "other domain id", false, other_domain_id, "domain id differs from its record" },
	{ "domain id that the unit does not have", false, no_domain_id, "invalid domain id" },
	{ "domain id of this kernel", false, id_of_this_kernel, "invalid domain id" },
	{ "other tables", false, other_tables, "entry leads to other tables" },
	{ "pass-through", false, pass_through, "entry does not translate" },
	{ "PASID directory in legacy mode", false, dir_in_legacy_mode,
	  "PASID directory in legacy mode" },
	{ "no PASID directory", true, no_dir, "no PASID directory" },
	{ "other PASID directory", true, other_tables, "entry leads to another PASID directory" },
	{ "PASID directory larger than what was preserved", true, big_dir,
	  "PASID directory is too small" },
	{ "requests with another PASID", true, other_rid_pasid,
	  "requests without PASID use another one" },
	{ "second PASID table", true, second_table, "PASID directory differs from its record" },
	{ "other PASID table", true, other_table, "PASID directory differs from its record" },
	{ "second PASID", true, second_pasid, "a PASID is attached" },
	{ "PASID entry not present", true, absent_pasid, "PASID entry is not present" },
	{ "nested PASID entry", true, nested_pasid, "PASID entry leads to other tables" },
	{ "other domain id of the PASID entry", true, other_domain_id,
	  "domain id differs from its record" },
	{ "other tables of the PASID entry", true, pasid_of_other_tables,
	  "PASID entry leads to other tables" },
};

KUNIT_ARRAY_PARAM_DESC(wrong_record, wrong_records, name);

static void closes_an_entry_that_does_not_match_its_record(struct kunit *test)
{
	const struct wrong_record *wrong = test->param_value;
	struct pasid_entry *pasid = NULL;

	hand_over_mapped(test, wrong->scalable, &pasid);
	wrong->damage(pasid);
	take_over(test);

	KUNIT_EXPECT_EQ(test, 0, unit->adopted);
	KUNIT_EXPECT_STREQ(test, wrong->reason, unit->refused);
	expect_entry(test, entry_of(ID), CLOSED);
}

static void finish_closes_an_entry_that_is_still_in_use(struct kunit *test)
{
	hand_over_mapped(test, false, NULL);
	take_over(test);
	unit->nr_flushes = 0;

	intel_liveupdate_ops.finish_unit(&unit->iommu.iommu);
	expect_entry(test, entry_of(ID), EMPTY);
	KUNIT_EXPECT_EQ(test, OLD_DID, unit->flushed_did);
	KUNIT_EXPECT_GT(test, unit->nr_flushes, 0);
}

static void domain_ids_are_reserved_and_freed(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	ida_init(&unit->iommu.domain_ida);

	KUNIT_EXPECT_EQ(test, 0, intel_liveupdate_reserve_domain_id(&unit->iommu.iommu, OLD_DID));
	KUNIT_EXPECT_NE(test, 0, intel_liveupdate_reserve_domain_id(&unit->iommu.iommu, OLD_DID));
	intel_liveupdate_free_domain_id(&unit->iommu.iommu, OLD_DID);
	KUNIT_EXPECT_TRUE(test, ida_is_empty(&unit->iommu.domain_ida));
}

static void break_root_address(struct kunit *test)
{
	writeq(unit->ser.root + SZ_4K, unit->iommu.reg + DMAR_RTADDR_REG);
}

static void break_mode(struct kunit *test)
{
	unit->ser.flags ^= IOMMU_LU_UNIT_SCALABLE;
}

static void break_list(struct kunit *test)
{
	((u64 *)phys_to_virt(unit->ser.tables))[1]++;
}

static void break_root_table(struct kunit *test)
{
	((struct root_entry *)phys_to_virt(unit->ser.root))[OTHER_BUS].lo = 0x1000 | 1;
}

static void lose_list(struct kunit *test)
{
	unit->ser.tables = virt_to_phys(alloc_table(test));
}

static void lose_root(struct kunit *test)
{
	unit->ser.root = virt_to_phys(alloc_table(test));
	writeq(unit->ser.root, unit->iommu.reg + DMAR_RTADDR_REG);
}

static void lose_table(struct kunit *test)
{
	struct root_entry *root = phys_to_virt(unit->ser.root);
	u64 *tables = phys_to_virt(unit->ser.tables);

	tables[2 * BUS] = virt_to_phys(alloc_table(test));
	root[BUS].lo = tables[2 * BUS] | 1;
	unit->ser.tables_checksum = iommu_lu_tables_checksum(tables);
}

static void lose_record(struct kunit *test)
{
	unit->ser.reg_base++;
}

static const struct refusal {
	const char	*name;
	void		(*damage)(struct kunit *test);
} refusals[] = {
	{ "other root table in use", break_root_address },
	{ "other mode", break_mode },
	{ "list of tables damaged", break_list },
	{ "root table damaged", break_root_table },
	{ "list of tables not preserved", lose_list },
	{ "root table not preserved", lose_root },
	{ "context table not preserved", lose_table },
	{ "no record", lose_record },
};

KUNIT_ARRAY_PARAM_DESC(refusal, refusals, name);

/* Translation stays enabled, with a root table that is the caller's. */
static void expect_tables_refused(struct kunit *test, const struct refusal *refusal)
{
	refusal->damage(test);
	take_over(test);

	KUNIT_EXPECT_NULL(test, unit->iommu.root_entry);
	KUNIT_EXPECT_NULL(test, unit->iommu.copied_tables);
	KUNIT_EXPECT_FALSE(test, unit->taken);
}

static void refuses_the_tables(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, CLOSED);
	expect_tables_refused(test, test->param_value);
}

/* As when a bit of its address has flipped, and memory of a guest is there */
static void memory_that_holds_no_list_stays_preserved(struct kunit *test)
{
	static const int fills[] = { 0, 0xff, 0x5a };
	void *list;

	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, CLOSED);
	list = phys_to_virt(unit->ser.tables);
	for (unsigned int i = 0; i < ARRAY_SIZE(fills); i++) {
		memset(list, fills[i], PAGE_SIZE);
		take_over(test);
		KUNIT_EXPECT_NULL(test, unit->iommu.root_entry);
		KUNIT_EXPECT_TRUE(test, is_kept(list));
	}
}

static void list_in_a_larger_block_is_refused(struct kunit *test)
{
	void *list = alloc_kept(1);

	KUNIT_ASSERT_NOT_NULL(test, list);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, list));
	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, CLOSED);
	memcpy(list, phys_to_virt(unit->ser.tables), PAGE_SIZE);
	unit->ser.tables = virt_to_phys(list);

	take_over(test);
	KUNIT_EXPECT_NULL(test, unit->iommu.root_entry);
	KUNIT_EXPECT_TRUE(test, is_kept(list));
}

static void add_direct_table(struct kunit *test)
{
	((struct pasid_dir_entry *)phys_to_virt(unit->ser.pasid_dir))[1].val = SZ_4K | 1;
}

static void change_direct_table(struct kunit *test)
{
	((struct pasid_dir_entry *)phys_to_virt(unit->ser.pasid_dir))->val += SZ_4K;
}

static void lose_direct_dir(struct kunit *test)
{
	unit->ser.pasid_dir = virt_to_phys(alloc_table(test));
}

static void lose_direct_table(struct kunit *test)
{
	unit->ser.pasid_table = virt_to_phys(alloc_table(test));
}

static struct pasid_entry *direct_pasids(void)
{
	return phys_to_virt(unit->ser.pasid_table);
}

static void add_direct_pasid(struct kunit *test)
{
	pasid_set_present(&direct_pasids()[1]);
}

static void close_direct_pasid(struct kunit *test)
{
	pasid_clear_present(direct_pasids());
}

static void change_direct_type(struct kunit *test)
{
	pasid_set_translation_type(direct_pasids(), PASID_ENTRY_PGTT_SL_ONLY);
}

static void change_direct_domain_id(struct kunit *test)
{
	pasid_set_domain_id(direct_pasids(), OLD_DID);
}

static const struct refusal direct_refusals[] = {
	{ "second table", add_direct_table },
	{ "other table", change_direct_table },
	{ "directory not preserved", lose_direct_dir },
	{ "table not preserved", lose_direct_table },
	{ "second PASID", add_direct_pasid },
	{ "entry not present", close_direct_pasid },
	{ "entry that translates", change_direct_type },
	{ "other domain id", change_direct_domain_id },
};

KUNIT_ARRAY_PARAM_DESC(direct_refusal, direct_refusals, name);

static void refuses_the_pasid_table_of_devices_with_rmrr(struct kunit *test)
{
	hand_over_direct(test, true);
	expect_tables_refused(test, test->param_value);
	KUNIT_EXPECT_NULL(test, unit->iommu.direct_pasid_dir);
}

static void disables_translation_when_the_mode_changes(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, CLOSED);
	writeq(unit->ser.root | DMA_RTADDR_SMT, unit->iommu.reg + DMAR_RTADDR_REG);

	KUNIT_EXPECT_FALSE(test, intel_liveupdate_take_over(&unit->iommu));
	KUNIT_EXPECT_NULL(test, unit->iommu.root_entry);
}

static void stop_with_status(u32 status)
{
	unit->stopped = NULL;
	writel(status, unit->iommu.reg + DMAR_GSTS_REG);
	intel_liveupdate_stop(&unit->iommu, "translation is disabled");
}

/* Otherwise nothing restricts its DMA any more. */
static void stops_an_incoming_device_before_translation_is_disabled(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_behind);
	find_neighbours(test);

	stop_with_status(DMA_GSTS_TES);
	KUNIT_EXPECT_NULL(test, unit->stopped);

	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &neighbours[1]->priv_flags);
	stop_with_status(DMA_GSTS_TES);
	KUNIT_EXPECT_PTR_EQ(test, unit->stopped, neighbours[1]);
	KUNIT_EXPECT_STREQ(test, unit->why_stopped ?: "", "translation is disabled");

	/* It was handed over without translation. */
	stop_with_status(0);
	KUNIT_EXPECT_NULL(test, unit->stopped);
}

static const bool new_modes[] = { false, true };

static void describe_mode(const bool *scalable, char *desc)
{
	strscpy(desc, *scalable ? "scalable" : "legacy", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(new_mode, new_modes, describe_mode);

static bool fake_not_handed_over(void)
{
	return false;
}

/* The tables cannot be used in the other mode. */
static void stops_an_incoming_device_when_the_mode_changes(struct kunit *test)
{
	bool scalable = *(const bool *)test->param_value;

	setup_unit(test, FAKE_ECAP_PT, scalable);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_behind);
	find_neighbours(test);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &neighbours[1]->priv_flags);
	writel(DMA_GSTS_TES, unit->iommu.reg + DMAR_GSTS_REG);
	writeq(scalable ? 0 : DMA_RTADDR_SMT, unit->iommu.reg + DMAR_RTADDR_REG);

	KUNIT_EXPECT_FALSE(test, intel_liveupdate_take_over(&unit->iommu));
	KUNIT_EXPECT_PTR_EQ(test, unit->stopped, neighbours[1]);
	KUNIT_EXPECT_STREQ(test, unit->why_stopped ?: "", scalable ? "scalable mode is enabled" :
								   "scalable mode is disabled");
}

/* The previous kernel may have written records whose name this kernel does not know. */
static void stops_an_incoming_device_without_records(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_behind);
	kunit_activate_static_stub(test, iommu_liveupdate_handed_over, fake_not_handed_over);
	find_neighbours(test);
	writel(DMA_GSTS_TES, unit->iommu.reg + DMAR_GSTS_REG);

	KUNIT_EXPECT_FALSE(test, intel_liveupdate_take_over(&unit->iommu));
	KUNIT_EXPECT_NULL(test, unit->stopped);

	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &neighbours[1]->priv_flags);
	KUNIT_EXPECT_FALSE(test, intel_liveupdate_take_over(&unit->iommu));
	KUNIT_EXPECT_PTR_EQ(test, unit->stopped, neighbours[1]);
	KUNIT_EXPECT_STREQ(test, unit->why_stopped ?: "", "no records of its mappings");
}

static bool fake_is_elsewhere(struct intel_iommu *iommu, struct pci_dev *pdev)
{
	return false;
}

static void device_behind_another_unit_is_not_stopped(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_elsewhere);
	find_neighbours(test);

	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &neighbours[1]->priv_flags);
	stop_with_status(DMA_GSTS_TES);
	KUNIT_EXPECT_NULL(test, unit->stopped);
}

/*
 * Entries of the previous kernel
 */

static void take_over_in_mode(struct kunit *test, bool scalable, struct context_entry left)
{
	setup_unit(test, FAKE_ECAP_PT, scalable);
	hand_over(test, CLOSED);
	take_over(test);
	*entry_of(ID) = left;
	unit->nr_types = 0;
	unit->nr_flushes = 0;
	unit->flushed_all = false;
	observe(test, entry_of(ID));
}

static void take_over_with(struct kunit *test, struct context_entry left)
{
	take_over_in_mode(test, false, left);
}

static bool replace_entry(struct context_entry new)
{
	guard(spinlock)(&unit->iommu.lock);
	return intel_liveupdate_replace(&unit->iommu, entry_of(ID), &new, BUS, DEVFN);
}

static void replaces_a_present_entry_in_one_store(struct kunit *test)
{
	take_over_with(test, TRANSLATED);

	KUNIT_EXPECT_TRUE(test, replace_entry(REPLACED));
	expect_seen_only(test, REPLACED, REPLACED);
	KUNIT_EXPECT_EQ(test, 1, unit->nr_flushes);
	KUNIT_EXPECT_EQ(test, ID, unit->cc_sid);
	KUNIT_EXPECT_EQ(test, OLD_DID, unit->cc_did);
	KUNIT_EXPECT_EQ(test, OLD_DID, unit->flushed_did);
	KUNIT_EXPECT_FALSE(test, context_copied(&unit->iommu, BUS, DEVFN));
}

static void repeats_an_invalidation_that_was_aborted(struct kunit *test)
{
	take_over_with(test, TRANSLATED);
	unit->iommu.qi = alloc_queue(test);
	unit->spoiled = 2;

	KUNIT_EXPECT_TRUE(test, replace_entry(REPLACED));
	KUNIT_EXPECT_EQ(test, 0, unit->spoiled);
	KUNIT_EXPECT_EQ(test, 1, unit->nr_flushes);
	KUNIT_EXPECT_EQ(test, ID, unit->cc_sid);
	KUNIT_EXPECT_EQ(test, OLD_DID, unit->cc_did);
	KUNIT_EXPECT_EQ(test, OLD_DID, unit->flushed_did);
	KUNIT_EXPECT_FALSE(test, unit->flushed_all);
}

static void repeats_an_invalidation_that_was_aborted_in_scalable_mode(struct kunit *test)
{
	static const u8 types[] = { QI_CC_TYPE, QI_PC_TYPE, QI_IOTLB_TYPE };

	take_over_in_mode(test, true, CONTEXT(0x1000 | 1, 0));
	unit->spoiled = 2;

	KUNIT_EXPECT_TRUE(test, replace_entry(CONTEXT(0x2000 | 1, 0)));
	KUNIT_EXPECT_EQ(test, 0, unit->spoiled);
	KUNIT_EXPECT_EQ(test, 1, unit->nr_flushes);
	KUNIT_EXPECT_EQ(test, ID, unit->cc_sid);
	KUNIT_EXPECT_TRUE(test, unit->flushed_all);
	KUNIT_EXPECT_EQ(test, 3 * ARRAY_SIZE(types), unit->nr_types);
	KUNIT_EXPECT_MEMEQ(test, unit->types, types, sizeof(types));
}

static void replaces_a_closed_entry_without_invalidation(struct kunit *test)
{
	take_over_with(test, CLOSED);

	KUNIT_EXPECT_TRUE(test, replace_entry(REPLACED));
	expect_seen_only(test, REPLACED, REPLACED);
	KUNIT_EXPECT_EQ(test, 0, unit->nr_flushes);
}

static void writes_a_replaced_entry_back(struct kunit *test)
{
	take_over_with(test, TRANSLATED);

	KUNIT_EXPECT_TRUE(test, replace_entry(REPLACED));
	KUNIT_EXPECT_FALSE(test, unit->dirty);
	KUNIT_EXPECT_FALSE(test, unit->dirty_at_flush);
}

static void replaces_no_entry_of_its_own(struct kunit *test)
{
	take_over_with(test, TRANSLATED);
	clear_context_copied(&unit->iommu, BUS, DEVFN);

	KUNIT_EXPECT_FALSE(test, replace_entry(REPLACED));
	KUNIT_EXPECT_EQ(test, 0, unit->nr_seen);
}

static void handed_over_domain_leaves_the_entry(struct kunit *test)
{
	struct iommu_domain *domain = intel_liveupdate_ops.handed_over;

	take_over_with(test, CLOSED);

	/* Not even the device is looked at. */
	KUNIT_EXPECT_EQ(test, 0, domain->ops->attach_dev(domain, NULL, NULL));
	KUNIT_EXPECT_EQ(test, 0, unit->nr_seen);
}

static void finish_reports_faults_again(struct kunit *test)
{
	take_over_with(test, CLOSED);

	intel_liveupdate_ops.finish_unit(&unit->iommu.iommu);
	expect_entry(test, entry_of(ID), EMPTY);
	expect_entry(test, entry_of(PCI_DEVID(BUS, 0)), EMPTY);
}

static struct kunit_case vtd_in_cases[] = {
	KUNIT_CASE(takes_the_root_over_in_place),
	KUNIT_CASE(closes_what_should_not_be_present),
	KUNIT_CASE(keeps_the_entry_of_a_device_with_rmrr),
	KUNIT_CASE(keeps_the_entry_of_a_device_with_rmrr_in_scalable_mode),
	KUNIT_CASE_PARAM(closes_an_entry_that_is_not_the_one_for_rmrr, wrong_direct_gen_params),
	KUNIT_CASE(finish_leaves_the_entry_of_a_device_with_rmrr),
	KUNIT_CASE(finish_closes_the_entry_of_a_device_with_rmrr_in_scalable_mode),
	KUNIT_CASE(keeps_an_entry_with_mappings),
	KUNIT_CASE(keeps_an_entry_with_mappings_of_second_stage),
	KUNIT_CASE(keeps_an_entry_with_mappings_in_the_upper_table),
	KUNIT_CASE(keeps_an_entry_with_mappings_of_first_stage),
	KUNIT_CASE_PARAM(closes_an_entry_that_does_not_match_its_record, wrong_record_gen_params),
	KUNIT_CASE(finish_closes_an_entry_that_is_still_in_use),
	KUNIT_CASE(domain_ids_are_reserved_and_freed),
	KUNIT_CASE_PARAM(refuses_the_tables, refusal_gen_params),
	KUNIT_CASE(memory_that_holds_no_list_stays_preserved),
	KUNIT_CASE(list_in_a_larger_block_is_refused),
	KUNIT_CASE_PARAM(refuses_the_pasid_table_of_devices_with_rmrr, direct_refusal_gen_params),
	KUNIT_CASE(disables_translation_when_the_mode_changes),
	KUNIT_CASE(stops_an_incoming_device_before_translation_is_disabled),
	KUNIT_CASE_PARAM(stops_an_incoming_device_when_the_mode_changes, new_mode_gen_params),
	KUNIT_CASE(stops_an_incoming_device_without_records),
	KUNIT_CASE(device_behind_another_unit_is_not_stopped),
	KUNIT_CASE(replaces_a_present_entry_in_one_store),
	KUNIT_CASE(repeats_an_invalidation_that_was_aborted),
	KUNIT_CASE(repeats_an_invalidation_that_was_aborted_in_scalable_mode),
	KUNIT_CASE(replaces_a_closed_entry_without_invalidation),
	KUNIT_CASE(writes_a_replaced_entry_back),
	KUNIT_CASE(replaces_no_entry_of_its_own),
	KUNIT_CASE(handed_over_domain_leaves_the_entry),
	KUNIT_CASE(finish_reports_faults_again),
	{ }
};

static struct kunit_suite vtd_in_suite = {
	.name		= "irq_liveupdate_vtd_dma_in",
	.test_cases	= vtd_in_cases,
};

kunit_test_suite(vtd_in_suite);

MODULE_DESCRIPTION("KUnit tests of taking over the tables of a VT-d unit");
MODULE_LICENSE("GPL");
