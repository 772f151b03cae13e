// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the PCI/MSI part of interrupt live update: the real code on a device
 * whose configuration space is an array, for each layout that the MSI
 * capability can have.
 */

#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/irq.h>
#include <linux/irq_liveupdate.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>

#include "../pci.h"
#include "msi.h"

#define CAP		0x50
#define CONFIG_SIZE	0x100
#define NR_CAPABLE	8	/* messages, of which 3 are used */
#define MULTI_CAPABLE	3
#define MULTIPLE	2
#define ALL_MASKED	0xff

#define MESSAGE_LO	0xfee00258
#define MESSAGE_HI	0x1
#define MESSAGE_DATA	0x40

struct layout {
	const char	*desc;
	u16		flags;
	unsigned int	data;
	unsigned int	mask;
};

static const struct layout layouts[] = {
	{ "32 bit",		0,			  CAP + PCI_MSI_DATA_32, 0 },
	{ "64 bit",		PCI_MSI_FLAGS_64BIT,	  CAP + PCI_MSI_DATA_64, 0 },
	{ "32 bit, masking",	PCI_MSI_FLAGS_MASKBIT,	  CAP + PCI_MSI_DATA_32,
	  CAP + PCI_MSI_MASK_32 },
	{ "64 bit, masking",	PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT,
	  CAP + PCI_MSI_DATA_64, CAP + PCI_MSI_MASK_64 },
};

KUNIT_ARRAY_PARAM_DESC(layout, layouts, desc);

struct fake_msi {
	u8		config[CONFIG_SIZE];
	unsigned int	nr_writes;
	unsigned int	first_write;
	unsigned int	nr_mask_reads;
	unsigned int	nr_locked;	/* of these */
	struct pci_bus	bus;
	struct pci_dev	pdev;
	struct msi_desc	desc;
};

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	struct fake_msi *fake = container_of(bus, struct fake_msi, bus);

	if (where == fake->desc.pci.mask_pos) {
		fake->nr_mask_reads++;
		fake->nr_locked += raw_spin_is_locked(&fake->pdev.msi_lock);
	}

	*val = 0;
	memcpy(val, &fake->config[where], size);
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	struct fake_msi *fake = container_of(bus, struct fake_msi, bus);

	memcpy(&fake->config[where], &val, size);
	fake->nr_writes++;
	fake->first_write = fake->first_write ?: where;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = {
	.read	= read_config,
	.write	= write_config,
};

static u32 get(struct fake_msi *fake, unsigned int pos, size_t size)
{
	u32 value = 0;

	memcpy(&value, &fake->config[pos], size);
	return value;
}

static void put(struct fake_msi *fake, unsigned int pos, size_t size, u32 value)
{
	memcpy(&fake->config[pos], &value, size);
}

static void add_capability(struct fake_msi *fake, const struct layout *layout)
{
	bool is_64 = layout->flags & PCI_MSI_FLAGS_64BIT;

	put(fake, CAP + PCI_MSI_FLAGS, 2, layout->flags | PCI_MSI_FLAGS_ENABLE |
	    FIELD_PREP(PCI_MSI_FLAGS_QMASK, MULTI_CAPABLE) |
	    FIELD_PREP(PCI_MSI_FLAGS_QSIZE, MULTIPLE));
	put(fake, CAP + PCI_MSI_ADDRESS_LO, 4, MESSAGE_LO);
	if (is_64)
		put(fake, CAP + PCI_MSI_ADDRESS_HI, 4, MESSAGE_HI);
	put(fake, layout->data, 2, MESSAGE_DATA);

	fake->desc.pci.msi_attrib.is_64 = is_64;
	fake->desc.pci.msi_attrib.can_mask = !!layout->mask;
	fake->desc.pci.msi_attrib.multi_cap = MULTI_CAPABLE;
	fake->desc.pci.msi_attrib.multiple = MULTIPLE;
	fake->desc.pci.mask_pos = layout->mask;
	fake->desc.nvec_used = BIT(MULTIPLE) - 1;
	fake->desc.msg.address_lo = MESSAGE_LO;
	fake->desc.msg.address_hi = is_64 ? MESSAGE_HI : 0;
	fake->desc.msg.data = MESSAGE_DATA;
}

static void free_irq_desc(void *irq)
{
	irq_free_desc((unsigned long)irq);
}

static int msi_test_init(struct kunit *test)
{
	struct fake_msi *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	int irq = irq_alloc_desc(NUMA_NO_NODE);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	KUNIT_ASSERT_GT(test, irq, 0);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_irq_desc,
							   (void *)(unsigned long)irq));

	fake->bus.ops = &config_ops;
	fake->pdev.bus = &fake->bus;
	fake->pdev.msi_cap = CAP;
	fake->pdev.msi_enabled = 1;
	fake->pdev.irq = irq;
	raw_spin_lock_init(&fake->pdev.msi_lock);
	fake->pdev.dev.init_name = "fake";
	fake->desc.dev = &fake->pdev.dev;
	fake->desc.irq = irq;
	add_capability(fake, test->param_value);
	KUNIT_ASSERT_EQ(test, 0, irq_set_msi_desc(irq, &fake->desc));
	test->priv = fake;
	return 0;
}

static int capture(struct fake_msi *fake, struct irq_lu_vector_ser *rec)
{
	return pci_msi_liveupdate_ops.capture(&fake->desc, 0, rec);
}

static void message_is_recorded(struct kunit *test)
{
	struct fake_msi *fake = test->priv;
	struct irq_lu_vector_ser rec = { };

	KUNIT_EXPECT_EQ(test, capture(fake, &rec), 0);
	KUNIT_EXPECT_EQ(test, rec.msg_addr_lo, MESSAGE_LO);
	KUNIT_EXPECT_EQ(test, rec.msg_addr_hi, fake->desc.msg.address_hi);
	KUNIT_EXPECT_EQ(test, rec.msg_data, MESSAGE_DATA);
	KUNIT_EXPECT_EQ(test, pci_msi_liveupdate_ops.max_vectors(&fake->pdev.dev), NR_CAPABLE);
	KUNIT_EXPECT_EQ(test, fake->nr_writes, 0);
}

/* A device that has a different value at @pos is not handed over. */
static void expect_compared(struct kunit *test, unsigned int pos)
{
	struct fake_msi *fake = test->priv;
	struct irq_lu_vector_ser rec = { };

	fake->config[pos] ^= 1;
	KUNIT_EXPECT_EQ_MSG(test, capture(fake, &rec), -EIO, "config space at %#x", pos);
	fake->config[pos] ^= 1;
	KUNIT_EXPECT_EQ(test, capture(fake, &rec), 0);
}

static void message_and_mask_are_compared(struct kunit *test)
{
	const struct layout *layout = test->param_value;

	expect_compared(test, CAP + PCI_MSI_ADDRESS_LO);
	expect_compared(test, layout->data);
	if (layout->flags & PCI_MSI_FLAGS_64BIT)
		expect_compared(test, CAP + PCI_MSI_ADDRESS_HI);
	if (layout->mask)
		expect_compared(test, layout->mask);
}

/* The mask bits are those of all messages, and their cached copy changes under this lock. */
static void mask_is_compared_under_its_lock(struct kunit *test)
{
	const struct layout *layout = test->param_value;
	struct fake_msi *fake = test->priv;

	if (!IS_ENABLED(CONFIG_SMP))
		kunit_skip(test, "without SMP a lock does not know whether it is held");

	KUNIT_EXPECT_EQ(test, capture(fake, &(struct irq_lu_vector_ser){ }), 0);
	KUNIT_EXPECT_EQ(test, fake->nr_mask_reads, layout->mask ? 1 : 0);
	KUNIT_EXPECT_EQ(test, fake->nr_locked, fake->nr_mask_reads);
}

/* Unused messages are masked as well: the device could send them. */
static void all_messages_are_masked(struct kunit *test)
{
	const struct layout *layout = test->param_value;
	struct fake_msi *fake = test->priv;

	pci_msi_liveupdate_ops.mask(&fake->pdev.dev);
	KUNIT_EXPECT_EQ(test, fake->nr_writes, layout->mask ? 1 : 0);
	KUNIT_EXPECT_EQ(test, fake->desc.pci.msi_mask, layout->mask ? ALL_MASKED : 0);
	if (layout->mask)
		KUNIT_EXPECT_EQ(test, get(fake, layout->mask, 4), ALL_MASKED);
	KUNIT_EXPECT_TRUE(test, get(fake, CAP + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE);
}

/* The kernel knows of some devices that do not report how many vectors they have. */
static void virtual_entry_is_refused(struct kunit *test)
{
	struct fake_msi *fake = test->priv;
	struct irq_lu_vector_ser rec = { };

	fake->desc.pci.msi_attrib.is_virtual = 1;
	KUNIT_EXPECT_EQ(test, capture(fake, &rec), -EIO);
}

static void device_which_sleeps_or_is_gone_is_refused(struct kunit *test)
{
	struct fake_msi *fake = test->priv;
	struct irq_lu_vector_ser rec = { };

	fake->pdev.current_state = PCI_D3hot;
	KUNIT_EXPECT_EQ(test, capture(fake, &rec), -EIO);

	fake->pdev.current_state = PCI_D0;
	fake->pdev.error_state = pci_channel_io_perm_failure;
	KUNIT_EXPECT_EQ(test, capture(fake, &rec), -EIO);
}

static void device_without_a_capability_is_refused(struct kunit *test)
{
	struct fake_msi *fake = test->priv;

	fake->pdev.msi_cap = 0;
	KUNIT_EXPECT_EQ(test, pci_msi_liveupdate_preserve(&fake->pdev), -EOPNOTSUPP);
}

static void enable_is_compared(struct kunit *test)
{
	struct fake_msi *fake = test->priv;

	KUNIT_EXPECT_EQ(test, pci_msi_liveupdate_ops.check(&fake->pdev.dev), 0);
	fake->pdev.msi_enabled = 0;
	KUNIT_EXPECT_EQ(test, pci_msi_liveupdate_ops.check(&fake->pdev.dev), -EIO);
}

static void only_what_the_driver_does_not_use_is_disabled(struct kunit *test)
{
	struct fake_msi *fake = test->priv;
	u16 flags = get(fake, CAP + PCI_MSI_FLAGS, 2);

	pci_msi_liveupdate_ops.disable(&fake->pdev.dev);
	KUNIT_EXPECT_EQ(test, fake->nr_writes, 0);

	fake->pdev.msi_enabled = 0;
	pci_msi_liveupdate_ops.disable(&fake->pdev.dev);
	KUNIT_EXPECT_EQ(test, fake->nr_writes, 1);
	KUNIT_EXPECT_EQ(test, get(fake, CAP + PCI_MSI_FLAGS, 2), flags & ~PCI_MSI_FLAGS_ENABLE);
}

/* Enable must not outlive the message, whether or not the driver tries again. */
static void failed_set_up_disables_before_the_message_goes(struct kunit *test)
{
	struct fake_msi *fake = test->priv;
	struct msi_msg none = { };

	__pci_write_msi_msg(&fake->desc, &none);
	KUNIT_EXPECT_TRUE(test, get(fake, CAP + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE);

	fake->pdev.msi_enabled = 0;
	fake->first_write = 0;
	__pci_write_msi_msg(&fake->desc, &none);
	KUNIT_EXPECT_EQ(test, fake->first_write, CAP + PCI_MSI_FLAGS);
	KUNIT_EXPECT_FALSE(test, get(fake, CAP + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE);
}

static void intx_disables_msi_that_was_left_enabled(struct kunit *test)
{
	struct fake_msi *fake = test->priv;

	/* The driver itself knows of MSI that it has enabled. */
	fake->pdev.msi_enabled = 1;
	pci_liveupdate_use_intx(&fake->pdev);
	KUNIT_EXPECT_EQ(test, fake->nr_writes, 0);

	fake->pdev.msi_enabled = 0;
	pci_liveupdate_use_intx(&fake->pdev);
	KUNIT_EXPECT_EQ(test, fake->nr_writes, 1);
	KUNIT_EXPECT_FALSE(test, get(fake, CAP + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE);

	/* A device that has neither enabled is left alone. */
	pci_liveupdate_use_intx(&fake->pdev);
	KUNIT_EXPECT_EQ(test, fake->nr_writes, 1);
}

static struct kunit_case msi_test_cases[] = {
	KUNIT_CASE_PARAM(message_is_recorded, layout_gen_params),
	KUNIT_CASE_PARAM(message_and_mask_are_compared, layout_gen_params),
	KUNIT_CASE_PARAM(mask_is_compared_under_its_lock, layout_gen_params),
	KUNIT_CASE_PARAM(all_messages_are_masked, layout_gen_params),
	KUNIT_CASE_PARAM(virtual_entry_is_refused, layout_gen_params),
	KUNIT_CASE_PARAM(device_which_sleeps_or_is_gone_is_refused, layout_gen_params),
	KUNIT_CASE_PARAM(device_without_a_capability_is_refused, layout_gen_params),
	KUNIT_CASE_PARAM(enable_is_compared, layout_gen_params),
	KUNIT_CASE_PARAM(only_what_the_driver_does_not_use_is_disabled, layout_gen_params),
	KUNIT_CASE_PARAM(failed_set_up_disables_before_the_message_goes, layout_gen_params),
	KUNIT_CASE_PARAM(intx_disables_msi_that_was_left_enabled, layout_gen_params),
	{}
};

static struct kunit_suite msi_test_suite = {
	.name		= "irq_liveupdate_msi",
	.init		= msi_test_init,
	.test_cases	= msi_test_cases,
};

/*
 * MSI-X: the same with a table in memory
 */

struct fake_msix {
	struct fake_msi	base;
	u32		table[PCI_MSIX_ENTRY_SIZE / sizeof(u32)];
};

static u32 *vector_control(struct fake_msix *fake)
{
	return &fake->table[PCI_MSIX_ENTRY_VECTOR_CTRL / sizeof(u32)];
}

static int msix_test_init(struct kunit *test)
{
	struct fake_msix *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	struct pci_dev *pdev = &fake->base.pdev;
	struct msi_desc *desc = &fake->base.desc;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->base.bus.ops = &config_ops;
	pdev->bus = &fake->base.bus;
	pdev->dev.init_name = "fake";
	pdev->msix_cap = CAP;
	pdev->msix_base = (void __iomem *)fake->table;
	raw_spin_lock_init(&pdev->msi_lock);
	desc->dev = &pdev->dev;
	test->priv = fake;
	return 0;
}

static void only_the_mask_bit_is_compared(struct kunit *test)
{
	struct fake_msix *fake = test->priv;
	struct msi_desc *desc = &fake->base.desc;

	msix_prepare_msi_desc(&fake->base.pdev, desc);
	*vector_control(fake) = 0xabcdffff;
	KUNIT_EXPECT_EQ(test, capture(&fake->base, &(struct irq_lu_vector_ser){ }), 0);
	*vector_control(fake) &= ~PCI_MSIX_ENTRY_CTRL_MASKBIT;
	KUNIT_EXPECT_EQ(test, capture(&fake->base, &(struct irq_lu_vector_ser){ }), -EIO);
}

#ifdef CONFIG_PCIE_TPH
#define TPH	(CAP + PCI_CAP_MSIX_SIZEOF)

/* Steering tags are reserved bits of a device that has them elsewhere, or does not use them. */
static void steering_tag_is_compared_where_it_is_used(struct kunit *test)
{
	struct fake_msix *fake = test->priv;
	struct pci_dev *pdev = &fake->base.pdev;

	msix_prepare_msi_desc(pdev, &fake->base.desc);
	*vector_control(fake) = PCI_MSIX_ENTRY_CTRL_MASKBIT | FIELD_PREP(PCI_MSIX_ENTRY_CTRL_ST, 1);
	pdev->tph_cap = TPH;
	put(&fake->base, TPH + PCI_TPH_CAP, 4, PCI_TPH_LOC_MSIX);
	KUNIT_EXPECT_EQ(test, capture(&fake->base, &(struct irq_lu_vector_ser){ }), 0);
	pdev->tph_enabled = 1;
	KUNIT_EXPECT_EQ(test, capture(&fake->base, &(struct irq_lu_vector_ser){ }), -EIO);
	put(&fake->base, TPH + PCI_TPH_CAP, 4, PCI_TPH_LOC_CAP);
	KUNIT_EXPECT_EQ(test, capture(&fake->base, &(struct irq_lu_vector_ser){ }), 0);
}
#endif

static void function_mask_goes_with_enable(struct kunit *test)
{
	const u16 both = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;
	struct fake_msix *fake = test->priv;
	struct fake_msi *base = &fake->base;

	put(base, CAP + PCI_MSIX_FLAGS, 2, both | 7);
	base->pdev.msix_enabled = 1;
	pci_msi_liveupdate_ops.disable(&base->pdev.dev);
	KUNIT_EXPECT_EQ(test, base->nr_writes, 0);

	base->pdev.msix_enabled = 0;
	pci_msi_liveupdate_ops.disable(&base->pdev.dev);
	KUNIT_EXPECT_EQ(test, get(base, CAP + PCI_MSIX_FLAGS, 2), 7);

	/* VFIO or a previous kernel has cleared one of the two. */
	put(base, CAP + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_MASKALL | 7);
	pci_msi_liveupdate_ops.disable(&base->pdev.dev);
	KUNIT_EXPECT_EQ(test, get(base, CAP + PCI_MSIX_FLAGS, 2), 7);
}

static void unused_function_is_not_masked(struct kunit *test)
{
	struct fake_msix *fake = test->priv;
	struct fake_msi *base = &fake->base;

	put(base, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	put(base, PCI_CAPABILITY_LIST, 1, CAP);
	put(base, CAP, 1, PCI_CAP_ID_MSIX);
	put(base, CAP + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_MASKALL | 7);
	pci_msix_init(&base->pdev);
	KUNIT_EXPECT_EQ(test, get(base, CAP + PCI_MSIX_FLAGS, 2), 7);
}

static void table_is_not_read_while_memory_is_disabled(struct kunit *test)
{
	struct fake_msix *fake = test->priv;
	struct pci_dev *pdev = &fake->base.pdev;

	pdev->msix_enabled = 1;
	KUNIT_EXPECT_EQ(test, pci_msi_liveupdate_ops.lock(&pdev->dev), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, pdev->block_cfg_access);

	put(&fake->base, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	KUNIT_EXPECT_EQ(test, pci_msi_liveupdate_ops.lock(&pdev->dev), 0);
	KUNIT_EXPECT_TRUE(test, pdev->block_cfg_access);
	pci_msi_liveupdate_ops.unlock(&pdev->dev);
	KUNIT_EXPECT_FALSE(test, pdev->block_cfg_access);
}

/* The previous kernel has set it, and the audit must notice when it stays set. */
static void function_mask_is_compared_in_an_audit(struct kunit *test)
{
	const u16 both = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;
	struct fake_msix *fake = test->priv;
	struct fake_msi *base = &fake->base;
	struct device *dev = &base->pdev.dev;

	base->pdev.msix_enabled = 1;
	put(base, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	put(base, CAP + PCI_MSIX_FLAGS, 2, both | 7);
	KUNIT_ASSERT_EQ(test, pci_msi_liveupdate_ops.lock(dev), 0);
	KUNIT_EXPECT_EQ(test, pci_msi_liveupdate_ops.check(dev), -EIO);

	put(base, CAP + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | 7);
	KUNIT_EXPECT_EQ(test, pci_msi_liveupdate_ops.check(dev), 0);
	pci_msi_liveupdate_ops.unlock(dev);
}

static struct kunit_case msix_test_cases[] = {
	KUNIT_CASE(only_the_mask_bit_is_compared),
#ifdef CONFIG_PCIE_TPH
	KUNIT_CASE(steering_tag_is_compared_where_it_is_used),
#endif
	KUNIT_CASE(function_mask_goes_with_enable),
	KUNIT_CASE(unused_function_is_not_masked),
	KUNIT_CASE(table_is_not_read_while_memory_is_disabled),
	KUNIT_CASE(function_mask_is_compared_in_an_audit),
	{}
};

static struct kunit_suite msix_test_suite = {
	.name		= "irq_liveupdate_msix",
	.init		= msix_test_init,
	.test_cases	= msix_test_cases,
};

kunit_test_suites(&msi_test_suite, &msix_test_suite);

MODULE_DESCRIPTION("KUnit tests of interrupt live update in PCI/MSI");
MODULE_LICENSE("GPL");
