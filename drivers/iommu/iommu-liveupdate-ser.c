// SPDX-License-Identifier: GPL-2.0-only

/*
 * Validation of the records of IOMMUs. This file has no other code, so that it
 * can be built for user space and fuzzed: tools/testing/irq_liveupdate_ser.
 */

#include <kunit/static_stub.h>
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "iommu-liveupdate-ser.h"

/* The limit of kho_block_set_grow(), which ends a cycle: 10 TiB in 4 KiB pages */
#define MAX_TABLES	(10000 * IOMMU_LU_PAGES_PER_BLOCK)

/*
 * Checksums
 */

/**
 * iommu_lu_root_checksum - Checksum of the root and its units
 * @root:	The root. The number of units must have been checked.
 *
 * Context: Any.
 * Return: The value of &iommu_lu_root_ser.checksum.
 */
u32 iommu_lu_root_checksum(const struct iommu_lu_root_ser *root)
{
	struct iommu_lu_root_ser head = *root;
	u32 crc;

	head.checksum = 0;
	crc = crc32_le(~0U, &head, sizeof(head));
	return crc32_le(crc, root->units, head.nr_units * sizeof(root->units[0]));
}

/**
 * iommu_lu_tables_checksum - Checksum of the list of tables of a unit
 * @tables:	The list, %IOMMU_LU_NR_TABLES physical addresses
 *
 * Context: Any.
 * Return: The value of &iommu_lu_unit_ser.tables_checksum.
 */
u32 iommu_lu_tables_checksum(const u64 *tables)
{
	return crc32_le(~0U, tables, IOMMU_LU_NR_TABLES * sizeof(tables[0]));
}

/**
 * iommu_lu_device_checksum - Checksum of a record
 * @ser:	The record
 *
 * Context: Any.
 * Return: The value of &iommu_lu_device_ser.checksum.
 */
u32 iommu_lu_device_checksum(const struct iommu_lu_device_ser *ser)
{
	struct iommu_lu_device_ser copy = *ser;

	copy.checksum = 0;
	return crc32_le(~0U, &copy, sizeof(copy));
}

/*
 * Units
 */

static const char *check_unit(const struct iommu_lu_unit_ser *unit)
{
	static const struct iommu_lu_unit_ser unused;

	if (!memcmp(unit, &unused, sizeof(unused)))
		return NULL;
	if (unit->flags & ~IOMMU_LU_UNIT_FLAGS)
		return "unknown unit flags";
	if (!unit->reg_base)
		return "unit without registers";
	if (unit->reserved)
		return "reserved field of unit not zero";
	return NULL;
}

/**
 * iommu_lu_ser_check_root - Validate the root and its units
 * @root:	The root, %IOMMU_LU_ROOT_SIZE bytes
 *
 * Its content is not trusted, because any kernel may have written it.
 *
 * Context: Any.
 * Return: NULL, or what is wrong with it.
 */
const char *iommu_lu_ser_check_root(const struct iommu_lu_root_ser *root)
{
	const char *reason;
	unsigned int i;

	if (root->nr_units > IOMMU_LU_MAX_UNITS)
		return "too many units";
	if (root->checksum != iommu_lu_root_checksum(root))
		return "checksum mismatch";
	if (memchr_inv(root->reserved, 0, sizeof(root->reserved)))
		return "reserved field of root not zero";
	if (!root->nr_devices && root->devices)
		return "devices without a number";

	for (i = 0; i < root->nr_units; i++) {
		reason = check_unit(&root->units[i]);
		if (reason)
			return reason;
	}
	return NULL;
}

/*
 * Devices and their page tables
 *
 * A page belongs to exactly one list or record, and is freed with it. So each
 * page is taken from KHO, which returns it only once. A second record that
 * refers to it is refused, because otherwise its device would use a page that
 * was freed. Pages that a record has taken before it is refused stay allocated.
 */

/* A larger block is something else. Freed through its address, it would free more. */
static bool is_preserved(u64 entry)
{
	unsigned int order = iommu_lu_entry_order(entry);

	return order <= MAX_PAGE_ORDER &&
	       kho_preserved_size(iommu_lu_entry_phys(entry)) == PAGE_SIZE << order;
}

static bool take_folio(u64 entry)
{
	return is_preserved(entry) && kho_restore_folio(iommu_lu_entry_phys(entry));
}

/* Its address has no order. */
static bool take_page(u64 phys)
{
	return kho_preserved_size(phys) == PAGE_SIZE && kho_restore_folio(phys);
}

/**
 * iommu_lu_ser_take_pasid_table - Validate and take the PASID table of a device
 * @ser:	Record of the device
 *
 * Context: May sleep.
 * Return: NULL, or what is wrong with it.
 */
const char *iommu_lu_ser_take_pasid_table(const struct iommu_lu_device_ser *ser)
{
	if (!ser->pasid_dir && ser->pasid_table)
		return "PASID table without a directory";
	if (ser->pasid_dir && (!take_folio(ser->pasid_dir) || !take_page(ser->pasid_table)))
		return "PASID table was not preserved, or for another device";
	return NULL;
}

/* All blocks of a chain but the last one are full. */
static struct kho_block_header_ser *next_block(u64 phys, u64 max, u64 left)
{
	struct kho_block_header_ser *block;

	if (kho_preserved_size(phys) != KHO_BLOCK_SIZE)
		return NULL;

	block = phys_to_virt(phys);
	return block->count == min(max, left) ? block : NULL;
}

/**
 * iommu_lu_take_block - Validate the next block of a chain, and take it
 * @phys:	Its physical address
 * @max:	Maximum number of entries in a block
 * @left:	Number of entries left in the chain
 *
 * Context: May sleep.
 * Return: The block, or NULL if it is invalid.
 */
struct kho_block_header_ser *iommu_lu_take_block(u64 phys, u64 max, u64 left)
{
	struct kho_block_header_ser *block = next_block(phys, max, left);

	return block && kho_restore_folio(phys) ? block : NULL;
}

static const char *check_pages(const struct iommu_lu_pages_ser *ser)
{
	struct kho_block_header_ser *block;
	u64 phys = ser->first;
	u32 left = ser->nr;
	u32 crc = ~0U;

	if (!left)
		return "no tables";
	if (left > MAX_TABLES)
		return "too many tables";

	for (; left; phys = block->next) {
		block = next_block(phys, IOMMU_LU_PAGES_PER_BLOCK, left);
		if (!block)
			return "list of tables was not preserved";

		for (u64 i = 0; i < block->count; i++) {
			if (!is_preserved(iommu_lu_block_pages(block)[i]))
				return "table was not preserved, or for another device";
		}
		crc = crc32_le(crc, iommu_lu_block_pages(block), block->count * sizeof(u64));
		left -= block->count;
		cond_resched();
	}
	if (phys)
		return "list of tables is too long";

	return crc == ser->checksum ? NULL : "checksum mismatch of the list of tables";
}

/**
 * iommu_lu_pages_take - Validate a list of the previous kernel and take its
 * pages
 * @ser:	The list
 *
 * Context: May sleep.
 * Return: NULL, or what is wrong with it.
 */
const char *iommu_lu_pages_take(const struct iommu_lu_pages_ser *ser)
{
	const char *reason = check_pages(ser);
	struct kho_block_header_ser *block;
	u64 phys = ser->first;
	u32 left = ser->nr;

	if (reason)
		return reason;

	for (; left; phys = block->next) {
		block = iommu_lu_take_block(phys, IOMMU_LU_PAGES_PER_BLOCK, left);
		if (!block)
			return "block in the list of tables twice";

		for (u64 i = 0; i < block->count; i++) {
			if (!take_folio(iommu_lu_block_pages(block)[i]))
				return "table in the list of tables twice";
		}
		left -= block->count;
		cond_resched();
	}
	return NULL;
}

/**
 * iommu_lu_pages_first - Get the table at which a translation begins
 * @ser:	A list that iommu_lu_pages_take() has accepted
 *
 * Context: Any.
 * Return: Its physical address.
 */
phys_addr_t iommu_lu_pages_first(const struct iommu_lu_pages_ser *ser)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_lu_pages_first, ser);

	return iommu_lu_entry_phys(*iommu_lu_block_pages(phys_to_virt(ser->first)));
}
