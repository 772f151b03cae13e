// SPDX-License-Identifier: GPL-2.0-only
/*
 * A whole live update of one device, on any machine:
 *
 *	irq_liveupdate_kexec -s 1 BDF	arms all vectors, preserves, stays
 *	kexec -e
 *	irq_liveupdate_kexec -s 2 BDF	retrieves, compares, finishes
 *
 * with an MSI-X device that is bound to vfio-pci, and nothing that raises its
 * interrupts: what then arrives across FINISH are the synthetic ones.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"

#include "irqinfo.h"
#include "luo.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_kexec"
#define RECORD_TOKEN	1
#define DEVICE_TOKEN	2
#define MAX_VECTORS	256

struct vector_record {
	__u64 address;
	__u32 data;
	int irq;
};

struct record {
	unsigned int nr_vectors;
	struct vector_record vector[MAX_VECTORS];
};

static int eventfds[MAX_VECTORS];

static unsigned int nr_vectors(const struct vfio_dev *dev)
{
	return dev->nr_msix < MAX_VECTORS ? dev->nr_msix : MAX_VECTORS;
}

/* Of a large table, the end: it has the highest numbers. */
static unsigned int first_vector(const struct vfio_dev *dev)
{
	return dev->nr_msix - nr_vectors(dev);
}

static void check(int ret, const char *what)
{
	if (ret < 0)
		ksft_exit_fail_msg("%s: %s\n", what, strerror(-ret));
}

static void arm(struct vfio_dev *dev)
{
	unsigned int i;

	for (i = 0; i < nr_vectors(dev); i++) {
		eventfds[i] = eventfd(0, EFD_NONBLOCK);
		if (eventfds[i] < 0)
			ksft_exit_fail_perror("eventfd");
	}
	check(vfio_dev_arm(dev, first_vector(dev), nr_vectors(dev), eventfds), "arm");
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

static struct record *map_record(int memfd)
{
	struct record *record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
				     MAP_SHARED, memfd, 0);

	if (record == MAP_FAILED)
		ksft_exit_fail_perror("mmap");

	return record;
}

/* The session lives as long as its file is open: stay, in the background. */
static void stay(void)
{
	pid_t child = fork();

	if (child < 0)
		ksft_exit_fail_perror("fork");
	if (child)
		ksft_exit_pass();
	setsid();
	freopen("/dev/null", "w", stdout);
	for (;;)
		pause();
}

static void stage_1(const char *bdf)
{
	struct vfio_dev dev = { };
	int memfd, session;

	check(vfio_dev_open_cdev(&dev, bdf), "open");
	check(vfio_dev_bind(&dev), "bind");
	check(vfio_dev_set_bus_master(&dev), "bus master");
	arm(&dev);

	memfd = memfd_create("record", 0);
	if (memfd < 0 || ftruncate(memfd, sizeof(struct record)))
		ksft_exit_fail_perror("memfd");
	take_record(&dev, map_record(memfd));

	session = luo_create_session(SESSION);
	check(session, "session");
	check(luo_preserve_fd(session, memfd, RECORD_TOKEN), "preserve record");
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve device");
	stay();
}

/* Compares two records; how many vectors differ. */
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

/* How many vectors have not been signalled exactly so many times since last asked. */
static unsigned int not_signalled(unsigned int nr, __u64 times)
{
	unsigned int i, wrong = 0;
	__u64 signals;

	for (i = 0; i < nr; i++) {
		if (read(eventfds[i], &signals, sizeof(signals)) != sizeof(signals))
			signals = 0;
		if (signals == times)
			continue;
		ksft_print_msg("vector %u: signalled %llu times\n", i, signals);
		wrong++;
	}

	return wrong;
}

static void stage_2(const char *bdf)
{
	struct vfio_dev dev = { };
	static struct record is;
	struct record *was;
	int session, memfd;

	ksft_set_plan(5);
	session = luo_retrieve_session(SESSION);
	check(session, "session");
	memfd = luo_retrieve_fd(session, RECORD_TOKEN);
	check(memfd, "retrieve record");
	was = map_record(memfd);

	snprintf(dev.bdf, sizeof(dev.bdf), "%s", bdf);
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	ksft_test_result(dev.fd >= 0, "the device is retrieved\n");
	check(dev.fd, "retrieve device");
	check(vfio_dev_bind(&dev), "bind");
	ksft_test_result(nr_vectors(&dev) == was->nr_vectors, "it has as many vectors\n");
	arm(&dev);

	take_record(&dev, &is);
	ksft_test_result(!differences(was, &is), "irq numbers and messages are the same\n");
	ksft_test_result(!not_signalled(is.nr_vectors, 0), "nothing arrives before FINISH\n");
	check(luo_finish(session), "finish");
	sleep(1);
	ksft_test_result(!not_signalled(is.nr_vectors, 1),
			 "FINISH gives each vector exactly one interrupt\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if (argc != 4 || strcmp(argv[1], "-s"))
		ksft_exit_skip("usage: %s -s 1|2 BDF\n", argv[0]);
	if (access("/dev/liveupdate", F_OK))
		ksft_exit_skip("no /dev/liveupdate: boot with liveupdate=on\n");

	if (!strcmp(argv[2], "1"))
		stage_1(argv[3]);
	else
		stage_2(argv[3]);
}
