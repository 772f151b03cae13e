// SPDX-License-Identifier: GPL-2.0

/*
 * How time and memory scale with the number of vectors, beyond what an emulated
 * machine has: the real core and the real VT-d code take over emulated units,
 * see kunit_left_unit.h, and hand over as many vectors. With
 *
 *	irq_liveupdate_scale_test.full=1
 *
 * there are up to 65,536 vectors of 512 devices. Without it there are few, and the
 * suite only shows that all steps still work.
 *
 * Every case prints "scale: STEP UNITS DEVICES VECTORS NANOSECONDS" for each
 * step, and "memory: STEP UNITS DEVICES VECTORS BYTES" for those that take
 * memory. With -icount of QEMU a nanosecond is an instruction. lab/cost/boot.py
 * fits the exponents.
 *
 * No vector is activated, as no machine has CPUs for so many. A device that is
 * taken over is a fake one whose vectors are allocated from the unit itself. One
 * that is handed over has a driver core device, as it needs a store of MSI
 * descriptors, and borrows the requester id of a fake one.
 */

#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/irqdomain.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/msi.h>

#include "kunit_left_unit.h"
#include "../../../kernel/irq/kunit_load.h"
#include "../../../kernel/irq/liveupdate_ser.h"

#define MAX_UNITS	8
#define DEVICE_VECTORS	128
#define FIRST_IRQ	SZ_64K

/*
 * The cold allocation searches the bitmap of its unit from the start for each entry: a
 * million instructions per vector at 65,536, more than all other steps together. Its
 * exponent can be told from three sizes.
 */
#define MAX_COLD	16384

static bool full;
module_param(full, bool, 0444);
MODULE_PARM_DESC(full, "Measure up to 65,536 vectors");

static const struct size {
	const char	*name;
	unsigned int	nr_units;
	unsigned int	nr_devices;
} few_sizes[] = {
	{ "256 vectors, 1 unit",	1, 2 },
	{ "384 vectors, 3 units",	3, 3 },
}, sizes[] = {
	{ "1024 vectors, 1 unit",	1, 8 },
	{ "4096 vectors, 1 unit",	1, 32 },
	{ "16384 vectors, 1 unit",	1, 128 },
	{ "65536 vectors, 1 unit",	1, 512 },
	{ "65536 vectors, 8 units",	8, 512 },
};

KUNIT_ARRAY_PARAM_DESC(few_size, few_sizes, name);
KUNIT_ARRAY_PARAM_DESC(full_size, sizes, name);

static const void *size_gen_params(struct kunit *test, const void *prev, char *desc)
{
	return full ? full_size_gen_params(test, prev, desc) :
		      few_size_gen_params(test, prev, desc);
}

/**
 * struct previous - What the previous kernel left
 * @size:	How much
 * @root:	Root and its units
 * @refs:	Device table. Device i is behind unit i % &size.nr_units
 * @devices:	Records
 * @tables:	Remapping tables
 * @units:	The units, as it left them
 * @found:	The devices, as this kernel finds them. Their driver data is their index
 */
static struct previous {
	const struct size		*size;
	struct irq_lu_root_ser		*root;
	struct irq_lu_device_ref_ser	*refs;
	struct irq_lu_device_ser	**devices;
	struct irte			*tables[MAX_UNITS];
	struct fake_unit		*units[MAX_UNITS];
	struct fake_device		**found;
} previous;

/* The driver core devices that are handed over */
static struct device **owned;

/* Irq numbers of the vectors that were not handed over */
static int *cold_irqs;

static unsigned int nr_vectors(void)
{
	return previous.size->nr_devices * DEVICE_VECTORS;
}

static struct fake_unit *unit_of(unsigned int dev)
{
	return previous.units[dev % previous.size->nr_units];
}

static struct device *found(unsigned int dev)
{
	return &previous.found[dev]->pdev.dev;
}

/*
 * At a more severe level than the messages of the code under test: a console is
 * slow.
 *
 * lab/cost/boot.py finds the beginning of a step by the name of run_step(), and its
 * end by that of say_cost().
 */
static noinline void say_cost(struct kunit *test, const char *what, const char *step, u64 value)
{
	kunit_printk(KERN_NOTICE, test, "%s: %s %u %u %u %llu\n", what, step,
		     previous.size->nr_units, previous.size->nr_devices, nr_vectors(), value);
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

static void find_device(struct kunit *test, unsigned int dev)
{
	struct fake_device *fake = alloc_device(test);

	device_initialize(&fake->pdev.dev);
	dev_set_drvdata(&fake->pdev.dev, (void *)(uintptr_t)dev);
	fake->desc.pci.msi_attrib.is_msix = true;
	previous.found[dev] = fake;
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
	owned = alloc_array(test, sizeof(*owned));
	cold_irqs = alloc_array(test, DEVICE_VECTORS * sizeof(*cold_irqs));
	strscpy(previous.root->compatible, IRQ_LU_COMPATIBLE);
	previous.root->nr_units = previous.size->nr_units;
	previous.root->nr_devices = previous.size->nr_devices;
	previous.root->device_dir = virt_to_phys(previous.refs);

	for (unsigned int i = 0; i < previous.size->nr_units; i++) {
		previous.units[i] = leave_unit(test, &previous.root->units[i]);
		previous.tables[i] = phys_to_virt(previous.root->units[i].table);
	}
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++) {
		leave_device(test, dev);
		find_device(test, dev);
	}
	return 0;
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
	load_as_booted(previous.root, &left_memory);
}

static void take_over(struct kunit *test)
{
	for (unsigned int i = 0; i < previous.size->nr_units; i++) {
		struct fake_unit *unit = previous.units[i];

		attend(test, unit);
		KUNIT_ASSERT_EQ(test, 0, hotplug(unit, true));
		ignore(test, unit);
	}
}

static int identify(struct device *dev, struct irq_lu_device_ser *ser)
{
	ser->devid = (uintptr_t)dev_get_drvdata(dev);
	ser->msi_type = IRQ_LU_MSIX;
	ser->hwsize = DEVICE_VECTORS;
	return 0;
}

static u16 requester_id(struct device *dev)
{
	return 0;
}

static unsigned int max_vectors(struct device *dev)
{
	return DEVICE_VECTORS;
}

static int capture(struct msi_desc *desc, unsigned int i, struct irq_lu_vector_ser *rec)
{
	return 0;
}

static int check(struct device *dev)
{
	return 0;
}

static int lock(struct device *dev)
{
	return 0;
}

static void nothing(struct device *dev)
{
}

static const struct irq_liveupdate_dev_ops bus = {
	.identify	= identify,
	.requester_id	= requester_id,
	.max_vectors	= max_vectors,
	.capture	= capture,
	.check		= check,
	.disable	= nothing,
	.lock		= lock,
	.unlock		= nothing,
};

static void match(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++)
		irq_liveupdate_match(found(dev), &bus);
}

/* What an allocation of each interrupt asks for */
static void look_up(struct kunit *test)
{
	unsigned int nr = 0;
	u32 target;

	for (unsigned int i = 0; i < nr_vectors(); i++)
		nr += irq_liveupdate_handle(FIRST_IRQ + i) >= 0 &&
		      !irq_liveupdate_target(FIRST_IRQ + i, &target);
	KUNIT_EXPECT_EQ(test, nr_vectors(), nr);
}

static int adopt_vector(struct fake_device *fake, struct irq_domain *d, unsigned int vec)
{
	struct irq_alloc_info info = {
		.type	= X86_IRQ_ALLOC_TYPE_PCI_MSIX,
		.desc	= &fake->desc,
	};

	fake->desc.msi_index = vec;
	return __irq_domain_alloc_irqs(d, irq_liveupdate_irq(&fake->pdev.dev, &fake->desc), 1,
				       NUMA_NO_NODE, &info, false, NULL);
}

static void adopt(struct kunit *test)
{
	unsigned int nr = 0;

	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++) {
		struct irq_domain *d = unit_of(dev)->iommu.ir_domain;

		dev_set_msi_domain(found(dev), d);
		for (unsigned int vec = 0; vec < DEVICE_VECTORS; vec++)
			nr += adopt_vector(previous.found[dev], d, vec) ==
			      FIRST_IRQ + dev * DEVICE_VECTORS + vec;
	}
	KUNIT_EXPECT_EQ(test, nr_vectors(), nr);
}

/* As many, by the same allocators, at any free number and index */
static void cold(struct kunit *test)
{
	unsigned int nr = 0;

	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++) {
		struct irq_domain *d = unit_of(dev)->iommu.ir_domain;

		for (unsigned int vec = 0; vec < DEVICE_VECTORS; vec++) {
			cold_irqs[nr] = adopt_vector(previous.found[dev], d, vec);
			KUNIT_ASSERT_GT(test, cold_irqs[nr], 0);
			nr++;
		}
	}
}

static void finish(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++) {
		irq_liveupdate_finish(found(dev));
		irq_liveupdate_release(found(dev));
	}
}

static void preserve(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++)
		KUNIT_ASSERT_EQ(test, 0, irq_liveupdate_preserve(owned[dev], &bus));
}

static void freeze(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++)
		KUNIT_ASSERT_EQ(test, 0, irq_liveupdate_freeze(owned[dev]));
}

/* The units hand over once more. */
static void block(struct kunit *test)
{
	for (unsigned int dev = 0; dev < previous.size->nr_devices; dev++) {
		struct fake_unit *unit = unit_of(dev);

		for (unsigned int vec = 0; vec < DEVICE_VECTORS; vec++)
			ops_of(unit)->block(unit->iommu.ir_domain,
					    &previous.devices[dev]->vectors[vec], 1);
	}
}

static unsigned long free_bytes(void)
{
	drain_local_pages(NULL);
	return global_zone_page_state(NR_FREE_PAGES) << PAGE_SHIFT;
}

static noinline void run_step(struct kunit *test, const char *name,
			      void (*step)(struct kunit *test))
{
	u64 start = ktime_get_ns();

	step(test);
	say_cost(test, "scale", name, ktime_get_ns() - start);
}

/*
 * At each call, a hook for tests walks through all resources of the test. In a kernel that
 * runs no test, it does not.
 */
static void run_without_hooks(struct kunit *test, const char *name,
			      void (*step)(struct kunit *test))
{
	current->kunit_test = NULL;
	run_step(test, name, step);
	current->kunit_test = test;
}

/* @run: run_step() or run_without_hooks() */
static void run_memory(struct kunit *test, const char *name, void (*step)(struct kunit *test),
		       void (*run)(struct kunit *test, const char *name,
				   void (*step)(struct kunit *test)))
{
	unsigned long before = free_bytes();

	run(test, name, step);
	say_cost(test, "memory", name, before - free_bytes());
}

static unsigned int nr_held(void)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < previous.size->nr_units; i++)
		nr += bitmap_weight(previous.units[i]->iommu.ir_table->held,
				    INTR_REMAP_TABLE_ENTRIES);
	return nr;
}

/* The unit is watched, as entries are invalidated. */
static void behind_each_unit(struct kunit *test,
			     void (*fn)(struct kunit *test, unsigned int dev))
{
	for (unsigned int i = 0; i < previous.size->nr_units; i++) {
		attend(test, previous.units[i]);
		for (unsigned int dev = i; dev < previous.size->nr_devices;
		     dev += previous.size->nr_units)
			fn(test, dev);
		ignore(test, previous.units[i]);
	}
}

static void free_cold(struct kunit *test, unsigned int dev)
{
	for (unsigned int vec = 0; vec < DEVICE_VECTORS; vec++)
		irq_domain_free_irqs(cold_irqs[dev * DEVICE_VECTORS + vec], 1);
}

static void free_adopted(struct kunit *test, unsigned int dev)
{
	for (unsigned int vec = 0; vec < DEVICE_VECTORS; vec++)
		irq_domain_free_irqs(FIRST_IRQ + dev * DEVICE_VECTORS + vec, 1);
}

static void set_desc(msi_alloc_info_t *arg, struct msi_desc *desc)
{
	uintptr_t dev = (uintptr_t)dev_get_drvdata(desc->dev);

	arg->desc = &previous.found[dev]->desc;
	arg->hwirq = desc->msi_index;
}

static void noop(struct irq_data *irqd) { }

static void write_msg(struct irq_data *irqd, struct msi_msg *msg) { }

static const struct msi_domain_template template = {
	.chip = {
		.name			= "fake-msi",
		.irq_mask		= noop,
		.irq_unmask		= noop,
		.irq_write_msi_msg	= write_msg,
	},
	.ops.set_desc			= set_desc,
	.info = {
		.flags			= MSI_FLAG_ALLOC_SIMPLE_MSI_DESCS | MSI_FLAG_FREE_MSI_DESCS,
		.bus_token		= DOMAIN_BUS_PCI_DEVICE_MSIX,
	},
};

static void own(struct kunit *test, unsigned int dev)
{
	char name[16];

	snprintf(name, sizeof(name), "scale%u", dev);
	owned[dev] = kunit_device_register(test, name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, owned[dev]);
	dev_set_drvdata(owned[dev], (void *)(uintptr_t)dev);
	dev_set_msi_domain(owned[dev], unit_of(dev)->iommu.ir_domain);
	KUNIT_ASSERT_TRUE(test, msi_create_device_irq_domain(owned[dev], MSI_DEFAULT_DOMAIN,
							     &template, DEVICE_VECTORS, NULL,
							     NULL));
	KUNIT_ASSERT_EQ(test, 0, msi_domain_alloc_irqs_range(owned[dev], MSI_DEFAULT_DOMAIN, 0,
							     DEVICE_VECTORS - 1));
}

static void disown(struct kunit *test, unsigned int dev)
{
	irq_liveupdate_unpreserve(owned[dev]);
	msi_domain_free_irqs_all(owned[dev], MSI_DEFAULT_DOMAIN);
	msi_remove_device_irq_domain(owned[dev], MSI_DEFAULT_DOMAIN);
}

static void taking_over(struct kunit *test)
{
	run_step(test, "seal", seal);
	run_memory(test, "load", load, run_step);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_live_update, NULL));
	run_step(test, "take-over", take_over);
	KUNIT_EXPECT_EQ(test, nr_vectors(), nr_held());

	run_step(test, "match", match);
	run_step(test, "look-up", look_up);
	run_without_hooks(test, "adopt", adopt);
	run_without_hooks(test, "finish", finish);
	KUNIT_EXPECT_EQ(test, 0, nr_held());
	behind_each_unit(test, free_adopted);

	if (nr_vectors() > MAX_COLD)
		return;
	run_without_hooks(test, "cold", cold);
	behind_each_unit(test, free_cold);
}

static void handing_over(struct kunit *test)
{
	behind_each_unit(test, own);
	run_memory(test, "preserve", preserve, run_without_hooks);
	run_without_hooks(test, "freeze", freeze);
	behind_each_unit(test, disown);

	for (unsigned int i = 0; i < previous.size->nr_units; i++)
		alloc_blocked(test, previous.units[i]->iommu.ir_table);
	run_without_hooks(test, "block", block);
	for (unsigned int i = 0; i < previous.size->nr_units; i++)
		KUNIT_EXPECT_EQ(test, nr_vectors() / previous.size->nr_units,
				bitmap_weight(previous.units[i]->iommu.ir_table->preserved->blocked,
					      INTR_REMAP_TABLE_ENTRIES));
}

static void steps(struct kunit *test)
{
	taking_over(test);
	handing_over(test);
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
