// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the mask bits of MSI-X: the real code on a table in memory, as a
 * previous kernel has left it.
 */

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/msi.h>
#include <linux/pci.h>

#include "msi.h"

#define TABLE_SIZE	8
#define MASKED		PCI_MSIX_ENTRY_CTRL_MASKBIT
#define RESERVED	BIT(4)

/* The Vector Control of each entry of the table */
static const u32 left_over[TABLE_SIZE] = {
	MASKED, 0, RESERVED, 0, MASKED, MASKED | RESERVED, 0, 0,
};

/* The entries that the driver uses: the last one is beyond the table. */
static const u16 used[] = { 1, 2, 5, 6, TABLE_SIZE };

struct msix_entry_regs {
	u32	address_lo;
	u32	address_hi;
	u32	data;
	u32	ctrl;
};

struct fake_msix {
	struct pci_dev		pdev;
	struct msix_entry_regs	table[TABLE_SIZE];
};

static void free_device(struct device *dev)
{
	kfree(container_of(to_pci_dev(dev), struct fake_msix, pdev));
}

static void remove_device(void *context)
{
	struct device *dev = context;

	if (dev->msi.data) {
		guard(msi_descs_lock)(dev);
		msi_free_msi_descs(dev);
	}
	device_unregister(dev);
}

static void add_desc(struct kunit *test, struct fake_msix *fake, u16 index)
{
	struct msi_desc desc = {
		.msi_index			= index,
		.pci.msi_attrib.is_virtual	= index >= TABLE_SIZE,
	};
	int ret;

	msix_prepare_msi_desc(&fake->pdev, &desc);

	/* An assertion would abort with the lock held, which is taken again at the end. */
	scoped_guard(msi_descs_lock, &fake->pdev.dev)
		ret = msi_insert_msi_desc(&fake->pdev.dev, &desc);
	KUNIT_ASSERT_EQ(test, ret, 0);
}

static int msix_test_init(struct kunit *test)
{
	struct fake_msix *fake = kzalloc_obj(*fake);
	struct device *dev;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	dev = &fake->pdev.dev;
	dev->release = free_device;
	dev->init_name = "pci_msix_test";
	if (device_register(dev)) {
		put_device(dev);
		KUNIT_FAIL_AND_ABORT(test, "no device");
	}
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, remove_device, dev), 0);

	fake->pdev.msix_base = (void __force __iomem *)fake->table;
	for (unsigned int i = 0; i < TABLE_SIZE; i++)
		fake->table[i].ctrl = left_over[i];

	KUNIT_ASSERT_EQ(test, msi_setup_device_data(dev), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(used); i++)
		add_desc(test, fake, used[i]);

	test->priv = fake;
	return 0;
}

/* The function is masked until all entries are, see msix_capability_init(). */
static void entries_are_cached_as_masked(struct kunit *test)
{
	struct fake_msix *fake = test->priv;
	struct msi_desc *desc;

	guard(msi_descs_lock)(&fake->pdev.dev);
	msi_for_each_desc(desc, &fake->pdev.dev, MSI_DESC_ALL) {
		if (!desc->pci.msi_attrib.is_virtual)
			KUNIT_EXPECT_EQ_MSG(test, desc->pci.msix_ctrl,
					    left_over[desc->msi_index] | MASKED, "entry %u",
					    desc->msi_index);
	}
}

/* As when an interrupt is activated that its driver enables later. */
static void message_does_not_unmask(struct kunit *test)
{
	struct msi_msg msg = { .address_lo = 0xfee00258, .data = 0x40 };
	struct fake_msix *fake = test->priv;
	struct msi_desc *desc;

	for (unsigned int i = 0; i < TABLE_SIZE; i++)
		fake->table[i].ctrl = MASKED;
	scoped_guard(msi_descs_lock, &fake->pdev.dev) {
		msi_for_each_desc(desc, &fake->pdev.dev, MSI_DESC_ALL)
			__pci_write_msi_msg(desc, &msg);
	}

	for (unsigned int i = 0; i < ARRAY_SIZE(used); i++) {
		if (used[i] < TABLE_SIZE)
			KUNIT_EXPECT_EQ(test, fake->table[used[i]].address_lo, msg.address_lo);
	}
	for (unsigned int i = 0; i < TABLE_SIZE; i++)
		KUNIT_EXPECT_TRUE_MSG(test, fake->table[i].ctrl & MASKED, "entry %u", i);
}

static struct kunit_case msix_cases[] = {
	KUNIT_CASE(entries_are_cached_as_masked),
	KUNIT_CASE(message_does_not_unmask),
	{ }
};

static struct kunit_suite msix_suite = {
	.name		= "pci_msix",
	.init		= msix_test_init,
	.test_cases	= msix_cases,
};

kunit_test_suite(msix_suite);
