// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the synthetic interrupt: each vector gets exactly one, whatever state
 * it is in at FINISH.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/irq.h>

#include "internals.h"
#include "kunit_fake_machine.h"

static void set_pending(struct fake_device *fake)
{
	scoped_irqdesc_get_and_lock(fake_irq_of(fake, 0), 0)
		scoped_irqdesc->istate |= IRQS_PENDING;
}

/* An interrupt that the core has retriggered, and no CPU has taken yet */
static void set_replay(struct fake_device *fake)
{
	fake->machine->ipi_held = true;
	scoped_irqdesc_get_and_lock(fake_irq_of(fake, 0), 0)
		check_irq_resend(scoped_irqdesc, true);
}

static void let_ipis_go(struct fake_device *fake)
{
	fake->machine->ipi_held = false;
	irq_work_queue(&fake->machine->ipi);
	irq_work_sync(&fake->machine->ipi);
}

static void requested_vector_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	fake_expect_counts(test, fake, 1, 0);
	irq_liveupdate_finish(fake->dev);
	fake_expect_counts(test, fake, 1, 1);

	irq_liveupdate_finish(fake->dev);
	fake_expect_counts(test, fake, 1, 1);
}

static void only_a_debug_kernel_reads_the_device_at_finish(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, NR_VECS);

	fake->nr_captured = 0;
	fake_end(fake);
	KUNIT_EXPECT_EQ(test, fake->nr_captured,
			IS_ENABLED(CONFIG_IRQ_LIVEUPDATE_DEBUG) ? NR_VECS : 0);
}

/* As a debug kernel does when the owner has set vectors up, and at FINISH. */
static void adopted_vectors_are_compared_with_the_device(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, NR_VECS);

	KUNIT_EXPECT_EQ(test, irq_liveupdate_audit(fake->dev, &fake_device_ops), NR_VECS);

	fake->hw[NR_VECS - 1].data ^= 1;
	KUNIT_EXPECT_EQ(test, irq_liveupdate_audit(fake->dev, &fake_device_ops), -EIO);
	fake->hw[NR_VECS - 1].data ^= 1;

	fake->msi_broken = true;
	KUNIT_EXPECT_EQ(test, irq_liveupdate_audit(fake->dev, &fake_device_ops), -EIO);
	fake->msi_broken = false;

	fake_free_vectors(fake);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_audit(fake->dev, &fake_device_ops), 0);
}

/* An audit that finds a difference the first @nr_differ times */
static struct {
	unsigned int	nr_differ;
	unsigned int	nr;
	unsigned int	nr_reported;
} audits;

static int fake_audit(struct device *dev, const struct irq_liveupdate_dev_ops *ops, bool report)
{
	if (audits.nr++ >= audits.nr_differ)
		return NR_VECS;

	audits.nr_reported += report;
	return -EIO;
}

/* As while the driver enables MSI-X: it masks the function until it is done. */
static void difference_is_reported_only_if_it_stays(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, NR_VECS);

	kunit_activate_static_stub(test, irq_lu_audit, fake_audit);
	audits.nr = 0;
	audits.nr_reported = 0;
	audits.nr_differ = 2;
	KUNIT_EXPECT_EQ(test, irq_lu_audit_running(fake->dev, &fake_device_ops), NR_VECS);
	KUNIT_EXPECT_EQ(test, audits.nr, 3);
	KUNIT_EXPECT_EQ(test, audits.nr_reported, 0);

	audits.nr = 0;
	audits.nr_differ = UINT_MAX;
	KUNIT_EXPECT_EQ(test, irq_lu_audit_running(fake->dev, &fake_device_ops), -EIO);
	KUNIT_EXPECT_EQ(test, audits.nr, 3);
	KUNIT_EXPECT_EQ(test, audits.nr_reported, 1);
}

static void pending_vector_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_pending(fake);
	fake_end(fake);
	fake_expect_counts(test, fake, 1, 1);

	disable_irq(fake_irq_of(fake, 0));
	enable_irq(fake_irq_of(fake, 0));
	fake_expect_counts(test, fake, 1, 1);
}

static void replayed_vector_is_not_injected_again(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_replay(fake);
	fake_end(fake);
	let_ipis_go(fake);
	fake_expect_counts(test, fake, 1, 1);
}

static void vector_is_injected_when_it_is_requested(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	irq_liveupdate_finish(fake->dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->machine->nr_ipis), 0);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	fake_expect_counts(test, fake, 1, 1);

	fake_release_irq(fake, 0);
	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	fake_expect_counts(test, fake, 1, 1);
}

static void vector_is_injected_when_it_is_requested_again(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	fake_release_irq(fake, 0);
	irq_liveupdate_finish(fake->dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->machine->nr_ipis), 0);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	fake_expect_counts(test, fake, 1, 1);
}

static void disabled_vector_is_injected_when_it_is_enabled(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	disable_irq(fake_irq_of(fake, 0));
	fake_end(fake);
	fake_expect_counts(test, fake, 1, 0);

	enable_irq(fake_irq_of(fake, 0));
	fake_expect_counts(test, fake, 1, 1);
}

static void masked_vector_is_injected_when_it_is_unmasked(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	irq_set_status_flags(fake_irq_of(fake, 0), _IRQ_DISABLE_UNLAZY);
	disable_irq(fake_irq_of(fake, 0));
	KUNIT_ASSERT_TRUE(test, irqd_irq_masked(irq_get_irq_data(fake_irq_of(fake, 0))));
	fake_end(fake);
	fake_expect_counts(test, fake, 1, 0);

	enable_irq(fake_irq_of(fake, 0));
	fake_expect_counts(test, fake, 1, 1);
}

static void vector_without_autoenable_is_injected_when_it_is_enabled(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, IRQF_NO_AUTOEN), 0);
	fake_end(fake);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->machine->nr_ipis), 0);

	enable_irq(fake_irq_of(fake, 0));
	fake_expect_counts(test, fake, 1, 1);
}

static void disabled_and_pending_vector_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	disable_irq(fake_irq_of(fake, 0));
	set_pending(fake);
	fake_end(fake);
	fake_expect_counts(test, fake, 1, 0);

	enable_irq(fake_irq_of(fake, 0));
	fake_expect_counts(test, fake, 1, 1);
}

static void disabled_vector_in_replay_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_replay(fake);
	disable_irq_nosync(fake_irq_of(fake, 0));
	fake_end(fake);
	let_ipis_go(fake);
	fake_expect_counts(test, fake, 1, 0);

	enable_irq(fake_irq_of(fake, 0));
	fake_expect_counts(test, fake, 1, 1);
}

static void enabled_while_in_replay_is_injected_once(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_replay(fake);
	disable_irq_nosync(fake_irq_of(fake, 0));
	fake_end(fake);
	enable_irq(fake_irq_of(fake, 0));
	let_ipis_go(fake);
	fake_expect_counts(test, fake, 1, 1);
}

/* What is sent to a vector that is shut down meanwhile does not arrive. */
static void vector_is_injected_after_a_replay_was_lost(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	set_replay(fake);
	fake_release_irq(fake, 0);
	fake->machine->nr_pending = 0;
	let_ipis_go(fake);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	fake_end(fake);
	fake_expect_counts(test, fake, 1, 1);
}

static void vector_which_can_not_be_sent_is_left_pending(struct kunit *test)
{
	struct fake_device *fake = fake_adopt(test, 1);

	KUNIT_ASSERT_EQ(test, fake_request(fake, 0, 0), 0);
	irqd_set_handle_enforce_irqctx(irq_get_irq_data(fake_irq_of(fake, 0)));
	fake->machine->ipi_refused = true;
	fake_end(fake);
	fake_expect_counts(test, fake, 1, 0);

	fake->machine->ipi_refused = false;
	disable_irq(fake_irq_of(fake, 0));
	enable_irq(fake_irq_of(fake, 0));
	fake_expect_counts(test, fake, 1, 1);
}

/* A handler that stays in its first interrupt, on another CPU, until it may continue */
struct slow_handler {
	struct irq_work		arrival;
	struct completion	runs;
	unsigned int		irq;
	atomic_t		count;
	bool			may_go_on;
};

static irqreturn_t handle_slowly(int irq, void *data)
{
	struct slow_handler *slow = data;

	if (atomic_inc_return(&slow->count) > 1)
		return IRQ_HANDLED;

	complete(&slow->runs);
	while (!READ_ONCE(slow->may_go_on))
		cpu_relax();
	return IRQ_HANDLED;
}

static void arrive(struct irq_work *work)
{
	struct slow_handler *slow = container_of(work, struct slow_handler, arrival);

	generic_handle_irq(slow->irq);
}

static void start_slow_handler(struct slow_handler *slow)
{
	init_completion(&slow->runs);
	init_irq_work(&slow->arrival, arrive);
	irq_work_queue_on(&slow->arrival,
			  cpumask_any_but(cpu_online_mask, smp_processor_id()));
	wait_for_completion(&slow->runs);
}

/*
 * A second device is not finished, because the end of the update waits for all
 * CPUs. The test stays on its CPU, because it could not run on that of the
 * handler.
 */
static struct fake_device *adopt_while_handler_runs(struct kunit *test,
						    struct slow_handler *slow)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, 1);
	fake_image_add(test, &fake_other_head, &fake_other_vector, 1);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, 1), 0);
	slow->irq = fake_irq_of(fake, 0);
	KUNIT_ASSERT_EQ(test, request_irq(slow->irq, handle_slowly, 0, "fake", slow), 0);

	migrate_disable();
	KUNIT_EXPECT_EQ(test, 0, irq_set_affinity(slow->irq, cpumask_of(smp_processor_id())));
	start_slow_handler(slow);
	return fake;
}

static void let_handler_go(struct fake_device *fake, struct slow_handler *slow)
{
	WRITE_ONCE(slow->may_go_on, true);
	migrate_enable();
	irq_work_sync(&slow->arrival);
	irq_work_sync(&fake->machine->ipi);
}

static void vector_whose_handler_runs_is_injected_once(struct kunit *test)
{
	struct slow_handler slow = { };
	struct fake_device *fake = adopt_while_handler_runs(test, &slow);

	fake_end(fake);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 1);

	let_handler_go(fake, &slow);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 2);
	free_irq(slow.irq, &slow);
}

/* As with a handler that disables its interrupt, for a thread to enable it again */
static void vector_disabled_while_its_handler_runs_is_injected_once(struct kunit *test)
{
	struct slow_handler slow = { };
	struct fake_device *fake = adopt_while_handler_runs(test, &slow);

	fake_end(fake);
	irq_work_sync(&fake->machine->ipi);
	disable_irq_nosync(slow.irq);
	let_handler_go(fake, &slow);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 1);

	enable_irq(slow.irq);
	irq_work_sync(&fake->machine->ipi);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 2);
	free_irq(slow.irq, &slow);
}

static void vector_is_injected_after_a_replay_met_its_handler(struct kunit *test)
{
	struct slow_handler slow = { };
	struct fake_device *fake = adopt_while_handler_runs(test, &slow);

	set_replay(fake);
	let_ipis_go(fake);
	let_handler_go(fake, &slow);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 2);

	fake_end(fake);
	irq_work_sync(&fake->machine->ipi);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow.count), 3);
	free_irq(slow.irq, &slow);
}

static struct kunit_case inject_test_cases[] = {
	KUNIT_CASE(requested_vector_is_injected_once),
	KUNIT_CASE(only_a_debug_kernel_reads_the_device_at_finish),
	KUNIT_CASE(adopted_vectors_are_compared_with_the_device),
	KUNIT_CASE(difference_is_reported_only_if_it_stays),
	KUNIT_CASE(pending_vector_is_injected_once),
	KUNIT_CASE(replayed_vector_is_not_injected_again),
	KUNIT_CASE(vector_is_injected_when_it_is_requested),
	KUNIT_CASE(vector_is_injected_when_it_is_requested_again),
	KUNIT_CASE(disabled_vector_is_injected_when_it_is_enabled),
	KUNIT_CASE(masked_vector_is_injected_when_it_is_unmasked),
	KUNIT_CASE(vector_without_autoenable_is_injected_when_it_is_enabled),
	KUNIT_CASE(disabled_and_pending_vector_is_injected_once),
	KUNIT_CASE(disabled_vector_in_replay_is_injected_once),
	KUNIT_CASE(enabled_while_in_replay_is_injected_once),
	KUNIT_CASE(vector_is_injected_after_a_replay_was_lost),
	KUNIT_CASE(vector_which_can_not_be_sent_is_left_pending),
	KUNIT_CASE(vector_whose_handler_runs_is_injected_once),
	KUNIT_CASE(vector_disabled_while_its_handler_runs_is_injected_once),
	KUNIT_CASE(vector_is_injected_after_a_replay_met_its_handler),
	{}
};

static struct kunit_suite inject_test_suite = {
	.name		= "irq_liveupdate_inject",
	.init		= fake_machine_init,
	.test_cases	= inject_test_cases,
};

kunit_test_suite(inject_test_suite);

MODULE_DESCRIPTION("KUnit tests of the synthetic interrupt of interrupt live update");
MODULE_LICENSE("GPL");
