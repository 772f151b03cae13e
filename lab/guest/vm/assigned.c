// SPDX-License-Identifier: GPL-2.0-only
/*
 * The assigned device as the guest sees it: function 00:01.0, with one BAR, whose
 * pages are the device's except for those with the MSI-X table.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "assigned.h"
#include "ioas.h"
#include "vm.h"

#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define CONFIG_ENABLE	0x80000000
#define FUNCTION	0x0800		/* 00:01.0 */

#define BAR_ADDRESS	0xc0000000ULL
#define BAR_FLAGS	0xfULL

static int map_bar(struct assigned *device)
{
	const struct vfio_dev *dev = &device->dev;
	size_t begin = msix_begin(device), end = msix_end(device);
	__u64 address = device->state.bar & ~BAR_FLAGS;
	int ret = 0;

	if (begin)
		ret = vm_map(device->vm, SLOT_BAR_BELOW_MSIX, address, dev->msix_bar, begin);
	if (!ret && end < dev->msix_bar_size)
		ret = vm_map(device->vm, SLOT_BAR_ABOVE_MSIX, address + end, dev->msix_bar + end,
			     dev->msix_bar_size - end);

	return ret;
}

/* All of the guest's memory is in the address space before the device is attached. */
static int map_dma(struct assigned *device)
{
	struct ioas ioas;
	__u32 hwpt;
	int ret;

	ret = ioas_alloc(&ioas, device->dev.iommufd);
	if (!ret)
		ret = ioas_map(&ioas, 0, device->vm->memory,
			       device->vm->memory_bytes);
	if (!ret)
		ret = ioas_alloc_hwpt(&ioas, device->dev.devid, &hwpt);

	return ret ? ret : vfio_dev_attach(&device->dev, hwpt);
}

/* The file of the device has been opened or retrieved. */
int assigned_open(struct assigned *device, struct vm *vm)
{
	int ret;

	device->vm = vm;
	ret = vfio_dev_bind(&device->dev);
	if (ret)
		return ret;
	if (device->dev.table_bar || device->dev.nr_msix > ASSIGNED_VECTORS)
		return -EOPNOTSUPP;

	ret = map_dma(device);
	if (!ret)
		ret = msix_create(device);
	if (!ret)
		vm->device = device;

	return ret;
}

/* As firmware leaves it */
int assigned_power_on(struct assigned *device)
{
	__u32 bar;

	if (vfio_dev_config_read(&device->dev, PCI_BASE_ADDRESS_0, &bar, sizeof(bar)))
		return -EIO;
	device->state.bar = BAR_ADDRESS | (bar & BAR_FLAGS);

	return map_bar(device);
}

/* For another virtual machine with the same memory */
int assigned_reset(struct assigned *device, struct vm *vm)
{
	int ret;

	device->vm = vm;
	vm->device = device;
	ret = msix_reset(device);
	if (ret)
		return ret;
	if (ioctl(device->dev.fd, VFIO_DEVICE_RESET))
		return -errno;

	return assigned_power_on(device);
}

int assigned_restore(struct assigned *device, const struct assigned_state *state)
{
	int ret;

	device->state = *state;
	ret = map_bar(device);

	return ret ? ret : msix_restore(device);
}

/* To another virtual machine with the same memory, after msix_disconnect() */
int assigned_connect(struct assigned *device, struct vm *vm)
{
	int ret;

	device->vm = vm;
	vm->device = device;
	ret = map_bar(device);

	return ret ? ret : msix_connect(device);
}

/* The first two BAR dwords are one BAR, of 64 bits. */
static __u32 *emulated_bar(struct assigned *device, unsigned int pos)
{
	unsigned int index = (pos - PCI_BASE_ADDRESS_0) / sizeof(__u32);

	return pos >= PCI_BASE_ADDRESS_0 && index < 2 ? (__u32 *)&device->state.bar + index : NULL;
}

static bool has_msix_flags(const struct assigned *device, unsigned int pos)
{
	return pos == device->dev.msix_cap;
}

/* pos: of a dword. There is no INTx. */
static __u32 config_dword(struct assigned *device, unsigned int pos)
{
	__u16 emulated = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;
	__u32 *bar = emulated_bar(device, pos);
	__u32 value = ~0U;

	if (bar)
		return *bar;
	vfio_dev_config_read(&device->dev, pos, &value, sizeof(value));
	if (pos == (PCI_INTERRUPT_PIN & ~3))
		memset((__u8 *)&value + (PCI_INTERRUPT_PIN & 3), 0, sizeof(__u8));
	if (has_msix_flags(device, pos)) {
		value &= ~((__u32)emulated << 16);
		value |= (__u32)(device->state.msix_flags & emulated) << 16;
	}

	return value;
}

/* The guest may size the BAR, but not move it. */
static void write_bar(struct assigned *device, __u32 *bar, __u32 value)
{
	__u64 size_mask = ~(device->dev.msix_bar_size - 1);
	unsigned int shift = (void *)bar == &device->state.bar ? 0 : 32;
	__u32 flags = *bar & (shift ? 0 : BAR_FLAGS);

	*bar = (value & (__u32)(size_mask >> shift)) | flags;
}

static void config_write(struct assigned *device, unsigned int pos, const void *data, size_t size)
{
	__u32 *bar = emulated_bar(device, pos & ~3);
	unsigned int dword_pos = pos & ~3;
	__u32 dword;
	int ret = 0;

	dword = config_dword(device, dword_pos);
	memcpy((__u8 *)&dword + (pos & 3), data, size);
	if (bar)
		write_bar(device, bar, dword);
	else if (has_msix_flags(device, dword_pos))
		ret = msix_set_flags(device, dword >> 16);
	else
		ret = vfio_dev_config_write(&device->dev, pos, data, size);
	if (ret)
		device->vm->error = ret;
}

/* The offset in the device's configuration space that a port accesses; negative if none. */
static int selected(const struct assigned *device, __u16 port, size_t size)
{
	__u32 address = device->state.config_address;

	if (port < CONFIG_DATA || port + size > CONFIG_DATA + sizeof(__u32) ||
	    (address & ~0xffU) != (CONFIG_ENABLE | FUNCTION))
		return -ENXIO;

	return (address & 0xfc) + port - CONFIG_DATA;
}

void assigned_port_read(struct assigned *device, __u16 port, void *data, size_t size)
{
	int pos = selected(device, port, size);
	__u32 dword;

	if (port == CONFIG_ADDRESS && size == sizeof(device->state.config_address)) {
		memcpy(data, &device->state.config_address, size);
	} else if (pos >= 0) {
		dword = config_dword(device, pos & ~3);
		memcpy(data, (__u8 *)&dword + (pos & 3), size);
	}
}

void assigned_port_write(struct assigned *device, __u16 port, const void *data, size_t size)
{
	int pos = selected(device, port, size);

	if (port == CONFIG_ADDRESS && size == sizeof(device->state.config_address))
		memcpy(&device->state.config_address, data, size);
	else if (pos >= 0)
		config_write(device, pos, data, size);
}

void assigned_memory_read(struct assigned *device, __u64 address, void *data, size_t size)
{
	msix_read(device, address - (device->state.bar & ~BAR_FLAGS), data, size);
}

void assigned_memory_write(struct assigned *device, __u64 address, const void *data, size_t size)
{
	int ret = msix_write(device, address - (device->state.bar & ~BAR_FLAGS), data, size);

	if (ret)
		device->vm->error = ret;
}
