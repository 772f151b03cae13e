/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the bare guest and the VMM know about each other: where the guest is loaded,
 * and where in its memory it reports what it does. Only the guest writes there,
 * except for the first two fields.
 */
#ifndef _LAB_VM_REPORT_H
#define _LAB_VM_REPORT_H

#include <linux/types.h>

#define GUEST_REPORT		0x10000
#define GUEST_LOAD		0x100000
#define GUEST_CPUS		2

/* Vector N is that of queue N; queue 0 is the admin queue. */
#define GUEST_QUEUES		6

/* This many of the last vectors are moved from CPU to CPU all the time. */
#define GUEST_MOVED		3

#define GUEST_GAPS		128

struct guest_gap {
	__u64 begin;
	__u64 end;
};

/**
 * struct guest_cpu - what one CPU of the guest has seen
 * @ticks: interrupts of its local APIC's timer
 * @altered: at how many ticks a register that nobody uses had a different value
 * @repeated: interrupts which the emulator has delivered a second time
 * @gap: the longest jumps of its clock, of more than GUEST_GAP_MS, in TSC cycles
 */
struct guest_cpu {
	__u64 ticks;
	__u64 altered;
	__u64 repeated;
	struct guest_gap gap[GUEST_GAPS];
};

/**
 * struct guest_queue - what has become of one queue of the controller
 * @interrupts: interrupts of its vector
 * @completed: completions it has found; it looks for them only in its interrupts
 * @verified: pages that were written, read back and compared
 * @wrong: completions with an error, without a command, or with other data
 * @outstanding: commands that are not completed
 * @moved: how often the vector was given another message, for another CPU
 */
struct guest_queue {
	__u64 interrupts;
	__u64 completed;
	__u64 verified;
	__u64 wrong;
	__u64 outstanding;
	__u64 moved;
};

/**
 * struct guest_report - a part of the guest's memory
 * @tsc_khz: from the VMM
 * @drain: from the VMM: finish what is outstanding, then submit nothing more
 * @started: the controller has its queues
 * @failed: why the guest has given up
 * @fault: what the CPU has pushed, if the reason is an exception
 */
struct guest_report {
	__u64 tsc_khz;
	__u32 drain;
	__u32 started;
	char failed[48];
	__u64 fault[2];
	struct guest_cpu cpu[GUEST_CPUS];
	struct guest_queue queue[GUEST_QUEUES];
};

#define GUEST_GAP_MS		100

#endif /* _LAB_VM_REPORT_H */
