// SPDX-License-Identifier: GPL-2.0-only

/*
 * Tests of the kernel that hands over devices with DMA mappings: what is preserved
 * and recorded, once for all devices that share it, and given back with the last
 * one. The IOMMU is a mock, KHO is real. Static stubs determine what is attached.
 */

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/crc32.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/block.h>
#include <linux/pci.h>

#include "iommu-liveupdate.h"
#include "iommu-priv.h"
#include "kunit_mock_device.h"

#include <trace/events/irq_liveupdate.h>

#define NR_DEVICES	3
#define NR_TABLES	3
#define BUS		1
#define ID(i)		PCI_DEVID(BUS, i)
#define ALIAS		PCI_DEVID(BUS, 0x80)

#define TABLES_PER_BLOCK \
	((KHO_BLOCK_SIZE - sizeof(struct kho_block_header_ser)) / sizeof(u64))
#define DEVICES_PER_BLOCK \
	((KHO_BLOCK_SIZE - sizeof(struct kho_block_header_ser)) / \
	 sizeof(struct iommu_lu_device_ser))

/**
 * struct fixture - Devices behind a mock unit
 * @mock:	The unit
 * @sysdata:	Data of the bus
 * @bus:	Where the devices are
 * @devs:	The devices
 * @dev_iommus:	The core's data of each of them
 * @domains:	Two domains
 * @other:	A domain of another kind
 * @groups:	Groups of the devices, which may be the same one
 * @attached:	What each group is attached to, or NULL, or an error
 */
static struct fixture {
	struct mock_iommu	mock;
	struct pci_sysdata	sysdata;
	struct pci_bus		bus;
	struct mock_device	devs[NR_DEVICES];
	struct dev_iommu	dev_iommus[NR_DEVICES];
	struct mock_domain	domains[2];
	struct iommu_domain	other;
	struct iommu_group	*groups[NR_DEVICES];
	struct iommu_domain	*attached[NR_DEVICES];
} *fixture;

static struct device *dev_of(unsigned int i)
{
	return &fixture->devs[i].pdev.dev;
}

static struct iommu_domain *attached_to(struct iommu_group *group)
{
	unsigned int i;

	for (i = 0; i < NR_DEVICES; i++) {
		if (fixture->groups[i] == group)
			return fixture->attached[i];
	}
	return NULL;
}

static bool fake_is_blocked(struct iommu_group *group)
{
	return !attached_to(group);
}

/*
 * Setting up
 */

static void alloc_tables(struct kunit *test, struct mock_domain *domain, unsigned int nr)
{
	domain->tables = kunit_kcalloc(test, nr, sizeof(*domain->tables), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, domain->tables);
	for (domain->nr_tables = 0; domain->nr_tables < nr; domain->nr_tables++)
		domain->tables[domain->nr_tables] = mock_alloc_table(test);
}

static int mock_visit_tables(struct pt_iommu *pt,
			     int (*fn)(void *table, void *arg), void *arg)
{
	struct mock_domain *domain = to_mock_domain(&pt->domain);
	unsigned int i;
	int ret = 0;

	domain->visits++;
	for (i = 0; i < domain->nr_tables && !ret; i++)
		ret = fn(domain->tables[i], arg);
	return ret;
}

static const struct pt_iommu_ops mock_pt_ops = {
	.for_each_table	= mock_visit_tables,
};

static void init_domain(struct kunit *test, struct mock_domain *domain, u32 id)
{
	domain->pt.domain.type = IOMMU_DOMAIN_UNMANAGED;
	domain->pt.domain.is_iommupt = true;
	domain->pt.domain.ops = &mock_domain_ops;
	domain->pt.ops = &mock_pt_ops;
	domain->id = id;
	alloc_tables(test, domain, NR_TABLES);
}

static void add_device(struct kunit *test, unsigned int i, struct iommu_group *group)
{
	struct mock_device *mdev = &fixture->devs[i];

	mdev->pdev.bus = &fixture->bus;
	mdev->pdev.devfn = i;
	mdev->aliases[mdev->nr_aliases++] = ID(i);
	fixture->dev_iommus[i].iommu_dev = &fixture->mock.iommu;
	mock_add_device(test, mdev, "mock_translation", group, &fixture->dev_iommus[i]);
	fixture->groups[i] = group;
}

static void attach(unsigned int i, struct mock_domain *domain)
{
	fixture->attached[i] = &domain->pt.domain;
	mock_attach(&domain->pt.domain, dev_of(i), NULL);
}

/* Each device has a group of its own, and is attached to nothing. */
static int init_fixture(struct kunit *test)
{
	unsigned int i;

	if (!kho_is_enabled())
		kunit_skip(test, "KHO is off, boot with kho=on");

	fixture = kunit_kzalloc(test, sizeof(*fixture), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fixture);
	fixture->mock.iommu.ops = &mock_ops;
	fixture->mock.table = mock_alloc_table(test);
	fixture->sysdata.domain = MOCK_SEGMENT;
	fixture->bus.sysdata = &fixture->sysdata;
	fixture->bus.number = BUS;
	for (i = 0; i < ARRAY_SIZE(fixture->domains); i++)
		init_domain(test, &fixture->domains[i], 5 + i);
	for (i = 0; i < NR_DEVICES; i++)
		add_device(test, i, kunit_alloc_group(test));
	kunit_activate_static_stub(test, iommu_group_is_blocked, fake_is_blocked);
	kunit_activate_static_stub(test, iommu_group_owner_domain, attached_to);
	return 0;
}

/* Devices of one group share what it is attached to. */
static void join_group(struct kunit *test, unsigned int i, unsigned int mate)
{
	struct device *dev = dev_of(i);

	dev->bus = NULL;
	dev->iommu = NULL;
	iommu_group_remove_device(dev);
	KUNIT_ASSERT_EQ(test, 0, iommu_group_add_device(fixture->groups[mate], dev));
	dev->bus = &pci_bus_type;
	dev->iommu = &fixture->dev_iommus[i];
	fixture->groups[i] = NULL;
}

static void preserve(struct kunit *test, unsigned int i)
{
	KUNIT_ASSERT_EQ(test, 0, iommu_liveupdate_preserve(dev_of(i)));
}

static void unpreserve(unsigned int i)
{
	iommu_liveupdate_unpreserve(dev_of(i));
}

/*
 * What is handed over, as the next kernel reads it
 */

static const struct iommu_lu_root_ser *root(void)
{
	return PTR_ALIGN_DOWN((void *)fixture->mock.ser, PAGE_SIZE);
}

static const void *nth_entry(u64 phys, unsigned int nr, unsigned int per_block, size_t size)
{
	const struct kho_block_header_ser *block = phys_to_virt(phys);

	for (; nr >= per_block; nr -= per_block)
		block = phys_to_virt(block->next);
	return (const void *)(block + 1) + nr * size;
}

static const struct iommu_lu_device_ser *record(unsigned int nr)
{
	return nth_entry(root()->devices, nr, DEVICES_PER_BLOCK,
			 sizeof(struct iommu_lu_device_ser));
}

static u64 listed_table(const struct iommu_lu_pages_ser *list, unsigned int nr)
{
	return *(const u64 *)nth_entry(list->first, nr, TABLES_PER_BLOCK, sizeof(u64));
}

static void expect_tables(struct kunit *test, const struct iommu_lu_pages_ser *list,
			  const struct mock_domain *domain)
{
	u32 crc = ~0U;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, domain->nr_tables, list->nr);
	for (i = 0; i < list->nr; i++) {
		u64 entry = listed_table(list, i);

		KUNIT_EXPECT_EQ(test, virt_to_phys(domain->tables[i]), entry);
		crc = crc32_le(crc, &entry, sizeof(entry));
	}
	KUNIT_EXPECT_EQ(test, crc, list->checksum);
}

static void expect_record(struct kunit *test, unsigned int nr, u16 devid, u16 owner,
			  const struct mock_domain *domain)
{
	const struct iommu_lu_device_ser *ser = record(nr);

	KUNIT_EXPECT_EQ(test, MOCK_SEGMENT, ser->segment);
	KUNIT_EXPECT_EQ(test, devid, ser->devid);
	KUNIT_EXPECT_EQ(test, owner, ser->owner);
	KUNIT_EXPECT_EQ(test, domain->id, ser->domain_id);
	KUNIT_EXPECT_EQ(test, mock_entry(domain), ser->entry[0]);
	KUNIT_EXPECT_EQ(test, 0, ser->entry[1]);
	KUNIT_EXPECT_EQ(test, iommu_lu_device_checksum(ser), ser->checksum);
	expect_tables(test, &ser->tables, domain);
}

static bool stays(u16 devid)
{
	return iommu_liveupdate_entry_stays(MOCK_SEGMENT, devid);
}

/* The root is given back with the last device, and its name can be reused. */
static void expect_nothing_preserved(struct kunit *test)
{
	struct iommu_lu_root_ser *page;
	unsigned int i;

	KUNIT_EXPECT_NULL(test, fixture->mock.ser);
	for (i = 0; i < MOCK_ENTRIES; i++)
		KUNIT_EXPECT_FALSE_MSG(test, stays(i), "%x", i);

	page = mock_alloc_table(test);
	KUNIT_EXPECT_EQ(test, 0, kho_add_subtree(IOMMU_LU_KHO_NODE, page, IOMMU_LU_ROOT_SIZE));
	kho_remove_subtree(page);
}

/*
 * Cases
 */

static void attached_device_is_recorded_with_its_tables(struct kunit *test)
{
	attach(0, &fixture->domains[0]);
	preserve(test, 0);

	KUNIT_EXPECT_EQ(test, 1, root()->nr_units);
	KUNIT_EXPECT_EQ(test, MOCK_REG_BASE, root()->units[0].reg_base);
	KUNIT_ASSERT_EQ(test, 1, root()->nr_devices);
	expect_record(test, 0, ID(0), ID(0), &fixture->domains[0]);
	KUNIT_EXPECT_EQ(test, 0, record(0)->pasid_dir);
	KUNIT_EXPECT_EQ(test, 0, record(0)->pasid_table);
	KUNIT_EXPECT_TRUE(test, stays(ID(0)));
	KUNIT_EXPECT_FALSE(test, stays(ID(1)));
	KUNIT_EXPECT_FALSE(test, iommu_liveupdate_entry_stays(MOCK_SEGMENT + 1, ID(0)));

	unpreserve(0);
	expect_nothing_preserved(test);
}

static void blocked_device_has_no_record(struct kunit *test)
{
	preserve(test, 0);
	KUNIT_EXPECT_EQ(test, 1, root()->nr_units);
	KUNIT_EXPECT_EQ(test, 0, root()->nr_devices);
	KUNIT_EXPECT_EQ(test, 0, root()->devices);
	KUNIT_EXPECT_FALSE(test, stays(ID(0)));

	unpreserve(0);
	expect_nothing_preserved(test);
}

static void root_is_sealed_after_each_change(struct kunit *test)
{
	struct iommu_lu_root_ser copy;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		attach(i, &fixture->domains[i]);
		preserve(test, i);
		copy = *root();
		copy.checksum = 0;
		KUNIT_EXPECT_EQ(test, root()->checksum,
				crc32_le(crc32_le(~0U, &copy, sizeof(copy)), root()->units,
					 root()->nr_units * sizeof(root()->units[0])));
	}
	unpreserve(0);
	unpreserve(1);
}

static void shared_domain_is_preserved_once(struct kunit *test)
{
	attach(0, &fixture->domains[0]);
	attach(1, &fixture->domains[0]);
	preserve(test, 0);
	preserve(test, 1);

	KUNIT_ASSERT_EQ(test, 2, root()->nr_devices);
	expect_record(test, 0, ID(0), ID(0), &fixture->domains[0]);
	expect_record(test, 1, ID(1), ID(1), &fixture->domains[0]);
	KUNIT_EXPECT_EQ(test, record(0)->tables.first, record(1)->tables.first);
	KUNIT_EXPECT_EQ(test, 1, fixture->domains[0].visits);

	/* The first device goes, and what the second one needs stays. */
	unpreserve(0);
	KUNIT_EXPECT_FALSE(test, stays(ID(0)));
	KUNIT_EXPECT_TRUE(test, stays(ID(1)));
	expect_record(test, 1, ID(1), ID(1), &fixture->domains[0]);

	unpreserve(1);
	expect_nothing_preserved(test);
}

static void each_domain_has_its_own_list(struct kunit *test)
{
	attach(0, &fixture->domains[0]);
	attach(1, &fixture->domains[1]);
	preserve(test, 0);
	preserve(test, 1);
	expect_record(test, 0, ID(0), ID(0), &fixture->domains[0]);
	expect_record(test, 1, ID(1), ID(1), &fixture->domains[1]);
	KUNIT_EXPECT_NE(test, record(0)->tables.first, record(1)->tables.first);

	unpreserve(1);
	unpreserve(0);
	expect_nothing_preserved(test);
}

/* The records of other devices do not move. */
static void unused_record_is_zero_and_used_again(struct kunit *test)
{
	attach(0, &fixture->domains[0]);
	attach(1, &fixture->domains[1]);
	preserve(test, 0);
	preserve(test, 1);

	unpreserve(0);
	KUNIT_EXPECT_EQ(test, 2, root()->nr_devices);
	KUNIT_EXPECT_NULL(test, memchr_inv(record(0), 0, sizeof(*record(0))));
	expect_record(test, 1, ID(1), ID(1), &fixture->domains[1]);

	preserve(test, 0);
	KUNIT_EXPECT_EQ(test, 2, root()->nr_devices);
	expect_record(test, 0, ID(0), ID(0), &fixture->domains[0]);
	unpreserve(0);
	unpreserve(1);
	expect_nothing_preserved(test);
}

static void add_alias(unsigned int i, u16 alias)
{
	fixture->devs[i].aliases[fixture->devs[i].nr_aliases++] = alias;
}

static void alias_of_two_devices_is_recorded_once(struct kunit *test)
{
	add_alias(0, ALIAS);
	add_alias(1, ALIAS);
	attach(0, &fixture->domains[0]);
	attach(1, &fixture->domains[0]);
	preserve(test, 0);
	preserve(test, 1);
	KUNIT_ASSERT_EQ(test, 3, root()->nr_devices);
	expect_record(test, 1, ALIAS, ID(0), &fixture->domains[0]);

	unpreserve(0);
	KUNIT_EXPECT_TRUE(test, stays(ALIAS));
	unpreserve(1);
	expect_nothing_preserved(test);
}

/* The same alias twice for one device: it may be the bridge above it as well */
static void alias_of_one_device_is_counted_once(struct kunit *test)
{
	add_alias(0, ID(0));
	attach(0, &fixture->domains[0]);
	preserve(test, 0);
	KUNIT_EXPECT_EQ(test, 1, root()->nr_devices);
	unpreserve(0);
	expect_nothing_preserved(test);
}

static void alias_with_another_domain_is_refused(struct kunit *test)
{
	add_alias(0, ALIAS);
	add_alias(1, ALIAS);
	attach(0, &fixture->domains[0]);
	preserve(test, 0);
	attach(1, &fixture->domains[1]);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_preserve(dev_of(1)));
	KUNIT_EXPECT_FALSE(test, stays(ID(1)));
	KUNIT_EXPECT_TRUE(test, stays(ALIAS));

	unpreserve(0);
	expect_nothing_preserved(test);
}

static void preserve_with_bridge(struct kunit *test)
{
	join_group(test, 1, 0);
	fixture->devs[1].pdev.hdr_type = PCI_HEADER_TYPE_BRIDGE;
	attach(0, &fixture->domains[0]);
	mock_attach(fixture->attached[0], dev_of(1), NULL);
	preserve(test, 0);
}

static void bridge_of_the_group_is_recorded(struct kunit *test)
{
	preserve_with_bridge(test);
	KUNIT_ASSERT_EQ(test, 2, root()->nr_devices);
	expect_record(test, 0, ID(0), ID(0), &fixture->domains[0]);
	expect_record(test, 1, ID(1), ID(1), &fixture->domains[0]);
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(0)));

	unpreserve(0);
	expect_nothing_preserved(test);
}

/* Another device of the group must be preserved, too, or the group cannot be handed over. */
static void mate_has_to_be_preserved_as_well(struct kunit *test)
{
	join_group(test, 1, 0);
	attach(0, &fixture->domains[0]);
	mock_attach(fixture->attached[0], dev_of(1), NULL);
	preserve(test, 0);
	KUNIT_EXPECT_FALSE(test, stays(ID(1)));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_liveupdate_check(dev_of(0)));

	preserve(test, 1);
	KUNIT_EXPECT_TRUE(test, stays(ID(1)));
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(0)));
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(1)));

	unpreserve(0);
	unpreserve(1);
	expect_nothing_preserved(test);
}

static void other_domain_cannot_be_frozen(struct kunit *test)
{
	attach(0, &fixture->domains[0]);
	preserve(test, 0);
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(0)));
	fixture->attached[0] = &fixture->domains[1].pt.domain;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_liveupdate_check(dev_of(0)));
	fixture->attached[0] = NULL;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_liveupdate_check(dev_of(0)));
	unpreserve(0);

	preserve(test, 1);
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(1)));
	attach(1, &fixture->domains[0]);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_liveupdate_check(dev_of(1)));
	unpreserve(1);
	expect_nothing_preserved(test);
}

struct refusals {
	enum irq_liveupdate_step	step;
	unsigned int			nr;
};

static void on_refuse(void *data, const char *device, enum irq_liveupdate_step step,
		      const char *reason)
{
	struct refusals *refusals = data;

	refusals->step = step;
	refusals->nr++;
}

static void stop_tracing(void *refusals)
{
	unregister_trace_irq_liveupdate_refuse(on_refuse, refusals);
	tracepoint_synchronize_unregister();
}

static void watch_refusals(struct kunit *test, struct refusals *refusals)
{
	*refusals = (struct refusals) { };
	KUNIT_ASSERT_EQ(test, 0, register_trace_irq_liveupdate_refuse(on_refuse, refusals));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, stop_tracing, refusals));
}

/* The same checks are made when the device is preserved. */
static void refusal_at_freeze_is_traced_as_one(struct kunit *test)
{
	static const struct iommu_ops without_live_update;
	static struct refusals refusals;

	attach(0, &fixture->domains[0]);
	preserve(test, 0);
	watch_refusals(test, &refusals);

	fixture->attached[0] = ERR_PTR(-EBUSY);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_liveupdate_check(dev_of(0)));
	KUNIT_EXPECT_EQ(test, refusals.nr, 1);
	KUNIT_EXPECT_EQ(test, refusals.step, IRQ_LIVEUPDATE_FREEZE);

	fixture->mock.iommu.ops = &without_live_update;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_liveupdate_check(dev_of(0)));
	KUNIT_EXPECT_EQ(test, refusals.nr, 2);
	KUNIT_EXPECT_EQ(test, refusals.step, IRQ_LIVEUPDATE_FREEZE);

	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_liveupdate_preserve(dev_of(0)));
	KUNIT_EXPECT_EQ(test, refusals.nr, 3);
	KUNIT_EXPECT_EQ(test, refusals.step, IRQ_LIVEUPDATE_PRESERVE);

	fixture->mock.iommu.ops = &mock_ops;
	unpreserve(0);
	expect_nothing_preserved(test);
}

/* Meanwhile its group remains attached. */
static void device_that_is_being_reset_is_refused(struct kunit *test)
{
	static struct refusals refusals;

	watch_refusals(test, &refusals);
	attach(0, &fixture->domains[0]);
	mock_block(dev_of(0));
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_preserve(dev_of(0)));
	KUNIT_EXPECT_EQ(test, refusals.nr, 1);
	KUNIT_EXPECT_EQ(test, refusals.step, IRQ_LIVEUPDATE_PRESERVE);
	expect_nothing_preserved(test);

	attach(0, &fixture->domains[0]);
	preserve(test, 0);
	mock_block(dev_of(0));
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_check(dev_of(0)));
	KUNIT_EXPECT_EQ(test, refusals.nr, 2);
	KUNIT_EXPECT_EQ(test, refusals.step, IRQ_LIVEUPDATE_FREEZE);

	attach(0, &fixture->domains[0]);
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(0)));
	KUNIT_EXPECT_EQ(test, refusals.nr, 2);
	unpreserve(0);
	expect_nothing_preserved(test);
}

static void entry_that_has_changed_cannot_be_frozen(struct kunit *test)
{
	struct mock_domain *domain = &fixture->domains[0];

	attach(0, domain);
	preserve(test, 0);
	domain->id++;
	attach(0, domain);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_check(dev_of(0)));

	domain->id--;
	swap(domain->tables[0], domain->tables[1]);
	attach(0, domain);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_check(dev_of(0)));

	swap(domain->tables[0], domain->tables[1]);
	attach(0, domain);
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(0)));
	unpreserve(0);
	expect_nothing_preserved(test);
}

static void bridge_that_is_being_reset_cannot_be_frozen(struct kunit *test)
{
	preserve_with_bridge(test);
	mock_block(dev_of(1));
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_check(dev_of(0)));
	unpreserve(0);
	expect_nothing_preserved(test);
}

/* Its record is complete. */
static void entry_is_not_added_at_freeze(struct kunit *test)
{
	attach(0, &fixture->domains[0]);
	preserve(test, 0);
	add_alias(0, ALIAS);
	attach(0, &fixture->domains[0]);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_check(dev_of(0)));
	KUNIT_EXPECT_FALSE(test, stays(ALIAS));
	KUNIT_EXPECT_EQ(test, 1, root()->nr_devices);
	unpreserve(0);
	expect_nothing_preserved(test);
}

static void no_owner(void)
{
	fixture->attached[0] = ERR_PTR(-EBUSY);
}

static void still_handed_over(void)
{
	fixture->attached[0] = &mock_handed_over;
}

static void other_tables(void)
{
	fixture->other.type = IOMMU_DOMAIN_UNMANAGED;
	fixture->attached[0] = &fixture->other;
}

static void ats(void)
{
	fixture->devs[0].ats = true;
}

static const struct refusal {
	const char	*name;
	void		(*change)(void);
} refusals[] = {
	{ "no owner, or a PASID", no_owner },
	{ "not attached since the last live update", still_handed_over },
	{ "page table of another format", other_tables },
	{ "refused by the driver", ats },
};

KUNIT_ARRAY_PARAM_DESC(refusal, refusals, name);

static void device_is_refused(struct kunit *test)
{
	const struct refusal *refusal = test->param_value;

	attach(0, &fixture->domains[0]);
	refusal->change();
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_liveupdate_preserve(dev_of(0)));
	expect_nothing_preserved(test);
}

static void pasid_table_is_recorded(struct kunit *test)
{
	fixture->devs[0].pasid_dir = mock_alloc_table(test);
	fixture->devs[0].pasid_table = mock_alloc_table(test);
	attach(0, &fixture->domains[0]);
	preserve(test, 0);
	expect_record(test, 0, ID(0), ID(0), &fixture->domains[0]);
	KUNIT_EXPECT_EQ(test, virt_to_phys(fixture->devs[0].pasid_dir), record(0)->pasid_dir);
	KUNIT_EXPECT_EQ(test, virt_to_phys(fixture->devs[0].pasid_table),
			record(0)->pasid_table);
	unpreserve(0);
	expect_nothing_preserved(test);
}

/* More tables and entries than fit into a block */
static void lists_go_on_in_further_blocks(struct kunit *test)
{
	const struct kho_block_header_ser *block;
	unsigned int i, nr = DEVICES_PER_BLOCK + 2;

	alloc_tables(test, &fixture->domains[0], 2 * TABLES_PER_BLOCK + 1);
	for (i = 1; i < nr; i++)
		add_alias(0, ALIAS + i);
	attach(0, &fixture->domains[0]);
	preserve(test, 0);

	KUNIT_ASSERT_EQ(test, nr, root()->nr_devices);
	block = phys_to_virt(root()->devices);
	KUNIT_EXPECT_EQ(test, DEVICES_PER_BLOCK, block->count);
	block = phys_to_virt(block->next);
	KUNIT_EXPECT_EQ(test, 2, block->count);
	KUNIT_EXPECT_EQ(test, 0, block->next);
	expect_record(test, nr - 1, ALIAS + nr - 1, ID(0), &fixture->domains[0]);

	unpreserve(0);
	expect_nothing_preserved(test);
}

static void shutdown_leaves_what_is_recorded(struct kunit *test)
{
	attach(0, &fixture->domains[0]);
	attach(1, &fixture->domains[0]);
	preserve(test, 0);
	preserve(test, 2);

	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(0)));
	mock_shut_down(&fixture->mock);
	KUNIT_EXPECT_EQ(test, mock_entry(&fixture->domains[0]), fixture->mock.table[ID(0)]);
	KUNIT_EXPECT_EQ(test, MOCK_SILENT, fixture->mock.table[ID(1)]);
	KUNIT_EXPECT_EQ(test, MOCK_SILENT, fixture->mock.table[ID(2)]);
	unpreserve(0);
	unpreserve(2);
}

/* So that the cost of the pause does not depend on the size of the guest */
static void tables_are_looked_at_by_preserve_alone(struct kunit *test)
{
	attach(0, &fixture->domains[0]);
	preserve(test, 0);
	KUNIT_EXPECT_EQ(test, 1, fixture->domains[0].visits);

	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(0)));
	mock_shut_down(&fixture->mock);
	unpreserve(0);
	KUNIT_EXPECT_EQ(test, 1, fixture->domains[0].visits);
}

/*
 * Failing allocations
 */

/* Two devices of one group that share a domain, and one with an alias of both */
static void attach_all(struct kunit *test)
{
	join_group(test, 1, 0);
	fixture->devs[1].pdev.hdr_type = PCI_HEADER_TYPE_BRIDGE;
	fixture->devs[0].pasid_dir = mock_alloc_table(test);
	fixture->devs[0].pasid_table = mock_alloc_table(test);
	add_alias(0, ALIAS);
	add_alias(2, ALIAS);
	attach(0, &fixture->domains[0]);
	mock_attach(fixture->attached[0], dev_of(1), NULL);
	attach(2, &fixture->domains[0]);
}

/* Returns whether the allocation that was to fail was reached. */
static bool preserve_failing(struct kunit *test, unsigned int i, unsigned int nth)
{
	bool hit = false;
	int ret = 0;

	/* KHO warns when it cannot show its memory in debugfs. */
	kunit_warning_suppress(test) {
		fail_nth(nth);
		ret = iommu_liveupdate_preserve(dev_of(i));
		hit = stop_failing();
		KUNIT_EXPECT_LE(test, KUNIT_SUPPRESSED_WARNING_COUNT(), 1);
	}
	if (ret) {
		KUNIT_EXPECT_TRUE_MSG(test, hit, "allocation %u", nth);
		KUNIT_EXPECT_EQ_MSG(test, -ENOMEM, ret, "allocation %u", nth);
	} else {
		unpreserve(i);
	}
	return hit;
}

/* Whichever allocation fails, all that was done before is undone. */
static void each_allocation_of_preserve_fails_once(struct kunit *test)
{
	unsigned int nth;

	init_failing(test);
	attach_all(test);
	for (nth = 1; nth < MAX_ALLOCATIONS && preserve_failing(test, 0, nth); nth++)
		expect_nothing_preserved(test);
	KUNIT_EXPECT_GT(test, nth, NR_TABLES);
	KUNIT_EXPECT_LT(test, nth, MAX_ALLOCATIONS);
	expect_nothing_preserved(test);
}

/* What the first device has handed over stays as its records say. */
static void failed_allocation_for_a_second_device_leaves_the_first_one(struct kunit *test)
{
	unsigned int nth;

	init_failing(test);
	attach_all(test);
	preserve(test, 0);
	for (nth = 1; nth < MAX_ALLOCATIONS && preserve_failing(test, 2, nth); nth++) {
		KUNIT_EXPECT_FALSE(test, stays(ID(2)));
		expect_record(test, 0, ID(0), ID(0), &fixture->domains[0]);
		expect_record(test, 1, ALIAS, ID(0), &fixture->domains[0]);
		expect_record(test, 2, ID(1), ID(1), &fixture->domains[0]);
	}
	KUNIT_EXPECT_GT(test, nth, 1);
	KUNIT_EXPECT_LT(test, nth, MAX_ALLOCATIONS);
	unpreserve(0);
	expect_nothing_preserved(test);
}

static void nothing_is_allocated_from_freeze_on(struct kunit *test)
{
	init_failing(test);
	attach_all(test);
	preserve(test, 0);
	preserve(test, 2);

	fail_nth(1);
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(0)));
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev_of(2)));
	mock_shut_down(&fixture->mock);
	KUNIT_EXPECT_FALSE(test, stop_failing());

	unpreserve(2);
	unpreserve(0);
	expect_nothing_preserved(test);
}

static struct kunit_case iommu_liveupdate_out_cases[] = {
	KUNIT_CASE(attached_device_is_recorded_with_its_tables),
	KUNIT_CASE(blocked_device_has_no_record),
	KUNIT_CASE(root_is_sealed_after_each_change),
	KUNIT_CASE(shared_domain_is_preserved_once),
	KUNIT_CASE(each_domain_has_its_own_list),
	KUNIT_CASE(unused_record_is_zero_and_used_again),
	KUNIT_CASE(alias_of_two_devices_is_recorded_once),
	KUNIT_CASE(alias_of_one_device_is_counted_once),
	KUNIT_CASE(alias_with_another_domain_is_refused),
	KUNIT_CASE(bridge_of_the_group_is_recorded),
	KUNIT_CASE(mate_has_to_be_preserved_as_well),
	KUNIT_CASE(other_domain_cannot_be_frozen),
	KUNIT_CASE(refusal_at_freeze_is_traced_as_one),
	KUNIT_CASE(device_that_is_being_reset_is_refused),
	KUNIT_CASE(entry_that_has_changed_cannot_be_frozen),
	KUNIT_CASE(bridge_that_is_being_reset_cannot_be_frozen),
	KUNIT_CASE(entry_is_not_added_at_freeze),
	KUNIT_CASE_PARAM(device_is_refused, refusal_gen_params),
	KUNIT_CASE(pasid_table_is_recorded),
	KUNIT_CASE(lists_go_on_in_further_blocks),
	KUNIT_CASE(shutdown_leaves_what_is_recorded),
	KUNIT_CASE(tables_are_looked_at_by_preserve_alone),
	KUNIT_CASE(each_allocation_of_preserve_fails_once),
	KUNIT_CASE(failed_allocation_for_a_second_device_leaves_the_first_one),
	KUNIT_CASE(nothing_is_allocated_from_freeze_on),
	{ }
};

static struct kunit_suite iommu_liveupdate_out_suite = {
	.name		= "irq_liveupdate_iommu_out",
	.init		= init_fixture,
	.test_cases	= iommu_liveupdate_out_cases,
};

kunit_test_suite(iommu_liveupdate_out_suite);

MODULE_DESCRIPTION("KUnit tests of devices with DMA mappings which are handed over");
MODULE_LICENSE("GPL");
