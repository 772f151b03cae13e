// SPDX-License-Identifier: GPL-2.0-only
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest.h"

#include "irqinfo.h"
#include "signals.h"

#define TIMEOUT_MS	10000

int signals_create(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		ksft_exit_fail_perror("eventfd");

	return fd;
}

/* The signals that have arrived */
__u64 signals_read(int eventfd)
{
	__u64 signals;

	return read(eventfd, &signals, sizeof(signals)) == sizeof(signals) ? signals : 0;
}

/* Waits until this many have arrived. Returns how many have: fewer if some never arrive. */
__u64 signals_wait(int eventfd, __u64 count)
{
	struct pollfd poll_fd = { .fd = eventfd, .events = POLLIN };
	__u64 signals = 0;

	while (signals < count && poll(&poll_fd, 1, TIMEOUT_MS) == 1)
		signals += signals_read(eventfd);

	return signals;
}

/* Returns whether exactly this many arrive. Triggers the interrupt once. */
bool signals_exactly(int eventfd, int irq, __u64 times)
{
	__u64 signals = signals_wait(eventfd, times);
	int ret = irq_trigger(irq);

	if (ret) {
		ksft_print_msg("irq %d cannot be triggered: %s\n", irq, strerror(-ret));
		return false;
	}
	signals += signals_wait(eventfd, 1);
	if (signals != times + 1)
		ksft_print_msg("irq %d: %llu signals, of which one was triggered\n", irq, signals);

	return signals == times + 1;
}
