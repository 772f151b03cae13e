// SPDX-License-Identifier: GPL-2.0-only

/*
 * Lists of preserved pages: which tables a domain consists of. The kernel that
 * hands over writes such a list while it preserves the tables. The kernel that
 * takes over frees what is in the list, and looks at no table to find another one.
 */

#include <kunit/static_stub.h>
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>

#include "iommu-liveupdate.h"

#define PAGES_PER_BLOCK	((KHO_BLOCK_SIZE - sizeof(struct kho_block_header_ser)) / sizeof(u64))

/* What kho_block_set_grow() allows, so that a cycle has an end: 10 TiB of 4 KiB pages */
#define MAX_TABLES	(10000 * PAGES_PER_BLOCK)

static u64 pages_phys(u64 entry)
{
	return entry & PAGE_MASK;
}

static unsigned int pages_order(u64 entry)
{
	return entry & ~PAGE_MASK;
}

static const u64 *block_entries(const struct kho_block_header_ser *block)
{
	return (const u64 *)(block + 1);
}

/*
 * The kernel which hands over
 */

/**
 * iommu_lu_preserve_folio - Preserve a folio and make an entry of it
 * @virt:	Address of the folio
 * @entry:	Set to its physical address and order
 *
 * Context: May sleep.
 * Return: 0 or a negative errno.
 */
int iommu_lu_preserve_folio(void *virt, u64 *entry)
{
	struct folio *folio = virt_to_folio(virt);

	*entry = PFN_PHYS(folio_pfn(folio)) | folio_order(folio);
	return kho_preserve_folio(folio);
}

/**
 * iommu_lu_unpreserve_folio - Undo iommu_lu_preserve_folio()
 * @entry:	Physical address and order of the folio
 *
 * Context: May sleep.
 */
void iommu_lu_unpreserve_folio(u64 entry)
{
	kho_unpreserve_folio(page_folio(phys_to_page(pages_phys(entry))));
}

/**
 * iommu_lu_pages_init - Begin an empty list
 * @pages:	The list, which must not move from now on
 */
void iommu_lu_pages_init(struct iommu_lu_pages *pages)
{
	kho_block_set_init(&pages->blocks, sizeof(u64));
	pages->nr = 0;
	pages->checksum = ~0U;
}

/**
 * iommu_lu_pages_add - Preserve a table and append it to a list
 * @table:	Address of the table
 * @pages:	The list
 *
 * Context: May sleep.
 * Return: 0 or a negative errno.
 */
int iommu_lu_pages_add(void *table, struct iommu_lu_pages *pages)
{
	u64 entry;
	int ret;

	ret = kho_block_set_grow(&pages->blocks, (u64)pages->nr + 1);
	if (ret)
		return ret;

	ret = iommu_lu_preserve_folio(table, &entry);
	if (ret)
		return ret;

	if (!pages->nr)
		kho_block_set_it_init(&pages->it, &pages->blocks);
	*(u64 *)kho_block_set_it_reserve_entry(&pages->it) = entry;
	pages->checksum = crc32_le(pages->checksum, &entry, sizeof(entry));
	pages->nr++;
	return 0;
}

/**
 * iommu_lu_pages_unpreserve - Undo all that iommu_lu_pages_add() has done to a list
 * @pages:	The list, which is empty afterwards
 *
 * Context: May sleep.
 */
void iommu_lu_pages_unpreserve(struct iommu_lu_pages *pages)
{
	struct kho_block_set_it it;

	kho_block_set_it_init(&it, &pages->blocks);
	while (pages->nr) {
		iommu_lu_unpreserve_folio(*(u64 *)kho_block_set_it_read_entry(&it));
		pages->nr--;
	}
	kho_block_set_destroy(&pages->blocks);
}

/**
 * iommu_lu_pages_describe - Name a list in a record
 * @pages:	The list
 *
 * Return: What belongs into the record.
 */
struct iommu_lu_pages_ser iommu_lu_pages_describe(const struct iommu_lu_pages *pages)
{
	return (struct iommu_lu_pages_ser) {
		.first		= pages->blocks.head_pa,
		.nr		= pages->nr,
		.checksum	= pages->checksum,
	};
}

/*
 * The kernel which takes over
 */

/**
 * iommu_lu_folio_is_preserved - Has KHO kept what an entry names?
 * @entry:	Physical address and order of a folio
 *
 * Return: True if so.
 */
bool iommu_lu_folio_is_preserved(u64 entry)
{
	return pages_order(entry) <= MAX_PAGE_ORDER &&
	       kho_is_preserved(pages_phys(entry), PAGE_SIZE << pages_order(entry));
}

/**
 * iommu_lu_free_folio - Free what an entry names
 * @entry:	Physical address and order of a folio, which nobody uses any more
 *
 * Nothing happens if KHO has not kept it, or somebody has it back already.
 *
 * Context: May sleep.
 */
void iommu_lu_free_folio(u64 entry)
{
	struct folio *folio;

	if (!iommu_lu_folio_is_preserved(entry))
		return;

	folio = kho_restore_folio(pages_phys(entry));
	if (folio)
		folio_put(folio);
}

/**
 * iommu_lu_next_block - Validate the next block of a chain
 * @phys:	Its physical address
 * @max:	How many entries a block has room for
 * @left:	How many entries are left in the chain
 *
 * All but the last one are full.
 *
 * Return: The block, or NULL if it is none.
 */
struct kho_block_header_ser *iommu_lu_next_block(u64 phys, u64 max, u64 left)
{
	struct kho_block_header_ser *block;

	if (!kho_is_preserved(phys, KHO_BLOCK_SIZE))
		return NULL;

	block = phys_to_virt(phys);
	return block->count == min(max, left) ? block : NULL;
}

/**
 * iommu_lu_pages_check - Validate a list of the previous kernel
 * @ser:	The list
 *
 * Context: May sleep.
 * Return: NULL, or what is wrong with it.
 */
const char *iommu_lu_pages_check(const struct iommu_lu_pages_ser *ser)
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
		block = iommu_lu_next_block(phys, PAGES_PER_BLOCK, left);
		if (!block)
			return "list of tables was not preserved";

		for (u64 i = 0; i < block->count; i++) {
			if (!iommu_lu_folio_is_preserved(block_entries(block)[i]))
				return "table was not preserved";
		}
		crc = crc32_le(crc, block_entries(block), block->count * sizeof(u64));
		left -= block->count;
		cond_resched();
	}
	if (phys)
		return "list of tables is too long";

	return crc == ser->checksum ? NULL : "checksum mismatch of the list of tables";
}

/**
 * iommu_lu_pages_first - Get the table at which a translation begins
 * @ser:	A list which iommu_lu_pages_check() accepts
 *
 * Return: Its physical address.
 */
phys_addr_t iommu_lu_pages_first(const struct iommu_lu_pages_ser *ser)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_lu_pages_first, ser);

	return pages_phys(*block_entries(phys_to_virt(ser->first)));
}

/**
 * iommu_lu_pages_free - Free all tables of a list, and the list
 * @ser:	A list which iommu_lu_pages_check() has accepted
 *
 * What another list has named as well is gone then, and is left alone.
 *
 * Context: May sleep.
 */
void iommu_lu_pages_free(const struct iommu_lu_pages_ser *ser)
{
	struct kho_block_header_ser *block;
	u64 phys = ser->first;
	u32 left = ser->nr;

	while (left && (block = iommu_lu_next_block(phys, PAGES_PER_BLOCK, left))) {
		for (u64 i = 0; i < block->count; i++)
			iommu_lu_free_folio(block_entries(block)[i]);
		phys = block->next;
		left -= block->count;
		kho_restore_free(block);
		cond_resched();
	}
}
