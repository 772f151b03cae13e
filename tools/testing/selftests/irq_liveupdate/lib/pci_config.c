// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pci_config.h"

/* Reads all that the kernel knows of, and returns its size. */
int pci_config_read(const char *bdf, __u8 config[PCI_CFG_SPACE_EXP_SIZE])
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, config, PCI_CFG_SPACE_EXP_SIZE);
	close(fd);

	return n < PCI_CFG_SPACE_SIZE ? -EIO : n;
}

__u32 pci_config_get(const __u8 *config, unsigned int pos, size_t size)
{
	__u32 value = 0;

	memcpy(&value, config + pos, size);

	return value;
}

/* Where a capability is, 0 if the device has none. */
unsigned int pci_config_capability(const __u8 *config, unsigned int id)
{
	unsigned int pos = config[PCI_CAPABILITY_LIST];

	while (pos && config[pos + PCI_CAP_LIST_ID] != id)
		pos = config[pos + PCI_CAP_LIST_NEXT];

	return pos;
}

/* Where a BAR is in physical memory, 0 if that cannot be found. */
__u64 pci_bar_address(const char *bdf, unsigned int bar)
{
	unsigned long long start = 0;
	unsigned int line;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", bdf);
	f = fopen(path, "r");
	if (!f)
		return 0;
	for (line = 0; line <= bar; line++) {
		if (fscanf(f, "%llx %*x %*x", &start) != 1)
			start = 0;
	}
	fclose(f);

	return start;
}
