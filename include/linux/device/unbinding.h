/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_DEVICE_UNBINDING_H
#define _LINUX_DEVICE_UNBINDING_H

struct device;

void device_block_unbinding(struct device *dev);
void device_unblock_unbinding(struct device *dev);

#endif /* _LINUX_DEVICE_UNBINDING_H */
