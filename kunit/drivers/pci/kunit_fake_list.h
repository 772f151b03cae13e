/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A list of PCI devices as the previous kernel left it, in memory that KHO believes it
 * has kept.
 */

#ifndef _KUNIT_FAKE_LIST_H
#define _KUNIT_FAKE_LIST_H

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/test.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/pci.h>

#include "liveupdate.h"

/*
 * Two devices behind bridges, one of which they share, a device on a root bus,
 * and a physical function with a virtual one
 */
#define UPPER		0
#define LOWER		1
#define BELOW_LOWER	2
#define BELOW_UPPER	3
#define ON_ROOT		4
#define PHYSICAL	5
#define VIRTUAL		6
#define NR_DEVICES	7

/* As many as a mutated list may have */
#define MAX_DEVICES	(NR_DEVICES + 3)

#define LEN_OF(nr)	struct_size_t(struct pci_lu_ser, devices, nr)
#define LEN		LEN_OF(NR_DEVICES)
#define ROOM		LEN_OF(MAX_DEVICES)

static const struct pci_lu_dev_ser good_devices[NR_DEVICES] = {
	[UPPER] = {
		.devid		= PCI_DEVID(0, PCI_DEVFN(4, 0)),
		.vendor		= 0x1b36,
		.device		= 0x000c,
		.hdr_type	= PCI_HEADER_TYPE_BRIDGE,
		.flags		= PCI_LU_DEV_BRIDGE | PCI_LU_DEV_ARI,
		.secondary	= 1,
		.subordinate	= 2,
		.acs_ctrl	= 0x1d,
		.addresses	= { 0xf1f1, 0xfe90fe80, 0xfff1fff1, 0x1, 0x1, 0 },
	},
	[LOWER] = {
		.devid		= PCI_DEVID(1, PCI_DEVFN(0, 0)),
		.vendor		= 0x1b36,
		.device		= 0x000e,
		.hdr_type	= PCI_HEADER_TYPE_BRIDGE,
		.flags		= PCI_LU_DEV_BRIDGE,
		.secondary	= 2,
		.subordinate	= 2,
	},
	[BELOW_LOWER] = {
		.devid		= PCI_DEVID(2, PCI_DEVFN(3, 1)),
		.addresses	= { 0xfe800000, 0, 0x0000000c, 0x40, 0, 0 },
		.vendor		= 0x1234,
		.device		= 0x11e8,
	},
	[BELOW_UPPER] = {
		.devid		= PCI_DEVID(1, PCI_DEVFN(31, 7)),
		.vendor		= 0x1af4,
		.device		= 0x1110,
	},
	/* Like the first one, except for the segment */
	[ON_ROOT] = {
		.segment	= U32_MAX,
		.devid		= PCI_DEVID(0, PCI_DEVFN(4, 0)),
		.vendor		= 0x8086,
		.device		= 0x10d3,
	},
	[PHYSICAL] = {
		.segment	= U32_MAX,
		.devid		= PCI_DEVID(3, PCI_DEVFN(0, 0)),
		.vendor		= 0x1b36,
		.device		= 0x0010,
		.flags		= PCI_LU_DEV_SRIOV,
		.sriov		= {
			.ctrl		= PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE,
			.initial_vfs	= 8,
			.total_vfs	= 8,
			.num_vfs	= 4,
			.offset		= 0x80,
			.stride		= 2,
			.vf_device	= 0x0011,
			.page_size	= 1,
			.addresses	= { 0xfe000004, 0x40 },
		},
	},
	[VIRTUAL] = {
		.segment	= U32_MAX,
		.devid		= PCI_DEVID(3, PCI_DEVFN(16, 6)),
		.vendor		= 0x1b36,
		.device		= 0x0011,
		.flags		= PCI_LU_DEV_VIRTFN,
	},
};

/* ROOM bytes: the list as the test wants it, and kept memory to load it from. */
struct lists {
	struct pci_lu_ser	*list;
	void			*kept;
};

static inline struct pci_lu_ser *good_list(struct kunit *test)
{
	struct lists *lists = test->priv;

	memset(lists->list, 0, ROOM);
	lists->list->nr_devices = NR_DEVICES;
	memcpy(lists->list->devices, good_devices, sizeof(good_devices));
	return lists->list;
}

static inline void unload(void *context)
{
	struct lists *lists = context;

	pci_lu_unload();
	if (lists->kept)
		free_kept(lists->kept);
}

static inline int init_lists(struct kunit *test)
{
	struct lists *lists = kunit_kzalloc(test, sizeof(*lists), GFP_KERNEL);

	if (is_kho_boot())
		kunit_skip(test, "this kernel may have a list of its own");

	KUNIT_ASSERT_NOT_NULL(test, lists);
	lists->list = kunit_kzalloc(test, ROOM, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, lists->list);
	lists->kept = alloc_kept(0);
	KUNIT_ASSERT_NOT_NULL(test, lists->kept);
	test->priv = lists;
	return kunit_add_action_or_reset(test, unload, lists);
}

#endif /* _KUNIT_FAKE_LIST_H */
