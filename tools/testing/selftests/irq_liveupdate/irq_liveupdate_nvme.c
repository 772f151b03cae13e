// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live update of an NVMe controller that has I/O in flight:
 *
 *	irq_liveupdate_nvme -s 1 BDF	starts it; submits once a kernel is loaded
 *	kexec -e
 *	irq_liveupdate_nvme -s 2 BDF	continues with it, finds what has completed
 *
 * -c instead of -s is the comparison: the memory is handed over, the device is not.
 *
 * The controller is bound to vfio-pci, with or without an IOMMU, and has two
 * namespaces on the same storage. The first is slow, so what is submitted to it is in
 * flight at the jump, and completes before the second stage begins; the other one is not,
 * so its interrupts go to the old kernel, where nobody looks, and are lost with it. What
 * the controller has latched is delivered before FINISH. It is only counted, so only the
 * interrupts of FINISH remain to show that there is something in the queues.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "irqinfo.h"
#include "luo.h"
#include "nvme.h"
#include "signals.h"
#include "test.h"

#define SESSION		"irq_liveupdate_nvme"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2

#define FAST_QUEUE	(NVME_QUEUES - 1)	/* all others except the admin queue are slow */
#define SLOW_NAMESPACE	1
#define FAST_NAMESPACE	2

#define IOS_PER_QUEUE	48
#define IOS_PER_ROUND	12	/* and queue */
#define IOS		((NVME_QUEUES - 1) * IOS_PER_QUEUE)
static_assert(IOS == NVME_DATA_PAGES, "one page for each I/O");

#define FIRST_ID	0xf000	/* the other bits are the number of the I/O */
#define WORDS		(DMA_PAGE_BYTES / sizeof(__u64))
#define SECTORS		(DMA_PAGE_BYTES / NVME_SECTOR_BYTES)

#define OLD_DATA	0x0123456789abcdefULL	/* on the storage before */
#define NEW_DATA	0xfedcba9876543210ULL	/* what is in flight writes it */

static struct nvme nvme;
static unsigned int completed[IOS], failed;

static unsigned int queue_of(unsigned int io)
{
	return 1 + io / IOS_PER_QUEUE;
}

/* Every other slow I/O is a write. */
static bool writes(unsigned int io)
{
	return queue_of(io) != FAST_QUEUE && io % 2;
}

static void fill(unsigned int io, __u64 data)
{
	__u64 *word = nvme_data(&nvme, io);
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		word[i] = data ^ (io * WORDS + i);
}

static bool filled(unsigned int io, __u64 data)
{
	__u64 *word = nvme_data(&nvme, io);
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		if (word[i] != (data ^ (io * WORDS + i)))
			return false;
	}

	return true;
}

/* Through the fast namespace, one at a time */
static void do_now(unsigned int io, __u8 opcode)
{
	struct nvme_io now = {
		.opcode = opcode,
		.id = io,
		.namespace = FAST_NAMESPACE,
		.sector = io * SECTORS,
		.page = io,
	};

	check(nvme_do(&nvme, FAST_QUEUE, &now), "I/O");
}

/* Data is read into a page that does not contain it yet. */
static void prepare(void)
{
	unsigned int io;

	for (io = 0; io < IOS; io++) {
		fill(io, OLD_DATA);
		do_now(io, NVME_CMD_WRITE);
		if (writes(io))
			fill(io, NEW_DATA);
		else
			memset(nvme_data(&nvme, io), 0, DMA_PAGE_BYTES);
	}
}

static void submit(unsigned int io)
{
	struct nvme_io in_flight = {
		.opcode = writes(io) ? NVME_CMD_WRITE : NVME_CMD_READ,
		.id = FIRST_ID + io,
		.namespace = queue_of(io) == FAST_QUEUE ? FAST_NAMESPACE : SLOW_NAMESPACE,
		.sector = io * SECTORS,
		.page = io,
	};

	nvme_submit(&nvme, queue_of(io), &in_flight);
}

/*
 * As late as possible, and nobody looks at what completes. A controller fetches
 * all that it finds in one queue before it goes to the next, so it is given time
 * between rounds: no queue may be done long before the others.
 */
static void submit_all(void)
{
	struct timespec tick = { .tv_nsec = 10000000 }, gap = { .tv_nsec = 5000000 };
	unsigned int i, io;

	while (!next_kernel_loaded())
		nanosleep(&tick, NULL);
	for (i = 0; i < IOS_PER_QUEUE; i++) {
		if (i && !(i % IOS_PER_ROUND))
			nanosleep(&gap, NULL);
		for (io = i; io < IOS; io += IOS_PER_QUEUE)
			submit(io);
	}
}

static void stage_1(const char *bdf, bool handover)
{
	int session, memfd;

	check(vfio_dev_open_cdev(&nvme.dev, bdf), "open");
	check(vfio_dev_bind(&nvme.dev), "bind");
	check(vfio_dev_set_bus_master(&nvme.dev), "bus master");

	session = luo_create_session(SESSION);
	check(session, "session");
	memfd = nvme_create_memory();
	check(memfd, "memfd");
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
	check(nvme_map_memory(&nvme, memfd), "map memory");
	check(nvme_attach(&nvme), "attach");

	check(nvme_arm(&nvme), "arm");
	check(nvme_start(&nvme), "start controller");
	prepare();
	if (handover)
		check(luo_preserve_fd(session, nvme.dev.fd, DEVICE_TOKEN), "preserve device");

	ksft_set_plan(1);
	ksft_test_result_pass("the controller has I/O to do\n");
	if (!stay())
		ksft_finished();
	submit_all();
	for (;;)
		pause();
}

static void take_completion(__u16 id, __u16 status)
{
	unsigned int io = id - FIRST_ID;

	if (id < FIRST_ID || io >= IOS || status) {
		ksft_print_msg("completion of %#x: status %#x\n", id, status);
		failed++;
		return;
	}
	completed[io]++;
}

static void look_at(unsigned int queue)
{
	__u16 id, status;

	while (nvme_reap(&nvme, queue, &id, &status))
		take_completion(id, status);
}

static bool is_slow(unsigned int queue)
{
	return queue && queue != FAST_QUEUE;
}

/* How many vectors were not signalled exactly this often: the slow ones, and the others */
static unsigned int wrong_signals(__u64 slow, __u64 others)
{
	int irqs[NVME_QUEUES];
	unsigned int queue, wrong = 0;

	check(irq_of_vectors(nvme.dev.bdf, irqs, 0, NVME_QUEUES), "/proc/interrupts");
	for (queue = 0; queue < NVME_QUEUES; queue++)
		wrong += !signals_exactly(nvme.eventfd[queue], irqs[queue],
					  is_slow(queue) ? slow : others);

	return wrong;
}

/* Looks at a queue when its interrupt has arrived. Returns how many never arrive. */
static unsigned int serve_interrupts(void)
{
	unsigned int queue, missing = 0;

	for (queue = 0; queue < NVME_QUEUES; queue++) {
		if (signals_wait(nvme.eventfd[queue], 1) == 1)
			look_at(queue);
		else
			missing++;
	}

	return missing;
}

static unsigned int nr_completed(void)
{
	unsigned int io, sum = 0;

	for (io = 0; io < IOS; io++)
		sum += completed[io] == 1;
	ksft_print_msg("%u of %u I/Os completed\n", sum, IOS);

	return sum;
}

static bool same_memory(void)
{
	unsigned int page;

	for (page = 0; page < NVME_DATA_PAGES; page++) {
		if (nvme_data_address(&nvme, page) != nvme.record->data_address[page])
			return false;
	}

	return true;
}

static unsigned int wrong_reads(void)
{
	unsigned int io, wrong = 0;

	for (io = 0; io < IOS; io++)
		wrong += !writes(io) && !filled(io, OLD_DATA);

	return wrong;
}

static unsigned int wrong_writes(void)
{
	unsigned int io, wrong = 0;

	for (io = 0; io < IOS; io++) {
		if (!writes(io))
			continue;
		memset(nvme_data(&nvme, io), 0, DMA_PAGE_BYTES);
		do_now(io, NVME_CMD_READ);
		wrong += !filled(io, NEW_DATA);
	}

	return wrong;
}

static void retrieve_memory(int session)
{
	int memfd = luo_retrieve_fd(session, MEMORY_TOKEN);

	check(memfd, "retrieve memory");
	check(nvme_map_memory(&nvme, memfd), "map memory");
}

static void stage_2(const char *bdf)
{
	int session = luo_retrieve_session(SESSION);
	unsigned int missing;

	ksft_set_plan(7);
	check(session, "session");
	retrieve_memory(session);
	snprintf(nvme.dev.bdf, sizeof(nvme.dev.bdf), "%s", bdf);
	nvme.dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(nvme.dev.fd, "retrieve device");
	check(vfio_dev_bind(&nvme.dev), "bind");
	ksft_test_result(nvme_running(&nvme), "the controller is running\n");
	check(nvme_attach(&nvme), "attach");
	ksft_test_result(same_memory(), "the memory is where it was\n");

	check(nvme_arm(&nvme), "arm");
	ksft_test_result(!wrong_signals(1, 0),
			 "slow queues have an interrupt latched, others have not\n");

	check(luo_finish(session), "finish");
	missing = serve_interrupts();
	ksft_test_result(nr_completed() == IOS && !failed,
			 "the interrupts of FINISH alone lead to each completion, once\n");
	ksft_test_result(!missing && !wrong_signals(0, 0),
			 "FINISH gives each vector exactly one interrupt\n");

	ksft_test_result(!wrong_reads(), "what was read is right\n");
	ksft_test_result(!wrong_writes(),
			 "the controller keeps working; what was written is right\n");
	if (!stay())
		ksft_finished();
	for (;;)
		pause();
}

/*
 * The device starts anew, as after any kexec; a program that waits for its I/O waits
 * forever.
 */
static void stage_2_cold(const char *bdf)
{
	int session = luo_retrieve_session(SESSION);

	ksft_set_plan(4);
	check(session, "session");
	retrieve_memory(session);
	check(vfio_dev_open_cdev(&nvme.dev, bdf), "open");
	check(vfio_dev_bind(&nvme.dev), "bind");
	check(vfio_dev_set_bus_master(&nvme.dev), "bus master");
	ksft_test_result(same_memory(), "the memory is where it was\n");
	check(nvme_arm(&nvme), "arm");
	check(luo_finish(session), "finish");

	ksft_test_result(!nvme_running(&nvme), "the controller was reset\n");
	ksft_test_result(!wrong_signals(0, 0), "no interrupt arrives\n");
	ksft_test_result(!nr_completed(), "every I/O hangs\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	const char *option = argc == 4 ? argv[1] : "";
	bool handover = !strcmp(option, "-s");

	ksft_print_header();
	if (!handover && strcmp(option, "-c"))
		ksft_exit_fail_msg("usage: %s -s|-c 1|2 BDF\n", argv[0]);
	require_liveupdate();

	if (!strcmp(argv[2], "1"))
		stage_1(argv[3], handover);
	else if (handover)
		stage_2(argv[3]);
	else
		stage_2_cold(argv[3]);
}
