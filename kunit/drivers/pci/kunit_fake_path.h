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

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	*val = fake_config;
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
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
	pci_liveupdate_flb_ops.unpreserve(&path->flb);
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

	KUNIT_ASSERT_EQ(test, pci_liveupdate_flb_ops.preserve(&path->flb), 0);
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

#endif /* _KUNIT_FAKE_PATH_H */
