/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every interrupt remapping driver has to guarantee in a live update, see
 * Documentation/driver-api/irq-liveupdate-iommu.rst. Written once against the
 * methods of an irq domain. A driver's test describes its entries, and
 * sets @fmt in the init function of its suite, which has the cases of
 * DEFINE_IOMMU_SUITE_CASES().
 */

#ifndef _KUNIT_IOMMU_SUITE_H
#define _KUNIT_IOMMU_SUITE_H

#include <kunit/irq_liveupdate/watch.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/irq.h>
#include <linux/irq_liveupdate.h>
#include <linux/irqdomain.h>
#include <linux/kexec_handover.h>

#define MAX_ENTRY_SIZE	16
#define MAX_MESSAGES	8

/**
 * struct iommu_fmt - A format of table entries, and the driver that writes them
 * @source:	Source of the records
 * @handle:	First of the 8 handles that the tests use, a multiple of 8
 * @entry_size:	In bytes, at most %MAX_ENTRY_SIZE
 * @nr_kinds:	How many kinds of present entries there are
 * @ops:	The methods that are tested
 * @domain:	Irq domain of the emulated unit
 * @entry:	Where the hardware reads the entry of @handle
 * @fill:	Write a present entry of @kind, whatever was there
 * @is_present:	Does the hardware let a message through? Bits 8 and 9 of an entry
 *		do not matter for this.
 * @is_silent:	Does it report no fault when it does not?
 * @is_taken:	Has the allocator assigned the entry?
 * @is_held:	Was the entry reserved for a vector, and not released yet?
 * @own:	Make @irqd the interrupt to which the driver has assigned the entry
 * @open:	The driver makes the entry one of @kind
 * @close:	The driver makes it not present
 * @message:	Write into @rec the message that names the entry of its handle
 * @boot:	From now on this is the next kernel: nothing is taken or held, all
 *		entries are as they were
 * @device:	A device with the requester id of @source, or another one
 * @flushes:	How many invalidations the unit has seen, of entries or of all
 * @waits:	For how many of them the driver has waited
 */
struct iommu_fmt {
	u32		source;
	u32		handle;
	unsigned int	entry_size;
	unsigned int	nr_kinds;
	const struct irq_domain_liveupdate_ops *ops;

	struct irq_domain *(*domain)(struct kunit *test);
	void		*(*entry)(struct kunit *test, u32 handle);
	void		(*fill)(void *entry, unsigned int kind);
	bool		(*is_present)(const void *entry);
	bool		(*is_silent)(const void *entry);
	bool		(*is_taken)(struct kunit *test, u32 handle);
	bool		(*is_held)(struct kunit *test, u32 handle);
	void		(*own)(struct kunit *test, u32 handle, struct irq_data *irqd);
	void		(*open)(struct kunit *test, u32 handle, unsigned int kind);
	void		(*close)(struct kunit *test, u32 handle);
	void		(*message)(struct irq_lu_vector_ser *rec);
	void		(*boot)(struct kunit *test);
	struct device	*(*device)(struct kunit *test, bool another);
	unsigned int	(*flushes)(struct kunit *test);
	unsigned int	(*waits)(struct kunit *test);
};

static const struct iommu_fmt *fmt;

/* What was seen of one entry while it was written. */
static struct {
	void		*entry;
	u8		old[MAX_ENTRY_SIZE];
	u8		present[MAX_ENTRY_SIZE];
	unsigned int	stores;
	bool		torn;
	unsigned int	flushes;
	unsigned int	waits;
} seen;

/* While the entry is present, it is complete: the old one, or the first new one. */
static void look_at_entry(struct perf_event *bp, struct perf_sample_data *data,
			  struct pt_regs *regs)
{
	seen.stores++;
	if (!fmt->is_present(seen.entry))
		return;
	if (!memcmp(seen.entry, seen.old, fmt->entry_size))
		return;
	if (!fmt->is_present(seen.present))
		memcpy(seen.present, seen.entry, fmt->entry_size);
	seen.torn |= memcmp(seen.entry, seen.present, fmt->entry_size);
}

static void start_notes(struct kunit *test)
{
	memcpy(seen.old, seen.entry, fmt->entry_size);
	memset(seen.present, 0, sizeof(seen.present));
	seen.stores = 0;
	seen.torn = false;
	seen.flushes = fmt->flushes(test);
	seen.waits = fmt->waits(test);
}

static void look_at(struct kunit *test, u32 handle)
{
	unsigned int i, len = min(fmt->entry_size, 8U);

	seen.entry = fmt->entry(test, handle);
	for (i = 0; i < fmt->entry_size; i += len)
		watch(test, seen.entry + i, len, look_at_entry, NULL);
	start_notes(test);
}

static void expect_flushes(struct kunit *test, unsigned int nr)
{
	KUNIT_EXPECT_EQ(test, fmt->flushes(test) - seen.flushes, nr);
	KUNIT_EXPECT_EQ(test, fmt->waits(test) - seen.waits, nr);
}

static void expect_blocked(struct kunit *test, u32 handle)
{
	KUNIT_EXPECT_FALSE(test, fmt->is_present(fmt->entry(test, handle)));
	KUNIT_EXPECT_TRUE(test, fmt->is_silent(fmt->entry(test, handle)));
}

static struct irq_lu_vector_ser record(u32 handle)
{
	return (struct irq_lu_vector_ser){ .handle = handle, .source = fmt->source };
}

static const struct irq_lu_vector_ser *records(u32 handle, unsigned int nr)
{
	static struct irq_lu_vector_ser recs[MAX_MESSAGES];
	unsigned int i;

	for (i = 0; i < nr; i++)
		recs[i] = record(handle + i);
	return recs;
}

static void block(struct kunit *test, u32 handle, unsigned int nr)
{
	fmt->ops->block(fmt->domain(test), records(handle, nr), nr);
}

static int reserve(struct kunit *test, u32 handle, unsigned int nr)
{
	return fmt->ops->reserve(fmt->domain(test), records(handle, nr), nr);
}

static void release(struct kunit *test, u32 handle, unsigned int nr, bool revoke)
{
	fmt->ops->release(fmt->domain(test), records(handle, nr), nr, revoke);
}

static void take_back(void *dev)
{
	struct kunit *test = kunit_get_current_test();

	fmt->ops->unpreserve(fmt->domain(test), dev);
}

/* Returns the device. */
static struct device *preserve_device(struct kunit *test)
{
	struct device *dev = fmt->device(test, false);
	struct irq_lu_unit_ser ser = { };

	if (!kho_is_enabled())
		kunit_skip(test, "KHO is off, boot with kho=on");

	KUNIT_ASSERT_EQ(test, fmt->ops->preserve(fmt->domain(test), dev, &ser), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, take_back, dev), 0);
	return dev;
}

static void block_and_boot(struct kunit *test, u32 handle, unsigned int nr)
{
	struct device *dev = preserve_device(test);

	block(test, handle, nr);
	kunit_release_action(test, take_back, dev);
	fmt->boot(test);
}

static void all_methods_are_there(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, fmt->ops->save && fmt->ops->preserve && fmt->ops->unpreserve &&
			  fmt->ops->block && fmt->ops->sync && fmt->ops->reserve &&
			  fmt->ops->check && fmt->ops->release && fmt->ops->finish);
}

static void observer_sees_a_torn_entry(struct kunit *test)
{
	fmt->fill(fmt->entry(test, fmt->handle), 0);
	look_at(test, fmt->handle);

	WRITE_ONCE(*(u16 *)seen.entry, *(u16 *)seen.entry ^ BIT(8));
	KUNIT_EXPECT_FALSE(test, seen.torn);
	WRITE_ONCE(*(u16 *)seen.entry, *(u16 *)seen.entry ^ BIT(9));
	KUNIT_EXPECT_TRUE(test, seen.torn);
	KUNIT_EXPECT_EQ(test, seen.stores, 2);
}

static void save_writes_handle_and_source_alone(struct kunit *test)
{
	struct irq_lu_vector_ser rec, expected;
	struct irq_data irqd = { };

	memset(&rec, 0x5a, sizeof(rec));
	expected = rec;
	expected.handle = fmt->handle;
	expected.source = fmt->source;

	fmt->own(test, fmt->handle, &irqd);
	fmt->ops->save(fmt->domain(test), &irqd, &rec);
	KUNIT_EXPECT_MEMEQ(test, &rec, &expected, sizeof(rec));
}

static void each_device_describes_the_same_unit(struct kunit *test)
{
	struct device *another = fmt->device(test, true);
	struct irq_lu_unit_ser ser = { }, again = { };

	preserve_device(test);
	KUNIT_ASSERT_EQ(test, fmt->ops->preserve(fmt->domain(test), another, &ser), 0);
	fmt->ops->unpreserve(fmt->domain(test), another);
	KUNIT_EXPECT_NE(test, ser.table, 0);
	KUNIT_EXPECT_GT(test, ser.nr_entries, fmt->handle);
	KUNIT_EXPECT_FALSE(test, memchr_inv(ser.reserved, 0, sizeof(ser.reserved)));

	again = ser;
	KUNIT_ASSERT_EQ(test, fmt->ops->preserve(fmt->domain(test), another, &again), 0);
	fmt->ops->unpreserve(fmt->domain(test), another);
	KUNIT_EXPECT_MEMEQ(test, &again, &ser, sizeof(ser));
}

static void table_is_preserved_until_its_last_device_goes(struct kunit *test)
{
	struct device *another = fmt->device(test, true);
	struct device *dev = preserve_device(test);
	struct irq_lu_unit_ser ser = { };

	KUNIT_ASSERT_EQ(test, fmt->ops->preserve(fmt->domain(test), another, &ser), 0);
	fmt->ops->unpreserve(fmt->domain(test), another);
	fmt->open(test, fmt->handle, 0);
	block(test, fmt->handle, 1);
	fmt->open(test, fmt->handle, 0);
	expect_blocked(test, fmt->handle);

	kunit_release_action(test, take_back, dev);
	fmt->open(test, fmt->handle, 0);
	KUNIT_EXPECT_TRUE(test, fmt->is_present(fmt->entry(test, fmt->handle)));
}

static void blocked_entry_lets_nothing_through(struct kunit *test)
{
	unsigned int kind;

	preserve_device(test);
	look_at(test, fmt->handle);
	for (kind = 0; kind < fmt->nr_kinds; kind++) {
		fmt->fill(seen.entry, kind);
		start_notes(test);

		block(test, fmt->handle, 1);
		expect_blocked(test, fmt->handle);
		KUNIT_EXPECT_FALSE_MSG(test, seen.torn, "kind %u", kind);
		KUNIT_EXPECT_FALSE(test, fmt->is_present(seen.present));
		/* One flush for all entries is enough, see sync. */
		expect_flushes(test, 0);
	}
}

static void nobody_changes_a_blocked_entry(struct kunit *test)
{
	unsigned int kind;

	preserve_device(test);
	fmt->open(test, fmt->handle, 0);
	block(test, fmt->handle, 1);
	look_at(test, fmt->handle);

	for (kind = 0; kind < fmt->nr_kinds; kind++) {
		fmt->open(test, fmt->handle, kind);
		fmt->close(test, fmt->handle);
	}
	KUNIT_EXPECT_EQ(test, seen.stores, 0);
	expect_blocked(test, fmt->handle);

	/* The neighbour is not handed over. */
	fmt->open(test, fmt->handle + 1, 0);
	KUNIT_EXPECT_TRUE(test, fmt->is_present(fmt->entry(test, fmt->handle + 1)));
}

static void messages_are_blocked_together(struct kunit *test)
{
	unsigned int i;

	preserve_device(test);
	for (i = 0; i < 4; i++)
		fmt->open(test, fmt->handle + i, 0);
	block(test, fmt->handle, 4);
	for (i = 0; i < 4; i++) {
		fmt->open(test, fmt->handle + i, 0);
		expect_blocked(test, fmt->handle + i);
	}
}

static void sync_flushes_once(struct kunit *test)
{
	unsigned int i;

	preserve_device(test);
	look_at(test, fmt->handle);
	for (i = 0; i < 8; i++)
		block(test, fmt->handle + i, 1);
	expect_flushes(test, 0);

	fmt->ops->sync(fmt->domain(test));
	expect_flushes(test, 1);
}

static void blocked_entry_can_be_reserved_once(struct kunit *test)
{
	block_and_boot(test, fmt->handle, 1);
	look_at(test, fmt->handle);

	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle, 1), 0);
	KUNIT_EXPECT_TRUE(test, fmt->is_taken(test, fmt->handle));
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle, 1), -EEXIST);
	KUNIT_EXPECT_EQ(test, seen.stores, 0);
	expect_blocked(test, fmt->handle);
}

static void blocked_entry_has_no_past(struct kunit *test)
{
	unsigned int kind;

	for (kind = 0; kind < fmt->nr_kinds; kind++) {
		fmt->fill(fmt->entry(test, fmt->handle), kind);
		block_and_boot(test, fmt->handle, 1);
		KUNIT_EXPECT_EQ_MSG(test, reserve(test, fmt->handle, 1), 0, "kind %u", kind);
		fmt->boot(test);
	}
}

static void each_bit_of_the_entry_counts(struct kunit *test)
{
	unsigned int bit;
	u8 *entry;

	block_and_boot(test, fmt->handle, 1);
	entry = fmt->entry(test, fmt->handle);
	for (bit = 0; bit < 8 * fmt->entry_size; bit++) {
		entry[bit / 8] ^= BIT(bit % 8);
		KUNIT_EXPECT_EQ_MSG(test, reserve(test, fmt->handle, 1), -EINVAL, "bit %u", bit);
		entry[bit / 8] ^= BIT(bit % 8);
	}
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle, 1), 0);
}

static void what_is_not_blocked_is_refused(struct kunit *test)
{
	unsigned int kind;

	block_and_boot(test, fmt->handle, 1);
	for (kind = 0; kind < fmt->nr_kinds; kind++) {
		fmt->fill(fmt->entry(test, fmt->handle), kind);
		KUNIT_EXPECT_EQ_MSG(test, reserve(test, fmt->handle, 1), -EINVAL, "kind %u", kind);
	}
	memset(fmt->entry(test, fmt->handle), 0, fmt->entry_size);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle, 1), -EINVAL);
}

static void entry_of_another_source_is_refused(struct kunit *test)
{
	struct irq_lu_vector_ser rec = record(fmt->handle);

	block_and_boot(test, fmt->handle, 1);
	rec.source ^= BIT(0);
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), -EINVAL);
	rec.source ^= BIT(0);
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), 0);
}

static void message_has_to_name_the_entry(struct kunit *test)
{
	struct irq_lu_vector_ser rec = record(fmt->handle + 1);

	block_and_boot(test, fmt->handle, 1);
	fmt->message(&rec);
	rec.flags = IRQ_LU_VECTOR_ACTIVATED;
	rec.handle = fmt->handle;
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), -EINVAL);
	fmt->message(&rec);
	KUNIT_EXPECT_EQ(test, fmt->ops->reserve(fmt->domain(test), &rec, 1), 0);
}

static void messages_are_reserved_together(struct kunit *test)
{
	unsigned int i;

	block_and_boot(test, fmt->handle, 8);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle + 2, 4), -EINVAL);

	/* All of them, or none */
	fmt->fill(fmt->entry(test, fmt->handle + 3), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle, 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle, 1), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle + 1, 1), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle + 2, 1), 0);
	block_and_boot(test, fmt->handle, 8);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle + 3, 1), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle, 4), -EEXIST);
	block_and_boot(test, fmt->handle, 8);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle, 4), 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle + i, 1), -EEXIST);
	KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle + 4, 1), 0);
}

static void messages_are_revoked_together(struct kunit *test)
{
	unsigned int i;

	block_and_boot(test, fmt->handle, 8);
	KUNIT_ASSERT_EQ(test, reserve(test, fmt->handle, 4), 0);
	KUNIT_ASSERT_EQ(test, reserve(test, fmt->handle + 4, 1), 0);

	release(test, fmt->handle, 4, true);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_FALSE(test, fmt->is_taken(test, fmt->handle + i));
		KUNIT_EXPECT_FALSE(test, fmt->is_held(test, fmt->handle + i));
		/* Nothing is left that a record could name. */
		KUNIT_EXPECT_EQ(test, reserve(test, fmt->handle + i, 1), -EINVAL);
	}
	KUNIT_EXPECT_TRUE(test, fmt->is_taken(test, fmt->handle + 4));
	KUNIT_EXPECT_TRUE(test, fmt->is_held(test, fmt->handle + 4));
}

static void messages_are_held_together(struct kunit *test)
{
	unsigned int i;

	block_and_boot(test, fmt->handle, 4);
	KUNIT_ASSERT_EQ(test, reserve(test, fmt->handle, 4), 0);
	for (i = 0; i < 4; i++) {
		fmt->open(test, fmt->handle + i, 0);
		fmt->close(test, fmt->handle + i);
		expect_blocked(test, fmt->handle + i);
		KUNIT_EXPECT_TRUE(test, fmt->is_taken(test, fmt->handle + i));
	}
}

static void released_entry_belongs_to_its_user(struct kunit *test)
{
	block_and_boot(test, fmt->handle, 1);
	KUNIT_ASSERT_EQ(test, reserve(test, fmt->handle, 1), 0);
	fmt->open(test, fmt->handle, 0);
	look_at(test, fmt->handle);

	release(test, fmt->handle, 1, false);
	KUNIT_EXPECT_EQ(test, seen.stores, 0);
	KUNIT_EXPECT_TRUE(test, fmt->is_taken(test, fmt->handle));
	KUNIT_EXPECT_FALSE(test, fmt->is_held(test, fmt->handle));
	KUNIT_EXPECT_TRUE(test, fmt->is_present(seen.entry));
}

static void revoked_entry_is_free(struct kunit *test)
{
	block_and_boot(test, fmt->handle, 2);
	KUNIT_ASSERT_EQ(test, reserve(test, fmt->handle, 1), 0);
	KUNIT_ASSERT_EQ(test, reserve(test, fmt->handle + 1, 1), 0);
	look_at(test, fmt->handle);

	release(test, fmt->handle, 1, true);
	KUNIT_EXPECT_FALSE(test, fmt->is_taken(test, fmt->handle));
	KUNIT_EXPECT_FALSE(test, fmt->is_present(seen.entry));
	KUNIT_EXPECT_FALSE(test, fmt->is_present(seen.present));
	KUNIT_EXPECT_TRUE(test, fmt->is_taken(test, fmt->handle + 1));
}

static void reserved_entry_opens_whole_and_closes_silent(struct kunit *test)
{
	unsigned int kind;

	block_and_boot(test, fmt->handle, 1);
	KUNIT_ASSERT_EQ(test, reserve(test, fmt->handle, 1), 0);
	look_at(test, fmt->handle);

	for (kind = 0; kind < fmt->nr_kinds; kind++) {
		start_notes(test);
		fmt->open(test, fmt->handle, kind);
		KUNIT_EXPECT_TRUE_MSG(test, fmt->is_present(seen.entry), "kind %u", kind);
		KUNIT_EXPECT_FALSE_MSG(test, seen.torn, "kind %u", kind);
		expect_flushes(test, 1);

		start_notes(test);
		fmt->close(test, fmt->handle);
		expect_blocked(test, fmt->handle);
		KUNIT_EXPECT_TRUE(test, fmt->is_taken(test, fmt->handle));
		KUNIT_EXPECT_FALSE_MSG(test, seen.torn, "kind %u", kind);
		expect_flushes(test, 1);
	}
}

/* Reserved, free, and in use */
static void free_entries_report_faults_after_finish(struct kunit *test)
{
	u32 held = fmt->handle, free = held + 1, used = held + 2, alien = held + 3;
	u8 before[MAX_ENTRY_SIZE];
	unsigned int i;

	block_and_boot(test, held, 3);
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, reserve(test, held + i, 1), 0);
	release(test, free, 1, true);
	fmt->open(test, used, 0);
	release(test, used, 1, false);
	fmt->fill(fmt->entry(test, alien), 0);
	memcpy(before, fmt->entry(test, used), fmt->entry_size);
	look_at(test, free);

	fmt->ops->finish(fmt->domain(test));
	KUNIT_EXPECT_FALSE(test, fmt->is_present(seen.entry));
	KUNIT_EXPECT_FALSE(test, fmt->is_silent(seen.entry));
	KUNIT_EXPECT_FALSE(test, fmt->is_present(seen.present));
	KUNIT_EXPECT_FALSE(test, fmt->is_taken(test, free));
	expect_blocked(test, held);
	KUNIT_EXPECT_TRUE(test, fmt->is_held(test, held));
	KUNIT_EXPECT_MEMEQ(test, fmt->entry(test, used), before, fmt->entry_size);
	KUNIT_EXPECT_TRUE(test, fmt->is_present(fmt->entry(test, alien)));

	/* The last one is released later. */
	release(test, held, 1, true);
	fmt->ops->finish(fmt->domain(test));
	KUNIT_EXPECT_FALSE(test, fmt->is_silent(fmt->entry(test, held)));
}

static void finish_flushes_what_reports_faults_again(struct kunit *test)
{
	block_and_boot(test, fmt->handle, 1);
	KUNIT_ASSERT_EQ(test, reserve(test, fmt->handle, 1), 0);
	release(test, fmt->handle, 1, true);
	look_at(test, fmt->handle);
	if (!fmt->is_silent(seen.entry))
		kunit_skip(test, "a free entry of this format suppresses no faults");

	fmt->ops->finish(fmt->domain(test));
	expect_flushes(test, 1);
}

static void check_knows_the_device(struct kunit *test)
{
	struct irq_lu_vector_ser rec = record(fmt->handle);
	struct irq_domain *d = fmt->domain(test);

	block_and_boot(test, fmt->handle, 1);
	KUNIT_EXPECT_TRUE(test, fmt->ops->check(d, fmt->device(test, false), &rec));
	KUNIT_EXPECT_FALSE(test, fmt->ops->check(d, fmt->device(test, true), &rec));
}

/* Each suite needs an array of its own: cases keep their results. */
#define DEFINE_IOMMU_SUITE_CASES(_name)					\
static struct kunit_case _name[] = {					\
	KUNIT_CASE(all_methods_are_there),				\
	KUNIT_CASE(observer_sees_a_torn_entry),				\
	KUNIT_CASE(save_writes_handle_and_source_alone),		\
	KUNIT_CASE(each_device_describes_the_same_unit),		\
	KUNIT_CASE(table_is_preserved_until_its_last_device_goes),	\
	KUNIT_CASE(blocked_entry_lets_nothing_through),			\
	KUNIT_CASE(nobody_changes_a_blocked_entry),			\
	KUNIT_CASE(messages_are_blocked_together),			\
	KUNIT_CASE(sync_flushes_once),					\
	KUNIT_CASE(blocked_entry_can_be_reserved_once),			\
	KUNIT_CASE(blocked_entry_has_no_past),				\
	KUNIT_CASE(each_bit_of_the_entry_counts),			\
	KUNIT_CASE(what_is_not_blocked_is_refused),			\
	KUNIT_CASE(entry_of_another_source_is_refused),			\
	KUNIT_CASE(message_has_to_name_the_entry),			\
	KUNIT_CASE(messages_are_reserved_together),			\
	KUNIT_CASE(messages_are_held_together),				\
	KUNIT_CASE(messages_are_revoked_together),			\
	KUNIT_CASE(released_entry_belongs_to_its_user),			\
	KUNIT_CASE(revoked_entry_is_free),				\
	KUNIT_CASE(reserved_entry_opens_whole_and_closes_silent),	\
	KUNIT_CASE(free_entries_report_faults_after_finish),		\
	KUNIT_CASE(finish_flushes_what_reports_faults_again),		\
	KUNIT_CASE(check_knows_the_device),				\
	{ }								\
}

#endif /* _KUNIT_IOMMU_SUITE_H */
