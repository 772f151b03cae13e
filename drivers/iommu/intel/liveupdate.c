// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: DMA translation in a live update, VT-d
 *
 * The root table and the context tables are taken over in place: the next kernel
 * keeps using the memory to which the unit points, and translation is never
 * disabled in between.
 *
 * The kernel that hands over preserves the root table and all context tables
 * with the first device behind a unit, and with each further device the context
 * tables that were added since. At shutdown it closes all context entries: not
 * present, with fault processing disabled. The entry of a device with a
 * reserved memory region (RMRR) becomes a pass-through entry instead, which
 * needs a PASID directory and table in scalable mode: one for the unit,
 * allocated beforehand. If the context table of a bus is not preserved, because
 * it is newer than the last preserved device, the root entry of the bus is
 * cleared. Finally, all caches of the unit are invalidated. The entry of a
 * preserved device that is attached to a domain does not change. Its record has
 * the content of the entry, the tables of the domain and, in scalable mode, the
 * PASID directory and table of the device (liveupdate_entry.c).
 *
 * The kernel that takes over compares the record with the registers, and then
 * the root table with the record. It keeps the entries that agree with their
 * records, and reserves their domain ids. It also keeps the pass-through
 * entries of devices that have an RMRR in this kernel as well, and closes every
 * other present entry. Entries that it has not written itself are in the bitmap
 * of copied tables, as in a crash kernel. The first domain that is attached to
 * such a device replaces the entry in one write while it is present:
 * intel_liveupdate_replace(). In scalable mode the new entry leads to a PASID
 * directory of this kernel, which already has the new domain.
 *
 * The mode of the root table (legacy or scalable) cannot change while
 * translation is enabled (VT-d spec r4.1 sec 11.4.5, RTADDR_REG.TTM). A kernel
 * that uses the other mode stops the devices first. For any other mismatch, an
 * empty root table is set while translation stays enabled, which the
 * specification allows (sec 6.6, 11.4.4.1 SRTP).
 */

#define pr_fmt(fmt) "DMAR: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/crash_dump.h>
#include <linux/dmar.h>
#include <linux/iommu.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "iommu.h"
#include "liveupdate.h"
#include "pasid.h"
#include "../iommu-liveupdate.h"
#include "../iommu-pages.h"

/* Context entry, VT-d spec r4.1 sec 9.3, 9.4 */
#define CONTEXT_FPD		BIT_ULL(1)

/* More than the number of devices whose time-outs can follow each other */
#define FLUSH_TRIES		16

#define NR_REQUESTER_IDS	BIT(16)

/* Fault recording registers, VT-d spec r4.1 sec 11.4.7.6; F is in the last 32 bits */
#define FAULT_RECORD_SIZE	16
#define FAULT_RECORD_F		12

/* 128 bits each, in a table */
#define NR_CONTEXTS		(SZ_4K / sizeof(struct context_entry))

/**
 * struct intel_liveupdate - State of a unit that is handed over
 * @tables:	Physical addresses of the preserved context tables, two for each
 *		bus, in preserved memory
 * @pasid_dir:	PASID directory of devices with RMRR in scalable mode, or NULL
 * @direct:	Requester ids of devices with RMRR
 */
struct intel_liveupdate {
	u64			*tables;
	struct pasid_dir_entry	*pasid_dir;
	DECLARE_BITMAP(direct, NR_REQUESTER_IDS);
};

static struct intel_iommu *to_intel_iommu(struct iommu_device *iommu)
{
	return container_of(iommu, struct intel_iommu, iommu);
}

/* Half of a root entry: two for each bus, of which legacy mode uses the lower one. */
static u64 *root_half(struct intel_iommu *iommu, unsigned int i)
{
	struct root_entry *entry = &iommu->root_entry[i / 2];

	return i % 2 ? &entry->hi : &entry->lo;
}

/* The requester id to which an entry of the context table @table belongs. */
static u16 requester_id(struct intel_iommu *iommu, unsigned int table, unsigned int entry)
{
	u8 devfn = sm_supported(iommu) ? table % 2 * 0x80 + entry / 2 : entry;

	return PCI_DEVID(table / 2, devfn);
}

/* An entry is 256 bits wide in scalable mode. The upper half is unused. */
static unsigned int context_step(struct intel_iommu *iommu)
{
	return sm_supported(iommu) ? 2 : 1;
}

static u128 context_value(const struct context_entry *context)
{
	return (u128)context->hi << 64 | context->lo;
}

/* In one store, because the hardware may read the entry at any time. */
static void context_write(struct intel_iommu *iommu, struct context_entry *context,
			  const struct context_entry *new)
{
	u128 old = context_value(context);

	WARN_ON_ONCE(!try_cmpxchg128((u128 *)context, &old, context_value(new)));
	__iommu_flush_cache(iommu, context, sizeof(*context));
}

static void context_close(struct intel_iommu *iommu, struct context_entry *context)
{
	const struct context_entry closed = { .lo = CONTEXT_FPD };

	if (context_value(context) != context_value(&closed))
		context_write(iommu, context, &closed);
}

VISIBLE_IF_KUNIT int intel_lu_submit(struct intel_iommu *iommu, struct qi_desc *desc,
				     unsigned int nr)
{
	KUNIT_STATIC_STUB_REDIRECT(intel_lu_submit, iommu, desc, nr);

	return qi_submit_sync(iommu, desc, nr, 0);
}

/*
 * The time-out of a removed device aborts all invalidations that were submitted
 * together with its own one. It is reported only once, so retry.
 */
static void flush(struct intel_iommu *iommu, struct qi_desc *desc, unsigned int nr)
{
	unsigned int tries = FLUSH_TRIES;
	int ret;

	iommu_flush_write_buffer(iommu);
	do {
		ret = intel_lu_submit(iommu, desc, nr);
	} while (ret == -ETIMEDOUT && --tries);
	if (ret)
		pr_err("%s: live update: caches not invalidated\n", iommu->name);
}

/* Context cache first, then PASID cache, then IOTLB (VT-d spec r4.1 sec 6.5.3.3). */
static void flush_all(struct intel_iommu *iommu)
{
	struct qi_desc desc[3] = { };
	unsigned int nr = 0;

	desc[nr++].qw0 = QI_CC_GRAN(DMA_CCMD_GLOBAL_INVL) | QI_CC_TYPE;
	if (sm_supported(iommu))
		desc[nr++].qw0 = QI_PC_GRAN(QI_PC_GLOBAL) | QI_PC_TYPE;
	qi_desc_iotlb(iommu, 0, 0, 0, DMA_TLB_GLOBAL_FLUSH, &desc[nr++]);
	flush(iommu, desc, nr);
}

/*
 * Devices whose firmware needs DMA
 */

static int set_direct(struct pci_dev *pdev, u16 alias, void *direct)
{
	set_bit(alias, direct);
	return 0;
}

static int clear_direct(struct pci_dev *pdev, u16 alias, void *direct)
{
	clear_bit(alias, direct);
	return 0;
}

static bool in_live_update(struct pci_dev *pdev)
{
	return pci_liveupdate_outgoing(pdev) || pci_liveupdate_incoming(pdev);
}

/* A device in a live update belongs to a user, even if firmware has used it at boot. */
VISIBLE_IF_KUNIT bool intel_lu_firmware_uses(struct pci_dev *pdev)
{
	return intel_iommu_has_rmrr(&pdev->dev) && !in_live_update(pdev);
}

VISIBLE_IF_KUNIT bool intel_lu_is_behind(struct intel_iommu *iommu, struct pci_dev *pdev)
{
	KUNIT_STATIC_STUB_REDIRECT(intel_lu_is_behind, iommu, pdev);

	return device_lookup_iommu(&pdev->dev, NULL, NULL) == iommu;
}

/* A device behind a VMD has an id in another segment, with which it does no DMA. */
static bool id_is_behind(struct intel_iommu *iommu, struct pci_dev *pdev)
{
	return pci_domain_nr(pdev->bus) == iommu->segment && intel_lu_is_behind(iommu, pdev);
}

VISIBLE_IF_KUNIT void intel_lu_find_direct(struct intel_iommu *iommu, unsigned long *direct)
{
	struct pci_dev *pdev = NULL;

	KUNIT_STATIC_STUB_REDIRECT(intel_lu_find_direct, iommu, direct);

	for_each_pci_dev(pdev) {
		if (intel_lu_firmware_uses(pdev) && id_is_behind(iommu, pdev))
			pci_for_each_dma_alias(pdev, set_direct, direct);
	}
	if (bitmap_empty(direct, NR_REQUESTER_IDS))
		return;

	/* Behind a bridge, an alias can be the id of a device in a live update. */
	for_each_pci_dev(pdev) {
		if (in_live_update(pdev) && id_is_behind(iommu, pdev))
			pci_for_each_dma_alias(pdev, clear_direct, direct);
	}
}

/* Such a device can access all memory, as with translation disabled. */
static struct context_entry direct_entry(struct intel_iommu *iommu, struct pasid_dir_entry *dir)
{
	struct context_entry entry = { };

	if (sm_supported(iommu)) {
		entry.lo = virt_to_phys(dir);
		context_set_sm_rid2pasid(&entry, IOMMU_NO_PASID);
	} else {
		context_set_domain_id(&entry, FLPT_DEFAULT_DID);
		context_set_address_width(&entry, iommu->msagaw);
		context_set_translation_type(&entry, CONTEXT_TT_PASS_THROUGH);
	}
	context_set_present(&entry);
	return entry;
}

/* It is for requests without PASID, the only ones for which this directory has an entry. */
static struct pasid_entry direct_pasid_entry(struct intel_iommu *iommu)
{
	struct pasid_entry entry;

	guard(spinlock)(&iommu->lock);
	pasid_pte_config_pass_through(iommu, &entry, FLPT_DEFAULT_DID);
	return entry;
}

/*
 * The kernel which hands over
 */

VISIBLE_IF_KUNIT int intel_lu_preserve_page(void *page)
{
	KUNIT_STATIC_STUB_REDIRECT(intel_lu_preserve_page, page);

	return kho_preserve_folio(virt_to_folio(page));
}

VISIBLE_IF_KUNIT void intel_lu_unpreserve_page(void *page)
{
	KUNIT_STATIC_STUB_REDIRECT(intel_lu_unpreserve_page, page);

	kho_unpreserve_folio(virt_to_folio(page));
}

static void intel_lu_unpreserve_table(struct intel_liveupdate *lu, unsigned int i)
{
	intel_lu_unpreserve_page(phys_to_virt(lu->tables[i]));
	lu->tables[i] = 0;
}

/* Either all new tables are added, or none: the record has a checksum of the list. */
static int intel_lu_preserve_tables(struct intel_iommu *iommu)
{
	DECLARE_BITMAP(added, IOMMU_LU_NR_TABLES) = { };
	struct intel_liveupdate *lu = iommu->liveupdate;
	unsigned int i;
	int ret;

	for (i = 0; i < IOMMU_LU_NR_TABLES; i++) {
		u64 entry = READ_ONCE(*root_half(iommu, i));

		if (!(entry & 1) || lu->tables[i])
			continue;

		ret = intel_lu_preserve_page(phys_to_virt(entry & VTD_PAGE_MASK));
		if (ret)
			goto unpreserve;
		lu->tables[i] = entry & VTD_PAGE_MASK;
		__set_bit(i, added);
	}
	return 0;

unpreserve:
	for_each_set_bit(i, added, IOMMU_LU_NR_TABLES)
		intel_lu_unpreserve_table(lu, i);
	return ret;
}

static void intel_lu_unpreserve_tables(struct intel_liveupdate *lu)
{
	unsigned int i;

	for (i = 0; i < IOMMU_LU_NR_TABLES; i++) {
		if (lu->tables[i])
			intel_lu_unpreserve_table(lu, i);
	}
}

/* One directory with one table, in which only the entry for requests without PASID is used. */
static int intel_lu_alloc_pasid_dir(struct intel_iommu *iommu, struct intel_liveupdate *lu)
{
	struct pasid_dir_entry *dir;
	struct pasid_entry *table;

	if (!sm_supported(iommu) || bitmap_empty(lu->direct, NR_REQUESTER_IDS))
		return 0;

	dir = kho_alloc_preserve(SZ_4K);
	if (IS_ERR(dir))
		return PTR_ERR(dir);

	table = kho_alloc_preserve(SZ_4K);
	if (IS_ERR(table)) {
		kho_unpreserve_free(dir);
		return PTR_ERR(table);
	}

	*table = direct_pasid_entry(iommu);
	dir->val = virt_to_phys(table) | PASID_PTE_PRESENT;
	__iommu_flush_cache(iommu, table, SZ_4K);
	__iommu_flush_cache(iommu, dir, SZ_4K);
	lu->pasid_dir = dir;
	return 0;
}

static void intel_lu_free_pasid_dir(struct intel_liveupdate *lu)
{
	if (!lu->pasid_dir)
		return;
	kho_unpreserve_free(get_pasid_table_from_pde(lu->pasid_dir));
	kho_unpreserve_free(lu->pasid_dir);
}

static int intel_lu_alloc(struct intel_iommu *iommu)
{
	struct intel_liveupdate *lu = kvzalloc_obj(*lu);
	int ret;

	if (!lu)
		return -ENOMEM;

	intel_lu_find_direct(iommu, lu->direct);
	if (!bitmap_empty(lu->direct, NR_REQUESTER_IDS) && !ecap_pass_through(iommu->ecap)) {
		pr_err("%s: live update: not preserved: firmware needs DMA, no pass-through\n",
		       iommu->name);
		ret = -EOPNOTSUPP;
		goto free_lu;
	}

	lu->tables = kho_alloc_preserve(IOMMU_LU_NR_TABLES * sizeof(*lu->tables));
	if (IS_ERR(lu->tables)) {
		ret = PTR_ERR(lu->tables);
		goto free_lu;
	}

	ret = intel_lu_preserve_page(iommu->root_entry);
	if (ret)
		goto free_tables;

	ret = intel_lu_alloc_pasid_dir(iommu, lu);
	if (ret)
		goto unpreserve_root;

	iommu->liveupdate = lu;
	return 0;

unpreserve_root:
	intel_lu_unpreserve_page(iommu->root_entry);
free_tables:
	kho_unpreserve_free(lu->tables);
free_lu:
	kvfree(lu);
	return ret;
}

static void intel_lu_unpreserve_unit(struct iommu_device *iommu_dev)
{
	struct intel_iommu *iommu = to_intel_iommu(iommu_dev);
	struct intel_liveupdate *lu = iommu->liveupdate;

	iommu->liveupdate = NULL;
	intel_lu_unpreserve_tables(lu);
	intel_lu_free_pasid_dir(lu);
	intel_lu_unpreserve_page(iommu->root_entry);
	kho_unpreserve_free(lu->tables);
	kvfree(lu);
}

/* A further device was preserved. It no longer counts as a device whose firmware needs DMA. */
static int intel_lu_update_direct(struct intel_iommu *iommu)
{
	struct intel_liveupdate *lu = iommu->liveupdate;

	if (bitmap_empty(lu->direct, NR_REQUESTER_IDS))
		return 0;

	unsigned long *direct __free(bitmap) = bitmap_zalloc(NR_REQUESTER_IDS, GFP_KERNEL);
	if (!direct)
		return -ENOMEM;

	intel_lu_find_direct(iommu, direct);
	bitmap_and(lu->direct, lu->direct, direct, NR_REQUESTER_IDS);
	return 0;
}

static void intel_lu_describe(struct intel_iommu *iommu, struct iommu_lu_unit_ser *ser)
{
	struct intel_liveupdate *lu = iommu->liveupdate;

	ser->backend = IOMMU_LU_BACKEND_VTD;
	ser->segment = iommu->segment;
	ser->reg_base = iommu->reg_phys;
	ser->root = virt_to_phys(iommu->root_entry);
	ser->tables = virt_to_phys(lu->tables);
	ser->tables_checksum = iommu_lu_tables_checksum(lu->tables);
	if (sm_supported(iommu))
		ser->flags |= IOMMU_LU_UNIT_SCALABLE;
	if (lu->pasid_dir) {
		ser->pasid_dir = virt_to_phys(lu->pasid_dir);
		ser->pasid_table = virt_to_phys(get_pasid_table_from_pde(lu->pasid_dir));
	}
}

static int intel_lu_preserve_unit(struct iommu_device *iommu_dev,
				  struct iommu_lu_unit_ser *ser)
{
	struct intel_iommu *iommu = to_intel_iommu(iommu_dev);
	bool first = !iommu->liveupdate;
	int ret;

	ret = first ? intel_lu_alloc(iommu) : intel_lu_update_direct(iommu);
	if (ret)
		return ret;

	ret = intel_lu_preserve_tables(iommu);
	if (ret && first)
		intel_lu_unpreserve_unit(iommu_dev);
	if (ret)
		return ret;

	intel_lu_describe(iommu, ser);
	return 0;
}

static const char *intel_lu_check_device(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	/* At boot the next kernel finds only units in the DMAR table. */
	if (info->iommu->flags & VTD_FLAG_HOT_ADDED)
		return "its IOMMU was hot-added";
	/*
	 * The state of ATS is not handed over: the next kernel would not know that the
	 * device caches translations.
	 */
	return info->ats_enabled ? "ATS is enabled, boot with pci=noats" : NULL;
}

static void context_open_direct(struct intel_iommu *iommu, struct context_entry *context)
{
	const struct context_entry direct = direct_entry(iommu, iommu->liveupdate->pasid_dir);

	context_write(iommu, context, &direct);
}

/* Otherwise the next kernel would report faults of this kernel as its own. */
static void intel_lu_clear_faults(struct intel_iommu *iommu)
{
	void __iomem *record = iommu->reg + cap_fault_reg_offset(iommu->cap);
	unsigned int i;

	for (i = 0; i < cap_num_fault_regs(iommu->cap); i++)
		writel(DMA_FRCD_F, record + i * FAULT_RECORD_SIZE + FAULT_RECORD_F);
	writel(DMA_FSTS_PFO | DMA_FSTS_PPF | DMA_FSTS_PRO, iommu->reg + DMAR_FSTS_REG);
}

static void intel_lu_close_table(struct intel_iommu *iommu, unsigned int table)
{
	struct intel_liveupdate *lu = iommu->liveupdate;
	struct context_entry *context = phys_to_virt(lu->tables[table]);
	unsigned int i;

	for (i = 0; i < NR_CONTEXTS; i += context_step(iommu)) {
		bool present = context_present(&context[i]);
		u16 id = requester_id(iommu, table, i);

		if (present && iommu_liveupdate_entry_stays(iommu->segment, id))
			continue;
		if (present && test_bit(id, lu->direct))
			context_open_direct(iommu, &context[i]);
		else
			context_close(iommu, &context[i]);
	}
}

/*
 * A CPU that does not react to an IPI is stopped by an NMI, for example while it
 * waits for an invalidation with interrupts disabled. It may hold the lock of the
 * queue, and nobody reclaims its descriptors. So start with an empty queue.
 */
static void reset_queue(struct intel_iommu *iommu)
{
	struct q_inval *qi = iommu->qi;

	if (!qi || (!raw_spin_is_locked(&qi->q_lock) && qi->free_cnt == QI_LENGTH))
		return;

	raw_spin_lock_init(&qi->q_lock);
	/* Its descriptors are not fetched while a time-out is pending. */
	writel(DMA_FSTS_ITE, iommu->reg + DMAR_FSTS_REG);
	dmar_reenable_qi(iommu);
}

/**
 * intel_liveupdate_close_all - Block the DMA of all devices behind a unit
 * @iommu:	Unit that is being shut down
 *
 * Does nothing unless devices behind the unit are handed over.
 *
 * Context: The other CPUs are stopped, queued invalidation is still enabled.
 *	    Allocates no memory, and does not wait for a lock of the queue that
 *	    a stopped CPU holds. Like intel_iommu_shutdown(), it takes the lock
 *	    of the registers.
 * Return: True if translation has to stay enabled.
 */
bool intel_liveupdate_close_all(struct intel_iommu *iommu)
{
	struct intel_liveupdate *lu = iommu->liveupdate;
	unsigned int i;

	if (!lu)
		return false;

	for (i = 0; i < IOMMU_LU_NR_TABLES; i++) {
		if (lu->tables[i])
			intel_lu_close_table(iommu, i);
		else
			WRITE_ONCE(*root_half(iommu, i), 0);
	}
	__iommu_flush_cache(iommu, iommu->root_entry, SZ_4K);
	reset_queue(iommu);
	flush_all(iommu);
	intel_lu_clear_faults(iommu);
	return true;
}

/*
 * The kernel which takes over
 */

static const struct iommu_lu_unit_ser *intel_lu_incoming(struct intel_iommu *iommu)
{
	return iommu_liveupdate_incoming_unit(IOMMU_LU_BACKEND_VTD, iommu->segment,
					      iommu->reg_phys);
}

/* Translation of a graphics unit may have to stay enabled anyway: iommu_skip_te_disable */
static bool intel_lu_not_handed_over(struct intel_iommu *iommu)
{
	return iommu_liveupdate_has_records() && !intel_lu_incoming(iommu);
}

static u64 *intel_lu_restore_list(const struct iommu_lu_unit_ser *ser)
{
	size_t size = IOMMU_LU_NR_TABLES * sizeof(u64);
	u64 *tables;

	if (kho_preserved_size(ser->tables) != size)
		return NULL;

	tables = kmemdup(phys_to_virt(ser->tables), size, GFP_KERNEL);
	if (!tables)
		return NULL;

	/* If it is no list, the memory may be in use for something else, so do not free it. */
	if (iommu_lu_tables_checksum(tables) != ser->tables_checksum) {
		kfree(tables);
		return NULL;
	}
	kho_restore_free(phys_to_virt(ser->tables));
	return tables;
}

/* A root entry must contain the address in the list, or be empty. */
static const char *intel_lu_restore_tables(struct root_entry *root, const u64 *tables)
{
	const u64 *halves = (const u64 *)root;
	unsigned int i;

	for (i = 0; i < IOMMU_LU_NR_TABLES; i++) {
		if (halves[i] != (tables[i] ? tables[i] | 1 : 0))
			return "root table differs from its record";
		if (tables[i] && !iommu_restore_pages(tables[i], SZ_4K))
			return "context table was not preserved";
	}
	return NULL;
}

/* Is this the entry that intel_liveupdate_close_all() has written for a device with RMRR? */
static bool context_is_direct(struct intel_iommu *iommu, const struct context_entry *context)
{
	struct context_entry direct;

	if (sm_supported(iommu) && !iommu->direct_pasid_dir)
		return false;

	direct = direct_entry(iommu, iommu->direct_pasid_dir);
	return context_value(context) == context_value(&direct);
}

static const char *intel_lu_adopt_entry(struct intel_iommu *iommu, u16 id,
					const struct context_entry *context,
					const unsigned long *direct)
{
	const struct iommu_lu_device_ser *ser;
	const char *reason;

	if (test_bit(id, direct) && context_is_direct(iommu, context))
		return NULL;

	ser = iommu_liveupdate_incoming_entry(iommu->segment, id);
	if (!ser)
		return "mappings without a valid record";

	reason = intel_liveupdate_check_entry(iommu, ser, context);
	return reason ?: iommu_liveupdate_adopt_entry(ser, &iommu->iommu, &intel_liveupdate_ops);
}

static void intel_lu_take_entry(struct intel_iommu *iommu, u16 id,
				struct context_entry *context, const unsigned long *direct)
{
	const char *reason;

	if (!context_present(context)) {
		context_close(iommu, context);
		return;
	}

	reason = intel_lu_adopt_entry(iommu, id, context, direct);
	if (!reason)
		return;
	context_close(iommu, context);
	iommu_liveupdate_refuse_entry(iommu->segment, id, reason);
}

/*
 * The entries of devices with mappings stay, and so do those of devices whose
 * RMRR this kernel knows. All others are closed.
 */
static void intel_lu_adopt_table(struct intel_iommu *iommu, unsigned int table,
				 const unsigned long *direct)
{
	struct context_entry *context = phys_to_virt(*root_half(iommu, table) & VTD_PAGE_MASK);
	unsigned int i;

	for (i = 0; i < NR_CONTEXTS; i += context_step(iommu)) {
		u16 id = requester_id(iommu, table, i);

		intel_lu_take_entry(iommu, id, &context[i], direct);
		set_context_copied(iommu, PCI_BUS_NUM(id), id & 0xff);
	}
}

/* The directory and its table must be what intel_lu_alloc_pasid_dir() has written. */
static const char *intel_lu_restore_pasid_dir(struct intel_iommu *iommu,
					      const struct iommu_lu_unit_ser *ser)
{
	struct pasid_dir_entry *dir;
	struct pasid_entry direct;
	struct pasid_entry *table;

	if (!ser->pasid_dir)
		return NULL;

	dir = iommu_restore_pages(ser->pasid_dir, SZ_4K);
	table = iommu_restore_pages(ser->pasid_table, SZ_4K);
	if (!dir || !table)
		return "PASID table was not preserved";

	direct = direct_pasid_entry(iommu);
	if (dir->val != (ser->pasid_table | PASID_PTE_PRESENT) ||
	    memchr_inv(dir + 1, 0, SZ_4K - sizeof(*dir)) ||
	    memchr_inv(table + 1, 0, SZ_4K - sizeof(*table)) ||
	    memcmp(table, &direct, sizeof(direct)))
		return "PASID table differs from its record";

	iommu->direct_pasid_dir = dir;
	return NULL;
}

static const char *intel_lu_check_unit(struct intel_iommu *iommu,
				       const struct iommu_lu_unit_ser *ser)
{
	if (!ser)
		return "no record";
	if (sm_supported(iommu) != !!(ser->flags & IOMMU_LU_UNIT_SCALABLE))
		return "mode differs from its record";
	if ((readq(iommu->reg + DMAR_RTADDR_REG) & VTD_PAGE_MASK) != ser->root)
		return "root table is not the one in use";
	return NULL;
}

static const char *intel_lu_restore(struct intel_iommu *iommu,
				    const struct iommu_lu_unit_ser *ser, const u64 *tables)
{
	struct root_entry *root;
	const char *reason;

	root = iommu_restore_pages(ser->root, SZ_4K);
	if (!root)
		return "root table was not preserved";

	reason = intel_lu_restore_tables(root, tables);
	if (!reason)
		reason = intel_lu_restore_pasid_dir(iommu, ser);
	if (!reason)
		iommu->root_entry = root;
	return reason;
}

/* Tables that are restored and then refused may be in use until the new root table is set. */
static const char *intel_lu_adopt_tables(struct intel_iommu *iommu,
					 const struct iommu_lu_unit_ser *ser,
					 const u64 *tables, const unsigned long *direct)
{
	const char *reason;
	unsigned int i;

	iommu->copied_tables = bitmap_zalloc(NR_REQUESTER_IDS, GFP_KERNEL);
	if (!iommu->copied_tables)
		return "out of memory";

	reason = intel_lu_restore(iommu, ser, tables);
	if (reason) {
		bitmap_free(iommu->copied_tables);
		iommu->copied_tables = NULL;
		return reason;
	}

	for (i = 0; i < IOMMU_LU_NR_TABLES; i++) {
		if (tables[i])
			intel_lu_adopt_table(iommu, i, direct);
	}
	iommu_liveupdate_take_over(&iommu->iommu);
	return NULL;
}

static const char *intel_lu_adopt(struct intel_iommu *iommu)
{
	const struct iommu_lu_unit_ser *ser = intel_lu_incoming(iommu);
	unsigned long *direct;
	const char *reason;
	u64 *tables;

	reason = intel_lu_check_unit(iommu, ser);
	if (reason)
		return reason;

	tables = intel_lu_restore_list(ser);
	if (!tables)
		return "list of tables was not preserved";

	direct = bitmap_zalloc(NR_REQUESTER_IDS, GFP_KERNEL);
	if (direct) {
		intel_lu_find_direct(iommu, direct);
		reason = intel_lu_adopt_tables(iommu, ser, tables, direct);
	} else {
		reason = "out of memory";
	}
	bitmap_free(direct);
	kfree(tables);
	return reason;
}

/**
 * intel_liveupdate_take_over - Take over a unit that has translation enabled
 * @iommu:	Unit which is being set up
 *
 * If this fails for a unit, the unit gets a new root table, and translation
 * stays enabled. The caller sets the root table and invalidates all caches.
 *
 * Context: May sleep.
 * Return: True if translation has to stay enabled. In this case the unit has a
 * root table if it was taken over.
 */
bool intel_liveupdate_take_over(struct intel_iommu *iommu)
{
	bool scalable = readq(iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT;
	const char *reason;

	/* There may be records whose format, and so whose name, this kernel does not know. */
	if (!iommu_liveupdate_handed_over()) {
		intel_liveupdate_stop(iommu, "no records of its mappings");
		return false;
	}

	if (scalable != sm_supported(iommu)) {
		intel_liveupdate_stop(iommu, scalable ? "scalable mode is disabled" :
							"scalable mode is enabled");
		return false;
	}

	reason = intel_lu_adopt(iommu);
	if (reason && intel_lu_not_handed_over(iommu))
		pr_info("%s: live update: new root table: no device was handed over\n",
			iommu->name);
	else if (reason)
		pr_err("%s: live update: tables not taken over: %s\n", iommu->name, reason);
	else
		pr_info("%s: live update: translation stays enabled\n", iommu->name);
	return true;
}

static bool is_behind(struct iommu_device *iommu, struct pci_dev *pdev)
{
	return intel_lu_is_behind(to_intel_iommu(iommu), pdev);
}

/**
 * intel_liveupdate_stop - Stop devices before translation is disabled
 * @iommu:	Unit
 * @reason:	Why
 *
 * Devices behind the unit that were handed over must not do DMA any more. If
 * the unit does not translate, they were handed over without translation, and
 * only their users control them.
 *
 * Context: May sleep.
 */
void intel_liveupdate_stop(struct intel_iommu *iommu, const char *reason)
{
	if (readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES)
		iommu_liveupdate_stop_devices(&iommu->iommu, is_behind, reason);

	/* From here on, memory that the devices use may be freed. */
	iommu_liveupdate_abandon_unit(&iommu->iommu);
}

/* In scalable mode the domain ids in the old table are not known. */
static void context_flush(struct intel_iommu *iommu, const struct context_entry *old, u16 id)
{
	bool scalable = sm_supported(iommu);
	u16 did = scalable ? 0 : context_domain_id(old);
	struct qi_desc desc[3] = { };
	unsigned int nr = 0;

	if (!scalable && !iommu->qi) {
		iommu->flush.flush_context(iommu, did, id, DMA_CCMD_MASK_NOBIT,
					   DMA_CCMD_DEVICE_INVL);
		iommu->flush.flush_iotlb(iommu, did, 0, 0, DMA_TLB_DSI_FLUSH);
		return;
	}

	desc[nr++].qw0 = QI_CC_SID(id) | QI_CC_DID(did) | QI_CC_GRAN(DMA_CCMD_DEVICE_INVL) |
			 QI_CC_TYPE;
	if (scalable)
		desc[nr++].qw0 = QI_PC_GRAN(QI_PC_GLOBAL) | QI_PC_TYPE;
	qi_desc_iotlb(iommu, did, 0, 0, scalable ? DMA_TLB_GLOBAL_FLUSH : DMA_TLB_DSI_FLUSH,
		      &desc[nr++]);
	flush(iommu, desc, nr);
}

/* Write an entry that the previous kernel has left. */
static void context_replace(struct intel_iommu *iommu, struct context_entry *context,
			    const struct context_entry *new, u16 id)
{
	const struct context_entry old = *context;

	context_write(iommu, context, new);
	if (old.lo & 1)
		context_flush(iommu, &old, id);
}

/**
 * intel_liveupdate_replace - Replace an entry of the previous kernel
 * @iommu:	Unit
 * @context:	The entry
 * @new:	The new entry
 * @bus:	Bus of the device
 * @devfn:	Device and function
 *
 * The unit sees either the old entry or the new one.
 *
 * Context: With the lock of @iommu held.
 * Return: False if the entry was not taken over in a live update. In this case
 * nothing was done.
 */
bool intel_liveupdate_replace(struct intel_iommu *iommu, struct context_entry *context,
			      const struct context_entry *new, u8 bus, u8 devfn)
{
	lockdep_assert_held(&iommu->lock);

	if (is_kdump_kernel() || !context_copied(iommu, bus, devfn))
		return false;

	context_replace(iommu, context, new, PCI_DEVID(bus, devfn));
	clear_context_copied(iommu, bus, devfn);
	return true;
}

static int intel_lu_block_id(struct pci_dev *pdev, u16 id, void *data)
{
	static const struct context_entry blocked;
	struct intel_iommu *iommu = data;
	struct context_entry *context;

	guard(spinlock)(&iommu->lock);

	if (!context_copied(iommu, PCI_BUS_NUM(id), id & 0xff))
		return 0;

	context = iommu_context_addr(iommu, PCI_BUS_NUM(id), id & 0xff, 1);
	if (context)
		context_replace(iommu, context, &blocked, id);
	return 0;
}

/**
 * intel_liveupdate_block - Block a device that may have an entry of the
 * previous kernel
 * @dev:	Device
 *
 * Faults are reported from now on. The entry is still treated as one of the
 * previous kernel, so that the next domain is attached like the first one.
 *
 * Context: With the lock of the group held.
 */
void intel_liveupdate_block(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (info->iommu->copied_tables && !is_kdump_kernel() && dev_is_pci(dev))
		pci_for_each_dma_alias(to_pci_dev(dev), intel_lu_block_id, info->iommu);
}

static int intel_lu_handed_over_attach(struct iommu_domain *domain, struct device *dev,
				       struct iommu_domain *old)
{
	/* The device starts on this domain, with the existing entry. */
	if (!old)
		return 0;

	device_block_translation(dev);
	intel_liveupdate_block(dev);
	return 0;
}

static struct iommu_domain intel_lu_handed_over_domain = {
	.type	= IOMMU_DOMAIN_HANDED_OVER,
	.owner	= &intel_iommu_ops,
	.ops	= &(const struct iommu_domain_ops) {
		.attach_dev	= intel_lu_handed_over_attach,
	},
};

/* Afterwards no entry suppresses faults or leads to tables of the previous kernel. */
static void intel_lu_finish_table(struct intel_iommu *iommu, unsigned int table)
{
	static const struct context_entry none;
	struct context_entry *context = phys_to_virt(*root_half(iommu, table) & VTD_PAGE_MASK);
	unsigned int i;

	for (i = 0; i < NR_CONTEXTS; i += context_step(iommu)) {
		u16 id = requester_id(iommu, table, i);

		if (context_copied(iommu, PCI_BUS_NUM(id), id & 0xff) &&
		    (sm_supported(iommu) || !context_is_direct(iommu, &context[i])))
			context_replace(iommu, &context[i], &none, id);
	}
}

static void intel_lu_finish_unit(struct iommu_device *iommu_dev)
{
	struct intel_iommu *iommu = to_intel_iommu(iommu_dev);
	unsigned int i;

	for (i = 0; i < IOMMU_LU_NR_TABLES; i++) {
		guard(spinlock)(&iommu->lock);

		if (*root_half(iommu, i) & 1)
			intel_lu_finish_table(iommu, i);
	}
	if (!iommu->direct_pasid_dir)
		return;
	iommu_free_pages(get_pasid_table_from_pde(iommu->direct_pasid_dir));
	iommu_free_pages(iommu->direct_pasid_dir);
	iommu->direct_pasid_dir = NULL;
}

const struct iommu_liveupdate_ops intel_liveupdate_ops = {
	.preserve_unit		= intel_lu_preserve_unit,
	.unpreserve_unit	= intel_lu_unpreserve_unit,
	.check_device		= intel_lu_check_device,
	.add_entries		= intel_liveupdate_add_entries,
	.reserve_domain_id	= intel_liveupdate_reserve_domain_id,
	.free_domain_id		= intel_liveupdate_free_domain_id,
	.finish_unit		= intel_lu_finish_unit,
	.handed_over		= &intel_lu_handed_over_domain,
};
