// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the records of devices with DMA mappings, in the kernel that takes over:
 * what is refused, which domain ids are reserved, and when the tables are freed.
 */

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

#include "../pci/pci.h"
#include "iommu-liveupdate.h"

#define SEGMENT		0
#define ID		0x0308
#define OTHER_ID	0x0410
#define ALIAS		0x0340
#define DOMAIN_ID	7
#define NR_TABLES	3
#define MAX_KEPT	16

/**
 * struct left - What the previous kernel has left
 * @root:	The root
 * @devices:	Block of devices
 * @ser:	The devices in it
 * @lists:	Lists of tables
 * @tables:	The tables in each of them
 * @kept:	All pages that must not be freed while a device may reach them
 * @held:	For each of them, whether the test has a reference
 * @nr_kept:	How many there are
 */
struct left {
	struct iommu_lu_root_ser	*root;
	struct kho_block_header_ser	*devices;
	struct iommu_lu_device_ser	*ser;
	struct kho_block_header_ser	*lists[2];
	void				*tables[2][NR_TABLES];
	void				*kept[MAX_KEPT];
	bool				held[MAX_KEPT];
	unsigned int			nr_kept;
};

static struct left *left;
static unsigned int nr_reserved, nr_freed;
static int flush_error;
/* The device for which flushes succeed even then */
static u16 flushed_id;

static int reserve_id(struct iommu_device *iommu, u32 id)
{
	nr_reserved++;
	return 0;
}

static void free_id(struct iommu_device *iommu, u32 id)
{
	nr_freed++;
}

static int flush_left(struct iommu_device *iommu, const struct iommu_lu_device_ser *ser)
{
	return ser->devid == flushed_id ? 0 : flush_error;
}

static const struct iommu_liveupdate_ops ops = {
	.reserve_domain_id	= reserve_id,
	.free_domain_id		= free_id,
	.flush_left		= flush_left,
};

static struct iommu_domain handed_over = { .type = IOMMU_DOMAIN_HANDED_OVER };
static struct iommu_domain blocked = { .type = IOMMU_DOMAIN_BLOCKED };
static struct iommu_device unit, other_unit;

static void flush_freeing(void)
{
	flush_work(&iommu_lu_free_work);
}

/* Hold a reference on each page taken from KHO, so that it is not reused once it is freed. */
static void hold_pages(void)
{
	for (unsigned int i = 0; i < left->nr_kept; i++) {
		if (is_kept(left->kept[i]))
			continue;
		get_page(virt_to_page(left->kept[i]));
		left->held[i] = true;
	}
}

/* Does it belong to KHO, or has it an owner besides the test? */
static bool is_there(const void *mem)
{
	return is_kept(mem) || page_count(virt_to_page(mem)) > 1;
}

/* A page that was taken for a record, which was then refused, has no other owner. */
static void release_page(unsigned int i)
{
	struct page *page = virt_to_page(left->kept[i]);
	bool owned = page_count(page) > 1;

	if (!left->held[i]) {
		free_kept(left->kept[i]);
		return;
	}
	put_page(page);
	if (owned)
		put_page(page);
}

/* Nothing stays for the next case, even if this one has failed. */
static void clean_up(void *unused)
{
	flush_error = 0;
	iommu_liveupdate_finish();
	flush_freeing();
	while (left->nr_kept)
		release_page(--left->nr_kept);
	free_kept(left->devices);
}

static void *keep(struct kunit *test)
{
	void *page = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, page);
	left->kept[left->nr_kept++] = page;
	return page;
}

static struct iommu_lu_pages_ser keep_list(struct kunit *test, unsigned int nr)
{
	struct kho_block_header_ser *list = keep(test);
	u64 *entries = (u64 *)(list + 1);

	for (unsigned int i = 0; i < NR_TABLES; i++) {
		left->tables[nr][i] = keep(test);
		entries[i] = virt_to_phys(left->tables[nr][i]);
	}
	list->count = NR_TABLES;
	left->lists[nr] = list;
	return (struct iommu_lu_pages_ser) {
		.first		= virt_to_phys(list),
		.nr		= NR_TABLES,
		.checksum	= crc32_le(~0U, entries, NR_TABLES * sizeof(*entries)),
	};
}

static void seal(struct iommu_lu_device_ser *ser)
{
	ser->checksum = 0;
	ser->checksum = crc32_le(~0U, ser, sizeof(*ser));
}

/* Two devices, each with a domain of its own */
static void leave_devices(struct kunit *test)
{
	left = kunit_kzalloc(test, sizeof(*left), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, left);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, clean_up, NULL));
	nr_reserved = 0;
	nr_freed = 0;
	flush_error = 0;
	flushed_id = 0;

	left->root = alloc_kept(0);
	KUNIT_ASSERT_NOT_NULL(test, left->root);
	left->devices = alloc_kept(0);
	KUNIT_ASSERT_NOT_NULL(test, left->devices);
	left->devices->count = 2;
	left->ser = (struct iommu_lu_device_ser *)(left->devices + 1);
	for (unsigned int i = 0; i < 2; i++) {
		left->ser[i] = (struct iommu_lu_device_ser) {
			.segment	= SEGMENT,
			.devid		= i ? OTHER_ID : ID,
			.owner		= i ? OTHER_ID : ID,
			.domain_id	= DOMAIN_ID + i,
			.entry		= { 0x1001, DOMAIN_ID << 8 },
			.tables		= keep_list(test, i),
		};
		seal(&left->ser[i]);
	}
}

static void share_domain(void)
{
	left->ser[1].tables = left->ser[0].tables;
	left->ser[1].domain_id = left->ser[0].domain_id;
	seal(&left->ser[1]);
}

static const char *load_root(void)
{
	struct iommu_lu_root_ser *root = left->root;
	const char *reason;

	root->devices = virt_to_phys(left->devices);
	root->nr_devices = 2;
	root->checksum = 0;
	root->checksum = crc32_le(~0U, root, sizeof(*root));
	reason = iommu_lu_load(virt_to_phys(root), IOMMU_LU_ROOT_SIZE);
	hold_pages();
	return reason;
}

static void load(struct kunit *test)
{
	KUNIT_ASSERT_NULL(test, load_root());
}

static const struct iommu_lu_device_ser *find(u16 devid)
{
	return iommu_liveupdate_incoming_entry(SEGMENT, devid);
}

static const char *adopt(u16 devid)
{
	return iommu_liveupdate_adopt_entry(find(devid), &unit, &ops);
}

static unsigned int nr_tables_there(unsigned int list)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < NR_TABLES; i++)
		nr += is_there(left->tables[list][i]);
	return nr;
}

static u16 command;
/* DMA writes may be on their way: the command was written and not read since */
static bool on_its_way;

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	on_its_way = false;
	*val = where == PCI_COMMAND ? command : 0;
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	on_its_way = true;
	if (where == PCI_COMMAND)
		command = val;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = {
	.read	= read_config,
	.write	= write_config,
};

static void free_aliases(void *aliases)
{
	bitmap_free(aliases);
}

static struct pci_dev *alloc_incoming(struct kunit *test, u16 devid)
{
	struct pci_sysdata *sysdata = kunit_kzalloc(test, sizeof(*sysdata), GFP_KERNEL);
	struct pci_bus *bus = kunit_kzalloc(test, sizeof(*bus), GFP_KERNEL);
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sysdata);
	KUNIT_ASSERT_NOT_NULL(test, bus);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	bus->sysdata = sysdata;
	bus->ops = &config_ops;
	bus->number = PCI_BUS_NUM(devid);
	pdev->bus = bus;
	pdev->devfn = devid & 0xff;
	pdev->dev.bus = &pci_bus_type;
	pdev->dev.init_name = "fake";
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	return pdev;
}

/* As iommu.c sees it: an incoming device with this requester id is attached */
static void attach_with_alias(struct kunit *test, u16 devid, struct iommu_domain *domain,
			      struct iommu_domain *old, bool has_alias)
{
	struct pci_dev *pdev = alloc_incoming(test, devid);

	if (has_alias) {
		pci_add_dma_alias(pdev, ALIAS & 0xff, 1);
		KUNIT_ASSERT_NOT_NULL(test, pdev->dma_alias_mask);
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_aliases,
								   pdev->dma_alias_mask));
	}
	iommu_liveupdate_attached(&pdev->dev, domain, old);
	flush_freeing();
}

static void attach(struct kunit *test, u16 devid, struct iommu_domain *domain,
		   struct iommu_domain *old)
{
	attach_with_alias(test, devid, domain, old, false);
}

/* Translation is disabled as soon as the function returns. */
static void stopped_device_has_no_writes_on_their_way(struct kunit *test)
{
	struct pci_dev *pdev = alloc_incoming(test, ID);

	iommu_liveupdate_stop_device(pdev, "test");
	KUNIT_EXPECT_FALSE(test, command & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_FALSE(test, on_its_way);
}

static void records_are_found(struct kunit *test)
{
	leave_devices(test);
	load(test);

	KUNIT_ASSERT_NOT_NULL(test, find(ID));
	KUNIT_EXPECT_EQ(test, DOMAIN_ID, find(ID)->domain_id);
	KUNIT_EXPECT_NOT_NULL(test, find(OTHER_ID));
	KUNIT_EXPECT_NULL(test, find(ID + 1));
	KUNIT_EXPECT_NULL(test, iommu_liveupdate_incoming_entry(SEGMENT + 1, ID));
	KUNIT_EXPECT_FALSE(test, is_kept(left->devices));
}

static void expect_taken(struct kunit *test, const void *mem)
{
	KUNIT_EXPECT_FALSE(test, is_kept(mem));
	KUNIT_ASSERT_EQ(test, 1, page_count(virt_to_page(mem)));
	get_page(virt_to_page(mem));
}

static void expect_freed(struct kunit *test, const void *mem)
{
	KUNIT_EXPECT_EQ(test, 1, page_count(virt_to_page(mem)));
	put_page(virt_to_page(mem));
}

/* AMD-Vi reads them so early that the page allocator cannot take them back. */
static void records_are_freed_at_the_end(struct kunit *test)
{
	leave_devices(test);
	load(test);
	expect_taken(test, left->root);
	expect_taken(test, left->devices);

	iommu_liveupdate_finish();
	expect_freed(test, left->root);
	expect_freed(test, left->devices);
}

static void unused_record_matches_no_device(struct kunit *test)
{
	leave_devices(test);
	memset(&left->ser[1], 0, sizeof(left->ser[1]));
	load(test);

	KUNIT_EXPECT_NOT_NULL(test, find(ID));
	KUNIT_EXPECT_NULL(test, find(OTHER_ID));
	KUNIT_EXPECT_NULL(test, find(0));

	/* Nor is the device refused that has the requester id 0. */
	attach(test, 0, &handed_over, NULL);
	KUNIT_EXPECT_TRUE(test, command & PCI_COMMAND_MASTER);
}

static void first_attach_leaves_everything(struct kunit *test)
{
	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));

	attach(test, ID, &handed_over, NULL);
	KUNIT_EXPECT_TRUE(test, command & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_NOT_NULL(test, find(ID));
	KUNIT_EXPECT_EQ(test, 0, nr_freed);
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(0));
}

static unsigned int nr_left;
static u16 last_left;

static void note_left(struct iommu_device *iommu, const struct iommu_lu_device_ser *ser)
{
	nr_left++;
	last_left = ser->devid;
}

static unsigned int count_left(void)
{
	nr_left = 0;
	iommu_liveupdate_visit_left(&unit, note_left);
	return nr_left;
}

/* The driver closes entries that are left at FINISH. */
static void entry_is_left_until_its_device_leaves_it(struct kunit *test)
{
	leave_devices(test);
	load(test);
	KUNIT_EXPECT_EQ(test, 0, count_left());
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_EXPECT_EQ(test, 1, count_left());
	KUNIT_EXPECT_EQ(test, ID, last_left);

	attach(test, ID, &handed_over, NULL);
	KUNIT_EXPECT_EQ(test, 1, count_left());
	attach(test, ID, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 0, count_left());
}

static void tables_are_freed_behind_a_device(struct kunit *test)
{
	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_ASSERT_NULL(test, adopt(OTHER_ID));
	KUNIT_EXPECT_EQ(test, 2, nr_reserved);

	attach(test, ID, &blocked, &handed_over);
	KUNIT_EXPECT_NULL(test, find(ID));
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
	KUNIT_EXPECT_FALSE(test, is_there(left->lists[0]));
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(1));
}

/* Of two devices which shared a domain and go to two, the last one frees it. */
static void shared_tables_are_freed_behind_the_last_device(struct kunit *test)
{
	leave_devices(test);
	share_domain();
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_ASSERT_NULL(test, adopt(OTHER_ID));
	KUNIT_EXPECT_EQ(test, 1, nr_reserved);

	attach(test, OTHER_ID, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 0, nr_freed);
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(0));

	attach(test, ID, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
}

/* More domain ids than the hash table has buckets, each of them used by two devices */
#define MANY_IDS	1100
#define MANY		(2 * MANY_IDS)
#define FIRST_OF_MANY	0x1000

static struct iommu_lu_device_ser one_of_many(unsigned int i)
{
	struct iommu_lu_device_ser ser = left->ser[0];

	ser.devid = FIRST_OF_MANY + i;
	ser.owner = ser.devid;
	ser.domain_id = DOMAIN_ID + 2 + i % MANY_IDS;
	seal(&ser);
	return ser;
}

/* All of them have the tables of the first device. */
static void load_many(struct kunit *test)
{
	struct iommu_lu_root_ser root = { .nr_devices = MANY };
	struct kho_block_header_ser *block = NULL;
	u64 *next = &root.devices;

	for (unsigned int i = 0; i < MANY; i++) {
		if (!(i % IOMMU_LU_DEVICES_PER_BLOCK)) {
			block = alloc_kept(0);
			KUNIT_ASSERT_NOT_NULL(test, block);
			*next = virt_to_phys(block);
			next = &block->next;
		}
		((struct iommu_lu_device_ser *)(block + 1))[block->count++] = one_of_many(i);
	}
	iommu_lu_load_devices(&root);
}

static void each_of_many_ids_is_freed_behind_its_last_device(struct kunit *test)
{
	leave_devices(test);
	load(test);
	load_many(test);
	for (unsigned int i = 0; i < MANY; i++)
		KUNIT_ASSERT_NULL(test, adopt(FIRST_OF_MANY + i));
	KUNIT_EXPECT_EQ(test, MANY_IDS, nr_reserved);

	/* Each id still has the second of its devices. */
	for (unsigned int i = 0; i < MANY_IDS; i++)
		attach(test, FIRST_OF_MANY + i, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 0, nr_freed);
	KUNIT_EXPECT_EQ(test, MANY_IDS, count_left());

	attach(test, FIRST_OF_MANY + MANY_IDS, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
	iommu_liveupdate_finish();
	flush_freeing();
	KUNIT_EXPECT_EQ(test, MANY_IDS, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
}

static void revert_to_the_handed_over_domain_leaves_the_tables(struct kunit *test)
{
	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));

	attach(test, ID, &handed_over, &blocked);
	KUNIT_EXPECT_NULL(test, find(ID));
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
}

static void load_alias(struct kunit *test)
{
	leave_devices(test);
	share_domain();
	left->ser[1].devid = ALIAS;
	left->ser[1].owner = ID;
	seal(&left->ser[1]);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_ASSERT_NULL(test, adopt(ALIAS));
}

static void alias_leaves_with_its_owner(struct kunit *test)
{
	load_alias(test);
	attach_with_alias(test, ID, &blocked, &handed_over, true);
	KUNIT_EXPECT_NULL(test, find(ALIAS));
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
}

/* Nobody has written its entry, so it still leads to the tables. */
static void alias_which_this_kernel_does_not_know_keeps_the_tables(struct kunit *test)
{
	load_alias(test);
	attach(test, ID, &blocked, &handed_over);
	KUNIT_EXPECT_NULL(test, find(ID));
	KUNIT_EXPECT_NOT_NULL(test, find(ALIAS));
	KUNIT_EXPECT_EQ(test, 0, nr_freed);
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(0));

	iommu_liveupdate_finish();
	flush_freeing();
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
}

static void pasid_table_is_freed(struct kunit *test)
{
	void *dir, *table;

	leave_devices(test);
	dir = keep(test);
	table = keep(test);
	left->ser[0].pasid_dir = virt_to_phys(dir);
	left->ser[0].pasid_table = virt_to_phys(table);
	seal(&left->ser[0]);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));

	attach(test, ID, &blocked, &handed_over);
	KUNIT_EXPECT_FALSE(test, is_there(dir));
	KUNIT_EXPECT_FALSE(test, is_there(table));
}

static void finish_frees_what_nobody_has_left(struct kunit *test)
{
	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));

	iommu_liveupdate_finish();
	flush_freeing();
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(1));
}

/* There may be many tables, and the task that ends the live update holds locks. */
static void finish_leaves_freeing_to_others(struct kunit *test)
{
	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));

	disable_work(&iommu_lu_free_work);
	iommu_liveupdate_finish();
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(0));
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(1));

	enable_and_queue_work(system_percpu_wq, &iommu_lu_free_work);
	flush_freeing();
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(1));
}

/* Held memory, and how often it was released */
struct held_memory {
	struct iommu_liveupdate_hold	hold;
	unsigned int			nr_released;
};

static void release_memory(struct iommu_liveupdate_hold *hold)
{
	container_of(hold, struct held_memory, hold)->nr_released++;
}

static struct held_memory *alloc_memory(struct kunit *test)
{
	struct held_memory *memory = kunit_kzalloc(test, sizeof(*memory), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, memory);
	memory->hold.release = release_memory;
	/* The end of an earlier test has queued it, and it releases what is held when it runs. */
	flush_freeing();
	flush_work(&iommu_lu_release_work);
	return memory;
}

static unsigned int nr_released(struct held_memory *memory)
{
	flush_freeing();
	flush_work(&iommu_lu_release_work);
	return memory->nr_released;
}

/* It does not matter which device the memory belongs to. */
static void memory_is_held_until_the_last_device_has_left(struct kunit *test)
{
	struct held_memory *memory = alloc_memory(test), *another = alloc_memory(test);

	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_ASSERT_NULL(test, adopt(OTHER_ID));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_hold(&memory->hold));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_hold(&another->hold));
	KUNIT_EXPECT_EQ(test, 0, nr_released(memory));

	attach(test, ID, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 0, nr_released(memory));
	KUNIT_EXPECT_EQ(test, 0, nr_released(another));

	attach(test, OTHER_ID, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 1, nr_released(memory));
	KUNIT_EXPECT_EQ(test, 1, nr_released(another));
	KUNIT_EXPECT_FALSE(test, iommu_liveupdate_hold(&memory->hold));

	iommu_liveupdate_finish();
	KUNIT_EXPECT_EQ(test, 1, nr_released(memory));
}

/* The unit may still use the tables, and what leaves later may share them. */
static void nothing_is_freed_before_the_unit_is_flushed(struct kunit *test)
{
	struct held_memory *memory = alloc_memory(test);

	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_ASSERT_NULL(test, adopt(OTHER_ID));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_hold(&memory->hold));

	flush_error = -EIO;
	attach(test, ID, &blocked, &handed_over);
	attach(test, OTHER_ID, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 0, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_released(memory));
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(0));
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(1));

	flush_error = 0;
	iommu_liveupdate_finish();
	flush_freeing();
	KUNIT_EXPECT_EQ(test, 2, nr_freed);
	KUNIT_EXPECT_EQ(test, 1, nr_released(memory));
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(1));
}

/* Two devices that shared a domain have left it, and the unit was flushed for the first one. */
static void leave_one_unflushed(struct kunit *test, struct held_memory *memory)
{
	leave_devices(test);
	share_domain();
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_ASSERT_NULL(test, adopt(OTHER_ID));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_hold(&memory->hold));

	flush_error = -EIO;
	flushed_id = ID;
	disable_work(&iommu_lu_free_work);
	attach(test, ID, &blocked, &handed_over);
	attach(test, OTHER_ID, &blocked, &handed_over);
	enable_and_queue_work(system_percpu_wq, &iommu_lu_free_work);
	flush_freeing();
}

static void device_that_has_left_counts_until_the_unit_is_flushed(struct kunit *test)
{
	struct held_memory *memory = alloc_memory(test);

	leave_one_unflushed(test, memory);
	KUNIT_EXPECT_EQ(test, 0, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_released(memory));
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(0));

	flush_error = 0;
	iommu_liveupdate_finish();
	KUNIT_EXPECT_EQ(test, 1, nr_released(memory));
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
}

/* It can no longer be flushed, and need not be. */
static void unit_that_is_switched_off_releases_devices_that_have_left(struct kunit *test)
{
	struct held_memory *memory = alloc_memory(test);

	leave_one_unflushed(test, memory);
	iommu_liveupdate_abandon_unit(&unit);
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
	KUNIT_EXPECT_EQ(test, 1, nr_released(memory));
}

static void memory_is_held_until_finish_at_most(struct kunit *test)
{
	struct held_memory *memory = alloc_memory(test);

	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_hold(&memory->hold));
	iommu_liveupdate_finish();
	KUNIT_EXPECT_EQ(test, 1, nr_released(memory));
}

static void memory_is_held_until_the_unit_is_switched_off(struct kunit *test)
{
	struct held_memory *memory = alloc_memory(test);

	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_hold(&memory->hold));
	iommu_liveupdate_abandon_unit(&unit);
	KUNIT_EXPECT_EQ(test, 1, nr_released(memory));
}

/* The entries of both devices are closed, because the unit or the record was refused. */
static void memory_which_nobody_reaches_is_not_held(struct kunit *test)
{
	struct held_memory *memory = alloc_memory(test);

	KUNIT_EXPECT_FALSE(test, iommu_liveupdate_hold(&memory->hold));
	leave_devices(test);
	load(test);
	iommu_liveupdate_refuse_entry(SEGMENT, ID, "a reason");
	KUNIT_EXPECT_FALSE(test, iommu_liveupdate_hold(&memory->hold));
}

static struct held_memory *memory_at_close;
static unsigned int nr_tables_at_close, nr_released_at_close;

/* The unit may read the tables until the driver closes the entry and flushes, as here. */
static void close_entry(struct iommu_device *iommu)
{
	flush_freeing();
	nr_tables_at_close = nr_tables_there(0);
	nr_released_at_close = nr_released(memory_at_close);
}

static const struct iommu_liveupdate_ops closing_ops = {
	.finish_unit	= close_entry,
};

static const struct iommu_ops closing_iommu_ops = {
	.liveupdate	= &closing_ops,
};

static void finish_frees_tables_and_memory_when_entries_are_closed(struct kunit *test)
{
	struct iommu_device closing = { .ops = &closing_iommu_ops };

	memory_at_close = alloc_memory(test);
	leave_devices(test);
	load(test);
	iommu_liveupdate_take_over(&closing);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_EXPECT_TRUE(test, iommu_liveupdate_hold(&memory_at_close->hold));

	nr_tables_at_close = 0;
	iommu_liveupdate_finish();
	flush_freeing();
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_at_close);
	KUNIT_EXPECT_EQ(test, 0, nr_released_at_close);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
	KUNIT_EXPECT_EQ(test, 1, nr_released(memory_at_close));
}

static void domain_id_of_another_domain_is_refused(struct kunit *test)
{
	leave_devices(test);
	left->ser[1].domain_id = DOMAIN_ID;
	seal(&left->ser[1]);
	load(test);

	KUNIT_EXPECT_NULL(test, adopt(ID));
	KUNIT_EXPECT_STREQ(test, "domain id of another domain", adopt(OTHER_ID));
	/* Each unit has its own ids. */
	KUNIT_EXPECT_NULL(test, iommu_liveupdate_adopt_entry(find(OTHER_ID), &other_unit, &ops));
}

/* A device is behind one unit, so the other unit has an entry that it must not have. */
static void entry_is_used_by_one_unit(struct kunit *test)
{
	leave_devices(test);
	load(test);

	KUNIT_EXPECT_NULL(test, adopt(ID));
	KUNIT_EXPECT_STREQ(test, "another unit uses its entry",
			   iommu_liveupdate_adopt_entry(find(ID), &other_unit, &ops));
	KUNIT_EXPECT_EQ(test, 1, nr_reserved);
	KUNIT_EXPECT_EQ(test, 1, count_left());
}

static void refused_entry_is_not_used(struct kunit *test)
{
	leave_devices(test);
	load(test);
	iommu_liveupdate_refuse_entry(SEGMENT, ID, "a reason");
	iommu_liveupdate_refuse_entry(SEGMENT, ID + 1, "no record");

	KUNIT_EXPECT_NULL(test, find(ID));
	KUNIT_EXPECT_NULL(test, find(ID + 1));
	KUNIT_EXPECT_NOT_NULL(test, find(OTHER_ID));
}

/* What it has sent is lost, so nobody can continue to use it. */
static void device_without_its_mappings_is_stopped(struct kunit *test)
{
	leave_devices(test);
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	iommu_liveupdate_refuse_entry(SEGMENT, ID, "a reason");

	attach(test, ID, &handed_over, NULL);
	KUNIT_EXPECT_EQ(test, command, PCI_COMMAND_MEMORY);

	/* Its unit was refused as a whole, or does not exist. */
	attach(test, OTHER_ID, &handed_over, NULL);
	KUNIT_EXPECT_EQ(test, command, PCI_COMMAND_MEMORY);

	/* A device without mappings has nothing to lose. */
	attach(test, ID + 1, &handed_over, NULL);
	KUNIT_EXPECT_EQ(test, command, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
}

static void unit_that_is_switched_off_frees_its_ids(struct kunit *test)
{
	leave_devices(test);
	share_domain();
	load(test);
	KUNIT_ASSERT_NULL(test, adopt(ID));
	KUNIT_ASSERT_NULL(test, adopt(OTHER_ID));

	iommu_liveupdate_abandon_unit(&unit);
	KUNIT_EXPECT_EQ(test, 1, nr_freed);
}

static unsigned int nr_finished;

static void fake_finish_unit(struct iommu_device *iommu)
{
	nr_finished++;
}

static const struct iommu_liveupdate_ops finished_ops = {
	.finish_unit	= fake_finish_unit,
};

static const struct iommu_ops iommu_ops = {
	.liveupdate	= &finished_ops,
};

/* Its setup has failed, so it was not registered, or it no longer exists. */
static void unit_that_is_switched_off_is_not_finished(struct kunit *test)
{
	struct iommu_device gone = { }, stays = { .ops = &iommu_ops };

	leave_devices(test);
	load(test);
	iommu_liveupdate_take_over(&gone);
	iommu_liveupdate_take_over(&stays);
	iommu_liveupdate_abandon_unit(&gone);

	nr_finished = 0;
	iommu_liveupdate_finish();
	KUNIT_EXPECT_EQ(test, 1, nr_finished);
}

static void any_flipped_bit_is_refused(struct kunit *test)
{
	u32 bit;

	for (bit = 0; bit < sizeof(struct iommu_lu_device_ser) * BITS_PER_BYTE; bit++) {
		leave_devices(test);
		flip_bit(left->ser, bit);
		load(test);
		KUNIT_EXPECT_NULL_MSG(test, find(ID), "bit %u", bit);
		KUNIT_EXPECT_NOT_NULL_MSG(test, find(OTHER_ID), "bit %u", bit);
		kunit_release_action(test, clean_up, NULL);
	}
}

static void lose(void *mem)
{
	struct page *page = virt_to_page(mem);

	page->private = 0;
	adjust_managed_page_count(page, 1);
}

static void lose_list(void)
{
	lose(left->lists[0]);
}

static void lose_table(void)
{
	lose(left->tables[0][NR_TABLES - 1]);
}

static void no_tables(void)
{
	left->ser[0].tables.nr = 0;
}

static void more_tables(void)
{
	left->ser[0].tables.nr++;
}

static void fewer_tables(void)
{
	left->ser[0].tables.nr--;
}

static void longer_chain(void)
{
	left->lists[0]->next = virt_to_phys(left->lists[1]);
}

/* As long as a list can be */
static void cyclic_chain(void)
{
	u64 *entries = (u64 *)(left->lists[0] + 1);
	unsigned int max = (KHO_BLOCK_SIZE - sizeof(*left->lists[0])) / sizeof(*entries);

	for (unsigned int i = NR_TABLES; i < max; i++)
		entries[i] = entries[0];
	left->lists[0]->count = max;
	left->lists[0]->next = virt_to_phys(left->lists[0]);
	left->ser[0].tables.nr = 10000 * max;
}

static void too_many_tables(void)
{
	cyclic_chain();
	left->ser[0].tables.nr = U32_MAX;
}

static void empty_block(void)
{
	left->lists[0]->count = 0;
}

static void huge_block(void)
{
	left->lists[0]->count = U64_MAX;
	left->ser[0].tables.nr = U32_MAX;
}

static void huge_order(void)
{
	((u64 *)(left->lists[0] + 1))[1] |= 0xfff;
}

static void larger_order(void)
{
	((u64 *)(left->lists[0] + 1))[1] |= 1;
}

/* It would be freed as a whole. */
static void smaller_order(void)
{
	struct kunit *test = kunit_get_current_test();
	u64 *entries = (u64 *)(left->lists[0] + 1);
	void *larger = alloc_kept(1);

	KUNIT_ASSERT_NOT_NULL(test, larger);
	left->kept[left->nr_kept++] = larger;
	entries[1] = virt_to_phys(larger);
	left->ser[0].tables.checksum = crc32_le(~0U, entries, NR_TABLES * sizeof(*entries));
}

static void other_checksum(void)
{
	left->ser[0].tables.checksum++;
}

static void lost_pasid_table(void)
{
	left->ser[0].pasid_dir = virt_to_phys(left->tables[0][0]);
	left->ser[0].pasid_table = SZ_4K;
}

static void only_pasid_table(void)
{
	left->ser[0].pasid_table = virt_to_phys(left->tables[0][0]);
}

static const struct damage {
	const char	*name;
	void		(*damage)(void);
} damages[] = {
	{ "list not preserved", lose_list },
	{ "table not preserved", lose_table },
	{ "no tables", no_tables },
	{ "more tables than in the list", more_tables },
	{ "fewer tables than in the list", fewer_tables },
	{ "chain longer than its count", longer_chain },
	{ "cyclic chain", cyclic_chain },
	{ "empty block", empty_block },
	{ "block with more entries than fit", huge_block },
	{ "too many tables", too_many_tables },
	{ "order of a table too large", huge_order },
	{ "table larger than what was preserved", larger_order },
	{ "table smaller than what was preserved", smaller_order },
	{ "checksum of the list", other_checksum },
	{ "PASID table not preserved", lost_pasid_table },
	{ "PASID table without directory", only_pasid_table },
};

KUNIT_ARRAY_PARAM_DESC(damage, damages, name);

static void bad_record_is_refused(struct kunit *test)
{
	const struct damage *bad = test->param_value;

	leave_devices(test);
	bad->damage();
	seal(&left->ser[0]);
	load(test);

	KUNIT_EXPECT_NULL(test, find(ID));
	KUNIT_EXPECT_NOT_NULL(test, find(OTHER_ID));
}

/* Unlike the address of its directory, that of the table has no order. */
static void larger_pasid_table_is_refused(struct kunit *test)
{
	void *table = alloc_kept(1);

	KUNIT_ASSERT_NOT_NULL(test, table);
	leave_devices(test);
	left->ser[0].pasid_dir = virt_to_phys(keep(test));
	left->ser[0].pasid_table = virt_to_phys(table) | 1;
	seal(&left->ser[0]);
	load(test);

	KUNIT_EXPECT_NULL(test, find(ID));
	KUNIT_EXPECT_TRUE(test, is_kept(table));
	free_kept(table);
}

/* Two lists at one address cannot both be right. */
static void other_list_at_the_same_address_is_refused(struct kunit *test)
{
	leave_devices(test);
	left->ser[1].tables = left->ser[0].tables;
	left->ser[1].tables.nr--;
	seal(&left->ser[1]);
	load(test);

	KUNIT_EXPECT_NOT_NULL(test, find(ID));
	KUNIT_EXPECT_NULL(test, find(OTHER_ID));
}

static u64 *entries_of(unsigned int list)
{
	return (u64 *)(left->lists[list] + 1);
}

static void table_of_another_list(void)
{
	entries_of(1)[NR_TABLES - 1] = entries_of(0)[0];
}

static void all_tables_of_another_list(void)
{
	memcpy(entries_of(1), entries_of(0), NR_TABLES * sizeof(u64));
}

static void block_of_another_list(void)
{
	entries_of(1)[1] = virt_to_phys(left->lists[0]);
}

static void table_twice(void)
{
	entries_of(1)[2] = entries_of(1)[1];
}

static void own_block(void)
{
	entries_of(1)[1] = virt_to_phys(left->lists[1]);
}

static void devices_block(void)
{
	entries_of(1)[1] = virt_to_phys(left->devices);
}

static void pasid_dir_of_another_device(void)
{
	left->ser[1].pasid_dir = left->ser[0].pasid_dir;
}

static void pasid_table_of_another_device(void)
{
	left->ser[1].pasid_table = left->ser[0].pasid_table;
}

static void table_of_another_list_as_pasid_table(void)
{
	left->ser[1].pasid_table = entries_of(0)[0];
}

static void pasid_table_of_another_device_as_table(void)
{
	entries_of(1)[1] = left->ser[0].pasid_table;
}

static void own_table_as_pasid_dir(void)
{
	left->ser[1].pasid_dir = entries_of(1)[0];
}

static void pasid_dir_as_table_of_its_own(void)
{
	left->ser[1].pasid_table = left->ser[1].pasid_dir;
}

static const struct damage second_owners[] = {
	{ "table of another list", table_of_another_list },
	{ "all tables of another list", all_tables_of_another_list },
	{ "block of another list", block_of_another_list },
	{ "table twice in a list", table_twice },
	{ "block of the list itself", own_block },
	{ "block of devices", devices_block },
	{ "PASID directory of another device", pasid_dir_of_another_device },
	{ "PASID table of another device", pasid_table_of_another_device },
	{ "table of another list as PASID table", table_of_another_list_as_pasid_table },
	{ "PASID table of another device as table", pasid_table_of_another_device_as_table },
	{ "table of its list as PASID directory", own_table_as_pasid_dir },
	{ "PASID directory as its own table", pasid_dir_as_table_of_its_own },
};

KUNIT_ARRAY_PARAM_DESC(second_owner, second_owners, name);

/* A page freed when one of them leaves would still be in use by the other one. */
static void page_with_two_owners_is_refused(struct kunit *test)
{
	const struct damage *bad = test->param_value;
	void *dir, *table;

	leave_devices(test);
	for (unsigned int i = 0; i < 2; i++) {
		left->ser[i].pasid_dir = virt_to_phys(keep(test));
		left->ser[i].pasid_table = virt_to_phys(keep(test));
	}
	dir = phys_to_virt(left->ser[0].pasid_dir);
	table = phys_to_virt(left->ser[0].pasid_table);
	bad->damage();
	left->ser[1].tables.checksum = crc32_le(~0U, entries_of(1), NR_TABLES * sizeof(u64));
	seal(&left->ser[0]);
	seal(&left->ser[1]);
	load(test);
	KUNIT_EXPECT_NULL(test, find(OTHER_ID));
	KUNIT_ASSERT_NOT_NULL(test, find(ID));
	KUNIT_ASSERT_NULL(test, adopt(ID));

	attach(test, OTHER_ID, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, NR_TABLES, nr_tables_there(0));
	KUNIT_EXPECT_TRUE(test, is_there(left->lists[0]) && is_there(dir) && is_there(table));

	attach(test, ID, &blocked, &handed_over);
	KUNIT_EXPECT_EQ(test, 0, nr_tables_there(0));
	KUNIT_EXPECT_FALSE(test, is_there(left->lists[0]) || is_there(dir) || is_there(table));
}

/* Whatever is in the records, only memory that was preserved is touched. */
static void mutated_records_do_no_harm(struct kunit *test)
{
	unsigned int nr_mutations = NR_MUTATIONS / 100;
	struct rnd_state rnd;

	for (unsigned int i = 0; i < nr_mutations; i++) {
		leave_devices(test);
		seed_mutation(&rnd, i);
		if (i % 2)
			mutate_record(&rnd, left->ser, 2 * sizeof(*left->ser));
		else
			mutate_record(&rnd, left->lists[0],
				      sizeof(*left->lists[0]) + NR_TABLES * sizeof(u64));
		seal(&left->ser[0]);
		seal(&left->ser[1]);
		load(test);
		kunit_release_action(test, clean_up, NULL);
		kunit_kfree(test, left);
	}
}

/*
 * Returns whether the allocation that was to fail was reached. It may be one of a
 * memory debugging feature, which nobody misses.
 */
static bool load_failing(struct kunit *test, unsigned int nth, unsigned int *nr_lost)
{
	const char *reason;
	bool hit;

	leave_devices(test);
	fail_nth(nth);
	reason = load_root();
	hit = stop_failing();
	if (reason || !find(ID) || !find(OTHER_ID)) {
		KUNIT_EXPECT_TRUE(test, hit);
		(*nr_lost)++;
	}
	free_kept(left->root);
	kunit_release_action(test, clean_up, NULL);
	return hit;
}

/* A record for which there is no memory counts as missing. */
static void each_allocation_of_load_fails_once(struct kunit *test)
{
	unsigned int nr_lost = 0, nth = 1;

	init_failing(test);
	spare_pages();
	while (nth < MAX_ALLOCATIONS && load_failing(test, nth, &nr_lost))
		nth++;
	/* The copy of the root, and each record */
	KUNIT_EXPECT_EQ(test, nr_lost, 3);
	KUNIT_EXPECT_LT(test, nth, MAX_ALLOCATIONS);
}

static struct kunit_case iommu_liveupdate_in_cases[] = {
	KUNIT_CASE(stopped_device_has_no_writes_on_their_way),
	KUNIT_CASE(records_are_found),
	KUNIT_CASE(records_are_freed_at_the_end),
	KUNIT_CASE(unused_record_matches_no_device),
	KUNIT_CASE(first_attach_leaves_everything),
	KUNIT_CASE(entry_is_left_until_its_device_leaves_it),
	KUNIT_CASE(tables_are_freed_behind_a_device),
	KUNIT_CASE(shared_tables_are_freed_behind_the_last_device),
	KUNIT_CASE(each_of_many_ids_is_freed_behind_its_last_device),
	KUNIT_CASE(revert_to_the_handed_over_domain_leaves_the_tables),
	KUNIT_CASE(alias_leaves_with_its_owner),
	KUNIT_CASE(alias_which_this_kernel_does_not_know_keeps_the_tables),
	KUNIT_CASE(pasid_table_is_freed),
	KUNIT_CASE(finish_frees_what_nobody_has_left),
	KUNIT_CASE(finish_leaves_freeing_to_others),
	KUNIT_CASE(memory_is_held_until_the_last_device_has_left),
	KUNIT_CASE(nothing_is_freed_before_the_unit_is_flushed),
	KUNIT_CASE(device_that_has_left_counts_until_the_unit_is_flushed),
	KUNIT_CASE(unit_that_is_switched_off_releases_devices_that_have_left),
	KUNIT_CASE(memory_is_held_until_finish_at_most),
	KUNIT_CASE(memory_is_held_until_the_unit_is_switched_off),
	KUNIT_CASE(memory_which_nobody_reaches_is_not_held),
	KUNIT_CASE(finish_frees_tables_and_memory_when_entries_are_closed),
	KUNIT_CASE(domain_id_of_another_domain_is_refused),
	KUNIT_CASE(entry_is_used_by_one_unit),
	KUNIT_CASE(refused_entry_is_not_used),
	KUNIT_CASE(device_without_its_mappings_is_stopped),
	KUNIT_CASE(unit_that_is_switched_off_frees_its_ids),
	KUNIT_CASE(unit_that_is_switched_off_is_not_finished),
	KUNIT_CASE(any_flipped_bit_is_refused),
	KUNIT_CASE_PARAM(bad_record_is_refused, damage_gen_params),
	KUNIT_CASE(larger_pasid_table_is_refused),
	KUNIT_CASE(other_list_at_the_same_address_is_refused),
	KUNIT_CASE_PARAM(page_with_two_owners_is_refused, second_owner_gen_params),
	KUNIT_CASE_SLOW(mutated_records_do_no_harm),
	KUNIT_CASE(each_allocation_of_load_fails_once),
	{ }
};

static struct kunit_suite iommu_liveupdate_in_suite = {
	.name		= "irq_liveupdate_iommu_in",
	.test_cases	= iommu_liveupdate_in_cases,
};

kunit_test_suite(iommu_liveupdate_in_suite);

MODULE_DESCRIPTION("KUnit tests of devices with DMA mappings which are taken over");
MODULE_LICENSE("GPL");
