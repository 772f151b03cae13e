/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guests, and what they report, for the lab to judge. Functions that need
 * something to happen first wait for it, until the guest has given up or a time has
 * passed.
 */
#ifndef _LAB_VM_GUEST_H
#define _LAB_VM_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "vm.h"

#define PAUSE_STEPS	16

/* How long anything may take when it runs */
#define GUEST_PATIENCE_MS	10000

/* tsc: of the host, when the step was over */
struct pause_step {
	char name[16];
	__u64 tsc;
};

/*
 * How many updates there have been. About the last one: its steps, from before the CPUs
 * are stopped until they run again, none if it was refused; the offset from the host's TSC
 * to the guest's; and what the guest had reported when everything was preserved and when
 * it was stopped, the bare guest in its memory, the other one on its console.
 */
struct guest_pause {
	unsigned int nr_updates;
	unsigned int nr_steps;
	struct pause_step step[PAUSE_STEPS];
	__u64 tsc_offset;
	struct guest_report prepared;
	struct guest_report report;
	unsigned int console_lines;
};

/**
 * struct guest - what the VMM expects of a guest
 * @name: as the command line has it
 * @memory_bytes: how much memory it gets
 * @boot_ms: how long it may take from its start to its first I/O
 * @boot: load it, and make its CPUs ready to run
 * @works: whether it has not given up; if it has, print that
 * @goes_on: wait until all of its CPUs have done something
 * @does_io: wait, no longer than that, until it has done I/O on all of its queues
 * @drain: make it end its I/O
 * @prepared: note what it has reported, now that everything is preserved; may be NULL
 * @has_changed: wait until, since everything was preserved, it has done what the
 *	update must not disturb; may be NULL
 * @paused: note what it had reported when it was stopped
 * @print: print what it reports
 */
struct guest {
	const char *name;
	size_t memory_bytes;
	unsigned int boot_ms;
	int (*boot)(struct vm *vm);
	bool (*works)(struct vm *vm);
	bool (*goes_on)(struct vm *vm);
	bool (*does_io)(struct vm *vm, unsigned int ms);
	void (*drain)(struct vm *vm);
	void (*prepared)(struct vm *vm, struct guest_pause *pause);
	void (*has_changed)(struct vm *vm, const struct guest_pause *pause);
	void (*paused)(struct vm *vm, struct guest_pause *pause);
	void (*print)(struct vm *vm, const struct guest_pause *pause);
};

extern const struct guest bare_guest, linux_guest;

const struct guest *guest_of_name(const char *name);
void pause_step(struct guest_pause *pause, const char *name);

/* For guests */
typedef bool (*guest_condition)(struct vm *vm, const void *before);

bool guest_wait(const struct guest *guest, struct vm *vm, unsigned int ms,
		guest_condition condition, const void *before);
void guest_print_times(const struct vm *vm, const struct guest_pause *pause);

#endif /* _LAB_VM_GUEST_H */
