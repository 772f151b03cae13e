// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of AMD-Vi units in a live update: the device table, the modes and the
 * command buffer of a unit that is handed over, taken over, or disabled instead.
 */

#include <kunit/irq_liveupdate/outcome.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <asm/irq_remapping.h>

#include "kunit_fake_amd.h"
#include "kunit_left_amd.h"

/*
 * Handing over
 */

static void only_interrupts_of_preserved_devices_stay(struct kunit *test)
{
	struct dev_table_entry *dev_table = the_unit->pci_seg.dev_table;

	fill_device_table(dev_table);
	the_unit->pci_seg.irq_lookup_table[SOURCE + 1] =
		alloc_memory(test, sizeof(struct irq_remap_table));
	preserve_table(test);

	amd_ir_block_segment(&the_unit->pci_seg);
	expect_no_dma(test, dev_table);
	KUNIT_EXPECT_EQ(test, dev_table[SOURCE].data[2], dte_of_table(&the_unit->table));
	KUNIT_EXPECT_EQ(test, count_dtes(dev_table, 2, DTE_IRQ_IGNORE_UNMAPPED |
					 DTE_IRQ_REMAP_ENABLE), LAST_BDF);
}

/* The firmware demands it. */
static void device_with_a_unity_map_goes_on(struct kunit *test)
{
	struct unity_map_entry entry = { .devid_start = SOURCE + 1, .devid_end = SOURCE + 1 };
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	const u64 all = DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW;

	fill_device_table(pci_seg->dev_table);
	list_add(&entry.list, &pci_seg->unity_map);

	amd_ir_block_segment(pci_seg);
	KUNIT_EXPECT_EQ(test, pci_seg->dev_table[SOURCE + 1].data[0], all);
	KUNIT_EXPECT_EQ(test, count_dtes(pci_seg->dev_table, 0, DTE_FLAG_V | DTE_FLAG_TV),
			LAST_BDF);
	list_del(&entry.list);
}

/* As after a cold boot: its requester id may not be that of a device. */
static void nobody_keeps_access_to_all_memory(struct kunit *test)
{
	struct unity_map_entry entry = { .devid_start = SOURCE, .devid_end = SOURCE + 1 };
	const u64 all = DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW;
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	struct dev_table_entry *table = pci_seg->dev_table;

	fill_device_table(table);
	list_add(&entry.list, &pci_seg->unity_map);
	amd_ir_block_segment(pci_seg);
	list_del(&entry.list);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 0, all), 2);

	/* One of them is attached to its identity domain. */
	table[SOURCE].data[1] = 1;
	amd_ir_block_unused(pci_seg);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 0, all), 2);
	fake_core.handed_over = true;
	amd_ir_block_unused(pci_seg);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[0], all);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[1], 1);
	KUNIT_EXPECT_EQ(test, table[SOURCE + 1].data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, table[SOURCE + 1].data[1], DTE_FLAG_SA);
}

static int fake_flush_all(struct amd_iommu *iommu)
{
	the_unit->stuck = raw_spin_is_locked(&iommu->lock);
	if (the_unit->stuck)
		return -EIO;

	kunit_deactivate_static_stub(kunit_get_current_test(), amd_liveupdate_flush_all);
	return amd_liveupdate_flush_all(iommu);
}

static const struct stopped {
	const char	*name;
	bool		locked;
} stops[] = {
	{ "elsewhere", false },
	{ "with the lock", true },
};

KUNIT_ARRAY_PARAM_DESC(stopped, stops, name);

/* Where an NMI has stopped another CPU: before it has queued a command to wait for */
static void command_buffer_of_a_stopped_cpu_can_be_used(struct kunit *test)
{
	const struct stopped *stopped = test->param_value;
	struct amd_iommu *iommu = &the_unit->iommu;
	u32 tail;

	writeq(BIT_ULL(CONTROL_CMDBUF_EN), iommu->mmio_base + MMIO_CONTROL_OFFSET);
	amd_iommu_flush_all_caches(iommu);
	amd_iommu_flush_all_caches(iommu);
	the_unit->flushed_all = false;
	tail = iommu->cmd_buf_tail;
	if (stopped->locked) {
		arch_spin_lock(&iommu->lock.raw_lock);
		iommu->cmd_sem_val++;
	}

	kunit_activate_static_stub(test, amd_liveupdate_flush_all, fake_flush_all);
	KUNIT_EXPECT_EQ(test, amd_ir_flush_last(iommu), 0);
	KUNIT_EXPECT_FALSE(test, the_unit->stuck);
	KUNIT_EXPECT_TRUE(test, the_unit->flushed_all);
	KUNIT_EXPECT_EQ(test, iommu->cmd_buf_tail < tail, stopped->locked);
	KUNIT_EXPECT_TRUE(test, readq(iommu->mmio_base + MMIO_CONTROL_OFFSET) &
			  BIT_ULL(CONTROL_CMDBUF_EN));
}

/* The driver disables the unit, which a next kernel takes over or not. */
static void modes_are_cleared_with_the_unit(struct kunit *test)
{
	const u64 modes = BIT_ULL(CONTROL_IOMMU_EN) | BIT_ULL(CONTROL_GA_EN) |
			  BIT_ULL(CONTROL_GAM_EN) | BIT_ULL(CONTROL_XT_EN) |
			  BIT_ULL(CONTROL_INTCAPXT_EN);
	struct amd_iommu *iommu = &the_unit->iommu;

	iommu->flags |= AMD_IOMMU_FLAG_STAYS;
	writeq(modes, iommu->mmio_base + MMIO_CONTROL_OFFSET);
	amd_iommu_disable();
	KUNIT_EXPECT_EQ(test, readq(iommu->mmio_base + MMIO_CONTROL_OFFSET), modes);

	iommu->flags &= ~AMD_IOMMU_FLAG_STAYS;
	amd_iommu_disable();
	KUNIT_EXPECT_EQ(test, readq(iommu->mmio_base + MMIO_CONTROL_OFFSET), 0);
}

/*
 * Taking over
 */

static const struct unit_change {
	const char	*name;
	u64		mode;
	u64		table;
	u32		nr_entries;
	u32		flags;
	bool		no_record;
	bool		no_remapping;
	const char	*refused;
} unit_changes[] = {
	{ "xAPIC",	  XAPIC, 0, 512, 0 },
	{ "x2APIC",	  X2APIC, 0, 512, IRQ_LU_UNIT_X2APIC },
	{ "no record",	  XAPIC, 0, 512, 0, .no_record = true },
	{ "no remapping", XAPIC, 0, 512, 0, .no_remapping = true,
	  .refused = "interrupt remapping is disabled" },
	{ "other entries", XAPIC, 0, 2048, 0,
	  .refused = "size of the remapping table differs" },
	{ "other table",  XAPIC, SZ_64K, 512, 0,
	  .refused = "remapping table is not the one in use" },
	{ "was x2APIC",	  XAPIC, 0, 512, IRQ_LU_UNIT_X2APIC,
	  .refused = "xAPIC or x2APIC mode differs" },
	{ "is x2APIC",	  X2APIC, 0, 512, 0,
	  .refused = "xAPIC or x2APIC mode differs" },
};

KUNIT_ARRAY_PARAM_DESC(unit_change, unit_changes, name);

/* Whatever its record says: the table that the unit reads is known, and its memory is ours. */
static void device_table_stays_where_it_is(struct kunit *test)
{
	const struct unit_change *c = test->param_value;
	struct dev_table_entry *table = leave_device_table(test);
	struct irq_lu_unit_ser *record = &fake_core.record;
	const u64 interrupts = table[SOURCE].data[2];
	const bool taken = !c->refused && !c->no_record;

	if (c->no_record)
		record->reg_base = 0;
	record->table += c->table;
	record->nr_entries = c->nr_entries;
	record->flags = c->flags;
	amd_iommu_irq_remap = !c->no_remapping;
	find_enabled(test, table, c->mode);
	take_over_as(test, c->mode);

	KUNIT_EXPECT_STREQ(test, fake_core.refused ?: "", c->refused ?: "");
	KUNIT_EXPECT_NULL(test, the_unit->stopped);
	KUNIT_EXPECT_TRUE(test, the_unit->iommu.flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_PTR_EQ(test, the_unit->pci_seg.dev_table, table);
	expect_no_dma(test, table);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[2] == interrupts, taken);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 2, DTE_IRQ_REMAP_ENABLE | DTE_IRQ_IGNORE_UNMAPPED),
			LAST_BDF + !taken);
}

/* Except for the DMA part of a device whose mappings are taken over as well */
static void only_the_table_of_an_entry_is_taken_over(struct kunit *test)
{
	const u64 pass_extint = BIT_ULL(DEV_ENTRY_EINT_PASS - 128);
	const u64 pass_nmi = BIT_ULL(DEV_ENTRY_NMI_PASS - 128);
	struct dev_table_entry *table = leave_device_table(test);
	struct dev_table_entry *dte = &table[SOURCE];
	const u64 interrupts = dte->data[2];

	leave_mappings(test, dte);
	dte->data[2] |= pass_nmi | DTE_IRQ_IGNORE_UNMAPPED;
	dte->data[3] = 1;
	find_enabled(test, table, XAPIC);
	the_unit->fresh[SOURCE].data[2] |= pass_extint;
	take_over_as(test, XAPIC);

	KUNIT_EXPECT_EQ(test, mappings.adopted, 1);
	KUNIT_EXPECT_EQ(test, dte->data[0], mappings.ser.entry[0]);
	KUNIT_EXPECT_EQ(test, dte->data[2], interrupts | pass_extint);
	KUNIT_EXPECT_EQ(test, dte->data[3], 0);
}

static const struct table_change {
	const char	*name;
	u64		base;
	u64		mode;
	bool		lost;
	const char	*reason;
} table_changes[] = {
	{ "not preserved", 0, X2APIC, .lost = true, .reason = "device table was not preserved" },
	{ "other size",	   1, X2APIC, .reason = "size of the device table differs" },
	{ "other format",  0, 0, .reason = "its mode is not that of the other units" },
	{ "other mode",	   0, XAPIC, .reason = "its mode is not that of the other units" },
};

KUNIT_ARRAY_PARAM_DESC(table_change, table_changes, name);

static void devices_are_stopped_before_a_unit_is_disabled(struct kunit *test)
{
	const struct table_change *c = test->param_value;
	struct dev_table_entry *table = leave_device_table(test);
	u8 __iomem *mmio = the_unit->iommu.mmio_base;

	find_enabled(test, table, c->mode);
	writeq(readq(mmio + MMIO_DEV_TABLE_OFFSET) + c->base, mmio + MMIO_DEV_TABLE_OFFSET);
	if (c->lost)
		free_kept(table);
	take_over_as(test, X2APIC);

	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "", c->reason);
	KUNIT_EXPECT_STREQ(test, fake_core.refused ?: "", c->reason);
	KUNIT_EXPECT_FALSE(test, the_unit->iommu.flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_PTR_EQ(test, the_unit->pci_seg.dev_table, the_unit->fresh);
	KUNIT_EXPECT_EQ(test, count_dtes(the_unit->fresh, 2, DTE_IRQ_REMAP_ENABLE), LAST_BDF + 1);
}

/* Two units: one has the table of the segment, the other one had a different table */
static void unit_with_a_table_of_its_own_is_disabled(struct kunit *test)
{
	struct dev_table_entry *table = leave_device_table(test);
	struct amd_iommu *other = alloc_memory(test, sizeof(*other));
	void *registers = alloc_memory(test, REGISTERS);

	find_enabled(test, table, XAPIC);
	*other = the_unit->iommu;
	other->mmio_base = (u8 __iomem __force *)registers;
	writeq(XAPIC, other->mmio_base + MMIO_CONTROL_OFFSET);
	writeq(readq(the_unit->iommu.mmio_base + MMIO_DEV_TABLE_OFFSET) + SZ_64K,
	       other->mmio_base + MMIO_DEV_TABLE_OFFSET);
	list_add_tail(&other->list, &amd_iommu_list);
	take_over_as(test, XAPIC);
	list_del(&other->list);

	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "",
			   "device table is not that of its segment");
	KUNIT_EXPECT_FALSE(test, other->flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_TRUE(test, the_unit->iommu.flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_PTR_EQ(test, the_unit->pci_seg.dev_table, table);
}

/*
 * The driver cannot set the unit up: early, or when the interrupts of other devices
 * already depend on it.
 */
static void devices_are_stopped_before_their_dma_is_not_translated(struct kunit *test)
{
	struct amd_iommu *iommu = &the_unit->iommu;
	int enabled = irq_remapping_enabled;

	find_enabled(test, leave_device_table(test), XAPIC);
	take_over_as(test, XAPIC);
	irq_remapping_enabled = 1;
	amd_ir_teardown();
	irq_remapping_enabled = enabled;
	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "", "its IOMMU cannot be set up");
	KUNIT_EXPECT_FALSE(test, iommu->flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_NULL(test, fake_core.refused);

	iommu->flags |= AMD_IOMMU_FLAG_STAYS;
	irq_remapping_enabled = 0;
	amd_ir_teardown();
	irq_remapping_enabled = enabled;
	KUNIT_EXPECT_STREQ(test, the_unit->stopped ?: "", "the unit is disabled");
	KUNIT_EXPECT_FALSE(test, iommu->flags & AMD_IOMMU_FLAG_STAYS);
	KUNIT_EXPECT_STREQ(test, fake_core.refused ?: "", "the unit is disabled");
}

/* FINISH no longer knows the unit, and its devices were stopped. */
static void faults_are_reported_if_dma_cannot_be_set_up(struct kunit *test)
{
	struct dev_table_entry *table = leave_device_table(test);
	const u64 interrupts = table[SOURCE].data[2];
	int enabled = irq_remapping_enabled;

	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 2, DTE_IRQ_REMAP_ENABLE), 0);

	irq_remapping_enabled = 1;
	amd_ir_teardown();
	irq_remapping_enabled = enabled;
	KUNIT_EXPECT_NOT_NULL(test, the_unit->stopped);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 2, DTE_IRQ_REMAP_ENABLE), LAST_BDF);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[2], interrupts);
}

static bool fake_clear_master_early(u16 devid)
{
	return devid == SOURCE || devid == SOURCE + 1;
}

/* The reason can still be read long afterwards. */
static void endpoint_is_stopped_early_with_a_reason(struct kunit *test)
{
	struct unity_map_entry entry = { .devid_start = SOURCE + 1, .devid_end = SOURCE + 1 };
	struct amd_iommu_pci_seg *pci_seg = &the_unit->pci_seg;
	const char *reason = "a test";

	start_outcome(test, 0, SOURCE);
	start_outcome(test, 0, SOURCE + 1);
	start_outcome(test, 1, SOURCE);
	kunit_activate_static_stub(test, amd_lu_clear_master_early, fake_clear_master_early);
	pci_seg->rlookup_table[SOURCE + 1] = &the_unit->iommu;

	pci_seg->id = 1;
	amd_lu_stop_early(&the_unit->iommu, reason);
	expect_outcome(test, 1, SOURCE, NULL);
	pci_seg->id = 0;

	list_add(&entry.list, &pci_seg->unity_map);
	amd_lu_stop_early(&the_unit->iommu, reason);
	list_del(&entry.list);
	expect_outcome(test, 0, SOURCE, reason);
	expect_outcome(test, 0, SOURCE + 1, NULL);
}

static const struct mode_change {
	const char	*name;
	u64		control;
	int		wanted;
	int		guest_ir;
	int		xt_mode;
} mode_changes[] = {
	{ "guest mode as wanted", X2APIC, AMD_IOMMU_GUEST_IR_VAPIC,
	  AMD_IOMMU_GUEST_IR_VAPIC, IRQ_REMAP_X2APIC_MODE },
	{ "legacy in 128 bits as wanted", X2APIC, AMD_IOMMU_GUEST_IR_LEGACY_GA,
	  AMD_IOMMU_GUEST_IR_LEGACY_GA, IRQ_REMAP_X2APIC_MODE },
	{ "128 bits to 32", X2APIC, AMD_IOMMU_GUEST_IR_LEGACY,
	  AMD_IOMMU_GUEST_IR_LEGACY_GA, IRQ_REMAP_X2APIC_MODE },
	{ "32 bits to guest mode", 0, AMD_IOMMU_GUEST_IR_VAPIC,
	  AMD_IOMMU_GUEST_IR_LEGACY, IRQ_REMAP_XAPIC_MODE },
	{ "32 bits to 128", 0, AMD_IOMMU_GUEST_IR_LEGACY_GA,
	  AMD_IOMMU_GUEST_IR_LEGACY, IRQ_REMAP_XAPIC_MODE },
	{ "xAPIC to x2APIC", XAPIC, AMD_IOMMU_GUEST_IR_VAPIC,
	  AMD_IOMMU_GUEST_IR_VAPIC, IRQ_REMAP_XAPIC_MODE },
};

KUNIT_ARRAY_PARAM_DESC(mode_change, mode_changes, name);

static void mode_is_that_of_the_unit(struct kunit *test)
{
	const struct mode_change *c = test->param_value;
	int xt_mode;

	for (int chosen = IRQ_REMAP_XAPIC_MODE; chosen <= IRQ_REMAP_X2APIC_MODE; chosen++) {
		xt_mode = chosen;
		amd_iommu_guest_ir = c->wanted;
		amd_ir_take_mode(c->control, &xt_mode);
		KUNIT_EXPECT_EQ(test, amd_iommu_guest_ir, c->guest_ir);
		KUNIT_EXPECT_EQ(test, xt_mode, c->xt_mode);
	}
}

/* Of the whole machine, before any entry is looked at */
static void unit_found_enabled_determines_the_mode(struct kunit *test)
{
	struct dev_table_entry *table = leave_device_table(test);
	const u64 interrupts = table[SOURCE].data[2];
	int xt_mode = IRQ_REMAP_X2APIC_MODE;

	kunit_activate_static_stub(test, iommu_liveupdate_handed_over, fake_handed_over);
	amd_iommu_guest_ir = AMD_IOMMU_GUEST_IR_LEGACY;
	find_enabled(test, table, XAPIC);
	list_add(&the_unit->pci_seg.list, &amd_iommu_pci_seg_list);
	amd_ir_take_over(&xt_mode);
	list_del(&the_unit->pci_seg.list);
	free_with_the_test(test);

	KUNIT_EXPECT_EQ(test, xt_mode, IRQ_REMAP_XAPIC_MODE);
	KUNIT_EXPECT_EQ(test, amd_iommu_guest_ir, AMD_IOMMU_GUEST_IR_LEGACY_GA);
	KUNIT_EXPECT_NULL(test, fake_core.refused);
	KUNIT_EXPECT_PTR_EQ(test, the_unit->pci_seg.dev_table, table);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[2], interrupts);
}

static void faults_are_reported_after_finish(struct kunit *test)
{
	const u64 direct = DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW;
	struct unity_map_entry entry = { .devid_start = SOURCE + 1, .devid_end = SOURCE + 1 };
	struct dev_table_entry *table = leave_device_table(test);
	const u64 interrupts = table[SOURCE].data[2];
	unsigned int flushes;

	list_add(&entry.list, &the_unit->pci_seg.unity_map);
	find_enabled(test, table, XAPIC);
	take_over_as(test, XAPIC);
	list_del(&entry.list);
	KUNIT_EXPECT_EQ(test, table[SOURCE + 1].data[0], direct);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 1, DTE_FLAG_SA), LAST_BDF + 1);

	flushes = the_unit->flushes;
	amd_liveupdate_ops.finish_unit(&the_unit->iommu.iommu);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 1, 0), LAST_BDF + 1);
	KUNIT_EXPECT_EQ(test, count_dtes(table, 2, DTE_IRQ_REMAP_ENABLE), LAST_BDF);
	KUNIT_EXPECT_GT(test, the_unit->flushes, flushes);

	/* Nothing else has changed. */
	KUNIT_EXPECT_EQ(test, count_dtes(table, 0, DTE_FLAG_V | DTE_FLAG_TV), LAST_BDF);
	KUNIT_EXPECT_EQ(test, table[SOURCE + 1].data[0], direct);
	KUNIT_EXPECT_EQ(test, table[SOURCE].data[2], interrupts);
}

static int units_init(struct kunit *test)
{
	fake_unit_init(test, AMD_IOMMU_GUEST_IR_VAPIC);
	return 0;
}

static struct kunit_case units_test_cases[] = {
	KUNIT_CASE(only_interrupts_of_preserved_devices_stay),
	KUNIT_CASE(device_with_a_unity_map_goes_on),
	KUNIT_CASE(nobody_keeps_access_to_all_memory),
	KUNIT_CASE_PARAM(device_table_stays_where_it_is, unit_change_gen_params),
	KUNIT_CASE(only_the_table_of_an_entry_is_taken_over),
	KUNIT_CASE_PARAM(devices_are_stopped_before_a_unit_is_disabled, table_change_gen_params),
	KUNIT_CASE(unit_with_a_table_of_its_own_is_disabled),
	KUNIT_CASE(devices_are_stopped_before_their_dma_is_not_translated),
	KUNIT_CASE(faults_are_reported_if_dma_cannot_be_set_up),
	KUNIT_CASE(endpoint_is_stopped_early_with_a_reason),
	KUNIT_CASE_PARAM(mode_is_that_of_the_unit, mode_change_gen_params),
	KUNIT_CASE(unit_found_enabled_determines_the_mode),
	KUNIT_CASE_PARAM(command_buffer_of_a_stopped_cpu_can_be_used, stopped_gen_params),
	KUNIT_CASE(modes_are_cleared_with_the_unit),
	KUNIT_CASE(faults_are_reported_after_finish),
	{ }
};

static struct kunit_suite units_test_suite = {
	.name		= "irq_liveupdate_amd_units",
	.init		= units_init,
	.test_cases	= units_test_cases,
};

kunit_test_suite(units_test_suite);

MODULE_DESCRIPTION("KUnit tests of AMD-Vi units in a live update");
MODULE_LICENSE("GPL");
