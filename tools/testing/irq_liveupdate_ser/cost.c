// SPDX-License-Identifier: GPL-2.0

/*
 * How long the serializer, the validator and a look-up take per record, compared
 * with copying and checksumming the same bytes. Prints one JSON object.
 */

#include <linux/crc32.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../../kernel/irq/liveupdate_ser.h"

#define ROUNDS		201
#define NR_PASSES	20

/* Odd, because the number of vectors is a power of two */
#define STRIDE		1021

static const struct irq_lu_root_ser root = {
	.compatible	= IRQ_LU_COMPATIBLE,
	.state		= IRQ_LU_STATE_FROZEN,
	.nr_units	= 1,
};

static struct irq_lu_root_ser *root_with_unit;
static struct irq_lu_device_ser *device;
static void *copy;
static size_t len;

/* External, so that the computation is not optimized away */
u32 result;

static void fill(unsigned int nr_vectors)
{
	*device = (struct irq_lu_device_ser) {
		.msi_type	= IRQ_LU_MSIX,
		.hwsize		= IRQ_LU_MAX_VECTORS,
		.nr_vectors	= nr_vectors,
	};
	for (unsigned int i = 0; i < nr_vectors; i++) {
		device->vectors[i] = (struct irq_lu_vector_ser) {
			.irq		= 32 + i,
			.msi_index	= i,
			.msg_addr_lo	= 0xfee00010 | i << 5,
			.handle		= i,
			.source		= 0x40100,
			.flags		= IRQ_LU_VECTOR_ACTIVATED,
		};
	}
}

static void serialize(void)
{
	fill(device->nr_vectors);
	irq_lu_ser_seal_device(device);
	result = device->checksum;
}

static void validate(void)
{
	const char *reason = irq_lu_ser_check_device(device, len, root_with_unit);

	if (reason) {
		fprintf(stderr, "refused: %s\n", reason);
		exit(EXIT_FAILURE);
	}
}

/* Each record once, in an order that defeats caches and branch prediction */
static void look_up(void)
{
	const struct irq_lu_vector_ser *vec;
	u32 sum = 0;

	for (u32 i = 0; i < device->nr_vectors; i++) {
		vec = irq_lu_ser_find_vector(device, i * STRIDE % device->nr_vectors);
		sum += vec->irq;
	}
	result = sum;
}

static void copy_bytes(void)
{
	memcpy(copy, device, len);
	result = *(u32 *)(copy + len - sizeof(u32));
}

static void checksum(void)
{
	result = crc32_le(~0U, device, len);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static double once(void (*what)(void))
{
	double start = nanoseconds();

	for (int i = 0; i < NR_PASSES; i++)
		what();

	return (nanoseconds() - start) / NR_PASSES / device->nr_vectors;
}

static const struct {
	const char *name;
	void (*run)(void);
} passes[] = {
	{ "serialize",	serialize },
	{ "validate",	validate },
	{ "look-up",	look_up },
	{ "memcpy",	copy_bytes },
	{ "checksum",	checksum },
};

int main(void)
{
	static double ns[ARRAY_SIZE(passes)][ROUNDS];
	unsigned int nr = IRQ_LU_MAX_VECTORS, i, round;

	len = irq_lu_ser_device_len(nr);
	device = aligned_alloc(4096, 1 << 20);
	copy = aligned_alloc(4096, 1 << 20);
	root_with_unit = aligned_alloc(4096, IRQ_LU_ROOT_SIZE);
	*root_with_unit = root;
	root_with_unit->units[0].nr_entries = 65536;
	fill(nr);
	irq_lu_ser_seal_device(device);

	/* One after the other in each round, so that a slow moment affects all of them */
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < ARRAY_SIZE(passes); i++)
			ns[i][round] = once(passes[i].run);
	}

	printf("{\"records\": %u", nr);
	for (i = 0; i < ARRAY_SIZE(passes); i++) {
		qsort(ns[i], ROUNDS, sizeof(ns[i][0]), compare);
		printf(", \"%s\": %.2f", passes[i].name, ns[i][ROUNDS / 2]);
	}
	printf("}\n");

	return EXIT_SUCCESS;
}
