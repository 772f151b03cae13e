/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Validation of the records of IOMMUs which the previous kernel has handed over.
 */

#ifndef _IOMMU_LIVEUPDATE_SER_H
#define _IOMMU_LIVEUPDATE_SER_H

#include <linux/kho/abi/block.h>
#include <linux/kho/abi/iommu.h>
#include <linux/mm.h>
#include <linux/types.h>

/* Entries in a block of devices, and in a block of a list of pages */
#define IOMMU_LU_DEVICES_PER_BLOCK \
	((KHO_BLOCK_SIZE - sizeof(struct kho_block_header_ser)) / \
	 sizeof(struct iommu_lu_device_ser))
#define IOMMU_LU_PAGES_PER_BLOCK \
	((KHO_BLOCK_SIZE - sizeof(struct kho_block_header_ser)) / sizeof(u64))

/* Where a folio of a list of pages is */
static inline u64 iommu_lu_entry_phys(u64 entry)
{
	return entry & PAGE_MASK;
}

/* How large it is */
static inline unsigned int iommu_lu_entry_order(u64 entry)
{
	return entry & ~PAGE_MASK;
}

static inline const u64 *iommu_lu_block_pages(const struct kho_block_header_ser *block)
{
	return (const u64 *)(block + 1);
}

u32 iommu_lu_root_checksum(const struct iommu_lu_root_ser *root);
u32 iommu_lu_tables_checksum(const u64 *tables);
u32 iommu_lu_device_checksum(const struct iommu_lu_device_ser *ser);

const char *iommu_lu_ser_check_root(const struct iommu_lu_root_ser *root);
const char *iommu_lu_ser_take_pasid_table(const struct iommu_lu_device_ser *ser);
struct kho_block_header_ser *iommu_lu_take_block(u64 phys, u64 max, u64 left);
const char *iommu_lu_pages_take(const struct iommu_lu_pages_ser *ser);
phys_addr_t iommu_lu_pages_first(const struct iommu_lu_pages_ser *ser);

#endif /* _IOMMU_LIVEUPDATE_SER_H */
