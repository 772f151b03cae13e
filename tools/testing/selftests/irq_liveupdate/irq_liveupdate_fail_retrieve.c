// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of retrieve fails once. LUO does not retry a file that it
 * could not retrieve, so each failure needs a device of its own: the first
 * allocation fails for the first one, the second for the second one, and so on.
 * There have to be more devices than allocations.
 *
 *	irq_liveupdate_kexec -s 1 BDF...
 *	kexec -e
 *	irq_liveupdate_fail_retrieve BDF...
 *
 * A device that was not retrieved waits for FINISH, and then works from a cold
 * start. The others are adopted, which their synthetic interrupts show.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"

#include "fail_nth.h"
#include "irqinfo.h"
#include "luo.h"
#include "signals.h"
#include "test.h"
#include "vfio_dev.h"

/* As in irq_liveupdate_kexec */
#define SESSION		"irq_liveupdate_kexec-0"
#define RECORD_TOKEN	1
#define DEVICE_TOKEN	2
#define TOKENS		2

#define VECTORS		2
#define MAX_DEVICES	32

struct device {
	const char *bdf;
	struct vfio_dev dev;
	int eventfds[VECTORS];
	bool retrieved;
};

static struct device devices[MAX_DEVICES];
static unsigned int nr_devices;

static bool is_signalled(struct device *device, __u64 times)
{
	int irqs[VECTORS], i;

	check(irq_of_vectors(device->dev.bdf, irqs, 0, VECTORS), "/proc/interrupts");
	for (i = 0; i < VECTORS; i++) {
		if (!signals_exactly(device->eventfds[i], irqs[i], times))
			return false;
	}

	return true;
}

static bool is_silent(struct device *device)
{
	return !signals_read(device->eventfds[0]) && !signals_read(device->eventfds[1]);
}

static void arm(struct device *device)
{
	unsigned int i;

	for (i = 0; i < VECTORS; i++)
		device->eventfds[i] = signals_create();
	check(vfio_dev_arm(&device->dev, 0, VECTORS, device->eventfds), "arm");
}

/* Returns whether the n-th allocation was reached. */
static bool retrieve_failing(int session, unsigned int n)
{
	struct device *device = &devices[n - 1];
	__u64 token = (n - 1) * TOKENS + DEVICE_TOKEN;
	bool hit;
	int fd;

	fail_nth(n);
	fd = luo_retrieve_fd(session, token);
	hit = stop_failing();
	if (fd < 0 && (!hit || fd != -ENOMEM))
		ksft_exit_fail_msg("%s: retrieve: %s\n", device->bdf, strerror(-fd));

	/*
	 * LUO may have failed before it asked for the file. Otherwise it gives the same
	 * answer.
	 */
	if (fd < 0) {
		fd = luo_retrieve_fd(session, token);
		if (fd < 0 && fd != -ENOMEM)
			ksft_exit_fail_msg("%s: retrieve again: %s\n", device->bdf, strerror(-fd));
	}

	snprintf(device->dev.bdf, sizeof(device->dev.bdf), "%s", device->bdf);
	device->dev.fd = fd;
	device->retrieved = fd >= 0;

	return hit;
}

/* A memfd that was not retrieved is read at FINISH, which takes memory. */
static void retrieve_records(int session)
{
	unsigned int i;

	for (i = 0; i < nr_devices; i++)
		check(luo_retrieve_fd(session, i * TOKENS + RECORD_TOKEN), "record");
}

static void test_retrieve(int session)
{
	unsigned int n, nr_hit = 0, nr_cold = 0;
	bool hit = true;

	for (n = 1; n <= nr_devices; n++) {
		hit = retrieve_failing(session, n);
		nr_hit += hit;
		nr_cold += !devices[n - 1].retrieved;
	}
	ksft_print_msg("retrieve: %u allocations failed, %u times the device was not retrieved\n",
		       nr_hit, nr_cold);
	ksft_test_result(!hit && nr_cold, "each allocation of retrieve fails once\n");
}

/* Before FINISH, nobody has the device, and nobody can open it. */
static void test_waits(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr_devices; i++) {
		struct device *device = &devices[i];

		if (device->retrieved)
			continue;
		wrong += vfio_dev_open_cdev(&device->dev, device->bdf) != -EBUSY;
	}
	ksft_test_result(!wrong, "a device that is not retrieved waits for FINISH\n");
}

static void test_adopted(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr_devices; i++) {
		struct device *device = &devices[i];

		if (!device->retrieved)
			continue;
		check(vfio_dev_bind(&device->dev), "bind");
		arm(device);
		wrong += !is_silent(device);
	}
	ksft_test_result(!wrong, "nothing arrives before FINISH\n");
}

/* A device that was not retrieved needs memory to get its default domain. */
static void test_finish(int session)
{
	int ret;

	fail_all(true);
	ret = luo_finish(session);
	fail_all(false);
	ksft_test_result(!ret, "FINISH works without memory\n");
}

static void test_synthetic(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr_devices; i++)
		wrong += devices[i].retrieved && !is_signalled(&devices[i], 1);
	ksft_test_result(!wrong, "each vector of the others is adopted, and gets one interrupt\n");
}

static void test_works(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr_devices; i++) {
		struct device *device = &devices[i];

		if (!device->retrieved) {
			check(vfio_dev_open_cdev(&device->dev, device->bdf), "open");
			check(vfio_dev_bind(&device->dev), "bind");
			check(vfio_dev_set_bus_master(&device->dev), "bus master");
			arm(device);
		}
		wrong += !is_signalled(device, 0);
	}
	ksft_test_result(!wrong, "all devices work, cold if they were not retrieved\n");
}

int main(int argc, char *argv[])
{
	int session, i;

	ksft_print_header();
	if (argc < 2 || argc - 1 > MAX_DEVICES)
		ksft_exit_fail_msg("usage: %s BDF...\n", argv[0]);
	require_liveupdate();
	if (fail_nth_init())
		ksft_exit_skip("no fault injection: see config\n");

	nr_devices = argc - 1;
	for (i = 1; i < argc; i++)
		devices[i - 1].bdf = argv[i];

	ksft_set_plan(6);
	session = luo_retrieve_session(SESSION);
	check(session, "session");
	retrieve_records(session);
	test_retrieve(session);
	test_waits();
	test_adopted();
	test_finish(session);
	test_synthetic();
	test_works();
	ksft_finished();
}
