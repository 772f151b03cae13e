// SPDX-License-Identifier: GPL-2.0

/*
 * The fake machine of kunit_fake_machine.h: what the previous kernel left of it,
 * and a live update from its first step to its last
 */

#include <kunit/test.h>
#include <linux/irq.h>

#include "kunit_fake_machine.h"
#include "kunit_load.h"

/*
 * What the previous kernel left
 */

struct irq_lu_vector_ser fake_vector = {
	.msg_addr_lo	= 0xfee00230,
	.handle		= 17,
	.source		= 0x40310,
	.target		= TARGET,
	.flags		= IRQ_LU_VECTOR_ACTIVATED,
};

struct irq_lu_vector_ser fake_other_vector = {
	.msg_addr_lo	= 0xfee00470,
	.handle		= 35,
	.source		= 0x40400,
	.target		= TARGET,
	.flags		= IRQ_LU_VECTOR_ACTIVATED,
};

void fake_image_init(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	m->root = fake_add_mem_block(test, IRQ_LU_ROOT_SIZE);
	strscpy(m->root->compatible, IRQ_LU_COMPATIBLE);
	for (unsigned int i = 0; i < NR_UNITS; i++) {
		m->root->units[i].backend = IRQ_LU_BACKEND_VTD;
		m->root->units[i].reg_base = m->units[i].reg_base;
		m->root->units[i].table = virt_to_phys(m->units[i].table);
		m->root->units[i].nr_entries = NR_ENTRIES;
	}
	m->root->nr_units = NR_UNITS;
	m->table = fake_add_mem_block(test, PAGE_SIZE);
	m->root->device_dir = virt_to_phys(m->table);
}

static struct irq_lu_device_ser *image_add_device(struct kunit *test,
						  const struct irq_lu_device_ser *head,
						  unsigned int nr_vectors)
{
	size_t len = irq_lu_ser_device_len(nr_vectors);
	struct irq_lu_device_ser *ser = fake_add_mem_block(test, len);
	struct fake_machine *m = test->priv;

	*ser = *head;
	ser->nr_vectors = nr_vectors;
	m->table[m->root->nr_devices].blob = virt_to_phys(ser);
	m->table[m->root->nr_devices].len = len;
	m->root->nr_devices++;
	return ser;
}

/* Vectors with consecutive numbers and entries, blocked as required */
struct irq_lu_device_ser *fake_image_add(struct kunit *test,
					 const struct irq_lu_device_ser *head,
					 const struct irq_lu_vector_ser *first,
					 unsigned int nr_vectors)
{
	struct irq_lu_device_ser *ser = image_add_device(test, head, nr_vectors);
	struct fake_machine *m = test->priv;

	for (unsigned int i = 0; i < nr_vectors; i++) {
		ser->vectors[i] = *first;
		ser->vectors[i].irq += i;
		ser->vectors[i].msi_index += i;
		ser->vectors[i].handle += i;
		m->units[first->unit].table[first->handle + i] = ENTRY(first->source, ENTRY_FPD);
	}
	irq_lu_ser_seal_device(ser);
	return ser;
}

/* Devices that wait for their owner stop waiting. */
void fake_end_live_update(void *unused)
{
	struct irq_lu_in_dev *in, *next;

	irq_liveupdate_revoke_absent();
	list_for_each_entry_safe(in, next, &irq_liveupdate_incoming, node) {
		struct device *dev = in->dev;

		irq_liveupdate_finish(dev);
		irq_liveupdate_release(dev);
	}
	irq_lu_wait_until_freed();
}

void fake_take_over(struct fake_machine *m)
{
	load_as_booted(m->root, &fake_memory);

	for (unsigned int i = 0; i < NR_UNITS; i++) {
		const struct irq_lu_unit_ser *ser;

		ser = irq_liveupdate_incoming_unit(IRQ_LU_BACKEND_VTD, 0, m->units[i].reg_base);
		if (!ser)
			continue;
		/* The validator knows the size of a table only from the record. */
		if (ser->nr_entries == NR_ENTRIES)
			irq_liveupdate_take_over(ser, m->units[i].domain);
		else
			irq_liveupdate_refuse_unit(ser, "size of the table differs");
	}
}

void fake_boot(struct kunit *test)
{
	struct fake_machine *m = test->priv;

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_end_live_update, NULL));
	irq_lu_ser_seal_root(m->root, m->table);
	fake_take_over(m);
}

/* Copy what the core has written, and power the units on again. */
void fake_reboot(struct kunit *test, const struct irq_lu_root_ser *root)
{
	const struct irq_lu_device_ref_ser *table = phys_to_virt(root->device_dir);
	struct fake_machine *m = test->priv;

	fake_image_init(test);
	memcpy(m->root->units, root->units, sizeof(root->units[0]) * root->nr_units);
	m->root->nr_units = root->nr_units;
	for (unsigned int i = 0; i < root->nr_devices; i++) {
		const struct irq_lu_device_ser *ser = phys_to_virt(table[i].blob);

		memcpy(image_add_device(test, ser, ser->nr_vectors), ser, table[i].len);
	}
}

void fake_reset_units(struct fake_machine *m)
{
	for (unsigned int i = 0; i < NR_UNITS; i++) {
		bitmap_zero(m->units[i].used, NR_ENTRIES);
		bitmap_zero(m->units[i].latched, NR_ENTRIES);
	}
}

struct fake_device *fake_adopt(struct kunit *test, unsigned int nr)
{
	struct fake_device *fake = fake_add(test, "new", &fake_msix_head, 0);

	fake_image_init(test);
	fake_image_add(test, &fake_msix_head, &fake_vector, NR_VECS);
	fake_boot(test);
	irq_liveupdate_match(fake->dev, &fake_device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(fake, nr), 0);
	fake_expect_adopted(test, fake, &fake_vector, min(nr, NR_VECS));
	return fake;
}

void fake_live_on(struct kunit *test, const struct irq_lu_device_ser *head, unsigned int nr)
{
	struct fake_device *old = fake_add_running(test, "old", head, 1, nr);
	struct irq_lu_vector_ser first = { .irq = fake_irq_of(old, 0), .unit = 1 };
	struct fake_machine *m = test->priv;
	const struct irq_lu_root_ser *root;
	struct fake_device *new, *decoy;
	struct msi_msg hw[HWSIZE];

	first.handle = fake_handle_of(old, 0);
	memcpy(hw, old->hw, sizeof(hw));

	KUNIT_ASSERT_EQ(test, fake_preserve(old), 0);
	KUNIT_ASSERT_EQ(test, irq_liveupdate_freeze(old->dev), 0);
	root = irq_lu_block();
	KUNIT_ASSERT_NOT_NULL(test, root);
	fake_reboot(test, root);
	fake_unplug(test, old);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, m->units[1].table[first.handle + i],
				ENTRY(0x40310, ENTRY_FPD));
	fake_reset_units(m);

	/* The first device that asks would get the numbers and the entries. */
	fake_boot(test);
	decoy = fake_add_running(test, "decoy", &fake_other_head, 1, NR_VECS);
	for (unsigned int i = 0; i < NR_VECS; i++) {
		KUNIT_EXPECT_FALSE(test, in_range(fake_irq_of(decoy, i), first.irq, nr));
		KUNIT_EXPECT_FALSE(test, in_range(fake_handle_of(decoy, i), first.handle, nr));
	}

	new = fake_add(test, "new", head, 1);
	irq_liveupdate_match(new->dev, &fake_device_ops);
	KUNIT_ASSERT_EQ(test, fake_alloc_vectors(new, nr), 0);
	fake_expect_adopted(test, new, &first, nr);
	for (unsigned int i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, fake_request(new, i, 0), 0);

	KUNIT_EXPECT_MEMEQ(test, hw, new->hw, sizeof(hw));
	for (unsigned int i = 0; i < nr; i++) {
		u32 target = 0;

		KUNIT_EXPECT_EQ(test, irq_liveupdate_target(first.irq + i, &target), 0);
		KUNIT_EXPECT_EQ(test, target, TARGET);
		KUNIT_EXPECT_EQ(test, m->units[1].table[first.handle + i],
				ENTRY(0x40310, ENTRY_PRESENT));
	}

	fake_expect_counts(test, new, nr, 0);
	fake_end(new);
	fake_expect_counts(test, new, nr, 1);
	fake_expect_counts(test, decoy, NR_VECS, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&m->nr_ipis), nr);
	fake_expect_adopted(test, new, &first, nr);
	fake_expect_all_freed(test);
}
