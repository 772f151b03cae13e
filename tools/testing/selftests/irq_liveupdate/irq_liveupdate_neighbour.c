// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the next kernel, before anybody has opened a device that was handed over:
 * what happens to its neighbours does not reset it.
 *
 *	irq_liveupdate_neighbour BDF SIBLING PORT
 *
 * SIBLING is another function of the device, of which vfio-pci cannot reset the
 * one without the other. Both are bound to vfio-pci, and PORT is above them.
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
#include "vfio_dev.h"

#define HANDED_OVER	(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)

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
	int ret;

	memset(dev, 0, sizeof(*dev));
	ret = vfio_dev_open_cdev(dev, sibling);
	if (!ret)
		ret = vfio_dev_bind(dev);
	/* It need not have MSI-X. */
	if (ret && ret != -ENOENT)
		ksft_exit_fail_msg("%s: cannot be opened: %s\n", sibling, strerror(-ret));
}

static void test_close(void)
{
	struct vfio_dev dev;

	open_sibling(&dev);
	ksft_test_result(unchanged(), "opening a sibling does not change it\n");
	vfio_dev_close(&dev);
	ksft_test_result(unchanged(), "closing a sibling does not reset it\n");
}

static void test_hot_reset(void)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	struct vfio_dev dev;
	int ret;

	open_sibling(&dev);
	ret = ioctl(dev.fd, VFIO_DEVICE_PCI_HOT_RESET, &reset);
	ksft_test_result(ret && unchanged(), "a hot reset of a sibling is refused\n");
	vfio_dev_close(&dev);
}

static void test_reset_subordinate(void)
{
	char path[80];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_subordinate", port);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		ksft_exit_fail_perror(path);
	ret = write(fd, "1", 1);
	ksft_test_result(ret < 0 && unchanged(), "a reset of the bus is refused\n");
	close(fd);
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if (argc != 4)
		ksft_exit_skip("usage: %s BDF SIBLING PORT\n", argv[0]);
	bdf = argv[1];
	sibling = argv[2];
	port = argv[3];

	ksft_set_plan(5);
	state_read(bdf, &before);
	ksft_test_result((state_msix_control(&before) & HANDED_OVER) == HANDED_OVER &&
			 state_command(&before) & PCI_COMMAND_MASTER,
			 "it is masked, enabled and a bus master\n");
	test_close();
	test_hot_reset();
	test_reset_subordinate();
	ksft_finished();
}
