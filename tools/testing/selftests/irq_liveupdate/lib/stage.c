// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "stage.h"

/* What fails ends the test. */
void check(int ret, const char *what)
{
	if (ret < 0)
		ksft_exit_fail_msg("%s: %s\n", what, strerror(-ret));
}

/* What is open stays so, in the background; true there. */
bool stay(void)
{
	pid_t child = fork();

	if (child < 0)
		ksft_exit_fail_perror("fork");
	if (child)
		return false;
	setsid();
	freopen("/dev/null", "w", stdout);

	return true;
}

bool next_kernel_loaded(void)
{
	char loaded = '0';
	FILE *f = fopen("/sys/kernel/kexec_loaded", "r");

	if (f) {
		loaded = getc(f);
		fclose(f);
	}

	return loaded == '1';
}
