// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of LUO's file-lifecycle-bound objects: an object which the previous kernel
 * did not hand over.
 */

#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/liveupdate.h>
#include <linux/module.h>

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
	kunit_fail_current_test("finished what was not handed over");
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

static struct kunit_case luo_flb_cases[] = {
	KUNIT_CASE(put_of_an_absent_object_does_nothing),
	{ }
};

static struct kunit_suite luo_flb_suite = {
	.name		= "luo_flb",
	.test_cases	= luo_flb_cases,
};

kunit_test_suite(luo_flb_suite);
