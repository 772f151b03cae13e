// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "e1000e.h"
#include "receiver.h"
#include "test.h"

#define NUMBER_OFFSET	14		/* the number of a frame, after its header */

void receiver_use_memory(struct receiver *receiver, void *memory)
{
	receiver->memory = memory;
	receiver->record = memory;
}

void receiver_map_registers(struct receiver *receiver)
{
	check(vfio_dev_map_bar(&receiver->dev, 0, &receiver->registers,
			       &receiver->registers_size), "map registers");
}

void *receiver_page(const struct receiver *receiver, unsigned int page)
{
	return receiver->memory + page * DMA_PAGE_BYTES;
}

/* Where the frame of a ring entry goes */
void *receiver_buffer(const struct receiver *receiver, unsigned int entry)
{
	return receiver_page(receiver, RECEIVER_FIRST_PAGE + entry);
}

static struct e1000e_descriptor *entry_of_ring(const struct receiver *receiver,
					       unsigned int entry)
{
	struct e1000e_descriptor *ring = receiver_page(receiver, RECEIVER_RING_PAGE);

	return &ring[entry];
}

/* The ring is empty, and the receiver is stopped. */
void receiver_reset(struct receiver *receiver)
{
	unsigned int i;

	for (i = 0; i < RECEIVER_ENTRIES; i++)
		*entry_of_ring(receiver, i) = (struct e1000e_descriptor) {
			.address = dma_address(receiver_buffer(receiver, i)),
		};
	e1000e_reset(receiver->registers);
}

/* The interrupt of a frame is vector 0, and disables itself when it is sent. */
void receiver_set_up_interrupt(struct receiver *receiver)
{
	mmio_write32(receiver->registers + E1000E_IVAR, E1000E_IVAR_RX);
	mmio_write32(receiver->registers + E1000E_EIAC, E1000E_CAUSE_RX);
	receiver_enable_interrupt(receiver);
}

void receiver_enable_interrupt(struct receiver *receiver)
{
	mmio_write32(receiver->registers + E1000E_IMS, E1000E_CAUSE_RX);
}

/* Without MSI-X */
void receiver_enable_intx(struct receiver *receiver)
{
	mmio_write32(receiver->registers + E1000E_IMS, E1000E_CAUSE_FRAME);
}

/* The device deasserts INTx. */
void receiver_acknowledge_intx(struct receiver *receiver)
{
	mmio_read32(receiver->registers + E1000E_ICR);
}

void receiver_start(struct receiver *receiver)
{
	e1000e_start(receiver->registers,
		     dma_address(receiver_page(receiver, RECEIVER_RING_PAGE)),
		     RECEIVER_ENTRIES);
}

__u32 receiver_number(const void *frame)
{
	__u32 number;

	memcpy(&number, frame + NUMBER_OFFSET, sizeof(number));
	return number;
}

static bool is_done(const struct receiver *receiver, unsigned int entry)
{
	struct e1000e_descriptor *descriptor = entry_of_ring(receiver, entry);

	return __atomic_load_n(&descriptor->status, __ATOMIC_ACQUIRE) & E1000E_STATUS_DONE;
}

/* Whether the next entry of the ring is done */
bool receiver_has_frame(const struct receiver *receiver)
{
	return is_done(receiver, receiver->record->next);
}

/* How many entries are done; none is taken. */
unsigned int receiver_waiting(const struct receiver *receiver)
{
	unsigned int i, waiting = 0;

	for (i = 0; i < RECEIVER_ENTRIES; i++)
		waiting += is_done(receiver, i);
	return waiting;
}

/*
 * The next entry of the ring belongs to the card again, and the one after it becomes
 * the next.
 */
void receiver_give_back(struct receiver *receiver)
{
	unsigned int entry = receiver->record->next;

	entry_of_ring(receiver, entry)->status = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmio_write32(receiver->registers + E1000E_RDT, entry);
	receiver->record->next = (entry + 1) % RECEIVER_ENTRIES;
}

/*
 * In the next kernel: the previous one may have ended after a frame was taken and before its
 * entry was given back to the card.
 */
void receiver_continue(struct receiver *receiver)
{
	const struct receiver_record *record = receiver->record;

	if (record->received &&
	    receiver_number(receiver_buffer(receiver, record->next)) == record->number)
		receiver_give_back(receiver);
}

static void take_frame(struct receiver *receiver, __u32 number)
{
	struct receiver_record *record = receiver->record;

	if (record->received && number != record->number + 1) {
		ksft_print_msg("frame %u after frame %u\n", number, record->number);
		receiver->wrong_numbers++;
	}
	record->number = number;
	record->received++;
}

/* All that are in the ring */
void receiver_take_frames(struct receiver *receiver)
{
	while (receiver_has_frame(receiver)) {
		take_frame(receiver, receiver_number(receiver_buffer(receiver,
								     receiver->record->next)));
		receiver_give_back(receiver);
	}
}

/* How many arrive within a time, with as many free entries as there can be */
unsigned int receiver_frames(struct receiver *receiver, unsigned int ms)
{
	unsigned int before = receiver->record->received;

	while (ms--) {
		receiver_take_frames(receiver);
		usleep(1000);
	}
	return receiver->record->received - before;
}

/* The entry which the card uses next */
unsigned int receiver_head(const struct receiver *receiver)
{
	return mmio_read32(receiver->registers + E1000E_RDH);
}
