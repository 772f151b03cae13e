// SPDX-License-Identifier: GPL-2.0-only
/*
 * The physical function of a virtual function that is handed over is bound to a kernel
 * driver that keeps its virtual functions. The physical function is unbound from that driver
 * or removed, or its virtual functions are disabled. The task that does this waits for the
 * users of virtual functions, and neither the jump nor LUO waits for the task.
 *
 *	irq_liveupdate_vf_kept_unbind PF	before preserve(), and before freeze(): refused
 *
 *	irq_liveupdate_vf_kept_unbind -s 1 WAY PF LATER	once the virtual function is frozen
 *	kexec -e
 *	irq_liveupdate_vf_kept_unbind -s 2 WAY PF	checks that; it keeps working
 *
 * PF is the physical function, with two virtual ones. WAY is "unbound", "rebound", "removed" or
 * "unplugged". LATER is any other device that is bound to vfio-pci and was enumerated later. In
 * the next kernel the first virtual function is bound to vfio-pci. In the first form a kexec
 * kernel must be loaded: a freeze that does not fail as it should ends the test. The driver of
 * PF, which binds to it by itself, disables virtual functions when it is unbound.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/reboot.h>

#include "kselftest.h"

#include "kmsg.h"
#include "luo.h"
#include "record.h"
#include "signals.h"
#include "sysfs.h"
#include "test.h"
#include "unbind.h"
#include "vfio_dev.h"
#include "virtfn.h"

#define SESSION		"irq_liveupdate_vf_kept_unbind"
#define RECORD_TOKEN	1
#define DEVICE_TOKEN	2
#define VECTORS		2
#define TIMEOUT_S	120

#define NR_VFS		2

/* What the next kernel has to know, in a memfd that goes with the session */
struct record {
	bool taken;
};

static const char *pf_bdf;
static char vf_bdf[NR_VFS][VIRTFN_BDF_BYTES];
static int eventfds[VECTORS];

static void run(const char *bdf, const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "cd /sys/bus/pci/devices/%s && bdf=%s && { %s; }", bdf, bdf,
		 command);
	if (system(line))
		ksft_exit_fail_msg("%s\n", line);
}

static void bind_to_vfio(const char *bdf)
{
	run(bdf, "echo vfio-pci > driver_override && echo $bdf > /sys/bus/pci/drivers_probe");
}

static void enable_vfs(void)
{
	unsigned int i;

	run(pf_bdf, "echo 0 > sriov_drivers_autoprobe");
	virtfn_enable(pf_bdf, NR_VFS);
	virtfn_find(pf_bdf, NR_VFS, vf_bdf);
	for (i = 0; i < NR_VFS; i++)
		bind_to_vfio(vf_bdf[i]);
}

static void bring_back(void)
{
	if (system("echo 1 > /sys/bus/pci/rescan"))
		ksft_exit_fail_msg("rescan\n");
	run(pf_bdf, "echo $bdf > /sys/bus/pci/drivers_probe");
	virtfn_enable(pf_bdf, 0);
}

static void bind_and_arm(struct vfio_dev *dev)
{
	unsigned int i;

	for (i = 0; i < VECTORS; i++)
		eventfds[i] = signals_create();
	check(vfio_dev_bind(dev), "bind iommufd");
	check(vfio_dev_set_bus_master(dev), "bus master");
	check(vfio_dev_arm(dev, 0, VECTORS, eventfds), "arm");
}

static void open_device(struct vfio_dev *dev, const char *bdf)
{
	memset(dev, 0, sizeof(*dev));
	check(vfio_dev_open_cdev(dev, bdf), bdf);
	bind_and_arm(dev);
}

static int create_session(void)
{
	int session = luo_create_session(SESSION);

	check(session, "session");

	return session;
}

/* Disabling virtual functions removes them, in order. */
static pid_t take(const struct unbind_way *way)
{
	return unbind_start_until(way, pf_bdf, vf_bdf[0]);
}

/* With this error, and one line that gives the reason */
static bool refused(int kmsg, int error)
{
	unsigned int lines = kmsg_count_and_close(kmsg, vf_bdf[1],
			"its physical function is being bound, unbound or configured");

	if (error != EBUSY || lines != 1)
		ksft_print_msg("%s, %u lines\n", strerror(error), lines);

	return error == EBUSY && lines == 1;
}

static void open_all(struct vfio_dev devs[NR_VFS])
{
	unsigned int i;

	enable_vfs();
	for (i = 0; i < NR_VFS; i++)
		open_device(&devs[i], vf_bdf[i]);
}

static void test_that_it_ends(const struct unbind_way *way, pid_t child, int session,
			      struct vfio_dev devs[NR_VFS])
{
	unsigned int i;

	close(session);
	for (i = 0; i < NR_VFS; i++)
		vfio_dev_close(&devs[i]);
	ksft_test_result(unbind_ends(child),
			 "the physical function is %s when the users are gone\n", way->name);
	bring_back();
}

/*
 * The first virtual function is not preserved, but the task that takes it away waits for its
 * user. The second one is refused.
 */
static void test_before_prepare(const struct unbind_way *way)
{
	struct vfio_dev devs[NR_VFS];
	int session, kmsg;
	pid_t child;

	open_all(devs);
	child = take(way);
	session = create_session();
	kmsg = kmsg_from_now();
	ksft_test_result(refused(kmsg, -luo_preserve_fd(session, devs[1].fd, DEVICE_TOKEN)),
			 "its physical function is being %s, it is not preserved\n", way->name);
	test_that_it_ends(way, child, session, devs);
}

static void test_before_freeze(const struct unbind_way *way)
{
	struct vfio_dev devs[NR_VFS];
	int session, kmsg;
	pid_t child;

	open_all(devs);
	session = create_session();
	check(luo_preserve_fd(session, devs[1].fd, DEVICE_TOKEN), "preserve");
	child = take(way);
	kmsg = kmsg_from_now();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	ksft_test_result(refused(kmsg, errno),
			 "its physical function is being %s, it is not frozen\n", way->name);
	test_that_it_ends(way, child, session, devs);
}

/* From preserve() on, the number of virtual functions does not change. */
static void before_the_jump(void)
{
	ksft_set_plan(10);
	test_before_prepare(&unbind_unbound);
	test_before_prepare(&unbind_removed);
	test_before_prepare(&unbind_disabled);
	test_before_freeze(&unbind_unbound);
	test_before_freeze(&unbind_removed);
	ksft_finished();
}

static bool has_driver(const char *bdf)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);

	return !access(path, F_OK);
}

/*
 * Powering off a slot removes its last function first, and waits for the user of the virtual
 * one. In the other cases the physical function keeps its driver, and nothing is taken away.
 */
static bool taken_while_frozen(const struct unbind_way *way)
{
	if (way == &unbind_unplugged) {
		take(way);
		return true;
	}

	return unbind_waits(unbind_begin(way, pf_bdf)) && has_driver(pf_bdf) &&
	       is_vfio_device(vf_bdf[1]);
}

static void stage_1(const struct unbind_way *way, const char *later)
{
	int memfd = record_create(sizeof(struct record)), session;
	struct record *record = record_map(memfd, sizeof(*record));
	struct vfio_dev dev, later_dev = { };

	enable_vfs();
	open_device(&dev, vf_bdf[0]);
	session = create_session();
	check(luo_preserve_fd(session, memfd, RECORD_TOKEN), "preserve record");
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve device");
	unbind_hold_up_jump(&later_dev, later);
	if (!stay())
		ksft_exit_pass();
	unbind_wait_until_frozen(&dev);
	record->taken = taken_while_frozen(way);
	vfio_dev_close(&later_dev);
	pause();
}

/* As in liveupdate/outcome */

static bool outcomes_are(const char *of_virtual, const char *of_physical)
{
	return sysfs_is(vf_bdf[0], "liveupdate/outcome", of_virtual) &&
	       sysfs_is(pf_bdf, "liveupdate/outcome", of_physical);
}

static bool interrupted(void)
{
	unsigned int i, missing = 0;

	for (i = 0; i < VECTORS; i++)
		missing += signals_wait(eventfds[i], 1) != 1;

	return !missing;
}

static void stage_2(const struct unbind_way *way)
{
	int session = luo_retrieve_session(SESSION), memfd;
	const struct record *record;
	struct vfio_dev dev = { };

	ksft_set_plan(5);
	check(session, "session");
	virtfn_find(pf_bdf, NR_VFS, vf_bdf);
	memfd = luo_retrieve_fd(session, RECORD_TOKEN);
	check(memfd, "retrieve record");
	record = record_map(memfd, sizeof(*record));
	ksft_test_result(record->taken,
			 "%s was being %s when the old kernel went down\n", pf_bdf, way->name);
	ksft_test_result(outcomes_are("incoming", "keeping"),
			 "the physical function has kept the virtual function\n");
	snprintf(dev.bdf, sizeof(dev.bdf), "%s", vf_bdf[0]);
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve device");
	bind_and_arm(&dev);
	ksft_test_result(!luo_finish(session), "FINISH\n");
	ksft_test_result(interrupted(), "FINISH gives each vector its interrupt\n");
	ksft_test_result(outcomes_are("adopted", "cold"),
			 "the physical function is an ordinary one\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	int stage = argc > 2 && !strcmp(argv[1], "-s") ? atoi(argv[2]) : 0;

	ksft_print_header();
	if (argc != (stage == 1 ? 6 : stage == 2 ? 5 : 2))
		ksft_exit_fail_msg("usage: %s PF | -s 1 WAY PF LATER | -s 2 WAY PF\n", argv[0]);
	require_liveupdate();
	alarm(TIMEOUT_S);
	pf_bdf = argv[stage ? 4 : 1];
	if (stage == 1)
		stage_1(unbind_way_of(argv[3]), argv[5]);
	else if (stage == 2)
		stage_2(unbind_way_of(argv[3]));
	else
		before_the_jump();
}
