// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/irq/irqs/N, as kernel/irq/debugfs.c and kernel/irq/msi.c write it.
 */
#include <stdlib.h>
#include <string.h>

#include "debugfs.h"

/* VT-d specification 5.1.2.2, a message in remappable format */
#define VTD_REMAPPABLE		0x10U
#define VTD_SUBHANDLE_VALID	0x08U
#define VTD_HANDLE_HIGH		0x04U
#define VTD_SUBHANDLE		0xffffU

/* AMD I/O virtualization specification 2.2.5: the index is all of the data */
#define AMDVI_INDEX		0x7ffU

static bool find_number(const char *text, const char *name, uint32_t *value)
{
	const char *at = strstr(text, name);

	if (!at)
		return false;
	*value = strtoul(at + strlen(name), NULL, 16);

	return true;
}

static int irte_of(const char *text, uint64_t address, uint32_t data)
{
	uint32_t index;

	if (strstr(text, "AMD-IR"))
		return address ? (int)(data & AMDVI_INDEX) : -1;
	if (!strstr(text, "INTEL-IR") || !(address & VTD_REMAPPABLE))
		return -1;

	index = (address >> 5 & 0x7fff) | (address & VTD_HANDLE_HIGH ? 0x8000 : 0);
	if (address & VTD_SUBHANDLE_VALID)
		index += data & VTD_SUBHANDLE;

	return index;
}

/* Returns whether the interrupt has a message. */
bool irq_debug_parse(const char *text, struct irq_debug *debug)
{
	uint32_t low, high;

	if (!find_number(text, "address_hi:", &high) || !find_number(text, "address_lo:", &low) ||
	    !find_number(text, "msg_data:", &debug->data))
		return false;

	debug->address = (uint64_t)high << 32 | low;
	debug->irte = irte_of(text, debug->address, debug->data);
	debug->started = strstr(text, "IRQD_IRQ_STARTED");
	debug->masked = strstr(text, "IRQD_IRQ_MASKED");

	return true;
}
