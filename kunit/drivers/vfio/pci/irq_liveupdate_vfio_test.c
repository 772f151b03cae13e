// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of how the next kernel reads the record of a vfio-pci file: the real
 * code on a record in memory.
 */

#include <kunit/irq_liveupdate/kept_memory.h>
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "vfio_pci_liveupdate.h"

#define LEN	sizeof(struct vfio_pci_lu_ser)

static_assert(offsetof(struct vfio_pci_lu_ser, features) == offsetof(struct record_head, features));
static_assert(offsetof(struct vfio_pci_lu_ser, len) == offsetof(struct record_head, len));
static_assert(offsetof(struct vfio_pci_lu_ser, checksum) == offsetof(struct record_head, checksum));

static const struct vfio_pci_lu_ser good_file = {
	.magic		= VFIO_PCI_LU_MAGIC,
	.version	= VFIO_PCI_LU_VERSION,
	.len		= LEN,
	.segment	= 1,
	.devid		= 0x0310,
	.vendor		= 0x1af4,
	.device		= 0x1110,
};

static const char *check(struct vfio_pci_lu_ser *file)
{
	return vfio_pci_lu_refuse(virt_to_phys(file)) ?: "accepted";
}

static void good_record_is_accepted(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, check(test->priv), "accepted");
}

#define FILE(_field, _value, _reason)						\
	BAD_FIELD(#_field " = " #_value, (*(struct vfio_pci_lu_ser *)NULL)._field, \
		  _value, _reason)

static const struct bad_field bad_fields[] = {
	FILE(magic, 0, "bad magic"),
	FILE(magic, 0x4c494350, "bad magic"),
	FILE(version, 0, "unknown version"),
	FILE(version, VFIO_PCI_LU_VERSION + 1, "unknown version"),
	FILE(features, BIT_ULL(0), "unknown features"),
	FILE(features, BIT_ULL(63), "unknown features"),
	FILE(len, 0, "bad length"),
	FILE(len, LEN - 1, "bad length"),
	FILE(len, LEN + 1, "bad length"),
	FILE(len, U32_MAX, "bad length"),
	FILE(reserved[0], 1, "reserved field not zero"),
	FILE(reserved[14], BIT(15), "reserved field not zero"),
	/* Whether there is such a device is not a question of the format. */
	FILE(segment, U32_MAX, "accepted"),
	FILE(devid, 0, "accepted"),
	FILE(devid, U16_MAX, "accepted"),
	FILE(vendor, U16_MAX, "accepted"),
	FILE(device, 0, "accepted"),
};

KUNIT_ARRAY_PARAM_DESC(bad_field, bad_fields, name);

static void bad_field_is_refused(struct kunit *test)
{
	const struct bad_field *bad = test->param_value;

	set_bad_field(test->priv, bad);
	seal_record(test->priv, LEN);
	KUNIT_EXPECT_STREQ(test, check(test->priv), bad->reason);
}

static void every_bit_counts(struct kunit *test)
{
	for (u32 bit = 0; bit < LEN * BITS_PER_BYTE; bit++) {
		flip_bit(test->priv, bit);
		KUNIT_EXPECT_STRNEQ_MSG(test, check(test->priv), "accepted", "bit %u", bit);
		flip_bit(test->priv, bit);
	}
	KUNIT_EXPECT_STREQ(test, check(test->priv), "accepted");
}

static void bad_checksum_is_refused(struct kunit *test)
{
	struct vfio_pci_lu_ser *file = test->priv;

	file->checksum++;
	KUNIT_EXPECT_STREQ(test, check(file), "bad checksum");
}

static void bad_address_is_refused(struct kunit *test)
{
	u64 phys = virt_to_phys(test->priv);

	memcpy(test->priv + SZ_2K, test->priv, LEN);
	KUNIT_EXPECT_STREQ(test, vfio_pci_lu_refuse(0), "bad address");
	KUNIT_EXPECT_STREQ(test, vfio_pci_lu_refuse(phys + SZ_2K) ?: "accepted", "bad address");
	/* The memory of VGA and of the firmware, which is mapped */
	KUNIT_EXPECT_STREQ(test, vfio_pci_lu_refuse(SZ_512K + SZ_128K), "bad address");
	KUNIT_EXPECT_STREQ(test, vfio_pci_lu_refuse(SZ_1M - PAGE_SIZE), "bad address");
	KUNIT_EXPECT_STREQ(test, vfio_pci_lu_refuse(BIT_ULL(51)), "bad address");
	KUNIT_EXPECT_STREQ(test, vfio_pci_lu_refuse(U64_MAX & PAGE_MASK), "bad address");
}

/* What the ABI promises, in other words than those of the reader. */
static bool is_sound(const struct vfio_pci_lu_ser *file)
{
	return file->magic == 0x4c494656 && file->version == 1 && !file->features &&
	       file->len == 64 && !memchr_inv(file->reserved, 0, sizeof(file->reserved));
}

static void mutated_record_is_sound_or_refused(struct kunit *test)
{
	struct vfio_pci_lu_ser *file = test->priv;
	unsigned int nr_accepted = 0;
	struct rnd_state rnd;

	for (unsigned int nr = 0; nr < NR_MUTATIONS; nr++) {
		bool accepted;

		seed_mutation(&rnd, nr);
		*file = good_file;
		mutate_record(&rnd, file, LEN);
		seal_record(file, LEN);
		accepted = !vfio_pci_lu_refuse(virt_to_phys(file));
		if (accepted && !is_sound(file))
			KUNIT_FAIL(test, "mutation %u, seed %#x", nr, MUTATION_SEED);
		nr_accepted += accepted;
	}

	kunit_info(test, "seed %#x: %u mutations, %u records accepted", MUTATION_SEED,
		   NR_MUTATIONS, nr_accepted);
	KUNIT_EXPECT_GT(test, nr_accepted, NR_MUTATIONS / 20);
	KUNIT_EXPECT_LT(test, nr_accepted, NR_MUTATIONS - NR_MUTATIONS / 20);
}

static void free_record(void *file)
{
	free_page((unsigned long)file);
}

static int vfio_test_init(struct kunit *test)
{
	struct vfio_pci_lu_ser *file = (void *)get_zeroed_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, file);
	*file = good_file;
	seal_record(file, LEN);
	test->priv = file;
	return kunit_add_action_or_reset(test, free_record, file);
}

static struct kunit_case vfio_test_cases[] = {
	KUNIT_CASE(good_record_is_accepted),
	KUNIT_CASE_PARAM(bad_field_is_refused, bad_field_gen_params),
	KUNIT_CASE(every_bit_counts),
	KUNIT_CASE(bad_checksum_is_refused),
	KUNIT_CASE(bad_address_is_refused),
	KUNIT_CASE_SLOW(mutated_record_is_sound_or_refused),
	{}
};

static struct kunit_suite vfio_test_suite = {
	.name		= "irq_liveupdate_vfio",
	.init		= vfio_test_init,
	.test_cases	= vfio_test_cases,
};

kunit_test_suite(vfio_test_suite);

MODULE_DESCRIPTION("KUnit tests of the record of a vfio-pci file of a live update");
MODULE_LICENSE("GPL");
