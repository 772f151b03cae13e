/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual machine: one block of memory, the irqchip of the kernel, its CPUs, each
 * with a thread, and at most one assigned device. Functions return a negative errno.
 */
#ifndef _LAB_VM_VM_H
#define _LAB_VM_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/kvm.h>
#include <linux/types.h>

#include "console.h"
#include "report.h"

#define PAGE_BYTES	4096
#define VM_IRQCHIPS	3
#define VM_MAX_MSRS	512

/* Numbers of KVM's memory slots */
enum vm_slot {
	SLOT_MEMORY,
	SLOT_BAR_BELOW_MSIX,
	SLOT_BAR_ABOVE_MSIX,
};

struct vm;
struct assigned;

struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	size_t run_bytes;
	pthread_t thread;
};

/*
 * error: why a CPU has stopped by itself; lock: protects accesses of CPUs to console
 * and device
 */
struct vm {
	int kvm;
	int fd;
	__u8 *memory;
	size_t memory_bytes;
	__u64 tsc_khz;
	struct vcpu vcpus[GUEST_CPUS];
	bool stop;
	int error;
	pthread_mutex_t lock;
	struct console console;
	struct assigned *device;
};

struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp_state;
	__u64 tsc_offset;
	__u32 nr_msrs;
	struct kvm_msr_entry msrs[VM_MAX_MSRS];
};

struct vm_state {
	struct vcpu_state vcpus[GUEST_CPUS];
	struct kvm_irqchip irqchips[VM_IRQCHIPS];
	struct kvm_clock_data clock;
	struct console console;
};

/* image.S */
extern const __u8 bare_image[], bare_image_end[];

int vm_create(struct vm *vm, int memfd, unsigned int tsc_khz);
int vm_map(struct vm *vm, enum vm_slot slot, __u64 address, void *memory, size_t size);
int vm_run(struct vm *vm);
void vm_destroy(struct vm *vm);
void vm_pause(struct vm *vm);
int vm_save(struct vm *vm, struct vm_state *state);
int vm_restore(struct vm *vm, const struct vm_state *state);
void vm_print(struct vm *vm);

int vcpu_create(struct vm *vm, unsigned int index);
int vcpu_start(struct vcpu *vcpu);
void vcpu_destroy(struct vcpu *vcpu);
int vcpu_check_tsc(struct vcpu *vcpu);
void vcpu_print(struct vcpu *vcpu);
int vcpu_save(struct vcpu *vcpu, struct vcpu_state *state);
int vcpu_restore(struct vcpu *vcpu, const struct vcpu_state *state);

#endif /* _LAB_VM_VM_H */
