// SPDX-License-Identifier: GPL-2.0-only
/*
 * The directory liveupdate/ of a PCI device in sysfs, see
 * Documentation/ABI/testing/sysfs-bus-pci-liveupdate. Needs no kexec:
 *
 *	irq_liveupdate_sysfs [BDF]
 *
 * with an MSI-X device that is bound to vfio-pci and not in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"

#include "kmsg.h"
#include "luo.h"
#include "signals.h"
#include "state.h"
#include "sysfs.h"
#include "test.h"
#include "vfio_dev.h"

#define DEVICE		"/sys/bus/pci/devices/%s/"
#define SESSION		"irq_liveupdate_sysfs"
#define TOKEN		1
#define VECTORS		2
#define READERS		3
#define UPDATES		200
#define FORBIDDEN	"no: forbidden by the administrator"

static const char *bdf;

static void expect(const char *attribute, const char *expected, const char *when)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "liveupdate/%s", attribute);
	ksft_test_result(sysfs_is(bdf, path, expected), "%s: %s is \"%s\"\n", when, attribute,
			 expected);
}

static int allow(const char *value)
{
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), DEVICE "liveupdate/allowed", bdf);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		ksft_exit_fail_perror(path);
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);

	return ret;
}

static void open_device(struct vfio_dev *dev)
{
	int eventfds[VECTORS], i;

	expect("preservable", "no: not open", "nobody has it");
	check(vfio_dev_open_cdev(dev, bdf), bdf);
	expect("preservable", "no: not open", "not bound to an iommufd");
	check(vfio_dev_bind(dev), bdf);
	for (i = 0; i < VECTORS; i++)
		eventfds[i] = signals_create();
	check(vfio_dev_arm(dev, 0, VECTORS, eventfds), "arm");
}

static int open_session(void)
{
	int session = luo_create_session(SESSION);

	check(session, "session");
	return session;
}

static void test_forbidden(struct vfio_dev *dev)
{
	int session, kmsg, ret;
	unsigned int lines;

	ksft_test_result(allow("perhaps") == -EINVAL, "nonsense is refused\n");
	check(allow("0"), "allowed");
	expect("allowed", "0", "forbidden");
	expect("preservable", FORBIDDEN, "forbidden");

	session = open_session();
	kmsg = kmsg_from_now();
	ret = luo_preserve_fd(session, dev->fd, TOKEN);
	lines = kmsg_count_and_close(kmsg, bdf, FORBIDDEN + strlen("no: "));
	ksft_test_result(ret == -EOPNOTSUPP && lines == 1,
			 "a forbidden device is not preserved, with one line\n");
	close(session);

	check(allow("1"), "allowed");
	expect("preservable", "yes", "allowed again");
}

static void test_preserved(struct vfio_dev *dev)
{
	int session = open_session();

	check(luo_preserve_fd(session, dev->fd, TOKEN), "preserve");
	expect("preservable", "no: preserved already", "preserved");
	check(allow("0"), "allowed");
	expect("preservable", "no: preserved already", "forbidden too late");
	check(allow("1"), "allowed");
	close(session);
	expect("preservable", "yes", "given up");
}

static void read_for_ever(void)
{
	char path[PATH_MAX], text[256];
	int fd;

	snprintf(path, sizeof(path), DEVICE "liveupdate/preservable", bdf);
	for (;;) {
		fd = open(path, O_RDONLY);
		if (fd < 0 || read(fd, text, sizeof(text)) < 0)
			exit(KSFT_FAIL);
		close(fd);
	}
}

/* Anybody may read at any time; this must not make a preserve fail. */
static void test_readers(struct vfio_dev *dev)
{
	pid_t readers[READERS];
	int i, ret = 0, session;

	for (i = 0; i < READERS; i++) {
		readers[i] = fork();
		check(readers[i], "fork");
		if (!readers[i])
			read_for_ever();
	}

	for (i = 0; i < UPDATES && !ret; i++) {
		session = open_session();
		ret = luo_preserve_fd(session, dev->fd, TOKEN);
		close(session);
	}
	ksft_test_result(!ret, "preserved %d times while others read\n", UPDATES);

	for (i = 0; i < READERS; i++) {
		ksft_test_result(!waitpid(readers[i], NULL, WNOHANG), "reader %d has gone on\n", i);
		kill(readers[i], SIGKILL);
		waitpid(readers[i], NULL, 0);
	}
}

/* Everything that a dry run could change */
static void test_no_side_effect(void)
{
	static struct device_state before, after;

	state_read(bdf, &before);
	expect("preservable", "yes", "looked at once more");
	state_read(bdf, &after);
	ksft_test_result(state_same(&before, &after), "asking has changed nothing\n");
}

/* What is above the device: a bridge, which goes with it */
static void test_bridge(void)
{
	char path[PATH_MAX], real[PATH_MAX], *slash;

	snprintf(path, sizeof(path), DEVICE, bdf);
	if (!realpath(path, real))
		ksft_exit_fail_perror(path);
	slash = strrchr(real, '/');
	snprintf(path, sizeof(path), "%.*s/vendor", (int)(slash - real), real);
	if (access(path, F_OK)) {
		ksft_test_result_skip("no bridge above the device\n");
		return;
	}
	snprintf(path, sizeof(path), "%.*s/liveupdate", (int)(slash - real), real);
	ksft_test_result(access(path, F_OK), "a bridge has no such directory\n");
}

int main(int argc, char *argv[])
{
	struct vfio_dev dev = { };

	ksft_print_header();
	if (argc > 2)
		ksft_exit_fail_msg("%s [BDF]\n", argv[0]);
	require_liveupdate();
	bdf = require_device(argv[1]);

	ksft_set_plan(21);
	expect("allowed", "1", "at first");
	expect("outcome", "cold", "at first");
	open_device(&dev);
	expect("preservable", "yes", "bound to an iommufd");
	test_forbidden(&dev);
	test_preserved(&dev);
	test_readers(&dev);
	test_no_side_effect();
	test_bridge();

	vfio_dev_close(&dev);
	expect("preservable", "no: not open", "closed");

	ksft_finished();
}
