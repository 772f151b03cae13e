// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"

#include "virtfn.h"

/* Enables this many of them, or none. A failure ends the test. */
void virtfn_enable(const char *bdf, unsigned int count)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_numvfs", bdf);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%u", count) < 0 || fclose(f))
		ksft_exit_fail_perror(path);
}

void virtfn_find(const char *bdf, unsigned int count, char found[][VIRTFN_BDF_BYTES])
{
	char path[64], target[128];
	unsigned int i;
	ssize_t n;

	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/virtfn%u", bdf, i);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			ksft_exit_fail_perror(path);
		target[n] = '\0';
		snprintf(found[i], VIRTFN_BDF_BYTES, "%s", strrchr(target, '/') + 1);
	}
}
