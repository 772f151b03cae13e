/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MSI capability of a device as the device itself has it: vfio-pci shows its
 * user a different one.
 */
#ifndef _IRQ_LIVEUPDATE_MSI_CAP_H
#define _IRQ_LIVEUPDATE_MSI_CAP_H

#include <linux/types.h>

struct msi_cap {
	unsigned int pos;
	unsigned int data_pos;
	unsigned int mask_pos;		/* 0 if messages cannot be masked */
	unsigned int nr_messages;
	__u64 address;
	__u16 data;
	__u32 mask;
	__u32 pending;
};

int msi_cap_read(const char *bdf, struct msi_cap *cap);

#endif /* _IRQ_LIVEUPDATE_MSI_CAP_H */
