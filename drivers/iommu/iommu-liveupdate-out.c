// SPDX-License-Identifier: GPL-2.0-only

/*
 * Devices with DMA mappings, in the kernel that hands them over: which
 * requester ids have an entry that stays in use, and where its tables are.
 */

#include <kunit/static_stub.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho_block.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "iommu-liveupdate.h"
#include "iommu-priv.h"

/**
 * struct iommu_lu_out_domain - A domain whose tables are preserved
 * @node:	All of them
 * @domain:	The domain
 * @users:	Number of entries that lead to it
 * @tables:	Its tables
 */
struct iommu_lu_out_domain {
	struct list_head	node;
	struct iommu_domain	*domain;
	unsigned int		users;
	struct iommu_lu_pages	tables;
};

/**
 * struct iommu_lu_out_entry - An entry which stays in use
 * @users:	Number of preserved devices that use it
 * @domain:	The domain to which it leads
 * @ser:	Its record
 */
struct iommu_lu_out_entry {
	unsigned int			users;
	struct iommu_lu_out_domain	*domain;
	struct iommu_lu_device_ser	*ser;
};

/**
 * struct iommu_lu_out_device - A device that is preserved with its mappings
 * @node:	All of them
 * @dev:	The device
 * @step:	What its entries are read for: to add them, or to compare them at freeze
 * @member:	The device whose entries are read: @dev or a bridge of its group
 * @domain:	The domain to which it is attached
 * @entries:	The entries that it uses, by requester id
 */
struct iommu_lu_out_device {
	struct list_head		node;
	struct device			*dev;
	enum irq_liveupdate_step	step;
	struct pci_dev			*member;
	struct iommu_lu_out_domain	*domain;
	struct xarray			entries;
};

/* All are protected by iommu_lu_out_lock. */
static LIST_HEAD(iommu_lu_out_domains);
static LIST_HEAD(iommu_lu_out_devices);
static DEFINE_XARRAY(iommu_lu_out_entries);
static struct kho_block_set iommu_lu_out_blocks =
	KHO_BLOCK_SET_INIT(iommu_lu_out_blocks, sizeof(struct iommu_lu_device_ser));

/*
 * Domains
 */

static int preserve_table(void *table, void *tables)
{
	cond_resched();
	return iommu_lu_pages_add(table, tables);
}

static struct iommu_lu_out_domain *get_domain(struct iommu_domain *domain)
{
	struct pt_iommu *pt = iommupt_from_domain(domain);
	struct iommu_lu_out_domain *out;
	int ret;

	list_for_each_entry(out, &iommu_lu_out_domains, node) {
		if (out->domain == domain) {
			out->users++;
			return out;
		}
	}

	out = kzalloc_obj(*out);
	if (!out)
		return ERR_PTR(-ENOMEM);
	iommu_lu_pages_init(&out->tables);

	ret = pt->ops->for_each_table(pt, preserve_table, &out->tables);
	if (ret) {
		iommu_lu_pages_unpreserve(&out->tables);
		kfree(out);
		return ERR_PTR(ret);
	}

	out->domain = domain;
	out->users = 1;
	list_add(&out->node, &iommu_lu_out_domains);
	return out;
}

static void put_domain(struct iommu_lu_out_domain *out)
{
	if (--out->users)
		return;
	list_del(&out->node);
	iommu_lu_pages_unpreserve(&out->tables);
	kfree(out);
}

/*
 * Records
 */

static struct iommu_lu_device_ser *find_unused(void)
{
	struct iommu_lu_root_ser *root = iommu_lu_out_root;
	struct iommu_lu_device_ser *ser;
	struct kho_block_set_it it;
	int ret;

	kho_block_set_it_init(&it, &iommu_lu_out_blocks);
	while ((ser = kho_block_set_it_read_entry(&it))) {
		if (!memchr_inv(ser, 0, sizeof(*ser)))
			return ser;
	}

	ret = kho_block_set_grow(&iommu_lu_out_blocks, (u64)root->nr_devices + 1);
	if (ret)
		return ERR_PTR(ret);

	if (!it.block)
		kho_block_set_it_init(&it, &iommu_lu_out_blocks);
	ser = kho_block_set_it_reserve_entry(&it);
	root->devices = iommu_lu_out_blocks.head_pa;
	root->nr_devices++;
	return ser;
}

/* Blocks are freed with the last record, not individually, because those in use do not move. */
static void free_records(void)
{
	if (!xa_empty(&iommu_lu_out_entries))
		return;
	iommu_lu_out_root->devices = 0;
	iommu_lu_out_root->nr_devices = 0;
	kho_block_set_destroy(&iommu_lu_out_blocks);
}

/*
 * Entries
 */

/**
 * iommu_lu_refuse - Report why the entries of a device do not stay in use
 * @out:	Device for which &iommu_liveupdate_ops.add_entries was called
 * @error:	-EOPNOTSUPP or -EBUSY
 * @reason:	Why
 *
 * Context: From @add_entries. May sleep.
 * Return: @error
 */
int iommu_lu_refuse(struct iommu_lu_out_device *out, int error, const char *reason)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_lu_refuse, out, error, reason);

	irq_liveupdate_report_refusal(out->dev, out->step, "%s", reason);
	return error;
}

static int preserve_pasid_table(struct iommu_lu_device_ser *ser,
				const struct iommu_lu_entry *entry)
{
	int ret;

	if (!entry->pasid_dir)
		return 0;

	ret = iommu_lu_preserve_folio(entry->pasid_dir, &ser->pasid_dir);
	if (ret)
		return ret;

	ret = iommu_lu_preserve_folio(entry->pasid_table, &ser->pasid_table);
	if (ret)
		iommu_lu_unpreserve_folio(ser->pasid_dir);
	return ret;
}

static void unpreserve_pasid_table(const struct iommu_lu_device_ser *ser)
{
	if (!ser->pasid_dir)
		return;
	iommu_lu_unpreserve_folio(ser->pasid_table);
	iommu_lu_unpreserve_folio(ser->pasid_dir);
}

static void put_entry(struct iommu_lu_out_entry *entry, unsigned long key)
{
	if (--entry->users)
		return;
	xa_erase(&iommu_lu_out_entries, key);
	unpreserve_pasid_table(entry->ser);
	memset(entry->ser, 0, sizeof(*entry->ser));
	put_domain(entry->domain);
	kfree(entry);
}

static struct iommu_lu_out_entry *new_entry(struct iommu_lu_out_device *out,
					    const struct iommu_lu_entry *what,
					    struct iommu_lu_device_ser *ser)
{
	struct iommu_lu_out_entry *entry __free(kfree) = kzalloc_obj(*entry);
	struct iommu_lu_device_ser new = {
		.segment	= pci_domain_nr(out->member->bus),
		.devid		= what->devid,
		.owner		= pci_dev_id(out->member),
		.domain_id	= what->domain_id,
		.entry		= { what->value[0], what->value[1] },
		.tables		= iommu_lu_pages_describe(&out->domain->tables),
	};
	int ret;

	if (!entry)
		return ERR_PTR(-ENOMEM);

	ret = preserve_pasid_table(&new, what);
	if (ret)
		return ERR_PTR(ret);

	ret = xa_err(xa_store(&iommu_lu_out_entries, iommu_lu_device_key(new.segment, new.devid),
			      entry, GFP_KERNEL));
	if (ret) {
		unpreserve_pasid_table(&new);
		return ERR_PTR(ret);
	}

	new.checksum = iommu_lu_device_checksum(&new);
	*ser = new;
	entry->ser = ser;
	entry->users = 1;
	entry->domain = out->domain;
	entry->domain->users++;
	return no_free_ptr(entry);
}

static struct iommu_lu_out_entry *get_entry(struct iommu_lu_out_device *out,
					    const struct iommu_lu_entry *what)
{
	unsigned long key = iommu_lu_device_key(pci_domain_nr(out->member->bus), what->devid);
	struct iommu_lu_out_entry *entry = xa_load(&iommu_lu_out_entries, key);
	struct iommu_lu_device_ser *ser;

	if (entry) {
		if (entry->domain != out->domain)
			return ERR_PTR(iommu_lu_refuse(out, -EBUSY,
						       "another domain uses its requester id"));
		entry->users++;
		return entry;
	}

	ser = find_unused();
	return IS_ERR(ser) ? ERR_CAST(ser) : new_entry(out, what, ser);
}

/* The PASID directory and table need no comparison: a device with an IOMMU keeps them. */
static int compare_entry(struct iommu_lu_out_device *out,
			 const struct iommu_lu_out_entry *entry,
			 const struct iommu_lu_entry *what)
{
	if (entry && entry->ser->domain_id == what->domain_id &&
	    entry->ser->entry[0] == what->value[0] && entry->ser->entry[1] == what->value[1])
		return 0;
	return iommu_lu_refuse(out, -EBUSY, "its IOMMU entry has changed");
}

/**
 * iommu_lu_add_entry - Add an entry which stays in use
 * @out:	Device for which &iommu_liveupdate_ops.add_entries was called
 * @what:	The entry. It may already have been added for a device that is
 *		attached to the same domain.
 *
 * At freeze, compares the entry with the one that was added.
 *
 * Context: From @add_entries. May sleep.
 * Return: 0, -EBUSY if another domain uses the entry, or if it has changed, or
 * another negative errno. The reason for -EBUSY is logged.
 */
int iommu_lu_add_entry(struct iommu_lu_out_device *out, const struct iommu_lu_entry *what)
{
	struct iommu_lu_out_entry *entry;
	unsigned long key;
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(iommu_lu_add_entry, out, what);

	key = iommu_lu_device_key(pci_domain_nr(out->member->bus), what->devid);
	entry = xa_load(&out->entries, key);
	if (out->step == IRQ_LIVEUPDATE_FREEZE)
		return compare_entry(out, entry, what);

	/* A DMA alias may be the requester id of a bridge, which is a member itself. */
	if (entry)
		return 0;

	entry = get_entry(out, what);
	if (IS_ERR(entry))
		return PTR_ERR(entry);

	ret = xa_err(xa_store(&out->entries, key, entry, GFP_KERNEL));
	if (ret)
		put_entry(entry, key);
	return ret;
}

/**
 * iommu_liveupdate_entry_stays - Test whether a requester id keeps its entry in the kexec
 * @segment:	PCI segment
 * @devid:	The requester id
 *
 * Context: Any. At shutdown the answer does not change any more.
 * Return: True if the entry must not be touched.
 */
bool iommu_liveupdate_entry_stays(u32 segment, u16 devid)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_liveupdate_entry_stays, segment, devid);

	return xa_load(&iommu_lu_out_entries, iommu_lu_device_key(segment, devid));
}

/*
 * Devices
 */

static struct iommu_lu_out_device *find_device(struct device *dev)
{
	struct iommu_lu_out_device *out;

	list_for_each_entry(out, &iommu_lu_out_devices, node) {
		if (out->dev == dev)
			return out;
	}
	return NULL;
}

static void free_device(struct iommu_lu_out_device *out)
{
	struct iommu_lu_out_entry *entry;
	unsigned long key;

	xa_for_each(&out->entries, key, entry)
		put_entry(entry, key);
	xa_destroy(&out->entries);
	put_domain(out->domain);
	kfree(out);
	free_records();
}

static bool is_bridge(struct device *dev)
{
	return dev_is_pci(dev) && pci_is_bridge(to_pci_dev(dev));
}

/*
 * The device, and the bridges that are attached together with it. The group is locked, so
 * no reset begins or ends meanwhile.
 */
static int add_member(struct device *member, void *data)
{
	struct iommu_lu_out_device *out = data;

	if (member != out->dev && !is_bridge(member))
		return 0;

	out->member = to_pci_dev(member);
	return dev_iommu_ops(member)->liveupdate->add_entries(member, out->domain->domain, out);
}

/* iommufd checks what is mapped there, and how. */
static const char *check_domain(struct iommu_domain *domain)
{
	if (IS_ERR(domain))
		return "its DMA has no owner, or a PASID is attached";
	if (domain->type == IOMMU_DOMAIN_HANDED_OVER)
		return "nothing was attached since the last live update";
	if (!iommupt_from_domain(domain))
		return "the format of its page table is not supported";
	return NULL;
}

/*
 * Find out to what a device is attached. @domain is NULL if it cannot access
 * any memory. Returns 0, or -EOPNOTSUPP if it cannot be handed over, and the
 * reason is logged.
 */
static int find_attached(struct device *dev, enum irq_liveupdate_step step,
			 struct iommu_domain **domain)
{
	const char *reason;

	*domain = NULL;
	if (iommu_group_is_blocked(dev->iommu_group))
		return 0;

	*domain = iommu_group_owner_domain(dev->iommu_group);
	reason = check_domain(*domain);
	if (!reason)
		return 0;

	irq_liveupdate_report_refusal(dev, step, "%s", reason);
	return -EOPNOTSUPP;
}

/**
 * iommu_lu_preserve_device - Keep the entries of a device in use, and their tables
 * @dev:	Device whose unit is preserved
 *
 * Does nothing if the device is not attached, because it has no entry then. The
 * caller updates the checksum of the root.
 *
 * Context: May sleep. iommu_lu_out_lock is held.
 * Return: 0 or a negative errno.
 */
int iommu_lu_preserve_device(struct device *dev)
{
	struct iommu_lu_out_device *out;
	struct iommu_domain *domain;
	int ret;

	lockdep_assert_held(&iommu_lu_out_lock);

	ret = find_attached(dev, IRQ_LIVEUPDATE_PRESERVE, &domain);
	if (ret || !domain)
		return ret;

	out = kzalloc_obj(*out);
	if (!out)
		return -ENOMEM;
	out->dev = dev;
	out->step = IRQ_LIVEUPDATE_PRESERVE;
	xa_init(&out->entries);

	out->domain = get_domain(domain);
	if (IS_ERR(out->domain)) {
		ret = PTR_ERR(out->domain);
		kfree(out);
		return ret;
	}

	ret = iommu_group_for_each_dev(dev->iommu_group, out, add_member);
	if (ret)
		free_device(out);
	else
		list_add(&out->node, &iommu_lu_out_devices);
	return ret;
}

/**
 * iommu_lu_unpreserve_device - Undo iommu_lu_preserve_device()
 * @dev:	Device, whether it has entries that stay in use or not
 *
 * Context: May sleep. iommu_lu_out_lock is held.
 */
void iommu_lu_unpreserve_device(struct device *dev)
{
	struct iommu_lu_out_device *out;

	lockdep_assert_held(&iommu_lu_out_lock);

	out = find_device(dev);
	if (!out)
		return;
	list_del(&out->node);
	free_device(out);
}

/* A reset attaches the device again, and the domain may have another id then. */
static int check_member(struct device *member, void *data)
{
	struct iommu_lu_out_device *out = data;

	if (is_bridge(member) || find_device(member))
		return add_member(member, out);

	irq_liveupdate_report_refusal(out->dev, IRQ_LIVEUPDATE_FREEZE,
				      "%s of its IOMMU group is not preserved", dev_name(member));
	return -EOPNOTSUPP;
}

/**
 * iommu_lu_check_device - Check that domain and entries of a device are still the same
 * @dev:	Device
 *
 * Context: May sleep. iommu_lu_out_lock is held.
 * Return: 0, -EOPNOTSUPP if the domain is a different one, or if another device of
 * its group would be left behind, or -EBUSY if the entries are different ones, or
 * closed by a reset. The reason is logged.
 */
int iommu_lu_check_device(struct device *dev)
{
	struct iommu_lu_out_device *out;
	struct iommu_domain *domain;
	int ret;

	lockdep_assert_held(&iommu_lu_out_lock);

	out = find_device(dev);
	ret = find_attached(dev, IRQ_LIVEUPDATE_FREEZE, &domain);
	if (ret)
		return ret;
	if (domain != (out ? out->domain->domain : NULL)) {
		irq_liveupdate_report_refusal(dev, IRQ_LIVEUPDATE_FREEZE,
					      "another domain is attached");
		return -EOPNOTSUPP;
	}
	if (!out)
		return 0;

	out->step = IRQ_LIVEUPDATE_FREEZE;
	return iommu_group_for_each_dev(dev->iommu_group, out, check_member);
}
