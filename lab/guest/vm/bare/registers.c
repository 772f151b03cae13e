// SPDX-License-Identifier: GPL-2.0-only
/*
 * One register of each kind that a VMM has to restore and that the guest does not
 * use. Each CPU has different values in them.
 */
#include "bare.h"
#include "cpu.h"

#define MSR_LSTAR		0xc0000082
#define MSR_KERNEL_GS_BASE	0xc0000102
#define CR4_OSXSAVE		0x40000
#define XCR0_X87_SSE		0x3

static const __u64 marks[GUEST_CPUS][2] = {
	{ 0x0123456789abcdef, 0xfedcba9876543210 },
	{ 0x1122334455667788, 0x8877665544332211 },
};

void registers_set(unsigned int cpu)
{
	const __u64 *mark = marks[cpu];
	__u64 cr4;

	asm volatile("mov %%cr4, %0" : "=r" (cr4));
	asm volatile("mov %0, %%cr4" : : "r" (cr4 | CR4_OSXSAVE));
	asm volatile("xsetbv" : : "c" (0), "a" (XCR0_X87_SSE), "d" (0));
	asm volatile("movdqu %0, %%xmm7" : : "m" (*(const __u64 (*)[2])mark));
	asm volatile("mov %0, %%dr0" : : "r" (mark[0]));
	wrmsr(MSR_LSTAR, mark[0] & 0x7fffffff);
	wrmsr(MSR_KERNEL_GS_BASE, mark[1] & 0x7fffffff);
}

static __u32 xcr0(void)
{
	__u32 low, high;

	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));

	return low;
}

bool registers_kept(unsigned int cpu)
{
	const __u64 *mark = marks[cpu];
	__u64 xmm[2], dr0;

	asm volatile("movdqu %%xmm7, %0" : "=m" (xmm));
	asm volatile("mov %%dr0, %0" : "=r" (dr0));

	return xmm[0] == mark[0] && xmm[1] == mark[1] && dr0 == mark[0] &&
	       xcr0() == XCR0_X87_SSE && rdmsr(MSR_LSTAR) == (mark[0] & 0x7fffffff) &&
	       rdmsr(MSR_KERNEL_GS_BASE) == (mark[1] & 0x7fffffff);
}
