// SPDX-License-Identifier: GPL-2.0-only
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"

#include "record.h"

int record_create(size_t size)
{
	int memfd = memfd_create("record", MFD_CLOEXEC);

	if (memfd < 0 || ftruncate(memfd, size))
		ksft_exit_fail_perror("create record");

	return memfd;
}

void *record_map(int memfd, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd,
			 0);

	if (map == MAP_FAILED)
		ksft_exit_fail_perror("map record");

	return map;
}
