// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual function of an NVMe controller is unbound from vfio-pci, or the physical one is
 * unbound or removed, or its virtual functions are disabled, at each step of a live update.
 * The task that does this waits for the users of what it takes away. Nothing else waits for
 * the task, and the other functions keep working.
 *
 *	irq_liveupdate_vf_unbind BDF		before preserve(), and before freeze(): refused
 *
 *	irq_liveupdate_vf_unbind -s 1 WHO WAY BDF	once all functions are frozen
 *	kexec -e
 *	irq_liveupdate_vf_unbind -s 2 WHO WAY BDF STEP	the same again, at this step
 *
 * BDF is the physical function, which is bound to vfio-pci. WHO is "virtual" or "physical",
 * WAY is "unbound" or, for the physical one, "removed" or "disabled", and STEP "waiting",
 * before any function is retrieved, "retrieved", before it is bound to an iommufd, or
 * "bound", before FINISH. In the first form a kexec kernel must be loaded: a freeze that
 * does not fail as it should ends the test.
 *
 * Of the four virtual functions, one is taken away and another one is not; both are used and
 * preserved. A third one has a user, is not preserved, and is enumerated before these two,
 * so it is shut down after them. The last one, enumerated last, holds up the jump.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/reboot.h>

#include "kselftest.h"

#include "dma.h"
#include "kmsg.h"
#include "luo.h"
#include "nvme.h"
#include "record.h"
#include "signals.h"
#include "test.h"
#include "unbind.h"
#include "virtfn.h"

#define SESSION		"irq_liveupdate_vf_unbind"
#define RECORD_TOKEN	1
#define MEMORY_TOKEN	2
#define DEVICE_TOKEN	3	/* and following */
#define TIMEOUT_S	120

#define NR_VFS		4
#define COLD_VF		0
#define FIRST_VF	1	/* of the two that are used */
#define LAST_VF		3

#define FAST_NAMESPACE	2
#define FIRST_SECTOR	0x1000

/* Controllers, in the order in which they are preserved */
enum {
	PF,
	VICTIM,
	OTHER,
	NR_CONTROLLERS,
};

/* What the next kernel has to know, in a memfd that goes with the session */
struct record {
	bool taken;
};

static struct nvme nvmes[NR_CONTROLLERS];
static char vf_bdf[NR_VFS][VIRTFN_BDF_BYTES];
static const char *pf_bdf, *victim_bdf;
static const struct unbind_way *way;
static bool takes_pf;

static bool goes_on(unsigned int controller)
{
	struct nvme *nvme = &nvmes[controller];
	struct nvme_io io = {
		.opcode = NVME_CMD_WRITE,
		.id = controller,
		.namespace = FAST_NAMESPACE,
		.sector = FIRST_SECTOR * (1 + controller),
	};
	__u64 *data = nvme_data(nvme, 0);

	*data = ~(__u64)controller;
	if (nvme_do(nvme, 1, &io))
		return false;
	*data = 0;
	io.opcode = NVME_CMD_READ;

	return !nvme_do(nvme, 1, &io) && *data == ~(__u64)controller;
}

static void map_memory(int memfd)
{
	check(memfd, "memfd");
	check(nvme_map_memories(nvmes, NR_CONTROLLERS, memfd), "map memory");
}

static void attach(unsigned int controller)
{
	struct nvme *nvme = &nvmes[controller];

	nvme->dev.token = VFIO_DEV_TOKEN;
	check(vfio_dev_bind(&nvme->dev), "bind");
	check(dma_attach(&nvme->dev, nvmes[0].memory, NR_CONTROLLERS * NVME_PAGES), "attach");
	check(nvme_arm(nvme), "arm");
}

static void start(unsigned int controller, const char *bdf)
{
	struct nvme *nvme = &nvmes[controller];

	check(vfio_dev_open_cdev(&nvme->dev, bdf), bdf);
	attach(controller);
	check(vfio_dev_set_bus_master(&nvme->dev), "bus master");
	check(nvme_start(nvme), "controller");
}

static void find_vfs(void)
{
	virtfn_find(pf_bdf, NR_VFS, vf_bdf);
	victim_bdf = takes_pf ? pf_bdf : vf_bdf[FIRST_VF];
}

static void start_all(void)
{
	unsigned int i;

	/* It contains completions of earlier starts. */
	memset(nvmes[0].memory, 0, NR_CONTROLLERS * NVME_PAGES * DMA_PAGE_BYTES);
	start(PF, pf_bdf);
	virtfn_enable(pf_bdf, NR_VFS);
	find_vfs();
	for (i = VICTIM; i < NR_CONTROLLERS; i++) {
		unsigned int vf = FIRST_VF + i - VICTIM;

		check(nvme_start_secondary(&nvmes[PF], vf + 1), "secondary controller");
		start(i, vf_bdf[vf]);
	}
}

static void close_controller(unsigned int controller)
{
	vfio_dev_close(&nvmes[controller].dev);
}

static void close_all(void)
{
	unsigned int i;

	for (i = 0; i < NR_CONTROLLERS; i++)
		close_controller(i);
}

static int create_session(int record, int memory)
{
	int session = luo_create_session(SESSION);

	check(session, "session");
	check(luo_preserve_fd(session, record, RECORD_TOKEN), "preserve record");
	check(luo_preserve_fd(session, memory, MEMORY_TOKEN), "preserve memory");

	return session;
}

static int preserve(int session, unsigned int controller)
{
	return luo_preserve_fd(session, nvmes[controller].dev.fd, DEVICE_TOKEN + controller);
}

static void preserve_all(int session)
{
	unsigned int i;

	for (i = 0; i < NR_CONTROLLERS; i++)
		check(preserve(session, i), "preserve");
}

/* Disabling virtual functions removes them, in order. */
static pid_t take(void)
{
	return unbind_start_until(way, victim_bdf, vf_bdf[FIRST_VF]);
}

/* With the error for this way, and one line that gives the reason */
static bool refused(int kmsg, int error)
{
	bool disabled = way == &unbind_disabled;
	const char *reason = disabled ? "virtual functions are being enabled or disabled" :
					"being unbound from its driver";
	unsigned int lines = kmsg_count_and_close(kmsg, victim_bdf, reason);

	if (lines != 1)
		ksft_print_msg("%s, %u lines\n", strerror(error), lines);

	return error == (disabled ? EBUSY : ENODEV) && lines == 1;
}

static void bring_back(void)
{
	if (takes_pf)
		way->back(pf_bdf);
	else
		virtfn_enable(pf_bdf, 0);
}

static bool others_are_preserved(int session)
{
	if (takes_pf)
		return preserve(session, OTHER) == -EOPNOTSUPP;

	return !preserve(session, OTHER);
}

static void test_before_prepare(int record, int memory)
{
	int session, kmsg, ret;
	pid_t child;

	start_all();
	session = create_session(record, memory);
	child = take();
	kmsg = kmsg_from_now();
	ret = preserve(session, PF);
	if (!takes_pf)
		ret = ret ? ret : preserve(session, VICTIM);
	ksft_test_result(refused(kmsg, -ret), "%s is not preserved while it is being %s\n",
			 victim_bdf, way->name);
	ksft_test_result(others_are_preserved(session), "%s\n", takes_pf ?
			 "virtual functions are not preserved" : "other functions are preserved");
	ksft_test_result(goes_on(PF) && goes_on(OTHER), "PF and another VF keep working\n");
	close(session);
	close_all();
	ksft_test_result(unbind_ends(child), "%s is %s when the users are gone\n", victim_bdf,
			 way->name);
	bring_back();
}

static void test_before_freeze(int record, int memory)
{
	int session, kmsg;
	pid_t child;

	start_all();
	session = create_session(record, memory);
	preserve_all(session);
	child = take();
	kmsg = kmsg_from_now();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	ksft_test_result(refused(kmsg, errno),
			 "%s is preserved, and not frozen while it is being %s\n", victim_bdf,
			 way->name);
	ksft_test_result(goes_on(PF) && goes_on(VICTIM) && goes_on(OTHER),
			 "all functions keep working\n");
	close(session);
	close_all();
	ksft_test_result(unbind_ends(child), "%s is %s when the users are gone\n", victim_bdf,
			 way->name);
	bring_back();
}

static void before_the_jump(void)
{
	static const struct unbind_way *const ways[] = {
		&unbind_unbound, &unbind_unbound, &unbind_removed, &unbind_disabled
	};
	int record = record_create(sizeof(struct record));
	int memory = dma_create(NR_CONTROLLERS * NVME_PAGES);
	unsigned int i;

	ksft_set_plan(7 * ARRAY_SIZE(ways));
	map_memory(memory);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		way = ways[i];
		takes_pf = i;
		test_before_prepare(record, memory);
		test_before_freeze(record, memory);
	}
	ksft_finished();
}

static void open_plain(struct vfio_dev *dev, const char *bdf)
{
	dev->token = VFIO_DEV_TOKEN;
	check(vfio_dev_open_cdev(dev, bdf), bdf);
	check(vfio_dev_bind_plain(dev), "bind");
}

/* The virtual functions of a frozen device stay, whether or not they have a user. */
static bool taken_while_frozen(void)
{
	pid_t child;

	if (!takes_pf) {
		take();
		return true;
	}
	child = unbind_begin(way, pf_bdf);
	if (way == &unbind_disabled)
		return unbind_fails(child);

	return unbind_waits(child) && is_vfio_device(vf_bdf[COLD_VF]) &&
	       is_vfio_device(vf_bdf[FIRST_VF]);
}

static void stage_1(void)
{
	int record_fd = record_create(sizeof(struct record));
	int memory = dma_create(NR_CONTROLLERS * NVME_PAGES);
	struct vfio_dev cold = { }, last = { };
	struct record *record = record_map(record_fd, sizeof(*record));

	map_memory(memory);
	start_all();
	open_plain(&cold, vf_bdf[COLD_VF]);
	open_plain(&last, vf_bdf[LAST_VF]);
	preserve_all(create_session(record_fd, memory));
	unbind_start(&unbind_unbound, vf_bdf[LAST_VF]);
	if (!stay())
		ksft_exit_pass();
	/* This is the last one to be frozen. */
	unbind_wait_until_frozen(&nvmes[OTHER].dev);
	record->taken = taken_while_frozen();
	vfio_dev_close(&last);
	for (;;)
		pause();
}

static int retrieve(int session, unsigned int controller, const char *bdf)
{
	struct vfio_dev *dev = &nvmes[controller].dev;

	snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);
	dev->fd = luo_retrieve_fd(session, DEVICE_TOKEN + controller);

	return dev->fd < 0 ? dev->fd : 0;
}

/* The interrupts of FINISH, which do not belong to completions, and then I/O */
static bool finished(unsigned int controller)
{
	unsigned int queue, missing = 0;

	for (queue = 0; queue < NVME_QUEUES; queue++)
		missing += signals_wait(nvmes[controller].eventfd[queue], 1) != 1;

	return !missing && nvme_running(&nvmes[controller]) && goes_on(controller);
}

static bool vfs_are_not_given_back(int session)
{
	return retrieve(session, VICTIM, vf_bdf[FIRST_VF]) == -ENODEV &&
	       retrieve(session, OTHER, vf_bdf[FIRST_VF + 1]) == -ENODEV;
}

/*
 * Nobody has the virtual functions. Without them, the physical one counts as a different
 * device.
 */
static void test_waiting_disabled(int session)
{
	ksft_test_result(unbind_ends(unbind_begin(way, pf_bdf)),
			 "virtual functions are disabled at once\n");
	ksft_test_result(retrieve(session, PF, pf_bdf) == -ENODEV,
			 "the physical function is not given back\n");
	ksft_test_result(vfs_are_not_given_back(session), "virtual functions are not given back\n");
	ksft_test_result(!luo_finish(session), "FINISH\n");
}

/* Nobody has the virtual function, so it is taken at once. */
static void test_waiting(int session)
{
	ksft_test_result(unbind_ends(unbind_begin(way, victim_bdf)),
			 "the virtual function is %s at once\n", way->name);
	check(retrieve(session, PF, pf_bdf), "retrieve");
	ksft_test_result(retrieve(session, VICTIM, victim_bdf) == -ENODEV,
			 "the virtual function is not given back\n");
	check(retrieve(session, OTHER, vf_bdf[FIRST_VF + 1]), "retrieve");
	attach(PF);
	attach(OTHER);
	ksft_test_result(!luo_finish(session), "FINISH\n");
	ksft_test_result(finished(PF) && finished(OTHER), "the other functions keep working\n");
}

/* Nobody has the virtual functions yet, so they end. The physical one has a user. */
static void test_physical_retrieved(int session)
{
	pid_t child = 0;

	check(retrieve(session, PF, pf_bdf), "retrieve");
	if (way == &unbind_disabled)
		check(unbind_ends(unbind_begin(way, pf_bdf)) ? 0 : -ETIMEDOUT, "disable");
	else
		child = unbind_start(way, pf_bdf);
	ksft_test_result(vfs_are_not_given_back(session),
			 "virtual functions are not given back\n");
	attach(PF);
	ksft_test_result(!luo_finish(session), "FINISH while %s is being %s\n", victim_bdf,
			 way->name);
	ksft_test_result(finished(PF), "the physical function keeps working\n");
	close(session);
	close_controller(PF);
	ksft_test_result(way == &unbind_disabled || unbind_ends(child),
			 "%s is %s when its user is gone\n", pf_bdf, way->name);
}

static void test_used(int session, bool is_bound)
{
	pid_t child = 0;

	check(retrieve(session, PF, pf_bdf), "retrieve");
	check(retrieve(session, VICTIM, vf_bdf[FIRST_VF]), "retrieve");
	if (!is_bound)
		child = take();
	check(retrieve(session, OTHER, vf_bdf[FIRST_VF + 1]), "retrieve");
	attach(PF);
	attach(VICTIM);
	attach(OTHER);
	if (is_bound)
		child = take();
	ksft_test_result(!luo_finish(session), "FINISH while %s is being %s\n", victim_bdf,
			 way->name);
	ksft_test_result(finished(PF) && finished(VICTIM) && finished(OTHER),
			 "all functions keep working\n");
	close(session);
	close_controller(VICTIM);
	if (takes_pf) {
		close_controller(OTHER);
		close_controller(PF);
	}
	ksft_test_result(unbind_ends(child), "%s is %s when the users are gone\n", victim_bdf,
			 way->name);
	ksft_test_result(takes_pf || (goes_on(PF) && goes_on(OTHER)),
			 "the other functions keep working afterwards\n");
}

static void stage_2(const char *step)
{
	int session = luo_retrieve_session(SESSION), record_fd;
	const struct record *record;

	ksft_set_plan(5);
	check(session, "session");
	find_vfs();
	record_fd = luo_retrieve_fd(session, RECORD_TOKEN);
	check(record_fd, "retrieve record");
	record = record_map(record_fd, sizeof(*record));
	ksft_test_result(record->taken,
			 "%s was being %s when the old kernel went down\n", victim_bdf, way->name);
	map_memory(luo_retrieve_fd(session, MEMORY_TOKEN));
	if (takes_pf && !strcmp(step, "waiting"))
		test_waiting_disabled(session);
	else if (!strcmp(step, "waiting"))
		test_waiting(session);
	else if (takes_pf && !strcmp(step, "retrieved"))
		test_physical_retrieved(session);
	else
		test_used(session, !strcmp(step, "bound"));
	ksft_finished();
}

int main(int argc, char *argv[])
{
	int stage = argc > 2 && !strcmp(argv[1], "-s") ? atoi(argv[2]) : 0;

	ksft_print_header();
	if (argc != (stage == 1 ? 6 : stage == 2 ? 7 : 2))
		ksft_exit_fail_msg("usage: %s BDF | -s 1 WHO WAY BDF | -s 2 WHO WAY BDF STEP\n",
				   argv[0]);
	require_liveupdate();
	alarm(TIMEOUT_S);
	pf_bdf = argv[stage ? 5 : 1];
	if (!stage)
		before_the_jump();

	takes_pf = !strcmp(argv[3], "physical");
	way = unbind_way_of(argv[4]);
	if (stage == 1)
		stage_1();
	stage_2(argv[6]);
}
