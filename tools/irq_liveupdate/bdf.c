// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "bdf.h"

/*
 * The address of a PCI device as sysfs writes it, 0000:01:00.0, from that or from the
 * short form without the segment. Returns whether it is one.
 */
bool bdf_parse(const char *text, char bdf[BDF_LEN])
{
	unsigned int segment = 0, bus, slot, function;
	int end = -1;

	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &segment, &bus, &slot, &function, &end) != 4 ||
	    end < 0) {
		segment = 0;
		end = -1;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3)
			return false;
	}
	if (end < 0 || text[end] || bus > 0xff || slot > 0x1f || function > 7)
		return false;

	snprintf(bdf, BDF_LEN, "%04x:%02x:%02x.%u", segment, bus, slot, function);
	return true;
}
