/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the running kernel says about a vector's interrupt.
 */
#ifndef _IRQ_LIVEUPDATE_IRQINFO_H
#define _IRQ_LIVEUPDATE_IRQINFO_H

#include <stddef.h>
#include <linux/types.h>

/* VT-d specification 5.1.2.2: the address and data of a remappable-format MSI */
#define MSI_ADDR_REMAPPABLE	0x10U
#define MSI_ADDR_SHV		0x08U
#define MSI_ADDR_HANDLE_HIGH	0x04U
#define MSI_ADDR_HANDLE_LOW	0xfffe0U
#define MSI_DATA_SUBHANDLE	0xffffU

/* AMD I/O virtualization specification 2.2.5: the same for AMD-Vi */
#define MSI_DATA_AMDVI_INDEX	0x7ffU

int msi_irte_index(__u64 address, __u32 data);
int irq_of_vectors(const char *bdf, int *irqs, unsigned int first, unsigned int count);
int irq_effective_cpu(int irq);
int irq_set_affinity(int irq, const char *cpus);
int irq_trigger(int irq);

#endif /* _IRQ_LIVEUPDATE_IRQINFO_H */
