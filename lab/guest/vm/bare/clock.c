// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of gaps: where the clock has gone on and the CPU has not.
 */
#include "bare.h"
#include "cpu.h"

static __u64 last[GUEST_CPUS];

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
		counts->gap[counts->gaps++ % GUEST_GAPS] = (struct guest_gap) { last[cpu], now };
	last[cpu] = now;
}
