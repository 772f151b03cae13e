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

#include "irq_liveupdate.h"

static void vector_liveupdate_save(struct irq_domain *d, struct irq_data *irqd,
				   struct irq_lu_vector_ser *rec)
{
	unsigned int cpu = cpumask_first(irq_data_get_effective_affinity_mask(irqd));

	rec->target = cpu < nr_cpu_ids ? cpu_physical_id(cpu) : BAD_APICID;
}

const struct irq_domain_liveupdate_ops vector_liveupdate_ops = {
	.save	= vector_liveupdate_save,
};

/**
 * vector_liveupdate_hint - CPU to which the previous kernel sent an interrupt
 * @irqd:	Interrupt data of the vector domain
 *
 * Context: Any.
 * Return: A cpumask with just this CPU, NULL when it is not known or not online.
 */
const struct cpumask *vector_liveupdate_hint(struct irq_data *irqd)
{
	unsigned int cpu;
	u32 apicid;

	if (irq_liveupdate_target(irqd->irq, &apicid))
		return NULL;

	for_each_online_cpu(cpu) {
		if (cpu_physical_id(cpu) == apicid)
			return cpumask_of(cpu);
	}
	return NULL;
}
