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
 * A random mutation never gets past a checksum. So most of the mutated inputs are
 * sealed again afterwards.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>

#include "../../../drivers/iommu/iommu-liveupdate-ser.h"
#include "../../../drivers/iommu/kunit_iommu_frozen.h"
#include "fuzz.h"

#define MAX_PAGES	16

/* One in this many mutations keeps the checksums it has. */
#define UNSEALED	8

/*
 * What the kernel left: which pages, which of them were taken from KHO, and which belong
 * to an accepted record. Each has memory of its own, so that a sanitizer sees its
 * end.
 */
static void *pages[MAX_PAGES];
static bool taken[MAX_PAGES], owned[MAX_PAGES];
static unsigned int nr_pages;

/* The lists that were accepted */
static struct iommu_lu_pages_ser lists[MAX_PAGES];
static unsigned int nr_lists;

static bool is_page(phys_addr_t phys)
{
	return phys % PAGE_SIZE == 0 && phys >= PAGE_SIZE && phys / PAGE_SIZE <= nr_pages;
}

static unsigned int page_of(phys_addr_t phys)
{
	return phys / PAGE_SIZE - 1;
}

size_t kho_preserved_size(phys_addr_t phys)
{
	return is_page(phys) && !taken[page_of(phys)] ? PAGE_SIZE : 0;
}

/* KHO would only warn about it. */
struct folio *kho_restore_folio(phys_addr_t phys)
{
	if (!kho_preserved_size(phys))
		abort();
	taken[page_of(phys)] = true;
	return pages[page_of(phys)];
}

void *phys_to_virt(phys_addr_t phys)
{
	if (!is_page(phys & PAGE_MASK))
		abort();
	return pages[page_of(phys)] + phys % PAGE_SIZE;
}

/*
 * Reading
 */

/* The bytes of the next page, after their length. Returns false at the end. */
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
		taken[nr_pages] = false;
		owned[nr_pages] = false;
		from += len;
	}
	nr_lists = 0;
}

static void unload(void)
{
	while (nr_pages)
		free(pages[--nr_pages]);
}

/*
 * What was accepted is compared with the ABI here, by code that is independent
 * of the tested code.
 */

/* The entry is one page, as preserved, which belongs to nothing else. */
static void own(u64 entry, const char *what)
{
	promised(is_page(entry), what);
	promised(taken[page_of(entry)], "a page in use was taken");
	promised(!owned[page_of(entry)], "a page has one owner");
	owned[page_of(entry)] = true;
}

/* Two words and as many entries as fit, in all blocks but the last one */
static void expect_list(const struct iommu_lu_pages_ser *ser)
{
	u64 phys = ser->first, left = ser->nr, nr;
	const u64 *block;
	u32 crc = ~0U;

	promised(left, "a first table is there");
	while (left) {
		own(phys, "a block of the list is there");
		block = pages[page_of(phys)];
		nr = block[1];
		promised(nr == (left < 510 ? left : 510), "as many entries in a block as fit");
		for (u64 i = 0; i < nr; i++)
			own(block[2 + i], "a table is there");
		crc = crc32_le(crc, block + 2, nr * sizeof(*block));
		left -= nr;
		phys = block[0];
	}
	promised(!phys, "the list ends");
	promised(crc == ser->checksum, "checksum of the list");
	promised(iommu_lu_pages_first(ser) == ((u64 *)pages[page_of(ser->first)])[2],
		 "the translation begins at the first table");
}

static u32 checksum_of(const struct iommu_lu_device_ser *ser)
{
	struct iommu_lu_device_ser copy = *ser;

	copy.checksum = 0;
	return crc32_le(~0U, &copy, sizeof(copy));
}

/* Devices that share a domain have the same list. */
static void read_tables(const struct iommu_lu_pages_ser *ser)
{
	for (unsigned int i = 0; i < nr_lists; i++) {
		if (ser->nr && lists[i].first == ser->first)
			return;
	}
	if (iommu_lu_pages_take(ser))
		return;
	expect_list(ser);
	lists[nr_lists++] = *ser;
}

static void read_device(const struct iommu_lu_device_ser *ser)
{
	if (ser->checksum != iommu_lu_device_checksum(ser))
		return;
	promised(ser->checksum == checksum_of(ser), "checksum of the record");
	if (iommu_lu_ser_take_pasid_table(ser))
		return;
	if (ser->pasid_dir) {
		own(ser->pasid_dir, "a PASID directory is there");
		own(ser->pasid_table, "a PASID table is there");
	} else {
		promised(!ser->pasid_table, "no PASID table without a directory");
	}
	read_tables(&ser->tables);
}

static void read_devices(const struct iommu_lu_root_ser *root)
{
	struct kho_block_header_ser *block;
	u64 phys = root->devices;
	u32 left = root->nr_devices;

	while (left) {
		block = iommu_lu_take_block(phys, IOMMU_LU_DEVICES_PER_BLOCK, left);
		if (!block)
			return;
		own(phys, "a block of devices is there");
		for (u64 i = 0; i < block->count; i++)
			read_device((const struct iommu_lu_device_ser *)(block + 1) + i);
		phys = block->next;
		left -= block->count;
	}
}

/* A copy of it is read, and the page is gone. */
static void own_root(void)
{
	taken[0] = true;
	own(PAGE_SIZE, "the root is there");
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
	if (nr_pages) {
		own_root();
		if (!iommu_lu_ser_check_root(pages[0])) {
			read_units(pages[0]);
			read_devices(pages[0]);
		}
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

/* The frozen image: pages that nobody reads are empty. */
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

/* As many entries as the block claims and can hold */
static u64 nr_entries(const struct kho_block_header_ser *block, size_t size, u64 left)
{
	u64 room = (PAGE_SIZE - sizeof(*block)) / size;
	u64 nr = block->count < room ? block->count : room;

	return nr < left ? nr : left;
}

static void seal_list(struct iommu_lu_pages_ser *ser)
{
	struct kho_block_header_ser *block;
	u64 phys = ser->first, left = ser->nr, nr;
	u32 crc = ~0U;

	for (unsigned int i = 0; left && i < MAX_PAGES && is_page(phys); i++, phys = block->next) {
		block = pages[page_of(phys)];
		nr = nr_entries(block, sizeof(u64), left);
		crc = crc32_le(crc, block + 1, nr * sizeof(u64));
		left -= nr;
	}
	ser->checksum = crc;
}

static void seal_devices(const struct iommu_lu_root_ser *root)
{
	u64 phys = root->devices, left = root->nr_devices, nr;
	struct kho_block_header_ser *block;
	struct iommu_lu_device_ser *ser;

	for (unsigned int n = 0; left && n < MAX_PAGES && is_page(phys); n++, phys = block->next) {
		block = pages[page_of(phys)];
		ser = (struct iommu_lu_device_ser *)(block + 1);
		nr = nr_entries(block, sizeof(*ser), left);
		left -= nr;
		for (; nr; nr--, ser++) {
			seal_list(&ser->tables);
			ser->checksum = checksum_of(ser);
		}
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
