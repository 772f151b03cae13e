// SPDX-License-Identifier: GPL-2.0

/*
 * An input is all that a kernel left, one memory block after the other:
 *
 *	root with its units | device directory | device blob | device blob | ...
 *
 * It is read in the order in which kernel/irq/liveupdate_in.c reads it. Each block
 * gets memory of its own, of the exact size, and counts as being at the address
 * that the block before it gives, whatever that is.
 *
 * A random mutation never gets past a checksum. So most of the mutated inputs
 * are sealed again afterwards.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../../kernel/irq/liveupdate_ser.h"
#include "../../../kernel/irq/kunit_ser_image.h"
#include "fuzz.h"

/* One in this many mutations keeps the checksums it has. */
#define UNSEALED	8

/* What is left of an input */
struct input {
	const uint8_t	*pos;
	size_t		len;
};

/* A copy of the next block, or NULL if less than that is left. */
static void *take(struct input *input, size_t len)
{
	void *block;

	if (len > input->len)
		return NULL;

	block = malloc(len);
	memcpy(block, input->pos, len);
	input->pos += len;
	input->len -= len;
	return block;
}

/* A root that is too short for its units is as long as the input. */
static size_t root_len(const struct input *input)
{
	struct irq_lu_root_ser head;
	size_t len;

	if (input->len < sizeof(head))
		return input->len;
	memcpy(&head, input->pos, sizeof(head));
	len = struct_size(&head, units, head.nr_units);
	return len < input->len ? len : input->len;
}

/*
 * Reading
 */

static void expect_sound(const char *broken)
{
	promised(!broken, broken);
}

static void read_devices(struct input *input, const struct irq_lu_root_ser *root,
			 const struct irq_lu_device_ref_ser *table)
{
	for (u32 i = 0; i < root->nr_devices; i++) {
		void *blob = take(input, table[i].len);

		if (!blob)
			return;
		if (!irq_lu_ser_check_device(blob, table[i].len, root))
			expect_sound(ser_broken_device(blob, table[i].len, root));
		free(blob);
	}
}

static void read_table(struct input *input, const struct irq_lu_root_ser *root)
{
	struct irq_lu_device_ref_ser *table;

	table = take(input, root->nr_devices * sizeof(*table));
	if (!table)
		return;
	if (!irq_lu_ser_check_root(root, table)) {
		expect_sound(ser_broken_table(table, root->nr_devices));
		read_devices(input, root, table);
	}
	free(table);
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	size_t len = root_len(&input);
	struct irq_lu_root_ser *root = take(&input, len);

	if (!irq_lu_ser_check_root_head(root, len)) {
		expect_sound(ser_broken_root_head(root, len));
		read_table(&input, root);
	}
	free(root);
	return 0;
}

/*
 * Mutating
 */

static void *put(void *pos, const void *block, size_t len)
{
	memcpy(pos, block, len);
	return pos + len;
}

static void put_and_free(void *pos, void *block, size_t len)
{
	put(pos, block, len);
	free(block);
}

/* The last device has as many vectors as there is room for. */
static void seal_device(struct input *input, struct irq_lu_device_ref_ser *ref, bool last)
{
	struct irq_lu_device_ser *dev;
	void *pos = (void *)input->pos;

	if (last && input->len >= sizeof(*dev))
		ref->len = input->len - (input->len - sizeof(*dev)) % sizeof(dev->vectors[0]);

	dev = ref->len < sizeof(*dev) ? NULL : take(input, ref->len);
	if (!dev)
		return;
	dev->nr_vectors = (ref->len - sizeof(*dev)) / sizeof(dev->vectors[0]);
	if (irq_lu_ser_device_len(dev->nr_vectors) == ref->len)
		irq_lu_ser_seal_device(dev);
	put_and_free(pos, dev, ref->len);
}

static void seal_root(struct irq_lu_root_ser *root, const struct irq_lu_device_ref_ser *table)
{
	u32 state = root->state;

	irq_lu_ser_seal_root(root, table);
	root->state = state;
}

/* Counts and lengths that lead beyond the end are corrected as well. */
static void seal(struct input input)
{
	struct irq_lu_device_ref_ser *table;
	struct irq_lu_root_ser *root;
	size_t len = root_len(&input);
	void *root_pos = (void *)input.pos;
	void *table_pos;

	if (len < sizeof(*root))
		return;
	root = take(&input, len);
	root->nr_units = (len - sizeof(*root)) / sizeof(root->units[0]);

	if (root->nr_devices > input.len / sizeof(*table))
		root->nr_devices = input.len / sizeof(*table);
	table_pos = (void *)input.pos;
	table = take(&input, root->nr_devices * sizeof(*table));

	for (u32 i = 0; i < root->nr_devices; i++)
		seal_device(&input, &table[i], i + 1 == root->nr_devices);
	seal_root(root, table);

	put_and_free(table_pos, table, root->nr_devices * sizeof(*table));
	put_and_free(root_pos, root, len);
}

static size_t write_valid(uint8_t *data)
{
	void *pos = data;

	pos = put(pos, &image_root, sizeof(image_root));
	pos = put(pos, image_units, sizeof(image_units));
	pos = put(pos, image_table, sizeof(image_table));
	pos = put(pos, &image_msix, sizeof(image_msix));
	pos = put(pos, image_msix_vectors, sizeof(image_msix_vectors));
	pos = put(pos, &image_msi, sizeof(image_msi));
	pos = put(pos, image_msi_vectors, sizeof(image_msi_vectors));

	((struct irq_lu_root_ser *)data)->state = IRQ_LU_STATE_FROZEN;
	return pos - (void *)data;
}

size_t fuzz_custom_mutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	bool valid = size < sizeof(image_root) && max_size >= ROOT_LEN + 2 * DEVICE_LEN +
		     sizeof(image_table);

	size = valid ? write_valid(data) : fuzz_mutate(data, size, max_size);
	if (seed % UNSEALED)
		seal((struct input){ data, size });
	return size;
}
