// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O of one queue: as many slots as it has in flight, each with a page of
 * memory and one of the disk. A slot writes its page, reads it back, compares, and
 * begins again with other data.
 */
#include "bare.h"

#define DEPTH		24
#define LAST_DEPTH	1	/* slots of the last queue, where each lost interrupt shows */

#define WORDS		(PAGE_BYTES / sizeof(__u64))

enum slot_state {
	IDLE,
	WRITING,
	READING,
};

struct slot {
	enum slot_state state;
	__u32 round;
};

static struct slot slots[GUEST_QUEUES][DEPTH];

/* Its pages have the same number. */
static unsigned int number_of(unsigned int queue, unsigned int id)
{
	return queue * DEPTH + id;
}

static __u64 *memory_of(unsigned int queue, unsigned int id)
{
	return (__u64 *)DATA + number_of(queue, id) * WORDS;
}

static __u64 word(unsigned int queue, unsigned int id, unsigned int index)
{
	return (__u64)slots[queue][id].round << 32 | number_of(queue, id) * WORDS | index;
}

static bool data_is_right(unsigned int queue, unsigned int id)
{
	const __u64 *data = memory_of(queue, id);
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		if (data[i] != word(queue, id, i))
			return false;
	}

	return true;
}

static void submit(unsigned int queue, unsigned int id, enum slot_state state)
{
	slots[queue][id].state = state;
	report()->queue[queue].outstanding++;
	nvme_submit_io(queue, id, state == WRITING, number_of(queue, id));
}

static void write_page(unsigned int queue, unsigned int id)
{
	__u64 *data = memory_of(queue, id);
	unsigned int i;

	slots[queue][id].round++;
	for (i = 0; i < WORDS; i++)
		data[i] = word(queue, id, i);
	submit(queue, id, WRITING);
}

static void read_page(unsigned int queue, unsigned int id)
{
	__u64 *data = memory_of(queue, id);
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		data[i] = 0;
	submit(queue, id, READING);
}

static void page_was_read(unsigned int queue, unsigned int id)
{
	struct guest_queue *counts = &report()->queue[queue];

	slots[queue][id].state = IDLE;
	if (data_is_right(queue, id))
		counts->verified++;
	else
		counts->wrong++;
	if (!__atomic_load_n(&report()->drain, __ATOMIC_RELAXED))
		write_page(queue, id);
}

void io_completed(unsigned int queue, __u16 id, __u16 status)
{
	struct guest_queue *counts = &report()->queue[queue];

	counts->completed++;
	if (id >= DEPTH || slots[queue][id].state == IDLE || status) {
		counts->wrong++;
		return;
	}
	counts->outstanding--;
	if (slots[queue][id].state == WRITING)
		read_page(queue, id);
	else
		page_was_read(queue, id);
}

void io_start(unsigned int queue)
{
	unsigned int depth = queue == GUEST_QUEUES - 1 ? LAST_DEPTH : DEPTH;
	unsigned int id;

	nvme_lock(queue);
	for (id = 0; id < depth; id++)
		write_page(queue, id);
	nvme_unlock(queue);
}
