/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How any guest is started. The tables are in the guest's memory, below
 * BOOT_TABLES_END.
 */
#ifndef _LAB_VM_BOOT_H
#define _LAB_VM_BOOT_H

#include "vm.h"

#define BOOT_TABLES_END	0x8000

void boot_write_tables(struct vm *vm);
int boot_vcpu(struct vcpu *vcpu, struct kvm_regs regs);

#endif /* _LAB_VM_BOOT_H */
