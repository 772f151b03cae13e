// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the list of PCI devices. How the next kernel reads it: the real code
 * on lists in memory that KHO believes it has kept, see kept_memory.h. What the
 * old kernel refuses to put on it: the real code on devices behind a bridge,
 * which exist only as structures.
 */

#include <kunit/irq_liveupdate/fail_nth.h>
#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/irq_liveupdate/outcome.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <kunit/waiting_task.h>
#include <linux/completion.h>
#include <linux/irq_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/pci.h>
#include <linux/liveupdate.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci_hotplug.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/sizes.h>
#include <linux/sysfb.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "liveupdate.h"
#include "pci.h"

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

static struct pci_lu_ser *good_list(struct kunit *test)
{
	struct lists *lists = test->priv;

	memset(lists->list, 0, ROOM);
	lists->list->nr_devices = NR_DEVICES;
	memcpy(lists->list->devices, good_devices, sizeof(good_devices));
	return lists->list;
}

/* As when LUO's object is retrieved: a list that is refused is unloaded. */
static const char *load_from(u64 phys)
{
	const char *reason = pci_lu_load(phys);

	if (reason)
		pci_lu_unload();
	return reason;
}

/* The memory of a list that was accepted is freed, that of a refused one is not. */
static const char *load(struct kunit *test)
{
	struct lists *lists = test->priv;
	const char *reason;

	if (!is_kept(lists->kept))
		lists->kept = alloc_kept(0);
	KUNIT_ASSERT_NOT_NULL(test, lists->kept);
	memcpy(lists->kept, lists->list, ROOM);

	reason = load_from(virt_to_phys(lists->kept));
	KUNIT_EXPECT_EQ(test, is_kept(lists->kept), !!reason);
	return reason;
}

static bool is_found(const struct pci_lu_dev_ser *dev)
{
	const struct pci_lu_dev_ser *found;

	found = xa_load(&pci_lu_in_devices, (unsigned long)dev->segment << 16 | dev->devid);
	return found && found != dev && !memcmp(found, dev, sizeof(*dev));
}

static unsigned int count_found(void)
{
	unsigned int nr = 0;
	unsigned long address;
	void *found;

	xa_for_each(&pci_lu_in_devices, address, found)
		nr++;
	return nr;
}

static void expect_accepted(struct kunit *test, const char *reason)
{
	struct lists *lists = test->priv;

	KUNIT_EXPECT_STREQ(test, reason ?: "accepted", "accepted");
	for (u32 i = 0; i < lists->list->nr_devices; i++)
		KUNIT_EXPECT_TRUE_MSG(test, is_found(&lists->list->devices[i]), "device %u", i);
	KUNIT_EXPECT_EQ(test, count_found(), lists->list->nr_devices);

	pci_lu_unload();
	KUNIT_EXPECT_TRUE(test, xa_empty(&pci_lu_in_devices));
}

static void expect_refused(struct kunit *test, const char *reason, const char *expected)
{
	KUNIT_EXPECT_STREQ(test, reason ?: "accepted", expected);
	KUNIT_EXPECT_TRUE(test, xa_empty(&pci_lu_in_devices));
}

static void all_devices_are_found(struct kunit *test)
{
	good_list(test);
	expect_accepted(test, load(test));
}

/*
 * "pci-liveupdate-v1": a bridge, a device below it and a virtual function of that device,
 * in the memory layout of that format.
 */
static const u8 image_of_v1[] = {
	0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	/* 0001:00:04.0 */
	0x01, 0x00, 0x00, 0x00, 0x20, 0x00, 0x36, 0x1b, 0x0c, 0x00, 0x1d, 0x00,
	0x01, 0x03, 0x01, 0x02,
	0xf1, 0xf1, 0x00, 0x00, 0x80, 0xfe, 0x90, 0xfe, 0xf1, 0xff, 0xf1, 0xff,
	0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	/* 0001:01:1f.7 */
	0x01, 0x00, 0x00, 0x00, 0xff, 0x01, 0xf4, 0x1a, 0x10, 0x11, 0x00, 0x00,
	0x00, 0x18, 0x00, 0x00,
	0x00, 0x00, 0x80, 0xfe, 0x00, 0x10, 0x80, 0xfe, 0x0c, 0x00, 0x00, 0x00,
	0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x19, 0x00, 0x07, 0x00, 0x07, 0x00, 0x02, 0x00, 0x80, 0x00, 0x01, 0x00,
	0x34, 0x12, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x0c, 0x00, 0x00, 0xfd, 0x41, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x78, 0x56, 0x34, 0x12,
	/* 0001:02:0f.7 */
	0x01, 0x00, 0x00, 0x00, 0x7f, 0x02, 0xf4, 0x1a, 0x34, 0x12, 0x00, 0x00,
	0x00, 0x04, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static void format_v1_is_read(struct kunit *test)
{
	static const struct pci_lu_dev_ser bridge = {
		.segment	= 1,
		.devid		= PCI_DEVID(0, PCI_DEVFN(4, 0)),
		.vendor		= 0x1b36,
		.device		= 0x000c,
		.acs_ctrl	= 0x1d,
		.hdr_type	= PCI_HEADER_TYPE_BRIDGE,
		.flags		= PCI_LU_DEV_BRIDGE | PCI_LU_DEV_ARI,
		.secondary	= 1,
		.subordinate	= 2,
		.addresses	= { 0xf1f1, 0xfe90fe80, 0xfff1fff1, 1, 2, 3 },
	};
	static const struct pci_lu_dev_ser device = {
		.segment	= 1,
		.devid		= PCI_DEVID(1, PCI_DEVFN(31, 7)),
		.vendor		= 0x1af4,
		.device		= 0x1110,
		.flags		= PCI_LU_DEV_SRIOV | PCI_LU_DEV_KEEPS_VFS,
		.addresses	= { 0xfe800000, 0xfe801000, 0x0000000c, 0x40, 0, 0 },
		.sriov		= {
			.ctrl		= 0x19,
			.initial_vfs	= 7,
			.total_vfs	= 7,
			.num_vfs	= 2,
			.offset		= 0x80,
			.stride		= 1,
			.vf_device	= 0x1234,
			.page_size	= 1,
			.addresses	= { 0xfd00000c, 0x41, 0, 0, 0, 0x12345678 },
		},
	};
	static const struct pci_lu_dev_ser virtual = {
		.segment	= 1,
		.devid		= PCI_DEVID(2, PCI_DEVFN(15, 7)),
		.vendor		= 0x1af4,
		.device		= 0x1234,
		.flags		= PCI_LU_DEV_VIRTFN,
	};
	struct lists *lists = test->priv;

	KUNIT_EXPECT_STREQ(test, PCI_LU_FLB_COMPATIBLE, "pci-liveupdate-v1");
	memcpy(lists->list, image_of_v1, sizeof(image_of_v1));
	KUNIT_EXPECT_STREQ(test, load(test) ?: "accepted", "accepted");
	KUNIT_EXPECT_TRUE(test, is_found(&bridge));
	KUNIT_EXPECT_TRUE(test, is_found(&device));
	KUNIT_EXPECT_TRUE(test, is_found(&virtual));
	KUNIT_EXPECT_EQ(test, count_found(), 3);
	pci_lu_unload();
}

static void empty_list_is_accepted(struct kunit *test)
{
	struct pci_lu_ser *list = good_list(test);

	list->nr_devices = 0;
	expect_accepted(test, load(test));
}

#define HEAD(_field, _value, _reason)						\
	BAD_FIELD(#_field " = " #_value, (*(struct pci_lu_ser *)NULL)._field,	\
		  _value, _reason)

#define DEV(_i, _field, _value, _reason)					\
	BAD_FIELD(#_field " = " #_value,					\
		  (*(struct pci_lu_ser *)NULL).devices[_i]._field, _value, _reason)

static const struct bad_field bad_fields[] = {
	/* An entry of zeros is a device at 0000:00:00.0. Two of them are one too many. */
	HEAD(nr_devices, NR_DEVICES + 2, "duplicate device"),
	HEAD(nr_devices, PCI_LU_MAX_DEVICES + 1, "too many devices"),
	/* The size of this many is right, modulo 2^64. */
	HEAD(nr_devices, NR_DEVICES + BIT_ULL(61), "too many devices"),
	HEAD(nr_devices, U64_MAX, "too many devices"),
	DEV(BELOW_LOWER, devid, PCI_DEVID(1, PCI_DEVFN(31, 7)), "duplicate device"),
	DEV(ON_ROOT, segment, 0, "duplicate device"),
	DEV(UPPER, flags, PCI_LU_DEV_BRIDGE | BIT(5), "unknown flags"),
	DEV(ON_ROOT, flags, BIT(7), "unknown flags"),
	DEV(LOWER, flags, 0, "bad header type"),
	DEV(BELOW_LOWER, flags, PCI_LU_DEV_BRIDGE, "bad header type"),
	DEV(LOWER, hdr_type, PCI_HEADER_TYPE_NORMAL, "bad header type"),
	DEV(LOWER, hdr_type, PCI_HEADER_TYPE_CARDBUS, "bad header type"),
	DEV(LOWER, hdr_type, PCI_HEADER_TYPE_BRIDGE | PCI_HEADER_TYPE_MFD, "bad header type"),
	DEV(BELOW_UPPER, hdr_type, PCI_HEADER_TYPE_BRIDGE, "bad header type"),
	DEV(BELOW_UPPER, hdr_type, PCI_HEADER_TYPE_CARDBUS, "bad header type"),
	DEV(BELOW_UPPER, hdr_type, PCI_HEADER_TYPE_MFD, "bad header type"),
	DEV(UPPER, secondary, 3, "bad bus numbers"),
	DEV(UPPER, subordinate, 0, "bad bus numbers"),
	DEV(ON_ROOT, secondary, 1, "bad bus numbers"),
	DEV(BELOW_LOWER, flags, PCI_LU_DEV_ARI, "device described as a bridge"),
	DEV(BELOW_LOWER, subordinate, 2, "device described as a bridge"),
	DEV(BELOW_LOWER, acs_ctrl, BIT(0), "device described as a bridge"),
	DEV(LOWER, flags, PCI_LU_DEV_BRIDGE | PCI_LU_DEV_VIRTFN, "bridge described as a device"),
	DEV(LOWER, flags, PCI_LU_DEV_BRIDGE | PCI_LU_DEV_KEEPS_VFS, "bridge described as a device"),
	DEV(VIRTUAL, flags, PCI_LU_DEV_VIRTFN | PCI_LU_DEV_KEEPS_VFS,
	    "virtual functions of a virtual function"),
	DEV(BELOW_LOWER, flags, PCI_LU_DEV_KEEPS_VFS, "no virtual functions that it keeps"),
	DEV(PHYSICAL, flags, PCI_LU_DEV_KEEPS_VFS, "no virtual functions that it keeps"),
	DEV(LOWER, flags, PCI_LU_DEV_BRIDGE | PCI_LU_DEV_SRIOV,
	    "SR-IOV of a device which has none"),
	DEV(VIRTUAL, flags, PCI_LU_DEV_VIRTFN | PCI_LU_DEV_SRIOV,
	    "SR-IOV of a device which has none"),
	DEV(BELOW_LOWER, flags, PCI_LU_DEV_SRIOV, "bad number of virtual functions"),
	DEV(PHYSICAL, flags, 0, "virtual functions without SR-IOV"),
	DEV(VIRTUAL, sriov.reserved, 1, "virtual functions without SR-IOV"),
	DEV(PHYSICAL, sriov.num_vfs, 0, "bad number of virtual functions"),
	DEV(PHYSICAL, sriov.num_vfs, 9, "bad number of virtual functions"),
	DEV(PHYSICAL, sriov.initial_vfs, 9, "bad number of virtual functions"),
	DEV(PHYSICAL, sriov.ctrl, PCI_SRIOV_CTRL_MSE, "virtual functions not enabled"),
	DEV(PHYSICAL, sriov.offset, 0, "bad requester ids of virtual functions"),
	DEV(PHYSICAL, sriov.stride, 0, "bad requester ids of virtual functions"),
	/* The third is the last requester id that there can be. */
	DEV(PHYSICAL, sriov.stride, 0x7e40, "bad requester ids of virtual functions"),
	DEV(PHYSICAL, sriov.reserved, 1, "reserved field of SR-IOV not zero"),
};

KUNIT_ARRAY_PARAM_DESC(bad_field, bad_fields, name);

static void bad_field_is_refused(struct kunit *test)
{
	struct pci_lu_ser *list = good_list(test);

	set_bad_field(list, test->param_value);
	expect_refused(test, load(test), ((const struct bad_field *)test->param_value)->reason);

	/* Nothing is left of it that would get in the way of another list. */
	good_list(test);
	expect_accepted(test, load(test));
}

static void bad_address_is_refused(struct kunit *test)
{
	struct lists *lists = test->priv;
	u64 phys = virt_to_phys(lists->kept);

	memcpy(lists->kept + SZ_2K, good_list(test), ROOM);
	expect_refused(test, load_from(0), "bad address");
	expect_refused(test, load_from(phys + SZ_2K), "bad address");
	/* The memory of VGA and of the firmware, which is mapped */
	expect_refused(test, load_from(SZ_512K + SZ_128K), "bad address");
	expect_refused(test, load_from(SZ_1M - PAGE_SIZE), "bad address");
	expect_refused(test, load_from(BIT_ULL(51)), "bad address");
	expect_refused(test, load_from(U64_MAX & PAGE_MASK), "bad address");
	expect_refused(test, load_from(U64_MAX), "bad address");
	KUNIT_EXPECT_TRUE(test, is_kept(lists->kept));
}

/*
 * The largest possible number of devices. The memory of such a list, and that of
 * its copy, are large enough to be missed if they are not freed.
 */

#define NR_LOADS	2

static struct pci_lu_ser *alloc_full_list(struct kunit *test)
{
	size_t len = LEN_OF(PCI_LU_MAX_DEVICES);
	struct pci_lu_ser *list = alloc_kept(get_order(len));

	KUNIT_ASSERT_NOT_NULL(test, list);
	list->nr_devices = PCI_LU_MAX_DEVICES;
	for (u32 i = 0; i < PCI_LU_MAX_DEVICES; i++) {
		list->devices[i] = good_devices[ON_ROOT];
		list->devices[i].devid = i;
	}
	return list;
}

static void full_list_is_accepted_and_freed(struct kunit *test)
{
	long available = 0;

	/*
	 * After the first time, all memory that is cached when it is freed is
	 * in the caches.
	 */
	for (unsigned int i = 0; i <= NR_LOADS; i++) {
		struct pci_lu_ser *list = alloc_full_list(test);
		const char *reason = load_from(virt_to_phys(list));

		KUNIT_EXPECT_STREQ(test, reason ?: "accepted", "accepted");
		KUNIT_EXPECT_FALSE(test, is_kept(list));
		KUNIT_EXPECT_EQ(test, count_found(), PCI_LU_MAX_DEVICES);
		free_kept(list);
		pci_lu_unload();
		if (!i)
			available = si_mem_available();
	}
	KUNIT_EXPECT_GT(test, si_mem_available(), available - NR_LOADS * SZ_1M / PAGE_SIZE);
}

/*
 * Mutations
 */

/* What the ABI promises about an entry, expressed differently than in the reader. */
static const char *broken_device(const struct pci_lu_dev_ser *dev)
{
	const struct pci_lu_sriov_ser *sriov = &dev->sriov;

	if (!(dev->flags & 8) && memchr_inv(sriov, 0, sizeof(*sriov)))
		return "SR-IOV without virtual functions";
	if (dev->flags & 8 && (!(sriov->ctrl & 1) || sriov->reserved || !sriov->offset ||
			       !sriov->num_vfs || sriov->num_vfs > sriov->total_vfs ||
			       sriov->initial_vfs > sriov->total_vfs))
		return "virtual functions";

	switch (dev->flags) {
	case 0:
	case 4:
	case 8:
	case 16 + 8:
		return dev->hdr_type == 0 && dev->secondary == 0 && dev->subordinate == 0 &&
		       dev->acs_ctrl == 0 ? NULL : "device";
	case 1:
	case 3:
		return dev->hdr_type == 1 && dev->subordinate >= dev->secondary ? NULL : "bridge";
	default:
		return "flags";
	}
}

static const char *broken_list(const struct pci_lu_ser *list)
{
	const char *broken;

	if (list->nr_devices > MAX_DEVICES)
		return "number of devices";

	for (u32 i = 0; i < list->nr_devices; i++) {
		const struct pci_lu_dev_ser *a = &list->devices[i];

		broken = broken_device(a);
		if (broken)
			return broken;
		for (u32 j = 0; j < i; j++) {
			const struct pci_lu_dev_ser *b = &list->devices[j];

			if (a->segment == b->segment && a->devid == b->devid)
				return "two devices are the same";
		}
	}
	return NULL;
}

static void mutated_list_is_sound_or_refused(struct kunit *test)
{
	struct lists *lists = test->priv;
	unsigned int nr_accepted = 0;
	struct rnd_state rnd;

	for (unsigned int nr = 0; nr < NR_MUTATIONS; nr++) {
		const char *reason, *broken;

		seed_mutation(&rnd, nr);
		mutate_record(&rnd, good_list(test), LEN);
		reason = load(test);
		broken = broken_list(lists->list);
		KUNIT_EXPECT_STREQ(test, reason ? "" : broken ?: "", "");
		KUNIT_EXPECT_TRUE(test, !reason || xa_empty(&pci_lu_in_devices));
		if (!reason) {
			nr_accepted++;
			expect_accepted(test, reason);
		}
		if (test->status == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(test, "mutation %u, seed %#x", nr, MUTATION_SEED);
	}

	kunit_info(test, "seed %#x: %u mutations, %u lists accepted", MUTATION_SEED, NR_MUTATIONS,
		   nr_accepted);
	KUNIT_EXPECT_GT(test, nr_accepted, NR_MUTATIONS / 20);
	KUNIT_EXPECT_LT(test, nr_accepted, NR_MUTATIONS - NR_MUTATIONS / 20);
}

/*
 * Preserving
 */

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

static bool keeps(struct pci_dev *pdev)
{
	return true;
}

#ifdef CONFIG_PCI_IOV
/* Its physical function is not preserved. */
static void is_virtual(struct fake_path *path)
{
	path->devs[0].is_virtfn = 1;
	path->devs[0].physfn = &path->devs[1];
}

/* Its physical function has a driver. */
static void has_driver(struct fake_path *path, struct pci_driver *drv)
{
	is_virtual(path);
	path->devs[1].is_physfn = 1;
	path->devs[1].sriov = &path->sriov;
	path->devs[1].dev.driver = &drv->driver;
}

static void fake_release(struct device *dev)
{
}

static void fake_unregister(void *dev)
{
	device_unregister(dev);
}

/* The same, and the driver core knows the device, although not its bus. */
static void has_driver_and_is_registered(struct kunit *test, struct fake_path *path,
					 struct pci_driver *drv)
{
	struct device *dev = &path->devs[1].dev;

	dev->bus = NULL;
	dev->release = fake_release;
	KUNIT_ASSERT_EQ(test, device_register(dev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, fake_unregister, dev), 0);
	has_driver(path, drv);
}

static bool does_not_keep(struct pci_dev *pdev)
{
	return false;
}

static struct pci_driver taking_driver = { .takes_over = true };
static struct pci_driver ordinary_driver = { };
static struct pci_driver losing_driver = { .sriov_keeps = does_not_keep };
static struct pci_driver keeping_driver = { .sriov_keeps = keeps };
static struct pci_driver other_keeping_driver = { .sriov_keeps = keeps };

static void has_a_driver_that_takes_over(struct fake_path *path)
{
	has_driver(path, &taking_driver);
}

static void has_an_ordinary_driver(struct fake_path *path)
{
	has_driver(path, &ordinary_driver);
}

static void has_a_driver_that_does_not_keep_it(struct fake_path *path)
{
	has_driver(path, &losing_driver);
}

/* A physical function other than its own is preserved. */
static void is_virtual_function_of_another(struct fake_path *path)
{
	pci_liveupdate_preserve(&path->devs[2]);
	is_virtual(path);
}

/* The lowest numbered physical function controls ARI. */
static void is_not_the_lowest_physical_function(struct fake_path *path)
{
	/* Some virtual functions are enabled. */
	memset(&path->sriov, 1, sizeof(path->sriov));
	path->sriov.dev = &path->devs[1];
	path->devs[0].is_physfn = 1;
	path->devs[0].sriov = &path->sriov;
}

/* It has to be used together with another one. */
static void is_linked_with_another_physical_function(struct fake_path *path)
{
	is_not_the_lowest_physical_function(path);
	path->sriov.dev = &path->devs[0];
}
#endif /* CONFIG_PCI_IOV */

static void is_bridge(struct fake_path *path)
{
	path->devs[0].hdr_type = PCI_HEADER_TYPE_BRIDGE;
}

/* As a non-transparent bridge */
static void has_the_class_of_a_bridge(struct fake_path *path)
{
	path->devs[0].class = PCI_CLASS_BRIDGE_OTHER << 8;
}

static void is_disconnected(struct fake_path *path)
{
	path->devs[0].error_state = pci_channel_io_perm_failure;
}

static void had_a_fatal_error(struct fake_path *path)
{
	path->devs[0].error_state = pci_channel_io_frozen;
}

static void is_on_a_virtual_bus(struct fake_path *path)
{
	path->bus.self = NULL;
}

static void is_behind_cardbus(struct fake_path *path)
{
	path->bridge.hdr_type = PCI_HEADER_TYPE_CARDBUS;
}

static void has_a_pci_device_as_host_bridge(struct fake_path *path)
{
	path->host.dev.parent = &path->devs[NR_FAKES - 1].dev;
}

static void is_preserved(struct fake_path *path)
{
	pci_liveupdate_preserve(&path->devs[0]);
}

/* With the bridge on the list, there is no room for the last devices. */
static void has_no_room_in_the_list(struct fake_path *path)
{
	for (unsigned int i = 1; i < NR_FAKES; i++)
		pci_liveupdate_preserve(&path->devs[i]);
}

struct refusal {
	const char	*desc;
	void		(*prepare)(struct fake_path *path);
	int		err;
};

static const struct refusal refusals[] = {
#ifdef CONFIG_PCI_IOV
	{ "virtual function",		is_virtual,				-EOPNOTSUPP },
	{ "driver that takes over",	has_a_driver_that_takes_over,		-EOPNOTSUPP },
	{ "ordinary driver",		has_an_ordinary_driver,			-EOPNOTSUPP },
	{ "driver that keeps others",	has_a_driver_that_does_not_keep_it,	-EOPNOTSUPP },
	{ "of another function",	is_virtual_function_of_another,		-EOPNOTSUPP },
	{ "not the lowest function",	is_not_the_lowest_physical_function,	-EOPNOTSUPP },
	{ "linked function",		is_linked_with_another_physical_function, -EOPNOTSUPP },
#endif
	{ "not an endpoint",		is_bridge,				-EOPNOTSUPP },
	{ "class of a bridge",		has_the_class_of_a_bridge,		-EOPNOTSUPP },
	{ "disconnected",		is_disconnected,			-ENODEV },
	{ "fatal error",		had_a_fatal_error,			-ENODEV },
	{ "no path to a root bus",	is_on_a_virtual_bus,			-EOPNOTSUPP },
	{ "not a PCI-to-PCI bridge",	is_behind_cardbus,			-EOPNOTSUPP },
	{ "host bridge",		has_a_pci_device_as_host_bridge,	-EOPNOTSUPP },
	{ "preserved already",		is_preserved,				-EBUSY },
	{ "list is full",		has_no_room_in_the_list,		-ENOSPC },
};

KUNIT_ARRAY_PARAM_DESC(refusal, refusals, desc);

static void device_that_cannot_be_preserved_is_refused(struct kunit *test)
{
	const struct refusal *refusal = test->param_value;
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;
	u32 nr_devices;

	refusal->prepare(path);
	nr_devices = list->nr_devices;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), refusal->err);
	KUNIT_EXPECT_EQ(test, list->nr_devices, nr_devices);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_outgoing(&path->devs[0]),
			refusal->err == -EBUSY);
}

static void bridge_is_on_the_list_while_a_device_below_it_is(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[1]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 3);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_outgoing(&path->bridge));

	pci_liveupdate_unpreserve(&path->devs[0]);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 2);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_outgoing(&path->bridge));

	pci_liveupdate_unpreserve(&path->devs[1]);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_outgoing(&path->bridge));
}

#ifdef CONFIG_PCI_IOV
static void virtual_function_keeps_its_physical_function_on_the_list(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;

	is_virtual(path);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[1]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 2);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 3);
	KUNIT_EXPECT_EQ(test, list->devices[0].flags, 0);
	KUNIT_EXPECT_EQ(test, list->devices[2].flags, PCI_LU_DEV_VIRTFN);

	pci_liveupdate_unpreserve(&path->devs[1]);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 3);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_outgoing(&path->devs[1]));

	pci_liveupdate_unpreserve(&path->devs[0]);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_outgoing(&path->devs[1]));
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_outgoing(&path->bridge));
}

static void expect_obstacle(struct kunit *test, struct pci_dev *pdev, const char *expected)
{
	char reason[128];

	KUNIT_EXPECT_TRUE(test, pci_liveupdate_find_obstacle(pdev, reason, sizeof(reason)));
	KUNIT_EXPECT_STREQ(test, reason, expected);
}

/* The physical function would be frozen after its virtual function. */
static void device_is_not_preserved_while_a_virtual_function_is(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *physfn = &path->devs[1];

	is_virtual(path);
	path->devs[2].is_virtfn = 1;
	path->devs[2].physfn = physfn;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(physfn), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	expect_obstacle(test, physfn, "preserved already");

	/* The session of the device is closed, that of the virtual function is not. */
	pci_liveupdate_unpreserve(physfn);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(physfn), -EBUSY);
	expect_obstacle(test, physfn, "a virtual function of it is preserved");
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[2]), -EOPNOTSUPP);

	pci_liveupdate_unpreserve(&path->devs[0]);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(physfn), 0);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[2]), 0);
	pci_liveupdate_unpreserve(&path->devs[2]);
}

static void driver_keeps_virtual_functions_of_its_device(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;
	struct pci_dev *physfn = &path->devs[1];

	has_driver(path, &keeping_driver);
	path->devs[2].is_virtfn = 1;
	path->devs[2].physfn = physfn;

	/* The task that holds the lock may be waiting for the user who preserves it. */
	scoped_guard(device, &physfn->dev)
		KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), -EBUSY);

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[2]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 4);
	KUNIT_EXPECT_EQ(test, list->devices[0].flags, PCI_LU_DEV_VIRTFN);
	KUNIT_EXPECT_EQ(test, list->devices[1].devid, pci_dev_id(physfn));
	KUNIT_EXPECT_EQ(test, list->devices[1].flags, PCI_LU_DEV_KEEPS_VFS);

	/* The physical function itself is not handed over, and loses bus mastering. */
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_outgoing(physfn));
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_outgoing(physfn));
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(physfn), -EBUSY);
	expect_obstacle(test, physfn, "a virtual function of it is preserved");

	pci_liveupdate_unpreserve(&path->devs[0]);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_vfs_outgoing(physfn));
	pci_liveupdate_unpreserve(&path->devs[2]);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_outgoing(physfn));
	KUNIT_EXPECT_EQ(test, list->nr_devices, 0);
}

static void driver_of_the_device_of_a_frozen_virtual_function_keeps_it(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	has_driver_and_is_registered(test, path, &keeping_driver);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);

	/* Its driver may be waiting for the user of another virtual function. */
	scoped_guard(device, &path->devs[1].dev)
		KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EBUSY);

	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	pci_liveupdate_unfreeze(&path->devs[0]);
	path->devs[1].dev.driver = &other_keeping_driver.driver;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	pci_liveupdate_unfreeze(&path->devs[0]);
	path->devs[1].dev.driver = &losing_driver.driver;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EBUSY);
	path->devs[1].dev.driver = NULL;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EBUSY);
}

/* As when this driver was bound after preserve() had asked the one before */
static void virtual_function_is_not_frozen_if_the_driver_does_not_keep_it(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_driver drv = { .sriov_keeps = keeps };

	has_driver_and_is_registered(test, path, &drv);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	drv.sriov_keeps = does_not_keep;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EBUSY);
	path->devs[1].dev.driver = NULL;
}

struct reader {
	struct work_struct	work;
	struct device		*dev;
	struct completion	locked;
};

/* Longer than one attempt of freeze() to get the lock, shorter than all of them together */
#define READ_US	3000

static void read_locked(struct work_struct *work)
{
	struct reader *reader = container_of(work, struct reader, work);

	guard(device)(reader->dev);
	complete(&reader->locked);
	fsleep(READ_US);
}

/* On the CPU of the test, so that both are held up if that CPU is. */
static void virtual_function_is_frozen_while_sriov_numvfs_is_read(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct reader reader = { .dev = &path->devs[1].dev };

	has_driver_and_is_registered(test, path, &keeping_driver);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);

	init_completion(&reader.locked);
	INIT_WORK_ONSTACK(&reader.work, read_locked);
	migrate_disable();
	schedule_work_on(smp_processor_id(), &reader.work);
	wait_for_completion(&reader.locked);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	migrate_enable();
	flush_work(&reader.work);
	destroy_work_on_stack(&reader.work);

	pci_liveupdate_unfreeze(&path->devs[0]);
	/* The driver core does not know it. */
	path->devs[1].dev.driver = NULL;
}

static void unregister_driver(void *drv)
{
	pci_unregister_driver(drv);
}

/* Anybody can read sysfs while another task wants to have the lock. */
static void obstacle_is_found_without_the_lock(struct kunit *test)
{
	static const struct pci_device_id none[] = { { } };
	struct fake_path *path = fake_path(test);
	struct pci_driver *drv = kunit_kzalloc(test, sizeof(*drv), GFP_KERNEL);
	struct pci_dev *physfn = &path->devs[1];

	KUNIT_ASSERT_NOT_NULL(test, drv);
	drv->name = "kunit_physfn";
	drv->id_table = none;
	KUNIT_ASSERT_EQ(test, pci_register_driver(drv), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unregister_driver, drv), 0);
	has_driver(path, drv);

	guard(device)(&physfn->dev);
	expect_obstacle(test, &path->devs[0],
			"the driver of its physical function does not keep virtual functions");
	drv->sriov_keeps = keeps;
	expect_obstacle(test, &path->devs[0], "neither MSI nor MSI-X");
	drv->takes_over = true;
	expect_obstacle(test, &path->devs[0], "its physical function is not preserved");
	physfn->dev.driver = NULL;
	expect_obstacle(test, &path->devs[0], "its physical function has no driver");
}

static void unbind(void *dev)
{
	device_release_driver(dev);
}

/* The task that unbinds it does not hold its lock, which the shutdown needs. */
static void expect_waiting(struct kunit *test, struct waiting_task *unbinder)
{
	struct device *dev = unbinder->arg;
	bool locked;

	expect_task_waits(test, unbinder);
	locked = device_trylock(dev);
	KUNIT_EXPECT_TRUE(test, locked);
	if (locked)
		device_unlock(dev);
}

/* Two virtual functions are frozen. */
static void device_is_not_unbound_while_a_virtual_function_is_frozen(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *physfn = &path->devs[1];
	struct waiting_task unbinder = { .call = unbind, .arg = &physfn->dev };

	has_driver_and_is_registered(test, path, &keeping_driver);
	path->devs[2].is_virtfn = 1;
	path->devs[2].physfn = physfn;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[2]), 0);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[2]), 0);

	/* The driver core does not know the device, so it must not call the driver. */
	physfn->dev.driver = NULL;
	start_waiting_task(test, &unbinder);
	expect_waiting(test, &unbinder);
	pci_liveupdate_unfreeze(&path->devs[2]);
	expect_waiting(test, &unbinder);
	pci_liveupdate_unfreeze(&path->devs[0]);
	end_waiting_task(&unbinder);
}

/* The user of the physical function shuts that down. */
static void preserved_device_is_not_held_by_its_virtual_functions(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *physfn = &path->devs[1];

	has_driver(path, &taking_driver);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(physfn), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	scoped_guard(device, &physfn->dev)
		KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	pci_liveupdate_unfreeze(&path->devs[0]);
}

/* They were enabled after it was preserved. */
static void device_is_not_frozen_with_virtual_functions_of_another(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	is_linked_with_another_physical_function(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -EOPNOTSUPP);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_frozen(&path->devs[0]));
}

/* A reset would clear VF Enable, and set it again. */
static void device_is_not_reset_while_a_virtual_function_is_frozen(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *physfn = &path->devs[1];

	has_driver_and_is_registered(test, path, &keeping_driver);
	list_add(&physfn->bus_list, &path->bus.devices);
	physfn->reset_methods[0] = 1;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	/* It is on a virtual bus. */
	list_del(&path->devs[0].bus_list);

	KUNIT_EXPECT_EQ(test, pci_reset_function(physfn), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_try_reset_function(physfn), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_reset_bus(physfn), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_bus_error_reset(&path->bridge), -EBUSY);

	pci_liveupdate_unfreeze(&path->devs[0]);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_frozen(physfn));
	physfn->dev.driver = NULL;
}
#endif /* CONFIG_PCI_IOV */

/* The first entry is the device's, the second the bridge's. */
static void list_is_that_of_the_freeze(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	const struct pci_lu_ser *list = path->flb.obj;

	path->bridge.acs_cap = 0x100;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	fake_config = 0x00040302;
	path->bridge.ari_enabled = 1;
	KUNIT_EXPECT_EQ(test, list->devices[1].acs_ctrl, 0);

	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	KUNIT_EXPECT_EQ(test, list->nr_devices, 2);
	KUNIT_EXPECT_EQ(test, list->devices[0].addresses[0], fake_config);
	KUNIT_EXPECT_EQ(test, list->devices[1].acs_ctrl, 0x0302);
	KUNIT_EXPECT_EQ(test, list->devices[1].secondary, 3);
	KUNIT_EXPECT_EQ(test, list->devices[1].subordinate, 4);
	KUNIT_EXPECT_EQ(test, list->devices[1].flags, PCI_LU_DEV_BRIDGE | PCI_LU_DEV_ARI);
	/* Without Secondary Status, which is not an address */
	KUNIT_EXPECT_EQ(test, list->devices[1].addresses[0], 0x0302);

	is_disconnected(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -ENODEV);
	had_a_fatal_error(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), -ENODEV);
}

/*
 * Incoming devices
 */

static void bus_of_an_incoming_device_is_resettable_but_not_reset(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	KUNIT_EXPECT_EQ(test, pci_probe_reset_bus(&path->bus), 0);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &path->devs[0].priv_flags);
	KUNIT_EXPECT_EQ(test, pci_probe_reset_bus(&path->bus), 0);
	KUNIT_EXPECT_EQ(test, pci_reset_bus(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_bus_error_reset(&path->bridge), -EBUSY);
}

/*
 * A task that resets it would wait for its lock with the bridge locked, and the shutdown
 * needs the lock of the bridge.
 */
static void frozen_device_is_not_reset(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	path->devs[0].reset_methods[0] = 1;
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_freeze(&path->devs[0]), 0);
	KUNIT_EXPECT_EQ(test, pci_reset_function(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_try_reset_function(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_probe_reset_bus(&path->bus), 0);
	KUNIT_EXPECT_EQ(test, pci_reset_bus(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_bus_error_reset(&path->bridge), -EBUSY);
	pci_liveupdate_unfreeze(&path->devs[0]);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_frozen(&path->devs[0]));
}

/* Its requests would not be forwarded. */
static void bridge_above_an_incoming_device_is_not_reset(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	path->bridge.reset_methods[0] = 1;
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &path->devs[0].priv_flags);
	KUNIT_EXPECT_EQ(test, pci_reset_function(&path->bridge), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_try_reset_function(&path->bridge), -EBUSY);
}

#ifdef CONFIG_PCIEAER
static pci_ers_result_t reset_fails(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_DISCONNECT;
}

static pci_ers_result_t reset_succeeds(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t needs_reset(struct pci_dev *pdev, pci_channel_state_t state)
{
	return PCI_ERS_RESULT_NEED_RESET;
}

static const struct pci_error_handlers recovering_handlers = {
	.error_detected	= needs_reset,
	.slot_reset	= reset_succeeds,
};

static struct pci_driver recovering_driver = { .err_handler = &recovering_handlers };

struct recovery {
	struct waiting_task	task;
	struct pci_dev		*bridge;
	pci_ers_result_t	(*reset)(struct pci_dev *pdev);
	pci_ers_result_t	result;
};

static void recover(void *arg)
{
	struct recovery *recovery = arg;

	recovery->result = pcie_do_recovery(recovery->bridge, pci_channel_io_frozen,
					    recovery->reset);
}

/* Holds the lock of the first device meanwhile. */
static pci_ers_result_t recover_locked(struct kunit *test, struct fake_path *path,
				       pci_ers_result_t (*reset)(struct pci_dev *pdev))
{
	struct recovery recovery = {
		.task	= { .call = recover, .arg = &recovery },
		.bridge	= &path->bridge,
		.reset	= reset,
	};

	scoped_guard(device, &path->devs[0].dev) {
		start_waiting_task(test, &recovery.task);
		expect_task_returns(test, &recovery.task);
	}
	end_waiting_task(&recovery.task);
	return recovery.result;
}

/* The lock of the device is held until the jump, and pci_bus_sem would be as well. */
static void recovery_does_not_wait_for_a_frozen_device(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0], *mate = &path->devs[1];

	path->bridge.pcie_flags_reg = PCI_EXP_TYPE_ROOT_PORT << 4;
	device_initialize(&pdev->dev);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(pdev), 0);
	KUNIT_ASSERT_EQ(test, pci_liveupdate_freeze(pdev), 0);

	recover_locked(test, path, reset_fails);
	KUNIT_EXPECT_TRUE(test, pdev->error_state == pci_channel_io_normal);

	/* All callbacks that follow a reset, which another device on the bus asks for */
	device_initialize(&mate->dev);
	mate->driver = &recovering_driver;
	list_add_tail(&mate->bus_list, &path->bus.devices);
	KUNIT_EXPECT_TRUE(test, recover_locked(test, path, reset_succeeds) ==
				PCI_ERS_RESULT_RECOVERED);
	KUNIT_EXPECT_TRUE(test, pdev->error_state == pci_channel_io_normal);
	KUNIT_EXPECT_TRUE(test, mate->error_state == pci_channel_io_normal);

	pci_liveupdate_unfreeze(pdev);
	pcie_do_recovery(&path->bridge, pci_channel_io_frozen, reset_fails);
	KUNIT_EXPECT_TRUE(test, pdev->error_state == pci_channel_io_frozen);
}
#endif

static int count_reset(struct hotplug_slot *hotplug, bool probe)
{
	struct fake_path *path = container_of(hotplug, struct fake_path, hotplug);

	if (!probe)
		path->nr_resets++;
	return 0;
}

static const struct hotplug_slot_ops slot_ops = {
	.reset_slot	= count_reset,
};

/* The first device is in a slot, the only one on the bus. */
static void fake_add_slot(struct fake_path *path)
{
	path->hotplug.ops = &slot_ops;
	path->slot.bus = &path->bus;
	path->slot.hotplug = &path->hotplug;
	path->devs[0].slot = &path->slot;
	list_add(&path->slot.list, &path->bus.slots);
}

static void slot_of_an_incoming_device_is_resettable_but_not_reset(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	fake_add_slot(path);
	KUNIT_EXPECT_EQ(test, pci_probe_reset_slot(&path->slot), 0);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &path->devs[0].priv_flags);
	KUNIT_EXPECT_EQ(test, pci_probe_reset_slot(&path->slot), 0);
	KUNIT_EXPECT_EQ(test, pci_reset_bus(&path->devs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_bus_error_reset(&path->bridge), -EBUSY);
	KUNIT_EXPECT_EQ(test, path->nr_resets, 0);
}

static const struct pci_device_id any_device[] = {
	{ PCI_DEVICE(PCI_ANY_ID, PCI_ANY_ID) },
	{ }
};

static void init_driver(struct pci_driver *drv, bool takes_over)
{
	drv->id_table = any_device;
	drv->driver_managed_dma = true;
	drv->takes_over = takes_over;
	spin_lock_init(&drv->dynids.lock);
	INIT_LIST_HEAD(&drv->dynids.list);
}

/* Both are drivers of VFIO. */
static void incoming_device_binds_to_what_takes_it_over(struct kunit *test)
{
	struct pci_driver vfio_pci = { }, variant = { };
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	init_driver(&vfio_pci, true);
	init_driver(&variant, false);
	device_initialize(&pdev->dev);
	pci_dev_allow_binding(pdev);

	KUNIT_EXPECT_TRUE(test, pci_bus_type.match(&pdev->dev, &variant.driver));
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_TRUE(test, pci_bus_type.match(&pdev->dev, &vfio_pci.driver));
	KUNIT_EXPECT_FALSE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags));
	KUNIT_EXPECT_FALSE(test, pci_bus_type.match(&pdev->dev, &variant.driver));
	/* The variant driver is probed when the device is finished. */
	KUNIT_EXPECT_TRUE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags));
}

/* Its virtual functions were handed over, the device itself was not. */
static void device_binds_only_to_a_driver_that_keeps_virtual_functions(struct kunit *test)
{
	struct pci_driver native = { .sriov_keeps = keeps }, other = { }, vfio_pci = { };
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	init_driver(&native, false);
	init_driver(&other, false);
	init_driver(&vfio_pci, true);
	device_initialize(&pdev->dev);
	pci_dev_allow_binding(pdev);

	set_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_TRUE(test, pci_bus_type.match(&pdev->dev, &native.driver));
	KUNIT_EXPECT_FALSE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags));
	KUNIT_EXPECT_FALSE(test, pci_bus_type.match(&pdev->dev, &vfio_pci.driver));
	KUNIT_EXPECT_FALSE(test, pci_bus_type.match(&pdev->dev, &other.driver));
	KUNIT_EXPECT_TRUE(test, test_bit(PCI_DEV_LIVEUPDATE_PROBE, &pdev->priv_flags));

	/* A device that was handed over itself has a user. */
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_FALSE(test, pci_bus_type.match(&pdev->dev, &native.driver));
}

/* The function number is on the list, the bus is not. */
static void stray_master_is_stopped_unless_it_is_a_bridge(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct lists *lists = test->priv;
	struct pci_dev *pdev = &path->devs[0];

	good_list(test);
	memcpy(lists->kept, lists->list, ROOM);
	KUNIT_ASSERT_NULL(test, pci_lu_load(virt_to_phys(lists->kept)));

	fake_config = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	pdev->class = PCI_CLASS_BRIDGE_HOST << 8;
	pci_liveupdate_setup_device(pdev);
	KUNIT_EXPECT_EQ(test, fake_config, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);

	pdev->class = PCI_CLASS_NETWORK_ETHERNET << 8;
	pci_liveupdate_setup_device(pdev);
	KUNIT_EXPECT_EQ(test, fake_config, PCI_COMMAND_MEMORY);
}

static void endpoint_at_the_address_of_a_bridge_is_stopped(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct lists *lists = test->priv;

	memcpy(lists->kept, good_list(test), ROOM);
	KUNIT_ASSERT_NULL(test, pci_lu_load(virt_to_phys(lists->kept)));

	path->sysdata.domain = 0;
	KUNIT_ASSERT_EQ(test, pci_dev_id(&path->devs[0]), good_devices[LOWER].devid);
	fake_config = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	pci_liveupdate_setup_device(&path->devs[0]);
	KUNIT_EXPECT_EQ(test, fake_config, PCI_COMMAND_MEMORY);
}

static void start_outcome_of(struct kunit *test, struct pci_dev *pdev)
{
	start_outcome(test, pci_domain_nr(pdev->bus), pci_dev_id(pdev));
}

static void expect_outcome_of(struct kunit *test, struct pci_dev *pdev, const char *expected)
{
	expect_outcome(test, pci_domain_nr(pdev->bus), pci_dev_id(pdev), expected);
}

static bool fake_is_incoming(struct device *dev)
{
	return pci_liveupdate_incoming(to_pci_dev(dev));
}

/* LUO does not retrieve it again, so this is its final outcome. */
static void failed_retrieve_is_the_outcome(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	start_outcome_of(test, pdev);
	kunit_activate_static_stub(test, irq_liveupdate_is_incoming, fake_is_incoming);
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_RETRIEVE, "not bound to vfio-pci");
	expect_outcome_of(test, pdev, "not bound to vfio-pci");

	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_STOP, "nobody has retrieved it");
	expect_outcome_of(test, pdev, "not bound to vfio-pci");
}

/* As for a second live update file of a device, or for a file with a wrong name. */
static void failed_retrieve_of_another_device_is_no_outcome(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	start_outcome_of(test, pdev);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -ENODEV);
	expect_outcome_of(test, pdev, NULL);
}

/* The path as the previous kernel has recorded it, and its first device as enumeration finds it */
static struct pci_dev *fake_incoming(struct kunit *test, struct fake_path *path)
{
	struct pci_dev *pdev = &path->devs[0];
	struct lists *lists = test->priv;

	KUNIT_ASSERT_EQ(test, pci_liveupdate_preserve(pdev), 0);
	memcpy(lists->kept, path->flb.obj, ROOM);
	pci_liveupdate_unpreserve(pdev);
	KUNIT_ASSERT_NULL(test, pci_lu_load(virt_to_phys(lists->kept)));
	/* The list has been copied, and its memory freed. */
	lists->kept = NULL;
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	return pdev;
}

/* FINISH came while the device was enumerated: it was not found. */
static void device_added_after_the_last_file_is_finished_is_stopped(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	device_initialize(&pdev->dev);
	pm_runtime_get_noresume(&pdev->dev);
	start_outcome_of(test, pdev);
	fake_config = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	pci_lu_added(NULL, BUS_NOTIFY_ADD_DEVICE, &pdev->dev);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));

	pci_lu_unload();
	pci_lu_added(NULL, BUS_NOTIFY_BIND_DRIVER, &pdev->dev);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));
	pci_lu_added(NULL, BUS_NOTIFY_ADD_DEVICE, &pdev->dev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_FALSE(test, fake_config & PCI_COMMAND_MASTER);
	expect_outcome_of(test, pdev, "nobody has claimed it");

	/* The same for a device of which only virtual functions were handed over */
	pm_runtime_get_noresume(&pdev->dev);
	set_bit(PCI_DEV_LIVEUPDATE_VFS_INCOMING, &pdev->priv_flags);
	pci_lu_added(NULL, BUS_NOTIFY_ADD_DEVICE, &pdev->dev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_vfs_incoming(pdev));
}

static bool is_recorded(const struct pci_lu_dev_ser *dev)
{
	return xa_load(&pci_lu_in_devices, (unsigned long)dev->segment << 16 | dev->devid);
}

/* None of the devices exists, and virtual functions are found later. */
static void absent_device_is_forgotten(struct kunit *test)
{
	struct pci_lu_dev_ser lower = good_devices[LOWER];
	struct lists *lists = test->priv;
	struct pci_lu_ser *list = good_list(test);

	/* The machine may have a device at its address. */
	lower.segment = U32_MAX;
	list->devices[LOWER] = lower;
	memcpy(lists->kept, list, ROOM);
	KUNIT_ASSERT_NULL(test, pci_lu_load(virt_to_phys(lists->kept)));
	lists->kept = NULL;
	KUNIT_EXPECT_TRUE(test, is_recorded(&good_devices[ON_ROOT]));
	KUNIT_EXPECT_TRUE(test, is_recorded(&lower));

	scoped_guard(mutex, &pci_lu_lock)
		pci_lu_forget_absent();
	KUNIT_EXPECT_FALSE(test, is_recorded(&good_devices[ON_ROOT]));
	KUNIT_EXPECT_FALSE(test, is_recorded(&lower));
	KUNIT_EXPECT_TRUE(test, is_recorded(&good_devices[VIRTUAL]));
}

/* Whatever the previous kernel says, the device belongs to the first file. */
static void device_is_retrieved_once(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	start_outcome_of(test, pdev);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), 0);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -EBUSY);
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_retrieved(pdev));
	expect_outcome_of(test, pdev, NULL);

	/* Nor does the end of the second file stop it. */
	pci_liveupdate_stop_unclaimed(pdev, "nobody has retrieved it");
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));
}

#ifdef CONFIG_SYSFB
/* Firmware has used it as a display, and the console would overwrite what its user has there. */
static void incoming_display_is_no_console(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	fake_config = PCI_COMMAND_MEMORY;
	KUNIT_EXPECT_TRUE(test, sysfb_pci_dev_is_enabled(pdev));
	set_bit(PCI_DEV_LIVEUPDATE_INCOMING, &pdev->priv_flags);
	KUNIT_EXPECT_FALSE(test, sysfb_pci_dev_is_enabled(pdev));
}
#endif /* CONFIG_SYSFB */

/* The file for its user could not be created. */
static void retrieve_is_undone(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	KUNIT_ASSERT_EQ(test, pci_liveupdate_retrieve(pdev), 0);
	pci_liveupdate_unretrieve(pdev);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_retrieved(pdev));
	KUNIT_EXPECT_TRUE(test, pci_liveupdate_incoming(pdev));
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), 0);
}

/* As pcie_do_recovery() leaves it when the reset of its bus is refused */
static void device_with_a_fatal_error_is_not_retrieved(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = fake_incoming(test, path);

	had_a_fatal_error(path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -ENODEV);
	KUNIT_EXPECT_FALSE(test, pci_liveupdate_retrieved(pdev));
}

/* The bridge would isolate the device from others differently, or address other functions. */
static void device_behind_a_changed_bridge_is_not_retrieved(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev;

	/* Also what the ACS Control register holds, once the bridge has one */
	fake_config = PCI_ACS_SV;
	pdev = fake_incoming(test, path);

	path->bridge.ari_enabled = 1;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -ENODEV);
	path->bridge.ari_enabled = 0;
	path->bridge.acs_cap = PCI_CFG_SPACE_SIZE;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), -ENODEV);
	path->bridge.acs_cap = 0;
	KUNIT_EXPECT_EQ(test, pci_liveupdate_retrieve(pdev), 0);
}

static void what_the_old_kernel_refuses_is_no_outcome(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	start_outcome_of(test, pdev);
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_PRESERVE, "a reason");
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_FREEZE, "a reason");
	irq_liveupdate_report_refusal(&pdev->dev, IRQ_LIVEUPDATE_BLOCK, "a reason");
	expect_outcome_of(test, pdev, NULL);
}

static void outcome_is_known_without_memory(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];
	unsigned int n = 0;
	bool failed;

	init_failing(test);
	do {
		start_outcome_of(test, pdev);
		fail_nth(++n);
		irq_liveupdate_record_refusal(pci_domain_nr(pdev->bus), pci_dev_id(pdev),
					      IRQ_LIVEUPDATE_STOP, "its unit is disabled");
		failed = stop_failing();
		expect_outcome_of(test, pdev, "its unit is disabled");
	} while (failed && n < MAX_ALLOCATIONS);
	KUNIT_EXPECT_FALSE(test, failed);
}

static void reset_lost(void *was)
{
	pci_lu_in_lost = was;
}

/* Its unit was disabled before PCI was up, and then the list of devices was refused. */
static void outcome_of_a_device_stopped_early_is_kept_without_the_list(struct kunit *test)
{
	struct fake_path *path = fake_path(test);
	struct pci_dev *pdev = &path->devs[0];

	start_outcome_of(test, pdev);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, reset_lost,
							   (void *)(long)pci_lu_in_lost));
	irq_liveupdate_record_refusal(pci_domain_nr(pdev->bus), pci_dev_id(pdev),
				      IRQ_LIVEUPDATE_STOP, "its unit is disabled");
	pci_lu_in_lost = true;
	pci_liveupdate_setup_device(pdev);
	expect_outcome_of(test, pdev, "its unit is disabled");

	/* A device that is plugged in later is a different one. */
	pci_lu_in_lost = false;
	pci_liveupdate_setup_device(pdev);
	expect_outcome_of(test, pdev, NULL);
}

static void without_the_list_nothing_is_preserved(struct kunit *test)
{
	struct fake_path *path = fake_path(test);

	kunit_release_action(test, flb_unpreserve, path);
	KUNIT_EXPECT_EQ(test, pci_liveupdate_preserve(&path->devs[0]), -ENOENT);
}

static void unload(void *context)
{
	struct lists *lists = context;

	pci_lu_unload();
	if (lists->kept)
		free_kept(lists->kept);
}

static int pci_test_init(struct kunit *test)
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

static struct kunit_case pci_test_cases[] = {
	KUNIT_CASE(all_devices_are_found),
	KUNIT_CASE(format_v1_is_read),
	KUNIT_CASE(empty_list_is_accepted),
	KUNIT_CASE_PARAM(bad_field_is_refused, bad_field_gen_params),
	KUNIT_CASE(bad_address_is_refused),
	KUNIT_CASE_SLOW(full_list_is_accepted_and_freed),
	KUNIT_CASE_SLOW(mutated_list_is_sound_or_refused),
	KUNIT_CASE_PARAM(device_that_cannot_be_preserved_is_refused, refusal_gen_params),
	KUNIT_CASE(bridge_is_on_the_list_while_a_device_below_it_is),
#ifdef CONFIG_PCI_IOV
	KUNIT_CASE(virtual_function_keeps_its_physical_function_on_the_list),
	KUNIT_CASE(device_is_not_preserved_while_a_virtual_function_is),
	KUNIT_CASE(driver_keeps_virtual_functions_of_its_device),
	KUNIT_CASE(driver_of_the_device_of_a_frozen_virtual_function_keeps_it),
	KUNIT_CASE(virtual_function_is_not_frozen_if_the_driver_does_not_keep_it),
	KUNIT_CASE(virtual_function_is_frozen_while_sriov_numvfs_is_read),
	KUNIT_CASE(obstacle_is_found_without_the_lock),
	KUNIT_CASE(device_is_not_unbound_while_a_virtual_function_is_frozen),
	KUNIT_CASE(preserved_device_is_not_held_by_its_virtual_functions),
	KUNIT_CASE(device_is_not_frozen_with_virtual_functions_of_another),
	KUNIT_CASE(device_is_not_reset_while_a_virtual_function_is_frozen),
#endif
	KUNIT_CASE(list_is_that_of_the_freeze),
	KUNIT_CASE(bus_of_an_incoming_device_is_resettable_but_not_reset),
	KUNIT_CASE(frozen_device_is_not_reset),
	KUNIT_CASE(bridge_above_an_incoming_device_is_not_reset),
#ifdef CONFIG_PCIEAER
	KUNIT_CASE(recovery_does_not_wait_for_a_frozen_device),
#endif
	KUNIT_CASE(slot_of_an_incoming_device_is_resettable_but_not_reset),
	KUNIT_CASE(incoming_device_binds_to_what_takes_it_over),
	KUNIT_CASE(device_binds_only_to_a_driver_that_keeps_virtual_functions),
	KUNIT_CASE(stray_master_is_stopped_unless_it_is_a_bridge),
	KUNIT_CASE(endpoint_at_the_address_of_a_bridge_is_stopped),
	KUNIT_CASE(failed_retrieve_is_the_outcome),
	KUNIT_CASE(failed_retrieve_of_another_device_is_no_outcome),
	KUNIT_CASE(device_added_after_the_last_file_is_finished_is_stopped),
	KUNIT_CASE(absent_device_is_forgotten),
	KUNIT_CASE(device_is_retrieved_once),
#ifdef CONFIG_SYSFB
	KUNIT_CASE(incoming_display_is_no_console),
#endif
	KUNIT_CASE(retrieve_is_undone),
	KUNIT_CASE(device_with_a_fatal_error_is_not_retrieved),
	KUNIT_CASE(device_behind_a_changed_bridge_is_not_retrieved),
	KUNIT_CASE(what_the_old_kernel_refuses_is_no_outcome),
	KUNIT_CASE(outcome_of_a_device_stopped_early_is_kept_without_the_list),
	KUNIT_CASE(outcome_is_known_without_memory),
	KUNIT_CASE(without_the_list_nothing_is_preserved),
	{}
};

static struct kunit_suite pci_test_suite = {
	.name		= "irq_liveupdate_pci",
	.init		= pci_test_init,
	.test_cases	= pci_test_cases,
};

kunit_test_suite(pci_test_suite);

MODULE_DESCRIPTION("KUnit tests of the list of PCI devices of a live update");
MODULE_LICENSE("GPL");
