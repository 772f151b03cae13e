// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state in which firmware and a boot loader would leave a CPU: 64-bit mode,
 * the lower 4 GiB mapped one to one, and the segments of Linux's boot protocol.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "boot.h"

/* In the guest's memory */
#define GDT		0x1000
#define PML4		0x2000
#define PDPT		0x3000
#define PAGE_DIRECTORY	0x4000	/* four of them */

#define CODE		2	/* entries of the GDT */
#define DATA		3
#define SELECTOR(entry)	((entry) * sizeof(__u64))

#define PRESENT		0x3	/* and writable */
#define LARGE		0x80
#define LARGE_BYTES	(2ULL << 20)
#define GIGABYTES	4
#define ENTRIES		512

#define CR0		0x80050033	/* PG, AM, WP, NE, ET, MP, PE */
#define CR4		0x620		/* OSXMMEXCPT, OSFXSR, PAE */
#define EFER		0x500		/* LMA, LME */

static __u64 *table(struct vm *vm, __u64 address)
{
	return (__u64 *)(vm->memory + address);
}

static void map_one_to_one(struct vm *vm)
{
	unsigned int i;

	table(vm, PML4)[0] = PDPT | PRESENT;
	for (i = 0; i < GIGABYTES; i++)
		table(vm, PDPT)[i] = (PAGE_DIRECTORY + i * PAGE_BYTES) | PRESENT;
	for (i = 0; i < GIGABYTES * ENTRIES; i++)
		table(vm, PAGE_DIRECTORY)[i] = i * LARGE_BYTES | LARGE | PRESENT;
}

/* Descriptors of the segments below, for the return from an interrupt */
static void write_gdt(struct vm *vm)
{
	table(vm, GDT)[CODE] = 0x00af9b000000ffff;
	table(vm, GDT)[DATA] = 0x00cf93000000ffff;
}

static void set_segments(struct kvm_sregs *sregs)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = SELECTOR(CODE), .type = 0xb,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = SELECTOR(DATA), .type = 0x3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_segment task = { .limit = 0x67, .type = 0xb, .present = 1 };

	sregs->cs = code;
	sregs->ss = data;
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->tr = task;
	sregs->gdt.base = GDT;
	sregs->gdt.limit = SELECTOR(DATA + 1) - 1;
}

void boot_write_tables(struct vm *vm)
{
	map_one_to_one(vm);
	write_gdt(vm);
}

/* Interrupts are off. */
int boot_vcpu(struct vcpu *vcpu, struct kvm_regs regs)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;

	regs.rflags = 0x2;
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	set_segments(&sregs);
	sregs.cr0 = CR0;
	sregs.cr3 = PML4;
	sregs.cr4 = CR4;
	sregs.efer = EFER;

	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs) ||
	    ioctl(vcpu->fd, KVM_SET_MP_STATE, &runnable))
		return -errno;

	return 0;
}
