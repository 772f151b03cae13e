// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "counters.h"
#include "mmio.h"

#define EVENTS_AT_ONCE	16

/* File descriptors of the counters, and of everything else that the program has open */
#define MAX_FILES	(MAX_VECTORS + 256)

static void count_event(struct counters *c, unsigned int vector)
{
	__u64 signals;

	if (read(c->eventfd[vector], &signals, sizeof(signals)) != sizeof(signals))
		return;
	if (c->rung[vector])
		c->page->seen[vector] = mmio_read32(c->rung[vector]);
	__atomic_fetch_add(&c->page->count[vector], signals, __ATOMIC_RELAXED);
}

static void *counters_thread(void *arg)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	struct counters *c = arg;
	int i, n;

	for (;;) {
		n = epoll_wait(c->epollfd, events, EVENTS_AT_ONCE, -1);
		for (i = 0; i < n; i++)
			count_event(c, events[i].data.u32);
	}

	return NULL;
}

static int counters_add_eventfd(struct counters *c, unsigned int vector)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u32 = vector,
	};

	c->eventfd[vector] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->eventfd[vector] < 0)
		return -errno;

	if (epoll_ctl(c->epollfd, EPOLL_CTL_ADD, c->eventfd[vector], &event))
		return -errno;

	return 0;
}

static int counters_start(struct counters *c)
{
	struct rlimit limit = { .rlim_cur = MAX_FILES, .rlim_max = MAX_FILES };
	unsigned int vector;
	pthread_t thread;
	int ret;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return -errno;

	c->epollfd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epollfd < 0)
		return -errno;

	for (vector = 0; vector < MAX_VECTORS; vector++) {
		ret = counters_add_eventfd(c, vector);
		if (ret)
			return ret;
	}

	return -pthread_create(&thread, NULL, counters_thread, c);
}

/*
 * Everything is mapped from the beginning. To be preserved, a page that lies in
 * KHO's scratch memory is migrated. A thread that touches it for the first time just
 * then holds a reference on the folio while it waits for its lock, which makes the
 * migration fail: memfd_pin_folios() gives up with -ENOMEM after ten tries. A page
 * that is mapped already leaves a migration entry behind, and a thread waits on that
 * without a reference.
 */
int counters_from_memfd(struct counters *c, int memfd)
{
	c->memfd = memfd;
	c->page = mmap(NULL, sizeof(*c->page), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, memfd, 0);
	if (c->page == MAP_FAILED)
		return -errno;

	return counters_start(c);
}

int counters_create(struct counters *c)
{
	int memfd = memfd_create("counters", MFD_CLOEXEC);

	if (memfd < 0 || ftruncate(memfd, sizeof(*c->page)))
		return -errno;

	return counters_from_memfd(c, memfd);
}

__u64 counters_read(const struct counters *c, unsigned int vector)
{
	return __atomic_load_n(&c->page->count[vector], __ATOMIC_RELAXED);
}
