/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bare guest: no operating system, two CPUs in long mode, interrupts on from
 * beginning to end. All that it does after its start, it does in interrupts.
 */
#ifndef _LAB_VM_BARE_H
#define _LAB_VM_BARE_H

#include <stdbool.h>
#include <linux/types.h>

#include "report.h"

#define PAGE_BYTES		4096

/* Memory of the queues, two pages each, and of the data */
#define QUEUES			0x200000
#define DATA			0x400000

/* Interrupt vectors of the CPU; a queue has two, and moves between them. */
#define TICK_VECTOR		0x30
#define QUEUE_VECTOR(queue)	(0x40 + (queue))
#define OTHER_VECTOR(queue)	(0x50 + (queue))

static inline struct guest_report *report(void)
{
	return (struct guest_report *)GUEST_REPORT;
}

/* The CPU that gets the interrupts of a queue, unless its vector is moved */
static inline unsigned int cpu_of(unsigned int queue)
{
	return queue % GUEST_CPUS;
}

void fail(const char *why);
void entry(unsigned int cpu);
void interrupt(unsigned int vector, unsigned int cpu);
void idt_load(unsigned int cpu);

void apic_start(unsigned int period_ms);
void apic_eoi(void);

void clock_start(unsigned int cpu);
void clock_tick(unsigned int cpu);

void registers_set(unsigned int cpu);
bool registers_kept(unsigned int cpu);

__u64 pci_enable_device(void);
void pci_enable_msix(__u64 bar);
void pci_move_vector(unsigned int index, unsigned int cpu, unsigned int vector);

void nvme_start(__u64 bar);
void nvme_submit_io(unsigned int queue, __u16 id, bool write, __u64 page);
void nvme_interrupt(unsigned int queue);
void nvme_lock(unsigned int queue);
void nvme_unlock(unsigned int queue);

void io_start(unsigned int queue);
void io_completed(unsigned int queue, __u16 id, __u16 status);

#endif /* _LAB_VM_BARE_H */
