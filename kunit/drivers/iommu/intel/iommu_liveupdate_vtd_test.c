// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of DMA translation in a live update on VT-d, with a unit that consists
 * only of its tables. The core, the invalidation queue and the firmware tables
 * are replaced by static stubs.
 */

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/irq_liveupdate/translation_suite.h>
#include <kunit/irq_liveupdate/watch.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/mman.h>
#include <linux/pci.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "../../pci/pci.h"
#include "iommu.h"
#include "liveupdate.h"
#include "pasid.h"
#include "../iommu-liveupdate.h"
#include "../iommu-pages.h"
#include "../kunit_group.h"

/* Context entry, VT-d spec r4.1 sec 9.3, 9.4 */
#define CONTEXT_FPD		BIT_ULL(1)

/* Extended capability register, VT-d spec r4.1 sec 11.4.3 */
#define FAKE_ECAP_C		BIT_ULL(0)
#define FAKE_ECAP_QI		BIT_ULL(1)
#define FAKE_ECAP_PT		BIT_ULL(6)
#define FAKE_ECAP_NEST		BIT_ULL(26)
#define FAKE_ECAP_SMTS		BIT_ULL(43)
#define FAKE_ECAP_SSTS		BIT_ULL(46)
#define FAKE_ECAP_FSTS		BIT_ULL(47)
#define FAKE_ECAP_SMPWC		BIT_ULL(48)

/* Where the two fault recording registers are */
#define FAULT_RECORDS		0x220
#define NR_FAULT_RECORDS	2

/* Capability register, VT-d spec r4.1 sec 11.4.2: 48 bits in four levels */
#define FAKE_CAP		((NR_FAULT_RECORDS - 1ULL) << 40 | FAULT_RECORDS / 16ULL << 24 | \
				 47ULL << 16 | BIT_ULL(2) << 8 | 2)

#define BUS		3
#define OTHER_BUS	4
#define DEVFN		0x21
#define ID		PCI_DEVID(BUS, DEVFN)
#define RMRR_ID		PCI_DEVID(BUS, 0x10)

#define ROOT_OF_TABLE	0x123456000ULL
#define OLD_DID		7
#define NEW_DID		9

#define CONTEXT(l, h)	((struct context_entry){ .lo = (l), .hi = (h) })
#define EMPTY		CONTEXT(0, 0)
#define CLOSED		CONTEXT(CONTEXT_FPD, 0)
#define TRANSLATED	CONTEXT(ROOT_OF_TABLE | 1, OLD_DID << 8 | 2)
#define REPLACED	CONTEXT(0x654321000ULL | 1, NEW_DID << 8 | 2)
#define PASS_THROUGH	CONTEXT(CONTEXT_TT_PASS_THROUGH << 2 | 1, FLPT_DEFAULT_DID << 8)

#define MAX_DESCS	32

/* Descriptors of the invalidation queue, VT-d spec r4.1 sec 6.5.2 */
#define DESC_TYPE(qw0)	((qw0) & 0xf)
#define DESC_DID(qw0)	((u16)((qw0) >> 16))
#define DESC_GRAN(qw0)	((qw0) & GENMASK_ULL(5, 4))

/**
 * struct fake_unit - A unit, and what was seen of it
 * @iommu:	The unit as the kernel knows it
 * @ser:	Its record
 * @entry:	Context entry that is observed
 * @seen:	The values that it had, one for each store
 * @nr_seen:	How many there are
 * @dirty:	The entry was stored and not written back to memory
 * @spoiled:	How many submissions are spoiled by another device
 * @stuck:	The queue was locked or full when something was submitted to it
 * @nr_commands: Number of commands to the unit
 * @types:	Types of the descriptors which were submitted
 * @nr_types:	How many there are
 * @dirty_at_flush: The entry was dirty when it was invalidated
 * @open_at_flush: The entry was present when it was invalidated
 * @nr_preserved: How many tables are preserved
 * @max_preserved: How many tables can be preserved, or 0
 * @has_rmrr:	The device RMRR_ID has a reserved memory region
 * @taken:	The core was told of the unit
 * @flushed_did: The domain id whose IOTLB was invalidated
 * @flushed_all: All of the IOTLB was invalidated
 * @nr_flushes:	How often an entry was invalidated
 * @stays:	Requester id whose entry stays, or 0
 * @record:	Record of that entry
 * @adopted:	How often the core was told that an entry is in use
 * @refused:	Why an entry was closed, or NULL
 * @sysdata:	Data of the bus
 * @bus:	Where the devices are
 * @upper_bus:	Where the bridge is, if they are behind one
 * @nr_lookups:	How often the unit of a device was looked up
 * @stopped:	Device that was stopped last, or NULL
 * @why_stopped: Why
 * @devs:	Devices of the suite for all drivers
 * @dev_iommus:	The core's data of each of them
 * @infos:	The driver's data of each of them
 */
struct fake_unit {
	struct intel_iommu		iommu;
	struct iommu_lu_unit_ser	ser;
	struct context_entry		*entry;
	struct context_entry		seen[4];
	unsigned int			nr_seen;
	bool				dirty;
	unsigned int			spoiled;
	bool				stuck;
	unsigned int			nr_commands;
	u8				types[MAX_DESCS];
	unsigned int			nr_types;
	bool				dirty_at_flush;
	bool				open_at_flush;
	int				nr_preserved;
	int				max_preserved;
	bool				has_rmrr;
	bool				taken;
	u16				flushed_did;
	bool				flushed_all;
	unsigned int			nr_flushes;
	u16				stays;
	struct iommu_lu_device_ser	record;
	unsigned int			adopted;
	const char			*refused;
	struct pci_sysdata		sysdata;
	struct pci_bus			bus;
	struct pci_bus			upper_bus;
	unsigned int			nr_lookups;
	struct pci_dev			*stopped;
	const char			*why_stopped;
	struct pci_dev			devs[NR_TRANSLATED];
	struct dev_iommu		dev_iommus[NR_TRANSLATED];
	struct device_domain_info	infos[NR_TRANSLATED];
};

static struct fake_unit *unit;

static void fake_flush_cache(struct intel_iommu *iommu, void *addr, int size)
{
	void *entry = unit->entry;

	if (entry >= addr && entry + sizeof(*unit->entry) <= addr + size)
		unit->dirty = false;
}

static void fake_invalidation(u64 qw0)
{
	if (DESC_TYPE(qw0) == QI_CC_TYPE && DESC_GRAN(qw0) == QI_CC_GRAN(DMA_CCMD_DEVICE_INVL))
		unit->nr_flushes++;
	if (DESC_TYPE(qw0) != QI_IOTLB_TYPE)
		return;
	unit->flushed_did = DESC_DID(qw0);
	unit->flushed_all |= DESC_GRAN(qw0) == QI_IOTLB_GRAN(DMA_TLB_GLOBAL_FLUSH);
}

static int fake_submit(struct intel_iommu *iommu, struct qi_desc *desc, unsigned int count)
{
	struct q_inval *qi = iommu->qi;

	unit->stuck |= qi && (raw_spin_is_locked(&qi->q_lock) || !qi->free_cnt);
	unit->dirty_at_flush |= unit->dirty;
	unit->open_at_flush |= unit->entry && context_present(unit->entry);
	for (; count--; desc++) {
		if (unit->nr_types < MAX_DESCS)
			unit->types[unit->nr_types++] = DESC_TYPE(desc->qw0);
		if (!unit->spoiled)
			fake_invalidation(desc->qw0);
	}
	if (!unit->spoiled)
		return 0;
	unit->spoiled--;
	return -ETIMEDOUT;
}

static void fake_flush_context(struct intel_iommu *iommu, u16 did, u16 sid, u8 fm, u64 type)
{
	unit->dirty_at_flush |= unit->dirty;
	unit->types[unit->nr_types++] = QI_CC_TYPE;
	unit->nr_flushes++;
}

static void fake_flush_iotlb(struct intel_iommu *iommu, u16 did, u64 addr,
			     unsigned int size_order, u64 type)
{
	unit->types[unit->nr_types++] = QI_IOTLB_TYPE;
	unit->flushed_did = did;
	unit->flushed_all |= type == DMA_TLB_GLOBAL_FLUSH;
}

static bool fake_handed_over(void)
{
	return true;
}

static const struct iommu_lu_unit_ser *fake_incoming_unit(u32 backend, u32 segment,
							  u64 reg_base)
{
	return unit->ser.reg_base == reg_base ? &unit->ser : NULL;
}

static bool fake_has_records(void)
{
	return true;
}

static void fake_take_over(struct iommu_device *iommu)
{
	unit->taken = true;
}

static int fake_preserve_page(void *page)
{
	if (unit->max_preserved && unit->nr_preserved == unit->max_preserved)
		return -ENOMEM;
	unit->nr_preserved++;
	return 0;
}

static void fake_unpreserve_page(void *page)
{
	unit->nr_preserved--;
}

static void fake_find_direct(struct intel_iommu *iommu, unsigned long *direct)
{
	if (unit->has_rmrr)
		set_bit(RMRR_ID, direct);
}

static bool fake_entry_stays(u32 segment, u16 devid)
{
	return unit->stays && unit->stays == devid;
}

static const struct iommu_lu_device_ser *fake_incoming_entry(u32 segment, u16 devid)
{
	return fake_entry_stays(segment, devid) ? &unit->record : NULL;
}

static const char *fake_adopt_entry(const struct iommu_lu_device_ser *ser,
				    struct iommu_device *iommu,
				    const struct iommu_liveupdate_ops *ops)
{
	unit->adopted++;
	return NULL;
}

static void fake_refuse_entry(u32 segment, u16 devid, const char *reason)
{
	unit->refused = reason;
}

static void fake_abandon_unit(struct iommu_device *iommu)
{
}

static void fake_stop_device(struct pci_dev *pdev, const char *reason)
{
	unit->stopped = pdev;
	unit->why_stopped = reason;
}

static phys_addr_t fake_pages_first(const struct iommu_lu_pages_ser *ser)
{
	return ROOT_OF_TABLE;
}

/*
 * The unit
 */

static void free_table(void *table)
{
	free_page((unsigned long)table);
}

static void *alloc_table(struct kunit *test)
{
	void *table = (void *)get_zeroed_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_table, table));
	return table;
}

static void set_table(struct kunit *test, u8 bus)
{
	unit->iommu.root_entry[bus].lo = virt_to_phys(alloc_table(test)) | 1;
	if (sm_supported(&unit->iommu))
		unit->iommu.root_entry[bus].hi = virt_to_phys(alloc_table(test)) | 1;
}

static struct context_entry *entry_of(u16 id)
{
	return iommu_context_addr(&unit->iommu, PCI_BUS_NUM(id), id & 0xff, 1);
}

static void restore_option(void *option)
{
	intel_iommu_sm = (long)option;
}

static void setup_unit(struct kunit *test, u64 ecap, bool scalable)
{
	struct intel_iommu *iommu;
	void *reg;

	unit = kunit_kzalloc(test, sizeof(*unit), GFP_KERNEL);
	reg = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, unit);
	KUNIT_ASSERT_NOT_NULL(test, reg);
	iommu = &unit->iommu;
	if (!kho_is_enabled())
		kunit_skip(test, "KHO is off, boot with kho=on");

	/* The mode of a unit depends on its capability and on a global option. */
	if (scalable) {
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, restore_option,
								   (void *)(long)intel_iommu_sm));
		intel_iommu_sm = 1;
	}
	iommu->ecap = ecap | (scalable ? FAKE_ECAP_SMTS : 0);
	iommu->reg = (void __iomem __force *)reg;
	iommu->reg_phys = virt_to_phys(reg);
	iommu->msagaw = 2;
	iommu->cap = FAKE_CAP;
	strscpy(iommu->name, "fake");
	spin_lock_init(&iommu->lock);
	raw_spin_lock_init(&iommu->register_lock);
	iommu->flush.flush_context = fake_flush_context;
	iommu->flush.flush_iotlb = fake_flush_iotlb;
	kunit_activate_static_stub(test, __iommu_flush_cache, fake_flush_cache);
	kunit_activate_static_stub(test, intel_lu_submit, fake_submit);
	kunit_activate_static_stub(test, intel_lu_find_direct, fake_find_direct);
	kunit_activate_static_stub(test, intel_lu_preserve_page, fake_preserve_page);
	kunit_activate_static_stub(test, intel_lu_unpreserve_page, fake_unpreserve_page);
	kunit_activate_static_stub(test, iommu_liveupdate_handed_over, fake_handed_over);
	kunit_activate_static_stub(test, iommu_liveupdate_incoming_unit, fake_incoming_unit);
	kunit_activate_static_stub(test, iommu_liveupdate_has_records, fake_has_records);
	kunit_activate_static_stub(test, iommu_liveupdate_take_over, fake_take_over);
	kunit_activate_static_stub(test, iommu_liveupdate_entry_stays, fake_entry_stays);
	kunit_activate_static_stub(test, iommu_liveupdate_incoming_entry, fake_incoming_entry);
	kunit_activate_static_stub(test, iommu_liveupdate_adopt_entry, fake_adopt_entry);
	kunit_activate_static_stub(test, iommu_liveupdate_refuse_entry, fake_refuse_entry);
	kunit_activate_static_stub(test, iommu_liveupdate_abandon_unit, fake_abandon_unit);
	kunit_activate_static_stub(test, iommu_liveupdate_stop_device, fake_stop_device);
	kunit_activate_static_stub(test, iommu_lu_pages_first, fake_pages_first);
	iommu->root_entry = alloc_table(test);
	set_table(test, BUS);
	set_table(test, 0);
}

static void observe_entry(struct perf_event *bp, struct perf_sample_data *data,
			  struct pt_regs *regs)
{
	if (unit->nr_seen < ARRAY_SIZE(unit->seen))
		unit->seen[unit->nr_seen] = *unit->entry;
	unit->nr_seen++;
	unit->dirty = true;
}

/* From here on every store to the entry is seen; one store of both halves may be seen twice. */
static void observe(struct kunit *test, struct context_entry *entry)
{
	unit->entry = entry;
	watch(test, &entry->lo, HW_BREAKPOINT_LEN_8, observe_entry, unit);
	watch(test, &entry->hi, HW_BREAKPOINT_LEN_8, observe_entry, unit);
}

static bool same_entry(struct context_entry a, struct context_entry b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static void expect_seen_only(struct kunit *test, struct context_entry old,
			     struct context_entry new)
{
	unsigned int i;

	KUNIT_ASSERT_GT(test, unit->nr_seen, 0);
	KUNIT_ASSERT_LE(test, unit->nr_seen, 2);
	for (i = 0; i < unit->nr_seen; i++)
		KUNIT_EXPECT_TRUE(test, same_entry(unit->seen[i], old) ||
				  same_entry(unit->seen[i], new));
}

static void expect_entry(struct kunit *test, struct context_entry *entry,
			 struct context_entry expected)
{
	KUNIT_EXPECT_EQ(test, entry->lo, expected.lo);
	KUNIT_EXPECT_EQ(test, entry->hi, expected.hi);
}

static int preserve(void)
{
	return intel_liveupdate_ops.preserve_unit(&unit->iommu.iommu, &unit->ser);
}

static void unpreserve(void)
{
	intel_liveupdate_ops.unpreserve_unit(&unit->iommu.iommu);
}

/*
 * Handing over
 */

static void closes_a_translated_entry(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	*entry_of(ID) = TRANSLATED;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	observe(test, entry_of(ID));

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	expect_seen_only(test, TRANSLATED, CLOSED);
	expect_entry(test, entry_of(ID), CLOSED);
	unpreserve();
}

static void closes_all_entries(struct kunit *test)
{
	unsigned int devfn;

	setup_unit(test, FAKE_ECAP_PT, false);
	*entry_of(ID) = PASS_THROUGH;
	KUNIT_ASSERT_EQ(test, 0, preserve());

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	for (devfn = 0; devfn < 256; devfn++)
		expect_entry(test, entry_of(PCI_DEVID(BUS, devfn)), CLOSED);
	unpreserve();
}

static void leaves_the_entry_of_a_device_with_mappings(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	unit->stays = ID;
	*entry_of(ID) = TRANSLATED;
	*entry_of(ID + 1) = TRANSLATED;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	observe(test, entry_of(ID));

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	KUNIT_EXPECT_EQ(test, 0, unit->nr_seen);
	expect_entry(test, entry_of(ID), TRANSLATED);
	expect_entry(test, entry_of(ID + 1), CLOSED);
	unpreserve();
}

static void closes_all_entries_in_scalable_mode(struct kunit *test)
{
	unsigned int devfn;

	setup_unit(test, FAKE_ECAP_PT, true);
	*entry_of(PCI_DEVID(BUS, 0x01)) = CONTEXT(0x1000 | 1, 0);
	*entry_of(PCI_DEVID(BUS, 0xf1)) = CONTEXT(0x1000 | 1, 0);
	KUNIT_ASSERT_EQ(test, 0, preserve());

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	for (devfn = 0; devfn < 256; devfn++)
		expect_entry(test, entry_of(PCI_DEVID(BUS, devfn)), CLOSED);
	unpreserve();
}

static void closes_a_bus_without_preserved_table(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	set_table(test, OTHER_BUS);

	KUNIT_EXPECT_TRUE(test, intel_liveupdate_close_all(&unit->iommu));
	KUNIT_EXPECT_EQ(test, 0, unit->iommu.root_entry[OTHER_BUS].lo);
	KUNIT_EXPECT_NE(test, 0, unit->iommu.root_entry[BUS].lo);
	unpreserve();
}

static void leaves_a_unit_alone_which_is_not_preserved(struct kunit *test)
{
	setup_unit(test, 0, false);
	*entry_of(ID) = TRANSLATED;

	KUNIT_EXPECT_FALSE(test, intel_liveupdate_close_all(&unit->iommu));
	expect_entry(test, entry_of(ID), TRANSLATED);
}

/* What is invalidated while the entry is present can be cached again. */
static void close_all_invalidates(struct kunit *test, struct context_entry left, const u8 *types,
				  unsigned int nr_types)
{
	*entry_of(ID) = left;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	unit->entry = entry_of(ID);

	intel_liveupdate_close_all(&unit->iommu);
	expect_entry(test, entry_of(ID), CLOSED);
	KUNIT_EXPECT_FALSE(test, unit->open_at_flush);
	KUNIT_EXPECT_EQ(test, nr_types, unit->nr_types);
	KUNIT_EXPECT_MEMEQ(test, unit->types, types, nr_types);
	unpreserve();
}

static void invalidates_after_the_last_store(struct kunit *test)
{
	static const u8 types[] = { QI_CC_TYPE, QI_IOTLB_TYPE };

	setup_unit(test, FAKE_ECAP_PT, false);
	close_all_invalidates(test, TRANSLATED, types, ARRAY_SIZE(types));
}

static void invalidates_pasid_entries_in_scalable_mode(struct kunit *test)
{
	static const u8 types[] = { QI_CC_TYPE, QI_PC_TYPE, QI_IOTLB_TYPE };

	setup_unit(test, FAKE_ECAP_PT, true);
	close_all_invalidates(test, CONTEXT(0x1000 | 1, 0), types, ARRAY_SIZE(types));
}

static void invalidates_again_when_another_device_spoils_it(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	unit->spoiled = 2;

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_EQ(test, 0, unit->spoiled);
	KUNIT_EXPECT_EQ(test, 6, unit->nr_types);
	unpreserve();
}

/* The upper half of a fault recording register, which has F */
static u64 fault_record(unsigned int i)
{
	return readq(unit->iommu.reg + FAULT_RECORDS + 16 * i + 8);
}

/* Bits that are cleared by writing 1: the fake registers show what was written. */
static void clears_the_faults_of_this_kernel(struct kunit *test)
{
	unsigned int i;

	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());

	intel_liveupdate_close_all(&unit->iommu);
	for (i = 0; i < NR_FAULT_RECORDS; i++)
		KUNIT_EXPECT_EQ(test, fault_record(i), BIT_ULL(63));
	KUNIT_EXPECT_EQ(test, fault_record(NR_FAULT_RECORDS), 0);
	KUNIT_EXPECT_EQ(test, readl(unit->iommu.reg + DMAR_FSTS_REG),
			DMA_FSTS_PFO | DMA_FSTS_PPF | DMA_FSTS_PRO);
	unpreserve();
}

static void emulate_command(struct perf_event *bp, struct perf_sample_data *data,
			    struct pt_regs *regs)
{
	unit->nr_commands++;
	writel(readl(unit->iommu.reg + DMAR_GCMD_REG), unit->iommu.reg + DMAR_GSTS_REG);
}

static struct q_inval *alloc_queue(struct kunit *test)
{
	struct q_inval *qi = kunit_kzalloc(test, sizeof(*qi), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, qi);
	raw_spin_lock_init(&qi->q_lock);
	qi->desc = alloc_table(test);
	qi->free_cnt = QI_LENGTH;
	return qi;
}

static const struct stopped {
	const char	*name;
	bool		locked;
	int		free_cnt;
	int		nr_commands;
} stops[] = {
	{ "elsewhere", false, QI_LENGTH, 0 },
	{ "with the lock", true, QI_LENGTH, 2 },
	{ "while it waits", false, 0, 2 },
};

KUNIT_ARRAY_PARAM_DESC(stopped, stops, name);

/* Where an NMI has stopped another CPU */
static void queue_of_a_stopped_cpu_can_be_used(struct kunit *test)
{
	const struct stopped *stopped = test->param_value;
	struct q_inval *qi;

	setup_unit(test, FAKE_ECAP_PT | FAKE_ECAP_QI, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	qi = alloc_queue(test);
	qi->free_cnt = stopped->free_cnt;
	if (stopped->locked)
		arch_spin_lock(&qi->q_lock.raw_lock);
	unit->iommu.qi = qi;
	unit->iommu.gcmd = DMA_GCMD_QIE;
	writel(DMA_GSTS_QIES, unit->iommu.reg + DMAR_GSTS_REG);
	watch(test, (void __force *)unit->iommu.reg + DMAR_GCMD_REG, HW_BREAKPOINT_LEN_4,
	      emulate_command, unit);

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_GT(test, unit->nr_types, 0);
	KUNIT_EXPECT_FALSE(test, unit->stuck);
	KUNIT_EXPECT_EQ(test, unit->nr_commands, stopped->nr_commands);
	KUNIT_EXPECT_TRUE(test, readl(unit->iommu.reg + DMAR_GSTS_REG) & DMA_GSTS_QIES);
	unpreserve();
}

static void writes_entries_back_when_the_unit_does_not_snoop(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	*entry_of(ID) = TRANSLATED;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	observe(test, entry_of(ID));

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_GT(test, unit->nr_seen, 0);
	KUNIT_EXPECT_FALSE(test, unit->dirty_at_flush);
	unpreserve();
}

static void opens_the_entry_of_a_device_with_rmrr(struct kunit *test)
{
	struct context_entry direct = PASS_THROUGH;

	setup_unit(test, FAKE_ECAP_PT, false);
	unit->has_rmrr = true;
	direct.hi |= unit->iommu.msagaw;
	*entry_of(RMRR_ID) = TRANSLATED;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	observe(test, entry_of(RMRR_ID));

	intel_liveupdate_close_all(&unit->iommu);
	expect_seen_only(test, TRANSLATED, direct);
	expect_entry(test, entry_of(RMRR_ID), direct);
	unpreserve();
}

static struct pasid_entry *pasid_entry_of(struct context_entry *context)
{
	return get_pasid_table_from_pde(phys_to_virt(context->lo & VTD_PAGE_MASK));
}

static void opens_the_entry_of_a_device_with_rmrr_in_scalable_mode(struct kunit *test)
{
	struct pasid_entry *pasid;

	setup_unit(test, FAKE_ECAP_PT, true);
	unit->has_rmrr = true;
	*entry_of(RMRR_ID) = CONTEXT(0x1000 | 1, 0);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	intel_liveupdate_close_all(&unit->iommu);

	KUNIT_EXPECT_EQ(test, unit->ser.pasid_dir | 1, entry_of(RMRR_ID)->lo);
	KUNIT_EXPECT_EQ(test, 0, entry_of(RMRR_ID)->hi);
	pasid = pasid_entry_of(entry_of(RMRR_ID));
	KUNIT_ASSERT_NOT_NULL(test, pasid);
	KUNIT_EXPECT_TRUE(test, pasid_pte_is_present(pasid));
	KUNIT_EXPECT_EQ(test, PASID_ENTRY_PGTT_PT, pasid_pte_get_pgtt(pasid));
	unpreserve();
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
}

static bool fake_has_rmrr(struct device *dev)
{
	return true;
}

/* A graphics or USB device, for which an RMRR does not count when a user gets it */
static void firmware_does_not_use_a_device_in_a_live_update(struct kunit *test)
{
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	kunit_activate_static_stub(test, intel_iommu_has_rmrr, fake_has_rmrr);
	KUNIT_EXPECT_TRUE(test, intel_lu_firmware_uses(pdev));
	set_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags);
	KUNIT_EXPECT_FALSE(test, intel_lu_firmware_uses(pdev));
	clear_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &pdev->priv_flags);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_FALSE(test, intel_lu_firmware_uses(pdev));
}

/* A bridge, and a device behind it */
struct fake_segment {
	struct pci_sysdata	sysdata;
	struct pci_bus		upper_bus;
	struct pci_bus		bus;
	struct pci_dev		bridge;
	struct pci_dev		pdev;
};

static struct fake_segment *alloc_segment(struct kunit *test, int domain)
{
	struct fake_segment *segment = kunit_kzalloc(test, sizeof(*segment), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, segment);
	segment->sysdata.domain = domain;
	segment->upper_bus.sysdata = &segment->sysdata;
	segment->bus.sysdata = &segment->sysdata;
	segment->bus.number = BUS;
	segment->bus.busn_res.end = BUS;
	segment->bridge.bus = &segment->upper_bus;
	segment->bridge.subordinate = &segment->bus;
	segment->bridge.dev.bus = &pci_bus_type;
	segment->pdev.bus = &segment->bus;
	segment->pdev.dev.bus = &pci_bus_type;
	return segment;
}

/* The RMRR of the bridge does not count for a device whose bus only has the same number. */
static void device_of_another_segment_is_not_behind_a_bridge(struct kunit *test)
{
	struct fake_segment *segment = alloc_segment(test, 0);
	struct fake_segment *other = alloc_segment(test, 1);

	KUNIT_EXPECT_TRUE(test, is_downstream_to_pci_bridge(&segment->pdev.dev,
							    &segment->bridge.dev));
	KUNIT_EXPECT_TRUE(test, is_downstream_to_pci_bridge(&other->pdev.dev,
							    &other->bridge.dev));
	KUNIT_EXPECT_FALSE(test, is_downstream_to_pci_bridge(&segment->pdev.dev,
							     &other->bridge.dev));
	KUNIT_EXPECT_FALSE(test, is_downstream_to_pci_bridge(&other->pdev.dev,
							     &segment->bridge.dev));
}

static void free_bitmap(void *bitmap)
{
	bitmap_free(bitmap);
}

static bool fake_is_behind(struct intel_iommu *iommu, struct pci_dev *pdev)
{
	unit->nr_lookups++;
	return true;
}

/* Two devices of this machine, one of which has the id of the other one as an alias */
static struct pci_dev *neighbours[2];
static unsigned int with_rmrr;

static bool fake_neighbour_has_rmrr(struct device *dev)
{
	return dev == &neighbours[with_rmrr]->dev;
}

static void put_neighbours(void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(neighbours); i++) {
		clear_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &neighbours[i]->priv_flags);
		clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &neighbours[i]->priv_flags);
		neighbours[i]->dma_alias_mask = NULL;
		pci_dev_put(neighbours[i]);
	}
}

static void find_neighbours(struct kunit *test)
{
	neighbours[0] = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, NULL);
	if (!neighbours[0])
		kunit_skip(test, "no PCI device");
	neighbours[1] = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pci_dev_get(neighbours[0]));
	if (!neighbours[1] || neighbours[0]->bus != neighbours[1]->bus ||
	    neighbours[0]->dma_alias_mask || neighbours[1]->dma_alias_mask) {
		pci_dev_put(neighbours[0]);
		pci_dev_put(neighbours[1]);
		kunit_skip(test, "no two devices on the first bus");
	}
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_neighbours, NULL));
}

/* As behind a bridge from PCIe to PCI; the first of the two devices is looked at first. */
static void alias_of_a_device_with_rmrr_is_closed(struct kunit *test)
{
	unsigned long *direct = kunit_kzalloc(test, SZ_64K / BITS_PER_BYTE, GFP_KERNEL);
	unsigned long *mask = bitmap_zalloc(MAX_NR_DEVFNS, GFP_KERNEL);
	struct pci_dev *preserved;

	KUNIT_ASSERT_NOT_NULL(test, direct);
	KUNIT_ASSERT_NOT_NULL(test, mask);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_bitmap, mask));
	setup_unit(test, FAKE_ECAP_PT, true);
	kunit_deactivate_static_stub(test, intel_lu_find_direct);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_behind);
	kunit_activate_static_stub(test, intel_iommu_has_rmrr, fake_neighbour_has_rmrr);
	find_neighbours(test);

	for (with_rmrr = 0; with_rmrr < ARRAY_SIZE(neighbours); with_rmrr++) {
		preserved = neighbours[!with_rmrr];
		bitmap_zero(mask, MAX_NR_DEVFNS);
		set_bit(preserved->devfn, mask);
		neighbours[with_rmrr]->dma_alias_mask = mask;
		preserved->dma_alias_mask = NULL;

		bitmap_zero(direct, SZ_64K);
		intel_lu_find_direct(&unit->iommu, direct);
		KUNIT_EXPECT_TRUE(test, test_bit(pci_dev_id(preserved), direct));

		bitmap_zero(direct, SZ_64K);
		set_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &preserved->priv_flags);
		intel_lu_find_direct(&unit->iommu, direct);
		clear_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &preserved->priv_flags);
		KUNIT_EXPECT_FALSE(test, test_bit(pci_dev_id(preserved), direct));
		KUNIT_EXPECT_TRUE(test, test_bit(pci_dev_id(neighbours[with_rmrr]), direct));
	}
}

static unsigned int count_lookups(struct kunit *test)
{
	unsigned long *direct = kunit_kzalloc(test, SZ_64K / BITS_PER_BYTE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, direct);
	unit->nr_lookups = 0;
	intel_lu_find_direct(&unit->iommu, direct);
	return unit->nr_lookups;
}

/* It takes longer than the other conditions, and a host may have thousands of functions. */
static void unit_is_only_looked_up_for_devices_that_matter(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	kunit_deactivate_static_stub(test, intel_lu_find_direct);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_behind);
	kunit_activate_static_stub(test, intel_iommu_has_rmrr, fake_neighbour_has_rmrr);
	find_neighbours(test);
	with_rmrr = 0;
	KUNIT_EXPECT_EQ(test, count_lookups(test), 1);

	set_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &neighbours[1]->priv_flags);
	KUNIT_EXPECT_EQ(test, count_lookups(test), 2);
}

/* Nothing is mapped for it, and its entry is present nevertheless. */
static void closes_the_entry_of_a_preserved_device_with_rmrr_in_scalable_mode(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, true);
	unit->has_rmrr = true;
	*entry_of(RMRR_ID) = CONTEXT(0x1000 | 1, 0);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	/* It is the second device that is preserved. */
	unit->has_rmrr = false;
	KUNIT_ASSERT_EQ(test, 0, preserve());

	intel_liveupdate_close_all(&unit->iommu);
	KUNIT_EXPECT_FALSE(test, context_present(entry_of(RMRR_ID)));
	unpreserve();
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
}

static void refuses_rmrr_without_pass_through(struct kunit *test)
{
	setup_unit(test, 0, false);
	unit->has_rmrr = true;

	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, preserve());
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
	KUNIT_EXPECT_NULL(test, unit->iommu.liveupdate);
}

static void preserves_each_table_once(struct kunit *test)
{
	int nr;

	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	nr = unit->nr_preserved;
	KUNIT_ASSERT_EQ(test, 0, preserve());
	KUNIT_EXPECT_EQ(test, nr, unit->nr_preserved);

	set_table(test, OTHER_BUS);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	KUNIT_EXPECT_EQ(test, nr + 1, unit->nr_preserved);

	unpreserve();
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
}

/* What the first device has handed over stays as its record says. */
static void keeps_the_list_when_a_further_device_fails(struct kunit *test)
{
	const u64 *tables;

	setup_unit(test, FAKE_ECAP_PT, false);
	KUNIT_ASSERT_EQ(test, 0, preserve());
	tables = phys_to_virt(unit->ser.tables);

	set_table(test, OTHER_BUS);
	set_table(test, OTHER_BUS + 1);
	unit->max_preserved = unit->nr_preserved + 1;
	KUNIT_EXPECT_EQ(test, -ENOMEM, preserve());
	KUNIT_EXPECT_EQ(test, unit->max_preserved - 1, unit->nr_preserved);
	KUNIT_EXPECT_EQ(test, iommu_lu_tables_checksum(tables), unit->ser.tables_checksum);

	unpreserve();
	KUNIT_EXPECT_EQ(test, 0, unit->nr_preserved);
}

/*
 * Taking over
 */

/* Restored memory belongs to the driver, and is freed as the driver would free it. */
static void free_left(void *page)
{
	if (is_kept(page))
		free_kept(page);
	else
		iommu_free_pages(page);
}

/* A copy of a page, in memory that KHO has kept */
static void *leave_page(struct kunit *test, const void *page)
{
	void *copy = alloc_kept(0);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_left, copy));
	memcpy(copy, page, PAGE_SIZE);
	return copy;
}

/* Root and context tables of the unit; whoever reads their list frees it. */
static void leave_tables(struct kunit *test)
{
	u64 *tables = alloc_kept(0), *root;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, tables);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_kept, tables));
	root = leave_page(test, unit->iommu.root_entry);
	for (i = 0; i < IOMMU_LU_NR_TABLES; i++) {
		if (!root[i])
			continue;
		tables[i] = virt_to_phys(leave_page(test, phys_to_virt(root[i] & VTD_PAGE_MASK)));
		root[i] = tables[i] | 1;
	}
	unit->ser.root = virt_to_phys(root);
	unit->ser.tables = virt_to_phys(tables);
	unit->ser.tables_checksum = iommu_lu_tables_checksum(tables);
}

/* The unit is found with the tables that were left. */
static void leave_unit(struct kunit *test)
{
	leave_tables(test);
	writeq(unit->ser.root | (sm_supported(&unit->iommu) ? DMA_RTADDR_SMT : 0),
	       unit->iommu.reg + DMAR_RTADDR_REG);
	unit->iommu.root_entry = NULL;
}

/* The PASID directory of devices with RMRR, and its table */
static void leave_direct_pasid_dir(struct kunit *test)
{
	struct pasid_dir_entry *dir = leave_page(test, phys_to_virt(unit->ser.pasid_dir));
	void *table = leave_page(test, phys_to_virt(unit->ser.pasid_table));

	unit->ser.pasid_dir = virt_to_phys(dir);
	unit->ser.pasid_table = virt_to_phys(table);
	dir->val = unit->ser.pasid_table | PASID_PTE_PRESENT;
	entry_of(RMRR_ID)->lo = unit->ser.pasid_dir | 1;
}

/* As the previous kernel has left it, except for the entry of ID. */
static void hand_over(struct kunit *test, struct context_entry left)
{
	KUNIT_ASSERT_EQ(test, 0, preserve());
	intel_liveupdate_close_all(&unit->iommu);
	*entry_of(ID) = left;
	if (unit->ser.pasid_dir)
		leave_direct_pasid_dir(test);
	leave_unit(test);
	unpreserve();
}

static void take_over(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, intel_liveupdate_take_over(&unit->iommu));
	if (unit->iommu.copied_tables)
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, free_bitmap,
							  unit->iommu.copied_tables));
}

static void takes_the_root_over_in_place(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, CLOSED);
	take_over(test);

	KUNIT_EXPECT_PTR_EQ(test, (void *)unit->iommu.root_entry, phys_to_virt(unit->ser.root));
	KUNIT_EXPECT_TRUE(test, unit->taken);
	KUNIT_EXPECT_TRUE(test, context_copied(&unit->iommu, BUS, DEVFN));
	expect_entry(test, entry_of(ID), CLOSED);
}

static void closes_what_should_not_be_present(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, PASS_THROUGH);
	take_over(test);
	expect_entry(test, entry_of(ID), CLOSED);
}

static void keeps_the_entry_of_a_device_with_rmrr(struct kunit *test)
{
	struct context_entry direct = PASS_THROUGH;

	setup_unit(test, FAKE_ECAP_PT, false);
	unit->has_rmrr = true;
	direct.hi |= unit->iommu.msagaw;
	*entry_of(RMRR_ID) = TRANSLATED;
	hand_over(test, CLOSED);
	take_over(test);
	expect_entry(test, entry_of(RMRR_ID), direct);
}

/* Before the unit is taken over, its root table is known only from its record. */
static struct context_entry *entry_of_old(u16 id)
{
	struct root_entry *root = phys_to_virt(unit->ser.root);
	u64 table = sm_supported(&unit->iommu) && (id & 0x80) ? root[PCI_BUS_NUM(id)].hi :
								root[PCI_BUS_NUM(id)].lo;
	struct context_entry *context = phys_to_virt(table & VTD_PAGE_MASK);

	return &context[sm_supported(&unit->iommu) ? (id & 0x7f) * 2 : id & 0xff];
}

static void hand_over_direct(struct kunit *test, bool scalable)
{
	setup_unit(test, FAKE_ECAP_PT, scalable);
	unit->has_rmrr = true;
	*entry_of(RMRR_ID) = TRANSLATED;
	hand_over(test, CLOSED);
}

static void keeps_the_entry_of_a_device_with_rmrr_in_scalable_mode(struct kunit *test)
{
	hand_over_direct(test, true);
	take_over(test);
	expect_entry(test, entry_of(RMRR_ID), CONTEXT(unit->ser.pasid_dir | 1, 0));
	KUNIT_EXPECT_PTR_EQ(test, (void *)unit->iommu.direct_pasid_dir,
			    phys_to_virt(unit->ser.pasid_dir));
	KUNIT_EXPECT_NULL(test, unit->refused);
}

static const struct wrong_direct {
	const char		*name;
	bool			scalable;
	struct context_entry	flipped;
} wrong_directs[] = {
	{ "other domain id", false, { .hi = 1 << 8 } },
	{ "other address width", false, { .hi = 1 } },
	{ "page table", false, { .lo = SZ_4K } },
	{ "PASID directory larger than what was preserved", true, { .lo = 1 << 9 } },
	{ "other PASID directory", true, { .lo = SZ_4K } },
	{ "requests with another PASID", true, { .hi = 1 } },
};

KUNIT_ARRAY_PARAM_DESC(wrong_direct, wrong_directs, name);

static void closes_an_entry_that_is_not_the_one_for_rmrr(struct kunit *test)
{
	const struct wrong_direct *wrong = test->param_value;

	hand_over_direct(test, wrong->scalable);
	entry_of_old(RMRR_ID)->lo ^= wrong->flipped.lo;
	entry_of_old(RMRR_ID)->hi ^= wrong->flipped.hi;
	take_over(test);

	KUNIT_ASSERT_TRUE(test, unit->taken);
	KUNIT_EXPECT_STREQ(test, unit->refused ?: "", "mappings without a valid record");
	expect_entry(test, entry_of(RMRR_ID), CLOSED);
}

/* FINISH frees the page, but the test keeps it to see that. */
static struct page *hold_left(struct kunit *test, u64 phys)
{
	struct page *page = virt_to_page(phys_to_virt(phys));

	get_page(page);
	kunit_remove_action(test, free_left, phys_to_virt(phys));
	return page;
}

static void expect_freed(struct kunit *test, struct page *page)
{
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	put_page(page);
}

/* Afterwards no entry leads to the PASID directory of the previous kernel. */
static void finish_closes_the_entry_of_a_device_with_rmrr_in_scalable_mode(struct kunit *test)
{
	struct page *dir, *table;

	hand_over_direct(test, true);
	take_over(test);
	KUNIT_ASSERT_NOT_NULL(test, unit->iommu.direct_pasid_dir);
	dir = hold_left(test, unit->ser.pasid_dir);
	table = hold_left(test, unit->ser.pasid_table);
	unit->flushed_all = false;

	intel_liveupdate_ops.finish_unit(&unit->iommu.iommu);
	expect_entry(test, entry_of(RMRR_ID), EMPTY);
	KUNIT_EXPECT_TRUE(test, unit->flushed_all);
	KUNIT_EXPECT_NULL(test, unit->iommu.direct_pasid_dir);
	expect_freed(test, dir);
	expect_freed(test, table);
}

/*
 * Devices with mappings
 */

/* A PASID directory with one table, in which requests without PASID have an entry */
static struct pasid_entry *leave_pasid_table(struct kunit *test, u64 tables, u16 did,
					     struct iommu_lu_device_ser *ser)
{
	struct pasid_entry *pasid = alloc_table(test);
	struct pasid_dir_entry *dir = alloc_table(test);

	dir->val = virt_to_phys(pasid) | PASID_PTE_PRESENT;
	pasid_set_domain_id(pasid, did);
	pasid_set_slptr(pasid, tables);
	pasid_set_translation_type(pasid, PASID_ENTRY_PGTT_SL_ONLY);
	pasid_set_present(pasid);
	ser->pasid_dir = virt_to_phys(dir);
	ser->pasid_table = virt_to_phys(pasid);
	return pasid;
}

/* One that is attached, in the mode of the unit */
static void hand_over_mapped(struct kunit *test, bool scalable, struct pasid_entry **pasid)
{
	struct context_entry left = TRANSLATED;

	setup_unit(test, FAKE_ECAP_PT, scalable);
	unit->stays = ID;
	unit->record.domain_id = OLD_DID;
	if (scalable) {
		*pasid = leave_pasid_table(test, ROOT_OF_TABLE, OLD_DID, &unit->record);
		left = CONTEXT(unit->record.pasid_dir | 1, 0);
	}
	unit->record.entry[0] = left.lo;
	unit->record.entry[1] = left.hi;
	hand_over(test, left);
}

static void expect_adopted(struct kunit *test)
{
	struct context_entry left = CONTEXT(unit->record.entry[0], unit->record.entry[1]);

	take_over(test);
	KUNIT_EXPECT_EQ(test, 1, unit->adopted);
	KUNIT_EXPECT_NULL(test, unit->refused);
	KUNIT_EXPECT_TRUE(test, context_copied(&unit->iommu, BUS, DEVFN));
	expect_entry(test, entry_of(ID), left);
}

static void keeps_an_entry_with_mappings(struct kunit *test)
{
	hand_over_mapped(test, false, NULL);
	expect_adopted(test);
}

static void keeps_an_entry_with_mappings_of_second_stage(struct kunit *test)
{
	struct pasid_entry *pasid;

	hand_over_mapped(test, true, &pasid);
	expect_adopted(test);
}

static void keeps_an_entry_with_mappings_of_first_stage(struct kunit *test)
{
	struct pasid_entry *pasid;

	hand_over_mapped(test, true, &pasid);
	pasid_clear_entry(pasid);
	pasid_set_flptr(pasid, ROOT_OF_TABLE);
	pasid_set_domain_id(pasid, OLD_DID);
	pasid_set_translation_type(pasid, PASID_ENTRY_PGTT_FL_ONLY);
	pasid_set_present(pasid);
	expect_adopted(test);
}

static void other_entry(struct pasid_entry *pasid)
{
	unit->record.entry[0] += SZ_4K;
}

static void other_domain_id(struct pasid_entry *pasid)
{
	unit->record.domain_id++;
}

static void no_domain_id(struct pasid_entry *pasid)
{
	unit->record.domain_id = cap_ndoms(unit->iommu.cap);
}

static void id_of_this_kernel(struct pasid_entry *pasid)
{
	unit->record.domain_id = FLPT_DEFAULT_DID;
}

static void no_record(struct pasid_entry *pasid)
{
	unit->stays = 0;
}

static void set_entry(u64 lo, u64 hi)
{
	*entry_of_old(ID) = CONTEXT(lo, hi);
	unit->record.entry[0] = lo;
	unit->record.entry[1] = hi;
}

static void other_tables(struct pasid_entry *pasid)
{
	set_entry(unit->record.entry[0] + SZ_4K, unit->record.entry[1]);
}

static void pass_through(struct pasid_entry *pasid)
{
	set_entry(unit->record.entry[0] | CONTEXT_TT_PASS_THROUGH << 2, unit->record.entry[1]);
}

static void dir_in_legacy_mode(struct pasid_entry *pasid)
{
	unit->record.pasid_dir = SZ_4K;
}

static void no_dir(struct pasid_entry *pasid)
{
	unit->record.pasid_dir = 0;
}

static void big_dir(struct pasid_entry *pasid)
{
	set_entry(unit->record.entry[0] | 3 << 9, 0);
}

static void other_rid_pasid(struct pasid_entry *pasid)
{
	set_entry(unit->record.entry[0], 1);
}

static void second_table(struct pasid_entry *pasid)
{
	((struct pasid_dir_entry *)phys_to_virt(unit->record.pasid_dir))[7].val = SZ_4K | 1;
}

static void other_table(struct pasid_entry *pasid)
{
	unit->record.pasid_table += SZ_4K;
}

static void second_pasid(struct pasid_entry *pasid)
{
	pasid_set_present(&pasid[63]);
}

static void absent_pasid(struct pasid_entry *pasid)
{
	pasid_clear_present(pasid);
}

static void nested_pasid(struct pasid_entry *pasid)
{
	pasid_set_translation_type(pasid, PASID_ENTRY_PGTT_NESTED);
}

static void pasid_of_other_tables(struct pasid_entry *pasid)
{
	pasid_set_slptr(pasid, ROOT_OF_TABLE + SZ_4K);
}

static const struct wrong_record {
	const char	*name;
	bool		scalable;
	void		(*damage)(struct pasid_entry *pasid);
	const char	*reason;
} wrong_records[] = {
	{ "no record", false, no_record, "mappings without a valid record" },
	{ "other entry", false, other_entry, "entry differs from its record" },
	{ "other domain id", false, other_domain_id, "domain id differs from its record" },
	{ "domain id that the unit does not have", false, no_domain_id, "invalid domain id" },
	{ "domain id of this kernel", false, id_of_this_kernel, "invalid domain id" },
	{ "other tables", false, other_tables, "entry leads to other tables" },
	{ "pass-through", false, pass_through, "entry does not translate" },
	{ "PASID directory in legacy mode", false, dir_in_legacy_mode,
	  "PASID directory in legacy mode" },
	{ "no PASID directory", true, no_dir, "no PASID directory" },
	{ "PASID directory larger than what was preserved", true, big_dir,
	  "PASID directory is too small" },
	{ "requests with another PASID", true, other_rid_pasid,
	  "requests without PASID use another one" },
	{ "second PASID table", true, second_table, "PASID directory differs from its record" },
	{ "other PASID table", true, other_table, "PASID directory differs from its record" },
	{ "second PASID", true, second_pasid, "a PASID is attached" },
	{ "PASID entry not present", true, absent_pasid, "PASID entry is not present" },
	{ "nested PASID entry", true, nested_pasid, "PASID entry leads to other tables" },
	{ "other domain id of the PASID entry", true, other_domain_id,
	  "domain id differs from its record" },
	{ "other tables of the PASID entry", true, pasid_of_other_tables,
	  "PASID entry leads to other tables" },
};

KUNIT_ARRAY_PARAM_DESC(wrong_record, wrong_records, name);

static void closes_an_entry_that_does_not_match_its_record(struct kunit *test)
{
	const struct wrong_record *wrong = test->param_value;
	struct pasid_entry *pasid = NULL;

	hand_over_mapped(test, wrong->scalable, &pasid);
	wrong->damage(pasid);
	take_over(test);

	KUNIT_EXPECT_EQ(test, 0, unit->adopted);
	KUNIT_EXPECT_STREQ(test, wrong->reason, unit->refused);
	expect_entry(test, entry_of(ID), CLOSED);
}

static void finish_closes_an_entry_that_is_still_in_use(struct kunit *test)
{
	hand_over_mapped(test, false, NULL);
	take_over(test);
	unit->nr_flushes = 0;

	intel_liveupdate_ops.finish_unit(&unit->iommu.iommu);
	expect_entry(test, entry_of(ID), EMPTY);
	KUNIT_EXPECT_EQ(test, OLD_DID, unit->flushed_did);
	KUNIT_EXPECT_GT(test, unit->nr_flushes, 0);
}

static void domain_ids_are_reserved_and_freed(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	ida_init(&unit->iommu.domain_ida);

	KUNIT_EXPECT_EQ(test, 0, intel_liveupdate_reserve_domain_id(&unit->iommu.iommu, OLD_DID));
	KUNIT_EXPECT_NE(test, 0, intel_liveupdate_reserve_domain_id(&unit->iommu.iommu, OLD_DID));
	intel_liveupdate_free_domain_id(&unit->iommu.iommu, OLD_DID);
	KUNIT_EXPECT_TRUE(test, ida_is_empty(&unit->iommu.domain_ida));
}

static void break_root_address(struct kunit *test)
{
	writeq(unit->ser.root + SZ_4K, unit->iommu.reg + DMAR_RTADDR_REG);
}

static void break_mode(struct kunit *test)
{
	unit->ser.flags ^= IOMMU_LU_UNIT_SCALABLE;
}

static void break_list(struct kunit *test)
{
	((u64 *)phys_to_virt(unit->ser.tables))[1]++;
}

static void break_root_table(struct kunit *test)
{
	((struct root_entry *)phys_to_virt(unit->ser.root))[OTHER_BUS].lo = 0x1000 | 1;
}

static void lose_list(struct kunit *test)
{
	unit->ser.tables = virt_to_phys(alloc_table(test));
}

static void lose_root(struct kunit *test)
{
	unit->ser.root = virt_to_phys(alloc_table(test));
	writeq(unit->ser.root, unit->iommu.reg + DMAR_RTADDR_REG);
}

static void lose_table(struct kunit *test)
{
	struct root_entry *root = phys_to_virt(unit->ser.root);
	u64 *tables = phys_to_virt(unit->ser.tables);

	tables[2 * BUS] = virt_to_phys(alloc_table(test));
	root[BUS].lo = tables[2 * BUS] | 1;
	unit->ser.tables_checksum = iommu_lu_tables_checksum(tables);
}

static void lose_record(struct kunit *test)
{
	unit->ser.reg_base++;
}

static const struct refusal {
	const char	*name;
	void		(*damage)(struct kunit *test);
} refusals[] = {
	{ "other root table in use", break_root_address },
	{ "other mode", break_mode },
	{ "list of tables damaged", break_list },
	{ "root table damaged", break_root_table },
	{ "list of tables not preserved", lose_list },
	{ "root table not preserved", lose_root },
	{ "context table not preserved", lose_table },
	{ "no record", lose_record },
};

KUNIT_ARRAY_PARAM_DESC(refusal, refusals, name);

/* Translation stays enabled, with a root table that is the caller's. */
static void expect_tables_refused(struct kunit *test, const struct refusal *refusal)
{
	refusal->damage(test);
	take_over(test);

	KUNIT_EXPECT_NULL(test, unit->iommu.root_entry);
	KUNIT_EXPECT_NULL(test, unit->iommu.copied_tables);
	KUNIT_EXPECT_FALSE(test, unit->taken);
}

static void refuses_the_tables(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, CLOSED);
	expect_tables_refused(test, test->param_value);
}

static void add_direct_table(struct kunit *test)
{
	((struct pasid_dir_entry *)phys_to_virt(unit->ser.pasid_dir))[1].val = SZ_4K | 1;
}

static void change_direct_table(struct kunit *test)
{
	((struct pasid_dir_entry *)phys_to_virt(unit->ser.pasid_dir))->val += SZ_4K;
}

static void lose_direct_dir(struct kunit *test)
{
	unit->ser.pasid_dir = virt_to_phys(alloc_table(test));
}

static void lose_direct_table(struct kunit *test)
{
	unit->ser.pasid_table = virt_to_phys(alloc_table(test));
}

static struct pasid_entry *direct_pasids(void)
{
	return phys_to_virt(unit->ser.pasid_table);
}

static void add_direct_pasid(struct kunit *test)
{
	pasid_set_present(&direct_pasids()[1]);
}

static void close_direct_pasid(struct kunit *test)
{
	pasid_clear_present(direct_pasids());
}

static void change_direct_type(struct kunit *test)
{
	pasid_set_translation_type(direct_pasids(), PASID_ENTRY_PGTT_SL_ONLY);
}

static void change_direct_domain_id(struct kunit *test)
{
	pasid_set_domain_id(direct_pasids(), OLD_DID);
}

static const struct refusal direct_refusals[] = {
	{ "second table", add_direct_table },
	{ "other table", change_direct_table },
	{ "directory not preserved", lose_direct_dir },
	{ "table not preserved", lose_direct_table },
	{ "second PASID", add_direct_pasid },
	{ "entry not present", close_direct_pasid },
	{ "entry that translates", change_direct_type },
	{ "other domain id", change_direct_domain_id },
};

KUNIT_ARRAY_PARAM_DESC(direct_refusal, direct_refusals, name);

static void refuses_the_pasid_table_of_devices_with_rmrr(struct kunit *test)
{
	hand_over_direct(test, true);
	expect_tables_refused(test, test->param_value);
	KUNIT_EXPECT_NULL(test, unit->iommu.direct_pasid_dir);
}

static void disables_translation_when_the_mode_changes(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	hand_over(test, CLOSED);
	writeq(unit->ser.root | DMA_RTADDR_SMT, unit->iommu.reg + DMAR_RTADDR_REG);

	KUNIT_EXPECT_FALSE(test, intel_liveupdate_take_over(&unit->iommu));
	KUNIT_EXPECT_NULL(test, unit->iommu.root_entry);
}

static void stop_with_status(u32 status)
{
	unit->stopped = NULL;
	writel(status, unit->iommu.reg + DMAR_GSTS_REG);
	intel_liveupdate_stop(&unit->iommu, "translation is disabled");
}

/* Otherwise nothing restricts its DMA any more. */
static void stops_an_incoming_device_before_translation_is_disabled(struct kunit *test)
{
	setup_unit(test, FAKE_ECAP_PT, false);
	kunit_activate_static_stub(test, intel_lu_is_behind, fake_is_behind);
	find_neighbours(test);

	stop_with_status(DMA_GSTS_TES);
	KUNIT_EXPECT_NULL(test, unit->stopped);

	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &neighbours[1]->priv_flags);
	stop_with_status(DMA_GSTS_TES);
	KUNIT_EXPECT_PTR_EQ(test, unit->stopped, neighbours[1]);
	KUNIT_EXPECT_STREQ(test, unit->why_stopped ?: "", "translation is disabled");

	/* It was handed over without translation. */
	stop_with_status(0);
	KUNIT_EXPECT_NULL(test, unit->stopped);
}

/*
 * Entries of the previous kernel
 */

static void take_over_in_mode(struct kunit *test, bool scalable, struct context_entry left)
{
	setup_unit(test, FAKE_ECAP_PT, scalable);
	hand_over(test, CLOSED);
	take_over(test);
	*entry_of(ID) = left;
	unit->nr_types = 0;
	unit->nr_flushes = 0;
	unit->flushed_all = false;
	observe(test, entry_of(ID));
}

static void take_over_with(struct kunit *test, struct context_entry left)
{
	take_over_in_mode(test, false, left);
}

static bool replace_entry(struct context_entry new)
{
	guard(spinlock)(&unit->iommu.lock);
	return intel_liveupdate_replace(&unit->iommu, entry_of(ID), &new, BUS, DEVFN);
}

static void replaces_a_present_entry_in_one_store(struct kunit *test)
{
	take_over_with(test, TRANSLATED);

	KUNIT_EXPECT_TRUE(test, replace_entry(REPLACED));
	expect_seen_only(test, REPLACED, REPLACED);
	KUNIT_EXPECT_EQ(test, 1, unit->nr_flushes);
	KUNIT_EXPECT_EQ(test, OLD_DID, unit->flushed_did);
	KUNIT_EXPECT_FALSE(test, context_copied(&unit->iommu, BUS, DEVFN));
}

static void invalidates_a_replaced_entry_until_nobody_spoils_it(struct kunit *test)
{
	take_over_with(test, TRANSLATED);
	unit->iommu.qi = alloc_queue(test);
	unit->spoiled = 2;

	KUNIT_EXPECT_TRUE(test, replace_entry(REPLACED));
	KUNIT_EXPECT_EQ(test, 0, unit->spoiled);
	KUNIT_EXPECT_EQ(test, 1, unit->nr_flushes);
	KUNIT_EXPECT_EQ(test, OLD_DID, unit->flushed_did);
	KUNIT_EXPECT_FALSE(test, unit->flushed_all);
}

static void invalidates_a_replaced_entry_until_nobody_spoils_it_in_scalable_mode(struct kunit *test)
{
	static const u8 types[] = { QI_CC_TYPE, QI_PC_TYPE, QI_IOTLB_TYPE };

	take_over_in_mode(test, true, CONTEXT(0x1000 | 1, 0));
	unit->spoiled = 2;

	KUNIT_EXPECT_TRUE(test, replace_entry(CONTEXT(0x2000 | 1, 0)));
	KUNIT_EXPECT_EQ(test, 0, unit->spoiled);
	KUNIT_EXPECT_EQ(test, 1, unit->nr_flushes);
	KUNIT_EXPECT_TRUE(test, unit->flushed_all);
	KUNIT_EXPECT_EQ(test, 3 * ARRAY_SIZE(types), unit->nr_types);
	KUNIT_EXPECT_MEMEQ(test, unit->types, types, sizeof(types));
}

static void replaces_a_closed_entry_without_invalidation(struct kunit *test)
{
	take_over_with(test, CLOSED);

	KUNIT_EXPECT_TRUE(test, replace_entry(REPLACED));
	expect_seen_only(test, REPLACED, REPLACED);
	KUNIT_EXPECT_EQ(test, 0, unit->nr_flushes);
}

static void writes_a_replaced_entry_back(struct kunit *test)
{
	take_over_with(test, TRANSLATED);

	KUNIT_EXPECT_TRUE(test, replace_entry(REPLACED));
	KUNIT_EXPECT_FALSE(test, unit->dirty);
	KUNIT_EXPECT_FALSE(test, unit->dirty_at_flush);
}

static void replaces_no_entry_of_its_own(struct kunit *test)
{
	take_over_with(test, TRANSLATED);
	clear_context_copied(&unit->iommu, BUS, DEVFN);

	KUNIT_EXPECT_FALSE(test, replace_entry(REPLACED));
	KUNIT_EXPECT_EQ(test, 0, unit->nr_seen);
}

static void handed_over_domain_leaves_the_entry(struct kunit *test)
{
	struct iommu_domain *domain = intel_liveupdate_ops.handed_over;

	take_over_with(test, CLOSED);

	/* Not even the device is looked at. */
	KUNIT_EXPECT_EQ(test, 0, domain->ops->attach_dev(domain, NULL, NULL));
	KUNIT_EXPECT_EQ(test, 0, unit->nr_seen);
}

static void finish_reports_faults_again(struct kunit *test)
{
	take_over_with(test, CLOSED);

	intel_liveupdate_ops.finish_unit(&unit->iommu.iommu);
	expect_entry(test, entry_of(ID), EMPTY);
	expect_entry(test, entry_of(PCI_DEVID(BUS, 0)), EMPTY);
}

/*
 * The suite for all drivers
 */

static struct iommu_device *vtd_iommu(void)
{
	return &unit->iommu.iommu;
}

static struct iommu_lu_unit_ser *vtd_ser(void)
{
	return &unit->ser;
}

static void free_pasid_table(void *dev)
{
	intel_pasid_free_table(dev);
}

static struct device *vtd_device(struct kunit *test, unsigned int i)
{
	struct device_domain_info *info = &unit->infos[i];
	struct pci_dev *pdev = &unit->devs[i];

	unit->bus.number = BUS;
	unit->bus.sysdata = &unit->sysdata;
	pdev->bus = &unit->bus;
	pdev->devfn = DEVFN + i;
	pdev->dev.bus = &pci_bus_type;
	pdev->dev.iommu = &unit->dev_iommus[i];
	pdev->dev.iommu->iommu_dev = vtd_iommu();
	pdev->dev.iommu->priv = info;
	info->bus = BUS;
	info->devfn = pdev->devfn;
	info->dev = &pdev->dev;
	info->iommu = &unit->iommu;
	if (!sm_supported(&unit->iommu))
		return &pdev->dev;

	KUNIT_ASSERT_EQ(test, 0, intel_pasid_alloc_table(&pdev->dev));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_pasid_table, &pdev->dev));
	if (!context_copied(&unit->iommu, BUS, pdev->devfn))
		KUNIT_ASSERT_EQ(test, 0, intel_pasid_setup_sm_context(&pdev->dev));
	return &pdev->dev;
}

static void free_domain(void *data)
{
	struct iommu_domain *domain = data;

	domain->ops->free(domain);
}

static void detach(void *dev)
{
	device_block_translation(dev);
}

static struct iommu_domain *vtd_alloc_domain(struct kunit *test, struct device *dev)
{
	struct iommu_domain *domain = intel_iommu_ops.domain_alloc_paging_flags(dev, 0, NULL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_domain, domain));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, detach, dev));
	return domain;
}

static u32 vtd_domain_id(struct iommu_domain *domain)
{
	return domain_id_iommu(to_dmar_domain(domain), &unit->iommu);
}

static void *vtd_entry(unsigned int i)
{
	return entry_of(ID + i);
}

static void vtd_leave(struct kunit *test, unsigned int i, struct iommu_lu_device_ser *ser)
{
	struct context_entry *context = entry_of(ID + i);
	struct pasid_entry *pasid;

	if (sm_supported(&unit->iommu)) {
		pasid = leave_pasid_table(test, LEFT_TABLES, LEFT_DOMAIN_ID, ser);
		if (ecap_flts(unit->iommu.ecap)) {
			pasid_set_slptr(pasid, 0);
			pasid_set_flptr(pasid, LEFT_TABLES);
			pasid_set_translation_type(pasid, PASID_ENTRY_PGTT_FL_ONLY);
		}
		*context = CONTEXT(ser->pasid_dir | 1, 0);
	} else {
		*context = CONTEXT(LEFT_TABLES | 1, LEFT_DOMAIN_ID << 8 | 2);
	}
	ser->entry[0] = context->lo;
	ser->entry[1] = context->hi;
}

static void vtd_shut_down(void)
{
	intel_liveupdate_close_all(&unit->iommu);
}

static void vtd_boot(struct kunit *test)
{
	leave_unit(test);
	take_over(test);
}

static void vtd_block(struct device *dev)
{
	attach_domain(intel_iommu_ops.blocked_domain, dev, NULL);
}

static bool vtd_is_closed(const void *entry)
{
	return !(((const struct context_entry *)entry)->lo & 1);
}

static u64 root_of_domain(struct dmar_domain *domain)
{
	struct pt_iommu_x86_64_hw_info fs;
	struct pt_iommu_vtdss_hw_info ss;

	if (intel_domain_is_fs_paging(domain)) {
		pt_iommu_x86_64_hw_info(&domain->fspt, &fs);
		return fs.gcr3_pt;
	}
	pt_iommu_vtdss_hw_info(&domain->sspt, &ss);
	return ss.ssptptr;
}

static bool pasid_leads_to(struct pasid_entry *pasid, struct dmar_domain *domain)
{
	bool fs = intel_domain_is_fs_paging(domain);
	u64 root = fs ? pasid->val[2] : pasid->val[0];

	return pasid_pte_is_present(pasid) &&
	       pasid_pte_get_pgtt(pasid) == (fs ? PASID_ENTRY_PGTT_FL_ONLY :
						  PASID_ENTRY_PGTT_SL_ONLY) &&
	       pasid_get_domain_id(pasid) == domain_id_iommu(domain, &unit->iommu) &&
	       (root & VTD_PAGE_MASK) == root_of_domain(domain);
}

static bool vtd_leads_to(const void *entry, struct iommu_domain *domain)
{
	const struct context_entry *context = entry;
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct pasid_entry *pasid;

	if (vtd_is_closed(entry))
		return false;
	if (!sm_supported(&unit->iommu))
		return (context->lo & VTD_PAGE_MASK) == root_of_domain(dmar_domain) &&
		       context->hi >> 8 == vtd_domain_id(domain);

	pasid = get_pasid_table_from_pde(phys_to_virt(context->lo & VTD_PAGE_MASK));
	return pasid && pasid_leads_to(pasid, dmar_domain);
}

static void vtd_start_notes(void)
{
	unit->nr_flushes = 0;
	unit->nr_types = 0;
	unit->flushed_did = 0;
	unit->flushed_all = false;
}

static bool vtd_is_flushed(unsigned int i)
{
	return unit->nr_flushes &&
	       (unit->flushed_all || (!sm_supported(&unit->iommu) &&
				      unit->flushed_did == LEFT_DOMAIN_ID));
}

static const struct translation_fmt vtd_translation = {
	.ids		= { ID, ID + 1 },
	.entry_size	= sizeof(struct context_entry),
	.attach_allocations = 3,
	.ops		= &intel_liveupdate_ops,
	.iommu		= vtd_iommu,
	.ser		= vtd_ser,
	.device		= vtd_device,
	.alloc_domain	= vtd_alloc_domain,
	.domain_id	= vtd_domain_id,
	.entry		= vtd_entry,
	.leave		= vtd_leave,
	.shut_down	= vtd_shut_down,
	.boot		= vtd_boot,
	.block		= vtd_block,
	.is_closed	= vtd_is_closed,
	.leads_to	= vtd_leads_to,
	.start_notes	= vtd_start_notes,
	.is_flushed	= vtd_is_flushed,
};

static void free_domain_ids(void *unused)
{
	ida_destroy(&unit->iommu.domain_ida);
}

static int vtd_init(struct kunit *test, u64 ecap, bool scalable)
{
	setup_unit(test, FAKE_ECAP_PT | FAKE_ECAP_C | ecap, scalable);
	mutex_init(&unit->iommu.did_lock);
	ida_init(&unit->iommu.domain_ida);
	start_translation(test, &vtd_translation);
	return kunit_add_action_or_reset(test, free_domain_ids, NULL);
}

static void free_upper_table(void *unused)
{
	if (unit->iommu.root_entry[OTHER_BUS].lo)
		iommu_free_pages(entry_of(PCI_DEVID(OTHER_BUS, 0)));
}

/* The bridge has a requester id on a bus without a context table. */
static void put_behind_bridge(struct kunit *test)
{
	struct pci_dev *bridge = to_pci_dev(vtd_device(test, 1));

	bridge->bus = &unit->upper_bus;
	unit->upper_bus.number = OTHER_BUS;
	unit->upper_bus.sysdata = &unit->sysdata;
	unit->bus.parent = &unit->upper_bus;
	unit->bus.self = bridge;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_upper_table, NULL));
}

static void failed_attach_behind_a_bridge_leaves_the_entry(struct kunit *test)
{
	struct device *dev;

	init_failing(test);
	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, 0, false));
	leave_recorded_entry(test, 0);
	boot(test);
	dev = start_handed_over(test, 0);
	put_behind_bridge(test);
	KUNIT_EXPECT_EQ(test, unit->iommu.root_entry[OTHER_BUS].lo, 0);
	attach_failing(test, dev, (unsigned long)test->param_value);
	KUNIT_EXPECT_NE(test, unit->iommu.root_entry[OTHER_BUS].lo, 0);
}

/* Another device behind the bridge is being reset, and the alias of both is closed. */
static void alias_that_a_reset_blocks_is_refused(struct kunit *test)
{
	struct iommu_domain *domain;
	struct device *dev;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, 0, false));
	dev = vtd_device(test, 0);
	put_behind_bridge(test);
	domain = vtd_alloc_domain(test, dev);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev, NULL));
	KUNIT_EXPECT_EQ(test, 0, intel_liveupdate_add_entries(dev, domain, NULL));

	*entry_of(PCI_DEVID(OTHER_BUS, DEVFN + 1)) = EMPTY;
	KUNIT_EXPECT_EQ(test, -EBUSY, intel_liveupdate_add_entries(dev, domain, NULL));
	KUNIT_EXPECT_STREQ(test, added.refused ?: "", "it is being reset");
}

static struct iommu_domain *keep_domain(struct kunit *test, struct iommu_domain *domain)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_domain, domain));
	return domain;
}

/* Page table of a guest, on top of one of its host */
static struct iommu_domain *alloc_nested(struct kunit *test, struct device *dev)
{
	const struct iommu_hwpt_vtd_s1 s1 = {
		.pgtbl_addr	= ROOT_OF_TABLE,
		.addr_width	= ADDR_WIDTH_4LEVEL,
	};
	struct iommu_user_data data = { .type = IOMMU_HWPT_DATA_VTD_S1, .len = sizeof(s1) };
	const struct iommu_ops *ops = &intel_iommu_ops;
	struct iommu_domain *parent, *nested;
	unsigned long user;

	user = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, user, 0);
	data.uptr = (void __user *)user;
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(data.uptr, &s1, sizeof(s1)));

	parent = keep_domain(test, ops->domain_alloc_paging_flags(dev, IOMMU_HWPT_ALLOC_NEST_PARENT,
								  NULL));
	nested = keep_domain(test, ops->domain_alloc_nested(dev, parent, 0, &data));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, detach, dev));
	return nested;
}

/* Its old tables are freed as soon as attach returns. */
static void nested_domain_replaces_the_entry_at_once(struct kunit *test)
{
	struct iommu_domain *nested;
	struct device *dev;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, FAKE_ECAP_NEST | FAKE_ECAP_SSTS | FAKE_ECAP_FSTS |
					  FAKE_ECAP_SMPWC, true));
	leave_recorded_entry(test, 0);
	boot(test);
	dev = start_handed_over(test, 0);
	nested = alloc_nested(test, dev);
	watch_entry(test, 0, NULL);

	KUNIT_ASSERT_EQ(test, 0, attach_domain(nested, dev, translation->ops->handed_over));
	KUNIT_ASSERT_TRUE(test, seen_entry.replaced);
	KUNIT_EXPECT_FALSE(test, seen_entry.torn);
	KUNIT_EXPECT_EQ(test, pasid_pte_get_pgtt(pasid_entry_of(vtd_entry(0))),
			PASID_ENTRY_PGTT_NESTED);
	KUNIT_EXPECT_TRUE(test, translation->is_flushed(0));
}

/*
 * With the core, from preserve to freeze
 */

/* What the group of the device is attached to, whether or not a reset blocks the device */
static struct iommu_domain *group_domain;

static struct iommu_domain *fake_owner_domain(struct iommu_group *group)
{
	return group_domain;
}

static bool fake_is_blocked(struct iommu_group *group)
{
	return false;
}

static void use_core(struct kunit *test)
{
	kunit_deactivate_static_stub(test, iommu_lu_add_entry);
	kunit_deactivate_static_stub(test, iommu_lu_refuse);
	kunit_activate_static_stub(test, iommu_group_owner_domain, fake_owner_domain);
	kunit_activate_static_stub(test, iommu_group_is_blocked, fake_is_blocked);
	unit->iommu.iommu.ops = &intel_iommu_ops;
}

static const struct mode {
	const char	*name;
	u64		ecap;
	bool		scalable;
} modes[] = {
	{ "legacy", 0, false },
	{ "second stage", FAKE_ECAP_SSTS | FAKE_ECAP_SMPWC, true },
	{ "first stage", FAKE_ECAP_SSTS | FAKE_ECAP_FSTS | FAKE_ECAP_SMPWC, true },
};

KUNIT_ARRAY_PARAM_DESC(mode, modes, name);

/* A lower id has become free, so the domain gets that one after the reset. */
static void domain_id_that_a_reset_changes_is_found_at_freeze(struct kunit *test)
{
	const struct mode *mode = test->param_value;
	struct device *dev;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, mode->ecap, mode->scalable));
	use_core(test);
	dev = vtd_device(test, 0);
	kunit_join_group(test, dev, "vtd_translation", kunit_alloc_group(test));
	group_domain = vtd_alloc_domain(test, dev);
	KUNIT_ASSERT_EQ(test, 0, intel_liveupdate_reserve_domain_id(vtd_iommu(), IDA_START_DID));
	KUNIT_ASSERT_EQ(test, 0, attach_domain(group_domain, dev, NULL));
	KUNIT_EXPECT_EQ(test, vtd_domain_id(group_domain), IDA_START_DID + 1);
	KUNIT_ASSERT_EQ(test, 0, iommu_liveupdate_preserve(dev));
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev));

	vtd_block(dev);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_check(dev));
	KUNIT_ASSERT_EQ(test, 0, attach_domain(group_domain, dev, NULL));
	KUNIT_EXPECT_EQ(test, vtd_domain_id(group_domain), IDA_START_DID + 1);
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev));

	intel_liveupdate_free_domain_id(vtd_iommu(), IDA_START_DID);
	vtd_block(dev);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(group_domain, dev, NULL));
	KUNIT_EXPECT_EQ(test, vtd_domain_id(group_domain), IDA_START_DID);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommu_liveupdate_check(dev));

	iommu_liveupdate_unpreserve(dev);
	KUNIT_ASSERT_EQ(test, 0, iommu_liveupdate_preserve(dev));
	KUNIT_EXPECT_EQ(test, 0, iommu_liveupdate_check(dev));
	iommu_liveupdate_unpreserve(dev);
}

/* The next kernel would not find the unit when it boots. */
static void device_behind_a_hot_added_unit_is_refused(struct kunit *test)
{
	struct device *dev;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, 0, false));
	dev = vtd_device(test, 0);
	KUNIT_EXPECT_NULL(test, intel_liveupdate_ops.check_device(dev));
	unit->iommu.flags |= VTD_FLAG_HOT_ADDED;
	KUNIT_EXPECT_STREQ(test, intel_liveupdate_ops.check_device(dev) ?: "",
			   "its IOMMU was hot-added");
}

#define PASID_CAP	0x100

static u16 pasid_control;
static unsigned int nr_config_writes;

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	*val = where == PASID_CAP + PCI_PASID_CTRL ? pasid_control : 0;
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	nr_config_writes++;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = {
	.read	= read_config,
	.write	= write_config,
};

static const struct pasid {
	const char	*name;
	u16		control;
	bool		enabled;
} pasids[] = {
	{ "off", 0, false },
	{ "features only", PCI_PASID_CTRL_EXEC, false },
	{ "on", PCI_PASID_CTRL_ENABLE, true },
	{ "on, with a feature", PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_PRIV, true },
};

KUNIT_ARRAY_PARAM_DESC(pasid, pasids, name);

/* It is restored after a reset, and the device has no PASIDs if it is off. */
static void pasid_of_an_incoming_device_is_adopted(struct kunit *test)
{
	const struct pasid *pasid = test->param_value;
	struct device_domain_info *info;
	struct pci_dev *pdev;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, 0, false));
	pdev = to_pci_dev(vtd_device(test, 0));
	info = &unit->infos[0];
	unit->bus.ops = &config_ops;
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	pdev->pasid_cap = PASID_CAP;
	info->pasid_supported = 1;
	pdev->dev.iommu->max_pasids = 64;
	pasid_control = pasid->control;
	nr_config_writes = 0;

	intel_iommu_ops.probe_finalize(&pdev->dev);
	KUNIT_EXPECT_EQ(test, 0, nr_config_writes);
	KUNIT_EXPECT_EQ(test, pasid->enabled, !!info->pasid_enabled);
	KUNIT_EXPECT_EQ(test, pasid->enabled, !!pdev->pasid_enabled);
	KUNIT_EXPECT_EQ(test, pasid->enabled ? 64 : 0, pdev->dev.iommu->max_pasids);
	if (pasid->enabled)
		KUNIT_EXPECT_EQ(test, pasid->control & ~PCI_PASID_CTRL_ENABLE,
				pdev->pasid_features);
}

static int vtd_legacy_init(struct kunit *test)
{
	return vtd_init(test, 0, false);
}

static int vtd_second_stage_init(struct kunit *test)
{
	return vtd_init(test, FAKE_ECAP_SSTS | FAKE_ECAP_SMPWC, true);
}

static int vtd_first_stage_init(struct kunit *test)
{
	return vtd_init(test, FAKE_ECAP_SSTS | FAKE_ECAP_FSTS | FAKE_ECAP_SMPWC, true);
}

DEFINE_TRANSLATION_SUITE_CASES(vtd_legacy_cases);

static struct kunit_suite vtd_legacy_suite = {
	.name		= "irq_liveupdate_vtd_dma_legacy",
	.init		= vtd_legacy_init,
	.test_cases	= vtd_legacy_cases,
};

DEFINE_TRANSLATION_SUITE_CASES(vtd_second_stage_cases);

static struct kunit_suite vtd_second_stage_suite = {
	.name		= "irq_liveupdate_vtd_dma_second_stage",
	.init		= vtd_second_stage_init,
	.test_cases	= vtd_second_stage_cases,
};

DEFINE_TRANSLATION_SUITE_CASES(vtd_first_stage_cases);

static struct kunit_suite vtd_first_stage_suite = {
	.name		= "irq_liveupdate_vtd_dma_first_stage",
	.init		= vtd_first_stage_init,
	.test_cases	= vtd_first_stage_cases,
};

static struct kunit_case iommu_liveupdate_vtd_cases[] = {
	KUNIT_CASE(closes_a_translated_entry),
	KUNIT_CASE(closes_all_entries),
	KUNIT_CASE(leaves_the_entry_of_a_device_with_mappings),
	KUNIT_CASE(closes_all_entries_in_scalable_mode),
	KUNIT_CASE(closes_a_bus_without_preserved_table),
	KUNIT_CASE(leaves_a_unit_alone_which_is_not_preserved),
	KUNIT_CASE(invalidates_after_the_last_store),
	KUNIT_CASE(invalidates_pasid_entries_in_scalable_mode),
	KUNIT_CASE(invalidates_again_when_another_device_spoils_it),
	KUNIT_CASE(clears_the_faults_of_this_kernel),
	KUNIT_CASE_PARAM(queue_of_a_stopped_cpu_can_be_used, stopped_gen_params),
	KUNIT_CASE(writes_entries_back_when_the_unit_does_not_snoop),
	KUNIT_CASE(opens_the_entry_of_a_device_with_rmrr),
	KUNIT_CASE(opens_the_entry_of_a_device_with_rmrr_in_scalable_mode),
	KUNIT_CASE(firmware_does_not_use_a_device_in_a_live_update),
	KUNIT_CASE(device_of_another_segment_is_not_behind_a_bridge),
	KUNIT_CASE(alias_of_a_device_with_rmrr_is_closed),
	KUNIT_CASE(unit_is_only_looked_up_for_devices_that_matter),
	KUNIT_CASE(closes_the_entry_of_a_preserved_device_with_rmrr_in_scalable_mode),
	KUNIT_CASE(refuses_rmrr_without_pass_through),
	KUNIT_CASE(preserves_each_table_once),
	KUNIT_CASE(keeps_the_list_when_a_further_device_fails),
	KUNIT_CASE(takes_the_root_over_in_place),
	KUNIT_CASE(closes_what_should_not_be_present),
	KUNIT_CASE(keeps_the_entry_of_a_device_with_rmrr),
	KUNIT_CASE(keeps_the_entry_of_a_device_with_rmrr_in_scalable_mode),
	KUNIT_CASE_PARAM(closes_an_entry_that_is_not_the_one_for_rmrr, wrong_direct_gen_params),
	KUNIT_CASE(finish_closes_the_entry_of_a_device_with_rmrr_in_scalable_mode),
	KUNIT_CASE(keeps_an_entry_with_mappings),
	KUNIT_CASE(keeps_an_entry_with_mappings_of_second_stage),
	KUNIT_CASE(keeps_an_entry_with_mappings_of_first_stage),
	KUNIT_CASE_PARAM(closes_an_entry_that_does_not_match_its_record, wrong_record_gen_params),
	KUNIT_CASE(finish_closes_an_entry_that_is_still_in_use),
	KUNIT_CASE(domain_ids_are_reserved_and_freed),
	KUNIT_CASE_PARAM(refuses_the_tables, refusal_gen_params),
	KUNIT_CASE_PARAM(refuses_the_pasid_table_of_devices_with_rmrr, direct_refusal_gen_params),
	KUNIT_CASE(disables_translation_when_the_mode_changes),
	KUNIT_CASE(stops_an_incoming_device_before_translation_is_disabled),
	KUNIT_CASE(replaces_a_present_entry_in_one_store),
	KUNIT_CASE(invalidates_a_replaced_entry_until_nobody_spoils_it),
	KUNIT_CASE(invalidates_a_replaced_entry_until_nobody_spoils_it_in_scalable_mode),
	KUNIT_CASE(replaces_a_closed_entry_without_invalidation),
	KUNIT_CASE(writes_a_replaced_entry_back),
	KUNIT_CASE(replaces_no_entry_of_its_own),
	KUNIT_CASE(handed_over_domain_leaves_the_entry),
	KUNIT_CASE(finish_reports_faults_again),
	KUNIT_CASE(nested_domain_replaces_the_entry_at_once),
	KUNIT_CASE_PARAM(failed_attach_behind_a_bridge_leaves_the_entry, allocation_gen_params),
	KUNIT_CASE(alias_that_a_reset_blocks_is_refused),
	KUNIT_CASE_PARAM(domain_id_that_a_reset_changes_is_found_at_freeze, mode_gen_params),
	KUNIT_CASE(device_behind_a_hot_added_unit_is_refused),
	KUNIT_CASE_PARAM(pasid_of_an_incoming_device_is_adopted, pasid_gen_params),
	{ }
};

static struct kunit_suite iommu_liveupdate_vtd_suite = {
	.name		= "irq_liveupdate_vtd_dma",
	.test_cases	= iommu_liveupdate_vtd_cases,
};

kunit_test_suites(&iommu_liveupdate_vtd_suite, &vtd_legacy_suite, &vtd_second_stage_suite,
		  &vtd_first_stage_suite);

MODULE_DESCRIPTION("KUnit tests of DMA translation in a live update on VT-d");
MODULE_LICENSE("GPL");
