// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: DMA translation in a live update, AMD-Vi
 *
 * A unit reads the device table for interrupts as well as for DMA. So
 * irq_liveupdate.c preserves it, blocks DMA of all devices at shutdown, and
 * takes it over. The code here hands over a device, leaves its entry unchanged
 * until the device is attached to a domain, enables fault reporting again at
 * FINISH, and stops the devices behind a unit that cannot stay enabled.
 *
 * A device that is attached to a domain with tables of version 1 keeps its
 * mappings: the lower half of its entry does not change, nor do the entries of
 * its DMA aliases. The next kernel compares the entry with its record and
 * reserves the domain id, which is common to all units. The first domain that
 * is attached replaces the lower half in one write (update_dte256()). Then the
 * old domain id is flushed. Before the tables are freed, this is done once more,
 * because commands of another device may delay or displace a flush. Tables of version
 * 2 are refused, and so are dirty tracking, ATS and SNP.
 *
 * All units are cache coherent with the CPU (the driver never flushes a cache
 * line), so nothing has to be written back after a table was changed.
 */

#define pr_fmt(fmt) "AMD-Vi: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/irq_liveupdate.h>
#include <linux/pci.h>
#include <asm/iommu.h>
#include <asm/pci-direct.h>

#include "amd_iommu.h"
#include "liveupdate.h"

/*
 * A wait ends after LOOP_TIMEOUT microseconds. This is a tenth of the time for which
 * the invalidation of a device that is gone delays other commands (CTRL_INV_TO_1S),
 * and there may be several of these.
 */
#define WAIT_TRIES	50

static int find_unity_map(struct pci_dev *pdev, u16 devid, void *pci_seg)
{
	return amd_iommu_has_unity_map(pci_seg, devid);
}

/* The alias from the firmware may not be a PCI alias, see clone_aliases(). */
static bool has_unity_map(struct device *dev)
{
	struct amd_iommu_pci_seg *pci_seg = get_amd_iommu_from_dev(dev)->pci_seg;
	struct pci_dev *pdev = to_pci_dev(dev);

	return find_unity_map(pdev, pci_seg->alias_table[pci_dev_id(pdev)], pci_seg) ||
	       pci_for_each_dma_alias(pdev, find_unity_map, pci_seg);
}

/*
 * The next kernel must be able to stop it before PCI is up, see amd_lu_stop_early(). The
 * state of ATS is not handed over: the next kernel would not know that the device caches
 * translations. At shutdown, an entry with a unity map becomes one that lets DMA to all
 * memory through.
 */
static const char *amd_lu_check_device(struct device *dev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);

	if (amd_iommu_snp_en)
		return "SNP is enabled";
	if (pci_domain_nr(to_pci_dev(dev)->bus))
		return "not in the first PCI segment";
	if (dev_data->ats_enabled)
		return "ATS is enabled, boot with pci=noats";
	if (has_unity_map(dev))
		return "firmware needs DMA with its requester id";
	return NULL;
}

static int amd_lu_handed_over_attach(struct iommu_domain *domain, struct device *dev,
				     struct iommu_domain *old)
{
	/* The device starts on this domain, with the existing entry. */
	return old ? amd_iommu_block_device(dev) : 0;
}

static struct iommu_domain amd_lu_handed_over_domain = {
	.type	= IOMMU_DOMAIN_HANDED_OVER,
	.owner	= &amd_iommu_ops,
	.ops	= &(const struct iommu_domain_ops) {
		.attach_dev	= amd_lu_handed_over_attach,
	},
};

/* Only this code writes this flag, but others write the same word, see set_dte_irq_entry(). */
static void dte_clear_flag(u64 *word, u64 flag)
{
	u64 old = READ_ONCE(*word);

	while (old & flag && !try_cmpxchg64(word, &old, old & ~flag))
		;
}

static void dte_report_faults(struct dev_table_entry *dte)
{
	dte_clear_flag(&dte->data[1], DTE_FLAG_SA);
	dte_clear_flag(&dte->data[2], DTE_IRQ_IGNORE_UNMAPPED);
}

#define DEVIDS_PER_BUS	256

/* Entries that have no lock yet were never written, and get one under the lock held here. */
static void report_faults_without_device(struct amd_iommu_pci_seg *pci_seg, unsigned int bus)
{
	u32 first = PCI_DEVID(bus, 0), end = min(first + DEVIDS_PER_BUS, pci_seg->last_bdf + 1U);
	DECLARE_BITMAP(found, DEVIDS_PER_BUS) = { };
	struct iommu_dev_data *dev_data;
	u32 devid;

	guard(spinlock)(&amd_iommu_dev_data_lock);

	llist_for_each_entry(dev_data, pci_seg->dev_data_list.first, dev_data_list) {
		if (PCI_BUS_NUM(dev_data->devid) == bus)
			__set_bit(dev_data->devid - first, found);
	}
	for (devid = first; devid < end; devid++) {
		if (!test_bit(devid - first, found))
			dte_report_faults(&pci_seg->dev_table[devid]);
	}
}

/* update_dte256() loses its write if the entry changes meanwhile, so take its lock. */
static void report_faults_of_devices(struct amd_iommu_pci_seg *pci_seg)
{
	struct iommu_dev_data *dev_data;

	llist_for_each_entry(dev_data, pci_seg->dev_data_list.first, dev_data_list) {
		if (dev_data->devid > pci_seg->last_bdf)
			continue;

		guard(spinlock_irqsave)(&dev_data->dte_lock);
		dte_report_faults(&pci_seg->dev_table[dev_data->devid]);
	}
}

/**
 * amd_liveupdate_report_faults - End the suppression of faults in device table
 * entries
 * @iommu:	Unit whose devices no longer continue to send. The entries are those
 *		of its segment.
 *
 * The caller flushes all caches.
 *
 * Context: May sleep.
 */
void amd_liveupdate_report_faults(struct amd_iommu *iommu)
{
	struct amd_iommu_pci_seg *pci_seg = iommu->pci_seg;
	unsigned int bus;

	for (bus = 0; bus <= PCI_BUS_NUM(pci_seg->last_bdf); bus++) {
		report_faults_without_device(pci_seg, bus);
		cond_resched();
	}
	report_faults_of_devices(pci_seg);
}

VISIBLE_IF_KUNIT int amd_lu_wait_once(struct amd_iommu *iommu)
{
	KUNIT_STATIC_STUB_REDIRECT(amd_lu_wait_once, iommu);

	return iommu_completion_wait(iommu);
}

/* Commands of other devices may delay the unit for longer than one wait takes. */
static int amd_lu_wait(struct amd_iommu *iommu)
{
	unsigned int tries = WAIT_TRIES;
	int ret;

	do {
		ret = amd_lu_wait_once(iommu);
	} while (ret && --tries);
	if (ret)
		pr_err("live update: IOMMU %d: caches not invalidated\n", iommu->index);
	return ret;
}

/**
 * amd_liveupdate_flush_all - Flush all caches of a unit, and wait for that
 * @iommu:	Unit
 *
 * The driver drops a command if the command buffer stays full. So wait for earlier
 * commands first. If the unit does not execute them, it would not execute more.
 *
 * Context: Any. Takes the lock of the command buffer.
 * Return: 0 or a negative errno, which is logged.
 */
int amd_liveupdate_flush_all(struct amd_iommu *iommu)
{
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(amd_liveupdate_flush_all, iommu);

	ret = amd_lu_wait(iommu);
	if (ret)
		return ret;

	amd_iommu_flush_all_caches(iommu);
	return amd_lu_wait(iommu);
}

static int amd_lu_flush_left(struct iommu_device *iommu_dev,
			     const struct iommu_lu_device_ser *ser)
{
	struct amd_iommu *iommu = container_of(iommu_dev, struct amd_iommu, iommu);
	int ret;

	ret = amd_lu_wait(iommu);
	if (ret)
		return ret;

	ret = amd_iommu_flush_entry(iommu, ser->devid, ser->domain_id);
	return ret ?: amd_lu_wait(iommu);
}

/* The device table is that of the segment, and not all of its units have a FINISH. */
static void flush_segment(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu) {
		if (iommu->pci_seg == pci_seg)
			amd_iommu_flush_all_caches(iommu);
	}
}

/*
 * Entries that were not written since the take-over suppress faults, or lead to
 * tables of the previous kernel, which are freed now.
 */
static void amd_lu_finish_unit(struct iommu_device *iommu_dev)
{
	struct amd_iommu *iommu = container_of(iommu_dev, struct amd_iommu, iommu);

	iommu_liveupdate_visit_left(iommu_dev, amd_liveupdate_drop_entry);
	amd_liveupdate_report_faults(iommu);
	flush_segment(iommu->pci_seg);
	/* Refused entries were closed before any unit was set up and flushed. */
	amd_liveupdate_free_refused_ids();
}

/**
 * amd_iommu_has_unity_map - Test whether the firmware lists a unity map for a device (IVMD)
 * @pci_seg:	Segment of the device
 * @devid:	The device
 *
 * Context: Any.
 * Return: True if so. The device may then do DMA to memory of the firmware at
 * any time.
 */
bool amd_iommu_has_unity_map(struct amd_iommu_pci_seg *pci_seg, u16 devid)
{
	struct unity_map_entry *entry;

	list_for_each_entry(entry, &pci_seg->unity_map, list) {
		if (devid >= entry->devid_start && devid <= entry->devid_end)
			return true;
	}
	return false;
}

/* Returns false if it is not an endpoint, or is not a bus master. */
VISIBLE_IF_KUNIT bool amd_lu_clear_master_early(u16 devid)
{
	u8 bus = PCI_BUS_NUM(devid), slot = PCI_SLOT(devid), func = PCI_FUNC(devid);
	u16 command, class;
	u8 hdr_type;

	KUNIT_STATIC_STUB_REDIRECT(amd_lu_clear_master_early, devid);

	command = read_pci_config_16(bus, slot, func, PCI_COMMAND);
	hdr_type = read_pci_config_byte(bus, slot, func, PCI_HEADER_TYPE);
	class = read_pci_config_16(bus, slot, func, PCI_CLASS_DEVICE);
	if (PCI_POSSIBLE_ERROR(command) || !(command & PCI_COMMAND_MASTER) ||
	    (hdr_type & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL ||
	    class >> 8 == PCI_BASE_CLASS_BRIDGE)
		return false;

	write_pci_config_16(bus, slot, func, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
	/* A read flushes posted writes of the device: they arrive before the completion. */
	read_pci_config_16(bus, slot, func, PCI_COMMAND);
	return true;
}

static void stop_endpoint(struct amd_iommu *iommu, u16 devid, const char *reason)
{
	u32 segment = iommu->pci_seg->id;

	if (!amd_lu_clear_master_early(devid))
		return;

	pr_err("%04x:%02x:%02x.%d: live update: stopped: %s\n", segment, PCI_BUS_NUM(devid),
	       PCI_SLOT(devid), PCI_FUNC(devid), reason);
	irq_liveupdate_record_refusal(segment, devid, IRQ_LIVEUPDATE_STOP, reason);
}

/*
 * Called before PCI is initialized. After a kexec, only endpoints that were
 * handed over are bus masters. Only the first segment can be reached that
 * early, and only devices in the first segment are handed over.
 */
VISIBLE_IF_KUNIT void amd_lu_stop_early(struct amd_iommu *iommu, const char *reason)
{
	struct amd_iommu_pci_seg *pci_seg = iommu->pci_seg;
	u32 devid;

	for (devid = 0; !pci_seg->id && devid <= pci_seg->last_bdf; devid++) {
		if (pci_seg->rlookup_table[devid] == iommu &&
		    !amd_iommu_has_unity_map(pci_seg, devid))
			stop_endpoint(iommu, devid, reason);
	}
}

static bool amd_lu_is_behind(struct iommu_device *iommu_dev, struct pci_dev *pdev)
{
	struct amd_iommu *iommu = container_of(iommu_dev, struct amd_iommu, iommu);
	struct amd_iommu_pci_seg *pci_seg = iommu->pci_seg;

	return pci_domain_nr(pdev->bus) == pci_seg->id &&
	       pci_seg->rlookup_table[pci_dev_id(pdev)] == iommu;
}

/**
 * amd_liveupdate_stop - Stop devices before DMA is let through untranslated
 * @iommu:	Unit
 * @reason:	Why
 *
 * Devices behind the unit that were handed over must not do DMA any more.
 *
 * Context: May sleep.
 */
void amd_liveupdate_stop(struct amd_iommu *iommu, const char *reason)
{
	KUNIT_STATIC_STUB_REDIRECT(amd_liveupdate_stop, iommu, reason);

	if (list_empty(&pci_root_buses))
		amd_lu_stop_early(iommu, reason);
	else
		iommu_liveupdate_stop_devices(&iommu->iommu, amd_lu_is_behind, reason);
}

const struct iommu_liveupdate_ops amd_liveupdate_ops = {
	.check_device		= amd_lu_check_device,
	.add_entries		= amd_liveupdate_add_entries,
	.reserve_domain_id	= amd_liveupdate_reserve_domain_id,
	.free_domain_id		= amd_liveupdate_free_domain_id,
	.flush_left		= amd_lu_flush_left,
	.finish_unit		= amd_lu_finish_unit,
	.handed_over		= &amd_lu_handed_over_domain,
};
