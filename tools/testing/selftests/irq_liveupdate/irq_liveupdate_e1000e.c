// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live update of an e1000e (82574) which goes on receiving:
 *
 *	irq_liveupdate_e1000e -s 1 BDF	receives until a kernel is loaded
 *	kexec -e
 *	irq_liveupdate_e1000e -s 2 BDF	receives what has come since, and goes on
 *	irq_liveupdate_e1000e -s 2 BDF unattached
 *					... until FINISH, and is never attached
 *
 * With -i instead of -s iommufd chooses the page table that the device is attached to.
 *
 * The device is bound to vfio-pci, with or without an IOMMU. Somebody sends it numbered
 * frames all the time. Its interrupt disables itself: when one is lost there is
 * never another one, until the driver enables it again. The first stage does not
 * look any more once a kernel is loaded, so that the one of the next frame is lost
 * with the old kernel, and only that of FINISH remains to tell about all frames
 * since.
 *
 * A device which is not attached by FINISH has received through the mappings of the old
 * kernel until then, and writes nothing from then on.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "e1000e.h"
#include "irqinfo.h"
#include "luo.h"
#include "signals.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_e1000e"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2

#define ENTRIES		256		/* of the ring, which then fills a page */
#define RING_PAGE	1		/* behind the record; then a page for each entry */
#define FIRST_PAGE	2
#define NR_PAGES	(FIRST_PAGE + ENTRIES)

#define NUMBER_OFFSET	14		/* of a frame, behind its header */

#define FRAMES		32		/* that have to come, before and after */

/* The first page of the memfd */
struct record {
	unsigned int next;		/* entry of the ring */
	unsigned int received;
	__u32 number;			/* of the last frame */
};

static struct vfio_dev dev;
static void *registers, *memory;
static struct record *record;
static unsigned int wrong_numbers;
static int event;

static void *page_of(unsigned int page)
{
	return memory + page * DMA_PAGE_BYTES;
}

static void reg_write(unsigned int offset, __u32 value)
{
	mmio_write32(registers + offset, value);
}

static int (*attach)(struct vfio_dev *dev, void *memory, unsigned int nr_pages);

static void map_and_arm(int memfd)
{
	size_t size;

	check(memfd, "memfd");
	memory = dma_map(memfd, NR_PAGES);
	if (!memory || !dma_address(memory))
		ksft_exit_fail_msg("no physical addresses\n");
	record = memory;
	check(attach(&dev, memory, NR_PAGES), "attach");

	check(vfio_dev_map_bar(&dev, 0, &registers, &size), "map registers");
	event = signals_create();
	check(vfio_dev_arm(&dev, 0, 1, &event), "arm");
}

static void start(void)
{
	struct e1000e_descriptor *ring = page_of(RING_PAGE);
	unsigned int i;

	for (i = 0; i < ENTRIES; i++)
		ring[i].address = dma_address(page_of(FIRST_PAGE + i));

	e1000e_reset(registers);
	reg_write(E1000E_IVAR, E1000E_IVAR_RX);
	reg_write(E1000E_EIAC, E1000E_CAUSE_RX);
	reg_write(E1000E_IMS, E1000E_CAUSE_RX);
	e1000e_start(registers, dma_address(ring), ENTRIES);
}

static void take_frame(const void *frame)
{
	__u32 number;

	memcpy(&number, frame + NUMBER_OFFSET, sizeof(number));
	if (record->received && number != record->number + 1) {
		ksft_print_msg("frame %u after frame %u\n", number, record->number);
		wrong_numbers++;
	}
	record->number = number;
	record->received++;
}

/* Everything in the ring; then the interrupt is enabled again. */
static void receive(void)
{
	struct e1000e_descriptor *ring = page_of(RING_PAGE);
	struct e1000e_descriptor *entry = &ring[record->next];

	while (__atomic_load_n(&entry->status, __ATOMIC_ACQUIRE) & E1000E_STATUS_DONE) {
		take_frame(page_of(FIRST_PAGE + record->next));
		entry->status = 0;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		reg_write(E1000E_RDT, record->next);
		record->next = (record->next + 1) % ENTRIES;
		entry = &ring[record->next];
	}
	reg_write(E1000E_IMS, E1000E_CAUSE_RX);
}

static bool receive_until(unsigned int received)
{
	while (record->received < received) {
		if (!signals_wait(event, 1))
			return false;
		receive();
	}

	return true;
}

static void stage_1(const char *bdf)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	int session, memfd;

	check(vfio_dev_open_cdev(&dev, bdf), "open");
	check(vfio_dev_bind(&dev), "bind");
	check(vfio_dev_set_bus_master(&dev), "bus master");

	session = luo_create_session(SESSION);
	check(session, "session");
	memfd = dma_create(NR_PAGES);
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
	map_and_arm(memfd);
	start();
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve device");

	if (!receive_until(FRAMES) || wrong_numbers)
		ksft_exit_fail_msg("%u frames received\n", record->received);
	ksft_set_plan(1);
	ksft_test_result_pass("%u frames received\n", record->received);
	if (!stay())
		ksft_finished();

	while (!next_kernel_loaded()) {
		if (signals_read(event))
			receive();
		nanosleep(&tick, NULL);
	}
	for (;;)
		pause();
}

static void stage_2(const char *bdf)
{
	int session = luo_retrieve_session(SESSION);
	unsigned int before;
	int irq, latched;

	ksft_set_plan(4);
	check(session, "session");
	snprintf(dev.bdf, sizeof(dev.bdf), "%s", bdf);
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve device");
	check(vfio_dev_bind(&dev), "bind");
	latched = vfio_dev_msix_pending(&dev, 0);
	map_and_arm(luo_retrieve_fd(session, MEMORY_TOKEN));
	check(irq_of_vectors(bdf, &irq, 0, 1), "/proc/interrupts");
	ksft_test_result(signals_exactly(event, irq, latched),
			 "what the device has latched (%d) is delivered before FINISH\n", latched);

	check(luo_finish(session), "finish");
	ksft_test_result(signals_exactly(event, irq, 1),
			 "FINISH gives the vector exactly one interrupt\n");

	before = record->received;
	receive();
	ksft_print_msg("%u frames, then %u\n", before, record->received - before);
	ksft_test_result(record->received - before >= FRAMES && !wrong_numbers,
			 "it leads to all frames since the old kernel looked\n");
	ksft_test_result(receive_until(record->received + FRAMES) && !wrong_numbers,
			 "the device goes on, no frame is lost or doubled\n");
	if (!stay())
		ksft_finished();
	for (;;)
		pause();
}

/* Frames that arrive within a second, with as many free entries as there can be */
static unsigned int frames_in_a_second(void)
{
	const struct timespec tick = { .tv_nsec = 10000000 };
	unsigned int before = record->received, i;

	for (i = 0; i < 100; i++) {
		receive();
		nanosleep(&tick, NULL);
	}

	return record->received - before;
}

static void map_registers(void)
{
	size_t size;

	check(vfio_dev_map_bar(&dev, 0, &registers, &size), "map registers");
}

static void stage_2_unattached(const char *bdf)
{
	int session = luo_retrieve_session(SESSION);
	unsigned int before, frames;

	ksft_set_plan(2);
	check(session, "session");
	snprintf(dev.bdf, sizeof(dev.bdf), "%s", bdf);
	memory = dma_map(luo_retrieve_fd(session, MEMORY_TOKEN), NR_PAGES);
	if (!memory)
		ksft_exit_fail_msg("no memory\n");
	record = memory;
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve device");
	check(vfio_dev_bind(&dev), "bind");
	map_registers();

	before = record->received;
	receive();
	frames = record->received - before;
	ksft_test_result(frames && frames_in_a_second() && !wrong_numbers,
			 "%u frames have arrived without an owner, others do\n", frames);

	check(luo_finish(session), "finish");
	receive();
	ksft_test_result(!frames_in_a_second(), "nothing arrives after FINISH\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	bool unattached = argc == 5 && !strcmp(argv[4], "unattached");

	ksft_print_header();
	if ((argc != 4 && !unattached) || (strcmp(argv[1], "-s") && strcmp(argv[1], "-i")))
		ksft_exit_fail_msg("usage: %s -s|-i 1|2 BDF [unattached]\n", argv[0]);
	attach = argv[1][1] == 's' ? dma_attach : dma_attach_ioas;
	require_liveupdate();

	if (!strcmp(argv[2], "1"))
		stage_1(argv[3]);
	else if (unattached)
		stage_2_unattached(argv[3]);
	else
		stage_2(argv[3]);
}
