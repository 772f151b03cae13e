// SPDX-License-Identifier: GPL-2.0-only

/*
 * Tests of an IOMMU group whose devices were handed over, in the kernel that takes
 * over: the IOMMU core attaches the devices one after the other, and reverts if one
 * of them fails. The group and the core are real, the IOMMU is a mock.
 */

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/test.h>
#include <linux/crc32.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho/abi/block.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

#include "../pci/pci.h"
#include "iommu-liveupdate.h"
#include "iommu-priv.h"
#include "kunit_mock_device.h"

#define NR_DEVICES	3
#define ID(i)		PCI_DEVID(0, i)
#define OLD_ID		5
#define NEW_ID		6

/**
 * struct group - Devices that share a group and, in the previous kernel, a domain
 * @mock:	Their unit
 * @sysdata:	Data of the bus
 * @bus:	Where they are
 * @command:	Command register of all of them
 * @devs:	The devices
 * @dev_iommus:	The core's data of each of them
 * @group:	The group
 * @handed_over: The domain on which it starts
 * @new:	The one that their owner attaches
 * @new_table:	Its page table
 * @old_table:	That of the previous kernel, which KHO has kept
 * @old_entry:	Entry of each device, as the previous kernel has left it
 * @failing:	Which device cannot be attached to @new
 * @refused:	How often a device was attached with refuse_attach()
 */
static struct group {
	struct mock_iommu	mock;
	struct pci_sysdata	sysdata;
	struct pci_bus		bus;
	u32			command;
	struct mock_device	devs[NR_DEVICES];
	struct dev_iommu	dev_iommus[NR_DEVICES];
	struct iommu_group	*group;
	struct iommu_domain	handed_over;
	struct mock_domain	new;
	void			*new_table;
	void			*old_table;
	u64			old_entry;
	unsigned int		failing;
	unsigned int		refused;
} *group;

static struct device *dev_of(unsigned int i)
{
	return &group->devs[i].pdev.dev;
}

static u64 entry_of(unsigned int i)
{
	return group->mock.table[ID(i)];
}

/*
 * What the previous kernel has left
 */

static void *keep(struct kunit *test)
{
	void *page = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, page);
	return page;
}

static struct iommu_lu_pages_ser keep_tables(struct kunit *test)
{
	struct kho_block_header_ser *block = keep(test);
	u64 *tables = (u64 *)(block + 1);

	group->old_table = keep(test);
	block->count = 1;
	tables[0] = virt_to_phys(group->old_table);
	return (struct iommu_lu_pages_ser) {
		.first		= virt_to_phys(block),
		.nr		= 1,
		.checksum	= crc32_le(~0U, tables, sizeof(tables[0])),
	};
}

static void finish(void *unused)
{
	iommu_lu_leave_all();
	flush_work(&iommu_lu_free_work);
}

static void leave_devices(struct kunit *test)
{
	struct kho_block_header_ser *block = keep(test);
	struct iommu_lu_device_ser *ser = (struct iommu_lu_device_ser *)(block + 1);
	const struct iommu_lu_root_ser root = {
		.devices	= virt_to_phys(block),
		.nr_devices	= NR_DEVICES,
	};
	struct iommu_lu_pages_ser tables = keep_tables(test);

	group->old_entry = virt_to_phys(group->old_table) | OLD_ID << MOCK_ID_SHIFT |
			   MOCK_PRESENT;
	block->count = NR_DEVICES;
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		group->mock.table[ID(i)] = group->old_entry;
		ser[i] = (struct iommu_lu_device_ser) {
			.segment	= MOCK_SEGMENT,
			.devid		= ID(i),
			.owner		= ID(i),
			.domain_id	= OLD_ID,
			.entry		= { group->old_entry },
			.tables		= tables,
		};
		ser[i].checksum = iommu_lu_device_checksum(&ser[i]);
	}
	iommu_lu_load_devices(&root);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, finish, NULL));
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		mock_take_over_entry(&group->mock, ID(i));
}

static bool has_record(unsigned int i)
{
	return iommu_liveupdate_incoming_entry(MOCK_SEGMENT, ID(i));
}

/*
 * Setting up
 */

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	*val = where == PCI_COMMAND ? group->command : 0;
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	if (where == PCI_COMMAND)
		group->command = val;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = {
	.read	= read_config,
	.write	= write_config,
};

static int attach_new(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old)
{
	if (dev == dev_of(group->failing))
		return -ENOMEM;
	return mock_attach(domain, dev, old);
}

static const struct iommu_domain_ops new_ops = {
	.attach_dev	= attach_new,
};

static void add_device(struct kunit *test, unsigned int i)
{
	struct mock_device *mdev = &group->devs[i];

	mdev->pdev.bus = &group->bus;
	mdev->pdev.devfn = i;
	mdev->aliases[mdev->nr_aliases++] = ID(i);
	group->dev_iommus[i].iommu_dev = &group->mock.iommu;
	mock_add_device(test, mdev, "mock_mate", group->group, &group->dev_iommus[i]);
}

static void init_domains(struct kunit *test)
{
	group->handed_over = mock_handed_over;
	group->handed_over.owner = &mock_ops;
	group->new_table = mock_alloc_table(test);
	group->new.tables = &group->new_table;
	group->new.nr_tables = 1;
	group->new.id = NEW_ID;
	group->new.pt.domain.type = IOMMU_DOMAIN_UNMANAGED;
	group->new.pt.domain.owner = &mock_ops;
	group->new.pt.domain.ops = &new_ops;
}

static int init_group(struct kunit *test)
{
	group = kunit_kzalloc(test, sizeof(*group), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, group);
	group->sysdata.domain = MOCK_SEGMENT;
	group->bus.sysdata = &group->sysdata;
	group->bus.ops = &config_ops;
	group->mock.iommu.ops = &mock_ops;
	group->mock.table = mock_alloc_table(test);
	init_domains(test);

	group->group = kunit_alloc_group(test);
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		add_device(test, i);
	leave_devices(test);
	return 0;
}

static void start(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, iommu_attach_group(&group->handed_over, group->group));
}

static int attach_failing(unsigned int i)
{
	int ret;

	group->failing = i;
	ret = iommu_attach_group(&group->new.pt.domain, group->group);
	flush_work(&iommu_lu_free_work);
	return ret;
}

/*
 * Cases
 */

static void group_starts_without_a_write(struct kunit *test)
{
	start(test);

	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		KUNIT_EXPECT_EQ(test, group->old_entry, entry_of(i));
		KUNIT_EXPECT_TRUE(test, has_record(i));
	}
	KUNIT_EXPECT_EQ(test, 0, group->mock.flushes);
}

/* All devices still use the old page table: all of them keep working. */
static void first_device_fails(struct kunit *test)
{
	start(test);
	KUNIT_EXPECT_EQ(test, -ENOMEM, attach_failing(0));

	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		KUNIT_EXPECT_EQ(test, group->old_entry, entry_of(i));
		KUNIT_EXPECT_TRUE(test, has_record(i));
	}
	KUNIT_EXPECT_EQ(test, 0, group->mock.flushes);
}

/*
 * Two devices have left the old page table when the third one fails. They cannot go back,
 * and must not stay on the new one: the owner now frees that domain.
 */
static void devices_which_have_left_are_closed(struct kunit *test)
{
	start(test);
	KUNIT_EXPECT_EQ(test, -ENOMEM, attach_failing(2));

	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, MOCK_SILENT, entry_of(i));
		KUNIT_EXPECT_FALSE(test, has_record(i));
	}
	/* Old and new entry of each of them, the new one last */
	KUNIT_EXPECT_EQ(test, 4, group->mock.flushes);
	KUNIT_EXPECT_EQ(test, NEW_ID, group->mock.flushed_id);
}

/* The third one still reaches its old memory, so none of that may be reused. */
static void device_that_fails_keeps_running(struct kunit *test)
{
	start(test);
	KUNIT_EXPECT_EQ(test, -ENOMEM, attach_failing(2));

	KUNIT_EXPECT_EQ(test, group->old_entry, entry_of(2));
	KUNIT_EXPECT_TRUE(test, has_record(2));
	KUNIT_EXPECT_TRUE(test, test_bit(OLD_ID, group->mock.ids));
	KUNIT_EXPECT_EQ(test, 1, page_count(virt_to_page(group->old_table)));
}

/* The group is where it was, and its owner can try again. */
static void group_can_be_attached_again(struct kunit *test)
{
	start(test);
	KUNIT_EXPECT_EQ(test, -ENOMEM, attach_failing(2));
	KUNIT_EXPECT_EQ(test, -ENOMEM, attach_failing(2));

	KUNIT_EXPECT_EQ(test, MOCK_SILENT, entry_of(0));
	KUNIT_EXPECT_EQ(test, MOCK_SILENT, entry_of(1));
	KUNIT_EXPECT_EQ(test, group->old_entry, entry_of(2));
}

/* A container would attach an empty domain, before any device of the group is opened. */
static void container_does_not_get_an_incoming_group(struct kunit *test)
{
	start(test);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &group->devs[0].pdev.priv_flags);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_group_claim_dma_owner(group->group, group));
	KUNIT_EXPECT_FALSE(test, iommu_group_dma_owner_claimed(group->group));
	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &group->devs[0].pdev.priv_flags);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_group_claim_dma_owner(group->group, group));
}

/* A running device would reach the memory of the owner of another one of its group. */
static void only_an_incoming_device_is_attached_first(struct kunit *test)
{
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &group->devs[0].pdev.priv_flags);
	/* Once the group is on another domain, the others follow. */
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_may_attach(dev_of(1)));

	start(test);
	KUNIT_EXPECT_FALSE(test, iommu_liveupdate_may_attach(dev_of(1)));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_may_attach(dev_of(0)));
	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &group->devs[0].pdev.priv_flags);
}

/* The live update of another device of the group is finished. */
static void group_with_an_incoming_device_stays_as_it_is(struct kunit *test)
{
	start(test);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &group->devs[1].pdev.priv_flags);
	iommu_group_release_handed_over(group->group);

	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		KUNIT_EXPECT_EQ(test, group->old_entry, entry_of(i));
		KUNIT_EXPECT_TRUE(test, has_record(i));
	}
	KUNIT_EXPECT_EQ(test, 0, group->mock.flushes);
}

static void closed_device_is_stopped_and_others_keep_their_entries(struct kunit *test)
{
	start(test);
	group->command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	iommu_group_close_handed_over(group->group, dev_of(0));

	KUNIT_EXPECT_EQ(test, PCI_COMMAND_MEMORY, group->command);
	KUNIT_EXPECT_EQ(test, MOCK_SILENT, entry_of(0));
	KUNIT_EXPECT_FALSE(test, has_record(0));
	for (unsigned int i = 1; i < NR_DEVICES; i++) {
		KUNIT_EXPECT_EQ(test, group->old_entry, entry_of(i));
		KUNIT_EXPECT_TRUE(test, has_record(i));
	}
}

static int refuse_attach(struct iommu_domain *domain, struct device *dev,
			 struct iommu_domain *old)
{
	group->refused++;
	return -ENODEV;
}

static const struct iommu_domain_ops refusing_ops = {
	.attach_dev	= refuse_attach,
};

/* It belongs to VFIO, which may free it meanwhile. */
static void group_of_a_device_without_an_iommu_is_left_alone(struct kunit *test)
{
	start(test);
	group->handed_over.ops = &refusing_ops;
	group->command = PCI_COMMAND_MASTER;
	dev_of(2)->iommu = NULL;
	iommu_liveupdate_release(dev_of(2));
	dev_of(2)->iommu = &group->dev_iommus[2];

	KUNIT_EXPECT_EQ(test, PCI_COMMAND_MASTER, group->command);
	KUNIT_EXPECT_EQ(test, 0, group->refused);
}

static struct iommu_domain blocked = { .type = IOMMU_DOMAIN_BLOCKED };

static const struct iommu_ops owner_ops = {
	.liveupdate	= &mock_liveupdate_ops,
	.blocked_domain	= &blocked,
};

static void claim(struct kunit *test, unsigned int i)
{
	group->mock.iommu.ops = &owner_ops;
	group->new.pt.domain.owner = &owner_ops;
	KUNIT_ASSERT_EQ(test, 0, iommu_device_claim_dma_owner(dev_of(i), group));
}

/*
 * The core forgets the blocking domain of a group with a device that it has probed itself, and
 * warns if it still knows one at the end.
 */
static void leave_blocking_domain(struct kunit *test)
{
	kunit_warning_suppress(test) {
		for (unsigned int i = 0; i < NR_DEVICES; i++)
			kunit_release_action(test, kunit_leave_group, dev_of(i));
		kunit_release_action(test, kunit_put_group, group->group);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
}

/* Its user has gone before FINISH, and it may still be running. */
static void incoming_device_without_an_owner_reaches_nothing(struct kunit *test)
{
	start(test);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &group->devs[0].pdev.priv_flags);
	claim(test, 0);
	group->new.pt.domain.ops = &mock_domain_ops;
	KUNIT_ASSERT_EQ(test, 0, iommu_attach_group(&group->new.pt.domain, group->group));

	iommu_device_release_dma_owner(dev_of(0));
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		KUNIT_EXPECT_EQ(test, MOCK_SILENT, entry_of(i));
	KUNIT_EXPECT_PTR_EQ(test, &mock_handed_over, iommu_get_domain_for_dev(dev_of(0)));
	leave_blocking_domain(test);
}

static struct kunit_case iommu_group_cases[] = {
	KUNIT_CASE(group_starts_without_a_write),
	KUNIT_CASE(first_device_fails),
	KUNIT_CASE(devices_which_have_left_are_closed),
	KUNIT_CASE(device_that_fails_keeps_running),
	KUNIT_CASE(group_can_be_attached_again),
	KUNIT_CASE(container_does_not_get_an_incoming_group),
	KUNIT_CASE(only_an_incoming_device_is_attached_first),
	KUNIT_CASE(group_with_an_incoming_device_stays_as_it_is),
	KUNIT_CASE(closed_device_is_stopped_and_others_keep_their_entries),
	KUNIT_CASE(group_of_a_device_without_an_iommu_is_left_alone),
	KUNIT_CASE(incoming_device_without_an_owner_reaches_nothing),
	{ }
};

static struct kunit_suite iommu_group_suite = {
	.name		= "irq_liveupdate_iommu_group",
	.init		= init_group,
	.test_cases	= iommu_group_cases,
};

kunit_test_suite(iommu_group_suite);

MODULE_DESCRIPTION("KUnit tests of IOMMU groups which were handed over");
MODULE_LICENSE("GPL");
