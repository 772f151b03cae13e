// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: DMA translation in a live update, AMD-Vi
 *
 * The device table is what a unit reads for the interrupts of a device, too. So
 * irq_liveupdate.c preserves it, blocks DMA of all devices at shutdown and takes
 * it over. What is left to do here is to hand a device over, and to leave its
 * entry alone until the device gets a domain.
 */

#define pr_fmt(fmt) "AMD-Vi: " fmt

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>

#include "amd_iommu.h"
#include "liveupdate.h"

/* irq_liveupdate.c does it, without which no device is handed over. */
static int amd_lu_preserve_unit(struct iommu_device *iommu, struct iommu_lu_unit_ser *ser)
{
	return 0;
}

static void amd_lu_unpreserve_unit(struct iommu_device *iommu)
{
}

/* The next kernel would enable it in a device which is running. */
static int amd_lu_check_device(struct device *dev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);

	if (dev_data->ats_enabled) {
		dev_err(dev, "live update: not preserved: ATS is enabled, boot with pci=noats\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int amd_lu_handed_over_attach(struct iommu_domain *domain, struct device *dev,
				     struct iommu_domain *old)
{
	/* The device starts on it, with the entry which is there. */
	return old ? amd_iommu_block_device(dev) : 0;
}

static struct iommu_domain amd_lu_handed_over_domain = {
	.type	= IOMMU_DOMAIN_HANDED_OVER,
	.owner	= &amd_iommu_ops,
	.ops	= &(const struct iommu_domain_ops) {
		.attach_dev	= amd_lu_handed_over_attach,
	},
};

const struct iommu_liveupdate_ops amd_liveupdate_ops = {
	.preserve_unit		= amd_lu_preserve_unit,
	.unpreserve_unit	= amd_lu_unpreserve_unit,
	.check_device		= amd_lu_check_device,
	.handed_over		= &amd_lu_handed_over_domain,
};
