/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only remapping unit of QEMU's q35; VT-d specification 11.4
 */
#ifndef _IRQ_LIVEUPDATE_DMAR_H
#define _IRQ_LIVEUPDATE_DMAR_H

#define DMAR_BASE	0xfed90000UL
#define DMAR_IRTA	0xb8
#define IRTA_ADDRESS	(~0xfffULL)
#define IRTE_BYTES	16

#define PAGE_BYTES	4096UL

#endif /* _IRQ_LIVEUPDATE_DMAR_H */
