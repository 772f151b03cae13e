/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failing allocations: each of them fails once, in turn, until nothing is left
 * that could fail. Needs a kernel with fault injection.
 */

#ifndef _KUNIT_FAIL_NTH_H
#define _KUNIT_FAIL_NTH_H

#include <kunit/test.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/mmzone.h>
#include <linux/sched.h>

#define MAX_ALLOCATIONS		2000

#ifdef CONFIG_FAULT_INJECTION
static inline void fail_nth(unsigned int nth)
{
	current->fail_nth = nth;
}

/* Returns how many more allocations it would have taken to fail. 0: one has failed. */
static inline unsigned int pause_failing(void)
{
	unsigned int left = current->fail_nth;

	current->fail_nth = 0;
	return left;
}
#else
static inline void fail_nth(unsigned int nth) { }
static inline unsigned int pause_failing(void) { return 1; }
#endif

/* Returns whether the allocation that was to fail was reached. */
static inline bool stop_failing(void)
{
	return !pause_failing();
}

/* An option can only be reached through its file, which points to it. */
static inline void *fault_option(const char *capability, const char *option)
{
	struct dentry *dir = debugfs_lookup(capability, NULL);
	struct dentry *file = dir ? debugfs_lookup(option, dir) : NULL;
	void *data = file ? d_inode(file)->i_private : NULL;

	dput(file);
	dput(dir);
	return data;
}

/* Let allocations that may sleep, and those of a single page, fail as well, silently. */
static inline void init_failing(struct kunit *test)
{
	bool *slab_ignore = fault_option("failslab", "ignore-gfp-wait");
	bool *page_ignore = fault_option("fail_page_alloc", "ignore-gfp-wait");
	u32 *min_order = fault_option("fail_page_alloc", "min-order");
	unsigned long *slab_verbose = fault_option("failslab", "verbose");
	unsigned long *page_verbose = fault_option("fail_page_alloc", "verbose");

	if (!slab_ignore || !page_ignore || !min_order || !slab_verbose || !page_verbose)
		kunit_skip(test, "needs FAILSLAB, FAIL_PAGE_ALLOC, FAULT_INJECTION_DEBUG_FS");

	*slab_ignore = false;
	*page_ignore = false;
	*min_order = 0;
	*slab_verbose = 0;
	*page_verbose = 0;
}

/*
 * After init_failing(), let only objects of slabs fail, for a test that counts failures.
 * Whether an object needs a page for its slab depends on what has run before. A try that
 * has allocated a page is followed by a try with one allocation less, and the series
 * ends before the last allocation has failed.
 */
static inline void spare_pages(void)
{
	u32 *min_order = fault_option("fail_page_alloc", "min-order");

	*min_order = NR_PAGE_ORDERS;
}

#endif /* _KUNIT_FAIL_NTH_H */
