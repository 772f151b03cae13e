/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iommufd live update, shared by liveupdate.c and its KUnit suite.
 */
#ifndef __IOMMUFD_LIVEUPDATE_H
#define __IOMMUFD_LIVEUPDATE_H

#include <linux/types.h>

struct address_space;
struct device;
struct folio;
struct io_pagetable;
struct iommu_domain;
struct iommufd_device;
struct iommufd_hwpt_paging;
struct luo_session;

/**
 * struct iommufd_lu_check - A walk through all mappings of a device
 * @dev:	The device
 * @session:	The live update session of its file
 * @iopt:	What is mapped
 * @domain:	The page table that maps it
 * @iova:	Where to continue
 * @folio:	The folio that was last found to be preserved, or NULL
 * @mapping:	The page cache of @folio
 */
struct iommufd_lu_check {
	struct device		*dev;
	struct luo_session	*session;
	struct io_pagetable	*iopt;
	struct iommu_domain	*domain;
	unsigned long		iova;
	struct folio		*folio;
	struct address_space	*mapping;
};

#if IS_ENABLED(CONFIG_KUNIT)
int iommufd_lu_check_attachment(struct iommufd_device *idev,
				struct iommufd_hwpt_paging **hwpt_paging);
int iommufd_lu_check_page(struct iommufd_lu_check *check, phys_addr_t phys);
int iommufd_lu_check_run(struct iommufd_lu_check *check);
void iommufd_lu_pause(struct io_pagetable *iopt);
bool iommufd_lu_lock_mappings(struct io_pagetable *iopt);
#endif

#endif /* __IOMMUFD_LIVEUPDATE_H */
