// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the kernel that hands interrupts over, and of a whole live update,
 * in which the core reads what it has written.
 */

#include <kunit/test.h>
#include <linux/irq.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/sprintf.h>

#include "internals.h"
#include "kunit_fake_machine.h"

/*
 * The kernel that hands over
 */

static void preserve_needs_a_unit(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);

	dev_set_msi_domain(fake->dev, fake->machine->cpus);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	dev_set_msi_domain(fake->dev, NULL);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	dev_set_msi_domain(fake->dev, fake->unit->domain);
	KUNIT_EXPECT_NULL(test, irq_lu_block());
}

static void preserve_refuses_managed_affinity(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	struct irq_data *irqd = irq_get_irq_data(fake_irq_of(fake, 1));

	irqd_set(irqd, IRQD_AFFINITY_MANAGED);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	irqd_clear(irqd, IRQD_AFFINITY_MANAGED);
	KUNIT_EXPECT_NULL(test, irq_lu_block());
	KUNIT_EXPECT_NULL(test, fake->unit->ser);
}

static void preserve_refuses_a_device_which_disagrees(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);

	fake->hw[2].data = 1;
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EIO);
	KUNIT_EXPECT_NULL(test, irq_lu_block());

	fake->hw[2].data = 0;
	fake->msi_broken = true;
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EIO);
	KUNIT_EXPECT_NULL(test, irq_lu_block());

	fake->msi_broken = false;
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), 0);
}

static void freeze_refuses_a_device_which_disagrees(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	const struct irq_lu_root_ser *root;

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	fake->hw[2].data = 1;
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), -EIO);

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, fake->masked);
}

static void preserve_fails_as_its_unit_says(struct kunit *test)
{
	struct fake_device *a = fake_add_running(test, "a", &fake_msix_head, 0, NR_VECS);
	struct fake_device *b = fake_add_running(test, "b", &fake_other_head, 1, NR_VECS);
	const struct irq_lu_root_ser *root;

	a->unit->refusal = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, fake_preserve(a), -EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, irq_lu_block());

	/* The refusing unit leaves no record, and another unit does not lose its record. */
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	KUNIT_EXPECT_EQ(test, fake_preserve(a), -EOPNOTSUPP);
	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->units[0].reg_base, b->unit->reg_base);
	KUNIT_EXPECT_EQ(test, b->machine->nr_events, 1);
	KUNIT_EXPECT_PTR_EQ(test, b->machine->events[0].who, (const void *)b->unit);
}

static void expect_unit_in_record(struct kunit *test, const struct irq_lu_root_ser *root,
				  unsigned int i, struct fake_device *fake)
{
	const struct irq_lu_device_ref_ser *table = phys_to_virt(root->device_dir);
	const struct irq_lu_device_ser *ser = phys_to_virt(table[i].blob);

	KUNIT_ASSERT_GT(test, root->nr_devices, i);
	KUNIT_EXPECT_EQ(test, ser->devid, fake->head.devid);
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_device(ser, table[i].len, root));
	KUNIT_EXPECT_EQ(test, root->units[ser->vectors[0].unit].reg_base, fake->unit->reg_base);
}

static void unit_goes_with_its_last_device(struct kunit *test)
{
	struct fake_device *a = fake_add_running(test, "a", &fake_msix_head, 0, NR_VECS);
	struct fake_device *b = fake_add_running(test, "b", &fake_other_head, 1, NR_VECS);
	struct fake_device *c = fake_add_running(test, "c", &fake_third_head, 0, NR_VECS);
	const struct irq_lu_root_ser *root;

	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(c), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(b->dev), 0);
	fake_unpreserve(a);
	KUNIT_EXPECT_EQ(test, c->unit->ser->reg_base, c->unit->reg_base);
	fake_unpreserve(c);
	KUNIT_EXPECT_NULL(test, c->unit->ser);

	/* The record of b was complete before. */
	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(root, IRQ_LU_ROOT_SIZE));
	expect_unit_in_record(test, root, 0, b);
	for (unsigned int i = 0; i < root->nr_units; i++)
		KUNIT_EXPECT_NE(test, root->units[i].reg_base, a->unit->reg_base);
	for (unsigned int e = 0; e < a->machine->nr_events; e++)
		KUNIT_EXPECT_PTR_NE(test, a->machine->events[e].who, (const void *)a->unit);
}

static void unit_comes_back_with_a_device(struct kunit *test)
{
	struct fake_device *a = fake_add_running(test, "a", &fake_msix_head, 0, NR_VECS);
	struct fake_device *b = fake_add_running(test, "b", &fake_other_head, 1, NR_VECS);
	const struct irq_lu_root_ser *root;

	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	fake_unpreserve(a);
	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(b->dev), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(a->dev), 0);

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->nr_units, NR_UNITS);
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(root, IRQ_LU_ROOT_SIZE));
	expect_unit_in_record(test, root, 0, b);
	expect_unit_in_record(test, root, 1, a);
}

static void preserve_twice_is_refused(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EBUSY);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
}

/* The directory has to grow for the last one. */
static void more_devices_than_fit_into_a_page_are_handed_over(struct kunit *test)
{
	size_t size = PAGE_SIZE + sizeof(struct irq_lu_device_ref_ser);
	unsigned int nr = size / sizeof(struct irq_lu_device_ref_ser);
	struct fake_device **fakes = kunit_kcalloc(test, nr, sizeof(*fakes), GFP_KERNEL);
	struct irq_lu_device_ser head = fake_msix_head;
	const struct irq_lu_root_ser *root;
	char name[16];
	void *dir;

	if (!kho_is_enabled())
		kunit_skip(test, "needs kho=on");

	KUNIT_ASSERT_NOT_NULL(test, fakes);
	for (unsigned int i = 0; i < nr; i++) {
		head.devid = i;
		scnprintf(name, sizeof(name), "fake%u", i);
		fakes[i] = fake_add(test, name, &head, 0);
		KUNIT_ASSERT_EQ(test, fake_preserve(fakes[i]), 0);
	}

	/* Nothing is frozen yet, so this does not write to the directory. */
	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	dir = phys_to_virt(root->device_dir);
	KUNIT_ASSERT_GE(test, folio_size(virt_to_folio(dir)), size);

	for (unsigned int i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fakes[i]->dev), 0);
	irq_lu_block();
	KUNIT_EXPECT_EQ(test, root->nr_devices, nr);
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(root, IRQ_LU_ROOT_SIZE));
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root(root, dir));
}

static void preserve_looks_at_no_descriptor_without_lock(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);

	fake->late_descs = fake->dev->msi.data;
	fake->dev->msi.data = NULL;
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), 0);
	fake->dev->msi.data = fake->late_descs;
	KUNIT_EXPECT_EQ(test, fake->nr_captured, 0);

	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	KUNIT_EXPECT_EQ(test, fake->nr_captured, NR_VECS);
}

static void preserve_before_finish_is_refused(struct kunit *test)
{
	struct fake_device *fake;

	if (!kho_is_enabled())
		kunit_skip(test, "needs kho=on");

	fake = fake_adopt(test, NR_VECS);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EBUSY);

	fake_end(fake);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), 0);
}

static void cancel_leaves_nothing_behind(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	struct msi_msg hw[HWSIZE];
	u64 table[NR_ENTRIES];

	memcpy(hw, fake->hw, sizeof(hw));
	memcpy(table, fake->unit->table, sizeof(table));

	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
		KUNIT_EXPECT_NOT_NULL(test, fake->unit->ser);
		KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
		irq_liveupdate_unfreeze(fake->dev);
		fake_unpreserve(fake);

		KUNIT_EXPECT_NULL(test, fake->unit->ser);
		KUNIT_EXPECT_NULL(test, irq_lu_block());
	}

	KUNIT_EXPECT_MEMEQ(test, hw, fake->hw, sizeof(hw));
	KUNIT_EXPECT_MEMEQ(test, table, fake->unit->table, sizeof(table));
	KUNIT_EXPECT_EQ(test, fake->machine->nr_events, 0);
}

static void unfrozen_device_is_not_handed_over(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	const struct irq_lu_root_ser *root;

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	irq_liveupdate_unfreeze(fake->dev);

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, fake->masked);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(fake->unit->latched, NR_ENTRIES));
}

static void driver_may_change_the_msi_type_before_the_freeze(struct kunit *test)
{
	struct irq_lu_device_ser head = fake_msi_head;
	struct fake_device *fake;

	head.hwsize = 1;
	fake = fake_add_running(test, "old", &head, 0, 1);
	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);

	fake_free_vectors(fake);
	fake->head = fake_msix_head;
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, HWSIZE), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);

	fake_reboot(test, irq_lu_block());
	fake_unplug(test, fake);
	fake_reset_units(test->priv);
	fake_boot(test);
	fake = fake_add(test, "new", &fake_msix_head, 0);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_EXPECT_TRUE(test, irq_liveupdate_reserved(fake->dev));
}

static void masked_before_blocked(struct kunit *test)
{
	struct fake_device *a = fake_add_running(test, "a", &fake_msix_head, 0, NR_VECS);
	struct fake_device *b = fake_add_running(test, "b", &fake_other_head, 1, NR_VECS);
	struct fake_machine *m = test->priv;
	const struct irq_lu_root_ser *root;
	unsigned int e = 0;

	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(a->dev), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(b->dev), 0);
	KUNIT_ASSERT_EQ(test, m->nr_events, 0);

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);

	KUNIT_ASSERT_EQ(test, m->nr_events, 2 + 2 * NR_VECS + NR_UNITS);
	for (; e < 2; e++)
		KUNIT_EXPECT_EQ(test, m->events[e].type, MASKED);
	for (; e < 2 + 2 * NR_VECS; e++)
		KUNIT_EXPECT_EQ(test, m->events[e].type, BLOCKED);
	for (unsigned int i = 0; i < NR_UNITS; i++, e++) {
		KUNIT_EXPECT_EQ(test, m->events[e].type, SYNCED);
		KUNIT_EXPECT_PTR_EQ(test, m->events[e].who, (const void *)&m->units[i]);
		KUNIT_EXPECT_EQ(test, m->events[e].state, IRQ_LU_STATE_PREPARED);
		KUNIT_EXPECT_EQ(test, bitmap_weight(m->units[i].latched, NR_ENTRIES), NR_VECS);
	}
	KUNIT_EXPECT_TRUE(test, a->masked && b->masked);
	KUNIT_EXPECT_EQ(test, root->state, IRQ_LU_STATE_FROZEN);
	KUNIT_EXPECT_EQ(test, root->nr_devices, 2);
}

/* All other units are flushed nevertheless. */
static void nothing_is_handed_over_without_a_flush(struct kunit *test)
{
	struct fake_device *a = fake_add_running(test, "a", &fake_msix_head, 0, NR_VECS);
	struct fake_device *b = fake_add_running(test, "b", &fake_other_head, 1, NR_VECS);
	struct fake_machine *m = test->priv;
	const struct irq_lu_root_ser *root;

	KUNIT_ASSERT_EQ(test, fake_preserve(a), 0);
	KUNIT_ASSERT_EQ(test, fake_preserve(b), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(a->dev), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(b->dev), 0);
	m->units[0].sync_fails = true;

	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_EXPECT_EQ(test, root->state, IRQ_LU_STATE_PREPARED);
	KUNIT_EXPECT_EQ(test, m->events[m->nr_events - 1].type, SYNCED);
	KUNIT_EXPECT_PTR_EQ(test, m->events[m->nr_events - 1].who, (const void *)&m->units[1]);
}

/*
 * A whole life
 */

static void msix_vectors_live_on(struct kunit *test)
{
	fake_live_on(test, &fake_msix_head, NR_VECS);
}

static const unsigned int msi_counts[] = { 1, 2, 3, 4, 8, 17, 32 };

KUNIT_ARRAY_PARAM(msi_count, msi_counts, fake_describe_count);

static void msi_vectors_live_on(struct kunit *test)
{
	fake_live_on(test, &fake_msi_head, *(const unsigned int *)test->param_value);
}

static struct kunit_case preserve_test_cases[] = {
	KUNIT_CASE(preserve_needs_a_unit),
	KUNIT_CASE(preserve_refuses_managed_affinity),
	KUNIT_CASE(preserve_refuses_a_device_which_disagrees),
	KUNIT_CASE(freeze_refuses_a_device_which_disagrees),
	KUNIT_CASE(preserve_fails_as_its_unit_says),
	KUNIT_CASE(unit_goes_with_its_last_device),
	KUNIT_CASE(unit_comes_back_with_a_device),
	KUNIT_CASE(preserve_twice_is_refused),
	KUNIT_CASE_SLOW(more_devices_than_fit_into_a_page_are_handed_over),
	KUNIT_CASE(preserve_looks_at_no_descriptor_without_lock),
	KUNIT_CASE(preserve_before_finish_is_refused),
	KUNIT_CASE(cancel_leaves_nothing_behind),
	KUNIT_CASE(unfrozen_device_is_not_handed_over),
	KUNIT_CASE(driver_may_change_the_msi_type_before_the_freeze),
	KUNIT_CASE(masked_before_blocked),
	KUNIT_CASE(nothing_is_handed_over_without_a_flush),
	KUNIT_CASE(msix_vectors_live_on),
	KUNIT_CASE_PARAM(msi_vectors_live_on, msi_count_gen_params),
	{}
};

static struct kunit_suite preserve_test_suite = {
	.name		= "irq_liveupdate_preserve",
	.init		= fake_machine_init,
	.test_cases	= preserve_test_cases,
};

kunit_test_suite(preserve_test_suite);

MODULE_DESCRIPTION("KUnit tests of handing interrupts over");
MODULE_LICENSE("GPL");
