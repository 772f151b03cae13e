// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of FINISH: what becomes of vectors that nobody has requested, of owners
 * that come late, and of numbers that are in use otherwise.
 */

#include <kunit/irq_liveupdate/outcome.h>
#include <kunit/test.h>
#include <linux/irq.h>

#include "internals.h"
#include "kunit_fake_machine.h"
#include "kunit_load.h"

static void unclaimed_vectors_are_revoked(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);
	struct irq_lu_vector_ser rest = fake_vector;

	rest.irq++;
	rest.handle++;
	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	KUNIT_EXPECT_FALSE(test, fake_is_free(rest.irq));

	fake_end(fake);
	fake_expect_counts(test, fake, 1, 1);
	fake_expect_revoked(test, &rest, NR_VECS - 1);
	fake_expect_adopted(test, fake, &fake_vector, 1);
	KUNIT_EXPECT_EQ(test, fake->unit->table[fake_vector.handle],
			ENTRY(fake_vector.source, ENTRY_PRESENT));
}

static void more_vectors_than_recorded_are_added_cold(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, NR_VECS + 1);

	KUNIT_EXPECT_GT(test, fake_irq_of(fake, NR_VECS), 0);
	KUNIT_EXPECT_LT(test, fake_irq_of(fake, NR_VECS), IRQ_RECORDED);
	for (unsigned int i = 0; i <= NR_VECS; i++)
		KUNIT_ASSERT_EQ(test, fake_request(fake, i, 0), 0);

	fake_end(fake);
	fake_expect_counts(test, fake, NR_VECS, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->count[NR_VECS]), 0);
}

static void expect_locked_out(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	KUNIT_EXPECT_TRUE(test, m->driver_waited);
	flush_work(&m->driver);
	KUNIT_EXPECT_TRUE(test, completion_done(&m->driver_runs));
}

/* Otherwise an entry that is freed meanwhile would stay allocated forever. */
static void finish_locks_the_driver_out(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	fake_driver_tries(test, fake);
	fake_end(fake);
	expect_locked_out(test);
}

static void finished_vector_is_an_ordinary_one(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, NR_VECS);

	fake_end(fake);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_is_incoming(fake->dev));
	fake_expect_adopted(test, fake, &fake_vector, NR_VECS);

	fake_free_vectors(fake);
	fake_expect_revoked(test, &fake_vector, NR_VECS);
}

static void rest_is_revoked(struct kunit *test)
{
	struct fake_device *found = fake_add(test, "found", &fake_msix_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_image_add(test, &fake_other_head, &fake_other_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(found->dev, &fake_device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(found, NR_VECS), 0);
	for (unsigned int i = 0; i < NR_VECS; i++)
		KUNIT_ASSERT_EQ(test, fake_request(found, i, 0), 0);

	irq_liveupdate_revoke_absent();
	fake_expect_counts(test, found, NR_VECS, 0);
	fake_expect_adopted(test, found, &fake_vector, NR_VECS);
	fake_expect_revoked(test, &fake_other_vector, NR_VECS);

	fake_end(found);
	fake_expect_counts(test, found, NR_VECS, 1);
	fake_expect_all_freed(test);
}

/*
 * After FINISH, while the owner may still come
 */

static struct fake_device *finish_before_use(struct kunit *test,
					     const struct irq_lu_device_ser *head)
{
	struct fake_device *fake = fake_add(test, "new", head, 0);

	fake_image_init(test);
	fake_image_add(test, head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	irq_liveupdate_finish(fake->dev);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_is_incoming(fake->dev));
	return fake;
}

static void request_all(struct kunit *test, struct fake_device *fake, unsigned int nr)
{
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, nr), 0);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, fake_request(fake, i, 0), 0);
}

KUNIT_ARRAY_PARAM(msi_type, fake_msi_types, fake_describe_type);

static void vectors_wait_for_their_owner(struct kunit *test)
{
	const struct irq_lu_device_ser * const *type = test->param_value;
	struct fake_device *fake = finish_before_use(test, *type);

	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, irq_liveupdate_reserved(fake->dev));
		KUNIT_EXPECT_FALSE(test, fake->disabled);
		KUNIT_EXPECT_FALSE(test, fake_is_free(IRQ_RECORDED));

		KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
		fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
		KUNIT_EXPECT_EQ(test, fake_request(fake, 0, 0), 0);
		fake_expect_counts(test, fake, 1, 1);
		fake_free_vectors(fake);
	}

	irq_liveupdate_release(fake->dev);
	KUNIT_EXPECT_TRUE(test, fake->disabled);
	fake_expect_revoked(test, &fake_vector, NR_VECS);
	fake_expect_all_freed(test);
}

static void device_is_released_with_its_last_interrupt(struct kunit *test)
{
	struct fake_device *fake = finish_before_use(test, &fake_msix_head);

	request_all(test, fake, NR_VECS);
	fake_expect_counts(test, fake, NR_VECS, 1);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_reserved(fake->dev));
	KUNIT_EXPECT_TRUE(test, list_empty(&irq_liveupdate_incoming));
	fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
	fake_expect_all_freed(test);
}

static void device_in_use_is_released_at_finish(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, NR_VECS);

	for (unsigned int i = 0; i < NR_VECS; i++)
		KUNIT_EXPECT_EQ(test, fake_request(fake, i, 0), 0);
	irq_liveupdate_finish(fake->dev);
	fake_expect_counts(test, fake, NR_VECS, 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&irq_liveupdate_incoming));
	fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
	fake_expect_all_freed(test);
}

static void released_vectors_in_use_stay(struct kunit *test)
{
	struct fake_device *fake = finish_before_use(test, &fake_msix_head);
	struct irq_lu_vector_ser rest = fake_vector;

	request_all(test, fake, 1);
	irq_liveupdate_release(fake->dev);
	fake_expect_counts(test, fake, 1, 1);
	fake_expect_adopted(test, fake, &fake_vector, 1);
	rest.irq++;
	rest.handle++;
	fake_expect_revoked(test, &rest, NR_VECS - 1);
	fake_expect_all_freed(test);
}

/* As VFIO does when its user wants more vectors. */
static void vector_freed_before_it_is_requested_is_owed_its_interrupt(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, NR_VECS);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	irq_liveupdate_finish(fake->dev);
	fake_expect_counts(test, fake, 1, 1);
	fake_free_vectors(fake);

	request_all(test, fake, NR_VECS);
	fake_expect_counts(test, fake, NR_VECS, 1);
}

static void cold_vectors_get_their_interrupt_when_requested(struct kunit *test)
{
	struct fake_device *fake = finish_before_use(test, &fake_msi_head);

	fake->head.msi_type = IRQ_LU_MSIX;
	for (unsigned int i = 0; i < 2; i++) {
		request_all(test, fake, NR_VECS + 1);
		KUNIT_EXPECT_LT(test, fake_irq_of(fake, 0), IRQ_RECORDED);
		fake_expect_counts(test, fake, NR_VECS + 1, 1);
		fake_free_vectors(fake);
	}
}

/* A guest that reboots: fewer messages of MSI, then all of them again. */
static void all_messages_get_their_interrupt_after_fewer(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msi_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msi_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	request_all(test, fake, NR_VECS);
	fake_free_vectors(fake);
	request_all(test, fake, 1);
	fake_free_vectors(fake);
	request_all(test, fake, NR_VECS);

	irq_liveupdate_finish(fake->dev);
	fake_expect_counts(test, fake, NR_VECS, 1);
}

/* A guest that reboots, and whose next driver uses other interrupts, misses none. */
static void adopted_device_is_not_refused_after_finish(struct kunit *test)
{
	const struct irq_lu_device_ser * const *type = test->param_value;
	const struct irq_lu_device_ser *head = *type;
	struct fake_device *fake = fake_add(test, "new", head, 0);

	start_outcome(test, head->segment, head->devid);
	fake_image_init(test);
	fake_image_add(test, head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	for (unsigned int i = 0; i < NR_VECS - 1; i++)
		KUNIT_ASSERT_EQ(test, fake_request(fake, i, 0), 0);
	irq_liveupdate_finish(fake->dev);
	fake_expect_counts(test, fake, NR_VECS - 1, 1);
	fake_free_vectors(fake);
	KUNIT_EXPECT_TRUE(test, irq_liveupdate_reserved(fake->dev));

	fake->head.msi_type ^= IRQ_LU_MSI ^ IRQ_LU_MSIX;
	fake_use_cold(test, fake, NR_VECS + 1);
	KUNIT_EXPECT_TRUE(test, fake->disabled);
	fake_expect_counts(test, fake, NR_VECS - 1, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->count[NR_VECS - 1]), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->count[NR_VECS]), 0);
	expect_outcome(test, head->segment, head->devid, NULL);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_reserved(fake->dev));
	fake_expect_revoked(test, &fake_vector, NR_VECS);
	fake_free_vectors(fake);

	irq_liveupdate_release(fake->dev);
	fake_expect_all_freed(test);
}

/* The interrupt of another driver, which asked for its number by value. */
static void take_number(struct kunit *test, struct fake_device *foreign, unsigned int irq)
{
	KUNIT_ASSERT_EQ(test, irq_alloc_desc_at(irq, NUMA_NO_NODE), irq);
	irq_set_chip_and_handler(irq, &dummy_irq_chip, handle_simple_irq);
	irq_clear_status_flags(irq, _IRQ_NOREQUEST);
	KUNIT_ASSERT_EQ(test, request_irq(irq, fake_count_irq, 0, "foreign",
					  &foreign->count[0]), 0);
}

static void expect_untouched(struct kunit *test, struct fake_device *foreign, unsigned int irq)
{
	scoped_irqdesc_get_and_lock(irq, 0)
		KUNIT_EXPECT_FALSE(test, scoped_irqdesc->istate & (IRQS_PENDING | IRQS_REPLAY));
	free_irq(irq, &foreign->count[0]);
	irq_free_desc(irq);
	KUNIT_EXPECT_EQ(test, atomic_read(&foreign->count[0]), 0);
}

static void taken_number_makes_its_device_start_cold(struct kunit *test)
{
	struct fake_device *foreign = kunit_kzalloc(test, sizeof(*foreign), GFP_KERNEL);
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	KUNIT_ASSERT_NOT_NULL(test, foreign);
	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	take_number(test, foreign, IRQ_RECORDED + 1);

	fake_use_cold(test, fake, NR_VECS);
	irq_liveupdate_finish(fake->dev);
	fake_expect_counts(test, fake, NR_VECS, 1);
	expect_untouched(test, foreign, IRQ_RECORDED + 1);
}

static void number_taken_after_adoption_is_left_alone(struct kunit *test)
{
	struct fake_device *foreign = kunit_kzalloc(test, sizeof(*foreign), GFP_KERNEL);
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_NOT_NULL(test, foreign);
	take_number(test, foreign, IRQ_RECORDED + 1);
	fake_free_vectors(fake);
	request_all(test, fake, NR_VECS);
	KUNIT_EXPECT_EQ(test, fake_irq_of(fake, 0), IRQ_RECORDED);
	KUNIT_EXPECT_LT(test, fake_irq_of(fake, 1), IRQ_RECORDED);
	KUNIT_EXPECT_EQ(test, fake_irq_of(fake, 2), IRQ_RECORDED + 2);

	fake_end(fake);
	fake_expect_counts(test, fake, NR_VECS, 1);
	expect_untouched(test, foreign, IRQ_RECORDED + 1);
	/* Its vector has another entry, too. */
	KUNIT_EXPECT_FALSE(test, test_bit(fake_vector.handle + 1, fake->unit->used));
}

static void nothing_to_finish(struct kunit *test)
{
	fake_image_init(test);
	fake_boot(test);
	irq_liveupdate_revoke_absent();
	fake_expect_all_freed(test);

	irq_liveupdate_revoke_absent();
}

static void root_not_frozen_is_not_taken_over(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	irq_lu_ser_seal_root(m->root, m->table);
	m->root->state = IRQ_LU_STATE_PREPARED;

	load_as_booted(m->root, &fake_memory);
	KUNIT_EXPECT_NULL(test, irq_liveupdate_incoming_unit(IRQ_LU_BACKEND_VTD, 0,
							     m->units[0].reg_base));
	KUNIT_EXPECT_TRUE(test, fake_is_free(IRQ_RECORDED));
}

static struct kunit_case finish_test_cases[] = {
	KUNIT_CASE(unclaimed_vectors_are_revoked),
	KUNIT_CASE(more_vectors_than_recorded_are_added_cold),
	KUNIT_CASE(finish_locks_the_driver_out),
	KUNIT_CASE(finished_vector_is_an_ordinary_one),
	KUNIT_CASE(rest_is_revoked),
	KUNIT_CASE_PARAM(vectors_wait_for_their_owner, msi_type_gen_params),
	KUNIT_CASE(device_is_released_with_its_last_interrupt),
	KUNIT_CASE(device_in_use_is_released_at_finish),
	KUNIT_CASE(released_vectors_in_use_stay),
	KUNIT_CASE(vector_freed_before_it_is_requested_is_owed_its_interrupt),
	KUNIT_CASE(cold_vectors_get_their_interrupt_when_requested),
	KUNIT_CASE(all_messages_get_their_interrupt_after_fewer),
	KUNIT_CASE_PARAM(adopted_device_is_not_refused_after_finish, msi_type_gen_params),
	KUNIT_CASE(taken_number_makes_its_device_start_cold),
	KUNIT_CASE(number_taken_after_adoption_is_left_alone),
	KUNIT_CASE(nothing_to_finish),
	KUNIT_CASE(root_not_frozen_is_not_taken_over),
	{}
};

static struct kunit_suite finish_test_suite = {
	.name		= "irq_liveupdate_finish",
	.init		= fake_machine_init,
	.test_cases	= finish_test_cases,
};

kunit_test_suite(finish_test_suite);

MODULE_DESCRIPTION("KUnit tests of FINISH of interrupt live update");
MODULE_LICENSE("GPL");
