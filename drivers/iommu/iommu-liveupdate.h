/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IOMMU live update, shared by its parts, iommu.c and the drivers.
 */

#ifndef _IOMMU_LIVEUPDATE_H
#define _IOMMU_LIVEUPDATE_H

#include <linux/kho/abi/iommu.h>
#include <linux/kho_block.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "iommu-liveupdate-ser.h"

struct device;
struct folio;
struct iommu_device;
struct iommu_domain;
struct iommu_group;

/**
 * struct iommu_lu_pages - A list of preserved pages that is being written
 * @blocks:	Memory of the list, preserved as well
 * @it:		Its end
 * @nr:		Number of entries
 * @checksum:	CRC-32 of the entries
 */
struct iommu_lu_pages {
	struct kho_block_set	blocks;
	struct kho_block_set_it	it;
	u32			nr;
	u32			checksum;
};

/* The key of an entry, in either kernel. */
static inline unsigned long iommu_lu_device_key(u32 segment, u16 devid)
{
	return (unsigned long)segment << 16 | devid;
}

/* iommu.c */
bool iommu_group_is_blocked(struct iommu_group *group);
struct iommu_domain *iommu_group_owner_domain(struct iommu_group *group);
void iommu_group_close_handed_over(struct iommu_group *group, struct device *dev);
void iommu_group_release_handed_over(struct iommu_group *group);

/* iommu-liveupdate.c */
extern struct mutex iommu_lu_out_lock;
extern struct iommu_lu_root_ser *iommu_lu_out_root;
void iommu_lu_forget_unit(struct iommu_device *iommu);
#if IS_ENABLED(CONFIG_KUNIT)
int iommu_lu_find_root(phys_addr_t *phys, size_t *size);
const char *iommu_lu_load(phys_addr_t phys, size_t size);
extern bool iommu_lu_in_loaded;
#endif

/* iommu-liveupdate-out.c: devices of the kernel that hands over */
int iommu_lu_preserve_device(struct device *dev);
void iommu_lu_unpreserve_device(struct device *dev);
int iommu_lu_check_device(struct device *dev);

/* iommu-liveupdate-in.c: devices of the kernel that takes over */
void iommu_lu_free_later(struct folio *folio);
void iommu_lu_load_devices(const struct iommu_lu_root_ser *root);
void iommu_lu_stop_unattached(struct device *dev);
void iommu_lu_leave_all(void);
#if IS_ENABLED(CONFIG_KUNIT)
extern struct work_struct iommu_lu_free_work;
extern struct work_struct iommu_lu_release_work;
#endif

/* iommu-liveupdate-pages.c */
int iommu_lu_preserve_folio(void *virt, u64 *entry);
void iommu_lu_unpreserve_folio(u64 entry);
void iommu_lu_pages_init(struct iommu_lu_pages *pages);
int iommu_lu_pages_add(void *table, struct iommu_lu_pages *pages);
void iommu_lu_pages_unpreserve(struct iommu_lu_pages *pages);
struct iommu_lu_pages_ser iommu_lu_pages_describe(const struct iommu_lu_pages *pages);
void iommu_lu_free_folio(u64 entry);
void iommu_lu_pages_free(const struct iommu_lu_pages_ser *ser);

#endif /* _IOMMU_LIVEUPDATE_H */
