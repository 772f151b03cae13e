// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of LUO's file-lifecycle-bound objects: what the end of a file does to an object
 * that nobody has looked up, handed over or not, or that cannot be retrieved.
 */

#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/module.h>

#include "luo_internal.h"

#define NR_FILES	2

static unsigned int nr_retrieved, nr_finished;
static int object;

static int never_preserve(struct liveupdate_flb_op_args *args)
{
	return -EOPNOTSUPP;
}

static void never_unpreserve(struct liveupdate_flb_op_args *args)
{
}

static int never_retrieve(struct liveupdate_flb_op_args *args)
{
	return -ENOENT;
}

static void never_finish(struct liveupdate_flb_op_args *args)
{
	kunit_fail_current_test("finished an object that was not handed over");
}

static const struct liveupdate_flb_ops absent_ops = {
	.preserve	= never_preserve,
	.unpreserve	= never_unpreserve,
	.retrieve	= never_retrieve,
	.finish		= never_finish,
	.owner		= THIS_MODULE,
};

static struct liveupdate_flb absent = {
	.ops		= &absent_ops,
	.compatible	= "luo-flb-test-absent",
};

/* As when a file is finished whose handler had no such object in the previous kernel. */
static void put_of_an_absent_object_does_nothing(struct kunit *test)
{
	kunit_warning_suppress(test) {
		liveupdate_flb_put_incoming(&absent);
		KUNIT_EXPECT_EQ(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 0);
	}
}

static int count_retrieve(struct liveupdate_flb_op_args *args)
{
	nr_retrieved++;
	args->obj = &object;
	return 0;
}

static void count_finish(struct liveupdate_flb_op_args *args)
{
	KUNIT_EXPECT_PTR_EQ(kunit_get_current_test(), args->obj, &object);
	nr_finished++;
}

static const struct liveupdate_flb_ops present_ops = {
	.preserve	= never_preserve,
	.unpreserve	= never_unpreserve,
	.retrieve	= count_retrieve,
	.finish		= count_finish,
	.owner		= THIS_MODULE,
};

static const struct liveupdate_flb present = {
	.ops		= &present_ops,
	.compatible	= "luo-flb-test-present",
};

static void restore_incoming(void *was)
{
	luo_flb_global.incoming = *(struct luo_flb_header *)was;
}

/* The previous kernel has handed over the object @name, for NR_FILES files. */
static void hand_over(struct kunit *test, const char *name)
{
	struct luo_flb_header_ser *head = kunit_kzalloc(test, sizeof(*head), GFP_KERNEL);
	struct luo_flb_ser *ser = kunit_kzalloc(test, sizeof(*ser), GFP_KERNEL);
	struct luo_flb_header *was = kunit_kzalloc(test, sizeof(*was), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, head);
	KUNIT_ASSERT_NOT_NULL(test, ser);
	KUNIT_ASSERT_NOT_NULL(test, was);

	*was = luo_flb_global.incoming;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, restore_incoming, was), 0);

	strscpy(ser->name, name);
	ser->count = NR_FILES;
	head->count = 1;
	luo_flb_global.incoming = (struct luo_flb_header) {
		.header_ser	= head,
		.ser		= ser,
		.active		= true,
	};
}

/* A test leaves its FLB in the state that it has brought about. */
static struct liveupdate_flb *copy_of(struct kunit *test, const struct liveupdate_flb *flb)
{
	struct liveupdate_flb *copy = kunit_kzalloc(test, sizeof(*copy), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, flb, sizeof(*copy));
	return copy;
}

/* As when files are finished whose object no driver has looked up. */
static void object_nobody_asked_for_is_finished_with_the_last_file(struct kunit *test)
{
	struct liveupdate_flb *flb = copy_of(test, &present);

	hand_over(test, present.compatible);
	nr_retrieved = 0;
	nr_finished = 0;

	for (unsigned int i = 1; i < NR_FILES; i++)
		liveupdate_flb_put_incoming(flb);
	KUNIT_EXPECT_EQ(test, nr_finished, 0);

	liveupdate_flb_put_incoming(flb);
	KUNIT_EXPECT_EQ(test, nr_retrieved, 1);
	KUNIT_EXPECT_EQ(test, nr_finished, 1);
}

static int fail_retrieve(struct liveupdate_flb_op_args *args)
{
	nr_retrieved++;
	return -EINVAL;
}

static const struct liveupdate_flb_ops broken_ops = {
	.preserve	= never_preserve,
	.unpreserve	= never_unpreserve,
	.retrieve	= fail_retrieve,
	.finish		= never_finish,
	.owner		= THIS_MODULE,
};

static const struct liveupdate_flb broken = {
	.ops		= &broken_ops,
	.compatible	= "luo-flb-test-broken",
};

/* The driver was told, so the end of the files is not worth a warning. */
static void object_that_cannot_be_retrieved_is_not_finished(struct kunit *test)
{
	struct liveupdate_flb *flb = copy_of(test, &broken);
	void *obj;

	if (!liveupdate_enabled())
		kunit_skip(test, "live update is off");

	hand_over(test, broken.compatible);
	nr_retrieved = 0;

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, liveupdate_flb_get_incoming(flb, &obj), -EINVAL);
		for (unsigned int i = 0; i < NR_FILES; i++)
			liveupdate_flb_put_incoming(flb);
		KUNIT_EXPECT_EQ(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 0);
	}
	KUNIT_EXPECT_EQ(test, nr_retrieved, 1);
}

/* How many files depend on the object, the previous kernel claims */
static const u64 bad_counts[] = { 0, 1ULL << 31, 1ULL << 32 };

static void describe_count(const u64 *count, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%llu files", *count);
}

KUNIT_ARRAY_PARAM(bad_count, bad_counts, describe_count);

static void object_with_a_bad_number_of_files_is_not_retrieved(struct kunit *test)
{
	const u64 *count = test->param_value;
	struct liveupdate_flb *flb = copy_of(test, &present);
	void *obj;

	if (!liveupdate_enabled())
		kunit_skip(test, "live update is off");

	hand_over(test, present.compatible);
	luo_flb_global.incoming.ser->count = *count;
	nr_retrieved = 0;
	nr_finished = 0;

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, liveupdate_flb_get_incoming(flb, &obj), -EINVAL);
		liveupdate_flb_put_incoming(flb);
		KUNIT_EXPECT_EQ(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 0);
	}
	KUNIT_EXPECT_EQ(test, nr_retrieved, 0);
	KUNIT_EXPECT_EQ(test, nr_finished, 0);
}

static struct kunit_case luo_flb_cases[] = {
	KUNIT_CASE(put_of_an_absent_object_does_nothing),
	KUNIT_CASE(object_nobody_asked_for_is_finished_with_the_last_file),
	KUNIT_CASE(object_that_cannot_be_retrieved_is_not_finished),
	KUNIT_CASE_PARAM(object_with_a_bad_number_of_files_is_not_retrieved,
			 bad_count_gen_params),
	{ }
};

static struct kunit_suite luo_flb_suite = {
	.name		= "luo_flb",
	.test_cases	= luo_flb_cases,
};

kunit_test_suite(luo_flb_suite);

static unsigned int nr_abandoned;

static void count_abandon(struct liveupdate_flb_op_args *args)
{
	KUNIT_EXPECT_PTR_EQ(kunit_get_current_test(), args->obj, &object);
	nr_abandoned++;
}

static const struct liveupdate_flb_ops abandon_ops = {
	.preserve	= never_preserve,
	.unpreserve	= never_unpreserve,
	.retrieve	= count_retrieve,
	.finish		= never_finish,
	.abandon	= count_abandon,
	.owner		= THIS_MODULE,
};

static const struct liveupdate_flb abandoned = {
	.ops		= &abandon_ops,
	.compatible	= "luo-flb-test-abandon",
};

/* An object whose first file is finished, which has retrieved it if it was handed over. */
static struct liveupdate_flb *start_abandoned(struct kunit *test)
{
	struct liveupdate_flb *flb = copy_of(test, &abandoned);

	liveupdate_flb_put_incoming(flb);
	nr_abandoned = 0;
	return flb;
}

static void retrieved_object_is_abandoned_once(struct kunit *test)
{
	struct liveupdate_flb *flb;

	hand_over(test, abandoned.compatible);
	flb = start_abandoned(test);

	luo_flb_abandon_one(flb);
	KUNIT_EXPECT_EQ(test, nr_abandoned, 1);
	luo_flb_abandon_one(flb);
	KUNIT_EXPECT_EQ(test, nr_abandoned, 1);
}

static void object_that_is_not_retrieved_is_not_abandoned(struct kunit *test)
{
	luo_flb_abandon_one(start_abandoned(test));
	KUNIT_EXPECT_EQ(test, nr_abandoned, 0);
}

static struct kunit_case luo_flb_abandon_cases[] = {
	KUNIT_CASE(retrieved_object_is_abandoned_once),
	KUNIT_CASE(object_that_is_not_retrieved_is_not_abandoned),
	{ }
};

static struct kunit_suite luo_flb_abandon_suite = {
	.name		= "luo_flb_abandon",
	.test_cases	= luo_flb_abandon_cases,
};

kunit_test_suite(luo_flb_abandon_suite);
