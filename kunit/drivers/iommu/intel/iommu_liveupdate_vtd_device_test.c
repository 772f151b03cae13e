// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of devices behind a VT-d unit in a live update: the suite for DMA translation
 * of all drivers in each mode of the unit, and what is specific to VT-d.
 */

#include <kunit/irq_liveupdate/translation_suite.h>
#include <kunit/test.h>
#include <linux/generic_pt/iommu.h>
#include <linux/mman.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "kunit_fake_tables.h"
#include "kunit_left_tables.h"
#include "../kunit_group.h"

static_assert(NR_TRANSLATED <= NR_DEVICES);

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

static void expect_not_added(struct kunit *test, struct device *dev, struct iommu_domain *domain,
			     const char *reason)
{
	added.refused = NULL;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, intel_liveupdate_add_entries(dev, domain, NULL));
	KUNIT_EXPECT_STREQ(test, added.refused ?: "", reason);
}

/* Its PASID directory has a second table, which is freed with the directory. */
static void device_that_had_pasids_is_refused(struct kunit *test)
{
	struct iommu_domain *domain;
	struct pasid_dir_entry *dir;
	struct device *dev;
	void *table;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, FAKE_ECAP_SSTS | FAKE_ECAP_SMPWC, true));
	dev = vtd_device(test, 0);
	domain = vtd_alloc_domain(test, dev);
	expect_added(test, dev, domain);

	table = iommu_alloc_pages_sz(GFP_KERNEL, SZ_4K);
	KUNIT_ASSERT_NOT_NULL(test, table);
	dir = intel_pasid_get_table(dev)->table;
	dir[1].val = virt_to_phys(table) | PASID_PTE_PRESENT;
	expect_not_added(test, dev, domain, "PASIDs were attached");
}

/* Its record has one PASID directory, which is that of one entry. */
static void device_with_several_requester_ids_is_refused_in_scalable_mode(struct kunit *test)
{
	unsigned long *mask = kunit_kzalloc(test, BITS_TO_BYTES(MAX_NR_DEVFNS), GFP_KERNEL);
	struct iommu_domain *domain;
	struct device *dev;

	KUNIT_ASSERT_NOT_NULL(test, mask);
	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, FAKE_ECAP_SSTS | FAKE_ECAP_SMPWC, true));
	__set_bit(DEVFN + 1, mask);
	unit->devs[0].dma_alias_mask = mask;
	dev = vtd_device(test, 0);
	domain = vtd_alloc_domain(test, dev);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev, NULL));
	expect_not_added(test, dev, domain, "it has several requester ids");
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

/* The next kernel would enable it while the device is running. */
static void device_with_ats_is_refused(struct kunit *test)
{
	struct device *dev;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, 0, false));
	dev = vtd_device(test, 0);
	unit->infos[0].ats_enabled = 1;
	KUNIT_EXPECT_STREQ(test, intel_liveupdate_ops.check_device(dev) ?: "",
			   "ATS is enabled, boot with pci=noats");
}

#define PASID_CAP	0x100
#define ATS_CAP		0x120

static u16 pasid_control;
static unsigned int nr_config_writes;

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	switch (where) {
	case PASID_CAP + PCI_PASID_CTRL:
		*val = pasid_control;
		break;
	case ATS_CAP + PCI_ATS_CAP:
		*val = PCI_ATS_CAP_PAGE_ALIGNED;
		break;
	default:
		*val = 0;
	}
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

/* A device that supports ATS */
static struct device *ats_device(struct kunit *test)
{
	struct device *dev = vtd_device(test, 0);

	unit->bus.ops = &config_ops;
	unit->infos[0].ats_supported = 1;
	to_pci_dev(dev)->ats_cap = ATS_CAP;
	nr_config_writes = 0;
	return dev;
}

static unsigned int count_tags(struct dmar_domain *domain, enum cache_tag_type type)
{
	struct cache_tag *tag;
	unsigned int nr = 0;

	list_for_each_entry(tag, &domain->cache_tags, node)
		nr += tag->type == type;
	return nr;
}

/* In legacy mode ATS is enabled last, when the domain already has its other tag. */
static void domain_invalidates_the_tlb_of_a_device_with_ats(struct kunit *test)
{
	struct dmar_domain *dmar_domain;
	struct iommu_domain *domain;
	struct device *dev;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, 0, false));
	dev = ats_device(test);
	domain = vtd_alloc_domain(test, dev);
	dmar_domain = to_dmar_domain(domain);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev, NULL));
	KUNIT_EXPECT_TRUE(test, unit->infos[0].ats_enabled);
	KUNIT_EXPECT_EQ(test, count_tags(dmar_domain, CACHE_TAG_DEVTLB), 1);

	vtd_block(dev);
	KUNIT_EXPECT_FALSE(test, unit->infos[0].ats_enabled);
	KUNIT_EXPECT_TRUE(test, list_empty(&dmar_domain->cache_tags));
}

static void probe_and_attach(struct kunit *test, struct device *dev, struct iommu_domain *domain)
{
	intel_iommu_ops.probe_finalize(dev);
	KUNIT_ASSERT_EQ(test, 0, attach_domain(domain, dev, NULL));
}

/* In legacy mode attach would enable it, in scalable mode the end of the probe. */
static void ats_of_an_incoming_device_stays_off(struct kunit *test)
{
	const struct mode *mode = test->param_value;
	struct iommu_domain *domain;
	struct device *dev;

	KUNIT_ASSERT_EQ(test, 0, vtd_init(test, mode->ecap, mode->scalable));
	dev = ats_device(test);
	domain = vtd_alloc_domain(test, dev);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &to_pci_dev(dev)->priv_flags);
	probe_and_attach(test, dev, domain);
	KUNIT_EXPECT_FALSE(test, unit->infos[0].ats_enabled);
	KUNIT_EXPECT_EQ(test, nr_config_writes, 0);

	/* The positive control */
	vtd_block(dev);
	clear_bit(PCI_DEV_LIVEUPDATE_INCOMING, &to_pci_dev(dev)->priv_flags);
	probe_and_attach(test, dev, domain);
	KUNIT_EXPECT_TRUE(test, unit->infos[0].ats_enabled);
	KUNIT_EXPECT_GT(test, nr_config_writes, 0);
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

static struct kunit_case vtd_device_cases[] = {
	KUNIT_CASE(nested_domain_replaces_the_entry_at_once),
	KUNIT_CASE_PARAM(failed_attach_behind_a_bridge_leaves_the_entry, allocation_gen_params),
	KUNIT_CASE(alias_that_a_reset_blocks_is_refused),
	KUNIT_CASE(device_that_had_pasids_is_refused),
	KUNIT_CASE(device_with_several_requester_ids_is_refused_in_scalable_mode),
	KUNIT_CASE_PARAM(domain_id_that_a_reset_changes_is_found_at_freeze, mode_gen_params),
	KUNIT_CASE(device_behind_a_hot_added_unit_is_refused),
	KUNIT_CASE(device_with_ats_is_refused),
	KUNIT_CASE_PARAM(pasid_of_an_incoming_device_is_adopted, pasid_gen_params),
	KUNIT_CASE(domain_invalidates_the_tlb_of_a_device_with_ats),
	KUNIT_CASE_PARAM(ats_of_an_incoming_device_stays_off, mode_gen_params),
	{ }
};

static struct kunit_suite vtd_device_suite = {
	.name		= "irq_liveupdate_vtd_dma_device",
	.test_cases	= vtd_device_cases,
};

kunit_test_suites(&vtd_device_suite, &vtd_legacy_suite, &vtd_second_stage_suite,
		  &vtd_first_stage_suite);

MODULE_DESCRIPTION("KUnit tests of devices behind a VT-d unit in a live update");
MODULE_LICENSE("GPL");
