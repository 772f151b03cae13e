/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What sysfs shows of a device, past every driver: its configuration space and
 * where its BARs are.
 */
#ifndef _IRQ_LIVEUPDATE_PCI_CONFIG_H
#define _IRQ_LIVEUPDATE_PCI_CONFIG_H

#include <stddef.h>
#include <linux/pci_regs.h>
#include <linux/types.h>

int pci_config_read(const char *bdf, __u8 config[PCI_CFG_SPACE_EXP_SIZE]);
__u32 pci_config_get(const __u8 *config, unsigned int pos, size_t size);
unsigned int pci_config_capability(const __u8 *config, unsigned int id);
__u64 pci_bar_address(const char *bdf, unsigned int bar);

#endif /* _IRQ_LIVEUPDATE_PCI_CONFIG_H */
