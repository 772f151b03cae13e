// SPDX-License-Identifier: GPL-2.0-only

/*
 * How time scales with the amount of memory that a device reaches: the real core hands over
 * a device whose page table maps 1 GiB in pages of 4 KiB or of 2 MiB, and takes it over.
 * With iommu_liveupdate_scale_test.full=1 there are also 32 GiB and 1 TiB, whose tables need
 * 3 GB of memory. The page table is a real second-stage one of VT-d, with all of its tables;
 * there is no memory behind it. The IOMMU is a mock.
 *
 * Every case prints "tables: STEP GIB PAGE TABLES NANOSECONDS" for each step. With
 * -icount of QEMU a nanosecond is an instruction. lab/cost/page_tables.py reads that.
 *
 * The next kernel finds different pages, as many as there were tables, which KHO
 * has marked and the previous kernel has forgotten.
 */

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/crc32.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho/abi/block.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/numa.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "iommu-liveupdate.h"
#include "iommu-priv.h"
#include "kunit_mock_device.h"

#define DEVID		PCI_DEVID(0, 8)
#define DOMAIN_ID	7
#define FIRST_IOVA	SZ_1T

/* Of a page table with four levels */
#define GIB_PER_LEVEL2	512
#define TABLES_PER_GIB	512

static bool full;
module_param(full, bool, 0444);
MODULE_PARM_DESC(full, "Measure page tables of up to 1 TiB");

static const struct size {
	const char	*name;
	unsigned int	gib;
	unsigned int	page;
} few_sizes[] = {
	{ "1 GiB of 4 KiB",	1, SZ_4K },
	{ "1 GiB of 2 MiB",	1, SZ_2M },
}, sizes[] = {
	{ "1 GiB of 4 KiB",	1, SZ_4K },
	{ "32 GiB of 4 KiB",	32, SZ_4K },
	{ "1024 GiB of 4 KiB",	1024, SZ_4K },
	{ "1 GiB of 2 MiB",	1, SZ_2M },
	{ "32 GiB of 2 MiB",	32, SZ_2M },
	{ "1024 GiB of 2 MiB",	1024, SZ_2M },
};

KUNIT_ARRAY_PARAM_DESC(few_size, few_sizes, name);
KUNIT_ARRAY_PARAM_DESC(full_size, sizes, name);

static const void *size_gen_params(struct kunit *test, const void *prev, char *desc)
{
	return full ? full_size_gen_params(test, prev, desc) :
		      few_size_gen_params(test, prev, desc);
}

/**
 * struct fixture - A device, and the memory that it reaches
 * @size:	How much
 * @mock:	Its unit
 * @sysdata:	Data of the bus
 * @bus:	Where it is
 * @mdev:	The device
 * @dev_iommu:	The core's data of it
 * @domain:	What it is attached to in the kernel that hands over
 * @other:	What it is attached to in the kernel that takes over
 * @root:	What the latter finds
 */
static struct fixture {
	const struct size		*size;
	struct mock_iommu		mock;
	struct pci_sysdata		sysdata;
	struct pci_bus			bus;
	struct mock_device		mdev;
	struct dev_iommu		dev_iommu;
	struct pt_iommu_vtdss		domain;
	struct iommu_domain		other;
	struct iommu_lu_root_ser	root;
} *fixture;

static struct device *dev(void)
{
	return &fixture->mdev.pdev.dev;
}

static unsigned int nr_tables(void)
{
	unsigned int gib = fixture->size->gib;
	unsigned int nr = 1 + DIV_ROUND_UP(gib, GIB_PER_LEVEL2) + gib;

	return fixture->size->page == SZ_4K ? nr + gib * TABLES_PER_GIB : nr;
}

static void take_step(struct kunit *test, const char *step, void (*fn)(struct kunit *test))
{
	u64 begin = ktime_get_ns(), end;

	fn(test);
	end = ktime_get_ns();
	kunit_printk(KERN_NOTICE, test, "tables: %s %u %u %u %llu\n", step, fixture->size->gib,
		     fixture->size->page, nr_tables(), end - begin);
}

/*
 * Setting up
 */

static int add_entry(struct device *dev, struct iommu_domain *domain,
		     struct iommu_lu_out_device *out)
{
	const struct iommu_lu_entry entry = {
		.devid		= DEVID,
		.domain_id	= DOMAIN_ID,
	};

	return iommu_lu_add_entry(out, &entry);
}

static const struct iommu_liveupdate_ops liveupdate_ops = {
	.preserve_unit		= mock_preserve_unit,
	.unpreserve_unit	= mock_unpreserve_unit,
	.check_device		= mock_check_device,
	.add_entries		= add_entry,
	.reserve_domain_id	= mock_reserve_domain_id,
	.free_domain_id		= mock_free_domain_id,
	.handed_over		= &mock_handed_over,
};

static const struct iommu_ops ops = {
	.liveupdate	= &liveupdate_ops,
};

static bool attached_to_nothing(struct iommu_group *group)
{
	return false;
}

static struct iommu_domain *attached_to(struct iommu_group *group)
{
	return &fixture->domain.iommu.domain;
}

static void add_device(struct kunit *test)
{
	fixture->bus.sysdata = &fixture->sysdata;
	fixture->bus.number = PCI_BUS_NUM(DEVID);
	fixture->mdev.pdev.bus = &fixture->bus;
	fixture->mdev.pdev.devfn = DEVID & 0xff;
	fixture->dev_iommu.iommu_dev = &fixture->mock.iommu;
	mock_add_device(test, &fixture->mdev, "mock_scale", kunit_alloc_group(test),
			&fixture->dev_iommu);
}

static int init_fixture(struct kunit *test)
{
	if (!kho_is_enabled())
		kunit_skip(test, "KHO is off, boot with kho=on");

	fixture = kunit_kzalloc(test, sizeof(*fixture), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fixture);
	fixture->size = test->param_value;
	fixture->sysdata.domain = MOCK_SEGMENT;
	fixture->mock.iommu.ops = &ops;
	fixture->mock.table = mock_alloc_table(test);
	add_device(test);
	kunit_activate_static_stub(test, iommu_group_is_blocked, attached_to_nothing);
	kunit_activate_static_stub(test, iommu_group_owner_domain, attached_to);
	return 0;
}

/*
 * Steps of the kernel that hands over
 */

static void map(struct kunit *test)
{
	struct pt_iommu_vtdss_cfg cfg = { .top_level = 3 };
	struct pt_iommu *pt = &fixture->domain.iommu;
	size_t mapped = 0;

	cfg.common.hw_max_vasz_lg2 = 48;
	cfg.common.hw_max_oasz_lg2 = 52;
	cfg.common.features = BIT(PT_FEAT_FLUSH_RANGE);
	pt->nid = NUMA_NO_NODE;
	KUNIT_ASSERT_EQ(test, 0, pt_iommu_vtdss_init(&fixture->domain, &cfg, GFP_KERNEL));
	pt->domain.type = IOMMU_DOMAIN_UNMANAGED;
	pt->domain.pgsize_bitmap = fixture->size->page;
	KUNIT_ASSERT_EQ(test, 0, pt->ops->map_range(pt, FIRST_IOVA, 0,
						    (dma_addr_t)fixture->size->gib * SZ_1G,
						    IOMMU_READ | IOMMU_WRITE, GFP_KERNEL,
						    &mapped));
}

static void preserve(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, iommu_liveupdate_preserve(dev()));
}

static void cancel(struct kunit *test)
{
	iommu_liveupdate_unpreserve(dev());
}

static void freeze(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, iommu_liveupdate_check(dev()));
}

static void block_others(struct kunit *test)
{
	mock_shut_down(&fixture->mock);
}

static void expect_all_tables_listed(struct kunit *test)
{
	const struct iommu_lu_root_ser *root = PTR_ALIGN_DOWN((void *)fixture->mock.ser,
							      PAGE_SIZE);
	const struct kho_block_header_ser *devices = phys_to_virt(root->devices);
	const struct iommu_lu_device_ser *ser = (const void *)(devices + 1);

	KUNIT_EXPECT_EQ(test, nr_tables(), ser->tables.nr);
}

/*
 * Steps of the kernel that takes over
 */

static void *keep(struct kunit *test)
{
	void *page = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, page);
	return page;
}

static struct iommu_lu_pages_ser keep_tables(struct kunit *test)
{
	struct iommu_lu_pages_ser ser = { .nr = nr_tables(), .checksum = ~0U };
	u64 *next = &ser.first;
	unsigned int left;

	for (left = ser.nr; left;) {
		struct kho_block_header_ser *block = keep(test);
		u64 *pages = (u64 *)(block + 1);

		block->count = min_t(u64, left, IOMMU_LU_PAGES_PER_BLOCK);
		for (u64 i = 0; i < block->count; i++)
			pages[i] = virt_to_phys(keep(test));
		ser.checksum = crc32_le(ser.checksum, pages, block->count * sizeof(*pages));
		left -= block->count;
		*next = virt_to_phys(block);
		next = &block->next;
	}
	return ser;
}

static void keep_device(struct kunit *test)
{
	struct kho_block_header_ser *block = keep(test);
	struct iommu_lu_device_ser *ser = (struct iommu_lu_device_ser *)(block + 1);

	*ser = (struct iommu_lu_device_ser) {
		.segment	= MOCK_SEGMENT,
		.devid		= DEVID,
		.owner		= DEVID,
		.domain_id	= DOMAIN_ID,
		.tables		= keep_tables(test),
	};
	ser->checksum = iommu_lu_device_checksum(ser);
	block->count = 1;
	fixture->root.devices = virt_to_phys(block);
	fixture->root.nr_devices = 1;
}

static const struct iommu_lu_device_ser *incoming(void)
{
	return iommu_liveupdate_incoming_entry(MOCK_SEGMENT, DEVID);
}

static void restore(struct kunit *test)
{
	iommu_lu_load_devices(&fixture->root);
}

static void adopt(struct kunit *test)
{
	KUNIT_ASSERT_NULL(test, iommu_liveupdate_adopt_entry(incoming(), &fixture->mock.iommu,
							     &liveupdate_ops));
}

/* What the core does once the driver has written the entry */
static void leave(struct kunit *test)
{
	iommu_liveupdate_attached(dev(), &fixture->other, &mock_handed_over);
}

static void release(struct kunit *test)
{
	flush_work(&iommu_lu_free_work);
}

static void each_step(struct kunit *test)
{
	take_step(test, "map", map);
	take_step(test, "preserve", preserve);
	expect_all_tables_listed(test);
	take_step(test, "freeze", freeze);
	take_step(test, "block", block_others);
	take_step(test, "cancel", cancel);
	pt_iommu_deinit(&fixture->domain.iommu);

	keep_device(test);
	take_step(test, "restore", restore);
	KUNIT_ASSERT_NOT_NULL(test, incoming());
	take_step(test, "adopt", adopt);
	take_step(test, "leave", leave);
	take_step(test, "free", release);
	KUNIT_EXPECT_NULL(test, incoming());
	iommu_liveupdate_finish();
}

static struct kunit_case scale_test_cases[] = {
	KUNIT_CASE_PARAM(each_step, size_gen_params),
	{ }
};

static struct kunit_suite scale_test_suite = {
	.name		= "irq_liveupdate_tables",
	.init		= init_fixture,
	.test_cases	= scale_test_cases,
};

kunit_test_suite(scale_test_suite);

MODULE_DESCRIPTION("How a live update scales with the page table of a device");
MODULE_LICENSE("GPL");
