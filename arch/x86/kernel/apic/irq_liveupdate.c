// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupt live update, the CPU vector domain.
 *
 * The next kernel assigns CPU and vector of an interrupt itself. The CPU is
 * handed over as a hint: its APIC id, because CPU numbers can differ.
 */

#include <linux/cpumask.h>
#include <linux/irq.h>
#include <linux/irq_liveupdate.h>
#include <linux/irqdomain.h>
#include <linux/smp.h>
#include <linux/topology.h>
#include <asm/apic.h>
#include <asm/cpu.h>

#include "irq_liveupdate.h"

static void vector_liveupdate_save(struct irq_domain *d, struct irq_data *irqd,
				   struct irq_lu_vector_ser *rec)
{
	unsigned int cpu = nr_cpu_ids;

	/* Without a handler the interrupt is directed nowhere, and the mask is a placeholder. */
	if (irqd_is_started(irqd))
		cpu = cpumask_first(irq_data_get_effective_affinity_mask(irqd));

	rec->target = cpu < nr_cpu_ids ? cpu_physical_id(cpu) : BAD_APICID;
}

const struct irq_domain_liveupdate_ops vector_liveupdate_ops = {
	.save	= vector_liveupdate_save,
};

static bool is_allowed(unsigned int cpu, int node, const struct cpumask *affinity)
{
	return cpumask_test_cpu(cpu, affinity) &&
	       (node == NUMA_NO_NODE || node == cpu_to_node(cpu));
}

/**
 * vector_liveupdate_find_cpu - CPU to which an interrupt may be directed at once
 * @apicid:	Its APIC id
 * @node:	NUMA node of the device, or NUMA_NO_NODE
 * @affinity:	Affinity mask of the interrupt
 *
 * irq_setup_affinity() moves an interrupt to the node of its device before it is
 * unmasked for the first time. A CPU of another node would be left again at once.
 *
 * Context: Any.
 * Return: A cpumask with just this CPU, NULL if it is not online, not in @affinity, or in
 * another node.
 */
const struct cpumask *vector_liveupdate_find_cpu(u32 apicid, int node,
						 const struct cpumask *affinity)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		if (cpu_physical_id(cpu) == apicid)
			return is_allowed(cpu, node, affinity) ? cpumask_of(cpu) : NULL;
	}
	return NULL;
}
