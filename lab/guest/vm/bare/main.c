// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first CPU starts the controller. Then each submits the I/O of its queues,
 * and sleeps; what follows is in interrupts.
 */
#include "bare.h"
#include "cpu.h"

#define TICK_MS		4
#define MOVE_TICKS	32
#define MOVING_CPU	1
#define FIRST_MOVED	(GUEST_QUEUES - GUEST_MOVED)

const unsigned int cpu_numbers[GUEST_CPUS] = { 0, 1 };

void fail(const char *why)
{
	unsigned int i;

	interrupts_off();
	for (i = 0; why[i] && i < sizeof(report()->failed) - 1; i++)
		report()->failed[i] = why[i];
	for (;;)
		asm volatile("hlt");
}

/* Move a vector in use to the other CPU or back, like a driver that changes its affinity */
static void move_vector(unsigned int queue)
{
	if (++report()->queue[queue].moved % 2)
		pci_move_vector(queue, !cpu_of(queue), OTHER_VECTOR(queue));
	else
		pci_move_vector(queue, cpu_of(queue), QUEUE_VECTOR(queue));
}

static void start_io(unsigned int cpu)
{
	unsigned int queue;

	for (queue = 1; queue < GUEST_QUEUES; queue++) {
		if (cpu_of(queue) == cpu)
			io_start(queue);
	}
}

static void tick(unsigned int cpu)
{
	struct guest_cpu *counts = &report()->cpu[cpu];

	clock_tick(cpu);
	if (!registers_kept(cpu))
		counts->altered++;
	if (cpu == MOVING_CPU && !(counts->ticks % MOVE_TICKS))
		move_vector(FIRST_MOVED + counts->ticks / MOVE_TICKS % GUEST_MOVED);
}

void interrupt(unsigned int vector, unsigned int cpu)
{
	if (vector == TICK_VECTOR)
		tick(cpu);
	else
		nvme_interrupt(vector % (OTHER_VECTOR(0) - QUEUE_VECTOR(0)));
	apic_eoi();
}

void entry(unsigned int cpu)
{
	__u64 bar;

	set_this_cpu(cpu);
	idt_load(cpu);
	registers_set(cpu);
	clock_start(cpu);
	apic_start(TICK_MS);

	if (!cpu) {
		bar = pci_enable_device();
		pci_enable_msix(bar);
		nvme_start(bar);
		report()->started = 1;
	}
	while (!__atomic_load_n(&report()->started, __ATOMIC_ACQUIRE))
		wait_for_interrupt();

	start_io(cpu);
	for (;;)
		wait_for_interrupt();
}
