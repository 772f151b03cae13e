// SPDX-License-Identifier: GPL-2.0-only
/*
 * A whole live update of some devices, on any machine:
 *
 *	irq_liveupdate_kexec -s 1 BDF...	arms all vectors, preserves, keeps running
 *	kexec -e
 *	irq_liveupdate_kexec -s 2 BDF...	retrieves, compares, finishes
 *
 * with MSI-X devices that are bound to vfio-pci, and nothing that raises their
 * interrupts: those that arrive across FINISH are the synthetic ones. All devices
 * are in one session, or with -S 1 and -S 2 each is in its own. In the second
 * stage "cold:BDF" is a device whose interrupts the kernel has refused: it is
 * retrieved nevertheless, its vectors are new ones, and each still gets its
 * synthetic interrupt, because what it sent during the jump was dropped. Until it
 * is bound, each device is as the first kernel has left it: masked, and running. With
 *
 *	-f 2	the sessions are finished before the devices are bound
 *	-k 2	the process kills itself when it has taken over the devices
 *	-u 2	another process that had the first device was killed before it had bound it
 *	-b 2	another process was killed after it had bound the first device, and armed half of
 *		its vectors; the others stay reserved until the device is closed
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"

#include "irqinfo.h"
#include "luo.h"
#include "record.h"
#include "signals.h"
#include "state.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_kexec"
#define COLD		"cold:"
#define RECORD_TOKEN	1
#define DEVICE_TOKEN	2
#define TOKENS		2
#define MAX_VECTORS	256
#define MAX_DEVICES	32

struct vector_record {
	__u64 address;
	__u32 data;
	int irq;
};

struct record {
	unsigned int nr_vectors;
	struct vector_record vector[MAX_VECTORS];
};

struct device {
	const char *bdf;
	bool cold;
	struct vfio_dev dev;
	struct record *was;
	int eventfds[MAX_VECTORS];
	int session;
};

static struct device devices[MAX_DEVICES];
static unsigned int nr_devices;
static bool own_sessions;

/* Variants of the second stage: what happens first in it, or where it ends */
static enum { NOTHING, FINISH, DIE_UNBOUND, DIE_BOUND, DIE_ADOPTED } first;

static unsigned int nr_vectors(const struct vfio_dev *dev)
{
	return dev->nr_msix < MAX_VECTORS ? dev->nr_msix : MAX_VECTORS;
}

/* Of a large table, use the end: it has the highest numbers. */
static unsigned int first_vector(const struct vfio_dev *dev)
{
	return dev->nr_msix - nr_vectors(dev);
}

static void arm_some(struct device *device, unsigned int nr)
{
	struct vfio_dev *dev = &device->dev;
	unsigned int i;

	for (i = 0; i < nr; i++)
		device->eventfds[i] = signals_create();
	check(vfio_dev_arm(dev, first_vector(dev), nr, device->eventfds), "arm");
}

static void arm(struct device *device)
{
	arm_some(device, nr_vectors(&device->dev));
}

/* The session of a device, which the first one may share with the others. */
static int session_of(unsigned int index, int (*get)(const char *name))
{
	char name[32];
	int session;

	if (index && !own_sessions)
		return devices[0].session;

	snprintf(name, sizeof(name), SESSION "-%u", index);
	session = get(name);
	check(session, name);

	return session;
}

static void take_record(struct vfio_dev *dev, struct record *record)
{
	unsigned int first = first_vector(dev), i;
	struct msix_entry entry;
	int irqs[MAX_VECTORS];

	record->nr_vectors = nr_vectors(dev);
	check(irq_of_vectors(dev->bdf, irqs, first, record->nr_vectors), "/proc/interrupts");
	for (i = 0; i < record->nr_vectors; i++) {
		entry = vfio_dev_msix_entry(dev, first + i);
		record->vector[i].address = entry.address;
		record->vector[i].data = entry.data;
		record->vector[i].irq = irqs[i];
	}
}

static void hand_over(unsigned int index)
{
	struct device *device = &devices[index];
	int memfd, ret;

	check(vfio_dev_open_cdev(&device->dev, device->bdf), "open");
	check(vfio_dev_bind(&device->dev), "bind");
	check(vfio_dev_set_bus_master(&device->dev), "bus master");
	arm(device);

	memfd = record_create(sizeof(struct record));
	take_record(&device->dev, record_map(memfd, sizeof(struct record)));

	device->session = session_of(index, luo_create_session);
	check(luo_preserve_fd(device->session, memfd, index * TOKENS + RECORD_TOKEN),
	      "preserve record");
	ret = luo_preserve_fd(device->session, device->dev.fd, index * TOKENS + DEVICE_TOKEN);
	ksft_test_result(!ret, "%s is preserved with %u vectors\n", device->bdf,
			 nr_vectors(&device->dev));
	check(ret, "preserve device");
}

/* The sessions live as long as their files are open. */
static void stage_1(void)
{
	unsigned int i;

	ksft_set_plan(nr_devices);
	for (i = 0; i < nr_devices; i++)
		hand_over(i);
	if (!stay())
		ksft_finished();
	for (;;)
		pause();
}

/* Compares two records. Returns how many vectors differ. */
static unsigned int differences(const struct record *was, const struct record *is)
{
	const struct vector_record *a, *b;
	unsigned int i, wrong = 0;

	for (i = 0; i < was->nr_vectors; i++) {
		a = &was->vector[i];
		b = &is->vector[i];
		if (a->irq == b->irq && a->address == b->address && a->data == b->data)
			continue;
		ksft_print_msg("vector %u: irq %d -> %d, message %llx:%x -> %llx:%x\n", i,
			       a->irq, b->irq, a->address, a->data, b->address, b->data);
		wrong++;
	}

	return wrong;
}

static bool is_silent(struct device *device)
{
	unsigned int i, wrong = 0;
	__u64 signals;

	for (i = 0; i < nr_vectors(&device->dev); i++) {
		signals = signals_read(device->eventfds[i]);
		if (signals)
			ksft_print_msg("vector %u: signalled %llu times\n", i, signals);
		wrong += !!signals;
	}

	return !wrong;
}

static bool is_signalled(struct device *device, __u64 times)
{
	unsigned int i, wrong = 0;
	int irqs[MAX_VECTORS];

	check(irq_of_vectors(device->bdf, irqs, first_vector(&device->dev),
			     nr_vectors(&device->dev)), "/proc/interrupts");
	for (i = 0; i < nr_vectors(&device->dev); i++)
		wrong += !signals_exactly(device->eventfds[i], irqs[i], times);

	return !wrong;
}

static void get_sessions(void)
{
	unsigned int i;

	for (i = 0; i < nr_devices; i++)
		devices[i].session = session_of(i, luo_retrieve_session);
}

static int retrieve_device(unsigned int index)
{
	struct device *device = &devices[index];

	snprintf(device->dev.bdf, sizeof(device->dev.bdf), "%s", device->bdf);
	device->dev.fd = luo_retrieve_fd(device->session, index * TOKENS + DEVICE_TOKEN);

	return device->dev.fd;
}

static bool is_bus_master(const char *bdf)
{
	static struct device_state state;

	state_read_config(bdf, &state);
	if (!(state_command(&state) & PCI_COMMAND_MASTER))
		ksft_print_msg("%s is not a bus master\n", bdf);

	return state_command(&state) & PCI_COMMAND_MASTER;
}

/* In sysfs a device is in the folder of the bridge above it, and so on up to the root. */
static bool path_is_bus_master(const char *bdf)
{
	char link[64], path[PATH_MAX], *name;
	bool is_master = true;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", bdf);
	if (!realpath(link, path))
		ksft_exit_fail_perror(link);
	while ((name = strrchr(path, '/')) && strncmp(name, "/pci", strlen("/pci"))) {
		is_master &= is_bus_master(name + 1);
		*name = '\0';
	}

	return is_master;
}

/* Whatever becomes of other devices, and of its own interrupts */
static void expect_running(const char *bdf)
{
	static struct device_state state;

	state_read_config(bdf, &state);
	ksft_test_result(state_handed_over(&state) && path_is_bus_master(bdf),
			 "%s is masked, enabled and a bus master, as is its path\n", bdf);
}

static void get_back(unsigned int index)
{
	struct device *device = &devices[index];
	int memfd = luo_retrieve_fd(device->session, index * TOKENS + RECORD_TOKEN);

	check(memfd, "retrieve record");
	device->was = record_map(memfd, sizeof(*device->was));
	ksft_test_result(retrieve_device(index) >= 0, "%s is retrieved\n", device->bdf);
	check(device->dev.fd, "retrieve device");
	expect_running(device->bdf);
}

static void adopt(struct device *device)
{
	const char *bdf = device->bdf;
	static struct record is;

	check(vfio_dev_bind(&device->dev), "bind");
	ksft_test_result(nr_vectors(&device->dev) == device->was->nr_vectors,
			 "%s has as many vectors\n", bdf);
	arm(device);

	take_record(&device->dev, &is);
	if (device->cold)
		ksft_test_result(differences(device->was, &is) == is.nr_vectors,
				 "%s: irq numbers or messages differ\n", bdf);
	else
		ksft_test_result(!differences(device->was, &is),
				 "%s: irq numbers and messages are the same\n", bdf);
}

static void finish(void)
{
	unsigned int i;

	for (i = 0; i < nr_devices; i++) {
		if (!i || own_sessions)
			check(luo_finish(devices[i].session), "finish");
	}
}

static void expect_signals(void)
{
	unsigned int i;

	for (i = 0; i < nr_devices; i++)
		ksft_test_result(is_signalled(&devices[i], 1),
				 "%s: FINISH gives each vector exactly one interrupt\n",
				 devices[i].bdf);
}

/* What a VMM does until it is killed; another process keeps the session. */
static void retrieve_first(void)
{
	check(retrieve_device(0), "retrieve device");
}

static void bind_first(void)
{
	retrieve_first();
	check(vfio_dev_bind(&devices[0].dev), "bind");
	arm_some(&devices[0], nr_vectors(&devices[0].dev) / 2);
}

static void take_over(void)
{
	unsigned int i;

	for (i = 0; i < nr_devices; i++) {
		adopt(&devices[i]);
		if (first != FINISH)
			ksft_test_result(is_silent(&devices[i]),
					 "%s: nothing arrives before FINISH\n", devices[i].bdf);
	}
}

static void stage_2(void)
{
	unsigned int i;

	ksft_set_plan(nr_devices * (first == FINISH || first == DIE_ADOPTED ? 5 : 6));
	get_sessions();
	if (first == DIE_UNBOUND)
		let_die(retrieve_first);
	for (i = 0; i < nr_devices; i++)
		get_back(i);
	if (first == FINISH)
		finish();
	take_over();
	if (first == DIE_ADOPTED) {
		ksft_print_cnts();
		raise(SIGKILL);
	}
	if (first != FINISH)
		finish();
	expect_signals();
	ksft_finished();
}

/*
 * The file stays bound to the iommufd of the killed process, which owns the device until
 * FINISH.
 */
static void stage_2_after_bound(void)
{
	struct vfio_dev *dev = &devices[0].dev;

	ksft_set_plan(4);
	get_sessions();
	let_die(bind_first);
	ksft_test_result(retrieve_device(0) >= 0, "the file is retrieved again\n");
	ksft_test_result(vfio_dev_bind(dev) == -EINVAL, "the file cannot be bound again\n");
	finish();
	vfio_dev_close(dev);
	ksft_test_result(!vfio_dev_open_cdev(dev, devices[0].bdf),
			 "FINISH and the last close let others open the device\n");
	ksft_test_result(!vfio_dev_bind(dev), "a new user can bind the device\n");
	ksft_finished();
}

static bool is_option(const char *option)
{
	if (!strcmp(option, "-S"))
		own_sessions = true;
	else if (!strcmp(option, "-f"))
		first = FINISH;
	else if (!strcmp(option, "-u"))
		first = DIE_UNBOUND;
	else if (!strcmp(option, "-b"))
		first = DIE_BOUND;
	else if (!strcmp(option, "-k"))
		first = DIE_ADOPTED;
	else
		return !strcmp(option, "-s");

	return true;
}

static void add_device(const char *name)
{
	struct device *device = &devices[nr_devices++];

	device->cold = !strncmp(name, COLD, strlen(COLD));
	device->bdf = device->cold ? name + strlen(COLD) : name;
}

int main(int argc, char *argv[])
{
	const char *option = argc > 3 ? argv[1] : "", *stage = argv[2];

	ksft_print_header();
	if (!is_option(option) || argc > 3 + MAX_DEVICES)
		ksft_exit_fail_msg("usage: %s -s|-S|-f|-k|-u|-b 1|2 BDF...\n", argv[0]);
	require_liveupdate();

	for (argv += 3; *argv; argv++)
		add_device(*argv);

	if (!strcmp(stage, "1"))
		stage_1();
	else if (first == DIE_BOUND)
		stage_2_after_bound();
	else
		stage_2();
}
