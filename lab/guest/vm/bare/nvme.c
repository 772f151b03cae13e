// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controller: its queues, and what is done to a queue in its interrupt. The
 * guest's physical addresses are those which the device is told.
 */
#include "bare.h"
#include "cpu.h"
#include "mmio.h"

/* Registers; NVM Express base specification 2.0, 3.1.3 */
#define REG_CC			0x14
#define   CC_ENABLE		0x1
#define   CC_ENTRY_SIZES	(6 << 16 | 4 << 20)
#define REG_CSTS		0x1c
#define   CSTS_READY		0x1
#define REG_AQA			0x24
#define REG_ASQ			0x28
#define REG_ACQ			0x30
#define REG_DOORBELLS		0x1000

#define ADMIN_CREATE_SQ		0x01
#define ADMIN_CREATE_CQ		0x05
#define ADMIN_SET_FEATURES	0x09
#define FEATURE_NR_QUEUES	0x07
#define QUEUE_CONTIGUOUS	0x1
#define CQ_INTERRUPTS		0x2

#define IO_WRITE		0x01
#define IO_READ			0x02
#define NAMESPACE		1
#define SECTORS			(PAGE_BYTES / 512)

#define ENTRIES			64	/* of a submission queue, which then fills a page */

struct command {
	__u8 opcode;
	__u8 flags;
	__u16 id;
	__u32 namespace;
	__u64 reserved[2];
	__u64 prp[2];
	__u32 dw10;
	__u32 dw11;
	__u32 dw12;
	__u32 dw13[3];
};

struct completion {
	__u32 result[2];
	__u16 sq_head;
	__u16 sq;
	__u16 id;
	__u16 status;		/* bit 0 is the phase */
};

struct queue {
	__u16 tail;
	__u16 head;
	__u16 phase;
};

static struct queue queues[GUEST_QUEUES];
static void *registers;
static bool admin_done;

static struct command *submissions(unsigned int queue)
{
	return (void *)QUEUES + 2 * queue * PAGE_BYTES;
}

static struct completion *completions(unsigned int queue)
{
	return (void *)QUEUES + (2 * queue + 1) * PAGE_BYTES;
}

static void ring(unsigned int doorbell, __u16 value)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmio_write32(registers + REG_DOORBELLS + doorbell * sizeof(__u32), value);
}

static void submit(unsigned int queue, const struct command *command)
{
	struct queue *q = &queues[queue];

	submissions(queue)[q->tail] = *command;
	q->tail = (q->tail + 1) % ENTRIES;
	ring(2 * queue, q->tail);
}

void nvme_submit_io(unsigned int queue, __u16 id, bool write, __u64 page)
{
	struct command command = {
		.opcode = write ? IO_WRITE : IO_READ,
		.id = id,
		.namespace = NAMESPACE,
		.prp[0] = DATA + page * PAGE_BYTES,
		.dw10 = page * SECTORS,
		.dw12 = SECTORS - 1,
	};

	submit(queue, &command);
}

static void completed(unsigned int queue, const struct completion *entry, __u16 status)
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

void nvme_interrupt(unsigned int queue)
{
	struct queue *q = &queues[queue];
	struct completion *entry;
	__u16 word;

	report()->queue[queue].interrupts++;
	for (;;) {
		entry = &completions(queue)[q->head];
		word = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);
		if ((word & 1) != q->phase)
			return;
		completed(queue, entry, word >> 1);
		q->head = (q->head + 1) % ENTRIES;
		if (!q->head)
			q->phase ^= 1;
		ring(2 * queue + 1, q->head);
	}
}

static void admin(const struct command *command)
{
	admin_done = false;
	submit(0, command);
	while (!__atomic_load_n(&admin_done, __ATOMIC_RELAXED))
		wait_for_interrupt();
}

static void create_queue(unsigned int queue)
{
	struct command cq = {
		.opcode = ADMIN_CREATE_CQ,
		.prp[0] = (__u64)completions(queue),
		.dw10 = (ENTRIES - 1) << 16 | queue,
		.dw11 = queue << 16 | CQ_INTERRUPTS | QUEUE_CONTIGUOUS,
	};
	struct command sq = {
		.opcode = ADMIN_CREATE_SQ,
		.prp[0] = (__u64)submissions(queue),
		.dw10 = (ENTRIES - 1) << 16 | queue,
		.dw11 = queue << 16 | QUEUE_CONTIGUOUS,
	};

	admin(&cq);
	admin(&sq);
}

static void wait_ready(__u32 ready)
{
	while ((mmio_read32(registers + REG_CSTS) & CSTS_READY) != ready)
		wait_for_interrupt();
}

static void write_address(unsigned int offset, const void *address)
{
	mmio_write32(registers + offset, (__u64)address);
	mmio_write32(registers + offset + 4, (__u64)address >> 32);
}

void nvme_start(__u64 bar)
{
	struct command number = {
		.opcode = ADMIN_SET_FEATURES,
		.dw10 = FEATURE_NR_QUEUES,
		.dw11 = (GUEST_QUEUES - 2) << 16 | (GUEST_QUEUES - 2),
	};
	unsigned int queue;

	registers = (void *)bar;
	for (queue = 0; queue < GUEST_QUEUES; queue++)
		queues[queue].phase = 1;

	mmio_write32(registers + REG_CC, 0);
	wait_ready(0);
	mmio_write32(registers + REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	write_address(REG_ASQ, submissions(0));
	write_address(REG_ACQ, completions(0));
	mmio_write32(registers + REG_CC, CC_ENTRY_SIZES | CC_ENABLE);
	wait_ready(CSTS_READY);

	admin(&number);
	for (queue = 1; queue < GUEST_QUEUES; queue++)
		create_queue(queue);
}
