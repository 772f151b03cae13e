// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the next kernel, before a device that was handed over is opened: nothing
 * that happens to its siblings resets it.
 *
 *	irq_liveupdate_neighbour BDF SIBLING PORT
 *
 * SIBLING is another function of the device; vfio-pci cannot reset one without
 * the other. Both are bound to vfio-pci, and PORT is above them.
 *
 *	irq_liveupdate_neighbour -f BDF SIBLING PORT
 *
 * is the positive control: after FINISH, with nobody using the device any more,
 * the same resets are done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "kselftest.h"

#include "state.h"
#include "test.h"
#include "vfio_dev.h"

static const char *bdf, *sibling, *port;
static struct device_state before;

static bool unchanged(void)
{
	static struct device_state now;

	state_read(bdf, &now);

	return state_same(&before, &now);
}

static void open_sibling(struct vfio_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	check(vfio_dev_open_cdev(dev, sibling), sibling);
	check(vfio_dev_bind_plain(dev), sibling);
}

static void test_close(void)
{
	struct vfio_dev dev;

	open_sibling(&dev);
	ksft_test_result(unchanged(), "opening a sibling does not change it\n");
	vfio_dev_close(&dev);
	ksft_test_result(unchanged(), "closing a sibling does not reset it\n");
}

/* Expected result of the resets: 0, or the error with which they are refused */
static void expect_reset(int ret, int wanted, const char *what)
{
	if (ret != wanted)
		ksft_print_msg("%s\n", ret ? strerror(-ret) : "done");
	if (wanted)
		ksft_test_result(ret == wanted && unchanged(), "%s is refused with %s\n", what,
				 strerrorname_np(-wanted));
	else
		ksft_test_result(!ret, "%s is done\n", what);
}

static void test_hot_reset(int wanted)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	struct vfio_dev dev;
	int ret;

	open_sibling(&dev);
	ret = ioctl(dev.fd, VFIO_DEVICE_PCI_HOT_RESET, &reset) ? -errno : 0;
	expect_reset(ret, wanted, "a hot reset of a sibling");
	vfio_dev_close(&dev);
}

static void test_reset_subordinate(int wanted)
{
	char path[80];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_subordinate", port);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		ksft_exit_fail_perror(path);
	ret = write(fd, "1", 1) < 0 ? -errno : 0;
	expect_reset(ret, wanted, "a reset of the bus");
	close(fd);
}

static void test_incoming(void)
{
	ksft_set_plan(5);
	state_read(bdf, &before);
	ksft_test_result(state_handed_over(&before), "it is masked, enabled and a bus master\n");
	test_close();
	test_hot_reset(-EBUSY);
	test_reset_subordinate(-EBUSY);
}

static void test_finished(void)
{
	ksft_set_plan(2);
	test_hot_reset(0);
	test_reset_subordinate(0);
}

int main(int argc, char *argv[])
{
	bool finished = argc == 5 && !strcmp(argv[1], "-f");

	ksft_print_header();
	if (argc != 4 && !finished)
		ksft_exit_fail_msg("usage: %s [-f] BDF SIBLING PORT\n", argv[0]);
	bdf = require_device(argv[argc - 3]);
	sibling = require_device(argv[argc - 2]);
	port = argv[argc - 1];

	if (finished)
		test_finished();
	else
		test_incoming();
	ksft_finished();
}
