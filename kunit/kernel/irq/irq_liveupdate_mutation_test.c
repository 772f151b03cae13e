// SPDX-License-Identifier: GPL-2.0

/*
 * Mutations of a valid image of the interrupt state, loaded in the order in
 * which the kernel loads it. Every memory block ends where its page ends, so
 * that reading beyond it faults.
 *
 * A mutation is determined by its number and MUTATION_SEED alone: one that
 * fails can be reproduced from the number that it prints.
 */

#include <kunit/test.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/vmalloc.h>

#include "liveupdate_ser.h"
#include "kunit_ser_image.h"

#define MUTATION_SEED	0x11feda7e
#define NR_MUTATIONS	100000

/* More of them in one image only make it easier to refuse. */
#define MAX_CHANGES	4

enum verdict {
	ROOT_REFUSED,
	TABLE_REFUSED,
	TABLE_NOT_THERE,
	TAKEN_OVER,
	NR_VERDICTS,
};

struct image {
	union {
		struct irq_lu_root_ser		root;
		u8				root_bytes[ROOT_LEN];
	};
	struct irq_lu_device_ref_ser		table[NR_DEVICES];
	union {
		struct irq_lu_device_ser	device;
		u8				bytes[DEVICE_LEN];
	} devices[NR_DEVICES];
};

/* A page without a neighbour for each memory block */
struct pages {
	void	*root;
	void	*table;
	void	*device;
};

struct counts {
	unsigned int	verdicts[NR_VERDICTS];
	unsigned int	devices_accepted;
	unsigned int	devices_refused;
	unsigned int	unsealed;
};

static void build_device(struct irq_lu_device_ser *dev, const struct irq_lu_device_ser *head,
			 const struct irq_lu_vector_ser *vectors)
{
	*dev = *head;
	memcpy(dev->vectors, vectors, NR_VECTORS * sizeof(vectors[0]));
	irq_lu_ser_seal_device(dev);
}

static void build_image(struct image *img)
{
	img->root = image_root;
	memcpy(img->root.units, image_units, sizeof(image_units));
	memcpy(img->table, image_table, sizeof(image_table));
	build_device(&img->devices[0].device, &image_msix, image_msix_vectors);
	build_device(&img->devices[1].device, &image_msi, image_msi_vectors);
	irq_lu_ser_seal_root(&img->root, img->table);
}

/*
 * Mutating
 */

/* Every field of the ABI is at a multiple of its size. */
static void set_number(struct rnd_state *rnd, void *img)
{
	static const u64 numbers[] = {
		0, 1, 2, 3, 4, 7, 8, 32, 33, 47, 48, 63, 64, 2047, 2048, 2049, 4096, 4097,
		NR_ENTRIES / 2, NR_ENTRIES, INT_MAX - 1, INT_MAX, BIT_ULL(63), U64_MAX, -48,
	};
	size_t size = 1 << prandom_u32_state(rnd) % 4;
	void *field = img + prandom_u32_state(rnd) % (sizeof(struct image) / size) * size;
	u64 number = numbers[prandom_u32_state(rnd) % ARRAY_SIZE(numbers)];

	/* On a little-endian machine, like all that have this ABI */
	memcpy(field, &number, size);
}

static void flip_bit(struct rnd_state *rnd, void *img)
{
	u32 bit = prandom_u32_state(rnd) % (sizeof(struct image) * BITS_PER_BYTE);

	((u8 *)img)[bit / BITS_PER_BYTE] ^= BIT(bit % BITS_PER_BYTE);
}

/* Duplicates and disorder: records are multiples of 16 bytes. */
static void copy_record(struct rnd_state *rnd, void *img)
{
	size_t len = 16 << prandom_u32_state(rnd) % 3;
	size_t room = (sizeof(struct image) - len) / 16 + 1;
	void *from = img + prandom_u32_state(rnd) % room * 16;

	memmove(img + prandom_u32_state(rnd) % room * 16, from, len);
}

static void mutate(struct rnd_state *rnd, struct image *img)
{
	unsigned int nr = 1 + prandom_u32_state(rnd) % MAX_CHANGES;

	while (nr--) {
		switch (prandom_u32_state(rnd) % 4) {
		case 0:
			copy_record(rnd, img);
			break;
		case 1:
			flip_bit(rnd, img);
			break;
		default:
			set_number(rnd, img);
		}
	}
}

/* As it was, except for the checksums, and for counts that lead beyond the memory block. */
static void seal(struct image *img)
{
	u32 state = img->root.state;

	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		struct irq_lu_device_ser *dev = &img->devices[i].device;

		dev->nr_vectors = min_t(u32, dev->nr_vectors, NR_VECTORS);
		irq_lu_ser_seal_device(dev);
		if (img->table[i].len == DEVICE_LEN)
			img->table[i].len = dev->len;
	}

	img->root.nr_units = min_t(u32, img->root.nr_units, NR_UNITS);
	img->root.nr_devices = min_t(u32, img->root.nr_devices, NR_DEVICES);
	irq_lu_ser_seal_root(&img->root, img->table);
	img->root.state = state;
}

/*
 * Loading
 */

static void *present(void *page, const void *block, size_t len)
{
	return memcpy(page + PAGE_SIZE - len, block, len);
}

static void expect_sound(struct kunit *test, unsigned int nr, const char *broken)
{
	KUNIT_EXPECT_NULL_MSG(test, broken, "mutation %u, seed %#x: accepted with a bad %s",
			      nr, MUTATION_SEED, broken);
}

static bool load_device(struct kunit *test, unsigned int nr, const struct image *img,
			unsigned int i, const struct irq_lu_root_ser *root)
{
	const struct pages *pages = test->priv;
	size_t len = img->table[i].len;
	void *blob;

	/* Memory that was not handed over is not read. */
	if (len > DEVICE_LEN)
		return false;

	blob = present(pages->device, &img->devices[i], len);
	if (irq_lu_ser_check_device(blob, len, root))
		return false;
	expect_sound(test, nr, ser_broken_device(blob, len, root));
	return true;
}

static enum verdict load_root(struct kunit *test, unsigned int nr, const struct image *img,
			      struct irq_lu_root_ser **root)
{
	const struct pages *pages = test->priv;
	struct irq_lu_device_ref_ser *table;

	*root = present(pages->root, &img->root, ROOT_LEN);
	if (irq_lu_ser_check_root_head(*root, ROOT_LEN))
		return ROOT_REFUSED;
	expect_sound(test, nr, ser_broken_root_head(*root, ROOT_LEN));
	if ((*root)->nr_devices > NR_DEVICES)
		return TABLE_NOT_THERE;

	table = present(pages->table, img->table, (*root)->nr_devices * sizeof(*table));
	if (irq_lu_ser_check_root(*root, table))
		return TABLE_REFUSED;
	expect_sound(test, nr, ser_broken_table(table, (*root)->nr_devices));
	return TAKEN_OVER;
}

/* Returns whether all of it was taken over. */
static bool load(struct kunit *test, unsigned int nr, const struct image *img,
		 struct counts *counts)
{
	struct irq_lu_root_ser *root;
	enum verdict verdict = load_root(test, nr, img, &root);
	bool all = verdict == TAKEN_OVER;

	counts->verdicts[verdict]++;
	if (!all)
		return false;

	for (unsigned int i = 0; i < root->nr_devices; i++) {
		bool accepted = load_device(test, nr, img, i, root);

		counts->devices_accepted += accepted;
		counts->devices_refused += !accepted;
		all &= accepted;
	}
	return all;
}

/*
 * Whatever is accepted satisfies the ABI. What was changed and not sealed is
 * refused: the root, the table, or the device that was changed.
 */
static void mutated_image_is_sound_or_refused(struct kunit *test)
{
	struct image *orig = kunit_kzalloc(test, sizeof(*orig), GFP_KERNEL);
	struct image *img = kunit_kzalloc(test, sizeof(*img), GFP_KERNEL);
	struct counts counts = { };
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, orig);
	KUNIT_ASSERT_NOT_NULL(test, img);
	build_image(orig);

	for (unsigned int nr = 0; nr < NR_MUTATIONS; nr++) {
		prandom_seed_state(&rnd, (MUTATION_SEED + nr) * GOLDEN_RATIO_64);
		memcpy(img, orig, sizeof(*img));
		mutate(&rnd, img);

		if (prandom_u32_state(&rnd) % 4) {
			seal(img);
			load(test, nr, img, &counts);
		} else {
			bool same = !memcmp(img, orig, sizeof(*img));

			counts.unsealed++;
			KUNIT_EXPECT_EQ_MSG(test, load(test, nr, img, &counts), same,
					    "mutation %u, seed %#x", nr, MUTATION_SEED);
		}
	}

	kunit_info(test, "seed %#x: %u mutations, %u of them not sealed", MUTATION_SEED,
		   NR_MUTATIONS, counts.unsealed);
	kunit_info(test, "roots: %u refused, %u with a table that is refused or not there, %u accepted",
		   counts.verdicts[ROOT_REFUSED],
		   counts.verdicts[TABLE_REFUSED] + counts.verdicts[TABLE_NOT_THERE],
		   counts.verdicts[TAKEN_OVER]);
	kunit_info(test, "devices: %u refused, %u accepted", counts.devices_refused,
		   counts.devices_accepted);

	/* Each of them has to happen for the test to say something. */
	KUNIT_EXPECT_GT(test, counts.verdicts[ROOT_REFUSED], NR_MUTATIONS / 20);
	KUNIT_EXPECT_GT(test, counts.verdicts[TABLE_REFUSED], NR_MUTATIONS / 100);
	KUNIT_EXPECT_GT(test, counts.devices_refused, NR_MUTATIONS / 20);
	KUNIT_EXPECT_GT(test, counts.devices_accepted, NR_MUTATIONS / 20);
}

static void free_page_alone(void *page)
{
	vfree(page);
}

/* vmalloc() leaves a hole after each of its areas. */
static void *alloc_page_alone(struct kunit *test)
{
	void *page = vmalloc(PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_page_alone, page));
	return page;
}

static int mutation_test_init(struct kunit *test)
{
	struct pages *pages = kunit_kzalloc(test, sizeof(*pages), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	pages->root = alloc_page_alone(test);
	pages->table = alloc_page_alone(test);
	pages->device = alloc_page_alone(test);
	test->priv = pages;
	return 0;
}

static struct kunit_case mutation_test_cases[] = {
	KUNIT_CASE_SLOW(mutated_image_is_sound_or_refused),
	{}
};

static struct kunit_suite mutation_test_suite = {
	.name		= "irq_liveupdate_mutation",
	.init		= mutation_test_init,
	.test_cases	= mutation_test_cases,
};

kunit_test_suite(mutation_test_suite);

MODULE_DESCRIPTION("KUnit test of the validator of the interrupt state by mutations");
MODULE_LICENSE("GPL");
