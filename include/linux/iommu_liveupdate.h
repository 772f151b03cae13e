/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_IOMMU_LIVEUPDATE_H
#define _LINUX_IOMMU_LIVEUPDATE_H

#include <linux/kho/abi/iommu.h>
#include <linux/types.h>

struct device;
struct iommu_device;
struct iommu_domain;
struct iommu_lu_out_device;
struct pci_dev;

/**
 * struct iommu_lu_entry - An entry which stays in use across the kexec
 * @devid:		Requester id to which it belongs
 * @domain_id:		Domain id with which the unit tags what it caches
 * @value:		What is in the entry, &iommu_lu_device_ser.entry
 * @pasid_dir:		PASID directory to which it leads, or NULL
 * @pasid_table:	The only table in @pasid_dir, or NULL
 */
struct iommu_lu_entry {
	u16	devid;
	u32	domain_id;
	u64	value[2];
	void	*pasid_dir;
	void	*pasid_table;
};

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
 * @check_device:	Whether @dev can be handed over, be it blocked or attached
 *			to a domain. May sleep. Returns the reason, a constant
 *			string, or NULL. Changes nothing.
 * @add_entries:	Call iommu_lu_add_entry() for each requester id with which
 *			@dev does DMA, and whose entry leads to @domain. At shutdown
 *			these entries, and only they, stay as they are:
 *			iommu_liveupdate_entry_stays(). The tables of @domain are
 *			preserved already. Undoes nothing when it fails. May sleep.
 *			Returns 0 or a negative errno, and logs the reason if it is
 *			-EOPNOTSUPP. Optional: without it no device is handed over
 *			which is attached to a domain.
 * @reserve_domain_id:	No domain of this kernel gets the domain id @id of the unit.
 *			May sleep. Returns 0 or a negative errno.
 * @free_domain_id:	Undo @reserve_domain_id. May sleep.
 * @finish_unit:	The live update has ended: an entry of the previous kernel that
 *			is still in use is closed, because its tables are freed after
 *			that, and faults of devices which have no entry are reported
 *			again. Optional, only for a unit which was taken over. May
 *			sleep.
 * @handed_over:	The domain on which a device starts which was handed over.
 *			It cannot be mapped. Its attach with no domain before it
 *			leaves the entry of the previous kernel as it is. Any
 *			other attach closes the entry.
 *
 * @preserve_unit, @unpreserve_unit and @add_entries of all units are serialized.
 *
 * The unit that takes over asks iommu_liveupdate_incoming_entry() for each entry
 * which is present. If the record matches the entry, and
 * iommu_liveupdate_adopt_entry() agrees, the entry stays in use. Otherwise the
 * driver closes it and calls iommu_liveupdate_refuse_entry(). The first domain
 * that is attached to the device replaces the entry in one write, and its attach
 * returns when nothing of the previous domain id is cached any more. An attach that
 * fails leaves the entry as it is: the device goes on.
 */
struct iommu_liveupdate_ops {
	int	(*preserve_unit)(struct iommu_device *iommu, struct iommu_lu_unit_ser *ser);
	void	(*unpreserve_unit)(struct iommu_device *iommu);
	const char *(*check_device)(struct device *dev);
	int	(*add_entries)(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_out_device *out);
	int	(*reserve_domain_id)(struct iommu_device *iommu, u32 id);
	void	(*free_domain_id)(struct iommu_device *iommu, u32 id);
	void	(*finish_unit)(struct iommu_device *iommu);
	struct iommu_domain *handed_over;
};

/**
 * struct iommu_liveupdate_hold - Memory which incoming devices may reach
 * @list:	For iommu_liveupdate_hold()
 * @release:	Called when no device may reach it any more, from a work item. May free
 *		what contains @hold. May sleep.
 */
struct iommu_liveupdate_hold {
	struct list_head list;
	void (*release)(struct iommu_liveupdate_hold *hold);
};

typedef void (*iommu_lu_entry_fn)(struct iommu_device *iommu,
				  const struct iommu_lu_device_ser *ser);

#ifdef CONFIG_IOMMU_LIVEUPDATE

/* The kernel which hands over */
const char *iommu_liveupdate_refuses(struct device *dev);
int iommu_liveupdate_preserve(struct device *dev);
void iommu_liveupdate_unpreserve(struct device *dev);
int iommu_liveupdate_check(struct device *dev);
int iommu_lu_add_entry(struct iommu_lu_out_device *out, const struct iommu_lu_entry *what);
bool iommu_liveupdate_entry_stays(u32 segment, u16 devid);

/* The kernel which takes over: units */
bool iommu_liveupdate_handed_over(void);
const struct iommu_lu_unit_ser *iommu_liveupdate_incoming_unit(u32 backend, u32 segment,
							       u64 reg_base);
void iommu_liveupdate_take_over(struct iommu_device *iommu);
void iommu_liveupdate_stop_device(struct pci_dev *pdev, const char *reason);

/* The kernel which takes over: entries */
const struct iommu_lu_device_ser *iommu_liveupdate_incoming_entry(u32 segment, u16 devid);
const char *iommu_liveupdate_adopt_entry(const struct iommu_lu_device_ser *ser,
					 struct iommu_device *iommu,
					 const struct iommu_liveupdate_ops *ops);
void iommu_liveupdate_refuse_entry(u32 segment, u16 devid, const char *reason);
void iommu_liveupdate_visit_left(struct iommu_device *iommu, iommu_lu_entry_fn fn);
void iommu_liveupdate_abandon_unit(struct iommu_device *iommu);

/* The kernel which takes over: devices */
bool iommu_liveupdate_incoming(struct device *dev);
void iommu_liveupdate_attached(struct device *dev, struct iommu_domain *domain,
			       struct iommu_domain *old);
void iommu_liveupdate_close(struct device *dev);
void iommu_liveupdate_release(struct device *dev);
bool iommu_liveupdate_hold(struct iommu_liveupdate_hold *hold);
void iommu_liveupdate_finish(void);

#else /* !CONFIG_IOMMU_LIVEUPDATE */

static inline const char *iommu_liveupdate_refuses(struct device *dev)
{
	return NULL;
}

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

static inline void iommu_liveupdate_stop_device(struct pci_dev *pdev, const char *reason)
{
}

static inline bool iommu_liveupdate_incoming(struct device *dev)
{
	return false;
}

static inline void iommu_liveupdate_attached(struct device *dev, struct iommu_domain *domain,
					     struct iommu_domain *old)
{
}

static inline void iommu_liveupdate_close(struct device *dev)
{
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
