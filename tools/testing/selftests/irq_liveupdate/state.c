// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "irqinfo.h"
#include "kselftest.h"
#include "mmio.h"
#include "state.h"

/* The only remapping unit of QEMU's q35; VT-d specification 11.4 */
#define DMAR_BASE	0xfed90000UL
#define DMAR_IRTA	0xb8
#define IRTA_ADDRESS	(~0xfffULL)
#define IRTE_BYTES	16
#define IRTE_SID	0xffffULL		/* of the upper half */
#define IRTE_SVT	(3ULL << 18)

#define PAGE_BYTES	4096UL

static unsigned int config_word(const struct device_state *state, unsigned int pos)
{
	return state->config[pos] | state->config[pos + 1] << 8;
}

static unsigned int msix_cap(const struct device_state *state)
{
	unsigned int pos = state->config[PCI_CAPABILITY_LIST];

	while (pos && state->config[pos + PCI_CAP_LIST_ID] != PCI_CAP_ID_MSIX)
		pos = state->config[pos + PCI_CAP_LIST_NEXT];
	if (!pos)
		ksft_exit_fail_msg("no MSI-X capability\n");

	return pos;
}

__u16 state_command(const struct device_state *state)
{
	return config_word(state, PCI_COMMAND);
}

__u16 state_msix_control(const struct device_state *state)
{
	return config_word(state, msix_cap(state) + PCI_MSIX_FLAGS);
}

static void read_config(const char *bdf, struct device_state *state)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, state->config, sizeof(state->config)) != sizeof(state->config))
		ksft_exit_fail_perror(path);
	close(fd);
}

static __u64 bar_address(const char *bdf, unsigned int bar)
{
	unsigned long long start = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", bdf);
	f = fopen(path, "r");
	if (!f)
		ksft_exit_fail_perror(path);
	do {
		if (fscanf(f, "%llx %*x %*x", &start) != 1)
			ksft_exit_fail_msg("%s: no BAR %u\n", bdf, bar);
	} while (bar--);
	fclose(f);

	return start;
}

static void *map_memory(int mem, __u64 address)
{
	off_t start = address & ~(PAGE_BYTES - 1);
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, mem, start);

	if (page == MAP_FAILED)
		ksft_exit_fail_perror("/dev/mem");

	return page;
}

static void read_table(const char *bdf, int mem, struct device_state *state)
{
	unsigned int pos = msix_cap(state) + PCI_MSIX_TABLE, i;
	__u32 table = config_word(state, pos) | config_word(state, pos + 2) << 16;
	__u64 address = bar_address(bdf, table & PCI_MSIX_TABLE_BIR) +
			(table & PCI_MSIX_TABLE_OFFSET);
	void *page = map_memory(mem, address);
	void *entry = page + (address & (PAGE_BYTES - 1));

	for (i = 0; i < state->nr_vectors; i++, entry += PCI_MSIX_ENTRY_SIZE) {
		state->entry[i] = (struct msix_entry) {
			.address = mmio_read32(entry + PCI_MSIX_ENTRY_LOWER_ADDR) |
				   (__u64)mmio_read32(entry + PCI_MSIX_ENTRY_UPPER_ADDR) << 32,
			.data = mmio_read32(entry + PCI_MSIX_ENTRY_DATA),
			.control = mmio_read32(entry + PCI_MSIX_ENTRY_VECTOR_CTRL),
		};
	}
	munmap(page, PAGE_BYTES);
}

static void read_irte(int mem, int index, __u64 irte[2])
{
	void *dmar = map_memory(mem, DMAR_BASE);
	off_t table = mmio_read64(dmar + DMAR_IRTA) & IRTA_ADDRESS;

	if (pread(mem, irte, IRTE_BYTES, table + index * IRTE_BYTES) != IRTE_BYTES)
		ksft_exit_fail_perror("/dev/mem");
	munmap(dmar, PAGE_BYTES);
}

static void read_irtes(int mem, struct device_state *state)
{
	unsigned int i;
	int index;

	for (i = 0; i < state->nr_vectors; i++) {
		index = msi_irte_index(state->entry[i].address, state->entry[i].data);
		if (index >= 0)
			read_irte(mem, index, state->irte[i]);
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
	unsigned int bus, slot, function;
	int mem = open_memory();
	__u64 irte[2];

	read_irte(mem, index, irte);
	close(mem);
	if (sscanf(bdf, "%*x:%x:%x.%u", &bus, &slot, &function) != 3)
		ksft_exit_fail_msg("%s: no PCI address\n", bdf);

	return irte[1] & IRTE_SVT && (irte[1] & IRTE_SID) == (bus << 8 | slot << 3 | function);
}

void state_read(const char *bdf, struct device_state *state)
{
	int mem = open_memory();

	memset(state, 0, sizeof(*state));
	read_config(bdf, state);
	state->nr_vectors = (state_msix_control(state) & PCI_MSIX_FLAGS_QSIZE) + 1;
	if (state->nr_vectors > STATE_VECTORS)
		state->nr_vectors = STATE_VECTORS;
	if (state_command(state) & PCI_COMMAND_MEMORY) {
		read_table(bdf, mem, state);
		read_irtes(mem, state);
	}
	close(mem);
}

/* Says what differs. */
bool state_same(const struct device_state *a, const struct device_state *b)
{
	unsigned int i;

	for (i = 0; i < sizeof(a->config); i++) {
		if (a->config[i] != b->config[i])
			ksft_print_msg("config byte %#x: %02x -> %02x\n", i,
				       a->config[i], b->config[i]);
	}
	for (i = 0; i < a->nr_vectors; i++) {
		if (memcmp(&a->entry[i], &b->entry[i], sizeof(a->entry[i])))
			ksft_print_msg("MSI-X entry %u differs\n", i);
		if (memcmp(a->irte[i], b->irte[i], sizeof(a->irte[i])))
			ksft_print_msg("IRTE of vector %u: %llx:%llx -> %llx:%llx\n", i,
				       a->irte[i][1], a->irte[i][0], b->irte[i][1], b->irte[i][0]);
	}

	return !memcmp(a, b, sizeof(*a));
}
