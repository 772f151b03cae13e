// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the next kernel, nothing is left of a device that was handed over and that
 * nobody has claimed.
 *
 *	irq_liveupdate_gone BDF [INDEX]
 *
 * INDEX is that of an interrupt remapping entry that it had.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kselftest.h"

#include "state.h"

#define DEVICES		"/sys/kernel/debug/irq_liveupdate/devices"

static bool nothing_reserved(void)
{
	FILE *f = fopen(DEVICES, "r");
	bool empty;

	if (!f)
		ksft_exit_fail_perror(DEVICES);
	empty = fgetc(f) == EOF;
	fclose(f);

	return empty;
}

int main(int argc, char *argv[])
{
	static struct device_state state;

	ksft_print_header();
	if (argc != 2 && argc != 3)
		ksft_exit_fail_msg("usage: %s BDF [INDEX]\n", argv[0]);

	ksft_set_plan(1 + argc);
	state_read_config(argv[1], &state);
	ksft_test_result(!(state_command(&state) & PCI_COMMAND_MASTER), "it is not a bus master\n");
	ksft_test_result(!(state_msix_control(&state) & PCI_MSIX_FLAGS_ENABLE),
			 "its MSI-X is disabled\n");
	ksft_test_result(nothing_reserved(), "no interrupts are reserved\n");
	if (argc == 3)
		ksft_test_result(!state_irte_names(atoi(argv[2]), argv[1]),
				 "its remapping entry is free\n");
	ksft_finished();
}
