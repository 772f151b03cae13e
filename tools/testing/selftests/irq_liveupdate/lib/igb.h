/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of an 82576, which Linux and QEMU call igb, as is needed to let one of
 * its virtual functions write frames to memory. The datasheet's chapter 8 has the
 * registers, chapter 7.10 what becomes of frames with virtual functions. A virtual
 * function has the registers of its receive queue where an 82574 has them, see
 * e1000e.h. The card overwrites a whole descriptor when it has used it.
 */
#ifndef _IRQ_LIVEUPDATE_IGB_H
#define _IRQ_LIVEUPDATE_IGB_H

#include <linux/types.h>

#include "e1000e.h"
#include "mmio.h"

#define IGB_MDIC		0x0020
#define   IGB_MDIC_WRITE	0x04000000
#define   IGB_MDIC_PHY		0x00200000
#define   IGB_PHY_CONTROL	0x0		/* MII 22.2.4.1 */
#define     IGB_PHY_NEGOTIATE	0x1200
#define IGB_VFRE		0x0c8c		/* a bit for each virtual function */
#define IGB_GPIE		0x1514
#define   IGB_GPIE_MSIX		0x10
#define IGB_MRQC		0x5818
#define   IGB_MRQC_VIRTUAL	0x3
#define IGB_VMOLR(vf)		(0x5ad0 + 4 * (vf))
#define   IGB_VMOLR_BROADCAST	0x08000000

/* Of a virtual function; the mailbox is general-purpose memory */
#define IGBVF_MAILBOX		0x0800
#define IGB_RXDCTL		0x2828
#define   IGB_RXDCTL_ENABLE	0x02000000

/* Registers of the physical function: the virtual one gets each broadcast, unless it is reset. */
static inline void igb_let_receive(void *registers, unsigned int vf)
{
	mmio_write32(registers + IGB_MDIC,
		     IGB_MDIC_WRITE | IGB_MDIC_PHY | IGB_PHY_CONTROL | IGB_PHY_NEGOTIATE);
	mmio_write32(registers + IGB_MRQC, IGB_MRQC_VIRTUAL);
	mmio_write32(registers + IGB_VMOLR(vf), IGB_VMOLR_BROADCAST);
	mmio_write32(registers + IGB_VFRE, 1 << vf);
	mmio_write32(registers + E1000E_RCTL, E1000E_RCTL_ENABLE | E1000E_RCTL_STRIP_CRC);
}

/* Registers of the virtual function. All entries of the ring but one are the card's. */
static inline void igb_start(void *registers, __u64 ring, unsigned int entries)
{
	mmio_write32(registers + E1000E_RDBAL, ring);
	mmio_write32(registers + E1000E_RDBAH, ring >> 32);
	mmio_write32(registers + E1000E_RDLEN, entries * sizeof(struct e1000e_descriptor));
	mmio_write32(registers + E1000E_RDH, 0);
	mmio_write32(registers + IGB_RXDCTL, IGB_RXDCTL_ENABLE);
	mmio_write32(registers + E1000E_RDT, entries - 1);
}

#endif /* _IRQ_LIVEUPDATE_IGB_H */
