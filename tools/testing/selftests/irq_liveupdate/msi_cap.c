// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "msi_cap.h"

#define CONFIG_BYTES	256
#define PENDING_OFFSET	4	/* from the mask bits */

static __u32 get(const __u8 *config, unsigned int pos, size_t size)
{
	__u32 value = 0;

	memcpy(&value, config + pos, size);

	return value;
}

static int read_config(const char *bdf, __u8 *config)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, config, CONFIG_BYTES, 0);
	close(fd);

	return n == CONFIG_BYTES ? 0 : -EIO;
}

static unsigned int find_capability(const __u8 *config)
{
	unsigned int pos = config[PCI_CAPABILITY_LIST];

	while (pos && config[pos + PCI_CAP_LIST_ID] != PCI_CAP_ID_MSI)
		pos = config[pos + PCI_CAP_LIST_NEXT];

	return pos;
}

int msi_cap_read(const char *bdf, struct msi_cap *cap)
{
	__u8 config[CONFIG_BYTES];
	__u16 control;
	bool is_64;
	int ret;

	memset(cap, 0, sizeof(*cap));
	ret = read_config(bdf, config);
	if (ret)
		return ret;

	cap->pos = find_capability(config);
	if (!cap->pos)
		return -ENOENT;

	control = get(config, cap->pos + PCI_MSI_FLAGS, 2);
	is_64 = control & PCI_MSI_FLAGS_64BIT;
	cap->nr_messages = 1U << ((control & PCI_MSI_FLAGS_QMASK) >> 1);
	cap->address = get(config, cap->pos + PCI_MSI_ADDRESS_LO, 4);
	if (is_64)
		cap->address |= (__u64)get(config, cap->pos + PCI_MSI_ADDRESS_HI, 4) << 32;
	cap->data_pos = cap->pos + (is_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
	cap->data = get(config, cap->data_pos, 2);
	if (control & PCI_MSI_FLAGS_MASKBIT) {
		cap->mask_pos = cap->pos + (is_64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
		cap->mask = get(config, cap->mask_pos, 4);
		cap->pending = get(config, cap->mask_pos + PENDING_OFFSET, 4);
	}

	return 0;
}
