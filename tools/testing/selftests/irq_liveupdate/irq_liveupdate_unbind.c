// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task that unbinds a device from vfio-pci, removes it, or powers off its slot, waits
 * for the user of the device. Nothing else waits for that: not the kexec, not LUO, no
 * other session.
 *
 *	irq_liveupdate_unbind BDF		before preserve(), and before freeze(): refused
 *
 *	irq_liveupdate_unbind -s 1 WAY BDF LATER [PF]	once the device is frozen
 *	kexec -e
 *	irq_liveupdate_unbind -s 2 WAY BDF	checks that; the same again, and finishes
 *
 * BDF is an MSI-X device that is bound to vfio-pci by driver_override, LATER any other
 * device with that driver that was enumerated later. WAY is "unbound", "removed" or
 * "unplugged". In the last case BDF is in a slot that the kernel can power off; it is gone
 * afterwards. Except in the first case, LATER is in such a slot as well, and is powered
 * off while the lock of all removals is held for BDF; PF is a function whose driver can
 * enable virtual functions, which a task tries to do meanwhile. In the first form a kexec
 * kernel must be loaded: a freeze that does not fail as it should ends the test.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/reboot.h>

#include "kselftest.h"

#include "kmsg.h"
#include "luo.h"
#include "record.h"
#include "signals.h"
#include "test.h"
#include "unbind.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_unbind"
#define RECORD_TOKEN	1
#define DEVICE_TOKEN	2
#define VECTORS		2
#define PAGE_BYTES	4096
#define TIMEOUT_S	30
#define WAIT_MS		5000
#define POLL_MS		10

/* What the next kernel has to know, in a memfd that goes with the session */
struct record {
	bool blocked;
};

static const char *bdf;

static void bind_and_arm(struct vfio_dev *dev)
{
	int eventfds[VECTORS], i;

	for (i = 0; i < VECTORS; i++)
		eventfds[i] = signals_create();
	check(vfio_dev_bind(dev), "bind iommufd");
	check(vfio_dev_set_bus_master(dev), "bus master");
	check(vfio_dev_arm(dev, 0, VECTORS, eventfds), "arm");
}

static void open_device(struct vfio_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	check(vfio_dev_open_cdev(dev, bdf), "open");
	bind_and_arm(dev);
}

static int open_session(void)
{
	int session = luo_create_session(SESSION);

	check(session, "session");

	return session;
}

/* With this error, and one line that gives the reason. */
static bool refused(int kmsg, int error)
{
	unsigned int lines = kmsg_count_and_close(kmsg, bdf, "being unbound from its driver");

	if (error != ENODEV || lines != 1)
		ksft_print_msg("%s, %u lines\n", strerror(error), lines);

	return error == ENODEV && lines == 1;
}

static bool others_go_on(void)
{
	int session = luo_create_session(SESSION "_other"), memfd = memfd_create("other", 0);
	bool ok;

	ok = session >= 0 && memfd >= 0 && !ftruncate(memfd, PAGE_BYTES) &&
	     !luo_preserve_fd(session, memfd, RECORD_TOKEN);
	close(session);
	close(memfd);

	return ok;
}

static void test_before_prepare(const struct unbind_way *way)
{
	struct vfio_dev dev;
	int session, kmsg;
	pid_t child;

	open_device(&dev);
	child = unbind_start(way, bdf);
	session = open_session();
	kmsg = kmsg_from_now();
	ksft_test_result(refused(kmsg, -luo_preserve_fd(session, dev.fd, DEVICE_TOKEN)),
			 "the device is not preserved while it is being %s\n", way->name);
	close(session);
	vfio_dev_close(&dev);
	ksft_test_result(unbind_ends(child), "the device is %s when its user closes it\n",
			 way->name);
	way->back(bdf);
}

static void test_before_freeze(const struct unbind_way *way)
{
	struct vfio_dev dev;
	int session, kmsg;
	pid_t child;

	open_device(&dev);
	session = open_session();
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve");
	child = unbind_start(way, bdf);
	kmsg = kmsg_from_now();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	ksft_test_result(refused(kmsg, errno),
			 "the preserved device is not frozen while it is being %s\n", way->name);
	ksft_test_result(others_go_on(), "others use LUO meanwhile\n");
	close(session);
	vfio_dev_close(&dev);
	ksft_test_result(unbind_ends(child),
			 "the device is %s when the session and its user are gone\n", way->name);
	way->back(bdf);
}

/* How many tasks of this name wait uninterruptibly, for example for a lock */
static unsigned int nr_waiting(const char *name)
{
	unsigned int nr = 0;
	char command[64];
	FILE *list;

	snprintf(command, sizeof(command), "grep -lse '%s) D' /proc/[0-9]*/stat", name);
	list = popen(command, "r");
	if (!list)
		ksft_exit_fail_perror(name);
	while (fgets(command, sizeof(command), list))
		nr++;
	pclose(list);

	return nr;
}

/* Wait until one more task of this name waits for the task that removes BDF. */
static void begin_until_waiting(const struct unbind_way *way, const char *device,
				const char *name)
{
	unsigned int before = nr_waiting(name), waited;

	unbind_begin(way, device);
	for (waited = 0; nr_waiting(name) == before; waited += POLL_MS) {
		if (waited >= WAIT_MS)
			ksft_exit_fail_msg("nobody waits: %s\n", name);
		usleep(POLL_MS * 1000);
	}
}

/* Both ports and functions that are not handed over are shut down later. */
static void need_the_lock(const char *later, const char *pf)
{
	static const struct unbind_way enabled = {
		.name		= "given virtual functions",
		.command	= "echo 1 > /sys/bus/pci/devices/%s/sriov_numvfs",
	};

	begin_until_waiting(&unbind_unplugged, later, "-pciehp");
	if (pf)
		begin_until_waiting(&enabled, pf, "sh");
}

static void stage_1(const struct unbind_way *way, const char *later, const char *pf)
{
	int memfd = record_create(sizeof(struct record)), session;
	struct record *record = record_map(memfd, sizeof(*record));
	struct vfio_dev dev, later_dev = { };

	open_device(&dev);
	session = open_session();
	check(luo_preserve_fd(session, memfd, RECORD_TOKEN), "preserve record");
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve device");
	unbind_hold_up_jump(&later_dev, later);
	if (!stay())
		ksft_exit_pass();
	unbind_wait_until_frozen(&dev);
	unbind_start(way, bdf);
	if (way->locked)
		need_the_lock(later, pf);
	record->blocked = true;
	vfio_dev_close(&later_dev);
	pause();
}

static void stage_2(const struct unbind_way *way)
{
	int session = luo_retrieve_session(SESSION), memfd;
	const struct record *record;
	struct vfio_dev dev = { };
	pid_t child;

	ksft_set_plan(5);
	check(session, "session");
	memfd = luo_retrieve_fd(session, RECORD_TOKEN);
	check(memfd, "retrieve record");
	record = record_map(memfd, sizeof(*record));
	ksft_test_result(record->blocked,
			 "the device was being %s when the old kernel went down\n", way->name);
	ksft_test_result(vfio_dev_open_cdev(&dev, bdf) == -EBUSY,
			 "the cdev of the device cannot be opened\n");

	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve device");
	bind_and_arm(&dev);
	child = unbind_start(way, bdf);
	ksft_test_result(!luo_finish(session), "FINISH while the device is being %s\n", way->name);
	ksft_test_result(others_go_on(), "others use LUO meanwhile\n");
	close(session);
	vfio_dev_close(&dev);
	ksft_test_result(unbind_ends(child), "the device is %s when its user closes it\n",
			 way->name);
	way->back(bdf);
	ksft_finished();
}

static void before_the_jump(void)
{
	static const struct unbind_way *const ways[] = { &unbind_unbound, &unbind_removed };
	unsigned int i;

	ksft_set_plan(5 * ARRAY_SIZE(ways));
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		test_before_prepare(ways[i]);
		test_before_freeze(ways[i]);
	}
	ksft_finished();
}

int main(int argc, char *argv[])
{
	int stage = argc > 2 && !strcmp(argv[1], "-s") ? atoi(argv[2]) : 0;
	const struct unbind_way *way;

	ksft_print_header();
	if (argc != (stage == 1 ? 6 : stage == 2 ? 5 : 2) && !(stage == 1 && argc == 7))
		ksft_exit_fail_msg("usage: %s BDF | -s 1 WAY BDF LATER [PF] | -s 2 WAY BDF\n",
				   argv[0]);
	bdf = argv[stage ? 4 : 1];
	way = stage ? unbind_way_of(argv[3]) : NULL;
	require_liveupdate();
	alarm(TIMEOUT_S);

	if (stage == 1)
		stage_1(way, argv[5], argv[6]);
	else if (stage == 2)
		stage_2(way);
	else
		before_the_jump();
}
