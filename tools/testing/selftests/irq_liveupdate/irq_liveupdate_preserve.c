// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be preserved, what is refused, and that a cancelled live update
 * leaves a device as it was. Needs no kexec:
 *
 *	irq_liveupdate_preserve BDF
 *
 * with an MSI-X device that is bound to vfio-pci and not in use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "kselftest.h"

#include "luo.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_preserve"
#define TOKEN		1
#define VECTORS		2
#define PAGE_BYTES	4096

static const char *bdf;

static void open_device(struct vfio_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	if (vfio_dev_open_cdev(dev, bdf) || vfio_dev_bind(dev))
		ksft_exit_fail_msg("%s: cannot be opened\n", bdf);
	if (vfio_dev_set_bus_master(dev))
		ksft_exit_fail_msg("%s: no bus master\n", bdf);
}

static void arm_vectors(struct vfio_dev *dev)
{
	int eventfds[VECTORS], i;

	for (i = 0; i < VECTORS; i++)
		eventfds[i] = eventfd(0, EFD_NONBLOCK);
	if (vfio_dev_arm(dev, 0, VECTORS, eventfds))
		ksft_exit_fail_msg("%s: vectors cannot be armed\n", bdf);
}

static int open_session(const char *name)
{
	int session = luo_create_session(name);

	if (session < 0)
		ksft_exit_fail_msg("no session: %s\n", strerror(-session));

	return session;
}

static void expect_refused(struct vfio_dev *dev, const char *what)
{
	int session = open_session(SESSION);
	int ret = luo_preserve_fd(session, dev->fd, TOKEN);

	ksft_test_result(ret < 0, "%s is refused\n", what);
	close(session);
}

static void test_unbound_file(void)
{
	struct vfio_dev dev = { };

	if (vfio_dev_open_cdev(&dev, bdf))
		ksft_exit_fail_msg("%s: no cdev\n", bdf);
	expect_refused(&dev, "a file that is not bound to an iommufd");
	vfio_dev_close(&dev);
}

static void test_intx(void)
{
	struct vfio_dev dev;

	open_device(&dev);
	if (vfio_dev_arm_intx(&dev, eventfd(0, EFD_NONBLOCK)))
		ksft_test_result_skip("INTx in use: the device has none\n");
	else
		expect_refused(&dev, "INTx in use");
	vfio_dev_close(&dev);
}

static void test_mapped_dma(void)
{
	void *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	struct vfio_dev dev;

	open_device(&dev);
	arm_vectors(&dev);
	if (vfio_dev_map_dma(&dev, page, PAGE_BYTES))
		ksft_exit_fail_msg("%s: DMA cannot be mapped\n", bdf);
	expect_refused(&dev, "mapped DMA");
	vfio_dev_close(&dev);
	free(page);
}

static void test_preserved_twice(void)
{
	int first, second, ret, again;
	struct vfio_dev dev;

	open_device(&dev);
	arm_vectors(&dev);
	first = open_session(SESSION);
	second = open_session(SESSION "2");

	ret = luo_preserve_fd(first, dev.fd, TOKEN);
	ksft_test_result(!ret, "armed vectors with nothing mapped are preserved\n");
	again = luo_preserve_fd(second, dev.fd, TOKEN);
	ksft_test_result(!ret && again < 0, "a device that is preserved already is refused\n");

	close(second);
	close(first);
	vfio_dev_close(&dev);
}

struct device_state {
	struct msix_entry entries[VECTORS];
	__u16 command;
	__u16 control;
};

static struct device_state device_state(struct vfio_dev *dev)
{
	struct device_state state;
	int i;

	memset(&state, 0, sizeof(state));
	for (i = 0; i < VECTORS; i++)
		state.entries[i] = vfio_dev_msix_entry(dev, i);
	vfio_dev_config_read(dev, PCI_COMMAND, &state.command, sizeof(state.command));
	vfio_dev_config_read(dev, dev->msix_cap + PCI_MSIX_FLAGS, &state.control,
			     sizeof(state.control));

	return state;
}

static void test_cancel(void)
{
	struct device_state before, during, after;
	struct vfio_dev dev;
	int session, ret;

	open_device(&dev);
	arm_vectors(&dev);

	before = device_state(&dev);
	session = open_session(SESSION);
	ret = luo_preserve_fd(session, dev.fd, TOKEN);
	during = device_state(&dev);
	close(session);
	after = device_state(&dev);

	ksft_test_result(!ret && !memcmp(&before, &during, sizeof(before)),
			 "to preserve changes nothing in the device\n");
	ksft_test_result(!ret && !memcmp(&before, &after, sizeof(before)),
			 "to cancel changes nothing in the device\n");
	vfio_dev_close(&dev);
}

static void test_vectors_may_change(void)
{
	struct vfio_dev dev;
	int session, ret;

	open_device(&dev);
	arm_vectors(&dev);
	session = open_session(SESSION);
	ret = luo_preserve_fd(session, dev.fd, TOKEN);
	if (!ret)
		ret = vfio_dev_disarm(&dev);
	if (!ret)
		arm_vectors(&dev);
	ksft_test_result(!ret, "vectors of a preserved device are freed and armed again\n");
	close(session);
	vfio_dev_close(&dev);
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if (argc != 2)
		ksft_exit_skip("usage: %s BDF\n", argv[0]);
	bdf = argv[1];
	if (access("/dev/liveupdate", F_OK))
		ksft_exit_skip("no /dev/liveupdate: boot with liveupdate=on\n");

	ksft_set_plan(8);
	test_unbound_file();
	test_intx();
	test_mapped_dma();
	test_preserved_twice();
	test_cancel();
	test_vectors_may_change();
	ksft_finished();
}
