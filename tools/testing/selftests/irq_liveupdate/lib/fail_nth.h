/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The n-th allocation of this thread in the kernel fails, or all of them do, on a
 * kernel with fault injection.
 */
#ifndef _IRQ_LIVEUPDATE_FAIL_NTH_H
#define _IRQ_LIVEUPDATE_FAIL_NTH_H

#include <stdbool.h>

int fail_nth_init(void);
void fail_nth(unsigned int n);
bool stop_failing(void);
void fail_all(bool fail);

#endif /* _IRQ_LIVEUPDATE_FAIL_NTH_H */
