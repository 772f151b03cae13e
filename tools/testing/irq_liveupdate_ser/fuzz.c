// SPDX-License-Identifier: GPL-2.0

/*
 * The input is one box of the ABI. The checksum is made right, or no input
 * would get past it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../../kernel/irq/liveupdate_ser.h"

#define NR_UNITS	2

static struct irq_lu_root_ser *valid_root(void)
{
	struct irq_lu_root_ser *root = calloc(1, IRQ_LU_ROOT_SIZE);

	root->magic = IRQ_LU_MAGIC;
	root->version = IRQ_LU_VERSION;
	root->nr_units = NR_UNITS;
	for (int i = 0; i < NR_UNITS; i++) {
		root->units[i].reg_base = 0xfed90000 + i * 4096;
		root->units[i].table = 0x100000000 + i * 0x100000;
		root->units[i].nr_entries = 65536;
	}
	irq_lu_ser_seal_root(root, NULL);

	return root;
}

static void fuzz_device(const void *data, size_t size)
{
	struct irq_lu_root_ser *root = valid_root();
	struct irq_lu_device_ser *dev = malloc(size);
	const char *reason;

	memcpy(dev, data, size);
	if (size >= sizeof(*dev)) {
		dev->nr_vectors = (size - sizeof(*dev)) / sizeof(dev->vectors[0]);
		irq_lu_ser_seal_device(dev);
	}
	irq_lu_ser_check_device(dev, size, root, &reason);

	free(dev);
	free(root);
}

static bool can_be_sealed(const struct irq_lu_root_ser *root, size_t size)
{
	return size >= sizeof(*root) && root->nr_devices <= IRQ_LU_MAX_DEVICES &&
	       root->nr_units <= (size - sizeof(*root)) / sizeof(root->units[0]);
}

static void fuzz_root(const void *data, size_t size)
{
	struct irq_lu_device_ref_ser *table = NULL;
	struct irq_lu_root_ser *root = malloc(size);
	const char *reason;

	memcpy(root, data, size);
	if (can_be_sealed(root, size)) {
		table = calloc(root->nr_devices, sizeof(*table));
		irq_lu_ser_seal_root(root, table);
	}
	if (!irq_lu_ser_check_root_head(root, size, &reason))
		irq_lu_ser_check_root(root, table, &reason);

	free(table);
	free(root);
}

/* The entry of libFuzzer, whose name the Makefile gives it. */
int fuzz_one_input(const uint8_t *data, size_t size);

int fuzz_one_input(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;

	if (data[0] & 1)
		fuzz_device(data + 1, size - 1);
	else
		fuzz_root(data + 1, size - 1);

	return 0;
}
