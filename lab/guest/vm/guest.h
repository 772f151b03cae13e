/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest reports, for the lab to judge. Where something has to happen first
 * it is waited for, until the guest has given up or a time has passed.
 */
#ifndef _LAB_VM_GUEST_H
#define _LAB_VM_GUEST_H

#include <stdbool.h>
#include <linux/types.h>

#include "vm.h"

#define PAUSE_STEPS	16

/* tsc: of the host, when the step was over */
struct pause_step {
	char name[16];
	__u64 tsc;
};

/*
 * Of an update: its steps, from before the CPUs are stopped until they run again;
 * what is to be added to the host's TSC to get the guest's; and what the guest had
 * reported when it was stopped.
 */
struct guest_pause {
	unsigned int nr_steps;
	struct pause_step step[PAUSE_STEPS];
	__u64 tsc_offset;
	struct guest_report report;
};

void pause_step(struct guest_pause *pause, const char *name);

bool guest_goes_on(struct vm *vm);
bool guest_does_io(struct vm *vm);
void guest_drain(struct vm *vm);
void guest_print(struct vm *vm, const struct guest_pause *pause);

#endif /* _LAB_VM_GUEST_H */
