/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The assigned device. The guest reaches its registers and its memory reaches the
 * device, without the VMM; configuration space and MSI-X table are emulated.
 */
#ifndef _LAB_VM_ASSIGNED_H
#define _LAB_VM_ASSIGNED_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "vfio_dev.h"

#define ASSIGNED_VECTORS	64

struct vm;

/*
 * What the guest has written and the device itself does not have: the address
 * of its BAR, the MSI-X control word and table. And what port 0xcf8 selects.
 */
struct assigned_state {
	__u64 bar;
	__u32 config_address;
	__u16 msix_flags;
	struct msix_entry msix[ASSIGNED_VECTORS];
};

/*
 * injects: the eventfd of this vector is bound to a message in KVM
 */
struct assigned {
	struct vm *vm;
	struct vfio_dev dev;
	struct assigned_state state;
	int eventfd[ASSIGNED_VECTORS];
	bool injects[ASSIGNED_VECTORS];
};

int assigned_open(struct assigned *device, struct vm *vm);
int assigned_power_on(struct assigned *device);
int assigned_reset(struct assigned *device, struct vm *vm);
int assigned_restore(struct assigned *device, const struct assigned_state *state);
int assigned_connect(struct assigned *device, struct vm *vm);

void assigned_port_read(struct assigned *device, __u16 port, void *data, size_t size);
void assigned_port_write(struct assigned *device, __u16 port, const void *data, size_t size);
void assigned_memory_read(struct assigned *device, __u64 address, void *data, size_t size);
void assigned_memory_write(struct assigned *device, __u64 address, const void *data, size_t size);

/* firmware.c */
int firmware_run(struct assigned *device);

/* msix.c; "begin" and "end" are offsets in the BAR, of whole pages */
int msix_create(struct assigned *device);
size_t msix_begin(const struct assigned *device);
size_t msix_end(const struct assigned *device);
int msix_set_flags(struct assigned *device, __u16 flags);
int msix_disconnect(struct assigned *device);
int msix_connect(struct assigned *device);
int msix_restore(struct assigned *device);
int msix_reset(struct assigned *device);
void msix_read(struct assigned *device, size_t offset, void *data, size_t size);
int msix_write(struct assigned *device, size_t offset, const void *data, size_t size);

#endif /* _LAB_VM_ASSIGNED_H */
