// SPDX-License-Identifier: GPL-2.0-only

/**
 * DOC: iommufd Live Update
 *
 * A device that is handed over in a live update keeps doing DMA through the
 * page table to which it is attached, until its owner attaches a new one in the
 * next kernel. The page table stays in place in memory, and no iommufd object
 * is serialized. So the page table must not change once the device is
 * preserved, and every page that it maps must be preserved as well.
 *
 * iommufd_device_preserve() takes care of both:
 *
 * 1. From then on, neither the attachment of the IOMMU group of the device nor
 *    the mappings in the attached IOAS can be changed: attach, replace, map,
 *    copy into, unmap and dirty tracking fail with -EBUSY. They test a counter
 *    under the locks that they hold anyway. Everything else keeps working:
 *    other devices, IOASes and HWPTs, access to memory through the IOAS,
 *    IOMMU_IOAS_CHANGE_PROCESS.
 *
 * 2. Each mapped page has to be in the page cache of a memfd that the user has
 *    preserved before the device, in the same session. LUO has frozen such a
 *    file: it has no holes, and its pages neither move nor leave it. A page
 *    that is pinned for DMA may have left its file before that. If a hole was
 *    punched, the file has a new page there, and only the new page is
 *    preserved.
 *
 * It does not matter whether the page was mapped by address or by file. VMAs
 * are not checked, because the process that has mapped the memory may have
 * unmapped it since, or may have exited.
 *
 * User space can delay a task that accesses its memory indefinitely, while that
 * task holds locks of iommufd. So the code here does not wait for locks without
 * a limit: if one is held, the device is refused, and can be preserved later.
 *
 * A device without an IOMMU (noiommu) keeps its attachment, but its mappings
 * are not checked: only its user knows where it writes.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/irq_liveupdate.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate.h"

/* Amount of memory that is checked before the lock is dropped */
#define IOMMUFD_LU_RUN_BYTES	SZ_2M

/*
 * The check of a large guest takes the lock many thousand times. A task that wants to map
 * or unmap memory meanwhile is refused, and holds it for less than the first pause. But it
 * may have to wait for a reader before that, and nobody else gets the lock meanwhile. If the
 * reader takes seconds, as to clear the dirty bits of another HWPT, the device is refused.
 */
#define IOMMUFD_LU_LOCK_TRIES		20
#define IOMMUFD_LU_LOCK_PAUSE_US	500

static int iommufd_lu_refuse(struct device *dev, int err, const char *reason)
{
	irq_liveupdate_report_refusal(dev, IRQ_LIVEUPDATE_PRESERVE, "%s", reason);
	return err;
}

static int iommufd_lu_refuse_page(struct iommufd_lu_check *check, int err, const char *what)
{
	irq_liveupdate_report_refusal(check->dev, IRQ_LIVEUPDATE_PRESERVE, "IOVA %#lx maps %s",
				      check->iova, what);
	return err;
}

static bool iommufd_lu_has_pasids(struct iommufd_group *igroup)
{
	unsigned long index = IOMMU_NO_PASID;

	return xa_find_after(&igroup->pasid_attach, &index, UINT_MAX, XA_PRESENT);
}

/**
 * iommufd_lu_check_attachment() - Can a device be handed over with its
 * attachment?
 * @idev:	The device
 * @hwpt_paging: The HWPT to which it is attached, or NULL
 *
 * The reason is logged when not.
 *
 * Context: With the lock of its group held.
 * Return: 0, -EOPNOTSUPP for an attachment that cannot be handed over, -EBUSY if
 *         only another device of the group is attached.
 */
VISIBLE_IF_KUNIT int iommufd_lu_check_attachment(struct iommufd_device *idev,
						 struct iommufd_hwpt_paging **hwpt_paging)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach *attach;

	lockdep_assert_held(&igroup->lock);

	*hwpt_paging = NULL;

	if (iommufd_lu_has_pasids(igroup))
		return iommufd_lu_refuse(idev->dev, -EOPNOTSUPP, "a PASID is attached");

	attach = xa_load(&igroup->pasid_attach, IOMMU_NO_PASID);
	if (!attach)
		return 0;

	if (!xa_load(&attach->device_array, idev->obj.id))
		return iommufd_lu_refuse(idev->dev, -EBUSY,
					 "another device of its group is attached");
	if (!hwpt_is_paging(attach->hwpt))
		return iommufd_lu_refuse(idev->dev, -EOPNOTSUPP,
					 "attached to a nested page table");
	if (attach->hwpt->fault)
		return iommufd_lu_refuse(idev->dev, -EOPNOTSUPP,
					 "attached to a page table that handles page faults");

	*hwpt_paging = to_hwpt_paging(attach->hwpt);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(iommufd_lu_check_attachment);

static int iommufd_lu_keep_attachment(struct iommufd_device *idev)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_hwpt_paging *hwpt_paging;
	int rc;

	if (!mutex_trylock(&igroup->lock))
		return iommufd_lu_refuse(idev->dev, -EBUSY, "its attachment is being changed");

	rc = iommufd_lu_check_attachment(idev, &hwpt_paging);
	if (!rc) {
		atomic_inc(&igroup->nr_preserved);
		/* The mappings of a device without an IOMMU are not checked */
		idev->preserved = igroup->group ? hwpt_paging : NULL;
	}
	mutex_unlock(&igroup->lock);

	return rc;
}

static void iommufd_lu_release_attachment(struct iommufd_device *idev)
{
	idev->preserved = NULL;
	atomic_dec(&idev->igroup->nr_preserved);
}

/*
 * Unmapping waits, without a lock, for users of the memory. If it failed after that
 * wait, the memory would stay mapped but unusable. So refuse the device instead.
 */
static bool iommufd_lu_is_being_unmapped(struct io_pagetable *iopt)
{
	struct iopt_area *area;

	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX)) {
		if (area->prevent_access)
			return true;
	}
	return false;
}

static int iommufd_lu_keep_mappings(struct iommufd_device *idev)
{
	struct iommufd_hwpt_paging *hwpt_paging = idev->preserved;
	struct io_pagetable *iopt = &hwpt_paging->ioas->iopt;
	int rc = 0;

	/* A task that maps or unmaps holds it */
	if (!down_write_trylock(&iopt->domains_rwsem))
		return iommufd_lu_refuse(idev->dev, -EBUSY, "its mappings are being changed");

	if (!down_write_trylock(&iopt->iova_rwsem)) {
		rc = iommufd_lu_refuse(idev->dev, -EBUSY, "its mappings are in use");
		goto out_unlock_domains;
	}

	if (hwpt_paging->dirty_tracking)
		rc = iommufd_lu_refuse(idev->dev, -EBUSY, "dirty tracking is enabled");
	else if (iommufd_lu_is_being_unmapped(iopt))
		rc = iommufd_lu_refuse(idev->dev, -EBUSY, "its mappings are being changed");
	else
		atomic_inc(&iopt->nr_preserved);
	up_write(&iopt->iova_rwsem);
out_unlock_domains:
	up_write(&iopt->domains_rwsem);
	return rc;
}

static void iommufd_lu_release_mappings(struct iommufd_hwpt_paging *hwpt_paging)
{
	WRITE_ONCE(hwpt_paging->checked, NULL);
	atomic_dec(&hwpt_paging->ioas->iopt.nr_preserved);
}

/**
 * iommufd_lu_check_page() - Check that a mapped page is preserved
 * @check:	Where and for whom it is mapped
 * @phys:	Where it is
 *
 * The reason is logged when not.
 *
 * Context: From the preserve() callback of a file of &iommufd_lu_check.session, with
 *          the page pinned.
 * Return: 0, -EOPNOTSUPP for memory that cannot be preserved in this way, -EINVAL
 *         for memory that could be.
 */
VISIBLE_IF_KUNIT int iommufd_lu_check_page(struct iommufd_lu_check *check, phys_addr_t phys)
{
	struct address_space *mapping;
	struct folio *folio;

	if (!pfn_valid(PHYS_PFN(phys)))
		return iommufd_lu_refuse_page(check, -EOPNOTSUPP, "memory of a device");

	/* The page is pinned, so it is the same one as long as it is mapped */
	folio = pfn_folio(PHYS_PFN(phys));
	if (folio == check->folio)
		return 0;

	if (folio_test_anon(folio))
		return iommufd_lu_refuse_page(check, -EOPNOTSUPP, "anonymous memory");

	mapping = READ_ONCE(folio->mapping);
	if (!mapping)
		return iommufd_lu_refuse_page(check, -EINVAL, "a page that is in no file any more");
	if (mapping != check->mapping &&
	    !liveupdate_session_has_mapping(check->session, mapping))
		return iommufd_lu_refuse_page(check, -EINVAL,
					      "a file that was not preserved before it in its session");

	check->folio = folio;
	check->mapping = mapping;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(iommufd_lu_check_page);

/**
 * iommufd_lu_check_run() - Check that a part of the mapped memory is preserved
 * @check:	Where to begin; afterwards, where to continue
 *
 * Context: As iommufd_lu_check_page(), with the iova_rwsem of the IOAS held.
 * Return: 1 if there may be more, 0 at the end, or an error of iommufd_lu_check_page().
 */
VISIBLE_IF_KUNIT int iommufd_lu_check_run(struct iommufd_lu_check *check)
{
	unsigned long last, step;
	struct iopt_area *area;
	int rc;

	lockdep_assert_held(&check->iopt->iova_rwsem);

	area = iopt_area_iter_first(check->iopt, check->iova, ULONG_MAX);
	if (!area)
		return 0;

	/* An area may end at ULONG_MAX, so the address behind it may be 0 */
	check->iova = max(check->iova, iopt_area_iova(area));
	last = check->iova + min(iopt_area_last_iova(area) - check->iova,
				 IOMMUFD_LU_RUN_BYTES - 1);

	/* A task is waiting to map memory, and will be refused */
	if (!area->pages)
		goto out_next;

	if (iopt_is_dmabuf(area->pages))
		return iommufd_lu_refuse_page(check, -EOPNOTSUPP, "a dma-buf");

	for (;;) {
		rc = iommufd_lu_check_page(check, iommu_iova_to_phys(check->domain, check->iova));
		if (rc)
			return rc;
		step = PAGE_SIZE - iopt_area_start_byte(area, check->iova) % PAGE_SIZE;
		if (step > last - check->iova)
			break;
		check->iova += step;
	}

out_next:
	check->iova = last + 1;
	return check->iova != 0;
}
EXPORT_SYMBOL_IF_KUNIT(iommufd_lu_check_run);

VISIBLE_IF_KUNIT void iommufd_lu_pause(struct io_pagetable *iopt)
{
	KUNIT_STATIC_STUB_REDIRECT(iommufd_lu_pause, iopt);

	usleep_range(IOMMUFD_LU_LOCK_PAUSE_US, 2 * IOMMUFD_LU_LOCK_PAUSE_US);
}
EXPORT_SYMBOL_IF_KUNIT(iommufd_lu_pause);

/**
 * iommufd_lu_lock_mappings() - Lock what is mapped for one run of the check
 * @iopt:	What is mapped
 *
 * Context: Sleeps. Waits at most 20 ms for a task that holds iova_rwsem for writing, or
 *          waits for that.
 * Return: True if iova_rwsem is now held for reading.
 */
VISIBLE_IF_KUNIT bool iommufd_lu_lock_mappings(struct io_pagetable *iopt)
{
	for (unsigned int i = 1; !down_read_trylock(&iopt->iova_rwsem); i++) {
		if (i == IOMMUFD_LU_LOCK_TRIES)
			return false;
		iommufd_lu_pause(iopt);
	}

	return true;
}
EXPORT_SYMBOL_IF_KUNIT(iommufd_lu_lock_mappings);

/*
 * Page by page, as in unmapping, because the domain does not tell how much is
 * contiguous.
 */
static int iommufd_lu_check_pages(struct iommufd_device *idev, struct luo_session *session)
{
	struct iommufd_lu_check check = {
		.dev = idev->dev,
		.session = session,
		.iopt = &idev->preserved->ioas->iopt,
		.domain = idev->preserved->common.domain,
	};
	int rc;

	do {
		if (fatal_signal_pending(current))
			return iommufd_lu_refuse(idev->dev, -EINTR, "its user was killed");
		if (!iommufd_lu_lock_mappings(check.iopt))
			return iommufd_lu_refuse(idev->dev, -EBUSY, "its mappings are in use");
		rc = iommufd_lu_check_run(&check);
		up_read(&check.iopt->iova_rwsem);
		cond_resched();
	} while (rc > 0);

	return rc;
}

/*
 * The devices of a guest share their mappings, so check them once. While a device is preserved,
 * they cannot change, and LUO unpreserves the device before the memfds of its session.
 */
static int iommufd_lu_check_mappings(struct iommufd_device *idev, struct luo_session *session)
{
	struct iommufd_hwpt_paging *hwpt_paging = idev->preserved;
	int rc;

	if (READ_ONCE(hwpt_paging->checked) == session)
		return 0;

	rc = iommufd_lu_check_pages(idev, session);
	if (rc)
		return rc;

	WRITE_ONCE(hwpt_paging->checked, session);
	return 0;
}

/**
 * iommufd_device_preserve() - Keep the DMA mappings of a device as they are
 * @idev:	Device that will be handed over to the next kernel, attached or not.
 *		The caller keeps it bound until iommufd_device_unpreserve().
 * @session:	The live update session of its file
 *
 * The reason is logged when they cannot be handed over.
 *
 * Context: From the preserve() callback of the file of the device. May sleep, but
 *          waits for no user of @idev.
 * Return: 0, or
 *
 *         * -EOPNOTSUPP if the device is attached in a way, or to memory, that can
 *           not be handed over,
 *         * -EINVAL if it is attached to memory that has not been preserved before,
 *           in @session,
 *         * -EBUSY if dirty tracking is enabled, if only another device of its group
 *           is attached, or if another task is changing its attachment
 *           or the mappings,
 *         * -EINTR if the calling task was killed.
 */
int iommufd_device_preserve(struct iommufd_device *idev, struct luo_session *session)
{
	int rc;

	rc = iommufd_lu_keep_attachment(idev);
	if (rc || !idev->preserved)
		return rc;

	rc = iommufd_lu_keep_mappings(idev);
	if (rc)
		goto err_release_attachment;

	rc = iommufd_lu_check_mappings(idev, session);
	if (rc)
		goto err_release_mappings;

	return 0;

err_release_mappings:
	iommufd_lu_release_mappings(idev->preserved);
err_release_attachment:
	iommufd_lu_release_attachment(idev);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_preserve, "IOMMUFD");

/**
 * iommufd_device_unpreserve() - Undo iommufd_device_preserve()
 * @idev:	The device
 *
 * Context: Any.
 */
void iommufd_device_unpreserve(struct iommufd_device *idev)
{
	if (idev->preserved)
		iommufd_lu_release_mappings(idev->preserved);
	iommufd_lu_release_attachment(idev);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_unpreserve, "IOMMUFD");
