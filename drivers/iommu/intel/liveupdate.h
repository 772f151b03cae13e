/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA translation of VT-d in a live update: interface to iommu.c and pasid.c
 */

#ifndef _INTEL_LIVEUPDATE_H
#define _INTEL_LIVEUPDATE_H

#include <linux/iommu_liveupdate.h>
#include <linux/types.h>

#include "iommu.h"

struct device;

#ifdef CONFIG_IOMMU_LIVEUPDATE

extern const struct iommu_liveupdate_ops intel_liveupdate_ops;
#define INTEL_LIVEUPDATE_OPS	(&intel_liveupdate_ops)

bool intel_liveupdate_close_all(struct intel_iommu *iommu);
bool intel_liveupdate_take_over(struct intel_iommu *iommu);
void intel_liveupdate_stop(struct intel_iommu *iommu, const char *reason);
bool intel_liveupdate_replace(struct intel_iommu *iommu, struct context_entry *context,
			      const struct context_entry *new, u8 bus, u8 devfn);
void intel_liveupdate_block(struct device *dev);

/* liveupdate_entry.c */
int intel_liveupdate_add_entries(struct device *dev, struct iommu_domain *domain,
				 struct iommu_lu_out_device *out);
const char *intel_liveupdate_check_entry(struct intel_iommu *iommu,
					 const struct iommu_lu_device_ser *ser,
					 const struct context_entry *context);
int intel_liveupdate_reserve_domain_id(struct iommu_device *iommu_dev, u32 id);
void intel_liveupdate_free_domain_id(struct iommu_device *iommu_dev, u32 id);

#if IS_ENABLED(CONFIG_KUNIT)
int intel_lu_submit(struct intel_iommu *iommu, struct qi_desc *desc, unsigned int nr);
bool intel_lu_firmware_uses(struct pci_dev *pdev);
bool intel_lu_is_behind(struct intel_iommu *iommu, struct pci_dev *pdev);
void intel_lu_find_direct(struct intel_iommu *iommu, unsigned long *direct);
int intel_lu_preserve_page(void *page);
void intel_lu_unpreserve_page(void *page);
#endif

#else /* !CONFIG_IOMMU_LIVEUPDATE */

#define INTEL_LIVEUPDATE_OPS	NULL

static inline bool intel_liveupdate_close_all(struct intel_iommu *iommu)
{
	return false;
}

static inline bool intel_liveupdate_take_over(struct intel_iommu *iommu)
{
	return false;
}

static inline void intel_liveupdate_stop(struct intel_iommu *iommu, const char *reason)
{
}

static inline bool intel_liveupdate_replace(struct intel_iommu *iommu,
					    struct context_entry *context,
					    const struct context_entry *new,
					    u8 bus, u8 devfn)
{
	return false;
}

static inline void intel_liveupdate_block(struct device *dev)
{
}

#endif /* CONFIG_IOMMU_LIVEUPDATE */
#endif /* _INTEL_LIVEUPDATE_H */
