/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface of an NVMe controller, for programs and for code without an
 * operating system; NVM Express base specification 2.0.
 */
#ifndef _IRQ_LIVEUPDATE_NVME_HW_H
#define _IRQ_LIVEUPDATE_NVME_HW_H

#include <linux/types.h>

/* Registers, 3.1.3 */
#define NVME_REG_CAP_HIGH	0x04
#define   NVME_CAP_HIGH_DSTRD	0xf
#define NVME_REG_CC		0x14
#define   NVME_CC_ENABLE	0x1
#define   NVME_CC_ENTRY_SIZES	(6 << 16 | 4 << 20)
#define NVME_REG_CSTS		0x1c
#define   NVME_CSTS_READY	0x1
#define   NVME_CSTS_FATAL	0x2
#define NVME_REG_AQA		0x24
#define NVME_REG_ASQ		0x28
#define NVME_REG_ACQ		0x30
#define NVME_REG_DOORBELLS	0x1000

#define NVME_ADMIN_CREATE_SQ	0x01
#define NVME_ADMIN_CREATE_CQ	0x05
#define NVME_ADMIN_SET_FEATURES	0x09
#define NVME_FEATURE_NR_QUEUES	0x07
#define NVME_ADMIN_VIRTUALIZE	0x1c
#define   NVME_SECONDARY_ASSIGN	0x8
#define   NVME_SECONDARY_ONLINE	0x9
#define   NVME_INTERRUPTS	0x100	/* instead of queues */
#define NVME_QUEUE_CONTIGUOUS	0x1
#define NVME_CQ_INTERRUPTS	0x2

#define NVME_CMD_WRITE		0x01
#define NVME_CMD_READ		0x02

#define NVME_SECTOR_BYTES	512
#define NVME_ENTRIES		64	/* of a submission queue, which then fills a page */

struct nvme_command {
	__u8 opcode;
	__u8 flags;
	__u16 id;
	__u32 namespace;
	__u64 reserved[2];
	__u64 prp[2];
	__u32 dw10;
	__u32 dw11;
	__u32 dw12;
	__u32 dw13[3];
};

struct nvme_completion {
	__u32 result[2];
	__u16 sq_head;
	__u16 sq;
	__u16 id;
	__u16 status;		/* bit 0 is the phase */
};

/* How far the two queues of a number have been used */
struct nvme_queue {
	__u16 tail;
	__u16 head;
	__u16 phase;
};

#endif /* _IRQ_LIVEUPDATE_NVME_HW_H */
