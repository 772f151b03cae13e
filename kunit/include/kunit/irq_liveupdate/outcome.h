/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this kernel remembers of why it has refused a device.
 */

#ifndef _KUNIT_OUTCOME_H
#define _KUNIT_OUTCOME_H

#include <kunit/test.h>
#include <linux/irq_liveupdate.h>

static inline void forget_outcome(void *address)
{
	unsigned long key = (unsigned long)address;

	irq_liveupdate_forget(key >> 16, key & 0xffff);
}

/* Other cases may have refused a device with this address, too. */
static inline void start_outcome(struct kunit *test, u32 segment, u16 devid)
{
	void *address = (void *)((unsigned long)segment << 16 | devid);

	forget_outcome(address);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, forget_outcome, address));
}

/* @expected: the reason, or NULL if the device was not refused */
static inline void expect_outcome(struct kunit *test, u32 segment, u16 devid,
				  const char *expected)
{
	char reason[64] = "";

	KUNIT_EXPECT_EQ(test, irq_liveupdate_was_refused(segment, devid, reason, sizeof(reason)),
			!!expected);
	KUNIT_EXPECT_STREQ(test, reason, expected ?: "");
}

#endif /* _KUNIT_OUTCOME_H */
