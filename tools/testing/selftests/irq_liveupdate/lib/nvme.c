// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "dma.h"
#include "mmio.h"
#include "nvme.h"

#define SECTORS			(DMA_PAGE_BYTES / NVME_SECTOR_BYTES)

#define TIMEOUT_MS		10000

#define SQ_PAGE(queue)		(1 + 2 * (queue))
#define CQ_PAGE(queue)		(2 + 2 * (queue))
#define FIRST_DATA_PAGE		SQ_PAGE(NVME_QUEUES)

static void *page_of(const struct nvme *nvme, unsigned int page)
{
	return nvme->memory + page * DMA_PAGE_BYTES;
}

static void *reg(const struct nvme *nvme, unsigned int offset)
{
	return nvme->dev.msix_bar + offset;
}

int nvme_create_memory(void)
{
	return dma_create(NVME_PAGES);
}

int nvme_map_memory(struct nvme *nvme, int memfd)
{
	return nvme_map_memories(nvme, 1, memfd);
}

int nvme_map_memories(struct nvme *nvmes, unsigned int nr, int memfd)
{
	void *memory = dma_map(memfd, nr * NVME_PAGES);
	unsigned int i;

	if (!memory || !dma_address(memory))
		return -EPERM;

	for (i = 0; i < nr; i++) {
		nvmes[i].memory = memory + i * NVME_PAGES * DMA_PAGE_BYTES;
		nvmes[i].record = nvmes[i].memory;
	}
	return 0;
}

int nvme_attach(struct nvme *nvme)
{
	return dma_attach(&nvme->dev, nvme->memory, NVME_PAGES);
}

void *nvme_data(const struct nvme *nvme, unsigned int page)
{
	return page_of(nvme, FIRST_DATA_PAGE + page);
}

__u64 nvme_data_address(const struct nvme *nvme, unsigned int page)
{
	return dma_address(nvme_data(nvme, page));
}

int nvme_arm(struct nvme *nvme)
{
	unsigned int queue;

	for (queue = 0; queue < NVME_QUEUES; queue++) {
		nvme->eventfd[queue] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (nvme->eventfd[queue] < 0)
			return -errno;
	}

	return vfio_dev_arm(&nvme->dev, 0, NVME_QUEUES, nvme->eventfd);
}

static void ring(const struct nvme *nvme, unsigned int doorbell, __u16 value)
{
	__u32 capabilities = mmio_read32(reg(nvme, NVME_REG_CAP_HIGH));
	unsigned int stride = 4 << (capabilities & NVME_CAP_HIGH_DSTRD);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmio_write32(reg(nvme, NVME_REG_DOORBELLS + doorbell * stride), value);
}

static void submit(struct nvme *nvme, unsigned int queue, const struct nvme_command *command)
{
	struct nvme_command *entries = page_of(nvme, SQ_PAGE(queue));
	struct nvme_queue *q = &nvme->record->queue[queue];

	entries[q->tail] = *command;
	q->tail = (q->tail + 1) % NVME_ENTRIES;
	ring(nvme, 2 * queue, q->tail);
}

void nvme_submit(struct nvme *nvme, unsigned int queue, const struct nvme_io *io)
{
	struct nvme_command command = {
		.opcode = io->opcode,
		.id = io->id,
		.namespace = io->namespace,
		.prp[0] = nvme->record->data_address[io->page],
		.dw10 = io->sector,
		.dw11 = io->sector >> 32,
		.dw12 = SECTORS - 1,
	};

	submit(nvme, queue, &command);
}

/* Adds the signals of the vectors. Returns how many there were, 0 on timeout. */
__u64 nvme_wait(struct nvme *nvme, int timeout_ms, __u64 signals[NVME_QUEUES])
{
	struct pollfd fds[NVME_QUEUES];
	__u64 value, sum = 0;
	unsigned int queue;

	for (queue = 0; queue < NVME_QUEUES; queue++) {
		fds[queue].fd = nvme->eventfd[queue];
		fds[queue].events = POLLIN;
	}
	if (poll(fds, NVME_QUEUES, timeout_ms) <= 0)
		return 0;

	for (queue = 0; queue < NVME_QUEUES; queue++) {
		if (read(nvme->eventfd[queue], &value, sizeof(value)) != sizeof(value))
			continue;
		signals[queue] += value;
		sum += value;
	}

	return sum;
}

/* Takes the next completion out of a queue, if there is one. */
bool nvme_reap(struct nvme *nvme, unsigned int queue, __u16 *id, __u16 *status)
{
	struct nvme_completion *entries = page_of(nvme, CQ_PAGE(queue));
	struct nvme_queue *q = &nvme->record->queue[queue];
	struct nvme_completion *entry = &entries[q->head];
	__u16 word = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);

	if ((word & 1) != q->phase)
		return false;

	*id = entry->id;
	*status = word >> 1;
	q->head = (q->head + 1) % NVME_ENTRIES;
	if (!q->head)
		q->phase ^= 1;
	ring(nvme, 2 * queue + 1, q->head);

	return true;
}

/* For the interrupt of a queue in which there is nothing else */
static int complete(struct nvme *nvme, unsigned int queue)
{
	__u64 signals[NVME_QUEUES] = { };
	__u16 id, status;

	while (!signals[queue]) {
		if (!nvme_wait(nvme, TIMEOUT_MS, signals))
			return -ETIMEDOUT;
	}

	if (!nvme_reap(nvme, queue, &id, &status))
		return -ENOMSG;

	return status ? -EIO : 0;
}

int nvme_do(struct nvme *nvme, unsigned int queue, const struct nvme_io *io)
{
	nvme_submit(nvme, queue, io);

	return complete(nvme, queue);
}

static int admin(struct nvme *nvme, const struct nvme_command *command)
{
	submit(nvme, 0, command);

	return complete(nvme, 0);
}

static int create_queue(struct nvme *nvme, unsigned int queue)
{
	struct nvme_command cq = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp[0] = dma_address(page_of(nvme, CQ_PAGE(queue))),
		.dw10 = (NVME_ENTRIES - 1) << 16 | queue,
		.dw11 = queue << 16 | NVME_CQ_INTERRUPTS | NVME_QUEUE_CONTIGUOUS,
	};
	struct nvme_command sq = {
		.opcode = NVME_ADMIN_CREATE_SQ,
		.prp[0] = dma_address(page_of(nvme, SQ_PAGE(queue))),
		.dw10 = (NVME_ENTRIES - 1) << 16 | queue,
		.dw11 = queue << 16 | NVME_QUEUE_CONTIGUOUS,
	};
	int ret = admin(nvme, &cq);

	return ret ? ret : admin(nvme, &sq);
}

static int create_queues(struct nvme *nvme)
{
	struct nvme_command number = {
		.opcode = NVME_ADMIN_SET_FEATURES,
		.dw10 = NVME_FEATURE_NR_QUEUES,
		.dw11 = (NVME_QUEUES - 2) << 16 | (NVME_QUEUES - 2),
	};
	unsigned int queue;
	int ret;

	ret = admin(nvme, &number);
	for (queue = 1; queue < NVME_QUEUES && !ret; queue++)
		ret = create_queue(nvme, queue);

	return ret;
}

static int wait_ready(const struct nvme *nvme, __u32 ready)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int i;

	for (i = 0; i < TIMEOUT_MS; i++) {
		if ((mmio_read32(reg(nvme, NVME_REG_CSTS)) & NVME_CSTS_READY) == ready)
			return 0;
		nanosleep(&ms, NULL);
	}

	return -ETIMEDOUT;
}

static void write_address(const struct nvme *nvme, unsigned int offset, unsigned int page)
{
	__u64 address = dma_address(page_of(nvme, page));

	mmio_write32(reg(nvme, offset), address);
	mmio_write32(reg(nvme, offset + 4), address >> 32);
}

/* Reset the controller, which has its registers where the MSI-X table is, and start it. */
int nvme_start(struct nvme *nvme)
{
	unsigned int i;
	int ret;

	if (nvme->dev.table_bar)
		return -EOPNOTSUPP;

	for (i = 0; i < NVME_QUEUES; i++)
		nvme->record->queue[i].phase = 1;
	for (i = 0; i < NVME_DATA_PAGES; i++)
		nvme->record->data_address[i] = nvme_data_address(nvme, i);

	mmio_write32(reg(nvme, NVME_REG_CC), 0);
	ret = wait_ready(nvme, 0);
	if (ret)
		return ret;

	mmio_write32(reg(nvme, NVME_REG_AQA), (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1));
	write_address(nvme, NVME_REG_ASQ, SQ_PAGE(0));
	write_address(nvme, NVME_REG_ACQ, CQ_PAGE(0));
	mmio_write32(reg(nvme, NVME_REG_CC), NVME_CC_ENTRY_SIZES | NVME_CC_ENABLE);
	ret = wait_ready(nvme, NVME_CSTS_READY);

	return ret ? ret : create_queues(nvme);
}

static int virtualize(struct nvme *primary, unsigned int controller, __u32 action)
{
	struct nvme_command command = {
		.opcode = NVME_ADMIN_VIRTUALIZE,
		.dw10 = controller << 16 | action,
		.dw11 = NVME_QUEUES,
	};

	return admin(primary, &command);
}

/* Gives a virtual function the resources for NVME_QUEUES, which resets it. */
int nvme_start_secondary(struct nvme *primary, unsigned int controller)
{
	int ret = virtualize(primary, controller, NVME_SECONDARY_ASSIGN);

	if (!ret)
		ret = virtualize(primary, controller, NVME_SECONDARY_ASSIGN | NVME_INTERRUPTS);

	return ret ? ret : virtualize(primary, controller, NVME_SECONDARY_ONLINE);
}

bool nvme_running(const struct nvme *nvme)
{
	__u32 control = mmio_read32(reg(nvme, NVME_REG_CC));
	__u32 status = mmio_read32(reg(nvme, NVME_REG_CSTS));

	return control == (NVME_CC_ENTRY_SIZES | NVME_CC_ENABLE) &&
	       (status & (NVME_CSTS_READY | NVME_CSTS_FATAL)) == NVME_CSTS_READY;
}
