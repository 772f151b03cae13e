/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything in a device and its interrupts that a live update, or a cancelled
 * one, might change: as the hardware has it, past every driver.
 */
#ifndef _IRQ_LIVEUPDATE_STATE_H
#define _IRQ_LIVEUPDATE_STATE_H

#include <stdbool.h>
#include <linux/types.h>

#include "irte.h"
#include "pci_config.h"
#include "vfio_dev.h"

#define STATE_VECTORS	2048

/*
 * config_size: 4096 for a PCI Express device, 256 for a conventional one
 */
struct device_state {
	unsigned int config_size;
	__u8 config[PCI_CFG_SPACE_EXP_SIZE];
	unsigned int nr_vectors;
	struct msix_entry entry[STATE_VECTORS];
	struct irte irte[STATE_VECTORS];
};

void state_read(const char *bdf, struct device_state *state);
void state_read_config(const char *bdf, struct device_state *state);
bool state_same(const struct device_state *a, const struct device_state *b);
bool state_irte_names(int index, const char *bdf);
__u16 state_command(const struct device_state *state);
__u16 state_msix_control(const struct device_state *state);
bool state_handed_over(const struct device_state *state);

#endif /* _IRQ_LIVEUPDATE_STATE_H */
