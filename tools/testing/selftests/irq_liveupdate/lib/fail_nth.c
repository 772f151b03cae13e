// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest.h"

#include "fail_nth.h"

#define DEBUGFS		"/sys/kernel/debug/"

static int fail_nth_fd = -1;

static int write_string(const char *path, const char *string)
{
	int fd = open(path, O_WRONLY);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, string, strlen(string)) < 0)
		ret = -errno;
	close(fd);

	return ret;
}

/* All allocations, also those which may sleep and those of one page, silently. */
int fail_nth_init(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	fail_nth_fd = open(path, O_RDWR);
	if (fail_nth_fd < 0)
		return -errno;

	return write_string(DEBUGFS "failslab/ignore-gfp-wait", "N") ?:
	       write_string(DEBUGFS "failslab/verbose", "0") ?:
	       write_string(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N") ?:
	       write_string(DEBUGFS "fail_page_alloc/min-order", "0") ?:
	       write_string(DEBUGFS "fail_page_alloc/verbose", "0");
}

void fail_nth(unsigned int n)
{
	char string[16];
	int len = snprintf(string, sizeof(string), "%u", n);

	if (pwrite(fail_nth_fd, string, len, 0) != len)
		ksft_exit_fail_perror("fail-nth");
}

/* Returns whether it came to the allocation which was to fail. */
bool stop_failing(void)
{
	char left[16] = "";
	bool hit;

	/* Reading it allocates, too, and stops it as well. */
	hit = pread(fail_nth_fd, left, sizeof(left) - 1, 0) <= 0 || !atoi(left);
	while (pwrite(fail_nth_fd, "0", 1, 0) != 1)
		;
	return hit;
}
