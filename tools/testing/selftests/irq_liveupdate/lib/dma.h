/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for the DMA of a device. It is a memfd, so that it keeps its place in the
 * next kernel if it is preserved, and DMA can continue. A device without an IOMMU
 * uses physical addresses. For one with an IOMMU the memory is mapped at DMA_IOVA,
 * in both kernels.
 */
#ifndef _IRQ_LIVEUPDATE_DMA_H
#define _IRQ_LIVEUPDATE_DMA_H

#include <stdbool.h>
#include <linux/types.h>

#include "ioas.h"
#include "vfio_dev.h"

#define DMA_PAGE_BYTES	4096
#define DMA_IOVA	0x40000000ULL

bool dma_has_iommu(const struct vfio_dev *dev);
int dma_create(unsigned int nr_pages);
void *dma_map(int memfd, unsigned int nr_pages);
int dma_alloc_hwpt(struct vfio_dev *dev, void *memory, unsigned int nr_pages, __u32 *hwpt);
int dma_attach(struct vfio_dev *dev, void *memory, unsigned int nr_pages);
int dma_map_ioas(struct ioas *ioas, int iommufd, void *memory, unsigned int nr_pages);
__u64 dma_physical(const void *page);
__u64 dma_address(const void *page);

#endif /* _IRQ_LIVEUPDATE_DMA_H */
