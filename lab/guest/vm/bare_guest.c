// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of the guest in bare/, which is a part of this program. Both know
 * where in its memory it reports.
 */
#include <stdio.h>
#include <string.h>

#include "kselftest.h"

#include "boot.h"
#include "guest.h"

#define STACK_TOP	0x40000
#define STACK_BYTES	0x8000

static struct guest_report *report_of(struct vm *vm)
{
	return (struct guest_report *)(vm->memory + GUEST_REPORT);
}

/* As after a call: the argument is the number of the CPU. */
static int start(struct vcpu *vcpu)
{
	return boot_vcpu(vcpu, (struct kvm_regs) {
		.rip = GUEST_LOAD,
		.rdi = vcpu->index,
		.rsp = STACK_TOP - vcpu->index * STACK_BYTES - sizeof(__u64),
	});
}

static int boot(struct vm *vm)
{
	unsigned int i;
	int ret = 0;

	boot_write_tables(vm);
	memcpy(vm->memory + GUEST_LOAD, bare_image, bare_image_end - bare_image);
	report_of(vm)->tsc_khz = vm->tsc_khz;
	for (i = 0; !ret && i < GUEST_CPUS; i++)
		ret = start(&vm->vcpus[i]);

	return ret;
}

static bool works(struct vm *vm)
{
	const struct guest_report *report = report_of(vm);

	if (report->failed[0])
		ksft_print_msg("the guest has given up: %s, %#llx, %#llx\n", report->failed,
			       report->fault[0], report->fault[1]);

	return !report->failed[0];
}

static bool all_ticked(struct vm *vm, const void *arg)
{
	const struct guest_report *before = arg, *now = report_of(vm);
	unsigned int cpu;

	for (cpu = 0; cpu < GUEST_CPUS; cpu++) {
		if (now->cpu[cpu].ticks == before->cpu[cpu].ticks)
			return false;
	}

	return true;
}

static bool goes_on(struct vm *vm)
{
	struct guest_report before = *report_of(vm);

	return guest_wait(&bare_guest, vm, GUEST_PATIENCE_MS, all_ticked, &before);
}

static bool all_verified_more(struct vm *vm, const void *arg)
{
	const struct guest_report *before = arg, *now = report_of(vm);
	unsigned int queue;

	for (queue = 1; queue < GUEST_QUEUES; queue++) {
		if (now->queue[queue].verified == before->queue[queue].verified)
			return false;
	}

	return true;
}

static bool does_io(struct vm *vm, unsigned int ms)
{
	struct guest_report before = *report_of(vm);

	return guest_wait(&bare_guest, vm, ms, all_verified_more, &before);
}

static bool nothing_outstanding(struct vm *vm, const void *before)
{
	const struct guest_report *now = report_of(vm);
	unsigned int queue;

	for (queue = 1; queue < GUEST_QUEUES; queue++) {
		if (now->queue[queue].outstanding)
			return false;
	}

	return true;
}

/* It submits no more. What is in flight completes, or never will. */
static void drain(struct vm *vm)
{
	__atomic_store_n(&report_of(vm)->drain, 1, __ATOMIC_SEQ_CST);
	guest_wait(&bare_guest, vm, GUEST_PATIENCE_MS, nothing_outstanding, NULL);
}

static void prepared(struct vm *vm, struct guest_pause *pause)
{
	pause->prepared = *report_of(vm);
}

static bool all_moved(struct vm *vm, const void *arg)
{
	const struct guest_report *before = arg, *now = report_of(vm);
	unsigned int queue;

	for (queue = GUEST_QUEUES - GUEST_MOVED; queue < GUEST_QUEUES; queue++) {
		if (now->queue[queue].moved == before->queue[queue].moved)
			return false;
	}

	return true;
}

/* Vectors go to another CPU. */
static void has_changed(struct vm *vm, const struct guest_pause *pause)
{
	guest_wait(&bare_guest, vm, GUEST_PATIENCE_MS, all_moved, &pause->prepared);
}

/* Moves of a vector count from when everything was preserved. */
static void paused(struct vm *vm, struct guest_pause *pause)
{
	unsigned int queue;

	pause->report = *report_of(vm);
	for (queue = 0; queue < GUEST_QUEUES; queue++)
		pause->report.queue[queue].moved -= pause->prepared.queue[queue].moved;
}

static void print_cpu(const struct guest_cpu *cpu)
{
	unsigned int i;

	printf("{\"ticks\":%llu,\"altered\":%llu,\"repeated\":%llu,\"gaps\":[", cpu->ticks,
	       cpu->altered, cpu->repeated);
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
		printf(",\"paused\":{\"completed\":%llu,\"outstanding\":%llu,\"moved\":%llu}",
		       paused->completed, paused->outstanding, paused->moved);
	putchar('}');
}

/* One line of JSON, for the lab to judge. */
static void print(struct vm *vm, const struct guest_pause *pause)
{
	const struct guest_report *report = report_of(vm);
	unsigned int i;

	printf("# guest: {");
	guest_print_times(vm, pause);
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
		print_queue(&report->queue[i], pause->nr_steps ? &pause->report.queue[i] : NULL);
	}
	printf("]}\n");
}

const struct guest bare_guest = {
	.name = "bare",
	.memory_bytes = 16 << 20,
	.boot_ms = GUEST_PATIENCE_MS,
	.boot = boot,
	.works = works,
	.goes_on = goes_on,
	.does_io = does_io,
	.drain = drain,
	.prepared = prepared,
	.has_changed = has_changed,
	.paused = paused,
	.print = print,
};
