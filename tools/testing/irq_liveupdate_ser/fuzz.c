// SPDX-License-Identifier: GPL-2.0

/*
 * An input is all that a kernel left, one box behind the other:
 *
 *	root with its units | device table | device blob | device blob | ...
 *
 * It is read in the order in which kernel/irq/liveupdate_in.c reads it. Each box
 * gets memory of its own and of its exact size, and is where the one before it
 * says, whatever address that is.
 *
 * An input which was mutated at random never gets past a checksum. So most of
 * them are sealed again afterwards.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../kernel/irq/liveupdate_ser.h"
#include "../../../kernel/irq/kunit_ser_image.h"
#include "fuzz.h"

/* One of so many mutations is left with the checksums it has. */
#define UNSEALED	8

/* What is left of an input */
struct rest {
	const uint8_t	*pos;
	size_t		len;
};

/* A copy of the next box, or NULL when there is not that much. */
static void *take(struct rest *rest, size_t len)
{
	void *box;

	if (len > rest->len)
		return NULL;

	box = malloc(len);
	memcpy(box, rest->pos, len);
	rest->pos += len;
	rest->len -= len;
	return box;
}

/* A root which is too short for its units is as long as the input. */
static size_t root_len(const struct rest *rest)
{
	struct irq_lu_root_ser head;
	size_t len;

	if (rest->len < sizeof(head))
		return rest->len;
	memcpy(&head, rest->pos, sizeof(head));
	len = struct_size(&head, units, head.nr_units);
	return len < rest->len ? len : rest->len;
}

/*
 * Reading
 */

static void promised(const char *broken)
{
	if (!broken)
		return;
	fprintf(stderr, "accepted, but the ABI does not hold: %s\n", broken);
	abort();
}

static bool accepted(int err, const char *reason)
{
	if (err && !reason)
		promised("refused without a reason");
	return !err;
}

static void read_devices(struct rest *rest, const struct irq_lu_root_ser *root,
			 const struct irq_lu_device_ref_ser *table)
{
	for (u32 i = 0; i < root->nr_devices; i++) {
		void *blob = take(rest, table[i].len);
		const char *reason = NULL;

		if (!blob)
			return;
		if (accepted(irq_lu_ser_check_device(blob, table[i].len, root, &reason), reason))
			promised(ser_broken_device(blob, table[i].len, root));
		free(blob);
	}
}

static void read_table(struct rest *rest, const struct irq_lu_root_ser *root)
{
	struct irq_lu_device_ref_ser *table;
	const char *reason = NULL;

	table = take(rest, root->nr_devices * sizeof(*table));
	if (!table)
		return;
	if (accepted(irq_lu_ser_check_root(root, table, &reason), reason)) {
		promised(ser_broken_table(table, root->nr_devices));
		read_devices(rest, root, table);
	}
	free(table);
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	struct rest rest = { data, size };
	size_t len = root_len(&rest);
	struct irq_lu_root_ser *root = take(&rest, len);
	const char *reason = NULL;

	if (accepted(irq_lu_ser_check_root_head(root, len, &reason), reason)) {
		promised(ser_broken_root_head(root, len));
		read_table(&rest, root);
	}
	free(root);
	return 0;
}

/*
 * Mutating
 */

static void *put(void *pos, const void *box, size_t len)
{
	memcpy(pos, box, len);
	return pos + len;
}

static void put_and_free(void *pos, void *box, size_t len)
{
	put(pos, box, len);
	free(box);
}

/* The last device has as many vectors as there is room for. */
static void seal_device(struct rest *rest, struct irq_lu_device_ref_ser *ref, bool last)
{
	struct irq_lu_device_ser *dev;
	void *pos = (void *)rest->pos;

	if (last && rest->len >= sizeof(*dev))
		ref->len = rest->len - (rest->len - sizeof(*dev)) % sizeof(dev->vectors[0]);

	dev = ref->len < sizeof(*dev) ? NULL : take(rest, ref->len);
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

/* Counts and lengths which lead beyond the end are made right, too. */
static void seal(struct rest rest)
{
	struct irq_lu_device_ref_ser *table;
	struct irq_lu_root_ser *root;
	size_t len = root_len(&rest);
	void *root_pos = (void *)rest.pos;
	void *table_pos;

	if (len < sizeof(*root))
		return;
	root = take(&rest, len);
	root->nr_units = (len - sizeof(*root)) / sizeof(root->units[0]);

	if (root->nr_devices > rest.len / sizeof(*table))
		root->nr_devices = rest.len / sizeof(*table);
	table_pos = (void *)rest.pos;
	table = take(&rest, root->nr_devices * sizeof(*table));

	for (u32 i = 0; i < root->nr_devices; i++)
		seal_device(&rest, &table[i], i + 1 == root->nr_devices);
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
		seal((struct rest){ data, size });
	return size;
}
