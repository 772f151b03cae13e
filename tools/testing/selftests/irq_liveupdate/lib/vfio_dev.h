/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vfio-pci device used through its cdev and iommufd, nothing mapped for DMA,
 * and its MSI-X capability as the device itself shows it. With MSI the messages
 * are in the configuration space, see msi_cap.h.
 */
#ifndef _IRQ_LIVEUPDATE_VFIO_DEV_H
#define _IRQ_LIVEUPDATE_VFIO_DEV_H

#include <stddef.h>
#include <linux/types.h>

/* 16 bytes: one token for all physical functions, and for their virtual functions */
#define VFIO_DEV_TOKEN	((const __u8 *)"live update of V")

/* token: of a physical or virtual function; NULL for other devices */
struct vfio_dev {
	char bdf[16];
	const __u8 *token;
	int iommufd;
	__u32 devid;
	int fd;
	__u64 config_offset;
	unsigned int irq_index;
	__u16 msix_cap;
	unsigned int nr_msix;
	void *msix_bar;
	size_t msix_bar_size;
	unsigned int table_bar;
	__u32 table_offset;
	__u32 pba_offset;
};

struct msix_entry {
	__u64 address;
	__u32 data;
	__u32 control;
};

int vfio_dev_open_cdev(struct vfio_dev *dev, const char *bdf);
int vfio_dev_bind(struct vfio_dev *dev);
int vfio_dev_bind_plain(struct vfio_dev *dev);
const __u32 *vfio_dev_map_rings(struct vfio_dev *dev);
int vfio_dev_bind_msi(struct vfio_dev *dev);
int vfio_dev_map_bar(struct vfio_dev *dev, unsigned int bar, void **map, size_t *size);
void vfio_dev_close(struct vfio_dev *dev);
int vfio_dev_config_read(struct vfio_dev *dev, unsigned int pos, void *value, size_t size);
int vfio_dev_config_write(struct vfio_dev *dev, unsigned int pos, const void *value, size_t size);
int vfio_dev_set_bus_master(struct vfio_dev *dev);
int vfio_dev_arm(struct vfio_dev *dev, unsigned int first, unsigned int count, const int *eventfds);
int vfio_dev_arm_intx(struct vfio_dev *dev, int eventfd);
int vfio_dev_disarm(struct vfio_dev *dev);
int vfio_dev_disarm_intx(struct vfio_dev *dev);
int vfio_dev_unmask_intx(struct vfio_dev *dev);
int vfio_dev_low_power(struct vfio_dev *dev, __u32 feature);
int vfio_dev_alloc_ioas(struct vfio_dev *dev, __u32 *ioas);
int vfio_dev_attach(struct vfio_dev *dev, __u32 ioas);
int vfio_dev_detach(struct vfio_dev *dev);
int vfio_dev_attach_pasid(struct vfio_dev *dev, __u32 pasid, __u32 ioas);
int vfio_dev_detach_pasid(struct vfio_dev *dev, __u32 pasid);
int vfio_dev_map_dma(struct vfio_dev *dev, void *page, size_t size);
struct msix_entry vfio_dev_msix_entry(struct vfio_dev *dev, unsigned int index);
int vfio_dev_msix_pending(struct vfio_dev *dev, unsigned int index);

#endif /* _IRQ_LIVEUPDATE_VFIO_DEV_H */
