// SPDX-License-Identifier: GPL-2.0

/*
 * An input is all memory that a kernel left for the records of IOMMUs, page after page:
 * how many bytes of the page are not zero at its end, and these bytes.
 *
 *	u16 length | bytes | u16 length | bytes | ...
 *
 * The first page is the root. Page n is at physical address (n + 1) * 4096, and what is
 * elsewhere was not preserved. It is read in the order in which
 * drivers/iommu/iommu-liveupdate-in.c reads it.
 *
 * An input which was mutated at random never gets past a checksum. So most of them are
 * sealed again afterwards.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>

#include "../../../drivers/iommu/iommu-liveupdate-ser.h"
#include "../../../drivers/iommu/kunit_iommu_frozen.h"
#include "fuzz.h"

#define MAX_PAGES	16

/* One of so many mutations is left with the checksums it has. */
#define UNSEALED	8

/* What the kernel left. Each page is memory of its own, so that a sanitizer sees its end. */
static void *pages[MAX_PAGES];
static unsigned int nr_pages;

bool kho_is_preserved(phys_addr_t phys, size_t size)
{
	return phys % PAGE_SIZE == 0 && phys >= PAGE_SIZE && size <= PAGE_SIZE &&
	       phys / PAGE_SIZE <= nr_pages;
}

void *phys_to_virt(phys_addr_t phys)
{
	if (!kho_is_preserved(phys & PAGE_MASK, PAGE_SIZE))
		abort();
	return pages[phys / PAGE_SIZE - 1] + phys % PAGE_SIZE;
}

static void promised(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "accepted, but the ABI does not hold: %s\n", what);
	abort();
}

/*
 * Reading
 */

/* The bytes of the next page, behind their length. Returns false at the end. */
static bool next_page(uint8_t **data, size_t *left, uint16_t *len)
{
	if (*left <= sizeof(*len))
		return false;

	memcpy(len, *data, sizeof(*len));
	*data += sizeof(*len);
	*left -= sizeof(*len);
	if (*len > *left)
		*len = *left;
	if (*len > PAGE_SIZE)
		*len = PAGE_SIZE;
	*left -= *len;
	return true;
}

static void load(const uint8_t *data, size_t size)
{
	uint8_t *from = (uint8_t *)data;
	uint16_t len;

	for (nr_pages = 0; nr_pages < MAX_PAGES && next_page(&from, &size, &len); nr_pages++) {
		pages[nr_pages] = calloc(1, PAGE_SIZE);
		memcpy(pages[nr_pages], from, len);
		from += len;
	}
}

static void unload(void)
{
	while (nr_pages)
		free(pages[--nr_pages]);
}

/* As many as the record says, each of which was preserved */
static void expect_tables(const struct iommu_lu_pages_ser *ser)
{
	struct kho_block_header_ser *block;
	u64 phys = ser->first;
	u32 left = ser->nr;
	u32 crc = ~0U;

	for (; left; phys = block->next) {
		block = iommu_lu_next_block(phys, IOMMU_LU_PAGES_PER_BLOCK, left);
		promised(block, "a block of the list is there");
		for (u64 i = 0; i < block->count; i++)
			promised(iommu_lu_folio_is_preserved(iommu_lu_block_pages(block)[i]),
				 "a table is there");
		crc = crc32_le(crc, iommu_lu_block_pages(block), block->count * sizeof(u64));
		left -= block->count;
	}
	promised(!phys, "the list ends");
	promised(crc == ser->checksum, "checksum of the list");
	promised(kho_is_preserved(iommu_lu_pages_first(ser), PAGE_SIZE), "a first table is there");
}

static void read_device(const struct iommu_lu_device_ser *ser)
{
	if (ser->checksum != iommu_lu_device_checksum(ser))
		return;
	if (!iommu_lu_ser_check_pasid_table(ser))
		promised(!ser->pasid_dir || (iommu_lu_folio_is_preserved(ser->pasid_dir) &&
					     iommu_lu_folio_is_preserved(ser->pasid_table)),
			 "PASID table is there");
	if (!iommu_lu_pages_check(&ser->tables))
		expect_tables(&ser->tables);
}

static void read_devices(const struct iommu_lu_root_ser *root)
{
	struct kho_block_header_ser *block;
	u64 phys = root->devices;
	u32 left = root->nr_devices;

	while (left) {
		block = iommu_lu_next_block(phys, IOMMU_LU_DEVICES_PER_BLOCK, left);
		if (!block)
			return;
		for (u64 i = 0; i < block->count; i++)
			read_device((const struct iommu_lu_device_ser *)(block + 1) + i);
		phys = block->next;
		left -= block->count;
	}
}

static void read_units(const struct iommu_lu_root_ser *root)
{
	promised(root->nr_units <= IOMMU_LU_MAX_UNITS, "number of units");
	for (u32 i = 0; i < root->nr_units; i++)
		promised(!(root->units[i].flags & ~IOMMU_LU_UNIT_FLAGS) &&
			 !root->units[i].reserved, "flags of a unit");
}

/* A root that is refused names no device. */
int fuzz_one_input(const uint8_t *data, size_t size)
{
	load(data, size);
	if (nr_pages && !iommu_lu_ser_check_root(pages[0])) {
		read_units(pages[0]);
		read_devices(pages[0]);
	}
	unload();
	return 0;
}

/*
 * Mutating
 */

static size_t put(uint8_t *data, size_t pos, const void *bytes, uint16_t len)
{
	memcpy(data + pos, &len, sizeof(len));
	if (len)
		memcpy(data + pos + sizeof(len), bytes, len);
	return pos + sizeof(len) + len;
}

/* The frozen image: pages which nobody reads are empty. */
static size_t write_valid(uint8_t *data)
{
	size_t pos = 0;

	pos = put(data, pos, frozen_v1_root, sizeof(frozen_v1_root));
	pos = put(data, pos, frozen_v1_devices, sizeof(frozen_v1_devices));
	pos = put(data, pos, frozen_v1_list, sizeof(frozen_v1_list));
	for (unsigned int page = FROZEN_TABLES; page < NR_FROZEN_PAGES; page++)
		pos = put(data, pos, NULL, 0);
	return pos;
}

static void seal_list(struct iommu_lu_pages_ser *ser)
{
	struct kho_block_header_ser *block;
	u64 phys = ser->first;
	u32 left = ser->nr;
	u32 crc = ~0U;

	for (unsigned int i = 0; left && i < MAX_PAGES; i++, phys = block->next) {
		block = iommu_lu_next_block(phys, IOMMU_LU_PAGES_PER_BLOCK, left);
		if (!block)
			return;
		crc = crc32_le(crc, iommu_lu_block_pages(block), block->count * sizeof(u64));
		left -= block->count;
	}
	ser->checksum = crc;
}

static void seal_devices(const struct iommu_lu_root_ser *root)
{
	struct kho_block_header_ser *block;
	u64 phys = root->devices;
	u32 left = root->nr_devices;

	for (unsigned int n = 0; left && n < MAX_PAGES; n++, phys = block->next) {
		block = iommu_lu_next_block(phys, IOMMU_LU_DEVICES_PER_BLOCK, left);
		if (!block)
			return;
		for (u64 i = 0; i < block->count; i++) {
			struct iommu_lu_device_ser *ser = (void *)(block + 1) + i * sizeof(*ser);

			seal_list(&ser->tables);
			ser->checksum = iommu_lu_device_checksum(ser);
		}
		left -= block->count;
	}
}

static void seal_root(struct iommu_lu_root_ser *root)
{
	if (root->nr_units <= IOMMU_LU_MAX_UNITS)
		root->checksum = iommu_lu_root_checksum(root);
}

/* The lengths stay as they are. */
static void write_back(uint8_t *data, size_t size)
{
	unsigned int page;
	uint16_t len;

	for (page = 0; page < nr_pages && next_page(&data, &size, &len); page++) {
		memcpy(data, pages[page], len);
		data += len;
	}
}

static void seal(uint8_t *data, size_t size)
{
	load(data, size);
	if (nr_pages) {
		seal_devices(pages[0]);
		seal_root(pages[0]);
		write_back(data, size);
	}
	unload();
}

size_t fuzz_custom_mutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	bool valid = size < sizeof(frozen_v1_root) && max_size >= 1024;

	size = valid ? write_valid(data) : fuzz_mutate(data, size, max_size);
	if (seed % UNSEALED)
		seal(data, size);
	return size;
}
