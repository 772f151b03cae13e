// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC in x2APIC mode, and its timer.
 */
#include "bare.h"
#include "cpu.h"

#define MSR_APIC_BASE		0x1b
#define APIC_BASE_X2APIC	0xc00
#define MSR_X2APIC_EOI		0x80b
#define MSR_X2APIC_SPURIOUS	0x80f
#define SPURIOUS_ENABLE		0x1ff
#define MSR_X2APIC_LVT_TIMER	0x832
#define LVT_TIMER_PERIODIC	0x20000
#define MSR_X2APIC_INITIAL	0x838
#define MSR_X2APIC_DIVIDE	0x83e
#define DIVIDE_BY_1		0xb

#define BUS_KHZ			1000000	/* that of KVM */

void apic_start(unsigned int period_ms)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	wrmsr(MSR_X2APIC_SPURIOUS, SPURIOUS_ENABLE);
	wrmsr(MSR_X2APIC_LVT_TIMER, LVT_TIMER_PERIODIC | TICK_VECTOR);
	wrmsr(MSR_X2APIC_DIVIDE, DIVIDE_BY_1);
	wrmsr(MSR_X2APIC_INITIAL, period_ms * BUS_KHZ);
}

void apic_eoi(void)
{
	wrmsr(MSR_X2APIC_EOI, 0);
}
