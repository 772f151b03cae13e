// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "kselftest.h"

#include "sysfs.h"

bool sysfs_is(const char *bdf, const char *attribute, const char *expected)
{
	char path[128], value[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, attribute);
	f = fopen(path, "r");
	if (!f)
		ksft_exit_fail_perror(path);
	if (fgets(value, sizeof(value), f))
		value[strcspn(value, "\n")] = '\0';
	fclose(f);
	if (strcmp(value, expected))
		ksft_print_msg("%s of %s: %s\n", attribute, bdf, value);

	return !strcmp(value, expected);
}
