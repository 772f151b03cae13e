// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live update of a virtual function of a virtio network card, whose physical function is
 * not handed over: a driver of the kernel keeps its virtual functions.
 *
 *	irq_liveupdate_vf_kept -s 1 BDF PF	receives until a kernel is loaded
 *	kexec -e
 *	irq_liveupdate_vf_kept -s 2 BDF PF	receives what has come since, and continues
 *	irq_liveupdate_vf_kept -c 2 BDF PF	it is not given back
 *	irq_liveupdate_vf_kept -e 2 BDF PF	does not retrieve it
 *	irq_liveupdate_vf_kept -f 2 BDF PF	starts it like any other device
 *
 * BDF is the virtual function, which is bound to vfio-pci, PF the physical one. Numbered
 * frames are sent to BDF all the time. The first stage stops looking once a kernel is
 * loaded.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "luo.h"
#include "signals.h"
#include "sysfs.h"
#include "test.h"
#include "virtio_net.h"

#define SESSION		"irq_liveupdate_vf_kept"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2

#define FRAMES		32		/* that have to arrive, before and after */

static struct virtio_net card;
static const char *bdf, *physical;
static int session, event;

static void map_memory(int memfd)
{
	void *memory;

	check(memfd, "memfd");
	memory = dma_map(memfd, VIRTIO_NET_PAGES);
	if (!memory)
		ksft_exit_fail_perror("map memory");
	virtio_net_use_memory(&card, memory);
}

static void attach_and_arm(void)
{
	check(dma_attach(&card.dev, card.memory, VIRTIO_NET_PAGES), "attach");
	event = signals_create();
	check(vfio_dev_arm(&card.dev, 0, 1, &event), "arm");
}

static bool receive_until(__u32 received)
{
	while (card.record->received < received) {
		if (!signals_wait(event, 1))
			return false;
		virtio_net_take_frames(&card);
	}

	return !card.wrong_numbers;
}

/* Writing a value to the attribute of a device in sysfs fails with this error. */
static bool is_refused(const char *device, const char *attribute, const char *value, int err)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device, attribute);
	f = fopen(path, "w");
	if (!f)
		ksft_exit_fail_perror(path);
	fputs(value, f);

	return fclose(f) && errno == err;
}

static void start(void)
{
	check(vfio_dev_open_cdev(&card.dev, bdf), "open");
	check(vfio_dev_bind(&card.dev), "bind");
	check(vfio_dev_set_bus_master(&card.dev), "bus master");
	virtio_net_map_registers(&card);
	attach_and_arm();
	virtio_net_start(&card);
}

static void stage_1(void)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	int memfd = dma_create(VIRTIO_NET_PAGES);

	session = luo_create_session(SESSION);
	check(session, "session");
	check(memfd, "memfd");
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
	map_memory(memfd);
	start();
	ksft_set_plan(3);
	ksft_test_result(receive_until(FRAMES), "the virtual function receives\n");
	check(luo_preserve_fd(session, card.dev.fd, DEVICE_TOKEN), "preserve device");
	ksft_test_result(sysfs_is(physical, "liveupdate/preservable",
				  "no: a virtual function of it is preserved"),
			 "the physical function is part of the live update\n");
	ksft_test_result(is_refused(physical, "sriov_numvfs", "0", EBUSY),
			 "the number of virtual functions stays\n");
	if (!stay())
		ksft_finished();

	while (!next_kernel_loaded()) {
		virtio_net_take_frames(&card);
		signals_read(event);
		nanosleep(&tick, NULL);
	}
	for (;;)
		pause();
}

static void stage_2(void)
{
	__u32 before;

	ksft_set_plan(7);
	snprintf(card.dev.bdf, sizeof(card.dev.bdf), "%s", bdf);
	card.dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(card.dev.fd, "retrieve device");
	check(vfio_dev_bind(&card.dev), "bind");
	map_memory(luo_retrieve_fd(session, MEMORY_TOKEN));
	virtio_net_map_registers(&card);

	ksft_test_result(virtio_net_running(&card), "the virtual function is running\n");
	ksft_test_result(sysfs_is(bdf, "liveupdate/outcome", "incoming") &&
			 sysfs_is(physical, "liveupdate/outcome", "keeping"),
			 "the physical function keeps the virtual function\n");
	ksft_test_result(is_refused(physical, "reset", "1", EBUSY),
			 "the physical function is not reset\n");

	attach_and_arm();
	before = card.record->received;
	ksft_test_result(receive_until(before + FRAMES),
			 "no frame is lost since the old kernel looked\n");
	check(luo_finish(session), "finish");
	ksft_test_result(signals_wait(event, 1) >= 1, "FINISH gives the vector an interrupt\n");
	ksft_test_result(sysfs_is(bdf, "liveupdate/outcome", "adopted") &&
			 sysfs_is(physical, "liveupdate/outcome", "cold"),
			 "the physical function is an ordinary one\n");
	virtio_net_take_frames(&card);
	ksft_test_result(receive_until(card.record->received + FRAMES),
			 "the device keeps working\n");
	if (!stay())
		ksft_finished();
	for (;;)
		pause();
}

static void stage_2_without(bool ask)
{
	ksft_set_plan(1);
	ksft_test_result(!ask || luo_retrieve_fd(session, DEVICE_TOKEN) == -ENODEV,
			 "the virtual function is not given back\n");
	check(luo_finish(session), "finish");
	ksft_finished();
}

static void start_cold(void)
{
	ksft_set_plan(1);
	map_memory(dma_create(VIRTIO_NET_PAGES));
	start();
	ksft_test_result(receive_until(FRAMES), "the virtual function starts cold\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	char how = argc == 5 && argv[1][0] == '-' ? argv[1][1] : '\0';

	ksft_print_header();
	if (!how || !strchr("scef", how))
		ksft_exit_fail_msg("usage: %s -s|-c|-e|-f 1|2 BDF PF\n", argv[0]);
	require_liveupdate();
	bdf = argv[3];
	physical = argv[4];

	if (!strcmp(argv[2], "1"))
		stage_1();
	else if (how == 'f')
		start_cold();
	session = luo_retrieve_session(SESSION);
	check(session, "session");
	if (how == 's')
		stage_2();
	else
		stage_2_without(how == 'c');
}
