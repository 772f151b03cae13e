/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA translation of AMD-Vi in a live update: what iommu.c uses.
 */

#ifndef _AMD_LIVEUPDATE_H
#define _AMD_LIVEUPDATE_H

#include <linux/iommu_liveupdate.h>

struct amd_iommu;
struct amd_iommu_pci_seg;
struct iommu_device;

#ifdef CONFIG_IOMMU_LIVEUPDATE
extern const struct iommu_liveupdate_ops amd_liveupdate_ops;
#define AMD_LIVEUPDATE_OPS	(&amd_liveupdate_ops)

void amd_liveupdate_stop(struct amd_iommu *iommu, const char *reason);
#if IS_ENABLED(CONFIG_KUNIT)
extern struct xarray amd_lu_domain_ids;
bool amd_lu_clear_master_early(u16 devid);
void amd_lu_stop_early(struct amd_iommu *iommu, const char *reason);
#endif

/* liveupdate_entry.c */
int amd_liveupdate_add_entries(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_out_device *out);
bool amd_liveupdate_keep_entry(struct amd_iommu_pci_seg *pci_seg, u16 devid);
void amd_liveupdate_drop_entry(struct iommu_device *iommu_dev,
			       const struct iommu_lu_device_ser *ser);
int amd_liveupdate_reserve_domain_id(struct iommu_device *iommu, u32 id);
void amd_liveupdate_free_domain_id(struct iommu_device *iommu, u32 id);
#else
#define AMD_LIVEUPDATE_OPS	NULL
#endif

#endif /* _AMD_LIVEUPDATE_H */
