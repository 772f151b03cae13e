// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"

#include "pci_config.h"
#include "test.h"

#define VFIO_PCI	"/sys/bus/pci/drivers/vfio-pci"

void require_liveupdate(void)
{
	if (access("/dev/liveupdate", F_OK))
		ksft_exit_skip("no /dev/liveupdate: boot with kho=on liveupdate=on\n");
}

bool is_vfio_device(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), VFIO_PCI "/%s", bdf);

	return !access(path, F_OK);
}

static bool has_msix(const char *bdf)
{
	__u8 config[PCI_CFG_SPACE_EXP_SIZE];

	return pci_config_read(bdf, config) > 0 &&
	       pci_config_capability(config, PCI_CAP_ID_MSIX);
}

/* The first device with MSI-X that is bound to vfio-pci, or NULL. */
static const char *find_device(void)
{
	static char bdf[32];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	dir = opendir(VFIO_PCI);
	while (!found && dir && (entry = readdir(dir))) {
		snprintf(bdf, sizeof(bdf), "%.31s", entry->d_name);
		found = strchr(bdf, ':') && has_msix(bdf);
	}
	if (dir)
		closedir(dir);

	return found ? bdf : NULL;
}

/* The device to test with: the given one, or any one if none is given. */
const char *require_device(const char *bdf)
{
	if (bdf && !is_vfio_device(bdf))
		ksft_exit_fail_msg("%s: not bound to vfio-pci\n", bdf);
	if (!bdf)
		bdf = find_device();
	if (!bdf)
		ksft_exit_skip("no device with MSI-X is bound to vfio-pci\n");

	return bdf;
}

bool next_kernel_loaded(void)
{
	char loaded = '0';
	FILE *f = fopen("/sys/kernel/kexec_loaded", "r");

	if (f) {
		loaded = getc(f);
		fclose(f);
	}

	return loaded == '1';
}

/* A failure ends the test. */
void check(int ret, const char *what)
{
	if (ret < 0)
		ksft_exit_fail_msg("%s: %s\n", what, strerror(-ret));
}

/* Keeps everything open in a background process, in which it returns true. */
bool stay(void)
{
	pid_t child = fork();

	if (child < 0)
		ksft_exit_fail_perror("fork");
	if (child)
		return false;
	setsid();
	freopen("/dev/null", "w", stdout);

	return true;
}

/* Runs a process that does something, and kills it with all it has open. */
void let_die(void (*do_something)(void))
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child < 0)
		ksft_exit_fail_perror("fork");
	if (!child) {
		do_something();
		raise(SIGKILL);
	}
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL)
		ksft_exit_fail_msg("the process ended before it was killed\n");
}
