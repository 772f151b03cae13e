// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one device, through the ports of the PCI host bridge, and its MSI-X table,
 * which is in the BAR that has its registers.
 */
#include <linux/pci_regs.h>

#include "bare.h"
#include "cpu.h"
#include "mmio.h"

#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define DEVICE		0x80000800	/* 00:01.0 */

#define MESSAGE_ADDRESS	0xfee00000
#define MESSAGE_CPU(id)	((id) << 12)

static void *table;

static __u32 config_read(unsigned int pos)
{
	port_write(CONFIG_ADDRESS, DEVICE | (pos & ~3));

	return port_read(CONFIG_DATA);
}

static void config_write(unsigned int pos, __u32 value)
{
	port_write(CONFIG_ADDRESS, DEVICE | (pos & ~3));
	port_write(CONFIG_DATA, value);
}

static unsigned int find_capability(__u8 id)
{
	unsigned int pos = config_read(PCI_CAPABILITY_LIST) & 0xff;

	while (pos && (config_read(pos) & 0xff) != id)
		pos = config_read(pos) >> 8 & 0xff;
	if (!pos)
		fail("device without MSI-X");

	return pos;
}

/* Returns the address of its first BAR. */
__u64 pci_enable_device(void)
{
	__u32 command = config_read(PCI_COMMAND) & 0xffff;

	config_write(PCI_COMMAND, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

	return config_read(PCI_BASE_ADDRESS_0) & PCI_BASE_ADDRESS_MEM_MASK;
}

static void *entry_of(unsigned int index)
{
	return table + index * PCI_MSIX_ENTRY_SIZE;
}

static void write_message(unsigned int index, unsigned int cpu, unsigned int vector)
{
	mmio_write32(entry_of(index) + PCI_MSIX_ENTRY_LOWER_ADDR,
		     MESSAGE_ADDRESS | MESSAGE_CPU(cpu));
	mmio_write32(entry_of(index) + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
	mmio_write32(entry_of(index) + PCI_MSIX_ENTRY_DATA, vector);
}

static void mask(unsigned int index, __u32 mask)
{
	mmio_write32(entry_of(index) + PCI_MSIX_ENTRY_VECTOR_CTRL, mask);
}

void pci_move_vector(unsigned int index, unsigned int cpu, unsigned int vector)
{
	mask(index, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	write_message(index, cpu, vector);
	mask(index, 0);
}

void pci_enable_msix(__u64 bar)
{
	unsigned int pos = find_capability(PCI_CAP_ID_MSIX), i;

	table = (void *)bar + (config_read(pos + PCI_MSIX_TABLE) & PCI_MSIX_TABLE_OFFSET);
	config_write(pos, config_read(pos) | PCI_MSIX_FLAGS_ENABLE << 16);
	for (i = 0; i < GUEST_QUEUES; i++)
		pci_move_vector(i, cpu_of(i), QUEUE_VECTOR(i));
}
