/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions that C has no name for.
 */
#ifndef _LAB_VM_BARE_CPU_H
#define _LAB_VM_BARE_CPU_H

#include <linux/types.h>

#include "report.h"

static inline __u64 rdmsr(__u32 msr)
{
	__u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));

	return low | (__u64)high << 32;
}

static inline void wrmsr(__u32 msr, __u64 value)
{
	asm volatile("wrmsr" : : "c" (msr), "a" ((__u32)value), "d" ((__u32)(value >> 32))
		     : "memory");
}

static inline __u64 rdtsc(void)
{
	__u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));

	return low | (__u64)high << 32;
}

static inline void port_write(__u16 port, __u32 value)
{
	asm volatile("outl %0, %1" : : "a" (value), "d" (port));
}

static inline __u32 port_read(__u16 port)
{
	__u32 value;

	asm volatile("inl %1, %0" : "=a" (value) : "d" (port));

	return value;
}

/* Sleep until the next interrupt, with interrupts off before and after. */
static inline void wait_for_interrupt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void relax(void)
{
	asm volatile("pause" : : : "memory");
}

static inline void interrupts_off(void)
{
	asm volatile("cli" : : : "memory");
}

#define MSR_GS_BASE	0xc0000101

/* What the base of GS points to */
extern const unsigned int cpu_numbers[GUEST_CPUS];

static inline void set_this_cpu(unsigned int cpu)
{
	wrmsr(MSR_GS_BASE, (__u64)&cpu_numbers[cpu]);
}

static inline unsigned int this_cpu(void)
{
	unsigned int cpu;

	asm volatile("movl %%gs:0, %0" : "=r" (cpu));

	return cpu;
}

#endif /* _LAB_VM_BARE_CPU_H */
