/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices behind a bridge, which exist only as structures, and the list of PCI devices
 * of a kernel that hands them over.
 */

#ifndef _KUNIT_FAKE_PATH_H
#define _KUNIT_FAKE_PATH_H

#include <kunit/test.h>
#include <linux/kho/abi/pci.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci_hotplug.h>
#include <linux/pci_liveupdate.h>

#include "liveupdate.h"
#include "pci.h"

/* More than fit into the page that a machine with few devices uses for the list */
#define NR_FAKES	(PAGE_SIZE / sizeof(struct pci_lu_dev_ser))

struct fake_path {
	struct pci_sysdata		sysdata;
	struct pci_host_bridge		host;
	struct pci_bus			root;
	struct pci_dev			bridge;
	struct pci_bus			bus;
	struct pci_dev			devs[NR_FAKES];
	struct pci_slot			slot;
	struct hotplug_slot		hotplug;
	unsigned int			nr_resets;
	struct pci_sriov		sriov;
	struct liveupdate_flb_op_args	flb;
};

/* What each register of each device holds */
static u32 fake_config;

/* Except for the AER capability of one device, whose status is cleared by writing ones */
#define FAKE_AER	PCI_CFG_SPACE_SIZE

struct fake_aer {
	const struct pci_dev	*pdev;
	u32			header;
	u32			status;
	u32			mask;
	u32			severity;
};

static struct fake_aer fake_aer;

static u32 *fake_aer_register(struct pci_bus *bus, unsigned int devfn, int where)
{
	if (!fake_aer.pdev || fake_aer.pdev->bus != bus || fake_aer.pdev->devfn != devfn)
		return NULL;

	switch (where) {
	case FAKE_AER:
		return &fake_aer.header;
	case FAKE_AER + PCI_ERR_UNCOR_STATUS:
		return &fake_aer.status;
	case FAKE_AER + PCI_ERR_UNCOR_MASK:
		return &fake_aer.mask;
	case FAKE_AER + PCI_ERR_UNCOR_SEVER:
		return &fake_aer.severity;
	default:
		return NULL;
	}
}

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	const u32 *aer = fake_aer_register(bus, devfn, where);

	*val = aer ? *aer : fake_config;
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	u32 *aer = fake_aer_register(bus, devfn, where);

	if (aer)
		*aer &= ~val;
	else
		fake_config = val;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = {
	.read	= read_config,
	.write	= write_config,
};

static void fake_init_dev(struct pci_dev *pdev, struct pci_bus *bus, unsigned int devfn)
{
	pdev->bus = bus;
	pdev->devfn = devfn;
	pdev->dev.bus = &pci_bus_type;
	pdev->dev.init_name = "fake";
	mutex_init(&pdev->dev.mutex);
	pdev->error_state = pci_channel_io_normal;
}

static void flb_unpreserve(void *context)
{
	struct fake_path *path = context;

	for (unsigned int i = 0; i < NR_FAKES; i++) {
		if (pci_liveupdate_outgoing(&path->devs[i]))
			pci_liveupdate_unpreserve(&path->devs[i]);
	}
	pci_lu_flb_ops.unpreserve(&path->flb);
}

static void free_path(void *path)
{
	kvfree(path);
}

static struct fake_path *fake_path(struct kunit *test)
{
	struct fake_path *path = kvzalloc_obj(*path);

	KUNIT_ASSERT_NOT_NULL(test, path);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_path, path), 0);

	fake_config = 0;
	fake_aer = (struct fake_aer) { };
	path->sysdata.domain = 0xffff;
	path->root.sysdata = &path->sysdata;
	path->root.bridge = &path->host.dev;
	path->root.ops = &config_ops;
	fake_init_dev(&path->bridge, &path->root, PCI_DEVFN(4, 0));
	path->bridge.hdr_type = PCI_HEADER_TYPE_BRIDGE;
	path->bus = path->root;
	path->bus.number = 1;
	path->bus.parent = &path->root;
	path->bus.self = &path->bridge;
	path->bridge.subordinate = &path->bus;
	INIT_LIST_HEAD(&path->bus.devices);
	INIT_LIST_HEAD(&path->bus.slots);
	for (unsigned int i = 0; i < NR_FAKES; i++)
		fake_init_dev(&path->devs[i], &path->bus, i);
	list_add(&path->devs[0].bus_list, &path->bus.devices);

	KUNIT_ASSERT_EQ(test, pci_lu_flb_ops.preserve(&path->flb), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, flb_unpreserve, path), 0);
	return path;
}

static inline bool keeps(struct pci_dev *pdev)
{
	return true;
}

static inline void had_a_fatal_error(struct fake_path *path)
{
	path->devs[0].error_state = pci_channel_io_frozen;
}

/* An unsupported request is not fatal, a malformed packet is. */
static inline void has_errors(struct fake_path *path, struct pci_dev *pdev, u32 status)
{
	path->host.native_aer = 1;
	pdev->cfg_size = PCI_CFG_SPACE_EXP_SIZE;
	pdev->aer_cap = FAKE_AER;
	fake_aer = (struct fake_aer) {
		.pdev		= pdev,
		.header		= PCI_EXT_CAP_ID_ERR,
		.status		= status,
		.severity	= PCI_ERR_UNC_MALF_TLP,
	};
}

#endif /* _KUNIT_FAKE_PATH_H */
