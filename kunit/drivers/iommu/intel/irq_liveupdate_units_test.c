// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of a kernel that takes over several VT-d units: the real core and the
 * real VT-d code, which sets up emulated units, see kunit_fake_vtd.h.
 *
 * What the previous kernel left is written by the test: records, and for each
 * unit a table in memory which KHO believes to have kept.
 */

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/mm.h>

#include "kunit_fake_posting.h"
#include "kunit_left_unit.h"
#include "../../../kernel/irq/kunit_load.h"
#include "../../../kernel/irq/liveupdate_ser.h"

#define NR_UNITS	5
#define NR_DEVICES	(2 * NR_UNITS)
#define NR_VECS		3
#define VICTIM		2

#define FIRST_IRQ	600
#define FIRST_HANDLE	0x4321

/* Register: VT-d spec r4.1 sec 11.4.10.1, S */
#define IRTA_32K	0xe

#define FOREIGN		IRTE(0x0000070000310009, SOURCE + 8)

/**
 * struct previous - What the previous kernel left
 * @root:	Root and its units, of which unit i is that of @units[i]
 * @refs:	Device table. Device i is behind unit i % %NR_UNITS
 * @devices:	Records
 * @tables:	Remapping tables
 * @units:	The units, as it left them
 */
static struct previous {
	struct irq_lu_root_ser		*root;
	struct irq_lu_device_ref_ser	*refs;
	struct irq_lu_device_ser	*devices[NR_DEVICES];
	struct irte			*tables[NR_UNITS];
	struct fake_unit		*units[NR_UNITS];
} previous;

static bool is_restored(unsigned int i)
{
	return !is_kept(previous.tables[i]);
}

static u32 handle(unsigned int dev, unsigned int vec)
{
	return FIRST_HANDLE + dev * NR_VECS + vec;
}

static unsigned int irq(unsigned int dev, unsigned int vec)
{
	return FIRST_IRQ + dev * NR_VECS + vec;
}

static struct irte *left_entry(unsigned int dev, unsigned int vec)
{
	return &previous.tables[dev % NR_UNITS][handle(dev, vec)];
}

static void leave_device(struct kunit *test, unsigned int dev)
{
	u32 len = irq_lu_ser_device_len(NR_VECS);
	struct irq_lu_device_ser *ser = kunit_kzalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	ser->devid = (SOURCE + dev) & 0xffff;
	ser->msi_type = IRQ_LU_MSIX;
	ser->hwsize = NR_VECS;
	ser->nr_vectors = NR_VECS;
	for (unsigned int vec = 0; vec < NR_VECS; vec++) {
		ser->vectors[vec].irq = irq(dev, vec);
		ser->vectors[vec].msi_index = vec;
		ser->vectors[vec].unit = dev % NR_UNITS;
		ser->vectors[vec].handle = handle(dev, vec);
		ser->vectors[vec].source = SOURCE;
		*left_entry(dev, vec) = BLOCKED;
	}
	previous.devices[dev] = ser;
	previous.refs[dev].blob = virt_to_phys(ser);
	previous.refs[dev].len = len;
}

static int units_test_init(struct kunit *test)
{
	if (irq_liveupdate_handed_over())
		kunit_skip(test, "this kernel was started by a live update");
	kunit_activate_static_stub(test, irq_liveupdate_handed_over, yes);

	previous.root = kunit_kzalloc(test, IRQ_LU_ROOT_SIZE, GFP_KERNEL);
	previous.refs = kunit_kcalloc(test, NR_DEVICES, sizeof(*previous.refs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, previous.root);
	KUNIT_ASSERT_NOT_NULL(test, previous.refs);
	strscpy(previous.root->compatible, IRQ_LU_COMPATIBLE);
	previous.root->nr_units = NR_UNITS;
	previous.root->nr_devices = NR_DEVICES;
	previous.root->device_dir = virt_to_phys(previous.refs);

	for (unsigned int i = 0; i < NR_UNITS; i++) {
		previous.units[i] = leave_unit(test, &previous.root->units[i]);
		previous.tables[i] = phys_to_virt(previous.root->units[i].table);
	}
	for (unsigned int dev = 0; dev < NR_DEVICES; dev++)
		leave_device(test, dev);
	return 0;
}

static void jump(struct kunit *test)
{
	for (unsigned int dev = 0; dev < NR_DEVICES; dev++)
		irq_lu_ser_seal_device(previous.devices[dev]);
	irq_lu_ser_seal_root(previous.root, previous.refs);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_live_update, NULL));
}

static void load(void)
{
	load_as_booted(previous.root, &left_memory);
}

/* The next kernel comes up, and has not yet looked for units. */
static void boot(struct kunit *test)
{
	jump(test);
	load();
}

static struct irte *table_in_use(struct fake_unit *unit)
{
	return phys_to_virt(readq(unit->iommu.reg + DMAR_IRTA_REG) & VTD_PAGE_MASK);
}

/* What holds for each unit that was set up, taken over or not. */
static void expect_set_up(struct kunit *test, struct fake_unit *unit)
{
	KUNIT_EXPECT_TRUE(test, readl(unit->iommu.reg + DMAR_GSTS_REG) & DMA_GSTS_IRES);
	KUNIT_EXPECT_PTR_EQ(test, table_in_use(unit), unit->iommu.ir_table->base);
	KUNIT_EXPECT_EQ(test, unit->present, 0);
	KUNIT_EXPECT_EQ(test, count_present(unit->iommu.ir_table->base), 0);
	KUNIT_EXPECT_EQ(test, unit->global, 1);
	KUNIT_EXPECT_EQ(test, unit->selective, 0);
	KUNIT_EXPECT_EQ(test, unit->waits, 1);
}

static int set_up(struct kunit *test, struct fake_unit *unit)
{
	int ret;

	attend(test, unit);
	ret = hotplug(unit, true);
	ignore(test, unit);
	KUNIT_EXPECT_FALSE(test, unit->disabled);
	if (!ret)
		expect_set_up(test, unit);
	return ret;
}

static void expect_adopted(struct kunit *test, unsigned int dev)
{
	struct ir_table *table = previous.units[dev % NR_UNITS]->iommu.ir_table;

	KUNIT_EXPECT_PTR_EQ(test, table->base, previous.tables[dev % NR_UNITS]);
	for (unsigned int vec = 0; vec < NR_VECS; vec++) {
		KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(irq(dev, vec)), handle(dev, vec));
		KUNIT_EXPECT_TRUE(test, irte_is_held(table, handle(dev, vec)));
		KUNIT_EXPECT_MEMEQ(test, left_entry(dev, vec), &BLOCKED, sizeof(BLOCKED));
	}
}

/* Number and index are free, the entry is empty, and no fault is reported. */
static void expect_cold(struct kunit *test, unsigned int dev)
{
	struct ir_table *table = previous.units[dev % NR_UNITS]->iommu.ir_table;

	for (unsigned int vec = 0; vec < NR_VECS; vec++) {
		KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(irq(dev, vec)), -1);
		if (!table)
			continue;
		KUNIT_EXPECT_FALSE(test, test_bit(handle(dev, vec), table->bitmap));
		KUNIT_EXPECT_FALSE(test, irte_is_held(table, handle(dev, vec)));
		KUNIT_EXPECT_MEMEQ(test, &table->base[handle(dev, vec)], &REVOKED,
				   sizeof(REVOKED));
	}
}

static void expect_only_cold(struct kunit *test, bool (*is_cold)(unsigned int dev))
{
	for (unsigned int dev = 0; dev < NR_DEVICES; dev++) {
		if (is_cold(dev))
			expect_cold(test, dev);
		else
			expect_adopted(test, dev);
	}
}

static bool nobody(unsigned int dev)
{
	return false;
}

static bool behind_victim(unsigned int dev)
{
	return dev % NR_UNITS == VICTIM;
}

static bool is_victim(unsigned int dev)
{
	return dev == VICTIM;
}

/*
 * Units
 */

static void set_irta(u64 bits)
{
	writeq(virt_to_phys(previous.tables[VICTIM]) | bits,
	       previous.units[VICTIM]->iommu.reg + DMAR_IRTA_REG);
}

static u64 other_mode(void)
{
	return irta_mode() ^ IRTA_EIME;
}

static void has_other_size(struct irq_lu_unit_ser *ser)
{
	set_irta(irta_mode() | IRTA_32K);
}

static void records_other_size(struct irq_lu_unit_ser *ser)
{
	ser->nr_entries = SZ_128K;
}

static void had_other_mode(struct irq_lu_unit_ser *ser)
{
	set_irta(other_mode() | IRTA_64K);
	ser->flags = flags_of_mode(other_mode());
}

static void has_other_mode(struct irq_lu_unit_ser *ser)
{
	set_irta(other_mode() | IRTA_64K);
}

static void records_other_mode(struct irq_lu_unit_ser *ser)
{
	ser->flags = flags_of_mode(other_mode());
}

static void records_other_table(struct irq_lu_unit_ser *ser)
{
	ser->table += SZ_4K;
}

static void is_not_in_the_records(struct irq_lu_unit_ser *ser)
{
	ser->reg_base++;
}

static void is_in_another_segment(struct irq_lu_unit_ser *ser)
{
	ser->segment++;
}

static void is_another_backend(struct irq_lu_unit_ser *ser)
{
	ser->backend++;
}

static const struct mismatch {
	const char	*name;
	void		(*change)(struct irq_lu_unit_ser *ser);
	bool		in_place;
} mismatches[] = {
	{ "has another size",		has_other_size,		false },
	{ "records another size",	records_other_size,	false },
	{ "had another mode",		had_other_mode,		true },
	{ "has another mode",		has_other_mode,		true },
	{ "records another mode",	records_other_mode,	true },
	{ "records another table",	records_other_table,	false },
	{ "is not in the records",	is_not_in_the_records,	false },
	{ "is in another segment",	is_in_another_segment,	false },
	{ "is another kind of unit",	is_another_backend,	false },
};

KUNIT_ARRAY_PARAM_DESC(mismatch, mismatches, name);

static void only_devices_of_a_refused_unit_are_cold(struct kunit *test)
{
	const struct mismatch *m = test->param_value;

	m->change(&previous.root->units[VICTIM]);
	previous.tables[VICTIM][FIRST_HANDLE - 1] = FOREIGN;
	boot(test);
	for (unsigned int i = 0; i < NR_UNITS; i++)
		KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[i]));

	expect_only_cold(test, behind_victim);
	KUNIT_EXPECT_EQ(test, m->in_place, is_restored(VICTIM));
	KUNIT_EXPECT_EQ(test, m->in_place,
			previous.tables[VICTIM] == table_in_use(previous.units[VICTIM]));
	KUNIT_EXPECT_EQ(test, readq(previous.units[VICTIM]->iommu.reg + DMAR_IRTA_REG) & 0xfff,
			irta_mode() | IRTA_64K);
}

static void units_are_found_in_any_order(struct kunit *test)
{
	boot(test);
	for (unsigned int i = 0; i < NR_UNITS; i++)
		KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[i * 3 % NR_UNITS]));
	expect_only_cold(test, nobody);
}

static void unit_which_never_asks_makes_its_devices_cold(struct kunit *test)
{
	boot(test);
	for (unsigned int i = 0; i < NR_UNITS; i++) {
		if (i != VICTIM)
			KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[i]));
	}
	expect_only_cold(test, behind_victim);
	KUNIT_EXPECT_FALSE(test, is_restored(VICTIM));
}

/* The unit is watched, as the queue is used. */
static void finish_unit(struct kunit *test, struct fake_unit *unit)
{
	attend(test, unit);
	ops_of(unit)->finish(unit->iommu.ir_domain);
	ignore(test, unit);
}

/* Remapping is enabled, but what the unit had was not handed over. */
static void new_unit_reports_no_faults_until_finish(struct kunit *test)
{
	struct irte *left = alloc_table(test);
	struct fake_unit *unit = alloc_unit(test);
	struct ir_table *table;

	left[FIRST_HANDLE] = FOREIGN;
	unit->iommu.gcmd = DMA_GCMD_IRE;
	writel(DMA_GSTS_IRES | DMA_GSTS_IRTPS, unit->iommu.reg + DMAR_GSTS_REG);
	writeq(virt_to_phys(left) | irta_mode() | IRTA_64K, unit->iommu.reg + DMAR_IRTA_REG);

	boot(test);
	KUNIT_ASSERT_EQ(test, 0, set_up(test, unit));
	for (unsigned int i = 0; i < NR_UNITS; i++)
		KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[i]));

	table = unit->iommu.ir_table;
	KUNIT_EXPECT_PTR_NE(test, table->base, left);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(table->bitmap, INTR_REMAP_TABLE_ENTRIES));
	for (unsigned int i = 0; i < INTR_REMAP_TABLE_ENTRIES; i++) {
		if (table->base[i].irte != REVOKED.irte)
			KUNIT_FAIL(test, "entry %#x", i);
	}
	expect_only_cold(test, nobody);

	finish_unit(test, unit);
	KUNIT_EXPECT_EQ(test, unit->global, 2);
	KUNIT_EXPECT_NULL(test, memchr_inv(table->base, 0, SZ_1M));
}

static void only_reserved_entries_report_no_faults_after_finish(struct kunit *test)
{
	struct fake_unit *unit = previous.units[VICTIM];
	struct irte *table = previous.tables[VICTIM];
	unsigned int held = 0;

	table[0] = FOREIGN;
	boot(test);
	for (unsigned int i = 0; i < NR_UNITS; i++)
		KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[i]));
	KUNIT_EXPECT_MEMEQ(test, &table[0], &REVOKED, sizeof(REVOKED));

	finish_unit(test, unit);
	expect_only_cold(test, nobody);
	for (unsigned int i = 0; i < INTR_REMAP_TABLE_ENTRIES; i++) {
		if (irte_is_held(unit->iommu.ir_table, i))
			held++;
		else if (table[i].irte)
			KUNIT_FAIL(test, "entry %#x", i);
	}
	KUNIT_EXPECT_EQ(test, held, NR_DEVICES / NR_UNITS * NR_VECS);
}

static void table_in_use_is_not_freed_when_set_up_fails(struct kunit *test)
{
	struct fake_unit *unit = previous.units[VICTIM];
	struct page *page = virt_to_page(previous.tables[VICTIM]);

	unit->iommu.ecap &= ~FAKE_ECAP_QI;
	boot(test);
	for (unsigned int i = 0; i < NR_UNITS; i++)
		KUNIT_EXPECT_EQ(test, i == VICTIM, !!set_up(test, previous.units[i]));

	KUNIT_EXPECT_NULL(test, unit->iommu.ir_table);
	expect_only_cold(test, behind_victim);
	KUNIT_EXPECT_PTR_EQ(test, table_in_use(unit), previous.tables[VICTIM]);
	KUNIT_EXPECT_TRUE(test, is_restored(VICTIM));
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	if (page_count(page) == 1)
		iommu_free_pages(previous.tables[VICTIM]);
}

static void unit_which_is_torn_down_makes_its_devices_cold(struct kunit *test)
{
	struct intel_iommu *iommu = &previous.units[VICTIM]->iommu;

	boot(test);
	for (unsigned int i = 0; i < NR_UNITS; i++)
		KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[i]));
	expect_only_cold(test, nobody);

	/* As when another unit fails: nobody asks whether entries are in use. */
	remove_unit(previous.units[VICTIM]);
	iommu->qi = NULL;
	KUNIT_EXPECT_NULL(test, iommu->ir_table);
	expect_only_cold(test, behind_victim);
}

/*
 * Entries
 */

static const struct alteration {
	const char	*name;
	struct irte	entry;
} alterations[] = {
	{ "present",			IRTE(3, SOURCE) },
	{ "remapped",			IRTE(0x0000070000310009, SOURCE) },
	{ "posted",			IRTE(0x89abcdc00041c001, BIT_ULL(33) | SOURCE) },
	{ "not present, posted",	IRTE(0x8002, SOURCE) },
	{ "half of a descriptor",	IRTE(2, BIT_ULL(33) | SOURCE) },
	{ "reports faults",		IRTE(0, SOURCE) },
	{ "empty",			IRTE(0, 0) },
	{ "another source id",		IRTE(2, SOURCE + 8) },
	{ "another qualifier",		IRTE(2, SOURCE | BIT(16)) },
	{ "verifies the bus",		IRTE(2, SOURCE ^ (BIT(18) | BIT(19))) },
	{ "verifies nothing",		IRTE(2, SOURCE ^ BIT(18)) },
};

KUNIT_ARRAY_PARAM_DESC(alteration, alterations, name);

/* An entry that is already empty does not change. */
static void device_with_an_altered_entry_is_cold(struct kunit *test)
{
	const struct alteration *a = test->param_value;
	struct irte *altered = left_entry(VICTIM, NR_VECS - 1);

	*altered = a->entry;
	boot(test);
	for (unsigned int i = 0; i < NR_UNITS; i++)
		KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[i]));

	if (!a->entry.irte) {
		KUNIT_EXPECT_EQ(test, altered->irte, 0);
		*altered = REVOKED;
	}
	expect_only_cold(test, is_victim);
}

/*
 * From start to end
 */

/* The previous kernel blocks an interrupt, whose entry and record are kept. */
static void hand_over(struct kunit *test, const struct posting *p)
{
	struct irq_lu_vector_ser *rec = &previous.devices[VICTIM]->vectors[0];
	struct fake_unit *unit = alloc_unit(test);
	struct irq_domain *d;
	struct irq_data *irqd;
	u32 blocked;

	attend(test, unit);
	KUNIT_ASSERT_EQ(test, 0, hotplug(unit, true));
	alloc_blocked(test, unit->iommu.ir_table);
	d = unit->iommu.ir_domain;
	irqd = alloc_irqs(test, 1);
	start(test, irqd, p);
	ops_of(unit)->save(d, irqd, rec);
	blocked = rec->handle;
	ops_of(unit)->block(d, rec, 1);
	ops_of(unit)->sync(d);
	irq_set_vcpu_affinity(irqd->irq, NULL);
	irq_domain_deactivate_irq(irqd);
	free_irq_of(test, irqd);

	rec->handle = handle(VICTIM, 0);
	*left_entry(VICTIM, 0) = unit->iommu.ir_table->base[blocked];
	ignore(test, unit);
}

KUNIT_ARRAY_PARAM_DESC(posting, postings, name);

static void posted_interrupt_comes_back_remapped(struct kunit *test)
{
	struct fake_unit *unit = previous.units[VICTIM];
	struct irq_data *irqd;
	struct irte entry;

	hand_over(test, test->param_value);
	boot(test);
	for (unsigned int i = 0; i < NR_UNITS; i++)
		KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[i]));
	expect_only_cold(test, nobody);

	attend(test, unit);
	irqd = alloc_irqs_at(test, irq(VICTIM, 0), 1);
	KUNIT_EXPECT_EQ(test, handle_of(unit, irqd), handle(VICTIM, 0));

	/* Vector and CPU are known when the interrupt is started. */
	entry = ((struct intel_ir_data *)irqd->chip_data)->irte_entry;
	observe(test, handle(VICTIM, 0), entry);
	KUNIT_ASSERT_EQ(test, 0, irq_domain_activate_irq(irqd, false));
	entry = ((struct intel_ir_data *)irqd->chip_data)->irte_entry;
	KUNIT_EXPECT_FALSE(test, entry.pst);
	KUNIT_EXPECT_TRUE(test, entry.present);
	KUNIT_EXPECT_EQ(test, entry.high, SOURCE);
	KUNIT_EXPECT_MEMEQ(test, left_entry(VICTIM, 0), &entry, sizeof(entry));
	KUNIT_EXPECT_MEMEQ(test, &unit->cached, &entry, sizeof(entry));
	KUNIT_EXPECT_EQ(test, unit->steps, 1);
	KUNIT_EXPECT_EQ(test, unit->selective, 1);
	KUNIT_EXPECT_EQ(test, unit->global, 0);
	KUNIT_EXPECT_EQ(test, unit->waits, 1);
	KUNIT_EXPECT_EQ(test, count_present(unit->iommu.ir_table->base), 1);
	KUNIT_EXPECT_FALSE(test, unit->unverified);
	irq_domain_deactivate_irq(irqd);
}

/*
 * Failing allocations. Each is a parameter of the test, because the unit, its
 * table and the records are used up.
 *
 * If a cache allocates a page in between, all later allocations move by one,
 * and one of them could be left out. Hence the rounds.
 */

#define NEIGHBOUR	(VICTIM + 1)
#define NR_ROUNDS	3

/**
 * struct walk - The way to the last allocation
 * @round:	How often it was walked before
 * @nth:	Allocation that is to fail
 * @hit:	That allocation was reached
 * @nr_hit:	How many allocations have failed
 * @nr_failed:	How often the unit could not be set up at first
 * @nr_cold:	How often a device behind it started cold
 */
static struct walk {
	unsigned int	round;
	unsigned int	nth;
	bool		hit;
	unsigned int	nr_hit;
	unsigned int	nr_failed;
	unsigned int	nr_cold;
} walk;

static const void *walk_gen_params(struct kunit *test, const void *prev, char *desc)
{
	if (!prev)
		walk = (struct walk){ .hit = true };

	if (!walk.hit || walk.nth == MAX_ALLOCATIONS) {
		/* If no allocation can fail, there is nothing to walk. */
		if (!walk.nr_hit || ++walk.round == NR_ROUNDS)
			return NULL;
		walk.nth = 0;
	}

	walk.nth++;
	walk.hit = false;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "allocation %u", walk.nth);
	return &walk;
}

/* Loads the records, and sets up the unit. */
static int set_up_failing(struct kunit *test, struct fake_unit *unit)
{
	unsigned int left;
	int ret;

	fail_nth(walk.nth);
	load();
	left = pause_failing();

	attend(test, unit);
	fail_nth(left);
	ret = hotplug(unit, true);
	walk.hit = stop_failing();
	ignore(test, unit);
	return ret;
}

static bool is_adopted(unsigned int dev)
{
	return irq_liveupdate_handle(irq(dev, 0)) != -1;
}

static bool is_not_adopted(unsigned int dev)
{
	return !is_adopted(dev);
}

/* The unit still uses the table of the previous kernel, and nobody else may use it. */
static void expect_table_is_lost(struct kunit *test, struct fake_unit *unit)
{
	struct irte *table = previous.tables[VICTIM];

	KUNIT_EXPECT_NULL(test, unit->iommu.ir_table);
	KUNIT_EXPECT_PTR_EQ(test, table_in_use(unit), table);
	KUNIT_EXPECT_EQ(test, page_count(virt_to_page(table)), 1);
}

static void expect_end_of_walk(struct kunit *test)
{
	for (unsigned int dev = VICTIM; dev < NR_DEVICES; dev += NR_UNITS)
		KUNIT_EXPECT_TRUE(test, is_adopted(dev));
	KUNIT_EXPECT_GT(test, walk.nr_failed, 0);
	KUNIT_EXPECT_GT(test, walk.nr_cold, 0);
	kunit_info(test, "round %u: %u allocations failed so far: %u times no unit at first, %u times a device was cold",
		   walk.round + 1, walk.nr_hit, walk.nr_failed, walk.nr_cold);
}

/* The second time KHO warns, because it has given the table back already. */
static void set_up_again(struct kunit *test, struct fake_unit *unit)
{
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, 0, set_up(test, unit));
		KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
	}
}

static void failing_set_up_leaves_nothing_behind(struct kunit *test)
{
	struct fake_unit *unit = previous.units[VICTIM];
	struct irte *table = previous.tables[VICTIM];
	bool was_restored;
	int ret;

	init_failing(test);
	table[FIRST_HANDLE - 1] = FOREIGN;
	jump(test);
	ret = set_up_failing(test, unit);
	was_restored = is_restored(VICTIM);
	KUNIT_EXPECT_FALSE(test, unit->disabled);
	if (ret) {
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_TRUE(test, walk.hit);
		expect_table_is_lost(test, unit);
		set_up_again(test, unit);
	} else {
		expect_set_up(test, unit);
	}
	KUNIT_EXPECT_EQ(test, 0, set_up(test, previous.units[NEIGHBOUR]));

	expect_only_cold(test, is_not_adopted);
	if (ret && was_restored) {
		for (unsigned int dev = VICTIM; dev < NR_DEVICES; dev += NR_UNITS)
			KUNIT_EXPECT_FALSE(test, is_adopted(dev));
		iommu_free_pages(table);
	}

	walk.nr_hit += walk.hit;
	walk.nr_failed += !!ret;
	for (unsigned int dev = VICTIM; dev < NR_DEVICES; dev += NR_UNITS)
		walk.nr_cold += !is_adopted(dev);
	if (!walk.hit)
		expect_end_of_walk(test);
}

static struct kunit_case units_test_cases[] = {
	KUNIT_CASE_PARAM(only_devices_of_a_refused_unit_are_cold, mismatch_gen_params),
	KUNIT_CASE(units_are_found_in_any_order),
	KUNIT_CASE(unit_which_never_asks_makes_its_devices_cold),
	KUNIT_CASE(new_unit_reports_no_faults_until_finish),
	KUNIT_CASE(only_reserved_entries_report_no_faults_after_finish),
	KUNIT_CASE(table_in_use_is_not_freed_when_set_up_fails),
	KUNIT_CASE(unit_which_is_torn_down_makes_its_devices_cold),
	KUNIT_CASE_PARAM(device_with_an_altered_entry_is_cold, alteration_gen_params),
	KUNIT_CASE_PARAM(posted_interrupt_comes_back_remapped, posting_gen_params),
	KUNIT_CASE_PARAM(failing_set_up_leaves_nothing_behind, walk_gen_params),
	{ }
};

static struct kunit_suite units_test_suite = {
	.name		= "irq_liveupdate_vtd_units",
	.init		= units_test_init,
	.test_cases	= units_test_cases,
};

kunit_test_suite(units_test_suite);

MODULE_DESCRIPTION("KUnit tests of interrupt live update on several VT-d units");
MODULE_LICENSE("GPL");
