/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IOMMU live update, shared by iommu-liveupdate.c, iommu.c and the drivers.
 */

#ifndef _IOMMU_LIVEUPDATE_H
#define _IOMMU_LIVEUPDATE_H

#include <linux/types.h>

struct iommu_group;

/* iommu.c */
bool iommu_group_is_blocked(struct iommu_group *group);
void iommu_group_release_handed_over(struct iommu_group *group);

/* iommu-liveupdate.c */
u32 iommu_lu_tables_checksum(const u64 *tables);
#if IS_ENABLED(CONFIG_KUNIT)
const char *iommu_lu_load(phys_addr_t phys, size_t size);
#endif

#endif /* _IOMMU_LIVEUPDATE_H */
