/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things are in the memory of a guest with Linux when it is started. The MP
 * table is in the last KiB of base memory, where Linux looks for it.
 */
#ifndef _LAB_VM_LINUX_GUEST_H
#define _LAB_VM_LINUX_GUEST_H

#include "vm.h"

#define BOOT_PARAMS	0x10000
#define COMMAND_LINE	0x20000
#define MP_TABLE	0x9fc00
#define LOW_MEMORY_END	MP_TABLE
#define HIGH_MEMORY	0x100000

void mp_table_write(struct vm *vm);

#endif /* _LAB_VM_LINUX_GUEST_H */
