// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "irqinfo.h"
#include "irte.h"
#include "kselftest.h"
#include "mmio.h"
#include "pci_config.h"
#include "state.h"

static unsigned int msix_cap(const struct device_state *state)
{
	unsigned int pos = pci_config_capability(state->config, PCI_CAP_ID_MSIX);

	if (!pos)
		ksft_exit_fail_msg("no MSI-X capability\n");

	return pos;
}

__u16 state_command(const struct device_state *state)
{
	return pci_config_get(state->config, PCI_COMMAND, sizeof(__u16));
}

__u16 state_msix_control(const struct device_state *state)
{
	return pci_config_get(state->config, msix_cap(state) + PCI_MSIX_FLAGS, sizeof(__u16));
}

/* Whether the previous kernel has left it running, with its interrupts masked. */
bool state_handed_over(const struct device_state *state)
{
	__u16 flags = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;

	return (state_msix_control(state) & flags) == flags &&
	       state_command(state) & PCI_COMMAND_MASTER;
}

struct mapping {
	void *start;
	size_t size;
};

/* Returns where in the mapping the address is. */
static void *map_memory(int mem, __u64 address, size_t size, struct mapping *mapping)
{
	size_t offset = address & (PAGE_BYTES - 1);

	mapping->size = offset + size;
	mapping->start = mmap(NULL, mapping->size, PROT_READ, MAP_SHARED, mem, address - offset);
	if (mapping->start == MAP_FAILED)
		ksft_exit_fail_perror("/dev/mem");

	return mapping->start + offset;
}

static __u64 table_address(const char *bdf, const struct device_state *state)
{
	__u32 table = pci_config_get(state->config, msix_cap(state) + PCI_MSIX_TABLE,
				     sizeof(table));
	__u64 bar = pci_bar_address(bdf, table & PCI_MSIX_TABLE_BIR);

	if (!bar)
		ksft_exit_fail_msg("%s: its MSI-X table cannot be located\n", bdf);

	return bar + (table & PCI_MSIX_TABLE_OFFSET);
}

static void read_table(const char *bdf, int mem, struct device_state *state)
{
	struct mapping mapping;
	unsigned int i;
	void *entry;

	entry = map_memory(mem, table_address(bdf, state), state->nr_vectors * PCI_MSIX_ENTRY_SIZE,
			   &mapping);
	for (i = 0; i < state->nr_vectors; i++, entry += PCI_MSIX_ENTRY_SIZE) {
		state->entry[i] = (struct msix_entry) {
			.address = mmio_read32(entry + PCI_MSIX_ENTRY_LOWER_ADDR) |
				   (__u64)mmio_read32(entry + PCI_MSIX_ENTRY_UPPER_ADDR) << 32,
			.data = mmio_read32(entry + PCI_MSIX_ENTRY_DATA),
			.control = mmio_read32(entry + PCI_MSIX_ENTRY_VECTOR_CTRL),
		};
	}
	munmap(mapping.start, mapping.size);
}

/* All zero if the device has no table. */
static struct irte read_irte(int mem, const char *bdf, int index)
{
	off_t position = irte_position(mem, bdf, index);
	struct irte irte = { };

	if (position >= 0 && pread(mem, &irte, sizeof(irte), position) != sizeof(irte))
		ksft_exit_fail_perror("/dev/mem");

	return irte;
}

static void read_irtes(const char *bdf, int mem, struct device_state *state)
{
	unsigned int i;
	int index;

	if (!irte_is_qemu()) {
		ksft_print_msg("remapping entries are not compared: the machine is not QEMU's\n");
		return;
	}

	for (i = 0; i < state->nr_vectors; i++) {
		index = msi_irte_index(state->entry[i].address, state->entry[i].data);
		if (index >= 0)
			state->irte[i] = read_irte(mem, bdf, index);
	}
}

static int open_memory(void)
{
	int mem = open("/dev/mem", O_RDONLY | O_SYNC | O_CLOEXEC);

	if (mem < 0)
		ksft_exit_fail_perror("/dev/mem");

	return mem;
}

/* Whether a remapping entry is for messages of this device. */
bool state_irte_names(int index, const char *bdf)
{
	struct irte irte;
	int mem;

	if (!irte_is_qemu())
		ksft_exit_skip("remapping entries cannot be read: the machine is not QEMU's\n");

	mem = open_memory();
	irte = read_irte(mem, bdf, index);
	close(mem);

	return irte_is_of(&irte, bdf);
}

/* Only configuration space: the memory of the device may be disabled. */
void state_read_config(const char *bdf, struct device_state *state)
{
	int size;

	memset(state, 0, sizeof(*state));
	size = pci_config_read(bdf, state->config);
	if (size < 0)
		ksft_exit_fail_msg("%s: no configuration space\n", bdf);
	state->config_size = size;
}

/* Ends the test if the device does not decode its memory: there is no table to compare. */
void state_read(const char *bdf, struct device_state *state)
{
	int mem = open_memory();

	state_read_config(bdf, state);
	if (!(state_command(state) & PCI_COMMAND_MEMORY))
		ksft_exit_fail_msg("%s: its memory is disabled\n", bdf);
	state->nr_vectors = (state_msix_control(state) & PCI_MSIX_FLAGS_QSIZE) + 1;
	read_table(bdf, mem, state);
	read_irtes(bdf, mem, state);
	close(mem);
}

/* Says what differs. */
bool state_same(const struct device_state *a, const struct device_state *b)
{
	unsigned int i;

	for (i = 0; i < a->config_size; i++) {
		if (a->config[i] != b->config[i])
			ksft_print_msg("config byte %#x: %02x -> %02x\n", i,
				       a->config[i], b->config[i]);
	}
	for (i = 0; i < a->nr_vectors; i++) {
		if (memcmp(&a->entry[i], &b->entry[i], sizeof(a->entry[i])))
			ksft_print_msg("MSI-X entry %u differs\n", i);
		if (memcmp(&a->irte[i], &b->irte[i], sizeof(a->irte[i])))
			ksft_print_msg("IRTE of vector %u: %llx:%llx -> %llx:%llx\n", i,
				       a->irte[i].high, a->irte[i].low,
				       b->irte[i].high, b->irte[i].low);
	}

	return !memcmp(a, b, sizeof(*a));
}
