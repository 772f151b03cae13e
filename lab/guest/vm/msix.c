// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSI-X table that the guest sees. All vectors of the device are armed as long
 * as MSI-X is enabled, each with an eventfd, and KVM injects the guest's message when
 * that is signalled. While the guest has a vector masked, its eventfd is not bound
 * in KVM, and remembers that it was signalled: it is the pending bit. When it is
 * bound again, KVM injects what was pending.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <linux/pci_regs.h>

#include "assigned.h"
#include "vm.h"

#define FIRST_GSI	24	/* below are the pins of the IO-APIC */

static size_t page_of(size_t offset)
{
	return offset & ~(PAGE_BYTES - 1UL);
}

size_t msix_begin(const struct assigned *device)
{
	const struct vfio_dev *dev = &device->dev;

	return page_of(dev->table_offset < dev->pba_offset ? dev->table_offset : dev->pba_offset);
}

size_t msix_end(const struct assigned *device)
{
	const struct vfio_dev *dev = &device->dev;
	size_t table_end = dev->table_offset + dev->nr_msix * PCI_MSIX_ENTRY_SIZE;
	size_t pba_end = dev->pba_offset + sizeof(__u64);

	return page_of((table_end > pba_end ? table_end : pba_end) + PAGE_BYTES - 1);
}

static void mask_all(struct assigned *device)
{
	unsigned int i;

	for (i = 0; i < device->dev.nr_msix; i++)
		device->state.msix[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

int msix_create(struct assigned *device)
{
	unsigned int i;

	for (i = 0; i < device->dev.nr_msix; i++) {
		device->eventfd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (device->eventfd[i] < 0)
			return -errno;
	}
	mask_all(device);

	return 0;
}

static bool unmasked(const struct assigned *device, unsigned int index)
{
	__u16 flags = device->state.msix_flags & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);

	return flags == PCI_MSIX_FLAGS_ENABLE &&
	       !(device->state.msix[index].control & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static bool pending(const struct assigned *device, unsigned int index)
{
	struct pollfd fd = { .fd = device->eventfd[index], .events = POLLIN };

	return !unmasked(device, index) && poll(&fd, 1, 0) == 1;
}

/* KVM takes all messages at once. */
static int set_messages(struct assigned *device)
{
	struct kvm_irq_routing *routing;
	unsigned int i;
	int ret;

	routing = calloc(1, sizeof(*routing) + ASSIGNED_VECTORS * sizeof(routing->entries[0]));
	if (!routing)
		return -ENOMEM;

	for (i = 0; i < device->dev.nr_msix; i++) {
		const struct msix_entry *entry = &device->state.msix[i];

		if (!unmasked(device, i))
			continue;
		routing->entries[routing->nr++] = (struct kvm_irq_routing_entry) {
			.gsi = FIRST_GSI + i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi.address_lo = entry->address,
			.u.msi.address_hi = entry->address >> 32,
			.u.msi.data = entry->data,
		};
	}
	ret = ioctl(device->vm->fd, KVM_SET_GSI_ROUTING, routing) ? -errno : 0;
	free(routing);

	return ret;
}

static int bind_eventfd(struct assigned *device, unsigned int index, bool inject)
{
	struct kvm_irqfd irqfd = {
		.fd = device->eventfd[index],
		.gsi = FIRST_GSI + index,
		.flags = inject ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (device->injects[index] == inject)
		return 0;
	if (ioctl(device->vm->fd, KVM_IRQFD, &irqfd))
		return -errno;
	device->injects[index] = inject;

	return 0;
}

/* After any change: a vector must stop injecting before it loses its message. */
static int update(struct assigned *device)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < device->dev.nr_msix; i++) {
		if (!unmasked(device, i))
			ret = bind_eventfd(device, i, false);
	}
	if (!ret)
		ret = set_messages(device);
	for (i = 0; !ret && i < device->dev.nr_msix; i++) {
		if (unmasked(device, i))
			ret = bind_eventfd(device, i, true);
	}

	return ret;
}

/* From now on, and until there is another machine, the eventfds remember signals. */
int msix_disconnect(struct assigned *device)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < device->dev.nr_msix; i++)
		ret = bind_eventfd(device, i, false);

	return ret;
}

int msix_connect(struct assigned *device)
{
	return update(device);
}

static int arm(struct assigned *device)
{
	return vfio_dev_arm(&device->dev, 0, device->dev.nr_msix, device->eventfd);
}

int msix_set_flags(struct assigned *device, __u16 flags)
{
	__u16 writable = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;
	__u16 changed = (device->state.msix_flags ^ flags) & writable;
	int ret = 0;

	device->state.msix_flags ^= changed;
	if (changed & PCI_MSIX_FLAGS_ENABLE)
		ret = flags & PCI_MSIX_FLAGS_ENABLE ? arm(device) : vfio_dev_disarm(&device->dev);

	return ret ? ret : update(device);
}

static void clear_pending(struct assigned *device)
{
	eventfd_t count;
	unsigned int i;

	for (i = 0; i < device->dev.nr_msix; i++)
		eventfd_read(device->eventfd[i], &count);
}

/*
 * The virtual machine is a different one, to which no eventfd is bound. What the device
 * signalled while they were bound to the former one is not for this one.
 */
int msix_reset(struct assigned *device)
{
	bool armed = device->state.msix_flags & PCI_MSIX_FLAGS_ENABLE;
	int ret = armed ? vfio_dev_disarm(&device->dev) : 0;

	memset(device->injects, 0, sizeof(device->injects));
	memset(&device->state, 0, sizeof(device->state));
	mask_all(device);
	clear_pending(device);

	return ret;
}

/* KVM is ready for the first interrupt before there can be one. */
int msix_restore(struct assigned *device)
{
	int ret = update(device);

	if (ret || !(device->state.msix_flags & PCI_MSIX_FLAGS_ENABLE))
		return ret;

	return arm(device);
}

static __u64 pending_bits(const struct assigned *device)
{
	__u64 bits = 0;
	unsigned int i;

	for (i = 0; i < device->dev.nr_msix; i++)
		bits |= (__u64)pending(device, i) << i;

	return bits;
}

static bool within(size_t offset, size_t size, size_t start, size_t bytes)
{
	return offset >= start && offset + size <= start + bytes;
}

static size_t table_bytes(const struct assigned *device)
{
	return device->dev.nr_msix * PCI_MSIX_ENTRY_SIZE;
}

void msix_read(struct assigned *device, size_t offset, void *data, size_t size)
{
	const struct vfio_dev *dev = &device->dev;
	__u64 bits;

	memset(data, 0, size);
	if (within(offset, size, dev->table_offset, table_bytes(device))) {
		memcpy(data, (__u8 *)device->state.msix + (offset - dev->table_offset), size);
	} else if (within(offset, size, dev->pba_offset, sizeof(bits))) {
		bits = pending_bits(device);
		memcpy(data, (__u8 *)&bits + (offset - dev->pba_offset), size);
	}
}

int msix_write(struct assigned *device, size_t offset, const void *data, size_t size)
{
	const struct vfio_dev *dev = &device->dev;

	if (!within(offset, size, dev->table_offset, table_bytes(device)))
		return 0;
	memcpy((__u8 *)device->state.msix + (offset - dev->table_offset), data, size);

	return update(device);
}
