/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often a vector was signalled. Silence does not prove that nothing more
 * comes: the vector is triggered once more, and when that has arrived, whatever
 * was sent before has arrived as well.
 */
#ifndef _IRQ_LIVEUPDATE_SIGNALS_H
#define _IRQ_LIVEUPDATE_SIGNALS_H

#include <stdbool.h>
#include <linux/types.h>

int signals_create(void);
__u64 signals_read(int eventfd);
__u64 signals_wait(int eventfd, __u64 count);
bool signals_exactly(int eventfd, int irq, __u64 times);

#endif /* _IRQ_LIVEUPDATE_SIGNALS_H */
