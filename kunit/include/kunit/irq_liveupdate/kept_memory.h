/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that KHO believes it has kept for this kernel, and what the records of
 * this project in such memory have in common.
 */

#ifndef _KUNIT_KEPT_MEMORY_H
#define _KUNIT_KEPT_MEMORY_H

#include <kunit/test.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/prandom.h>

/* As KHO marks the first page of what it has kept, see kho_restore_page() */
#define KEPT_MAGIC	0x4b484f50UL

static inline bool is_kept(const void *mem)
{
	return virt_to_page(mem)->private >> 32 == KEPT_MAGIC;
}

static inline void *alloc_kept(unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO, order);

	if (!page)
		return NULL;

	adjust_managed_page_count(page, -(1L << order));
	page->private = KEPT_MAGIC << 32 | order;
	return page_address(page);
}

/* Unless somebody has restored it, and so owns it. */
static inline void free_kept(void *mem)
{
	struct page *page = virt_to_page(mem);
	unsigned int order = (u32)page->private;

	if (!is_kept(mem))
		return;
	page->private = 0;
	adjust_managed_page_count(page, 1L << order);
	__free_pages(page, order);
}

/**
 * struct bad_field - A value that a field must not have
 * @name:	Field and value
 * @offset:	Of the field in the record
 * @size:	Of the field
 * @value:	What is written there
 * @reason:	Why the record is refused then
 */
struct bad_field {
	const char	*name;
	size_t		offset;
	size_t		size;
	u64		value;
	const char	*reason;
};

#define BAD_FIELD(_name, _field, _value, _reason) {		\
	.name	= _name,					\
	.offset	= (uintptr_t)&(_field),				\
	.size	= sizeof(_field),				\
	.value	= (_value),					\
	.reason	= (_reason),					\
}

/* On a little-endian machine, like all that have these records */
static inline void set_bad_field(void *record, const struct bad_field *bad)
{
	memcpy(record + bad->offset, &bad->value, bad->size);
}

#define MUTATION_SEED	0x11feda7e

/* KASAN makes loading them slow. */
#define NR_MUTATIONS	(IS_ENABLED(CONFIG_KASAN) ? 2000 : 100000)

/* More changes of one record only make it easier to refuse. */
#define MAX_CHANGES	3

/* A mutation is determined by its number and MUTATION_SEED alone. */
static inline void seed_mutation(struct rnd_state *rnd, unsigned int nr)
{
	prandom_seed_state(rnd, (MUTATION_SEED + nr) * GOLDEN_RATIO_64);
}

/* Every field is at a multiple of its size. */
static inline void set_number(struct rnd_state *rnd, void *record, size_t len)
{
	static const u64 numbers[] = { 0, 1, 2, 3, 4, 7, 8, 32, 64, 96, 128, 0x7f, 0x80, U64_MAX };
	size_t size = 1 << prandom_u32_state(rnd) % 4;
	void *field = record + prandom_u32_state(rnd) % (len / size) * size;

	memcpy(field, &numbers[prandom_u32_state(rnd) % ARRAY_SIZE(numbers)], size);
}

static inline void flip_bit(void *record, u32 bit)
{
	((u8 *)record)[bit / BITS_PER_BYTE] ^= BIT(bit % BITS_PER_BYTE);
}

/* Duplicates: entries are multiples of 32 bytes, and begin at one. */
static inline void copy_bytes(struct rnd_state *rnd, void *record, size_t len)
{
	size_t size = 4 << prandom_u32_state(rnd) % 4;
	size_t room = len / size;
	void *from = record + prandom_u32_state(rnd) % room * size;

	memmove(record + prandom_u32_state(rnd) % room * size, from, size);
}

static inline void mutate_record(struct rnd_state *rnd, void *record, size_t len)
{
	unsigned int nr = 1 + prandom_u32_state(rnd) % MAX_CHANGES;

	while (nr--) {
		switch (prandom_u32_state(rnd) % 3) {
		case 0:
			copy_bytes(rnd, record, len);
			break;
		case 1:
			flip_bit(record, prandom_u32_state(rnd) % (len * BITS_PER_BYTE));
			break;
		default:
			set_number(rnd, record, len);
		}
	}
}

#endif /* _KUNIT_KEPT_MEMORY_H */
