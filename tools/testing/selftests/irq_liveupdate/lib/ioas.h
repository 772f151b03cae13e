/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An address space of iommufd, and page tables that are filled from it.
 */
#ifndef _IRQ_LIVEUPDATE_IOAS_H
#define _IRQ_LIVEUPDATE_IOAS_H

#include <stddef.h>
#include <linux/types.h>

struct ioas {
	int iommufd;
	__u32 id;
};

int ioas_alloc(struct ioas *ioas, int iommufd);
int ioas_map(struct ioas *ioas, __u64 iova, void *memory, size_t size);
int ioas_map_file(struct ioas *ioas, __u64 iova, int fd, size_t size);
int ioas_copy(struct ioas *ioas, __u64 iova, struct ioas *from, __u64 from_iova, size_t size);
int ioas_unmap(struct ioas *ioas, __u64 iova, size_t size);
int ioas_change_process(struct ioas *ioas);
int ioas_vfio_map(struct ioas *ioas, __u64 iova, void *memory, size_t size);
int ioas_vfio_unmap(struct ioas *ioas, __u64 iova, size_t size);
int ioas_alloc_hwpt(struct ioas *ioas, __u32 devid, __u32 *hwpt);
int ioas_destroy(int iommufd, __u32 id);

#endif /* _IRQ_LIVEUPDATE_IOAS_H */
