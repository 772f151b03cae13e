// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dma.h"

#define PAGEMAP_PRESENT		0x8000000000000000ULL
#define PAGEMAP_PFN		0x007fffffffffffffULL

int dma_create(unsigned int nr_pages)
{
	int memfd = memfd_create("dma", MFD_CLOEXEC);

	if (memfd < 0 || ftruncate(memfd, nr_pages * DMA_PAGE_BYTES))
		return -errno;

	return memfd;
}

/* The memfd has to be preserved by then: that pins its pages. */
void *dma_map(int memfd, unsigned int nr_pages)
{
	void *map = mmap(NULL, nr_pages * DMA_PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, memfd, 0);

	return map == MAP_FAILED ? NULL : map;
}

/* The physical address of a page, 0 if it can not be told. */
__u64 dma_address(const void *page)
{
	__u64 entry = 0;
	int pagemap;

	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return 0;
	if (pread(pagemap, &entry, sizeof(entry),
		  (unsigned long)page / DMA_PAGE_BYTES * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(pagemap);

	return entry & PAGEMAP_PRESENT ? (entry & PAGEMAP_PFN) * DMA_PAGE_BYTES : 0;
}
