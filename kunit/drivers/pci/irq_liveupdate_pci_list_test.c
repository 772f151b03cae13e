// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of how the next kernel reads the list of PCI devices: the real code on lists in
 * memory that KHO believes it has kept, see kept_memory.h.
 */

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/kho/abi/pci.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/sizes.h>
#include <linux/xarray.h>

#include "kunit_fake_list.h"
#include "liveupdate.h"

/* How many entries were refused when a list was loaded, the last one of them, and why */
static struct {
	unsigned int		nr;
	struct pci_lu_dev_ser	dev;
	const char		*reason;
} refused;

static void note_refused(const struct pci_lu_dev_ser *dev, const char *reason)
{
	refused.nr++;
	refused.dev = *dev;
	refused.reason = reason;
}

/* As when LUO's object is retrieved: a list that is refused is unloaded. */
static const char *load_from(u64 phys)
{
	const char *reason = pci_lu_load(phys);

	if (reason)
		pci_lu_unload();
	return reason;
}

/* Only if all entries are sound, the memory is known to be that of a list, and is freed. */
static const char *load(struct kunit *test)
{
	struct lists *lists = test->priv;
	const char *reason;

	if (!is_kept(lists->kept))
		lists->kept = alloc_kept(0);
	KUNIT_ASSERT_NOT_NULL(test, lists->kept);
	memcpy(lists->kept, lists->list, ROOM);

	refused.nr = 0;
	reason = load_from(virt_to_phys(lists->kept));
	KUNIT_EXPECT_EQ(test, is_kept(lists->kept), reason || refused.nr);
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

/* As when a bit of its address has flipped, and memory of a guest is there */
static void memory_that_holds_no_list_stays_preserved(struct kunit *test)
{
	struct lists *lists = test->priv;

	memset(lists->list, 0, ROOM);
	expect_refused(test, load(test), "no devices");
	KUNIT_EXPECT_TRUE(test, is_kept(lists->kept));

	memset(lists->list, 0x5a, ROOM);
	expect_refused(test, load(test), "too many devices");
	KUNIT_EXPECT_TRUE(test, is_kept(lists->kept));
}

#define HEAD(_field, _value, _reason)						\
	BAD_FIELD(#_field " = " #_value, (*(struct pci_lu_ser *)NULL)._field,	\
		  _value, _reason)

static const struct bad_field bad_heads[] = {
	HEAD(nr_devices, 0, "no devices"),
	HEAD(nr_devices, PCI_LU_MAX_DEVICES + 1, "too many devices"),
	/* The size of this many is right, modulo 2^64. */
	HEAD(nr_devices, NR_DEVICES + BIT_ULL(61), "too many devices"),
	HEAD(nr_devices, U64_MAX, "too many devices"),
};

KUNIT_ARRAY_PARAM_DESC(bad_head, bad_heads, name);

static void bad_head_is_refused(struct kunit *test)
{
	struct pci_lu_ser *list = good_list(test);

	set_bad_field(list, test->param_value);
	expect_refused(test, load(test), ((const struct bad_field *)test->param_value)->reason);

	/* Nothing is left of it that would get in the way of another list. */
	good_list(test);
	expect_accepted(test, load(test));
}

#define DEV(_i, _field, _value, _reason)					\
	BAD_FIELD(#_field " = " #_value,					\
		  (*(struct pci_lu_ser *)NULL).devices[_i]._field, _value, _reason)

static const struct bad_field bad_fields[] = {
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

static void expect_only_refused(struct kunit *test, u32 nr, const char *reason)
{
	struct lists *lists = test->priv;
	struct pci_lu_ser *list = lists->list;

	KUNIT_ASSERT_EQ(test, refused.nr, 1);
	KUNIT_EXPECT_STREQ(test, refused.reason, reason);
	KUNIT_EXPECT_MEMEQ(test, &refused.dev, &list->devices[nr], sizeof(refused.dev));
	for (u32 i = 0; i < list->nr_devices; i++)
		KUNIT_EXPECT_EQ_MSG(test, is_found(&list->devices[i]), i != nr, "device %u", i);
	pci_lu_unload();
}

static void bad_field_refuses_its_device_only(struct kunit *test)
{
	const struct bad_field *bad = test->param_value;
	struct pci_lu_ser *list = good_list(test);

	set_bad_field(list, bad);
	KUNIT_EXPECT_STREQ(test, load(test) ?: "accepted", "accepted");
	expect_only_refused(test, (bad->offset - offsetof(struct pci_lu_ser, devices)) /
				  sizeof(list->devices[0]), bad->reason);

	/* Nothing is left of it that would get in the way of another list. */
	good_list(test);
	expect_accepted(test, load(test));
}

static void first_of_two_entries_of_a_device_counts(struct kunit *test)
{
	struct pci_lu_ser *list = good_list(test);

	list->devices[BELOW_LOWER].devid = list->devices[BELOW_UPPER].devid;
	KUNIT_EXPECT_STREQ(test, load(test) ?: "accepted", "accepted");
	expect_only_refused(test, BELOW_UPPER, "duplicate device");
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

	if (!list->nr_devices || list->nr_devices > MAX_DEVICES)
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

static const char *broken_found(void)
{
	const struct pci_lu_dev_ser *dev;
	const char *broken = NULL;
	unsigned long address;

	xa_for_each(&pci_lu_in_devices, address, dev)
		broken = broken ?: broken_device(dev);
	return broken;
}

static void mutated_list_is_sound_or_refused(struct kunit *test)
{
	struct lists *lists = test->priv;
	unsigned int nr_accepted = 0;
	struct rnd_state rnd;

	for (unsigned int nr = 0; nr < NR_MUTATIONS; nr++) {
		const char *reason;

		seed_mutation(&rnd, nr);
		mutate_record(&rnd, good_list(test), LEN);
		reason = load(test);
		KUNIT_EXPECT_STREQ(test, broken_found() ?: "", "");
		if (reason) {
			KUNIT_EXPECT_TRUE(test, xa_empty(&pci_lu_in_devices));
		} else if (refused.nr) {
			KUNIT_EXPECT_EQ(test, count_found() + refused.nr,
					lists->list->nr_devices);
			pci_lu_unload();
		} else {
			KUNIT_EXPECT_STREQ(test, broken_list(lists->list) ?: "", "");
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

static int pci_list_init(struct kunit *test)
{
	kunit_activate_static_stub(test, pci_lu_report_refused, note_refused);
	return init_lists(test);
}

static struct kunit_case pci_list_cases[] = {
	KUNIT_CASE(all_devices_are_found),
	KUNIT_CASE(format_v1_is_read),
	KUNIT_CASE(memory_that_holds_no_list_stays_preserved),
	KUNIT_CASE_PARAM(bad_head_is_refused, bad_head_gen_params),
	KUNIT_CASE_PARAM(bad_field_refuses_its_device_only, bad_field_gen_params),
	KUNIT_CASE(first_of_two_entries_of_a_device_counts),
	KUNIT_CASE(bad_address_is_refused),
	KUNIT_CASE_SLOW(full_list_is_accepted_and_freed),
	KUNIT_CASE_SLOW(mutated_list_is_sound_or_refused),
	{}
};

static struct kunit_suite pci_list_suite = {
	.name		= "irq_liveupdate_pci_list",
	.init		= pci_list_init,
	.test_cases	= pci_list_cases,
};

kunit_test_suite(pci_list_suite);

MODULE_DESCRIPTION("KUnit tests of the list of PCI devices of a live update");
MODULE_LICENSE("GPL");
