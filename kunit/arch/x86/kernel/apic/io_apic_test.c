// SPDX-License-Identifier: GPL-2.0

/*
 * Which interrupt numbers are left for dynamic allocation: when the firmware's
 * IO-APICs are registered, when interrupt remapping is set up, which is before
 * setup_IO_APIC(), and when an IO-APIC is hot-added. An IO-APIC is emulated by a
 * page in which every register that is selected has the same value.
 */

#include <kunit/test.h>
#include <linux/cc_platform.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <asm/apic.h>
#include <asm/io_apic.h>
#include <asm/irqdomain.h>

#include "local.h"

/* Offset of the data register, and of the number of entries in its version register */
#define IOWIN		0x10
#define NR_PINS		24
#define VERSION		((NR_PINS - 1) << 16 | 0x20)

#define NR_IOAPICS	3
#define FIRST_ID	0xe0

struct gsi_range {
	enum ioapic_domain_type	type;
	unsigned int		offset;		/* from the first free GSI */
};

/* What firmware describes; @bound: first number for others, 0 if it does not change */
struct firmware {
	const char		*desc;
	struct gsi_range	ioapics[NR_IOAPICS];
	unsigned int		bound;
};

static const struct firmware firmwares[] = {
	{ "one, legacy", { { IOAPIC_DOMAIN_LEGACY, 0 } }, 24 },
	{ "server, one legacy of three", { { IOAPIC_DOMAIN_LEGACY, 0 },
		{ IOAPIC_DOMAIN_DYNAMIC, 64 }, { IOAPIC_DOMAIN_DYNAMIC, 128 } }, 24 },
	{ "legacy one is described last", { { IOAPIC_DOMAIN_DYNAMIC, 64 },
		{ IOAPIC_DOMAIN_LEGACY, 0 } }, 24 },
	{ "all legacy, as with an MP table", { { IOAPIC_DOMAIN_LEGACY, 0 },
		{ IOAPIC_DOMAIN_LEGACY, 24 } }, 48 },
	{ "strict above dynamic", { { IOAPIC_DOMAIN_DYNAMIC, 0 },
		{ IOAPIC_DOMAIN_STRICT, 40 } }, 64 },
	{ "dynamic only, as with a device tree", { { IOAPIC_DOMAIN_DYNAMIC, 0 },
		{ IOAPIC_DOMAIN_DYNAMIC, 64 } }, 0 },
};

KUNIT_ARRAY_PARAM_DESC(firmware, firmwares, desc);

/* As the kernel was before the test */
struct ioapic_state {
	unsigned int	dynirq_base;
	int		initialized;
	int		nr;
	u32		gsi_top;
};

static void restore(void *data)
{
	const struct ioapic_state *was = data;

	ioapic_dynirq_base = was->dynirq_base;
	ioapic_initialized = was->initialized;
	nr_ioapics = was->nr;
	gsi_top = was->gsi_top;
}

static void unregister(void *gsi_base)
{
	mp_unregister_ioapic((unsigned long)gsi_base);
}

static void free_registers(void *registers)
{
	free_page((unsigned long)registers);
}

static void add_ioapic(struct kunit *test, const struct gsi_range *range, unsigned int i)
{
	const struct ioapic_state *was = test->priv;
	u32 *registers = (u32 *)get_zeroed_page(GFP_KERNEL | GFP_DMA32);
	struct ioapic_domain_cfg cfg = {
		.type	= range->type,
		.ops	= &mp_ioapic_irqdomain_ops,
	};
	unsigned long gsi_base = was->gsi_top + range->offset;

	KUNIT_ASSERT_NOT_NULL(test, registers);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_registers, registers));
	registers[IOWIN / sizeof(*registers)] = VERSION;

	KUNIT_ASSERT_EQ(test, 0, mp_register_ioapic(FIRST_ID + i, virt_to_phys(registers),
						    gsi_base, &cfg));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, unregister, (void *)gsi_base));
}

static void add_ioapics(struct kunit *test)
{
	const struct firmware *firmware = test->param_value;

	for (unsigned int i = 0; i < NR_IOAPICS; i++) {
		if (firmware->ioapics[i].type != IOAPIC_DOMAIN_INVALID)
			add_ioapic(test, &firmware->ioapics[i], i);
	}
}

/* @own: see own_base() */
static unsigned int expected_bound(struct kunit *test, unsigned int own)
{
	const struct firmware *firmware = test->param_value;
	const struct ioapic_state *was = test->priv;

	if (firmware->bound)
		return was->gsi_top + firmware->bound;
	return own ?: gsi_top;
}

/* The bound that is due to the machine's own IO-APICs, 0 if they are all dynamic */
static unsigned int __init own_base(void)
{
	unsigned int own;

	ioapic_init_dynirq_base();
	own = ioapic_dynirq_base;
	ioapic_dynirq_base = 0;
	return own;
}

/* In a Xen PV domain these numbers are those of the IO-APICs for good. */
static void registration_leaves_no_gsi_to_others(struct kunit *test)
{
	add_ioapics(test);
	KUNIT_EXPECT_EQ(test, arch_dynirq_lower_bound(0), gsi_top);
}

static void __init remapping_finds_gsis_of_dynamic_ioapics_free(struct kunit *test)
{
	unsigned int own = own_base();

	add_ioapics(test);
	ioapic_init_dynirq_base();
	KUNIT_EXPECT_EQ(test, arch_dynirq_lower_bound(0), expected_bound(test, own));
}

/* Its irq domain is created when it is registered. */
static void hot_added_ioapic_leaves_the_same_numbers(struct kunit *test)
{
	/* See x86_vector_select() */
	if (apic_id_valid(32768))
		kunit_skip(test, "no remapping unit has these IO-APICs");

	ioapic_initialized = 1;
	add_ioapics(test);
	KUNIT_EXPECT_EQ(test, arch_dynirq_lower_bound(0), expected_bound(test, 0));
}

/* The kernel is as before setup_IO_APIC(). */
static int ioapic_test_init(struct kunit *test)
{
	struct ioapic_state *was = kunit_kzalloc(test, sizeof(*was), GFP_KERNEL);

	/* The fixmap maps the page unencrypted, and would not read what was written. */
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		kunit_skip(test, "memory is encrypted");

	KUNIT_ASSERT_NOT_NULL(test, was);
	was->dynirq_base = ioapic_dynirq_base;
	was->initialized = ioapic_initialized;
	was->nr = nr_ioapics;
	was->gsi_top = gsi_top;
	test->priv = was;

	ioapic_dynirq_base = 0;
	ioapic_initialized = 0;
	return kunit_add_action_or_reset(test, restore, was);
}

static struct kunit_case __refdata ioapic_cases[] = {
	KUNIT_CASE_PARAM(registration_leaves_no_gsi_to_others, firmware_gen_params),
	KUNIT_CASE_PARAM(remapping_finds_gsis_of_dynamic_ioapics_free, firmware_gen_params),
	KUNIT_CASE_PARAM(hot_added_ioapic_leaves_the_same_numbers, firmware_gen_params),
	{ }
};

static struct kunit_suite ioapic_suite = {
	.name		= "irq_ioapic",
	.init		= ioapic_test_init,
	.test_cases	= ioapic_cases,
};

kunit_test_init_section_suite(ioapic_suite);
