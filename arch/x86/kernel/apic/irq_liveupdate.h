/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _ARCH_X86_APIC_IRQ_LIVEUPDATE_H
#define _ARCH_X86_APIC_IRQ_LIVEUPDATE_H

#include <linux/cpumask.h>
#include <linux/irq.h>
#include <linux/irq_liveupdate.h>
#include <linux/numa.h>
#include <linux/topology.h>
#include <linux/types.h>

#ifdef CONFIG_IRQ_LIVEUPDATE
extern const struct irq_domain_liveupdate_ops vector_liveupdate_ops;
#define x86_vector_liveupdate_ops	(&vector_liveupdate_ops)

const struct cpumask *vector_liveupdate_find_cpu(u32 apicid, const struct cpumask *nodemask,
						 const struct cpumask *affinity);

/**
 * vector_liveupdate_hint - CPU to which the previous kernel sent an interrupt
 * @irqd:	Interrupt data of the vector domain
 *
 * Context: Any.
 * Return: A cpumask with just this CPU, NULL when it is not known, not online, not in the
 * affinity mask of the interrupt, or not in the node of the device although the mask
 * allows CPUs of that node.
 */
static inline const struct cpumask *vector_liveupdate_hint(struct irq_data *irqd)
{
	int node = irq_data_get_node(irqd);
	u32 apicid;

	if (irq_liveupdate_target(irqd->irq, &apicid))
		return NULL;

	return vector_liveupdate_find_cpu(apicid, node == NUMA_NO_NODE ? cpu_online_mask :
					  cpumask_of_node(node),
					  irq_data_get_affinity_mask(irqd));
}
#else
#define x86_vector_liveupdate_ops	NULL

static inline const struct cpumask *vector_liveupdate_hint(struct irq_data *irqd)
{
	return NULL;
}
#endif

#endif /* _ARCH_X86_APIC_IRQ_LIVEUPDATE_H */
