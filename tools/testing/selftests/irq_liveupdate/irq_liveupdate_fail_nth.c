// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation on the way into a live update, and on the way back, fails
 * once, with an MSI-X device that is bound to vfio-pci and not in use:
 *
 *	irq_liveupdate_fail_nth [BDF]		needs no kexec
 *
 *	irq_liveupdate_fail_nth -s 1 BDF	does the same, and hands the device over
 *	kexec -e
 *	irq_liveupdate_fail_nth -s 2 BDF	arms the vectors that were handed over,
 *						and attaches the device
 *
 * Behind an IOMMU the device is attached to a page table that is filled with a memfd.
 * After each failure the same call has to succeed, and the device has to be as it
 * was, with every vector delivered once when it is triggered. Memory that the
 * kernel silently loses is found by kmemleak.
 *
 * FREEZE, take-over, retrieve and FINISH happen only once and cannot be walked
 * through from here: see irq_liveupdate_fail_retrieve, and the KUnit suites
 * irq_liveupdate_failing and irq_liveupdate_vtd_units.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "fail_nth.h"
#include "irqinfo.h"
#include "luo.h"
#include "signals.h"
#include "state.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_fail_nth"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2

#define VECTORS		2
#define MAX_ALLOCATIONS	2000

/* Enough for a second page of the page table at its lowest level */
#define NR_PAGES	600

#define KHO_SUBTREES	"/sys/kernel/debug/kho/out/sub_fdts/"

static struct vfio_dev dev;
static int eventfds[VECTORS];
static int session;
static int memfd;
static void *memory;

static bool delivers(void)
{
	int irqs[VECTORS], i;

	if (irq_of_vectors(dev.bdf, irqs, 0, VECTORS))
		return false;

	for (i = 0; i < VECTORS; i++) {
		if (!signals_exactly(eventfds[i], irqs[i], 0))
			return false;
	}

	return true;
}

static void open_session(void)
{
	session = luo_create_session(SESSION);
	if (session < 0)
		ksft_exit_fail_msg("no session: %s\n", strerror(-session));
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
}

static void close_session(void)
{
	close(session);
}

static int preserve(void)
{
	return luo_preserve_fd(session, dev.fd, DEVICE_TOKEN);
}

static int cancel(void)
{
	close_session();

	return 0;
}

static int arm(void)
{
	return vfio_dev_arm(&dev, 0, VECTORS, eventfds);
}

static int disarm(void)
{
	return vfio_dev_disarm(&dev);
}

static void open_and_preserve(void)
{
	open_session();
	check(preserve(), "preserve");
}

static void open_preserve_and_disarm(void)
{
	open_and_preserve();
	check(disarm(), "disarm");
}

static void rearm(void)
{
	disarm();
	check(arm(), "arm");
}

static void arm_and_close(void)
{
	rearm();
	close_session();
}

static void nothing(void) { }

/* Before and after each of them the vectors are armed, and nothing is preserved. */
static const struct walk {
	const char *name;
	void (*before)(void);
	int (*call)(void);
	void (*after)(void);
	bool changes_device;
} walks[] = {
	{ "preserve", open_session, preserve, close_session, false },
	{ "cancel", open_and_preserve, cancel, nothing, false },
	{ "disarm a preserved device", open_and_preserve, disarm, arm_and_close, true },
	{ "arm a preserved device", open_preserve_and_disarm, arm, arm_and_close, true },
};

static unsigned int nr_subtrees(void)
{
	return !access(KHO_SUBTREES "irq-liveupdate", F_OK) +
	       !access(KHO_SUBTREES "iommu-v1", F_OK);
}

/* Another attempt works like the first one, and leaves nothing behind. */
static bool can_be_preserved(void)
{
	bool published;

	open_session();
	published = !preserve() && nr_subtrees() == 1 + dma_has_iommu(&dev);
	close_session();

	return published && !nr_subtrees();
}

static bool is_well(const struct walk *walk, const struct device_state *before)
{
	struct device_state now;

	state_read(dev.bdf, &now);

	return (walk->changes_device || state_same(before, &now)) && delivers() &&
	       can_be_preserved();
}

/* Returns whether the n-th allocation was reached. */
static bool step(const struct walk *walk, unsigned int n, unsigned int *nr_failed)
{
	bool hit;
	int ret;

	walk->before();
	fail_nth(n);
	ret = walk->call();
	hit = stop_failing();
	walk->after();

	if (ret < 0 && !hit)
		ksft_exit_fail_msg("%s fails by itself: %s\n", walk->name, strerror(-ret));
	*nr_failed += ret < 0;

	return hit;
}

static void test_walk(const struct walk *walk)
{
	unsigned int n, nr_failed = 0;
	struct device_state before;
	bool well = true;

	state_read(dev.bdf, &before);
	for (n = 1; n <= MAX_ALLOCATIONS && step(walk, n, &nr_failed) && well; n++)
		well = is_well(walk, &before);
	if (!well)
		ksft_print_msg("%s: not well after allocation %u\n", walk->name, n - 1);

	ksft_print_msg("%s: %u allocations failed, %u times it was refused\n", walk->name, n - 1,
		       nr_failed);
	ksft_test_result(well && n > 1 && n <= MAX_ALLOCATIONS && is_well(walk, &before),
			 "%s: each allocation fails once\n", walk->name);
}

static void make_eventfds(void)
{
	unsigned int i;

	for (i = 0; i < VECTORS; i++)
		eventfds[i] = signals_create();
}

static void map_memory(void)
{
	memory = dma_map(memfd, NR_PAGES);
	if (!memory)
		ksft_exit_fail_perror("mmap");
}

static void test_preserve(const char *bdf)
{
	unsigned int i;

	ksft_set_plan(ARRAY_SIZE(walks));
	check(vfio_dev_open_cdev(&dev, bdf), "open");
	check(vfio_dev_bind(&dev), "bind");
	check(vfio_dev_set_bus_master(&dev), "bus master");
	memfd = dma_create(NR_PAGES);
	check(memfd, "memfd");
	map_memory();
	check(dma_attach(&dev, memory, NR_PAGES), "attach");
	check(arm(), "arm");

	for (i = 0; i < ARRAY_SIZE(walks); i++)
		test_walk(&walks[i]);
}

struct identity {
	int irq[VECTORS];
	struct msix_entry entry[VECTORS];
};

static struct identity get_identity(void)
{
	struct identity identity;
	unsigned int i;

	memset(&identity, 0, sizeof(identity));
	check(irq_of_vectors(dev.bdf, identity.irq, 0, VECTORS), "/proc/interrupts");
	for (i = 0; i < VECTORS; i++)
		identity.entry[i] = vfio_dev_msix_entry(&dev, i);

	return identity;
}

/* Returns whether the n-th allocation was reached. */
static bool step_adoption(unsigned int n, unsigned int *nr_failed)
{
	bool hit;
	int ret;

	check(disarm(), "disarm");
	fail_nth(n);
	ret = arm();
	hit = stop_failing();
	if (ret < 0 && !hit)
		ksft_exit_fail_msg("arm fails by itself: %s\n", strerror(-ret));
	if (ret < 0) {
		(*nr_failed)++;
		check(arm(), "arm again");
	}

	return hit;
}

/* Even if there was no memory for a vector at first, it keeps its number and entry. */
static void test_adoption(void)
{
	unsigned int n, nr_failed = 0;
	struct identity was, is;
	bool same = true;

	was = get_identity();
	for (n = 1; n <= MAX_ALLOCATIONS && step_adoption(n, &nr_failed) && same; n++) {
		is = get_identity();
		/* An interrupt without its file in debugfs cannot be triggered. */
		rearm();
		same = !memcmp(&was, &is, sizeof(is)) && delivers();
	}
	ksft_print_msg("adopt: %u allocations failed, %u times there were no vectors\n", n - 1,
		       nr_failed);
	ksft_test_result(same && n > 1 && n <= MAX_ALLOCATIONS,
			 "adopt: each allocation fails once\n");
}

/* Returns whether the n-th allocation was reached. */
static bool step_attach(__u32 hwpt, unsigned int n, unsigned int *nr_refused)
{
	bool hit;
	int ret;

	fail_nth(n);
	ret = vfio_dev_attach(&dev, hwpt);
	hit = stop_failing();
	if (ret && (!hit || ret != -ENOMEM))
		ksft_exit_fail_msg("attach: %s\n", strerror(-ret));
	if (hit && !ret)
		check(vfio_dev_detach(&dev), "detach");
	*nr_refused += !!ret;

	return hit;
}

/*
 * Until it succeeds for the first time, the device keeps the page table with which it
 * was handed over.
 */
static void test_attach(void)
{
	unsigned int n = 1, nr_refused = 0;
	__u32 hwpt;

	check(dma_alloc_hwpt(&dev, memory, NR_PAGES, &hwpt), "page table");
	while (n <= MAX_ALLOCATIONS && step_attach(hwpt, n, &nr_refused))
		n++;
	ksft_print_msg("attach: %u allocations failed, %u times it was refused\n", n - 1,
		       nr_refused);
	ksft_test_result(n <= MAX_ALLOCATIONS && nr_refused,
			 "attach: each allocation fails once\n");
}

static void test_next_kernel(const char *bdf)
{
	ksft_set_plan(3);
	session = luo_retrieve_session(SESSION);
	check(session, "session");
	memfd = luo_retrieve_fd(session, MEMORY_TOKEN);
	check(memfd, "retrieve memory");
	map_memory();
	snprintf(dev.bdf, sizeof(dev.bdf), "%s", bdf);
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve");
	check(vfio_dev_bind(&dev), "bind");
	check(arm(), "arm");

	test_adoption();
	test_attach();
	ksft_test_result(!luo_finish(session), "FINISH\n");
	ksft_finished();
}

/* The session lives as long as its file is open. */
static void hand_over(void)
{
	open_and_preserve();
	if (!stay())
		ksft_finished();
	for (;;)
		pause();
}

int main(int argc, char *argv[])
{
	bool staged = argc == 4 && !strcmp(argv[1], "-s");

	ksft_print_header();
	if (argc > 2 && !staged)
		ksft_exit_fail_msg("usage: %s [[-s 1|2] BDF]\n", argv[0]);
	require_liveupdate();
	if (fail_nth_init())
		ksft_exit_skip("no fault injection: see config\n");

	make_eventfds();
	if (staged && !strcmp(argv[2], "2"))
		test_next_kernel(argv[3]);
	test_preserve(require_device(staged ? argv[3] : argv[1]));
	if (staged)
		hand_over();
	ksft_finished();
}
