/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _ARCH_X86_APIC_IRQ_LIVEUPDATE_H
#define _ARCH_X86_APIC_IRQ_LIVEUPDATE_H

#include <linux/cpumask_types.h>
#include <linux/types.h>

struct irq_data;
struct irq_domain_liveupdate_ops;

#ifdef CONFIG_IRQ_LIVEUPDATE
extern const struct irq_domain_liveupdate_ops vector_liveupdate_ops;
#define x86_vector_liveupdate_ops	(&vector_liveupdate_ops)

const struct cpumask *vector_liveupdate_hint(struct irq_data *irqd);
#else
#define x86_vector_liveupdate_ops	NULL

static inline const struct cpumask *vector_liveupdate_hint(struct irq_data *irqd)
{
	return NULL;
}
#endif

#endif /* _ARCH_X86_APIC_IRQ_LIVEUPDATE_H */
