// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the core of interrupt live update: which numbers and entries are
 * reserved and taken over, and what is refused and starts cold.
 */

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/irq_liveupdate/outcome.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/hash.h>
#include <linux/irq.h>
#include <linux/kexec_handover.h>
#include <linux/sizes.h>

#include "kunit_fake_machine.h"
#include "kunit_load.h"

/* Size of the hash in which the core finds a device by its address */
#define DEVICE_HASH_BITS 8

/*
 * Placement of irq numbers
 */

/* Bit i stands for irq_base + i. */
struct placement {
	const char	*desc;
	unsigned long	reserved;
	unsigned long	taken;
	unsigned int	cnt;
	unsigned int	expected;
};

static const struct placement placements[] = {
	{ "nothing in the way",		0b10000, 0b000, 1, 0 },
	{ "one at the start",		0b00001, 0b000, 1, 1 },
	{ "three at the start",		0b00111, 0b000, 1, 3 },
	{ "behind one in use",		0b00010, 0b001, 1, 2 },
	{ "between two in use",		0b00010, 0b101, 1, 3 },
	{ "in the middle of a range",	0b00010, 0b000, 3, 2 },
	{ "at the end of a range",	0b00100, 0b000, 3, 3 },
	{ "range fits in front",	0b00100, 0b000, 2, 0 },
	{ "range fits in between",	0b01001, 0b000, 2, 1 },
	{ "range fits behind",		0b10101, 0b000, 2, 5 },
	{ "range ends at one in use",	0b00001, 0b100, 2, 3 },
};

KUNIT_ARRAY_PARAM_DESC(placement, placements, desc);

static void image_add_reserved(struct kunit *test, unsigned long reserved)
{
	struct irq_lu_device_ser *ser;
	unsigned int nr = 0, i;

	ser = fake_image_add(test, &fake_msix_head, &fake_vector, hweight_long(reserved));
	for_each_set_bit(i, &reserved, BITS_PER_LONG)
		ser->vectors[nr++].irq = fake_irq_base + i;
	irq_lu_ser_seal_device(ser);
}

static void search_skips_reserved_numbers(struct kunit *test)
{
	const struct placement *p = test->param_value;
	unsigned int i;
	int irq;

	fake_image_init(test);
	image_add_reserved(test, p->reserved);
	for_each_set_bit(i, &p->taken, BITS_PER_LONG)
		KUNIT_ASSERT_EQ(test, irq_alloc_desc_at(fake_irq_base + i, NUMA_NO_NODE),
				fake_irq_base + i);
	fake_boot(test);

	irq = irq_alloc_descs(-1, 0, p->cnt, NUMA_NO_NODE);
	KUNIT_EXPECT_EQ(test, irq, fake_irq_base + p->expected);

	if (irq >= 0)
		irq_free_descs(irq, p->cnt);
	for_each_set_bit(i, &p->taken, BITS_PER_LONG)
		irq_free_desc(fake_irq_base + i);
}

static void exact_request_gets_a_reserved_number(struct kunit *test)
{
	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, 1);
	fake_boot(test);

	KUNIT_EXPECT_EQ(test, irq_alloc_desc_at(IRQ_RECORDED, NUMA_NO_NODE), IRQ_RECORDED);
	KUNIT_EXPECT_EQ(test, irq_alloc_desc_at(IRQ_RECORDED, NUMA_NO_NODE), -EEXIST);

	irq_free_desc(IRQ_RECORDED);
}

static void freed_number_is_reserved_until_finish(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_reserved(fake->dev));
	irq_liveupdate_match(fake->dev, &fake_device_ops);

	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, irq_liveupdate_reserved(fake->dev));
		KUNIT_EXPECT_FALSE(test, fake_is_free(IRQ_RECORDED));
		KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
		fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
		KUNIT_EXPECT_EQ(test, fake_request(fake, 0, 0), 0);
		fake_free_vectors(fake);
	}

	fake_end(fake);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_reserved(fake->dev));
	fake_expect_revoked(test, &fake_vector, NR_VECS);
	fake_expect_all_freed(test);
}

/*
 * Refused when it is taken over
 */

struct bad_vector {
	const char	*desc;
	u32		irq;
	u32		offset;		/* from irq_base, when irq is zero */
	u32		handle;
};

/* Replaced by the highest number that no search returns */
#define IRQ_SYSTEM	U32_MAX

#define OFFSET_FREE	20
#define HANDLE_FREE	20
#define HANDLE_OPEN	60
#define HANDLE_TAKEN	61

static const struct bad_vector bad_vectors[] = {
	{ "irq number in use by the system",	1,		0,		HANDLE_FREE },
	{ "irq number of the system",		IRQ_SYSTEM,	0,		HANDLE_FREE },
	{ "irq number beyond the limit",	BIT(20),	0,		HANDLE_FREE },
	{ "irq number beyond any limit",	INT_MAX - 1,	0,		HANDLE_FREE },
	{ "irq number is in use",		0,		48,		HANDLE_FREE },
	{ "irq number of another device",	0,		32,		HANDLE_FREE },
	{ "irq number of the same device",	0,		16,		HANDLE_FREE },
	{ "entry is not blocked",		0,		OFFSET_FREE,	HANDLE_OPEN },
	{ "entry is in use",			0,		OFFSET_FREE,	HANDLE_TAKEN },
	{ "entry of another device",		0,		OFFSET_FREE,	35 },
	{ "entry of the same device",		0,		OFFSET_FREE,	17 },
};

KUNIT_ARRAY_PARAM_DESC(bad_vector, bad_vectors, desc);

/* The second of three vectors is bad: none of them is adopted. */
static void bad_vector_refuses_its_device_only(struct kunit *test)
{
	const struct bad_vector *bad = test->param_value;
	struct fake_device *good = fake_add(test, "good", &fake_other_head, 0);
	struct fake_device *fake = fake_add(test, "bad", &fake_msix_head, 0);
	struct fake_machine *m = test->priv;
	struct irq_lu_device_ser *ser;

	KUNIT_ASSERT_EQ(test, irq_alloc_desc_at(IRQ_TAKEN, NUMA_NO_NODE), IRQ_TAKEN);
	fake_image_init(test);
	fake_image_add(test, &fake_other_head, &fake_other_vector, NR_VECS);
	ser = fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	m->units[0].table[fake_vector.handle + 1] = 0;
	ser->vectors[1].irq = bad->irq == IRQ_SYSTEM ? arch_dynirq_lower_bound(0) - 1 :
						       bad->irq ?: fake_irq_base + bad->offset;
	ser->vectors[1].handle = bad->handle;
	irq_lu_ser_seal_device(ser);
	m->units[0].table[HANDLE_FREE] = ENTRY(fake_vector.source, ENTRY_FPD);
	m->units[0].table[HANDLE_OPEN] = ENTRY(fake_vector.source, ENTRY_PRESENT);
	m->units[0].table[HANDLE_TAKEN] = ENTRY(fake_vector.source, ENTRY_FPD);
	set_bit(HANDLE_TAKEN, m->units[0].used);
	fake_boot(test);

	KUNIT_EXPECT_TRUE(test, fake_is_free(IRQ_RECORDED));
	KUNIT_EXPECT_TRUE(test, fake_is_free(IRQ_RECORDED + 2));
	KUNIT_EXPECT_FALSE(test, test_bit(fake_vector.handle, m->units[0].used));
	KUNIT_EXPECT_FALSE(test, test_bit(fake_vector.handle, m->units[0].held));

	irq_liveupdate_match(fake->dev, &fake_device_ops);
	irq_liveupdate_match(good->dev, &fake_device_ops);
	KUNIT_EXPECT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	KUNIT_EXPECT_LT(test, fake_irq_of(fake, 0), IRQ_RECORDED);
	KUNIT_EXPECT_EQ(test, fake_alloc_vectors(good, NR_VECS), 0);
	fake_expect_adopted(test, good, &fake_other_vector, NR_VECS);

	fake_end(fake);
	fake_end(good);
	fake_expect_all_freed(test);
	irq_free_desc(IRQ_TAKEN);
}

static void broken_record_refuses_its_device_only(struct kunit *test)
{
	struct fake_device *good = fake_add(test, "good", &fake_other_head, 0);
	struct fake_device *fake = fake_add(test, "bad", &fake_msix_head, 0);
	struct irq_lu_device_ser *broken;

	fake_image_init(test);
	broken = fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	broken->checksum ^= 1;
	fake_image_add(test, &fake_other_head, &fake_other_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	irq_liveupdate_match(good->dev, &fake_device_ops);

	KUNIT_EXPECT_TRUE(test, fake_is_free(IRQ_RECORDED));
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(good, NR_VECS), 0);
	fake_expect_adopted(test, good, &fake_other_vector, NR_VECS);

	fake_end(fake);
	fake_end(good);
	fake_expect_all_freed_but(test, broken);
}

static u8 memory_of_this_kernel[2 * PAGE_SIZE] __aligned(PAGE_SIZE);

/* A pointer from the previous kernel may have any value. */
static void only_kept_memory_is_read_and_has_one_owner(struct kunit *test)
{
	void *(*take)(u64 phys, size_t len) = irq_lu_kho_memory.take;
	void *kept = alloc_kept(1);
	u64 phys;

	KUNIT_ASSERT_NOT_NULL(test, kept);
	phys = virt_to_phys(kept);
	KUNIT_EXPECT_NULL(test, take(phys, 2 * PAGE_SIZE + 1));
	KUNIT_EXPECT_NULL(test, take(phys, SIZE_MAX));
	KUNIT_EXPECT_NULL(test, take(phys + 8, 8));
	KUNIT_EXPECT_NULL(test, take(phys + PAGE_SIZE, 8));
	KUNIT_EXPECT_NULL(test, take(__pa_symbol(memory_of_this_kernel), PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, take(virt_to_phys(test), 8));
	KUNIT_EXPECT_NULL(test, take(0, 8));
	KUNIT_EXPECT_NULL(test, take(PFN_PHYS(max_pfn), 8));
	KUNIT_EXPECT_NULL(test, take(~(u64)0 & PAGE_MASK, 8));
	KUNIT_EXPECT_TRUE(test, is_kept(kept));

	KUNIT_EXPECT_PTR_EQ(test, irq_lu_kho_memory.map(phys, 2 * PAGE_SIZE), kept);
	KUNIT_EXPECT_TRUE(test, is_kept(kept));

	KUNIT_ASSERT_PTR_EQ(test, take(phys, 2 * PAGE_SIZE), kept);
	KUNIT_EXPECT_FALSE(test, is_kept(kept));
	KUNIT_EXPECT_NULL(test, take(phys, 1));
	KUNIT_EXPECT_NULL(test, irq_lu_kho_memory.map(phys, 1));
	irq_lu_kho_memory.free(kept);
}

/* The address of the root has no checksum, so it may be that of memory of a guest. */
static void memory_that_holds_no_root_stays_kept(struct kunit *test)
{
	struct irq_lu_root_ser *root = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, root);
	strscpy(root->compatible, "guest");

	load_as_booted(root, &irq_lu_kho_memory);
	KUNIT_EXPECT_NOT_NULL(test, irq_lu_in.refused);
	KUNIT_EXPECT_TRUE(test, is_kept(root));
	irq_lu_in.refused = NULL;
	KUNIT_ASSERT_NOT_NULL(test, irq_lu_kho_memory.take(virt_to_phys(root), PAGE_SIZE));
	irq_lu_kho_memory.free(root);
}

/* It would be freed twice. */
static void root_is_not_its_own_directory(struct kunit *test)
{
	struct irq_lu_root_ser *root = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, root);
	strscpy(root->compatible, IRQ_LU_COMPATIBLE);
	root->device_dir = virt_to_phys(root);
	irq_lu_ser_seal_root(root, NULL);

	load_as_booted(root, &irq_lu_kho_memory);
	KUNIT_EXPECT_STREQ(test, irq_lu_in.refused ?: "accepted",
			   "invalid address of the device directory");
	irq_lu_in.refused = NULL;
	irq_lu_kho_memory.free(root);
}

static void record_outside_of_kept_memory_is_neither_read_nor_freed(struct kunit *test)
{
	struct fake_device *good = fake_add(test, "good", &fake_other_head, 0);
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	fake_image_add(test, &fake_other_head, &fake_other_vector, NR_VECS);
	m->table[m->root->nr_devices++] = (struct irq_lu_device_ref_ser){
		.blob = SZ_4K,
		.len = irq_lu_ser_device_len(NR_VECS),
	};
	fake_boot(test);
	irq_liveupdate_match(good->dev, &fake_device_ops);

	KUNIT_EXPECT_FALSE(test, fake_is_free(IRQ_OTHER));
	fake_end(good);
	fake_expect_all_freed(test);
}

/* Neither read nor freed again, and the device of the first entry is not affected. */
static void memory_of_a_record_is_taken_once(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);
	struct fake_machine *m = test->priv;
	struct irq_lu_device_ref_ser *table;

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	table = m->table;
	table[1] = table[0];
	table[2].blob = table[0].blob + sizeof(struct irq_lu_device_ser);
	table[2].len = irq_lu_ser_device_len(0);
	m->root->nr_devices = 3;
	fake_boot(test);
	KUNIT_EXPECT_EQ(test, table[1].blob, 0);
	KUNIT_EXPECT_EQ(test, table[2].blob, 0);

	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
	fake_end(fake);
	fake_expect_all_freed(test);
}

static void refused_unit_refuses_what_is_behind_it(struct kunit *test)
{
	struct irq_lu_vector_ser behind = fake_other_vector;
	struct fake_machine *m = test->priv;

	behind.unit = 1;
	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_image_add(test, &fake_other_head, &behind, NR_VECS);
	fake_boot(test);

	irq_liveupdate_refuse_unit(&m->root->units[1], "the test says so");
	KUNIT_EXPECT_FALSE(test, fake_is_free(IRQ_RECORDED));
	fake_expect_revoked(test, &behind, NR_VECS);

	irq_liveupdate_revoke_absent();
	fake_expect_revoked(test, &fake_vector, NR_VECS);
	fake_expect_all_freed(test);

	/* A unit can be removed later. */
	irq_liveupdate_refuse_unit(&m->root->units[0], "the live update is over");
}

/*
 * Faults of free entries
 */

#define MORE_UNITS	(IRQ_LU_MAX_UNITS + 2)

static void forget_unit(void *domain)
{
	irq_liveupdate_remove_unit(domain);
}

static void suppress_faults(struct kunit *test, struct fake_unit *unit)
{
	irq_liveupdate_add_unit(unit->domain);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, forget_unit, unit->domain));
}

static void expect_finished(struct kunit *test, struct fake_unit *unit, unsigned int nr)
{
	irq_lu_wait_until_freed();
	KUNIT_EXPECT_EQ(test, unit->nr_finished, nr);
}

static void faults_are_reported_once_devices_are_stopped(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	suppress_faults(test, &m->units[0]);
	suppress_faults(test, &m->units[1]);
	irq_liveupdate_remove_unit(m->units[1].domain);

	irq_liveupdate_revoke_absent();
	expect_finished(test, &m->units[0], 0);
	irq_liveupdate_finish_units();
	expect_finished(test, &m->units[0], 1);
	expect_finished(test, &m->units[1], 0);

	/* The last device is gone: there is nothing more to do. */
	irq_liveupdate_finish_units();
	expect_finished(test, &m->units[0], 1);
}

/*
 * A device is finished, but none of its vectors was requested yet. If it is not @alone, another
 * device is still to come, so that the live update goes on.
 */
static struct fake_device *finish_unrequested(struct kunit *test, bool alone)
{
	struct fake_device *fake = fake_add(test, "late", &fake_msix_head, 0);
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	if (!alone)
		fake_image_add(test, &fake_other_head, &fake_other_vector, NR_VECS);
	fake_boot(test);
	suppress_faults(test, &m->units[0]);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	if (!alone)
		irq_liveupdate_match(fake_add(test, "other", &fake_other_head, 0)->dev,
				     &fake_device_ops);
	irq_liveupdate_finish(fake->dev);
	irq_liveupdate_revoke_absent();
	irq_liveupdate_finish_units();
	expect_finished(test, &m->units[0], 1);
	return fake;
}

static void faults_of_what_is_released_later_are_reported(struct kunit *test)
{
	struct fake_device *waits = finish_unrequested(test, true);
	struct fake_machine *m = test->priv;

	irq_liveupdate_release(waits->dev);
	fake_expect_revoked(test, &fake_vector, NR_VECS);
	expect_finished(test, &m->units[0], 2);
}

/* The last request ends the reservation. The first vector may have lost its handler by then. */
static void request_all(struct kunit *test, bool lose_first, unsigned int finished)
{
	struct fake_device *late = finish_unrequested(test, false);
	struct fake_machine *m = test->priv;

	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(late, NR_VECS), 0);
	for (unsigned int i = 0; i < NR_VECS - 1; i++)
		KUNIT_EXPECT_EQ(test, fake_request(late, i, 0), 0);
	if (lose_first)
		fake_release_irq(late, 0);

	KUNIT_EXPECT_EQ(test, fake_request(late, NR_VECS - 1, 0), 0);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_reserved(late->dev));
	expect_finished(test, &m->units[0], finished);
}

static void requests_leave_no_entry_closed(struct kunit *test)
{
	request_all(test, false, 1);
}

static void faults_of_a_closed_entry_are_reported(struct kunit *test)
{
	request_all(test, true, 2);
}

/* A request ends no reservation, unless it is the last one. */
static void faults_of_what_stays_in_use_are_not_reported_again(struct kunit *test)
{
	struct fake_device *late = finish_unrequested(test, true);
	struct fake_machine *m = test->priv;

	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(late, NR_VECS), 0);
	for (unsigned int i = 0; i < NR_VECS - 1; i++) {
		KUNIT_EXPECT_EQ(test, fake_request(late, i, 0), 0);
		expect_finished(test, &m->units[0], 1);
	}
	fake_expect_counts(test, late, NR_VECS - 1, 1);

	irq_liveupdate_release(late->dev);
	expect_finished(test, &m->units[0], 2);
	irq_liveupdate_release(late->dev);
	expect_finished(test, &m->units[0], 2);
}

/* Nothing was loaded, and no entry may be used. */
static void faults_are_reported_after_refused_state(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	strscpy(m->root->compatible, "another");
	fake_boot(test);
	suppress_faults(test, &m->units[0]);

	irq_liveupdate_revoke_absent();
	irq_liveupdate_finish_units();
	expect_finished(test, &m->units[0], 1);
}

/* A unit need not be handed over to have entries that suppress faults. */
static void more_units_than_records_can_name_report_faults(struct kunit *test)
{
	struct fake_machine *m = test->priv;
	struct irq_domain *domains;
	struct fake_unit *units;

	units = kunit_kcalloc(test, MORE_UNITS, sizeof(*units), GFP_KERNEL);
	domains = kunit_kcalloc(test, MORE_UNITS, sizeof(*domains), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, units);
	KUNIT_ASSERT_NOT_NULL(test, domains);
	fake_image_init(test);
	fake_boot(test);
	for (unsigned int i = 0; i < MORE_UNITS; i++) {
		domains[i].ops = m->units[0].domain->ops;
		domains[i].host_data = &units[i];
		units[i].domain = &domains[i];
		suppress_faults(test, &units[i]);
	}

	irq_liveupdate_revoke_absent();
	irq_liveupdate_finish_units();
	for (unsigned int i = 0; i < MORE_UNITS; i++)
		expect_finished(test, &units[i], 1);
}

/*
 * Refused when the device is found
 */

struct other_device {
	const char			*desc;
	const struct irq_lu_device_ser	*bits;	/* which differ */
};

#define BITS(_field, _bits)	(&(const struct irq_lu_device_ser){ ._field = _bits })

static const struct other_device other_devices[] = {
	{ "vendor",		BITS(vendor, 0x0001) },
	{ "device",		BITS(device, 0x8000) },
	{ "header type",	BITS(hdr_type, 1) },
	{ "MSI type",		BITS(msi_type, IRQ_LU_MSI ^ IRQ_LU_MSIX) },
	{ "vectors",		BITS(hwsize, HWSIZE ^ 4) },
};

KUNIT_ARRAY_PARAM_DESC(other_device, other_devices, desc);

static void change_bits(struct irq_lu_device_ser *head, const struct irq_lu_device_ser *bits)
{
	for (size_t i = 0; i < sizeof(*head); i++)
		((u8 *)head)[i] ^= ((const u8 *)bits)[i];
}

static void expect_cold(struct kunit *test, struct fake_device *fake, unsigned int nr)
{
	fake_use_cold(test, fake, nr);
	fake_expect_revoked(test, &fake_vector, NR_VECS);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_reserved(fake->dev));
	/*
	 * What the device has raised since the block was dropped, whatever became of its
	 * vectors.
	 */
	fake_end(fake);
	fake_expect_counts(test, fake, nr, 1);
	fake_expect_all_freed(test);
}

static void other_device_starts_cold(struct kunit *test)
{
	const struct other_device *other = test->param_value;
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	change_bits(&fake->head, other->bits);
	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);

	irq_liveupdate_match(fake->dev, &fake_device_ops);
	fake_expect_revoked(test, &fake_vector, NR_VECS);
	expect_cold(test, fake, 2);
}

/* The bus only asks about devices that were handed over. What it has raised was dropped. */
static void device_without_a_record_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_other_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);

	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_EXPECT_TRUE(test, irq_liveupdate_is_incoming(fake->dev));
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_reserved(fake->dev));
	fake_use_cold(test, fake, NR_VECS);
	KUNIT_EXPECT_FALSE(test, fake_is_free(IRQ_RECORDED));

	fake_end(fake);
	fake_expect_counts(test, fake, NR_VECS, 1);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_is_incoming(fake->dev));
}

static int node_error;

static int fail_find(phys_addr_t *phys, size_t *size)
{
	return node_error;
}

/* Asked before the first unit looks up its record. */
static bool was_handed_over_with(int error)
{
	bool handed_over;

	node_error = error;
	irq_lu_in.loaded = false;
	irq_lu_in.handed_over = false;
	handed_over = irq_liveupdate_handed_over();
	irq_lu_in.refused = NULL;
	return handed_over;
}

/* Whoever has left the node has also left devices running. */
static void damaged_node_is_not_a_cold_boot(struct kunit *test)
{
	bool was = irq_liveupdate_handed_over();

	kunit_activate_static_stub(test, irq_lu_find_root, fail_find);
	KUNIT_EXPECT_TRUE(test, was_handed_over_with(-EINVAL));
	KUNIT_EXPECT_FALSE(test, was_handed_over_with(-ENOENT));
	irq_lu_in.handed_over = was;
}

static void outcome_is_why_nothing_was_taken_over(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	irq_lu_ser_seal_root(m->root, m->table);
	m->root->state = IRQ_LU_STATE_PREPARED;
	start_outcome(test, fake_msix_head.segment, fake_msix_head.devid);

	load_as_booted(m->root, &fake_memory);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	expect_outcome(test, fake_msix_head.segment, fake_msix_head.devid, "not frozen");
	fake_end(fake);
}

static void outcome_is_that_there_is_no_valid_record(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_other_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	start_outcome(test, fake_other_head.segment, fake_other_head.devid);

	irq_liveupdate_match(fake->dev, &fake_device_ops);
	expect_outcome(test, fake_other_head.segment, fake_other_head.devid,
		       "no valid record of its interrupts");
	fake_end(fake);
}

static void device_without_any_record_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	irq_liveupdate_match(fake->dev, &fake_device_ops);
	fake_use_cold(test, fake, NR_VECS);
	fake_end(fake);
	fake_expect_counts(test, fake, NR_VECS, 1);
}

/* Another address in the same bucket of the device hash */
static u16 colliding_devid(u16 devid)
{
	u16 other = devid;

	do {
		other++;
	} while (hash_64(other, DEVICE_HASH_BITS) != hash_64(devid, DEVICE_HASH_BITS));
	return other;
}

static void devices_in_one_bucket_are_told_apart(struct kunit *test)
{
	struct irq_lu_device_ser second_head = fake_other_head, fake_third_head = fake_msix_head;
	struct fake_device *first, *second, *third;

	second_head.devid = colliding_devid(fake_msix_head.devid);
	fake_third_head.devid = colliding_devid(second_head.devid);
	first = fake_add(test, "first", &fake_msix_head, 0);
	second = fake_add(test, "second", &second_head, 0);
	third = fake_add(test, "third", &fake_third_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_image_add(test, &second_head, &fake_other_vector, NR_VECS);
	fake_boot(test);

	irq_liveupdate_match(third->dev, &fake_device_ops);
	irq_liveupdate_match(second->dev, &fake_device_ops);
	irq_liveupdate_match(first->dev, &fake_device_ops);
	KUNIT_EXPECT_FALSE(test, irq_liveupdate_reserved(third->dev));
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(first, NR_VECS), 0);
	fake_expect_adopted(test, first, &fake_vector, NR_VECS);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(second, NR_VECS), 0);
	fake_expect_adopted(test, second, &fake_other_vector, NR_VECS);
}

static void first_of_two_records_of_a_device_counts(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_image_add(test, &fake_msix_head, &fake_other_vector, NR_VECS);
	fake_boot(test);
	KUNIT_EXPECT_TRUE(test, fake_is_free(IRQ_OTHER));

	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
}

/* The array of records ends with the highest number. */
static void only_recorded_numbers_have_an_entry(struct kunit *test)
{
	unsigned int last = IRQ_RECORDED + NR_VECS - 1;
	u32 target;

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);

	for (unsigned int i = 0; i < NR_VECS; i++)
		KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(IRQ_RECORDED + i),
				fake_vector.handle + i);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_target(last, &target), 0);
	KUNIT_EXPECT_EQ(test, target, TARGET);

	KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(0), -1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(IRQ_RECORDED - 1), -1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(last + 1), -1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_handle(INT_MAX), -1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_target(last + 1, &target), -ENOENT);
}

/*
 * Refused when the driver allocates the first interrupt
 */

/* MSI that the previous kernel has left enabled is disabled by then. */
static void expect_refused(struct kunit *test, struct fake_device *fake, unsigned int nr)
{
	KUNIT_EXPECT_TRUE(test, irq_liveupdate_reserved(fake->dev));
	KUNIT_EXPECT_FALSE(test, fake->disabled);
	KUNIT_EXPECT_FALSE(test, fake_is_free(IRQ_RECORDED));
	expect_cold(test, fake, nr);
	KUNIT_EXPECT_TRUE(test, fake->disabled);
}

static void other_msi_type_starts_cold(struct kunit *test)
{
	const struct irq_lu_device_ser * const *type = test->param_value;
	const struct irq_lu_device_ser *head = *type;
	struct fake_device *fake = fake_add(test, "new", head, 0);

	fake_image_init(test);
	fake_image_add(test, head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);

	fake->head.msi_type ^= IRQ_LU_MSI ^ IRQ_LU_MSIX;
	expect_refused(test, fake, NR_VECS);
}

KUNIT_ARRAY_PARAM(msi_type, fake_msi_types, fake_describe_type);

/* Without the unit, a message of MSI would be taken for a vector. MSI-X is masked. */
static void msi_without_its_unit_is_disabled_when_found(struct kunit *test)
{
	const struct irq_lu_device_ser * const *type = test->param_value;
	const struct irq_lu_device_ser *head = *type;
	struct fake_device *fake = fake_add(test, "new", head, 0);
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	fake_image_add(test, head, &fake_vector, NR_VECS);
	m->root->units[fake_vector.unit].nr_entries = NR_ENTRIES * 2;
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);

	KUNIT_EXPECT_EQ(test, fake->disabled, head == &fake_msi_head);
	fake_end(fake);
	fake_expect_all_freed(test);
}

static void msi_is_left_enabled_with_its_unit(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msi_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msi_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);

	KUNIT_EXPECT_FALSE(test, fake->disabled);
	fake_end(fake);
	fake_expect_all_freed(test);
}

/* Unit 0 was taken over, and then given up because another one cannot be set up. */
static void msi_is_disabled_when_its_unit_is_torn_down(struct kunit *test)
{
	struct fake_device *found = fake_add(test, "found", &fake_msi_head, 0);
	struct irq_lu_device_ser late_head = fake_msi_head;
	struct fake_machine *m = test->priv;
	struct fake_device *late;

	late_head.devid = fake_other_head.devid;
	late_head.requester_id = fake_other_head.requester_id;
	late = fake_add(test, "late", &late_head, 0);
	fake_image_init(test);
	fake_image_add(test, &fake_msi_head, &fake_vector, NR_VECS);
	fake_image_add(test, &late_head, &fake_other_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(found->dev, &fake_device_ops);
	KUNIT_EXPECT_FALSE(test, found->disabled);

	irq_liveupdate_refuse_unit(&m->root->units[0], "the test says so");
	KUNIT_EXPECT_TRUE(test, found->disabled);
	fake_expect_revoked(test, &fake_vector, NR_VECS);

	irq_liveupdate_match(late->dev, &fake_device_ops);
	KUNIT_EXPECT_TRUE(test, late->disabled);
	fake_expect_revoked(test, &fake_other_vector, NR_VECS);

	/* Drivers still get vectors, and no domain is used that is gone. */
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(late, NR_VECS), 0);
	fake_end(late);
	fake_end(found);
	fake_expect_all_freed(test);
}

static void driver_which_changes_the_msi_type_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
	fake_free_vectors(fake);

	fake->head.msi_type = IRQ_LU_MSI;
	expect_refused(test, fake, NR_VECS);
}

static void other_number_of_msi_messages_starts_cold(struct kunit *test)
{
	unsigned int nr = *(const unsigned int *)test->param_value;
	struct fake_device *fake = fake_add(test, "new", &fake_msi_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msi_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);

	expect_refused(test, fake, nr);
}

static const unsigned int other_counts[] = { 1, NR_VECS - 1, NR_VECS + 1, 8 };

KUNIT_ARRAY_PARAM(other_count, other_counts, fake_describe_count);

static void other_source_id_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);
	struct irq_lu_vector_ser foreign = fake_vector;

	foreign.source++;
	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &foreign, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_EXPECT_FALSE(test, fake_is_free(IRQ_RECORDED));

	expect_cold(test, fake, NR_VECS);
}

static void other_requester_id_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	start_outcome(test, fake_msix_head.segment, fake_msix_head.devid);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	fake->head.requester_id ^= 1;

	expect_cold(test, fake, NR_VECS);
	expect_outcome(test, fake_msix_head.segment, fake_msix_head.devid,
		       "requester id differs");
}

/* A fixup that adds an alias runs after the device was matched. */
static void requester_id_may_change_before_vectors_are_allocated(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	fake->head.requester_id ^= 1;
	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	fake->head.requester_id ^= 1;

	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
}

static void device_behind_another_unit_starts_cold(struct kunit *test)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 1);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_EXPECT_FALSE(test, fake_is_free(IRQ_RECORDED));

	expect_cold(test, fake, NR_VECS);
}

static struct kunit_case core_test_cases[] = {
	KUNIT_CASE_PARAM(search_skips_reserved_numbers, placement_gen_params),
	KUNIT_CASE(exact_request_gets_a_reserved_number),
	KUNIT_CASE(freed_number_is_reserved_until_finish),
	KUNIT_CASE_PARAM(bad_vector_refuses_its_device_only, bad_vector_gen_params),
	KUNIT_CASE(broken_record_refuses_its_device_only),
	KUNIT_CASE(only_kept_memory_is_read_and_has_one_owner),
	KUNIT_CASE(memory_that_holds_no_root_stays_kept),
	KUNIT_CASE(root_is_not_its_own_directory),
	KUNIT_CASE(record_outside_of_kept_memory_is_neither_read_nor_freed),
	KUNIT_CASE(memory_of_a_record_is_taken_once),
	KUNIT_CASE(refused_unit_refuses_what_is_behind_it),
	KUNIT_CASE(faults_are_reported_once_devices_are_stopped),
	KUNIT_CASE(faults_of_what_is_released_later_are_reported),
	KUNIT_CASE(requests_leave_no_entry_closed),
	KUNIT_CASE(faults_of_a_closed_entry_are_reported),
	KUNIT_CASE(faults_of_what_stays_in_use_are_not_reported_again),
	KUNIT_CASE(faults_are_reported_after_refused_state),
	KUNIT_CASE(more_units_than_records_can_name_report_faults),
	KUNIT_CASE_PARAM(other_device_starts_cold, other_device_gen_params),
	KUNIT_CASE(device_without_a_record_starts_cold),
	KUNIT_CASE(damaged_node_is_not_a_cold_boot),
	KUNIT_CASE(outcome_is_why_nothing_was_taken_over),
	KUNIT_CASE(outcome_is_that_there_is_no_valid_record),
	KUNIT_CASE(device_without_any_record_starts_cold),
	KUNIT_CASE_PARAM(msi_without_its_unit_is_disabled_when_found, msi_type_gen_params),
	KUNIT_CASE(msi_is_left_enabled_with_its_unit),
	KUNIT_CASE(msi_is_disabled_when_its_unit_is_torn_down),
	KUNIT_CASE(devices_in_one_bucket_are_told_apart),
	KUNIT_CASE(first_of_two_records_of_a_device_counts),
	KUNIT_CASE(only_recorded_numbers_have_an_entry),
	KUNIT_CASE_PARAM(other_msi_type_starts_cold, msi_type_gen_params),
	KUNIT_CASE(driver_which_changes_the_msi_type_starts_cold),
	KUNIT_CASE_PARAM(other_number_of_msi_messages_starts_cold, other_count_gen_params),
	KUNIT_CASE(other_source_id_starts_cold),
	KUNIT_CASE(other_requester_id_starts_cold),
	KUNIT_CASE(requester_id_may_change_before_vectors_are_allocated),
	KUNIT_CASE(device_behind_another_unit_starts_cold),
	{}
};

static struct kunit_suite core_test_suite = {
	.name		= "irq_liveupdate_core",
	.init		= fake_machine_init,
	.test_cases	= core_test_cases,
};

kunit_test_suite(core_test_suite);

MODULE_DESCRIPTION("KUnit tests of the core of interrupt live update");
MODULE_LICENSE("GPL");
