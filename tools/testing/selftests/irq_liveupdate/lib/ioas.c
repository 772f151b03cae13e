// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/ioctl.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "ioas.h"

#define MAP_FLAGS	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | \
			 IOMMU_IOAS_MAP_WRITEABLE)

int ioas_alloc(struct ioas *ioas, int iommufd)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	ioas->iommufd = iommufd;
	ioas->id = alloc.out_ioas_id;

	return 0;
}

int ioas_map(struct ioas *ioas, __u64 iova, void *memory, size_t size)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = MAP_FLAGS,
		.ioas_id = ioas->id,
		.user_va = (__u64)memory,
		.length = size,
		.iova = iova,
	};

	return ioctl(ioas->iommufd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

int ioas_map_file(struct ioas *ioas, __u64 iova, int fd, size_t size)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = MAP_FLAGS,
		.ioas_id = ioas->id,
		.fd = fd,
		.length = size,
		.iova = iova,
	};

	return ioctl(ioas->iommufd, IOMMU_IOAS_MAP_FILE, &map) ? -errno : 0;
}

int ioas_copy(struct ioas *ioas, __u64 iova, struct ioas *from, __u64 from_iova, size_t size)
{
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = MAP_FLAGS,
		.dst_ioas_id = ioas->id,
		.dst_iova = iova,
		.src_ioas_id = from->id,
		.src_iova = from_iova,
		.length = size,
	};

	return ioctl(ioas->iommufd, IOMMU_IOAS_COPY, &copy) ? -errno : 0;
}

int ioas_unmap(struct ioas *ioas, __u64 iova, size_t size)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas->id,
		.iova = iova,
		.length = size,
	};

	return ioctl(ioas->iommufd, IOMMU_IOAS_UNMAP, &unmap) ? -errno : 0;
}

int ioas_change_process(struct ioas *ioas)
{
	struct iommu_ioas_change_process change = { .size = sizeof(change) };

	return ioctl(ioas->iommufd, IOMMU_IOAS_CHANGE_PROCESS, &change) ? -errno : 0;
}

/* What the ioctls of a VFIO container act on */
static int use_for_vfio(struct ioas *ioas)
{
	struct iommu_vfio_ioas set = {
		.size = sizeof(set),
		.ioas_id = ioas->id,
		.op = IOMMU_VFIO_IOAS_SET,
	};

	return ioctl(ioas->iommufd, IOMMU_VFIO_IOAS, &set) ? -errno : 0;
}

int ioas_vfio_map(struct ioas *ioas, __u64 iova, void *memory, size_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (__u64)memory,
		.iova = iova,
		.size = size,
	};
	int ret = use_for_vfio(ioas);

	if (!ret && ioctl(ioas->iommufd, VFIO_IOMMU_MAP_DMA, &map))
		ret = -errno;

	return ret;
}

int ioas_vfio_unmap(struct ioas *ioas, __u64 iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};
	int ret = use_for_vfio(ioas);

	if (!ret && ioctl(ioas->iommufd, VFIO_IOMMU_UNMAP_DMA, &unmap))
		ret = -errno;

	return ret;
}

int ioas_alloc_hwpt(struct ioas *ioas, __u32 devid, __u32 *hwpt)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.dev_id = devid,
		.pt_id = ioas->id,
	};

	if (ioctl(ioas->iommufd, IOMMU_HWPT_ALLOC, &alloc))
		return -errno;
	*hwpt = alloc.out_hwpt_id;

	return 0;
}

/* An address space or a page table */
int ioas_destroy(int iommufd, __u32 id)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = id };

	return ioctl(iommufd, IOMMU_DESTROY, &destroy) ? -errno : 0;
}
