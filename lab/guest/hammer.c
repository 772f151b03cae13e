// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "hammer.h"
#include "irqinfo.h"

#define ROUND_US	12000

static struct hammer {
	struct vfio_dev *dev;
	struct counters *counters;
	unsigned int vectors;
	int irqs[MAX_VECTORS];
	bool running;
	pthread_t mover;
	pthread_t armer;
	struct hammer_stats *stats;
} hammer;

static bool still_running(struct hammer *h)
{
	return __atomic_load_n(&h->running, __ATOMIC_RELAXED);
}

static void move(struct hammer *h, int irq, unsigned int cpu)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", cpu);
	if (irq_set_affinity(irq, text))
		__atomic_fetch_add(&h->stats->move_errors, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&h->stats->moved, 1, __ATOMIC_RELAXED);
}

/*
 * A move that comes before the old vector of the last one is cleaned up stays
 * pending, as does every later one, until the next interrupt completes it.
 * Hence the pace. It also helps that interrupts arrive.
 */
static void *hammer_move(void *arg)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct hammer *h = arg;
	unsigned int i, round;

	for (round = 0; still_running(h); round++) {
		for (i = 0; i < h->vectors; i++) {
			move(h, h->irqs[i], (i + round) % cpus);
			usleep(ROUND_US / h->vectors);
		}
	}

	return NULL;
}

/*
 * It moves vectors at the gate as well: the time from the block until the other
 * CPUs are stopped is short, and a debug kernel takes long for each move.
 */
static void *hammer_arm(void *arg)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct hammer *h = arg;
	unsigned int i, n;
	int ret;

	for (n = 0; still_running(h); n++) {
		i = n % h->vectors;
		ret = vfio_dev_arm(h->dev, i, 1, &h->counters->eventfd[i]);
		if (!ret) {
			h->stats->armed++;
		} else if (ret == -EBUSY) {
			h->stats->arm_busy++;
			move(h, h->irqs[i], (n / h->vectors + n) % cpus);
		} else {
			h->stats->arm_errors++;
		}
	}

	return NULL;
}

int hammer_start(struct vfio_dev *dev, struct counters *counters, unsigned int vectors)
{
	int ret;

	hammer = (struct hammer) {
		.dev = dev,
		.counters = counters,
		.vectors = vectors,
		.stats = &counters->page->hammer,
		.running = true,
	};

	ret = irq_of_vectors(dev->bdf, hammer.irqs, 0, vectors);
	if (ret)
		return ret;

	ret = pthread_create(&hammer.mover, NULL, hammer_move, &hammer);
	if (ret)
		return -ret;

	return -pthread_create(&hammer.armer, NULL, hammer_arm, &hammer);
}

void hammer_stop(void)
{
	__atomic_store_n(&hammer.running, false, __ATOMIC_RELAXED);
	pthread_join(hammer.mover, NULL);
	pthread_join(hammer.armer, NULL);
}
