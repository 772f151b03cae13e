// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/reboot.h>

#include "freeze.h"
#include "kmsg.h"
#include "kselftest.h"
#include "mmio.h"

/* Returns whether the freeze has failed with this error, and one line about a device. */
bool freeze_fails(int error, const char *bdf, const char *reason)
{
	int kmsg = kmsg_from_now(), got;
	unsigned int lines;

	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	got = errno;
	lines = kmsg_count_and_close(kmsg, bdf, reason);
	if (got != error || lines != 1)
		ksft_print_msg("%s, %u lines\n", strerror(got), lines);

	return got == error && lines == 1;
}

/* As a user who has mapped the table can: the device gets another message. */
bool freeze_fails_by_message(struct vfio_dev *dev)
{
	void *data = dev->msix_bar + dev->table_offset + PCI_MSIX_ENTRY_DATA;
	__u32 was = mmio_read32(data);
	bool failed;

	mmio_write32(data, was ^ 1);
	failed = freeze_fails(EIO, dev->bdf, "device and kernel disagree");
	mmio_write32(data, was);

	return failed;
}
