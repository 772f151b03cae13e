/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The core of interrupt live update as a unit that takes over sees it: static stubs
 * that return what the test wants, and remember what they are told.
 */

#ifndef _KUNIT_FAKE_CORE_H
#define _KUNIT_FAKE_CORE_H

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/irq_liveupdate.h>
#include <linux/irqdomain.h>

/**
 * struct fake_core - What the stubs return, and what they were told
 * @handed_over:	Whether the previous kernel has left anything
 * @record:		Record of the unit whose registers it names
 * @vector:		The only vector behind that unit
 * @ops:		Methods of the unit
 * @domain:		Domain for @ops, or NULL for the one that is taken over
 * @refused:		Why the unit was refused
 * @nr_added:		How many units suppress faults until FINISH
 */
static struct fake_core {
	bool					handed_over;
	struct irq_lu_unit_ser			record;
	struct irq_lu_vector_ser		vector;
	const struct irq_domain_liveupdate_ops	*ops;
	struct irq_domain			*domain;
	const char				*refused;
	unsigned int				nr_added;
} fake_core;

static bool fake_handed_over(void)
{
	return fake_core.handed_over;
}

static const struct irq_lu_unit_ser *fake_incoming_unit(u32 backend, u32 segment, u64 reg_base)
{
	return fake_core.record.reg_base == reg_base ? &fake_core.record : NULL;
}

static void fake_refuse_unit(const struct irq_lu_unit_ser *unit, const char *reason)
{
	fake_core.refused = reason;
}

static void fake_take_over(const struct irq_lu_unit_ser *unit, struct irq_domain *domain)
{
	fake_core.ops->reserve(fake_core.domain ?: domain, &fake_core.vector, 1);
}

static void fake_add_unit(struct irq_domain *domain)
{
	fake_core.nr_added++;
}

/* Until the end of the test. */
static void replace_core(struct kunit *test, const struct fake_core *core)
{
	fake_core = *core;
	kunit_activate_static_stub(test, irq_liveupdate_handed_over, fake_handed_over);
	kunit_activate_static_stub(test, irq_liveupdate_incoming_unit, fake_incoming_unit);
	kunit_activate_static_stub(test, irq_liveupdate_refuse_unit, fake_refuse_unit);
	kunit_activate_static_stub(test, irq_liveupdate_take_over, fake_take_over);
	kunit_activate_static_stub(test, irq_liveupdate_add_unit, fake_add_unit);
}

#endif /* _KUNIT_FAKE_CORE_H */
