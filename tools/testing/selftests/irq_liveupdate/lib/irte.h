/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct access, past every driver, to entries of interrupt remapping tables on
 * QEMU's q35. It has one remapping unit: VT-d, with one table, or AMD-Vi, with
 * one for each device.
 */
#ifndef _IRQ_LIVEUPDATE_IRTE_H
#define _IRQ_LIVEUPDATE_IRTE_H

#include <stdbool.h>
#include <sys/types.h>
#include <linux/types.h>

#define PAGE_BYTES	4096UL

/* ACPI specification 5.2.6: in the header of a table */
#define ACPI_OEM_ID	10

/* VT-d specification 11.4 */
#define DMAR_BASE	0xfed90000UL
#define DMAR_IRTA	0xb8
#define IRTA_ADDRESS	(~0xfffULL)

/* AMD I/O virtualization specification 3.4.1 and 2.2.2.1 */
#define AMDVI_BASE	0xfed80000UL
#define AMDVI_DEVTAB	0
#define DEVTAB_ADDRESS	0xffffffffff000ULL
#define DTE_BYTES	32
#define DTE_INTERRUPTS	16
#define DTE_IV		1ULL
#define DTE_INTTAB	0xfffffffffffc0ULL

/* 2.2.5.2: of the upper half of an entry, zero in a free one */
#define IRTE_GA_VECTOR	0xffULL

/* The lowest bits of an entry mean the same in both. */
struct irte {
	__u64 low;
	__u64 high;
};

bool irte_is_amdvi(void);
bool irte_is_qemu(void);
unsigned int irte_requester_id(const char *bdf);
off_t irte_dte_position(int mem, unsigned int devid);
off_t irte_position(int mem, const char *bdf, unsigned int index);
bool irte_is_of(const struct irte *irte, const char *bdf);

#endif /* _IRQ_LIVEUPDATE_IRTE_H */
