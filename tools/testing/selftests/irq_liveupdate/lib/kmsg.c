// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kmsg.h"
#include "kselftest.h"

#define LINE_BYTES	8192

/* Returns what kmsg_count_and_close() takes. */
int kmsg_from_now(void)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		ksft_exit_fail_perror("/dev/kmsg");

	return kmsg;
}

/* The number of lines about a device, with a text in them if not NULL. Prints each of them. */
unsigned int kmsg_count_and_close(int kmsg, const char *bdf, const char *text)
{
	unsigned int count = 0;
	char line[LINE_BYTES];
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (!strstr(line, bdf) || (text && !strstr(line, text)))
			continue;
		ksft_print_msg("%s\n", strchr(line, ';') + 1);
		count++;
	}
	close(kmsg);

	return count;
}
