/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of an NVMe driver as is needed to have I/O in flight across a kexec. The
 * device is used through vfio-pci, with or without an IOMMU. Queues, data, and how
 * far the queues have been used are in one memfd, so that the next kernel's program
 * continues with what it finds there. A completion queue is looked at when its
 * interrupt has arrived, and at no other time.
 */
#ifndef _IRQ_LIVEUPDATE_NVME_H
#define _IRQ_LIVEUPDATE_NVME_H

#include <stdbool.h>
#include <linux/types.h>

#include "nvme_hw.h"
#include "vfio_dev.h"

#define NVME_QUEUES		6	/* queue 0 is the admin queue; queue N has vector N */
#define NVME_DATA_PAGES		240
/* Of the memory: the record, two pages per queue, then the data */
#define NVME_PAGES		(1 + 2 * NVME_QUEUES + NVME_DATA_PAGES)

/* The first page of the memfd */
struct nvme_record {
	struct nvme_queue queue[NVME_QUEUES];
	__u64 data_address[NVME_DATA_PAGES];
};

struct nvme {
	struct vfio_dev dev;
	int eventfd[NVME_QUEUES];
	void *memory;
	struct nvme_record *record;
};

/* One page, from or to the sectors it fills */
struct nvme_io {
	__u8 opcode;
	__u16 id;
	__u32 namespace;
	__u64 sector;
	unsigned int page;
};

int nvme_create_memory(void);
int nvme_map_memory(struct nvme *nvme, int memfd);
/* Each controller has its part of the memory. */
int nvme_map_memories(struct nvme *nvmes, unsigned int nr, int memfd);
int nvme_attach(struct nvme *nvme);
void *nvme_data(const struct nvme *nvme, unsigned int page);
__u64 nvme_data_address(const struct nvme *nvme, unsigned int page);

int nvme_arm(struct nvme *nvme);
int nvme_start(struct nvme *nvme);
bool nvme_running(const struct nvme *nvme);
int nvme_start_secondary(struct nvme *primary, unsigned int controller);

void nvme_submit(struct nvme *nvme, unsigned int queue, const struct nvme_io *io);
__u64 nvme_wait(struct nvme *nvme, int timeout_ms, __u64 signals[NVME_QUEUES]);
bool nvme_reap(struct nvme *nvme, unsigned int queue, __u16 *id, __u16 *status);
int nvme_do(struct nvme *nvme, unsigned int queue, const struct nvme_io *io);

#endif /* _IRQ_LIVEUPDATE_NVME_H */
