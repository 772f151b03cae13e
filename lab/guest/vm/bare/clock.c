// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of gaps, in which the clock has advanced and the CPU has not run.
 */
#include "bare.h"
#include "cpu.h"

static __u64 last[GUEST_CPUS];

static __u64 cycles(const struct guest_gap *gap)
{
	return gap->end - gap->begin;
}

/* Replaces the shortest gap in the log, which is empty at first */
static void log_gap(struct guest_cpu *counts, struct guest_gap gap)
{
	struct guest_gap *shortest = counts->gap;
	unsigned int i;

	for (i = 1; i < GUEST_GAPS; i++) {
		if (cycles(&counts->gap[i]) < cycles(shortest))
			shortest = &counts->gap[i];
	}
	if (cycles(&gap) > cycles(shortest))
		*shortest = gap;
}

void clock_start(unsigned int cpu)
{
	last[cpu] = rdtsc();
}

void clock_tick(unsigned int cpu)
{
	struct guest_cpu *counts = &report()->cpu[cpu];
	__u64 now = rdtsc();

	counts->ticks++;
	if (now - last[cpu] > GUEST_GAP_MS * report()->tsc_khz)
		log_gap(counts, (struct guest_gap) { last[cpu], now });
	last[cpu] = now;
}
