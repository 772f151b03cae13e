// SPDX-License-Identifier: GPL-2.0-only

/*
 * Lists of preserved pages, which are the tables of a domain. The kernel that
 * hands over writes such a list while it preserves the tables. The kernel that
 * takes over frees the pages in the list, and does not follow pointers in
 * tables.
 */

#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>

#include "iommu-liveupdate.h"

/*
 * The kernel which hands over
 */

/**
 * iommu_lu_preserve_folio - Preserve a folio and encode it as a list entry
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
	kho_unpreserve_folio(page_folio(phys_to_page(iommu_lu_entry_phys(entry))));
}

/**
 * iommu_lu_pages_init - Begin an empty list
 * @pages:	The list, which must not move from now on
 *
 * Context: Any.
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
 * iommu_lu_pages_unpreserve - Unpreserve a list and its tables
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
 * iommu_lu_pages_describe - Describe a list for a record
 * @pages:	The list
 *
 * Context: Any. Serialized with changes of the list.
 * Return: The part of the record that refers to the list.
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
 * iommu_lu_free_folio - Free the folio of an entry
 * @entry:	Physical address and order of a folio that was taken and is no longer used
 *
 * Context: Any.
 */
void iommu_lu_free_folio(u64 entry)
{
	folio_put(page_folio(phys_to_page(iommu_lu_entry_phys(entry))));
}

/**
 * iommu_lu_pages_free - Free all tables of a list, and the list
 * @ser:	A list that iommu_lu_pages_take() has accepted
 *
 * Context: May sleep.
 */
void iommu_lu_pages_free(const struct iommu_lu_pages_ser *ser)
{
	struct kho_block_header_ser *block;
	u64 next, phys = ser->first;

	for (; phys; phys = next) {
		block = phys_to_virt(phys);
		next = block->next;
		for (u64 i = 0; i < block->count; i++)
			iommu_lu_free_folio(iommu_lu_block_pages(block)[i]);
		iommu_lu_free_folio(phys);
		cond_resched();
	}
}
