// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user whose memory never arrives is stuck in the middle of system calls of VFIO
 * and LUO, like one with a buffer in a file system that does not answer. This does
 * not hold up anybody's live update, not even the user's own:
 *
 *	irq_liveupdate_stuck -s 1 BDF OTHER	preserves BDF, is stuck with both
 *	kexec -e
 *	irq_liveupdate_stuck -s 2 BDF		retrieves BDF
 *
 * with MSI-X devices that are bound to vfio-pci. The missing memory is held back
 * with userfaultfd, which also reports that the kernel asks for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/liveupdate.h>
#include <linux/pci_regs.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>

#include "kselftest.h"

#include "ioas.h"
#include "luo.h"
#include "signals.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_stuck"
#define DEVICE_TOKEN	1
#define OTHER_TOKEN	2
#define MEMFD_TOKEN	3
#define VECTORS		2
#define PAGE_BYTES	4096
#define IOVA		0x40000000ULL
#define WAIT_MS		10000
#define TIMEOUT_S	60

/* A page that is present, followed by one that is held back */
struct pages {
	char *first;
	char *second;
};

static struct vfio_dev device, other;
static int uffd, session;

static void open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		ksft_exit_skip("no userfaultfd: %s\n", strerror(errno));
	if (ioctl(uffd, UFFDIO_API, &api))
		ksft_exit_skip("no write protection with userfaultfd: %s\n", strerror(errno));
}

static struct pages map_pages(__u64 mode)
{
	char *map = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { .mode = mode };

	if (map == MAP_FAILED)
		ksft_exit_fail_perror("pages");
	memset(map, 0, PAGE_BYTES);
	reg.range.start = (__u64)(map + PAGE_BYTES);
	reg.range.len = PAGE_BYTES;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		ksft_exit_fail_perror("UFFDIO_REGISTER");

	return (struct pages) { map, map + PAGE_BYTES };
}

/* Reading the second page gets stuck. */
static struct pages pages_not_to_read(void)
{
	return map_pages(UFFDIO_REGISTER_MODE_MISSING);
}

/* From here on, writing the second page gets stuck. */
static void protect_second(struct pages *pages)
{
	struct uffdio_writeprotect protect = {
		.range = { .start = (__u64)pages->second, .len = PAGE_BYTES },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	if (ioctl(uffd, UFFDIO_WRITEPROTECT, &protect))
		ksft_exit_fail_perror("UFFDIO_WRITEPROTECT");
}

static void *arm_forever(void *arg)
{
	struct vfio_irq_set *set = (void *)(pages_not_to_read().second - sizeof(*set));
	struct vfio_dev *dev = arg;

	*set = (struct vfio_irq_set) {
		.argsz = sizeof(*set) + VECTORS * sizeof(int),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = VECTORS,
	};
	ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, set);

	return NULL;
}

static void *write_config_forever(void *arg)
{
	char *command = pages_not_to_read().second;
	struct vfio_dev *dev = arg;

	vfio_dev_config_write(dev, PCI_COMMAND, command, sizeof(__u16));

	return NULL;
}

/*
 * The kernel has attached the device to memory that cannot be handed over, and
 * gets stuck when it writes the id of what it has attached.
 */
static void *attach_forever(void *arg)
{
	struct pages pages = map_pages(UFFDIO_REGISTER_MODE_WP);
	struct vfio_device_attach_iommufd_pt *attach;
	struct vfio_dev *dev = arg;
	struct ioas ioas;

	if (ioas_alloc(&ioas, dev->iommufd) ||
	    ioas_map(&ioas, IOVA, map_pages(UFFDIO_REGISTER_MODE_WP).first, PAGE_BYTES))
		return NULL;
	attach = (void *)(pages.second - offsetof(struct vfio_device_attach_iommufd_pt, pt_id));
	attach->argsz = sizeof(*attach);
	attach->flags = 0;
	attach->pt_id = ioas.id;
	protect_second(&pages);

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach) ? NULL : dev;
}

/* The kernel has preserved the file, and gets stuck when it says so. */
static void *preserve_forever(void *arg)
{
	struct pages pages = map_pages(UFFDIO_REGISTER_MODE_WP);
	struct liveupdate_session_preserve_fd *preserve;

	preserve = (void *)(pages.second - offsetof(struct liveupdate_session_preserve_fd, token));
	preserve->size = sizeof(*preserve);
	preserve->fd = memfd_create("stuck", MFD_CLOEXEC);
	preserve->token = MEMFD_TOKEN;
	protect_second(&pages);
	ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, preserve);

	return NULL;
}

static void *get_name_forever(void *arg)
{
	struct pages pages = map_pages(UFFDIO_REGISTER_MODE_WP);
	struct liveupdate_session_get_name *get_name;

	get_name = (void *)(pages.second - offsetof(struct liveupdate_session_get_name, name));
	get_name->size = sizeof(*get_name);
	get_name->reserved = 0;
	memset(get_name->name, 0, sizeof(get_name->name));
	protect_second(&pages);
	ioctl(session, LIVEUPDATE_SESSION_GET_NAME, get_name);

	return NULL;
}

/* Returns once the kernel has asked for the page that is held back. */
static void get_stuck(void *(*call)(void *), struct vfio_dev *dev, const char *what)
{
	struct pollfd poll_fd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;
	pthread_t thread;

	if (pthread_create(&thread, NULL, call, dev))
		ksft_exit_fail_msg("no thread\n");
	if (poll(&poll_fd, 1, WAIT_MS) != 1 || read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		ksft_exit_fail_msg("%s: not stuck\n", what);
	ksft_print_msg("%s: stuck with %s\n", dev->bdf, what);
}

static void open_device(struct vfio_dev *dev, const char *bdf)
{
	int eventfds[VECTORS], i;

	for (i = 0; i < VECTORS; i++)
		eventfds[i] = signals_create();
	check(vfio_dev_open_cdev(dev, bdf), bdf);
	check(vfio_dev_bind(dev), bdf);
	check(vfio_dev_set_bus_master(dev), bdf);
	check(vfio_dev_arm(dev, 0, VECTORS, eventfds), bdf);
}

/* Returns 0 if it can be handed over. */
static int get_stuck_with_both(const char *bdf, const char *other_bdf)
{
	open_uffd();
	open_device(&device, bdf);
	open_device(&other, other_bdf);
	session = luo_create_session(SESSION);
	check(session, "session");

	get_stuck(attach_forever, &other, "ATTACH");
	if (luo_preserve_fd(session, other.fd, OTHER_TOKEN) != -EOPNOTSUPP) {
		ksft_print_msg("%s: attached, and yet not refused\n", other_bdf);
		return 1;
	}
	get_stuck(arm_forever, &other, "SET_IRQS");
	get_stuck(write_config_forever, &other, "a write to config space");

	get_stuck(arm_forever, &device, "SET_IRQS");
	get_stuck(write_config_forever, &device, "a write to config space");

	get_stuck(preserve_forever, &device, "PRESERVE_FD of its memory");
	get_stuck(get_name_forever, &device, "GET_NAME of its session");

	return luo_preserve_fd(session, device.fd, DEVICE_TOKEN);
}

static void stage_1(const char *bdf, const char *other_bdf)
{
	int ready[2];
	char failed;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC))
		ksft_exit_fail_perror("pipe");
	fflush(stdout);
	child = fork();
	if (child < 0)
		ksft_exit_fail_perror("fork");
	if (!child) {
		setsid();
		failed = !!get_stuck_with_both(bdf, other_bdf);
		fflush(stdout);
		freopen("/dev/null", "w", stdout);
		if (write(ready[1], &failed, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}

	close(ready[1]);
	ksft_set_plan(1);
	alarm(TIMEOUT_S);
	ksft_test_result(read(ready[0], &failed, 1) == 1 && !failed,
			 "a device whose user is stuck is preserved\n");
	ksft_finished();
}

static void stage_2(const char *bdf)
{
	struct vfio_dev dev = { };

	session = luo_retrieve_session(SESSION);
	ksft_set_plan(2);
	check(session, "session");
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve");
	ksft_test_result(!vfio_dev_bind(&dev), "the device has been handed over\n");
	ksft_test_result(!luo_finish(session), "FINISH\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if ((argc != 4 && argc != 5) || strcmp(argv[1], "-s"))
		ksft_exit_fail_msg("usage: %s -s 1 BDF OTHER | -s 2 BDF\n", argv[0]);
	require_liveupdate();

	if (argc == 5)
		stage_1(argv[3], argv[4]);
	else
		stage_2(argv[3]);
}
