// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "kselftest.h"

#include "dma.h"
#include "mmio.h"
#include "test.h"
#include "virtio_net.h"

#define HEADER_BYTES	12		/* of virtio, before a frame */
#define NUMBER_OFFSET	(HEADER_BYTES + 14)

#define RUNNING		(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |	\
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* Features above 31: virtio 1, and translated addresses */
#define HIGH_FEATURES	(1U << (VIRTIO_F_VERSION_1 - 32) |			\
			 1U << (VIRTIO_F_ACCESS_PLATFORM - 32))

void virtio_net_use_memory(struct virtio_net *card, void *memory)
{
	card->memory = memory;
	card->record = memory;
}

static void *page(const struct virtio_net *card, unsigned int number)
{
	return card->memory + number * DMA_PAGE_BYTES;
}

static int read_config(struct virtio_net *card, unsigned int pos, void *value, size_t size)
{
	return vfio_dev_config_read(&card->dev, pos, value, size);
}

/* Returns where a structure of registers is described, 0 if there is none. */
static __u8 find_structure(struct virtio_net *card, __u8 type)
{
	__u8 pos, header[VIRTIO_PCI_CAP_CFG_TYPE + 1];

	check(read_config(card, PCI_CAPABILITY_LIST, &pos, sizeof(pos)), "capabilities");
	while (pos) {
		check(read_config(card, pos, header, sizeof(header)), "capability");
		if (header[VIRTIO_PCI_CAP_VNDR] == PCI_CAP_ID_VNDR &&
		    header[VIRTIO_PCI_CAP_CFG_TYPE] == type)
			break;
		pos = header[VIRTIO_PCI_CAP_NEXT];
	}

	return pos;
}

static void *map_structure(struct virtio_net *card, __u8 type)
{
	__u8 bar, pos = find_structure(card, type);
	__u32 offset;
	size_t size;
	void *map;

	check(pos ? 0 : -ENOENT, "virtio structure");
	check(read_config(card, pos + VIRTIO_PCI_CAP_BAR, &bar, sizeof(bar)), "BAR");
	check(read_config(card, pos + VIRTIO_PCI_CAP_OFFSET, &offset, sizeof(offset)), "offset");
	check(vfio_dev_map_bar(&card->dev, bar, &map, &size), "map registers");

	return map + offset;
}

void virtio_net_map_registers(struct virtio_net *card)
{
	card->common = map_structure(card, VIRTIO_PCI_CAP_COMMON_CFG);
	card->notify = map_structure(card, VIRTIO_PCI_CAP_NOTIFY_CFG);
}

static void set_address(struct virtio_net *card, unsigned int low, unsigned int number)
{
	__u64 address = dma_address(page(card, number));

	mmio_write32(card->common + low, address);
	mmio_write32(card->common + low + sizeof(__u32), address >> 32);
}

/* Gives a buffer to the card */
static void give(struct virtio_net *card, __u16 entry)
{
	struct vring_avail *available = page(card, VIRTIO_NET_AVAILABLE);
	__u16 index = available->idx;

	available->ring[index % VIRTIO_NET_ENTRIES] = entry;
	__atomic_store_n(&available->idx, index + 1, __ATOMIC_RELEASE);
}

/* Queue 0 is the one for received frames. */
static void tell_card(struct virtio_net *card)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmio_write16(card->notify, 0);
}

static void fill_queue(struct virtio_net *card)
{
	struct vring_desc *descriptors = page(card, VIRTIO_NET_DESCRIPTORS);
	unsigned int i;

	for (i = 0; i < VIRTIO_NET_ENTRIES; i++) {
		descriptors[i] = (struct vring_desc) {
			.addr = dma_address(page(card, VIRTIO_NET_BUFFERS + i)),
			.len = DMA_PAGE_BYTES,
			.flags = VRING_DESC_F_WRITE,
		};
		give(card, i);
	}
}

static void set_status(struct virtio_net *card, __u8 status)
{
	mmio_write8(card->common + VIRTIO_PCI_COMMON_STATUS, status);
}

/* Its memory is empty, and mapped. Vector 0 signals frames. */
void virtio_net_start(struct virtio_net *card)
{
	set_status(card, 0);
	set_status(card, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	mmio_write32(card->common + VIRTIO_PCI_COMMON_GFSELECT, 0);
	mmio_write32(card->common + VIRTIO_PCI_COMMON_GF, 0);
	mmio_write32(card->common + VIRTIO_PCI_COMMON_GFSELECT, 1);
	mmio_write32(card->common + VIRTIO_PCI_COMMON_GF, HIGH_FEATURES);
	set_status(card, RUNNING & ~VIRTIO_CONFIG_S_DRIVER_OK);

	fill_queue(card);
	mmio_write16(card->common + VIRTIO_PCI_COMMON_Q_SELECT, 0);
	mmio_write16(card->common + VIRTIO_PCI_COMMON_Q_SIZE, VIRTIO_NET_ENTRIES);
	mmio_write16(card->common + VIRTIO_PCI_COMMON_Q_MSIX, 0);
	set_address(card, VIRTIO_PCI_COMMON_Q_DESCLO, VIRTIO_NET_DESCRIPTORS);
	set_address(card, VIRTIO_PCI_COMMON_Q_AVAILLO, VIRTIO_NET_AVAILABLE);
	set_address(card, VIRTIO_PCI_COMMON_Q_USEDLO, VIRTIO_NET_USED);
	mmio_write16(card->common + VIRTIO_PCI_COMMON_Q_ENABLE, 1);

	set_status(card, RUNNING);
	check(virtio_net_running(card) ? 0 : -EIO, "virtio device");
	tell_card(card);
}

bool virtio_net_running(const struct virtio_net *card)
{
	return mmio_read8(card->common + VIRTIO_PCI_COMMON_STATUS) == RUNNING &&
	       mmio_read16(card->common + VIRTIO_PCI_COMMON_Q_ENABLE) == 1;
}

static void take_frame(struct virtio_net *card, const void *buffer)
{
	struct virtio_net_record *record = card->record;
	__u32 number;

	memcpy(&number, buffer + NUMBER_OFFSET, sizeof(number));
	if (record->received && number != record->number + 1) {
		ksft_print_msg("frame %u after frame %u\n", number, record->number);
		card->wrong_numbers++;
	}
	record->number = number;
	record->received++;
}

/* All that are in the queue */
void virtio_net_take_frames(struct virtio_net *card)
{
	struct vring_used *used = page(card, VIRTIO_NET_USED);
	__u16 *next = &card->record->next;
	bool any = false;
	__u16 entry;

	for (; *next != __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE); ++*next) {
		entry = used->ring[*next % VIRTIO_NET_ENTRIES].id;
		take_frame(card, page(card, VIRTIO_NET_BUFFERS + entry));
		give(card, entry);
		any = true;
	}
	if (any)
		tell_card(card);
}
