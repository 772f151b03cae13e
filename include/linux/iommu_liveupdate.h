/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_IOMMU_LIVEUPDATE_H
#define _LINUX_IOMMU_LIVEUPDATE_H

#include <linux/kho/abi/iommu.h>
#include <linux/types.h>

struct device;
struct iommu_device;
struct iommu_domain;
struct pci_dev;

/**
 * struct iommu_liveupdate_ops - Live update methods of an IOMMU driver
 * @preserve_unit:	Preserve with KHO what the unit reads to find out what a
 *			device may reach, as far as that is not preserved yet, and
 *			describe the unit in @ser. From now on, when a kexec is in
 *			progress, the shutdown of the driver closes the entry of
 *			every device and leaves translation enabled. Called for
 *			each device which is preserved. Undoes its own part when
 *			it fails for the first device. May sleep. Returns 0 or a
 *			negative errno, and logs the reason.
 * @unpreserve_unit:	Undo @preserve_unit, with the last device. May sleep.
 * @check_device:	Whether @dev, which is blocked, can be handed over. May
 *			sleep. Returns 0 or a negative errno, and logs the reason.
 * @finish_unit:	The live update has ended: faults of devices which have no
 *			entry are reported again. Optional, only for a unit which
 *			was taken over. May sleep.
 * @handed_over:	The domain on which a device starts which was handed over.
 *			It cannot be mapped. Its attach with no domain before it
 *			leaves the entry of the previous kernel as it is. Any
 *			other attach closes the entry.
 *
 * Calls of @preserve_unit and @unpreserve_unit of all units are serialized.
 */
struct iommu_liveupdate_ops {
	int	(*preserve_unit)(struct iommu_device *iommu, struct iommu_lu_unit_ser *ser);
	void	(*unpreserve_unit)(struct iommu_device *iommu);
	int	(*check_device)(struct device *dev);
	void	(*finish_unit)(struct iommu_device *iommu);
	struct iommu_domain *handed_over;
};

/**
 * struct iommu_liveupdate_hold - Memory which incoming devices may reach
 * @list:	For iommu_liveupdate_hold()
 * @release:	Called when no device may reach it any more. May free what contains
 *		@hold. May sleep.
 */
struct iommu_liveupdate_hold {
	struct list_head list;
	void (*release)(struct iommu_liveupdate_hold *hold);
};

#ifdef CONFIG_IOMMU_LIVEUPDATE

/* The kernel which hands over */
int iommu_liveupdate_preserve(struct device *dev);
void iommu_liveupdate_unpreserve(struct device *dev);
int iommu_liveupdate_check(struct device *dev);

/* The kernel which takes over: units */
bool iommu_liveupdate_handed_over(void);
const struct iommu_lu_unit_ser *iommu_liveupdate_incoming_unit(u32 backend, u32 segment,
							       u64 reg_base);
void iommu_liveupdate_take_over(const struct iommu_lu_unit_ser *ser,
				struct iommu_device *iommu);
void iommu_liveupdate_stop_device(struct pci_dev *pdev, const char *reason);

/* The kernel which takes over: devices */
bool iommu_liveupdate_incoming(struct device *dev);
void iommu_liveupdate_release(struct device *dev);
bool iommu_liveupdate_hold(struct iommu_liveupdate_hold *hold);
void iommu_liveupdate_finish(void);

#else /* !CONFIG_IOMMU_LIVEUPDATE */

static inline int iommu_liveupdate_preserve(struct device *dev)
{
	return 0;
}

static inline void iommu_liveupdate_unpreserve(struct device *dev)
{
}

static inline int iommu_liveupdate_check(struct device *dev)
{
	return 0;
}

static inline bool iommu_liveupdate_incoming(struct device *dev)
{
	return false;
}

static inline void iommu_liveupdate_release(struct device *dev)
{
}

static inline bool iommu_liveupdate_hold(struct iommu_liveupdate_hold *hold)
{
	return false;
}

static inline void iommu_liveupdate_finish(void)
{
}

#endif /* CONFIG_IOMMU_LIVEUPDATE */
#endif /* _LINUX_IOMMU_LIVEUPDATE_H */
