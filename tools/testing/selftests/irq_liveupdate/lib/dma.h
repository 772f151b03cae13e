/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for the DMA of a device without an IOMMU. It is a memfd, so that it is
 * where it was in the next kernel when it is preserved, and DMA can go on.
 */
#ifndef _IRQ_LIVEUPDATE_DMA_H
#define _IRQ_LIVEUPDATE_DMA_H

#include <linux/types.h>

#define DMA_PAGE_BYTES	4096

int dma_create(unsigned int nr_pages);
void *dma_map(int memfd, unsigned int nr_pages);
__u64 dma_address(const void *page);

#endif /* _IRQ_LIVEUPDATE_DMA_H */
