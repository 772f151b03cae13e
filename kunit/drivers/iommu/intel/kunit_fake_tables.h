/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VT-d unit that consists only of its tables: root table, context tables and PASID
 * tables. The core, the invalidation queue and the firmware tables are replaced by
 * static stubs.
 */

#ifndef _KUNIT_FAKE_TABLES_H
#define _KUNIT_FAKE_TABLES_H

#include <kunit/irq_liveupdate/watch.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/pci.h>

#include "iommu.h"
#include "liveupdate.h"
#include "pasid.h"
#include "../iommu-liveupdate.h"
#include "../iommu-pages.h"
#include "../../pci/pci.h"

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
/* In scalable mode, at the same place in the other context table of the bus */
#define UPPER_ID	PCI_DEVID(BUS, DEVFN + 0x80)
#define RMRR_ID		PCI_DEVID(BUS, 0x10)
#define NR_DEVICES	2

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
#define DESC_SID(qw0)	((u16)((qw0) >> 32))
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
 * @cc_sid:	Requester id of the entry that was invalidated last
 * @cc_did:	Domain id that this invalidation named
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
 * @devs:	Two devices on the bus
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
	u16				cc_sid;
	u16				cc_did;
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
	struct pci_dev			devs[NR_DEVICES];
	struct dev_iommu		dev_iommus[NR_DEVICES];
	struct device_domain_info	infos[NR_DEVICES];
};

static struct fake_unit *unit;

static void fake_flush_cache(struct intel_iommu *iommu, void *addr, int size)
{
	void *entry = unit->entry;

	if (entry >= addr && entry + sizeof(*unit->entry) <= addr + size)
		unit->dirty = false;
}

static void note_entry_flush(u16 sid, u16 did)
{
	unit->nr_flushes++;
	unit->cc_sid = sid;
	unit->cc_did = did;
}

static void fake_invalidation(u64 qw0)
{
	if (DESC_TYPE(qw0) == QI_CC_TYPE && DESC_GRAN(qw0) == QI_CC_GRAN(DMA_CCMD_DEVICE_INVL))
		note_entry_flush(DESC_SID(qw0), DESC_DID(qw0));
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
	note_entry_flush(sid, did);
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

static inline struct context_entry *entry_of(u16 id)
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

static inline void observe_entry(struct perf_event *bp, struct perf_sample_data *data,
				 struct pt_regs *regs)
{
	if (unit->nr_seen < ARRAY_SIZE(unit->seen))
		unit->seen[unit->nr_seen] = *unit->entry;
	unit->nr_seen++;
	unit->dirty = true;
}

/* From here on every store to the entry is seen; one store of both halves may be seen twice. */
static inline void observe(struct kunit *test, struct context_entry *entry)
{
	unit->entry = entry;
	watch(test, &entry->lo, HW_BREAKPOINT_LEN_8, observe_entry, unit);
	watch(test, &entry->hi, HW_BREAKPOINT_LEN_8, observe_entry, unit);
}

static inline bool same_entry(struct context_entry a, struct context_entry b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static inline void expect_seen_only(struct kunit *test, struct context_entry old,
				    struct context_entry new)
{
	unsigned int i;

	KUNIT_ASSERT_GT(test, unit->nr_seen, 0);
	KUNIT_ASSERT_LE(test, unit->nr_seen, 2);
	for (i = 0; i < unit->nr_seen; i++)
		KUNIT_EXPECT_TRUE(test, same_entry(unit->seen[i], old) ||
				  same_entry(unit->seen[i], new));
}

static inline void expect_entry(struct kunit *test, struct context_entry *entry,
				struct context_entry expected)
{
	KUNIT_EXPECT_EQ(test, entry->lo, expected.lo);
	KUNIT_EXPECT_EQ(test, entry->hi, expected.hi);
}

static inline int preserve(void)
{
	return intel_liveupdate_ops.preserve_unit(&unit->iommu.iommu, &unit->ser);
}

static inline void unpreserve(void)
{
	intel_liveupdate_ops.unpreserve_unit(&unit->iommu.iommu);
}

static inline struct q_inval *alloc_queue(struct kunit *test)
{
	struct q_inval *qi = kunit_kzalloc(test, sizeof(*qi), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, qi);
	raw_spin_lock_init(&qi->q_lock);
	qi->desc = alloc_table(test);
	qi->free_cnt = QI_LENGTH;
	return qi;
}

static inline struct pasid_entry *pasid_entry_of(struct context_entry *context)
{
	return get_pasid_table_from_pde(phys_to_virt(context->lo & VTD_PAGE_MASK));
}

static inline void free_bitmap(void *bitmap)
{
	bitmap_free(bitmap);
}

/*
 * Devices of this machine
 */

static inline bool fake_is_behind(struct intel_iommu *iommu, struct pci_dev *pdev)
{
	unit->nr_lookups++;
	return true;
}

static struct pci_dev *neighbours[2];

static inline void put_neighbours(void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(neighbours); i++) {
		clear_bit(PCI_DEV_LIVEUPDATE_OUTGOING, &neighbours[i]->priv_flags);
		clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &neighbours[i]->priv_flags);
		neighbours[i]->dma_alias_mask = NULL;
		pci_dev_put(neighbours[i]);
	}
}

static inline void find_neighbours(struct kunit *test)
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

#endif /* _KUNIT_FAKE_TABLES_H */
