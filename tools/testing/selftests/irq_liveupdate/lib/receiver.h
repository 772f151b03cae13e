/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An e1000e to which numbered frames are sent all the time. Ring, buffers, and how far
 * the ring has been used are in its memory, which is preserved, so that the next
 * kernel's program continues with what it finds there.
 */
#ifndef _IRQ_LIVEUPDATE_RECEIVER_H
#define _IRQ_LIVEUPDATE_RECEIVER_H

#include <stdbool.h>
#include <linux/types.h>

#include "vfio_dev.h"

#define RECEIVER_ENTRIES	256	/* entries of the ring, which then fills a page */
#define RECEIVER_RING_PAGE	1	/* after the record; then a page for each entry */
#define RECEIVER_FIRST_PAGE	2
#define RECEIVER_PAGES		(RECEIVER_FIRST_PAGE + RECEIVER_ENTRIES)

/* The first page of its memory */
struct receiver_record {
	unsigned int next;		/* entry of the ring */
	unsigned int received;
	__u32 number;			/* of the last frame */
};

struct receiver {
	struct vfio_dev dev;
	void *registers;
	size_t registers_size;
	void *memory;
	struct receiver_record *record;
	unsigned int wrong_numbers;
};

void receiver_use_memory(struct receiver *receiver, void *memory);
void receiver_map_registers(struct receiver *receiver);
void receiver_reset(struct receiver *receiver);
void receiver_set_up_interrupt(struct receiver *receiver);
void receiver_enable_interrupt(struct receiver *receiver);
void receiver_enable_intx(struct receiver *receiver);
void receiver_acknowledge_intx(struct receiver *receiver);
void receiver_start(struct receiver *receiver);

void *receiver_page(const struct receiver *receiver, unsigned int page);
void *receiver_buffer(const struct receiver *receiver, unsigned int entry);
__u32 receiver_number(const void *frame);

bool receiver_has_frame(const struct receiver *receiver);
unsigned int receiver_waiting(const struct receiver *receiver);
void receiver_give_back(struct receiver *receiver);
void receiver_continue(struct receiver *receiver);
void receiver_take_frames(struct receiver *receiver);
unsigned int receiver_frames(struct receiver *receiver, unsigned int ms);
unsigned int receiver_head(const struct receiver *receiver);

#endif /* _IRQ_LIVEUPDATE_RECEIVER_H */
