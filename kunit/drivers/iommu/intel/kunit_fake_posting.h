/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Posted interrupts of an emulated VT-d unit. A kernel without a unit that can
 * post allocates no interrupt that is posted to the host: here it is turned into
 * one, as by prepare_irte_posted().
 */

#ifndef _KUNIT_FAKE_POSTING_H
#define _KUNIT_FAKE_POSTING_H

#include "kunit_fake_vtd.h"

#define DESCRIPTOR	0x123456780ULL

static const struct posting {
	const char	*name;
	bool		to_host;
	bool		to_vcpu;
} postings[] = {
	{ "to nobody",			.to_host = false, .to_vcpu = false },
	{ "to the host",		.to_host = true,  .to_vcpu = false },
	{ "to a vCPU",			.to_host = false, .to_vcpu = true },
	{ "to a vCPU, else the host",	.to_host = true,  .to_vcpu = true },
};

static int post_to_vcpu(struct irq_data *irqd)
{
	struct intel_iommu_pi_data pi = { .pi_desc_addr = DESCRIPTOR, .vector = 0x41 };

	return irq_set_vcpu_affinity(irqd->irq, &pi);
}

static u64 host_descriptor(struct irq_data *irqd)
{
#ifdef CONFIG_X86_POSTED_MSI
	unsigned int cpu = cpumask_first(irq_data_get_effective_affinity_mask(irqd));

	return __pa(per_cpu_ptr(&posted_msi_pi_desc, cpu));
#else
	return 0;
#endif
}

/* Start @irqd, and return the descriptor to which it is posted. */
static u64 start(struct kunit *test, struct irq_data *irqd, const struct posting *p)
{
	struct intel_ir_data *data = irqd->chip_data;

	if (p->to_host && !IS_ENABLED(CONFIG_X86_POSTED_MSI))
		kunit_skip(test, "needs CONFIG_X86_POSTED_MSI");

	if (p->to_host) {
		data->irq_2_iommu.posted_msi = true;
		data->irte_entry.low = 0;
		data->irte_entry.p_present = 1;
		data->irte_entry.p_pst = 1;
	}
	KUNIT_ASSERT_EQ(test, 0, irq_domain_activate_irq(irqd, false));
	if (!p->to_vcpu)
		return p->to_host ? host_descriptor(irqd) : 0;

	KUNIT_ASSERT_EQ(test, 0, post_to_vcpu(irqd));
	return DESCRIPTOR;
}

#endif /* _KUNIT_FAKE_POSTING_H */
