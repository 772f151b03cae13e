// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "msi_cap.h"
#include "pci_config.h"

#define PENDING_OFFSET	4	/* from the mask bits */

int msi_cap_read(const char *bdf, struct msi_cap *cap)
{
	__u8 config[PCI_CFG_SPACE_EXP_SIZE];
	__u16 control;
	__u64 high;
	bool is_64;
	int ret;

	memset(cap, 0, sizeof(*cap));
	ret = pci_config_read(bdf, config);
	if (ret < 0)
		return ret;

	cap->pos = pci_config_capability(config, PCI_CAP_ID_MSI);
	if (!cap->pos)
		return -ENOENT;

	control = pci_config_get(config, cap->pos + PCI_MSI_FLAGS, 2);
	is_64 = control & PCI_MSI_FLAGS_64BIT;
	cap->nr_messages = 1U << ((control & PCI_MSI_FLAGS_QMASK) >> 1);
	cap->address = pci_config_get(config, cap->pos + PCI_MSI_ADDRESS_LO, 4);
	if (is_64) {
		high = pci_config_get(config, cap->pos + PCI_MSI_ADDRESS_HI, 4);
		cap->address |= high << 32;
	}
	cap->data_pos = cap->pos + (is_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
	cap->data = pci_config_get(config, cap->data_pos, 2);
	if (control & PCI_MSI_FLAGS_MASKBIT) {
		cap->mask_pos = cap->pos + (is_64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
		cap->mask = pci_config_get(config, cap->mask_pos, 4);
		cap->pending = pci_config_get(config, cap->mask_pos + PENDING_OFFSET, 4);
	}

	return 0;
}
