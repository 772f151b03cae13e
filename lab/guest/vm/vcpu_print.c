// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints where a virtual CPU is and what it waits for, if a guest makes no
 * progress.
 */
#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

#include "kselftest.h"

#include "vm.h"

#define RFLAGS_IF		0x200
#define MSR_TSC_DEADLINE	0x6e0

/* Offsets of registers of the local APIC, some of which are arrays */
#define APIC_TASK_PRIORITY	0x80
#define APIC_IN_SERVICE		0x100
#define APIC_REQUESTED		0x200
#define APIC_TIMER		0x320
#define APIC_INITIAL_COUNT	0x380
#define APIC_CURRENT_COUNT	0x390
#define APIC_STRIDE		0x10
#define VECTORS			256

static __u32 apic(const struct vcpu_state *state, unsigned int offset)
{
	__u32 value;

	memcpy(&value, state->lapic.regs + offset, sizeof(value));

	return value;
}

static void print_vectors(const struct vcpu_state *state, const char *name, unsigned int offset)
{
	unsigned int vector;

	printf(", %s", name);
	for (vector = 0; vector < VECTORS; vector++) {
		if (apic(state, offset + vector / 32 * APIC_STRIDE) >> vector % 32 & 1)
			printf(" %#x", vector);
	}
}

static __u64 deadline(const struct vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < state->nr_msrs; i++) {
		if (state->msrs[i].index == MSR_TSC_DEADLINE)
			return state->msrs[i].data;
	}

	return 0;
}

/* The CPU must not run. */
void vcpu_print(struct vcpu *vcpu)
{
	static struct vcpu_state state;

	if (vcpu_save(vcpu, &state))
		return;

	ksft_print_msg("vCPU %u: rip %#llx, interrupts %s, state %u, injected %#x", vcpu->index,
		       state.regs.rip, state.regs.rflags & RFLAGS_IF ? "on" : "off",
		       state.mp_state.mp_state,
		       state.events.interrupt.injected ? state.events.interrupt.nr : 0);
	print_vectors(&state, "requested", APIC_REQUESTED);
	print_vectors(&state, "in service", APIC_IN_SERVICE);
	printf(", priority %#x\n", apic(&state, APIC_TASK_PRIORITY));
	ksft_print_msg("vCPU %u: timer %#x, count %#x of %#x, deadline %#llx, TSC %#llx%s\n",
		       vcpu->index, apic(&state, APIC_TIMER), apic(&state, APIC_CURRENT_COUNT),
		       apic(&state, APIC_INITIAL_COUNT), deadline(&state),
		       __rdtsc() + state.tsc_offset,
		       vcpu_check_tsc(vcpu) ? ", which is not that of KVM" : "");
}
