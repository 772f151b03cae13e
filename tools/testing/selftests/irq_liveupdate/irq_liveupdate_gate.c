// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a frozen device refuses to its user: every operation that would change its
 * interrupts, reset it, put it to sleep or attach it. Each works before, fails
 * with EBUSY while the device is frozen, and works after the update is cancelled.
 *
 *	irq_liveupdate_gate [BDF [OTHER]]	before, and after a cancelled update
 *
 *	irq_liveupdate_gate -s 1 BDF OTHER	waits until it is frozen, and tries
 *	kexec -e
 *	irq_liveupdate_gate -s 2 BDF		reports what was refused
 *
 * with an MSI-X device that is bound to vfio-pci and not in use. OTHER is another
 * one. The first form preserves it after BDF and makes its freeze fail, so that BDF
 * is frozen and unfrozen. If no OTHER is given, or no kexec kernel is loaded, the
 * update is cancelled only before the freeze.
 *
 * Between the freeze and the jump, user space still runs on other CPUs, but nobody
 * knows for how long. So OTHER holds up the kernel there: its unbind waits for the
 * file that is open here, while it holds the lock of the device, and
 * device_shutdown() waits for that lock. What was refused is written to a memfd
 * that is preserved.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "kselftest.h"

#include "freeze.h"
#include "luo.h"
#include "record.h"
#include "signals.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_gate"
#define RECORD_TOKEN	1
#define DEVICE_TOKEN	2
#define OTHER_TOKEN	3

#define PASID		1
#define UNBIND		"/sys/bus/pci/drivers/vfio-pci/unbind"
#define TICK_NS		1000000

static struct vfio_dev dev, other;
static int event;
static __u32 ioas;

static int write_config(void)
{
	__u16 command;
	int ret;

	ret = vfio_dev_config_read(&dev, PCI_COMMAND, &command, sizeof(command));

	return ret ? ret : vfio_dev_config_write(&dev, PCI_COMMAND, &command, sizeof(command));
}

/* Takes no lock in the kernel, and goes to the device as it is */
static int write_direct(void)
{
	__u8 size;
	int ret;

	ret = vfio_dev_config_read(&dev, PCI_CACHE_LINE_SIZE, &size, sizeof(size));

	return ret ? ret : vfio_dev_config_write(&dev, PCI_CACHE_LINE_SIZE, &size, sizeof(size));
}

static int set_irqs(void)
{
	return vfio_dev_arm(&dev, 0, 1, &event);
}

static int reset(void)
{
	return ioctl(dev.fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int hot_reset(void)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };

	return ioctl(dev.fd, VFIO_DEVICE_PCI_HOT_RESET, &reset) ? -errno : 0;
}

static int sleep_and_wake(void)
{
	int ret = vfio_dev_low_power(&dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);

	return ret ? ret : vfio_dev_low_power(&dev, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
}

static int attach(void)
{
	int ret = vfio_dev_attach(&dev, ioas);

	return ret ? ret : vfio_dev_detach(&dev);
}

static int attach_pasid(void)
{
	int ret = vfio_dev_attach_pasid(&dev, PASID, ioas);

	return ret ? ret : vfio_dev_detach_pasid(&dev, PASID);
}

/* A reset disarms nothing, but the device loses its state: SET_IRQS is last. */
static const struct operation {
	const char *name;
	int (*run)(void);
} operations[] = {
	{ "a write to config space",		write_config },
	{ "a write to the device alone",	write_direct },
	{ "RESET",				reset },
	{ "HOT_RESET",				hot_reset },
	{ "LOW_POWER_ENTRY",			sleep_and_wake },
	{ "ATTACH",				attach },
	{ "ATTACH of a PASID",			attach_pasid },
	{ "SET_IRQS",				set_irqs },
};

#define NR_OPERATIONS	ARRAY_SIZE(operations)

/* What each operation has returned while the device was frozen */
struct record {
	int ret[NR_OPERATIONS];
};

static void run_all(int ret[NR_OPERATIONS])
{
	unsigned int i;

	for (i = 0; i < NR_OPERATIONS; i++)
		ret[i] = operations[i].run();
}

static const char *name_of(int ret)
{
	return ret ? strerrorname_np(-ret) : "success";
}

static void open_device(const char *bdf)
{
	check(vfio_dev_open_cdev(&dev, bdf), bdf);
	check(vfio_dev_bind(&dev), bdf);
	check(vfio_dev_set_bus_master(&dev), "bus master");
	check(vfio_dev_alloc_ioas(&dev, &ioas), "IOAS");
	event = signals_create();
}

/* ---- A cancelled update ---- */

static int preserve_device(void)
{
	int session = luo_create_session(SESSION);

	check(session, "session");
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve");

	return session;
}

/* A machine that cannot do it at all does not test the gate: skipped, with its answer. */
static void expect_same(const int before[NR_OPERATIONS], const char *cancelled)
{
	int after[NR_OPERATIONS];
	unsigned int i;

	run_all(after);
	for (i = 0; i < NR_OPERATIONS; i++) {
		if (before[i] && before[i] == after[i])
			ksft_test_result_skip("%s: %s on this machine\n", operations[i].name,
					      name_of(before[i]));
		else
			ksft_test_result(!before[i] && !after[i],
					 "%s: %s before, %s after an update cancelled %s\n",
					 operations[i].name, name_of(before[i]),
					 name_of(after[i]), cancelled);
	}
}

static void open_other(const char *bdf)
{
	int other_event = signals_create();

	check(vfio_dev_open_cdev(&other, bdf), bdf);
	check(vfio_dev_bind(&other), bdf);
	check(vfio_dev_set_bus_master(&other), "bus master");
	check(vfio_dev_arm(&other, 0, 1, &other_event), "arm");
}

/* The device is frozen when the freeze of the other one fails. */
static void cancel_frozen(void)
{
	int session = preserve_device();

	check(luo_preserve_fd(session, other.fd, OTHER_TOKEN), "preserve the other device");
	if (!freeze_fails_by_message(&other))
		ksft_exit_fail_msg("the freeze of %s does not fail\n", other.bdf);
	close(session);
}

static void test_cancelled(const char *bdf, const char *other_bdf)
{
	int before[NR_OPERATIONS];

	if (!next_kernel_loaded())
		other_bdf = NULL;

	ksft_set_plan(NR_OPERATIONS * (other_bdf ? 2 : 1));
	open_device(bdf);
	run_all(before);

	close(preserve_device());
	expect_same(before, "before the freeze");
	if (!other_bdf)
		return;

	open_other(other_bdf);
	cancel_frozen();
	expect_same(before, "as a later freeze fails");
}

/* ---- Frozen ---- */

static struct record *preserve(void)
{
	int session = luo_create_session(SESSION);
	int memfd = record_create(sizeof(struct record));
	struct record *record = record_map(memfd, sizeof(*record));

	check(session, "session");
	check(luo_preserve_fd(session, memfd, RECORD_TOKEN), "PRESERVE_FD of the record");
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "PRESERVE_FD of the device");

	return record;
}

static void *unbind_thread(void *arg)
{
	int fd = open(UNBIND, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, other.bdf, strlen(other.bdf)) > 0)
		close(fd);

	return NULL;
}

static void tick(void)
{
	const struct timespec time = { .tv_nsec = TICK_NS };

	nanosleep(&time, NULL);
}

/* vfio-pci removes the cdev, and then waits until everybody has closed it. */
static void unbind_other(void)
{
	pthread_t thread;
	char path[80];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", other.bdf);
	check(-pthread_create(&thread, NULL, unbind_thread, NULL), "thread");
	while (!access(path, F_OK))
		tick();
}

static void stage_1(const char *bdf, const char *other_bdf)
{
	struct record *record;

	open_device(bdf);
	check(set_irqs(), "arm");
	record = preserve();
	check(vfio_dev_open_cdev(&other, other_bdf), other_bdf);

	ksft_set_plan(1);
	ksft_test_result_pass("%s is preserved\n", bdf);
	if (!stay())
		ksft_finished();

	unbind_other();
	while (!write_config())
		tick();
	run_all(record->ret);
	vfio_dev_close(&other);
	for (;;)
		pause();
}

static void stage_2(void)
{
	int session = luo_retrieve_session(SESSION), memfd;
	struct record *record;
	unsigned int i;

	ksft_set_plan(NR_OPERATIONS);
	check(session, "session");
	memfd = luo_retrieve_fd(session, RECORD_TOKEN);
	check(memfd, "retrieve record");
	record = record_map(memfd, sizeof(*record));

	for (i = 0; i < NR_OPERATIONS; i++)
		ksft_test_result(record->ret[i] == -EBUSY, "%s: %s while the device was frozen\n",
				 operations[i].name, name_of(record->ret[i]));
	check(luo_finish(session), "finish");
}

int main(int argc, char *argv[])
{
	bool staged = argc > 3 && !strcmp(argv[1], "-s");

	ksft_print_header();
	if (argc > 3 && !staged)
		ksft_exit_fail_msg("usage: %s [BDF [OTHER]] | -s 1 BDF OTHER | -s 2 BDF\n",
				   argv[0]);
	require_liveupdate();

	if (!staged)
		test_cancelled(require_device(argv[1]), argc > 2 ? require_device(argv[2]) : NULL);
	else if (argc == 5)
		stage_1(require_device(argv[3]), require_device(argv[4]));
	else
		stage_2();
	ksft_finished();
}
