/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One counter per vector, fed from its eventfd by a thread. The counters live
 * in a memfd, so that they survive a kexec when the memfd is preserved.
 */
#ifndef _IRQ_LIVEUPDATE_COUNTERS_H
#define _IRQ_LIVEUPDATE_COUNTERS_H

#include <linux/types.h>

#define MAX_VECTORS	256

struct counters {
	int memfd;
	int epollfd;
	int eventfd[MAX_VECTORS];
	__u64 *count;
};

int counters_create(struct counters *c);
int counters_from_memfd(struct counters *c, int memfd);
__u64 counters_read(const struct counters *c, unsigned int vector);

#endif /* _IRQ_LIVEUPDATE_COUNTERS_H */
