// SPDX-License-Identifier: GPL-2.0

/*
 * PCI Live Update, the directory liveupdate/ of a device in sysfs. See
 * Documentation/ABI/testing/sysfs-bus-pci-liveupdate.
 */

#include <linux/device.h>
#include <linux/irq_liveupdate.h>
#include <linux/kstrtox.h>
#include <linux/liveupdate.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/sysfs.h>

#include "pci.h"

static ssize_t preservable_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	char reason[IRQ_LIVEUPDATE_REASON_LEN];

	if (pci_liveupdate_find_obstacle(to_pci_dev(dev), reason, sizeof(reason)))
		return sysfs_emit(buf, "no: %s\n", reason);
	return sysfs_emit(buf, "yes\n");
}
static DEVICE_ATTR_RO(preservable);

static ssize_t outcome_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	char reason[IRQ_LIVEUPDATE_REASON_LEN];

	if (irq_liveupdate_was_refused(pci_domain_nr(pdev->bus), pci_dev_id(pdev), reason,
				       sizeof(reason)))
		return sysfs_emit(buf, "refused: %s\n", reason);
	if (pci_liveupdate_incoming(pdev))
		return sysfs_emit(buf, "incoming\n");
	if (pci_liveupdate_vfs_incoming(pdev))
		return sysfs_emit(buf, "keeping\n");
	if (test_bit(PCI_DEV_LIVEUPDATE_ADOPTED, &pdev->priv_flags))
		return sysfs_emit(buf, "adopted\n");
	return sysfs_emit(buf, "cold\n");
}
static DEVICE_ATTR_RO(outcome);

static ssize_t allowed_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	return sysfs_emit(buf, "%d\n",
			  !test_bit(PCI_DEV_LIVEUPDATE_FORBIDDEN, &pdev->priv_flags));
}

static ssize_t allowed_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	bool allowed;
	int err;

	err = kstrtobool(buf, &allowed);
	if (err)
		return err;

	assign_bit(PCI_DEV_LIVEUPDATE_FORBIDDEN, &pdev->priv_flags, !allowed);
	return count;
}
static DEVICE_ATTR_RW(allowed);

static struct attribute *pci_liveupdate_attrs[] = {
	&dev_attr_preservable.attr,
	&dev_attr_outcome.attr,
	&dev_attr_allowed.attr,
	NULL,
};

/* Bridges are handed over with the devices below them. */
static bool pci_liveupdate_group_visible(struct kobject *kobj)
{
	struct pci_dev *pdev = to_pci_dev(kobj_to_dev(kobj));

	return liveupdate_enabled() && pdev->hdr_type == PCI_HEADER_TYPE_NORMAL;
}

DEFINE_SIMPLE_SYSFS_GROUP_VISIBLE(pci_liveupdate);

const struct attribute_group pci_liveupdate_attr_group = {
	.name		= "liveupdate",
	.attrs		= pci_liveupdate_attrs,
	.is_visible	= SYSFS_GROUP_VISIBLE(pci_liveupdate),
};
