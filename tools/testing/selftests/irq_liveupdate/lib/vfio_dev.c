// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "mmio.h"
#include "vfio_dev.h"

static int cdev_path(const char *bdf, char *path, size_t size)
{
	struct dirent *entry;
	char dir[64];
	DIR *d;

	snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	d = opendir(dir);
	if (!d)
		return -errno;

	do {
		entry = readdir(d);
	} while (entry && entry->d_name[0] == '.');

	if (entry)
		snprintf(path, size, "/dev/vfio/devices/%s", entry->d_name);
	closedir(d);

	return entry ? 0 : -ENODEV;
}

int vfio_dev_open_cdev(struct vfio_dev *dev, const char *bdf)
{
	char path[300];
	int ret;

	snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);
	ret = cdev_path(bdf, path, sizeof(path));
	if (ret)
		return ret;

	dev->fd = open(path, O_RDWR | O_CLOEXEC);

	return dev->fd < 0 ? -errno : 0;
}

int vfio_dev_config_read(struct vfio_dev *dev, unsigned int pos, void *value, size_t size)
{
	ssize_t n = pread(dev->fd, value, size, dev->config_offset + pos);

	return n < 0 ? -errno : n == (ssize_t)size ? 0 : -EIO;
}

int vfio_dev_config_write(struct vfio_dev *dev, unsigned int pos, const void *value, size_t size)
{
	ssize_t n = pwrite(dev->fd, value, size, dev->config_offset + pos);

	return n < 0 ? -errno : n == (ssize_t)size ? 0 : -EIO;
}

/*
 * Bind to the iommufd that it has already, which may be that of another device, or to a
 * new one.
 */
static int bind_iommufd(struct vfio_dev *dev)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };

	if (!dev->iommufd)
		dev->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev->iommufd < 0)
		return -errno;

	bind.iommufd = dev->iommufd;
	if (dev->token) {
		bind.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
		bind.token_uuid_ptr = (__u64)dev->token;
	}

	if (ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return -errno;
	dev->devid = bind.out_devid;

	return 0;
}

static int region_info(struct vfio_dev *dev, unsigned int index, struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;

	return ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) ? -errno : 0;
}

static int find_msix_capability(struct vfio_dev *dev)
{
	__u8 header[2], pos;

	if (vfio_dev_config_read(dev, PCI_CAPABILITY_LIST, &pos, sizeof(pos)))
		return -EIO;

	for (; pos; pos = header[PCI_CAP_LIST_NEXT]) {
		if (vfio_dev_config_read(dev, pos, header, sizeof(header)))
			return -EIO;
		if (header[PCI_CAP_LIST_ID] == PCI_CAP_ID_MSIX) {
			dev->msix_cap = pos;
			return 0;
		}
	}

	return -ENOENT;
}

int vfio_dev_map_bar(struct vfio_dev *dev, unsigned int bar, void **map, size_t *size)
{
	struct vfio_region_info info;
	int ret;

	ret = region_info(dev, VFIO_PCI_BAR0_REGION_INDEX + bar, &info);
	if (ret)
		return ret;

	*map = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd, info.offset);
	if (*map == MAP_FAILED) {
		*map = NULL;
		return -errno;
	}
	*size = info.size;

	return 0;
}

static int find_msix_table(struct vfio_dev *dev)
{
	__u32 table, pba;
	__u16 control;
	int ret;

	ret = find_msix_capability(dev);
	if (ret)
		return ret;

	if (vfio_dev_config_read(dev, dev->msix_cap + PCI_MSIX_FLAGS, &control, sizeof(control)) ||
	    vfio_dev_config_read(dev, dev->msix_cap + PCI_MSIX_TABLE, &table, sizeof(table)) ||
	    vfio_dev_config_read(dev, dev->msix_cap + PCI_MSIX_PBA, &pba, sizeof(pba)))
		return -EIO;

	if ((table ^ pba) & PCI_MSIX_TABLE_BIR)
		return -EOPNOTSUPP;

	dev->nr_msix = (control & PCI_MSIX_FLAGS_QSIZE) + 1;
	dev->table_bar = table & PCI_MSIX_TABLE_BIR;
	dev->table_offset = table & PCI_MSIX_TABLE_OFFSET;
	dev->pba_offset = pba & PCI_MSIX_PBA_OFFSET;

	/* Through vfio-pci the table reads as all ones, so it has to be mapped. */
	return vfio_dev_map_bar(dev, dev->table_bar, &dev->msix_bar, &dev->msix_bar_size);
}

/* For a device whose interrupts are not used; it need not have MSI-X. */
int vfio_dev_bind_plain(struct vfio_dev *dev)
{
	struct vfio_region_info info;
	int ret;

	ret = bind_iommufd(dev);
	if (ret)
		return ret;

	ret = region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	if (ret)
		return ret;
	dev->config_offset = info.offset;

	return 0;
}

int vfio_dev_bind(struct vfio_dev *dev)
{
	int ret = vfio_dev_bind_plain(dev);

	dev->irq_index = VFIO_PCI_MSIX_IRQ_INDEX;

	return ret ? ret : find_msix_table(dev);
}

/*
 * The shared memory of an ivshmem device, in which the lab numbers its rings; NULL
 * for other devices.
 */
const __u32 *vfio_dev_map_rings(struct vfio_dev *dev)
{
	struct vfio_region_info info;
	void *map;

	if (region_info(dev, VFIO_PCI_BAR2_REGION_INDEX, &info) ||
	    !(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return NULL;

	map = mmap(NULL, info.size, PROT_READ, MAP_SHARED, dev->fd, info.offset);

	return map == MAP_FAILED ? NULL : map;
}

int vfio_dev_bind_msi(struct vfio_dev *dev)
{
	dev->irq_index = VFIO_PCI_MSI_IRQ_INDEX;

	return vfio_dev_bind_plain(dev);
}

void vfio_dev_close(struct vfio_dev *dev)
{
	if (dev->msix_bar)
		munmap(dev->msix_bar, dev->msix_bar_size);
	close(dev->fd);
	if (dev->iommufd > 0)
		close(dev->iommufd);
	memset(dev, 0, sizeof(*dev));
}

/* vfio-pci leaves this to its user; without it every interrupt is lost silently. */
int vfio_dev_set_bus_master(struct vfio_dev *dev)
{
	__u16 command;

	if (vfio_dev_config_read(dev, PCI_COMMAND, &command, sizeof(command)))
		return -EIO;

	if (command & PCI_COMMAND_MASTER)
		return 0;

	command |= PCI_COMMAND_MASTER;

	return vfio_dev_config_write(dev, PCI_COMMAND, &command, sizeof(command));
}

static int set_irqs(struct vfio_dev *dev, unsigned int index, unsigned int first,
		    unsigned int count, const int *eventfds)
{
	size_t bytes = count * sizeof(*eventfds);
	struct vfio_irq_set *set;
	int ret;

	set = malloc(sizeof(*set) + bytes);
	if (!set)
		return -ENOMEM;

	*set = (struct vfio_irq_set) {
		.argsz = sizeof(*set) + bytes,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.start = first,
		.count = count,
	};
	memcpy(set->data, eventfds, bytes);

	ret = ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
	free(set);

	return ret;
}

int vfio_dev_arm(struct vfio_dev *dev, unsigned int first, unsigned int count, const int *eventfds)
{
	return set_irqs(dev, dev->irq_index, first, count, eventfds);
}

int vfio_dev_arm_intx(struct vfio_dev *dev, int eventfd)
{
	return set_irqs(dev, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &eventfd);
}

static int disarm(struct vfio_dev *dev, unsigned int index)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
	};

	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

/* VFIO masks INTx each time it signals. */
int vfio_dev_unmask_intx(struct vfio_dev *dev)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

int vfio_dev_disarm(struct vfio_dev *dev)
{
	return disarm(dev, dev->irq_index);
}

int vfio_dev_disarm_intx(struct vfio_dev *dev)
{
	return disarm(dev, VFIO_PCI_INTX_IRQ_INDEX);
}

/* feature: VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY or VFIO_DEVICE_FEATURE_LOW_POWER_EXIT */
int vfio_dev_low_power(struct vfio_dev *dev, __u32 feature)
{
	struct vfio_device_feature set = {
		.argsz = sizeof(set),
		.flags = VFIO_DEVICE_FEATURE_SET | feature,
	};

	return ioctl(dev->fd, VFIO_DEVICE_FEATURE, &set) ? -errno : 0;
}

struct msix_entry vfio_dev_msix_entry(struct vfio_dev *dev, unsigned int index)
{
	void *entry = dev->msix_bar + dev->table_offset + index * PCI_MSIX_ENTRY_SIZE;

	return (struct msix_entry) {
		.address = mmio_read32(entry + PCI_MSIX_ENTRY_LOWER_ADDR) |
			   (__u64)mmio_read32(entry + PCI_MSIX_ENTRY_UPPER_ADDR) << 32,
		.data = mmio_read32(entry + PCI_MSIX_ENTRY_DATA),
		.control = mmio_read32(entry + PCI_MSIX_ENTRY_VECTOR_CTRL),
	};
}

int vfio_dev_msix_pending(struct vfio_dev *dev, unsigned int index)
{
	void *word = dev->msix_bar + dev->pba_offset + index / 32 * sizeof(__u32);

	return mmio_read32(word) >> (index % 32) & 1;
}

int vfio_dev_alloc_ioas(struct vfio_dev *dev, __u32 *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(dev->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	*ioas = alloc.out_ioas_id;

	return 0;
}

int vfio_dev_attach(struct vfio_dev *dev, __u32 ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = ioas,
	};

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

int vfio_dev_detach(struct vfio_dev *dev)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	return ioctl(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach) ? -errno : 0;
}

int vfio_dev_attach_pasid(struct vfio_dev *dev, __u32 pasid, __u32 ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = ioas,
		.pasid = pasid,
	};

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

int vfio_dev_detach_pasid(struct vfio_dev *dev, __u32 pasid)
{
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
		.flags = VFIO_DEVICE_DETACH_PASID,
		.pasid = pasid,
	};

	return ioctl(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach) ? -errno : 0;
}

/* Map memory for the device's DMA. */
int vfio_dev_map_dma(struct vfio_dev *dev, void *page, size_t size)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (__u64)page,
		.length = size,
	};
	int ret;

	ret = vfio_dev_alloc_ioas(dev, &map.ioas_id);
	if (!ret)
		ret = vfio_dev_attach(dev, map.ioas_id);
	if (ret)
		return ret;

	return ioctl(dev->iommufd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}
