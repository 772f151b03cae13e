/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A function that is called after each store to some memory, by a hardware
 * breakpoint. It runs in NMI context, and takes notes.
 */

#ifndef _KUNIT_WATCH_H
#define _KUNIT_WATCH_H

#include <kunit/test.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>

static void unwatch(void *bps)
{
	unregister_wide_hw_breakpoint((struct perf_event * __percpu __force *)bps);
}

/* @handler finds @context in bp->overflow_handler_context. */
static void *watch(struct kunit *test, void *addr, unsigned int len,
		   perf_overflow_handler_t handler, void *context)
{
	struct perf_event * __percpu *bps;
	struct perf_event_attr attr;

	hw_breakpoint_init(&attr);
	attr.bp_addr = (unsigned long)addr;
	attr.bp_len = len;
	attr.bp_type = HW_BREAKPOINT_W;

	bps = register_wide_hw_breakpoint(&attr, handler, context);
	if (IS_ERR_PCPU(bps))
		kunit_skip(test, "no hardware breakpoint is free");
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unwatch, (void __force *)bps));
	return (void __force *)bps;
}

#endif /* _KUNIT_WATCH_H */
