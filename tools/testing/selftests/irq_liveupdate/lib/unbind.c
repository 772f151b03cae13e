// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "kselftest.h"

#include "kmsg.h"
#include "test.h"
#include "unbind.h"
#include "vfio_dev.h"

#define WAIT_MS		5000
#define POLL_MS		10
/* Longer than a lock is held, or a grace period of RCU takes, while a driver is unbound */
#define LASTING_MS	500

#define DRIVER		"/sys/bus/pci/drivers/vfio-pci/"
#define BLOCKED		"blocked until released by user"

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return -errno;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);

	return ok ? 0 : -EIO;
}

static int write_device(const char *bdf, const char *name, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);

	return write_file(path, text);
}

static void bind_again(const char *bdf)
{
	check(write_file(DRIVER "bind", bdf), "bind");
}

static void bring_back(const char *bdf)
{
	check(write_file("/sys/bus/pci/rescan", "1"), "rescan");
	check(write_device(bdf, "driver_override", "vfio-pci"), "driver_override");
	bind_again(bdf);
}

static void nothing(const char *bdf) { }

const struct unbind_way unbind_unbound = {
	"unbound", "bdf=%s; echo $bdf > /sys/bus/pci/devices/$bdf/driver/unbind", false, bind_again
};

/* To another driver */
const struct unbind_way unbind_rebound = {
	"rebound",
	"cd /sys/bus/pci/devices/%s && echo vfio-pci > driver_override && d=${PWD##*/} && echo $d > driver/unbind && echo $d > /sys/bus/pci/drivers_probe",
	false, nothing
};

const struct unbind_way unbind_removed = {
	"removed", "echo 1 > /sys/bus/pci/devices/%s/remove", true, bring_back
};

/* The address of a slot has no function number. */
const struct unbind_way unbind_unplugged = {
	"unplugged",
	"bdf=%s; cd /sys/bus/pci/slots; echo 0 > $(dirname $(grep -lx ${bdf%%.*} */address))/power",
	true, nothing
};

/* The virtual functions of a device, which keeps its driver. They cannot be removed otherwise. */
const struct unbind_way unbind_disabled = {
	"disabled", "echo 0 > /sys/bus/pci/devices/%s/sriov_numvfs", true, nothing
};

const struct unbind_way *unbind_way_of(const char *name)
{
	static const struct unbind_way *const ways[] = {
		&unbind_unbound, &unbind_rebound, &unbind_removed, &unbind_unplugged,
		&unbind_disabled
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!strcmp(name, ways[i]->name))
			return ways[i];
	}
	ksft_exit_fail_msg("no such way: %s\n", name);
}

/* Waits until the kernel logs a text about a device; false if it does not. */
static bool wait_for_line(int kmsg, const char *bdf, const char *text)
{
	struct pollfd poll_fd = { .fd = kmsg, .events = POLLIN };
	char line[512];
	ssize_t n;

	while (poll(&poll_fd, 1, WAIT_MS) > 0) {
		n = read(kmsg, line, sizeof(line) - 1);
		line[n > 0 ? n : 0] = '\0';
		if (strstr(line, bdf) && strstr(line, text))
			return true;
	}

	return false;
}

/* Returns the process, which may have got to any point. */
pid_t unbind_begin(const struct unbind_way *way, const char *bdf)
{
	char command[160];
	pid_t child;

	snprintf(command, sizeof(command), way->command, bdf);
	fflush(stdout);
	child = fork();
	if (child < 0)
		ksft_exit_fail_perror("fork");
	if (!child) {
		freopen("/dev/null", "w", stdout);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}

	return child;
}

/* The same, but returns once it waits for the user of a device, which may be another one. */
pid_t unbind_start_until(const struct unbind_way *way, const char *bdf, const char *user)
{
	int kmsg = kmsg_from_now();
	pid_t child = unbind_begin(way, bdf);

	if (!wait_for_line(kmsg, user, BLOCKED))
		ksft_exit_fail_msg("nobody waits for the user of %s\n", user);
	close(kmsg);

	return child;
}

/* Returns a process that continues when the device is released, and does not have it open. */
pid_t unbind_start(const struct unbind_way *way, const char *bdf)
{
	return unbind_start_until(way, bdf, bdf);
}

/* Returns its exit status; negative if it does not end. */
static int wait_for_end(pid_t child)
{
	int status, waited;

	for (waited = 0; waited < WAIT_MS; waited += POLL_MS) {
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		usleep(POLL_MS * 1000);
	}

	return -1;
}

bool unbind_ends(pid_t child)
{
	return !wait_for_end(child);
}

bool unbind_fails(pid_t child)
{
	return wait_for_end(child) > 0;
}

/* The state of a process, as ps shows it */
static char state_of(pid_t pid)
{
	char path[32], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		ksft_exit_fail_perror(path);
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		ksft_exit_fail_msg("%s: no state\n", path);
	fclose(f);

	return state;
}

/*
 * Returns once the kernel makes it wait uninterruptibly, for something that lasts. False if
 * it does not. A task that waits for the user of a device can be interrupted.
 */
bool unbind_waits(pid_t child)
{
	int waited, lasted = 0;

	for (waited = 0; waited < WAIT_MS && lasted < LASTING_MS; waited += POLL_MS) {
		lasted = state_of(child) == 'D' ? lasted + POLL_MS : 0;
		usleep(POLL_MS * 1000);
	}

	return lasted >= LASTING_MS;
}

/* Writes to config space are refused as soon as a device is frozen. */
void unbind_wait_until_frozen(struct vfio_dev *dev)
{
	__u16 command;

	check(vfio_dev_config_read(dev, PCI_COMMAND, &command, sizeof(command)), "command");
	while (!vfio_dev_config_write(dev, PCI_COMMAND, &command, sizeof(command)))
		usleep(POLL_MS * 1000);
}

/*
 * The kernel shuts devices down in the reverse order of their enumeration, each under its
 * lock. A task that unbinds one holds that lock until the user of the device closes it.
 * So the jump, on any kernel, waits here between freeze and the shutdown of all earlier
 * devices.
 */
void unbind_hold_up_jump(struct vfio_dev *dev, const char *later)
{
	check(vfio_dev_open_cdev(dev, later), "open the later device");
	check(vfio_dev_bind_plain(dev), "bind the later device");
	unbind_start(&unbind_unbound, later);
}
