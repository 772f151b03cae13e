// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live update that is cancelled, at each step at which it can be, leaves a
 * device and its interrupts as they were: config space, MSI-X table and interrupt
 * remapping entries byte for byte, and no interrupt is lost or spurious.
 *
 *	irq_liveupdate_cancel [BDF [OTHER [SIBLING]]]
 *
 * BDF is an ivshmem-doorbell, which rings itself all the time, SIBLING another
 * function of the same device, and OTHER an MSI-X device elsewhere. All of them
 * are bound to vfio-pci and not in use. Steps that need a device which is not
 * given are skipped. If no kexec kernel is loaded, so are those that make a
 * freeze fail: if the freeze succeeded, the machine would jump into that kernel.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "kselftest.h"

#include "freeze.h"
#include "luo.h"
#include "signals.h"
#include "state.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_cancel"
#define TOKEN		1
#define OTHER_TOKEN	2
#define VECTORS		8

/* QEMU, docs/specs/ivshmem-spec */
#define IVSHMEM_ID		0x11101af4
#define IVSHMEM_IVPOSITION	8
#define IVSHMEM_DOORBELL	12

#define RING_TIMEOUT_MS	2000
#define RING_GAP_US	2000

#define MAX_STATES	2

static struct vfio_dev device, other;
static const char *sibling;
static struct device_state before[MAX_STATES];
static int eventfds[VECTORS], other_eventfds[VECTORS];
static off_t registers;
static __u32 self;

/*
 * Rings one vector after the other, each when the one before has been seen, and none
 * while the lock is held elsewhere.
 */
static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	bool stop;
	unsigned int rung;
	unsigned int wrong;
} ringer = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void open_device(struct vfio_dev *dev, const char *bdf)
{
	memset(dev, 0, sizeof(*dev));
	check(vfio_dev_open_cdev(dev, bdf), bdf);
	check(vfio_dev_bind(dev), bdf);
}

/* It is in the IOMMU group of the device, so it needs the same iommufd. */
static int open_sibling(void)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = device.iommufd,
	};
	struct vfio_dev dev = { };

	check(vfio_dev_open_cdev(&dev, sibling), sibling);
	if (ioctl(dev.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		ksft_exit_fail_perror(sibling);

	return dev.fd;
}

static void arm(struct vfio_dev *dev, int fds[VECTORS])
{
	int i;

	for (i = 0; i < VECTORS; i++)
		fds[i] = signals_create();
	check(vfio_dev_set_bus_master(dev), "bus master");
	check(vfio_dev_arm(dev, 0, VECTORS, fds), "arm");
}

static void find_doorbell(void)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};

	if (ioctl(device.fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		ksft_exit_fail_perror("registers");
	registers = info.offset;
	if (pread(device.fd, &self, sizeof(self), registers + IVSHMEM_IVPOSITION) != sizeof(self))
		ksft_exit_fail_perror("own id");
}

static void ring(unsigned int vector)
{
	struct pollfd poll_fd = { .fd = eventfds[vector], .events = POLLIN };
	__u32 value = self << 16 | vector;
	__u64 signals = 0;

	if (pwrite(device.fd, &value, sizeof(value), registers + IVSHMEM_DOORBELL) != sizeof(value))
		ksft_exit_fail_perror("doorbell");
	poll(&poll_fd, 1, RING_TIMEOUT_MS);
	/* A second one would have arrived by then. */
	usleep(RING_GAP_US);
	if (read(eventfds[vector], &signals, sizeof(signals)) != sizeof(signals) || signals != 1)
		__atomic_fetch_add(&ringer.wrong, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&ringer.rung, 1, __ATOMIC_RELAXED);
}

static void *ringer_thread(void *arg)
{
	unsigned int vector = 0;

	while (!__atomic_load_n(&ringer.stop, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&ringer.lock);
		ring(vector++ % VECTORS);
		pthread_mutex_unlock(&ringer.lock);
		sched_yield();
	}

	return NULL;
}

/* Wait until every vector has been rung once more, or one was rung in vain. */
static void wait_for_rings(void)
{
	unsigned int rung = __atomic_load_n(&ringer.rung, __ATOMIC_RELAXED);

	while (__atomic_load_n(&ringer.rung, __ATOMIC_RELAXED) <= rung + VECTORS &&
	       !__atomic_load_n(&ringer.wrong, __ATOMIC_RELAXED))
		usleep(RING_GAP_US);
}

/* This write would be refused if the device were frozen. */
static bool gate_is_open(void)
{
	__u16 command;

	return !vfio_dev_config_read(&device, PCI_COMMAND, &command, sizeof(command)) &&
	       !vfio_dev_config_write(&device, PCI_COMMAND, &command, sizeof(command));
}

static bool has_other(void)
{
	return other.fd > 0;
}

static void read_states(struct device_state state[MAX_STATES])
{
	state_read(device.bdf, &state[0]);
	if (has_other())
		state_read(other.bdf, &state[1]);
}

static bool states_same(void)
{
	static struct device_state now[MAX_STATES];

	read_states(now);

	return state_same(&before[0], &now[0]) &&
	       (!has_other() || state_same(&before[1], &now[1]));
}

static void expect_unchanged(bool cancelled, const char *step)
{
	unsigned int wrong;

	wait_for_rings();
	wrong = __atomic_exchange_n(&ringer.wrong, 0, __ATOMIC_RELAXED);
	if (!cancelled || wrong)
		ksft_print_msg("cancelled: %d, wrong interrupts: %u\n", cancelled, wrong);
	ksft_test_result(states_same() && gate_is_open() && cancelled && !wrong,
			 "cancelled %s: nothing has changed\n", step);
}

static int preserve(const char *name, struct vfio_dev *dev, __u64 token)
{
	int session = luo_create_session(name);

	check(session, name);
	check(luo_preserve_fd(session, dev->fd, token), "preserve");

	return session;
}

static void test_close(void)
{
	close(preserve(SESSION, &device, TOKEN));
	expect_unchanged(true, "by closing the session");
}

static void test_kill(void)
{
	pid_t child = fork();

	if (child < 0)
		ksft_exit_fail_perror("fork");
	if (!child) {
		preserve(SESSION, &device, TOKEN);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(child, NULL, WUNTRACED);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	expect_unchanged(true, "by killing its process");
}

/* No vector is rung while the device has another message. */
static bool fails_by_message(struct vfio_dev *dev)
{
	bool failed;

	pthread_mutex_lock(&ringer.lock);
	failed = freeze_fails_by_message(dev);
	pthread_mutex_unlock(&ringer.lock);

	return failed;
}

static void test_own_freeze(void)
{
	int session = preserve(SESSION, &device, TOKEN);
	bool failed;

	failed = fails_by_message(&device);
	expect_unchanged(failed, "as its freeze fails");
	close(session);
}

/* The freeze of the other file, which comes later, fails. */
static void test_later_freeze(bool same_session)
{
	int session = preserve(SESSION, &device, TOKEN), second = -1;
	bool failed;

	if (same_session)
		check(luo_preserve_fd(session, other.fd, OTHER_TOKEN), "preserve");
	else
		second = preserve(SESSION "2", &other, OTHER_TOKEN);

	failed = fails_by_message(&other);
	expect_unchanged(failed, same_session ? "as the freeze of a later file fails" :
			 "as the freeze of a later session fails");
	if (second >= 0)
		close(second);
	close(session);
}

static void test_later_file(void)
{
	test_later_freeze(true);
}

static void test_later_session(void)
{
	test_later_freeze(false);
}

static void test_left_out(void)
{
	int session = preserve(SESSION, &device, TOKEN);
	int left_out = open_sibling();
	bool failed;

	failed = freeze_fails(EBUSY, device.bdf, "shares its reset and is not preserved");
	close(left_out);
	expect_unchanged(failed, "as a function with the same reset is left out");
	close(session);
}

static void test_freeze(const char *missing, void (*test)(void), const char *name)
{
	if (!missing && !next_kernel_loaded())
		missing = "no kexec kernel is loaded";
	if (missing)
		ksft_test_result_skip("%s: %s\n", name, missing);
	else
		test();
}

static void require_doorbell(const char *bdf)
{
	struct device_state state;

	state_read_config(bdf, &state);
	if (pci_config_get(state.config, PCI_VENDOR_ID, sizeof(__u32)) != IVSHMEM_ID)
		ksft_exit_skip("%s: no ivshmem-doorbell\n", bdf);
}

static void open_devices(int argc, char *argv[])
{
	const char *bdf = require_device(argv[1]);

	require_doorbell(bdf);
	open_device(&device, bdf);
	arm(&device, eventfds);
	if (argc > 2) {
		open_device(&other, require_device(argv[2]));
		arm(&other, other_eventfds);
	}
	if (argc > 3)
		sibling = require_device(argv[3]);
}

int main(int argc, char *argv[])
{
	const char *no_other, *no_sibling;

	ksft_print_header();
	if (argc > 4)
		ksft_exit_fail_msg("usage: %s [BDF [OTHER [SIBLING]]]\n", argv[0]);
	require_liveupdate();
	open_devices(argc, argv);
	no_other = has_other() ? NULL : "no other device is given";
	no_sibling = sibling ? NULL : "no sibling is given";
	find_doorbell();
	read_states(before);
	if (pthread_create(&ringer.thread, NULL, ringer_thread, NULL))
		ksft_exit_fail_msg("no thread\n");

	ksft_set_plan(6);
	test_close();
	test_kill();
	test_freeze(NULL, test_own_freeze, "its freeze fails");
	test_freeze(no_other, test_later_file, "the freeze of a later file fails");
	test_freeze(no_other, test_later_session, "the freeze of a later session fails");
	test_freeze(no_sibling, test_left_out, "a function with the same reset is left out");

	__atomic_store_n(&ringer.stop, true, __ATOMIC_RELAXED);
	pthread_join(ringer.thread, NULL);
	ksft_print_msg("%u interrupts counted one by one\n", ringer.rung);
	ksft_finished();
}
