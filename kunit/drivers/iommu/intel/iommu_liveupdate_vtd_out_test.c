// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the tables of a VT-d unit that is handed over: preserved, and closed when the
 * kernel shuts down.
 */

#include <kunit/test.h>

#include "kunit_fake_tables.h"

static void closes_a_translated_entry(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	*entry_of(ID) = TRANSLATED;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	observe(test, entry_of(ID));

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	expect_seen_only(test, TRANSLATED, CLOSED);
	expect_entry(test, entry_of(ID), CLOSED);
	unpreserve();
}

static void closes_all_entries(struct kunit *test)
{
	unsigned int devfn;

	setup_unit(test, FAKE_ECAP_PT, false);
	*entry_of(ID) = PASS_THROUGH;
	KUNIT_ASSERT_EQ(test, 0, preserve());

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	for (devfn = 0; devfn < 256; devfn++)
		expect_entry(test, entry_of(PCI_DEVID(BUS, devfn)), CLOSED);
	unpreserve();
}

static void leaves_the_entry_of_a_device_with_mappings(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	unit->stays = ID;
	*entry_of(ID) = TRANSLATED;
	*entry_of(ID + 1) = TRANSLATED;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	observe(test, entry_of(ID));

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	KUNIT_EXPECT_EQ(test, 0, unit->nr_seen);
	expect_entry(test, entry_of(ID), TRANSLATED);
	expect_entry(test, entry_of(ID + 1), CLOSED);
	unpreserve();
}

static void leaves_the_entry_of_a_device_with_mappings_in_scalable_mode(struct kunit *test)
{
	const struct context_entry left = CONTEXT(0x1000 | 1, 0);

	setup_unit(test, FAKE_ECAP_PT, true);
	unit->stays = UPPER_ID;
	*entry_of(ID) = left;
	*entry_of(UPPER_ID) = left;
	KUNIT_ASSERT_EQ(test, 0, preserve());

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	expect_entry(test, entry_of(ID), CLOSED);
	expect_entry(test, entry_of(UPPER_ID), left);
	unpreserve();
}

static void closes_all_entries_in_scalable_mode(struct kunit *test)
{
	unsigned int devfn;

	setup_unit(test, FAKE_ECAP_PT, true);
	*entry_of(PCI_DEVID(BUS, 0x01)) = CONTEXT(0x1000 | 1, 0);
	*entry_of(PCI_DEVID(BUS, 0xf1)) = CONTEXT(0x1000 | 1, 0);
	KUNIT_ASSERT_EQ(test, 0, preserve());

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	for (devfn = 0; devfn < 256; devfn++)
		expect_entry(test, entry_of(PCI_DEVID(BUS, devfn)), CLOSED);
	unpreserve();
}

static void closes_a_bus_without_preserved_table(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	set_table(test, OTHER_BUS);

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	KUNIT_EXPECT_EQ(test, 0, unit->iommu.root_entry[OTHER_BUS].lo);
	KUNIT_EXPECT_NE(test, 0, unit->iommu.root_entry[BUS].lo);
	unpreserve();
}

static void leaves_a_unit_alone_which_is_not_preserved(struct kunit *test)
{
	setup_unit(test, 0, false);
	*entry_of(ID) = TRANSLATED;

	KUNIT_EXPECT_FALSE(test, intel_liveupdate_close_all(&unit->iommu));
	expect_entry(test, entry_of(ID), TRANSLATED);
}

/* What is invalidated while the entry is present can be cached again. */
static void close_all_invalidates(struct kunit *test, struct context_entry left, const u8 *types,
				  unsigned int nr_types)
{
	*entry_of(ID) = left;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	unit->entry = entry_of(ID);

	intel_liveupdate_close_all(&unit->iommu);
	expect_entry(test, entry_of(ID), CLOSED);
	KUNIT_EXPECT_FALSE(test, unit->open_at_flush);
	KUNIT_EXPECT_EQ(test, nr_types, unit->nr_types);
	KUNIT_EXPECT_MEMEQ(test, unit->types, types, nr_types);
	unpreserve();
}

static void invalidates_after_the_last_store(struct kunit *test)
{
	static const u8 types[] = { QI_CC_TYPE, QI_IOTLB_TYPE };

	setup_unit(test, FAKE_ECAP_PT, false);
	close_all_invalidates(test, TRANSLATED, types, ARRAY_SIZE(types));
}

static void invalidates_pasid_entries_in_scalable_mode(struct kunit *test)
{
	static const u8 types[] = { QI_CC_TYPE, QI_PC_TYPE, QI_IOTLB_TYPE };

	setup_unit(test, FAKE_ECAP_PT, true);
	close_all_invalidates(test, CONTEXT(0x1000 | 1, 0), types, ARRAY_SIZE(types));
}

static void invalidates_again_when_another_device_spoils_it(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	unit->spoiled = 2;

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_EQ(test, 0, unit->spoiled);
	KUNIT_EXPECT_EQ(test, 6, unit->nr_types);
	unpreserve();
}

/* The upper half of a fault recording register, which has F */
static u64 fault_record(unsigned int i)
{
	return readq(unit->iommu.reg + FAULT_RECORDS + 16 * i + 8);
}

/* Bits that are cleared by writing 1: the fake registers show what was written. */
static void clears_the_faults_of_this_kernel(struct kunit *test)
{
	unsigned int i;

	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());

	intel_liveupdate_close_all(&unit->iommu);
	for (i = 0; i < NR_FAULT_RECORDS; i++)
		KUNIT_EXPECT_EQ(test, fault_record(i), BIT_ULL(63));
	KUNIT_EXPECT_EQ(test, fault_record(NR_FAULT_RECORDS), 0);
	KUNIT_EXPECT_EQ(test, readl(unit->iommu.reg + DMAR_FSTS_REG),
			DMA_FSTS_PFO | DMA_FSTS_PPF | DMA_FSTS_PRO);
	unpreserve();
}

/* What was written before the first command */
static u32 status_at_command;

static void emulate_command(struct perf_event *bp, struct perf_sample_data *data,
			    struct pt_regs *regs)
{
	if (!unit->nr_commands++)
		status_at_command = readl(unit->iommu.reg + DMAR_FSTS_REG);
	writel(readl(unit->iommu.reg + DMAR_GCMD_REG), unit->iommu.reg + DMAR_GSTS_REG);
}

static const struct stopped {
	const char	*name;
	bool		locked;
	int		free_cnt;
	int		nr_commands;
} stops[] = {
	{ "elsewhere", false, QI_LENGTH, 0 },
	{ "with the lock", true, QI_LENGTH, 2 },
	{ "while it waits", false, 0, 2 },
};

KUNIT_ARRAY_PARAM_DESC(stopped, stops, name);

/* Where an NMI has stopped another CPU */
static void queue_of_a_stopped_cpu_can_be_used(struct kunit *test)
{
	const struct stopped *stopped = test->param_value;
	struct q_inval *qi;

	setup_unit(test, FAKE_ECAP_PT | FAKE_ECAP_QI, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	qi = alloc_queue(test);
	qi->free_cnt = stopped->free_cnt;
	if (stopped->locked)
		arch_spin_lock(&qi->q_lock.raw_lock);
	unit->iommu.qi = qi;
	unit->iommu.gcmd = DMA_GCMD_QIE;
	writel(DMA_GSTS_QIES, unit->iommu.reg + DMAR_GSTS_REG);
	watch(test, (void __force *)unit->iommu.reg + DMAR_GCMD_REG, HW_BREAKPOINT_LEN_4,
	      emulate_command, unit);

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_GT(test, unit->nr_types, 0);
	KUNIT_EXPECT_FALSE(test, unit->stuck);
	KUNIT_EXPECT_EQ(test, unit->nr_commands, stopped->nr_commands);
	if (stopped->nr_commands)
		KUNIT_EXPECT_EQ(test, status_at_command, DMA_FSTS_ITE);
	KUNIT_EXPECT_TRUE(test, readl(unit->iommu.reg + DMAR_GSTS_REG) & DMA_GSTS_QIES);
	unpreserve();
}

static void writes_entries_back_when_the_unit_does_not_snoop(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	*entry_of(ID) = TRANSLATED;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	observe(test, entry_of(ID));

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_GT(test, unit->nr_seen, 0);
	KUNIT_EXPECT_FALSE(test, unit->dirty_at_flush);
	unpreserve();
}

/* Of a bus without a preserved table; root entries and context entries have the same size. */
static void writes_the_root_table_back_when_the_unit_does_not_snoop(struct kunit *test)
{
	static_assert(sizeof(struct root_entry) == sizeof(struct context_entry));

	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	set_table(test, OTHER_BUS);
	observe(test, (struct context_entry *)&unit->iommu.root_entry[OTHER_BUS]);

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_GT(test, unit->nr_seen, 0);
	KUNIT_EXPECT_FALSE(test, unit->dirty_at_flush);
	unpreserve();
}

static void opens_the_entry_of_a_device_with_rmrr(struct kunit *test)
{
	struct context_entry direct = PASS_THROUGH;

	setup_unit(test, FAKE_ECAP_PT, false);
	unit->has_rmrr = true;
	direct.hi |= unit->iommu.msagaw;
	*entry_of(RMRR_ID) = TRANSLATED;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	observe(test, entry_of(RMRR_ID));

	intel_liveupdate_close_all(&unit->iommu);
	expect_seen_only(test, TRANSLATED, direct);
	expect_entry(test, entry_of(RMRR_ID), direct);
	unpreserve();
}

/* This kernel has blocked the device, so firmware does no DMA with it. */
static void closes_the_entry_of_a_device_with_rmrr_that_is_not_present(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	unit->has_rmrr = true;
	KUNIT_ASSERT_EQ(test, 0, preserve());

	intel_liveupdate_close_all(&unit->iommu);
	expect_entry(test, entry_of(RMRR_ID), CLOSED);
	unpreserve();
}

static void opens_the_entry_of_a_device_with_rmrr_in_scalable_mode(struct kunit *test)
{
	struct pasid_entry *pasid;

	setup_unit(test, FAKE_ECAP_PT, true);
	unit->has_rmrr = true;
	*entry_of(RMRR_ID) = CONTEXT(0x1000 | 1, 0);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	intel_liveupdate_close_all(&unit->iommu);

	KUNIT_EXPECT_EQ(test, unit->ser.pasid_dir | 1, entry_of(RMRR_ID)->lo);
	KUNIT_EXPECT_EQ(test, 0, entry_of(RMRR_ID)->hi);
	pasid = pasid_entry_of(entry_of(RMRR_ID));
	KUNIT_ASSERT_NOT_NULL(test, pasid);
	KUNIT_EXPECT_TRUE(test, pasid_pte_is_present(pasid));
	KUNIT_EXPECT_EQ(test, PASID_ENTRY_PGTT_PT, pasid_pte_get_pgtt(pasid));
	unpreserve();
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
}

static bool fake_has_rmrr(struct device *dev)
{
	return true;
}

/* A graphics or USB device, for which an RMRR does not count when a user gets it */
static void firmware_does_not_use_a_device_in_a_live_update(struct kunit *test)
{
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	kunit_activate_static_stub(test, intel_iommu_has_rmrr, fake_has_rmrr);
	KUNIT_EXPECT_TRUE(test, intel_lu_firmware_uses(pdev));
	set_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags);
	KUNIT_EXPECT_FALSE(test, intel_lu_firmware_uses(pdev));
	clear_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_FALSE(test, intel_lu_firmware_uses(pdev));
}

/* A bridge, and a device behind it */
struct fake_segment {
	struct pci_sysdata	sysdata;
	struct pci_bus		upper_bus;
	struct pci_bus		bus;
	struct pci_dev		bridge;
	struct pci_dev		pdev;
};

static struct fake_segment *alloc_segment(struct kunit *test, int domain)
{
	struct fake_segment *segment = kunit_kzalloc(test, sizeof(*segment), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, segment);
	segment->sysdata.domain = domain;
	segment->upper_bus.sysdata = &segment->sysdata;
	segment->bus.sysdata = &segment->sysdata;
	segment->bus.number = BUS;
	segment->bus.busn_res.end = BUS;
	segment->bridge.bus = &segment->upper_bus;
	segment->bridge.subordinate = &segment->bus;
	segment->bridge.dev.bus = &pci_bus_type;
	segment->pdev.bus = &segment->bus;
	segment->pdev.dev.bus = &pci_bus_type;
	return segment;
}

/* The RMRR of the bridge does not count for a device whose bus only has the same number. */
static void device_of_another_segment_is_not_behind_a_bridge(struct kunit *test)
{
	struct fake_segment *segment = alloc_segment(test, 0);
	struct fake_segment *other = alloc_segment(test, 1);

	KUNIT_EXPECT_TRUE(test, is_downstream_to_pci_bridge(&segment->pdev.dev,
							    &segment->bridge.dev));
	KUNIT_EXPECT_TRUE(test, is_downstream_to_pci_bridge(&other->pdev.dev,
							    &other->bridge.dev));
	KUNIT_EXPECT_FALSE(test, is_downstream_to_pci_bridge(&segment->pdev.dev,
							     &other->bridge.dev));
	KUNIT_EXPECT_FALSE(test, is_downstream_to_pci_bridge(&other->pdev.dev,
							     &segment->bridge.dev));
}

/* The one of the neighbours that has the id of the other one as an alias */
static unsigned int with_rmrr;

static bool fake_neighbour_has_rmrr(struct device *dev)
{
	return dev == &neighbours[with_rmrr]->dev;
}

/* As behind a bridge from PCIe to PCI; the first of the two devices is looked at first. */
static void alias_of_a_device_with_rmrr_is_closed(struct kunit *test)
{
	unsigned long *direct = kunit_kzalloc(test, SZ_64K / BITS_PER_BYTE, GFP_KERNEL);
	unsigned long *mask = bitmap_zalloc(MAX_NR_DEVFNS, GFP_KERNEL);
	struct pci_dev *preserved;

	KUNIT_ASSERT_NOT_NULL(test, direct);
	KUNIT_ASSERT_NOT_NULL(test, mask);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_bitmap, mask));
	setup_unit(test, FAKE_ECAP_PT, true);
	kunit_deactivate_static_stub(test, intel_lu_find_direct);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_behind);
	kunit_activate_static_stub(test, intel_iommu_has_rmrr, fake_neighbour_has_rmrr);
	find_neighbours(test);

	for (with_rmrr = 0; with_rmrr < ARRAY_SIZE(neighbours); with_rmrr++) {
		preserved = neighbours[!with_rmrr];
		bitmap_zero(mask, MAX_NR_DEVFNS);
		set_bit(preserved->devfn, mask);
		neighbours[with_rmrr]->dma_alias_mask = mask;
		preserved->dma_alias_mask = NULL;

		bitmap_zero(direct, SZ_64K);
		intel_lu_find_direct(&unit->iommu, direct);
		KUNIT_EXPECT_TRUE(test, test_bit(pci_dev_id(preserved), direct));

		bitmap_zero(direct, SZ_64K);
		set_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &preserved->priv_flags);
		intel_lu_find_direct(&unit->iommu, direct);
		clear_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &preserved->priv_flags);
		KUNIT_EXPECT_FALSE(test, test_bit(pci_dev_id(preserved), direct));
		KUNIT_EXPECT_TRUE(test, test_bit(pci_dev_id(neighbours[with_rmrr]), direct));
	}
}

static unsigned int count_lookups(struct kunit *test)
{
	unsigned long *direct = kunit_kzalloc(test, SZ_64K / BITS_PER_BYTE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, direct);
	unit->nr_lookups = 0;
	intel_lu_find_direct(&unit->iommu, direct);
	return unit->nr_lookups;
}

/* It takes longer than the other conditions, and a host may have thousands of functions. */
static void unit_is_only_looked_up_for_devices_that_matter(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	kunit_deactivate_static_stub(test, intel_lu_find_direct);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_behind);
	kunit_activate_static_stub(test, intel_iommu_has_rmrr, fake_neighbour_has_rmrr);
	find_neighbours(test);
	with_rmrr = 0;
	KUNIT_EXPECT_EQ(test, count_lookups(test), 1);

	set_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &neighbours[1]->priv_flags);
	KUNIT_EXPECT_EQ(test, count_lookups(test), 2);

	unit->iommu.segment++;
	KUNIT_EXPECT_EQ(test, count_lookups(test), 0);
}

/* Nothing is mapped for it, and its entry is present nevertheless. */
static void closes_the_entry_of_a_preserved_device_with_rmrr_in_scalable_mode(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, true);
	unit->has_rmrr = true;
	*entry_of(RMRR_ID) = CONTEXT(0x1000 | 1, 0);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	/* It is the second device that is preserved. */
	unit->has_rmrr = false;
	KUNIT_ASSERT_EQ(test, 0, preserve());

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_FALSE(test, context_present(entry_of(RMRR_ID)));
	unpreserve();
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
}

static void refuses_rmrr_without_pass_through(struct kunit *test)
{
	setup_unit(test, 0, false);
	unit->has_rmrr = true;

	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, preserve());
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
	KUNIT_EXPECT_NULL(test, unit->iommu.liveupdate);
}

static void preserves_each_table_once(struct kunit *test)
{
	int nr;

	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	nr = unit->nr_preserved;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	KUNIT_EXPECT_EQ(test, nr, unit->nr_preserved);

	set_table(test, OTHER_BUS);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	KUNIT_EXPECT_EQ(test, nr + 1, unit->nr_preserved);

	unpreserve();
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
}

/* What the first device has handed over stays as its record says. */
static void keeps_the_list_when_a_further_device_fails(struct kunit *test)
{
	const u64 *tables;

	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	tables = phys_to_virt(unit->ser.tables);

	set_table(test, OTHER_BUS);
	set_table(test, OTHER_BUS + 1);
	unit->max_preserved = unit->nr_preserved + 1;
	KUNIT_EXPECT_EQ(test, -ENOMEM, preserve());
	KUNIT_EXPECT_EQ(test, unit->max_preserved - 1, unit->nr_preserved);
	KUNIT_EXPECT_EQ(test, iommu_lu_tables_checksum(tables), unit->ser.tables_checksum);

	unpreserve();
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
}

static struct kunit_case vtd_out_cases[] = {
	KUNIT_CASE(closes_a_translated_entry),
	KUNIT_CASE(closes_all_entries),
	KUNIT_CASE(leaves_the_entry_of_a_device_with_mappings),
	KUNIT_CASE(leaves_the_entry_of_a_device_with_mappings_in_scalable_mode),
	KUNIT_CASE(closes_all_entries_in_scalable_mode),
	KUNIT_CASE(closes_a_bus_without_preserved_table),
	KUNIT_CASE(leaves_a_unit_alone_which_is_not_preserved),
	KUNIT_CASE(invalidates_after_the_last_store),
	KUNIT_CASE(invalidates_pasid_entries_in_scalable_mode),
	KUNIT_CASE(invalidates_again_when_another_device_spoils_it),
	KUNIT_CASE(clears_the_faults_of_this_kernel),
	KUNIT_CASE_PARAM(queue_of_a_stopped_cpu_can_be_used, stopped_gen_params),
	KUNIT_CASE(writes_entries_back_when_the_unit_does_not_snoop),
	KUNIT_CASE(writes_the_root_table_back_when_the_unit_does_not_snoop),
	KUNIT_CASE(opens_the_entry_of_a_device_with_rmrr),
	KUNIT_CASE(closes_the_entry_of_a_device_with_rmrr_that_is_not_present),
	KUNIT_CASE(opens_the_entry_of_a_device_with_rmrr_in_scalable_mode),
	KUNIT_CASE(firmware_does_not_use_a_device_in_a_live_update),
	KUNIT_CASE(device_of_another_segment_is_not_behind_a_bridge),
	KUNIT_CASE(alias_of_a_device_with_rmrr_is_closed),
	KUNIT_CASE(unit_is_only_looked_up_for_devices_that_matter),
	KUNIT_CASE(closes_the_entry_of_a_preserved_device_with_rmrr_in_scalable_mode),
	KUNIT_CASE(refuses_rmrr_without_pass_through),
	KUNIT_CASE(preserves_each_table_once),
	KUNIT_CASE(keeps_the_list_when_a_further_device_fails),
	{ }
};

static struct kunit_suite vtd_out_suite = {
	.name		= "irq_liveupdate_vtd_dma_out",
	.test_cases	= vtd_out_cases,
};

kunit_test_suite(vtd_out_suite);

MODULE_DESCRIPTION("KUnit tests of handing over the tables of a VT-d unit");
MODULE_LICENSE("GPL");
