/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _SER_LINUX_SCHED_H
#define _SER_LINUX_SCHED_H

static inline void cond_resched(void) { }

#endif /* _SER_LINUX_SCHED_H */
