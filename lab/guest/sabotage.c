// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breaks one rule of interrupt live update on purpose, from user space, to show
 * that the judge of that rule notices. What can be restored is restored at
 * once.
 *
 *	sabotage enable BDF		clear MSI-X Enable
 *	sabotage msi-enable BDF		clear MSI Enable
 *	sabotage bus-master BDF		clear Bus Master Enable
 *	sabotage message BDF VECTOR [COMMAND]
 *					change a message's data word, while a command runs
 *	sabotage remapping		switch interrupt remapping off
 *	sabotage translation		switch DMA translation off
 *	sabotage dma BDF		let a device do DMA that must not
 *	sabotage base			double the device table of AMD-Vi
 *	sabotage open BDF INDEX		make a remapping entry present
 *	sabotage source BDF INDEX	make it present for another requester
 *	sabotage report BDF INDEX	let a remapping entry report its faults
 *	sabotage unmask BDF		clear MSI-X Function Mask
 *	sabotage both-types BDF		enable MSI-X beside MSI
 *	sabotage reset BDF		reset the function
 *	sabotage ring BDF VECTOR	ring an ivshmem device's own doorbell
 *	sabotage send BDF VECTOR INDEX	the same, with the message of another entry; VECTOR < 32
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/const.h>
#include <linux/pci_regs.h>
#include <linux/types.h>

#include "irte.h"
#include "mmio.h"

#define DMAR_GCMD		0x18
#define DMAR_GSTS		0x1c
#define DMAR_GSTS_PERSISTENT	0x96ffffffU
#define DMAR_GCMD_IRE		_BITUL(25)
#define DMAR_GCMD_TE		_BITUL(31)
#define DMAR_RTADDR		0x20
#define ROOT_ENTRY_BYTES	16
#define CONTEXT_ENTRY_BYTES	16
#define CONTEXT_PRESENT		_BITULL(0)
#define TABLE_ADDRESS		0xfffffffff000ULL

#define AMDVI_TABLE_SIZE	0x1ffULL
#define AMDVI_CONTROL		0x18
#define AMDVI_CONTROL_ENABLE	_BITULL(0)

/* QEMU docs/specs/ivshmem-spec.rst; the lab's server gives QEMU this id */
#define IVSHMEM_DOORBELL	12
#define IVSHMEM_OWN_ID		1

#define DTE_VALID		_BITULL(0)

/* The handle in a message: VT-d specification 5.1.5.2. With AMD-Vi it is in the data. */
#define VTD_INDEX_SHIFT		5
#define VTD_INDEX_LOW		0x7fffU
#define VTD_INDEX_HIGH_SHIFT	2
#define VTD_MESSAGE		0xfee00010U

#define IRTE_PRESENT		_BITULL(0)
#define IRTE_FPD		_BITULL(1)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_config(const char *bdf)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDWR);
	if (fd < 0)
		die(path);

	return fd;
}

static __u32 config_read(int fd, unsigned int pos, size_t size)
{
	__u32 value = 0;

	if (pread(fd, &value, size, pos) != (ssize_t)size)
		die("config read");

	return value;
}

static void config_write_word(int fd, unsigned int pos, __u16 value)
{
	if (pwrite(fd, &value, sizeof(value), pos) != sizeof(value))
		die("config write");
}

static unsigned int find_capability(int fd, unsigned int id)
{
	unsigned int pos = config_read(fd, PCI_CAPABILITY_LIST, 1);

	while (pos && config_read(fd, pos + PCI_CAP_LIST_ID, 1) != id)
		pos = config_read(fd, pos + PCI_CAP_LIST_NEXT, 1);
	if (!pos) {
		errno = ENOENT;
		die("capability");
	}

	return pos;
}

static unsigned int msix_capability(int fd)
{
	return find_capability(fd, PCI_CAP_ID_MSIX);
}

/* Clear bits of a config word, and set them again if they were set; id 0: no capability */
static void flicker_config(const char *bdf, unsigned int id, unsigned int pos, __u16 bits)
{
	int fd = open_config(bdf);
	__u16 value;

	if (id)
		pos += find_capability(fd, id);
	value = config_read(fd, pos, sizeof(value));
	config_write_word(fd, pos, value & ~bits);
	config_write_word(fd, pos, value);
}

static void change_config(const char *bdf, unsigned int id, unsigned int pos, __u16 set,
			  __u16 clear)
{
	int fd = open_config(bdf);

	pos += find_capability(fd, id);
	config_write_word(fd, pos, (config_read(fd, pos, 2) | set) & ~clear);
}

static void *map(const char *path, off_t offset, size_t size)
{
	int fd = open(path, O_RDWR | O_SYNC);
	void *p;

	if (fd < 0)
		die(path);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (p == MAP_FAILED)
		die("mmap");

	return p;
}

/* The page in which offset is */
static void *map_bar(const char *bdf, unsigned int bar, unsigned int offset)
{
	unsigned int in_page = offset % PAGE_BYTES;
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u", bdf, bar);
	return map(path, offset - in_page, PAGE_BYTES) + in_page;
}

/* Returns the exit status of the command. */
static int flicker_message(const char *bdf, unsigned int vector, const char *command)
{
	int fd = open_config(bdf);
	__u32 table = config_read(fd, msix_capability(fd) + PCI_MSIX_TABLE, 4);
	__u16 enabled = config_read(fd, PCI_COMMAND, sizeof(enabled));
	void *data = map_bar(bdf, table & PCI_MSIX_TABLE_BIR,
			     (table & PCI_MSIX_TABLE_OFFSET) + vector * PCI_MSIX_ENTRY_SIZE +
			     PCI_MSIX_ENTRY_DATA);
	int status;

	config_write_word(fd, PCI_COMMAND, enabled | PCI_COMMAND_MEMORY);
	mmio_write32(data, mmio_read32(data) ^ 1);
	status = system(command);
	mmio_write32(data, mmio_read32(data) ^ 1);
	config_write_word(fd, PCI_COMMAND, enabled);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void ring(const char *bdf, unsigned int vector)
{
	int fd = open_config(bdf);
	__u16 command = config_read(fd, PCI_COMMAND, sizeof(command));

	config_write_word(fd, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	mmio_write32(map_bar(bdf, 0, IVSHMEM_DOORBELL), IVSHMEM_OWN_ID << 16 | vector);
	config_write_word(fd, PCI_COMMAND, command);
}

static void write_message(void *entry, __u32 address, __u32 data)
{
	mmio_write32(entry + PCI_MSIX_ENTRY_LOWER_ADDR, address);
	mmio_write32(entry + PCI_MSIX_ENTRY_DATA, data);
}

/* Without a sub-handle, so that only the index counts */
static void name_irte(void *entry, unsigned int index)
{
	if (irte_is_amdvi())
		mmio_write32(entry + PCI_MSIX_ENTRY_DATA, index);
	else
		write_message(entry, VTD_MESSAGE | (index & VTD_INDEX_LOW) << VTD_INDEX_SHIFT |
			      (index > VTD_INDEX_LOW) << VTD_INDEX_HIGH_SHIFT, 0);
}

/* The entry of a vector in a table of the device, with entries of @size bytes */
static void *map_of_vector(const char *bdf, int fd, unsigned int pos, unsigned int vector,
			   unsigned int size)
{
	__u32 table = config_read(fd, msix_capability(fd) + pos, 4);

	return map_bar(bdf, table & PCI_MSIX_TABLE_BIR,
		       (table & PCI_MSIX_TABLE_OFFSET) + vector * size);
}

/* The ring takes time. The entry is masked until it is pending, and sends at once then. */
static void send_message(const char *bdf, unsigned int vector, unsigned int index)
{
	int fd = open_config(bdf);
	__u16 command = config_read(fd, PCI_COMMAND, sizeof(command));
	void *entry = map_of_vector(bdf, fd, PCI_MSIX_TABLE, vector, PCI_MSIX_ENTRY_SIZE);
	void *pending = map_of_vector(bdf, fd, PCI_MSIX_PBA, 0, 0);
	__u32 address, data;

	config_write_word(fd, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	mmio_write32(entry + PCI_MSIX_ENTRY_VECTOR_CTRL, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	ring(bdf, vector);
	config_write_word(fd, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	while (!(mmio_read32(pending) & 1U << vector))
		usleep(1000);

	address = mmio_read32(entry + PCI_MSIX_ENTRY_LOWER_ADDR);
	data = mmio_read32(entry + PCI_MSIX_ENTRY_DATA);
	name_irte(entry, index);
	mmio_write32(entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	write_message(entry, address, data);
	config_write_word(fd, PCI_COMMAND, command);
}

static void flicker_amdvi(void)
{
	void *control = map("/dev/mem", AMDVI_BASE, PAGE_BYTES) + AMDVI_CONTROL;
	__u64 value = mmio_read64(control);

	mmio_write64(control, value & ~AMDVI_CONTROL_ENABLE);
	mmio_write64(control, value);
}

static void flicker_base(void)
{
	void *base = map("/dev/mem", AMDVI_BASE, PAGE_BYTES);
	__u64 value = mmio_read64(base);

	mmio_write64(base, (value & ~AMDVI_TABLE_SIZE) | (value & AMDVI_TABLE_SIZE) << 1 | 1);
	mmio_write64(base, value);
}

static void flicker_vtd(__u32 command)
{
	void *dmar = map("/dev/mem", DMAR_BASE, PAGE_BYTES);
	__u32 state = mmio_read32(dmar + DMAR_GSTS) & DMAR_GSTS_PERSISTENT;

	mmio_write32(dmar + DMAR_GCMD, state & ~command);
	mmio_write32(dmar + DMAR_GCMD, state);
}

/* AMD-Vi has one bit for both. */
static void flicker_unit(__u32 vtd_command)
{
	if (irte_is_amdvi())
		flicker_amdvi();
	else
		flicker_vtd(vtd_command);
}

/*
 * By write(), not through a mapping, so that the store is made by the kernel
 * like any other.
 */
static void store(int mem, off_t position, __u64 value)
{
	if (pwrite(mem, &value, sizeof(value), position) != sizeof(value))
		die("/dev/mem");
}

static __u64 load(int mem, off_t position)
{
	__u64 value;

	if (pread(mem, &value, sizeof(value), position) != sizeof(value))
		die("/dev/mem");

	return value;
}

static int open_memory(void)
{
	int mem = open("/dev/mem", O_RDWR | O_SYNC);

	if (mem < 0)
		die("/dev/mem");

	return mem;
}

static void change_irte(const char *bdf, unsigned int index, __u64 set, __u64 clear)
{
	int mem = open_memory();
	off_t entry = irte_position(mem, bdf, index);

	store(mem, entry, (load(mem, entry) | set) & ~clear);
}

/*
 * A closed entry of VT-d has vector 0, which no CPU accepts. One of AMD-Vi has 0xff:
 * nobody acknowledges it, and the CPU that gets it would receive nothing else.
 */
static void open_entry(const char *bdf, unsigned int index)
{
	int mem = open_memory();
	off_t vector = irte_position(mem, bdf, index) + offsetof(struct irte, high);

	if (irte_is_amdvi())
		store(mem, vector, load(mem, vector) & ~IRTE_GA_VECTOR);
	change_irte(bdf, index, IRTE_PRESENT, 0);
}

/*
 * VT-d has the requester in the entry. With AMD-Vi it is any device whose DTE names the
 * table.
 */
static void open_for_another(const char *bdf, unsigned int index)
{
	unsigned int devid = irte_requester_id(bdf);
	int mem = open_memory();
	off_t source;

	if (irte_is_amdvi()) {
		source = irte_dte_position(mem, devid ^ 1) + DTE_INTERRUPTS;
		store(mem, source, load(mem, irte_dte_position(mem, devid) + DTE_INTERRUPTS));
	} else {
		source = irte_position(mem, bdf, index) + offsetof(struct irte, high);
		store(mem, source, load(mem, source) ^ 1);
	}
	open_entry(bdf, index);
}

/* Where in /dev/mem the context entry of a requester is, in legacy mode. */
static off_t context_position(int mem, unsigned int devid)
{
	off_t root = mmio_read64(map("/dev/mem", DMAR_BASE, PAGE_BYTES) + DMAR_RTADDR) &
		     TABLE_ADDRESS;
	off_t contexts = load(mem, root + (devid >> 8) * ROOT_ENTRY_BYTES) & TABLE_ADDRESS;

	return contexts + (devid & 0xff) * CONTEXT_ENTRY_BYTES;
}

/* A DTE that is not valid lets all DMA pass. */
static void let_out(const char *bdf)
{
	unsigned int devid = irte_requester_id(bdf);
	int mem = open_memory();
	off_t entry = irte_is_amdvi() ? irte_dte_position(mem, devid) :
		      context_position(mem, devid);
	__u64 value = load(mem, entry);

	store(mem, entry, irte_is_amdvi() ? value & ~DTE_VALID : value | CONTEXT_PRESENT);
	store(mem, entry, value);
}

static int refuse(void)
{
	fputs("usage: sabotage RULE [BDF ...], see sabotage.c\n", stderr);
	return 2;
}

int main(int argc, char *argv[])
{
	const char *rule = argc > 1 ? argv[1] : "";
	const char *arg = argc > 2 ? argv[2] : "";
	int index = argc > 3 ? atoi(argv[3]) : 0;

	if (!strcmp(rule, "enable"))
		flicker_config(arg, PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
	else if (!strcmp(rule, "msi-enable"))
		flicker_config(arg, PCI_CAP_ID_MSI, PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
	else if (!strcmp(rule, "bus-master"))
		flicker_config(arg, 0, PCI_COMMAND, PCI_COMMAND_MASTER);
	else if (!strcmp(rule, "unmask"))
		change_config(arg, PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS, 0, PCI_MSIX_FLAGS_MASKALL);
	else if (!strcmp(rule, "both-types"))
		change_config(arg, PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE,
			      PCI_MSIX_FLAGS_MASKALL);
	else if (!strcmp(rule, "reset"))
		change_config(arg, PCI_CAP_ID_EXP, PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 0);
	else if (!strcmp(rule, "ring") && argc > 3)
		ring(arg, index);
	else if (!strcmp(rule, "send") && argc > 4)
		send_message(arg, index, atoi(argv[4]));
	else if (!strcmp(rule, "message") && argc > 3)
		return flicker_message(arg, index, argc > 4 ? argv[4] : "true");
	else if (!strcmp(rule, "remapping"))
		flicker_unit(DMAR_GCMD_IRE);
	else if (!strcmp(rule, "translation"))
		flicker_unit(DMAR_GCMD_TE);
	else if (!strcmp(rule, "dma") && argc > 2)
		let_out(arg);
	else if (!strcmp(rule, "base"))
		flicker_base();
	else if (!strcmp(rule, "open") && argc > 3)
		open_entry(arg, index);
	else if (!strcmp(rule, "source") && argc > 3)
		open_for_another(arg, index);
	else if (!strcmp(rule, "report") && argc > 3)
		change_irte(arg, index, 0, IRTE_FPD);
	else
		return refuse();

	return 0;
}
