// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be preserved, what is refused, and that a cancelled live update
 * leaves a device as it was. Needs no kexec:
 *
 *	irq_liveupdate_preserve [BDF]
 *
 * with an MSI-X device that is bound to vfio-pci and not in use. A device that
 * was refused can be preserved once the reason is gone. And
 *
 *	irq_liveupdate_preserve BDF ERROR
 *
 * for a device or machine that cannot do it: there is one line in the kernel's
 * log, or none if no file handler knows the file (ENOENT). Once the reason is gone,
 * the positive control of that has the ERROR 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "kselftest.h"

#include "kmsg.h"
#include "luo.h"
#include "signals.h"
#include "state.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_preserve"
#define TOKEN		1
#define VECTORS		2

static const char *bdf;

static void open_device(struct vfio_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	if (vfio_dev_open_cdev(dev, bdf) || vfio_dev_bind(dev))
		ksft_exit_fail_msg("%s: cannot be opened\n", bdf);
	if (vfio_dev_set_bus_master(dev))
		ksft_exit_fail_msg("%s: cannot be made a bus master\n", bdf);
}

static void arm_vectors(struct vfio_dev *dev)
{
	int eventfds[VECTORS], i;

	for (i = 0; i < VECTORS; i++)
		eventfds[i] = signals_create();
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

/* With one error, and one line that gives the reason. No handler for the file: LUO logs nothing. */
static void expect_refused(int fd, const char *error, const char *reason)
{
	unsigned int wanted = strcmp(error, "ENOENT") ? 1 : 0;
	int session = open_session(SESSION), kmsg = kmsg_from_now();
	int ret = luo_preserve_fd(session, fd, TOKEN);
	unsigned int lines = kmsg_count_and_close(kmsg, bdf, NULL);
	const char *got = strerrorname_np(-ret) ?: "nothing";

	if (strcmp(got, error) || lines != wanted)
		ksft_print_msg("%s, %u lines\n", got, lines);
	ksft_test_result(!strcmp(got, error) && lines == wanted, "%s is refused with %s, %u line\n",
			 reason, error, wanted);
	close(session);
}

/* The positive control of a refusal: without its reason the same device is preserved. */
static void expect_preserved(int fd, const char *why)
{
	int session = open_session(SESSION);
	int ret = luo_preserve_fd(session, fd, TOKEN);

	if (ret)
		ksft_print_msg("%s\n", strerror(-ret));
	ksft_test_result(!ret, "%s is preserved\n", why);
	close(session);
}

static void test_unbound_file(void)
{
	struct vfio_dev dev = { };

	if (vfio_dev_open_cdev(&dev, bdf))
		ksft_exit_fail_msg("%s: no cdev\n", bdf);
	expect_refused(dev.fd, "EINVAL", "a file that is not bound to an iommufd");
	check(vfio_dev_bind(&dev), "bind");
	expect_preserved(dev.fd, "a file that is bound");
	vfio_dev_close(&dev);
}

static int group_of_device(void)
{
	char link[64], target[128] = "", path[64];

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	if (readlink(link, target, sizeof(target) - 1) < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(target, '/'));

	return open(path, O_RDWR | O_CLOEXEC);
}

static void test_group(void)
{
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	int group = group_of_device(), device;
	struct vfio_dev dev;

	if (group < 0) {
		ksft_test_result_skip("a file of a VFIO group: no groups\n");
		ksft_test_result_skip("the cdev of the same device: no groups\n");
		close(iommufd);
		return;
	}
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &iommufd))
		ksft_exit_fail_perror("VFIO_GROUP_SET_CONTAINER");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (device < 0)
		ksft_exit_fail_perror("VFIO_GROUP_GET_DEVICE_FD");

	expect_refused(device, "EINVAL", "a file of a VFIO group");
	close(device);
	close(group);
	close(iommufd);

	open_device(&dev);
	expect_preserved(dev.fd, "the cdev of the same device");
	vfio_dev_close(&dev);
}

static void test_intx(void)
{
	struct vfio_dev dev;

	open_device(&dev);
	if (vfio_dev_arm_intx(&dev, signals_create())) {
		ksft_test_result_skip("INTx in use: the device has none\n");
		ksft_test_result_skip("INTx not in use: the device has none\n");
	} else {
		expect_refused(dev.fd, "EOPNOTSUPP", "INTx in use");
		check(vfio_dev_disarm_intx(&dev), "disarm INTx");
		expect_preserved(dev.fd, "INTx not in use");
	}
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
	expect_refused(dev.fd, "EOPNOTSUPP", "mapped DMA");
	check(vfio_dev_detach(&dev), "detach");
	expect_preserved(dev.fd, "a device without DMA");
	vfio_dev_close(&dev);
	free(page);
}

static void test_low_power(void)
{
	struct vfio_dev dev;

	open_device(&dev);
	check(vfio_dev_low_power(&dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY), "low power entry");
	expect_refused(dev.fd, "EAGAIN", "a sleeping device");
	check(vfio_dev_low_power(&dev, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT), "low power exit");
	expect_preserved(dev.fd, "a device that is awake");
	vfio_dev_close(&dev);
}

/* If the device is preserved already, LUO itself refuses the file, and logs nothing. */
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
	ksft_test_result(!ret && again == -EBUSY,
			 "a device that is preserved already is refused with EBUSY\n");

	close(first);
	again = luo_preserve_fd(second, dev.fd, TOKEN);
	ksft_test_result(!again, "closing the first session lets the second one preserve it\n");

	close(second);
	vfio_dev_close(&dev);
}

static void test_cancel(void)
{
	static struct device_state before, during, after;
	struct vfio_dev dev;
	int session, ret;

	open_device(&dev);
	arm_vectors(&dev);

	state_read(bdf, &before);
	session = open_session(SESSION);
	ret = luo_preserve_fd(session, dev.fd, TOKEN);
	state_read(bdf, &during);
	close(session);
	state_read(bdf, &after);

	ksft_test_result(!ret && state_same(&before, &during),
			 "preserving changes nothing in the device\n");
	ksft_test_result(!ret && state_same(&before, &after),
			 "cancelling changes nothing in the device\n");
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

/* A guest that does not know of the live update must not prevent that of others. */
static void test_sleep_while_preserved(void)
{
	int session, preserved, asleep, cancelled;
	struct vfio_dev dev;

	open_device(&dev);
	session = open_session(SESSION);
	preserved = luo_preserve_fd(session, dev.fd, TOKEN);
	asleep = vfio_dev_low_power(&dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	close(session);
	cancelled = vfio_dev_low_power(&dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);

	ksft_test_result(!preserved && asleep == -EBUSY,
			 "low power entry of a preserved device fails with EBUSY\n");
	ksft_test_result(!cancelled, "low power entry works once the live update is cancelled\n");
	vfio_dev_close(&dev);
}

static void test_device(const char *error)
{
	struct vfio_dev dev;

	open_device(&dev);
	if (!strcmp(error, "0"))
		expect_preserved(dev.fd, "the device");
	else
		expect_refused(dev.fd, error, "the device");
	vfio_dev_close(&dev);
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if (argc > 3)
		ksft_exit_fail_msg("usage: %s [BDF [ERROR]]\n", argv[0]);
	require_liveupdate();

	if (argc == 3) {
		bdf = argv[1];
		ksft_set_plan(1);
		test_device(argv[2]);
		ksft_finished();
	}

	bdf = require_device(argv[1]);
	ksft_set_plan(18);
	test_unbound_file();
	test_group();
	test_low_power();
	test_intx();
	test_mapped_dma();
	test_preserved_twice();
	test_cancel();
	test_vectors_may_change();
	test_sleep_while_preserved();
	ksft_finished();
}
