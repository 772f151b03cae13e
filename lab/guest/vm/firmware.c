// SPDX-License-Identifier: GPL-2.0-only
/*
 * What firmware does with the controller before the guest boots: it starts the
 * controller, waits for INTx to report the completion of a command, and stops it. The
 * queues are at the beginning of the guest's memory.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "assigned.h"
#include "mmio.h"
#include "nvme_hw.h"
#include "vm.h"

#define SUBMISSIONS	0
#define COMPLETIONS	PAGE_BYTES
#define PATIENCE_MS	10000

static int enable(struct vfio_dev *dev)
{
	__u16 command;

	if (vfio_dev_config_read(dev, PCI_COMMAND, &command, sizeof(command)))
		return -EIO;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	return vfio_dev_config_write(dev, PCI_COMMAND, &command, sizeof(command));
}

static int wait_ready(const void *registers, __u32 ready)
{
	unsigned int ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if ((mmio_read32(registers + NVME_REG_CSTS) & NVME_CSTS_READY) == ready)
			return 0;
		usleep(1000);
	}

	return -ETIMEDOUT;
}

static int start(void *registers)
{
	mmio_write32(registers + NVME_REG_AQA, (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1));
	mmio_write64(registers + NVME_REG_ASQ, SUBMISSIONS);
	mmio_write64(registers + NVME_REG_ACQ, COMPLETIONS);
	mmio_write32(registers + NVME_REG_CC, NVME_CC_ENTRY_SIZES | NVME_CC_ENABLE);

	return wait_ready(registers, NVME_CSTS_READY);
}

static int stop(void *registers)
{
	mmio_write32(registers + NVME_REG_CC, 0);

	return wait_ready(registers, 0);
}

static int wait_for_interrupt(int eventfd)
{
	struct pollfd fd = { .fd = eventfd, .events = POLLIN };

	return poll(&fd, 1, PATIENCE_MS) == 1 ? 0 : -ETIMEDOUT;
}

/* The first one: the controller has just been started. */
static int do_command(struct assigned *device, int eventfd)
{
	const struct nvme_completion *done = (void *)(device->vm->memory + COMPLETIONS);
	struct nvme_command *command = (void *)(device->vm->memory + SUBMISSIONS);
	__u32 *doorbells = device->dev.msix_bar + NVME_REG_DOORBELLS;
	int ret;

	*command = (struct nvme_command) {
		.opcode = NVME_ADMIN_SET_FEATURES,
		.dw10 = NVME_FEATURE_NR_QUEUES,
	};
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmio_write32(&doorbells[0], 1);
	ret = wait_for_interrupt(eventfd);
	if (!ret && __atomic_load_n(&done->status, __ATOMIC_ACQUIRE) != 1)
		ret = -EIO;
	mmio_write32(&doorbells[1], 1);

	return ret;
}

static int start_and_stop(struct assigned *device, int eventfd)
{
	void *registers = device->dev.msix_bar;
	int ret, stopped;

	ret = start(registers);
	if (!ret)
		ret = do_command(device, eventfd);
	stopped = stop(registers);

	return ret ? ret : stopped;
}

/* The device has been reset, and its BAR is mapped. */
int firmware_run(struct assigned *device)
{
	int fd = eventfd(0, EFD_CLOEXEC), ret, disarmed;

	if (fd < 0)
		return -errno;
	ret = enable(&device->dev);
	if (!ret)
		ret = vfio_dev_arm_intx(&device->dev, fd);
	if (!ret) {
		ret = start_and_stop(device, fd);
		disarmed = vfio_dev_disarm_intx(&device->dev);
		ret = ret ? ret : disarmed;
	}
	close(fd);

	return ret;
}
