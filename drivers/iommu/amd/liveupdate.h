/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA translation of AMD-Vi in a live update: interface to iommu.c
 */

#ifndef _AMD_LIVEUPDATE_H
#define _AMD_LIVEUPDATE_H

#include <linux/bits.h>
#include <linux/iommu_liveupdate.h>

#include "amd_iommu_types.h"

struct iommu_device;

/* Device table entry, AMD IOMMU spec 3.10 sec 2.2.2.1 */
#define DTE_FLAG_SA			BIT_ULL(DEV_ENTRY_NO_PAGE_FAULT - 64)
#define DTE_IRQ_IGNORE_UNMAPPED		BIT_ULL(5)

/* First word of an entry with which a device cannot do DMA */
#define DTE_CLOSED			(DTE_FLAG_V | DTE_FLAG_TV)

#ifdef CONFIG_IOMMU_LIVEUPDATE

/* amd_iommu::flags: the unit is not disabled, neither at shutdown nor while it is set up */
#define AMD_IOMMU_FLAG_STAYS		BIT(1)

extern const struct iommu_liveupdate_ops amd_liveupdate_ops;
#define AMD_LIVEUPDATE_OPS		(&amd_liveupdate_ops)

bool amd_iommu_has_unity_map(struct amd_iommu_pci_seg *pci_seg, u16 devid);
void amd_liveupdate_report_faults(struct amd_iommu *iommu);
void amd_liveupdate_stop(struct amd_iommu *iommu, const char *reason);
int amd_liveupdate_flush_all(struct amd_iommu *iommu);
#if IS_ENABLED(CONFIG_KUNIT)
extern struct xarray amd_lu_domain_ids;
bool amd_lu_clear_master_early(u16 devid);
void amd_lu_stop_early(struct amd_iommu *iommu, const char *reason);
int amd_lu_wait_once(struct amd_iommu *iommu);
#endif

/* liveupdate_entry.c */
int amd_liveupdate_add_entries(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_out_device *out);
bool amd_liveupdate_keep_entry(struct amd_iommu_pci_seg *pci_seg, u16 devid);
void amd_liveupdate_drop_entry(struct iommu_device *iommu_dev,
			       const struct iommu_lu_device_ser *ser);
int amd_liveupdate_reserve_domain_id(struct iommu_device *iommu, u32 id);
void amd_liveupdate_free_domain_id(struct iommu_device *iommu, u32 id);
void amd_liveupdate_free_refused_ids(void);

#else /* !CONFIG_IOMMU_LIVEUPDATE */

#define AMD_IOMMU_FLAG_STAYS		0
#define AMD_LIVEUPDATE_OPS		NULL

#endif /* CONFIG_IOMMU_LIVEUPDATE */

#endif /* _AMD_LIVEUPDATE_H */
