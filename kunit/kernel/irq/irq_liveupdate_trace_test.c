// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the trace events of an interrupt live update.
 */

#include <kunit/test.h>
#include <linux/irq.h>

#include "internals.h"
#include "kunit_fake_machine.h"

#include <trace/events/irq_liveupdate.h>

/*
 * The trace as a string, to which the probe of each event adds one character
 */

#define MAX_TRACED	64

struct traced {
	char			events[MAX_TRACED];
	unsigned int		nr;
	enum irq_liveupdate_step step;
	char			reason[64];
};

static void add_traced(struct traced *traced, char event)
{
	if (traced->nr + 1 < MAX_TRACED)
		traced->events[traced->nr++] = event;
}

static void on_preserve(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'p');
}

static void on_unpreserve(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'P');
}

static void on_freeze(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'f');
}

static void on_unfreeze(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'F');
}

static void on_block(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'b');
}

static void on_take_over(void *data, const struct irq_lu_unit_ser *unit)
{
	add_traced(data, 't');
}

static void on_reserve(void *data, const struct irq_lu_device_ser *ser,
		       const struct irq_lu_vector_ser *rec)
{
	add_traced(data, 'r');
}

static void on_adopt(void *data, const struct irq_lu_device_ser *ser,
		     const struct irq_lu_vector_ser *rec)
{
	add_traced(data, 'a');
}

static void on_revoke(void *data, const struct irq_lu_device_ser *ser,
		      const struct irq_lu_vector_ser *rec)
{
	add_traced(data, 'R');
}

static void on_inject(void *data, unsigned int irq, unsigned long arrivals, bool was_pending,
		      unsigned int how)
{
	add_traced(data, 'i');
}

static void on_finish(void *data, struct device *dev, unsigned int nr_vectors)
{
	add_traced(data, 'e');
}

static void on_refuse(void *data, const char *device, enum irq_liveupdate_step step,
		      const char *reason)
{
	struct traced *traced = data;

	add_traced(traced, '!');
	traced->step = step;
	strscpy(traced->reason, reason);
}

static void stop_tracing(void *traced)
{
	unregister_trace_irq_liveupdate_preserve(on_preserve, traced);
	unregister_trace_irq_liveupdate_unpreserve(on_unpreserve, traced);
	unregister_trace_irq_liveupdate_freeze(on_freeze, traced);
	unregister_trace_irq_liveupdate_unfreeze(on_unfreeze, traced);
	unregister_trace_irq_liveupdate_block(on_block, traced);
	unregister_trace_irq_liveupdate_take_over(on_take_over, traced);
	unregister_trace_irq_liveupdate_reserve(on_reserve, traced);
	unregister_trace_irq_liveupdate_adopt(on_adopt, traced);
	unregister_trace_irq_liveupdate_revoke(on_revoke, traced);
	unregister_trace_irq_liveupdate_inject(on_inject, traced);
	unregister_trace_irq_liveupdate_finish(on_finish, traced);
	unregister_trace_irq_liveupdate_refuse(on_refuse, traced);
	tracepoint_synchronize_unregister();
}

static struct traced *start_tracing(struct kunit *test)
{
	struct traced *traced = kunit_kzalloc(test, sizeof(*traced), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, traced);
	ret = register_trace_irq_liveupdate_preserve(on_preserve, traced) ?:
	      register_trace_irq_liveupdate_unpreserve(on_unpreserve, traced) ?:
	      register_trace_irq_liveupdate_freeze(on_freeze, traced) ?:
	      register_trace_irq_liveupdate_unfreeze(on_unfreeze, traced) ?:
	      register_trace_irq_liveupdate_block(on_block, traced) ?:
	      register_trace_irq_liveupdate_take_over(on_take_over, traced) ?:
	      register_trace_irq_liveupdate_reserve(on_reserve, traced) ?:
	      register_trace_irq_liveupdate_adopt(on_adopt, traced) ?:
	      register_trace_irq_liveupdate_revoke(on_revoke, traced) ?:
	      register_trace_irq_liveupdate_inject(on_inject, traced) ?:
	      register_trace_irq_liveupdate_finish(on_finish, traced) ?:
	      register_trace_irq_liveupdate_refuse(on_refuse, traced);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_tracing, traced), 0);
	return traced;
}

static void steps_are_traced_in_order(struct kunit *test)
{
	struct traced *traced = start_tracing(test);

	fake_live_on(test, &fake_msix_head, NR_VECS);
	/* The device of the old kernel is unpreserved when it is removed from the test. */
	KUNIT_EXPECT_STREQ(test, traced->events, "pfbPtrrraaaiiie");
}

static void cancelled_steps_are_traced(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	struct traced *traced = start_tracing(test);

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	irq_liveupdate_unfreeze(fake->dev);
	fake_unpreserve(fake);
	KUNIT_EXPECT_STREQ(test, traced->events, "pfFP");
}

static void refusal_at_preserve_is_traced(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	struct traced *traced = start_tracing(test);

	dev_set_msi_domain(fake->dev, fake->machine->cpus);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	dev_set_msi_domain(fake->dev, fake->unit->domain);
	KUNIT_EXPECT_STREQ(test, traced->events, "!");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_PRESERVE);
	KUNIT_EXPECT_STREQ(test, traced->reason, "no interrupt remapping");
}

static void refusal_of_a_vector_is_traced_with_its_reason(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	struct irq_data *irqd = irq_get_irq_data(fake_irq_of(fake, 1));
	struct traced *traced = start_tracing(test);

	irqd_set(irqd, IRQD_AFFINITY_MANAGED);
	KUNIT_EXPECT_EQ(test, fake_preserve(fake), -EOPNOTSUPP);
	irqd_clear(irqd, IRQD_AFFINITY_MANAGED);
	KUNIT_EXPECT_STREQ(test, traced->events, "!");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_PRESERVE);
	KUNIT_EXPECT_STREQ(test, traced->reason, "managed affinity");
}

static void refusal_at_freeze_is_traced(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	struct traced *traced = start_tracing(test);

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	fake->hw[1].data ^= 1;
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), -EIO);
	KUNIT_EXPECT_STREQ(test, traced->events, "p!");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_FREEZE);
	KUNIT_EXPECT_STREQ(test, traced->reason, "device and kernel disagree");
}

static void refusal_at_the_block_is_traced(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	struct traced *traced = start_tracing(test);

	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	fake->unit->sync_fails = true;
	KUNIT_EXPECT_NOT_NULL(test, irq_lu_block());
	KUNIT_EXPECT_STREQ(test, traced->events, "pfb!");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_BLOCK);
}

static void refusal_in_the_next_kernel_is_traced(struct kunit *test)
{
	struct traced *traced = start_tracing(test);
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_refuse_unit(&m->root->units[0], "a reason");
	KUNIT_EXPECT_STREQ(test, traced->events, "trrrt!RRR");
	KUNIT_EXPECT_EQ(test, traced->step, IRQ_LIVEUPDATE_TAKE_OVER);
	KUNIT_EXPECT_STREQ(test, traced->reason, "a reason");
}

static struct kunit_case trace_test_cases[] = {
	KUNIT_CASE(steps_are_traced_in_order),
	KUNIT_CASE(cancelled_steps_are_traced),
	KUNIT_CASE(refusal_at_preserve_is_traced),
	KUNIT_CASE(refusal_of_a_vector_is_traced_with_its_reason),
	KUNIT_CASE(refusal_at_freeze_is_traced),
	KUNIT_CASE(refusal_at_the_block_is_traced),
	KUNIT_CASE(refusal_in_the_next_kernel_is_traced),
	{}
};

static struct kunit_suite trace_test_suite = {
	.name		= "irq_liveupdate_trace",
	.init		= fake_machine_init,
	.test_cases	= trace_test_cases,
};

kunit_test_suite(trace_test_suite);

MODULE_DESCRIPTION("KUnit tests of trace events of interrupt live update");
MODULE_LICENSE("GPL");
