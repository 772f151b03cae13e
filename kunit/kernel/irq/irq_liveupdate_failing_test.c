// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of interrupt live update with state that was changed at random, and with
 * allocations that fail.
 */

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/test.h>
#include <linux/irq.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "kunit_fake_machine.h"

/*
 * Mutations of what the previous kernel left: in any case, each device gets
 * either all that is reserved or none of it, and works, and nothing is left
 * behind.
 */

#define IMAGE_SEED		0x5eed11fe
#define NR_IMAGES		(IS_ENABLED(CONFIG_KASAN) ? 100 : 500)
#define MAX_IMAGE_CHANGES		3

struct saved_image {
	struct irq_lu_root_ser		root;
	struct irq_lu_unit_ser		units[NR_UNITS];
	struct irq_lu_device_ref_ser	table[2];
	u8				devices[2][SZ_256];
};

static void save_image(struct fake_machine *m, struct saved_image *saved)
{
	saved->root = *m->root;
	memcpy(saved->units, m->root->units, sizeof(saved->units));
	memcpy(saved->table, m->table, sizeof(saved->table));
	for (unsigned int i = 0; i < 2; i++)
		memcpy(saved->devices[i], phys_to_virt(m->table[i].blob), m->table[i].len);
}

/* As it was before the first boot. */
static void restore_image(struct fake_machine *m, const struct saved_image *saved)
{
	*m->root = saved->root;
	memcpy(m->root->units, saved->units, sizeof(saved->units));
	memcpy(m->table, saved->table, sizeof(saved->table));
	for (unsigned int i = 0; i < 2; i++)
		memcpy(phys_to_virt(m->table[i].blob), saved->devices[i], m->table[i].len);
	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		m->blocks[i].taken = false;
		m->blocks[i].freed = false;
	}

	for (unsigned int i = 0; i < NR_VECS; i++) {
		m->units[0].table[fake_vector.handle + i] = ENTRY(fake_vector.source, ENTRY_FPD);
		m->units[0].table[fake_other_vector.handle + i] =
			ENTRY(fake_other_vector.source, ENTRY_FPD);
	}
}

/* A field becomes a small number, or one of its bits changes. */
static void change_mem_block(struct rnd_state *rnd, void *block, size_t len)
{
	u8 *byte = block + prandom_u32_state(rnd) % len;

	if (prandom_u32_state(rnd) % 2)
		*byte ^= BIT(prandom_u32_state(rnd) % BITS_PER_BYTE);
	else
		*byte = prandom_u32_state(rnd) % HWSIZE;
}

static void mutate_image(struct rnd_state *rnd, struct fake_machine *m)
{
	struct irq_lu_device_ser *devices[] = {
		phys_to_virt(m->table[0].blob), phys_to_virt(m->table[1].blob),
	};
	size_t len = m->table[0].len;

	for (u32 nr = 1 + prandom_u32_state(rnd) % MAX_IMAGE_CHANGES; nr; nr--) {
		u32 which = prandom_u32_state(rnd) % 8;

		if (which == 0)
			change_mem_block(rnd, m->root, struct_size(m->root, units, NR_UNITS));
		else if (which == 1)
			change_mem_block(rnd, m->table, 2 * sizeof(m->table[0]));
		else
			change_mem_block(rnd, devices[which % 2], len);
	}

	/* One mutation in eight is not sealed. */
	if (prandom_u32_state(rnd) % 8) {
		for (unsigned int i = 0; i < 2; i++) {
			devices[i]->nr_vectors = min_t(u32, devices[i]->nr_vectors, NR_VECS);
			irq_lu_ser_seal_device(devices[i]);
		}
		m->root->nr_devices = min_t(u32, m->root->nr_devices, 2);
		m->root->nr_units = min_t(u32, m->root->nr_units, IRQ_LU_MAX_UNITS);
		irq_lu_ser_seal_root(m->root, m->table);
	}
}

/* Returns how many vectors have their recorded numbers, and in @nr how many should. */
static unsigned int count_adopted(struct fake_device *fake, const struct irq_lu_device_ser *ser,
				  unsigned int *nr)
{
	unsigned int nr_adopted = 0;

	*nr = 0;
	for (unsigned int i = 0; i < min(ser->nr_vectors, NR_VECS); i++) {
		const struct irq_lu_vector_ser *rec = &ser->vectors[i];
		struct irq_data *irqd;

		if (rec->msi_index >= NR_VECS)
			continue;
		(*nr)++;
		irqd = irq_domain_get_irq_data(fake->unit->domain,
					       fake_irq_of(fake, rec->msi_index));
		if (irqd && irqd->irq == rec->irq && irqd->hwirq == rec->handle)
			nr_adopted++;
	}
	return nr_adopted;
}

static void use_vectors(struct kunit *test, struct fake_device *fake)
{
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	for (unsigned int i = 0; i < NR_VECS; i++) {
		KUNIT_ASSERT_EQ(test, fake_request(fake, i, 0), 0);
		atomic_set(&fake->count[i], 0);
	}
}

static void expect_nothing_left(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	KUNIT_EXPECT_TRUE(test, list_empty(&irq_liveupdate_incoming));
	KUNIT_EXPECT_TRUE(test, fake_is_free(fake_irq_base));
	KUNIT_EXPECT_TRUE(test, fake_is_free(IRQ_RECORDED));
	for (unsigned int i = 0; i < NR_UNITS; i++) {
		KUNIT_EXPECT_TRUE(test, bitmap_empty(m->units[i].used, NR_ENTRIES));
		KUNIT_EXPECT_TRUE(test, bitmap_empty(m->units[i].held, NR_ENTRIES));
	}
}

static void mutated_state_is_taken_over_or_refused(struct kunit *test)
{
	struct saved_image *saved = kunit_kzalloc(test, sizeof(*saved), GFP_KERNEL);
	const struct irq_lu_device_ser *ser[2];
	struct fake_machine *m = test->priv;
	unsigned int nr_adopted = 0;
	struct fake_device *fake[2];
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, saved);
	fake[0] = fake_add(test, "a", &fake_msix_head, 0);
	fake[1] = fake_add(test, "b", &fake_other_head, 0);
	fake_image_init(test);
	ser[0] = fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	ser[1] = fake_image_add(test, &fake_other_head, &fake_other_vector, NR_VECS);
	irq_lu_ser_seal_root(m->root, m->table);
	save_image(m, saved);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_end_live_update, NULL));

	for (unsigned int nr = 0; nr < NR_IMAGES; nr++) {
		prandom_seed_state(&rnd, (IMAGE_SEED + nr) * GOLDEN_RATIO_64);
		mutate_image(&rnd, m);
		fake_take_over(m);

		for (unsigned int i = 0; i < 2; i++) {
			unsigned int adopted, recorded;

			irq_liveupdate_match(fake[i]->dev, &fake_device_ops);
			use_vectors(test, fake[i]);
			adopted = count_adopted(fake[i], ser[i], &recorded);
			fake_end(fake[i]);
			irq_work_sync(&m->ipi);

			if (adopted)
				KUNIT_EXPECT_EQ(test, adopted, recorded);
			for (unsigned int v = 0; v < NR_VECS; v++)
				KUNIT_EXPECT_LE(test, atomic_read(&fake[i]->count[v]), 1);
			nr_adopted += !!adopted;
		}

		irq_liveupdate_revoke_absent();
		fake_free_vectors(fake[0]);
		fake_free_vectors(fake[1]);
		irq_lu_wait_until_freed();
		expect_nothing_left(test);
		restore_image(m, saved);
		if (test->status == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(test, "mutation %u, seed %#x", nr, IMAGE_SEED);
	}

	kunit_info(test, "seed %#x: %u mutations, %u of %u devices adopted", IMAGE_SEED,
		   NR_IMAGES, nr_adopted, 2 * NR_IMAGES);
	KUNIT_EXPECT_GT(test, nr_adopted, NR_IMAGES / 10);
	KUNIT_EXPECT_LT(test, nr_adopted, 2 * NR_IMAGES - NR_IMAGES / 10);
}

/*
 * Failing allocations
 */

static void failing_preserve_leaves_nothing_behind(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);
	unsigned int nth, nr_refused = 0;
	struct msi_msg hw[HWSIZE];
	u64 table[NR_ENTRIES];
	bool hit = true;

	init_failing(test);
	memcpy(hw, fake->hw, sizeof(hw));
	memcpy(table, fake->unit->table, sizeof(table));

	for (nth = 1; hit && nth < MAX_ALLOCATIONS; nth++) {
		int ret = 0;

		/* KHO warns when it cannot show its memory in debugfs. */
		kunit_warning_suppress(test) {
			fail_nth(nth);
			ret = fake_preserve(fake);
			hit = stop_failing();
			KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
		}
		if (ret) {
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			KUNIT_EXPECT_TRUE(test, hit);
			nr_refused++;
		} else {
			KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
			irq_liveupdate_unfreeze(fake->dev);
			fake_unpreserve(fake);
		}
		KUNIT_EXPECT_NULL(test, irq_lu_block());
		KUNIT_EXPECT_NULL(test, fake->unit->ser);
	}
	KUNIT_EXPECT_FALSE(test, hit);
	KUNIT_EXPECT_GT(test, nr_refused, 0);
	KUNIT_EXPECT_MEMEQ(test, hw, fake->hw, sizeof(hw));
	KUNIT_EXPECT_MEMEQ(test, table, fake->unit->table, sizeof(table));
	kunit_info(test, "%u allocations failed, %u of them refused the device", nth - 2,
		   nr_refused);
}

static void freeze_and_block_allocate_nothing(struct kunit *test)
{
	struct fake_device *fake = fake_add_running(test, "old", &fake_msix_head, 0, NR_VECS);

	init_failing(test);
	KUNIT_ASSERT_EQ(test, fake_preserve(fake), 0);

	fail_nth(1);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	irq_liveupdate_unfreeze(fake->dev);
	KUNIT_EXPECT_EQ(test, irq_liveupdate_freeze(fake->dev), 0);
	KUNIT_EXPECT_NOT_NULL(test, irq_lu_block());
	KUNIT_EXPECT_FALSE(test, stop_failing());
}

/* What one failing allocation changed in the next kernel */
struct failed_life {
	bool	loaded;
	bool	alloc_failed;
	bool	request_failed;
	bool	adopted;
};

/* A driver tries again when there is memory. */
static void alloc_and_request(struct kunit *test, struct fake_device *fake,
			      struct failed_life *life)
{
	int ret = fake_alloc_vectors(fake, NR_VECS);

	if (ret) {
		life->alloc_failed = true;
		KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, NR_VECS), 0);
	}

	for (unsigned int i = 0; i < NR_VECS; i++) {
		ret = fake_request(fake, i, 0);
		if (ret) {
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			life->request_failed = true;
			KUNIT_ASSERT_EQ(test, fake_request(fake, i, 0), 0);
		}
		atomic_set(&fake->count[i], 0);
	}
}

/* Returns whether the allocation that was to fail was reached. */
static bool live_with_failure(struct kunit *test, struct fake_device *fake,
			      unsigned int nth, struct failed_life *life)
{
	struct fake_machine *m = test->priv;

	fail_nth(nth);
	fake_take_over(m);
	life->loaded = irq_liveupdate_incoming_unit(IRQ_LU_BACKEND_VTD, 0, m->units[0].reg_base);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	alloc_and_request(test, fake, life);

	life->adopted = fake_irq_of(fake, 0) == fake_vector.irq;
	if (life->adopted)
		fake_expect_adopted(test, fake, &fake_vector, NR_VECS);
	for (unsigned int i = 0; !life->adopted && i < NR_VECS; i++)
		KUNIT_EXPECT_LT(test, fake_irq_of(fake, i), IRQ_RECORDED);

	fake_end(fake);
	irq_liveupdate_revoke_absent();
	irq_lu_wait_until_freed();
	return stop_failing();
}

/*
 * The device works, cold or with all its old numbers. A driver does not lose a
 * reserved number when an allocation fails.
 */
static void failing_take_over_leaves_nothing_behind(struct kunit *test)
{
	struct saved_image *saved = kunit_kzalloc(test, sizeof(*saved), GFP_KERNEL);
	unsigned int nth, nr_cold = 0, nr_alloc = 0, nr_request = 0;
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);
	struct fake_machine *m = test->priv;
	bool hit = true;

	init_failing(test);
	KUNIT_ASSERT_NOT_NULL(test, saved);
	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_image_add(test, &fake_other_head, &fake_other_vector, NR_VECS);
	irq_lu_ser_seal_root(m->root, m->table);
	save_image(m, saved);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_end_live_update, NULL));

	for (nth = 1; hit && nth < MAX_ALLOCATIONS; nth++) {
		struct failed_life life = { };

		/* Removing the files of an interrupt warns about a missing one. */
		kunit_warning_suppress(test) {
			hit = live_with_failure(test, fake, nth, &life);
			fake_expect_counts(test, fake, NR_VECS, 1);
			fake_free_vectors(fake);
			KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
		}
		if (life.alloc_failed || life.request_failed || !hit)
			KUNIT_EXPECT_TRUE(test, life.adopted);
		if (life.loaded)
			fake_expect_all_freed(test);
		expect_nothing_left(test);
		restore_image(m, saved);
		if (test->status == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(test, "allocation %u", nth);

		nr_cold += !life.adopted;
		nr_alloc += life.alloc_failed;
		nr_request += life.request_failed;
	}
	KUNIT_EXPECT_FALSE(test, hit);
	KUNIT_EXPECT_GT(test, nr_cold, 0);
	KUNIT_EXPECT_GT(test, nr_alloc, 0);
	KUNIT_EXPECT_GT(test, nr_request, 0);
	kunit_info(test, "%u allocations failed: %u times cold, %u times no vectors at first, %u times no handler at first",
		   nth - 2, nr_cold, nr_alloc, nr_request);
}

static struct kunit_case failing_test_cases[] = {
	KUNIT_CASE_SLOW(mutated_state_is_taken_over_or_refused),
	KUNIT_CASE(failing_preserve_leaves_nothing_behind),
	KUNIT_CASE(freeze_and_block_allocate_nothing),
	KUNIT_CASE_SLOW(failing_take_over_leaves_nothing_behind),
	{}
};

static struct kunit_suite failing_test_suite = {
	.name		= "irq_liveupdate_failing",
	.init		= fake_machine_init,
	.test_cases	= failing_test_cases,
};

kunit_test_suite(failing_test_suite);

MODULE_DESCRIPTION("KUnit tests of interrupt live update with bad state and without memory");
MODULE_LICENSE("GPL");
