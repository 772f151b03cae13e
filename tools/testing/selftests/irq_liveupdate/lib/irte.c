// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"

#include "irte.h"
#include "mmio.h"

/* VT-d specification 9.10: of the upper half of an entry */
#define IRTE_SID	0xffffULL
#define IRTE_SVT	(3ULL << 18)

bool irte_is_amdvi(void)
{
	return !access("/sys/class/iommu/ivhd0", F_OK);
}

/* On another machine, the registers of a unit may be anywhere. */
bool irte_is_qemu(void)
{
	static const char oem[] = "BOCHS ";
	char id[sizeof(oem)] = "";
	FILE *f;

	f = fopen(irte_is_amdvi() ? "/sys/firmware/acpi/tables/IVRS" :
		  "/sys/firmware/acpi/tables/DMAR", "r");
	if (!f)
		ksft_exit_fail_perror("ACPI table of the IOMMU");
	if (fseek(f, ACPI_OEM_ID, SEEK_SET) || fread(id, 1, strlen(oem), f) != strlen(oem))
		id[0] = '\0';
	fclose(f);

	return !strcmp(id, oem);
}

/* Returned for text that is not a PCI address; no device has this id. */
unsigned int irte_requester_id(const char *bdf)
{
	unsigned int bus, slot, function;

	if (sscanf(bdf, "%*x:%x:%x.%u", &bus, &slot, &function) != 3)
		return 0xffff;

	return bus << 8 | slot << 3 | function;
}

static __u64 read_register(int mem, off_t unit, unsigned int offset)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, mem, unit);
	__u64 value;

	if (page == MAP_FAILED)
		ksft_exit_fail_perror("/dev/mem");
	value = mmio_read64(page + offset);
	munmap(page, PAGE_BYTES);

	return value;
}

/* Where in /dev/mem the device table entry of a requester is */
off_t irte_dte_position(int mem, unsigned int devid)
{
	return (read_register(mem, AMDVI_BASE, AMDVI_DEVTAB) & DEVTAB_ADDRESS) + devid * DTE_BYTES;
}

static off_t amdvi_table(int mem, const char *bdf)
{
	off_t dte = irte_dte_position(mem, irte_requester_id(bdf));
	__u64 interrupts;

	if (pread(mem, &interrupts, sizeof(interrupts), dte + DTE_INTERRUPTS) != sizeof(interrupts))
		return 0;

	return interrupts & DTE_IV ? interrupts & DTE_INTTAB : 0;
}

/* Where in /dev/mem an entry of the table of a device is, -1 if it has no table. */
off_t irte_position(int mem, const char *bdf, unsigned int index)
{
	off_t table = irte_is_amdvi() ? amdvi_table(mem, bdf) :
		      (off_t)(read_register(mem, DMAR_BASE, DMAR_IRTA) & IRTA_ADDRESS);

	return table ? table + (off_t)(index * sizeof(struct irte)) : -1;
}

/* Whether an entry in the table of a device is for messages of this device. */
bool irte_is_of(const struct irte *irte, const char *bdf)
{
	if (irte_is_amdvi())
		return irte->high & IRTE_GA_VECTOR;

	return irte->high & IRTE_SVT && (irte->high & IRTE_SID) == irte_requester_id(bdf);
}
