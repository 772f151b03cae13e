// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controller: its queues, and what is done to a queue in its interrupt. The
 * device is given the guest's physical addresses.
 */
#include "bare.h"
#include "cpu.h"
#include "mmio.h"
#include "nvme_hw.h"

#define NAMESPACE		1
#define SECTORS			(PAGE_BYTES / NVME_SECTOR_BYTES)

static struct nvme_queue queues[GUEST_QUEUES];
static void *registers;
static bool locked[GUEST_QUEUES];
static bool admin_done;

/* With interrupts off */
void nvme_lock(unsigned int queue)
{
	while (__atomic_test_and_set(&locked[queue], __ATOMIC_ACQUIRE))
		relax();
}

void nvme_unlock(unsigned int queue)
{
	__atomic_clear(&locked[queue], __ATOMIC_RELEASE);
}

static struct nvme_command *submissions(unsigned int queue)
{
	return (void *)QUEUES + 2 * queue * PAGE_BYTES;
}

static struct nvme_completion *completions(unsigned int queue)
{
	return (void *)QUEUES + (2 * queue + 1) * PAGE_BYTES;
}

static void ring(unsigned int doorbell, __u16 value)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmio_write32(registers + NVME_REG_DOORBELLS + doorbell * sizeof(__u32), value);
}

static void submit(unsigned int queue, const struct nvme_command *command)
{
	struct nvme_queue *q = &queues[queue];

	submissions(queue)[q->tail] = *command;
	q->tail = (q->tail + 1) % NVME_ENTRIES;
	ring(2 * queue, q->tail);
}

void nvme_submit_io(unsigned int queue, __u16 id, bool write, __u64 page)
{
	struct nvme_command command = {
		.opcode = write ? NVME_CMD_WRITE : NVME_CMD_READ,
		.id = id,
		.namespace = NAMESPACE,
		.prp[0] = DATA + page * PAGE_BYTES,
		.dw10 = page * SECTORS,
		.dw12 = SECTORS - 1,
	};

	submit(queue, &command);
}

static void completed(unsigned int queue, const struct nvme_completion *entry, __u16 status)
{
	if (queue) {
		io_completed(queue, entry->id, status);
		return;
	}
	if (status)
		fail("admin command");
	report()->queue[0].completed++;
	admin_done = true;
}

static void complete_all(unsigned int queue)
{
	struct nvme_queue *q = &queues[queue];
	struct nvme_completion *entry;
	__u16 word;

	for (;;) {
		entry = &completions(queue)[q->head];
		word = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);
		if ((word & 1) != q->phase)
			return;
		completed(queue, entry, word >> 1);
		q->head = (q->head + 1) % NVME_ENTRIES;
		if (!q->head)
			q->phase ^= 1;
		ring(2 * queue + 1, q->head);
	}
}

/* On either CPU: before the vector was moved, its last interrupt may not have been handled. */
void nvme_interrupt(unsigned int queue)
{
	nvme_lock(queue);
	report()->queue[queue].interrupts++;
	complete_all(queue);
	nvme_unlock(queue);
}

static void admin(const struct nvme_command *command)
{
	admin_done = false;
	submit(0, command);
	while (!__atomic_load_n(&admin_done, __ATOMIC_RELAXED))
		wait_for_interrupt();
}

static void create_queue(unsigned int queue)
{
	struct nvme_command cq = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp[0] = (__u64)completions(queue),
		.dw10 = (NVME_ENTRIES - 1) << 16 | queue,
		.dw11 = queue << 16 | NVME_CQ_INTERRUPTS | NVME_QUEUE_CONTIGUOUS,
	};
	struct nvme_command sq = {
		.opcode = NVME_ADMIN_CREATE_SQ,
		.prp[0] = (__u64)submissions(queue),
		.dw10 = (NVME_ENTRIES - 1) << 16 | queue,
		.dw11 = queue << 16 | NVME_QUEUE_CONTIGUOUS,
	};

	admin(&cq);
	admin(&sq);
}

static void wait_ready(__u32 ready)
{
	while ((mmio_read32(registers + NVME_REG_CSTS) & NVME_CSTS_READY) != ready)
		wait_for_interrupt();
}

static void write_address(unsigned int offset, const void *address)
{
	mmio_write32(registers + offset, (__u64)address);
	mmio_write32(registers + offset + 4, (__u64)address >> 32);
}

void nvme_start(__u64 bar)
{
	struct nvme_command number = {
		.opcode = NVME_ADMIN_SET_FEATURES,
		.dw10 = NVME_FEATURE_NR_QUEUES,
		.dw11 = (GUEST_QUEUES - 2) << 16 | (GUEST_QUEUES - 2),
	};
	unsigned int queue;

	registers = (void *)bar;
	for (queue = 0; queue < GUEST_QUEUES; queue++)
		queues[queue].phase = 1;

	mmio_write32(registers + NVME_REG_CC, 0);
	wait_ready(0);
	mmio_write32(registers + NVME_REG_AQA, (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1));
	write_address(NVME_REG_ASQ, submissions(0));
	write_address(NVME_REG_ACQ, completions(0));
	mmio_write32(registers + NVME_REG_CC, NVME_CC_ENTRY_SIZES | NVME_CC_ENABLE);
	wait_ready(NVME_CSTS_READY);

	admin(&number);
	for (queue = 1; queue < GUEST_QUEUES; queue++)
		create_queue(queue);
}
