// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live update of an e1000e (82574) that is bound to an iommufd and attached to
 * nothing, while frames are sent to it all the time:
 *
 *	irq_liveupdate_canary -s 1 BDF never|detached
 *	kexec -e
 *	irq_liveupdate_canary -s 2 BDF [unbound|bound|stopped|written]
 *
 * Its receive ring and buffers are at physical addresses: those of a memfd, which
 * is preserved, so that nobody else writes there. Nothing but its IOMMU keeps the
 * device from them. The memory holds a pattern, of which not one byte may change
 * until the device is attached to an address space with just these addresses. That
 * it is written then is the positive control, in the first stage as well, for a
 * device that is detached again before it is preserved.
 *
 * The head of the ring moves with each frame, whether or not the frame can be written. A
 * card that cannot read its ring takes all entries for empty ones, and skips all of them
 * for one frame. So the test does not count entries, but how often the head moves. That
 * is once across the jump, where nobody gives the card new entries.
 *
 * The second stage is a VMM that attaches the device only at the end, as the control.
 * Before it another VMM may have been killed after it had retrieved the device
 * ("unbound"), or after it had bound it ("bound"); in the latter case the device is
 * finished, and opened anew. A device that the next kernel has stopped ("stopped"),
 * because it does not translate or because nobody has retrieved the device by FINISH, is
 * not opened. A kernel whose translation was broken on purpose ("written") must be
 * noticed: the memory is written.
 *
 *	irq_liveupdate_canary -v 1 BDF never|detached
 *	irq_liveupdate_canary -v 2 BDF [stopped|written]
 *
 * does the same for the first virtual function of an igb (82576). BDF is its physical
 * function, which is attached to nothing, and handed over before it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "e1000e.h"
#include "igb.h"
#include "ioas.h"
#include "luo.h"
#include "test.h"
#include "vfio_dev.h"
#include "virtfn.h"

#define SESSION		"irq_liveupdate_canary"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2
#define PHYSICAL_TOKEN	3

#define ENTRIES		256		/* entries of the ring, which then fills a page */
#define RING_PAGE	1		/* after the record; then a page for each entry */
#define FIRST_PAGE	2
#define NR_PAGES	(FIRST_PAGE + ENTRIES)
#define PATTERN		0xa5

#define FRAMES		50		/* that have to arrive without being written */
#define TIMEOUT_MS	20000
#define SETTLE_SECONDS	2

/* The first page of the memfd */
struct record {
	unsigned int head;		/* of the ring, when the old kernel ran last */
	__u64 addresses[ENTRIES];
};

static struct vfio_dev dev, physical;
static bool is_virtual;
static char vf_bdf[1][VIRTFN_BDF_BYTES];
static void *registers, *physical_registers, *memory;
static size_t registers_size;
static const char *bdf;
static int session;
static struct record *record;

static void *page_of(unsigned int page)
{
	return memory + page * DMA_PAGE_BYTES;
}

static unsigned int head_of_ring(void)
{
	return mmio_read32(registers + E1000E_RDH);
}

static void map_memory(int memfd)
{
	check(memfd, "memfd");
	memory = dma_map(memfd, NR_PAGES);
	if (!memory || !dma_address(memory))
		ksft_exit_fail_msg("no physical addresses\n");
	record = memory;
}

static void map_registers(void)
{
	check(vfio_dev_map_bar(&dev, 0, &registers, &registers_size), "map registers");
}

/* A descriptor as it is when the device has written nothing */
static struct e1000e_descriptor untouched(unsigned int entry)
{
	return (struct e1000e_descriptor) { .address = record->addresses[entry] };
}

/* Everything that the device might write, as it is when nothing has been written */
static void paint(void)
{
	struct e1000e_descriptor *ring = page_of(RING_PAGE);
	unsigned int i;

	for (i = 0; i < ENTRIES; i++) {
		ring[i] = untouched(i);
		memset(page_of(FIRST_PAGE + i), PATTERN, DMA_PAGE_BYTES);
	}
}

static unsigned int bytes_written(void)
{
	const struct e1000e_descriptor *ring = page_of(RING_PAGE);
	const unsigned char *buffers = page_of(FIRST_PAGE);
	unsigned int i, written = 0;

	for (i = 0; i < ENTRIES; i++) {
		const struct e1000e_descriptor expected = untouched(i);

		if (memcmp(&ring[i], &expected, sizeof(expected)))
			written += sizeof(ring[i]);
	}
	for (i = 0; i < ENTRIES * DMA_PAGE_BYTES; i++)
		written += buffers[i] != PATTERN;
	return written;
}

static void start_receiving(void)
{
	__u64 ring = dma_address(page_of(RING_PAGE));

	if (is_virtual) {
		igb_start(registers, ring, ENTRIES);
		igb_let_receive(physical_registers, 0);
	} else {
		e1000e_reset(registers);
		e1000e_start(registers, ring, ENTRIES);
	}
}

/* Give the card as many entries as there can be. Returns the head. */
static unsigned int refill(void)
{
	unsigned int head = head_of_ring();

	mmio_write32(registers + E1000E_RDT, (head + ENTRIES - 1) % ENTRIES);
	return head;
}

/* Wait for at least this many. False if they do not arrive. */
static bool wait_frames(unsigned int frames)
{
	unsigned int head = refill(), now, ms;

	for (ms = 0; ms < TIMEOUT_MS && frames; ms++) {
		usleep(1000);
		now = refill();
		frames -= now != head;
		head = now;
	}
	return !frames;
}

/* An address space in which the memory has its physical addresses. Returns its id. */
static __u32 map_physical(void)
{
	struct ioas ioas;
	unsigned int i;

	check(ioas_alloc(&ioas, dev.iommufd), "allocate address space");
	for (i = RING_PAGE; i < NR_PAGES; i++)
		check(ioas_map(&ioas, dma_address(page_of(i)), page_of(i), DMA_PAGE_BYTES), "map");
	return ioas.id;
}

/* The positive control: whether frames arrive where they may. */
static bool control(void)
{
	bool came;

	check(vfio_dev_attach(&dev, map_physical()), "attach");
	came = wait_frames(FRAMES);
	check(vfio_dev_detach(&dev), "detach");

	ksft_print_msg("%u bytes written while attached\n", bytes_written());
	return came && bytes_written();
}

/* The canary is found through its physical function, which has been bound. */
static void find_virtual(void)
{
	virtfn_find(bdf, 1, vf_bdf);
	bdf = vf_bdf[0];
	dev.token = VFIO_DEV_TOKEN;
}

static void open_physical(void)
{
	size_t size;

	physical.token = VFIO_DEV_TOKEN;
	check(vfio_dev_open_cdev(&physical, bdf), "open physical function");
	check(vfio_dev_bind(&physical), "bind physical function");
	check(vfio_dev_set_bus_master(&physical), "bus master");
	check(vfio_dev_map_bar(&physical, 0, &physical_registers, &size), "map registers");
	virtfn_enable(bdf, 1);
	find_virtual();
}

static void open_device(void)
{
	check(vfio_dev_open_cdev(&dev, bdf), "open");
	check(vfio_dev_bind(&dev), "bind");
	check(vfio_dev_set_bus_master(&dev), "bus master");
}

static void stage_1(bool detached)
{
	unsigned int i;
	int memfd;

	if (is_virtual)
		open_physical();
	open_device();

	session = luo_create_session(SESSION);
	check(session, "session");
	memfd = dma_create(NR_PAGES);
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
	map_memory(memfd);
	map_registers();
	for (i = 0; i < ENTRIES; i++)
		record->addresses[i] = dma_address(page_of(FIRST_PAGE + i));

	paint();
	start_receiving();
	if (detached && !control())
		ksft_exit_fail_msg("no frames arrive while attached\n");
	paint();
	if (is_virtual)
		check(luo_preserve_fd(session, physical.fd, PHYSICAL_TOKEN), "preserve");
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve device");

	if (!wait_frames(FRAMES))
		ksft_exit_fail_msg("no frames\n");
	if (bytes_written())
		ksft_exit_fail_msg("%u bytes written before the jump\n", bytes_written());
	ksft_set_plan(1);
	ksft_test_result_pass("frames are sent to the device, not one byte is written\n");
	if (!stay())
		ksft_finished();

	for (;;) {
		record->head = refill();
		usleep(1000);
	}
}

static void stage_2_not_opened(bool written)
{
	unsigned int before;

	ksft_set_plan(1);
	map_memory(luo_retrieve_fd(session, MEMORY_TOKEN));
	sleep(SETTLE_SECONDS);
	before = bytes_written();
	check(luo_finish(session), "finish");
	sleep(SETTLE_SECONDS);
	ksft_print_msg("%u bytes written by FINISH, then %u\n", before, bytes_written());
	ksft_test_result(written ? before : !bytes_written(), "%s\n",
			 written ? "memory is written" : "not one byte is written");
	ksft_finished();
}

static void get_device(void)
{
	snprintf(dev.bdf, sizeof(dev.bdf), "%s", bdf);
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve device");
}

static void retrieve_physical(void)
{
	physical.token = VFIO_DEV_TOKEN;
	physical.fd = luo_retrieve_fd(session, PHYSICAL_TOKEN);
	check(physical.fd, "retrieve physical function");
	check(vfio_dev_bind(&physical), "bind physical function");
	find_virtual();
}

static void retrieve_and_bind(void)
{
	if (is_virtual)
		retrieve_physical();
	get_device();
	check(vfio_dev_bind(&dev), "bind");
}

/* While the device has no page table */
static void expect_nothing_written(void)
{
	map_memory(luo_retrieve_fd(session, MEMORY_TOKEN));
	map_registers();
	ksft_test_result(head_of_ring() != record->head && wait_frames(FRAMES),
			 "frames are sent to the device over the jump and after it\n");
	ksft_print_msg("%u bytes written\n", bytes_written());
	ksft_test_result(!bytes_written(), "not one byte is written before FINISH\n");

	check(luo_finish(session), "finish");
	ksft_test_result(wait_frames(FRAMES) && !bytes_written(),
			 "not one byte is written after FINISH\n");
}

static void stage_2(bool died)
{
	ksft_set_plan(4);
	if (died)
		let_die(get_device);
	retrieve_and_bind();
	expect_nothing_written();
	ksft_test_result(control(), "frames arrive once the device is attached\n");
	ksft_finished();
}

/* The file stays bound to the iommufd of the killed VMM, so the device is opened again. */
static void stage_2_after_bound(void)
{
	ksft_set_plan(4);
	let_die(retrieve_and_bind);
	get_device();
	expect_nothing_written();

	munmap(registers, registers_size);
	close(dev.fd);
	open_device();
	map_registers();
	start_receiving();
	ksft_test_result(control(), "frames arrive once the device is opened and attached\n");
	ksft_finished();
}

static void stage_2_of(const char *how)
{
	session = luo_retrieve_session(SESSION);
	check(session, "session");
	if (!strcmp(how, "bound"))
		stage_2_after_bound();
	else if (!strcmp(how, "stopped") || !strcmp(how, "written"))
		stage_2_not_opened(!strcmp(how, "written"));
	else
		stage_2(!strcmp(how, "unbound"));
}

int main(int argc, char *argv[])
{
	const char *how = argc > 4 ? argv[4] : "";

	ksft_print_header();
	is_virtual = argc > 1 && !strcmp(argv[1], "-v");
	if (argc < 4 || (strcmp(argv[1], "-s") && !is_virtual))
		ksft_exit_skip("usage: %s -s|-v 1|2 BDF [HOW]\n", argv[0]);
	if (access("/dev/liveupdate", F_OK))
		ksft_exit_skip("no /dev/liveupdate: boot with liveupdate=on\n");

	bdf = argv[3];
	if (!strcmp(argv[2], "1"))
		stage_1(!strcmp(how, "detached"));
	else
		stage_2_of(how);
}
