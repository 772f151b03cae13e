// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "irqinfo.h"
#include "irte.h"

/*
 * The index of the IRTE a message selects, -1 if it is not in remappable format.
 * AMD-Vi has no such format: its messages contain only the index.
 */
int msi_irte_index(__u64 address, __u32 data)
{
	int handle;

	if (irte_is_amdvi())
		return address ? (int)(data & MSI_DATA_AMDVI_INDEX) : -1;
	if (!(address & MSI_ADDR_REMAPPABLE))
		return -1;

	handle = (address & MSI_ADDR_HANDLE_LOW) >> 5;
	if (address & MSI_ADDR_HANDLE_HIGH)
		handle |= 1 << 15;
	if (address & MSI_ADDR_SHV)
		handle += data & MSI_DATA_SUBHANDLE;

	return handle;
}

static void parse_interrupts_line(const char *line, const char *bdf, int *irqs,
				  unsigned int first, unsigned int count)
{
	const char *name = strstr(line, "vfio-msi");
	unsigned int vector;
	char owner[32];

	/* vfio-msix[VECTOR](DEVICE), or vfio-msi */
	if (!name || sscanf(strchr(name, '[') ?: "", "[%u](%31[^)])", &vector, owner) != 2)
		return;
	if (vector >= first && vector - first < count && !strcmp(owner, bdf))
		irqs[vector - first] = atoi(line);
}

/* vfio-pci names its interrupts, so /proc/interrupts shows index and number. */
int irq_of_vectors(const char *bdf, int *irqs, unsigned int first, unsigned int count)
{
	char *line = NULL;
	size_t size = 0;
	unsigned int i;
	FILE *f;

	for (i = 0; i < count; i++)
		irqs[i] = -1;

	f = fopen("/proc/interrupts", "r");
	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0)
		parse_interrupts_line(line, bdf, irqs, first, count);
	free(line);
	fclose(f);

	return 0;
}

int irq_effective_cpu(int irq)
{
	char path[64];
	int cpu = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/irq/%d/effective_affinity_list", irq);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &cpu) != 1)
		cpu = -1;
	fclose(f);

	return cpu;
}

int irq_set_affinity(int irq, const char *cpus)
{
	ssize_t n, len = strlen(cpus);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	n = write(fd, cpus, len);
	close(fd);

	return n == len ? 0 : -EIO;
}

/* Through debugfs, as if the interrupt had arrived. */
int irq_trigger(int irq)
{
	static const char command[] = "trigger";
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/irq/irqs/%d", irq);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	n = write(fd, command, strlen(command));
	close(fd);

	return n < 0 ? -EIO : 0;
}
