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
 * struct iommu_lu_entry - An entry that stays in use across the kexec
 * @devid:		Requester id to which it belongs
 * @domain_id:		Domain id with which the unit tags cached translations
 * @value:		Content of the entry, see &iommu_lu_device_ser.entry
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
 * @preserve_unit:	Preserve with KHO the tables that the unit reads to find
 *			the entry of a device, unless they are already preserved, and
 *			describe the unit in @ser. From now on, if a kexec is in
 *			progress, the shutdown of the driver closes the entry of
 *			every device and leaves translation enabled. Called for
 *			each device that is preserved. Undoes its own part if
 *			it fails for the first device. May sleep. Returns 0 or a
 *			negative errno, and logs the reason if it is -EOPNOTSUPP or
 *			-EBUSY. Optional: without it the unit has no record, and
 *			the driver preserves these tables in another way.
 * @unpreserve_unit:	Undo @preserve_unit, with the last device. May sleep. Present
 *			if @preserve_unit is.
 * @check_device:	Whether @dev, blocked or attached to a domain, can be handed
 *			over. Returns NULL if it can, otherwise the reason as a
 *			constant string. Changes nothing. May sleep.
 * @add_entries:	Call iommu_lu_add_entry() for each requester id with which
 *			@dev does DMA, and whose entry leads to @domain. At shutdown
 *			only these entries stay as they are:
 *			iommu_liveupdate_entry_stays(). The tables of @domain are
 *			already preserved. If an entry does not lead to @domain,
 *			because a reset of the device blocks its DMA, return
 *			iommu_lu_refuse() with -EBUSY. Need not undo anything if it
 *			fails. Called again at freeze, to compare the entries with
 *			those that were added; allocates nothing then. May sleep,
 *			and the group is locked. Returns 0 or a negative errno, and
 *			calls iommu_lu_refuse() if it is -EOPNOTSUPP or -EBUSY.
 * @reserve_domain_id:	Reserve the domain id @id of the unit, so that no domain of
 *			this kernel gets it. May sleep. Returns 0 or a negative errno.
 * @free_domain_id:	Undo @reserve_domain_id. May sleep.
 * @flush_left:		No device uses the entry of @ser any more: wait until neither
 *			the entry nor anything under its domain id is cached. Optional,
 *			called before the domain id and the tables are freed. Returns 0
 *			or a negative errno, in which case they stay allocated. May sleep.
 * @finish_unit:	The live update has ended: an entry of the previous kernel that
 *			is still in use must be closed, because its tables are freed
 *			after that, and faults of devices without an entry are reported
 *			again. Called only for a unit that was taken over. May sleep.
 * @handed_over:	The domain on which a device that was handed over starts.
 *			Nothing can be mapped in it. Attaching it to a device
 *			without a domain leaves the entry of the previous kernel as
 *			it is. Any other attach of it closes the entry.
 *
 * @preserve_unit, @unpreserve_unit and @add_entries of all units are serialized.
 * When the driver takes over a unit, it calls iommu_liveupdate_incoming_entry() for
 * each present entry. If the record matches the entry, and
 * iommu_liveupdate_adopt_entry() succeeds, the entry stays in use. Otherwise the
 * driver closes it and calls iommu_liveupdate_refuse_entry(). The first domain
 * that is attached to the device replaces the entry in one write, and its attach
 * returns when nothing is cached under the previous domain id any more, unless
 * @flush_left makes sure of that. An attach that fails leaves the entry as it is, and
 * the device continues its DMA.
 */
struct iommu_liveupdate_ops {
	int	(*preserve_unit)(struct iommu_device *iommu, struct iommu_lu_unit_ser *ser);
	void	(*unpreserve_unit)(struct iommu_device *iommu);
	const char *(*check_device)(struct device *dev);
	int	(*add_entries)(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_out_device *out);
	int	(*reserve_domain_id)(struct iommu_device *iommu, u32 id);
	void	(*free_domain_id)(struct iommu_device *iommu, u32 id);
	int	(*flush_left)(struct iommu_device *iommu, const struct iommu_lu_device_ser *ser);
	void	(*finish_unit)(struct iommu_device *iommu);
	struct iommu_domain *handed_over;
};

/**
 * struct iommu_liveupdate_hold - Memory that incoming devices may access
 * @list:	For iommu_liveupdate_hold()
 * @release:	Called from a work item when no device can access the memory any more.
 *		May free the structure that contains @hold. May sleep.
 */
struct iommu_liveupdate_hold {
	struct list_head list;
	void (*release)(struct iommu_liveupdate_hold *hold);
};

typedef void (*iommu_lu_entry_fn)(struct iommu_device *iommu,
				  const struct iommu_lu_device_ser *ser);
typedef bool (*iommu_lu_is_behind_fn)(struct iommu_device *iommu, struct pci_dev *pdev);

#ifdef CONFIG_IOMMU_LIVEUPDATE

/* The kernel that hands over */
const char *iommu_liveupdate_find_obstacle(struct device *dev);
int iommu_liveupdate_preserve(struct device *dev);
void iommu_liveupdate_unpreserve(struct device *dev);
int iommu_liveupdate_check(struct device *dev);
int iommu_lu_add_entry(struct iommu_lu_out_device *out, const struct iommu_lu_entry *what);
int iommu_lu_refuse(struct iommu_lu_out_device *out, int error, const char *reason);
bool iommu_liveupdate_entry_stays(u32 segment, u16 devid);

/* The kernel that takes over: units */
bool iommu_liveupdate_handed_over(void);
const struct iommu_lu_unit_ser *iommu_liveupdate_incoming_unit(u32 backend, u32 segment,
							       u64 reg_base);
bool iommu_liveupdate_has_records(void);
void iommu_liveupdate_take_over(struct iommu_device *iommu);
void iommu_liveupdate_stop_device(struct pci_dev *pdev, const char *reason);
void iommu_liveupdate_stop_devices(struct iommu_device *iommu, iommu_lu_is_behind_fn is_behind,
				   const char *reason);

/* The kernel that takes over: entries */
const struct iommu_lu_device_ser *iommu_liveupdate_incoming_entry(u32 segment, u16 devid);
const char *iommu_liveupdate_adopt_entry(const struct iommu_lu_device_ser *ser,
					 struct iommu_device *iommu,
					 const struct iommu_liveupdate_ops *ops);
void iommu_liveupdate_refuse_entry(u32 segment, u16 devid, const char *reason);
void iommu_liveupdate_visit_left(struct iommu_device *iommu, iommu_lu_entry_fn fn);
void iommu_liveupdate_abandon_unit(struct iommu_device *iommu);

/* The kernel that takes over: devices */
bool iommu_liveupdate_incoming(struct device *dev);
bool iommu_liveupdate_may_attach(struct device *dev);
void iommu_liveupdate_attached(struct device *dev, struct iommu_domain *domain,
			       struct iommu_domain *old);
void iommu_liveupdate_close(struct device *dev);
void iommu_liveupdate_release(struct device *dev);
bool iommu_liveupdate_hold(struct iommu_liveupdate_hold *hold);
void iommu_liveupdate_finish(void);

#else /* !CONFIG_IOMMU_LIVEUPDATE */

static inline const char *iommu_liveupdate_find_obstacle(struct device *dev)
{
	return NULL;
}

static inline void iommu_liveupdate_stop_device(struct pci_dev *pdev, const char *reason)
{
}

static inline void iommu_liveupdate_abandon_unit(struct iommu_device *iommu)
{
}

static inline bool iommu_liveupdate_incoming(struct device *dev)
{
	return false;
}

static inline bool iommu_liveupdate_may_attach(struct device *dev)
{
	return true;
}

static inline void iommu_liveupdate_attached(struct device *dev, struct iommu_domain *domain,
					     struct iommu_domain *old)
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
