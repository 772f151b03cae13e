// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the index of the first entry in the remapping table of a device that lets
 * no message through, belongs to nobody, and reports no fault. Fails if there is
 * none.
 *
 *	silent_irte BDF
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "irte.h"

#define IRTE_PRESENT	1ULL
#define IRTE_NO_FAULT	2ULL

#define VTD_ENTRIES	65536
#define AMDVI_ENTRIES	512

/* VT-d: the closed entry of a reserved vector contains its requester. */
static bool is_silent(const struct irte *irte)
{
	return !(irte->low & IRTE_PRESENT) && irte->low & IRTE_NO_FAULT && !irte->high;
}

int main(int argc, char *argv[])
{
	unsigned int i, nr = irte_is_amdvi() ? AMDVI_ENTRIES : VTD_ENTRIES;
	int mem = open("/dev/mem", O_RDONLY | O_SYNC);
	static struct irte table[VTD_ENTRIES];
	ssize_t size = nr * sizeof(table[0]);

	if (argc != 2 || pread(mem, table, size, irte_position(mem, argv[1], 0)) != size) {
		perror("silent_irte");
		return 2;
	}
	for (i = 0; i < nr; i++) {
		if (is_silent(&table[i])) {
			printf("%u\n", i);
			return 0;
		}
	}

	return 1;
}
