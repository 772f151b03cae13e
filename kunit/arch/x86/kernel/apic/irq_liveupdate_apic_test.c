// SPDX-License-Identifier: GPL-2.0

/*
 * Which CPU the vector domain records for an interrupt, and which CPU is tried
 * first for it in the next kernel. The interrupt is a descriptor that nobody uses.
 */

#include <kunit/test.h>
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/irq.h>
#include <linux/irq_liveupdate.h>
#include <linux/numa.h>
#include <asm/apic.h>
#include <asm/cpu.h>

#include "irq_liveupdate.h"

static u32 recorded_target(struct kunit *test, unsigned int state)
{
	int irq = irq_alloc_desc(NUMA_NO_NODE);
	struct irq_lu_vector_ser rec = { };
	struct irq_data *irqd;

	KUNIT_ASSERT_GE(test, irq, 0);
	irqd = irq_get_irq_data(irq);
	ACCESS_PRIVATE(irqd->common, state_use_accessors) |= state;
	irq_data_update_effective_affinity(irqd, cpumask_of(0));
	vector_liveupdate_ops.save(NULL, irqd, &rec);
	ACCESS_PRIVATE(irqd->common, state_use_accessors) &= ~state;
	irq_free_desc(irq);
	return rec.target;
}

/* An interrupt without a handler is parked on a placeholder vector, whose CPU says nothing. */
static void cpu_of_an_interrupt_with_a_handler_is_recorded(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, recorded_target(test, IRQD_ACTIVATED | IRQD_IRQ_STARTED),
			cpu_physical_id(0));
	KUNIT_EXPECT_EQ(test, recorded_target(test, IRQD_ACTIVATED), BAD_APICID);
}

static const struct cpumask *find_online_cpu(u32 apicid, const struct cpumask *nodemask)
{
	return vector_liveupdate_find_cpu(apicid, nodemask, cpu_online_mask);
}

/* A node without the last CPU, which the tests ask for */
static const struct cpumask *other_node(struct kunit *test)
{
	unsigned int cpu = cpumask_first(cpu_online_mask);

	if (cpu == cpumask_last(cpu_online_mask))
		kunit_skip(test, "needs two CPUs");
	return cpumask_of(cpu);
}

static void cpu_is_tried_within_the_node_of_the_device(struct kunit *test)
{
	const struct cpumask *other = other_node(test);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	u32 apicid = cpu_physical_id(cpu);

	KUNIT_EXPECT_PTR_EQ(test, find_online_cpu(apicid, cpu_online_mask), cpumask_of(cpu));
	KUNIT_EXPECT_PTR_EQ(test, find_online_cpu(apicid, cpumask_of(cpu)), cpumask_of(cpu));
	KUNIT_EXPECT_NULL(test, find_online_cpu(apicid, other));
	KUNIT_EXPECT_NULL(test, find_online_cpu(BAD_APICID, cpu_online_mask));
}

/* With irqaffinity=, or because its CPUs are offline */
static void node_does_not_count_if_no_cpu_of_it_is_allowed(struct kunit *test)
{
	const struct cpumask *other = other_node(test);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	u32 apicid = cpu_physical_id(cpu);

	KUNIT_EXPECT_PTR_EQ(test, vector_liveupdate_find_cpu(apicid, other, cpumask_of(cpu)),
			    cpumask_of(cpu));
	KUNIT_EXPECT_PTR_EQ(test, find_online_cpu(apicid, cpu_none_mask), cpumask_of(cpu));
}

static void cpu_is_tried_within_the_affinity_of_the_interrupt(struct kunit *test)
{
	unsigned int cpu = cpumask_last(cpu_online_mask);
	u32 apicid = cpu_physical_id(cpu);

	KUNIT_EXPECT_PTR_EQ(test,
			    vector_liveupdate_find_cpu(apicid, cpu_online_mask, cpumask_of(cpu)),
			    cpumask_of(cpu));
	KUNIT_EXPECT_NULL(test,
			  vector_liveupdate_find_cpu(apicid, cpu_online_mask, cpu_none_mask));
}

static struct kunit_case apic_test_cases[] = {
	KUNIT_CASE(cpu_of_an_interrupt_with_a_handler_is_recorded),
	KUNIT_CASE(cpu_is_tried_within_the_node_of_the_device),
	KUNIT_CASE(node_does_not_count_if_no_cpu_of_it_is_allowed),
	KUNIT_CASE(cpu_is_tried_within_the_affinity_of_the_interrupt),
	{}
};

static struct kunit_suite apic_test_suite = {
	.name		= "irq_liveupdate_apic",
	.test_cases	= apic_test_cases,
};

kunit_test_suite(apic_test_suite);

MODULE_DESCRIPTION("KUnit tests of the vector domain in an interrupt live update");
MODULE_LICENSE("GPL");
