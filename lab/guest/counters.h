/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One counter per vector, fed from its eventfd by a thread. The counters live
 * in a memfd, so that they survive a kexec if the memfd is preserved, and so
 * does the record of what the hammer did until the old kernel was gone.
 */
#ifndef _IRQ_LIVEUPDATE_COUNTERS_H
#define _IRQ_LIVEUPDATE_COUNTERS_H

#include <linux/types.h>

#define MAX_VECTORS	2048

struct hammer_stats {
	__u64 moved;
	__u64 move_errors;
	__u64 armed;
	__u64 arm_busy;
	__u64 arm_errors;
};

/*
 * count: signals of each vector's eventfd
 * seen: if the rings of the device are numbered, the last one that the owner has
 *	found; it looks after a signal and at no other time
 */
struct counter_page {
	__u64 count[MAX_VECTORS];
	__u32 seen[MAX_VECTORS];
	struct hammer_stats hammer;
};

struct counters {
	int memfd;
	int epollfd;
	int eventfd[MAX_VECTORS];
	struct counter_page *page;
	const __u32 *rung[MAX_VECTORS];
};

int counters_create(struct counters *c);
int counters_from_memfd(struct counters *c, int memfd);
__u64 counters_read(const struct counters *c, unsigned int vector);

#endif /* _IRQ_LIVEUPDATE_COUNTERS_H */
