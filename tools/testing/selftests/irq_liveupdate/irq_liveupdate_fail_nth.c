// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation on the way into a live update, and on the way back, fails
 * once, with an MSI-X device that is bound to vfio-pci and not in use:
 *
 *	irq_liveupdate_fail_nth [BDF]		needs no kexec
 *
 *	irq_liveupdate_kexec -s 1 BDF
 *	kexec -e
 *	irq_liveupdate_fail_nth adopt BDF	arms the vectors which were handed over
 *
 * After each failure the same call has to succeed, and the device has to be as it
 * was, with every vector delivered once when it is triggered. What the kernel
 * loses without a word is found by kmemleak.
 *
 * FREEZE, take over, retrieve and FINISH happen once in a life and cannot be
 * walked from here: see irq_liveupdate_fail_retrieve, and the KUnit suites
 * irq_liveupdate_core and irq_liveupdate_vtd_units.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kselftest.h"

#include "fail_nth.h"
#include "irqinfo.h"
#include "luo.h"
#include "signals.h"
#include "state.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_fail_nth"
#define TOKEN		1

/* Of irq_liveupdate_kexec */
#define KEXEC_SESSION	"irq_liveupdate_kexec-0"
#define KEXEC_TOKEN	2

#define VECTORS		2
#define MAX_ALLOCATIONS	2000

#define KHO_SUBTREE	"/sys/kernel/debug/kho/out/sub_fdts/irq-liveupdate"

static struct vfio_dev dev;
static int eventfds[VECTORS];
static int session;

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
}

static void close_session(void)
{
	close(session);
}

static int preserve(void)
{
	return luo_preserve_fd(session, dev.fd, TOKEN);
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

/* A next time is as good as the first one, and then nothing is left. */
static bool can_be_preserved(void)
{
	int ret;

	open_session();
	ret = preserve();
	close_session();

	return !ret && access(KHO_SUBTREE, F_OK);
}

static bool is_well(const struct walk *walk, const struct device_state *before)
{
	struct device_state now;

	state_read(dev.bdf, &now);

	return (walk->changes_device || state_same(before, &now)) && delivers() &&
	       can_be_preserved();
}

/* Returns whether it came to the n-th allocation. */
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
	ksft_test_result(well && n <= MAX_ALLOCATIONS && is_well(walk, &before),
			 "%s: each allocation fails once\n", walk->name);
}

static void make_eventfds(void)
{
	unsigned int i;

	for (i = 0; i < VECTORS; i++)
		eventfds[i] = signals_create();
}

static void test_preserve(const char *bdf)
{
	unsigned int i;

	ksft_set_plan(ARRAY_SIZE(walks));
	check(vfio_dev_open_cdev(&dev, bdf), "open");
	check(vfio_dev_bind(&dev), "bind");
	check(vfio_dev_set_bus_master(&dev), "bus master");
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

/* Returns whether it came to the n-th allocation. */
static bool step_adoption(unsigned int n, unsigned int *nr_failed)
{
	bool hit;
	int ret;

	check(disarm(), "disarm");
	fail_nth(n);
	ret = arm();
	hit = stop_failing();
	if (ret < 0) {
		(*nr_failed)++;
		check(arm(), "arm again");
	}

	return hit;
}

/* A vector for which there was no memory at first keeps its number and entry nevertheless. */
static void test_adoption(const char *bdf)
{
	unsigned int n, nr_failed = 0;
	struct identity was, is;
	bool same = true;

	ksft_set_plan(1);
	session = luo_retrieve_session(KEXEC_SESSION);
	check(session, "session");
	snprintf(dev.bdf, sizeof(dev.bdf), "%s", bdf);
	dev.fd = luo_retrieve_fd(session, KEXEC_TOKEN);
	check(dev.fd, "retrieve");
	check(vfio_dev_bind(&dev), "bind");
	check(arm(), "arm");

	was = get_identity();
	for (n = 1; n <= MAX_ALLOCATIONS && step_adoption(n, &nr_failed) && same; n++) {
		is = get_identity();
		/* An interrupt without its file in debugfs cannot be triggered. */
		rearm();
		same = !memcmp(&was, &is, sizeof(is)) && delivers();
	}
	ksft_print_msg("adopt: %u allocations failed, %u times there were no vectors\n", n - 1,
		       nr_failed);
	check(luo_finish(session), "finish");
	ksft_test_result(same && n <= MAX_ALLOCATIONS, "adopt: each allocation fails once\n");
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if (argc > 2 && (argc != 3 || strcmp(argv[1], "adopt")))
		ksft_exit_fail_msg("usage: %s [[adopt] BDF]\n", argv[0]);
	require_liveupdate();
	if (fail_nth_init())
		ksft_exit_skip("no fault injection: see config\n");

	make_eventfds();
	if (argc == 3)
		test_adoption(argv[2]);
	else
		test_preserve(require_device(argv[1]));
	ksft_finished();
}
