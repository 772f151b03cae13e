/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every IOMMU driver has to guarantee about DMA translation in a live update,
 * see include/linux/iommu_liveupdate.h. Written once against the methods. A driver's
 * test describes its entries, and calls start_translation() in the init function of
 * its suite, which has the cases of DEFINE_TRANSLATION_SUITE_CASES(). The core is
 * replaced by static stubs.
 */

#ifndef _KUNIT_TRANSLATION_SUITE_H
#define _KUNIT_TRANSLATION_SUITE_H

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/irq_liveupdate/watch.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>

#include "../../../drivers/iommu/iommu-liveupdate.h"

#define NR_TRANSLATED		2
/* More than attach makes, including those of memory debugging features */
#define MAX_ATTACH_ALLOCATIONS	32
#define MAX_TRANSLATION_SIZE	16

/* Where the translation starts according to a record, and its domain id */
#define LEFT_TABLES		0x123456000ULL
#define LEFT_DOMAIN_ID		7

/**
 * struct translation_fmt - A format of entries, and the driver that writes them
 * @ids:	Requester ids of the two devices that the tests use
 * @entry_size:	What the hardware reads at once, in bytes, at most
 *		%MAX_TRANSLATION_SIZE
 * @ops:	The methods that are tested
 * @iommu:	The unit
 * @ser:	Its record
 * @device:	One of the devices, with everything that the driver needs to attach it
 * @alloc_domain: A domain of the driver, which is freed at the end of the test
 * @attach_allocations: Number of allocations without which it cannot be attached, at
 *		least
 * @domain_id:	Its domain id, while it is attached
 * @entry:	Where the hardware reads the entry of a device
 * @leave:	Make the entry one that leads to %LEFT_TABLES under %LEFT_DOMAIN_ID, and
 *		write what it is into the record
 * @shut_down:	The driver shuts down the unit, which is preserved
 * @boot:	After that, the driver takes the unit over in the next kernel
 * @block:	Attach the blocking domain to a device, as a reset of it does
 * @is_closed:	Does the hardware let no DMA through, whatever else is in the entry?
 * @leads_to:	Does the entry, with all that it leads to, translate as @domain says?
 *		Must be safe in NMI context.
 * @start_notes: Forget what was invalidated
 * @is_flushed:	Has everything cached of the entry and of %LEFT_DOMAIN_ID been
 *		invalidated since then?
 */
struct translation_fmt {
	u16		ids[NR_TRANSLATED];
	unsigned int	entry_size;
	unsigned int	attach_allocations;
	const struct iommu_liveupdate_ops *ops;

	struct iommu_device *(*iommu)(void);
	struct iommu_lu_unit_ser *(*ser)(void);
	struct device	*(*device)(struct kunit *test, unsigned int i);
	struct iommu_domain *(*alloc_domain)(struct kunit *test, struct device *dev);
	u32		(*domain_id)(struct iommu_domain *domain);
	void		*(*entry)(unsigned int i);
	void		(*leave)(struct kunit *test, unsigned int i,
				 struct iommu_lu_device_ser *ser);
	void		(*shut_down)(void);
	void		(*boot)(struct kunit *test);
	void		(*block)(struct device *dev);
	bool		(*is_closed)(const void *entry);
	bool		(*leads_to)(const void *entry, struct iommu_domain *domain);
	void		(*start_notes)(void);
	bool		(*is_flushed)(unsigned int i);
};

static const struct translation_fmt *translation;

/* What the stubs return for each device, and what they were told about it */
static struct {
	struct iommu_lu_device_ser	ser[NR_TRANSLATED];
	bool				recorded[NR_TRANSLATED];
	unsigned int			adopted[NR_TRANSLATED];
	unsigned int			refused[NR_TRANSLATED];
} left;

static int left_index(u16 devid)
{
	int i;

	for (i = 0; i < NR_TRANSLATED; i++) {
		if (translation->ids[i] == devid)
			return i;
	}
	return -1;
}

static bool left_entry_stays(u32 segment, u16 devid)
{
	int i = left_index(devid);

	return i >= 0 && left.recorded[i];
}

static const struct iommu_lu_device_ser *left_entry(u32 segment, u16 devid)
{
	return left_entry_stays(segment, devid) ? &left.ser[left_index(devid)] : NULL;
}

static void visit_left(struct iommu_device *iommu, iommu_lu_entry_fn fn)
{
	for (unsigned int i = 0; i < NR_TRANSLATED; i++) {
		if (left.recorded[i])
			fn(iommu, &left.ser[i]);
	}
}

static const char *adopt_left_entry(const struct iommu_lu_device_ser *ser,
				    struct iommu_device *iommu,
				    const struct iommu_liveupdate_ops *ops)
{
	left.adopted[ser - left.ser]++;
	return NULL;
}

static void refuse_left_entry(u32 segment, u16 devid, const char *reason)
{
	int i = left_index(devid);

	if (i >= 0)
		left.refused[i]++;
}

static phys_addr_t left_tables(const struct iommu_lu_pages_ser *ser)
{
	return LEFT_TABLES;
}

/* What the driver added when the device was preserved, and why it refused to, or NULL */
static struct {
	struct iommu_lu_entry	entry;
	unsigned int		nr;
	const char		*refused;
} added;

static int note_added(struct iommu_lu_out_device *out, const struct iommu_lu_entry *what)
{
	added.entry = *what;
	added.nr++;
	return 0;
}

static int note_refused(struct iommu_lu_out_device *out, int error, const char *reason)
{
	added.refused = reason;
	return error;
}

/* What was seen of one entry while it was written; there are few breakpoints to watch it */
static struct {
	void			*watches[MAX_TRANSLATION_SIZE / sizeof(u64)];
	const void		*entry;
	u8			old[MAX_TRANSLATION_SIZE];
	u8			new[MAX_TRANSLATION_SIZE];
	struct iommu_domain	*domain;
	unsigned int		stores;
	bool			replaced;
	bool			torn;
	bool			incomplete;
} seen_entry;

/* It is the old one, or the first new one in full, which leads to the new domain. */
static void look_at_translation(struct perf_event *bp, struct perf_sample_data *data,
				struct pt_regs *regs)
{
	size_t size = translation->entry_size;

	seen_entry.stores++;
	/* What was flushed before may be cached again. */
	translation->start_notes();
	if (!memcmp(seen_entry.entry, seen_entry.old, size))
		return;
	if (!seen_entry.replaced)
		memcpy(seen_entry.new, seen_entry.entry, size);
	seen_entry.replaced = true;
	seen_entry.torn |= memcmp(seen_entry.entry, seen_entry.new, size);
	if (seen_entry.domain)
		seen_entry.incomplete |= !translation->leads_to(seen_entry.entry,
								seen_entry.domain);
}

/* @domain is the new one, or NULL if the entry is going to be closed. */
static void watch_entry(struct kunit *test, unsigned int i, struct iommu_domain *domain)
{
	unsigned int word, nr_words = translation->entry_size / sizeof(u64);
	u64 *entry = translation->entry(i);

	for (word = 0; word < nr_words && seen_entry.watches[word]; word++)
		kunit_release_action(test, unwatch, seen_entry.watches[word]);

	memset(&seen_entry, 0, sizeof(seen_entry));
	seen_entry.entry = entry;
	seen_entry.domain = domain;
	memcpy(seen_entry.old, entry, translation->entry_size);
	for (word = 0; word < nr_words; word++)
		seen_entry.watches[word] = watch(test, entry + word, HW_BREAKPOINT_LEN_8,
						 look_at_translation, NULL);
	translation->start_notes();
}

static void expect_closed(struct kunit *test, unsigned int i)
{
	KUNIT_EXPECT_TRUE(test, translation->is_closed(translation->entry(i)));
}

static void expect_closed_at_once(struct kunit *test, unsigned int i)
{
	KUNIT_EXPECT_TRUE(test, seen_entry.replaced);
	KUNIT_EXPECT_TRUE(test, translation->is_closed(seen_entry.new));
	expect_closed(test, i);
}

static void leave_entry(struct kunit *test, unsigned int i)
{
	left.ser[i].devid = translation->ids[i];
	left.ser[i].domain_id = LEFT_DOMAIN_ID;
	translation->leave(test, i, &left.ser[i]);
}

static void leave_recorded_entry(struct kunit *test, unsigned int i)
{
	leave_entry(test, i);
	left.recorded[i] = true;
}

static int attach_domain(struct iommu_domain *domain, struct device *dev,
			 struct iommu_domain *old)
{
	return domain->ops->attach_dev(domain, dev, old);
}

static void unpreserve_unit(void *iommu)
{
	translation->ops->unpreserve_unit(iommu);
}

static void preserve_unit(struct kunit *test)
{
	struct iommu_device *iommu = translation->iommu();

	if (!translation->ops->preserve_unit)
		return;
	KUNIT_ASSERT_EQ(test, 0, translation->ops->preserve_unit(iommu, translation->ser()));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, unpreserve_unit, iommu));
}

static void boot(struct kunit *test)
{
	preserve_unit(test);
	translation->shut_down();
	translation->boot(test);
}

static void free_left_domain_id(void *iommu)
{
	translation->ops->free_domain_id(iommu, LEFT_DOMAIN_ID);
}

/* The device starts with the existing entry. No other domain has its domain id. */
static struct device *start_handed_over(struct kunit *test, unsigned int i)
{
	struct device *dev = translation->device(test, i);
	struct iommu_device *iommu = translation->iommu();

	if (!i) {
		KUNIT_ASSERT_EQ(test, 0, translation->ops->reserve_domain_id(iommu,
									     LEFT_DOMAIN_ID));
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_left_domain_id,
								   iommu));
	}
	KUNIT_EXPECT_EQ(test, 0, attach_domain(translation->ops->handed_over, dev, NULL));
	return dev;
}

/*
 * Cases
 */

static void all_translation_methods_are_there(struct kunit *test)
{
	const struct iommu_liveupdate_ops *ops = translation->ops;

	KUNIT_EXPECT_EQ(test, !ops->preserve_unit, !ops->unpreserve_unit);
	KUNIT_EXPECT_TRUE(test, ops->check_device && ops->add_entries && ops->reserve_domain_id &&
			  ops->free_domain_id && ops->finish_unit && ops->handed_over);
	KUNIT_EXPECT_EQ(test, ops->handed_over->type, IOMMU_DOMAIN_HANDED_OVER);
}

static void expect_added(struct kunit *test, struct device *dev, struct iommu_domain *domain)
{
	memset(&added, 0, sizeof(added));
	KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev, NULL));
	KUNIT_EXPECT_EQ(test, 0, translation->ops->add_entries(dev, domain, NULL));
	KUNIT_EXPECT_GT(test, added.nr, 0);
	KUNIT_EXPECT_EQ(test, added.entry.devid, translation->ids[0]);
	KUNIT_EXPECT_EQ(test, added.entry.domain_id, translation->domain_id(domain));
	KUNIT_EXPECT_MEMEQ(test, added.entry.value, translation->entry(0),
			   translation->entry_size);
	KUNIT_EXPECT_NULL(test, added.refused);
}

/* Meanwhile the group remains attached. */
static void device_that_is_being_reset_is_not_preserved(struct kunit *test)
{
	struct device *dev = translation->device(test, 0);
	struct iommu_domain *domain = translation->alloc_domain(test, dev);

	expect_added(test, dev, domain);

	added.nr = 0;
	translation->block(dev);
	KUNIT_EXPECT_EQ(test, -EBUSY, translation->ops->add_entries(dev, domain, NULL));
	KUNIT_EXPECT_EQ(test, added.nr, 0);
	KUNIT_EXPECT_STREQ(test, added.refused ?: "", "it is being reset");

	expect_added(test, dev, domain);
}

static void shutdown_closes_an_entry_at_once(struct kunit *test)
{
	leave_entry(test, 0);
	preserve_unit(test);
	watch_entry(test, 0, NULL);
	translation->shut_down();
	expect_closed_at_once(test, 0);
}

static void shutdown_leaves_an_entry_with_mappings(struct kunit *test)
{
	leave_recorded_entry(test, 0);
	leave_entry(test, 1);
	preserve_unit(test);
	watch_entry(test, 0, NULL);
	translation->shut_down();
	KUNIT_EXPECT_EQ(test, seen_entry.stores, 0);
	expect_closed(test, 1);
}

static void boot_keeps_an_entry_with_mappings(struct kunit *test)
{
	u8 entry[MAX_TRANSLATION_SIZE];

	leave_recorded_entry(test, 0);
	memcpy(entry, translation->entry(0), translation->entry_size);
	boot(test);
	KUNIT_EXPECT_MEMEQ(test, translation->entry(0), entry, translation->entry_size);
	KUNIT_EXPECT_EQ(test, left.adopted[0], 1);
	KUNIT_EXPECT_EQ(test, left.refused[0], 0);
	expect_closed(test, 1);
}

static void boot_closes_an_entry_which_differs(struct kunit *test)
{
	leave_recorded_entry(test, 0);
	leave_recorded_entry(test, 1);
	left.ser[0].entry[0] ^= PAGE_SIZE;
	boot(test);
	expect_closed(test, 0);
	KUNIT_EXPECT_EQ(test, left.adopted[0], 0);
	KUNIT_EXPECT_EQ(test, left.refused[0], 1);
	KUNIT_EXPECT_EQ(test, left.adopted[1], 1);
}

static void device_starts_with_its_entry(struct kunit *test)
{
	leave_recorded_entry(test, 0);
	boot(test);
	watch_entry(test, 0, NULL);
	start_handed_over(test, 0);
	KUNIT_EXPECT_EQ(test, seen_entry.stores, 0);
}

static void expect_replaced_at_once(struct kunit *test, unsigned int i,
				    struct iommu_domain *domain)
{
	KUNIT_EXPECT_TRUE(test, seen_entry.replaced);
	KUNIT_EXPECT_FALSE(test, seen_entry.torn);
	KUNIT_EXPECT_FALSE(test, seen_entry.incomplete);
	KUNIT_EXPECT_TRUE(test, translation->leads_to(translation->entry(i), domain));
	KUNIT_EXPECT_TRUE(test, translation->is_flushed(i));
}

static void owner_replaces_the_entry_at_once(struct kunit *test)
{
	struct iommu_domain *domain;
	struct device *dev;

	leave_recorded_entry(test, 0);
	boot(test);
	dev = start_handed_over(test, 0);
	domain = translation->alloc_domain(test, dev);
	watch_entry(test, 0, domain);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev, translation->ops->handed_over));
	expect_replaced_at_once(test, 0, domain);
	KUNIT_EXPECT_NE(test, translation->domain_id(domain), LEFT_DOMAIN_ID);
}

static void devices_which_shared_a_domain_go_to_two(struct kunit *test)
{
	struct iommu_domain *domains[NR_TRANSLATED];
	u8 entry[MAX_TRANSLATION_SIZE];
	struct device *dev;
	unsigned int i;

	for (i = 0; i < NR_TRANSLATED; i++)
		leave_recorded_entry(test, i);
	boot(test);
	memcpy(entry, translation->entry(1), translation->entry_size);

	for (i = 0; i < NR_TRANSLATED; i++) {
		dev = start_handed_over(test, i);
		domains[i] = translation->alloc_domain(test, dev);
		if (i)
			KUNIT_EXPECT_MEMEQ(test, translation->entry(1), entry,
					   translation->entry_size);
		watch_entry(test, i, domains[i]);
		KUNIT_ASSERT_EQ(test, 0, attach_domain(domains[i], dev,
						       translation->ops->handed_over));
		expect_replaced_at_once(test, i, domains[i]);
	}
	KUNIT_EXPECT_TRUE(test, translation->leads_to(translation->entry(0), domains[0]));
	KUNIT_EXPECT_NE(test, translation->domain_id(domains[0]),
			translation->domain_id(domains[1]));
}

/* Its session is finished, and nobody has attached it. */
static void device_which_nobody_attached_is_closed(struct kunit *test)
{
	struct iommu_domain *handed_over = translation->ops->handed_over;
	struct device *dev;

	leave_recorded_entry(test, 0);
	boot(test);
	dev = start_handed_over(test, 0);
	watch_entry(test, 0, NULL);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(handed_over, dev, handed_over));
	expect_closed_at_once(test, 0);
	KUNIT_EXPECT_TRUE(test, translation->is_flushed(0));
}

/* As a reset of the device does, before its owner has attached it. */
static void blocked_device_leaves_its_entry(struct kunit *test)
{
	struct device *dev;

	leave_recorded_entry(test, 0);
	boot(test);
	dev = start_handed_over(test, 0);
	watch_entry(test, 0, NULL);
	translation->block(dev);
	expect_closed_at_once(test, 0);
	KUNIT_EXPECT_TRUE(test, translation->is_flushed(0));
}

/* Its owner detaches it, and the core attaches the domain on which it has started. */
static void device_that_goes_back_uses_nothing(struct kunit *test)
{
	struct iommu_domain *handed_over = translation->ops->handed_over;
	struct iommu_domain *domain;
	struct device *dev;

	leave_recorded_entry(test, 0);
	boot(test);
	dev = start_handed_over(test, 0);
	domain = translation->alloc_domain(test, dev);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev, handed_over));
	KUNIT_ASSERT_TRUE(test, translation->leads_to(translation->entry(0), domain));
	KUNIT_ASSERT_EQ(test, 0, attach_domain(handed_over, dev, domain));
	KUNIT_EXPECT_FALSE(test, translation->leads_to(translation->entry(0), domain));
}

/* A device with this requester id no longer exists. */
static void finish_closes_what_nobody_has_left(struct kunit *test)
{
	leave_recorded_entry(test, 0);
	boot(test);
	watch_entry(test, 0, NULL);
	translation->ops->finish_unit(translation->iommu());
	expect_closed_at_once(test, 0);
	KUNIT_EXPECT_TRUE(test, translation->is_flushed(0));
}

static void finish_leaves_the_entry_of_an_owner(struct kunit *test)
{
	struct iommu_domain *domain;
	struct device *dev;

	leave_recorded_entry(test, 0);
	boot(test);
	dev = start_handed_over(test, 0);
	domain = translation->alloc_domain(test, dev);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev, translation->ops->handed_over));
	left.recorded[0] = false;
	translation->ops->finish_unit(translation->iommu());
	KUNIT_EXPECT_TRUE(test, translation->leads_to(translation->entry(0), domain));
}

static void shutdown_allocates_nothing(struct kunit *test)
{
	init_failing(test);
	leave_recorded_entry(test, 0);
	leave_entry(test, 1);
	preserve_unit(test);
	fail_nth(1);
	translation->shut_down();
	KUNIT_EXPECT_FALSE(test, stop_failing());
	expect_closed(test, 1);
}

/* How many of the attachments of one case have failed so far */
static unsigned int nr_refused;

static const void *allocation_gen_params(struct kunit *test, const void *prev, char *desc)
{
	unsigned long param = (unsigned long)prev + 1;

	if (!prev)
		nr_refused = 0;
	if (param > 2 * MAX_ATTACH_ALLOCATIONS)
		return NULL;
	if (param > MAX_ATTACH_ALLOCATIONS)
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "allocation or page %lu",
			 param - MAX_ATTACH_ALLOCATIONS);
	else
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "allocation %lu", param);
	return (const void *)param;
}

static void expect_refused(struct kunit *test, const u8 *entry)
{
	nr_refused++;
	KUNIT_EXPECT_EQ(test, seen_entry.stores, 0);
	KUNIT_EXPECT_MEMEQ(test, translation->entry(0), entry, translation->entry_size);
}

/*
 * Whatever fails, the next attempt has the same chance as the first one. Refusals are
 * counted where only slab objects fail.
 */
static void attach_failing(struct kunit *test, struct device *dev, unsigned long param)
{
	struct iommu_domain *domain = translation->alloc_domain(test, dev);
	bool pages = param > MAX_ATTACH_ALLOCATIONS, hit;
	unsigned long nth = pages ? param - MAX_ATTACH_ALLOCATIONS : param;
	u8 entry[MAX_TRANSLATION_SIZE];
	int ret;

	watch_entry(test, 0, domain);
	memcpy(entry, translation->entry(0), translation->entry_size);

	if (!pages)
		spare_pages();
	fail_nth(nth);
	ret = attach_domain(domain, dev, translation->ops->handed_over);
	hit = stop_failing();
	if (ret) {
		KUNIT_EXPECT_TRUE(test, hit);
		expect_refused(test, entry);
		KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev,
						       translation->ops->handed_over));
	}
	expect_replaced_at_once(test, 0, domain);
	if (nth == MAX_ATTACH_ALLOCATIONS)
		KUNIT_EXPECT_FALSE(test, hit);
	if (param == MAX_ATTACH_ALLOCATIONS)
		KUNIT_EXPECT_GE(test, nr_refused, translation->attach_allocations);
}

static void failed_attach_leaves_the_entry(struct kunit *test)
{
	init_failing(test);
	leave_recorded_entry(test, 0);
	boot(test);
	attach_failing(test, start_handed_over(test, 0), (unsigned long)test->param_value);
}

static void start_translation(struct kunit *test, const struct translation_fmt *fmt)
{
	translation = fmt;
	memset(&left, 0, sizeof(left));
	memset(&seen_entry, 0, sizeof(seen_entry));
	kunit_activate_static_stub(test, iommu_liveupdate_entry_stays, left_entry_stays);
	kunit_activate_static_stub(test, iommu_liveupdate_incoming_entry, left_entry);
	kunit_activate_static_stub(test, iommu_liveupdate_visit_left, visit_left);
	kunit_activate_static_stub(test, iommu_liveupdate_adopt_entry, adopt_left_entry);
	kunit_activate_static_stub(test, iommu_liveupdate_refuse_entry, refuse_left_entry);
	kunit_activate_static_stub(test, iommu_lu_pages_first, left_tables);
	kunit_activate_static_stub(test, iommu_lu_add_entry, note_added);
	kunit_activate_static_stub(test, iommu_lu_refuse, note_refused);
}

/* Each suite needs an array of its own: cases keep their results. */
#define DEFINE_TRANSLATION_SUITE_CASES(_name)				\
static struct kunit_case _name[] = {					\
	KUNIT_CASE(all_translation_methods_are_there),			\
	KUNIT_CASE(device_that_is_being_reset_is_not_preserved),	\
	KUNIT_CASE(shutdown_closes_an_entry_at_once),			\
	KUNIT_CASE(shutdown_leaves_an_entry_with_mappings),		\
	KUNIT_CASE(shutdown_allocates_nothing),				\
	KUNIT_CASE(boot_keeps_an_entry_with_mappings),			\
	KUNIT_CASE(boot_closes_an_entry_which_differs),			\
	KUNIT_CASE(device_starts_with_its_entry),			\
	KUNIT_CASE(owner_replaces_the_entry_at_once),			\
	KUNIT_CASE_PARAM(failed_attach_leaves_the_entry, allocation_gen_params), \
	KUNIT_CASE(devices_which_shared_a_domain_go_to_two),		\
	KUNIT_CASE(device_which_nobody_attached_is_closed),		\
	KUNIT_CASE(blocked_device_leaves_its_entry),			\
	KUNIT_CASE(device_that_goes_back_uses_nothing),			\
	KUNIT_CASE(finish_closes_what_nobody_has_left),			\
	KUNIT_CASE(finish_leaves_the_entry_of_an_owner),		\
	{ }								\
}

#endif /* _KUNIT_TRANSLATION_SUITE_H */
