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

/* As in irq_setup_affinity(), the node counts only if one of its CPUs is in the mask. */
static bool is_allowed(unsigned int cpu, const struct cpumask *nodemask,
		       const struct cpumask *affinity)
{
	return cpumask_test_cpu(cpu, affinity) &&
	       (cpumask_test_cpu(cpu, nodemask) || !cpumask_intersects(affinity, nodemask));
}

/**
 * vector_liveupdate_find_cpu - CPU to which an interrupt may be directed at once
 * @apicid:	Its APIC id
 * @nodemask:	Online CPUs of the NUMA node of the device
 * @affinity:	Affinity mask of the interrupt
 *
 * irq_setup_affinity() moves an interrupt to the node of its device before it is
 * unmasked for the first time, unless the mask excludes the whole node. A CPU of
 * another node would be left again at once.
 *
 * Context: Any.
 * Return: A cpumask with just this CPU, NULL if it is not online, not in @affinity, or in
 * another node although @affinity allows CPUs of @nodemask.
 */
const struct cpumask *vector_liveupdate_find_cpu(u32 apicid, const struct cpumask *nodemask,
						 const struct cpumask *affinity)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		if (cpu_physical_id(cpu) == apicid)
			return is_allowed(cpu, nodemask, affinity) ? cpumask_of(cpu) : NULL;
	}
	return NULL;
}
