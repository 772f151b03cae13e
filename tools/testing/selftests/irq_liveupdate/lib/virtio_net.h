/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The receiver of a virtio network card, which is used through vfio-pci, and to which
 * numbered frames are sent all the time. Queue, buffers, and how far the queue has been
 * used are in its memory, which is preserved, so that the next kernel's program continues
 * with what it finds there.
 */
#ifndef _IRQ_LIVEUPDATE_VIRTIO_NET_H
#define _IRQ_LIVEUPDATE_VIRTIO_NET_H

#include <stdbool.h>
#include <linux/types.h>

#include "vfio_dev.h"

#define VIRTIO_NET_ENTRIES	256	/* of the queue; its descriptors then fill a page */

/* Pages of its memory: the record, the three parts of the queue, a buffer for each entry */
enum {
	VIRTIO_NET_RECORD,
	VIRTIO_NET_DESCRIPTORS,
	VIRTIO_NET_AVAILABLE,
	VIRTIO_NET_USED,
	VIRTIO_NET_BUFFERS,
	VIRTIO_NET_PAGES = VIRTIO_NET_BUFFERS + VIRTIO_NET_ENTRIES,
};

struct virtio_net_record {
	__u16 next;			/* used entry */
	__u32 received;
	__u32 number;			/* of the last frame */
};

struct virtio_net {
	struct vfio_dev dev;
	void *common;			/* registers */
	void *notify;
	void *memory;
	struct virtio_net_record *record;
	unsigned int wrong_numbers;
};

void virtio_net_use_memory(struct virtio_net *card, void *memory);
void virtio_net_map_registers(struct virtio_net *card);
void virtio_net_start(struct virtio_net *card);
bool virtio_net_running(const struct virtio_net *card);
void virtio_net_take_frames(struct virtio_net *card);

#endif /* _IRQ_LIVEUPDATE_VIRTIO_NET_H */
