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

static int fail_nth_fd = -1, fail_all_fd = -1;

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

/*
 * All allocations, even those that may sleep and those of one page, silently.
 * The probability of 100 % applies only to tasks that ask for it in
 * make-it-fail.
 */
static int configure(const char *kind)
{
	static const char * const values[][2] = {
		{ "task-filter", "Y" },
		{ "probability", "100" },
		{ "times", "-1" },
		{ "ignore-gfp-wait", "N" },
		{ "verbose", "0" },
	};
	char path[64];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(values) && !ret; i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, values[i][0]);
		ret = write_string(path, values[i][1]);
	}

	return ret;
}

int fail_nth_init(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	fail_nth_fd = open(path, O_RDWR);
	fail_all_fd = open("/proc/thread-self/make-it-fail", O_WRONLY);
	if (fail_nth_fd < 0 || fail_all_fd < 0)
		return -errno;

	return configure("failslab") ?: configure("fail_page_alloc") ?:
	       write_string(DEBUGFS "fail_page_alloc/min-order", "0");
}

void fail_nth(unsigned int n)
{
	char string[16];
	int len = snprintf(string, sizeof(string), "%u", n);

	if (pwrite(fail_nth_fd, string, len, 0) != len)
		ksft_exit_fail_perror("fail-nth");
}

/* Returns whether the allocation that was to fail was reached. */
bool stop_failing(void)
{
	char left[16] = "";
	bool hit;

	/* Reading the file allocates as well, so it may be what ends it. */
	hit = pread(fail_nth_fd, left, sizeof(left) - 1, 0) <= 0 || !atoi(left);
	while (pwrite(fail_nth_fd, "0", 1, 0) != 1)
		;
	return hit;
}

/* All allocations of this thread that may fail do so. */
void fail_all(bool fail)
{
	if (pwrite(fail_all_fd, fail ? "1" : "0", 1, 0) != 1)
		ksft_exit_fail_perror("make-it-fail");
}
