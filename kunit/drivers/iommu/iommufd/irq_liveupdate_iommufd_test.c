// SPDX-License-Identifier: GPL-2.0-only

/*
 * Tests of what iommufd lets a device keep in a live update: what it is
 * attached to, and whether a page that it reaches is preserved. Memfds and LUO
 * sessions are real, devices and page tables are not.
 */

#include <kunit/device.h>
#include <kunit/luo_session.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu_liveupdate.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <uapi/linux/memfd.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate.h"

#define NR_PAGES	4
#define MAX_PAUSES	19	/* of at most 1 ms each */

/* For the log */
static struct device *test_device(struct kunit *test)
{
	if (!test->priv)
		test->priv = kunit_device_register(test, "iommufd_liveupdate");
	KUNIT_ASSERT_FALSE(test, IS_ERR(test->priv));
	return test->priv;
}

/* ---- What is mapped ---- */

static int new_memfd(struct kunit *test)
{
	struct file *file = memfd_alloc_file("", MFD_ALLOW_SEALING);
	int fd;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, 0, vfs_truncate(&file->f_path, NR_PAGES * PAGE_SIZE));
	fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, file);
	own_fd(test, fd);
	return fd;
}

static void unmap_page(void *folio)
{
	unpin_folio(folio);
}

/* A page of a memfd, pinned as by a mapping: where it is, it can be preserved, too. */
static struct folio *map_page(struct kunit *test, int fd, pgoff_t index)
{
	CLASS(fd, f)(fd);
	loff_t start = index * PAGE_SIZE;
	struct folio *folio;
	pgoff_t offset;

	KUNIT_ASSERT_EQ(test, 1, memfd_pin_folios(fd_file(f), start, start + PAGE_SIZE - 1,
						  &folio, 1, &offset));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, unmap_page, folio));
	return folio;
}

static struct iommufd_lu_check *new_check(struct kunit *test, struct luo_session *session)
{
	struct iommufd_lu_check *check = kunit_kzalloc(test, sizeof(*check), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, check);
	check->session = session;
	check->dev = test_device(test);
	return check;
}

static int check_page(struct iommufd_lu_check *check, struct folio *folio)
{
	guard(mutex)(&check->session->mutex);
	return iommufd_lu_check_page(check, PFN_PHYS(folio_pfn(folio)));
}

static void page_of_preserved_memfd_passes(struct kunit *test)
{
	struct luo_session *session = new_session(test);
	struct iommufd_lu_check *check = new_check(test, session);
	int fd = new_memfd(test), other = new_memfd(test);
	pgoff_t i;

	preserve(test, session, fd, fd);
	preserve(test, session, other, other);
	for (i = 0; i < NR_PAGES; i++) {
		KUNIT_EXPECT_EQ(test, 0, check_page(check, map_page(test, fd, i)));
		KUNIT_EXPECT_EQ(test, 0, check_page(check, map_page(test, other, i)));
	}
}

static void page_of_other_memfd_is_refused(struct kunit *test)
{
	struct luo_session *session = new_session(test), *other = new_session(test);
	struct iommufd_lu_check *check = new_check(test, session);
	int fd = new_memfd(test), elsewhere = new_memfd(test);

	preserve(test, session, fd, fd);
	preserve(test, other, elsewhere, elsewhere);
	KUNIT_EXPECT_EQ(test, 0, check_page(check, map_page(test, fd, 0)));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_page(check, map_page(test, elsewhere, 0)));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_page(check, map_page(test, new_memfd(test), 0)));
}

static void memfd_preserved_later_is_refused(struct kunit *test)
{
	struct luo_session *session = new_session(test);
	struct iommufd_lu_check *check = new_check(test, session);
	int fd = new_memfd(test);
	struct folio *folio = map_page(test, fd, 0);

	KUNIT_EXPECT_EQ(test, -EINVAL, check_page(check, folio));
	preserve(test, session, fd, fd);
	KUNIT_EXPECT_EQ(test, 0, check_page(check, folio));
}

/* The hole is filled with another page when the memfd is preserved. */
static void page_that_left_its_memfd_is_refused(struct kunit *test)
{
	struct luo_session *session = new_session(test);
	struct iommufd_lu_check *check = new_check(test, session);
	int fd = new_memfd(test);
	struct folio *left = map_page(test, fd, 1);

	scoped_class(fd, f, fd)
		KUNIT_ASSERT_EQ(test, 0, vfs_fallocate(fd_file(f), FALLOC_FL_PUNCH_HOLE |
						       FALLOC_FL_KEEP_SIZE, PAGE_SIZE, PAGE_SIZE));
	preserve(test, session, fd, fd);
	KUNIT_EXPECT_EQ(test, 0, check_page(check, map_page(test, fd, 0)));
	KUNIT_EXPECT_EQ(test, 0, check_page(check, map_page(test, fd, 1)));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_page(check, left));
}

static void anonymous_memory_is_refused(struct kunit *test)
{
	struct iommufd_lu_check *check = new_check(test, new_session(test));
	struct folio *folio = folio_alloc(GFP_KERNEL, 0);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	folio->mapping = (void *)FOLIO_MAPPING_ANON;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, check_page(check, folio));
	folio->mapping = NULL;
	folio_put(folio);
}

static void memory_of_a_device_is_refused(struct kunit *test)
{
	struct iommufd_lu_check *check = new_check(test, new_session(test));
	unsigned long pfn = PHYS_PFN(0xfee00000);

	if (pfn_valid(pfn))
		kunit_skip(test, "memory at the address of the local APIC of x86");
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommufd_lu_check_page(check, PFN_PHYS(pfn)));
}

/* ---- What the device is attached to ---- */

#define DEVICE_ID	1
#define MATE_ID		2

struct attachment {
	struct iommufd_device		idev;
	struct iommufd_group		igroup;
	struct iommufd_attach		attach;
	struct iommufd_hwpt_paging	hwpt;
	struct iommufd_fault		fault;
	struct iommufd_ioas		ioas;
	struct iommu_domain		domain;
	unsigned int			nr_cleared;
	unsigned int			nr_pauses;
	unsigned int			nr_pauses_of_writer;
};

static void forget_attachment(void *priv)
{
	struct attachment *a = priv;

	xa_destroy(&a->attach.device_array);
	xa_destroy(&a->igroup.pasid_attach);
	iopt_destroy_table(&a->ioas.iopt);
}

static int fake_set_dirty_tracking(struct iommu_domain *domain, bool enabled)
{
	return 0;
}

/* This takes seconds if terabytes are mapped, and others look up mappings meanwhile. */
static int fake_read_and_clear_dirty(struct iommu_domain *domain, unsigned long iova, size_t size,
				     unsigned long flags, struct iommu_dirty_bitmap *dirty)
{
	struct attachment *a = container_of(domain, struct attachment, domain);

	a->nr_cleared++;
	if (!down_read_trylock(&a->ioas.iopt.iova_rwsem))
		return -EAGAIN;
	up_read(&a->ioas.iopt.iova_rwsem);
	return 0;
}

static const struct iommu_dirty_ops fake_dirty_ops = {
	.read_and_clear_dirty	= fake_read_and_clear_dirty,
	.set_dirty_tracking	= fake_set_dirty_tracking,
};

static const struct iommu_domain_ops fake_domain_ops;

/* A device, in a group that is attached to nothing. Nothing is mapped in the IOAS. */
static struct attachment *new_attachment(struct kunit *test)
{
	struct attachment *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	mutex_init(&a->igroup.lock);
	xa_init(&a->igroup.pasid_attach);
	xa_init(&a->attach.device_array);
	iopt_init_table(&a->ioas.iopt);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, forget_attachment, a));

	a->idev.igroup = &a->igroup;
	a->idev.obj.id = DEVICE_ID;
	a->idev.dev = test_device(test);
	a->hwpt.common.obj.type = IOMMUFD_OBJ_HWPT_PAGING;
	a->hwpt.common.domain = &a->domain;
	a->hwpt.ioas = &a->ioas;
	a->domain.iommufd_hwpt = &a->hwpt.common;
	a->domain.dirty_ops = &fake_dirty_ops;
	a->domain.ops = &fake_domain_ops;
	a->attach.hwpt = &a->hwpt.common;
	/*
	 * Only a device without an IOMMU has no group, and nothing reads the contents of
	 * this one
	 */
	a->igroup.group = (struct iommu_group *)a;
	return a;
}

static void attach(struct kunit *test, struct attachment *a, ioasid_t pasid, u32 id)
{
	KUNIT_ASSERT_EQ(test, 0, xa_err(xa_store(&a->attach.device_array, id, &a->idev,
						 GFP_KERNEL)));
	KUNIT_ASSERT_EQ(test, 0, xa_err(xa_store(&a->igroup.pasid_attach, pasid, &a->attach,
						 GFP_KERNEL)));
}

static int check_attachment(struct attachment *a, struct iommufd_hwpt_paging **hwpt)
{
	guard(mutex)(&a->igroup.lock);
	return iommufd_lu_check_attachment(&a->idev, hwpt);
}

static void plain_page_table_passes(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iommufd_hwpt_paging *hwpt;

	KUNIT_EXPECT_EQ(test, 0, check_attachment(a, &hwpt));
	KUNIT_EXPECT_NULL(test, hwpt);

	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	KUNIT_EXPECT_EQ(test, 0, check_attachment(a, &hwpt));
	KUNIT_EXPECT_PTR_EQ(test, hwpt, &a->hwpt);
}

static void nested_page_table_is_refused(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iommufd_hwpt_paging *hwpt;

	a->hwpt.common.obj.type = IOMMUFD_OBJ_HWPT_NESTED;
	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, check_attachment(a, &hwpt));
}

static void page_table_with_faults_is_refused(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iommufd_hwpt_paging *hwpt;

	a->hwpt.common.fault = &a->fault;
	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, check_attachment(a, &hwpt));
}

static void pasid_is_refused(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iommufd_hwpt_paging *hwpt;

	attach(test, a, 1, DEVICE_ID);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, check_attachment(a, &hwpt));
	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, check_attachment(a, &hwpt));
}

/* It reaches what its group is attached to, which the other device may detach. */
static void device_attached_through_another_one_is_refused(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iommufd_hwpt_paging *hwpt;

	attach(test, a, IOMMU_NO_PASID, MATE_ID);
	KUNIT_EXPECT_EQ(test, -EBUSY, check_attachment(a, &hwpt));
}

static int preserve_device(struct kunit *test, struct attachment *a)
{
	return iommufd_device_preserve(&a->idev, new_session(test));
}

static int set_dirty_tracking(struct attachment *a, bool enable)
{
	return iopt_set_dirty_tracking(&a->ioas.iopt, &a->domain, enable);
}

static void dirty_tracking_is_refused(struct kunit *test)
{
	struct attachment *a = new_attachment(test);

	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	KUNIT_ASSERT_EQ(test, 0, set_dirty_tracking(a, true));
	KUNIT_EXPECT_EQ(test, -EBUSY, preserve_device(test, a));

	KUNIT_ASSERT_EQ(test, 0, set_dirty_tracking(a, false));
	KUNIT_ASSERT_EQ(test, 0, preserve_device(test, a));
	KUNIT_EXPECT_EQ(test, -EBUSY, set_dirty_tracking(a, true));

	iommufd_device_unpreserve(&a->idev);
	KUNIT_EXPECT_EQ(test, 0, set_dirty_tracking(a, true));
}

/* Neither another device of the group nor the device itself changes its attachment. */
static void group_keeps_its_attachment(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iommufd_hwpt_paging other = a->hwpt;
	struct iommufd_device mate = a->idev;
	ioasid_t pasid = 1;

	mate.obj.id = MATE_ID;
	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	/* It is not a page table for PASIDs, which is found out last. */
	KUNIT_ASSERT_EQ(test, -EINVAL,
			iommufd_hw_pagetable_attach(&other.common, &a->idev, pasid));
	KUNIT_ASSERT_EQ(test, 0, preserve_device(test, a));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			iommufd_hw_pagetable_attach(&a->hwpt.common, &mate, IOMMU_NO_PASID));
	KUNIT_EXPECT_EQ(test, -EBUSY, iommufd_hw_pagetable_attach(&other.common, &a->idev, pasid));

	/* They fail for other reasons now: the group is attached to a different one. */
	iommufd_device_unpreserve(&a->idev);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommufd_hw_pagetable_attach(&other.common, &mate, IOMMU_NO_PASID));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommufd_hw_pagetable_attach(&other.common, &a->idev, pasid));
}

static bool may_not_attach(struct device *dev)
{
	return false;
}

/* Another device of its group waits for its owner, and would be attached with it. */
static void device_that_may_not_attach_its_group_is_refused(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	ioasid_t pasid = 1;

	/* It is not a page table for PASIDs, which is found out last. */
	KUNIT_ASSERT_EQ(test, -EINVAL,
			iommufd_hw_pagetable_attach(&a->hwpt.common, &a->idev, pasid));
	kunit_activate_static_stub(test, iommu_liveupdate_may_attach, may_not_attach);
	KUNIT_EXPECT_EQ(test, -EBUSY,
			iommufd_hw_pagetable_attach(&a->hwpt.common, &a->idev, pasid));
	KUNIT_EXPECT_NULL(test, xa_load(&a->igroup.pasid_attach, pasid));
}

/* The mappings stay as they are until the last one is unpreserved. */
static void two_devices_keep_their_mappings(struct kunit *test)
{
	struct attachment *a = new_attachment(test), *b = new_attachment(test);

	b->hwpt.ioas = &a->ioas;
	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	attach(test, b, IOMMU_NO_PASID, DEVICE_ID);
	KUNIT_ASSERT_EQ(test, 0, preserve_device(test, a));
	KUNIT_ASSERT_EQ(test, 0, preserve_device(test, b));

	iommufd_device_unpreserve(&a->idev);
	KUNIT_EXPECT_EQ(test, -EBUSY, iopt_unmap_all(&a->ioas.iopt, NULL));
	iommufd_device_unpreserve(&b->idev);
	KUNIT_EXPECT_EQ(test, 0, iopt_unmap_all(&a->ioas.iopt, NULL));
}

/* Memory that is mapped from @iova on. */
static struct iopt_area *map_area(struct kunit *test, struct attachment *a, unsigned long iova,
				  size_t size)
{
	struct iopt_pages *pages = kunit_kzalloc(test, sizeof(*pages), GFP_KERNEL);
	struct iopt_area *area = kunit_kzalloc(test, sizeof(*area), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_NOT_NULL(test, area);
	area->pages = pages;
	area->node.start = iova;
	area->node.last = iova + size - 1;
	area->pages_node.last = size / PAGE_SIZE - 1;
	interval_tree_insert(&area->node, &a->ioas.iopt.area_itree);
	return area;
}

static void unmap_area(struct attachment *a, struct iopt_area *area)
{
	interval_tree_remove(&area->node, &a->ioas.iopt.area_itree);
}

static void dirty_bits_are_cleared_without_excluding_others(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iopt_area *area = map_area(test, a, SZ_1M, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, 0, set_dirty_tracking(a, true));
	KUNIT_EXPECT_EQ(test, a->nr_cleared, 1);
	KUNIT_EXPECT_TRUE(test, a->hwpt.dirty_tracking);

	/* Nothing is to be cleared in order to disable it. */
	KUNIT_EXPECT_EQ(test, 0, set_dirty_tracking(a, false));
	KUNIT_EXPECT_EQ(test, a->nr_cleared, 1);
	unmap_area(a, area);
}

static void dirty_bits_of_a_preserved_device_stay(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iopt_area *area;

	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	KUNIT_ASSERT_EQ(test, 0, preserve_device(test, a));
	area = map_area(test, a, SZ_1M, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EBUSY, set_dirty_tracking(a, true));
	KUNIT_EXPECT_EQ(test, a->nr_cleared, 0);
	KUNIT_EXPECT_FALSE(test, a->hwpt.dirty_tracking);
	unmap_area(a, area);
	iommufd_device_unpreserve(&a->idev);
}

/* A page table in which each IOVA leads to the same page. */
struct one_page_domain {
	struct iommu_domain	domain;
	phys_addr_t		phys;
	unsigned int		nr_lookups;
};

static phys_addr_t find_one_page(struct iommu_domain *domain, dma_addr_t iova)
{
	struct one_page_domain *one = container_of(domain, struct one_page_domain, domain);

	one->nr_lookups++;
	return one->phys;
}

static const struct iommu_domain_ops one_page_ops = {
	.iova_to_phys = find_one_page,
};

static const struct mapped_range {
	const char *desc;
	unsigned long iova;
	size_t size;
	unsigned int nr_runs;
} mapped_ranges[] = {
	{ "one page", SZ_1M, PAGE_SIZE, 1 },
	{ "several runs", SZ_1M, SZ_4M + PAGE_SIZE, 3 },
	{ "last page of the address space", -PAGE_SIZE, PAGE_SIZE, 0 },
	{ "several runs up to the end", -SZ_4M, SZ_4M, 1 },
	{ "part of a run at the end", -SZ_2M - PAGE_SIZE, SZ_2M + PAGE_SIZE, 1 },
};

KUNIT_ARRAY_PARAM_DESC(mapped_range, mapped_ranges, desc);

/* The run that ends with the address space is the last one. */
static void each_mapped_page_is_checked_once(struct kunit *test)
{
	const struct mapped_range *range = test->param_value;
	struct one_page_domain one = {
		.domain = { .type = IOMMU_DOMAIN_UNMANAGED, .ops = &one_page_ops },
	};
	struct luo_session *session = new_session(test);
	struct iommufd_lu_check *check = new_check(test, session);
	struct attachment *a = new_attachment(test);
	unsigned int nr_runs = 0;
	int fd = new_memfd(test);
	struct iopt_area *area;
	int rc;

	preserve(test, session, fd, fd);
	one.phys = PFN_PHYS(folio_pfn(map_page(test, fd, 0)));
	check->iopt = &a->ioas.iopt;
	check->domain = &one.domain;
	area = map_area(test, a, range->iova, range->size);

	scoped_guard(mutex, &session->mutex) {
		guard(rwsem_read)(&check->iopt->iova_rwsem);
		while ((rc = iommufd_lu_check_run(check)) > 0 && nr_runs <= range->nr_runs)
			nr_runs++;
	}
	unmap_area(a, area);
	KUNIT_EXPECT_EQ(test, rc, 0);
	KUNIT_EXPECT_EQ(test, nr_runs, range->nr_runs);
	KUNIT_EXPECT_EQ(test, one.nr_lookups, range->size / PAGE_SIZE);
}

static int preserve_in(struct luo_session *session, struct attachment *a)
{
	guard(mutex)(&session->mutex);
	return iommufd_device_preserve(&a->idev, session);
}

/* The check takes more than a minute if terabytes are mapped. */
static void devices_of_a_session_share_one_check(struct kunit *test)
{
	struct one_page_domain one = {
		.domain = { .type = IOMMU_DOMAIN_UNMANAGED, .ops = &one_page_ops },
	};
	struct luo_session *session = new_session(test), *other = new_session(test);
	struct attachment *devices[3];
	int fd = new_memfd(test);
	struct iopt_area *area;

	preserve(test, session, fd, fd);
	one.phys = PFN_PHYS(folio_pfn(map_page(test, fd, 0)));
	for (unsigned int i = 0; i < ARRAY_SIZE(devices); i++) {
		devices[i] = new_attachment(test);
		devices[i]->attach.hwpt = &devices[0]->hwpt.common;
		attach(test, devices[i], IOMMU_NO_PASID, DEVICE_ID);
	}
	devices[0]->hwpt.common.domain = &one.domain;
	area = map_area(test, devices[0], SZ_1M, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, 0, preserve_in(session, devices[0]));
	KUNIT_EXPECT_EQ(test, one.nr_lookups, 1);
	KUNIT_EXPECT_EQ(test, 0, preserve_in(session, devices[1]));
	KUNIT_EXPECT_EQ(test, one.nr_lookups, 1);

	/* The memfd is not preserved in the other one. */
	KUNIT_EXPECT_EQ(test, -EINVAL, preserve_in(other, devices[2]));
	KUNIT_EXPECT_EQ(test, one.nr_lookups, 2);
	KUNIT_EXPECT_EQ(test, 0, preserve_in(session, devices[2]));
	KUNIT_EXPECT_EQ(test, one.nr_lookups, 3);

	/* The mappings may have changed when none of them is preserved any more. */
	for (unsigned int i = 0; i < ARRAY_SIZE(devices); i++)
		iommufd_device_unpreserve(&devices[i]->idev);
	KUNIT_EXPECT_EQ(test, 0, preserve_in(session, devices[0]));
	KUNIT_EXPECT_EQ(test, one.nr_lookups, 4);
	iommufd_device_unpreserve(&devices[0]->idev);
	unmap_area(devices[0], area);
}

/* The task that unmaps it waits for others who access it. */
static void memory_that_is_being_unmapped_is_refused(struct kunit *test)
{
	struct attachment *a = new_attachment(test);
	struct iopt_area *area = map_area(test, a, SZ_1M, PAGE_SIZE);

	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	area->prevent_access = true;
	KUNIT_EXPECT_EQ(test, -EBUSY, preserve_device(test, a));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&a->ioas.iopt.nr_preserved));

	/* A task waits to map memory there, and will be refused. */
	area->prevent_access = false;
	area->pages = NULL;
	KUNIT_EXPECT_EQ(test, 0, preserve_device(test, a));
	iommufd_device_unpreserve(&a->idev);
	unmap_area(a, area);
}

/* Tasks that hold these locks may be waiting for user memory. */
static void no_lock_is_waited_for(struct kunit *test)
{
	struct attachment *a = new_attachment(test);

	attach(test, a, IOMMU_NO_PASID, DEVICE_ID);
	scoped_guard(mutex, &a->igroup.lock)
		KUNIT_EXPECT_EQ(test, -EBUSY, preserve_device(test, a));
	scoped_guard(rwsem_read, &a->ioas.iopt.domains_rwsem)
		KUNIT_EXPECT_EQ(test, -EBUSY, preserve_device(test, a));
	scoped_guard(rwsem_read, &a->ioas.iopt.iova_rwsem)
		KUNIT_EXPECT_EQ(test, -EBUSY, preserve_device(test, a));
	KUNIT_EXPECT_EQ(test, 0, iopt_unmap_all(&a->ioas.iopt, NULL));
	KUNIT_EXPECT_EQ(test, 0, preserve_device(test, a));
	iommufd_device_unpreserve(&a->idev);
}

/* The writer unlocks the mappings at the end of its last pause. */
static void fake_pause(struct io_pagetable *iopt)
{
	struct attachment *a = container_of(iopt, struct attachment, ioas.iopt);

	if (++a->nr_pauses == a->nr_pauses_of_writer)
		up_write(&iopt->iova_rwsem);
}

/* Tries to lock mappings that are locked for writing, and unlocks them. */
static bool lock_mappings(struct attachment *a, unsigned int nr_pauses_of_writer)
{
	struct rw_semaphore *rwsem = &a->ioas.iopt.iova_rwsem;
	bool locked;

	a->nr_pauses = 0;
	a->nr_pauses_of_writer = nr_pauses_of_writer;
	down_write(rwsem);
	locked = iommufd_lu_lock_mappings(&a->ioas.iopt);
	if (locked)
		up_read(rwsem);
	else
		up_write(rwsem);

	return locked;
}

/* The check of a large guest takes seconds, and others use its mappings meanwhile. */
static void check_waits_for_a_writer_only_briefly(struct kunit *test)
{
	struct attachment *a = new_attachment(test);

	kunit_activate_static_stub(test, iommufd_lu_pause, fake_pause);
	KUNIT_EXPECT_TRUE(test, lock_mappings(a, 1));
	KUNIT_EXPECT_EQ(test, a->nr_pauses, 1);
	KUNIT_EXPECT_TRUE(test, lock_mappings(a, MAX_PAUSES));
	KUNIT_EXPECT_EQ(test, a->nr_pauses, MAX_PAUSES);
	KUNIT_EXPECT_FALSE(test, lock_mappings(a, UINT_MAX));
	KUNIT_EXPECT_EQ(test, a->nr_pauses, MAX_PAUSES);
}

static int iommufd_lu_test_init(struct kunit *test)
{
	if (!liveupdate_enabled())
		kunit_skip(test, "needs liveupdate=on");
	return 0;
}

static struct kunit_case iommufd_lu_test_cases[] = {
	KUNIT_CASE(page_of_preserved_memfd_passes),
	KUNIT_CASE(page_of_other_memfd_is_refused),
	KUNIT_CASE(memfd_preserved_later_is_refused),
	KUNIT_CASE(page_that_left_its_memfd_is_refused),
	KUNIT_CASE(anonymous_memory_is_refused),
	KUNIT_CASE(memory_of_a_device_is_refused),
	KUNIT_CASE(plain_page_table_passes),
	KUNIT_CASE(nested_page_table_is_refused),
	KUNIT_CASE(page_table_with_faults_is_refused),
	KUNIT_CASE(pasid_is_refused),
	KUNIT_CASE(device_attached_through_another_one_is_refused),
	KUNIT_CASE(dirty_tracking_is_refused),
	KUNIT_CASE(group_keeps_its_attachment),
	KUNIT_CASE(device_that_may_not_attach_its_group_is_refused),
	KUNIT_CASE(two_devices_keep_their_mappings),
	KUNIT_CASE(dirty_bits_are_cleared_without_excluding_others),
	KUNIT_CASE(dirty_bits_of_a_preserved_device_stay),
	KUNIT_CASE_PARAM(each_mapped_page_is_checked_once, mapped_range_gen_params),
	KUNIT_CASE(devices_of_a_session_share_one_check),
	KUNIT_CASE(memory_that_is_being_unmapped_is_refused),
	KUNIT_CASE(no_lock_is_waited_for),
	KUNIT_CASE(check_waits_for_a_writer_only_briefly),
	{}
};

static struct kunit_suite iommufd_lu_test_suite = {
	.name		= "irq_liveupdate_iommufd",
	.init		= iommufd_lu_test_init,
	.test_cases	= iommufd_lu_test_cases,
};

kunit_test_suite(iommufd_lu_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of what iommufd lets a device keep in a live update");
MODULE_LICENSE("GPL");
