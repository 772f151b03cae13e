/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The smallest IOMMU whose DMA translation can be handed over, written from
 * include/linux/iommu_liveupdate.h: one table, in which an entry is one word with
 * the address of a page table and a domain id. It has the methods, and what a
 * driver does anyway: attach, shut down and take over.
 */

#ifndef _KUNIT_MOCK_TRANSLATION_H
#define _KUNIT_MOCK_TRANSLATION_H

#include <linux/bitmap.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pci.h>

#include "iommu-liveupdate.h"
#include "iommu-pages.h"

#define MOCK_SEGMENT	3
#define MOCK_REG_BASE	0xfed91000ULL
#define MOCK_BACKEND	0x4d4f434b
#define MOCK_ENTRIES	(PAGE_SIZE / sizeof(u64))
#define MOCK_MAX_ALIAS	128

/* An entry: present, silent, domain id, address of the page table */
#define MOCK_PRESENT	BIT_ULL(0)
#define MOCK_SILENT	BIT_ULL(1)
#define MOCK_ID_SHIFT	2
#define MOCK_NR_IDS	256
#define MOCK_ID(entry)	((entry) >> MOCK_ID_SHIFT & (MOCK_NR_IDS - 1))

/**
 * struct mock_iommu - A unit
 * @iommu:	As the core knows it
 * @table:	Its entries, by requester id
 * @ids:	Domain ids that are not available
 * @ser:	Its record, as long as it is preserved
 * @flushes:	Invalidations
 * @flushed_id:	Domain id of the last one, or -1 for all
 */
struct mock_iommu {
	struct iommu_device		iommu;
	u64				*table;
	DECLARE_BITMAP(ids, MOCK_NR_IDS);
	struct iommu_lu_unit_ser	*ser;
	unsigned int			flushes;
	int				flushed_id;
};

/**
 * struct mock_domain - A domain, and its page table
 * @pt:		As the core knows it
 * @tables:	Tables, the first one is where the translation begins
 * @nr_tables:	How many
 * @id:		Domain id
 * @visits:	How often the tables were walked
 */
struct mock_domain {
	struct pt_iommu	pt;
	void		**tables;
	unsigned int	nr_tables;
	u32		id;
	unsigned int	visits;
};

/**
 * struct mock_device - A device behind the unit
 * @pdev:	As the core knows it
 * @aliases:	Requester ids with which it does DMA
 * @nr_aliases:	How many
 * @pasid_dir:	PASID directory, or NULL
 * @pasid_table: The table in it
 * @ats:	It cannot be handed over
 */
struct mock_device {
	struct pci_dev	pdev;
	u16		aliases[MOCK_MAX_ALIAS];
	unsigned int	nr_aliases;
	void		*pasid_dir;
	void		*pasid_table;
	bool		ats;
};

static inline struct mock_iommu *to_mock_iommu(struct iommu_device *iommu)
{
	return container_of(iommu, struct mock_iommu, iommu);
}

static inline struct mock_device *to_mock_device(struct device *dev)
{
	return container_of(dev, struct mock_device, pdev.dev);
}

static inline struct mock_domain *to_mock_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_domain, pt.domain);
}

static inline struct mock_iommu *mock_of_dev(struct device *dev)
{
	return to_mock_iommu(dev->iommu->iommu_dev);
}

static inline u64 mock_entry(const struct mock_domain *domain)
{
	return virt_to_phys(domain->tables[0]) | domain->id << MOCK_ID_SHIFT | MOCK_PRESENT;
}

static inline void mock_flush(struct mock_iommu *mock, int id)
{
	mock->flushes++;
	mock->flushed_id = id;
}

/*
 * What the driver does anyway
 */

static inline void mock_write(struct mock_iommu *mock, u16 devid, u64 entry)
{
	u64 old = mock->table[devid];

	WRITE_ONCE(mock->table[devid], entry);
	if (old & MOCK_PRESENT)
		mock_flush(mock, MOCK_ID(old));
}

static inline void mock_write_device(struct device *dev, u64 entry)
{
	struct mock_device *mdev = to_mock_device(dev);
	unsigned int i;

	for (i = 0; i < mdev->nr_aliases; i++)
		mock_write(mock_of_dev(dev), mdev->aliases[i], entry);
}

static int mock_attach(struct iommu_domain *domain, struct device *dev,
		       struct iommu_domain *old)
{
	mock_write_device(dev, mock_entry(to_mock_domain(domain)));
	return 0;
}

static inline void mock_block(struct device *dev)
{
	mock_write_device(dev, 0);
}

static const struct iommu_domain_ops __maybe_unused mock_domain_ops = {
	.attach_dev	= mock_attach,
};

/*
 * The kernel that hands over
 */

static int mock_preserve_unit(struct iommu_device *iommu, struct iommu_lu_unit_ser *ser)
{
	struct mock_iommu *mock = to_mock_iommu(iommu);
	int ret;

	if (!mock->ser) {
		ret = kho_preserve_folio(virt_to_folio(mock->table));
		if (ret)
			return ret;
	}
	ser->backend = MOCK_BACKEND;
	ser->segment = MOCK_SEGMENT;
	ser->reg_base = MOCK_REG_BASE;
	ser->root = virt_to_phys(mock->table);
	mock->ser = ser;
	return 0;
}

static void mock_unpreserve_unit(struct iommu_device *iommu)
{
	struct mock_iommu *mock = to_mock_iommu(iommu);

	mock->ser = NULL;
	kho_unpreserve_folio(virt_to_folio(mock->table));
}

static const char *mock_check_device(struct device *dev)
{
	return to_mock_device(dev)->ats ? "ATS is enabled" : NULL;
}

static int mock_add_entries(struct device *dev, struct iommu_domain *domain,
			    struct iommu_lu_out_device *out)
{
	struct mock_device *mdev = to_mock_device(dev);
	struct iommu_lu_entry entry = {
		.domain_id	= to_mock_domain(domain)->id,
		.pasid_dir	= mdev->pasid_dir,
		.pasid_table	= mdev->pasid_table,
	};
	unsigned int i;
	int ret = 0;

	for (i = 0; i < mdev->nr_aliases && !ret; i++) {
		entry.devid = mdev->aliases[i];
		entry.value[0] = mock_of_dev(dev)->table[entry.devid];
		if (entry.value[0] != mock_entry(to_mock_domain(domain)))
			return iommu_lu_refuse(out, -EBUSY, "it is being reset");
		ret = iommu_lu_add_entry(out, &entry);
	}
	return ret;
}

static inline void mock_shut_down(struct mock_iommu *mock)
{
	unsigned int devid;

	for (devid = 0; devid < MOCK_ENTRIES; devid++) {
		if (!iommu_liveupdate_entry_stays(MOCK_SEGMENT, devid))
			WRITE_ONCE(mock->table[devid], MOCK_SILENT);
	}
	mock_flush(mock, -1);
}

/*
 * The kernel that takes over
 */

static int mock_reserve_domain_id(struct iommu_device *iommu, u32 id)
{
	return id >= MOCK_NR_IDS || test_and_set_bit(id, to_mock_iommu(iommu)->ids) ? -EBUSY : 0;
}

static void mock_free_domain_id(struct iommu_device *iommu, u32 id)
{
	clear_bit(id, to_mock_iommu(iommu)->ids);
}

static void mock_close_left(struct iommu_device *iommu, const struct iommu_lu_device_ser *ser)
{
	mock_write(to_mock_iommu(iommu), ser->devid, 0);
}

static void mock_finish_unit(struct iommu_device *iommu)
{
	struct mock_iommu *mock = to_mock_iommu(iommu);
	unsigned int devid;

	iommu_liveupdate_visit_left(iommu, mock_close_left);
	for (devid = 0; devid < MOCK_ENTRIES; devid++) {
		if (mock->table[devid] == MOCK_SILENT)
			mock_write(mock, devid, 0);
	}
}

/* The device starts on it, with the existing entry. */
static int mock_handed_over_attach(struct iommu_domain *domain, struct device *dev,
				   struct iommu_domain *old)
{
	if (old)
		mock_write_device(dev, MOCK_SILENT);
	return 0;
}

static const struct iommu_domain_ops mock_handed_over_ops = {
	.attach_dev	= mock_handed_over_attach,
};

static struct iommu_domain mock_handed_over = {
	.type	= IOMMU_DOMAIN_HANDED_OVER,
	.ops	= &mock_handed_over_ops,
};

static const struct iommu_liveupdate_ops mock_liveupdate_ops = {
	.preserve_unit		= mock_preserve_unit,
	.unpreserve_unit	= mock_unpreserve_unit,
	.check_device		= mock_check_device,
	.add_entries		= mock_add_entries,
	.reserve_domain_id	= mock_reserve_domain_id,
	.free_domain_id		= mock_free_domain_id,
	.finish_unit		= mock_finish_unit,
	.handed_over		= &mock_handed_over,
};

static const struct iommu_ops __maybe_unused mock_ops = {
	.liveupdate	= &mock_liveupdate_ops,
};

static inline const char *mock_check_entry(const struct iommu_lu_device_ser *ser, u64 entry)
{
	if (!ser)
		return "mappings without a valid record";
	if (ser->entry[0] != entry || MOCK_ID(entry) != ser->domain_id)
		return "entry differs from its record";
	if ((entry & PAGE_MASK) != iommu_lu_pages_first(&ser->tables))
		return "entry leads to other tables";
	return NULL;
}

static inline void mock_take_over_entry(struct mock_iommu *mock, u16 devid)
{
	const struct iommu_lu_device_ser *ser;
	const char *reason;

	if (!(mock->table[devid] & MOCK_PRESENT))
		return;

	ser = iommu_liveupdate_incoming_entry(MOCK_SEGMENT, devid);
	reason = mock_check_entry(ser, mock->table[devid]) ?:
		 iommu_liveupdate_adopt_entry(ser, &mock->iommu, &mock_liveupdate_ops);
	if (!reason)
		return;
	mock_write(mock, devid, MOCK_SILENT);
	iommu_liveupdate_refuse_entry(MOCK_SEGMENT, devid, reason);
}

static inline void mock_take_over(struct mock_iommu *mock)
{
	unsigned int devid;

	for (devid = 0; devid < MOCK_ENTRIES; devid++)
		mock_take_over_entry(mock, devid);
	iommu_liveupdate_take_over(&mock->iommu);
}

#endif /* _KUNIT_MOCK_TRANSLATION_H */
