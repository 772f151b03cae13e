// SPDX-License-Identifier: GPL-2.0

/*
 * How time goes with the number of vectors, beyond what an emulated
 * machine has: the real core and the real VT-d code take over emulated units,
 * see fake_vtd.h, with up to 65,536 vectors of 512 devices.
 *
 * Every case prints "scale: STEP UNITS DEVICES VECTORS NANOSECONDS" for each
 * step. With -icount of QEMU a nanosecond is an instruction. lab/bench_boot.py
 * fits the exponents.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/ktime.h>
#include <linux/mm.h>

#include "fake_vtd.h"
#include "kept_memory.h"
#include "../kernel/irq/liveupdate.h"
#include "../kernel/irq/liveupdate_ser.h"

#define MAX_UNITS	8
#define DEVICE_VECTORS	128
#define FIRST_IRQ	SZ_64K

/* Register: VT-d spec r4.1 sec 11.4.10.1, S */
#define IRTA_64K	0xf

#define TABLE_ORDER	get_order(SZ_1M)

static const struct size {
	const char	*name;
	unsigned int	nr_units;
	unsigned int	nr_devices;
} sizes[] = {
	{ "1024 vectors, 1 unit",	1, 8 },
	{ "4096 vectors, 1 unit",	1, 32 },
	{ "16384 vectors, 1 unit",	1, 128 },
	{ "65536 vectors, 1 unit",	1, 512 },
	{ "65536 vectors, 8 units",	8, 512 },
};

KUNIT_ARRAY_PARAM_DESC(size, sizes, name);

/**
 * struct previous - What the previous kernel left
 * @size:	How much
 * @root:	Root and its units
 * @refs:	Device table. Device i is behind unit i % &size.nr_units
 * @devices:	Records
 * @tables:	Remapping tables
 * @units:	The units, as it left them
 * @found:	The devices, as this kernel finds them
 */
static struct previous {
	const struct size		*size;
	struct irq_lu_root_ser		*root;
	struct irq_lu_device_ref_ser	*refs;
	struct irq_lu_device_ser	**devices;
	struct irte			*tables[MAX_UNITS];
	struct fake_unit		*units[MAX_UNITS];
	struct device			*found;
} previous;

/* Above the level of what the code under test says: a console is slow. */
static void say(struct kunit *test, const char *step, u64 value)
{
	kunit_printk(KERN_NOTICE, test, "scale: %s %u %u %u %llu\n", step,
		     previous.size->nr_units, previous.size->nr_devices,
		     previous.size->nr_devices * DEVICE_VECTORS, value);
}

static bool yes(void)
{
	return true;
}

static void *map(u64 phys, size_t len)
{
	return phys_to_virt(phys);
}

static void leave(void *mem)
{
}

static const struct irq_lu_memory memory = {
	.map	= map,
	.free	= leave,
};

static struct irte *alloc_table(struct kunit *test)
{
	struct irte *base = alloc_kept(TABLE_ORDER);

	KUNIT_ASSERT_NOT_NULL(test, base);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, base));
	return base;
}

static void leave_unit(struct kunit *test, unsigned int i)
{
	struct irq_lu_unit_ser *ser = &previous.root->units[i];
	struct fake_unit *unit = alloc_unit(test);
	void __iomem *reg = unit->iommu.reg;

	previous.tables[i] = alloc_table(test);
	previous.units[i] = unit;

	/* The status is where the driver finds the command, see alloc_iommu(). */
	unit->iommu.gcmd = DMA_GCMD_IRE;
	writel(DMA_GSTS_IRES | DMA_GSTS_IRTPS, reg + DMAR_GSTS_REG);
	writeq(virt_to_phys(previous.tables[i]) | IRTA_64K, reg + DMAR_IRTA_REG);

	ser->backend = IRQ_LU_BACKEND_VTD;
	ser->reg_base = unit->iommu.reg_phys;
	ser->table = virt_to_phys(previous.tables[i]);
	ser->nr_entries = INTR_REMAP_TABLE_ENTRIES;
}

static void leave_device(struct kunit *test, unsigned int dev)
{
	u32 len = irq_lu_ser_device_len(DEVICE_VECTORS);
	struct irq_lu_device_ser *ser = kunit_kzalloc(test, len, GFP_KERNEL);
	unsigned int unit = dev % previous.size->nr_units;
	u32 handle = dev / previous.size->nr_units * DEVICE_VECTORS;

	KUNIT_ASSERT_NOT_NULL(test, ser);
	ser->devid = dev;
	ser->msi_type = IRQ_LU_MSIX;
	ser->hwsize = DEVICE_VECTORS;
	ser->nr_vectors = DEVICE_VECTORS;
	for (unsigned int vec = 0; vec < DEVICE_VECTORS; vec++) {
		ser->vectors[vec].irq = FIRST_IRQ + dev * DEVICE_VECTORS + vec;
		ser->vectors[vec].msi_index = vec;
		ser->vectors[vec].unit = unit;
		ser->vectors[vec].handle = handle + vec;
		ser->vectors[vec].source = SOURCE;
		previous.tables[unit][handle + vec] = BLOCKED;
	}
	previous.devices[dev] = ser;
	previous.refs[dev].blob = virt_to_phys(ser);
	previous.refs[dev].len = len;
}

static void *alloc_array(struct kunit *test, size_t size)
{
	void *array = kunit_kcalloc(test, previous.size->nr_devices, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, array);
	return array;
}

static int scale_test_init(struct kunit *test)
{
	if (irq_liveupdate_handed_over())
		kunit_skip(test, "this kernel was started by a live update");
	kunit_activate_static_stub(test, irq_liveupdate_handed_over, yes);

	previous.size = test->param_value;
	previous.root = kunit_kzalloc(test, IRQ_LU_ROOT_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, previous.root);
	previous.refs = alloc_array(test, sizeof(*previous.refs));
	previous.devices = alloc_array(test, sizeof(*previous.devices));
	previous.found = alloc_array(test, sizeof(*previous.found));
	previous.root->magic = IRQ_LU_MAGIC;
	previous.root->version = IRQ_LU_VERSION;
	previous.root->nr_units = previous.size->nr_units;
	previous.root->nr_devices = previous.size->nr_devices;
	previous.root->device_table = virt_to_phys(previous.refs);

	for (unsigned int i = 0; i < previous.size->nr_units; i++)
		leave_unit(test, i);
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++)
		leave_device(test, dev);
	return 0;
}

static void finish_rest(void *unused)
{
	irq_liveupdate_finish_rest();
}

/*
 * Steps
 */

static void seal(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++)
		irq_lu_ser_seal_device(previous.devices[dev]);
	irq_lu_ser_seal_root(previous.root, previous.refs);
}

static void load(struct kunit *test)
{
	irq_lu_load(virt_to_phys(previous.root), IRQ_LU_ROOT_SIZE, &memory);
}

static void take_over(struct kunit *test)
{
	for (unsigned int i = 0; i < previous.size->nr_units; i++) {
		struct fake_unit *unit = previous.units[i];

		attend(test, unit);
		KUNIT_ASSERT_EQ(test, 0, hotplug(unit, true));
		kunit_release_action(test, unwatch, unit->watches[0]);
		kunit_release_action(test, unwatch, unit->watches[1]);
	}
}

static int identify(struct device *dev, struct irq_lu_device_ser *ser)
{
	ser->devid = dev - previous.found;
	ser->msi_type = IRQ_LU_MSIX;
	ser->hwsize = DEVICE_VECTORS;
	return 0;
}

static const struct irq_liveupdate_dev_ops bus = {
	.identify	= identify,
};

static void match(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++)
		irq_liveupdate_match(&previous.found[dev], &bus);
}

/* What an allocation of each interrupt asks for */
static void look_up(struct kunit *test)
{
	unsigned int nr = previous.size->nr_devices * DEVICE_VECTORS;
	unsigned int found = 0;
	u32 target;

	for (unsigned int i = 0; i < nr; i++)
		found += irq_liveupdate_handle(FIRST_IRQ + i) >= 0 &&
			 !irq_liveupdate_target(FIRST_IRQ + i, &target);
	KUNIT_EXPECT_EQ(test, nr, found);
}

static void finish(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++)
		irq_liveupdate_finish(&previous.found[dev]);
}

/* The units hand over once more. */
static void block(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++) {
		struct fake_unit *unit = previous.units[dev % previous.size->nr_units];

		for (unsigned int vec = 0; vec < DEVICE_VECTORS; vec++)
			ops_of(unit)->block(unit->iommu.ir_domain,
					    &previous.devices[dev]->vectors[vec], 1);
	}
}

static void run(struct kunit *test, const char *name, void (*step)(struct kunit *test))
{
	u64 start = ktime_get_ns();

	step(test);
	say(test, name, ktime_get_ns() - start);
}

static unsigned int nr_held(void)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < previous.size->nr_units; i++)
		nr += bitmap_weight(previous.units[i]->iommu.ir_table->held,
				    INTR_REMAP_TABLE_ENTRIES);
	return nr;
}

static void steps(struct kunit *test)
{
	unsigned int nr = previous.size->nr_devices * DEVICE_VECTORS;

	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++)
		device_initialize(&previous.found[dev]);

	run(test, "seal", seal);
	run(test, "load", load);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, finish_rest, NULL));
	run(test, "take-over", take_over);
	KUNIT_EXPECT_EQ(test, nr, nr_held());

	run(test, "match", match);
	run(test, "look-up", look_up);
	run(test, "finish", finish);
	KUNIT_EXPECT_EQ(test, 0, nr_held());

	for (unsigned int i = 0; i < previous.size->nr_units; i++)
		alloc_blocked(test, previous.units[i]->iommu.ir_table);
	run(test, "block", block);
	for (unsigned int i = 0; i < previous.size->nr_units; i++)
		KUNIT_EXPECT_EQ(test, nr / previous.size->nr_units,
				bitmap_weight(previous.units[i]->iommu.ir_table->blocked,
					      INTR_REMAP_TABLE_ENTRIES));
}

static struct kunit_case scale_test_cases[] = {
	KUNIT_CASE_PARAM(steps, size_gen_params),
	{}
};

static struct kunit_suite scale_test_suite = {
	.name		= "irq_liveupdate_scale",
	.init		= scale_test_init,
	.test_cases	= scale_test_cases,
};

kunit_test_suite(scale_test_suite);

MODULE_DESCRIPTION("How a live update of interrupts scales");
MODULE_LICENSE("GPL");
