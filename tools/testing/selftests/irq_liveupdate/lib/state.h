/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All of a device and of its interrupts that a live update, or a cancelled one,
 * might change: as the hardware has it, past every driver.
 */
#ifndef _IRQ_LIVEUPDATE_STATE_H
#define _IRQ_LIVEUPDATE_STATE_H

#include <stdbool.h>
#include <linux/pci_regs.h>
#include <linux/types.h>

#include "irte.h"
#include "vfio_dev.h"

#define STATE_VECTORS	64

struct device_state {
	__u8 config[PCI_CFG_SPACE_SIZE];
	unsigned int nr_vectors;
	struct msix_entry entry[STATE_VECTORS];
	struct irte irte[STATE_VECTORS];
};

void state_read(const char *bdf, struct device_state *state);
bool state_same(const struct device_state *a, const struct device_state *b);
bool state_irte_names(int index, const char *bdf);
__u16 state_command(const struct device_state *state);
__u16 state_msix_control(const struct device_state *state);

#endif /* _IRQ_LIVEUPDATE_STATE_H */
