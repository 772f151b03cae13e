/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The receiver of an 82574, which Linux and QEMU call e1000e: just what is needed to
 * let it write frames to memory. The datasheet's chapter 10 has the registers,
 * chapter 7 the descriptor in its legacy format.
 */
#ifndef _IRQ_LIVEUPDATE_E1000E_H
#define _IRQ_LIVEUPDATE_E1000E_H

#include <linux/types.h>

#include "mmio.h"

#define E1000E_CTRL		0x0000
#define   E1000E_CTRL_LINK_UP	0x00000040
#define   E1000E_CTRL_RESET	0x04000000
#define E1000E_ICR		0x00c0	/* is cleared when it is read */
#define E1000E_IMS		0x00d0
#define   E1000E_CAUSE_FRAME	0x00000080	/* any frame; of INTx */
#define E1000E_EIAC		0x00dc
#define   E1000E_CAUSE_RX	0x00100000	/* receive queue 0; disabled when it is sent */
#define E1000E_IVAR		0x00e4
#define   E1000E_IVAR_RX	0x00000008	/* receive queue 0: vector 0 */
#define E1000E_RCTL		0x0100
#define   E1000E_RCTL_ENABLE	0x00000002
#define   E1000E_RCTL_BROADCAST	0x00008000
#define   E1000E_RCTL_STRIP_CRC	0x04000000	/* it may take an entry of its own */
#define E1000E_RDBAL		0x2800
#define E1000E_RDBAH		0x2804
#define E1000E_RDLEN		0x2808
#define E1000E_RDH		0x2810
#define E1000E_RDT		0x2818

struct e1000e_descriptor {
	__u64 address;
	__u16 length;
	__u16 checksum;
	__u8 status;
	__u8 errors;
	__u16 special;
};

#define E1000E_STATUS_DONE	0x1

/* The reset stops the receiver, and disables all interrupts. */
static inline void e1000e_reset(void *registers)
{
	mmio_write32(registers + E1000E_CTRL, E1000E_CTRL_LINK_UP | E1000E_CTRL_RESET);
}

/* All entries of the ring but one are the card's. */
static inline void e1000e_start(void *registers, __u64 ring, unsigned int entries)
{
	mmio_write32(registers + E1000E_RDBAL, ring);
	mmio_write32(registers + E1000E_RDBAH, ring >> 32);
	mmio_write32(registers + E1000E_RDLEN, entries * sizeof(struct e1000e_descriptor));
	mmio_write32(registers + E1000E_RDH, 0);
	mmio_write32(registers + E1000E_RDT, entries - 1);
	mmio_write32(registers + E1000E_RCTL, E1000E_RCTL_ENABLE | E1000E_RCTL_BROADCAST |
		     E1000E_RCTL_STRIP_CRC);
}

#endif /* _IRQ_LIVEUPDATE_E1000E_H */
