/* SPDX-License-Identifier: GPL-2.0-only */

#ifndef _LINUX_VFIO_LIVEUPDATE_H
#define _LINUX_VFIO_LIVEUPDATE_H

#include <linux/types.h>

struct device;
struct file;
struct luo_session;
struct vfio_device;

struct vfio_device *vfio_liveupdate_device(struct file *file);
bool vfio_liveupdate_cdev_bound(struct file *file);
const char *vfio_liveupdate_find_obstacle(struct vfio_device *device);
int vfio_liveupdate_keep_attachment(struct vfio_device *device, struct luo_session *session);
void vfio_liveupdate_release_attachment(struct vfio_device *device);
struct vfio_device *vfio_liveupdate_get_device(struct device *dev);
void vfio_liveupdate_put_device(struct vfio_device *device);
struct file *vfio_liveupdate_cdev_open(struct vfio_device *device);

#endif /* _LINUX_VFIO_LIVEUPDATE_H */
