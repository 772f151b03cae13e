// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dma.h"

#define PAGEMAP_PRESENT		0x8000000000000000ULL
#define PAGEMAP_PFN		0x007fffffffffffffULL

/* What is mapped at DMA_IOVA, NULL without an IOMMU */
static void *mapped;

int dma_create(unsigned int nr_pages)
{
	int memfd = memfd_create("dma", MFD_CLOEXEC);

	if (memfd < 0 || ftruncate(memfd, nr_pages * DMA_PAGE_BYTES))
		return -errno;

	return memfd;
}

/* The memfd has to be preserved before this: that pins its pages. */
void *dma_map(int memfd, unsigned int nr_pages)
{
	void *map = mmap(NULL, nr_pages * DMA_PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, memfd, 0);

	return map == MAP_FAILED ? NULL : map;
}

bool dma_has_iommu(const struct vfio_dev *dev)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu", dev->bdf);
	return !access(path, F_OK);
}

/* A new address space, with the memory at DMA_IOVA */
int dma_map_ioas(struct ioas *ioas, int iommufd, void *memory, unsigned int nr_pages)
{
	int ret = ioas_alloc(ioas, iommufd);

	mapped = memory;

	return ret ?: ioas_map(ioas, DMA_IOVA, memory, nr_pages * DMA_PAGE_BYTES);
}

/* A page table that maps the memory, for a bound device with an IOMMU */
int dma_alloc_hwpt(struct vfio_dev *dev, void *memory, unsigned int nr_pages, __u32 *hwpt)
{
	struct ioas ioas;
	int ret = dma_map_ioas(&ioas, dev->iommufd, memory, nr_pages);

	return ret ?: ioas_alloc_hwpt(&ioas, dev->devid, hwpt);
}

/*
 * If the device, which is bound, has an IOMMU, let it reach the memory. The page
 * table is filled before it is attached: the device may be running.
 */
int dma_attach(struct vfio_dev *dev, void *memory, unsigned int nr_pages)
{
	__u32 hwpt;
	int ret;

	if (!dma_has_iommu(dev))
		return 0;

	ret = dma_alloc_hwpt(dev, memory, nr_pages, &hwpt);
	return ret ?: vfio_dev_attach(dev, hwpt);
}

/* The physical address of a page, 0 if unknown */
__u64 dma_physical(const void *page)
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

/* The address with which the device reaches a page, 0 if unknown */
__u64 dma_address(const void *page)
{
	return mapped ? DMA_IOVA + (page - mapped) : dma_physical(page);
}
