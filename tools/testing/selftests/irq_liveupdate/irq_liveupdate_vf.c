// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live update of an NVMe controller with four virtual functions, two of which are
 * handed over with I/O in flight:
 *
 *	irq_liveupdate_vf -s 1 BDF	starts them; submits once a kernel is loaded
 *	kexec -e
 *	irq_liveupdate_vf -s 2 BDF	continues with them, finds what has completed
 *	irq_liveupdate_vf -a 2 BDF	the same, and then everything is preserved once more
 *	irq_liveupdate_vf -c 2 BDF	none is given back, starts all of them cold
 *	irq_liveupdate_vf -p 1|2 BDF	owns only the physical function, which is preserved
 *					once more; the virtual ones belong to others
 *
 * BDF is the physical function, which is bound to vfio-pci and is handed over as well. A
 * third virtual function is a bus master and is not handed over. The first namespace is
 * slow, so what is submitted to it is in flight at the jump, and completes before
 * the second stage begins.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "kselftest.h"

#include "dma.h"
#include "irqinfo.h"
#include "luo.h"
#include "nvme.h"
#include "pci_config.h"
#include "signals.h"
#include "test.h"
#include "virtfn.h"

#define SESSION		"irq_liveupdate_vf"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2	/* and following */

#define NR_VFS		4
#define NR_USED		2	/* of the virtual functions */
#define PF		NR_USED	/* the last controller */
#define NR_CONTROLLERS	(NR_USED + 1)

#define SLOW_NAMESPACE	1
#define FAST_NAMESPACE	2

#define IOS_PER_QUEUE	12
#define IOS		((NVME_QUEUES - 1) * IOS_PER_QUEUE)
#define SECTORS		(DMA_PAGE_BYTES / NVME_SECTOR_BYTES)
#define WORDS		(DMA_PAGE_BYTES / sizeof(__u64))

#define FIRST_ID(controller)	(0x4000 + 0x1000 * (controller))

static struct nvme nvmes[NR_CONTROLLERS];
static char vf_bdf[NR_VFS][VIRTFN_BDF_BYTES];
static unsigned int completed[NR_CONTROLLERS][IOS], failed;

static __u64 word(unsigned int controller, unsigned int io, unsigned int i)
{
	return 0x0123456789abcdefULL ^ (((__u64)controller * IOS + io) * WORDS + i);
}

static void fill(unsigned int controller, unsigned int io)
{
	__u64 *data = nvme_data(&nvmes[controller], io);
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		data[i] = word(controller, io, i);
}

static bool filled(unsigned int controller, unsigned int io)
{
	__u64 *data = nvme_data(&nvmes[controller], io);
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		if (data[i] != word(controller, io, i))
			return false;
	}

	return true;
}

static struct nvme_io describe(unsigned int controller, unsigned int io, __u8 opcode)
{
	return (struct nvme_io) {
		.opcode = opcode,
		.id = FIRST_ID(controller) + io,
		.sector = (controller * IOS + io) * SECTORS,
		.page = io,
	};
}

/* Through the fast namespace, one at a time */
static int do_now(unsigned int controller, unsigned int io, __u8 opcode)
{
	struct nvme_io now = describe(controller, io, opcode);

	now.namespace = FAST_NAMESPACE;

	return nvme_do(&nvmes[controller], 1, &now);
}

static void prepare(unsigned int controller)
{
	unsigned int io;

	for (io = 0; io < IOS; io++) {
		fill(controller, io);
		check(do_now(controller, io, NVME_CMD_WRITE), "I/O");
	}
}

static void submit_all(void)
{
	struct timespec tick = { .tv_nsec = 10000000 };
	unsigned int controller, io;
	struct nvme_io read;

	/* The data to be read is on the storage, and not yet in memory. */
	for (io = 0; io < IOS; io++) {
		for (controller = 0; controller < NR_USED; controller++)
			memset(nvme_data(&nvmes[controller], io), 0, DMA_PAGE_BYTES);
	}
	while (!next_kernel_loaded())
		nanosleep(&tick, NULL);
	for (io = 0; io < IOS; io++) {
		for (controller = 0; controller < NR_USED; controller++) {
			read = describe(controller, io, NVME_CMD_READ);
			read.namespace = SLOW_NAMESPACE;
			nvme_submit(&nvmes[controller], 1 + io % (NVME_QUEUES - 1), &read);
		}
	}
}

static void map_memory(int memfd)
{
	check(memfd, "memfd");
	check(nvme_map_memories(nvmes, NR_CONTROLLERS, memfd), "map memory");
}

/* Its file is open. */
static void bind(struct nvme *nvme)
{
	nvme->dev.token = VFIO_DEV_TOKEN;
	nvme->dev.iommufd = nvmes[PF].dev.iommufd;
	check(vfio_dev_bind(&nvme->dev), nvme->dev.bdf);
}

/* Each controller can reach the memory of all. */
static void attach(struct nvme *nvme)
{
	check(dma_attach(&nvme->dev, nvmes[0].memory, NR_CONTROLLERS * NVME_PAGES), "attach");
	check(nvme_arm(nvme), "arm");
}

static void start(struct nvme *nvme, const char *bdf)
{
	check(vfio_dev_open_cdev(&nvme->dev, bdf), bdf);
	bind(nvme);
	check(vfio_dev_set_bus_master(&nvme->dev), "bus master");
	attach(nvme);
	check(nvme_start(nvme), "controller");
}

/* With all virtual functions that are used, each of which is reset when it is opened */
static void start_physical(const char *bdf)
{
	unsigned int i;

	start(&nvmes[PF], bdf);
	virtfn_enable(bdf, NR_VFS);
	virtfn_find(bdf, NR_VFS, vf_bdf);
	for (i = 0; i < NR_USED; i++)
		check(nvme_start_secondary(&nvmes[PF], i + 1), "secondary controller");
}

static void start_all(const char *bdf)
{
	unsigned int i;

	start_physical(bdf);
	for (i = 0; i < NR_USED; i++) {
		start(&nvmes[i], vf_bdf[i]);
		prepare(i);
	}
}

/* A bus master like the others, but in use only until this kernel ends */
static void start_cold_one(void)
{
	static struct vfio_dev dev = { .token = VFIO_DEV_TOKEN };

	check(vfio_dev_open_cdev(&dev, vf_bdf[NR_USED]), vf_bdf[NR_USED]);
	dev.iommufd = nvmes[PF].dev.iommufd;
	check(vfio_dev_bind_plain(&dev), "bind");
	check(vfio_dev_set_bus_master(&dev), "bus master");
}

static int preserve_memory(int memfd)
{
	int session = luo_create_session(SESSION);

	check(session, "session");
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");

	return session;
}

static void preserve_controller(int session, unsigned int controller)
{
	check(luo_preserve_fd(session, nvmes[controller].dev.fd, DEVICE_TOKEN + controller),
	      "preserve");
}

/* The physical function first */
static void preserve_controllers(int session)
{
	int i;

	for (i = PF; i >= 0; i--)
		preserve_controller(session, i);
}

/* A device is reset when it is closed. */
static void stay_open(void)
{
	if (!stay())
		ksft_finished();
}

static void wait_for_the_end(void)
{
	for (;;)
		pause();
}

static void stage_1(const char *bdf)
{
	int memfd = dma_create(NR_CONTROLLERS * NVME_PAGES);
	int session;

	check(memfd, "memfd");
	session = preserve_memory(memfd);
	map_memory(memfd);

	start_all(bdf);
	start_cold_one();

	ksft_set_plan(2);
	ksft_test_result(luo_preserve_fd(session, nvmes[0].dev.fd, DEVICE_TOKEN) == -EOPNOTSUPP,
			 "a virtual function is not preserved before its physical function\n");
	preserve_controllers(session);
	ksft_test_result_pass("the virtual functions have I/O to do\n");
	stay_open();
	submit_all();
	wait_for_the_end();
}

static void stage_1_physical(const char *bdf)
{
	int memfd = dma_create(NR_CONTROLLERS * NVME_PAGES);
	int session;

	check(memfd, "memfd");
	session = preserve_memory(memfd);
	map_memory(memfd);

	start_physical(bdf);
	preserve_controller(session, PF);
	ksft_set_plan(1);
	ksft_test_result_pass("others may use the virtual functions\n");
	stay_open();
	wait_for_the_end();
}

static void take_completion(unsigned int controller, __u16 id, __u16 status)
{
	unsigned int io = id - FIRST_ID(controller);

	if (io >= IOS || status) {
		ksft_print_msg("completion of %#x: status %#x\n", id, status);
		failed++;
		return;
	}
	completed[controller][io]++;
}

static bool is_quiet(unsigned int controller, unsigned int queue)
{
	return controller == PF || !queue;
}

/* How many vectors were not signalled exactly this often: the busy ones, and the others */
static unsigned int wrong_signals(__u64 busy, __u64 others)
{
	unsigned int controller, queue, wrong = 0;
	int irqs[NVME_QUEUES];

	for (controller = 0; controller < NR_CONTROLLERS; controller++) {
		struct nvme *nvme = &nvmes[controller];

		check(irq_of_vectors(nvme->dev.bdf, irqs, 0, NVME_QUEUES), "/proc/interrupts");
		for (queue = 0; queue < NVME_QUEUES; queue++)
			wrong += !signals_exactly(nvme->eventfd[queue], irqs[queue],
						  is_quiet(controller, queue) ? others : busy);
	}

	return wrong;
}

/* Looks at a queue when its interrupt has arrived. Returns how many never arrive. */
static unsigned int serve_interrupts(void)
{
	unsigned int controller, queue, missing = 0;
	__u16 id, status;

	for (controller = 0; controller < NR_CONTROLLERS; controller++) {
		for (queue = 0; queue < NVME_QUEUES; queue++) {
			if (signals_wait(nvmes[controller].eventfd[queue], 1) != 1) {
				missing++;
				continue;
			}
			while (nvme_reap(&nvmes[controller], queue, &id, &status))
				take_completion(controller, id, status);
		}
	}

	return missing;
}

static bool all_completed(void)
{
	unsigned int controller, io, sum = 0;

	for (controller = 0; controller < NR_USED; controller++) {
		for (io = 0; io < IOS; io++)
			sum += completed[controller][io] == 1 && filled(controller, io);
	}
	ksft_print_msg("%u of %u I/Os completed correctly\n", sum, NR_USED * IOS);

	return sum == NR_USED * IOS && !failed;
}

static bool goes_on(unsigned int controller)
{
	fill(controller, 0);
	if (do_now(controller, 0, NVME_CMD_WRITE))
		return false;
	memset(nvme_data(&nvmes[controller], 0), 0, DMA_PAGE_BYTES);

	return !do_now(controller, 0, NVME_CMD_READ) && filled(controller, 0);
}

static bool all_go_on(void)
{
	unsigned int controller, wrong = 0;

	for (controller = 0; controller < NR_CONTROLLERS; controller++)
		wrong += !goes_on(controller);

	return !wrong;
}

static bool is_master(const char *bdf)
{
	__u8 config[PCI_CFG_SPACE_EXP_SIZE];

	if (pci_config_read(bdf, config) < 0)
		ksft_exit_fail_msg("%s: no configuration space\n", bdf);

	return pci_config_get(config, PCI_COMMAND, sizeof(__u16)) & PCI_COMMAND_MASTER;
}

static void retrieve(int session, unsigned int controller, const char *bdf)
{
	struct nvme *nvme = &nvmes[controller];

	snprintf(nvme->dev.bdf, sizeof(nvme->dev.bdf), "%s", bdf);
	nvme->dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN + controller);
	check(nvme->dev.fd, bdf);
	bind(nvme);
}

/* A reset would end the virtual functions, whether or not their owners have come back. */
static bool reset_is_refused(struct nvme *nvme)
{
	char path[64];
	FILE *f;
	bool sysfs;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", nvme->dev.bdf);
	f = fopen(path, "w");
	if (!f)
		ksft_exit_fail_perror(path);
	fputs("1", f);
	sysfs = fclose(f) && errno == EBUSY;

	return sysfs && ioctl(nvme->dev.fd, VFIO_DEVICE_RESET) && errno == EBUSY;
}

/* The lab stops the machine in a chain of updates, which ends all I/O early. */
static void forget_signals(void)
{
	unsigned int controller, queue;

	sleep(1);
	for (controller = 0; controller < NR_CONTROLLERS; controller++) {
		for (queue = 0; queue < NVME_QUEUES; queue++)
			signals_read(nvmes[controller].eventfd[queue]);
	}
}

static void stage_2(const char *bdf, bool again)
{
	int session = luo_retrieve_session(SESSION);
	unsigned int i, missing;
	int memfd;

	ksft_set_plan(again ? 7 : 8);
	check(session, "session");
	virtfn_find(bdf, NR_VFS, vf_bdf);
	memfd = luo_retrieve_fd(session, MEMORY_TOKEN);
	map_memory(memfd);
	retrieve(session, PF, bdf);
	for (i = 0; i < NR_USED; i++)
		retrieve(session, i, vf_bdf[i]);

	ksft_test_result(nvme_running(&nvmes[0]) && nvme_running(&nvmes[1]) &&
			 nvme_running(&nvmes[PF]), "all three controllers are running\n");
	ksft_test_result(is_master(vf_bdf[0]) && is_master(vf_bdf[1]) &&
			 !is_master(vf_bdf[2]) && !is_master(vf_bdf[3]),
			 "virtual functions that are not handed over are not bus masters\n");
	ksft_test_result(reset_is_refused(&nvmes[PF]), "the physical function is not reset\n");
	for (i = 0; i < NR_CONTROLLERS; i++)
		attach(&nvmes[i]);
	if (again)
		forget_signals();
	else
		ksft_test_result(!wrong_signals(1, 0),
				 "queues with I/O have an interrupt latched, others have not\n");

	check(luo_finish(session), "finish");
	missing = serve_interrupts();
	ksft_test_result(all_completed(), "what was in flight has completed, once\n");
	ksft_test_result(!missing && !wrong_signals(0, 0),
			 "FINISH gives each vector exactly one interrupt\n");
	ksft_test_result(all_go_on(), "all three controllers keep working\n");
	ksft_test_result(nvme_running(&nvmes[PF]), "the physical function is running\n");
	close(session);
	if (again)
		preserve_controllers(preserve_memory(memfd));
	stay_open();
	if (again)
		submit_all();
	wait_for_the_end();
}

/* Preserves it once more as well, before others preserve the virtual functions */
static void stage_2_physical(const char *bdf)
{
	int session = luo_retrieve_session(SESSION);
	struct nvme *nvme = &nvmes[PF];
	unsigned int queue;
	bool running;
	int memfd;

	ksft_set_plan(2);
	check(session, "session");
	memfd = luo_retrieve_fd(session, MEMORY_TOKEN);
	map_memory(memfd);
	retrieve(session, PF, bdf);
	running = nvme_running(nvme);
	attach(nvme);
	check(luo_finish(session), "finish");
	close(session);
	/* These are interrupts of the live update, not of completions. */
	for (queue = 0; queue < NVME_QUEUES; queue++)
		signals_wait(nvme->eventfd[queue], 1);
	ksft_test_result(running && goes_on(PF), "the physical function keeps working\n");
	ksft_test_result(reset_is_refused(nvme),
			 "the physical function is not reset while a VF is incoming\n");
	preserve_controller(preserve_memory(memfd), PF);
	stay_open();
	wait_for_the_end();
}

/* Whether the virtual functions are gone or were not found, they are enabled anew. */
static void stage_2_cold(const char *bdf)
{
	int session = luo_retrieve_session(SESSION);
	unsigned int i, refused = 0;

	ksft_set_plan(2);
	check(session, "session");
	for (i = 0; i < NR_CONTROLLERS; i++)
		refused += luo_retrieve_fd(session, DEVICE_TOKEN + i) == -ENODEV;
	ksft_test_result(refused == NR_CONTROLLERS, "no controller is given back\n");
	check(luo_finish(session), "finish");

	map_memory(dma_create(NR_CONTROLLERS * NVME_PAGES));
	start_all(bdf);
	ksft_test_result(all_go_on(), "all three controllers start cold\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	char how = argc == 4 && argv[1][0] == '-' ? argv[1][1] : '\0';

	ksft_print_header();
	if (!how || !strchr("sacp", how))
		ksft_exit_fail_msg("usage: %s -s|-a|-c|-p 1|2 BDF\n", argv[0]);
	require_liveupdate();

	if (how == 'p' && !strcmp(argv[2], "1"))
		stage_1_physical(argv[3]);
	else if (how == 'p')
		stage_2_physical(argv[3]);
	else if (!strcmp(argv[2], "1"))
		stage_1(argv[3]);
	else if (how == 'c')
		stage_2_cold(argv[3]);
	else
		stage_2(argv[3], how == 'a');
}
