/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA translation of AMD-Vi in a live update: what iommu.c uses.
 */

#ifndef _AMD_LIVEUPDATE_H
#define _AMD_LIVEUPDATE_H

#include <linux/iommu_liveupdate.h>

struct amd_iommu;

#ifdef CONFIG_IOMMU_LIVEUPDATE
extern const struct iommu_liveupdate_ops amd_liveupdate_ops;
#define AMD_LIVEUPDATE_OPS	(&amd_liveupdate_ops)

void amd_liveupdate_stop(struct amd_iommu *iommu, const char *reason);
#else
#define AMD_LIVEUPDATE_OPS	NULL
#endif

#endif /* _AMD_LIVEUPDATE_H */
