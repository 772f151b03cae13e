// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "kselftest.h"

#include "guest.h"

#define TIMEOUT_MS	10000
#define STEP_MS		10

void pause_step(struct guest_pause *pause, const char *name)
{
	struct pause_step *step = &pause->step[pause->nr_steps++];

	snprintf(step->name, sizeof(step->name), "%s", name);
	step->tsc = __rdtsc();
}

static bool works(struct vm *vm)
{
	const struct guest_report *report = vm_report(vm);

	if (vm->error)
		ksft_print_msg("the VMM cannot run the guest: %s\n", strerror(-vm->error));
	if (report->failed[0])
		ksft_print_msg("the guest has given up: %s, %#llx, %#llx\n", report->failed,
			       report->fault[0], report->fault[1]);

	return !vm->error && !report->failed[0];
}

static bool wait_until(struct vm *vm, bool (*condition)(const struct guest_report *now,
							const struct guest_report *before),
		       const struct guest_report *before)
{
	struct timespec step = { .tv_nsec = STEP_MS * 1000000 };
	unsigned int ms;

	for (ms = 0; ms < TIMEOUT_MS && works(vm); ms += STEP_MS) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (condition(vm_report(vm), before))
			return true;
		nanosleep(&step, NULL);
	}

	return false;
}

static bool all_verified_more(const struct guest_report *now, const struct guest_report *before)
{
	unsigned int queue;

	for (queue = 1; queue < GUEST_QUEUES; queue++) {
		if (now->queue[queue].verified == before->queue[queue].verified)
			return false;
	}

	return true;
}

/* On every queue */
bool guest_does_io(struct vm *vm)
{
	struct guest_report before = *vm_report(vm);

	return wait_until(vm, all_verified_more, &before);
}

static bool nothing_outstanding(const struct guest_report *now,
				const struct guest_report *before)
{
	unsigned int queue;

	for (queue = 1; queue < GUEST_QUEUES; queue++) {
		if (now->queue[queue].outstanding)
			return false;
	}

	return true;
}

/* The guest submits no more, and what was in flight completes, if it does. */
void guest_drain(struct vm *vm)
{
	__atomic_store_n(&vm_report(vm)->drain, 1, __ATOMIC_SEQ_CST);
	wait_until(vm, nothing_outstanding, NULL);
}

static bool all_ticked(const struct guest_report *now, const struct guest_report *before)
{
	unsigned int cpu;

	for (cpu = 0; cpu < GUEST_CPUS; cpu++) {
		if (now->cpu[cpu].ticks == before->cpu[cpu].ticks)
			return false;
	}

	return true;
}

/* On all CPUs */
bool guest_goes_on(struct vm *vm)
{
	struct guest_report before = *vm_report(vm);

	return wait_until(vm, all_ticked, &before);
}

static void print_cpu(const struct guest_cpu *cpu)
{
	unsigned int i;

	printf("{\"ticks\":%llu,\"altered\":%llu,\"gaps\":[", cpu->ticks, cpu->altered);
	for (i = 0; i < GUEST_GAPS && cpu->gap[i].end; i++)
		printf("%s[%llu,%llu]", i ? "," : "", cpu->gap[i].begin, cpu->gap[i].end);
	printf("]}");
}

static void print_queue(const struct guest_queue *queue, const struct guest_queue *paused)
{
	printf("{\"interrupts\":%llu,\"completed\":%llu,\"verified\":%llu,\"wrong\":%llu",
	       queue->interrupts, queue->completed, queue->verified, queue->wrong);
	printf(",\"outstanding\":%llu,\"moved\":%llu", queue->outstanding, queue->moved);
	if (paused)
		printf(",\"paused\":{\"completed\":%llu,\"outstanding\":%llu}",
		       paused->completed, paused->outstanding);
	putchar('}');
}

static void print_pause(const struct guest_pause *pause)
{
	unsigned int i;

	printf(",\"pause\":[");
	for (i = 0; i < pause->nr_steps; i++)
		printf("%s[\"%s\",%llu]", i ? "," : "", pause->step[i].name,
		       pause->step[i].tsc + pause->tsc_offset);
	putchar(']');
}

/* One line of JSON. What is wrong with it is the lab's to say. */
void guest_print(struct vm *vm, const struct guest_pause *pause)
{
	const struct guest_report *report = vm_report(vm);
	unsigned int i;

	printf("# guest: {\"tsc_khz\":%llu", report->tsc_khz);
	if (pause)
		print_pause(pause);
	printf(",\"cpus\":[");
	for (i = 0; i < GUEST_CPUS; i++) {
		if (i)
			putchar(',');
		print_cpu(&report->cpu[i]);
	}
	printf("],\"queues\":[");
	for (i = 0; i < GUEST_QUEUES; i++) {
		if (i)
			putchar(',');
		print_queue(&report->queue[i], pause ? &pause->report.queue[i] : NULL);
	}
	printf("]}\n");
}
