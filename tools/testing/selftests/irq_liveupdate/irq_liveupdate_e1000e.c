// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live update of an e1000e (82574) that keeps receiving:
 *
 *	irq_liveupdate_e1000e -s 1 BDF	receives until a kernel is loaded
 *	kexec -e
 *	irq_liveupdate_e1000e -s 2 BDF	receives what has come since, and continues
 *	irq_liveupdate_e1000e -s 2 BDF unattached
 *					... until FINISH, and is attached after that
 *	irq_liveupdate_e1000e -s 2 BDF killed
 *					... and the program was killed after it had
 *					bound the device
 *	irq_liveupdate_e1000e -s 2 BDF refused
 *					receives nothing until the device is opened
 *					again: this kernel has stopped it
 *	irq_liveupdate_e1000e -s 2 BDF intx
 *					continues with INTx instead of MSI-X, from
 *					before FINISH
 *
 * The device is bound to vfio-pci, with or without an IOMMU. Numbered frames are sent
 * to it all the time. Its interrupt disables itself: when one is lost there is never
 * another one, until the driver enables it again. The first stage stops looking once a
 * kernel is loaded, so the interrupt of the next frame is lost with the old kernel, and
 * only that of FINISH remains to report all frames since.
 *
 * A device that is not attached by FINISH receives through the mappings of the old
 * kernel until then, and from then on writes nothing until it is attached.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "irqinfo.h"
#include "luo.h"
#include "pci_config.h"
#include "receiver.h"
#include "signals.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_e1000e"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2

#define FRAMES		32		/* that have to arrive, before and after */
#define SECOND_MS	1000
#define ENOUGH		(RECEIVER_ENTRIES / 2)

static struct receiver card;
static const char *bdf;
static int session, event;

static void map_memory(int memfd)
{
	void *memory;

	check(memfd, "memfd");
	memory = dma_map(memfd, RECEIVER_PAGES);
	if (!memory || !dma_address(memory))
		ksft_exit_fail_msg("no physical addresses\n");
	receiver_use_memory(&card, memory);
}

static void attach_and_arm(void)
{
	check(dma_attach(&card.dev, card.memory, RECEIVER_PAGES), "attach");
	receiver_map_registers(&card);
	event = signals_create();
	check(vfio_dev_arm(&card.dev, 0, 1, &event), "arm");
}

static void open_device(void)
{
	check(vfio_dev_open_cdev(&card.dev, bdf), "open");
	check(vfio_dev_bind(&card.dev), "bind");
}

/* It may be running, so it must not be a bus master before it is reset. */
static void start(void)
{
	receiver_reset(&card);
	check(vfio_dev_set_bus_master(&card.dev), "bus master");
	receiver_set_up_interrupt(&card);
	receiver_start(&card);
}

/* Take everything from the ring; then the interrupt is enabled again. */
static void receive(void)
{
	receiver_take_frames(&card);
	receiver_enable_interrupt(&card);
}

static bool receive_until(unsigned int received)
{
	while (card.record->received < received) {
		if (!signals_wait(event, 1))
			return false;
		receive();
	}

	return true;
}

static void stage_1(void)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	int memfd;

	open_device();
	session = luo_create_session(SESSION);
	check(session, "session");
	memfd = dma_create(RECEIVER_PAGES);
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
	map_memory(memfd);
	attach_and_arm();
	start();
	check(luo_preserve_fd(session, card.dev.fd, DEVICE_TOKEN), "preserve device");

	if (!receive_until(FRAMES) || card.wrong_numbers)
		ksft_exit_fail_msg("%u frames received\n", card.record->received);
	ksft_set_plan(1);
	ksft_test_result_pass("%u frames received\n", card.record->received);
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

static void get_device(void)
{
	snprintf(card.dev.bdf, sizeof(card.dev.bdf), "%s", bdf);
	card.dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(card.dev.fd, "retrieve device");
}

static void bind_device(void)
{
	get_device();
	check(vfio_dev_bind(&card.dev), "bind");
}

static void stage_2(void)
{
	unsigned int before;
	int irq, latched;

	ksft_set_plan(4);
	bind_device();
	latched = vfio_dev_msix_pending(&card.dev, 0);
	map_memory(luo_retrieve_fd(session, MEMORY_TOKEN));
	attach_and_arm();
	check(irq_of_vectors(card.dev.bdf, &irq, 0, 1), "/proc/interrupts");
	ksft_test_result(signals_exactly(event, irq, latched),
			 "what the device has latched (%d) is delivered before FINISH\n", latched);

	check(luo_finish(session), "finish");
	ksft_test_result(signals_exactly(event, irq, 1),
			 "FINISH gives the vector exactly one interrupt\n");

	before = card.record->received;
	receive();
	ksft_print_msg("%u frames, then %u\n", before, card.record->received - before);
	ksft_test_result(card.record->received - before >= FRAMES && !card.wrong_numbers,
			 "the interrupt of FINISH leads to all frames since the last look\n");
	ksft_test_result(receive_until(card.record->received + FRAMES) && !card.wrong_numbers,
			 "the device keeps working, no frame is lost or duplicated\n");
	if (!stay())
		ksft_finished();
	for (;;)
		pause();
}

/*
 * A card that cannot read its ring takes all entries for empty ones, and skips them. So it
 * is made a bus master again only when it is attached.
 */
static bool receives_once_attached(void)
{
	unsigned int waiting = receiver_waiting(&card);

	check(dma_attach(&card.dev, card.memory, RECEIVER_PAGES), "attach");
	check(vfio_dev_set_bus_master(&card.dev), "bus master");
	return receiver_frames(&card, SECOND_MS) > waiting && !card.wrong_numbers;
}

/* Like any other device, after a reset */
static bool receives_once_opened(void)
{
	munmap(card.registers, card.registers_size);
	vfio_dev_close(&card.dev);
	memset(card.record, 0, sizeof(*card.record));
	open_device();
	attach_and_arm();
	start();
	return receiver_frames(&card, SECOND_MS) && !card.wrong_numbers;
}

/*
 * The card has enough entries, and is given no more meanwhile: QEMU would take that as a
 * reason to pass it a frame, bus master or not.
 */
static bool nothing_arrives(void)
{
	unsigned int waiting = receiver_waiting(&card);

	sleep(1);
	return receiver_waiting(&card) == waiting && waiting < ENOUGH;
}

static void stage_2_unattached(bool killed)
{
	unsigned int before, frames;

	ksft_set_plan(3);
	if (killed) {
		let_die(bind_device);
		get_device();
	} else {
		bind_device();
	}
	map_memory(luo_retrieve_fd(session, MEMORY_TOKEN));
	receiver_map_registers(&card);

	before = card.record->received;
	receiver_take_frames(&card);
	frames = card.record->received - before;
	ksft_test_result(frames && receiver_frames(&card, SECOND_MS) && !card.wrong_numbers,
			 "%u frames have arrived without an owner, others do\n", frames);

	check(luo_finish(session), "finish");
	ksft_test_result(nothing_arrives(), "nothing arrives after FINISH\n");
	ksft_test_result(killed ? receives_once_opened() : receives_once_attached(),
			 "frames arrive once the device is attached\n");
	ksft_finished();
}

static void stage_2_refused(void)
{
	ksft_set_plan(3);
	bind_device();
	map_memory(luo_retrieve_fd(session, MEMORY_TOKEN));
	receiver_map_registers(&card);

	ksft_test_result(nothing_arrives(), "nothing arrives before FINISH\n");
	check(luo_finish(session), "finish");
	ksft_test_result(nothing_arrives(), "nothing arrives after FINISH\n");
	ksft_test_result(receives_once_opened(), "frames arrive once the device is opened again\n");
	ksft_finished();
}

static bool msix_is_off(void)
{
	__u8 config[PCI_CFG_SPACE_EXP_SIZE];
	unsigned int cap;

	check(pci_config_read(bdf, config), "configuration space");
	cap = pci_config_capability(config, PCI_CAP_ID_MSIX);
	return !(pci_config_get(config, cap + PCI_MSIX_FLAGS, 2) &
		 (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
}

static bool receives_by_intx(void)
{
	unsigned int wanted = card.record->received + FRAMES;

	while (card.record->received < wanted) {
		if (!signals_wait(event, 1))
			return false;
		receiver_acknowledge_intx(&card);
		receiver_take_frames(&card);
		check(vfio_dev_unmask_intx(&card.dev), "unmask INTx");
	}

	return !card.wrong_numbers;
}

/* With MSI-X enabled, as the old kernel has left it, the device would not use INTx. */
static void stage_2_intx(void)
{
	ksft_set_plan(3);
	bind_device();
	map_memory(luo_retrieve_fd(session, MEMORY_TOKEN));
	check(dma_attach(&card.dev, card.memory, RECEIVER_PAGES), "attach");
	receiver_map_registers(&card);
	event = signals_create();
	check(vfio_dev_arm_intx(&card.dev, event), "arm INTx");
	ksft_test_result(msix_is_off(), "MSI-X is disabled when INTx is armed\n");

	/* INTx tells of what arrives from now on, and the ring may be full. */
	receiver_enable_intx(&card);
	receiver_take_frames(&card);
	ksft_test_result(receives_by_intx(), "frames arrive by INTx before FINISH\n");
	check(luo_finish(session), "finish");
	ksft_test_result(receives_by_intx(), "frames arrive by INTx after FINISH\n");
	ksft_finished();
}

static void stage_2_of(const char *how)
{
	session = luo_retrieve_session(SESSION);
	check(session, "session");
	if (!how)
		stage_2();
	else if (!strcmp(how, "refused"))
		stage_2_refused();
	else if (!strcmp(how, "intx"))
		stage_2_intx();
	else
		stage_2_unattached(!strcmp(how, "killed"));
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if (argc < 4 || argc > 5 || strcmp(argv[1], "-s"))
		ksft_exit_fail_msg("usage: %s -s 1|2 BDF [unattached|killed|refused|intx]\n",
				   argv[0]);
	require_liveupdate();

	bdf = argv[3];
	if (!strcmp(argv[2], "1"))
		stage_1();
	else
		stage_2_of(argv[4]);
}
